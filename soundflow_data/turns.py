"""A scene told as rounds, as StreamAudio items show it: what was heard since the last one, and what was said to it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from soundflow_data.stage import Stage
from soundflow_data.timeline import NO_RESPONSE, Event, Turn


def turns_of(scene: Stage) -> tuple[Turn, ...]:
    """Tells a scene as rounds: what was heard since the last one, and what the assistant said to it."""
    foreground = [(event.onset, 0, i) for i, event in enumerate(scene.events) if event.role == "foreground"]
    said = [(response.due, 1, i) for i, response in enumerate(scene.responses)]
    kept = [(silence.end, 2, i) for i, silence in enumerate(scene.silences)]
    turns: list[Turn] = []
    heard: list[Event] = []
    run = -1
    for _, what, i in sorted(foreground + said + kept):
        if what == 0:
            heard.append(scene.events[i])
        elif what == 1:
            response = scene.responses[i]
            if run >= 0 and response.run == run and not heard:
                turns[-1] = _longer(turns[-1], response.text, response.language)
            else:
                turns.append(_turn(heard, response.text))
            run, heard = response.run, []
        elif heard:
            turns.append(_turn(heard, NO_RESPONSE))
            heard = []
    if heard:
        turns.append(_turn(heard, NO_RESPONSE))
    return tuple(turns)


def _turn(heard: Sequence[Event], assistant: str) -> Turn:
    user = " ".join(event.text or f"<{event.label or event.kind}>" for event in heard)
    emotions = [event.emotion for event in heard if event.emotion]
    kinds = {event.kind for event in heard}
    return Turn(
        user=user,
        assistant=assistant,
        emotion=emotions[0] if emotions else "",
        scene_type="+".join(sorted(kinds)) or "time",
    )


def _longer(turn: Turn, text: str, language: str) -> Turn:
    joint = "" if language == "zh" else " "
    return msgspec.structs.replace(turn, assistant=turn.assistant + joint + text)
