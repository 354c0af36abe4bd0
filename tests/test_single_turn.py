"""Offline single turns: one clip, one answer after its end, and nothing that needs timing."""

from __future__ import annotations

from pathlib import Path

from soundflow_data import Bank, Corpus, load_recipe
from soundflow_data.targets import project

ROOT = Path(__file__).parent.parent


def test_every_stream_is_one_turn_that_is_answered_at_its_end(sounds_path: Path) -> None:
    recipe = load_recipe(ROOT / "recipes/single_turn.yaml", ["hours=0.1", "streams_per_shard=8"])
    corpus = Corpus(recipe, {"sounds": Bank.open(sounds_path)})
    subtasks, written = set(), 0
    for index in range(24):
        timeline = corpus.compose(corpus.spec("train", index))
        [response] = timeline.responses
        [clip] = [event for event in timeline.events if event.role == "foreground"]
        assert response.due == response.evidence >= clip.end
        assert timeline.silences == ()
        assert timeline.seconds <= 10
        assert project(timeline).decisions().sum() == 1
        spoken = clip.kind == "speech"
        assert bool(timeline.instruction) == (timeline.subtask != "answer")
        assert spoken == (timeline.subtask != "describe")
        subtasks.add(timeline.subtask)
        written += bool(timeline.instruction)
    assert subtasks == {"transcribe", "describe", "answer"}
    assert written > 8
