"""Any number of workers, local or Ray, in pieces, interrupted or not: the same bytes."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from soundflow_data.bank import Bank
from soundflow_data.corpus import Corpus
from soundflow_data.errors import RunError
from soundflow_data.recipe import LoadedRecipe
from soundflow_pipelines.executor import Executor, InProcess, LocalProcesses
from soundflow_pipelines.synthesize import Run, reopen

SAME = ("data/", "manifest/", "events/", "responses/", "receipts/", "README.md", "croissant.json", "LICENSES.csv")


def digests(out: Path) -> dict[str, str]:
    """SHA-256 of everything that two runs of one recipe have in common."""
    files = sorted(path for path in out.rglob("*") if path.is_file())
    names = {path: path.relative_to(out).as_posix() for path in files}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for path, name in names.items() if name.startswith(SAME)
    }


def synthesize(corpus: Corpus, out: Path, executor: Executor, shards: range | None = None) -> Run:
    run = Run(corpus, out)
    failures = [outcome.failure for outcome in run.make(executor, shards) if outcome.failure]
    assert not failures, failures
    run.finish()
    return run


@pytest.fixture(scope="module")
def reference(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What one process makes, undisturbed."""
    out = tmp_path_factory.mktemp("reference") / "out"
    run = synthesize(corpus, out, InProcess())
    found = digests(out)
    assert len([name for name in found if name.endswith(".tar")]) == len(run.plan) == 4
    assert "README.md" in found
    return found


def test_two_local_workers(corpus: Corpus, tmp_path: Path, reference: dict[str, str]) -> None:
    synthesize(corpus, tmp_path, LocalProcesses(2))
    assert digests(tmp_path) == reference


def test_ray(corpus: Corpus, tmp_path: Path, reference: dict[str, str]) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    from soundflow_pipelines.ray_executor import RayTasks  # noqa: PLC0415

    executor = RayTasks(2)
    try:
        synthesize(corpus, tmp_path, executor)
    finally:
        executor.close()
    assert digests(tmp_path) == reference


def test_pieces_made_apart(corpus: Corpus, tmp_path: Path, reference: dict[str, str]) -> None:
    assert not synthesize(corpus, tmp_path, InProcess(), range(2, 4)).finish()
    assert not (tmp_path / "README.md").exists()
    synthesize(corpus, tmp_path, InProcess(), range(2))
    assert digests(tmp_path) == reference


def test_a_run_that_was_left_goes_on(corpus: Corpus, tmp_path: Path, reference: dict[str, str]) -> None:
    outcomes = Run(corpus, tmp_path).make(InProcess())
    next(outcomes)
    outcomes.close()
    assert len(list((tmp_path / "receipts").iterdir())) == 1
    made = (tmp_path / "receipts/shard-000000.json").stat().st_mtime_ns
    synthesize(corpus, tmp_path, InProcess())
    assert (tmp_path / "receipts/shard-000000.json").stat().st_mtime_ns == made
    assert digests(tmp_path) == reference


def test_a_lost_tar_is_made_again(corpus: Corpus, tmp_path: Path, reference: dict[str, str]) -> None:
    synthesize(corpus, tmp_path, InProcess())
    (tmp_path / "data/train/train-000001.tar").unlink()
    synthesize(corpus, tmp_path, InProcess())
    assert digests(tmp_path) == reference


SCRIPT = """
import sys
from pathlib import Path
from soundflow_data.bank import Bank
from soundflow_data.corpus import Corpus
from soundflow_data.recipe import load_recipe
from soundflow_pipelines.executor import LocalProcesses
from soundflow_pipelines.synthesize import Run

if __name__ == "__main__":
    recipe, bank, out = map(Path, sys.argv[1:])
    run = Run(Corpus(load_recipe(recipe), {"sounds": Bank.open(bank)}), out)
    for outcome in run.make(LocalProcesses(2)):
        print("done", outcome.task.index, flush=True)
"""


def test_kill_9_in_the_middle(
    corpus: Corpus,
    make_recipe: Callable[..., LoadedRecipe],
    sounds_path: Path,
    tmp_path: Path,
    reference: dict[str, str],
) -> None:
    script, out = tmp_path / "run.py", tmp_path / "out"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(make_recipe().path), str(sounds_path), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("done")
        os.killpg(process.pid, signal.SIGKILL)
    assert 1 <= len(list((out / "receipts").iterdir())) < 4
    synthesize(corpus, out, InProcess())
    assert digests(out) == reference
    assert not list(out.rglob("*.tmp-*"))


def test_a_killed_worker_is_replaced(corpus: Corpus, tmp_path: Path, reference: dict[str, str]) -> None:
    run = Run(corpus, tmp_path)
    killed = False
    for outcome in run.make(LocalProcesses(2)):
        assert outcome.failure is None
        if not killed:
            children = subprocess.run(
                ["ps", "-o", "pid=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=True
            )
            for pid in children.stdout.split():
                if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text(errors="ignore"):
                    os.kill(int(pid), signal.SIGKILL)
                    killed = True
                    break
    assert killed
    run.finish()
    assert digests(tmp_path) == reference


def test_two_runs_at_once_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    first = Run(corpus, tmp_path).make(InProcess(), range(2))
    next(first)
    with pytest.raises(RunError, match=str(os.getpid())):
        next(Run(corpus, tmp_path).make(InProcess(), range(1, 3)))
    next(Run(corpus, tmp_path).make(InProcess(), range(2, 4)))
    first.close()


def test_a_directory_of_another_recipe_is_refused(
    corpus: Corpus, make_corpus: Callable[..., Corpus], tmp_path: Path
) -> None:
    synthesize(corpus, tmp_path, InProcess())
    with pytest.raises(RunError, match="belongs to another run: the recipe"):
        next(Run(make_corpus(seed=77), tmp_path).make(InProcess()))
    with pytest.raises(RunError, match=r"splits was .* and is"):
        next(Run(make_corpus(streams=30), tmp_path).make(InProcess()))


def test_a_directory_of_another_version_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    synthesize(corpus, tmp_path, InProcess())
    info = tmp_path / "run.json"
    info.write_text(info.read_text().replace('"format": 1', '"format": 99'))
    with pytest.raises(RunError, match="has format 99"):
        next(Run(corpus, tmp_path).make(InProcess()))


def test_a_directory_with_other_things_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunError, match=r"not empty and not a run of SoundFlow \(it holds thesis.tex"):
        next(Run(corpus, tmp_path).make(InProcess()))


def test_too_many_drops_stop_the_run(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    short = make_corpus(duration_s=[2, 3], subtasks={"streaming_instruction_following/event_counting": 1.0})
    with pytest.raises(RunError, match=r"dropped \(\d+ x longer than the recipe allows\).*limits.max_drop_share 0.05"):
        synthesize(short, tmp_path, InProcess())
    assert (tmp_path / "quarantine").is_dir()


def test_drops_within_the_limit_are_counted(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    short = make_corpus(
        duration_s=[2, 3],
        subtasks={"streaming_instruction_following/event_counting": 1.0},
        limits={"max_drop_share": 1.0},
    )
    run = synthesize(short, tmp_path, InProcess())
    assert run.drops == {"longer than the recipe allows": 24}


def test_a_worker_with_other_banks_says_so(corpus: Corpus, make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    run = Run(corpus, tmp_path)
    run.identity = run.identity.__class__(fingerprint="0" * 64, seed=5)
    outcome = next(run.make(InProcess()))
    assert outcome.failure is not None
    assert "install the same version everywhere" in str(outcome.failure)


def test_a_stream_can_be_made_again_from_what_the_directory_says(corpus: Corpus, tmp_path: Path) -> None:
    synthesize(corpus, tmp_path, InProcess())
    again = reopen(tmp_path)
    spec = again.spec("validation", 3)
    assert again.make(spec).pcm.tobytes() == corpus.make(spec).pcm.tobytes()
    assert Bank.open(again.banks["sounds"].path).fingerprint == corpus.banks["sounds"].fingerprint


def test_time_is_not_part_of_any_byte(corpus: Corpus, tmp_path: Path, reference: dict[str, str]) -> None:
    time.sleep(1.1)  # file systems and tars keep whole seconds
    synthesize(corpus, tmp_path, InProcess())
    assert digests(tmp_path) == reference
