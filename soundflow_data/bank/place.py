"""Where a bank is built: a hidden folder beside its own, so that a build that dies leaves nothing that opens."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Final

from soundflow_data.bank.format import INFO, BankInfo, read_info
from soundflow_data.errors import BankError

_BUILDING: Final = "building"
_REPLACED: Final = "replaced"


class BuildPlace:
    """The folder of a bank and the hidden one in which it is built; a context manager that gives the hidden one.

    One process at a time may build a bank. The lock is on the hidden folder and dies with its holder, so nothing needs
    to be cleaned up by hand after a crash.

    Args:
        out: Folder of the bank.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._folder = out.parent / f".{out.name}.{_BUILDING}"
        self._replaced = out.parent / f".{out.name}.{_REPLACED}"
        self._lock = -1
        self._published = False
        self._replaces = False

    def finished(self, inputs: str, *, overwrite: bool) -> BankInfo | None:
        """Returns the bank that is there when it was made from the same inputs, None when one is to be built.

        Raises:
            BankError: There is something else in the folder, and it may not be replaced.
        """
        if not self._out.exists() or (self._out.is_dir() and not any(self._out.iterdir())):
            return None
        if not (self._out / INFO).is_file():
            raise BankError(f"{self._out} is not a bank, so nothing is built over it; choose another folder")
        self._replaces = overwrite
        try:
            info = read_info(self._out)
        except BankError:
            if overwrite:
                return None
            raise
        if info.inputs == inputs:
            return info
        if not overwrite:
            raise BankError(
                f"bank {self._out} was made from other inputs ({_recipe(info)}): the source's files, its options or "
                "the settings have changed; build with overwrite (--overwrite), or choose another folder"
            )
        return None

    def recover(self) -> None:
        """Puts back the bank that a process had moved aside when it died before its new one was in place.

        Only for whoever knows that no other process builds here at the moment.
        """
        if not self._out.exists() and (self._replaced / INFO).is_file():
            self._replaced.rename(self._out)

    def __enter__(self) -> Path:
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        self._acquire()
        for leftover in self._folder.iterdir():
            leftover.unlink()
        return self._folder

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._published:
            shutil.rmtree(self._folder)
        os.close(self._lock)

    def publish(self) -> None:
        """Puts the finished bank in its place; the one that it replaces is removed.

        Raises:
            BankError: The place was free when the build began, and is not any more.
        """
        shutil.rmtree(self._replaced, ignore_errors=True)
        if self._replaces:
            self._out.rename(self._replaced)
        try:
            self._folder.rename(self._out)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
                raise
            raise BankError(
                f"{self._out} appeared while its bank was built; look what it is, then build again"
            ) from error
        self._published = True
        _sync(self._out.parent)
        shutil.rmtree(self._replaced, ignore_errors=True)

    def _acquire(self) -> None:
        """Locks the hidden folder; one that was renamed or removed between making and locking is made again."""
        while True:
            self._folder.mkdir(exist_ok=True)
            self._lock = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(self._lock)
                raise BankError(f"bank {self._out} is being built by another process; wait for it") from error
            with contextlib.suppress(FileNotFoundError):
                if self._folder.stat().st_ino == os.fstat(self._lock).st_ino:
                    return
            os.close(self._lock)


def _recipe(info: BankInfo) -> str:
    return f"source {info.source.get('reader', 'unknown')!r}, {info.num_items} items, {info.hours:.2f} h"


def _sync(folder: Path) -> None:
    """Makes a rename outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
