"""Targets follow from the timeline: the right chunk, the right words, never before the evidence, seldom late."""

from __future__ import annotations

from collections.abc import Iterator

from soundflow_data.errors import TimelineError
from soundflow_data.quality.check.base import StreamCheck, Subject
from soundflow_data.targets import join, project
from soundflow_data.timeline import SAMPLE_RATE


class Temporal(StreamCheck):
    """Projects the timeline again and compares."""

    summary = "Each response stands in the first free chunk after its evidence, with its own words, and is not late."

    def faults(self, subject: Subject) -> Iterator[str]:
        """Yields one fault for each target that is not where or what it should be."""
        timeline, targets = subject.timeline, subject.targets
        try:
            timeline.check()
            expected = project(timeline)
        except TimelineError:
            yield "the timeline breaks its own rules"
            return
        spoken = {i: target for target in targets.spoken for i in target.responses if i < len(timeline.responses)}
        slack = subject.known.recipe.checks.temporal.max_delay_s * SAMPLE_RATE
        for i, response in enumerate(timeline.responses):
            target = spoken.get(i)
            if target is None:
                yield "a response has no target"
                continue
            decided = (target.chunk + 1) * targets.chunk
            if decided < response.evidence:
                yield "a target comes before its evidence"
            elif decided - targets.chunk - response.due > slack:
                yield "a response waits too long for a free chunk"
        for target in targets.spoken:
            if target.text != join([timeline.responses[i] for i in target.responses if i < len(timeline.responses)]):
                yield "a target has other words than its response"
        if targets != expected:
            yield "the targets are not those of the timeline"
