"""Live equals offline: features, logits and tokens; the queue; the sliding context; bad clients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from masks import packed_mask
from tones import ToneSource

from soundflow_data.errors import SoundFlowError
from soundflow_trainer.frontend import log_mel
from soundflow_trainer.live.engine import (
    Chunker,
    Decided,
    Ended,
    Engine,
    EngineSettings,
    Session,
    Wrote,
    decode_streams,
)
from soundflow_trainer.loss import LossWeights, loss_counts, loss_sums, total_loss
from soundflow_trainer.packing import pad
from soundflow_trainer.sequence import make_example
from soundflow_trainer.weights import new_model

C = 6400


@pytest.fixture(scope="module")
def streams():
    source = ToneSource(4, shortest=10)
    return [source[i] for i in range(3)]


@pytest.fixture(scope="module")
def overfitted(tokenizer, streams):
    """A tiny model that knows three streams by heart; also the proof that one batch can be learned."""
    model = new_model("tiny", tokenizer, chunk=C, seed=0)
    [batch] = pad([make_example(s.audio, s.timeline, s.targets, tokenizer) for s in streams], rows_per_batch=3)
    weights = LossWeights()
    counts = loss_counts([batch], response_token=tokenizer.response, weights=weights)
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-3, betas=(0.9, 0.95))
    model.audio_tower.audio_bos_eos_token.requires_grad_(False)
    for step in range(400):
        sums = loss_sums(model(batch), batch, response_token=tokenizer.response, weights=weights)
        loss = total_loss(sums, counts, weights)
        if loss.item() < 0.003:
            break
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.param_groups[0]["lr"] = 6e-3 * min(1, (step + 1) / 20)
        optimizer.step()
    assert loss.item() < 0.01
    return model


def test_train_tokens_are_live_tokens(overfitted, tokenizer, streams):
    engine = Engine(overfitted, tokenizer, keep_trace=True)
    for stream in streams:
        example = make_example(stream.audio, stream.timeline, stream.targets, tokenizer)
        with Session(engine, stream.timeline.instruction) as session:
            events = session.push(stream.audio)
            trace = engine.trace(session.slot)
        expected = example.sequence.tokens.tolist()
        assert trace == expected[: len(trace)]
        assert len(expected) - len(trace) <= 1  # the last decision is made but not yet fed
        decisions = [event.speaks for event in events if isinstance(event, Decided)]
        assert decisions == stream.targets.decisions().tolist()
        texts = [event.text for event in events if isinstance(event, Ended)]
        assert texts == [target.text for target in stream.targets.spoken]
        pieces = "".join(event.text for event in events if isinstance(event, Wrote))
        assert pieces == "".join(texts)


@pytest.mark.parametrize("piece", [1_000, 6_400, 25_000])
def test_pieces_of_any_length_give_the_same_events(overfitted, tokenizer, streams, piece):
    stream = streams[0]
    engine = Engine(overfitted, tokenizer)
    whole = Session(engine, stream.timeline.instruction)
    expected = whole.push(stream.audio)
    whole.close()
    with Session(engine, stream.timeline.instruction) as session:
        events = [e for at in range(0, len(stream.audio), piece) for e in session.push(stream.audio[at : at + piece])]
    assert events == expected


def test_sessions_side_by_side_do_not_disturb_each_other(overfitted, tokenizer, streams):
    inputs = [(s.audio, s.timeline.instruction) for s in streams]
    together = decode_streams(Engine(overfitted, tokenizer, EngineSettings(sessions=3)), inputs)
    alone = [decode_streams(Engine(overfitted, tokenizer), [one])[0] for one in inputs]
    assert together == alone


@pytest.mark.parametrize("slots", [[0, 1, 2], [1], [0, 2]])
def test_slots_of_different_lengths_do_not_disturb_each_other(overfitted, tokenizer, slots):
    """Side by side or with others between them; each must give what it gives alone in a cache of its own."""
    generator = torch.Generator().manual_seed(0)
    past = [torch.randn(1, length, 32, generator=generator) for length in (7, 30, 19)]
    new = [torch.randn(1, 4, 32, generator=generator) for _ in range(3)]
    engine = Engine(overfitted, tokenizer, EngineSettings(sessions=3))

    def feed(cache, slots, embedded):
        view = cache.view(slots, [rows.shape[1] for rows in embedded])
        hidden = overfitted.decode(torch.cat(embedded), view.positions_RL, view.mask, cache=view)
        for slot in slots:
            cache.lengths[slot] += embedded[0].shape[1]
        return hidden

    with torch.inference_mode():
        for slot in range(3):
            feed(engine._cache, [slot], [past[slot]])
        together = feed(engine._cache, slots, [new[slot] for slot in slots])
        for row, slot in enumerate(slots):
            alone = Engine(overfitted, tokenizer)._cache
            feed(alone, [0], [past[slot]])
            torch.testing.assert_close(together[row : row + 1], feed(alone, [0], [new[slot]]), atol=1e-5, rtol=1e-4)


def test_cached_logits_are_the_offline_logits(overfitted, tokenizer, streams):
    """Every position in turn through the cache against one pass over the whole sequence."""
    stream = streams[0]
    example = make_example(stream.audio, stream.timeline, stream.targets, tokenizer)
    tokens = torch.from_numpy(example.sequence.tokens)[None]
    engine = Engine(overfitted, tokenizer, EngineSettings(sessions=2))
    with torch.inference_mode():
        embedded = overfitted.embed(tokens, overfitted.encode(torch.from_numpy(example.features)))
        positions = torch.arange(tokens.shape[1])[None]
        offline = overfitted.decode(embedded, positions, packed_mask(torch.ones_like(tokens)))
        live, at = [], 0
        for count in [3, 1, 11, 11, 25, 1, 1, 60]:
            view = engine._cache.view([1], [count])
            live.append(overfitted.decode(embedded[:, at : at + count], view.positions_RL, view.mask, cache=view))
            engine._cache.lengths[1] += count
            at += count
    torch.testing.assert_close(torch.cat(live, 1), offline[:, :at], atol=2e-5, rtol=1e-4)


def test_features_of_a_session_are_those_of_training(overfitted, tokenizer, streams):
    stream = streams[0]
    chunker, chunks = Chunker(C), []
    chunks += [chunker.push(stream.audio[at : at + 1_234]) for at in range(0, len(stream.audio), 1_234)]
    live = np.concatenate([log_mel(piece[k : k + C], C) for piece in chunks for k in range(0, len(piece), C)])
    trained = make_example(stream.audio, stream.timeline, stream.targets, tokenizer).features
    assert live.tobytes() == trained.tobytes()


def test_the_queue_is_drained_at_once_with_the_layout_of_training(overfitted, tokenizer, streams):
    stream = streams[0]
    t = tokenizer
    for drain, steps in ((True, 1), (False, 3)):
        engine = Engine(overfitted, t, EngineSettings(drain=drain), keep_trace=True)
        slot = engine.open()
        engine.enqueue(slot, engine.encode(stream.audio[: 3 * C]))
        events = []
        for _ in range(steps):
            assert not engine._states[slot].speaking
            events += engine.step()[slot]
        assert engine.waiting(slot) == 0
        assert [e.stale for e in events if isinstance(e, Decided)] == ([2] if drain else [0, 0, 0])
        assert events[-1].chunk == 2
        chunk = [t.audio] * 10
        assert engine.trace(slot) == [*chunk, t.silent, *chunk, t.silent, *chunk]


def test_while_it_speaks_the_queue_is_left_alone(overfitted, tokenizer, streams):
    stream = next(s for s in streams if s.targets.spoken)
    first = stream.targets.spoken[0].chunk
    engine = Engine(overfitted, tokenizer)
    slot = engine.open(stream.timeline.instruction)
    for k in range(first + 1):
        engine.enqueue(slot, engine.encode(stream.audio[k * C : (k + 1) * C]))
        events = engine.step()[slot]
    assert events[-1].speaks
    engine.enqueue(slot, engine.encode(stream.audio[(first + 1) * C : (first + 3) * C]))
    while not isinstance(events[-1], Ended):
        assert engine.waiting(slot) == 2
        events = engine.step()[slot]
    engine.step()
    assert engine.waiting(slot) == 0


def test_context_slides_and_memory_stays(tokenizer, streams):
    """A first-layer key depends on its own input alone, so after sliding it must be that of a fresh session."""
    model = new_model("tiny", tokenizer, chunk=C, seed=3).eval()
    engine = Engine(model, tokenizer, EngineSettings(context=128, threshold=1e9))
    size = engine._cache.num_bytes
    slot = engine.open("tell me")
    prefix = len(engine._states[slot].prefix)
    audio = np.tile(streams[0].audio, 3)[: 30 * C]
    fed = []
    for k in range(30):
        embeddings = engine.encode(audio[k * C : (k + 1) * C])
        engine.enqueue(slot, embeddings)
        fed += [[*tokenizer.encode("tell me"), tokenizer.eos]] if k == 0 else [[tokenizer.silent]]
        engine.step()
        assert engine._cache.lengths[slot] <= 128
    assert engine._cache.num_bytes == size
    length = engine._cache.lengths[slot]
    with torch.inference_mode():
        silent = model.language_model.embed_tokens(torch.tensor([tokenizer.silent]))
        rows = [model.language_model.embed_tokens(torch.tensor(fed[0])), engine.encode(audio[:C])[0]]
        for k in range(1, 30):
            rows += [silent, engine.encode(audio[k * C : (k + 1) * C])[0]]
        everything = torch.cat(rows)
        kept = torch.cat([everything[:prefix], everything[prefix - length :]])
        fresh = Engine(model, tokenizer, EngineSettings(context=128))
        view = fresh._cache.view([0], [length])
        model.decode(kept[None], view.positions_RL, view.mask, cache=view)
    slid = engine._cache._keys[0][slot, :, :length]
    torch.testing.assert_close(slid, fresh._cache._keys[0][0, :, :length], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        engine._cache._values[0][slot, :, :length], fresh._cache._values[0][0, :, :length], atol=1e-5, rtol=1e-5
    )


def test_bad_clients_get_clear_errors_and_memory_is_bounded(tokenizer):
    model = new_model("tiny", tokenizer, chunk=C, seed=3)
    engine = Engine(model, tokenizer, EngineSettings(max_queue=4))
    session = Session(engine)
    for samples, rate, words in [
        (np.zeros(C, np.float32), 44_100, "44100 Hz"),
        (np.zeros((C, 2), np.float32), 16_000, "one channel"),
        (np.zeros(C, np.float64), 16_000, "float64"),
        (np.full(C, np.inf, np.float32), 16_000, "not finite"),
    ]:
        with pytest.raises(SoundFlowError, match=words):
            session.push(samples, sample_rate=rate)
    with pytest.raises(SoundFlowError, match="all 1 sessions"):
        engine.open()
    with pytest.raises(SoundFlowError, match="no faster than real time"):
        engine.enqueue(session.slot, engine.encode(np.zeros(5 * C, np.float32)))
    assert engine.waiting(session.slot) == 0
    session.close()
    tight = Engine(model, tokenizer, EngineSettings(context=8))
    slot = tight.open()
    tight.enqueue(slot, tight.encode(np.zeros(C, np.float32)))
    with pytest.raises(SoundFlowError, match="raise the context"):
        tight.step()


def test_a_response_without_end_is_cut_and_says_so(tokenizer):
    model = new_model("tiny", tokenizer, chunk=C, seed=5)
    engine = Engine(model, tokenizer, EngineSettings(max_text=3, threshold=-1e9))
    with torch.no_grad():
        model.lm_head.weight[tokenizer.eos] = -10 * model.lm_head.weight.abs().sum(0)
    with Session(engine) as session:
        events = session.push(np.zeros(C, np.float32))
    ended = [event for event in events if isinstance(event, Ended)]
    assert len(ended) == 1
    assert len(events) <= 5
