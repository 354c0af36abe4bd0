"""Sub-tasks: one Python file each, found by its path, with no registry to edit.

A file `recipes/subtasks/<ability>/<name>.py` holds one function with the decorator `@subtask(...)`. Its name in recipes
is `<ability>/<name>`. A recipe may also name a file of your own by its path.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

import msgspec

from soundflow_data.errors import SubtaskError
from soundflow_data.resources import resource_path

if TYPE_CHECKING:
    from soundflow_data.scene import Scene

ABILITIES: Final = (
    "voice_chatting",
    "streaming_instruction_following",
    "streaming_audio_understanding",
    "streaming_translation",
    "real_time_asr",
    "proactive_response",
    "environment_aware_agent",
)

NEEDS: Final = ("sounds", "speech", "english_speech", "mandarin_speech", "recordings", "dialogues")

Screenplay = Callable[["Scene"], None]


class Subtask(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of interaction.

    Attributes:
        name: Name of the function and the file.
        ability: One of `ABILITIES`.
        screenplay: Writes one episode onto a scene.
        languages: Languages of the interaction that it can play.
        background: Whether unplanned sounds may be mixed behind it. False where they would have to be answered.
        needs: Kinds of material without which it cannot be played, of `NEEDS`: sounds; voices of the language of the
            interaction, of English or of Mandarin; recorded speech; recorded dialogues.
        last: Whether no other episode may follow in a stream, because what it begins covers all that is heard after.
        path: The file.
        fingerprint: Hash of the file's bytes.
    """

    name: str
    ability: str
    screenplay: Screenplay
    languages: tuple[str, ...] = ("en", "zh")
    background: bool = True
    needs: tuple[str, ...] = ()
    last: bool = False
    path: str = ""
    fingerprint: str = ""

    @property
    def rewordable(self) -> bool:
        """Whether what users say may be worded anew: not where their words are written down or translated."""
        return self.ability not in ("real_time_asr", "streaming_translation")

    @property
    def id(self) -> str:
        """`<ability>/<name>`, as recipes write it."""
        return f"{self.ability}/{self.name}"


def subtask(
    *,
    ability: str,
    languages: Sequence[str] = ("en", "zh"),
    background: bool = True,
    needs: Sequence[str] = (),
    last: bool = False,
) -> Callable[[Screenplay], Subtask]:
    """Makes a sub-task of a function that writes one episode onto a `Scene`.

    Args:
        ability: One of the seven abilities.
        languages: Languages that its texts exist in.
        background: Whether unplanned background sounds are harmless.
        needs: Kinds of material that it needs; what is missing is then said before the run starts.
        last: Whether it has to be the last episode of a stream of several sub-tasks.

    Raises:
        SubtaskError: The ability, a language or a need does not exist.
    """
    for what, given, known in (
        ("ability", (ability,), ABILITIES),
        ("language", languages, ("en", "zh")),
        ("need", needs, NEEDS),
    ):
        for one in given:
            if one not in known:
                raise SubtaskError(f"{what} {one!r} does not exist; it must be one of {', '.join(known)}")

    def wrap(screenplay: Screenplay) -> Subtask:
        return Subtask(
            name=screenplay.__name__,
            ability=ability,
            screenplay=screenplay,
            languages=tuple(languages),
            background=background,
            needs=tuple(needs),
            last=last,
        )

    return wrap


def builtin_subtasks() -> dict[str, Path]:
    """Returns the files of the sub-tasks that come with SoundFlow, by `<ability>/<name>`."""
    root = resource_path("recipes/subtasks")
    return {f"{path.parent.name}/{path.stem}": path for path in sorted(root.glob("*/*.py"))}


def find_subtask(name: str, *, base: Path | None = None) -> Path:
    """Returns the file of a sub-task.

    Args:
        name: `<ability>/<name>` of a built-in one, or the path of a file.
        base: Folder to which a relative path refers, usually the recipe's.

    Raises:
        SubtaskError: There is none; the message lists those that exist.
    """
    known = builtin_subtasks()
    if name in known:
        return known[name]
    if name.endswith(".py"):
        path = Path(name) if base is None else base / name
        if path.is_file():
            return path.resolve()
        raise SubtaskError(f"sub-task file {str(path)!r} does not exist")
    alike = [key for key in known if name.rsplit("/", maxsplit=1)[-1] in key] or list(known)
    raise SubtaskError(
        f"sub-task {name!r} does not exist; the built-in ones are {', '.join(alike)} (or give the path of a .py file)"
    )


@functools.lru_cache(maxsize=256)
def load_subtask(path: Path) -> Subtask:
    """Loads the sub-task of a file.

    Raises:
        SubtaskError: The file cannot be read or run, or does not hold exactly one sub-task.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise SubtaskError(f"sub-task file {str(path)!r} cannot be read: {error.strerror}") from error
    fingerprint = hashlib.sha256(source).hexdigest()
    module = _run(path, f"soundflow_subtask_{path.stem}_{fingerprint[:12]}")
    found = [value for value in vars(module).values() if isinstance(value, Subtask)]
    if len(found) != 1:
        names = ", ".join(one.name for one in found) or "none"
        raise SubtaskError(
            f"sub-task file {str(path)!r} holds {len(found)} functions with @subtask ({names}); it must hold one"
        )
    return msgspec.structs.replace(found[0], path=str(path), fingerprint=fingerprint)


def _run(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SubtaskError(f"sub-task file {str(path)!r} is not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except SubtaskError:
        raise
    except Exception as error:
        raise SubtaskError(f"sub-task file {str(path)!r} cannot be run: {type(error).__name__}: {error}") from error
    return module
