"""The command line: help, wrong use, errors, exit codes, and what every command says about a small run."""

from __future__ import annotations

import csv
import io
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from soundflow_data.recipe import LoadedRecipe
from soundflow_data.version import VERSION
from soundflow_pipelines.cli import app
from soundflow_pipelines.cli.interrupts import interruptible
from soundflow_pipelines.cli.meter import Meter
from soundflow_pipelines.cli.terminal import Terminal

COMMANDS = ("plan", "run", "status", "try", "show", "stats", "query", "validate", "rerender", "recipes")
BANK_COMMANDS = ("build", "readers", "list", "show", "search")


def soundflow(*words: object, code: int = 0) -> Any:
    """Runs a command and checks its exit code."""
    result = CliRunner(env={"COLUMNS": "100"}).invoke(app, [str(word) for word in words])
    assert result.exit_code == code, f"{result.exit_code}: {result.output}"
    assert "\x1b" not in result.output  # nobody sits at a terminal
    return result


def as_json(*words: object, code: int = 0) -> Any:
    """Runs a command with --json and reads the one object that it prints."""
    result = soundflow(*words, "--json", code=code)
    assert result.stdout.count("\n") == 1
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def recipe(make_recipe: Callable[..., LoadedRecipe]) -> Path:
    return make_recipe(streams=10, streams_per_shard=3, limits={"max_drop_share": 1.0}).path


@pytest.fixture(scope="module")
def out(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "out"
    soundflow("run", recipe, folder, "--workers", "1", "--executor", "local")
    return folder


@pytest.fixture
def copy(out: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(out, tmp_path / "copy"))


# -- help and wrong use ----------------------------------------------------------------------------------------------


def test_help_is_there_at_every_level() -> None:
    top = soundflow("--help").stdout
    assert all(name in top for name in (*COMMANDS, "bank"))
    for words in (*((name,) for name in COMMANDS), *(("bank", name) for name in BANK_COMMANDS)):
        text = soundflow(*words, "--help").stdout
        assert "Example" in text, words
    assert soundflow().stdout == top
    assert "esc50" in soundflow("bank", "build", "--help").stdout


def test_version() -> None:
    assert soundflow("--version").stdout == f"soundflow {VERSION}\n"


def test_nothing_heavy_is_imported_for_the_help() -> None:
    code = "import sys, soundflow_pipelines.cli; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & {"numpy", "duckdb", "ray", "matplotlib", "pyarrow", "numba", "pydantic", "scipy", "soundfile"}


@pytest.mark.parametrize(
    ("words", "needle"),
    [
        (["nonsense"], "nonsense"),
        (["run"], "RECIPE"),
        (["run", "quickstart", "out", "--workers", "0"], "--workers"),
        (["run", "quickstart", "out", "--executor", "spark"], "spark"),
        (["plan", "quickstart", "--nonsense"], "--nonsense"),
        (["bank", "build", "esc50"], "OUT"),
        (["bank", "build", "esc50", "out", "-o", "folder"], "KEY=VALUE"),
        (["bank", "build", "esc50", "out", "--recipe", "quickstart"], "--recipe"),
        (["bank", "search", "banks/sounds"], "--where"),
    ],
)
def test_wrong_use_ends_with_2_and_says_what_was_wrong(words: list[str], needle: str) -> None:
    assert needle in soundflow(*words, code=2).stderr
    error = as_json(*words, code=2)["error"]
    assert needle in error["message"]


@pytest.mark.parametrize(
    ("words", "needle"),
    [
        (["plan", "nonsense"], "quickstart"),
        (["plan", "quickstart", "--set", "hourz=2"], "hours"),
        (["status", "."], "run.json"),
        (["bank", "show", "."], "bank.json"),
        (["bank", "build", "nonsense", "x"], "esc50"),
        (["bank", "build", "esc50", "x"], "folder"),
        (["bank", "list", "nonsense"], "not a folder"),
        (["try", "nonsense"], "event_counting"),
    ],
)
def test_errors_end_with_1_and_no_trace(
    words: list[str], needle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = soundflow(*words, code=1)
    assert result.stderr.startswith("error: ")
    assert needle in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""
    error = as_json(*words, code=1)["error"]
    assert needle in error["message"]
    assert error["kind"].endswith("Error")


def test_a_mistake_of_ours_shows_its_trace_and_asks_for_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("two and two is five")

    monkeypatch.setattr("soundflow_pipelines.cli.plan.open_recipe", broken)
    result = soundflow("plan", "quickstart", code=1)
    assert "Traceback" in result.stderr
    assert "report" in result.stderr
    error = as_json("plan", "quickstart", code=1)["error"]
    assert error["kind"] == "RuntimeError"
    assert "in broken" in error["trace"]


# -- a run -----------------------------------------------------------------------------------------------------------


def test_run_ends_with_a_table_and_the_paths(recipe: Path, out: Path) -> None:
    again = soundflow("run", recipe, out, "--workers", "1")
    assert "there already" in again.stderr
    assert "real_time_asr" in again.stdout
    assert str(out) in again.stdout
    assert (out / "preview.png").read_bytes().startswith(b"\x89PNG")
    values = as_json("run", recipe, out)
    assert values["complete"]
    assert values["shards"] == {"planned": 4, "there": 4, "made": 0, "failed": 0}
    assert values["streams"] + sum(values["drops"].values()) == 10
    assert sum(one["streams"] for one in values["abilities"]) == values["streams"]


def test_run_refuses_a_directory_of_another_run(recipe: Path, out: Path) -> None:
    assert "belongs to another run" in soundflow("run", recipe, out, "--set", "seed=77", code=1).stderr


def test_run_refuses_what_cannot_be(recipe: Path, tmp_path: Path) -> None:
    assert "--shards" in soundflow("run", recipe, tmp_path / "a", "--shards", "3:9", code=1).stderr
    words = ("run", recipe, tmp_path / "b", "--executor", "local", "--address", "auto")
    assert "--address" in soundflow(*words, code=1).stderr


def test_pieces_make_the_same_run(recipe: Path, out: Path, tmp_path: Path) -> None:
    first = as_json("run", recipe, tmp_path / "out", "--shards", "2:", "--workers", "1", "--executor", "local")
    assert not first["complete"]
    assert first["picture"] is None
    status = as_json("status", tmp_path / "out")
    assert status["shards"] == {"there": 2, "planned": 4}
    assert not status["complete"]
    assert soundflow("validate", tmp_path / "out", "--workers", "1", code=1).stdout.startswith("not valid: 2 findings")
    second = as_json("run", recipe, tmp_path / "out", "--workers", "1", "--executor", "local")
    assert second["complete"]
    assert second["shards"]["made"] == 2
    _assert_equal_runs(out, tmp_path / "out")


def test_an_interrupted_run_says_how_to_resume_and_does(
    make_recipe: Callable[..., LoadedRecipe], tmp_path: Path
) -> None:
    recipe = make_recipe(streams=300, streams_per_shard=1, limits={"max_drop_share": 1.0}).path
    words = ("run", recipe, tmp_path / "out", "--workers", "1", "--executor", "local", "--no-picture")
    # Where tests run in the background of a script, processes are born ignoring Ctrl-C; this one must hear it.
    listening = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{listening}; from soundflow_pipelines.cli import main; main()"
    command = [sys.executable, "-c", code, *map(str, words)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 40
        while not list((tmp_path / "out" / "receipts").glob("*.json")) and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "run the same command again" in said
    assert "Traceback" not in said
    (log,) = (tmp_path / "out" / "log").iterdir()
    assert "ended by KeyboardInterrupt" in log.read_text().splitlines()[-1]
    made = as_json("status", tmp_path / "out")["shards"]["there"]
    assert 1 <= made < 300
    values = as_json(*words)
    assert values["complete"]
    assert values["shards"]["made"] == 300 - made
    assert as_json("validate", tmp_path / "out", "--workers", "1")["ok"]


class _Unlucky:
    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)  # Python prints what this raises, and drops it


def _work_in_steps(steps: list[int]) -> None:
    terminal = Terminal(as_json=False)
    with interruptible(terminal, "do it again"), Meter(terminal, "steps", 3, "steps") as meter:
        for step in range(3):
            meter.update(step)
            _Unlucky()
            steps.append(step)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_in_a_finalizer_ends_the_command_all_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    steps: list[int] = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(typer.Exit) as raised:
            _work_in_steps(steps)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert raised.value.exit_code == 130
    assert steps == [0]
    assert "interrupted; do it again" in capfd.readouterr().err


def test_a_command_that_ignores_ctrl_c_goes_on() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruptible(Terminal(as_json=False), ""), Meter(Terminal(as_json=False), "", 1, "") as meter:
            signal.raise_signal(signal.SIGINT)
            meter.update(1)
    finally:
        signal.signal(signal.SIGINT, before)


def _assert_equal_runs(one: Path, other: Path) -> None:
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    for file in files:
        if file.parts[0] not in {"log", "lock", "run.json"}:
            assert (one / file).read_bytes() == (other / file).read_bytes(), file


# -- looking at a run ------------------------------------------------------------------------------------------------


def test_status_of_a_finished_run(out: Path) -> None:
    text = soundflow("status", out).stdout
    assert "complete" in text.splitlines()[0]
    assert "4 of 4" in text
    assert as_json("status", out)["claims"] == []


def test_validate_accepts_a_sound_run_and_finds_a_flipped_bit(copy: Path) -> None:
    assert soundflow("validate", copy, "--workers", "1").stdout.startswith("valid: ")
    tar = next(copy.glob("data/train/*.tar"))
    data = bytearray(tar.read_bytes())
    data[5_000] ^= 1
    tar.write_bytes(data)
    assert "not valid" in soundflow("validate", copy, "--workers", "1", code=1).stdout
    report = as_json("validate", copy, "--workers", "1", code=1)
    assert not report["ok"]
    assert report["findings"]


def test_stats_add_up(out: Path) -> None:
    values = as_json("stats", out)
    for name in ("splits", "abilities", "subtasks", "languages"):
        assert sum(group["streams"] for group in values[name]) == values["total"]["streams"]
    assert "CC0-1.0" in soundflow("stats", out).stdout


def test_query_as_table_csv_and_json(out: Path) -> None:
    sql = "SELECT split, count(*) AS n, avg(seconds) AS mean FROM streams GROUP BY split ORDER BY split"
    assert "validation" in soundflow("query", out, sql).stdout
    rows = list(csv.DictReader(io.StringIO(soundflow("query", out, sql, "--csv").stdout)))
    values = as_json("query", out, sql)
    assert values["columns"] == ["split", "n", "mean"]
    assert [int(row["n"]) for row in rows] == [row["n"] for row in values["rows"]]
    assert "SELECT" in soundflow("query", out, "DROP TABLE streams", code=1).stderr
    assert soundflow("query", out, sql, "--csv", "--json", code=2)


def test_show_tells_draws_and_writes_a_stream(out: Path, tmp_path: Path) -> None:
    key = "train-00000000"
    png, wav, stems = tmp_path / "s.png", tmp_path / "s.wav", tmp_path / "stems"
    text = soundflow("show", out, key, "--png", png, "--wav", wav, "--stems", stems).stdout
    assert text.startswith(key)
    assert "decision" in text
    assert png.read_bytes().startswith(b"\x89PNG")
    audio, rate = soundfile.read(wav)
    assert rate == 16_000
    parts = sum(soundfile.read(path)[0] for path in stems.iterdir())
    assert np.abs(parts - audio).max() <= 1 / 32768
    values = as_json("show", out, key)
    assert [stream["id"] for stream in values["streams"]] == [key]
    assert values["streams"][0]["num_samples"] == len(audio)
    assert "FROM streams" in soundflow("show", out, "nobody", code=1).stderr


def test_show_tells_why_a_stream_was_dropped(make_recipe: Callable[..., LoadedRecipe], tmp_path: Path) -> None:
    recipe = make_recipe(streams=12, duration_s=[6, 8], limits={"max_drop_share": 1.0}).path
    soundflow("run", recipe, tmp_path / "out", "--workers", "1", "--executor", "local")
    drop = as_json("query", tmp_path / "out", "SELECT key, reason FROM drops LIMIT 1")["rows"][0]
    assert f"was dropped: {drop['reason']}" in soundflow("show", tmp_path / "out", drop["key"], code=1).stderr
    assert drop["reason"] in soundflow("status", tmp_path / "out").stdout
    assert drop["reason"] in soundflow("stats", tmp_path / "out").stdout


def test_show_without_a_key_shows_a_few(out: Path, tmp_path: Path) -> None:
    values = as_json("show", out, "--png", tmp_path / "few.png")
    assert len({stream["timeline"]["ability"] for stream in values["streams"]}) == 4
    assert (tmp_path / "few.png").read_bytes() == (out / "preview.png").read_bytes()
    assert "KEY" in soundflow("show", out, "--wav", tmp_path / "few.wav", code=2).stderr


def test_show_draws_one_character_per_chunk(out: Path) -> None:
    key = as_json("query", out, "SELECT key FROM streams ORDER BY num_responses DESC LIMIT 1")["rows"][0]["key"]
    stream = as_json("show", out, key)["streams"][0]
    text = soundflow("show", out, key).stdout
    line = next(line for line in text.splitlines() if line.startswith("decision")).removeprefix("decision").strip()
    num_chunks = stream["targets"]["num_chunks"]
    assert len(line) % num_chunks == 0
    step = len(line) // num_chunks
    spoken = [place // step for place, mark in enumerate(line) if mark == "R"]
    assert spoken == [target["chunk"] for target in stream["targets"]["spoken"]]


def test_rerender_is_bit_identical(out: Path) -> None:
    assert "bit-identical" in soundflow("rerender", out, "validation-00000001").stdout
    assert as_json("rerender", out, "train-00000004")["identical"]
    assert "no stream" in soundflow("rerender", out, "train-99999999", code=1).stderr


def test_rerender_says_what_differs(copy: Path) -> None:
    key = "train-00000000"
    row = as_json("query", copy, f"SELECT tar, audio_offset, json_offset FROM streams WHERE key = '{key}'")["rows"][0]
    tar = copy / row["tar"]
    data = bytearray(tar.read_bytes())
    place = data.index(b'"level_db":-2', row["json_offset"]) + len(b'"level_db":-2')
    data[place] = ord("9") if data[place] != ord("9") else ord("8")
    tar.write_bytes(data)
    values = as_json("rerender", copy, key, code=1)
    assert not values["identical"]
    assert "timeline.level_db" in values["differences"][0]
    data[row["audio_offset"] : row["audio_offset"] + 4] = b"none"
    tar.write_bytes(data)
    assert "damaged" in soundflow("rerender", copy, key, code=1).stderr


def test_recipes_lists_what_comes_with_soundflow() -> None:
    values = as_json("recipes")
    assert "quickstart" in [one["name"] for one in values["recipes"]]
    assert all(one["summary"] for one in values["subtasks"])
    assert "quickstart" in soundflow("recipes").stdout


def test_licences_select_clips_and_voices(make_recipe: Callable[..., LoadedRecipe], tmp_path: Path) -> None:
    run = ("run", make_recipe(streams=6, streams_per_shard=6, splits={"train": 1.0}).path, tmp_path / "out")
    local = ("--executor", "local", "--workers", "1", "--no-picture")
    refused = soundflow(*run, "--allow-license", "MIT", *local, code=1)
    assert "allow_license" in refused.stderr
    soundflow(*run, "--allow-license", "CC0-1.0", "--allow-license", "generated (espeak-ng)", *local)
    found = as_json("query", tmp_path / "out", "SELECT DISTINCT licence FROM events ORDER BY 1")["rows"]
    assert {row["licence"] for row in found} <= {"CC0-1.0", "generated (espeak-ng)"}
