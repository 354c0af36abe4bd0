"""Ending a command that is asked to end, in such a way that the same command goes on later."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from soundflow_pipelines.cli.errors import INTERRUPTED, TERMINATED
from soundflow_pipelines.cli.terminal import Terminal

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_asked: list[int] = []  # signals that have come while a command can be interrupted


@contextmanager
def interruptible(terminal: Terminal, advice: str) -> Iterator[None]:
    """Ends the command with its exit code on Ctrl-C, and in the same way when a scheduler asks it to end.

    Args:
        terminal: Where the advice is printed.
        advice: How to go on later.
    """
    # A shell that starts a command in the background of a script has it ignore Ctrl-C, which is then not ours to hear.
    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _interrupt) for number in heard}
    try:
        yield
    except KeyboardInterrupt:
        terminal.note(f"interrupted; {advice}")
        terminal.result({"error": {"kind": "Interrupted", "message": advice}})
        raise typer.Exit(TERMINATED if signal.SIGTERM in _asked else INTERRUPTED) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _asked.clear()


def raise_missed() -> None:
    """Raises the interrupt that has come and was not heard.

    Python drops whatever is raised in a finalizer or in a callback that C code calls, and a Ctrl-C can come at such a
    moment. Called at every step of a meter, this lets none of them get lost.

    Raises:
        KeyboardInterrupt: A signal has come in `interruptible`.
    """
    if _asked:
        raise KeyboardInterrupt


def _interrupt(number: int, _: FrameType | None) -> None:
    _asked.append(number)
    raise KeyboardInterrupt
