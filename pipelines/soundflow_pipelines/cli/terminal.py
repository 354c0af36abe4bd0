"""What commands print: results on standard output, everything else on standard error, one JSON object when asked for.

On a terminal there is colour and a progress bar; elsewhere there are plain lines without control characters.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

PLAIN_WIDTH = 200  # of lines that do not go to a terminal


class Terminal:
    """Where one command says what it has to say.

    Args:
        as_json: Whether the result is one JSON object and nothing else is said.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self._log: TextIO | None = None
        self._out = _console(sys.stdout, quiet=as_json)
        self.err = _console(sys.stderr, quiet=as_json)

    @property
    def live(self) -> bool:
        """Whether somebody watches, so that a progress bar makes sense."""
        return self.err.is_terminal and not self.as_json

    @property
    def width(self) -> int:
        """Characters in a line of the result."""
        return self._out.width

    def say(self, text: str = "") -> None:
        """Prints a line of the result."""
        self._out.print(escape(text), soft_wrap=True)

    def head(self, text: str) -> None:
        """Prints a headline."""
        self._out.print(f"[bold]{escape(text)}[/bold]", soft_wrap=True)

    @contextmanager
    def logged(self, folder: Path) -> Iterator[None]:
        """Keeps all lines about what is going on in a file of the folder as well, with their times (UTC)."""
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{socket.gethostname()}-{os.getpid()}.log"
        with (folder / name).open("a", encoding="utf-8") as log:
            self._log = log
            try:
                self.keep(" ".join(sys.argv))
                yield
            except BaseException as error:
                self.keep(f"ended by {type(error).__name__}: {error}")
                raise
            finally:
                self._log = None

    def keep(self, text: str) -> None:
        """Writes a line to the log alone, where there is one."""
        if self._log is not None:
            self._log.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}\n")
            self._log.flush()

    def note(self, text: str) -> None:
        """Prints a line about what is going on."""
        self.keep(text)
        self.err.print(escape(text), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Prints a line about what is wrong, but ends nothing."""
        self.keep(f"warning: {text}")
        self.err.print(f"[yellow]warning:[/yellow] {escape(text)}", soft_wrap=True)

    def fail(self, text: str) -> None:
        """Prints a line about something that failed while other things go on."""
        self.keep(f"error: {text}")
        self.err.print(f"[red]error:[/red] {escape(text)}", soft_wrap=True)

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[str]], *, total: Sequence[str] = (), indent: int = 0
    ) -> None:
        """Prints a table.

        Args:
            columns: Headings; those that start with `#` are of numbers and stand to the right.
            rows: As many cells each.
            total: A last row that stands out.
            indent: Spaces before each line.
        """
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        for name in columns:
            number = name.startswith("#")
            table.add_column(
                escape(name.removeprefix("#")), justify="right" if number else "left", no_wrap=number, overflow="fold"
            )
        for row in rows:
            table.add_row(*map(escape, row))
        if total:
            table.add_row(*map(escape, total), style="bold")
        if indent:
            from rich.padding import Padding  # noqa: PLC0415 - seldom needed

            self._out.print(Padding(table, (0, 0, 0, indent), expand=False))
        else:
            self._out.print(table)

    def result(self, value: Any) -> None:
        """Prints the JSON object of a command that was asked for one."""
        if self.as_json:
            sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def _console(file: Any, *, quiet: bool) -> Console:
    console = Console(file=file, highlight=False, quiet=quiet, emoji=False)
    if not console.is_terminal:
        console = Console(file=file, highlight=False, quiet=quiet, emoji=False, width=PLAIN_WIDTH)
    return console
