"""Makes utterances: spoken, looked at, aligned, recognised, and tried again where one of these fails.

    batch 0    speak | align | check
    batch 1            speak | align | check          the stages work at the same time, each on its own thread
    batch 2                    speak | align | check
    what failed goes round again, as the next attempt, until it is good or has no attempt left

Models release Python's lock while they compute, so three threads of one worker keep three models busy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from soundflow_data.errors import SpeechError
from soundflow_data.speech.checking import MAX_ERROR_RATE, NOT_UNDERSTOOD, Verdict
from soundflow_data.speech.engine import Engine, Request, Speech, Voice, speak_many
from soundflow_data.speech.proof import Aligner, Alignment, Spoken
from soundflow_data.speech.sanity import AudioLimits, check_speech
from soundflow_data.speech.segments import excerpt
from soundflow_data.timeline import Word

STAGES: Final = ("speak", "align", "check")
BATCH: Final = 16  # utterances that a model gets at once
EXACT: Final = "engine"  # aligner of utterances whose engine knows its word times


Check = Callable[[Sequence[Spoken]], Sequence[Verdict | SpeechError]]


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that makes and proves utterances, open.

    Attributes:
        engine: Speaks.
        aligner: Finds word times where the engine does not know them.
        check: Judges what can be heard, such as `check_utterances` with a recogniser; None leaves all unchecked.
    """

    engine: Engine
    aligner: Aligner | None = None
    check: Check | None = None


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """When an utterance is broken, and what then.

    Attributes:
        retries: Attempts after the first.
        max_error_rate: Of what is recognised, in words (characters in Mandarin).
        audio: Bounds of its audio.
    """

    retries: int = 2
    max_error_rate: float = MAX_ERROR_RATE
    audio: AudioLimits = AudioLimits()


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """An utterance to be made: its content address, the text in spoken form, and who says it."""

    address: str
    text: str
    voice: Voice


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A good utterance.

    Attributes:
        wanted: What was asked for.
        pcm: int16 (num_samples,).
        words: Words with times.
        aligner: Who found the times: `EXACT`, or name and version of an aligner.
        scores: How sure the aligner is of each word, 0 to 1; empty for exact times.
        checked_by: Name and version of the recogniser; empty when nobody checked.
        wer: Error rate that it found; None when nobody checked.
        attempts: How often it was spoken.
    """

    wanted: Wanted
    pcm: NDArray[np.int16]
    words: tuple[Word, ...]
    aligner: str
    scores: tuple[float, ...] = ()
    checked_by: str = ""
    wer: float | None = None
    attempts: int = 1


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """An utterance that stayed broken: why it was at the last attempt, in a countable word group and in full."""

    wanted: Wanted
    reason: str
    message: str
    attempts: int


Result = Made | Failed


class Maker:
    """Makes utterances with models that stay loaded; close it to end its threads.

    Args:
        tools: Engine, aligner and recogniser.
        rules: When an utterance is broken.
        batch: Utterances that a model gets at once.
    """

    def __init__(self, tools: Tools, rules: Rules, *, batch: int = BATCH) -> None:
        self._tools = tools
        self._rules = rules
        self._batch = batch
        self._stages = [ThreadPoolExecutor(1, name) for name in STAGES]
        self.seconds = dict.fromkeys(STAGES, 0.0)  # that each was busy

    def close(self) -> None:
        """Ends the threads."""
        for stage in self._stages:
            stage.shutdown(cancel_futures=True)

    def make(self, wanted: Sequence[Wanted]) -> list[Result]:
        """Makes utterances; one that stays broken is a result too, and the others are made.

        Returns:
            One result for each, in their order.

        Raises:
            SpeechError: The engine (an `EngineError`), the aligner or the recogniser does not work at all.
        """
        results: dict[int, Result] = {
            i: Failed(wanted=one, reason="empty text", message="nothing of the text can be said", attempts=0)
            for i, one in enumerate(wanted)
            if not any(map(str.isalnum, one.text))
        }
        # What one model says together should be of one length: the longest of a batch decides how long all take.
        left = sorted(set(range(len(wanted))) - set(results), key=lambda i: _likeness(wanted[i]))
        for attempt in range(self._rules.retries + 1):
            results.update(zip(left, self._try([wanted[i] for i in left], attempt), strict=True))
            left = [i for i in left if isinstance(results[i], Failed)]
            if not left:
                break
        return [results[i] for i in range(len(wanted))]

    def _try(self, wanted: list[Wanted], attempt: int) -> Iterator[Result]:
        """Tries utterances once, in batches that follow each other through the stages."""
        speaking, aligning, checking = self._stages
        begun: list[Future[list[Result]]] = []
        for start in range(0, len(wanted), self._batch):
            spoken = speaking.submit(self._speak, wanted[start : start + self._batch], attempt)
            aligned = aligning.submit(_after, spoken, self._align)
            begun += [spoken, aligned, checking.submit(_after, aligned, self._check)]
        try:
            for future in begun[2::3]:
                yield from future.result()
        finally:
            for future in begun:  # when one stage does not work, nothing more is spoken in vain
                future.cancel()

    # -- stages ------------------------------------------------------------------------------------------------------

    def _speak(self, wanted: list[Wanted], attempt: int) -> list[Result]:
        started = time.perf_counter()
        requests = [Request(text=one.text, voice=one.voice, attempt=attempt) for one in wanted]
        spoken = speak_many(self._tools.engine, requests)
        assert len(spoken) == len(wanted), f"engine {self._tools.engine.name} answered {len(spoken)} of {len(wanted)}"
        results = [
            self._look(one, speech, attempt + 1) if isinstance(speech, Speech) else _failed(one, speech, attempt + 1)
            for one, speech in zip(wanted, spoken, strict=True)
        ]
        self.seconds["speak"] += time.perf_counter() - started
        return results

    def _look(self, wanted: Wanted, speech: Speech, attempts: int) -> Result:
        try:
            check_speech(speech, wanted.text, wanted.voice, self._rules.audio)
        except SpeechError as error:
            return _failed(wanted, error, attempts)
        return Made(wanted=wanted, pcm=speech.pcm, words=speech.words, aligner=EXACT, attempts=attempts)

    def _align(self, results: list[Result]) -> list[Result]:
        """Finds the words of the utterances whose engine has not told them."""
        started = time.perf_counter()
        aligner = self._tools.aligner
        open_ones = [(i, one) for i, one in enumerate(results) if isinstance(one, Made) and not one.words]
        if open_ones and aligner is None:
            raise SpeechError(
                f"engine {self._tools.engine.name!r} does not tell when it says each word; give an aligner (--aligner)"
            )
        if open_ones and aligner is not None:
            found = aligner.align([_spoken(one) for _, one in open_ones])
            name = f"{aligner.name} {aligner.version}"
            for (i, one), alignment in zip(open_ones, found, strict=True):
                results[i] = _aligned(one, alignment, name)
        self.seconds["align"] += time.perf_counter() - started
        return results

    def _check(self, results: list[Result]) -> list[Result]:
        """Compares what is heard with what was to be said."""
        started = time.perf_counter()
        good = [(i, one) for i, one in enumerate(results) if isinstance(one, Made)]
        if good and self._tools.check is not None:
            verdicts = self._tools.check([_spoken(one) for _, one in good])
            for (i, one), verdict in zip(good, verdicts, strict=True):
                results[i] = self._judged(one, verdict)
        self.seconds["check"] += time.perf_counter() - started
        return results

    def _judged(self, made: Made, verdict: Verdict | SpeechError) -> Result:
        if isinstance(verdict, SpeechError):
            return _failed(made.wanted, verdict, made.attempts)
        wanted, limit = made.wanted, self._rules.max_error_rate
        if verdict.wer > limit:
            error = SpeechError(
                f"voice {wanted.voice.id!r} with {excerpt(wanted.text)}: heard was {excerpt(verdict.transcript)}, an "
                f"error rate of {verdict.wer:.2f}, which is above {limit:.2f}",
                reason=NOT_UNDERSTOOD,
            )
            return _failed(wanted, error, made.attempts)
        return msgspec.structs.replace(made, checked_by=verdict.checked_by, wer=verdict.wer)


def _after(before: Future[list[Result]], work: Callable[[list[Result]], list[Result]]) -> list[Result]:
    return work(before.result())


def _likeness(wanted: Wanted) -> tuple[str, str, int, str]:
    return (wanted.voice.language, wanted.voice.model, len(wanted.text), wanted.address)


def _spoken(made: Made) -> Spoken:
    return Spoken(pcm=made.pcm, text=made.wanted.text, language=made.wanted.voice.language)


def _failed(wanted: Wanted, error: SpeechError, attempts: int) -> Failed:
    return Failed(wanted=wanted, reason=error.reason, message=str(error), attempts=attempts)


def _aligned(made: Made, alignment: Alignment | SpeechError, name: str) -> Result:
    if isinstance(alignment, SpeechError):
        return _failed(made.wanted, alignment, made.attempts)
    return msgspec.structs.replace(made, words=alignment.words, scores=alignment.scores, aligner=name)
