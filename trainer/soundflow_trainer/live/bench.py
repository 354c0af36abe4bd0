"""Measures the runtime: streams are played in real time, and every decision is compared with the arrival of its chunk.

- decision latency: from the arrival of a chunk's last sample to the decision on it, while the model listens
- first-chunk latency: from the arrival of the chunk after which a response is due to its first piece of text
- resumed latency: that of the first decision after a response, from the arrival of the chunk that it is about: how long
  what was heard meanwhile has waited, or with the queue, its newest chunk
- stall: a decision that comes later than one chunk after its chunk
- stale decisions: decoder steps spent on a chunk when a newer one was already waiting

What is said follows the streams' own targets (a script), so that the load does not depend on how well a model is
trained; the model computes everything that it would compute otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

import numpy as np
import rich.table

from soundflow_data.timeline import SAMPLE_RATE
from soundflow_trainer.live.engine import Decided, Ended, Engine, EngineSettings, Wrote
from soundflow_trainer.live.runtime import LiveSession, Runtime, Timed
from soundflow_trainer.loading import StreamLike
from soundflow_trainer.model import AudioInteractionModel
from soundflow_trainer.sequence import spoken_text
from soundflow_trainer.tokens import StreamTokenizer

SETTLE_S: Final = 2.0  # how long the runtime may finish after the last chunk
TRIES: Final = 2  # of a number of sessions that stalls


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveMeasures:
    """What was measured; times in ms.

    Attributes:
        sessions: Sessions side by side.
        coupled: Which variant.
        decisions: Number of decisions.
        decision_p50_ms: Decision latency, median; `_p95` and `_p99` are percentiles.
        first_p50_ms: First-chunk latency, likewise; NaN when nothing was said.
        resumed_p50_ms: Resumed latency, likewise; NaN when nothing was said.
        stall_rate: Share of decisions that came later than a chunk.
        on_time_rate: Share of chunks with a decision, or drained, within a chunk of their arrival.
        stale_steps: Decoder steps spent on chunks when a newer one already waited.
    """

    sessions: int
    coupled: bool
    decisions: int
    decision_p50_ms: float
    decision_p95_ms: float
    decision_p99_ms: float
    first_p50_ms: float
    first_p95_ms: float
    first_p99_ms: float
    resumed_p50_ms: float
    resumed_p95_ms: float
    resumed_p99_ms: float
    stall_rate: float
    on_time_rate: float
    stale_steps: int


def play(
    model: AudioInteractionModel,
    tokenizer: StreamTokenizer,
    streams: Sequence[StreamLike],
    *,
    coupled: bool = False,
    settings: EngineSettings = EngineSettings(),  # noqa: B008 - frozen
    script: Callable[[StreamLike], dict[int, list[int]]] | None = None,
    most_chunks: int | None = None,
) -> LiveMeasures:
    """Plays streams side by side in real time and measures.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        streams: One per session; all start together, a little apart within the first chunk as clients do.
        coupled: Which variant.
        settings: Limits; the number of sessions is that of the streams.
        script: Tokens to say by chunk; by default the stream's own targets.
        most_chunks: Plays no more of each stream.
    """
    settings = replace(settings, sessions=len(streams), drain=not coupled)
    engine = Engine(model, tokenizer, settings)
    warm_up(engine)
    period = model.chunk / SAMPLE_RATE
    script = script or (lambda stream: target_script(stream, tokenizer))
    with Runtime(engine, coupled=coupled) as runtime:
        sessions = [runtime.open(stream.timeline.instruction, script=script(stream)) for stream in streams]
        arrivals = _feed(sessions, streams, model.chunk, period, most_chunks)
        time.sleep(min(SETTLE_S, 5 * period))
        events = [session.poll() for session in sessions]
    return measure(events, arrivals, period, coupled=coupled)


def target_script(stream: StreamLike, tokenizer: StreamTokenizer) -> dict[int, list[int]]:
    """Returns what a stream's targets say, by chunk."""
    return {t.chunk: tokenizer.encode(spoken_text(t, stream.timeline)) for t in stream.targets.spoken}


def warm_up(engine: Engine) -> None:
    """Lets libraries and caches settle before anything is measured."""
    slots = [engine.open(script={1: [engine.tokenizer.eos] * 2}) for _ in range(engine.settings.sessions)]
    silence = np.zeros(engine.model.chunk, np.float32)
    for _ in range(3):
        for slot in slots:
            engine.enqueue(slot, engine.encode(silence))
        while engine.ready():
            engine.step()
    for slot in slots:
        engine.close(slot)


def _feed(
    sessions: Sequence[LiveSession],
    streams: Sequence[StreamLike],
    chunk: int,
    period: float,
    most_chunks: int | None,
) -> list[list[float]]:
    """Pushes every chunk when its last sample would have been recorded; returns the moments of arrival."""
    start = time.perf_counter() + 0.05
    due = sorted(
        (start + (k + 1 + i / len(streams)) * period, i, k)
        for i, stream in enumerate(streams)
        for k in range(len(stream.audio) // chunk)[:most_chunks]
    )
    arrivals: list[list[float]] = [[] for _ in streams]
    for moment, i, k in due:
        time.sleep(max(0.0, moment - time.perf_counter()))
        arrivals[i].append(time.perf_counter())
        sessions[i].push(streams[i].audio[k * chunk : (k + 1) * chunk])
    return arrivals


def measure(
    events: Sequence[Sequence[Timed]], arrivals: Sequence[Sequence[float]], period: float, *, coupled: bool
) -> LiveMeasures:
    """Computes the measures from what happened in each session and when its chunks arrived."""
    listening: list[float] = []
    firsts: list[float] = []
    resumed: list[float] = []
    heard = in_time = stale = 0
    for happened, arrived in zip(events, arrivals, strict=True):
        wrote: set[int] = set()
        spoke = False
        for timed in happened:
            event = timed.event
            if isinstance(event, Decided):
                latency = timed.at - arrived[event.chunk]
                (resumed if spoke else listening).append(latency)
                spoke = False
                late = [timed.at - arrived[k] for k in range(event.chunk - event.stale, event.chunk + 1)]
                in_time += sum(one <= period for one in late)
                stale += event.chunk + 1 < len(arrived) and arrived[event.chunk + 1] < timed.at
            elif isinstance(event, Wrote) and event.chunk not in wrote:
                wrote.add(event.chunk)
                firsts.append(timed.at - arrived[event.chunk])
            elif isinstance(event, Ended):
                spoke = True
        heard += len(arrived)
    decision, first, again = (_percentiles(values) for values in (listening, firsts, resumed))
    latencies = [*listening, *resumed]
    return LiveMeasures(
        sessions=len(events),
        coupled=coupled,
        decisions=len(latencies),
        decision_p50_ms=decision[0],
        decision_p95_ms=decision[1],
        decision_p99_ms=decision[2],
        first_p50_ms=first[0],
        first_p95_ms=first[1],
        first_p99_ms=first[2],
        resumed_p50_ms=again[0],
        resumed_p95_ms=again[1],
        resumed_p99_ms=again[2],
        stall_rate=sum(one > period for one in latencies) / max(1, len(latencies)),
        on_time_rate=in_time / max(1, heard),
        stale_steps=stale,
    )


def largest_load(try_sessions: Callable[[int], LiveMeasures], *, most: int = 256) -> tuple[int, list[LiveMeasures]]:
    """Finds how many sessions run in real time: doubling, then halving the gap.

    A number fails when it stalls twice: one stall may come from something else on the machine.

    Args:
        try_sessions: Measures a number of sessions.
        most: No more than this many are tried.

    Returns:
        The largest number without a stall, and all measures.
    """
    tried: list[LiveMeasures] = []
    good, bad = 0, most + 1
    count = 1
    while good + 1 < bad:
        if _holds(try_sessions, count, tried):
            good = count
        else:
            bad = count
        count = min(most, good * 2) if bad > most else (good + bad) // 2
        if count <= good:
            break
    return good, tried


def _holds(try_sessions: Callable[[int], LiveMeasures], count: int, tried: list[LiveMeasures]) -> bool:
    for _ in range(TRIES):
        tried.append(try_sessions(count))
        if tried[-1].stall_rate == 0 and tried[-1].decisions:
            return True
    return False


def _percentiles(values: Sequence[float]) -> tuple[float, float, float]:
    if not values:
        return float("nan"), float("nan"), float("nan")
    p50, p95, p99 = np.percentile(np.array(values) * 1000, [50, 95, 99])
    return float(p50), float(p95), float(p99)


def plain(measures: LiveMeasures) -> dict[str, float | int | bool | None]:
    """Returns measures for JSON."""
    return {name: None if value != value else value for name, value in asdict(measures).items()}  # noqa: PLR0124 - NaN


def show(measured: Sequence[LiveMeasures]) -> rich.table.Table:
    """Returns measures as a table."""
    shown = rich.table.Table(title="live runtime, real-time playback (ms)")
    for column in ("sessions", "variant", "decisions", "decision p50", "p95", "p99", "first text p50", "p95", "p99",
                   "resumed p50", "p95", "stalls", "on time", "stale steps"):  # fmt: skip
        shown.add_column(column, justify="right")
    for one in measured:
        times = (one.decision_p50_ms, one.decision_p95_ms, one.decision_p99_ms, one.first_p50_ms, one.first_p95_ms,
                 one.first_p99_ms, one.resumed_p50_ms, one.resumed_p95_ms)  # fmt: skip
        shown.add_row(
            str(one.sessions),
            "coupled" if one.coupled else "queue",
            str(one.decisions),
            *("" if value != value else f"{value:.1f}" for value in times),  # noqa: PLR0124 - NaN
            f"{one.stall_rate:.1%}",
            f"{one.on_time_rate:.1%}",
            str(one.stale_steps),
        )
    return shown
