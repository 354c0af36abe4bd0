"""Checks one shard from its bytes up: files, tar members, audio, JSON, timelines, targets, tables, counts."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from soundflow_data.audio.decode import decode_flac
from soundflow_data.errors import AudioError, ShardError, TimelineError
from soundflow_data.quality.findings import Check, Finding, ShardReport
from soundflow_data.shards import tar
from soundflow_data.shards.layout import TABLES, Table
from soundflow_data.shards.manifest import StreamRow, columns_of, event_rows, response_rows
from soundflow_data.shards.receipts import Receipt
from soundflow_data.shards.record import StreamRecord, decode_record, make_record
from soundflow_data.shards.storage import Storage, StoredFile
from soundflow_data.shards.writer import DroppedStream, count
from soundflow_data.targets import project

_BLOCK: Final = 1 << 20
_KEY: Final = re.compile(r"[0-9a-z_-]+")
_ROW_ID: Final[dict[Table, tuple[str, ...]]] = {
    "manifest": ("key",),
    "events": ("key", "event"),
    "responses": ("key", "response"),
}


def check_shard(storage: Storage, receipt: Receipt) -> ShardReport:
    """Decodes a whole shard and compares everything that is said twice; pure, so that any executor may run it.

    Args:
        storage: The run directory.
        receipt: Of the shard.
    """
    return _ShardCheck(storage, receipt).run()


class _ShardCheck:
    """The check of one shard; findings are collected, and a check that cannot go on ends with one."""

    def __init__(self, storage: Storage, receipt: Receipt) -> None:
        self._storage = storage
        self._receipt = receipt
        self._spec = receipt.shard
        self._findings: list[Finding] = []
        self._rows: list[StreamRow] = []  # of the streams whose JSON can be read
        self._keys: list[str] = []  # of all streams in the tar
        self._repair = f"remove {receipt.shard.receipt} and run the same command again"

    def run(self) -> ShardReport:
        self._check_files()
        samples = self._check_tar() if self._storage.exists(self._spec.tar) else 0
        self._check_tables()
        self._check_counts()
        return ShardReport(
            shard=self._spec.index, streams=len(self._keys), samples=samples, findings=tuple(self._findings)
        )

    def _add(self, check: Check, what: str, expected: object, found: object, key: str = "") -> None:
        self._findings.append(
            Finding(
                check=check,
                what=what,
                expected=_short(expected),
                found=_short(found),
                repair=self._repair,
                shard=self._spec.index,
                key=key,
            )
        )

    # -- files -------------------------------------------------------------------------------------------------------

    def _check_files(self) -> None:
        needed = {self._spec.tar, *(self._spec.table(table) for table in TABLES)}
        if missing := needed - set(self._receipt.files):
            self._add("receipt", "files that the receipt does not list", sorted(needed), f"without {sorted(missing)}")
        for path, file in self._receipt.files.items():
            if not self._storage.exists(path):
                self._add("file", path, f"{file.size} bytes", "no such file")
            elif (size := self._storage.size(path)) != file.size:
                self._add("file", f"length of {path}", f"{file.size} bytes", f"{size} bytes")
            elif (digest := _sha256(self._storage, path, size)) != file.sha256:
                self._add("file", f"SHA-256 of {path}", file.sha256, digest)

    # -- tar ---------------------------------------------------------------------------------------------------------

    def _check_tar(self) -> int:
        """Checks members and streams; returns the number of decoded samples."""
        file = self._storage.open(self._spec.tar)
        try:
            members = self._members(file)
            return sum(self._check_stream(file, key, audio, text) for key, audio, text in self._pairs(members))
        finally:
            file.close()

    def _members(self, file: StoredFile) -> list[tar.Member]:
        members: list[tar.Member] = []
        try:
            members.extend(tar.scan(file, self._storage.size(self._spec.tar)))
        except ShardError as error:
            self._add("tar", f"members of {self._spec.tar}", "whole members and an end", error)
        return members

    def _pairs(self, members: list[tar.Member]) -> Iterable[tuple[str, tar.Member, tar.Member]]:
        """Yields key, audio and JSON of every stream whose two members stand side by side."""
        audio: tar.Member | None = None
        for member in members:
            key, _, extension = member.name.partition(".")
            if extension == self._receipt.codec:
                if audio is not None:
                    self._add_unpaired(audio)
                audio = member
            elif extension == "json" and audio is not None and audio.name == f"{key}.{self._receipt.codec}":
                self._check_key(key)
                yield key, audio, member
                audio = None
            else:
                if audio is not None:
                    self._add_unpaired(audio)
                    audio = None
                self._add_unpaired(member)
        if audio is not None:
            self._add_unpaired(audio)

    def _add_unpaired(self, member: tar.Member) -> None:
        pair = f"<key>.{self._receipt.codec} and <key>.json side by side"
        self._add("tar", "a member without its partner", pair, member.name, member.name.partition(".")[0])

    def _check_key(self, key: str) -> None:
        if not _KEY.fullmatch(key):
            self._add("key", "characters of the key", "[0-9a-z_-]", repr(key), key)
        if self._keys and key <= self._keys[-1]:
            self._add("key", "order of the keys", f"a key after {self._keys[-1]!r}", repr(key), key)
        self._keys.append(key)

    # -- streams -----------------------------------------------------------------------------------------------------

    def _check_stream(self, file: StoredFile, key: str, audio: tar.Member, text: tar.Member) -> int:
        num_samples = self._decode(file, key, audio)
        try:
            record = decode_record(file.read(text.offset, text.size))
        except ShardError as error:
            self._add("json", "the JSON member", "the JSON of a stream", error, key)
            return num_samples or 0
        if num_samples is not None and num_samples != record.timeline.num_samples:
            self._add("audio", "decoded length", f"{record.timeline.num_samples} samples", num_samples, key)
        self._check_record(key, record)
        start = audio.offset - tar.BLOCK
        self._rows.append(
            StreamRow(
                shard=self._spec,
                codec=self._receipt.codec,
                timeline=record.timeline,
                targets=record.targets,
                audio_offset=audio.offset,
                audio_size=audio.size,
                json_offset=text.offset,
                json_size=text.size,
                xxh3=xxhash.xxh3_64_intdigest(file.read(start, text.end - start)),
            )
        )
        return num_samples or 0

    def _decode(self, file: StoredFile, key: str, audio: tar.Member) -> int | None:
        try:
            return len(decode_flac(file.read(audio.offset, audio.size), name=audio.name))
        except AudioError as error:
            self._add("audio", "the audio member", "a recording of 16 kHz mono", error, key)
            return None

    def _check_record(self, key: str, record: StreamRecord) -> None:
        timeline = record.timeline
        if timeline.key != key:
            self._add("json", "key of the timeline", key, timeline.key, key)
        if timeline.split != self._spec.split:
            self._add("json", "split of the timeline", self._spec.split, timeline.split, key)
        expected = make_record(timeline, record.targets)
        for name in StreamRecord.__struct_fields__:
            if getattr(record, name) != getattr(expected, name):
                self._add("json", f"field {name}", getattr(expected, name), getattr(record, name), key)
        try:
            timeline.check()
            if record.targets.chunk != timeline.chunk:
                self._add("targets", "samples per chunk", timeline.chunk, record.targets.chunk, key)
            projected = project(timeline)
        except TimelineError as error:
            self._add("timeline", "the timeline", "a plan that keeps its own rules", error, key)
            return
        if projected != record.targets:
            self._add("targets", "targets", projected.spoken, record.targets.spoken, key)

    # -- tables ------------------------------------------------------------------------------------------------------

    def _check_tables(self) -> None:
        rows: dict[Table, Callable[[], list[Any]]] = {
            "manifest": lambda: list(self._rows),
            "events": lambda: event_rows(self._rows),
            "responses": lambda: response_rows(self._rows),
        }
        for name in TABLES:
            path = self._spec.table(name)
            if self._storage.exists(path):
                found = self._read_table(name, path)
                if found is not None:
                    self._compare(name, path, rows[name](), found)

    def _read_table(self, name: Table, path: str) -> list[dict[str, Any]] | None:
        columns = columns_of(name)
        try:
            table = pq.read_table(pa.BufferReader(self._storage.read(path)))
        except (pa.ArrowException, OSError) as error:
            self._add("table", path, "a Parquet file", error)
            return None
        schema = pa.schema([pa.field(column.name, column.type) for column in columns])
        if not table.schema.equals(schema):
            self._add("table", f"columns of {path}", schema.names, table.schema.names)
            return None
        return table.to_pylist()

    def _compare(self, name: Table, path: str, rows: list[Any], found: list[dict[str, Any]]) -> None:
        columns = columns_of(name)
        expected = [{column.name: column.value(row) for column in columns} for row in rows]
        identity = _ROW_ID[name]
        readable = {row.timeline.key for row in self._rows}
        unreadable = set(self._keys) - readable  # already reported; their rows cannot be checked
        found = [row for row in found if row["key"] not in unreadable]
        ids = [tuple(row[part] for part in identity) for row in expected]
        found_ids = [tuple(row[part] for part in identity) for row in found]
        self._compare_ids(path, ids, found_ids)
        by_id = dict(zip(ids, expected, strict=True))
        for row_id, row in zip(found_ids, found, strict=True):
            wanted = by_id.get(row_id, row)
            for column, value in wanted.items():
                if row[column] != value:
                    what = f"column {column} of {row_id} in {path}"
                    self._add("table", what, repr(value), repr(row[column]), row["key"])

    def _compare_ids(self, path: str, ids: list[tuple[Any, ...]], found_ids: list[tuple[Any, ...]]) -> None:
        known, present = set(ids), set(found_ids)
        missing = [row_id for row_id in ids if row_id not in present]
        surplus = [row_id for row_id in found_ids if row_id not in known]
        if missing:
            self._add("table", f"rows of {path}", f"{missing[0]}", f"{len(missing)} rows missing", missing[0][0])
        if surplus:
            self._add("table", f"rows of {path}", f"no {surplus[0]}", f"{len(surplus)} rows too many", surplus[0][0])
        if not missing and not surplus and ids != found_ids:
            first = next(i for i in range(len(found_ids)) if ids[i : i + 1] != found_ids[i : i + 1])
            expected = ids[first] if first < len(ids) else "no more rows"
            self._add("table", f"order of the rows of {path}", expected, found_ids[first], found_ids[first][0])

    # -- counts ------------------------------------------------------------------------------------------------------

    def _check_counts(self) -> None:
        receipt, spec = self._receipt, self._spec
        if len(self._rows) == len(self._keys):  # else the numbers of unreadable streams are missing
            counted = count(self._rows)
            if counted != receipt.counts:
                self._add("counts", "counts of the receipt", counted, receipt.counts)
        if receipt.seconds != receipt.counts.seconds:
            self._add("counts", "seconds of the receipt", receipt.counts.seconds, receipt.seconds)
        made = receipt.counts.streams + sum(receipt.drops.values())
        if made != spec.num_streams:
            self._add("counts", "streams and drops together", spec.num_streams, made)
        drops = self._read_drops()
        if drops is not None and drops != receipt.drops:
            self._add("counts", f"drops in {spec.quarantine}", receipt.drops, drops)

    def _read_drops(self) -> dict[str, int] | None:
        path = self._spec.quarantine
        if not self._storage.exists(path):
            return {}
        try:
            lines = [msgspec.json.decode(line, type=DroppedStream) for line in self._storage.read(path).splitlines()]
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._add("file", path, "one dropped stream per line", error)
            return None
        return dict(Counter(line.reason for line in lines))


def _sha256(storage: Storage, path: str, size: int) -> str:
    digest = hashlib.sha256()
    file = storage.open(path)
    try:
        for start in range(0, size, _BLOCK):
            digest.update(file.read(start, _BLOCK))
    finally:
        file.close()
    return digest.hexdigest()


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 300 else f"{text[:297]}..."
