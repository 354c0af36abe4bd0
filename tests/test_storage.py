import ctypes
import os
import pickle
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from small_runs import make_pcm, make_timeline, write_shard

from soundflow_data.errors import RunError, ShardError
from soundflow_data.shards import LocalStorage, ShardPlan, write_bytes


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "out")


def test_file_appears_only_when_committed(storage: LocalStorage) -> None:
    with storage.create("data/train/a.tar") as pending:
        pending.write(b"half")
        assert not storage.exists("data/train/a.tar")
        assert storage.list() == []
        with pending.view(1, 2) as view:
            assert view == b"al"
        pending.write(memoryview(b" whole"))
    assert storage.read("data/train/a.tar") == b"half whole"
    assert storage.read("data/train/a.tar", 5, 3) == b"who"
    assert storage.size("data/train/a.tar") == 10


def test_error_discards_and_keeps_the_older_file(storage: LocalStorage) -> None:
    write_bytes(storage, "run.json", b"old")
    with pytest.raises(TypeError), storage.create("run.json") as pending:
        pending.write("new")  # type: ignore[arg-type]
    assert storage.read("run.json") == b"old"
    assert storage.leftovers() == []


def test_empty_file(storage: LocalStorage) -> None:
    with storage.create("empty"):
        pass
    assert storage.read("empty") == b""


def test_list_is_sorted_and_takes_any_prefix(storage: LocalStorage) -> None:
    paths = ["data/train/x.tar", "receipts/shard-0.json", "receipts/shard-1.json", "run.json"]
    for path in reversed(paths):
        write_bytes(storage, path, b"")
    assert storage.list() == paths
    assert storage.list("receipts/") == paths[1:3]
    assert storage.list("receipts/shard-1") == paths[2:3]
    assert storage.list("nowhere/") == []


def test_missing_and_outside_paths(storage: LocalStorage) -> None:
    with pytest.raises(ShardError, match=r"data/x\.tar: missing from"):
        storage.read("data/x.tar")
    with pytest.raises(ShardError, match="missing"):
        storage.size("data/x.tar")
    with pytest.raises(ShardError, match="missing"):
        storage.open("data/x.tar")
    for path in ("/etc/passwd", "../other", "data/../../other"):
        with pytest.raises(ShardError, match="relative"):
            storage.read(path)
    storage.remove("data/x.tar")  # nothing to remove is not an error


def test_open_reads_anywhere_and_short_only_at_the_end(storage: LocalStorage) -> None:
    write_bytes(storage, "x", bytes(range(100)))
    file = storage.open("x")
    assert file.read(10, 5) == bytes(range(10, 15))
    assert file.read(98, 5) == bytes((98, 99))
    file.close()
    file.close()


def test_unwritable_place_is_explained(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file, not a directory")
    with pytest.raises(RunError, match=r"data/a\.tar: cannot be written"):
        LocalStorage(tmp_path / "out").create("data/a.tar")


def test_root_may_be_text(tmp_path: Path) -> None:
    storage = LocalStorage(str(tmp_path))  # type: ignore[arg-type]
    write_bytes(storage, "a/b", b"1")
    assert storage == LocalStorage(tmp_path)
    assert storage.list() == ["a/b"]


def test_pickles(storage: LocalStorage) -> None:
    write_bytes(storage, "x", b"1")
    assert pickle.loads(pickle.dumps(storage)).read("x") == b"1"


def test_full_disk_names_the_path_and_the_bytes(storage: LocalStorage) -> None:
    pending = storage.create("data/train/train-000003.tar")
    pending.write(b"x" * 100)
    full = os.open("/dev/full", os.O_RDWR)  # the kernel refuses every write to it with "no space left on device"
    os.dup2(full, pending._handle)
    os.close(full)
    with pytest.raises(RunError, match=r"train-000003\.tar: the disk is full; at least 4096 more bytes .* after 100"):
        pending.write(bytes(4096))
    pending.discard()
    assert storage.leftovers() == []


@contextmanager
def small_disk(place: Path, num_bytes: int) -> Iterator[None]:
    """Mounts a file system of the given size, where the tests may do so."""
    libc = ctypes.CDLL(None, use_errno=True)
    place.mkdir()
    if libc.mount(b"tmpfs", os.fsencode(place), b"tmpfs", 0, f"size={num_bytes}".encode()) != 0:
        pytest.skip(f"cannot mount a small disk here: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        libc.umount2(os.fsencode(place), 2)


@pytest.mark.parametrize("fits", ["half of the tar", "the tar alone"])
def test_full_disk_in_the_middle_of_a_shard(tmp_path: Path, fits: str) -> None:
    spec = ShardPlan({"train": 12}, 12)[0]
    receipt = write_shard(LocalStorage(tmp_path / "roomy"), spec)
    size = receipt.files[spec.tar].size
    with small_disk(tmp_path / "disk", size // 2 if fits == "half of the tar" else size + 8_192):
        storage = LocalStorage(tmp_path / "disk" / "out")
        with pytest.raises(RunError, match="run the same command again: it resumes"):
            write_shard(storage, spec)
        assert storage.leftovers() == []
        assert storage.list("receipts/") == []
        assert storage.list("data/") == ([] if fits == "half of the tar" else [spec.tar])


def test_killed_writer_leaves_a_recognisable_file(storage: LocalStorage) -> None:
    code = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from soundflow_data.shards.storage import LocalStorage
        pending = LocalStorage(Path(sys.argv[1])).create("data/train/train-000000.tar")
        pending.write(b"half a shard")
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    subprocess.run([sys.executable, "-c", code, str(storage.root)], check=False)
    assert storage.list() == []
    (leftover,) = storage.leftovers()
    assert leftover.path == "data/train/train-000000.tar"
    storage.remove(leftover.temporary)
    assert storage.leftovers() == []


def test_guard_lets_one_in_at_a_time(storage: LocalStorage) -> None:
    inside = []

    def enter() -> None:
        with storage.guard("lock/guard"):
            inside.append("other")

    with storage.guard("lock/guard"):
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join(timeout=0.2)
        assert inside == []
    thread.join()
    assert inside == ["other"]


def test_large_file_goes_through_write_back(storage: LocalStorage) -> None:
    block = bytes(range(256)) * (1 << 12)  # 1 MiB
    with storage.create("big") as pending:
        for _ in range(33):
            pending.write(block)
        for start in (0, 1, 4_095, 4_096, (32 << 20) - 3):
            with pending.view(start, len(block)) as view:
                assert view == block[start % 256 :] + block[: start % 256]
        with pending.view((33 << 20) - 5, 100) as view:
            assert view == block[-5:]
    assert storage.size("big") == 33 << 20
    assert storage.read("big", 32 << 20) == block


def test_tones_are_different() -> None:
    """The other tests compare bytes, which would prove little if all streams were equal."""
    first, second = (make_pcm(make_timeline("train", number)) for number in (0, 1))
    assert len(first) != len(second)
    assert first.std() > 100
