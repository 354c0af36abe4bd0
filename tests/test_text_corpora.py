"""Readers of written conversations, each on tiny files in the corpus's true layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_files import read

from soundflow_data.bank.readers._dialogues import TextCorpus
from soundflow_data.bank.readers.alpaca import Alpaca
from soundflow_data.bank.readers.magpie import Magpie
from soundflow_data.bank.readers.moss import Moss
from soundflow_data.bank.readers.ultrachat import Ultrachat
from soundflow_data.bank.source import SourceItem, Unusable
from soundflow_data.errors import BankError


def write_jsonl(path: Path, *records: Any) -> Path:
    path.write_text("\n".join(json.dumps(record, ensure_ascii=False) for record in records) + "\n", encoding="utf-8")
    return path


def exchanges(source: TextCorpus) -> list[tuple[str, str]]:
    return [(item.text, item.reply) for item in source.items() if item.text]


def reasons(source: TextCorpus) -> list[str]:
    return [item.audio.reason for item in source.items() if isinstance(item.audio, Unusable)]


def test_ultrachat_is_spoken_by_one_voice_per_conversation(tmp_path: Path) -> None:
    write_jsonl(
        tmp_path / "train_0.jsonl",
        {"id": "0", "data": ["How are you?", "Fine, thanks.", "And what is new?", "Not much."]},
        {"id": "1", "data": ["Good day."]},
        {"id": "2", "data": ["Hello!", "Hi."]},
    )
    bank = read(Ultrachat(path=tmp_path), tmp_path)
    assert [(clip.id, clip.text, clip.reply, clip.turn, clip.dialogue) for clip in bank] == [
        ("ultrachat-train_0-1-00", "How are you?", "Fine, thanks.", 0, "ultrachat:train_0-1"),
        ("ultrachat-train_0-1-02", "And what is new?", "Not much.", 2, "ultrachat:train_0-1"),
        ("ultrachat-train_0-3-00", "Hello!", "Hi.", 0, "ultrachat:train_0-3"),
    ]
    assert bank.clip(0).speaker == bank.clip(1).speaker
    assert {(clip.group, clip.licence, clip.corpus, clip.language) for clip in bank} == {
        ("ultrachat:train_0-1", "MIT", "ultrachat", "en"),
        ("ultrachat:train_0-3", "MIT", "ultrachat", "en"),
    }
    assert bank.clip(0).words[-1].text.startswith("you")
    assert [rows.tolist() for rows in bank.dialogues()] == [[0, 1], [2]]
    assert len(list(Ultrachat(path=tmp_path, max_dialogues=1).items())) == 2


def test_ultrachat_200k(tmp_path: Path) -> None:
    rows = [
        {
            "prompt": "Hi",
            "prompt_id": "a",
            "messages": [
                {"content": "Be kind.", "role": "system"},
                {"content": "Hi", "role": "user"},
                {"content": "Hello!", "role": "assistant"},
            ],
        },
        {"prompt": "x", "prompt_id": "b", "messages": [{"content": "x", "role": "robot"}]},
        {"prompt": "x", "prompt_id": "c", "messages": []},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "train_sft.parquet")
    source = Ultrachat(path=tmp_path / "train_sft.parquet")
    assert exchanges(source) == [("Hi", "Hello!")]
    assert reasons(source) == ["broken row", "broken row"]


def test_a_conversation_is_used_as_far_as_it_can_be_spoken(tmp_path: Path) -> None:
    long = " ".join(["word"] * 61)
    write_jsonl(
        tmp_path / "a.jsonl",
        {"data": ["Good day.", "Hello.", long, "Yes."]},
        {"data": [long, "Yes."]},
        {"data": ["One?", "Yes.", "Two?", "Here: ```python\n1```"]},
        {"data": ["One?", "Yes.", "请说中文。", "好的。"]},
        {"data": ["Three?", " ".join(["no"] * 121)]},
        {"data": ["1?", "1.", "Four?", "Yes."]},
    )
    assert exchanges(Ultrachat(path=tmp_path)) == [("Good day.", "Hello."), ("One?", "Yes."), ("One?", "Yes.")]
    assert reasons(Ultrachat(path=tmp_path)) == []
    assert len(exchanges(Ultrachat(path=tmp_path, max_words=61, max_reply_words=121))) == 6
    assert len(exchanges(Ultrachat(path=tmp_path, max_words=61, max_turns=1))) == 4


def test_broken_records_are_named_and_the_rest_is_used(tmp_path: Path) -> None:
    file = write_jsonl(
        tmp_path / "a.jsonl", {"data": ["Hi.", "Hello."]}, {"data": "Hi."}, [1], {"data": ["", "Hello."]}
    )
    file.write_bytes(file.read_bytes() + b'{"data": ["Caf\xe9?", "Yes."]}\n{"data": ["Hi."\n')
    source = Ultrachat(path=tmp_path)
    assert exchanges(source) == [("Hi.", "Hello.")]
    assert reasons(source) == ["broken row", "broken row", "no text", "mixed encodings", "broken row"]
    bad = next(item for item in source.items() if isinstance(item.audio, Unusable))
    assert bad == SourceItem(
        id="a.jsonl:2",
        audio=Unusable(
            reason="broken row", message="a.jsonl, row 2: has neither a list of texts `data` nor `messages`"
        ),
        kind="speech",
        path="a.jsonl",
    )
    bank = read(source, tmp_path / "banks")
    assert bank.info.drops == {"broken row": 3, "mixed encodings": 1, "no text": 1}


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.jsonl"):
        with pytest.raises(BankError, match=r"is no file, and no folder of files, in \.json, \.jsonl, \.parquet"):
            list(Ultrachat(path=path).items())
    (tmp_path / "a.parquet").write_text("PAR1 it is not")
    with pytest.raises(BankError, match="is not a proper Parquet file"):
        list(Ultrachat(path=tmp_path).items())


def test_magpie(tmp_path: Path) -> None:
    rows = [
        {
            "uuid": "1",
            "instruction": "Hi?",
            "response": "Hello.",
            "conversations": [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Hello."}],
        },
        {"uuid": "2", "instruction": "Bye?", "response": "Goodbye.", "conversations": None},
        {"uuid": "3", "instruction": "Bye?", "response": None, "conversations": None},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "train-00000-of-00001.parquet")
    source = Magpie(path=tmp_path, licence="llama3.1")
    assert exchanges(source) == [("Hi?", "Hello."), ("Bye?", "Goodbye.")]
    assert reasons(source) == ["broken row"]
    assert next(source.items()).licence == "llama3.1"


@pytest.mark.parametrize("lines", [False, True])
def test_alpaca(tmp_path: Path, lines: bool) -> None:
    records = [
        {"instruction": "Name a colour.", "input": "", "output": "Red."},
        {"instruction": "Add these.", "input": "two, three", "output": "Five."},
        {"instruction": "Say it.", "input": "", "output": ""},
        {"instruction": 7, "input": "", "output": "x"},
    ]
    if lines:
        write_jsonl(tmp_path / "alpaca.json", *records)
    else:
        (tmp_path / "alpaca.json").write_text(json.dumps(records, indent=4))
    source = Alpaca(path=tmp_path / "alpaca.json")
    assert exchanges(source) == [("Name a colour.", "Red."), ("Add these. two, three", "Five.")]
    assert reasons(source) == ["no text", "broken row"]


def test_moss_in_its_three_forms_and_two_languages(tmp_path: Path) -> None:
    def turn(question: str, answer: str) -> dict[str, str]:
        return {
            "Human": f"<|Human|>: {question}<eoh>\n",
            "Inner Thoughts": "<|Inner Thoughts|>: None<eot>\n",
            "MOSS": f"<|MOSS|>: {answer}<sup><|1|></sup><eom>\n",
        }

    chat = {f"turn_{number}": turn(f"第{number}个问题？", "好的。") for number in (10, 2, 1)}
    write_jsonl(
        tmp_path / "003.jsonl",
        {"conversation_id": 1, "num_turns": 3, "chat": chat},
        {"conversation_id": 2, "category": "Others", "conversation": [{"human": "Hi!", "assistant": "Hello."}]},
        {"conversation_id": 3, "chat": {"turn_1": {"Human": "Hi"}}},
    )
    plain = "[Human]: Can you help?<eoh> [MOSS]: Of course.<eoa> [Human]: Thanks!<eoh> [MOSS]: You're welcome.<eoa>"
    write_jsonl(tmp_path / "en_helpfulness.jsonl", {"id": 0, "plain_text": plain, "num_turns": 2}, {"plain_text": "x"})
    source = Moss(path=tmp_path)
    assert exchanges(source) == [("Hi!", "Hello."), ("Can you help?", "Of course."), ("Thanks!", "You're welcome.")]
    assert reasons(source) == ["broken row", "broken row"]
    chinese = Moss(path=tmp_path, language="zh")
    assert exchanges(chinese) == [(f"第{number}个问题？", "好的。") for number in (1, 2, 10)]
    assert next(chinese.items()).language == "zh"
