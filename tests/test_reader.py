import itertools
import multiprocessing
import os
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
from small_runs import make_pcm, make_timeline, write_run

from soundflow_data.errors import RunError, ShardError, SoundFlowError
from soundflow_data.shards import LocalStorage, ReaderState, Sample, ShardPlan, StreamReader
from soundflow_data.targets import project

PLAN = ShardPlan({"train": 22, "validation": 6}, 6)
TRAIN = [number for number in range(22) if number % 5 != 4]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("run")
    write_run(LocalStorage(root), PLAN)
    return root


@pytest.fixture
def own_root(tmp_path: Path) -> Path:
    """A run that a test may damage."""
    write_run(LocalStorage(tmp_path), PLAN)
    return tmp_path


def test_samples_are_what_was_written(root: Path) -> None:
    reader = StreamReader(root, split="train")
    assert len(reader) == len(TRAIN)
    for index, number in enumerate(TRAIN):
        timeline = make_timeline("train", number)
        sample = reader[index]
        assert sample.audio.dtype == np.int16
        assert np.array_equal(sample.audio, make_pcm(timeline))
        assert sample.timeline == timeline
        assert sample.targets == project(timeline)
        assert sample.key == timeline.key
        assert sample.json.startswith(b'{"id":"train-')
    assert reader[-1].key == reader[len(reader) - 1].key
    with pytest.raises(IndexError):
        reader[len(reader)]


def test_float_audio_has_full_scale_one(root: Path) -> None:
    audio = StreamReader(root, split="train", dtype="float32")[0].audio
    assert audio.dtype == np.float32
    assert np.array_equal(audio * 32768, make_pcm(make_timeline("train", 0)))


def test_opus(tmp_path: Path) -> None:
    write_run(LocalStorage(tmp_path), ShardPlan({"train": 3}, 3), codec="opus")
    sample = StreamReader(tmp_path)[1]
    pcm = make_pcm(make_timeline("train", 1))
    assert sample.audio.shape == pcm.shape
    # Half of the length is a hiss below what Opus keeps; the tones must come out where they were.
    assert np.corrcoef(sample.audio[:4_800], pcm[:4_800])[0, 1] > 0.8


def test_all_splits_come_in_the_order_of_the_shards(root: Path) -> None:
    keys = [sample.key for _, sample in StreamReader(root).iterate(shuffle=False)]
    assert keys == [f"train-{number:06d}" for number in TRAIN] + [f"validation-{n:06d}" for n in (0, 1, 2, 3, 5)]


def test_filters(root: Path) -> None:
    def numbers(**filters: object) -> list[int]:
        reader = StreamReader(root, split="train", **filters)
        return [int(sample.key[-6:]) for _, sample in reader.iterate(shuffle=False)]

    assert numbers(ability="voice_chatting") == [n for n in TRAIN if n % 3 == 0]
    assert numbers(subtask=["voice_chatting_test", "proactive_response_test"]) == [n for n in TRAIN if n % 3 < 2]
    assert numbers(licences=["CC0-1.0", "CC-BY-4.0", "other"]) == [n for n in TRAIN if n % 3 < 2]
    assert numbers(where="num_chunks = 5 AND snr_db > 10") == [n for n in TRAIN if n % 2]
    assert numbers(where="key = 'train-000003'", ability="voice_chatting") == [3]


def test_filters_that_match_nothing_say_what_there_is(root: Path) -> None:
    for filters in ({"split": "tset"}, {"ability": "o'hara"}, {"licences": []}, {"subtask": []}):
        with pytest.raises(RunError, match=r"there are .* of train/voice_chatting"):
            StreamReader(root, **filters)
    with pytest.raises(RunError, match=r"Binder Error(.|\n)*streams: key, split, shard"):
        StreamReader(root, where="duration > 3")
    with pytest.raises(RunError, match="one SELECT is answered"):
        StreamReader(root, where="true); DROP VIEW streams; SELECT (1")
    with pytest.raises(SoundFlowError, match="int16 or float32"):
        StreamReader(root, dtype="int8")  # type: ignore[arg-type]


def test_find(root: Path) -> None:
    reader = StreamReader(root, ability="voice_chatting")
    assert reader[reader.find("train-000015")].key == "train-000015"
    for key in ("train-000014", "train-000016", "it's"):  # dropped, another ability, never there
        with pytest.raises(RunError, match="no stream"):
            reader.find(key)


def test_directory_without_shards(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no finished shard"):
        StreamReader(tmp_path)


def test_unfinished_shards_are_not_read(own_root: Path) -> None:
    (own_root / PLAN[0].receipt).unlink()
    assert StreamReader(own_root, split="train")[0].key == "train-000006"


def test_missing_shard_is_an_error_not_a_smaller_corpus(own_root: Path) -> None:
    (own_root / PLAN[1].tar).unlink()
    with pytest.raises(RunError, match=r"receipts/shard-000001\.json: missing file"):
        StreamReader(own_root)


def test_damaged_audio_is_an_error(own_root: Path) -> None:
    reader = StreamReader(own_root)
    path = own_root / PLAN[0].tar
    data = bytearray(path.read_bytes())
    data[4_000:4_100] = bytes(100)
    path.write_bytes(data)
    with pytest.raises(ShardError, match=r"train-000000\.tar at byte 512: .*soundflow validate"):
        reader[0]
    assert reader[1].key == "train-000001"


def test_open_files_are_bounded(root: Path) -> None:
    def tars() -> int:
        links = (os.path.realpath(handle) for handle in Path("/proc/self/fd").iterdir())
        return sum(link.startswith(str(root)) and link.endswith(".tar") for link in links)

    reader = StreamReader(root, max_open_files=2)
    for _ in range(3):
        for index in range(len(reader)):
            reader[index]
            assert tars() <= 2
    del reader
    assert tars() == 0


def test_threads_share_a_reader(root: Path) -> None:
    reader = StreamReader(root, max_open_files=1)
    expected = [reader[i].key for i in range(len(reader))]
    found: dict[int, list[str]] = {}

    def read(offset: int) -> None:
        found[offset] = [reader[(i + offset) % len(reader)].key for i in range(len(reader))]

    threads = [threading.Thread(target=read, args=(offset,)) for offset in (0, 7, 13)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {offset: expected[offset:] + expected[:offset] for offset in (0, 7, 13)}


def _keys(reader: StreamReader, worker: int) -> list[str]:
    return [sample.key for _, sample in reader.iterate(ReaderState(seed=2), worker=worker, num_workers=2)]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes(root: Path, method: str) -> None:
    reader = StreamReader(root)
    first = reader[0]  # a file is open when the reader goes to the workers
    with multiprocessing.get_context(method).Pool(2) as pool:
        parts = pool.starmap(_keys, [(reader, 0), (reader, 1)])
    assert sorted(parts[0] + parts[1]) == sorted(reader[i].key for i in range(len(reader)))
    assert abs(len(parts[0]) - len(parts[1])) <= 1
    copy: Sample = pickle.loads(pickle.dumps(first))
    assert np.array_equal(copy.audio, first.audio)
    assert copy.timeline == first.timeline


def test_leaving_and_taking_up_with_other_workers(root: Path) -> None:
    reader = StreamReader(root)
    whole = [sample.key for _, sample in reader.iterate(ReaderState(seed=5))]
    assert sorted(whole) == sorted(reader[i].key for i in range(len(reader)))
    begun = list(itertools.islice(reader.iterate(ReaderState(seed=5)), 7))
    taken = [sample.key for _, sample in begun]
    state = begun[-1][0]
    for rank in range(3):
        taken += [sample.key for _, sample in reader.iterate(state, rank=rank, world_size=3)]
    assert sorted(taken) == sorted(whole)
    assert taken[:7] == whole[:7]


def test_order_as_a_sampler(root: Path) -> None:
    reader = StreamReader(root)
    state = ReaderState(seed=5, position=4)
    parts = [list(reader.order(state, rank=rank, world_size=2)) for rank in range(2)]
    assert [len(part) for part in parts] == [len(reader.order(state, rank=rank, world_size=2)) for rank in range(2)]
    merged = [parts[i % 2][i // 2] for i in range(len(reader) - 4)]
    assert [reader[i].key for i in merged] == [sample.key for _, sample in reader.iterate(state)]
    assert reader.advance(state, len(reader)) == ReaderState(seed=5, epoch=1, position=4)
    order = reader.order(state)
    assert list(order) == list(order)
    with pytest.raises(TypeError, match="endless"):
        len(reader.order(state, num_epochs=None))


def test_pytorch_loader(root: Path) -> None:
    data = pytest.importorskip("torch.utils.data")
    reader = StreamReader(root)
    state = ReaderState(seed=9, position=3)
    loader = data.DataLoader(
        reader, sampler=reader.order(state), batch_size=4, num_workers=2, collate_fn=lambda samples: samples
    )
    keys = [sample.key for batch in loader for sample in batch]
    assert keys == [sample.key for _, sample in reader.iterate(state)]
