"""Every benchmark runs, at the smallest size; what it measures is not looked at here."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import __main__ as runner
from benchmarks.material import Setup
from benchmarks.measure import Laps, Timing, interleave, median, ratio
from benchmarks.report import Goal, Result, Row, machine, table


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    return Setup(work=tmp_path_factory.mktemp("benchmarks"), smoke=True, rounds=1)


@pytest.mark.parametrize("name", runner.names())
def test_it_runs(name: str, setup: Setup) -> None:
    module = runner.load(name)
    missing = runner.missing_packages(module)
    if missing:
        pytest.skip(f"{', '.join(missing)} missing; `make bench-peers` or `make speech` installs it")
    result = module.run(setup)
    assert module.__doc__
    assert result.rows
    assert all(math.isfinite(row.value) for row in result.rows)
    assert {path.name for path in setup.work.iterdir() if path.is_dir()} <= {"banks", "reader"}


def test_runner_writes_a_table_and_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Row(what="speed", value=1.0, unit="x real time", cpu=1.5, goal=Goal(">=", 2))
    monkeypatch.setattr(runner.load("latency"), "run", lambda _: Result(rows=[slow], setting={"rounds": 1}))
    arguments = ["latency", "--smoke", "--work", str(tmp_path / "work"), "--out", str(tmp_path)]
    assert runner.main(arguments) == 0
    assert runner.main([*arguments, "--check"]) == 1
    assert "MISSED" in capsys.readouterr().out
    written = json.loads((tmp_path / "latency.json").read_text())
    assert written["rows"][0]["met"] is False
    assert written["machine"]["versions"]["numpy"]
    assert runner.main(["latencies"]) == 2
    assert "there are" in capsys.readouterr().err


def test_rounds_alternate_and_the_first_does_not_count() -> None:
    calls: list[str] = []

    def rounds() -> Iterator[dict[str, object]]:
        for number in range(3):
            yield {name: lambda call=f"{name}{number}": calls.append(call) or call for name in "ab"}

    measured = interleave(rounds())  # type: ignore[arg-type]
    assert calls == ["b0", "a0", "a1", "b1", "b2", "a2"]
    assert measured.values == {"a": ["a1", "a2"], "b": ["b1", "b2"]}
    assert len(measured.timings["a"]) == 2


def test_ratio_is_the_median_of_the_rounds() -> None:
    slow = [Timing(wall_s=wall, cpu_s=2.0) for wall in (2.0, 30.0, 4.0)]
    fast = [Timing(wall_s=wall, cpu_s=1.0) for wall in (1.0, 1.0, 2.0)]
    assert ratio(slow, fast).wall == 2.0
    assert ratio(slow, fast).cpu == 2.0
    assert median(slow).wall_s == 4.0


def test_laps_add_up_by_part() -> None:
    laps = Laps()
    for part in ("one", "two", "one"):
        laps.lap(part)
    assert set(laps.parts()) == {"one", "two"}


def test_table_shows_both_clocks_and_goals() -> None:
    rows = [Row(what="speed", value=1234.5, unit="x real time", cpu=0.25, goal=Goal("<=", 1))]
    shown = table("name", "What.", Result(rows=rows, setting={"streams_per_round": 3}))
    assert "1,234" in shown
    assert "0.25" in shown
    assert "ok" in shown  # by the CPU's clock
    assert "streams per round 3" in shown
    assert machine()["cores"] >= 1
