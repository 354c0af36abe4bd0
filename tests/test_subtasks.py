"""The common promises, held by every sub-task file that exists."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from soundflow_data.corpus import Corpus
from soundflow_data.errors import SubtaskError
from soundflow_data.subtasks import ABILITIES, builtin_subtasks, find_subtask, load_subtask
from soundflow_data.targets import decision_time_s, project
from soundflow_data.timeline import SAMPLE_RATE

ALL = sorted(builtin_subtasks())
PLAYABLE = [name for name in ALL if "dialogues" not in load_subtask(builtin_subtasks()[name]).needs]


def test_every_ability_has_a_subtask() -> None:
    assert {name.split("/")[0] for name in ALL} == set(ABILITIES)


@pytest.mark.parametrize("name", ALL)
def test_files_are_short_and_drawn(name: str) -> None:
    path = builtin_subtasks()[name]
    task = load_subtask(path)
    assert task.id == name
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 85
    docstring = text.split('"""')[1]
    drawing = docstring.partition("\n\n")[2]
    assert "response" in drawing, "the docstring draws one example stream"


@pytest.mark.parametrize("name", PLAYABLE)
def test_promises(name: str, make_corpus: Callable[..., Corpus]) -> None:
    task = load_subtask(builtin_subtasks()[name])
    languages = {language: 1 / len(task.languages) for language in task.languages}
    corpus = make_corpus(subtasks={name: 1.0}, languages=languages, duration_s=[15, 45])
    texts: set[str] = set()
    for index in range(16):
        spec = corpus.spec("train", index)
        timeline = corpus.compose(spec)
        timeline.check()
        assert timeline.language == spec.language
        assert timeline == corpus.compose(spec)
        for target in project(timeline).spoken:
            for i in target.responses:
                response = timeline.responses[i]
                assert decision_time_s(target, timeline.chunk) * SAMPLE_RATE >= response.due >= response.evidence
        texts.update(response.text for response in timeline.responses)
        for silence in timeline.silences:
            assert silence.reason
            assert 0 <= silence.start < silence.end <= timeline.num_samples
        if not task.background:
            assert not [e for e in timeline.events if e.kind != "noise" and e.role != "foreground"]
    assert len(texts) >= 8, "texts are varied"


def test_dialogue_subtask_is_checked_where_its_material_is() -> None:
    assert set(ALL) - set(PLAYABLE) == {"voice_chatting/multi_turn_dialogue"}


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(text)
    return path


GOOD = """
from soundflow_data import subtask

@subtask(ability="voice_chatting")
def mine(scene):
    scene.respond("hello", evidence=0)
"""


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    task = load_subtask(find_subtask(write(tmp_path, GOOD).name, base=tmp_path))
    assert task.id == "voice_chatting/mine"
    assert len(task.fingerprint) == 64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "holds 0 functions"),
        (GOOD + GOOD.replace("def mine", "def other"), r"holds 2 functions with @subtask \(mine, other\)"),
        ("1 / 0", "cannot be run: ZeroDivisionError"),
        ("def", "cannot be run: SyntaxError"),
        (GOOD.replace("voice_chatting", "chat"), "ability 'chat' does not exist; it must be one of voice_chatting"),
    ],
)
def test_broken_files_are_explained(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SubtaskError, match=message):
        load_subtask(write(tmp_path, text))
