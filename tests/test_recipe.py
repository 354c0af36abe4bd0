"""Recipes are checked before anything starts; every message names the key, the value and what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from soundflow_data.corpus import Corpus
from soundflow_data.errors import RecipeError, SubtaskError
from soundflow_data.recipe import LoadedRecipe, load_recipe, load_resolved
from soundflow_data.resources import resource_path

GOOD = {
    "name": "tiny",
    "streams": 10,
    "subtasks": {"voice_chatting/factual_qa": 1.0},
    "banks": {"sounds": {"reader": "builtin_sounds"}},
}


def load(tmp_path: Path, *overrides: str, **changes: object) -> LoadedRecipe:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(GOOD | changes))
    return load_recipe(path, overrides)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stream": 3}, "stream: unknown key; did you mean 'streams'"),
        ({"beds": {"snr": [0, 1]}}, r"beds.snr: unknown key; did you mean 'snr_db'\? allowed: ambient_below_db"),
        ({"codec": "mp3"}, "codec: 'mp3' is not allowed; input should be 'flac' or 'opus'"),
        ({"languages": {"fr": 1.0}}, "languages.fr.*'en' or 'zh'"),
        ({"subtasks": {"voice_chatting/factual_qa": 0.5}}, r"subtasks: the shares sum to 0.5, not to 1"),
        ({"splits": {"train": 1.2, "validation": -0.2}}, "splits: the share of 'validation' is -0.2"),
        ({"chunk_s": 0.40001}, r"chunk_s: 0.40001 s is 6400.16 samples at 16000 Hz, not a whole number; the nearest"),
        ({"chunk_s": 0}, "chunk_s: 0 is not allowed"),
        ({"duration_s": [60, 20]}, "duration_s: the range runs from 60 down to 20"),
        ({"duration_s": [-1, 20]}, "duration_s: the range starts at -1"),
        ({"hours": 1}, "give either `hours` or `streams`"),
        ({"banks": {"a": {"reader": "x", "path": "y"}}}, "banks.a: give either `path`"),
        ({"banks": {"a": {"path": "y", "speed": 0.9}}}, "banks.a: `speed` is of a bank that a `reader` builds"),
        ({"banks": {"a": {"like": "b", "options": {"x": 1}}}}, "banks.a: `like` takes options and folds"),
        ({"banks": {"a": {"like": "a"}, "c": {"reader": "x"}}}, "banks.a.like: 'a' is no bank .*; those are c"),
        ({"banks": {"a": {"reader": "x", "speed": 3}}}, "banks.a.speed: 3 is not allowed"),
        ({"banks": {"A b": {"reader": "x"}}}, "banks: the name 'A b' must consist of"),
        ({"level_dbfs": [-30, -3]}, "level_dbfs: -3 dBFS leaves no room"),
        ({"streams": "many"}, "streams: 'many' is not allowed"),
    ],
)
def test_mistakes_are_explained(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load(tmp_path, **changes)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="has 2 mistakes") as caught:
        load(tmp_path, codec="mp3", seed=-1)
    assert "seed: -1" in str(caught.value)


def test_unknown_subtasks_are_answered_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(SubtaskError, match=r"'voice_chatting/factual_q' does not exist.*voice_chatting/factual_qa"):
        load(tmp_path, subtasks={"voice_chatting/factual_q": 1.0})
    with pytest.raises(SubtaskError, match=r"mine\.py' does not exist"):
        load(tmp_path, subtasks={"mine.py": 1.0})


@pytest.mark.parametrize("text", ["- a\n- b", "a: [", "just words"])
def test_what_is_no_recipe(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=r"bad\.yaml"):
        load_recipe(path)
    with pytest.raises(RecipeError, match="cannot be read: No such file"):
        load_recipe(tmp_path / "none.yaml")


def test_settings_win_over_the_file(tmp_path: Path) -> None:
    loaded = load(tmp_path, "hours=0.5", "beds.snr_db=[0, 3]", "banks.esc.reader=esc50", "banks.esc.options.folder=/x")
    assert loaded.recipe.hours == 0.5
    assert loaded.recipe.streams is None
    assert loaded.recipe.beds.snr_db == (0, 3)
    assert loaded.recipe.banks["esc"].options == {"folder": "/x"}
    for wrong in ("hours", "=3", "name.x=1", "seed=[1"):
        with pytest.raises(RecipeError, match="setting"):
            load(tmp_path, wrong)


def test_hours_become_streams(tmp_path: Path) -> None:
    recipe = load(tmp_path, "hours=2", "duration_s=[30, 60]").recipe
    assert recipe.num_streams == 160
    assert recipe.streams_of_splits() == {"train": 152, "validation": 8}


def test_splits_take_all_streams(tmp_path: Path) -> None:
    shares = {"a": 0.335, "b": 0.33, "c": 0.335}
    for streams in (1, 2, 7, 100, 999_999):
        counts = load(tmp_path, splits=shares, streams=streams).recipe.streams_of_splits()
        assert sum(counts.values()) == streams
        assert all(abs(counts[name] - share * streams) < 1 for name, share in shares.items())


def test_the_resolved_recipe_is_the_same_recipe(tmp_path: Path) -> None:
    loaded = load(tmp_path, duration_s=[10, 20.5])
    again = load_resolved(
        loaded.resolved_yaml().encode(), {name: str(path) for name, path in loaded.subtasks.items()}, loaded.path
    )
    assert again.recipe == loaded.recipe
    assert again.fingerprint() == loaded.fingerprint()


def test_the_fingerprint_follows_what_decides_the_bytes(tmp_path: Path) -> None:
    base = load(tmp_path).fingerprint()
    assert load(tmp_path, "limits.max_drop_share=0.5").fingerprint() == base
    assert load(tmp_path, "banks.sounds.options.clips=3").fingerprint() == base  # the bank's own fingerprint tells
    assert load(tmp_path, "banks.sounds.only=[train]").fingerprint() != base
    assert load(tmp_path, 'banks.sounds.folds={"train": ["1"]}').fingerprint() != base
    assert load(tmp_path, "seed=2").fingerprint() != base
    assert load(tmp_path, "streams=11").fingerprint() != base


def test_a_bank_like_another_takes_its_reader_also_when_settings_change_it(tmp_path: Path) -> None:
    banks = {"some": {"reader": "esc50", "folds": {"train": ["1"]}}, "fast": {"like": "some", "speed": 1.1}}
    loaded = load(tmp_path, "banks.some.options.folder=here", banks=banks)
    fast = loaded.recipe.banks["fast"]
    assert (fast.reader, fast.options, fast.folds, fast.speed) == ("esc50", {"folder": "here"}, {"train": ["1"]}, 1.1)
    files = {name: str(path) for name, path in loaded.subtasks.items()}
    assert load_resolved(loaded.resolved_yaml().encode(), files, loaded.path).recipe == loaded.recipe


def test_a_bank_is_heard_in_no_other_splits_than_it_says(make_corpus: Callable[..., Corpus]) -> None:
    def rows(**choice: object) -> dict[str, set[int]]:
        banks = {"sounds": {"reader": "builtin_sounds", **choice}}
        corpus = make_corpus(splits={"train": 0.6, "test": 0.4}, banks=banks)
        return {split: set(corpus.library(split).rows("sounds").tolist()) for split in corpus.recipe.splits}

    everywhere, only = rows(), rows(only=["train"])
    assert everywhere["test"]
    assert only == {"train": everywhere["train"], "test": set()}
    with pytest.raises(RecipeError, match=r"banks.sounds.only is \['dev'\]; give some of .* test, train"):
        rows(only=["dev"])


@pytest.mark.parametrize("path", sorted(resource_path("recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_recipes_that_come_along_are_right(path: Path) -> None:
    assert load_recipe(path).recipe.name.replace("-", "_") == path.stem


def test_small_splits_have_three_voices_and_no_voice_is_in_two(make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus(splits={"train": 0.96, "validation": 0.02, "test": 0.02})
    for language in ("en", "zh"):
        voices = [{voice.id for voice in corpus.library(split).voices[language]} for split in corpus.recipe.splits]
        assert min(map(len, voices)) == 3
        assert sum(map(len, voices)) == len(set.union(*voices)) >= 10
