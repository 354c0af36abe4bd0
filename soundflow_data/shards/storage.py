"""Where a run directory lives: one small interface, and the local disk behind it.

Nothing else touches the files of a run directory. A file appears under its path only when it is whole:

    create ──> <path>.tmp-<16 hex digits> ──> write, view (re-read what was written) ──> fsync ──> rename to <path>
                         └── discard on any error; what a killed process leaves is found by `leftovers`

The directory itself is not synced: when power fails a finished file may be missing, but never be there half. A receipt
whose shard is missing is noticed (`receipts.scan_receipts`) and the shard is made again.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Final, Protocol, Self

import msgspec

from soundflow_data.errors import RunError, ShardError

Bytes = bytes | bytearray | memoryview

# Dirty pages are handed to the disk in steps of this size while the shard is still being encoded, so that the final
# fsync has little to wait for (0.4 ms per stream of 1.2 MB otherwise).
_WRITE_BACK: Final = 16 << 20
_TEMPORARY = re.compile(r"(?P<path>.+)\.tmp-[0-9a-f]{16}")


class PendingFile(Protocol):
    """A file that nobody sees yet; as a context manager it commits, or discards on an error."""

    def write(self, data: Bytes) -> None:
        """Appends all bytes."""

    def view(self, start: int, size: int) -> AbstractContextManager[memoryview]:
        """Gives a span of what was written so far, as the storage now holds it."""

    def commit(self) -> None:
        """Makes the bytes durable, then lets the file appear under its path, in place of an older one."""

    def discard(self) -> None:
        """Removes what was written."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class StoredFile(Protocol):
    """A file opened for reading at any place, from several threads or forked processes at once."""

    def read(self, start: int, size: int) -> bytes:
        """Returns up to `size` bytes from `start`; fewer only at the end of the file."""

    def close(self) -> None:
        """Gives the handle back."""


class Leftover(msgspec.Struct, frozen=True, kw_only=True):
    """A temporary file, and the path that it was to get."""

    temporary: str
    path: str


class Storage(Protocol):
    """What a run directory needs of the place where it lives. Implementations can be pickled and sent to workers."""

    def open(self, path: str) -> StoredFile:
        """Opens a file for reading. Raises ShardError when it is missing."""

    def read(self, path: str, start: int = 0, size: int | None = None) -> bytes:
        """Returns a file's bytes, or a span of them. Raises ShardError when it is missing."""

    def create(self, path: str) -> PendingFile:
        """Starts a file. Raises RunError when there is no room or no permission."""

    def exists(self, path: str) -> bool:
        """Tells whether the file is there, whole."""

    def list(self, prefix: str = "") -> Sequence[str]:
        """Returns the sorted paths that start with `prefix`, without temporary files."""

    def size(self, path: str) -> int:
        """Returns a file's length in bytes. Raises ShardError when it is missing."""

    def remove(self, path: str) -> None:
        """Removes a file or a temporary file, if it is there."""

    def leftovers(self) -> Sequence[Leftover]:
        """Returns the temporary files, of killed processes and of those still at work."""

    def guard(self, path: str) -> AbstractContextManager[None]:
        """Keeps every other process that asks for the same guard waiting; ends with the process, however it dies."""

    def locate(self, path: str) -> str:
        """Returns where a program that reads files by itself, such as DuckDB, finds the file."""


def write_bytes(storage: Storage, path: str, data: Bytes) -> None:
    """Writes a whole small file."""
    with storage.create(path) as pending:
        pending.write(data)


class LocalStorage(msgspec.Struct, frozen=True):
    """A run directory on a file system.

    Args:
        root: The directory; it is made when the first file is.
    """

    root: Path

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "root", Path(self.root))  # a plain text would do for a while, then not

    def open(self, path: str) -> StoredFile:
        """Opens a file for reading at any place."""
        with self._explained(path):
            return _LocalFile(os.open(self._path(path), os.O_RDONLY | os.O_CLOEXEC))

    def read(self, path: str, start: int = 0, size: int | None = None) -> bytes:
        """Returns a file's bytes from `start`, all of them or up to `size`."""
        with self._explained(path), self._path(path).open("rb") as file:
            file.seek(start)
            return file.read(-1 if size is None else size)

    def create(self, path: str) -> PendingFile:
        """Starts a file beside its final place."""
        return _LocalPending(self._path(path), path)

    def exists(self, path: str) -> bool:
        """Tells whether the file is there."""
        return self._path(path).is_file()

    def list(self, prefix: str = "") -> Sequence[str]:
        """Returns the sorted paths that start with `prefix`."""
        return sorted(path for path in self._walk(prefix) if not _TEMPORARY.fullmatch(path))

    def size(self, path: str) -> int:
        """Returns a file's length in bytes."""
        with self._explained(path):
            return self._path(path).stat().st_size

    def remove(self, path: str) -> None:
        """Removes a file, if it is there."""
        self._path(path).unlink(missing_ok=True)

    def leftovers(self) -> Sequence[Leftover]:
        """Returns the temporary files."""
        matches = ((path, _TEMPORARY.fullmatch(path)) for path in self._walk(""))
        return sorted(
            (Leftover(temporary=path, path=match["path"]) for path, match in matches if match),
            key=lambda leftover: leftover.temporary,
        )

    @contextmanager
    def guard(self, path: str) -> Iterator[None]:
        """Holds an advisory lock on a file; the kernel lets go of it when the process dies."""
        place = self._path(path)
        with _explained_writing(place, path, 0, 0):
            place.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def locate(self, path: str) -> str:
        """Returns the absolute path."""
        return str(self._path(path).absolute())

    def _path(self, path: str) -> Path:
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts:
            raise ShardError(f"{path!r}: a path in a run directory is relative and has no '..'")
        return self.root / pure

    def _walk(self, prefix: str) -> Iterator[str]:
        folder = self._path(prefix.rpartition("/")[0])
        for parent, _, names in os.walk(folder):
            base = Path(parent).relative_to(self.root).as_posix()
            for name in names:
                path = name if base == "." else f"{base}/{name}"
                if path.startswith(prefix):
                    yield path

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise ShardError(f"{path}: missing from {self.root}; run the same command again to make it") from error
        except OSError as error:
            raise ShardError(f"{path}: cannot be read in {self.root}: {error.strerror}") from error


class _LocalFile:
    __slots__ = ("_handle",)

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def read(self, start: int, size: int) -> bytes:
        data = os.pread(self._handle, size, start)
        while 0 < len(data) < size:
            more = os.pread(self._handle, size - len(data), start + len(data))
            if not more:
                break
            data += more
        return data

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __del__(self) -> None:
        self.close()


class _LocalPending:
    __slots__ = ("_final", "_flushed", "_handle", "_path", "_temporary", "_written")

    def __init__(self, final: Path, path: str) -> None:
        self._final = final
        self._path = path
        self._temporary = final.with_name(f"{final.name}.tmp-{secrets.token_hex(8)}")
        self._written = 0
        self._flushed = 0
        with _explained_writing(final, path, 0, 0):
            final.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self._temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)

    def write(self, data: Bytes) -> None:
        rest = memoryview(data)
        with _explained_writing(self._final, self._path, self._written, len(rest)):
            while rest:
                count = os.write(self._handle, rest)
                self._written += count
                rest = rest[count:]
            if self._written - self._flushed >= _WRITE_BACK:
                # The kernel starts to write the span, and later forgets it.
                os.posix_fadvise(self._handle, self._flushed, self._written - self._flushed, os.POSIX_FADV_DONTNEED)
                self._flushed = self._written

    @contextmanager
    def view(self, start: int, size: int) -> Iterator[memoryview]:
        # Only the span is mapped: a mapped shard would count as memory of the worker.
        before = start % mmap.ALLOCATIONGRANULARITY
        end = min(start + size, self._written)
        with (
            mmap.mmap(self._handle, end - start + before, prot=mmap.PROT_READ, offset=start - before) as mapped,
            memoryview(mapped) as whole,
            whole[before:] as span,
        ):
            yield span

    def commit(self) -> None:
        try:
            with _explained_writing(self._final, self._path, self._written, 0):
                os.fsync(self._handle)
                self._temporary.replace(self._final)
        except BaseException:
            self.discard()
            raise
        if self._flushed:
            # A shard is not read again soon. Leaving it in the page cache would push out the banks that all workers
            # share, and first-touch pages made writing ten times slower on a virtual machine that returns free memory.
            os.posix_fadvise(self._handle, 0, 0, os.POSIX_FADV_DONTNEED)
        self._close()

    def discard(self) -> None:
        if self._handle >= 0:
            self._temporary.unlink(missing_ok=True)
        self._close()

    def _close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.discard()


@contextmanager
def _explained_writing(final: Path, path: str, written: int, more: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise RunError(f"{path}: cannot be written: {error.strerror} ({error.filename or final})") from error
        raise RunError(
            f"{path}: the disk is full; at least {more} more bytes are needed after {written} were written, and "
            f"{_free_bytes(final)} are free at {final.parent}. Make room and run the same command again: it resumes, "
            "and finished shards are kept"
        ) from error


def _free_bytes(path: Path) -> int:
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free
