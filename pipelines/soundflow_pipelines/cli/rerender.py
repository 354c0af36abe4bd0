"""`soundflow rerender`: makes one stream again and compares it bit by bit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from soundflow_data.errors import RunError
from soundflow_pipelines.cli.arguments import Json, RunFolder, StreamKey
from soundflow_pipelines.cli.errors import FAILED
from soundflow_pipelines.cli.formats import plural
from soundflow_pipelines.cli.terminal import Terminal

if TYPE_CHECKING:
    from soundflow_data.corpus import Corpus, Stream

MAX_DIFFERENCES = 5


def rerender(out: RunFolder, key: StreamKey, as_json: Json = False) -> None:
    """Makes one stream again from recipe, banks and seed, and compares its audio and JSON with those in the shard.

    Ends with exit code 1 when a single bit differs.

    Example: `soundflow rerender out/quickstart train-00000012`
    """
    from soundflow_data.audio.encode import encode  # noqa: PLC0415
    from soundflow_data.shards.record import encode_record, make_record  # noqa: PLC0415
    from soundflow_pipelines.synthesize import reopen  # noqa: PLC0415

    terminal = Terminal(as_json=as_json)
    stored_audio, stored_text = _stored(out, key)
    corpus = reopen(out)
    stream = _make(corpus, key)
    audio = encode(stream.pcm, corpus.recipe.codec)
    text = encode_record(make_record(stream.timeline, stream.targets))
    differences = [
        *([] if audio == stored_audio else [_differing_audio(stored_audio, audio)]),
        *([] if text == stored_text else _differing_json(stored_text, text)),
    ]
    for difference in differences:
        terminal.fail(difference)
    if not differences:
        terminal.say(
            f"{key}: bit-identical ({plural(len(audio), 'byte')} of audio, {plural(len(text), 'byte')} of JSON)"
        )
    terminal.result({"key": key, "identical": not differences, "differences": differences})
    if differences:
        raise typer.Exit(FAILED)


def _stored(out: Path, key: str) -> tuple[bytes, bytes]:
    """Reads the members of a stream as they stand in its tar."""
    from soundflow_data.shards import LocalStorage  # noqa: PLC0415
    from soundflow_data.shards.tables import run_query  # noqa: PLC0415
    from soundflow_pipelines.cli.stored import no_such_stream, quoted  # noqa: PLC0415

    storage = LocalStorage(out)
    rows = run_query(
        storage,
        f"SELECT tar, audio_offset, audio_size, json_offset, json_size FROM streams WHERE key = {quoted(key)}",  # noqa: S608
    ).rows
    if not rows:
        raise no_such_stream(out, key)
    tar, audio_offset, audio_size, json_offset, json_size = rows[0]
    return storage.read(tar, audio_offset, audio_size), storage.read(tar, json_offset, json_size)


def _make(corpus: Corpus, key: str) -> Stream:
    split, _, number = key.rpartition("-")
    spec = corpus.spec(split, int(number)) if split in corpus.recipe.splits and number.isdecimal() else None
    if spec is None or spec.key != key:
        raise RunError(f"stream {key!r} is not one that this recipe makes; keys are <split>-<8 digits>")
    return corpus.make(spec)


def _differing_audio(stored: bytes, made: bytes) -> str:
    import io  # noqa: PLC0415

    import numpy as np  # noqa: PLC0415
    import soundfile  # noqa: PLC0415

    try:
        before, after = (soundfile.read(io.BytesIO(data), dtype="int16")[0].astype(np.int32) for data in (stored, made))
    except soundfile.LibsndfileError as error:
        return f"audio: the bytes in the shard are damaged ({error.error_string})"
    if len(before) != len(after):
        return f"audio: {len(before)} samples in the shard, {len(after)} made again"
    apart = np.abs(before - after)
    if not apart.any():
        return "audio: the samples are equal, but the encoder wrote other bytes; is it another version?"
    first = int(np.argmax(apart > 0))
    return (
        f"audio: {plural(int(np.count_nonzero(apart)), 'sample')} of {len(before):,} differ, the first at {first}, "
        f"by at most {int(apart.max())}"
    )


def _differing_json(stored: bytes, made: bytes) -> list[str]:
    import json  # noqa: PLC0415

    found = list(_differing_values(json.loads(stored), json.loads(made), ""))
    more = [f"json: and {len(found) - MAX_DIFFERENCES} more"] if len(found) > MAX_DIFFERENCES else []
    return [*found[:MAX_DIFFERENCES], *more] or ["json: the values are equal, but the bytes are not"]


def _differing_values(before: Any, after: Any, place: str) -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        keys = {**before, **after}
        return [
            line
            for key in keys
            for line in _differing_values(before.get(key), after.get(key), f"{place}.{key}" if place else key)
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [
            line
            for i, (one, other) in enumerate(zip(before, after, strict=True))
            for line in _differing_values(one, other, f"{place}[{i}]")
        ]
    if before == after:
        return []
    return [f"json: {place} is {_short(before)} in the shard, {_short(after)} made again"]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
