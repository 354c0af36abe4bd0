"""Timelines say what is wrong with them, and survive JSON."""

from __future__ import annotations

import msgspec
import pytest

from soundflow_data.errors import TimelineError
from soundflow_data.timeline import Event, Response, Silence, Timeline, ToolCall, Turn, Word, from_json, to_json


def event(**changes: object) -> Event:
    base = Event(track="sound", kind="sound", role="foreground", bank="b", clip="dog-1", onset=100, num_samples=1_000)
    return msgspec.structs.replace(base, **changes)


def stream(**changes: object) -> Timeline:
    base = Timeline(
        key="train-00000001",
        split="train",
        ability="real_time_asr",
        subtask="english_asr",
        num_samples=64_000,
        events=(event(label="dog", words=(Word(text="woof", start=150, end=900),)),),
        responses=(
            Response(text="a dog", evidence=1_100, due=1_100, events=(0,)),
            Response(text="", evidence=5, due=9, call=ToolCall(name="light", arguments={"on": True})),
        ),
        silences=(Silence(start=0, end=5, reason="look-alike"),),
        turns=(Turn(user="woof", assistant="a dog"),),
        snr_db=12.5,
    )
    return msgspec.structs.replace(base, **changes)


def test_json_round_trip_is_exact() -> None:
    data = to_json(stream())
    assert from_json(data) == stream()
    assert to_json(from_json(data)) == data


def test_word_times_are_written_compactly() -> None:
    assert b'["woof",150,900]' in to_json(stream())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": "Train 1"}, r"only the characters \[0-9a-z_-\]"),
        ({"num_samples": 64_001}, "not a whole number of 6400-sample chunks"),
        ({"num_samples": 0}, "not a whole number"),
        ({"events": (event(onset=63_500),)}, "event 0 .* ends at sample 64500, past the end 64000"),
        ({"events": (event(onset=-1),)}, "onset -1"),
        ({"events": (event(num_samples=0),)}, "length 0"),
        ({"events": (event(fade_in=600, fade_out=600),)}, "fades of 600 and 600 samples"),
        ({"events": (event(words=(Word(text="hi", start=50, end=200),)),)}, "word 'hi' at 50..200 lies outside 100"),
        ({"responses": (Response(text="x", evidence=10, due=9),)}, "due at sample 9, before its evidence"),
        ({"responses": (Response(text="x", evidence=10, due=64_001),)}, "past the end 64000"),
        ({"responses": (Response(text="", evidence=1, due=1),)}, "neither text nor a tool call"),
        ({"responses": (Response(text="x", evidence=1, due=1, events=(3,)),)}, "rests on event 3, but there are 1"),
    ],
)
def test_contradictions_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(TimelineError, match=message):
        stream(**changes).check()


def test_a_sound_timeline_passes() -> None:
    stream().check()


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"key": 3}', b'{"key": "a", "split": "b"}'])
def test_what_is_no_timeline_is_refused(data: bytes) -> None:
    with pytest.raises(TimelineError, match="not a timeline"):
        from_json(data)
