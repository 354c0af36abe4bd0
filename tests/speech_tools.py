"""Engines, aligners and checks that can be read at a glance: tones, and failures where a test asks for them."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import yaml

from soundflow_data.errors import EngineError, SpeechError
from soundflow_data.speech.checking import Verdict
from soundflow_data.speech.engine import Request, Speech, Voice
from soundflow_data.speech.estimate import estimate_num_samples
from soundflow_data.speech.making import Tools
from soundflow_data.speech.proof import Alignment, Spoken
from soundflow_data.timeline import Word

LICENCE = "CC-BY-NC-4.0"


def write_voices(path: Path, *, engine: str = "tones", languages: Sequence[str] = ("en",), number: int = 6) -> Path:
    voices = [
        {"id": f"{language}-{i}", "language": language, "model": "tone"}
        for language in languages
        for i in range(number)
    ]
    path.write_text(yaml.safe_dump({"engine": engine, "licence": LICENCE, "voices": voices}))
    return path


def words_of(text: str, num_samples: int) -> tuple[Word, ...]:
    """Divides a length among the words of a text."""
    parts = text.split()
    step = num_samples // len(parts)
    return tuple(Word(text=part, start=i * step, end=(i + 1) * step - 80) for i, part in enumerate(parts))


def tones(text: str, voice: Voice, attempt: int = 0) -> np.ndarray:
    """One tone for each text, voice and attempt, as long as the text would take."""
    num_samples = estimate_num_samples(text, voice.language) or 1_600
    pitch = 150 + len(text) + 20 * int(voice.id.rpartition("-")[2]) + 5 * attempt
    return np.round(9_000 * np.sin(2 * np.pi * pitch / 16_000 * np.arange(num_samples))).astype(np.int16)


class ToneEngine:
    """Writes down everything that it is asked for."""

    name = "tones"
    version = "tones-1"

    def __init__(self, tools: ToneTools) -> None:
        self._tools = tools

    def speak(self, text: str, voice: Voice) -> Speech:
        (speech,) = self.speak_many([Request(text=text, voice=voice)])
        if isinstance(speech, SpeechError):
            raise speech
        return speech

    def speak_many(self, requests: Sequence[Request]) -> list[Speech | SpeechError]:
        for request in requests:
            self._tools.note(f"{request.voice.id}\t{request.text}\t{request.attempt}")
        if self._tools.die_after and self._tools.num_asked() > self._tools.die_after:
            os.kill(os.getpid(), signal.SIGKILL)
        return [self._speak(request) for request in requests]

    def _speak(self, request: Request) -> Speech | SpeechError:
        if self._tools.model_gone:
            raise EngineError("the model is gone", reason="model missing")
        if any(part in request.text for part in self._tools.refused):
            return SpeechError(f"{request.text!r} is refused", reason="refused")
        pcm = tones(request.text, request.voice, request.attempt)
        if request.attempt < next((n for part, n in self._tools.silent.items() if part in request.text), 0):
            pcm = np.zeros_like(pcm)
        return Speech(pcm=pcm, words=words_of(request.text, len(pcm)) if self._tools.exact else ())


class ToneAligner:
    """Finds words where they are, and none in a text of the broken ones."""

    name = "counter"
    version = "2"
    languages = ("en",)

    def __init__(self, broken: Sequence[str] = ()) -> None:
        self._broken = broken

    def align(self, items: Sequence[Spoken]) -> list[Alignment | SpeechError]:
        return [self._align(item) for item in items]

    def _align(self, item: Spoken) -> Alignment | SpeechError:
        if any(part in item.text for part in self._broken):
            return SpeechError("a word is missing", reason="words missing")
        words = words_of(item.text, len(item.pcm))
        return Alignment(words=words, scores=tuple(0.5 + 0.4 * (i % 2) for i in range(len(words))))


class ToneTools(msgspec.Struct, frozen=True, kw_only=True):
    """A toolbox that can be sent to workers.

    Attributes:
        log: File with one line for everything that an engine was asked for.
        exact: Whether the engine knows its words.
        silent: In which texts the first attempts are silent, and how many.
        refused: Texts that the engine refuses.
        misheard: Texts of which something else is heard; with any, all are checked.
        model_gone: Whether the engine says that it has no model.
        unaligned: Texts in which the aligner finds no words.
        die_after: The worker is killed when so many utterances have been asked for.
    """

    log: Path
    exact: bool = True
    aligns: bool = True
    silent: dict[str, int] = {}
    refused: tuple[str, ...] = ()
    misheard: tuple[str, ...] | None = None
    unaligned: tuple[str, ...] = ()
    model_gone: bool = False
    die_after: int = 0

    def open(self) -> Tools:
        self.note("open")
        return Tools(
            engine=ToneEngine(self),
            aligner=ToneAligner(self.unaligned) if self.aligns else None,
            check=self.check if self.misheard is not None else None,
        )

    def check(self, items: Sequence[Spoken]) -> list[Verdict | SpeechError]:
        assert self.misheard is not None
        wrong = [any(part in item.text for part in self.misheard) for item in items]
        return [Verdict(wer=0.5 * one, transcript="something", checked_by="ear 1") for one in wrong]

    def note(self, line: str) -> None:
        with self.log.open("a") as file:
            file.write(line + "\n")

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def asked(self) -> list[str]:
        return [line for line in self.lines() if line != "open"]

    def num_asked(self) -> int:
        return len(self.asked())
