"""Where the models of aligners and recognisers lie, what must be in their folders, and which bytes they are.

A model is given as a local folder or as the name under which its library finds or downloads it. Folders are checked
when an option is read, long before the first utterance, without loading anything.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

import msgspec

from soundflow_data.errors import SpeechError
from soundflow_data.speech.engine import LANGUAGES, Language

# One file of each row must be there; a row names what transformers and CTranslate2 accept for one thing.
CTC_FILES: Final = (
    ("config.json",),
    ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"),
    ("vocab.json", "tokenizer.json"),
    ("preprocessor_config.json", "processor_config.json"),
)
WHISPER_FILES: Final = (
    ("config.json",),
    ("model.bin",),
    ("tokenizer.json",),
    ("vocabulary.json", "vocabulary.txt"),
)
_CTC_HEAD: Final = "lm_head.weight"
_READ_AT_ONCE: Final = 1 << 20
_LONGEST_HEADER: Final = 100_000_000  # bytes; the limit of the format itself


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One model.

    Attributes:
        source: A folder, or a name that the library knows.
        local: Whether it is a folder.
    """

    source: str
    local: bool

    @property
    def version(self) -> str:
        """Changes with the bytes of a folder; of a name, that is all that can be said."""
        return _folder_digest(self.source) if self.local else self.source


def find_model(source: str, files: Sequence[Sequence[str]], *, user: str, tensor: str = "") -> Model:
    """Returns the model that an option means.

    Args:
        source: A folder, or a name such as `facebook/wav2vec2-base-960h`.
        files: Rows of file names, of which the folder must have one each.
        user: What needs the model, for messages.
        tensor: Name of a weight that it must have.

    Raises:
        SpeechError: The folder does not exist, lacks a file or weight, or is damaged.
    """
    path = Path(source).expanduser()
    if not path.exists() and not _looks_like_a_folder(source):
        return Model(source=source, local=False)
    if not path.is_dir():
        raise SpeechError(f"{user}: model folder {source!r} does not exist; give a folder, or the name of a model")
    for names in files:
        if not any((path / name).is_file() for name in names):
            raise SpeechError(
                f"{user}: model folder {source!r} has no {' or '.join(names)}; it is incomplete or of another kind"
            )
    try:
        json.loads((path / "config.json").read_bytes())
    except ValueError as error:
        raise SpeechError(f"{user}: {path}/config.json is damaged ({error}); get the model again") from error
    found = [_check_weights(weights, user) for weights in sorted(path.glob("*.safetensors"))]
    if tensor and found and not any(tensor in names for names in found):
        raise SpeechError(
            f"{user}: model {source!r} has no weight {tensor!r}; it is of another kind, or was not trained"
        )
    return Model(source=str(path), local=True)


def ctc_models(options: Mapping[str, str], *, user: str) -> dict[str, Model]:
    """Returns the CTC models that the options `en` and `zh` name.

    Raises:
        SpeechError: There is none, or one is wrong.
    """
    found: dict[str, Model] = {
        name: find_model(options[name], CTC_FILES, user=user, tensor=_CTC_HEAD)
        for name in LANGUAGES
        if options.get(name)
    }
    if not found:
        raise SpeechError(f"{user} has no model; set one for each language, such as en=FOLDER or zh=FOLDER")
    return found


def check_options(options: Mapping[str, str], allowed: Sequence[str], *, user: str) -> None:
    """Checks that all options are known.

    Raises:
        SpeechError: One is not.
    """
    for name in options:
        if name not in allowed:
            raise SpeechError(f"{user} has no option {name!r}; there are {', '.join(allowed)}")


def number_option(options: Mapping[str, str], name: str, default: float, *, user: str) -> float:
    """Returns an option that is a positive number.

    Raises:
        SpeechError: It is not.
    """
    text = options.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError as error:
        raise SpeechError(f"{user}: option {name} is {text!r}, which is not a number") from error
    if not 0 < value < float("inf"):
        raise SpeechError(f"{user}: option {name} is {text!r}; it must be greater than 0")
    return value


def check_packages(packages: Sequence[str], *, user: str) -> None:
    """Checks that packages of the speech environment are installed.

    Raises:
        SpeechError: One is not; the message says how to get it.
    """
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise SpeechError(
            f"{user} needs {', '.join(missing)}, not installed here; run it in the speech environment (`make speech`, "
            "or `pip install 'soundflow[speech]'`)"
        )


def package_version(package: str) -> str:
    """Returns the version of an installed package, such as `whisperx-3.8.6`."""
    return f"{package}-{importlib.metadata.version(package)}"


def join_versions(library: str, models: Mapping[str, Model]) -> str:
    """Returns one text that changes with the library and with every model."""
    return " ".join([library, *(f"{name}:{model.version}" for name, model in sorted(models.items()))])


def known_languages(models: Mapping[str, Model]) -> tuple[Language, ...]:
    """Returns the languages that have a model."""
    return tuple([language for language in LANGUAGES if language in models])


def _looks_like_a_folder(source: str) -> bool:
    """Tells `./model`, `/models/x` and `a/b/c` from the name of a model, which has one slash at most."""
    return source.startswith((".", "~", os.sep)) or source.count("/") > 1


def _check_weights(path: Path, user: str) -> set[str]:
    """Checks the header of a file of weights against the file's size, and returns the names of the tensors.

    The format: the header's length in eight bytes, the header in JSON with the place of each tensor, the tensors.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(length) if length <= _LONGEST_HEADER else b""
    try:
        tensors = json.loads(header)
        size = 8 + length + max(one["data_offsets"][1] for name, one in tensors.items() if name != "__metadata__")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SpeechError(f"{user}: {path} is damaged: its header cannot be read; get the model again") from error
    if path.stat().st_size != size:
        raise SpeechError(
            f"{user}: {path} is damaged: it has {path.stat().st_size} bytes of {size}; get the model again"
        )
    return set(tensors)


@functools.cache
def _folder_digest(folder: str) -> str:
    """Returns 12 hexadecimal digits over the names and bytes of a folder's files; a GB takes about a second."""
    digest = hashlib.sha256()
    for path in sorted(Path(folder).iterdir()):
        if path.is_file() and not path.name.startswith("."):
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
            with path.open("rb") as file:
                while block := file.read(_READ_AT_ONCE):
                    digest.update(block)
    return digest.hexdigest()[:12]


class Prover:
    """What aligners and recognisers with a local model for each language have in common.

    Args:
        models: The models by language.
    """

    name: ClassVar[str]
    _package: ClassVar[str]  # whose version decides what comes out
    _revision: ClassVar[int]  # changes with whatever this package changes in it

    def __init__(self, models: Mapping[str, Model]) -> None:
        self._places = dict(models)

    @property
    def version(self) -> str:
        """Changes with the models, the library and this package."""
        return join_versions(f"{package_version(self._package)}-r{self._revision}", self._places)

    @property
    def languages(self) -> tuple[Language, ...]:
        """Those that have a model."""
        return known_languages(self._places)
