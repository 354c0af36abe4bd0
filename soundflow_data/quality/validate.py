"""Checks a run directory: every shard from its bytes up, then what only all shards together can show."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator

import duckdb

from soundflow_data.quality.check_shard import check_shard
from soundflow_data.quality.findings import Finding, Report, ShardReport
from soundflow_data.shards.layout import CATALOG, LOCK, LOG, RECIPE, RUN, TABLES, ShardPlan
from soundflow_data.shards.receipts import Receipt, ReceiptProblem, scan_receipts
from soundflow_data.shards.storage import Storage
from soundflow_data.shards.tables import connect, select
from soundflow_data.timeline import SAMPLE_RATE

__all__ = ["check_run", "check_shard", "validate"]

Mapper = Callable[[Callable[[Receipt], ShardReport], Iterable[Receipt]], Iterable[ShardReport]]


def validate(
    storage: Storage, *, plan: ShardPlan | None = None, fingerprint: str | None = None, mapper: Mapper = map
) -> Report:
    """Decodes everything and compares everything that is said twice.

    Args:
        storage: The run directory.
        plan: All shards that should be there; without it those without a receipt are not missed.
        fingerprint: Of the recipe and banks, when known.
        mapper: Runs the check of one shard for all shards, such as `map` or an executor's; the function can be pickled.
    """
    scan = scan_receipts(storage, fingerprint)
    receipts = list(scan.receipts.values())
    reports = list(mapper(functools.partial(check_shard, storage), receipts))
    findings = [finding for report in reports for finding in report.findings]
    damaged = {finding.shard for finding in findings if finding.check in {"file", "table", "receipt"}}
    sound = [receipt for receipt in receipts if receipt.shard.index not in damaged]
    findings.extend(check_run(storage, receipts, scan.problems, sound=sound, plan=plan))
    return Report(
        shards=len(reports),
        streams=sum(report.streams for report in reports),
        seconds=sum(report.samples for report in reports) / SAMPLE_RATE,
        findings=tuple(findings),
    )


def check_run(
    storage: Storage,
    receipts: list[Receipt],
    problems: Iterable[ReceiptProblem],
    *,
    sound: list[Receipt],
    plan: ShardPlan | None = None,
) -> Iterator[Finding]:
    """Yields what only all shards together can show.

    Args:
        storage: The run directory.
        receipts: The valid ones.
        problems: What `scan_receipts` says of the others.
        sound: Those whose tables can be read.
        plan: All shards that should be there, when known.
    """
    yield from _check_receipts(receipts, problems, plan)
    with connect(storage, sound, ["streams", "events"]) as connection:
        yield from _check_keys(connection)
        yield from _check_origins(connection)
    yield from _check_surplus(storage, receipts, problems)


def _check_receipts(
    receipts: list[Receipt], problems: Iterable[ReceiptProblem], plan: ShardPlan | None
) -> Iterator[Finding]:
    again = "run the same command again; it makes the shard anew"
    for problem in problems:
        expected = "a receipt whose files are all there"
        found = f"{problem.trouble} ({problem.detail})"
        yield Finding(check="receipt", what=problem.path, expected=expected, found=found, repair=again)
    identities = {(receipt.identity.fingerprint, receipt.identity.seed, receipt.codec) for receipt in receipts}
    if len(identities) > 1:
        yield Finding(
            check="receipt",
            what="recipes of the shards",
            expected="one recipe, seed and codec",
            found=str(sorted(identities)),
            repair="keep the shards of one recipe and make the others in another directory",
        )
    for receipt in receipts:
        planned = plan[receipt.shard.index] if plan is not None and receipt.shard.index < len(plan) else None
        if plan is not None and planned != receipt.shard:
            yield Finding(
                check="receipt",
                what="the shard",
                expected=str(planned or f"one of {len(plan)} shards"),
                found=str(receipt.shard),
                repair=f"remove {receipt.shard.receipt} and run the same command again",
                shard=receipt.shard.index,
            )
    if plan is not None:
        present = {receipt.shard.index for receipt in receipts}
        for index in range(len(plan)):
            if index not in present:
                what = plan[index].receipt
                yield Finding(check="receipt", what=what, expected="a receipt", found="none", repair=again, shard=index)


def _check_keys(connection: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    sql = """
        SELECT key, list(shard ORDER BY shard), min(shard) FROM streams GROUP BY key HAVING count(*) > 1 ORDER BY key"""
    for key, shards, shard in select(connection, sql).rows:
        yield Finding(
            check="key",
            what="streams with this key",
            expected="one",
            found=f"one in each of the shards {shards}",
            repair="give every stream of the recipe a key of its own",
            shard=shard,
            key=key,
        )


def _check_origins(connection: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    sql = """
        SELECT corpus, origin, list(DISTINCT split ORDER BY split), min(key) FROM events WHERE origin <> ''
        GROUP BY ALL HAVING count(DISTINCT split) > 1 ORDER BY ALL"""
    for corpus, origin, splits, key in select(connection, sql).rows:
        yield Finding(
            check="split",
            what=f"splits with recording {origin!r} of corpus {corpus!r}",
            expected="one",
            found=str(splits),
            repair="divide the bank by source recording and make the streams again",
            key=key,
        )


def _check_surplus(storage: Storage, receipts: list[Receipt], problems: Iterable[ReceiptProblem]) -> Iterator[Finding]:
    known = {*CATALOG, RECIPE, RUN, *(problem.path for problem in problems)}
    doubtful = (problem.receipt for problem in problems if problem.receipt is not None)
    for receipt in (*receipts, *doubtful):
        spec = receipt.shard
        known.update((spec.receipt, spec.tar, *receipt.files, *(spec.table(table) for table in TABLES)))
    for path in storage.list():
        if path not in known and not path.startswith((LOCK, LOG)):
            yield _surplus(path, "no file that no receipt lists")
    for leftover in storage.leftovers():
        yield _surplus(leftover.temporary, "no temporary file of a killed run")


def _surplus(path: str, expected: str) -> Finding:
    repair = "run the same command again if shards are still to be made, else remove the file"
    return Finding(check="surplus", what=path, expected=expected, found="one", repair=repair)
