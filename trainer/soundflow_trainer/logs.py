"""What a run says: one JSON line per step, TensorBoard, and a progress line for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import rich.console
from torch.utils.tensorboard import SummaryWriter

from soundflow_trainer.files import write_whole


class RunLog:
    """The logs of one run folder.

    Args:
        out: The run folder.
        start: Step at which the run goes on; what was logged after it belongs to a past that is done again.
        console: Where progress is shown; None shows nothing.
    """

    def __init__(self, out: Path, *, start: int, console: rich.console.Console | None) -> None:
        self._path = out / "log" / "metrics.jsonl"
        self._console = console
        if self._path.is_file():
            lines = self._path.read_bytes().splitlines(keepends=True)
            kept = [line for line in lines if line.endswith(b"\n") and json.loads(line)["step"] <= start]
            write_whole(self._path, b"".join(kept))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a", encoding="utf-8")
        self._board = SummaryWriter(str(out / "log" / "tensorboard"), purge_step=start)

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

    def say(self, message: str) -> None:
        """Tells the person who watches."""
        if self._console is not None:
            self._console.print(message, highlight=False, markup=False)

    def close(self) -> None:
        """Ends the logs."""
        self._file.close()
        self._board.close()
