"""Readers of recorded speech, each on a tiny folder in the corpus's true layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from corpus_files import pitch, read, write_lines, write_steps, write_tone

from soundflow_data.bank.readers._json import elements
from soundflow_data.bank.readers.aishell import Aishell
from soundflow_data.bank.readers.common_voice import CommonVoice
from soundflow_data.bank.readers.covost import Covost
from soundflow_data.bank.readers.gigaspeech import Gigaspeech
from soundflow_data.bank.readers.librispeech import Librispeech
from soundflow_data.bank.readers.voxpopuli import Voxpopuli
from soundflow_data.errors import BankError
from soundflow_data.timeline import SAMPLE_RATE, Word

# -- LibriSpeech -------------------------------------------------------------------------------------------------------


def librispeech(root: Path) -> Librispeech:
    chapter = root / "LibriSpeech" / "dev-clean" / "84" / "121123"
    for name in ("84-121123-0000", "84-121123-0001"):
        write_tone(chapter / f"{name}.flac", 2.0)
    write_tone(root / "LibriSpeech" / "dev-other" / "116" / "288045" / "116-288045-0000.flac", 1.0)
    write_lines(chapter / "84-121123.trans.txt", "84-121123-0000 GO ON SAID I", "84-121123-0001 I'M HERE")
    write_lines(chapter.parents[2] / "dev-other" / "116" / "288045" / "116-288045.trans.txt", "116-288045-0000 YES")
    return Librispeech(folder=root / "LibriSpeech")


def test_librispeech(tmp_path: Path) -> None:
    source = librispeech(tmp_path)
    write_lines(
        tmp_path / "LibriSpeech" / "dev-clean" / "84" / "121123" / "84-121123.alignment.txt",
        '84-121123-0000 ",GO,ON,,SAID,I," "0.1,0.4,0.7,0.8,1.2,1.5,2.0"',
    )
    bank = read(source, tmp_path)
    assert [(clip.id, clip.text, clip.group, clip.fold, clip.language, clip.licence) for clip in bank] == [
        ("84-121123-0000", "go on said I", "librispeech:84", "dev-clean", "en", "CC-BY-4.0"),
        ("84-121123-0001", "I'm here", "librispeech:84", "dev-clean", "en", "CC-BY-4.0"),
        ("116-288045-0000", "yes", "librispeech:116", "dev-other", "en", "CC-BY-4.0"),
    ]
    assert bank.clip(0).words[0] == Word(text="go", start=1_600, end=6_400)
    assert [word.text for word in bank.clip(0).words] == ["go", "on", "said", "I"]
    assert bank.clip(1).words == ()
    assert len(list(Librispeech(folder=source.folder, subsets=("dev-other",)).items())) == 1


def test_librispeech_with_broken_lines(tmp_path: Path) -> None:
    source = librispeech(tmp_path)
    chapter = tmp_path / "LibriSpeech" / "dev-clean" / "84" / "121123"
    with (chapter / "84-121123.trans.txt").open("ab") as file:
        file.write(b"84-121123-0002\n84-121123-0003 GONE\n84-121123-0004 CAF\xc9\n")
    write_lines(chapter / "84-121123.alignment.txt", '84-121123-0001 "IM,HERE" "1.0"', '84-121123-0000 "GO" "9.0"')
    bank = read(source, tmp_path)
    assert [clip.id for clip in bank] == ["116-288045-0000"]
    assert bank.info.drops == {"bad word times": 2, "missing": 1, "mixed encodings": 1, "no text": 1}
    with pytest.raises(BankError, match=r"holds no <subset>/<speaker>/<chapter>/\*\.trans\.txt of test-clean"):
        list(msgspec.structs.replace(source, subsets=("test-clean",)).items())


# -- AISHELL -----------------------------------------------------------------------------------------------------------


def test_aishell(tmp_path: Path) -> None:
    root = tmp_path / "data_aishell"
    for part, speaker, name in (("train", "S0002", "BAC009S0002W0122"), ("test", "S0764", "BAC009S0764W0121")):
        write_tone(root / "wav" / part / speaker / f"{name}.wav", 1.0)
    write_lines(
        root / "transcript" / "aishell_transcript_v0.8.txt",
        "BAC009S0002W0122 而 对 楼市 成交 抑制 作用",
        "BAC009S0002W0123 也 成为 地方 政府",
        "BAC009S0764W0121 甚至 出现 交易 几乎 停滞 的 情况",
        "BAC009S0764W0122",
    )
    bank = read(Aishell(folder=root), tmp_path)
    assert [(clip.text, clip.speaker, clip.fold, clip.language, clip.group) for clip in bank] == [
        ("而对楼市成交抑制作用", "aishell:S0002", "train", "zh", "aishell:S0002"),
        ("甚至出现交易几乎停滞的情况", "aishell:S0764", "test", "zh", "aishell:S0764"),
    ]
    assert bank.info.drops == {"missing": 1, "no text": 1}
    assert len([item for item in Aishell(folder=root, parts=("test",)).items() if item.text]) == 1
    with pytest.raises(BankError, match=r"holds 0 recordings .* and 0 tables"):
        list(Aishell(folder=tmp_path).items())


# -- Common Voice and CoVoST 2 -----------------------------------------------------------------------------------------

CV_HEADER = "client_id\tpath\tsentence\tup_votes\tdown_votes\tage\tgender\taccents\tlocale\tsegment"


def cv_row(speaker: str, path: str, sentence: str, locale: str = "en") -> str:
    return f"{speaker}\t{path}\t{sentence}\t2\t0\t\t\t\t{locale}\t"


def test_common_voice(tmp_path: Path) -> None:
    root = tmp_path / "cv" / "zh-CN"
    for name in ("common_voice_zh-CN_1.mp3", "common_voice_zh-CN_2.mp3"):
        write_tone(root / "clips" / name, 1.5, 48_000)
    rows = [
        cv_row("ab12", "common_voice_zh-CN_1.mp3", '他说"你好', "zh-CN"),
        cv_row("cd34", "common_voice_zh-CN_9", "没有", "zh-CN"),
    ]
    write_lines(root / "train.tsv", CV_HEADER, *rows)
    write_lines(root / "test.tsv", CV_HEADER, cv_row("ef56", "common_voice_zh-CN_2.mp3", "再见", ""))
    bank = read(CommonVoice(folder=root, tables=("train", "test")), tmp_path)
    assert [(clip.id, clip.text, clip.speaker, clip.fold, clip.language) for clip in bank] == [
        ("common_voice_zh-CN_1", '他说"你好', "common_voice:ab12", "train", "zh"),
        ("common_voice_zh-CN_2", "再见", "common_voice:ef56", "test", "zh"),
    ]
    assert bank.info.drops == {"missing": 1}
    with pytest.raises(BankError, match=r"has no table dev\.tsv; there are test, train"):
        list(CommonVoice(folder=root).items())


def test_common_voice_with_broken_rows(tmp_path: Path) -> None:
    write_tone(tmp_path / "en" / "clips" / "a.mp3", 1.0)
    table = write_lines(
        tmp_path / "en" / "train.tsv",
        CV_HEADER,
        cv_row("s", "a.mp3", "Hello."),
        cv_row("s", "b.mp3", "  "),
        cv_row("", "c.mp3", "No one."),
        "s\td.mp3",
    )
    table.write_bytes(table.read_bytes() + cv_row("s", "e.mp3", "Caf?").encode().replace(b"?", b"\xe9") + b"\n")
    bank = read(CommonVoice(folder=tmp_path / "en", tables=("train",)), tmp_path)
    assert [clip.text for clip in bank] == ["Hello."]
    assert bank.info.drops == {"bad row": 1, "broken row": 1, "mixed encodings": 1, "no text": 1}
    assert "train.tsv, row 4: has 2 columns instead of 10" in (bank.path / "quarantine.jsonl").read_text()
    write_lines(tmp_path / "en" / "train.tsv", "path\tsentence", "a.mp3\tHello.")
    with pytest.raises(BankError, match=r"lacks the columns client_id; it has path, sentence"):
        list(CommonVoice(folder=tmp_path / "en", tables=("train",)).items())


def test_covost(tmp_path: Path) -> None:
    for name in ("common_voice_en_1.mp3", "common_voice_en_2.mp3"):
        write_tone(tmp_path / "clips" / name, 1.0, 48_000)
    header = "path\tsentence\ttranslation\tclient_id"
    rows = ("common_voice_en_1.mp3\tGood day.\t你好。\tab12", "common_voice_en_2.mp3\tBye.\t\tab12")
    write_lines(tmp_path / "covost_v2.en_zh-CN.tsv", f"{header}\tsplit", *(f"{row}\ttrain" for row in rows))
    write_lines(tmp_path / "covost_v2.en_de.tsv", header, "common_voice_en_2.mp3\tBye.\tTschüss.\tab12")
    write_lines(tmp_path / "covost_v2.en_zh-CN.train.tsv", header, *rows)
    bank = read(Covost(folder=tmp_path), tmp_path)
    assert [(clip.id, clip.text, clip.reply, clip.language, clip.fold) for clip in bank] == [
        ("common_voice_en_2-de", "Bye.", "Tschüss.", "en", ""),
        ("common_voice_en_1-zh-CN", "Good day.", "你好。", "en", "train"),
    ]
    assert (bank.clip(1).origin, bank.clip(1).group) == ("common_voice:common_voice_en_1", "common_voice:ab12")
    assert bank.info.drops == {"no text": 1}
    assert {item.fold for item in Covost(folder=tmp_path, target="zh-CN").items() if item.text} == {"train"}
    with pytest.raises(BankError, match=r"no table covost_v2\.<source>_fr\.tsv; there are covost_v2\.en_de\.tsv"):
        list(Covost(folder=tmp_path, target="fr").items())


# -- VoxPopuli ---------------------------------------------------------------------------------------------------------


def test_voxpopuli(tmp_path: Path) -> None:
    root = tmp_path / "transcribed_data" / "en"
    name = "20180613-0900-PLENARY-13-en_20180613-16:36:42_{}"
    for number in (1, 2):
        write_tone(root / "2018" / f"{name.format(number)}.ogg", 1.0)
    header = "id\traw_text\tnormalized_text\tspeaker_id\tsplit\tgender"
    write_lines(
        root / "asr_train.tsv",
        header,
        f"{name.format(1)}\tMr President, 3 points.\tmr president three points\t1234\ttrain\tmale",
        f"{name.format(2)}\t\tthank you\tNone\ttrain\tfemale",
        f"{name.format(3)}\t\t\t1234\ttrain\tfemale",
        f"{name.format(4)}\tNot here.\tnot here\t1234\ttrain\tfemale",
    )
    bank = read(Voxpopuli(folder=root), tmp_path)
    assert [(clip.text, clip.speaker, clip.group, clip.fold, clip.language) for clip in bank] == [
        ("Mr President, 3 points.", "voxpopuli:1234", "voxpopuli:1234", "train", "en"),
        ("thank you", "", "voxpopuli:20180613-0900-PLENARY-13-en", "train", "en"),
    ]
    assert bank.info.drops == {"missing": 1, "no text": 1}
    with pytest.raises(BankError, match=r"holds no asr_<part>\.tsv of train, dev, test"):
        list(Voxpopuli(folder=tmp_path).items())


# -- GigaSpeech --------------------------------------------------------------------------------------------------------


def segment(number: int, begin: Any, end: Any, text: Any, *subsets: str) -> dict[str, Any]:
    return {
        "sid": f"POD1_S{number:07d}", "speaker": "N/A", "begin_time": begin, "end_time": end, "text_tn": text,
        "subsets": [f"{{{one}}}" for one in subsets or ("XL", "M")],
    }  # fmt: skip


def gigaspeech(root: Path, *segments: Any) -> Gigaspeech:
    write_steps(root / "audio" / "podcast" / "P0000" / "POD1.opus", [300, 600, 900, 1200])
    audio = {"aid": "POD1", "path": "audio/podcast/P0000/POD1.opus", "title": 'a "tricky\\" ]}, title'}
    audio |= {"speaker": "N/A", "duration": 4.0, "segments": list(segments)}
    content = {"dataset": "GigaSpeech", "language": "EN", "audios": [audio, {"aid": "POD2"}], "version": "v1.0.0"}
    (root / "GigaSpeech.json").write_text(json.dumps(content, indent=4))
    return Gigaspeech(folder=root, subset="M")


def test_gigaspeech_cuts_long_recordings(tmp_path: Path) -> None:
    source = gigaspeech(
        tmp_path,
        segment(1, 1.0, 2.0, "YES I WILL <COMMA> SHE SAID <PERIOD> WHY <QUESTIONMARK>"),
        segment(2, 2.0, 3.0, "<MUSIC>"),
        segment(3, 3.0, 3.5, "AND SO ON"),
        segment(4, 0.0, 1.0, "NOT IN M <PERIOD>", "XL"),
    )
    bank = read(source, tmp_path)
    assert [(clip.id, clip.text, clip.origin, clip.group) for clip in bank] == [
        ("POD1_S0000001", "Yes I will, she said. Why?", "gigaspeech:POD1", "gigaspeech:POD1"),
        ("POD1_S0000003", "and so on", "gigaspeech:POD1", "gigaspeech:POD1"),
    ]
    assert pitch(bank.pcm(0)) == pytest.approx(600, abs=5)
    assert pitch(bank.pcm(1)) == pytest.approx(1200, abs=5)
    assert bank.clip(1).num_samples == pytest.approx(SAMPLE_RATE / 2, abs=200)
    assert bank.info.drops == {"broken row": 1}  # the recording without segments


def test_gigaspeech_with_broken_segments(tmp_path: Path) -> None:
    source = gigaspeech(
        tmp_path,
        segment(1, 1.0, 2.0, "FINE"),
        segment(2, 2.0, 1.0, "BACKWARDS"),
        segment(3, 0.0, 1e9, "FOREVER"),
        segment(4, -1.0, 1.0, "BEFORE THE START"),
        segment(5, "soon", 1.0, "NO NUMBER"),
        segment(6, 9.0, 10.0, "AFTER THE END"),
        segment(7, 1.0, 2.0, " <COMMA> "[:0]),
        7,
    )
    bank = read(source, tmp_path)
    assert [clip.text for clip in bank] == ["fine"]
    assert bank.info.drops == {"absurd length": 1, "bad span": 3, "broken row": 3, "no text": 1}


def test_large_json_is_read_element_by_element(tmp_path: Path) -> None:
    values = [{"a": "]b"}, {"c": [{"d": '}\\"{'}, []]}, 7, [], {"e": None}, "f]"]
    (tmp_path / "a.json").write_text(json.dumps({"before": {"x": [1, 2]}, "all": values}))
    assert [json.loads(raw) for raw in elements("test", tmp_path / "a.json", "all")] == values
    (tmp_path / "b.json").write_text("\ufeff" + json.dumps(values, indent=2), encoding="utf-8")
    assert [json.loads(raw) for raw in elements("test", tmp_path / "b.json")] == values
    for content, message in (
        ('{"all": [1, 2', "ends in the middle"),
        ("", "is empty"),
        ("{}", "does not hold an array"),
    ):
        (tmp_path / "c.json").write_text(content)
        with pytest.raises(BankError, match=message):
            list(elements("test", tmp_path / "c.json", "all"))
    with pytest.raises(BankError, match="cannot be read"):
        list(elements("test", tmp_path / "none.json"))
