"""Word times by WhisperX: its forced alignment with a wav2vec2 model per language."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import numpy as np

from soundflow_data.errors import SpeechError
from soundflow_data.speech.alignment_rules import (
    MIN_SCORE,
    TOO_LONG,
    TOO_SHORT,
    Found,
    audio_problem,
    conclude,
    language_problem,
    text_problem,
)
from soundflow_data.speech.ctc_model import Alphabet, read_alphabet
from soundflow_data.speech.model_files import (
    Model,
    Prover,
    check_options,
    check_packages,
    ctc_models,
    number_option,
)
from soundflow_data.speech.proof import Alignment, Spoken
from soundflow_data.speech.randomness import own_randomness
from soundflow_data.speech.segments import excerpt, words_of
from soundflow_data.timeline import SAMPLE_RATE

LONGEST_S: Final = 60  # it runs an utterance as a whole, and attention grows with the square of the length
_SHORTEST: Final = 400  # samples to which it pads; what is shorter has no frame of its own
_OPTIONS: Final = ("en", "zh", "device", "min_score")
_USER: Final = "aligner 'whisperx'"
_REVISION: Final = 1  # changes with whatever this package changes in the times
_SEPARATOR: Final = "|"
_BLANKS: Final = ("[pad]", "<pad>")  # as WhisperX finds it
_TABLES: Final = ("abbrev_types.txt", "collocations.tab", "ortho_context.tab", "sent_starters.txt")


class WhisperxAligner(Prover):
    """Aligns with WhisperX; use `WhisperxAligner.configure`.

    WhisperX runs one utterance after another. It is given a text of known letters only and asked for the times of
    characters: its own division into words and sentences reorders and joins what has the same times.
    """

    name = "whisperx"
    _package = "whisperx"
    _revision = _REVISION

    def __init__(self, models: Mapping[str, Model], *, device: str, min_score: float) -> None:
        super().__init__(models)
        self._device_option = device
        self._min_score = min_score
        self._models: dict[str, tuple[Any, dict[str, Any], Alphabet]] = {}

    @classmethod
    def configure(cls, options: Mapping[str, str]) -> Self:
        """Makes the aligner from options; see `make_aligner`."""
        check_options(options, _OPTIONS, user=_USER)
        check_packages(("torch", "whisperx"), user=_USER)
        return cls(
            ctc_models(options, user=_USER),
            device=options.get("device", ""),
            min_score=number_option(options, "min_score", MIN_SCORE, user=_USER),
        )

    def align(self, items: Sequence[Spoken]) -> list[Alignment | SpeechError]:
        """Returns for each item its words with times, or why there are none.

        Raises:
            SpeechError: A model cannot be loaded.
        """
        return [self._problem(item) or self._align(item) for item in items]

    def _problem(self, item: Spoken) -> SpeechError | None:
        problem = (
            language_problem(item, self.languages, user=_USER)
            or text_problem(item, words_of(item.text, item.language))
            or audio_problem(item)
        )
        length = len(item.pcm)
        if problem is None and length > LONGEST_S * SAMPLE_RATE:
            return SpeechError(
                f"the audio of {excerpt(item.text)} lasts {length / SAMPLE_RATE:.0f} s, more than {LONGEST_S}; divide "
                "it, or use the aligner 'ctc'",
                reason=TOO_LONG,
            )
        if problem is None and length < _SHORTEST:
            return SpeechError(
                f"the audio of {excerpt(item.text)} is too short: {length} samples, fewer than {_SHORTEST}",
                reason=TOO_SHORT,
            )
        return problem

    def _align(self, item: Spoken) -> Alignment | SpeechError:
        model, known, alphabet = self._model(item.language)
        words = words_of(item.text, item.language)
        letters = [alphabet.letters(word) for word in words]
        if not all(letters):
            return conclude(item, words, [Found(start=0, end=1, score=1) if one else None for one in letters])
        # A separator at the end says where the last word ends; WhisperX takes a space for one, but strips the last.
        spaced = item.language != "zh"
        text = (" " if spaced else "").join(letters) + (_SEPARATOR if alphabet.separator is not None and spaced else "")
        found = self._characters(text, item, model, known)
        places: list[Found | None] = [None] * len(words)
        if found is not None:
            places = list(_word_places(letters, int(spaced), found, len(item.pcm)))
        return conclude(item, words, places, min_score=self._min_score)

    def _characters(self, text: str, item: Spoken, model: Any, known: dict[str, Any]) -> list[_Character] | None:
        """Returns where each character of the text begins, None when WhisperX finds no path."""
        from whisperx.alignment import align  # noqa: PLC0415 - not in the base environment

        segment = {"text": text, "start": 0.0, "end": len(item.pcm) / SAMPLE_RATE}
        audio = item.pcm.astype(np.float32) / 32_768
        ear = _Ear(model)
        result = align([segment], ear, known, audio, self._device, return_char_alignments=True)
        (aligned,) = result["segments"]
        found = aligned["chars"]
        if not found or [one["char"] for one in found] != list(text):
            return None
        tokens: dict[str, int] = known["dictionary"]
        return [_character(one, tokens, ear.table, len(item.pcm)) for one in found]

    def _model(self, language: str) -> tuple[Any, dict[str, Any], Alphabet]:
        if language not in self._models:
            self._models[language] = self._load(language)
        return self._models[language]

    def _load(self, language: str) -> tuple[Any, dict[str, Any], Alphabet]:
        from whisperx.alignment import load_align_model  # noqa: PLC0415

        _find_sentence_tables()
        source = self._places[language].source
        try:
            with own_randomness():
                model, known = load_align_model(language, self._device, model_name=source)
        except (ValueError, OSError, RuntimeError, AssertionError) as error:
            raise SpeechError(f"{_USER}: model {source!r} cannot be loaded on {self._device!r}: {error}") from error
        model.eval()
        vocabulary: dict[str, int] = known["dictionary"]
        blank = next((vocabulary[name] for name in _BLANKS if name in vocabulary), 0)
        return model, known, read_alphabet(vocabulary, blank=blank, separator=_SEPARATOR)

    @functools.cached_property
    def _device(self) -> str:
        import torch  # noqa: PLC0415 - not in the base environment

        return self._device_option or ("cuda" if torch.cuda.is_available() else "cpu")


class _Character(msgspec.Struct, frozen=True):
    """Where a character begins, in samples, None for a space without a token; and how likely it is there."""

    start: float | None
    score: float


class _Ear:
    """The model as WhisperX calls it, which keeps what it heard last.

    WhisperX gives the mean over all frames of a character, most of which are blank and likely in any text; how likely
    the character itself is tells whether it was said.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self.table: Any = None

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        found = self._model(*arguments, **options)
        logits = found.logits if hasattr(found, "logits") else found[0]
        self.table = logits[0].float().softmax(-1).cpu()
        return found


def _character(found: Mapping[str, Any], tokens: Mapping[str, int], table: Any, num_samples: int) -> _Character:
    token = tokens.get(_SEPARATOR if found["char"] == " " else found["char"])
    if token is None or "start" not in found:
        return _Character(None, 0.0)
    start = found["start"] * SAMPLE_RATE
    frame = min(round(start * len(table) / num_samples), len(table) - 1)
    return _Character(start, float(table[frame, token]))


def _word_places(
    letters: Sequence[str], gap: int, found: Sequence[_Character], num_samples: int
) -> Iterator[Found | None]:
    """Gives from the start of the first letter of each word to that of what follows it."""
    at = 0
    for word in letters:
        after = at + len(word)
        # A space without a token has no time; then a word ends where the next begins, and the last with the audio.
        following = (one.start for one in found[after : after + gap + 1] if one.start is not None)
        start, end = found[at].start, next(following, float(num_samples))
        score = sum(one.score for one in found[at:after]) / len(word)
        yield None if start is None else Found(start=start, end=end, score=score)
        at = after + gap


def _find_sentence_tables() -> None:
    """Gives NLTK the tables that WhisperX asks it for, where they are not installed.

    WhisperX would download them. It needs them to divide a text into sentences, and gets texts without punctuation
    here, so that tables without entries do the same.
    """
    import nltk  # noqa: PLC0415 - comes with whisperx

    try:
        nltk.data.find("tokenizers/punkt_tab/english/")
    except LookupError:
        nltk.data.path.append(str(_empty_tables()))


def _empty_tables() -> Path:
    """Returns a folder of tables without entries, made once a process."""
    folder = Path(tempfile.mkdtemp(prefix="soundflow-punkt-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    tables = folder / "tokenizers/punkt_tab/english"
    tables.mkdir(parents=True)
    for name in _TABLES:
        (tables / name).touch()
    return folder
