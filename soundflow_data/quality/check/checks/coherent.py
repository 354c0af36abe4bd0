"""A sound is never both answered and kept silent under one instruction, and standing promises hold.

    request      [ count the barks ]                              [ stop counting ]
    bark                              ^ "once"    ^ "twice"                            (silent: cancelled)
    stretch      |<------------------- one instruction ------------------->|<----- the next one ----->|

What the user says and is answered to begins a new stretch; within one, all sounds of a kind have one fate. The
answer to a question about one sound binds no other sound of its kind.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from soundflow_data.quality.check.base import StreamCheck, Subject
from soundflow_data.timeline import Event, Timeline

ONE_SOUND = frozenset({"answer", "description"})  # kinds of responses that are about one sound and no other


class Coherent(StreamCheck):
    """Compares what was answered with what was kept silent."""

    summary = "No sound is both answered and kept silent under one instruction; what was promised is kept."

    def faults(self, subject: Subject) -> Iterator[str]:
        """Yields one fault for each sound that has two fates, or none though others of its kind were answered."""
        timeline = subject.timeline
        answered = {i for i, _, _ in _answered_at(timeline)}
        bound = {i for i, _, kind in _answered_at(timeline) if kind not in ONE_SOUND}
        silent = {i for silence in timeline.silences for i in silence.events}
        for _ in answered & silent:
            yield "an event is answered and kept silent"
        mentioned = {i for response in timeline.responses for i in response.events}
        cuts = sorted(end for i, end, _ in _answered_at(timeline) if timeline.events[i].kind == "speech")
        sounds = [
            (i, event, (event.label, sum(cut <= event.onset for cut in cuts)))
            for i, event in enumerate(timeline.events)
            if event.label and event.kind != "speech"
        ]
        fates: dict[tuple[str, int], set[bool]] = defaultdict(set)
        for i, _, stretch in sounds:
            if i in bound or i in silent:
                fates[stretch].add(i in bound)
        for both in fates.values():
            if len(both) == 2:
                yield "a sound is answered once and kept silent once under the same instruction"
        labels = {label for (label, _), fate in fates.items() if True in fate}
        for i, event, stretch in sounds:
            waited_for = event.label in labels if event.kind == "noise" else True in fates.get(stretch, ())
            if waited_for and i not in mentioned | silent:
                yield f"{_where(event)} is left open though others of its kind are answered"


def _answered_at(timeline: Timeline) -> Iterator[tuple[int, int, str]]:
    """Yields each event on whose being heard a response came, the moment, and the kind; older evidence does not count.

    Where somebody's last word completes the evidence, the words are what is answered, not the sound behind them.
    """
    for response in timeline.responses:
        heard = [i for i in response.events if timeline.events[i].onset < response.evidence <= timeline.events[i].end]
        asked = [i for i in heard if timeline.events[i].kind == "speech"]
        for i in asked or heard:
            yield i, response.evidence, response.kind


def _where(event: Event) -> str:
    return "a noise bed" if event.kind == "noise" else f"a {event.role} sound"
