"""Renders a timeline to audio: the only place where the plan meets samples."""

from __future__ import annotations

from soundflow_data.audio.mix import FloatAudio, Layer, PcmAudio, linear, mix_float, mix_pcm
from soundflow_data.library import Library
from soundflow_data.timeline import Event, Timeline


def render(timeline: Timeline, library: Library) -> FloatAudio:
    """Renders a stream to float32 (num_samples,), full scale at 1.0.

    Raises:
        BankError: A clip is not in the library.
    """
    return mix_float(_layers(timeline.events, library), timeline.num_samples, linear(timeline.gain_db))


def render_pcm(timeline: Timeline, library: Library) -> PcmAudio:
    """Renders a stream to int16 (num_samples,); this is what shards hold."""
    return mix_pcm(_layers(timeline.events, library), timeline.num_samples, linear(timeline.gain_db))


def stems(timeline: Timeline, library: Library) -> dict[str, FloatAudio]:
    """Renders each track by itself; float32 (num_samples,) each, and their sum is the mix."""
    gain = linear(timeline.gain_db)
    tracks = dict.fromkeys(event.track for event in timeline.events)
    return {
        track: mix_float(
            _layers([event for event in timeline.events if event.track == track], library), timeline.num_samples, gain
        )
        for track in tracks
    }


def _layers(events: list[Event] | tuple[Event, ...], library: Library) -> list[Layer]:
    return [
        Layer(
            pcm=library.pcm(event),
            onset=event.onset,
            gain=linear(event.gain_db),
            fade_in=event.fade_in,
            fade_out=event.fade_out,
        )
        for event in events
    ]
