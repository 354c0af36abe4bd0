"""The commands from shards to a table, on a tiny corpus."""

from __future__ import annotations

import io
import json
import sys

import numpy as np
import pytest
import soundfile as sf
import yaml
from tones import ToneSource
from typer.testing import CliRunner

from soundflow_data.errors import RecipeError, RunError, SoundFlowError
from soundflow_data.shards import LocalStorage, RunIdentity, ShardWriter, plan_shards
from soundflow_trainer import listening
from soundflow_trainer.__main__ import main
from soundflow_trainer.cli import app
from soundflow_trainer.evaluation.run import held_out
from soundflow_trainer.stage import find_stage

runner = CliRunner()


def call(*words):
    return runner.invoke(app, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")
    write_corpus(root, {"train": 8, "validation": 4})
    return root


def write_corpus(root, streams):
    for spec in plan_shards(streams, 4):
        source = ToneSource(8, split=spec.split)
        identity = RunIdentity(fingerprint="tones", seed=1, software={})
        with ShardWriter(LocalStorage(root), spec, identity=identity, codec="flac") as writer:
            for index in range(spec.start, spec.stop):
                stream = source[index]
                writer.add(stream.timeline, stream.targets, stream.audio)
            writer.finish()


@pytest.fixture(scope="module")
def stage_file(tmp_path_factory, corpus):
    path = tmp_path_factory.mktemp("stage") / "tiny.yaml"
    settings = {
        "name": "tiny",
        "train": ["audio_tower", "adapter", "language_model", "lm_head"],
        "steps": 2,
        "model": {"preset": "tiny", "vocabulary": 300},
        "data": {"root": str(corpus), "loader_workers": 0},
        "optimizer": {"lr": 1e-3},
        "batch": {"streams": 4, "row_tokens": 400},
        "checkpoint": {"every": 2, "validate_every": 2, "validation_streams": 4},
        "precision": "float32",
    }
    path.write_text(yaml.safe_dump(settings))
    return path


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory, stage_file):
    out = tmp_path_factory.mktemp("runs") / "tiny"
    result = call("train", stage_file, "--out", out)
    assert "done: 2 steps" in result.output
    return out


def test_training_leaves_logs_and_pictures(run_folder, stage_file):
    lines = [json.loads(line) for line in (run_folder / "log/metrics.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["train", "train", "validation"]
    for name in ("loss_text", "loss_control", "tokens_per_s", "useful_share", "wait_share"):
        assert lines[0][name] >= 0
    assert (run_folder / "log/predictions/step-00000002.png").stat().st_size > 10_000
    assert list((run_folder / "log/tensorboard").iterdir())
    assert "done: 2 steps" in call("train", stage_file, "--out", run_folder).output  # nothing left to do


def test_eval_prints_and_saves_the_table(run_folder, corpus, tmp_path):
    result = call("eval", run_folder, corpus, "--streams", 3, "--segments", 2, "--out", tmp_path)
    for words in ("baseline: always silent", "proactive_response/tones", "joined segments"):
        assert words in result.output
    measures = json.loads((tmp_path / "measures.json").read_text())
    assert measures["model"][0]["streams"] == 3
    assert (tmp_path / "picture.png").exists()


def test_eval_measures_on_the_test_split_where_there_is_one(run_folder, corpus, tmp_path):
    assert held_out(corpus) == "validation"
    write_corpus(tmp_path / "corpus", {"train": 4, "validation": 4, "test": 4})
    assert held_out(tmp_path / "corpus") == "test"
    call("eval", run_folder, tmp_path / "corpus", "--out", tmp_path / "eval")
    lines = (tmp_path / "eval/predictions.jsonl").read_text().splitlines()
    assert all(json.loads(line)["key"].startswith("test") for line in lines)


def test_listen_hears_files_of_any_rate_and_pipes(run_folder, tmp_path, monkeypatch):
    time = np.arange(2 * 44_100) / 44_100
    sf.write(tmp_path / "tone.wav", 0.2 * np.sin(2 * np.pi * 880 * time), 44_100)
    result = call("listen", run_folder, tmp_path / "tone.wav", "--json")
    decided = [event for event in map(json.loads, result.output.splitlines()) if event["event"] == "decided"]
    assert [event["chunk"] for event in decided] == [0, 1, 2, 3, 4]
    assert decided[-1]["time_s"] == pytest.approx(2.0)
    loud = call("listen", run_folder, tmp_path / "tone.wav", "--threshold", -1000)
    assert loud.output.count(" s  ") == 5

    class Pipe:
        buffer = io.BytesIO(np.zeros(3 * 6400 + 100, "<i2").tobytes() + b"x")

    Pipe.buffer.read1 = lambda count: Pipe.buffer.read(min(count, 1_001))  # odd pieces, as pipes give them
    monkeypatch.setattr(listening.sys, "stdin", Pipe)
    pieces = list(listening.read_pieces("-", 6400))
    assert sum(len(piece) for piece in pieces) == 3 * 6400 + 100


def test_bench_live_measures_both_variants(run_folder, corpus):
    result = call("bench-live", run_folder, corpus, "--sessions", 1, "--seconds", 2, "--json")
    measured = json.loads(result.output)
    assert [one["coupled"] for one in measured] == [False, True]
    assert all(0 < one["decisions"] <= 5 for one in measured)


def test_bench_train_compares_packed_with_padded(run_folder, corpus):
    result = call("bench-train", run_folder, corpus, "--streams", 8, "--row-tokens", 400, "--step-streams", 4)
    assert "waiting for the loader" in result.output
    with pytest.raises(SoundFlowError, match="not two steps"):
        call("bench-train", run_folder, corpus, "--streams", 8)
    assert "packed" in result.output
    assert "padded" in result.output


def test_eval_proactive_scores_a_run_and_a_file(run_folder, tmp_path):
    rows = []
    for number, decision in ((1, "RESPOND"), (2, "IGNORE")):
        path = f"./proactive-sound-effect/home/glass/{decision}/{number}.wav"
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        sf.write(tmp_path / path, np.zeros(8_000), 16_000)
        rows.append({"id": str(number), "path": path, "description": "d", "decision": decision})
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("\n".join(json.dumps(row) for row in rows))
    out = tmp_path / "replies.jsonl"
    result = call(
        "eval-proactive", manifest, tmp_path, "--checkpoint", run_folder, "--tier", "Multiple-3", "--out", out
    )
    assert "overall" in result.output
    again = call("eval-proactive", manifest, tmp_path, "--predictions", out)
    assert "home/glass" in again.output
    with pytest.raises(SoundFlowError, match="give either"):
        call("eval-proactive", manifest, tmp_path)
    with pytest.raises(SoundFlowError, match="belong together"):
        call("eval-proactive", manifest, tmp_path, "--predictions", out, "--reranker", tmp_path)
    with pytest.raises(SoundFlowError, match="Multiple-5"):
        call("eval-proactive", manifest, tmp_path, "--predictions", out, "--tier", "Double")


def test_errors_are_one_line_and_an_exit_code(monkeypatch, capsys, tmp_path, corpus):
    monkeypatch.setattr(sys, "argv", ["soundflow", "listen", str(tmp_path), "x.wav"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    assert "holds no model" in capsys.readouterr().err
    with pytest.raises(RecipeError, match="demo"):
        find_stage("nosuch")
    with pytest.raises(RunError, match="no stream with"):
        call("train", find_stage("demo"), "--out", tmp_path, "--set", f"data.root={corpus}", "--set", "data.split=x")
