"""Every check is shown a run that is wrong in just the way it should notice.

A damaged file is sealed again (its hash in the receipt is made to fit), so that the check of hashes cannot be the one
that notices.
"""

import hashlib
import pickle
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_runs import IDENTITY, make_pcm, make_timeline, write_run, write_shard

from soundflow_data.audio.encode import encode
from soundflow_data.quality.findings import Finding, Report
from soundflow_data.quality.validate import check_shard, validate
from soundflow_data.shards import (
    FileRecord,
    LocalStorage,
    Receipt,
    ShardPlan,
    ShardWriter,
    list_receipts,
    tar,
    write_bytes,
)
from soundflow_data.shards.layout import Table
from soundflow_data.shards.receipts import encode_receipt
from soundflow_data.shards.record import StreamRecord, decode_record, encode_record
from soundflow_data.targets import project

PLAN = ShardPlan({"train": 7, "validation": 2}, 6)
SPEC = PLAN[0]  # streams 0, 1, 2, 3 and 5; stream 4 was dropped


@pytest.fixture(scope="module")
def good_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("good") / "out"
    write_run(LocalStorage(root), PLAN)
    return root


@pytest.fixture
def storage(good_run: Path, tmp_path: Path) -> LocalStorage:
    return LocalStorage(Path(shutil.copytree(good_run, tmp_path / "out")))


def findings(storage: LocalStorage) -> list[Finding]:
    return list(validate(storage, plan=PLAN, fingerprint=IDENTITY.fingerprint).findings)


def checks(storage: LocalStorage) -> set[tuple[str, str]]:
    return {(finding.check, finding.key) for finding in findings(storage)}


def seal(storage: LocalStorage, **changes: object) -> None:
    """Makes the receipt of the first shard fit its files, and changes other fields of it."""
    receipt = msgspec.json.decode(storage.read(SPEC.receipt), type=Receipt)
    files = {}
    for path in receipt.files:
        data = storage.read(path)
        files[path] = FileRecord(size=len(data), sha256=hashlib.sha256(data).hexdigest())
    write_bytes(storage, SPEC.receipt, encode_receipt(msgspec.structs.replace(receipt, files=files, **changes)))


Members = list[tuple[str, bytes]]


def edit_tar(storage: LocalStorage, edit: Callable[[Members], Members]) -> None:
    file, size = storage.open(SPEC.tar), storage.size(SPEC.tar)
    members = [(member.name, file.read(member.offset, member.size)) for member in tar.scan(file, size)]
    parts = [
        tar.header(name, len(data)) + data + bytes(tar.padded(len(data)) - len(data)) for name, data in edit(members)
    ]
    write_bytes(storage, SPEC.tar, b"".join(parts) + tar.END)
    seal(storage)


def edit_record(storage: LocalStorage, number: int, edit: Callable[[StreamRecord], StreamRecord]) -> None:
    def replaced(members: Members) -> Members:
        name = f"train-{number:06d}.json"
        return [(n, encode_record(edit(decode_record(data))) if n == name else data) for n, data in members]

    edit_tar(storage, replaced)


def edit_table(storage: LocalStorage, name: Table, edit: Callable[[pa.Table], pa.Table]) -> None:
    path = SPEC.table(name)
    pq.write_table(edit(pq.read_table(storage.locate(path))), storage.locate(path), compression="zstd")
    seal(storage)


def set_value(table: pa.Table, column: str, row: int, value: object) -> pa.Table:
    values = table[column].to_pylist()
    values[row] = value
    index = table.schema.names.index(column)
    return table.set_column(index, column, pa.array(values, table.schema.field(column).type))


# -- nothing wrong ----------------------------------------------------------------------------------------------------


def test_good_run_has_no_findings(storage: LocalStorage) -> None:
    report = validate(storage, plan=PLAN, fingerprint=IDENTITY.fingerprint)
    assert report.findings == ()
    assert report.ok
    assert (report.shards, report.streams) == (3, 8)
    assert report.seconds == pytest.approx(sum(receipt.seconds for receipt in list_receipts(storage)))


def test_good_run_of_opus_shards(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    write_run(storage, PLAN, codec="opus")
    assert findings(storage) == []


def test_processes_find_the_same(storage: LocalStorage) -> None:
    write_bytes(storage, SPEC.tar, storage.read(SPEC.tar).replace(b"fLaC", b"fLaX"))
    with ProcessPoolExecutor(2) as pool:
        report = validate(storage, plan=PLAN, mapper=pool.map)
    assert report == validate(storage, plan=PLAN)
    assert not report.ok
    assert pickle.loads(pickle.dumps(report)) == report
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


def test_a_finding_says_where_what_and_how_to_repair(storage: LocalStorage) -> None:
    edit_record(storage, 3, lambda r: msgspec.structs.replace(r, targets=msgspec.structs.replace(r.targets, spoken=())))
    first = next(finding for finding in findings(storage) if finding.check == "targets")
    assert (first.shard, first.key) == (0, "train-000003")
    assert str(first).startswith("shard 0: stream 'train-000003': targets: expected (Target(chunk=0,")
    assert str(first).endswith("remove receipts/shard-000000.json and run the same command again")


# -- bytes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["tar", "manifest", "events", "responses", "quarantine"])
def test_one_flipped_bit_in_any_file(storage: LocalStorage, which: str) -> None:
    paths = {"tar": SPEC.tar, "quarantine": SPEC.quarantine}
    path = paths[which] if which in paths else SPEC.table(which)  # type: ignore[arg-type]
    data = bytearray(storage.read(path))
    data[len(data) // 2] ^= 4
    write_bytes(storage, path, data)
    assert any(f.check == "file" and f.what == f"SHA-256 of {path}" and f.shard == 0 for f in findings(storage))


def test_flipped_bit_in_audio_names_the_stream(storage: LocalStorage) -> None:
    def flip(members: Members) -> Members:
        data = bytearray(members[4][1])
        data[len(data) // 2] ^= 4
        return [*members[:4], (members[4][0], bytes(data)), *members[5:]]

    edit_tar(storage, flip)
    found = findings(storage)
    assert {finding.key for finding in found} == {"train-000002"}
    assert any(finding.check == "table" and "column xxh3" in finding.what for finding in found)


def test_truncated_tar(storage: LocalStorage) -> None:
    write_bytes(storage, SPEC.tar, storage.read(SPEC.tar)[:-3_000])
    (lost,) = [finding for finding in findings(storage) if finding.check == "receipt" and "other size" in finding.found]
    assert lost.what == SPEC.receipt
    seal(storage)
    assert ("tar", "") in checks(storage)


def test_missing_end_of_the_tar(storage: LocalStorage) -> None:
    write_bytes(storage, SPEC.tar, storage.read(SPEC.tar) + bytes(512))
    seal(storage)
    (finding,) = findings(storage)
    assert "does not end with two blocks of zeros" in finding.found


def test_damaged_header(storage: LocalStorage) -> None:
    data = storage.read(SPEC.tar).replace(b"train-000001.json", b"train-000001.jsOn")
    write_bytes(storage, SPEC.tar, data)
    seal(storage)
    assert any(
        finding.check == "tar" and "not the header of a tar member" in finding.found for finding in findings(storage)
    )


# -- members ----------------------------------------------------------------------------------------------------------


def test_dropped_member(storage: LocalStorage) -> None:
    edit_tar(storage, lambda members: [member for member in members if member[0] != "train-000001.json"])
    assert {("tar", "train-000001"), ("table", "train-000001"), ("counts", "")} <= checks(storage)


def test_members_that_are_not_adjacent(storage: LocalStorage) -> None:
    edit_tar(storage, lambda members: [members[0], members[2], members[1], *members[3:]])
    assert {("tar", "train-000000"), ("tar", "train-000001")} <= checks(storage)


def test_swapped_streams(storage: LocalStorage) -> None:
    edit_tar(storage, lambda members: [*members[2:4], *members[:2], *members[4:]])
    assert {("key", "train-000000"), ("table", "train-000000")} <= checks(storage)


def test_member_of_another_kind(storage: LocalStorage) -> None:
    edit_tar(storage, lambda members: [*members, ("zzz.txt", b"hello")])
    assert checks(storage) == {("tar", "zzz")}


def test_key_with_other_characters(storage: LocalStorage) -> None:
    edit_tar(storage, lambda m: [*m[:-2], *(("Train 5" + name[12:], data) for name, data in m[-2:])])
    assert {("key", "Train 5"), ("json", "Train 5")} <= checks(storage)


def test_same_key_in_two_shards(storage: LocalStorage) -> None:
    timeline = msgspec.structs.replace(make_timeline("validation", 0), key="train-000000")
    spec = PLAN[2]
    with ShardWriter(storage, spec, identity=IDENTITY) as writer:
        writer.add(timeline, project(timeline), make_pcm(timeline))
        writer.drop("validation-000001", "too long")
        writer.finish()
    (finding,) = findings(storage)
    assert (finding.check, finding.key, finding.found) == ("key", "train-000000", "one in each of the shards [0, 2]")


# -- streams ----------------------------------------------------------------------------------------------------------


def test_audio_of_another_length(storage: LocalStorage) -> None:
    short = encode(make_pcm(make_timeline("train", 2))[:-6_400])
    edit_tar(storage, lambda m: [(n, short if n == "train-000002.flac" else data) for n, data in m])
    assert ("audio", "train-000002") in checks(storage)


def test_audio_that_is_none(storage: LocalStorage) -> None:
    edit_tar(storage, lambda m: [(n, b"not audio" if n == "train-000002.flac" else data) for n, data in m])
    assert ("audio", "train-000002") in checks(storage)


def test_json_that_is_none(storage: LocalStorage) -> None:
    edit_tar(storage, lambda m: [(n, b"[]" if n == "train-000002.json" else data) for n, data in m])
    assert {("json", "train-000002")} <= checks(storage)
    assert all(finding.key in {"train-000002", "train-000003", "train-000005"} for finding in findings(storage))


def test_edited_target(storage: LocalStorage) -> None:
    def late(record: StreamRecord) -> StreamRecord:
        spoken = tuple(msgspec.structs.replace(target, chunk=target.chunk + 1) for target in record.targets.spoken)
        return msgspec.structs.replace(record, targets=msgspec.structs.replace(record.targets, spoken=spoken))

    edit_record(storage, 1, late)
    assert {("targets", "train-000001"), ("table", "train-000001")} <= checks(storage)


def test_targets_of_another_chunk_length(storage: LocalStorage) -> None:
    edit_record(storage, 1, lambda r: msgspec.structs.replace(r, targets=project(r.timeline, 3_200)))
    assert ("targets", "train-000001") in checks(storage)


def test_edited_timeline(storage: LocalStorage) -> None:
    def louder(record: StreamRecord) -> StreamRecord:
        events = tuple(msgspec.structs.replace(event, gain_db=0.0) for event in record.timeline.events)
        return msgspec.structs.replace(record, timeline=msgspec.structs.replace(record.timeline, events=events))

    edit_record(storage, 1, louder)
    found = findings(storage)
    assert any("column gain_db of ('train-000001', 1) in events" in finding.what for finding in found)


def test_timeline_that_breaks_its_rules(storage: LocalStorage) -> None:
    def late(record: StreamRecord) -> StreamRecord:
        events = tuple(msgspec.structs.replace(event, onset=10**6) for event in record.timeline.events)
        return msgspec.structs.replace(record, timeline=msgspec.structs.replace(record.timeline, events=events))

    edit_record(storage, 1, late)
    assert ("timeline", "train-000001") in checks(storage)


def test_json_of_another_stream(storage: LocalStorage) -> None:
    other = encode_record(decode_record(_json(storage, "train-000000")))
    edit_tar(storage, lambda m: [(n, other if n == "train-000002.json" else data) for n, data in m])
    assert any(f.what == "key of the timeline" and f.key == "train-000002" for f in findings(storage))


def _json(storage: LocalStorage, key: str) -> bytes:
    rows = pq.read_table(storage.locate(SPEC.table("manifest"))).to_pylist()
    row = next(row for row in rows if row["key"] == key)
    return storage.read(SPEC.tar, row["json_offset"], row["json_size"])


@pytest.mark.parametrize(
    ("field", "value"),
    [("num_turns", 3), ("stream_scene_type", "complex"), ("sample_rate", 8_000), ("num_samples", 1), ("format", 0)],
)
def test_item_field_that_contradicts_the_timeline(storage: LocalStorage, field: str, value: object) -> None:
    edit_record(storage, 0, lambda record: msgspec.structs.replace(record, **{field: value}))
    assert any(f.what == f"field {field}" and f.key == "train-000000" for f in findings(storage))


def test_stream_of_another_split(storage: LocalStorage) -> None:
    edit_record(
        storage, 0, lambda r: msgspec.structs.replace(r, timeline=msgspec.structs.replace(r.timeline, split="test"))
    )
    assert any(finding.what == "split of the timeline" for finding in findings(storage))


# -- tables -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "column", "value", "key"),
    [
        ("manifest", "audio_offset", 1024, "train-000001"),
        ("manifest", "json_size", 7, "train-000001"),
        ("manifest", "ability", "real_time_asr", "train-000001"),
        ("manifest", "licences", [], "train-000001"),
        ("manifest", "num_silent_chunks", 0, "train-000001"),
        ("manifest", "snr_db", None, "train-000001"),
        ("events", "licence", "CC0-1.0", "train-000001"),
        ("events", "onset_s", 9.0, "train-000001"),
        ("responses", "text", "other", "train-000001"),
        ("responses", "chunk", 3, "train-000001"),
    ],
)
def test_edited_value(storage: LocalStorage, table: Table, column: str, value: object, key: str) -> None:
    row = 1 if table == "manifest" else 2
    edit_table(storage, table, lambda found: set_value(found, column, row, value))
    (finding,) = findings(storage)
    assert (finding.check, finding.key) == ("table", key)
    assert f"column {column}" in finding.what
    assert finding.found == repr(value)


@pytest.mark.parametrize("table", ["manifest", "events", "responses"])
def test_swapped_removed_and_doubled_rows(storage: LocalStorage, table: Table) -> None:
    original = storage.read(SPEC.table(table))
    for order in ([1, 0, 2], [0, 2], [0, 1, 1, 2]):
        write_bytes(storage, SPEC.table(table), original)
        edit_table(storage, table, lambda found, order=order: found.take(order + list(range(3, found.num_rows))))
        found = findings(storage)
        assert any(finding.check == "table" and "rows of" in finding.what for finding in found), order


def test_table_without_a_column(storage: LocalStorage) -> None:
    edit_table(storage, "manifest", lambda table: table.drop_columns(["snr_db"]))
    (finding,) = findings(storage)
    assert finding.what == f"columns of {SPEC.table('manifest')}"


def test_table_that_is_none(storage: LocalStorage) -> None:
    write_bytes(storage, SPEC.table("responses"), b"PAR1 but no more")
    seal(storage)
    (finding,) = findings(storage)
    assert (finding.check, finding.what, finding.expected) == ("table", SPEC.table("responses"), "a Parquet file")


# -- receipts and the whole -------------------------------------------------------------------------------------------


def test_counts_that_do_not_add_up(storage: LocalStorage) -> None:
    receipt = list_receipts(storage)[0]
    seal(storage, counts=msgspec.structs.replace(receipt.counts, responses=99))
    assert [finding.what for finding in findings(storage)] == ["counts of the receipt"]
    seal(storage, counts=receipt.counts, seconds=1.0)
    assert [finding.what for finding in findings(storage)] == ["seconds of the receipt"]
    seal(storage, seconds=receipt.seconds, drops={"too long": 2})
    assert [f.what for f in findings(storage)] == ["streams and drops together", f"drops in {SPEC.quarantine}"]
    seal(storage, drops=receipt.drops)
    assert findings(storage) == []


def test_quarantine_that_is_none(storage: LocalStorage) -> None:
    write_bytes(storage, SPEC.quarantine, b"?")
    seal(storage)
    assert [finding.what for finding in findings(storage)] == [SPEC.quarantine]


def test_receipt_without_a_table(storage: LocalStorage) -> None:
    receipt = list_receipts(storage)[0]
    files = {path: file for path, file in receipt.files.items() if not path.startswith("events/")}
    write_bytes(storage, SPEC.receipt, encode_receipt(msgspec.structs.replace(receipt, files=files)))
    (finding,) = findings(storage)
    assert finding.what == "files that the receipt does not list"


def test_missing_receipt_and_its_files(storage: LocalStorage) -> None:
    storage.remove(SPEC.receipt)
    found = findings(storage)
    (missing,) = [finding for finding in found if finding.check == "receipt"]
    assert (missing.what, missing.shard) == (SPEC.receipt, 0)
    surplus = {finding.what for finding in found if finding.check == "surplus"}
    assert surplus == {SPEC.tar, SPEC.quarantine, *map(SPEC.table, ("manifest", "events", "responses"))}
    assert all(finding.check == "surplus" for finding in validate(storage).findings)


def test_missing_table(storage: LocalStorage) -> None:
    storage.remove(SPEC.table("events"))
    found = findings(storage)
    assert [(finding.check, finding.what) for finding in found] == [
        ("receipt", SPEC.receipt),
        ("receipt", SPEC.receipt),
    ]
    assert "missing file" in found[0].found


def test_shard_of_another_plan(storage: LocalStorage) -> None:
    report = validate(storage, plan=ShardPlan({"train": 6, "validation": 2}, 6))
    assert {finding.shard for finding in report.findings if finding.what == "the shard"} == {1, 2}


def test_shards_of_two_recipes(storage: LocalStorage) -> None:
    seal(storage, identity=msgspec.structs.replace(IDENTITY, fingerprint="another"))
    assert any("other recipe" in finding.found for finding in findings(storage))
    (finding,) = validate(storage, plan=PLAN).findings
    assert finding.what == "recipes of the shards"


def test_one_recording_in_two_splits(storage: LocalStorage) -> None:
    timeline = make_timeline("validation", 0)
    events = tuple(msgspec.structs.replace(event, origin="train-1-1") for event in timeline.events)
    timeline = msgspec.structs.replace(timeline, events=events)
    with ShardWriter(storage, PLAN[2], identity=IDENTITY) as writer:
        writer.add(timeline, project(timeline), make_pcm(timeline))
        writer.drop("validation-000001", "too long")
        writer.finish()
    (finding,) = findings(storage)
    assert (finding.check, finding.found) == ("split", "['train', 'validation']")
    assert "'train-1-1' of corpus 'tones'" in finding.what


def test_surplus_files(storage: LocalStorage) -> None:
    for path in ("run.json", "recipe.yaml", "log/driver.log", "lock/guard", "README.md"):
        write_bytes(storage, path, b"")
    assert findings(storage) == []
    write_bytes(storage, "data/train/notes.txt", b"")
    (storage.root / "data/train/train-000009.tar.tmp-0123456789abcdef").write_bytes(b"")
    assert [(finding.check, finding.what) for finding in findings(storage)] == [
        ("surplus", "data/train/notes.txt"),
        ("surplus", "data/train/train-000009.tar.tmp-0123456789abcdef"),
    ]


def test_repair_makes_the_run_good_again(storage: LocalStorage) -> None:
    data = bytearray(storage.read(SPEC.tar))
    data[3_000] ^= 1
    write_bytes(storage, SPEC.tar, data)
    damaged = {finding.shard for finding in findings(storage)}
    assert damaged == {0}
    storage.remove(SPEC.receipt)  # as the finding says
    write_shard(storage, SPEC)
    assert findings(storage) == []


def test_check_of_one_shard_is_pure(storage: LocalStorage) -> None:
    receipt = list_receipts(storage)[1]
    before = storage.list()
    assert check_shard(storage, receipt) == check_shard(storage, receipt)
    assert storage.list() == before
