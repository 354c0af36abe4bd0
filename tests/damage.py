"""Damages a finished run so that only what it says is wrong: streams are edited, and the shards written anew."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from soundflow_data.audio.decode import decode_flac
from soundflow_data.shards import DroppedStream, LocalStorage, Receipt, ShardWriter, list_receipts
from soundflow_data.shards.record import decode_record
from soundflow_data.targets import Targets, project
from soundflow_data.timeline import Event, Response, Timeline


class Stream(msgspec.Struct, kw_only=True):
    """A stream that may be changed; targets follow from the timeline unless they are given."""

    number: int
    timeline: Timeline
    pcm: NDArray[np.int16]
    targets: Targets | None = None

    def change(self, **fields: object) -> None:
        """Changes fields of the timeline."""
        self.timeline = msgspec.structs.replace(self.timeline, **fields)

    def events(self, edit: Callable[[int, Event], Event]) -> None:
        """Changes events."""
        self.change(events=tuple(edit(i, event) for i, event in enumerate(self.timeline.events)))

    def responses(self, edit: Callable[[int, Response], Response]) -> None:
        """Changes responses."""
        self.change(responses=tuple(edit(i, response) for i, response in enumerate(self.timeline.responses)))


def damage(storage: LocalStorage, edit: Callable[[Stream], None], *, shards: tuple[int, ...] | None = None) -> None:
    """Applies an edit to every stream of some shards, by default of all, and writes these again with their tables.

    Args:
        storage: The run directory.
        edit: Changes a stream in place; its `number` counts through the run.
        shards: Numbers of the shards.
    """
    number = 0
    for receipt in list_receipts(storage):
        streams = []
        for row in pq.read_table(storage.locate(receipt.shard.table("manifest"))).to_pylist():
            pcm = decode_flac(storage.read(receipt.shard.tar, row["audio_offset"], row["audio_size"]))
            record = decode_record(storage.read(receipt.shard.tar, row["json_offset"], row["json_size"]))
            streams.append(Stream(number=number, timeline=record.timeline, pcm=pcm))
            number += 1
        if shards is not None and receipt.shard.index not in shards:
            continue
        with ShardWriter(storage, receipt.shard, identity=receipt.identity, codec=receipt.codec) as writer:
            for stream in streams:
                edit(stream)
                writer.add(stream.timeline, stream.targets or project(stream.timeline), stream.pcm)
            for drop in _drops(storage, receipt):
                writer.drop(drop.key, drop.reason, drop.detail)
            writer.finish()


def _drops(storage: LocalStorage, receipt: Receipt) -> list[DroppedStream]:
    path = receipt.shard.quarantine
    lines = storage.read(path).splitlines() if path in receipt.files else []
    return [msgspec.json.decode(line, type=DroppedStream) for line in lines]
