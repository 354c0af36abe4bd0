"""WebDataset: tar files in which the files of a recording have one name and follow each other."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from soundflow_data.bank.readers._packed import PackedCorpus
from soundflow_data.bank.readers._rows import Row, RowError, listed, unusable
from soundflow_data.bank.readers._sounds import ENDINGS
from soundflow_data.bank.source import Encoded, SourceItem

_TARS: Final = (".tar", ".tar.gz", ".tgz")
_TEXTS: Final = frozenset({"txt", "text", "cls", "transcript", "caption"})
_END: Final = 1024  # a tar ends with two empty blocks


class Webdataset(PackedCorpus, frozen=True, kw_only=True):
    """Tar files in the WebDataset format (webdataset.github.io/webdataset, section on the format).

    Layout:
        *.tar, *.tar.gz      <key>.{wav,flac,mp3,ogg,opus,m4a} beside <key>.json (an object with text, label, speaker,
                             ... under our names or common others), <key>.txt (the text) or <key>.cls (the label)

    The key is what stands before the first dot of the file's name. Other files are passed over. A speaker is never in
    two splits; without speakers, a recording is not. A tar that ends too early is used as far as it goes, and named.
    """

    def items(self) -> Iterator[SourceItem]:
        """Lists the recordings, tar by tar."""
        self.check_columns()
        for file in self.files(*_TARS):
            name = file.relative_to(self.path).as_posix() if self.path.is_dir() else file.name
            yield from listed(_samples(file), self._items, kind=self.kind or "sound", name=name)
            if not _is_whole(file):
                message = f"{name}: the tar has no end, so recordings may be missing; copy it again"
                yield unusable(f"{name}:end", message, "broken tar", kind=self.kind or "sound", path=name)

    def _items(self, row: Row) -> Iterator[SourceItem]:
        key, files = row["key"], row["files"]
        ending = next((ending for ending in files if f".{ending.rpartition('.')[2]}" in ENDINGS), "")
        if not ending:
            raise RowError(f"{key!r} has no recording among {', '.join(files)}", "missing")
        known: dict[str, Any] = {}
        if "json" in files:
            try:
                known |= msgspec.json.decode(files["json"], type=dict[str, Any])
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise RowError(f"{key!r}: its JSON cannot be read ({error})", "broken row") from error
        known |= {name: files[name] for name in _TEXTS & set(files)}
        path = f"{row['tar']}/{key}.{ending}"
        yield self.item(known, Encoded(data=files[ending]), name=key, path=path)


def _samples(file: Path) -> Iterator[tuple[int, Row | RowError]]:
    """Reads the files of one key after another; a tar that breaks off is an error after its last whole file."""
    number, key, files = 0, "", dict[str, bytes]()
    try:
        with tarfile.open(file, "r|*") as tar:
            for member in tar:
                folder, _, base = member.name.rpartition("/")
                stem, dot, ending = base.partition(".")
                if not member.isfile() or not stem or not dot:
                    continue
                name = f"{folder}/{stem}" if folder else stem
                if name != key and files:
                    number += 1
                    yield number, {"key": key, "files": files, "tar": file.name}
                    files = {}
                key = name
                opened = tar.extractfile(member)
                assert opened is not None  # it is a file
                files[ending.lower()] = opened.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        number += 1
        yield number, RowError(f"the tar breaks off ({error})", "broken tar")
    if files:
        yield number + 1, {"key": key, "files": files, "tar": file.name}


def _is_whole(file: Path) -> bool:
    """Tells whether a tar that is not compressed ends as it should; a compressed one was checked by reading it."""
    if file.suffix != ".tar":
        return True
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - _END))
        return not any(opened.read())
