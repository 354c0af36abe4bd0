"""The commands for banks, for plans, and for trying a sub-task."""

from __future__ import annotations

import contextlib
import json
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile
import yaml
from conftest import RECIPE
from typer.testing import CliRunner

from soundflow_data.corpus import Corpus
from soundflow_data.errors import Drop
from soundflow_data.recipe import LoadedRecipe
from soundflow_pipelines.cli import app
from soundflow_pipelines.cli.formats import duration, hours, plural, size, times
from soundflow_pipelines.plan import Cell, count_streams, make_plan


def soundflow(*words: object, code: int = 0) -> Any:
    """Runs a command and checks its exit code."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, f"{result.exit_code}: {result.output}"
    return result


def as_json(*words: object, code: int = 0) -> Any:
    """Runs a command with --json and reads the one object that it prints."""
    return json.loads(soundflow(*words, "--json", code=code).stdout)


# -- banks -----------------------------------------------------------------------------------------------------------


def test_a_bank_is_built_listed_shown_and_searched(tmp_path: Path) -> None:
    bank = tmp_path / "banks" / "few"
    words = ("bank", "build", "builtin_sounds", bank, "-o", "kinds=dog_bark,doorbell", "-o", "clips=2", "-o", "beds=0")
    built = as_json(*words, "--workers", "1")["banks"][0]
    assert built["num_clips"] == 4
    assert built["built"]
    assert "was there already" in soundflow(*words).stdout
    assert "few" in soundflow("bank", "list", bank.parent).stdout
    assert as_json("bank", "list", bank.parent)["banks"][0]["num_clips"] == 4
    shown = as_json("bank", "show", bank)
    assert {one["value"]: one["clips"] for one in shown["counts"]["label"]} == {"dog_bark": 2, "doorbell": 2}
    assert "doorbell" in soundflow("bank", "show", bank).stdout
    found = as_json("bank", "search", bank, "dog bark", "--where", "num_samples > 100")["clips"]
    assert [clip["label"] for clip in found] == ["dog_bark", "dog_bark"]
    assert "dog_bark" in soundflow("bank", "search", bank, "dog").stdout
    assert "nothing found" in soundflow("bank", "search", bank, "elephant").stderr
    assert "columns" in soundflow("bank", "search", bank, "--where", "nonsense = 1", code=1).stderr
    wav = tmp_path / "clip.wav"
    soundflow("bank", "show", bank, found[0]["id"], "--wav", wav)
    assert soundfile.info(wav).frames == found[0]["num_samples"]
    assert "closest" in soundflow("bank", "show", bank, "dog", code=1).stderr


def test_an_empty_folder_has_no_banks(tmp_path: Path) -> None:
    assert "no bank" in soundflow("bank", "list", tmp_path).stdout


def test_readers_are_explained() -> None:
    names = [one["name"] for one in as_json("bank", "readers")["readers"]]
    assert {"builtin_sounds", "esc50", "fsdd", "schema_guided", "espeak", "table"} <= set(names)
    assert "required" in soundflow("bank", "readers", "esc50").stdout


# -- plans -----------------------------------------------------------------------------------------------------------


def test_the_plan_counts_every_stream_exactly(make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus(streams=3_000)
    counted = {count.cell: count.streams for count in count_streams(corpus.loaded).counts}
    found: Counter[Cell] = Counter()
    for split, number in corpus.recipe.streams_of_splits().items():
        for index in range(number):
            spec = corpus.spec(split, index)
            found[Cell(split=split, subtask=spec.subtask, language=spec.language)] += 1
    assert counted == found


def test_a_million_streams_are_counted_in_little_memory(make_recipe: Callable[..., LoadedRecipe]) -> None:
    loaded = make_recipe(streams=1_000_000)
    count_streams(loaded)
    tracemalloc.start()
    plan = count_streams(loaded)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(count.streams for count in plan.counts) == 1_000_000
    assert peak < 30e6


def test_estimates_are_those_of_the_streams(make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus(streams=60)
    plan = make_plan(corpus, max_composed=200, max_rendered=3)
    estimates = plan.estimates
    assert estimates is not None
    timelines = []
    for split, number in plan.streams.items():
        for index in range(number):
            with contextlib.suppress(Drop):
                timelines.append(corpus.compose(corpus.spec(split, index)))
    true_hours = sum(timeline.seconds for timeline in timelines) / 3600
    assert estimates.sample.composed >= 55
    assert estimates.hours == pytest.approx(true_hours, rel=0.05)
    assert estimates.events == pytest.approx(sum(len(timeline.events) for timeline in timelines), rel=0.1)
    assert 30e6 < estimates.num_bytes / estimates.hours < 120e6
    assert estimates.banks[0].clips > 0


def test_plan_prints_and_its_json_has_all(make_recipe: Callable[..., LoadedRecipe]) -> None:
    path = make_recipe(streams=40).path
    text = soundflow("plan", path, "--sample", "20").stdout
    assert "real_time_asr/english_asr" in text
    assert "estimated from" in text
    values = as_json("plan", path, "--sample", "20", "--workers", "3")
    assert values["num_streams"] == 40
    assert values["num_shards"] == sum(values["shards"].values())
    assert values["workers"] == 3
    assert values["estimates"]["hours"] > 0


def test_plan_says_which_banks_are_not_built_yet(tmp_path: Path) -> None:
    words = ("plan", "quickstart", "--banks", tmp_path / "none")
    result = soundflow(*words)
    assert "soundflow bank build --recipe quickstart" in result.stderr
    values = as_json(*words)
    assert values["banks_not_built"] == ["sounds"]
    assert values["num_streams"] == 40
    assert values["estimates"] is None


RECORDED = '''
"""Plays a recorded dialogue back."""

from soundflow_data import Scene, subtask


@subtask(ability="voice_chatting", needs=("dialogues",))
def recorded(scene: Scene) -> None:
    bank, rows = scene.choose_dialogue()
    scene.respond("I see.", evidence=scene.replay(bank, rows[0]).end)
'''


def test_plan_refuses_what_no_bank_can_give(make_recipe: Callable[..., LoadedRecipe], tmp_path: Path) -> None:
    (tmp_path / "recorded.py").write_text(RECORDED)
    shares = {"voice_chatting/factual_qa": 0.5, str(tmp_path / "recorded.py"): 0.5}
    path = make_recipe(subtasks=shares, languages={"en": 1.0}).path
    assert "needs dialogues" in soundflow("plan", path, code=1).stderr
    assert "needs dialogues" in as_json("plan", path, code=1)["error"]["message"]


def test_a_recipe_builds_its_banks_on_the_way(tmp_path: Path) -> None:
    reader = {"reader": "builtin_sounds", "options": {"kinds": ["dog_bark", "rain"], "clips": 2, "beds": 2, "bed_s": 3}}
    recipe = {
        **RECIPE, "streams": 2, "splits": {"all": 1.0}, "duration_s": [6, 8], "languages": {"en": 1.0},
        "subtasks": {"streaming_translation/en_zh_simultaneous": 1.0}, "banks": {"made": reader},
    }  # fmt: skip
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    banks = tmp_path / "banks"
    values = as_json("run", path, tmp_path / "out", "--banks", banks, "--workers", "1", "--no-picture")
    assert values["complete"]
    assert values["picture"] is None
    assert (banks / "made" / "bank.json").is_file()
    again = as_json("bank", "build", "--recipe", path, "--banks", banks)["banks"]
    assert [one["built"] for one in again] == [False]


# -- try -------------------------------------------------------------------------------------------------------------

SUBTASK = '''
"""Somebody says something."""

from soundflow_data import Scene, subtask


@subtask(ability="voice_chatting", languages=("en",))
def remark(scene: Scene) -> None:
    heard = scene.say("good morning")
    scene.respond("good morning to you", evidence=heard.end)
'''


def test_try_makes_one_stream_of_a_file(sounds_path: Path, tmp_path: Path) -> None:
    file = tmp_path / "remark.py"
    file.write_text(SUBTASK)
    out = tmp_path / "tried"
    text = soundflow("try", file, "--bank", sounds_path, "--seconds", "6", "--out", out).stdout
    assert '"good morning to you"' in text
    assert sorted(path.name for path in out.iterdir()) == ["remark-1.json", "remark-1.png", "remark-1.wav"]
    values = as_json("try", file, "--bank", sounds_path, "--seconds", "6", "--out", out, "--seed", "2")
    assert values["stream"]["timeline"]["subtask"] == "remark"
    assert "plays in en" in soundflow("try", file, "--bank", sounds_path, "--language", "zh", code=1).stderr


def test_try_makes_a_composite_that_a_file_leads(sounds_path: Path, tmp_path: Path) -> None:
    file = tmp_path / "remark.py"
    file.write_text(SUBTASK)
    values = as_json("try", file, "--bank", sounds_path, "--kind", "proactive", "--out", tmp_path / "tried")
    timeline = values["stream"]["timeline"]
    assert timeline["scene_type"] == "proactive"
    assert timeline["subtask"].startswith("remark+")
    assert any(part["ability"] == "proactive_response" for part in timeline["parts"])


def test_try_points_at_the_line_of_a_mistake(sounds_path: Path, tmp_path: Path) -> None:
    file = tmp_path / "remark.py"
    file.write_text(SUBTASK.replace("heard.end)", "heard.finish)"))
    result = soundflow("try", file, "--bank", sounds_path, code=1)
    assert f"{file}, line 10: AttributeError" in result.stderr
    assert "report" not in result.stderr
    assert "site-packages" not in result.stderr


def test_try_takes_built_in_sub_tasks_and_tells_of_a_drop(sounds_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "tried"
    assert "event_counting" in soundflow("try", "event_counting", "--bank", sounds_path, "--out", out).stdout
    (tmp_path / "recorded.py").write_text(RECORDED)
    recorded = tmp_path / "recorded.py"
    assert "no dialogue" in soundflow("try", recorded, "--bank", sounds_path, "--out", out, code=1).stderr


# -- numbers ---------------------------------------------------------------------------------------------------------


def test_numbers_are_written_for_people() -> None:
    seconds = (0.04, 9.96, 42, 59.7, 3_599.6, 3_600, 7_500, 200_000, 1e7)
    assert [duration(one) for one in seconds] == [
        "0.0 s", "10.0 s", "42 s", "1 min 00 s", "1 h 00 min", "1 h 00 min", "2 h 05 min", "2 d 08 h", "115 d 18 h",
    ]  # fmt: skip
    assert [size(one) for one in (0, 999, 1_000, 25_600_000, 8e13)] == ["0 B", "999 B", "1 kB", "25.6 MB", "80 TB"]
    assert [hours(one) for one in (0.34377, 12.3456, 66_700)] == ["0.344", "12.35", "66,700"]
    assert [plural(one, "shard") for one in (0, 1, 2_000)] == ["0 shards", "1 shard", "2,000 shards"]
    assert [times(one) for one in (1.84, 3_210)] == ["1.8x", "3,210x"]
