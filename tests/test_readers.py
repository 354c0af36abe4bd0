"""Readers: each lists what its layout holds, says what is wrong with it, and describes its own options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile as sf
import yaml

from soundflow_data.audio.procedural import KINDS
from soundflow_data.bank import Bank
from soundflow_data.bank.build import build_bank
from soundflow_data.bank.readers import load_reader, reader_names
from soundflow_data.bank.readers.builtin_sounds import BuiltinSounds
from soundflow_data.bank.readers.esc50 import Esc50
from soundflow_data.bank.readers.espeak import Espeak
from soundflow_data.bank.readers.fsdd import Fsdd
from soundflow_data.bank.readers.schema_guided import SchemaGuided
from soundflow_data.bank.readers.table import Table
from soundflow_data.bank.source import File, Option, SourceItem, Spoken
from soundflow_data.errors import BankError
from soundflow_data.ontology import load_ontology
from soundflow_data.resources import resource_path
from soundflow_data.speech.engine import utterance_id
from soundflow_data.speech.espeak import EspeakEngine
from soundflow_data.speech.spoken_form import spoken_form
from soundflow_data.speech.voices import load_voices
from soundflow_data.timeline import SAMPLE_RATE, Word


def write_tone(path: Path, seconds: float = 0.5, rate: int = SAMPLE_RATE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, 0.4 * np.sin(np.arange(round(seconds * rate)) * 0.2), rate)


# -- all readers -------------------------------------------------------------------------------------------------------


def test_every_file_is_found_and_described() -> None:
    assert {"builtin_sounds", "esc50", "espeak", "fsdd", "schema_guided", "table"} <= set(reader_names())
    for name in reader_names():
        reader = load_reader(name)
        assert reader.name() == name
        assert len(reader.help()) > 60
        for option in reader.options():
            assert option.help.endswith("."), f"{name}.{option.name}"


def test_the_manifest_tells_of_every_reader() -> None:
    sources = yaml.safe_load(resource_path("manifests/sources.yaml").read_text(encoding="utf-8"))["sources"]
    assert sorted(sources) == list(reader_names())
    for name, entry in sources.items():
        assert set(entry) == {"role", "licence", "home", "layout"}, name
        assert all(isinstance(value, str) and value for value in entry.values()), name


def test_options_come_from_the_fields() -> None:
    options = {option.name: option for option in Esc50.options()}
    assert options["folder"] == Option(
        name="folder", type=Path, help="The folder that holds meta/ and audio/.", required=True
    )
    assert (options["beds"].type, options["beds"].default) == (tuple[str, ...], ())
    assert {option.name: option.default for option in Table.options()}["columns"] == {}


def test_options_from_text() -> None:
    reader = BuiltinSounds.configure({"kinds": "dog_bark, rain", "clips": "3", "bed_s": "2.5"})
    assert reader == BuiltinSounds(kinds=("dog_bark", "rain"), clips=3, bed_s=2.5)
    table = Table.configure({"table": "x.csv", "columns": "path=filename,label=category", "kind": "noise"})
    assert table == Table(table=Path("x.csv"), columns={"path": "filename", "label": "category"}, kind="noise")
    assert Espeak.configure({"file": "x.txt", "text": "Wait, what?"}) == Espeak(file=Path("x.txt"), text="Wait, what?")
    assert Esc50.configure({"folder": "here", "beds": ["rain"]}).beds == ("rain",)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "missing required field `folder`"),
        ({"folder": "x", "colour": "red"}, r"unknown field `colour`.*its options are folder, speakers, licence"),
        ({"folder": 7}, r"7 is not a path - at `\$\.folder`"),
    ],
)
def test_wrong_options_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(BankError, match=message):
        Fsdd.configure(values)
    with pytest.raises(BankError, match=r"Expected `int` >= 0.*\$\.clips"):
        BuiltinSounds.configure({"clips": "-1"})


def test_an_unknown_reader_is_answered_with_the_closest() -> None:
    with pytest.raises(BankError, match=r"no reader 'esc5'; did you mean 'esc50'\? There are aishell"):
        load_reader("esc5")
    with pytest.raises(BankError, match="there is no such file"):
        load_reader("nowhere/mine.py")


CLAPS = '''
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from soundflow_data.bank.source import File, Reader, SourceItem


class Claps(Reader, frozen=True, kw_only=True):
    """A folder of claps."""

    folder: Annotated[Path, Meta(description="The folder.")]

    def items(self) -> Iterator[SourceItem]:
        for file in sorted(self.folder.glob("*.wav")):
            yield SourceItem(id=file.stem, audio=File(path=file), kind="sound", label="clap", path=file.name)
'''


def test_a_reader_is_one_file(tmp_path: Path) -> None:
    write_tone(tmp_path / "audio" / "one.wav")
    (tmp_path / "claps.py").write_text(CLAPS)
    reader = load_reader(str(tmp_path / "claps.py"))
    source = reader.configure({"folder": str(tmp_path / "audio")})
    assert source.describe() == {"reader": "claps", "folder": "audio"}
    summary = build_bank(source, tmp_path / "bank", workers=2)
    assert [clip.id for clip in Bank.open(summary.path)] == ["one"]
    (tmp_path / "two.py").write_text(CLAPS + CLAPS.replace("Claps", "More").partition("\n\n\n")[2])
    with pytest.raises(BankError, match="defines 2 subclasses of Reader"):
        load_reader(str(tmp_path / "two.py"))


def test_identity_changes_with_the_item_and_its_file(tmp_path: Path) -> None:
    write_tone(tmp_path / "a.wav")
    item = SourceItem(id="a", audio=File(path=tmp_path / "a.wav"), kind="sound", path="a.wav")
    marks = {item.identity(), msgspec.structs.replace(item, label="x").identity()}
    marks.add(msgspec.structs.replace(item, audio=File(path=tmp_path / "a.wav", end_s=0.2)).identity())
    marks.add(msgspec.structs.replace(item, audio=Spoken(voice="en-ada")).identity())
    write_tone(tmp_path / "a.wav", 0.6)
    marks.add(item.identity())
    (tmp_path / "a.wav").unlink()
    marks.add(item.identity())
    assert len(marks) == 6


# -- builtin -----------------------------------------------------------------------------------------------------------


def test_builtin_sounds_and_their_beds(tmp_path: Path) -> None:
    source = BuiltinSounds(kinds=("dog_bark", "rain", "gas_leak", "white_noise"), clips=2, beds=1, bed_s=3)
    items = list(source.items())
    assert [(item.id, item.kind) for item in items] == [
        ("dog_bark-0", "sound"), ("dog_bark-1", "sound"),
        ("rain-0", "sound"), ("rain-1", "sound"), ("rain-0-bed", "noise"),
        ("gas_leak-0", "sound"), ("gas_leak-1", "sound"),  # steady, but nobody should get used to it
        ("white_noise-0-bed", "noise"),
    ]  # fmt: skip
    assert items[0].origin == "builtin:dog_bark:0"
    assert items[2].origin == items[4].origin
    bank = Bank.open(build_bank(source, tmp_path / "bank").path)
    bark, bed = bank.clip(0), bank.clip(bank.find("rain-0-bed"))
    assert (bark.occurrences, bark.licence, bark.label) == (1, "CC0-1.0", "dog_bark")
    assert bed.num_samples == pytest.approx(3 * SAMPLE_RATE, abs=SAMPLE_RATE)
    assert bank.info.source["clips"] == 2


def test_every_builtin_kind_is_listed_under_a_known_label() -> None:
    items = list(BuiltinSounds(clips=1, beds=1).items())
    assert {item.audio.sound for item in items} == set(KINDS)  # type: ignore[union-attr]
    assert {item.label for item in items} <= set(load_ontology().sounds)
    assert len({item.label for item in items if item.kind == "noise"}) > 20
    with pytest.raises(BankError, match=r"no kind 'dog_barks'; did you mean dog_bark"):
        list(BuiltinSounds(kinds=("dog_barks",)).items())


# -- espeak ------------------------------------------------------------------------------------------------------------


def test_espeak_utterances_are_found_by_their_address(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("It costs $5.\n\nGood morning.\nIt costs $5.\n")
    source = Espeak(file=tmp_path / "texts.txt", text="And, at last, good night.", voices=("en-ada", "en-ben"))
    bank = Bank.open(build_bank(source, tmp_path / "bank").path)
    assert len(bank) == 6
    ben = next(voice for voice in load_voices() if voice.id == "en-ben")
    address = utterance_id(spoken_form("It costs $5.", "en"), ben, EspeakEngine().version)
    clip = bank.clip(bank.find(address))
    speech = EspeakEngine().speak(spoken_form("It costs $5.", "en"), ben)
    assert (clip.text, clip.speaker, clip.group, clip.language) == ("It costs $5.", "en-ben", "en-ben", "en")
    assert clip.words == speech.words
    assert clip.licence == ben.licence
    np.testing.assert_array_equal(bank.pcm(clip.row), speech.pcm)


def test_espeak_voices_take_turns() -> None:
    source = Espeak(text="a\nb\nc", voices=("en-ada", "en-ben", "en-clara"), voices_per_text=2)
    assert [(item.text, item.speaker[3:]) for item in source.items()] == [
        ("a", "ada"), ("a", "ben"), ("b", "clara"), ("b", "ada"), ("c", "ben"), ("c", "clara"),
    ]  # fmt: skip


def test_espeak_needs_texts_and_voices_that_exist(tmp_path: Path) -> None:
    with pytest.raises(BankError, match="no texts; give `file` or `text`"):
        list(Espeak().items())
    with pytest.raises(BankError, match="cannot be read as UTF-8"):
        list(Espeak(file=tmp_path / "none.txt").items())
    with pytest.raises(BankError, match=r"no espeak voice en-ada for language 'zh'; there are zh-"):
        list(Espeak(text="你好", language="zh", voices=("en-ada",)).items())


# -- esc50 -------------------------------------------------------------------------------------------------------------


def write_esc(folder: Path, header: str, *rows: str) -> Esc50:
    (folder / "meta").mkdir(parents=True)
    (folder / "meta" / "esc50.csv").write_text("\n".join([header, *rows]) + "\n")
    for row in rows:
        write_tone(folder / "audio" / row.partition(",")[0], 1.5, 44_100)
    return Esc50(folder=folder)


ESC_HEADER = "filename,fold,target,category,esc10,src_file,take,license"
ESC_ROWS = (
    "1-100032-A-0.wav,1,0,dog,True,100032,A,CC0",
    "1-100032-B-0.wav,1,0,dog,True,100032,B,",
    "2-7-A-10.wav,2,10,rain,True,7,A,CC-BY",
)


def test_esc50_rows(tmp_path: Path) -> None:
    source = msgspec.structs.replace(write_esc(tmp_path / "esc", ESC_HEADER, *ESC_ROWS), beds=("rain",))
    bank = Bank.open(build_bank(source, tmp_path / "bank").path)
    assert [(clip.id, clip.kind, clip.label, clip.origin, clip.fold, clip.licence) for clip in bank] == [
        ("1-100032-A-0", "sound", "dog_bark", "freesound:100032", "1", "CC0"),
        ("1-100032-B-0", "sound", "dog_bark", "freesound:100032", "1", "CC-BY-NC-3.0"),
        ("2-7-A-10", "sound", "rain", "freesound:7", "2", "CC-BY"),
        ("2-7-A-10-bed", "noise", "rain", "freesound:7", "2", "CC-BY"),
    ]
    assert bank.clip(0).path == "audio/1-100032-A-0.wav"
    assert bank.clip(3).num_samples > SAMPLE_RATE


def test_esc50_chooses_categories_and_reports_missing_files(tmp_path: Path) -> None:
    source = write_esc(tmp_path / "esc", ESC_HEADER, *ESC_ROWS)
    assert len(list(msgspec.structs.replace(source, categories=("rain",)).items())) == 1
    (tmp_path / "esc" / "audio" / "2-7-A-10.wav").unlink()
    assert build_bank(source, tmp_path / "bank").info.drops == {"missing": 1}
    with pytest.raises(BankError, match="no category cat; there are dog, rain"):
        list(msgspec.structs.replace(source, categories=("cat",)).items())


def test_esc50_layout_errors(tmp_path: Path) -> None:
    with pytest.raises(BankError, match="holds no CSV table"):
        list(Esc50(folder=tmp_path).items())
    source = write_esc(tmp_path / "esc", "filename,fold", "1-1-A-0.wav,1")
    with pytest.raises(BankError, match=r"esc50\.csv lacks the columns category"):
        list(source.items())


# -- fsdd --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inner", ["", "recordings"])
def test_fsdd_names(tmp_path: Path, inner: str) -> None:
    for name in ("7_ann_0.wav", "0_bob_12.wav", "notes.wav"):
        write_tone(tmp_path / "fsdd" / inner / name, rate=8_000)
    source = Fsdd(folder=tmp_path / "fsdd")
    bank = Bank.open(build_bank(source, tmp_path / "bank").path)
    assert [(clip.text, clip.speaker, clip.group, clip.language) for clip in bank] == [
        ("zero", "fsdd:bob", "fsdd:bob", "en"),
        ("seven", "fsdd:ann", "fsdd:ann", "en"),
    ]
    assert bank.clip(0).words == (Word(text="zero", start=0, end=bank.clip(0).num_samples),)
    assert bank.info.drops == {"bad name": 1}
    assert [item.id for item in msgspec.structs.replace(source, speakers=("ann",)).items()] == ["7_ann_0", "notes"]
    with pytest.raises(BankError, match="holds no WAV file"):
        list(Fsdd(folder=tmp_path).items())


# -- schema guided -----------------------------------------------------------------------------------------------------


def dialogue(name: str, *turns: tuple[str, str]) -> dict[str, Any]:
    return {
        "dialogue_id": name,
        "services": ["Music_1"],
        "turns": [{"speaker": speaker, "utterance": text, "frames": []} for speaker, text in turns],
    }


def test_dialogues_are_spoken_by_one_voice_and_keep_the_replies(tmp_path: Path) -> None:
    first = dialogue("1_00", ("USER", "Play jazz."), ("SYSTEM", "Which one?"), ("USER", "The first."))
    second = dialogue("1_01", ("USER", "Hi!"), ("USER", "Are you there?"), ("SYSTEM", "Yes."))
    (tmp_path / "dialogues_001.json").write_text(json.dumps([first]))
    (tmp_path / "dialogues_002.json").write_text(json.dumps([second]))
    (tmp_path / "schema.json").write_text("[]")
    bank = Bank.open(build_bank(SchemaGuided(path=tmp_path), tmp_path / "bank").path)
    assert [(clip.id, clip.text, clip.reply, clip.turn, clip.group) for clip in bank] == [
        ("1_00-00", "Play jazz.", "Which one?", 0, "sgd:1_00"),
        ("1_00-02", "The first.", "", 2, "sgd:1_00"),
        ("1_01-00", "Hi!", "", 0, "sgd:1_01"),
        ("1_01-01", "Are you there?", "Yes.", 1, "sgd:1_01"),
    ]
    assert bank.clip(0).speaker == bank.clip(1).speaker
    assert bank.clip(0).path == "dialogues_001.json"
    assert [rows.tolist() for rows in bank.dialogues()] == [[0, 1], [2, 3]]
    assert len(list(SchemaGuided(path=tmp_path, max_dialogues=1).items())) == 2


def test_dialogue_files_that_are_not(tmp_path: Path) -> None:
    with pytest.raises(BankError, match=r"holds no dialogues_\*\.json"):
        list(SchemaGuided(path=tmp_path).items())
    with pytest.raises(BankError, match="cannot be read"):
        list(SchemaGuided(path=tmp_path / "none.json").items())
    (tmp_path / "dialogues_1.json").write_text(json.dumps([dialogue("a", ("ROBOT", "Beep."))]))
    with pytest.raises(BankError, match=r"does not hold dialogues: Invalid enum value 'ROBOT'.*turns"):
        list(SchemaGuided(path=tmp_path).items())


# -- table -------------------------------------------------------------------------------------------------------------

ROWS: list[dict[str, Any]] = [
    {"path": "a.wav", "label": "dog", "licence": "CC0", "group": "g", "colour": "red"},
    {"path": "b.wav", "label": "", "text": "good day", "kind": "speech", "language": "en", "start": 0.5, "end": 1.5},
    {"path": "b.wav", "label": "rain", "kind": "noise", "start": 0, "end": 1.2},
]


def write_table(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(name for row in rows for name in row))
    if path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        mark = "\t" if path.suffix == ".tsv" else ","
        lines = [mark.join(names)] + [mark.join(str(row.get(name, "")) for name in names) for row in rows]
        path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_tables_of_every_kind(tmp_path: Path, ending: str) -> None:
    write_tone(tmp_path / "a.wav", 1.0)
    write_tone(tmp_path / "b.wav", 2.0)
    table = write_table(tmp_path / f"mine.{ending}", [{**dict.fromkeys(ROWS[1]), **row} for row in ROWS])
    if ending in {"csv", "tsv"}:
        table.write_text(table.read_text().replace("None", ""))
    bank = Bank.open(build_bank(Table(table=table, licence="mine"), tmp_path / "bank").path)
    assert [(clip.id, clip.kind, clip.label, clip.text, clip.licence, clip.group) for clip in bank] == [
        ("a.wav", "sound", "dog_bark", "", "CC0", "g"),
        ("b.wav@0.5-1.5", "speech", "", "good day", "mine", "mine:b.wav"),
        ("b.wav@0-1.2", "noise", "rain", "", "mine", "mine:b.wav"),
    ]
    assert [clip.corpus for clip in bank] == ["mine"] * 3
    assert bank.clip(1).num_samples == SAMPLE_RATE
    assert bank.clip(2).num_samples == round(1.2 * SAMPLE_RATE)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_word_times_of_a_table(tmp_path: Path, ending: str) -> None:
    write_tone(tmp_path / "a.wav", 1.0)
    words = [{"text": "good", "start": 0.1, "end": 0.4}, {"text": "day", "start": 0.4, "end": 0.9}]
    row = {"path": "a.wav", "text": "good day", "kind": "speech", "words": words}
    if ending == "csv":
        (tmp_path / "t.csv").write_text(
            f'path,text,kind,words\na.wav,good day,speech,"{json.dumps(words).replace(chr(34), chr(34) * 2)}"\n'
        )
    else:
        write_table(tmp_path / f"t.{ending}", [row])
    item = next(Table(table=tmp_path / f"t.{ending}").items())
    assert item.words == (Word(text="good", start=1600, end=6400), Word(text="day", start=6400, end=14400))


def test_bad_rows_are_quarantined(tmp_path: Path) -> None:
    write_tone(tmp_path / "audio" / "a.wav", 1.0)
    rows: list[dict[str, Any]] = [
        {"path": "a.wav", "label": "dog", "start": "soon"},
        {"path": "a.wav", "label": "dog", "start": "0.9", "end": "0.2"},
        {"path": "a.wav", "label": "dog", "start": "-1"},
        {"path": "a.wav", "label": "dog", "end": "nan"},
        {"path": "a.wav", "label": "dog", "kind": "smell"},
        {"path": "a.wav", "label": "dog", "turn": "x"},
        {"path": "a.wav", "label": "dog", "words": "hello"},
        {"path": "", "label": "dog"},
        {"path": "gone.wav", "label": "dog"},
        {"path": "a.wav", "label": "dog", "start": "5", "end": "6"},
        {"path": "a.wav", "label": "dog", "end": "0.5"},
        {"path": "a.wav", "label": "dog", "end": "0.5"},
    ]
    table = write_table(tmp_path / "t.csv", rows)
    summary = build_bank(Table(table=table, folder=tmp_path / "audio"), tmp_path / "bank")
    assert summary.info.drops == {"bad row": 8, "bad span": 1, "duplicate id": 1, "missing": 1}
    lines = (tmp_path / "bank" / "quarantine.jsonl").read_text()
    for part in ("row 1: start is 'soon'", "row 2: the span ends at 0.2 s, before", "start is -1.0", "kind is 'smell'"):
        assert part in lines


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.csv", [{"file": "a.wav", "category": "dog"}])
    with pytest.raises(BankError, match=r"needs a column 'path' and one of 'label' and 'text'; it has file, category"):
        list(Table(table=table).items())
    item = next(Table(table=table, columns={"path": "file", "label": "category"}).items())
    assert (item.path, item.label) == ("a.wav", "dog")
    with pytest.raises(BankError, match=r"columns has colour; allowed are path"):
        list(Table(table=table, columns={"colour": "x"}).items())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.xls", "x", r"must end in one of \.csv, \.tsv, \.jsonl, \.parquet"),
        ("t.csv", "path,licence\na.wav,x\n", "needs a column 'path' and one of 'label' and 'text'"),
        ("t.csv", "", "needs a column 'path'"),
        ("t.jsonl", '{"path": "a", "label": "b"}\n[1]\n', "line 2 is not a JSON object"),
        ("t.parquet", "not parquet at all", r"(cannot be read|not a proper)"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(BankError, match=message):
        list(Table(table=tmp_path / name).items())


def test_a_missing_table_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    with pytest.raises(BankError, match=r"t\.csv cannot be read"):
        list(Table(table=tmp_path / "t.csv").items())
    (tmp_path / "t.csv").write_bytes(b"path,label\n\xff\xfe,x\n")
    with pytest.raises(BankError, match=r"not a proper \.csv file"):
        list(Table(table=tmp_path / "t.csv").items())
