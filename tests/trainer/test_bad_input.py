"""Shards that cannot be trained on stop the run with one clear sentence, also when a loader worker finds out."""

from __future__ import annotations

import json

import pytest
from test_training import make_stage
from tones import ToneSource

from soundflow_data.errors import RunError, ShardError, SoundFlowError
from soundflow_data.shards import LocalStorage, RunIdentity, ShardWriter, plan_shards
from soundflow_trainer.loop import train

PLAN = plan_shards({"train": 8, "validation": 4}, 4)


def write(root, chunk=6400):
    for spec in PLAN:
        source = ToneSource(8, split=spec.split, chunk=chunk)
        identity = RunIdentity(fingerprint="tones", seed=1, software={})
        with ShardWriter(LocalStorage(root), spec, identity=identity, codec="flac") as writer:
            for index in range(spec.start, spec.stop):
                stream = source[index]
                writer.add(stream.timeline, stream.targets, stream.audio)
            writer.finish()
    return root


@pytest.fixture
def root(tmp_path):
    return write(tmp_path / "corpus")


def go(root, out, *, workers=0, **data):
    return train(make_stage(steps=3, data={"root": str(root), "loader_workers": workers, **data}), out)


def test_shards_of_another_version(root, tmp_path):
    receipt = root / PLAN[1].receipt
    receipt.write_text(json.dumps(json.loads(receipt.read_text()) | {"format": 99}))
    with pytest.raises(RunError, match=r"shard-000001\.json: other format \(format 99; this version"):
        go(root, tmp_path / "run")


def test_missing_shards(root, tmp_path):
    (root / PLAN[1].tar).unlink()
    with pytest.raises(RunError, match=r"shard-000001\.json: missing file"):
        go(root, tmp_path / "run")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_tar_that_was_cut_after_the_run_began(root, tmp_path, workers):
    """Of the same length as far as the receipts know, but zeros from the middle on: only reading the audio tells."""
    path = root / PLAN[0].tar
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 8] + bytes(len(data) - len(data) // 8))
    with pytest.raises(ShardError, match=r"train-000000\.tar at byte \d+: .*soundflow validate") as caught:
        go(root, tmp_path / "run", workers=workers)
    assert "Traceback" not in str(caught.value)


def test_a_truncated_tar(root, tmp_path):
    path = root / PLAN[0].tar
    path.write_bytes(path.read_bytes()[:4_000])
    with pytest.raises(SoundFlowError, match=r"shard-000000\.json: .*make these shards again"):
        go(root, tmp_path / "run")


def test_an_empty_split(root, tmp_path):
    with pytest.raises(
        RunError, match=r"no stream with split IN \('test'\); there are 8 of train/.*, 4 of validation/"
    ):
        go(root, tmp_path / "run", split="test")


def test_no_run_directory(tmp_path):
    with pytest.raises(RunError, match="no finished shard"):
        go(tmp_path / "nothing", tmp_path / "run")


@pytest.mark.parametrize("workers", [0, 1])
def test_shards_of_another_chunk_length(tmp_path, workers):
    corpus = write(tmp_path / "corpus", chunk=3200)
    with pytest.raises(SoundFlowError, match=r"^stream '.*' has chunks of 0\.2 s, but the model decides every 0\.4 s"):
        go(corpus, tmp_path / "run", workers=workers)
