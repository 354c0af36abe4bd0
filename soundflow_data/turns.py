"""A scene told as rounds, as StreamAudio items show it: what was heard since the last one, and what was said to it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from soundflow_data.stage import Stage
from soundflow_data.timeline import NO_RESPONSE, Event, Response, Turn


class Round(msgspec.Struct, frozen=True):
    """What was heard, and what was said to it: nothing, one response, or the parts of a running answer."""

    heard: tuple[Event, ...]
    said: list[Response]


def rounds_of(scene: Stage) -> list[Round]:
    """Divides what has been written of a scene into rounds; one without a response is one that stays silent."""
    marks = [(event.onset, 0, i) for i, event in enumerate(scene.events) if event.role == "foreground"]
    marks += [(response.due, 1, i) for i, response in enumerate(scene.responses)]
    marks += [(silence.end, 2, i) for i, silence in enumerate(scene.silences)]
    marks.sort()
    rounds: list[Round] = []
    heard: list[Event] = []
    run = -1
    for _, what, i in marks:
        if what == 0:
            heard.append(scene.events[i])
        elif what == 1:
            response = scene.responses[i]
            if run >= 0 and response.run == run and not heard:
                rounds[-1].said.append(response)
            else:
                rounds.append(Round(tuple(heard), [response]))
            run, heard = response.run, []
        elif heard:
            rounds.append(Round(tuple(heard), []))
            heard = []
    if heard:
        rounds.append(Round(tuple(heard), []))
    return rounds


def turns_of(scene: Stage) -> tuple[Turn, ...]:
    """Tells a scene as rounds in words."""
    return tuple([_turn(one.heard, one.said) for one in rounds_of(scene)])


def _turn(heard: Sequence[Event], said: Sequence[Response]) -> Turn:
    joint = "" if said and said[0].language == "zh" else " "
    emotions = [event.emotion for event in heard if event.emotion]
    return Turn(
        user=" ".join([event.text or f"<{event.label or event.kind}>" for event in heard]),
        assistant=joint.join([response.text for response in said]) if said else NO_RESPONSE,
        emotion=emotions[0] if emotions else "",
        scene_type="+".join(sorted({event.kind for event in heard})) or "time",
    )
