"""Neural voices through Coqui TTS: single- and multi-speaker VITS, and XTTS, which clones a voice from recordings.

A voice's `model` is a folder (or the name of a published model, which the package downloads), its `variant` the speaker
in it, its `reference` the recordings that it is cloned from. Word times come from an aligner.

Texts are spoken one by one. A batch of VITS is slower on a CPU (measured in docs/speech.md), and its padding changes
the end of every text that is not the longest, so that the same request would not give the same bytes; workers side by
side use a GPU as well. Licences are the models': what XTTS says may not be used commercially (Coqui Public Model
Licence, CPML).
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from soundflow_data.errors import EngineError, SpeechError
from soundflow_data.speech.coqui_model import CoquiModel
from soundflow_data.speech.engine import Request, Speech, Voice
from soundflow_data.speech.finish import finish, join
from soundflow_data.speech.segments import check_text, excerpt
from soundflow_data.speech.sentences import split_text
from soundflow_data.speech.voices import content_digest, seal

_REVISION: Final = 1  # changes with whatever this package changes in the bytes
_LEVEL: Final = 50  # of espeak's pitch and pitch_range, which no model here has


class CoquiSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How models are loaded and used."""

    device: Annotated[str, Meta(description="cpu, cuda or cuda:1; auto takes a GPU where there is one.")] = "auto"
    threads: Annotated[
        int, Meta(description="CPU threads of one worker; more than one may change bytes.", ge=1, le=1024)
    ] = 1
    max_characters: Annotated[
        int, Meta(description="Longest text at once; a longer one is divided after sentences.", ge=20, le=2_000)
    ] = 250
    models: Annotated[int, Meta(description="Models that one worker keeps in memory.", ge=1, le=1_000)] = 2


class CoquiEngine:
    """Speaks with models of Coqui TTS, each loaded when its first text comes.

    Args:
        settings: How models are loaded and used.
    """

    Settings = CoquiSettings

    def __init__(self, settings: CoquiSettings | None = None) -> None:
        self._settings = settings or CoquiSettings()
        self._models: OrderedDict[str, CoquiModel] = OrderedDict()
        self._checked: set[Voice] = set()

    @property
    def name(self) -> str:
        """What `Voice.engine` calls it."""
        return "coqui"

    @functools.cached_property
    def version(self) -> str:
        """Versions of coqui-tts, of torch and of this module's processing.

        Raises:
            EngineError: They are not installed.
        """
        try:
            versions = [importlib.metadata.version(package) for package in ("coqui-tts", "torch")]
        except importlib.metadata.PackageNotFoundError as error:
            raise EngineError(
                f"engine 'coqui' needs the package {error.name}; run `make speech`, or "
                "`pip install 'soundflow[speech]'`",
                reason="not installed",
            ) from error
        return f"{versions[0]}-torch{versions[1].partition('+')[0]}-r{_REVISION}"

    def speak(self, text: str, voice: Voice) -> Speech:
        """Speaks a text that is in spoken form, without word times.

        Raises:
            SpeechError: The text cannot be spoken; as `EngineError`, the model or the voice is of no use.
        """
        return self._speak(Request(text=text, voice=voice))

    def speak_many(self, requests: Sequence[Request]) -> list[Speech | SpeechError]:
        """Speaks texts, those of one model after another; see `BatchEngine.speak_many`."""
        results: dict[int, Speech | SpeechError] = {}
        for i in sorted(range(len(requests)), key=lambda one: requests[one].voice.model):
            try:
                results[i] = self._speak(requests[i])
            except EngineError:
                raise
            except SpeechError as error:
                results[i] = error
        return [results[i] for i in range(len(requests))]

    def _speak(self, request: Request) -> Speech:
        text, voice = request.text, seal(request.voice)
        _check_voice(voice)
        check_text(text, voice, max_characters=len(text))
        model = self._model(voice)
        if skipped := model.unknown_letters(text, voice):
            raise SpeechError(
                f"voice {voice.id!r} cannot speak {excerpt(text)}: its model has no {', '.join(map(repr, skipped))} "
                "and would skip them; use another voice",
                reason="letters missing",
            )
        parts = split_text(text, model.max_characters(voice.language, self._settings.max_characters))
        name = f"voice {voice.id!r}, {excerpt(text)}"
        spoken = [
            finish(model.say(part, voice, _seed(request, i)), model.rate_hz, name) for i, part in enumerate(parts)
        ]
        return Speech(pcm=join(spoken), words=())

    def _model(self, voice: Voice) -> CoquiModel:
        """Returns the model of a voice, loaded once, after a check that it has the voice."""
        model = self._models.pop(voice.model, None) or self._load(voice.model)
        self._models[voice.model] = model
        while len(self._models) > self._settings.models:
            self._models.popitem(last=False)
        if voice not in self._checked:
            model.check(voice)
            if voice.digest and voice.digest != content_digest(voice):
                raise EngineError(
                    f"voice {voice.id!r}: the files of {voice.model!r} or its reference recordings have changed since "
                    "its digest was made; restore them, or give the voice another id and no digest",
                    reason="voice changed",
                )
            self._checked.add(voice)
        return model

    def _load(self, source: str) -> CoquiModel:
        return CoquiModel(source, _prepare(self._settings))


def _prepare(settings: CoquiSettings) -> str:
    """Sets the number of threads, and returns the device."""
    try:
        import torch  # noqa: PLC0415 - not in the base
    except ImportError as error:
        raise EngineError(
            f"engine 'coqui' needs torch ({error}); run `make speech`, or `pip install 'soundflow[speech]'`",
            reason="not installed",
        ) from error
    torch.set_num_threads(settings.threads)
    device = settings.device
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise EngineError(f"engine 'coqui': device is {device!r}, but torch finds no GPU; use cpu", reason="bad option")
    return device


def _check_voice(voice: Voice) -> None:
    if voice.engine != "coqui":
        raise EngineError(f"voice {voice.id!r} belongs to engine {voice.engine!r}, not to coqui; use that engine")
    if (voice.pitch, voice.pitch_range) != (_LEVEL, _LEVEL):
        raise EngineError(f"voice {voice.id!r}: pitch and pitch_range are espeak's; leave them out")
    if not 80 <= voice.rate_wpm <= 400:
        raise EngineError(f"voice {voice.id!r}: rate_wpm is {voice.rate_wpm}; 80 to 400 are allowed")


def _seed(request: Request, part: int) -> int:
    """Returns 63 bits that differ for every text, voice, attempt and part."""
    identity = (request.text, request.voice.id, request.voice.variant, request.attempt, part)
    digest = hashlib.blake2b(msgspec.json.encode(identity), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
