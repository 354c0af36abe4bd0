"""`soundflow bank align`: gives recorded speech the times of its words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import msgspec
import typer

from soundflow_pipelines.cli.arguments import Json
from soundflow_pipelines.cli.bank import key_and_value
from soundflow_pipelines.cli.formats import duration, hours, plural, times
from soundflow_pipelines.cli.interrupts import interruptible
from soundflow_pipelines.cli.meter import Meter
from soundflow_pipelines.cli.terminal import Terminal

if TYPE_CHECKING:
    from soundflow_data.bank.align import AlignProgress, AlignSummary


def align(
    bank: Annotated[Path, typer.Argument(metavar="BANK", help="Folder of a bank with speech.")],
    out: Annotated[
        Path | None, typer.Argument(metavar="OUT", help="Folder of the new bank. [default: BANK-aligned]")
    ] = None,
    aligner: Annotated[str, typer.Option(metavar="NAME", help="Who finds the times: whisperx or ctc.")] = "whisperx",
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            "-o",
            metavar="KEY=VALUE",
            help="An option of the aligner, such as en=models/wav2vec2, device=cuda or min_score=0.4; repeatable.",
        ),
    ] = None,
    batch: Annotated[float, typer.Option(min=1, metavar="SECONDS", help="Audio that the model gets at once.")] = 240.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a bank made from something else.")] = False,
    as_json: Json = False,
) -> None:
    """Finds the times of the words of recorded speech, and writes a bank that has them.

    The new bank shares the samples of the old one on disk. Words that have times keep them. Clips that cannot be
    aligned stay in the bank without times; `unaligned.jsonl` says why. The same command again goes on where it was.

    Example: `soundflow bank align banks/talks -o en=models/wav2vec2-base-960h`
    """
    terminal = Terminal(as_json=as_json)
    from soundflow_data.bank.align import align_bank  # noqa: PLC0415 - takes half a second
    from soundflow_data.speech.provers import make_aligner  # noqa: PLC0415

    made = make_aligner(aligner, dict(key_and_value(text) for text in option or ()))
    target = out if out is not None else bank.with_name(f"{bank.name}-aligned")
    with (
        interruptible(terminal, "run the same command again; what is aligned stays"),
        _Progress(terminal, bank.name) as progress,
    ):
        summary = align_bank(bank, target, made, batch_s=batch, overwrite=overwrite, progress=progress.update)
    _print(terminal, summary)
    plain: dict[str, Any] = msgspec.to_builtins(summary, enc_hook=str)
    terminal.result(plain)


class _Progress:
    """A meter that opens when it is known how much there is to do."""

    def __init__(self, terminal: Terminal, name: str) -> None:
        self._terminal = terminal
        self._name = name
        self._meter: Meter | None = None

    def update(self, progress: AlignProgress) -> None:
        if self._meter is None:
            self._meter = Meter(self._terminal, f"aligning {self._name}", progress.total, "clips").__enter__()
        failed = plural(progress.done - progress.aligned, "failure")
        self._meter.update(progress.done, f"{hours(progress.seconds / 3600)} h · {failed}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._meter is not None:
            self._meter.__exit__(kind, None, None)


def _print(terminal: Terminal, summary: AlignSummary) -> None:
    failed = sum(summary.unaligned.values())
    what = f"{plural(summary.aligned, 'clip')} aligned, {summary.known} had times, {failed} without"
    if not summary.built:
        terminal.say(f"{summary.path}: {what} (was there already)")
    else:
        speed = f", {times(summary.seconds / summary.elapsed_s)} real time" if summary.seconds else ""
        before = f", {summary.resumed} of them by a run before" if summary.resumed else ""
        terminal.say(f"{summary.path}: {what} (in {duration(summary.elapsed_s)}{speed}{before})")
    for reason, number in summary.unaligned.items():
        terminal.warn(f"{summary.path}: {number} not aligned: {reason}; see {summary.path}/unaligned.jsonl")
