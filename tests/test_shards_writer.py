import hashlib
import io
import json
import random
import shutil
import subprocess
import sys
import tarfile
import textwrap
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile as sf
from small_runs import IDENTITY, make_pcm, make_timeline, write_run, write_shard

from soundflow_data.errors import ShardError
from soundflow_data.shards import (
    LocalStorage,
    RunIdentity,
    ShardPlan,
    ShardSpec,
    ShardWriter,
    claim_shards,
    list_receipts,
    scan_receipts,
    software_versions,
    write_bytes,
)
from soundflow_data.shards.record import decode_record, decode_targets, decode_timeline, encode_record, make_record
from soundflow_data.targets import project
from soundflow_data.timeline import NO_RESPONSE, Timeline

PLAN = ShardPlan({"train": 12, "validation": 3}, 5)
SPEC = PLAN[0]


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "out")


def contents(storage: LocalStorage) -> dict[str, str]:
    paths = [path for path in storage.list() if not path.startswith("lock/")]
    return {path: hashlib.sha256(storage.read(path)).hexdigest() for path in paths}


def test_files_of_a_run(storage: LocalStorage) -> None:
    write_run(storage, PLAN)
    assert storage.list("data/") == [
        "data/train/train-000000.tar",
        "data/train/train-000001.tar",
        "data/train/train-000002.tar",
        "data/validation/validation-000000.tar",
    ]
    assert storage.list("receipts/") == [f"receipts/shard-00000{index}.json" for index in range(4)]
    # The last two shards have no fifth stream, so nothing was dropped there.
    assert storage.list("quarantine/") == ["quarantine/shard-000000.jsonl", "quarantine/shard-000001.jsonl"]
    for table in ("manifest", "events", "responses"):
        assert len(storage.list(f"{table}/")) == 4


def test_tar_is_plain_and_holds_what_was_added(storage: LocalStorage) -> None:
    write_shard(storage, SPEC)
    with tarfile.open(storage.locate(SPEC.tar), "r:") as tar:
        members = tar.getmembers()
        names = [member.name for member in members]
        assert names == [f"train-00000{number}.{part}" for number in range(4) for part in ("flac", "json")]
        assert {(m.mtime, m.uid, m.gid, m.mode, m.uname, m.gname) for m in members} == {(0, 0, 0, 0o644, "", "")}
        audio, text = (tar.extractfile(member).read() for member in members[:2])
    timeline = make_timeline("train", 0)
    pcm, rate = sf.read(io.BytesIO(audio), dtype="int16")
    assert rate == 16_000
    assert np.array_equal(pcm, make_pcm(timeline))
    assert decode_record(text) == make_record(timeline, project(timeline))


@pytest.mark.skipif(shutil.which("tar") is None, reason="no tar program here")
def test_the_tar_program_reads_it(storage: LocalStorage, tmp_path: Path) -> None:
    write_shard(storage, SPEC)
    subprocess.run(["tar", "xf", storage.locate(SPEC.tar), "-C", str(tmp_path)], check=True)
    assert decode_timeline((tmp_path / "train-000002.json").read_bytes()) == make_timeline("train", 2)
    listed = subprocess.run(["tar", "tf", storage.locate(SPEC.tar)], check=True, capture_output=True, text=True)
    assert listed.stderr == ""


def test_webdataset_reads_it(storage: LocalStorage) -> None:
    webdataset = pytest.importorskip("webdataset")
    receipts = write_run(storage, PLAN)
    urls = [storage.locate(receipt.shard.tar) for receipt in receipts if receipt.shard.split == "train"]
    items = list(webdataset.WebDataset(urls, shardshuffle=False))
    assert [item["__key__"] for item in items] == [f"train-{n:06d}" for n in range(12) if n % 5 != 4]
    for item in items:
        assert sorted(key for key in item if not key.startswith("__")) == ["flac", "json"]
        record = decode_record(item["json"])
        assert len(sf.read(io.BytesIO(item["flac"]))[0]) == record.num_samples


def test_json_has_the_published_item_fields(storage: LocalStorage) -> None:
    timeline = make_timeline("train", 2)
    item = json.loads(encode_record(make_record(timeline, project(timeline))))
    assert item["id"] == "train-000002"
    assert item["stream_scene_type"] == "single"
    assert item["num_turns"] == 2
    assert item["turns"][0] == {
        "user": "count the tones",
        "assistant": "one tone",
        "emotion": "calm",
        "scene_type": "single",
    }
    assert item["turns"][1]["assistant"] == NO_RESPONSE
    assert (item["format"], item["sample_rate"], item["num_samples"]) == (1, 16_000, timeline.num_samples)
    assert item["targets"]["num_chunks"] == timeline.num_chunks
    assert [target["chunk"] for target in item["targets"]["spoken"]] == [0, 1]


def test_parts_of_a_record_are_read_alone() -> None:
    timeline = make_timeline("train", 1)
    data = encode_record(make_record(timeline, project(timeline)))
    assert decode_timeline(data) == timeline
    assert decode_targets(data) == project(timeline)
    with pytest.raises(ShardError, match="not the JSON of a stream"):
        decode_timeline(data[:-20])


def test_tables_point_into_the_tar(storage: LocalStorage) -> None:
    write_shard(storage, SPEC)
    rows = pq.read_table(storage.locate(SPEC.table("manifest"))).to_pylist()
    assert [row["key"] for row in rows] == [f"train-00000{number}" for number in range(4)]
    for number, row in enumerate(rows):
        timeline = make_timeline("train", number)
        audio = storage.read(row["tar"], row["audio_offset"], row["audio_size"])
        assert len(sf.read(io.BytesIO(audio))[0]) == row["num_samples"] == timeline.num_samples
        assert decode_timeline(storage.read(row["tar"], row["json_offset"], row["json_size"])) == timeline
        assert row["num_silent_chunks"] == row["num_chunks"] - 2 == timeline.num_chunks - 2
        assert row["snr_db"] == timeline.snr_db
        assert row["licences"] == [timeline.events[0].licence]
    responses = pq.read_table(storage.locate(SPEC.table("responses"))).to_pylist()
    assert [row["chunk"] for row in responses] == [0, 1] * 4
    assert json.loads(responses[5]["call"]) == {"name": "lamp", "arguments": {"on": True, "room": "kitchen"}}
    assert responses[1]["call"] is None
    events = pq.read_table(storage.locate(SPEC.table("events"))).to_pylist()
    assert [(row["key"], row["event"]) for row in events[:3]] == [
        ("train-000000", 0),
        ("train-000000", 1),
        ("train-000001", 0),
    ]
    assert events[1]["onset_s"] == 0.05


def test_receipt_counts_and_hashes(storage: LocalStorage) -> None:
    receipt = write_shard(storage, SPEC)
    assert receipt.counts.streams == 4
    assert receipt.counts.samples == sum(make_timeline("train", number).num_samples for number in range(4))
    assert receipt.seconds == receipt.counts.samples / 16_000
    assert receipt.drops == {"too long": 1}
    for path, file in receipt.files.items():
        data = storage.read(path)
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file.size, file.sha256)
    assert list_receipts(storage) == [receipt]
    (line,) = storage.read(SPEC.quarantine).splitlines()
    assert json.loads(line) == {
        "shard": 0,
        "split": "train",
        "key": "train-000004",
        "reason": "too long",
        "detail": "stream 4",
    }


def test_same_bytes_in_any_order_and_place(storage: LocalStorage, tmp_path: Path) -> None:
    write_run(storage, PLAN)
    other = LocalStorage(tmp_path / "elsewhere")
    order = list(range(len(PLAN)))
    random.Random(3).shuffle(order)
    for index in order:
        write_shard(other, PLAN[index])
    assert contents(other) == contents(storage)


def test_golden_shard(storage: LocalStorage) -> None:
    """A change of these bytes changes every corpus; raise FORMAT_VERSION and say so when it is meant."""
    timeline = make_timeline("train", 2)
    spec = ShardSpec(index=0, split="train", number=0, start=2, stop=3)
    with ShardWriter(storage, spec, identity=IDENTITY) as writer:
        writer.add_encoded(timeline, project(timeline), bytes(range(256)) * 5)
        receipt = writer.finish()
    assert receipt.files[spec.tar].sha256 == "db3f41ca40b14dadbced57f9f146e89a2da5c57e066ced5d34c01da69f8e99a1"


def test_opus_shard(storage: LocalStorage) -> None:
    receipt = write_shard(storage, SPEC, codec="opus")
    with tarfile.open(storage.locate(SPEC.tar), "r:") as tar:
        assert tar.getnames()[:2] == ["train-000000.opus", "train-000000.json"]
    assert receipt.codec == "opus"


def test_a_shard_of_drops_alone(storage: LocalStorage) -> None:
    receipt = write_shard(storage, SPEC, drop_every=1)
    assert (receipt.counts.streams, receipt.drops) == (0, {"too long": 5})
    assert pq.read_table(storage.locate(SPEC.table("events"))).num_rows == 0
    with tarfile.open(storage.locate(SPEC.tar), "r:") as tar:
        assert tar.getnames() == []


def test_unfinished_shard_leaves_nothing(storage: LocalStorage) -> None:
    timeline = make_timeline("train", 0)
    with ShardWriter(storage, SPEC, identity=IDENTITY) as writer:
        writer.add(timeline, project(timeline), make_pcm(timeline))
    with pytest.raises(KeyboardInterrupt), ShardWriter(storage, SPEC, identity=IDENTITY) as writer:
        raise KeyboardInterrupt
    assert storage.list() == []
    assert storage.leftovers() == []


def test_remaking_a_shard_withdraws_its_receipt_first(storage: LocalStorage) -> None:
    before = write_shard(storage, SPEC)
    with ShardWriter(storage, SPEC, identity=IDENTITY):
        assert list_receipts(storage) == []
    assert write_shard(storage, SPEC) == before


def test_remaking_without_drops_removes_the_old_quarantine(storage: LocalStorage) -> None:
    write_shard(storage, SPEC)
    write_shard(storage, SPEC, drop_every=0)
    assert storage.list("quarantine/") == []


def _replace(timeline: Timeline, **changes: object) -> Timeline:
    return msgspec.structs.replace(timeline, **changes)


def test_streams_that_do_not_belong_are_refused(storage: LocalStorage) -> None:
    timeline = make_timeline("train", 1)
    pcm, targets = make_pcm(timeline), project(timeline)
    with ShardWriter(storage, SPEC, identity=IDENTITY) as writer:
        with pytest.raises(ShardError, match=r"'train-000001': audio of shape \(31999,\); the timeline has 32000"):
            writer.add(timeline, targets, pcm[1:])
        with pytest.raises(ShardError, match="is of split 'test', but the shard is of 'train'"):
            writer.add(_replace(timeline, split="test"), targets, pcm)
        with pytest.raises(ShardError, match="120 characters; at most 95"):
            writer.add(_replace(timeline, key="k" * 120), targets, pcm)
        with pytest.raises(ShardError, match="4 chunks of 6400 samples do not cover 32000"):
            writer.add(timeline, msgspec.structs.replace(targets, num_chunks=4), pcm)
        writer.add(timeline, targets, pcm)
        for key in ("train-000001", "train-000000"):
            with pytest.raises(ShardError, match="keys of a shard ascend"):
                writer.add(_replace(timeline, key=key), targets, pcm)
        with pytest.raises(ShardError, match="5 streams are planned, but 1 were added and 0 dropped"):
            writer.finish()


def test_other_bytes_on_reading_back_are_noticed(storage: LocalStorage) -> None:
    timeline = make_timeline("train", 0)
    spec = ShardSpec(index=0, split="train", number=0, start=0, stop=1)
    with ShardWriter(storage, spec, identity=IDENTITY) as writer:
        writer.add(timeline, project(timeline), make_pcm(timeline))
        (leftover,) = storage.leftovers()
        with Path(storage.locate(leftover.temporary)).open("r+b") as file:  # a disk that returns another bit
            file.seek(2000)
            file.write(b"\x55")
        with pytest.raises(ShardError, match=r"stream 'train-000000' reads back other bytes .* check the disk"):
            writer.finish()
    assert storage.list() == []
    assert storage.leftovers() == []


def test_resume_makes_what_is_missing(storage: LocalStorage) -> None:
    receipts = write_run(storage, PLAN)
    undisturbed = contents(storage)
    storage.remove(receipts[1].shard.receipt)
    Path(storage.locate(receipts[2].shard.tar)).unlink()
    with Path(storage.locate(receipts[3].shard.table("events"))).open("ab") as file:
        file.write(b"x")
    scan = scan_receipts(storage, IDENTITY.fingerprint)
    assert list(scan.missing(range(len(PLAN)))) == [1, 2, 3]
    assert [(problem.path, problem.trouble) for problem in scan.problems] == [
        ("receipts/shard-000002.json", "missing file"),
        ("receipts/shard-000003.json", "other size"),
    ]
    for index in scan.missing(range(len(PLAN))):
        write_shard(storage, PLAN[index])
    assert contents(storage) == undisturbed


def test_receipts_that_cannot_be_relied_on(storage: LocalStorage) -> None:
    receipts = write_run(storage, PLAN)
    assert scan_receipts(storage, "another recipe").receipts == {}
    assert {problem.trouble for problem in scan_receipts(storage, "another recipe").problems} == {"other recipe"}
    write_bytes(storage, receipts[0].shard.receipt, b"{}")
    write_bytes(storage, receipts[1].shard.receipt, storage.read(receipts[2].shard.receipt))
    newer = storage.read(receipts[3].shard.receipt).replace(b'"format": 1', b'"format": 99')
    write_bytes(storage, receipts[3].shard.receipt, newer)
    assert [problem.trouble for problem in scan_receipts(storage).problems] == [
        "unreadable",
        "unreadable",
        "other format",
    ]
    assert [receipt.shard.index for receipt in list_receipts(storage)] == [2]


def test_killed_run_resumes_to_the_same_bytes(storage: LocalStorage, tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        from small_runs import IDENTITY, make_pcm, make_timeline, write_shard
        from soundflow_data.shards import LocalStorage, ShardPlan, ShardWriter, claim_shards
        from soundflow_data.targets import project
        storage = LocalStorage(Path(sys.argv[1]))
        plan = ShardPlan({"train": 12, "validation": 3}, 5)
        with claim_shards(storage, plan, range(len(plan))):
            write_shard(storage, plan[0])
            with ShardWriter(storage, plan[1], identity=IDENTITY) as writer:
                timeline = make_timeline("train", 5)
                writer.add(timeline, project(timeline), make_pcm(timeline))
                os.kill(os.getpid(), signal.SIGKILL)
    """)
    killed = subprocess.run([sys.executable, "-c", code, str(storage.root), str(Path(__file__).parent)], check=False)
    assert killed.returncode == -9
    assert len(storage.leftovers()) == 1
    with claim_shards(storage, PLAN, range(len(PLAN))) as claimed:
        assert len(claimed.taken_over) == 1
        assert [path.rpartition(".tmp-")[0] for path in claimed.cleaned] == ["data/train/train-000001.tar"]
        todo = list(scan_receipts(storage).missing(range(len(PLAN))))
        assert todo == [1, 2, 3]
        for index in todo:
            write_shard(storage, PLAN[index])
    undisturbed = LocalStorage(tmp_path / "undisturbed")
    write_run(undisturbed, PLAN)
    assert contents(storage) == contents(undisturbed)
    assert storage.leftovers() == []


def test_software_versions_say_what_the_bytes_depend_on() -> None:
    versions = software_versions()
    assert {"python", "numpy", "pyarrow"} <= set(versions)
    assert RunIdentity(fingerprint="x", seed=1, software=versions).software["python"].startswith("3.")
