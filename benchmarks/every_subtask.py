"""Corpora of one built-in sub-task each, over a bank of every sound that can be made from nothing."""

from __future__ import annotations

from typing import Any

from benchmarks.material import Setup, recipe_of
from soundflow_data.corpus import Corpus
from soundflow_data.subtasks import builtin_subtasks, load_subtask
from soundflow_pipelines.banks import build_banks, open_banks

FEW_KINDS = ["dog_bark", "doorbell", "fan", "rain", "door_knock", "piano_chords", "car_horn", "pink_noise"]


def names(setup: Setup) -> list[str]:
    """Returns the built-in sub-tasks, of which a smoke test takes a few."""
    return sorted(builtin_subtasks())[:: setup.pick(1, 9)]


def corpus_of(setup: Setup, name: str, *, num_streams: int, **more: Any) -> Corpus:
    """Returns a corpus of one sub-task, in all its languages, with sounds behind it.

    Args:
        setup: Where and how large.
        name: `<ability>/<name>` of the sub-task.
        num_streams: Streams of the recipe, all in one shard.
        more: Other keys of the recipe.
    """
    options: dict[str, object] = {
        "clips": setup.pick(4, 1),
        "beds": setup.pick(2, 1),
        "bed_s": float(setup.pick(20, 5)),
    }
    if setup.smoke:
        options["kinds"] = FEW_KINDS
    languages = load_subtask(builtin_subtasks()[name]).languages
    loaded = recipe_of(
        setup,
        name="every_subtask",
        stream="eight_events",
        banks={"every_sound": {"reader": "builtin_sounds", "options": options}},
        num_streams=num_streams,
        streams_per_shard=num_streams,
        subtasks={name: 1.0},
        languages={language: 1 / len(languages) for language in languages},
        background_per_minute=[0, 4],
        ambient_per_minute=[0, 4],
        **more,
    )
    folder = setup.work / "banks"
    build_banks(loaded, folder, overwrite=False)
    return Corpus(loaded, open_banks(loaded, folder))
