"""The one place in which errors become messages and exit codes.

0    all is well
1    something failed
2    the command was used wrongly
130  interrupted by Ctrl-C, 143 by a request to end
"""

from __future__ import annotations

import errno
import json
import sys
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final

import typer
from typer.core import TyperGroup

from soundflow_data.errors import SoundFlowError
from soundflow_data.version import VERSION

FAILED: Final = 1
INTERRUPTED: Final = 130
TERMINATED: Final = 143

TRAINING_PACKAGES: Final = ("torch", "transformers", "tokenizers", "safetensors", "peft", "jiwer", "sacrebleu")

# Newer versions of typer carry a copy of click, older ones use the package; this finds the base of its errors in both.
_ClickError: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


class Commands(TyperGroup):
    """The group of all commands: it ends the process with an exit code and never with a bare exception."""

    def main(self, args: Sequence[str] | None = None, *_: Any, **extra: Any) -> Any:
        """Runs the command that `args` (by default those of the process) name."""
        words = sys.argv[1:] if args is None else list(args)
        as_json = "--json" in words
        extra["standalone_mode"] = False
        try:
            result = super().main(words or ["--help"], **extra)
        except SoundFlowError as error:
            code = _fail(type(error).__name__, str(error), as_json)
        except _ClickError as error:
            code = _refuse(error, as_json)
        except OSError as error:
            if error.filename is not None:
                code = _fail(type(error).__name__, f"{error.filename}: {error.strerror}", as_json)
            elif error.errno in {errno.ENOSPC, errno.EDQUOT}:
                code = _fail(type(error).__name__, "the disk is full; make room, then run the command again", as_json)
            else:
                code = _fail_unexpectedly(error, as_json)
        except ModuleNotFoundError as error:
            if error.name in TRAINING_PACKAGES:
                code = _fail(type(error).__name__, _how_to_install(error.name), as_json)
            else:
                code = _fail_unexpectedly(error, as_json)
        except Exception as error:  # noqa: BLE001 - the last place that can tell the user what to do about it
            code = _fail_unexpectedly(error, as_json)
        else:
            code = result if isinstance(result, int) else 0
        sys.exit(code)


def _how_to_install(package: str) -> str:
    return (
        f"this command needs the package {package!r}, which is not installed here; install the trainer's with "
        "`pip install torch` and `pip install 'soundflow[train]'`"
    )


def _fail(kind: str, message: str, as_json: bool, *, code: int = FAILED, **more: Any) -> int:
    if as_json:
        print(json.dumps({"error": {"kind": kind, "message": message, **more}}, ensure_ascii=False))
    else:
        print(f"error: {message}", file=sys.stderr)
    return code


def _refuse(error: Any, as_json: bool) -> int:
    """Tells how a command was used wrongly; a group without a command shows its help."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return int(error.exit_code)
    message = error.format_message()
    context = getattr(error, "ctx", None)
    if context is not None and not as_json:
        message += f"\nSee `{context.command_path} --help`."
    return _fail(type(error).__name__, message, as_json, code=error.exit_code)


def _fail_unexpectedly(error: Exception, as_json: bool) -> int:
    """Tells about a mistake in a user's sub-task, or in SoundFlow itself."""
    kind = type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    place = _subtask_line(error.__traceback__)
    if place is not None:
        first = next(i for i, frame in enumerate(frames) if frame.filename == place[0])
        trace = "".join(traceback.format_list(frames[first:]))
        message = f"sub-task file {place[0]}, line {place[1]}: {kind}: {error}"
    else:
        trace = "".join(traceback.format_exception(error))
        message = (
            f"{kind}: {error}\nThis is a mistake in SoundFlow {VERSION}, not in what you asked for. "
            "Please report it with the lines above and the command."
        )
    if not as_json:
        print(trace, end="", file=sys.stderr)
        return _fail(kind, message, as_json)
    return _fail(kind, message, as_json, trace=trace)


def _subtask_line(trace: TracebackType | None) -> tuple[str, int] | None:
    """Returns file and line of the sub-task that was running, when one was."""
    found = None
    while trace is not None:
        if str(trace.tb_frame.f_globals.get("__name__", "")).startswith("soundflow_subtask_"):
            found = (trace.tb_frame.f_code.co_filename, trace.tb_lineno)
        trace = trace.tb_next
    return found
