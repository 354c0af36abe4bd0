"""Readers of files that hold many recordings (tar, Parquet, Arrow) and of Kaldi's tables."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile as sf
from corpus_files import pitch, read, write_lines, write_steps, write_tone

from soundflow_data.bank.prepare import Preparation, prepare_item
from soundflow_data.bank.readers.kaldi import Kaldi
from soundflow_data.bank.readers.parquet import Parquet
from soundflow_data.bank.readers.saved_dataset import SavedDataset
from soundflow_data.bank.readers.webdataset import Webdataset
from soundflow_data.bank.source import Encoded, File, SourceItem, Unusable
from soundflow_data.errors import BankError
from soundflow_data.timeline import SAMPLE_RATE, Word


def encoded(hz: float = 500.0, seconds: float = 1.0, form: str = "FLAC") -> bytes:
    """Returns the bytes of a tone at 16 kHz."""
    buffer = io.BytesIO()
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sf.write(buffer, 0.4 * np.sin(2 * np.pi * hz * time), SAMPLE_RATE, format=form)
    return buffer.getvalue()


# -- WebDataset --------------------------------------------------------------------------------------------------------


def write_tar(path: Path, files: dict[str, bytes | str | dict[str, Any]], mode: str = "w") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            data = json.dumps(content).encode() if isinstance(content, dict) else content
            data = data.encode() if isinstance(data, str) else data
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


SAMPLES: dict[str, bytes | str | dict[str, Any]] = {
    "a/0001.flac": encoded(600),
    "a/0001.json": {"sentence": "Good day.", "client_id": 7, "license": "CC BY 4.0", "lang": "en-US", "up_votes": 2},
    "a/0002.json": {"label": "dog", "emotion": None},
    "a/0002.wav": encoded(900, form="WAV"),
    "a/0002.jpg": b"a picture",
    "0003.mp3": encoded(700, form="MP3"),
    "0003.txt": "Hello.",
    "0003.cls": "3",
}


@pytest.mark.parametrize(("name", "mode"), [("train-000.tar", "w"), ("train-000.tar.gz", "w:gz")])
def test_webdataset(tmp_path: Path, name: str, mode: str) -> None:
    write_tar(tmp_path / "shards" / name, SAMPLES, mode)
    bank = read(Webdataset(path=tmp_path / "shards", corpus="mine", language="zh"), tmp_path)
    assert [(clip.id, clip.kind, clip.text, clip.label, clip.group, clip.language, clip.licence) for clip in bank] == [
        ("a/0001", "speech", "Good day.", "", "mine:7", "en", "CC-BY-4.0"),
        ("a/0002", "sound", "", "dog_bark", "mine:a/0002", "zh", "unknown"),
        ("0003", "speech", "Hello.", "3", "mine:0003", "zh", "unknown"),
    ]
    assert [round(pitch(bank.pcm(row)), -1) for row in (0, 2)] == [600, 700]
    assert bank.clip(0).path == f"{name}/a/0001.flac"
    assert bank.info.drops == {}


def test_what_the_library_webdataset_wrote(tmp_path: Path) -> None:
    wds = pytest.importorskip("webdataset")
    (tmp_path / "wds").mkdir()
    with wds.ShardWriter(f"{tmp_path}/wds/speech-%06d.tar", maxcount=2, verbose=0) as writer:
        for number in range(3):
            writer.write({"__key__": f"s{number}", "flac": encoded(600), "json": {"text": f"number {number}"}})
    bank = read(Webdataset(path=tmp_path / "wds", language="en"), tmp_path)
    assert [(clip.id, clip.text, clip.path) for clip in bank] == [
        ("s0", "number 0", "speech-000000.tar/s0.flac"),
        ("s1", "number 1", "speech-000000.tar/s1.flac"),
        ("s2", "number 2", "speech-000001.tar/s2.flac"),
    ]
    assert bank.info.drops == {}


def test_webdataset_names_what_is_broken_and_uses_the_rest(tmp_path: Path) -> None:
    bad: dict[str, bytes | str | dict[str, Any]] = {
        "1.flac": encoded(), "1.json": b'{"text": "Good', "2.json": {"text": "No recording."}, "3.flac": encoded(),
        "4.flac": b"fLaC, but not for long", "4.txt": "Broken.", "5.flac": encoded(), "5.txt": b"Caf\xe9",
        "6.flac": encoded(), "6.json": {"text": "x", "turn": "soon"}, "7.flac": encoded(), "7.txt": "Fine.",
    }  # fmt: skip
    write_tar(tmp_path / "bad.tar", bad)
    bank = read(Webdataset(path=tmp_path / "bad.tar"), tmp_path)
    assert [clip.id for clip in bank] == ["7"]
    reasons = {"bad row": 1, "broken row": 1, "missing": 1, "mixed encodings": 1, "no text": 1, "unreadable": 1}
    assert bank.info.drops == reasons
    with pytest.raises(BankError, match=r"is no file, and no folder of \*\.tar"):
        list(Webdataset(path=tmp_path / "none").items())
    with pytest.raises(BankError, match="columns has colour; allowed are caption"):
        list(Webdataset(path=tmp_path / "bad.tar", columns={"colour": "x"}).items())


@pytest.mark.parametrize("name", ["cut.tar", "cut.tar.gz"])
def test_a_tar_that_ends_too_early_is_used_as_far_as_it_goes(tmp_path: Path, name: str) -> None:
    file = write_tar(tmp_path / name, SAMPLES, "w:gz" if name.endswith("gz") else "w")
    file.write_bytes(file.read_bytes()[: int(0.7 * file.stat().st_size)])
    items = list(Webdataset(path=file).items())
    assert items[0].id == "a/0001"
    assert [item.audio.reason for item in items if isinstance(item.audio, Unusable)].count("broken tar") >= 1
    assert len([item for item in items if not isinstance(item.audio, Unusable)]) < 3


# -- Parquet and saved data sets ---------------------------------------------------------------------------------------

FEATURES = {
    "audio": {"_type": "Audio", "sampling_rate": 16_000},
    "sentence": {"dtype": "string", "_type": "Value"},
    "class": {"names": ["dog", "rain"], "_type": "ClassLabel"},
    "words": {"feature": {}, "_type": "Sequence"},
}


def rows(folder: Path) -> list[dict[str, Any]]:
    write_tone(folder / "outside.wav", 1.0, hz=800)
    words = [{"text": "good", "start": 0.1, "end": 0.4}, {"text": "day", "start": 0.4, "end": 0.9}]
    return [
        {"audio": {"bytes": encoded(600), "path": "x.flac"}, "sentence": "good day", "class": None, "words": words},
        {"audio": {"bytes": None, "path": "outside.wav"}, "sentence": None, "class": 0, "words": None},
        {"audio": {"bytes": encoded(700), "path": None}, "sentence": "", "class": 1, "words": None},
        {"audio": {"bytes": None, "path": None}, "sentence": "no recording", "class": None, "words": None},
        {"audio": {"bytes": encoded(), "path": "y.flac"}, "sentence": None, "class": None, "words": None},
        {"audio": {"bytes": encoded(), "path": "y.flac"}, "sentence": None, "class": 7, "words": None},
        {"audio": {"bytes": encoded()[:40], "path": "z.flac"}, "sentence": "cut off", "class": None, "words": None},
        {"audio": None, "sentence": "nothing at all", "class": None, "words": None},
    ]


EXPECTED = [("speech", "good day", ""), ("sound", "", "dog_bark"), ("sound", "", "rain")]
DROPS = {"missing": 2, "no text": 1, "unknown label": 1, "unreadable": 1}


def test_parquet(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(rows(tmp_path / "data"))
    info = json.dumps({"info": {"features": FEATURES}}).encode()
    pq.write_table(
        table.replace_schema_metadata({b"huggingface": info}), tmp_path / "data" / "train-00000-of-00001.parquet"
    )
    bank = read(Parquet(path=tmp_path / "data", licence="CC0-1.0"), tmp_path)
    assert [(clip.kind, clip.text, clip.label) for clip in bank] == EXPECTED
    assert [(clip.id, clip.path, clip.fold, clip.licence) for clip in bank][:2] == [
        ("train-00000-of-00001-1", "x.flac", "train", "CC0-1.0"),
        ("train-00000-of-00001-2", "outside.wav", "train", "CC0-1.0"),
    ]
    assert bank.clip(0).words[1] == Word(text="day", start=6_400, end=14_400)
    assert [round(pitch(bank.pcm(row)), -1) for row in (0, 1, 2)] == [600, 800, 700]
    assert bank.info.drops == DROPS


def test_parquet_with_plain_bytes_and_other_names(tmp_path: Path) -> None:
    table = pa.table({"sound": [encoded(600)], "what": ["Good day."], "who": ["ann"], "id": ["one"]})
    pq.write_table(table, tmp_path / "a.parquet")
    source = Parquet(
        path=tmp_path / "a.parquet", audio="sound", columns={"text": "what", "speaker": "who"}, language="en"
    )
    item = next(source.items())
    assert (item.id, item.text, item.speaker, item.group, item.language) == ("one", "Good day.", "a:ann", "a:ann", "en")
    with pytest.raises(
        BankError, match=r"no column of recordings, of type \{bytes, path\} or binary; it has sound, what"
    ):
        list(Parquet(path=tmp_path / "a.parquet").items())
    with pytest.raises(BankError, match="no column 'noise' of recordings; it has sound"):
        list(Parquet(path=tmp_path / "a.parquet", audio="noise").items())
    (tmp_path / "a.parquet").write_text("PAR1 it is not")
    with pytest.raises(BankError, match="is not a proper Parquet file"):
        list(Parquet(path=tmp_path / "a.parquet").items())


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"words": [{"word": "GO", "start": 0.1, "end": 0.4}, {"word": "", "start": 0.4, "end": 0.6}]}, ["go"]),
        ({"words": ["GO", "ON"], "word_start": [0.1, 0.4], "word_end": [0.4, 0.9]}, ["go", "on"]),
        ({"words": ["GO", "ON"]}, []),
        ({"words": ["GO", "ON"], "word_start": [0.1], "word_end": [0.4]}, "bad word times"),
        ({"words": [{"word": "GO", "start": "soon", "end": 0.4}]}, "bad row"),
    ],
)
def test_word_times_in_the_forms_that_corpora_use(tmp_path: Path, columns: dict[str, Any], expected: Any) -> None:
    row = {"audio": {"bytes": encoded(), "path": "x.flac"}, "text": "GO ON", "locale": "zh-HK", **columns}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "a.parquet")
    (item,) = Parquet(path=tmp_path / "a.parquet").items()
    if isinstance(item.audio, Unusable):
        assert item.audio.reason == expected
    else:
        assert [word.text for word in item.words] == expected
        assert (item.text, item.language) == ("go on", "yue")
        assert all(word.start == 1_600 for word in item.words[:1])


def save_to_disk(folder: Path, content: list[dict[str, Any]], **state: Any) -> Path:
    """Writes what `Dataset.save_to_disk` writes."""
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(content)
    names = [f"data-{number:05d}-of-00002.arrow" for number in (0, 1)]
    for name, part in zip(names, (table.slice(0, 3), table.slice(3)), strict=True):
        with pa.ipc.new_stream(str(folder / name), table.schema) as stream:
            stream.write_table(part)
    (folder / "dataset_info.json").write_text(json.dumps({"features": FEATURES, "license": ""}))
    known = {"_data_files": [{"filename": name} for name in names], "_fingerprint": "61b2", "_split": "train"}
    (folder / "state.json").write_text(json.dumps(known | state))
    return folder


def test_recordings_are_listed_as_they_lie_and_decoded_by_the_workers(tmp_path: Path) -> None:
    """A reader that decoded would do so in one process, and twice: items are listed to be compared, then to be read."""
    content = rows(tmp_path / "saved")
    save_to_disk(tmp_path / "saved", content)
    pq.write_table(pa.Table.from_pylist(content), tmp_path / "rows.parquet")
    write_tar(tmp_path / "shard.tar", {"1.flac": content[0]["audio"]["bytes"], "1.txt": "good day"})
    cut_off = content[6]["audio"]["bytes"]
    for source, number in (
        (SavedDataset(path=tmp_path / "saved"), 3),
        (Parquet(path=tmp_path / "rows.parquet"), 4),  # nothing says how many classes there are
        (Webdataset(path=tmp_path / "shard.tar"), 1),
    ):
        data = [item.audio.data for item in source.items() if isinstance(item.audio, Encoded)]
        assert len(data) == number
        assert data[0] == content[0]["audio"]["bytes"]
        assert (cut_off in data) == (number > 1), "also one that nobody can decode: the reader does not look"


def test_a_packed_recording_is_that_of_its_file(tmp_path: Path) -> None:
    """The same clip comes of it, cut where it is too long, and with the same digest."""
    data = encoded(600, seconds=3.0)
    (tmp_path / "a.flac").write_bytes(data)
    for limit, cut in ((30.0, False), (1.0, True)):
        made = [
            prepare_item(
                SourceItem(id="a", audio=audio, kind="sound", label="beep", path="a.flac"),
                Preparation(max_clip_s=limit),
            )
            for audio in (Encoded(data=data), File(path=tmp_path / "a.flac"))
        ]
        packed, plain = made
        assert packed.cut == plain.cut == cut
        assert [one.clip for one in packed.clips] == [one.clip for one in plain.clips]
        assert all(np.array_equal(one.pcm, other.pcm) for one, other in zip(packed.clips, plain.clips, strict=True))


def test_the_bytes_decide_what_a_packed_recording_is() -> None:
    items = [SourceItem(id="a", audio=Encoded(data=encoded(hz)), kind="sound", label="beep") for hz in (500, 500, 501)]
    assert items[0].identity() == items[1].identity() != items[2].identity()


def test_packed_recordings_travel_to_workers(tmp_path: Path) -> None:
    write_tar(tmp_path / "shard.tar", SAMPLES | {"99.flac": b"fLaC, but not for long", "99.txt": "Broken."})
    items = list(Webdataset(path=tmp_path / "shard.tar").items())
    there = pickle.loads(pickle.dumps(items))
    outcomes = [prepare_item(item, Preparation()) for item in items]
    assert [one.dropped.reason if one.dropped else "" for one in outcomes] == ["", "", "", "unreadable"]
    for item, outcome in zip(there, outcomes, strict=True):
        again = prepare_item(item, Preparation())
        assert again.dropped == outcome.dropped
        assert [one.clip for one in again.clips] == [one.clip for one in outcome.clips]


def test_a_saved_dataset(tmp_path: Path) -> None:
    save_to_disk(tmp_path / "saved", rows(tmp_path / "saved"))
    bank = read(SavedDataset(path=tmp_path / "saved"), tmp_path)
    assert [(clip.kind, clip.text, clip.label) for clip in bank] == EXPECTED
    assert bank.clip(0).id == "data-00000-of-00002-1"
    assert bank.info.drops == DROPS


def test_a_saved_dataset_with_splits(tmp_path: Path) -> None:
    for split in ("train", "test"):
        save_to_disk(tmp_path / "saved" / split, rows(tmp_path / "saved" / split))
    (tmp_path / "saved" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    items = [item for item in SavedDataset(path=tmp_path / "saved").items() if not isinstance(item.audio, Unusable)]
    assert [item.fold for item in items] == ["train"] * 4 + ["test"] * 4
    assert len({item.id for item in items}) == 8


def test_what_is_no_saved_dataset(tmp_path: Path) -> None:
    with pytest.raises(BankError, match=r"is no folder that `save_to_disk` wrote: state\.json cannot be read"):
        list(SavedDataset(path=tmp_path).items())
    save_to_disk(tmp_path, rows(tmp_path), _indices_data_files=[{"filename": "indices.arrow"}])
    with pytest.raises(BankError, match=r"call flatten_indices\(\) and save it again"):
        list(SavedDataset(path=tmp_path).items())
    save_to_disk(tmp_path, rows(tmp_path))
    (tmp_path / "data-00001-of-00002.arrow").write_text("no arrow")
    with pytest.raises(BankError, match="is not a proper Arrow stream"):
        list(SavedDataset(path=tmp_path).items())
    (tmp_path / "dataset_dict.json").write_text("[]")
    with pytest.raises(BankError, match="does not name the splits"):
        list(SavedDataset(path=tmp_path).items())


def test_a_translation_is_kept_as_the_reply(tmp_path: Path) -> None:
    """As in CoVoST 2 on the hub: sub-tasks of translation find these recordings by their reply."""
    row = {"audio": {"bytes": encoded(600), "path": "x.mp3"}, "sentence": "good day", "translation": "你好"}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "rows.parquet")
    bank = read(Parquet(path=tmp_path / "rows.parquet", language="en"), tmp_path)
    assert [(clip.text, clip.reply, clip.dialogue) for clip in bank] == [("good day", "你好", "")]


# -- Kaldi -------------------------------------------------------------------------------------------------------------


def test_kaldi_segments_of_long_recordings(tmp_path: Path) -> None:
    root = tmp_path / "data" / "train"
    for name in ("call1", "call2", "call3"):
        write_steps(tmp_path / "wav" / f"{name}.flac", [300, 600, 900])
    write_lines(
        root / "wav.scp",
        f"call1 flac -c -d -s {tmp_path}/wav/call1.flac |",
        "call2 ../../wav/call2.flac",
        f"call3 {tmp_path}/wav/call3.flac",
    )
    good = ("ann-1 call1 1.0 2.0", "bob-1 call1 2.0 -1", "bob-2 call2 0.0 1.0", "eve-1 call3 0 1")
    bad = ("ann-9 call9 0.0 1.0", "ann-8 call1 2.0 1.0", "ann-7 call1 1.0", "ann-6 call1 0 1")
    write_lines(root / "segments", *good, *bad)
    texts = ("ann-1 HELLO BOB", "bob-1 hi ann", "bob-2\t你好 世界", "eve-1 yes", "ann-9 x", "ann-8 x", "ann-7 x")
    write_lines(root / "text", *texts)
    write_lines(root / "utt2spk", "ann-1 ann", "bob-1 bob", "bob-2 bob", "eve-1 eve")
    bank = read(Kaldi(folder=root, language="en", corpus="calls"), tmp_path)
    assert [(clip.id, clip.text, clip.speaker, clip.origin) for clip in bank] == [
        ("ann-1", "hello bob", "calls:ann", "calls:call1"),
        ("bob-1", "hi ann", "calls:bob", "calls:call1"),
        ("bob-2", "你好世界", "calls:bob", "calls:call2"),
        ("eve-1", "yes", "calls:eve", "calls:call3"),
    ]
    assert [round(pitch(bank.pcm(row)), -2) for row in range(3)] == [600, 900, 300]
    # Bob is in two recordings, and Ann in one of them: neither they nor the recordings may be divided.
    assert len({clip.group for clip in bank}) == 2
    assert bank.clip(0).group == bank.clip(1).group == bank.clip(2).group
    assert bank.info.drops == {"bad span": 1, "broken row": 1, "missing": 1, "no text": 1}


def test_kaldi_recordings_and_commands(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav", "my file.wav"):
        write_tone(tmp_path / "data" / name, 1.0)
    write_lines(
        tmp_path / "data" / "wav.scp",
        "a a.wav",
        "b ffmpeg -i b.wav -f wav -ar 16000 -ac 1 - |",
        'c cat "my file.wav" |',
        "d sox b.wav -t wav - speed 1.1 |",
        "e ffmpeg -ss 10 -i b.wav -f wav - |",
        "f sph2pipe -f wav -c 1 b.wav | sox - -t wav - |",
        "g /corpus/raw.ark:1234",
        "h gone.wav",
        'i cat "b.wav |',
    )
    write_lines(tmp_path / "data" / "text", *(f"{name} text of {name}" for name in "abcdefghi"))
    bank = read(Kaldi(folder=tmp_path / "data", language="en"), tmp_path)
    assert [(clip.id, clip.group) for clip in bank] == [("a", "data:a"), ("b", "data:b"), ("c", "data:c")]
    assert bank.info.drops == {"a command": 4, "an archive": 1, "missing": 1}
    (tmp_path / "data" / "text").unlink()
    with pytest.raises(BankError, match="holds no text; give the data folder"):
        list(Kaldi(folder=tmp_path / "data", language="en").items())
