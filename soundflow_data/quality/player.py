"""One stream on a page: its sound as a data URI, and its plan as inline SVG over the waveform.

waveform   peaks of equal parts of the stream
lanes      one for each track, most telling first; bars are events, paler behind
assistant  a dot after the chunk that carries a response, dotted from its evidence, with its words
strip      the spans that are kept silent on purpose
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

from soundflow_data.audio.encode import encode
from soundflow_data.quality.picture import Picturable
from soundflow_data.targets import Target, Targets
from soundflow_data.timeline import SAMPLE_RATE, Event, Timeline

WIDTH: Final = 1060
LEFT: Final = 84
PLOT: Final = WIDTH - LEFT
WAVE: Final = 56
LANE: Final = 20
ROW: Final = 15
PARTS: Final = 700
MAX_ROWS: Final = 4  # of answers; where there are more at once, the mouse tells the words
CHARACTER: Final = 6.2  # width of a Latin letter


def player_html(stream: Picturable) -> str:
    """Returns a stream that can be heard and seen, as a piece of HTML; a click on the plan plays from there."""
    timeline = stream.timeline
    sound = base64.b64encode(encode(stream.pcm, "flac")).decode()
    instruction = f"<p>Instruction: “{escape(timeline.instruction)}”</p>" if timeline.instruction else ""
    return (
        f'<div class="stream"><p><b>{escape(timeline.subtask)}</b> '
        f'<span class="summary">{escape(timeline.ability)} · {timeline.seconds:.0f} s · '
        f"<code>{escape(timeline.key)}</code></span></p>{instruction}"
        f'<div class="wide">{_plan(stream)}</div>'
        f'<audio controls preload="metadata" src="data:audio/flac;base64,{sound}"></audio></div>'
    )


def _plan(stream: Picturable) -> str:
    timeline = stream.timeline
    tracks = _tracks(timeline)
    scale = PLOT / timeline.num_samples
    parts = [_wave(stream.pcm)]
    top = WAVE + 6
    for i, track in enumerate(tracks):
        parts += _lane(track, [event for event in timeline.events if event.track == track], top + i * LANE, scale)
    top += len(tracks) * LANE
    strip = "".join(
        f'<rect class="purpose" x="{LEFT + one.start * scale:.1f}" y="{top + 3}" '
        f'width="{(one.end - one.start) * scale:.1f}" height="6" rx="2">'
        f"<title>silent: {escape(one.reason)}</title></rect>"
        for one in timeline.silences
    )
    if strip:
        parts += [f'<text class="faint" x="0" y="{top + 11}">kept silent</text>', strip]
        top += 14
    answers, rows = _answers(timeline, stream.targets, top, scale)
    parts += answers
    height = top + rows * ROW + 24
    parts += _seconds(timeline.seconds, height - 4)
    parts.append(f'<line class="cursor" x1="{LEFT}" x2="{LEFT}" y1="0" y2="{height - 16}"/>')
    return (
        f'<svg class="plan" viewBox="0 0 {WIDTH} {height}" data-left="{LEFT}" data-width="{PLOT}" '
        f'data-seconds="{timeline.seconds:.3f}">{"".join(parts)}</svg>'
    )


def _tracks(timeline: Timeline) -> list[str]:
    """Returns the tracks: what is in front first, noise beds last, else in the order in which they are first heard."""
    first: dict[str, tuple[bool, int]] = {}
    for event in timeline.events:
        first.setdefault(event.track, (event.kind == "noise", event.onset if event.role == "foreground" else 1 << 40))
    return sorted(first, key=lambda track: first[track])


def _wave(pcm: NDArray[np.int16]) -> str:
    edges = np.arange(PARTS) * len(pcm) // PARTS
    peaks = np.maximum(np.maximum.reduceat(pcm, edges), -np.minimum.reduceat(pcm, edges).astype(np.int32))
    heights = np.sqrt(peaks / max(1, int(peaks.max()))) * WAVE / 2  # the root, so that quiet sounds are seen
    x = LEFT + np.arange(PARTS) * PLOT / PARTS
    upper = [f"{a:.1f},{WAVE / 2 - b:.1f}" for a, b in zip(x, heights, strict=True)]
    lower = [f"{a:.1f},{WAVE / 2 + b:.1f}" for a, b in zip(x[::-1], heights[::-1], strict=True)]
    return f'<polygon class="wave" points="{" ".join(upper + lower)}"/>'


def _lane(track: str, events: Sequence[Event], top: int, scale: float) -> list[str]:
    parts = [
        f'<text class="faint" x="0" y="{top + 14}">{escape(track[:13])}</text>',
        f'<rect class="lane" x="{LEFT}" y="{top + 2}" width="{PLOT}" height="{LANE - 4}" rx="3"/>',
    ]
    for event in events:
        left, width = LEFT + event.onset * scale, max(2.0, event.num_samples * scale)
        what = event.text or event.label.replace("_", " ") or event.kind
        start, end = (sample / SAMPLE_RATE for sample in (event.onset, event.end))
        # A nested drawing cuts off what does not fit into the bar.
        parts.append(
            f'<svg x="{left:.1f}" y="{top + 2}" width="{width:.1f}" height="{LANE - 4}">'
            f"<title>{escape(what)} ({start:.2f} to {end:.2f} s)</title>"
            f'<rect class="{event.kind} {event.role}" width="100%" height="100%" rx="3"/>'
            f'<text class="on {event.role}" x="4" y="12">{escape(what)}</text></svg>'
        )
    return parts


def _answers(timeline: Timeline, targets: Targets, top: int, scale: float) -> tuple[list[str], int]:
    """Draws the responses in as few rows as keep their words apart; returns them and the number of rows."""
    parts = [f'<text class="faint" x="0" y="{top + 12}">assistant</text>']
    ends: list[float] = []
    for target in targets.spoken:
        x = LEFT + min((target.chunk + 1) * targets.chunk, timeline.num_samples) * scale
        text = _words(timeline, target)
        width = sum(CHARACTER * (1.8 if ord(one) > 0x2E80 else 1.0) for one in text) + 14
        left = min(x, WIDTH - width) if width < PLOT else x
        row = next((i for i, end in enumerate(ends) if end <= left), len(ends))
        if row < MAX_ROWS:
            ends[row : row + 1] = [left + width]
        row = min(row, MAX_ROWS - 1)
        y = top + row * ROW + 8
        evidence = LEFT + timeline.responses[target.responses[0]].evidence * scale
        title = f"<title>{escape(text)} (after {(target.chunk + 1) * targets.chunk / SAMPLE_RATE:.1f} s)</title>"
        parts.append(
            f'<line class="evidence" x1="{evidence:.1f}" x2="{x:.1f}" y1="{y}" y2="{y}"/>'
            f'<circle class="said" cx="{x:.1f}" cy="{y}" r="3.5">{title}</circle>'
        )
        if ends[row] == left + width:
            parts.append(
                f'<text class="answer" x="{left + 6:.1f}" y="{y + 4}">{escape(text)}{title}</text>'
                if left == x
                else f'<text class="answer" x="{x - 6:.1f}" y="{y + 4}" text-anchor="end">{escape(text)}{title}</text>'
            )
    return parts, max(1, len(ends))


def _words(timeline: Timeline, target: Target) -> str:
    if target.text:
        return target.text
    calls = [timeline.responses[i].call for i in target.responses]
    return " ".join(f"{call.name}(…)" for call in calls if call is not None)


def _seconds(seconds: float, y: int) -> list[str]:
    step = 5 if seconds <= 90 else 30
    return [
        f'<text class="faint" x="{LEFT + second / seconds * PLOT:.1f}" y="{y}" text-anchor="middle">{second} s</text>'
        for second in range(0, int(seconds - step / 4) + 1, step)
    ]
