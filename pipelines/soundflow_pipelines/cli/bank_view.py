"""What `soundflow bank show` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from soundflow_data.speech.spoken_bank import SPEAK
from soundflow_pipelines.cli.formats import hours, plural
from soundflow_pipelines.cli.terminal import Terminal

if TYPE_CHECKING:
    from soundflow_data.bank import Bank

MAX_VALUES = 30  # different values of a column that are printed; all of them are in the JSON
_COLUMNS = ("kind", "label", "language", "speaker", "licence", "corpus", "fold")


def print_bank(terminal: Terminal, bank: Bank) -> dict[str, Any]:
    """Prints what a bank holds, counted by everything that clips have in common; returns the same for JSON."""
    info = bank.info
    terminal.head(f"{info.name}  ({bank.path})")
    terminal.say(f"{plural(info.num_clips, 'clip')} of {plural(info.num_items, 'recording')}, {hours(info.hours)} h")
    terminal.say(f"source {info.source.get('reader', '?')}, fingerprint {info.fingerprint[:16]}")
    terminal.say(f"{info.num_cut:,} were cut to length; {info.num_single:,} are single occurrences out of longer clips")
    for reason, number in info.drops.items():
        terminal.warn(f"{plural(number, 'recording')} dropped: {reason}; see {bank.path}/quarantine.jsonl")
    spoken = _print_spoken(terminal, bank) if info.source.get("reader") == SPEAK else {}
    counts = {column: _count(bank, column) for column in _COLUMNS}
    counts = {column: rows for column, rows in counts.items() if any(value for value, *_ in rows)}
    for column, rows in counts.items():
        terminal.say()
        shown = [(value or "(none)", f"{clips:,}", hours(length)) for value, clips, length in rows[:MAX_VALUES]]
        terminal.table((column, "#clips", "#hours"), shown)
        if len(rows) > MAX_VALUES:
            terminal.say(f"and {len(rows) - MAX_VALUES:,} more; --json has all of them")
    values: dict[str, Any] = msgspec.to_builtins(info)
    named = {
        column: [{"value": value, "clips": clips, "hours": length} for value, clips, length in rows]
        for column, rows in counts.items()
    }
    return {"path": str(bank.path), **values, **spoken, "counts": named}


def _print_spoken(terminal: Terminal, bank: Bank) -> dict[str, Any]:
    """Prints how the utterances of a bank that `soundflow speak` filled were made and checked."""
    import duckdb  # noqa: PLC0415 - slow to import

    from soundflow_data.speech.assemble import UTTERANCES  # noqa: PLC0415

    sql = """
        SELECT aligner, checked_by, licence, count(*), avg(mean_score), avg(wer), sum((attempts > 1)::INT)
        FROM read_parquet($1) GROUP BY ALL ORDER BY 4 DESC, 1, 2, 3"""
    with duckdb.connect() as connection:
        rows = connection.execute(sql, [str(bank.path / UTTERANCES)]).fetchall()
    source = bank.info.source
    terminal.say(f"spoken by {source['engine']} {source['engine_version']}, {plural(len(source['voices']), 'voice')}")
    if source["complete_for"]:
        terminal.say(f"complete for {', '.join(sorted({one['recipe'] for one in source['complete_for']}))}")
    terminal.say()
    columns = ("word times by", "checked by", "licence", "#utterances", "#mean score", "#mean WER", "#retried")
    cells = [
        (aligner, by or "nobody", licence, f"{number:,}", _mean(score), _mean(wer), f"{retried:,}")
        for aligner, by, licence, number, score, wer, retried in rows
    ]
    terminal.table(columns, cells)
    names = ("aligner", "checked_by", "licence", "utterances", "mean_score", "mean_wer", "retried")
    return {"proof": [dict(zip(names, row, strict=True)) for row in rows]}


def _mean(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def print_clip(terminal: Terminal, bank: Bank, row: int) -> dict[str, Any]:
    """Prints what is known about a clip; returns the same for JSON."""
    clip = bank.clip(row)
    words: list[dict[str, Any]] = [{"text": word.text, "start": word.start, "end": word.end} for word in clip.words]
    values = {name: getattr(clip, name) for name in clip.__struct_fields__ if name != "words"}
    terminal.head(clip.id)
    terminal.table(("field", "value"), [(name, str(value)) for name, value in values.items() if value not in ("", -1)])
    if words:
        terminal.say()
        rows = [(word["text"], f"{word['start'] / 16_000:.3f}", f"{word['end'] / 16_000:.3f}") for word in words]
        terminal.table(("word", "#from s", "#to s"), rows)
    return {**values, "words": words}


def _count(bank: Bank, column: str) -> list[tuple[str, int, float]]:
    """Returns value, clips and hours of each value of a column, the most frequent first."""
    from soundflow_data.bank.search import query  # noqa: PLC0415 - DuckDB is slow to import

    sql = f"""
        SELECT {column}, count(*), sum(num_samples::BIGINT) / (16000 * 3600.0)
        FROM clips GROUP BY 1 ORDER BY 2 DESC, 1"""  # noqa: S608 - the columns are those above
    found = query(bank, sql).to_pylist()
    return [(str(value or ""), int(clips), float(length)) for value, clips, length in map(dict.values, found)]
