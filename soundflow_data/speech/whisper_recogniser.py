"""Transcripts by faster-whisper, with a Whisper model in the format of CTranslate2."""

from __future__ import annotations

import bisect
import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self, get_args

import numpy as np
from numpy.typing import NDArray

from soundflow_data.errors import SpeechError
from soundflow_data.speech.alignment_rules import audio_problem, language_problem
from soundflow_data.speech.engine import Language
from soundflow_data.speech.model_files import (
    WHISPER_FILES,
    Model,
    check_options,
    check_packages,
    find_model,
    join_versions,
    number_option,
    package_version,
)
from soundflow_data.speech.proof import Spoken
from soundflow_data.timeline import SAMPLE_RATE

_OPTIONS: Final = ("model", "languages", "device", "compute_type", "batch_size", "beam_size")
_USER: Final = "recogniser 'whisper'"
_REVISION: Final = 1  # changes with whatever this package changes in the transcripts
_BATCH_SIZE: Final = 8
_BEAM_SIZE: Final = 5  # faster-whisper's own
_WINDOW: Final = 29 * SAMPLE_RATE  # Whisper hears 30 s
_SEARCH: Final = 5 * SAMPLE_RATE  # where in a window a quiet place is looked for
_FRAME: Final = SAMPLE_RATE // 10
_GAP: Final = SAMPLE_RATE // 10  # between the pieces of a batch, so that no two have the same time
# Whisper writes traditional characters as well as simplified ones, unless it starts among simplified ones.
PROMPTS: Final[Mapping[Language, str | None]] = {"en": None, "zh": "以下是普通话的句子。"}


class WhisperRecogniser:
    """Writes with faster-whisper, in batches; use `WhisperRecogniser.configure`."""

    def __init__(
        self,
        model: Model,
        *,
        languages: tuple[Language, ...],
        device: str,
        compute_type: str,
        batch_size: int,
        beam_size: int,
    ) -> None:
        self._model = model
        self._languages = languages
        self._device = device
        self._compute_type = compute_type
        self._batch_size = batch_size
        self._beam_size = beam_size

    @classmethod
    def configure(cls, options: Mapping[str, str]) -> Self:
        """Makes the recogniser from options; see `make_recogniser`."""
        check_options(options, _OPTIONS, user=_USER)
        check_packages(("faster_whisper",), user=_USER)
        if not options.get("model"):
            raise SpeechError(f"{_USER} has no model; set model=FOLDER, or a name such as model=large-v3")
        return cls(
            find_model(options["model"], WHISPER_FILES, user=_USER),
            languages=_languages(options.get("languages", "en,zh")),
            device=options.get("device", ""),
            compute_type=options.get("compute_type", "default"),
            batch_size=max(int(number_option(options, "batch_size", _BATCH_SIZE, user=_USER)), 1),
            beam_size=max(int(number_option(options, "beam_size", _BEAM_SIZE, user=_USER)), 1),
        )

    @property
    def name(self) -> str:
        """What it is called."""
        return "whisper"

    @property
    def version(self) -> str:
        """Changes with the model, the library and this module."""
        library = f"{package_version('faster-whisper')}-r{_REVISION}-beam{self._beam_size}"
        return join_versions(library, {"model": self._model})

    @property
    def languages(self) -> tuple[Language, ...]:
        """Those of the option `languages`."""
        return self._languages

    def transcribe(self, items: Sequence[Spoken]) -> list[str | SpeechError]:
        """Returns for each item what is heard.

        Raises:
            SpeechError: The model cannot be loaded, or writes English only and is asked for another language.
        """
        results: list[str | SpeechError] = [
            language_problem(item, self._languages, user=_USER) or audio_problem(item) or "" for item in items
        ]
        for language in self._languages:
            places = [i for i, item in enumerate(items) if item.language == language and results[i] == ""]
            if places:
                texts = self._transcribe([items[i].pcm for i in places], language)
                for i, text in zip(places, texts, strict=True):
                    results[i] = text
        return results

    def _transcribe(self, pcms: Sequence[NDArray[np.int16]], language: Language) -> list[str]:
        """Joins all pieces into one audio with known bounds, which is how the library takes a batch."""
        pieces = [(owner, pcm[start:stop]) for owner, pcm in enumerate(pcms) for start, stop in divide(pcm)]
        bounds = list(itertools.accumulate((len(pcm) + _GAP for _, pcm in pieces), initial=0))
        audio = np.zeros(bounds[-1], np.float32)
        for start, (_, pcm) in zip(bounds, pieces, strict=False):
            audio[start : start + len(pcm)] = pcm.astype(np.float32) / 32_768
        clips = [
            {"start": start / SAMPLE_RATE, "end": (start + len(pcm)) / SAMPLE_RATE}
            for start, (_, pcm) in zip(bounds, pieces, strict=False)
        ]
        segments, _ = self._pipeline(language).transcribe(
            audio,
            language=language,
            clip_timestamps=clips,
            batch_size=self._batch_size,
            beam_size=self._beam_size,
            temperature=0.0,
            initial_prompt=PROMPTS[language],
        )
        heard: list[list[str]] = [[] for _ in pcms]
        half = _GAP // 2  # the times of segments are rounded
        for segment in segments:
            piece = bisect.bisect_right(bounds, segment.start * SAMPLE_RATE + half) - 1
            heard[pieces[min(piece, len(pieces) - 1)][0]].append(segment.text.strip())
        return [("" if language == "zh" else " ").join(texts).strip() for texts in heard]

    def _pipeline(self, language: Language) -> Any:
        pipeline = self._loaded
        if language != "en" and not pipeline.model.model.is_multilingual:
            raise SpeechError(
                f"{_USER}: model {self._model.source!r} writes English only, not {language!r}; set languages=en, or "
                "choose a multilingual model"
            )
        return pipeline

    @functools.cached_property
    def _loaded(self) -> Any:
        from faster_whisper import BatchedInferencePipeline, WhisperModel  # noqa: PLC0415 - not in the base environment

        device, _, number = (self._device or "auto").partition(":")
        try:
            model = WhisperModel(
                self._model.source, device=device, device_index=int(number or 0), compute_type=self._compute_type
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise SpeechError(f"{_USER}: model {self._model.source!r} cannot be loaded: {error}") from error
        return BatchedInferencePipeline(model)


def divide(pcm: NDArray[np.int16]) -> list[tuple[int, int]]:
    """Divides audio into pieces that Whisper can hear, at the quietest place near the end of each."""
    pieces = []
    start = 0
    while len(pcm) - start > _WINDOW:
        first = start + _WINDOW - _SEARCH
        frames = pcm[first : start + _WINDOW].astype(np.float64).reshape(-1, _FRAME)
        stop = first + int(np.square(frames).sum(axis=1).argmin()) * _FRAME + _FRAME // 2
        pieces.append((start, stop))
        start = stop
    return [*pieces, (start, len(pcm))]


def _languages(text: str) -> tuple[Language, ...]:
    known: tuple[Language, ...] = get_args(Language)
    wanted = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [one for one in wanted if one not in known]
    if unknown or not wanted:
        raise SpeechError(f"{_USER}: option languages is {text!r}; it lists some of {', '.join(known)}")
    return tuple([language for language in known if language in wanted])
