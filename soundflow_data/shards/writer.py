"""Writes one shard: audio and JSON side by side in a tar, its tables, and the receipt that makes it count.

temporary tar -> fsync -> re-read and verify -> rename -> tables -> quarantine -> receipt
"""

from __future__ import annotations

import hashlib
from collections import Counter
from types import TracebackType
from typing import Final, Self

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from soundflow_data.audio.encode import encode
from soundflow_data.errors import ShardError
from soundflow_data.shards import tar
from soundflow_data.shards.layout import FORMAT_VERSION, TABLES, Codec, ShardSpec
from soundflow_data.shards.manifest import StreamRow, encode_table, make_tables
from soundflow_data.shards.receipts import Counts, FileRecord, Receipt, RunIdentity, encode_receipt
from soundflow_data.shards.record import encode_record, make_record
from soundflow_data.shards.storage import Storage, write_bytes
from soundflow_data.targets import Targets
from soundflow_data.timeline import Timeline

_MAX_KEY: Final = tar.MAX_NAME - len(".flac")


class DroppedStream(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the quarantine: a stream that could not be made, and why."""

    shard: int
    split: str
    key: str
    reason: str
    detail: str


class ShardWriter:
    """Writes the streams of one shard; without `finish` nothing of it stays.

        with ShardWriter(storage, spec, identity=identity) as writer:
            writer.add(timeline, project(timeline), pcm)
            receipt = writer.finish()

    Args:
        storage: The run directory.
        spec: Which shard; every planned stream is either added or dropped.
        identity: Goes into the receipt.
        codec: How audio is encoded.
    """

    def __init__(self, storage: Storage, spec: ShardSpec, *, identity: RunIdentity, codec: Codec = "flac") -> None:
        self._storage = storage
        self._spec = spec
        self._identity = identity
        self._codec = codec
        self._rows: list[StreamRow] = []
        self._drops: list[DroppedStream] = []
        self._size = 0
        # An older receipt must not vouch for the files that now replace its own.
        storage.remove(spec.receipt)
        self._pending = storage.create(spec.tar)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pending.discard()

    def add(self, timeline: Timeline, targets: Targets, pcm: NDArray[np.int16]) -> None:
        """Encodes and appends a stream; keys ascend.

        Args:
            timeline: The plan.
            targets: What `project(timeline)` gave.
            pcm: int16 (num_samples,), the rendered mix.

        Raises:
            ShardError: The stream does not belong here, or its parts disagree.
            RunError: The disk is full.
        """
        if pcm.shape != (timeline.num_samples,):
            raise ShardError(
                f"stream {timeline.key!r}: audio of shape {pcm.shape}; the timeline has {timeline.num_samples} samples"
            )
        self._check(timeline, targets)
        self.add_encoded(timeline, targets, encode(pcm, self._codec))

    def add_encoded(self, timeline: Timeline, targets: Targets, audio: bytes) -> None:
        """Appends a stream whose audio is already the bytes of a file in the shard's codec."""
        self._check(timeline, targets)
        key = timeline.key
        text = encode_record(make_record(timeline, targets))
        audio_offset = self._size + tar.BLOCK
        json_offset = audio_offset + tar.padded(len(audio)) + tar.BLOCK
        head = tar.header(f"{key}.{self._codec}", len(audio))
        tail = b"".join(
            (
                bytes(tar.padded(len(audio)) - len(audio)),
                tar.header(f"{key}.json", len(text)),
                text,
                bytes(tar.padded(len(text)) - len(text)),
            )
        )
        digest = xxhash.xxh3_64(head)
        digest.update(audio)
        digest.update(tail)
        for part in (head, audio, tail):
            self._pending.write(part)
        self._size = json_offset + tar.padded(len(text))
        self._rows.append(
            StreamRow(
                shard=self._spec,
                codec=self._codec,
                timeline=timeline,
                targets=targets,
                audio_offset=audio_offset,
                audio_size=len(audio),
                json_offset=json_offset,
                json_size=len(text),
                xxh3=digest.intdigest(),
            )
        )

    def drop(self, key: str, reason: str, detail: str = "") -> None:
        """Counts a planned stream that could not be made.

        Args:
            key: The key it would have had.
            reason: Short and countable.
            detail: What happened to this one.
        """
        self._drops.append(
            DroppedStream(shard=self._spec.index, split=self._spec.split, key=key, reason=reason, detail=detail)
        )

    def finish(self) -> Receipt:
        """Verifies and publishes the shard.

        Raises:
            ShardError: A planned stream is neither added nor dropped, or the bytes read back are not those written.
            RunError: The disk is full.
        """
        spec = self._spec
        if len(self._rows) + len(self._drops) != spec.num_streams:
            raise ShardError(
                f"shard {spec.index}: {spec.num_streams} streams are planned, but {len(self._rows)} were added and "
                f"{len(self._drops)} dropped; add or drop every one"
            )
        files = {spec.tar: self._commit_tar()}
        tables = make_tables(self._rows)
        for name in TABLES:
            files[spec.table(name)] = self._write(spec.table(name), encode_table(tables[name]))
        if self._drops:
            lines = b"".join(msgspec.json.encode(drop) + b"\n" for drop in self._drops)
            files[spec.quarantine] = self._write(spec.quarantine, lines)
        else:
            self._storage.remove(spec.quarantine)
        counts = count(self._rows)
        receipt = Receipt(
            format=FORMAT_VERSION,
            shard=spec,
            identity=self._identity,
            codec=self._codec,
            counts=counts,
            seconds=counts.seconds,
            drops=dict(sorted(Counter(drop.reason for drop in self._drops).items())),
            files=files,
        )
        write_bytes(self._storage, spec.receipt, encode_receipt(receipt))
        return receipt

    def _check(self, timeline: Timeline, targets: Targets) -> None:
        where = f"stream {timeline.key!r}"
        if len(timeline.key) > _MAX_KEY:
            raise ShardError(f"{where}: the key has {len(timeline.key)} characters; at most {_MAX_KEY} fit into a tar")
        if self._rows and timeline.key <= self._rows[-1].timeline.key:
            raise ShardError(f"{where} comes after {self._rows[-1].timeline.key!r}; the keys of a shard ascend")
        if timeline.split != self._spec.split:
            raise ShardError(f"{where} is of split {timeline.split!r}, but the shard is of {self._spec.split!r}")
        if targets.num_chunks != -(-timeline.num_samples // targets.chunk):
            raise ShardError(
                f"{where}: {targets.num_chunks} chunks of {targets.chunk} samples do not cover {timeline.num_samples}"
            )

    def _commit_tar(self) -> FileRecord:
        self._pending.write(tar.END)
        digest = hashlib.sha256()
        for row in self._rows:
            start, end = row.audio_offset - tar.BLOCK, row.json_offset + tar.padded(row.json_size)
            with self._pending.view(start, end - start) as stream:
                if xxhash.xxh3_64_intdigest(stream) != row.xxh3:
                    raise ShardError(
                        f"{self._spec.tar}: stream {row.timeline.key!r} reads back other bytes than were written at "
                        f"{start}; check the disk and run the same command again"
                    )
                digest.update(stream)
        with self._pending.view(self._size, len(tar.END)) as end_blocks:
            if end_blocks != tar.END:
                raise ShardError(f"{self._spec.tar}: reads back another end than was written; check the disk")
            digest.update(end_blocks)
        self._pending.commit()
        return FileRecord(size=self._size + len(tar.END), sha256=digest.hexdigest())

    def _write(self, path: str, data: bytes) -> FileRecord:
        write_bytes(self._storage, path, data)
        return FileRecord(size=len(data), sha256=hashlib.sha256(data).hexdigest())


def count(rows: list[StreamRow]) -> Counts:
    """Adds up what a shard's streams hold."""
    chunks = sum(row.targets.num_chunks for row in rows)
    return Counts(
        streams=len(rows),
        events=sum(len(row.timeline.events) for row in rows),
        responses=sum(len(row.timeline.responses) for row in rows),
        chunks=chunks,
        silent_chunks=chunks - sum(len(row.targets.spoken) for row in rows),
        samples=sum(row.timeline.num_samples for row in rows),
    )
