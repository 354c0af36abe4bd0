"""Pictures of streams: the spectrogram, what was due, and what the model did."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from soundflow_data.timeline import SAMPLE_RATE
from soundflow_trainer.evaluation.measures import Judged
from soundflow_trainer.frontend import log_mel
from soundflow_trainer.loading import StreamLike

COLOURS: Final = {"hit": "tab:green", "late": "tab:orange", "early": "tab:purple", "missed": "tab:red"}


def draw(streams: Sequence[StreamLike], judged: Sequence[Judged], path: Path) -> None:
    """Draws some streams with their targets and decisions.

    Args:
        streams: The streams.
        judged: The same streams, judged.
        path: A PNG file.
    """
    figure = Figure(figsize=(14, 2.6 * len(streams)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(streams), squeeze=False)[:, 0]
    for axis, stream, one in zip(axes, streams, judged, strict=True):
        _draw_one(axis, stream, one)
    axes[-1].set_xlabel("seconds; above: due responses, below: what the model said (x: false trigger)")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)


def _draw_one(axis: Any, stream: StreamLike, one: Judged) -> None:
    chunk = stream.targets.chunk
    features = log_mel(stream.audio, chunk)
    axis.imshow(
        features.reshape(-1, features.shape[-1]).T,
        origin="lower",
        aspect="auto",
        extent=(0, len(stream.audio) / SAMPLE_RATE, 0, 1),
        cmap="Greys",
    )
    title = f"{stream.timeline.key}  {stream.timeline.subtask}"
    axis.set_title(f"{title}  “{stream.timeline.instruction}”" if stream.timeline.instruction else title, loc="left")
    axis.set_ylim(-0.9, 1.9)
    axis.set_yticks([])
    for edge in np.arange(0, len(stream.audio) / SAMPLE_RATE, chunk / SAMPLE_RATE):
        axis.axvline(edge, color="tab:blue", alpha=0.12, linewidth=0.5)
    for target, spoken, label in zip(one.targets.spoken, one.outcome.spoken, one.outcome.labels, strict=True):
        due_s = (target.chunk + 1) * chunk / SAMPLE_RATE
        axis.annotate(target.text, (due_s, 1.0), (due_s, 1.4), color=COLOURS[label], fontsize=8,
                      arrowprops={"arrowstyle": "-", "color": COLOURS[label]})  # fmt: skip
        if spoken >= 0:
            _draw_said(axis, spoken, chunk, one.prediction.texts[spoken], COLOURS[label])
    for k in one.outcome.false:
        _draw_said(axis, k, chunk, f"x {one.prediction.texts[k]}", "tab:red")


def _draw_said(axis: Any, k: int, chunk: int, text: str, colour: str) -> None:
    at_s = (k + 1) * chunk / SAMPLE_RATE
    axis.annotate(text, (at_s, 0.0), (at_s, -0.6), color=colour, fontsize=8,
                  arrowprops={"arrowstyle": "-", "color": colour})  # fmt: skip
