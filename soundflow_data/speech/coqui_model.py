"""One model of Coqui TTS, from a folder or by name: what it can say and in whose voice, and the saying itself.

The package is called coqui-tts and its module TTS; both it and torch are imported when a model is loaded.
"""

from __future__ import annotations

import contextlib
import json
import pickle
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from soundflow_data.audio import containers, decode
from soundflow_data.errors import AudioError, EngineError, SpeechError
from soundflow_data.speech.engine import OWN_PACE_WPM, Language, Voice
from soundflow_data.speech.randomness import own_randomness
from soundflow_data.speech.segments import excerpt

MIN_REFERENCE_S: Final = 3.0  # XTTS asks for more than three seconds of each recording
_CHECKPOINTS: Final = ("model.pth", "model_file.pth", "best_model.pth", "checkpoint.pth")
_TABLES: Final = ("speakers_file", "speaker_file", "language_ids_file", "d_vector_file")  # files that a config names
_NAMED: Final = "tts_models/"  # how the names of published models begin

# What torch and coqui-tts raise for files and texts that they cannot use.
_FAILURES: Final = (
    OSError, RuntimeError, ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError, EOFError,
    ImportError, pickle.UnpicklingError, zipfile.BadZipFile,
)  # fmt: skip


class CoquiModel:
    """A model in memory.

    Args:
        source: Its folder, with `config.json` and a checkpoint, or the name of a published model.
        device: Such as `cpu` or `cuda`.

    Raises:
        EngineError: There is no such model, its files are damaged, or coqui-tts is not installed.
    """

    def __init__(self, source: str, device: str) -> None:
        self._source = source
        self._device = device
        self._clones = tempfile.TemporaryDirectory(prefix="soundflow-voices-")
        self._cloned: set[str] = set()
        api = _import_api()
        folder = Path(source)
        if not folder.is_dir() and (folder.exists() or not source.startswith(_NAMED)):
            raise EngineError(
                f"model {source!r} is no folder, and no name of a published model (tts_models/...); correct the path",
                reason="model missing",
            )
        loading = _configuration(folder) if folder.is_dir() else contextlib.nullcontext({"model_name": source})
        try:
            with loading as files, own_randomness(device):
                self._tts: Any = api.TTS(**files, progress_bar=False).to(device)
        except EngineError:
            raise
        except _FAILURES as error:
            repair = "copy its files again" if folder.is_dir() else "check its name and the network, or give a folder"
            raise EngineError(
                f"model {source!r} cannot be loaded ({_why(error)}); {repair}{_hint(error)}", reason="model damaged"
            ) from error
        self._model: Any = self._tts.synthesizer.tts_model
        self._kind = str(self._model.config.model)
        if self._kind == "xtts" and self._model.speaker_manager is None:
            self._model.speaker_manager = _no_speakers(Path(self._clones.name))

    @property
    def rate_hz(self) -> int:
        """Rate of what it says."""
        return int(self._tts.synthesizer.output_sample_rate)

    @property
    def speakers(self) -> tuple[str, ...]:
        """Names of its speakers; empty if it has one alone, or clones only."""
        return tuple(self._tts.speakers or ())

    @property
    def clones(self) -> bool:
        """Whether it can speak in the voice of a recording."""
        manager = getattr(self._model, "speaker_manager", None)
        return bool(self._model.config.supports_cloning) or getattr(manager, "encoder", None) is not None

    def max_characters(self, language: Language, longest: int) -> int:
        """Returns how many characters of a language it takes at once, at most `longest`."""
        limits: dict[str, int] = getattr(self._model.tokenizer, "char_limits", {})
        return min(longest, limits.get(language, longest))

    def check(self, voice: Voice) -> None:
        """Checks that it has a voice.

        Raises:
            EngineError: It has no such speaker or language, or a reference recording is of no use.
        """
        where = f"voice {voice.id!r}: model {self._source!r}"
        self._language(voice)
        if voice.reference:
            if not self.clones:
                raise EngineError(f"{where} cannot clone a voice; leave `reference` out", reason="voice missing")
            _check_references(voice)
        elif voice.variant:
            if voice.variant not in self.speakers:
                has = f"it has {', '.join(self.speakers)}" if self.speakers else "it has one speaker, without a name"
                raise EngineError(f"{where} has no speaker {voice.variant!r}; {has}", reason="voice missing")
        elif self.clones or len(self.speakers) > 1:
            ways = ["`variant` (" + ", ".join(self.speakers) + ")"] if self.speakers else []
            ways += ["`reference`"] if self.clones else []
            raise EngineError(f"{where} has many voices; choose one by {' or '.join(ways)}", reason="voice missing")

    def unknown_letters(self, text: str, voice: Voice) -> str:
        """Returns the letters and digits of a text, as it reaches the model, that the model would skip."""
        tokenizer = self._model.tokenizer
        with self._failing(text, voice):
            if hasattr(tokenizer, "not_found_characters"):
                names = self._model.language_manager.language_names
                tokenizer.not_found_characters = []
                tokenizer.text_to_ids(text, language=self._language(voice) or next(iter(names), None))
                wrong = "".join(tokenizer.not_found_characters)
            else:
                wrong = _unknown_pieces(tokenizer, text, voice.language)
        # Marks of stress and length (modifier letters) shade a sound; without them the word is still said.
        kinds = {one: unicodedata.category(one) for one in wrong}
        return "".join([one for one, kind in kinds.items() if kind[0] in "LN" and kind != "Lm"])

    def say(self, text: str, voice: Voice, seed: int) -> NDArray[np.float32]:
        """Says a text.

        Args:
            text: At most `max_characters`.
            voice: One that `check` lets pass.
            seed: 64 bits that decide everything random.

        Returns:
            float32 (num_samples,) at `rate_hz`.

        Raises:
            SpeechError: The model fails.
        """
        with self._failing(text, voice), self._pace(voice) as pace, own_randomness(self._device, seed=seed):
            who = self._who(voice)
            wav = self._tts.tts(text, language=self._language(voice), split_sentences=False, **who, **pace)
        if voice.reference:
            self._cloned.add(voice.digest)
        padding = _padding()
        return np.asarray(wav[:-padding] if padding else wav, np.float32)

    @contextlib.contextmanager
    def _failing(self, text: str, voice: Voice) -> Iterator[None]:
        """Turns what the libraries raise for a text into an error about it."""
        try:
            yield
        except SpeechError:
            raise
        except _FAILURES as error:
            if type(error).__name__ == "OutOfMemoryError":
                raise  # of the machine, not of the text
            raise SpeechError(
                f"voice {voice.id!r}: model {self._source!r} fails on {excerpt(text)}: {_why(error)}{_hint(error)}",
                reason="model failed",
            ) from error

    def _who(self, voice: Voice) -> dict[str, Any]:
        """Returns the arguments that choose the speaker; a recording is listened to once and then remembered."""
        if not voice.reference:
            return {"speaker": voice.variant or None}
        who = {"speaker": voice.digest, "voice_dir": self._clones.name}
        return who if voice.digest in self._cloned else who | {"speaker_wav": list(voice.reference)}

    @contextlib.contextmanager
    def _pace(self, voice: Voice) -> Iterator[dict[str, float]]:
        """Gives the arguments that make it quicker or slower, or sets the model so for as long as it speaks."""
        speed = voice.rate_wpm / OWN_PACE_WPM
        own = getattr(self._model, "length_scale", None)
        if speed == 1.0:
            yield {}
        elif self._kind == "xtts":
            yield {"speed": speed}
        elif own is None:
            raise EngineError(
                f"voice {voice.id!r}: model {self._source!r} cannot change its pace; leave `rate_wpm` out",
                reason="voice missing",
            )
        else:
            self._model.length_scale = own / speed
            try:
                yield {}
            finally:
                self._model.length_scale = own

    def _language(self, voice: Voice) -> str | None:
        names: list[str] | None = self._tts.languages
        if not names:
            return None
        mine = [name for name in names if name.split("-")[0] == voice.language]
        if not mine:
            raise EngineError(
                f"voice {voice.id!r}: model {self._source!r} does not speak {voice.language!r}; it speaks "
                f"{', '.join(names)}",
                reason="voice missing",
            )
        return mine[0]


def _import_api() -> Any:
    try:
        from TTS import api  # noqa: PLC0415 - takes seconds, and is not in the base
    except ImportError as error:
        raise EngineError(
            f"engine 'coqui' needs coqui-tts ({error}); run `make speech`, or `pip install 'soundflow[speech]'`",
            reason="not installed",
        ) from error
    return api


def _unknown_pieces(tokenizer: Any, text: str, language: Language) -> str:
    """Returns what XTTS, which divides a text into pieces of words, has no piece for."""
    cleaned = tokenizer.preprocess_text(text, language).replace(" ", "[SPACE]")
    pieces = tokenizer.tokenizer.encode(cleaned)
    return "".join(
        [cleaned[a:b] for piece, (a, b) in zip(pieces.tokens, pieces.offsets, strict=True) if piece == "[UNK]"]
    )


def _no_speakers(scratch: Path) -> Any:
    """Returns the table of speakers that XTTS looks cloned voices up in first, for a folder that has none."""
    import torch  # noqa: PLC0415
    from TTS.tts.layers.xtts.xtts_manager import SpeakerManager  # noqa: PLC0415

    empty = scratch / "speakers.pt"
    torch.save({}, empty)
    return SpeakerManager(empty)


def _padding() -> int:
    from TTS.utils import synthesizer  # noqa: PLC0415

    return int(synthesizer.PAD_SILENCE_SAMPLES)  # zeros that the API adds after each text


@contextlib.contextmanager
def _configuration(folder: Path) -> Iterator[dict[str, str]]:
    """Gives the arguments that load a folder; a config that names tables where the model was trained is corrected."""
    path = folder / "config.json"
    try:
        config = _read_config(path)
        kind = config["model"]
    except OSError as error:
        raise EngineError(
            f"model {str(folder)!r}: {path.name} cannot be read ({error.strerror}); a model's folder holds config.json "
            "and a checkpoint",
            reason="model missing",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError(f"model {str(folder)!r}: config.json is damaged ({error})", reason="model damaged") from error
    model = folder if kind == "xtts" else _checkpoint(folder)
    if not _relocate(config, folder):
        yield {"model_path": str(model), "config_path": str(path)}
        return
    with tempfile.TemporaryDirectory(prefix="soundflow-model-") as scratch:
        corrected = Path(scratch) / "config.json"
        corrected.write_text(json.dumps(config), encoding="utf-8")
        yield {"model_path": str(model), "config_path": str(corrected)}


def _read_config(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    try:
        config: dict[str, Any] = json.loads(text)
    except ValueError:
        from TTS.config import read_json_with_comments  # noqa: PLC0415

        config = read_json_with_comments(path)  # configurations were once allowed to have comments
    return config


def _checkpoint(folder: Path) -> Path:
    for name in _CHECKPOINTS:
        if (folder / name).is_file():
            return folder / name
    others = [path for path in sorted(folder.glob("*.pth")) if not path.name.startswith(("speaker", "language"))]
    if len(others) != 1:
        found = ", ".join(path.name for path in others) or "none"
        raise EngineError(
            f"model {str(folder)!r} needs one checkpoint, called {_CHECKPOINTS[0]} if there are more; it has {found}",
            reason="model missing",
        )
    return others[0]


def _relocate(config: dict[str, Any], folder: Path) -> bool:
    """Points the tables that a config names, and that are not there, to those of its folder; returns whether it did."""
    changed = False
    for section in (config, config.get("model_args") or {}):
        for key in _TABLES:
            value = section.get(key)
            if isinstance(value, str) and value and not Path(value).exists() and (folder / Path(value).name).is_file():
                section[key] = str(folder / Path(value).name)
                changed = True
    return changed


def _check_references(voice: Voice) -> None:
    for path in voice.reference:
        try:
            seconds = decode.probe(path).seconds
            decode.decode(path, stop_s=MIN_REFERENCE_S, allow_silent=False)
        except AudioError as error:
            raise EngineError(
                f"voice {voice.id!r}: reference recording {error}", reason="reference unusable"
            ) from error
        if kind := _container(path):
            raise EngineError(
                f"voice {voice.id!r}: reference recording {path} is {kind}, which Coqui TTS does not read; convert it "
                "to WAV or FLAC",
                reason="reference unusable",
            )
        if seconds < MIN_REFERENCE_S:
            raise EngineError(
                f"voice {voice.id!r}: reference recording {path} lasts {seconds:.2f} s, less than "
                f"{MIN_REFERENCE_S:g} s; use a longer one",
                reason="reference unusable",
            )


def _container(path: str) -> str:
    """Returns the kind of container that a file is, if it is one that only ffmpeg reads."""
    with Path(path).open("rb") as file:
        return containers.kind_of(file.read(containers.SNIFF_BYTES))


def _why(error: BaseException) -> str:
    first = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {first[:200]}" if first else type(error).__name__


def _hint(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, EOFError):  # coqui-tts asks on the terminal whether the model's licence is agreed to
        return ", or read the model's licence and set COQUI_TOS_AGREED=1"
    if "espeak backend" in text:
        return ", or install the program espeak-ng, which turns its texts into phonemes"
    return ""
