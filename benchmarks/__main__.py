"""Runs the benchmarks: every file `bench_<name>.py` of this folder is one."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import pkgutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Final

import benchmarks
from benchmarks import report
from benchmarks.material import Setup

RESULTS: Final = Path(__file__).parent / "results"
_PREFIX: Final = "bench_"


def names() -> list[str]:
    """Returns the names of all benchmarks."""
    found = (module.name for module in pkgutil.iter_modules(benchmarks.__path__))
    return sorted(name.removeprefix(_PREFIX) for name in found if name.startswith(_PREFIX))


def load(name: str) -> ModuleType:
    """Imports a benchmark."""
    return importlib.import_module(f"benchmarks.{_PREFIX}{name}")


def missing_packages(module: ModuleType) -> list[str]:
    """Returns the packages that a benchmark needs and that are not installed here."""
    return [package for package in getattr(module, "REQUIRES", ()) if importlib.util.find_spec(package) is None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what was asked for; returns the exit code."""
    options = _parser().parse_args(arguments)
    unknown = [name for name in options.names if name not in names()]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(names())}", file=sys.stderr)
        return 2
    facts = report.machine()
    python = facts["versions"]["python"]
    print(f"{facts['cpu']}, {facts['usable_cores']} cores, load {facts['load_1min']}, Python {python}")
    failed = False
    with tempfile.TemporaryDirectory(dir=_folder(options.work.parent)) as temporary:
        work = Path(temporary) if options.smoke else options.work
        setup = Setup(
            work=work,
            smoke=options.smoke,
            rounds=1 if options.smoke else options.rounds,
            bank_hours=options.bank_hours,
            num_planned=options.num_planned,
        )
        for name in options.names or names():
            failed |= not _run(name, setup, options.out, asked=name in options.names)
    return 1 if failed and options.check else 0


def _run(name: str, setup: Setup, out: Path, *, asked: bool) -> bool:
    """Runs one benchmark and shows and writes what it found; returns whether its goals were met."""
    module = load(name)
    summary = (module.__doc__ or "").partition("\n")[0]
    missing = missing_packages(module)
    if missing:
        print(f"\n{name}: not run, because {', '.join(missing)} is not installed here (see benchmarks/README.md)")
        return not asked
    facts = report.machine()
    result: report.Result = module.run(setup)
    print(f"\n{report.table(name, summary, result)}", flush=True)
    report.write(out / f"{name}.json", name, facts, result)
    return all(row.met is not False for row in result.rows)


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones, by default all: {', '.join(names())}")
    parser.add_argument("--rounds", type=int, default=7, help="how often everything is measured (7)")
    parser.add_argument("--bank-hours", type=float, default=100.0, help="size of the large bank in `memory` (100)")
    parser.add_argument("--num-planned", type=int, default=1_000_000, help="streams of the large plan (1000000)")
    parser.add_argument("--smoke", action="store_true", help="do as little as possible, only to see that it works")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a goal is missed")
    parser.add_argument("--work", type=Path, default=RESULTS / "work", help="folder for banks and shards")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the JSON files")
    return parser


if __name__ == "__main__":
    sys.exit(main())
