"""Two runs on one run directory: pieces that do not overlap may go side by side, others are refused.

A run writes a claim `lock/<start>-<stop>-<16 hex digits>.json` and removes it at its end. The kernel's lock on
`lock/guard` keeps two runs from looking and claiming at the same moment. A claim whose process is gone (killed, or the
machine was started again) is removed by the next run; whether a process of another host lives cannot be known, so its
claim is respected.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from soundflow_data.errors import RunError
from soundflow_data.shards.layout import LOCK, ShardPlan
from soundflow_data.shards.storage import Storage, write_bytes

GUARD: Final = f"{LOCK}guard"


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """Who works on which shards.

    Attributes:
        host: Name of the machine.
        boot: Id of the machine's last start.
        pid: The process.
        started: When the process started, in clock ticks since then; tells a process from a later one of the same id.
        since: When the claim was made (UTC).
        start: First shard.
        stop: First shard after the piece.
    """

    host: str
    boot: str
    pid: int
    started: str
    since: str
    start: int
    stop: int


class ClaimedShards(msgspec.Struct, frozen=True, kw_only=True):
    """What a run got.

    Attributes:
        claim: Its claim.
        taken_over: Claims of dead processes that were removed.
        cleaned: Temporary files of killed runs that were removed.
    """

    claim: Claim
    taken_over: tuple[Claim, ...]
    cleaned: tuple[str, ...]


@contextmanager
def claim_shards(storage: Storage, plan: ShardPlan, shards: range) -> Iterator[ClaimedShards]:
    """Holds a piece of a run for this process, and cleans up after killed ones.

    Args:
        storage: The run directory.
        plan: All shards of the run.
        shards: The piece, such as `range(len(plan))`.

    Raises:
        RunError: A living run works on some of these shards; the message says who.
    """
    claim = _my_claim(shards)
    path = f"{LOCK}{shards.start}-{shards.stop}-{secrets.token_hex(8)}.json"
    with storage.guard(GUARD):
        living, dead = _other_claims(storage)
        for name, other in living.items():
            if other.start < shards.stop and shards.start < other.stop:
                raise RunError(_refusal(storage, name, other, shards))
        write_bytes(storage, path, msgspec.json.format(msgspec.json.encode(claim), indent=2) + b"\n")
        for name in dead:
            storage.remove(name)
        cleaned = _clean(storage, plan, shards, alone=not living)
    try:
        yield ClaimedShards(claim=claim, taken_over=tuple(dead.values()), cleaned=cleaned)
    finally:
        storage.remove(path)


def living_claims(storage: Storage) -> tuple[Claim, ...]:
    """Returns who is at work on a run directory now."""
    return tuple(_other_claims(storage)[0].values())


def _my_claim(shards: range) -> Claim:
    return Claim(
        host=socket.gethostname(),
        boot=_boot(),
        pid=os.getpid(),
        started=_started(os.getpid()) or "",
        since=datetime.now(UTC).isoformat(timespec="seconds"),
        start=shards.start,
        stop=shards.stop,
    )


def _other_claims(storage: Storage) -> tuple[dict[str, Claim], dict[str, Claim]]:
    """Returns the claims of living and of dead processes, by path."""
    living: dict[str, Claim] = {}
    dead: dict[str, Claim] = {}
    for path in storage.list(LOCK):
        if path.endswith(".json"):
            try:
                claim = msgspec.json.decode(storage.read(path), type=Claim)
            except msgspec.DecodeError as error:
                raise RunError(f"{path}: not a claim ({error}); remove the file if no run is at work") from error
            (living if _lives(claim) else dead)[path] = claim
    return living, dead


def _lives(claim: Claim) -> bool:
    if claim.host != socket.gethostname():
        return True
    return claim.boot == _boot() and claim.started == _started(claim.pid)


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _started(pid: int) -> str | None:
    """Returns the start time of a process from the 22nd field of its `stat`, or None when it is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *rest = stat.rpartition(")")[2].split()
    return None if state in {"Z", "X"} else rest[18]


def _refusal(storage: Storage, path: str, other: Claim, shards: range) -> str:
    return (
        f"{storage.locate('')}: shards {other.start}:{other.stop} are being made by process {other.pid} on "
        f"{other.host} since {other.since}, and this run wants {shards.start}:{shards.stop}. Wait for it, give "
        f"--shards a piece that does not overlap, or, if that process is surely gone, remove {path}"
    )


def _clean(storage: Storage, plan: ShardPlan, shards: range, *, alone: bool) -> tuple[str, ...]:
    """Removes temporary files of these shards, and all others too when no other run is at work."""
    cleaned = []
    for leftover in storage.leftovers():
        spec = plan.find(leftover.path)
        if alone or (spec is not None and spec.index in shards):
            storage.remove(leftover.temporary)
            cleaned.append(leftover.temporary)
    return tuple(cleaned)
