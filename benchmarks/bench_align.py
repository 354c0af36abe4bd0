"""Word times: how far aligners are from espeak's exact ones, what they reject, and how fast they and recognisers are.

It runs in the speech environment only. Small models are trained first, which takes two minutes; those in use are larger
and slower. So the errors say what the method can do, and the speeds what the code around a model costs.
"""

from __future__ import annotations

import math
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from benchmarks.material import Setup
from benchmarks.measure import Timing
from benchmarks.report import Goal, Result, Row
from soundflow_data.errors import SpeechError
from soundflow_data.speech import Language, load_voices
from soundflow_data.speech.checking import Verdict, check_utterances
from soundflow_data.speech.proof import Aligner, Alignment, Spoken
from soundflow_data.speech.provers import ALIGNERS, make_aligner, make_recogniser
from soundflow_data.timeline import SAMPLE_RATE

if TYPE_CHECKING:
    from benchmarks.small_models import Utterance

REQUIRES = ("torch", "torchaudio", "transformers", "whisperx", "jiwer", "whisper_normalizer")

# No numbers: Whisper's normaliser joins neighbours into one.
WORDS: Final = ("yes", "no", "stop", "left", "right", "green", "kitchen", "water")
_KNOWN_VOICES: Final = 6  # the model hears these; the others are new to it
_MS: Final = SAMPLE_RATE // 1000


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """What an aligner made of utterances whose words are known.

    Attributes:
        errors_ms: Of all starts and ends of the words of what it aligned.
        scores: Mean score of each utterance that it aligned.
        rejected: Share of the utterances that it did not align.
        rejected_wrong: Share of those that it did not align with the text of another.
        speed: Seconds of audio per second, on the clock and by CPU time.
    """

    errors_ms: list[float]
    scores: list[float]
    rejected: float
    rejected_wrong: float
    speed: tuple[float, float]


def run(setup: Setup) -> Result:
    folder = setup.work / "align"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        found = _measure(setup, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return found


def _measure(setup: Setup, folder: Path) -> Result:
    from benchmarks import small_models as small  # noqa: PLC0415 - needs torch, which the base has not

    number, epochs = setup.pick(240, 8), setup.pick(12, 1)
    rows: list[Row] = []
    details: dict[str, Any] = {}
    for language in ("en", "zh"):
        voices = load_voices(language)
        _, took = _timed(partial(train_aligner, folder / language, language, number=number, epochs=epochs))
        rows.append(Row(what=f"{language}: training a model", value=took.wall_s, cpu=took.cpu_s, unit="s"))
        for who, some in (("known voices", voices[:_KNOWN_VOICES]), ("new voices", voices[_KNOWN_VOICES:])):
            texts = small.sentences(setup.pick(60, 4), language=language, seed=2)
            utterances = small.speak_texts(texts, some)
            for name in ALIGNERS:
                # At the smallest size the model has learned nothing, and all would be rejected.
                options = {language: str(folder / language), "device": "cpu"}
                aligner = make_aligner(name, options | ({"min_score": "1e-9"} if setup.smoke else {}))
                quality = judge(aligner, utterances, language)
                label = f"{language}, {who}, {name}"
                rows += _rows(label, quality, goal=who == "known voices")
                details[label] = quality
    rows += _recognition(setup, folder / "words")
    return Result(
        rows=rows,
        setting={"training_utterances": number, "epochs": epochs, "known_voices": _KNOWN_VOICES, "threads": 1},
        details=details,
    )


def train_aligner(folder: Path, language: Language, *, number: int, epochs: int, voices: int = _KNOWN_VOICES) -> None:
    """Trains a small model on espeak's voices and writes it to a folder."""
    from benchmarks import small_models as small  # noqa: PLC0415

    texts = small.sentences(number, language=language, seed=1)
    spaced = language == "en"
    letters = small.ENGLISH if spaced else _characters(language)
    tokens = small.vocabulary(letters)
    model = small.small_ctc(letters)
    utterances = small.speak_texts(texts, load_voices(language)[:voices])
    small.train_places(model, utterances, tokens, epochs=epochs, spaced=spaced)
    small.save_ctc(model, folder, tokens)


def _characters(language: Language) -> str:
    from benchmarks import small_models as small  # noqa: PLC0415

    texts = small.sentences(400, language=language, seed=0)
    return "".join(sorted({char for text in texts for char in text if char.isalnum()}))


def train_recogniser(folder: Path, *, number: int, epochs: int, voices: int = 3) -> None:
    """Trains a small model to write a few words, and writes it to a folder."""
    from benchmarks import small_models as small  # noqa: PLC0415

    tokens = small.vocabulary(small.ENGLISH)
    model = small.small_ctc(small.ENGLISH)
    utterances = small.speak_texts(small.phrases(WORDS, number, seed=1), load_voices("en")[:voices])
    small.train_places(model, utterances, tokens, epochs=max(epochs // 2, 1))
    small.train_texts(model, utterances, tokens, epochs=epochs)
    small.save_ctc(model, folder, tokens)


def judge(aligner: Aligner, utterances: Sequence[Utterance], language: Language) -> Quality:
    """Aligns utterances with their own texts and with each other's."""
    right = [Spoken(pcm=one.speech.pcm, text=one.text, language=language) for one in utterances]
    texts = [one.text for one in right]
    wrong = [
        Spoken(pcm=one.pcm, text=text, language=language)
        for one, text in zip(right, [*texts[1:], *texts[:1]], strict=True)
    ]
    aligner.align(right[:1])  # loads the model
    results, took = _timed(lambda: aligner.align(right))
    aligned = [(one, found) for one, found in zip(utterances, results, strict=True) if isinstance(found, Alignment)]
    errors = [
        abs(ours - true) / _MS
        for one, found in aligned
        for word, exact in zip(found.words, one.speech.words, strict=True)
        for ours, true in ((word.start, exact.start), (word.end, exact.end))
    ]
    return Quality(
        errors_ms=errors,
        scores=[statistics.mean(found.scores) for _, found in aligned],
        rejected=1 - len(aligned) / len(right),
        rejected_wrong=sum(isinstance(found, SpeechError) for found in aligner.align(wrong)) / len(wrong),
        speed=_speed(right, took),
    )


def _rows(label: str, quality: Quality, *, goal: bool) -> list[Row]:
    errors = quality.errors_ms
    median, high = np.percentile(errors, (50, 90)) if errors else (math.inf, math.inf)  # nothing was aligned
    return [
        Row(
            what=f"{label}: median error of a boundary",
            value=float(median),
            unit="ms",
            goal=Goal("<=", 40) if goal else None,
        ),
        Row(
            what=f"{label}: 90th percentile",
            value=float(high),
            unit="ms",
            goal=Goal("<=", 100) if goal else None,
        ),
        Row(what=f"{label}: 5th percentile of scores", value=float(np.percentile(quality.scores or [0], 5)), unit=""),
        Row(what=f"{label}: rejected with its own text", value=quality.rejected, unit=""),
        Row(what=f"{label}: rejected with another text", value=quality.rejected_wrong, unit=""),
        Row(what=f"{label}: speed", value=quality.speed[0], cpu=quality.speed[1], unit="x real time"),
    ]


def _recognition(setup: Setup, folder: Path) -> list[Row]:
    from benchmarks import small_models as small  # noqa: PLC0415

    train_recogniser(folder, number=setup.pick(300, 8), epochs=setup.pick(8, 1))
    texts = small.phrases(WORDS, setup.pick(60, 4), seed=2)
    spoken = [
        Spoken(pcm=one.speech.pcm, text=one.text, language="en")
        for one in small.speak_texts(texts, load_voices("en")[:3])
    ]
    wrong = [
        Spoken(pcm=one.pcm, text=text, language="en")
        for one, text in zip(spoken, [*texts[1:], *texts[:1]], strict=True)
    ]
    rows = []
    for batch_s in ("0.1", "120"):
        recogniser = make_recogniser("ctc", {"en": str(folder), "device": "cpu", "batch_s": batch_s})
        check_utterances(recogniser, spoken[:1])
        verdicts, took = _timed(lambda recogniser=recogniser: check_utterances(recogniser, spoken))
        wall, cpu = _speed(spoken, took)
        rows.append(Row(what=f"recogniser, batches of {batch_s} s: speed", value=wall, cpu=cpu, unit="x real time"))
    passed = [sum(isinstance(one, Verdict) and one.passed for one in some) / len(some)
              for some in (verdicts, check_utterances(recogniser, wrong))]  # fmt: skip
    return [
        *rows,
        Row(what="recogniser: passed with its own text", value=passed[0], unit=""),
        Row(what="recogniser: passed with another text", value=passed[1], unit=""),
    ]


def _timed(call: Callable[[], Any]) -> tuple[Any, Timing]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return result, Timing(wall_s=time.perf_counter() - wall, cpu_s=time.process_time() - cpu)


def _speed(items: Sequence[Spoken], took: Timing) -> tuple[float, float]:
    seconds = sum(len(one.pcm) for one in items) / SAMPLE_RATE
    return seconds / took.wall_s, seconds / took.cpu_s
