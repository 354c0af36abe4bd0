"""Event-level outcomes: each due response is hit, early, late or missed; each decision to speak is used or false.

With window w = 2 and late limit 5, for a response due at chunk k:

    chunk        k-2   k-1    k    k+1   k+2   k+3   k+4   k+5
    speaking is  early early  hit  hit   hit   late  late  late        elsewhere: false

One decision serves one response. Hits are given first, in order of time, each response taking the first free decision
of its window (which hits as many as can be hit, for windows of one length); then late ones, then early ones.
A silence (a span after which the assistant keeps quiet on purpose) is right when no false trigger falls on the chunks
from the one in which it starts to w chunks after the one in which it ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from soundflow_data.targets import earliest_chunk
from soundflow_data.timeline import SAMPLE_RATE, Silence
from soundflow_trainer.sequence import LATEST

DEFAULT_WINDOW: Final = LATEST
LATE_LIMIT: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What happened in one stream.

    Attributes:
        due: Chunk of every due response, in order.
        spoken: For each of them the chunk in which the model spoke, -1 when it missed.
        labels: For each of them `hit`, `early`, `late` or `missed`.
        false: Chunks in which the model spoke for no reason.
        silences_right: For each silence whether the model kept it.
        decisions: bool (num_chunks,), what the model did.
        targets: bool (num_chunks,), what it should have done.
        chunk: Samples per chunk.
    """

    due: tuple[int, ...]
    spoken: tuple[int, ...]
    labels: tuple[str, ...]
    false: tuple[int, ...]
    silences_right: tuple[bool, ...]
    decisions: NDArray[np.bool_]
    targets: NDArray[np.bool_]
    chunk: int


def match(
    decisions: NDArray[np.bool_],
    targets: NDArray[np.bool_],
    silences: Sequence[Silence],
    *,
    chunk: int,
    window: int = DEFAULT_WINDOW,
    late_limit: int = LATE_LIMIT,
) -> Outcome:
    """Matches the decisions of one stream with its targets.

    Args:
        decisions: bool (num_chunks,), true where the model spoke.
        targets: bool (num_chunks,), true where a response is due.
        silences: Spans in which it keeps silent on purpose.
        chunk: Samples per chunk.
        window: Chunks after the due one that still count as a hit.
        late_limit: Chunks after the due one that still count as late.
    """
    due = np.flatnonzero(targets).tolist()
    free = np.flatnonzero(decisions).tolist()
    spoken = [-1] * len(due)
    labels = ["missed"] * len(due)
    for label, first, last in (("hit", 0, window), ("late", window + 1, late_limit), ("early", -window, -1)):
        for i, k in enumerate(due):
            if labels[i] == "missed":
                found = next((d for d in free if k + first <= d <= k + last), None)
                if found is not None:
                    free.remove(found)
                    spoken[i], labels[i] = found, label
    false = set(free)
    kept = tuple(not any(k in false for k in _silent_chunks(span, chunk, window)) for span in silences)
    return Outcome(
        due=tuple(due),
        spoken=tuple(spoken),
        labels=tuple(labels),
        false=tuple(sorted(false)),
        silences_right=kept,
        decisions=decisions,
        targets=targets,
        chunk=chunk,
    )


def _silent_chunks(span: Silence, chunk: int, window: int) -> range:
    return range(span.start // chunk, earliest_chunk(span.end, chunk) + window + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The measures of when a model speaks, over any number of streams; see docs/measures.md.

    Attributes:
        streams: Number of streams.
        decision_accuracy: Share of chunks whose decision is the target.
        decision_f1: F1 of `response` over chunks.
        trigger_accuracy: (hits + silences kept) / (due responses + silences).
        hits: Due responses that were spoken in their window.
        early: Spoken up to `window` chunks too early.
        late: Spoken after the window, within the late limit.
        missed: Not spoken.
        false: Decisions to speak that belong to no due response.
        silences: Silences, and how many of them were kept.
        silences_kept: See `silences`.
        delay_chunks: Mean delay of hits and late ones, in chunks.
        delay_ms: The same in ms.
        false_per_hour: False triggers per hour of chunks whose target is silent.
    """

    streams: int
    decision_accuracy: float
    decision_f1: float
    trigger_accuracy: float
    hits: int
    early: int
    late: int
    missed: int
    false: int
    silences: int
    silences_kept: int
    delay_chunks: float
    delay_ms: float
    false_per_hour: float


def summarise(outcomes: Iterable[Outcome]) -> Timing:
    """Adds outcomes up; a measure without anything to measure is NaN."""
    outcomes = list(outcomes)
    labels = [label for outcome in outcomes for label in outcome.labels]
    count = {label: labels.count(label) for label in ("hit", "early", "late", "missed")}
    kept = [right for outcome in outcomes for right in outcome.silences_right]
    pairs = [
        (spoken - due, outcome.chunk)
        for outcome in outcomes
        for due, spoken, label in zip(outcome.due, outcome.spoken, outcome.labels, strict=True)
        if label in ("hit", "late")
    ]
    agree = sum(int((o.decisions == o.targets).sum()) for o in outcomes)
    both = sum(int((o.decisions & o.targets).sum()) for o in outcomes)
    spoken = sum(int(o.decisions.sum()) for o in outcomes)
    due = sum(len(o.due) for o in outcomes)
    false = sum(len(o.false) for o in outcomes)
    silent_s = sum(int((~o.targets).sum()) * o.chunk / SAMPLE_RATE for o in outcomes)
    return Timing(
        streams=len(outcomes),
        decision_accuracy=_ratio(agree, sum(len(o.targets) for o in outcomes)),
        decision_f1=_ratio(2 * both, spoken + due),
        trigger_accuracy=_ratio(count["hit"] + sum(kept), due + len(kept)),
        hits=count["hit"],
        early=count["early"],
        late=count["late"],
        missed=count["missed"],
        false=false,
        silences=len(kept),
        silences_kept=sum(kept),
        delay_chunks=_ratio(sum(delay for delay, _ in pairs), len(pairs)),
        delay_ms=_ratio(sum(delay * chunk for delay, chunk in pairs) * 1000 / SAMPLE_RATE, len(pairs)),
        false_per_hour=_ratio(false * 3600, silent_s),
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
