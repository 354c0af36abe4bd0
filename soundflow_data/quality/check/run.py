"""Checks a corpus: every shard once, then everything together."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from soundflow_data.bank import Bank
from soundflow_data.errors import BankError, RunError
from soundflow_data.quality.check.base import Known, StreamCheck
from soundflow_data.quality.check.checks import check_names, load_check
from soundflow_data.quality.check.collect import measure_shard
from soundflow_data.quality.check.corpus import Gathered, ShardMeasures, gather
from soundflow_data.quality.check.verdict import Judgement, Measure, Result, Verdict, count_reasons
from soundflow_data.recipe import Recipe
from soundflow_data.shards.layout import ShardPlan
from soundflow_data.shards.receipts import Receipt, scan_receipts
from soundflow_data.shards.storage import Storage

Mapper = Callable[[Callable[[Receipt], ShardMeasures], Iterable[Receipt]], Iterable[ShardMeasures]]


def check_corpus(
    storage: Storage,
    recipe: Recipe,
    *,
    banks: Mapping[str, tuple[str, str]] | None = None,
    plan: ShardPlan | None = None,
    names: Sequence[str] | None = None,
    mapper: Mapper = map,
) -> Verdict:
    """Measures the finished shards of a run directory and judges them by the thresholds of the recipe.

    Args:
        storage: The run directory.
        recipe: What was asked for, and the thresholds.
        banks: Folder and fingerprint of each bank that the streams were made from.
        plan: All shards of the run; by default those that are there are all.
        names: Checks that are made; by default all.
        mapper: Runs the look at one shard for all shards, such as `map` or an executor's; the function can be pickled.

    Raises:
        RunError: There is no finished shard, or a receipt cannot be relied on.
        ShardError: A shard is damaged.
    """
    receipts = _finished(storage)
    known, notes = _known(recipe, banks or {})
    if plan is not None and len(receipts) < len(plan):
        notes.append(f"{len(receipts)} of {len(plan)} shards are finished; only these were looked at")
    measures = sorted(mapper(functools.partial(measure_shard, storage, known), receipts), key=lambda one: one.shard)
    with gather(storage, receipts, recipe, measures) as corpus:
        results = tuple(_result(name, corpus) for name in names or check_names())
    return Verdict(
        name=recipe.name,
        fingerprint=receipts[0].identity.fingerprint,
        shards=len(receipts),
        streams=sum(len(one.keys) for one in measures),
        seconds=sum(one.seconds for one in measures),
        notes=tuple(notes),
        results=results,
    )


def _finished(storage: Storage) -> list[Receipt]:
    scan = scan_receipts(storage)
    receipts = list(scan.receipts.values())
    where = storage.locate("")
    if scan.problems:
        first = scan.problems[0]
        raise RunError(
            f"{where}: {first.path}: {first.trouble} ({first.detail}); `soundflow validate` tells what to make again"
        )
    if not any(receipt.counts.streams for receipt in receipts):
        raise RunError(f"{where}: no finished shard with a stream; run the recipe first, or let it go on")
    return receipts


def _known(recipe: Recipe, banks: Mapping[str, tuple[str, str]]) -> tuple[Known, list[str]]:
    """Finds the banks that are still what the streams were made from; says of the others that they are not."""
    found: dict[str, Path] = {}
    notes: list[str] = []
    for name, (path, fingerprint) in banks.items():
        try:
            now = Bank.open(path, name=name).fingerprint
        except BankError as error:
            notes.append(f"the clips of bank {name!r} were not looked up: {error}")
            continue
        if now == fingerprint:
            found[name] = Path(path)
        else:
            notes.append(
                f"the clips of bank {name!r} were not looked up: {path} has been built anew since "
                f"(fingerprint {now[:12]} instead of {fingerprint[:12]})"
            )
    return Known(recipe=recipe, banks=found), notes


def _result(name: str, corpus: Gathered) -> Result:
    check = load_check(name)
    if isinstance(check, StreamCheck):
        found = [pair for one in corpus.measures for pair in one.faults[name]]
        judgement = _share_of_faults(found, corpus.num_streams, getattr(corpus.recipe.checks, name).max_share)
    else:
        judgement = check.judge(corpus)
    return Result(
        check=name,
        summary=check.summary,
        measures=judgement.measures,
        reasons=judgement.reasons,
        charts=judgement.charts,
    )


def _share_of_faults(found: Sequence[tuple[str, str]], num_streams: int, max_share: float) -> Judgement:
    faulty = len({key for _, key in found})
    return Judgement(
        measures=(
            Measure(name="streams with a fault", value=faulty / max(1, num_streams), unit="share", high=max_share),
        ),
        reasons=count_reasons(found),
    )
