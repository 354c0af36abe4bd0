"""Small run directories for tests: streams of tones, one tone per event, with every kind of row in the tables."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundflow_data.shards.layout import Codec, ShardPlan, ShardSpec
from soundflow_data.shards.receipts import Receipt, RunIdentity
from soundflow_data.shards.storage import Storage
from soundflow_data.shards.writer import ShardWriter
from soundflow_data.targets import project
from soundflow_data.timeline import NO_RESPONSE, Event, Response, Silence, Timeline, ToolCall, Turn

CHUNK = 6_400
ABILITIES = ("voice_chatting", "proactive_response", "environment_aware_agent")
LICENCES = ("CC0-1.0", "CC-BY-4.0", "CC-BY-NC-4.0")
IDENTITY = RunIdentity(fingerprint="recipe-1234", seed=7, software={"soundflow": "0.1.0"})


def make_timeline(split: str, number: int, *, num_chunks: int = 4, num_events: int = 2) -> Timeline:
    """Returns a stream whose length, events and responses depend on its number alone."""
    ability = ABILITIES[number % 3]
    events = tuple(
        Event(
            track=f"sound-{i}",
            kind="sound",
            role="foreground",
            bank="tones",
            clip=f"tone-{number}-{i}",
            onset=800 * i,
            num_samples=4_000,
            gain_db=-6.0,
            label=f"tone {i}",
            corpus="tones",
            origin=f"{split}-{number}-{i}",
            licence=LICENCES[number % 3],
        )
        for i in range(num_events)
    )
    end = events[-1].end
    call = ToolCall(name="lamp", arguments={"on": True, "room": "kitchen"}) if number % 3 == 2 else None
    return Timeline(
        key=f"{split}-{number:06d}",
        split=split,
        ability=ability,
        subtask=f"{ability}_test",
        num_samples=CHUNK * (num_chunks + number % 2),
        snr_db=12.5 if number % 2 else None,
        events=events,
        responses=(
            Response(text="one tone", evidence=end, due=end, kind="count", events=(0,)),
            Response(text="", evidence=end, due=end + 1, kind="call", call=call)
            if call
            else Response(text="两个", evidence=end, due=end + 1, language="zh"),
        ),
        silences=(Silence(start=0, end=800, reason="look-alike", events=(0,)),),
        turns=(
            Turn(user="count the tones", assistant="one tone", emotion="calm"),
            Turn(user="(thunder)", assistant=NO_RESPONSE),
        ),
    )


def make_pcm(timeline: Timeline) -> NDArray[np.int16]:
    """Renders one triangle wave per event over a quiet hiss, in whole numbers, so that every machine makes the same."""
    time = np.arange(timeline.num_samples, dtype=np.uint64)
    hiss = (time * np.uint64(0x9E3779B97F4A7C15 + len(timeline.events))) >> np.uint64(58)
    mix = hiss.astype(np.int64) - 32
    for i, event in enumerate(timeline.events):
        period = 72 // (i + 1)
        phase = np.arange(event.num_samples) % period
        mix[event.onset : event.end] += 2_000 - 8_000 * np.abs(phase - period // 2) // period
    return mix.astype(np.int16)


def write_shard(storage: Storage, spec: ShardSpec, *, codec: Codec = "flac", drop_every: int = 5) -> Receipt:
    """Writes one shard; every stream whose number is `drop_every - 1` modulo `drop_every` is dropped."""
    with ShardWriter(storage, spec, identity=IDENTITY, codec=codec) as writer:
        for number in range(spec.start, spec.stop):
            timeline = make_timeline(spec.split, number)
            if drop_every and number % drop_every == drop_every - 1:
                writer.drop(timeline.key, "too long", f"stream {number}")
            else:
                writer.add(timeline, project(timeline), make_pcm(timeline))
        return writer.finish()


def write_run(storage: Storage, plan: ShardPlan, *, codec: Codec = "flac", drop_every: int = 5) -> list[Receipt]:
    """Writes all shards of a plan."""
    return [write_shard(storage, spec, codec=codec, drop_every=drop_every) for spec in plan]
