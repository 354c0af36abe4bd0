"""What a benchmark returns and how it is shown: a table for people, JSON for machines, facts about the machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import soundfile

from soundflow_data.version import VERSION

_PACKAGES: Final = (
    "numpy", "numba", "soundfile", "msgspec", "pyarrow", "duckdb", "ray", "lhotse", "librosa", "torch",
)  # fmt: skip


class Goal(msgspec.Struct, frozen=True):
    """A bound that a value must keep."""

    relation: Literal[">=", "<="]
    bound: float

    def met(self, value: float) -> bool:
        """Tells whether the value keeps it."""
        return value >= self.bound if self.relation == ">=" else value <= self.bound


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One number.

    Attributes:
        what: What was measured.
        value: The median.
        unit: Its unit; `x real time` is seconds of audio per second.
        cpu: The same by the CPU time of the process, where that makes sense.
        goal: What it should be.
    """

    what: str
    value: float
    unit: str
    cpu: float | None = None
    goal: Goal | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal is kept, by the kinder clock: a neighbour on the machine slows the other one."""
        if self.goal is None:
            return None
        return any(self.goal.met(value) for value in (self.value, self.cpu) if value is not None)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What one benchmark found.

    Attributes:
        rows: The numbers.
        setting: What was measured on: counts, lengths, sizes.
        details: Anything else worth keeping in the JSON, such as the timings of every round.
    """

    rows: list[Row]
    setting: dict[str, Any]
    details: dict[str, Any] = {}


def machine() -> dict[str, Any]:
    """Returns what the numbers depend on: processor, cores, memory, load of others, versions."""
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpu": _field(Path("/proc/cpuinfo"), "model name") or platform.processor(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_1min": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "versions": {
            "soundflow": VERSION,
            "python": platform.python_version(),
            "libsndfile": soundfile.__libsndfile_version__,
            **_versions(),
        },
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # the peers live in an environment of their own
    return found


def _field(path: Path, name: str) -> str:
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def table(name: str, summary: str, result: Result) -> str:
    """Returns the numbers of one benchmark as aligned text."""
    lines = [("", "wall", "cpu", "", "goal", "")]
    for row in result.rows:
        goal = f"{row.goal.relation} {row.goal.bound:g}" if row.goal else ""
        cpu = "" if row.cpu is None else _number(row.cpu)
        lines.append(
            (row.what, _number(row.value), cpu, row.unit, goal, {None: "", True: "ok", False: "MISSED"}[row.met])
        )
    widths = [max(len(line[i]) for line in lines) for i in range(6)]
    setting = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in result.setting.items())
    shown = [
        f"  {line[0]:<{widths[0]}}  {line[1]:>{widths[1]}}  {line[2]:>{widths[2]}}  {line[3]:<{widths[3]}}  "
        f"{line[4]:<{widths[4]}}  {line[5]}".rstrip()
        for line in lines
    ]
    return "\n".join([f"{name}: {summary}", f"  ({setting})", *shown])


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def write(path: Path, name: str, facts: dict[str, Any], result: Result) -> None:
    """Writes one benchmark with the facts about the machine as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{**msgspec.structs.asdict(row), "met": row.met} for row in result.rows]
    content = {
        "benchmark": name,
        "machine": facts,
        "setting": result.setting,
        "rows": rows,
        "details": result.details,
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
