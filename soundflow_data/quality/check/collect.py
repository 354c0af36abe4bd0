"""Looks at one shard: decodes every stream once, measures its sound and asks the checks of single streams."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from soundflow_data.audio.decode import decode_flac
from soundflow_data.errors import AudioError, ShardError
from soundflow_data.quality.check.base import Known, Subject
from soundflow_data.quality.check.checks import stream_checks
from soundflow_data.quality.check.corpus import ShardMeasures
from soundflow_data.quality.check.sound import NUM_BANDS, NUM_PARTS, SOUND, measure_sound
from soundflow_data.shards.receipts import Receipt
from soundflow_data.shards.record import decode_record
from soundflow_data.shards.storage import Storage
from soundflow_data.timeline import SAMPLE_RATE

_PLACES = ["key", "audio_offset", "audio_size", "json_offset", "json_size"]


def measure_shard(storage: Storage, known: Known, receipt: Receipt) -> ShardMeasures:
    """Measures one shard; pure, so that any executor may run it.

    Args:
        storage: The run directory.
        known: What the streams are held against.
        receipt: Of the shard.

    Raises:
        ShardError: Its bytes are damaged, so that `soundflow validate` has to be asked first.
    """
    checks = stream_checks()
    places = pq.read_table(pa.BufferReader(storage.read(receipt.shard.table("manifest"))), columns=_PLACES).to_pylist()
    sound = np.zeros(len(places), SOUND)
    embeddings = np.zeros((len(places), NUM_PARTS * NUM_BANDS), np.float16)
    faults: dict[str, list[tuple[str, str]]] = {name: [] for name in checks}
    num_samples = 0
    file = storage.open(receipt.shard.tar)
    try:
        for i, place in enumerate(places):
            key = place["key"]
            try:
                pcm = decode_flac(file.read(place["audio_offset"], place["audio_size"]), name=key)
                record = decode_record(file.read(place["json_offset"], place["json_size"]))
            except (AudioError, ShardError) as error:
                raise ShardError(f"{receipt.shard.tar}: stream {key!r}: {error}") from error
            num_samples += len(pcm)
            sound[i], embeddings[i] = measure_sound(pcm)
            subject = Subject(timeline=record.timeline, targets=record.targets, known=known)
            for name, check in checks.items():
                faults[name] += [(reason, key) for reason in check.faults(subject)]
    finally:
        file.close()
    return ShardMeasures(
        shard=receipt.shard.index,
        seconds=num_samples / SAMPLE_RATE,
        keys=tuple(place["key"] for place in places),
        sound=sound,
        embeddings=embeddings,
        faults={name: tuple(found) for name, found in faults.items()},
    )
