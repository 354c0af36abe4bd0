"""Ray Train: two workers on a CPU give the weights of one process, and failures are told with their reason."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from test_training import make_stage, weights_of
from tones import ToneSource

from soundflow_data.errors import RunError, SoundFlowError
from soundflow_data.shards import LocalStorage, RunIdentity, ShardWriter, plan_shards
from soundflow_trainer.loop import train
from soundflow_trainer.ray_train import _absolute, _reason, _resources, train_on_ray


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")
    for spec in plan_shards({"train": 8, "validation": 4}, 4):
        source = ToneSource(8, split=spec.split)
        identity = RunIdentity(fingerprint="tones", seed=1, software={})
        with ShardWriter(LocalStorage(root), spec, identity=identity, codec="flac") as writer:
            for index in range(spec.start, spec.stop):
                stream = source[index]
                writer.add(stream.timeline, stream.targets, stream.audio)
            writer.finish()
    return root


@pytest.mark.timeout(300)  # Ray starts seven processes, each of which imports torch and pandas
def test_two_workers_train_like_one_process(corpus, tmp_path, monkeypatch):
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # on a busy machine Ray's 15 would leave its workers no time at all
    stage = make_stage(steps=2, data={"root": str(corpus), "loader_workers": 0, "seed": 3})
    train(stage, tmp_path / "one")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100 << 20)
    try:
        trained = train_on_ray(stage, tmp_path / "two", workers=2, restarts=0)
        with pytest.raises(RunError, match="3 workers, but the cluster has 2 CPUs"):
            train_on_ray(stage, tmp_path / "three", workers=3)
    finally:
        ray.shutdown()
    assert (trained.step, trained.finished) == (2, True)
    one, two = weights_of(tmp_path / "one", 2), weights_of(tmp_path / "two", 2)
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=1e-5, rtol=1e-4)


def test_workers_take_gpus_where_there_are_any():
    assert _resources({"CPU": 8.0}, 4) == {"CPU": 1}
    assert _resources({"CPU": 8.0, "GPU": 2.0}, 2) == {"CPU": 1, "GPU": 1}
    with pytest.raises(RunError, match="4 workers, but the cluster has 2 GPUs"):
        _resources({"CPU": 8.0, "GPU": 2.0}, 4)


def test_the_reason_is_that_of_the_worker_that_knows_it():
    wrapped = RuntimeError("task failed")
    wrapped.cause = SoundFlowError("the loss is not a number")
    failures = {0: ConnectionError("the other side is gone"), 1: wrapped}
    assert _reason(failures) == "worker 1: the loss is not a number"
    assert _reason({0: failures[0]}) == "worker 0: the other side is gone"


def test_workers_get_paths_that_mean_the_same_everywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "local").mkdir()
    stage = make_stage(data={"root": "out"}, model={"published": "Qwen/Qwen2.5-Omni-3B", "tokenizer": "local"})
    moved = _absolute(stage)
    assert moved.data.root == tmp_path / "out"
    assert (moved.model.published, moved.model.tokenizer) == ("Qwen/Qwen2.5-Omni-3B", str(tmp_path / "local"))
    assert Path(moved.data.root).is_absolute()
