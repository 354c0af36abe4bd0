"""Weighted mixes: exact shares, exact places, whatever the number of ranks, and runs that resume exactly."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import msgspec
import pytest
from test_training import STAGES, equal, make_stage, weights_of
from tones import ToneSource

from soundflow_data.errors import RecipeError, RunError
from soundflow_data.recipe import load_recipe
from soundflow_data.shards import LocalStorage, RunIdentity, ShardWriter, plan_shards
from soundflow_data.shards.order import ReaderState
from soundflow_data.subtasks import ABILITIES
from soundflow_trainer.loop import open_source, train
from soundflow_trainer.mixing import MixedSource, open_mix, share_out
from soundflow_trainer.stage import load_stage


@pytest.mark.parametrize(
    ("places", "weights", "quotas"),
    [(10, [1, 1], [5, 5]), (10, [2, 1], [7, 3]), (3, [1, 1, 1, 1], [1, 1, 1, 0]), (7, [0.5], [7])],
)
def test_places_are_shared_out_by_weight(places, weights, quotas):
    assert share_out(places, weights) == quotas


def mixed():
    return MixedSource([ToneSource(12), ToneSource(5, split="b"), ToneSource(3, split="c")], [1.0, 3.0, 1.0])


def test_every_epoch_has_the_exact_shares_and_no_stream_is_left_out():
    source = mixed()
    assert source.quotas == [4, 12, 4]
    places = list(islice(source.order(num_epochs=None), 60))
    group = Counter("abc"[(i >= 12) + (i >= 17)] for i in places)
    assert group == {"a": 12, "b": 36, "c": 12}
    for epoch in range(3):
        counts = Counter(i >= 12 for i in places[20 * epoch : 20 * epoch + 20])
        assert counts == {False: 4, True: 16}
    assert sorted(i for i in places if i < 12) == list(
        range(12)
    )  # three epochs of four go through the first group once
    assert set(Counter(i for i in places if 12 <= i < 17).values()) == {7, 8}  # 36 draws of 5 streams
    assert [source[i].timeline.key for i in (0, 12, 19)] == ["train-000000", "b-000000", "c-000002"]


def test_ranks_share_the_places_and_a_state_says_where_to_go_on():
    source = mixed()
    whole = list(islice(source.order(ReaderState(seed=9), num_epochs=None), 60))
    ranks = [islice(source.order(ReaderState(seed=9), rank=r, world_size=3, num_epochs=None), 20) for r in range(3)]
    assert [i for step in zip(*ranks, strict=True) for i in step] == whole
    state = source.advance(ReaderState(seed=9), 33)
    assert (state.epoch, state.position) == (1, 13)
    assert list(islice(source.order(state, num_epochs=None), 27)) == whole[33:]
    assert list(source.order(state, num_epochs=1)) == whole[33:40]
    other = list(islice(source.order(ReaderState(seed=10), num_epochs=None), 60))
    assert other != whole


def test_a_mixed_run_in_pieces_has_equal_weights(tmp_path):
    def run(out, stop_at=None):
        train(make_stage(), out, source=mixed(), validation=ToneSource(4, split="v"), stop_at=stop_at)

    run(tmp_path / "whole")
    run(tmp_path / "pieces", stop_at=3)
    run(tmp_path / "pieces")
    assert equal(weights_of(tmp_path / "whole", 6), weights_of(tmp_path / "pieces", 6))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("mixed")
    source = ToneSource(12)
    labels = [("asr", "words"), ("warn", "fire"), ("warn", "gas"), ("chat", "facts")]
    for spec in plan_shards({"train": 12}, 6):
        identity = RunIdentity(fingerprint="mix", seed=1, software={})
        with ShardWriter(LocalStorage(root), spec, identity=identity, codec="flac") as writer:
            for index in range(spec.start, spec.stop):
                stream = source[index]
                ability, subtask = labels[index % 4]
                timeline = msgspec.structs.replace(stream.timeline, ability=ability, subtask=subtask)
                writer.add(timeline, stream.targets, stream.audio)
            writer.finish()
    return root


def test_names_are_abilities_sub_tasks_and_the_rest(corpus):
    mix = {"warn/fire": 1, "warn": 2, "rest": 3}
    source = open_mix(corpus, mix, split="train", where=None)
    assert (len(source), source.quotas) == (12, [2, 4, 6])
    found = [source[i].timeline for i in range(12)]
    assert [t.subtask for t in found[:6]] == ["fire"] * 3 + ["gas"] * 3
    assert {t.ability for t in found[6:]} == {"asr", "chat"}
    assert len(open_mix(corpus, {"asr": 1}, split="train", where="seconds > 0")) == 3
    stage = make_stage(data={"root": str(corpus), "mix": {"chat": 1.0}})
    assert len(open_source(stage, "train")) == 3
    with pytest.raises(RunError, match=r"no stream with.*there are 3 of train/asr"):
        open_mix(corpus, {"sing": 1}, split="train", where=None)


def test_stages_name_recipes_and_abilities_that_exist():
    recipes = {load_recipe(path).recipe.name for path in (STAGES[0].parents[2] / "recipes").glob("*.yaml")}
    for path in STAGES:
        data = load_stage(path).data
        assert data.root.name in recipes
        assert set(data.mix or {}) <= {*ABILITIES, "rest"}


def test_weights_must_be_positive():
    with pytest.raises(RecipeError, match=r"data\.mix\.asr.*greater than 0"):
        load_stage(STAGES[0], ["data.mix={asr: 0}"])
