"""Open banks: what was written comes back, damage is named, and a million clips open at once."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from soundflow_data.audio.levels import rms_db
from soundflow_data.bank import Bank, Clip
from soundflow_data.bank.format import SCHEMA, BankInfo, part_names
from soundflow_data.bank.search import query, search
from soundflow_data.bank.writer import BankWriter
from soundflow_data.errors import BankError
from soundflow_data.timeline import Word


def ramp(num_samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-9000, 9000, num_samples).astype(np.int16)


def clip_of(number: int, num_samples: int, **fields: Any) -> Clip:
    known: dict[str, Any] = {
        "label": ["dog_bark", "rain", "siren"][number % 3],
        "text": f"text {number}",
        "language": "en" if number % 2 else "zh",
        "origin": f"recording-{number // 2}",
        "group": f"recording-{number // 2}",
        "licence": "CC0",
        "corpus": "test",
        "occurrences": number % 3,
    }
    return Clip(row=-1, id=f"clip-{number}", kind="sound", num_samples=num_samples, **{**known, **fields})


def write(folder: Path, clips: list[tuple[Clip, np.ndarray]], part_samples: int = 1 << 20) -> BankInfo:
    folder.mkdir(parents=True)
    with BankWriter(folder, part_samples=part_samples) as writer:
        for clip, pcm in clips:
            writer.add(clip, pcm)
        return writer.finish(
            name=folder.name, inputs="", created_by={}, source={}, settings={}, num_items=len(clips), num_cut=0,
            num_single=0,
        )  # fmt: skip


@pytest.fixture
def clips() -> list[tuple[Clip, np.ndarray]]:
    lengths = (1600, 1599, 1, 4000, 161, 8000, 160, 2500, 3200)
    return [(clip_of(number, length), ramp(length, number)) for number, length in enumerate(lengths)]


@pytest.fixture
def bank(tmp_path: Path, clips: list[tuple[Clip, np.ndarray]]) -> Bank:
    write(tmp_path / "bank", clips, part_samples=8000)
    return Bank.open(tmp_path / "bank")


def test_what_was_written_comes_back(bank: Bank, clips: list[tuple[Clip, np.ndarray]]) -> None:
    assert len(bank) == len(clips)
    assert len(bank.info.parts) > 1
    for row, (clip, pcm) in enumerate(clips):
        found = bank.clip(row)
        assert found == msgspec.structs.replace(clip, row=row, part=found.part, start=found.start)
        np.testing.assert_array_equal(bank.pcm(row), pcm)
        assert bank.find(clip.id) == row
        assert clip.id in bank
    assert [clip.row for clip in bank] == list(range(len(clips)))


def test_index_and_records_agree(bank: Bank) -> None:
    table = bank.columns()
    assert table.schema.names == list(Clip.__struct_fields__)
    for row, values in enumerate(table.to_pylist()):
        assert values == msgspec.to_builtins(msgspec.structs.asdict(bank.clip(row)) | {"words": []})


def test_words_survive(tmp_path: Path) -> None:
    words = (Word(text="tell", start=0, end=80), Word(text="me", start=80, end=160))
    write(tmp_path / "bank", [(clip_of(0, 160, words=words), ramp(160))])
    bank = Bank.open(tmp_path / "bank")
    assert bank.clip(0).words == words
    assert bank.columns("words")["words"].to_pylist()[0][1] == {"text": "me", "start": 80, "end": 160}


def test_pcm_is_a_view_that_never_leaves_the_clip(bank: Bank) -> None:
    whole = bank.pcm(3)
    assert not whole.flags.owndata
    assert not whole.flags.writeable
    np.testing.assert_array_equal(bank.pcm(3, 100, 300), whole[100:300])
    assert len(bank.pcm(3, 3990, 5000)) == 10
    assert len(bank.pcm(3, 5000, 6000)) == 0


@pytest.mark.parametrize(("start", "stop"), [(0, None), (160, 320), (0, 4000), (7, 4000), (13, 1111), (3999, 4000)])
def test_energy_is_exact_for_any_span(bank: Bank, start: int, stop: int | None) -> None:
    assert bank.energy_db(3, start, stop) == rms_db(bank.pcm(3, start, stop))


def test_energy_needs_no_audio(bank: Bank) -> None:
    expected = [rms_db(bank.pcm(row)) for row in range(len(bank))]
    for part in range(len(bank.info.parts)):
        size = (bank.path / part_names(part)[0]).stat().st_size
        (bank.path / part_names(part)[0]).write_bytes(bytes(size))
    assert [Bank.open(bank.path).energy_db(row) for row in range(len(bank))] == expected


@pytest.mark.parametrize(("row", "start", "stop"), [(3, 0, 4000), (3, 160, 1000), (1, 0, None), (5, 1600, 3200)])
def test_block_energy_adds_up(bank: Bank, row: int, start: int, stop: int | None) -> None:
    blocks = bank.block_energy(row, start, stop)
    pcm = bank.pcm(row, start, stop).astype(np.float64)
    expected = [float((pcm[i : i + 160] ** 2).sum()) for i in range(0, len(pcm), 160)]
    np.testing.assert_array_equal(blocks, expected)
    blocks *= 0.5  # callers shape it by their fades


@pytest.mark.parametrize(("start", "stop"), [(-1, 10), (10, 10), (0, 4001), (20, 10)])
def test_energy_of_an_impossible_span_is_refused(bank: Bank, start: int, stop: int) -> None:
    with pytest.raises(BankError, match="row 3 has no samples"):
        bank.energy_db(3, start, stop)
    with pytest.raises(BankError, match="multiple of 160"):
        bank.block_energy(3, 10, 400)


def test_rows_by_value(bank: Bank) -> None:
    assert bank.labels == ("dog_bark", "rain", "siren")
    assert bank.rows(label="rain").tolist() == [1, 4, 7]
    assert bank.rows(label=("siren", "rain", "rain")).tolist() == [1, 2, 4, 5, 7, 8]
    assert bank.rows(label="rain", language="en").tolist() == [1, 7]
    assert bank.rows(origin="recording-2").tolist() == [4, 5]
    assert bank.rows().tolist() == list(range(9))
    assert bank.rows().dtype == bank.rows(label="rain").dtype == np.int32
    assert bank.single(bank.rows(label=["rain", "siren"])).tolist() == [1, 4, 7]


def test_a_query_that_matches_nothing_gives_no_rows(bank: Bank) -> None:
    assert bank.rows(label="unicorn").tolist() == []
    assert bank.rows(label=[]).tolist() == []
    assert bank.rows(label="rain", kind="speech").tolist() == []
    assert search(bank, text="unicorn") == []
    with pytest.raises(BankError, match=r"no such column 'colour'.*label"):
        bank.rows(colour="red")


def test_dialogues_are_in_the_order_of_their_turns(tmp_path: Path) -> None:
    turns = [("b", 4), ("", -1), ("a", 0), ("b", 0), ("a", 2), ("b", 2)]
    clips = [(clip_of(i, 160, dialogue=name, turn=turn), ramp(160)) for i, (name, turn) in enumerate(turns)]
    write(tmp_path / "bank", clips)
    bank = Bank.open(tmp_path / "bank")
    assert [rows.tolist() for rows in bank.dialogues()] == [[3, 5, 0], [2, 4]]
    assert bank.in_dialogue().tolist() == [0, 2, 3, 4, 5]


def test_an_unknown_id_names_the_closest(bank: Bank) -> None:
    with pytest.raises(BankError, match=r"no clip 'clip_4'.*closest is 'clip-4'"):
        bank.find("clip_4")
    assert "clip_4" not in bank
    with pytest.raises(BankError, match="rows are 0 to 8"):
        bank.clip(9)


def test_a_bank_travels_as_its_path(bank: Bank) -> None:
    data = pickle.dumps(bank)
    assert len(data) < 500
    assert pickle.loads(data).clip(4) == bank.clip(4)
    assert bank.name == "bank"
    assert pickle.loads(pickle.dumps(Bank.open(bank.path, name="mine"))).name == "mine"


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_released_pages_leave_memory_and_come_back(tmp_path: Path) -> None:
    write(tmp_path / "bank", [(clip_of(number, 1 << 21), ramp(1 << 21, number)) for number in range(10)], 1 << 26)
    bank = Bank.open(tmp_path / "bank")
    fresh = resident()
    sums = [int(bank.pcm(row).sum()) for row in range(10)]
    read = resident()
    assert read - fresh > 38e6
    bank.release()
    assert read - resident() > 38e6
    assert [int(bank.pcm(row).sum()) for row in range(10)] == sums


def test_fingerprint_is_of_the_content(tmp_path: Path, clips: list[tuple[Clip, np.ndarray]]) -> None:
    first, again = write(tmp_path / "a", clips), write(tmp_path / "b", clips)
    assert first.fingerprint == again.fingerprint
    louder = [(clip, pcm + (number == 5)) for number, (clip, pcm) in enumerate(clips)]
    assert write(tmp_path / "c", louder).fingerprint != first.fingerprint
    renamed = [(msgspec.structs.replace(clip, label="x"), pcm) for clip, pcm in clips]
    assert write(tmp_path / "d", renamed).fingerprint != first.fingerprint


def test_verify_notices_a_changed_sample(bank: Bank) -> None:
    bank.verify()
    file = bank.path / part_names(1)[0]
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(data)
    with pytest.raises(BankError, match=r"pcm-00001\.i16"):
        Bank.open(bank.path).verify()


# -- damage ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pcm-00001.i16", "energy-00000.i64", "index.parquet", "records.bin", "lookup.bin"])
def test_a_missing_file_is_named(bank: Bank, name: str) -> None:
    (bank.path / name).unlink()
    with pytest.raises(BankError, match=rf"lacks {name}; build the bank again"):
        Bank.open(bank.path)


@pytest.mark.parametrize("name", ["pcm-00001.i16", "energy-00000.i64", "index.parquet", "records.bin", "lookup.bin"])
def test_a_short_file_is_named(bank: Bank, name: str) -> None:
    data = (bank.path / name).read_bytes()
    (bank.path / name).write_bytes(data[:-7])
    with pytest.raises(BankError, match=rf"{name}.*build .* again"):
        Bank.open(bank.path)


def test_another_format_version_is_named(bank: Bank) -> None:
    info = msgspec.json.decode((bank.path / "bank.json").read_bytes())
    (bank.path / "bank.json").write_bytes(msgspec.json.encode({"format": 99}))
    with pytest.raises(BankError, match="format 99, but this version of SoundFlow reads format 1"):
        Bank.open(bank.path)
    (bank.path / "bank.json").write_bytes(msgspec.json.encode(info)[:-9])
    with pytest.raises(BankError, match=r"bank\.json is damaged"):
        Bank.open(bank.path)


@pytest.mark.parametrize(
    ("column", "value"),
    [("num_samples", 100_000), ("num_samples", -1), ("start", 1), ("start", -160), ("part", 9), ("part", -1)],
)
def test_a_row_past_the_end_is_named(bank: Bank, column: str, value: int) -> None:
    rows = bank.columns().to_pylist()
    rows[6][column] = value
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), bank.path / "index.parquet")
    with pytest.raises(BankError, match=r"row 6 of index\.parquet spans"):
        Bank.open(bank.path)


def test_rows_lost_from_the_index_are_noticed(bank: Bank) -> None:
    pq.write_table(bank.columns().slice(0, 5), bank.path / "index.parquet")
    with pytest.raises(BankError, match="5 rows where 9 belong"):
        Bank.open(bank.path)


def test_a_damaged_record_is_named(bank: Bank) -> None:
    size = (bank.path / "records.bin").stat().st_size
    (bank.path / "records.bin").write_bytes(b"\xc1" * size)
    with pytest.raises(BankError, match="record of row 2 is damaged"):
        Bank.open(bank.path).clip(2)


def test_a_folder_that_is_no_bank(tmp_path: Path) -> None:
    with pytest.raises(BankError, match=r"not a bank: it has no bank\.json"):
        Bank.open(tmp_path)
    with pytest.raises(BankError, match="not a bank"):
        Bank.open(tmp_path / "nothing")


# -- search ------------------------------------------------------------------------------------------------------------


def test_search_by_words_and_condition(bank: Bank) -> None:
    assert [clip.row for clip in search(bank, text="DOG bark")] == [0, 3, 6]
    assert [clip.row for clip in search(bank, text="dog_bark", where="num_samples > 1600")] == [3]
    assert [clip.row for clip in search(bank, where="label = 'rain' or label = 'siren'", limit=2)] == [1, 2]
    assert [clip.row for clip in search(bank, text="100%")] == []
    with pytest.raises(BankError, match="its columns are row, id"):
        search(bank, where="colour = 'red'")


def test_sql_over_the_index(bank: Bank) -> None:
    table = query(bank, "select label, count(*) as n from clips group by label order by label")
    assert table.to_pylist() == [{"label": name, "n": 3} for name in ("dog_bark", "rain", "siren")]


def test_a_path_with_a_quote_is_searched(tmp_path: Path) -> None:
    write(tmp_path / "it's", [(clip_of(0, 160), ramp(160))])
    assert len(search(Bank.open(tmp_path / "it's"))) == 1


# -- size --------------------------------------------------------------------------------------------------------------
