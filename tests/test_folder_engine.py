"""Recordings that are already there, found by speaker and text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from soundflow_data.audio.encode import encode
from soundflow_data.errors import EngineError, SpeechError
from soundflow_data.speech import EspeakEngine, Voice, load_voices
from soundflow_data.speech.engine import Request, Speech
from soundflow_data.speech.engines import make_engine
from soundflow_data.speech.folder_engine import FolderEngine

ADA = Voice(id="ada", engine="folder", language="en", model="ours", licence="ours")
TEXT = "The kettle is on."


@pytest.fixture
def spoken() -> Speech:
    return EspeakEngine().speak(TEXT, load_voices("en")[0])


@pytest.fixture
def folder(tmp_path: Path, spoken: Speech) -> Path:
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada/1.flac").write_bytes(encode(spoken.pcm, "flac"))
    (tmp_path / "ada/2.flac").write_bytes(encode(spoken.pcm // 2, "flac"))
    return tmp_path


def words_in_seconds(spoken: Speech) -> list[dict[str, Any]]:
    return [
        {"text": word.text.lower(), "start": word.start / 16_000, "end": word.end / 16_000} for word in spoken.words
    ]


def write(folder: Path, *rows: dict[str, Any]) -> Path:
    table = folder / "table.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return table


def engine_of(table: Path, **options: str) -> FolderEngine:
    made = make_engine("folder", {"table": str(table)} | options)
    assert isinstance(made, FolderEngine)
    return made


def refusal(engine: FolderEngine, text: str = TEXT, voice: Voice = ADA, attempt: int = 0) -> SpeechError:
    try:
        result = engine.speak_many([Request(text=text, voice=voice, attempt=attempt)])[0]
    except EngineError as error:
        return error
    assert isinstance(result, SpeechError)
    return result


def test_a_recording_is_found_by_speaker_and_spoken_form_with_its_words(folder: Path, spoken: Speech) -> None:
    row = {"path": "ada/1.flac", "text": TEXT, "speaker": "ada", "words": words_in_seconds(spoken)}
    money = {"path": "ada/2.flac", "text": "It costs $5.", "speaker": "ada"}
    engine = engine_of(write(folder, row, money))
    found = engine.speak(TEXT, ADA)
    assert np.array_equal(found.pcm, spoken.pcm)
    assert found.words == spoken.words
    assert len(engine.speak("It costs five dollars.", ADA).pcm) == len(spoken.pcm)
    assert not engine.speak("It costs five dollars.", ADA).words


def test_columns_may_have_other_names_in_a_csv(folder: Path) -> None:
    table = folder / "table.tsv"
    table.write_text(f"file\tsentence\tvoice\tlang\nada/1.flac\t{TEXT}\tada\ten-GB\n")
    names = "path=file,text=sentence,speaker=voice,language=lang"
    assert len(engine_of(table, columns=names).speak(TEXT, ADA).pcm)


def test_the_next_attempt_takes_the_next_recording(folder: Path) -> None:
    rows = [{"path": f"ada/{n}.flac", "text": TEXT, "speaker": "ada"} for n in (1, 2)]
    engine = engine_of(write(folder, *rows))
    levels = [
        int(np.abs(one.pcm).max())
        for one in engine.speak_many([Request(text=TEXT, voice=ADA, attempt=n) for n in (0, 1)])
        if isinstance(one, Speech)
    ]
    assert levels[0] > 1.9 * levels[1]
    assert "has 2 recordings of speaker 'ada' with 'The kettle is on.', and all were tried" in str(
        refusal(engine, attempt=2)
    )


def test_the_version_changes_with_the_table_and_the_files_but_not_with_their_place(
    folder: Path, spoken: Speech, tmp_path_factory: pytest.TempPathFactory
) -> None:
    row = {"path": "ada/1.flac", "text": TEXT, "speaker": "ada"}
    version = engine_of(write(folder, row)).version
    other = tmp_path_factory.mktemp("other") / "moved"
    folder.rename(other)
    assert engine_of(other / "table.jsonl").version == version
    (other / "ada/1.flac").write_bytes(encode(spoken.pcm[:8_000], "flac"))
    assert engine_of(other / "table.jsonl").version != version
    assert engine_of(write(other, row, row | {"text": "Yes."})).version != version


def test_a_text_that_nobody_recorded_is_named(folder: Path) -> None:
    engine = engine_of(write(folder, {"path": "ada/1.flac", "text": TEXT, "speaker": "ada"}, {"text": "Lost."}))
    error = refusal(engine, "The kettle was on.")
    assert "has no recording of speaker 'ada' with 'The kettle was on.'" in str(error)
    assert "1 rows are unusable: table.jsonl, row 2: there is no path" in str(error)
    assert error.reason == "not recorded"
    assert not isinstance(error, EngineError)


def test_a_speaker_that_the_table_lacks_is_an_error_of_the_voice(folder: Path) -> None:
    engine = engine_of(write(folder, {"path": "ada/1.flac", "text": TEXT, "speaker": "ada"}))
    error = refusal(engine, voice=msgspec.structs.replace(ADA, variant="zoe"))
    assert isinstance(error, EngineError)
    assert "has no speaker 'zoe'; it has 'ada'" in str(error)
    assert "belongs to engine 'http'" in str(refusal(engine, voice=msgspec.structs.replace(ADA, engine="http")))


def test_a_table_without_speakers_has_one(folder: Path) -> None:
    engine = engine_of(write(folder, {"path": str(folder / "ada/1.flac"), "text": TEXT}))
    assert len(engine.speak(TEXT, ADA).pcm)
    assert engine.version


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([{"text": "the", "start": 0.0, "end": 0.1}], "the table has times of 1 words, the text has 4"),
        ([(0.0, 0.2), (0.1, 0.3), (0.3, 0.4), (0.4, 0.5)], "word 'w1' lies at samples 1600 to 4800, not between 3200"),
        ([(0.0, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 99.0)], "word 'w3' lies at samples 6400 to 1584000"),
    ],
)
def test_word_times_that_cannot_be_are_refused(folder: Path, words: list[Any], message: str) -> None:
    times = [
        one if isinstance(one, dict) else {"text": f"w{i}", "start": one[0], "end": one[1]}
        for i, one in enumerate(words)
    ]
    error = refusal(engine_of(write(folder, {"path": "ada/1.flac", "text": TEXT, "speaker": "ada", "words": times})))
    assert message in str(error)
    assert error.reason == "bad word times"


def test_files_that_are_missing_broken_or_silent_are_errors_of_their_texts(folder: Path) -> None:
    (folder / "text.wav").write_text("This is no recording at all, however long it is.")
    (folder / "silent.flac").write_bytes(encode(np.zeros(16_000, np.int16), "flac"))
    texts = {"none.wav": "One.", "text.wav": "Two.", "silent.flac": "Three."}
    rows = [{"path": path, "text": text, "speaker": "ada"} for path, text in texts.items()]
    spoken = engine_of(write(folder, *rows)).speak_many([Request(text=text, voice=ADA) for text in texts.values()])
    assert [one.reason for one in spoken if isinstance(one, SpeechError)] == ["missing", "unreadable", "silent"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("", "has no utterances"),
        ('{"path": "a.wav"}\n', "needs a column 'path' and one of 'label' and 'text'"),
        ("{\n", "is not a JSON object"),
        ('{"path": "a.wav", "text": "Oui.", "language": "fr"}\n', "language 'fr'"),
    ],
)
def test_tables_that_are_of_no_use(tmp_path: Path, content: str | None, message: str) -> None:
    table = tmp_path / "table.jsonl"
    if content is not None:
        table.write_text(content)
    error = refusal(engine_of(table))
    assert isinstance(error, EngineError)
    assert message in str(error)


def test_bad_texts_and_options(folder: Path) -> None:
    engine = engine_of(write(folder, {"path": "ada/1.flac", "text": TEXT, "speaker": "ada"}))
    assert "the text is empty" in str(refusal(engine, ""))
    assert "no Latin letter" in str(refusal(engine, "?!"))
    with pytest.raises(EngineError, match="missing required field `table`; its options are: table, folder"):
        make_engine("folder")
