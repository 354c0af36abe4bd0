"""Evaluates a model on shards: decodes every stream live, measures, compares with the baselines, saves everything."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
import rich.table

from soundflow_data.shards.receipts import scan_receipts
from soundflow_data.shards.storage import LocalStorage
from soundflow_trainer.evaluation.events import DEFAULT_WINDOW, Timing
from soundflow_trainer.evaluation.measures import Judged, Row, judge, table
from soundflow_trainer.evaluation.predictions import BASELINES, Prediction, predict
from soundflow_trainer.files import write_whole
from soundflow_trainer.live.engine import Engine
from soundflow_trainer.loading import Source, StreamLike


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The result.

    Attributes:
        rows: The model's table.
        baselines: A row over all streams for each baseline.
        judged: Every stream, for pictures.
    """

    rows: list[Row]
    baselines: dict[str, Row]
    judged: list[Judged]


def held_out(shards: Path) -> str:
    """Returns the split on which a model is measured: `test` where there is one, as it chose nothing."""
    splits = {receipt.shard.split for receipt in scan_receipts(LocalStorage(shards)).receipts.values()}
    return "test" if "test" in splits else "validation"


def choose_streams(source: Source, limit: int | None) -> list[StreamLike]:
    """Returns all streams of a source, or `limit` of them, evenly."""
    count = len(source) if limit is None else min(limit, len(source))
    return [source[i * len(source) // count] for i in range(count)]


def evaluate(engine: Engine, streams: Sequence[StreamLike], *, window: int = DEFAULT_WINDOW) -> Evaluation:
    """Decodes streams and measures what was said."""
    judged = _judge_all(streams, list(predict(engine, streams)), window)
    chunks = sum(stream.targets.num_chunks for stream in streams)
    base_rate = sum(len(stream.targets.spoken) for stream in streams) / max(1, chunks)
    baselines = {
        name: table(_judge_all(streams, [baseline(stream, base_rate) for stream in streams], window))[0]
        for name, baseline in BASELINES.items()
    }
    return Evaluation(rows=table(judged), baselines=baselines, judged=judged)


def _judge_all(streams: Sequence[StreamLike], predictions: Sequence[Prediction], window: int) -> list[Judged]:
    return [
        judge(stream.timeline, stream.targets, prediction, window=window)
        for stream, prediction in zip(streams, predictions, strict=True)
    ]


def save(evaluation: Evaluation, out: Path) -> None:
    """Writes `measures.json` and `predictions.jsonl` into a folder."""
    data = {
        "model": [_plain(row) for row in evaluation.rows],
        "baselines": {name: _plain(row) for name, row in evaluation.baselines.items()},
    }
    write_whole(out / "measures.json", msgspec.json.format(msgspec.json.encode(data), indent=2) + b"\n")
    lines = [msgspec.json.encode(one.prediction) + b"\n" for one in evaluation.judged]
    write_whole(out / "predictions.jsonl", b"".join(lines))


def _plain(row: Row) -> dict[str, Any]:
    measures = {**asdict(row.timing), **msgspec.structs.asdict(row.text)}
    measured = {
        name: None if isinstance(value, float) and math.isnan(value) else value for name, value in measures.items()
    }
    return {"group": row.group, **measured}


def show(evaluation: Evaluation) -> rich.table.Table:
    """Returns the table for people: the baselines first, then the model."""
    shown = rich.table.Table(title="measures (see docs/measures.md)")
    for column in ("", "streams", "trigger", "hit", "early", "late", "missed", "silences", "false/h", "delay",
                   "F1", "exact", "token F1", "answers", "recall", "WER", "BLEU"):  # fmt: skip
        shown.add_column(column, justify="left" if not column else "right")
    for name, row in evaluation.baselines.items():
        shown.add_row(*_cells(f"baseline: {name}", row))
    shown.add_section()
    for row in evaluation.rows:
        shown.add_row(*_cells(row.group, row))
    return shown


def _cells(name: str, row: Row) -> list[str]:
    timing, text = row.timing, row.text
    return [
        name,
        str(timing.streams),
        _percent(timing.trigger_accuracy),
        str(timing.hits),
        str(timing.early),
        str(timing.late),
        str(timing.missed),
        f"{timing.silences_kept}/{timing.silences}",
        _number(timing.false_per_hour),
        "" if math.isnan(timing.delay_ms) else f"{timing.delay_chunks:.2f} ({timing.delay_ms:.0f} ms)",
        _percent(timing.decision_f1),
        _percent(text.exact),
        _percent(text.token_f1),
        _percent(text.exact_answers),
        f"{_percent(text.recall)} of {text.recalls}" if text.recalls else "",
        _percent(text.wer),
        _number(text.bleu),
    ]


def show_stability(measured: dict[int, Timing]) -> rich.table.Table:
    """Returns the table of joined segments."""
    shown = rich.table.Table(title="joined segments")
    for column in ("segments", "streams", "trigger", "of one segment", "false/h"):
        shown.add_column(column, justify="right")
    one = measured[1].trigger_accuracy
    for count, timing in measured.items():
        share = timing.trigger_accuracy / one if one else float("nan")
        cells = (
            str(timing.streams),
            _percent(timing.trigger_accuracy),
            _percent(share),
            _number(timing.false_per_hour),
        )
        shown.add_row(str(count), *cells)
    return shown


def _percent(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.1%}"


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.1f}"
