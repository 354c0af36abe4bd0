"""The last step of a run: the files that explain the directory to people and to catalogues.

All of them are computed from the receipts and tables, so that equal shards give equal bytes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from soundflow_data.errors import RunError
from soundflow_data.quality.stats import GroupStats, Stats, stats
from soundflow_data.shards.croissant import Description, make_croissant
from soundflow_data.shards.layout import CROISSANT, FORMAT_VERSION, LICENSES, README, STATUS
from soundflow_data.shards.receipts import Receipt, scan_receipts
from soundflow_data.shards.storage import Storage, write_bytes
from soundflow_data.timeline import SAMPLE_RATE

__all__ = ["Description", "RunStatus", "write_catalog"]

_UNKNOWN: Final = "unknown"


class RunStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `status.json`: what there is when the catalogue is written.

    Attributes:
        format: Version of the run directory's layout.
        fingerprint: Of the recipe and banks.
        seed: The recipe's seed.
        codec: How the audio is encoded.
        shards: Finished shards.
        streams: Streams in them.
        hours: Audio in them.
        num_bytes: Bytes of their files.
        drops: Streams that could not be made, by reason.
    """

    format: int
    fingerprint: str
    seed: int
    codec: str
    shards: int
    streams: int
    hours: float
    num_bytes: int
    drops: dict[str, int]


def write_catalog(storage: Storage, description: Description | None = None) -> RunStatus:
    """Writes `README.md`, `croissant.json`, `LICENSES.csv` and `status.json`.

    Args:
        storage: A run directory whose shards are all finished.
        description: What the corpus is called.

    Raises:
        RunError: There is no finished shard, or a receipt cannot be relied on.
    """
    scan = scan_receipts(storage)
    receipts = list(scan.receipts.values())
    if scan.problems or not receipts:
        trouble = f"{scan.problems[0].path}: {scan.problems[0].detail}" if scan.problems else "no shard is finished"
        raise RunError(f"{storage.locate('')}: {trouble}; run the same command again, then the catalogue is written")
    description = description or Description()
    totals = stats(storage)
    status = _status(receipts, totals)
    licences = sorted({row.licence for row in totals.licences})
    languages = [row.name for row in totals.languages]
    write_bytes(storage, LICENSES, _licences_csv(totals).encode())
    write_bytes(storage, CROISSANT, make_croissant(description, licences, languages, status.codec))
    write_bytes(storage, README, _readme(description, totals, status).encode())
    write_bytes(storage, STATUS, msgspec.json.format(msgspec.json.encode(status), indent=2) + b"\n")
    return status


def _status(receipts: Sequence[Receipt], totals: Stats) -> RunStatus:
    first = receipts[0]
    return RunStatus(
        format=FORMAT_VERSION,
        fingerprint=first.identity.fingerprint,
        seed=first.identity.seed,
        codec=first.codec,
        shards=len(receipts),
        streams=totals.total.streams,
        hours=round(totals.total.hours, 6),
        num_bytes=sum(receipt.num_bytes for receipt in receipts),
        drops={row.reason: row.streams for row in totals.drops},
    )


def _licences_csv(totals: Stats) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("corpus", "licence", "streams", "events", "seconds"))
    for row in sorted(totals.licences, key=lambda row: (row.corpus, row.licence)):
        seconds = f"{row.samples / SAMPLE_RATE:.3f}"
        writer.writerow((row.corpus or _UNKNOWN, row.licence or _UNKNOWN, row.streams, row.events, seconds))
    return file.getvalue()


def _readme(description: Description, totals: Stats, status: RunStatus) -> str:
    return "\n\n".join(
        (
            _front_matter(description, totals),
            f"# {description.name}",
            description.text,
            _summary(status),
            "## What is in it",
            _group_table("split", totals.splits),
            _group_table("ability", totals.abilities),
            _subtask_table(totals.subtasks),
            _drop_text(totals),
            "## Licences",
            "Every event carries its corpus, source recording and licence; `LICENSES.csv` has the same sums.",
            _licence_table(totals),
            _how_to_load(status.codec, totals.splits[0].name if totals.splits else "train"),
        )
    )


def _summary(status: RunStatus) -> str:
    return (
        f"{status.streams:,} streams, {status.hours:,.2f} hours in {status.shards:,} shards "
        f"({status.num_bytes / 1e9:,.3f} GB). Recipe and banks `{status.fingerprint[:16]}`, seed {status.seed}."
    )


def _front_matter(description: Description, totals: Stats) -> str:
    lines = ["---", f"pretty_name: {msgspec.json.encode(description.name).decode()}", "license: other", "language:"]
    lines += [f"- {row.name}" for row in totals.languages]
    lines += ["tags:", "- audio", "- streaming", "- webdataset", "configs:", "- config_name: default", "  data_files:"]
    for row in totals.splits:
        lines += [f"  - split: {row.name}", f"    path: data/{row.name}/*.tar"]
    return "\n".join((*lines, "---"))


def _group_table(title: str, groups: Iterable[GroupStats]) -> str:
    return _table((title, *_COLUMNS), ((f"`{group.name}`", *_cells(group)) for group in groups))


def _subtask_table(groups: Iterable[GroupStats]) -> str:
    rows = ((f"`{group.name}`", f"`{group.ability}`", *_cells(group)) for group in groups)
    return _table(("sub-task", "ability", *_COLUMNS), rows)


_COLUMNS: Final = ("streams", "hours", "responses", "silent chunks", "rounds per stream")


def _cells(group: GroupStats) -> tuple[str, ...]:
    return (
        f"{group.streams:,}",
        f"{group.hours:,.2f}",
        f"{group.responses:,}",
        f"{group.silent_share:.1%}",
        f"{group.mean_rounds:.1f}",
    )


def _licence_table(totals: Stats) -> str:
    rows = (
        (row.corpus or _UNKNOWN, row.licence or _UNKNOWN, f"{row.streams:,}", f"{row.events:,}", f"{row.hours:,.2f}")
        for row in totals.licences
    )
    return _table(("corpus", "licence", "streams", "events", "hours of events"), rows)


def _drop_text(totals: Stats) -> str:
    if not totals.drops:
        return "No stream was dropped."
    rows = ((row.reason, f"{row.streams:,}") for row in totals.drops)
    return "Streams that could not be made (`quarantine/`):\n\n" + _table(("reason", "streams"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


def _how_to_load(codec: str, split: str) -> str:
    return _LOADING.replace("CODEC", codec).replace("SPLIT", split)


_LOADING: Final = """## How to load it

Each stream is `<key>.CODEC` (16 kHz, mono) and `<key>.json` in a plain tar. The JSON holds `id`, `stream_scene_type`,
`num_turns` and `turns`, the `targets` (one decision per chunk; only chunks that speak are listed) and the whole
`timeline` from which the audio was rendered and the targets were projected.

```python
from soundflow_data import StreamReader

reader = StreamReader(".", split="SPLIT")
sample = reader[0]
sample.audio, sample.timeline, sample.targets.decisions()
```

```python
import webdataset

for item in webdataset.WebDataset("data/SPLIT/SPLIT-000000.tar", shardshuffle=False):
    item["CODEC"], item["json"]  # bytes
```

```sql
SELECT ability, count(*), sum(seconds) / 3600 AS hours FROM read_parquet('manifest/*/*.parquet') GROUP BY ability
```

`events/` and `responses/` have one row per event and response. `receipts/` has the SHA-256 of every file.
"""
