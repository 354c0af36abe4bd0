"""What a run says: one JSON line per step, TensorBoard, and for people a bar on a terminal or lines in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import rich.console
import rich.progress
from torch.utils.tensorboard import SummaryWriter

from soundflow_trainer.files import write_whole

LINE_EVERY: Final = 10  # steps between two lines where there is no terminal


class RunLog:
    """The logs of one run folder.

    Args:
        out: The run folder.
        start: Step at which the run goes on; what was logged after it belongs to a past that is done again.
        steps: Steps of the stage.
        console: Where progress is shown; None shows nothing.
    """

    def __init__(self, out: Path, *, start: int, steps: int, console: rich.console.Console | None) -> None:
        self._path = out / "log" / "metrics.jsonl"
        self._console = console
        if self._path.is_file():
            lines = self._path.read_bytes().splitlines(keepends=True)
            kept = [line for line in lines if line.endswith(b"\n") and json.loads(line)["step"] <= start]
            write_whole(self._path, b"".join(kept))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a", encoding="utf-8")
        self._board = SummaryWriter(str(out / "log" / "tensorboard"), purge_step=start)
        self._steps = steps
        self._trigger = ""
        self._bar = _start_bar(console, start, steps) if console is not None and console.is_terminal else None

    def record(self, kind: str, step: int, values: dict[str, Any]) -> None:
        """Writes one line and the board's scalars."""
        self._file.write(json.dumps({"kind": kind, "step": step, **values}) + "\n")
        self._file.flush()
        for name, value in values.items():
            if isinstance(value, (int, float)):
                self._board.add_scalar(f"{kind}/{name}", value, step)

    def picture(self, step: int, path: Path) -> None:
        """Shows a picture on the board."""
        from matplotlib.image import imread  # noqa: PLC0415 - slow to import, and only some runs draw

        self._board.add_image("predictions", imread(str(path))[..., :3], step, dataformats="HWC")

    def progress(self, step: int, values: dict[str, Any]) -> None:
        """Shows where a run stands: the parts of the loss, the speed, and what validation found last."""
        said = (
            f"text {values['loss_text']:.4f}  control {values['loss_control']:.4f}  "
            f"{values['tokens_per_s']:,.0f} tokens/s  useful {values['useful_share']:.1%}  "
            f"waiting {values['wait_share']:.1%}{self._trigger}"
        )
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=step, said=said)
        elif step % LINE_EVERY == 0 or step == self._steps:
            self.say(f"step {step}/{self._steps}  {said}")

    def validated(self, trigger_accuracy: float) -> None:
        """Keeps the trigger accuracy on validation streams for the lines that follow."""
        self._trigger = f"  trigger {trigger_accuracy:.1%}"

    def say(self, message: str) -> None:
        """Tells the person who watches."""
        if self._console is not None:
            self._console.print(message, highlight=False, markup=False)

    def close(self) -> None:
        """Ends the logs."""
        if self._bar is not None:
            self._bar.stop()
        self._file.close()
        self._board.close()


def _start_bar(console: rich.console.Console, start: int, steps: int) -> rich.progress.Progress:
    bar = rich.progress.Progress(
        rich.progress.MofNCompleteColumn(),
        rich.progress.BarColumn(bar_width=24),
        rich.progress.TimeRemainingColumn(),
        rich.progress.TextColumn("{task.fields[said]}"),
        console=console,
    )
    bar.add_task("steps", total=steps, completed=start, said="")
    bar.start()
    return bar
