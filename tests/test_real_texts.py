"""Sub-tasks that draw from a user's banks: instructions, conversations, recordings with word times and translations."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from corpus_files import write_lines, write_tone

from soundflow_data.bank import Bank
from soundflow_data.bank.build import build_bank
from soundflow_data.bank.readers.alpaca import Alpaca
from soundflow_data.bank.readers.builtin_sounds import BuiltinSounds
from soundflow_data.bank.readers.covost import Covost
from soundflow_data.bank.readers.librispeech import Librispeech
from soundflow_data.bank.readers.schema_guided import SchemaGuided
from soundflow_data.bank.source import Reader
from soundflow_data.corpus import Corpus
from soundflow_data.recipe import load_recipe
from soundflow_data.timeline import Timeline

ANSWERS = {
    "Name three uses of salt.": "Seasoning, preserving, and melting ice.",
    "Why is the sea salty?": "Rivers wash minerals into it.",
    "Give a synonym for quick.": "Rapid.",
    "Explain why leaves turn red in autumn.": "Their green fades, and other colours show.",
    "Suggest a name for a small bakery in a village.": "The Warm Crust.",
    "What can I do with old jars at home?": "Keep rice in them, or grow herbs.",
}
SAID = {"I work at night.": "我晚上工作。", "The door is open.": "门开着。", "Nobody has called.": "没有人打电话。"}
Play = Callable[..., list[Timeline]]


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Plans streams of a sub-task with a few sounds and one more bank."""
    folder = tmp_path_factory.mktemp("real")
    sounds = BuiltinSounds(kinds=("doorbell", "dog_bark", "fan", "pink_noise"), clips=1, beds=1, bed_s=6.0)
    build_bank(sounds, folder / "sounds")
    built: dict[str, Path] = {}

    def streams(name: str, kind: str, source: Callable[[Path], Reader], count: int = 12) -> list[Timeline]:
        if kind not in built:
            (folder / f"{kind}-files").mkdir()
            built[kind] = build_bank(source(folder / f"{kind}-files"), folder / kind).path
        paths = {"sounds": folder / "sounds", "real": built[kind]}
        recipe: dict[str, Any] = {
            "name": "real",
            "streams": count,
            "duration_s": [16, 45],
            "splits": {"train": 1.0},
            "subtasks": {name: 1.0},
            "banks": {name: {"path": str(path)} for name, path in paths.items()},
        }
        (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        banks = {name: Bank.open(path) for name, path in paths.items()}
        corpus = Corpus(load_recipe(folder / "recipe.yaml"), banks)
        return [corpus.compose(corpus.spec("train", i)) for i in range(count)]

    return streams


def instructions(folder: Path) -> Reader:
    rows = [{"instruction": text, "input": "", "output": answer} for text, answer in ANSWERS.items()]
    (folder / "alpaca.json").write_text(json.dumps(rows))
    return Alpaca(path=folder / "alpaca.json")


def conversations(folder: Path) -> Reader:
    turns = [("USER", "Play jazz."), ("SYSTEM", "Which one?"), ("USER", "The first one."), ("SYSTEM", "Here it is.")]
    spoken = [{"speaker": speaker, "utterance": text, "frames": []} for speaker, text in turns]
    dialogues = [{"dialogue_id": f"1_{n:02}", "services": [], "turns": spoken} for n in range(3)]
    (folder / "dialogues_001.json").write_text(json.dumps(dialogues))
    return SchemaGuided(path=folder)


def translated(folder: Path) -> Reader:
    rows = [f"clip_{n}.flac\t{text}\t{reply}\tspeaker-{n}" for n, (text, reply) in enumerate(SAID.items())]
    for n in range(len(rows)):
        write_tone(folder / "clips" / f"clip_{n}.flac", 1.5)
    write_lines(folder / "covost_v2.en_zh-CN.tsv", "path\tsentence\ttranslation\tclient_id", *rows)
    return Covost(folder=folder)


def transcribed(folder: Path) -> Reader:
    chapter = folder / "LibriSpeech" / "dev-clean" / "84" / "1"
    for n in range(2):
        write_tone(chapter / f"84-1-000{n}.flac", 2.0)
    write_lines(chapter / "84-1.trans.txt", "84-1-0000 GO ON SAID I", "84-1-0001 NOBODY KNOWS WHEN")
    write_lines(chapter / "84-1.alignment.txt", '84-1-0000 ",GO,ON,,SAID,I," "0.1,0.4,0.7,0.8,1.2,1.5,2.0"')
    return Librispeech(folder=folder / "LibriSpeech")


def test_questions_of_banks_are_answered_as_there(play: Play) -> None:
    found = 0
    for timeline in play("voice_chatting/factual_qa", "instructions", instructions):
        for response in timeline.responses:
            asked = timeline.events[response.events[-1]]
            if asked.bank == "real":
                found += 1
                assert (response.text, response.evidence) == (ANSWERS[asked.text], asked.end)
    assert found >= 5


def test_questions_of_banks_are_asked_of_others_too(play: Play) -> None:
    texts = [text.rstrip(".?").lower() for text in ANSWERS]
    silent = 0
    for timeline in play("voice_chatting/factual_qa", "instructions", instructions):
        for silence in timeline.silences:
            heard = " ".join(timeline.events[i].text.lower() for i in silence.events)
            silent += any(text in heard for text in texts)
    assert silent


def test_tasks_of_banks_are_handed_over(play: Play) -> None:
    found = 0
    for timeline in play("environment_aware_agent/delegated_task", "instructions", instructions):
        results = {r.call.arguments["id"]: r.text for r in timeline.responses if r.call and r.call.name == "result"}
        for response in timeline.responses:
            if response.call and response.call.arguments.get("task") == "answer":
                found += 1
                request = response.call.arguments["request"]
                assert timeline.events[response.events[0]].text == request
                assert results.get(response.call.arguments["id"], ANSWERS[request]) == ANSWERS[request]
    assert found >= 3


def test_a_request_of_a_bank_is_said_in_two_pieces(play: Play) -> None:
    replies = {reply: text for text, reply in ANSWERS.items()}
    found = 0
    for timeline in play("voice_chatting/hesitant_speaker", "instructions", instructions):
        for response in timeline.responses:
            if response.text in replies:
                found += 1
                last = response.events[0]
                text = replies[response.text]
                assert text.endswith(timeline.events[last].text)
                assert timeline.events[last].text != text
                opening = next(e for e in reversed(timeline.events[:last]) if e.track == timeline.events[last].track)
                assert text.startswith(opening.text.split(",")[0])
                assert response.evidence == timeline.events[last].end
    assert found >= 3


def test_conversations_start_at_their_beginning(play: Play) -> None:
    found = 0
    for timeline in play("voice_chatting/multi_turn_dialogue", "conversations", conversations):
        said = [event for event in timeline.events if event.bank == "real"]
        found += bool(said)
        assert [event.text for event in said] == ["Play jazz.", "The first one."] * (len(said) // 2)
        voices: dict[str, set[str]] = {}
        for event in timeline.events:
            if event.kind == "speech" and event.track != "caller":
                voices.setdefault(event.track, set()).add(event.speaker)
        assert all(len(some) == 1 for some in voices.values()), "a person of the scene keeps one voice"
    assert found


def test_recordings_are_translated_as_there(play: Play) -> None:
    found = 0
    for timeline in play("streaming_translation/en_zh_sentence", "translated", translated):
        for response in timeline.responses:
            heard = timeline.events[response.events[-1]]
            if response.kind == "translation" and heard.bank == "real":
                found += 1
                assert (response.text, response.evidence, response.language) == (SAID[heard.text], heard.end, "zh")
    assert found >= 5


def test_a_translation_into_another_language_is_not_taken(play: Play) -> None:
    for timeline in play("streaming_translation/zh_en_sentence", "translated", translated, 4):
        assert not [event for event in timeline.events if event.bank == "real"]


def test_only_recordings_with_word_times_are_transcribed(play: Play) -> None:
    found = 0
    for timeline in play("real_time_asr/english_asr", "transcribed", transcribed):
        for i, event in enumerate(timeline.events):
            if event.bank == "real":
                assert event.text == "go on said I"
                written = [r.text for r in timeline.responses if r.kind == "transcript" and r.events == (i,)]
                found += bool(written)
                assert written in ([], ["go", "on", "said", "I"])
    assert found >= 5
