"""A stream told as text: bars per track, then events and responses in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from soundflow_data.targets import Targets, decision_time_s
from soundflow_data.timeline import SAMPLE_RATE, Event, Timeline
from soundflow_pipelines.cli.terminal import Terminal

BAR_WIDTH = 120
_MARKS = {"foreground": "#", "background": "=", "ambient": "-"}


def tell(terminal: Terminal, timeline: Timeline, targets: Targets) -> None:
    """Prints a stream."""
    snr = "" if timeline.snr_db is None else f", SNR {timeline.snr_db:.1f} dB"
    terminal.head(f"{timeline.key}  {timeline.ability}/{timeline.subtask}")
    terminal.say(
        f"{timeline.language}, {timeline.seconds:.1f} s, {len(targets)} chunks of {targets.chunk / SAMPLE_RATE:g} s, "
        f"{len(targets.spoken)} of them spoken{snr}, gain {timeline.gain_db:.1f} dB"
    )
    if timeline.setting is not None:
        found = ", ".join(f"{n} {what}" for what, n in timeline.setting.outcomes.items())
        terminal.say(f"scene: {timeline.setting.title} ({timeline.setting.place}; {found})")
    if len({part.subtask for part in timeline.parts}) > 1:
        terminal.say("parts: " + ", ".join(f"{p.subtask} {p.start / SAMPLE_RATE:.1f} s" for p in timeline.parts))
    if timeline.instruction:
        terminal.say(f"instruction: {timeline.instruction}")
    terminal.say()
    for line in bars(timeline, targets, _width(len(targets), terminal.width)):
        terminal.say(line)
    terminal.say("# foreground   = background   - ambient   R response   . silent   s silent on purpose")
    terminal.say()
    columns = ("#from s", "#to s", "track", "role", "what", "#gain dB", "from")
    terminal.table(columns, [_event_row(group) for group in _grouped(timeline.events)])
    terminal.say()
    headings = ("#evidence s", "#due s", "#chunk", "#decided s", "kind", "response")
    terminal.table(headings, list(_response_rows(timeline, targets)))
    for silence in timeline.silences:
        start, end = silence.start / SAMPLE_RATE, silence.end / SAMPLE_RATE
        terminal.say(f"silent on purpose from {start:.2f} to {end:.2f} s: {silence.reason}")


def bars(timeline: Timeline, targets: Targets, width: int) -> Iterator[str]:
    """Yields a scale, one line per track, and one of decisions.

    Args:
        timeline: The plan.
        targets: Its decisions.
        width: Characters for the whole stream.
    """
    per_sample = width / timeline.num_samples
    tracks = dict.fromkeys(event.track for event in timeline.events)
    margin = max(map(len, (*tracks, "decision"))) + 2
    yield " " * margin + _scale(timeline.seconds, width)
    for track in tracks:
        line = [" "] * width
        for event in timeline.events:
            if event.track == track:
                first = min(width - 1, int(event.onset * per_sample))
                last = max(first + 1, min(width, round(event.end * per_sample)))
                line[first:last] = _MARKS[event.role] * (last - first)
        yield f"{track:<{margin}}{''.join(line)}".rstrip()
    line = ["."] * width
    for silence in timeline.silences:
        first, last = int(silence.start * per_sample), min(width, round(silence.end * per_sample))
        line[first:last] = "s" * (last - first)
    for target in targets.spoken:
        line[min(width - 1, int(target.chunk * targets.chunk * per_sample))] = "R"
    yield f"{'decision':<{margin}}{''.join(line)}"


def _width(num_chunks: int, room: int) -> int:
    """Returns a width in which every chunk has the same number of characters, where there is room for that."""
    room = min(BAR_WIDTH, max(40, room - 16))
    return num_chunks * max(1, room // num_chunks) if num_chunks <= room else room


def _scale(seconds: float, width: int) -> str:
    step = next(
        step for step in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 3600) if seconds / step <= width / 8 or step == 3600
    )
    line = ""
    for mark in range(0, int(seconds) + 1, step):
        place = int(mark / seconds * width)
        text = f"|{mark} s"
        if place + len(text) <= width + 6:
            line = line.ljust(place) + text
    return line


def _grouped(events: Sequence[Event]) -> list[list[Event]]:
    """Puts the tiles of one bed together and sorts by time."""
    groups: list[list[Event]] = []
    for event in events:
        last = groups[-1][0] if groups else None
        if event.kind == "noise" and last is not None and (last.kind, last.track) == ("noise", event.track):
            groups[-1].append(event)
        else:
            groups.append([event])
    return sorted(groups, key=lambda group: (group[0].kind == "noise", group[0].onset))


def _event_row(group: Sequence[Event]) -> tuple[str, ...]:
    event = group[0]
    what = f'"{event.text}"' if event.text else event.label or event.kind
    tiles = f" in {len(group)} tiles" if len(group) > 1 else ""
    return (
        f"{event.onset / SAMPLE_RATE:.2f}",
        f"{max(one.end for one in group) / SAMPLE_RATE:.2f}",
        event.track,
        event.role,
        what + tiles,
        f"{event.gain_db:.1f}",
        f"{event.bank}:{event.speaker or event.clip}",
    )


def _response_rows(timeline: Timeline, targets: Targets) -> Iterator[tuple[str, ...]]:
    for target in targets.spoken:
        parts = [timeline.responses[i] for i in target.responses]
        calls = [f"{part.call.name}({part.call.arguments})" for part in parts if part.call is not None]
        yield (
            f"{max(part.evidence for part in parts) / SAMPLE_RATE:.2f}",
            f"{max(part.due for part in parts) / SAMPLE_RATE:.2f}",
            str(target.chunk),
            f"{decision_time_s(target, targets.chunk):.2f}",
            parts[0].kind,
            " ".join([f'"{target.text}"', *calls]),
        )
