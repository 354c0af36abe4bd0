"""`soundflow status`: how far a run is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from soundflow_pipelines.cli.arguments import Json, RunFolder
from soundflow_pipelines.cli.formats import hours, percent, plural, size
from soundflow_pipelines.cli.terminal import Terminal

if TYPE_CHECKING:
    from soundflow_data.shards import ReceiptScan
    from soundflow_pipelines.synthesize import RunInfo


def status(out: RunFolder, as_json: Json = False) -> None:
    """Tells how far a run is, what it dropped, and whether somebody is at work on it.

    Example: `soundflow status out/quickstart`
    """
    from soundflow_data.shards import LocalStorage, scan_receipts  # noqa: PLC0415
    from soundflow_data.shards.lock import living_claims  # noqa: PLC0415
    from soundflow_pipelines.synthesize import read_run_info  # noqa: PLC0415

    terminal = Terminal(as_json=as_json)
    storage = LocalStorage(out)
    info = read_run_info(storage)
    scan = scan_receipts(storage, info.identity.fingerprint)
    claims = living_claims(storage)
    values = _count(info, scan)
    _print(terminal, out, info, values)
    rows = [
        (split, f"{there:,}", f"{planned:,}", percent(there / planned) if planned else "-")
        for split, (there, planned) in _by_split(info, scan).items()
    ]
    terminal.table(("split", "#shards there", "#planned", "#done"), rows)
    for reason, number in values["drops"].items():
        terminal.say(f"dropped  {plural(number, 'stream')}: {reason}")
    for problem in scan.problems:
        terminal.warn(f"{problem.path}: {problem.trouble} ({problem.detail}); the shard will be made again")
    for claim in claims:
        terminal.say(
            f"at work  process {claim.pid} on {claim.host} since {claim.since}, shards {claim.start}:{claim.stop}"
        )
    if not values["complete"] and not claims:
        terminal.say("nobody is at work on it; the same `soundflow run` command resumes")
    terminal.result(
        {
            **values,
            "problems": [msgspec.to_builtins(problem) for problem in scan.problems],
            "claims": [msgspec.to_builtins(claim) for claim in claims],
        }
    )


def _count(info: RunInfo, scan: ReceiptScan) -> dict[str, Any]:
    receipts = scan.receipts.values()
    drops: Counter[str] = Counter()
    for receipt in receipts:
        drops.update(receipt.drops)
    planned = len(info.plan)
    return {
        "recipe": info.name,
        "recipe_file": info.recipe_file,
        "soundflow": info.soundflow,
        "fingerprint": info.identity.fingerprint,
        "complete": len(scan.receipts) == planned,
        "shards": {"there": len(scan.receipts), "planned": planned},
        "streams": {
            "there": sum(receipt.counts.streams for receipt in receipts),
            "planned": sum(info.splits.values()),
        },
        "hours": sum(receipt.counts.samples for receipt in receipts) / (3600 * 16_000),
        "num_bytes": sum(receipt.num_bytes for receipt in receipts),
        "drops": dict(drops.most_common()),
    }


def _by_split(info: RunInfo, scan: ReceiptScan) -> dict[str, tuple[int, int]]:
    there = Counter(receipt.shard.split for receipt in scan.receipts.values())
    return {split: (there[split], -(-number // info.streams_per_shard)) for split, number in info.splits.items()}


def _print(terminal: Terminal, out: object, info: RunInfo, values: dict[str, Any]) -> None:
    state = "complete" if values["complete"] else "not complete"
    shards, streams = values["shards"], values["streams"]
    terminal.head(f"{out}: {state}")
    terminal.say(f"recipe   {info.name} ({info.recipe_file}), SoundFlow {info.soundflow}")
    terminal.say(f"shards   {shards['there']:,} of {shards['planned']:,}")
    terminal.say(f"streams  {streams['there']:,} of {streams['planned']:,}, {hours(values['hours'])} h")
    terminal.say(f"bytes    {size(values['num_bytes'])}")
    terminal.say()
