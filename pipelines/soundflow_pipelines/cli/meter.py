"""How far a long job is: a bar on a terminal, a plain line every few seconds elsewhere and in the log."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TaskID, TextColumn

from soundflow_pipelines.cli.formats import duration
from soundflow_pipelines.cli.interrupts import raise_missed
from soundflow_pipelines.cli.terminal import Terminal

LINE_EVERY_S = 5.0


class Meter:
    """Shows progress while it is open.

    Args:
        terminal: Where.
        name: What is being done.
        total: How much there is to do.
        unit: Of what, in the plural.
        done: How much was done before; it does not count for the time that is left.
    """

    def __init__(self, terminal: Terminal, name: str, total: int, unit: str, *, done: int = 0) -> None:
        self._terminal = terminal
        self._name = name
        self._total = total
        self._unit = unit
        self._before = self._done = done
        self._text = ""
        self._started = self._last_line = time.monotonic()
        self._bar: Progress | None = None
        self._task = TaskID(0)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def update(self, done: int, text: str = "") -> None:
        """Tells how much is done by now, and what else there is to say.

        Raises:
            KeyboardInterrupt: The command was asked to end, and nothing has heard it.
        """
        raise_missed()
        self._done, self._text = done, text
        if self._bar is not None:
            self._bar.update(self._task, completed=done, text=text, left=self._left())
        if time.monotonic() - self._last_line >= LINE_EVERY_S:
            self._line()

    def __enter__(self) -> Self:
        self._started = self._last_line = time.monotonic()
        if self._terminal.live:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(bar_width=28),
                TextColumn(f"{{task.completed:,}}/{{task.total:,}} {self._unit}"),
                TextColumn("[dim]{task.fields[text]}"),
                TextColumn("{task.fields[left]}"),
            )
            self._bar = Progress(*columns, console=self._terminal.err, transient=True)
            self._task = self._bar.add_task(self._name, total=self._total, completed=self._before, text="", left="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if kind is None and self.elapsed_s >= LINE_EVERY_S:
            self._line()

    def _line(self) -> None:
        self._last_line = time.monotonic()
        parts = [f"{self._name}: {self._done:,} of {self._total:,} {self._unit}", self._text, self._left()]
        line = " · ".join(part for part in parts if part)
        if self._bar is None:
            self._terminal.note(line)
        else:
            self._terminal.keep(line)

    def _left(self) -> str:
        made, todo = self._done - self._before, self._total - self._done
        return f"{duration(self.elapsed_s / made * todo)} left" if made > 0 and todo > 0 else ""
