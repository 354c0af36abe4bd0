"""The runtime's threads: nothing is lost under load, the encoder never waits, and clients see what goes wrong."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from tones import ToneSource

from soundflow_data.errors import SoundFlowError
from soundflow_trainer.live.bench import LiveMeasures, largest_load, measure, play, target_script
from soundflow_trainer.live.engine import Decided, Ended, Engine, EngineSettings, Session, Wrote
from soundflow_trainer.live.runtime import Runtime, Timed
from soundflow_trainer.sequence import make_example
from soundflow_trainer.weights import new_model

C = 6400


@pytest.fixture(scope="module")
def model(tokenizer):
    return new_model("tiny", tokenizer, chunk=C, seed=4)


def collect(session, chunks, events=None, limit_s=30.0):
    """Polls until all chunks are decided on, or drained, and nothing is being said."""
    events = [] if events is None else events
    deadline = time.perf_counter() + limit_s
    while time.perf_counter() < deadline:
        events += [timed.event for timed in session.poll()]
        decided = [event for event in events if isinstance(event, Decided)]
        speaking = sum(event.speaks for event in decided) - sum(isinstance(event, Ended) for event in events)
        if decided and decided[-1].chunk == chunks - 1 and not speaking:
            return events
        time.sleep(0.005)
    raise AssertionError(f"{chunks} chunks were not decided on in {limit_s} s")


def test_a_scripted_session_has_exactly_the_tokens_of_training(model, tokenizer):
    source = ToneSource(4)
    engine = Engine(model, tokenizer, keep_trace=True)
    for i in range(4):
        stream = source[i]
        expected = make_example(stream.audio, stream.timeline, stream.targets, tokenizer).sequence.tokens.tolist()
        slot = engine.open(stream.timeline.instruction, script=target_script(stream, tokenizer))
        for k in range(stream.targets.num_chunks):
            engine.enqueue(slot, engine.encode(stream.audio[k * C : (k + 1) * C]))
            while engine.ready():
                engine.step()
        trace = engine.trace(slot)
        assert trace == expected[: len(trace)]
        assert len(expected) - len(trace) <= 1
        engine.close(slot)


@pytest.mark.parametrize("coupled", [False, True])
def test_nothing_is_lost_when_three_clients_push_at_once(model, tokenizer, coupled):
    source = ToneSource(3)
    streams = [source[i] for i in range(3)]
    settings = EngineSettings(sessions=3, drain=not coupled)
    scripts = [target_script(stream, tokenizer) for stream in streams]
    with Runtime(Engine(model, tokenizer, settings), coupled=coupled) as runtime:
        sessions = [
            runtime.open(stream.timeline.instruction, script=script)
            for stream, script in zip(streams, scripts, strict=True)
        ]

        def client(i):
            for start in range(0, len(streams[i].audio), 5_000):
                sessions[i].push(streams[i].audio[start : start + 5_000])

        clients = [threading.Thread(target=client, args=(i,)) for i in range(3)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
        for stream, session, script in zip(streams, sessions, scripts, strict=True):
            events = collect(session, stream.targets.num_chunks)
            decided = [event for event in events if isinstance(event, Decided)]
            # Every chunk is decided on or drained exactly once, in order.
            assert sum(1 + event.stale for event in decided) == stream.targets.num_chunks
            assert [event.chunk for event in decided] == sorted({event.chunk for event in decided})
            said = [event.text for event in events if isinstance(event, Ended)]
            expected = [tokenizer.decode(tokens) for _, tokens in sorted(script.items())]
            assert said == expected[: len(said)]  # two that came due together are said one after the other
            if coupled:
                assert len(decided) == stream.targets.num_chunks
                assert said == expected


def test_the_encoder_goes_on_while_a_response_is_spoken(model, tokenizer):
    """A response of 300 tokens: all chunks that arrive meanwhile are encoded before it ends, then drained at once."""
    engine = Engine(model, tokenizer, EngineSettings(max_text=400))
    with Runtime(engine) as runtime:
        session = runtime.open(script={0: tokenizer.encode("rings " * 200)[:300]})
        session.push(np.zeros(C, np.float32))
        events = []
        while not any(isinstance(event, Wrote) for event in events):
            events += [timed.event for timed in session.poll()]
        session.push(np.zeros(5 * C, np.float32))
        collect(session, 6, events)
        decided = [event for event in events if isinstance(event, Decided)]
    assert [(event.chunk, event.stale) for event in decided] == [(0, 0), (5, 4)]


def push_for_ever(session):
    while True:
        session.push(np.zeros(4 * C, np.int16))


def test_clients_that_misbehave(model, tokenizer):
    engine = Engine(model, tokenizer, EngineSettings(sessions=2, max_queue=3))
    with Runtime(engine, idle_limit_s=0.05) as runtime:
        session = runtime.open()
        with pytest.raises(SoundFlowError, match=r"real time|has stopped"):
            push_for_ever(session)
    runtime = Runtime(Engine(model, tokenizer, EngineSettings(sessions=2)), idle_limit_s=0.05)
    quiet, talking = runtime.open(), runtime.open()
    time.sleep(0.1)
    talking.push(np.zeros(C, np.int16))
    assert runtime.close_idle() == [quiet]
    with pytest.raises(SoundFlowError, match="is closed"):
        quiet.push(np.zeros(C, np.int16))
    again = runtime.open()
    assert again.slot == quiet.slot
    quiet.close()  # the slot belongs to another client by now
    again.push(np.zeros(C, np.int16))
    collect(again, 1)
    runtime.close()


def test_measures_by_hand():
    """Chunks arrive at 1, 2, 3, 4 s (a period of 1 s); decisions at 1.1, 3.5 (chunk 2, chunk 1 stale), 5.5 s."""
    events = [
        Timed(event=Decided(chunk=0, time_s=1, speaks=True, stale=0), at=1.1),
        Timed(event=Wrote(chunk=0, text="a"), at=1.2),
        Timed(event=Wrote(chunk=0, text="b"), at=1.3),
        Timed(event=Ended(chunk=0, text="ab", truncated=False), at=3.2),
        Timed(event=Decided(chunk=2, time_s=3, speaks=False, stale=1), at=3.5),
        Timed(event=Decided(chunk=3, time_s=4, speaks=False, stale=0), at=5.5),
    ]
    result = measure([events], [[1.0, 2.0, 3.0, 4.0]], 1.0, coupled=False)
    assert result.decisions == 3
    assert result.decision_p50_ms == pytest.approx(800)  # of 0.1 s and 1.5 s
    assert result.first_p50_ms == pytest.approx(200)
    assert result.resumed_p50_ms == pytest.approx(500)  # the decision at 3.5 s is about the chunk that came at 3 s
    assert result.stall_rate == pytest.approx(1 / 3)
    assert result.on_time_rate == pytest.approx(2 / 4)
    assert result.stale_steps == 0
    late = [Timed(event=Decided(chunk=0, time_s=1, speaks=False, stale=0), at=2.5)]
    assert measure([late], [[1.0, 2.0]], 1.0, coupled=True).stale_steps == 1


def test_largest_load_is_found():
    def machine(limit):
        def attempt(count):
            stall = 0.0 if count <= limit else 0.5
            return LiveMeasures(
                sessions=count, coupled=False, decisions=9, stall_rate=stall, on_time_rate=1 - stall, stale_steps=0,
                **{f"{n}_{p}_ms": 1.0 for n in ("decision", "first", "resumed") for p in ("p50", "p95", "p99")},
            )  # fmt: skip

        return attempt

    for limit in (0, 1, 2, 5, 8, 13):
        assert largest_load(machine(limit), most=16)[0] == limit
    assert largest_load(machine(99), most=16)[0] == 16
    stalls = iter([False, True, False, False, True, False])  # no number stalls twice
    _, measured = largest_load(lambda count: machine(count - next(stalls))(count), most=8)
    assert [one.sessions for one in measured] == [1, 2, 2, 4, 8, 8]


def test_playback_in_real_time(model, tokenizer):
    stream = ToneSource(1, shortest=8)[0]
    result = play(model, tokenizer, [stream, stream])
    assert result.decisions >= stream.targets.num_chunks
    assert result.decision_p50_ms < 400


def test_a_session_of_an_hour_does_not_grow(model, tokenizer):
    """An hour of chunks would be 9000; 400 chunks through a context of 40 are ten times around the window."""
    engine = Engine(model, tokenizer, EngineSettings(context=440, threshold=1e9))
    state_sizes = set()
    with Session(engine) as session:
        for _ in range(20):
            session.push(np.zeros(20 * C, np.int16))
            state = engine._states[session.slot]
            state_sizes.add((len(state.queue), len(state.words), len(state.trace)))
            assert engine._cache.lengths[session.slot] <= 440
    assert state_sizes == {(0, 0, 0)}
