"""Front end, layout and packing."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models
from tones import ToneSource
from transformers import PreTrainedTokenizerFast
from transformers.models.whisper import WhisperFeatureExtractor

from soundflow_data.dice import Dice
from soundflow_data.errors import SoundFlowError
from soundflow_data.targets import Target, Targets, project
from soundflow_data.timeline import Event, Response, Timeline, ToolCall
from soundflow_trainer import frontend
from soundflow_trainer.evaluation.events import DEFAULT_WINDOW
from soundflow_trainer.frontend import log_mel
from soundflow_trainer.loading import Examples
from soundflow_trainer.packing import pack, pad, plan_rows, useful_share
from soundflow_trainer.sequence import CONTROL, LATEST, SOUND, TEXT, delay, make_example, prefix_tokens, write_native
from soundflow_trainer.sounding import sounds_by_chunk
from soundflow_trainer.tokens import StreamTokenizer, load_tokenizer, prepare_tokenizer, train_tokenizer

C = 6400


def noise(num_samples, seed=0):
    return np.random.default_rng(seed).normal(0, 0.05, num_samples).astype(np.float32)


def test_features_of_a_chunk_are_the_same_bits_alone_and_in_a_stream():
    audio = noise(7 * C)
    whole = log_mel(audio, C)
    alone = np.concatenate([log_mel(audio[k * C : (k + 1) * C], C) for k in range(7)])
    assert whole.shape == (7, 40, 128)
    assert whole.tobytes() == alone.tobytes()


def test_features_do_not_see_the_future_or_the_rest_of_the_stream():
    audio = noise(4 * C)
    changed = audio.copy()
    changed[2 * C :] *= 100
    assert (log_mel(audio, C)[:2] == log_mel(changed, C)[:2]).all()


def test_mel_filters_are_whispers():
    whisper = WhisperFeatureExtractor(feature_size=128)
    np.testing.assert_allclose(frontend._mel_filters(), whisper.mel_filters, atol=1e-8)


def test_a_loud_chunk_has_whispers_values():
    audio = noise(C) * 4
    ours = log_mel(audio, C)[0]
    whisper = WhisperFeatureExtractor(feature_size=128)._np_extract_fbank_features(audio[None], "cpu")[0].T
    # Whisper's floor depends on the clip; above both floors the two are the same scale.
    assert np.abs(ours[2:-2] - whisper[2:-2])[ours[2:-2] > 0.5].max() < 1e-4


def test_int16_and_float_audio_give_the_same_features():
    pcm = (noise(C) * 32768).astype(np.int16)
    assert (log_mel(pcm, C) == log_mel(pcm.astype(np.float32) / 32768, C)).all()


@pytest.mark.parametrize(
    ("audio", "chunk", "words"),
    [
        (np.zeros(C + 1, np.float32), C, "multiple of 6400"),
        (np.full(C, np.nan, np.float32), C, "not finite"),
        (np.zeros(6500, np.float32), 6500, "multiple of 640"),
        (np.zeros((2, C), np.float32), C, "one channel"),
    ],
)
def test_bad_audio_is_refused(audio, chunk, words):
    with pytest.raises(SoundFlowError, match=words):
        log_mel(audio, chunk)


def example_timeline():
    return Timeline(
        key="a",
        split="train",
        ability="x",
        subtask="y",
        num_samples=4 * C,
        instruction="tell me",
        responses=(Response(text="It rings.", evidence=C + 1, due=C + 1),),
    )


def test_native_layout_by_hand(tokenizer):
    timeline = example_timeline()
    sequence = write_native(timeline, project(timeline), tokenizer)
    t, text = tokenizer, tokenizer.encode("It rings.")
    prefix = [*t.encode("tell me"), t.eos]
    chunk = [t.audio] * 10
    expected = [*prefix, *chunk, t.silent, *chunk, t.response, *text, t.eos, *chunk, t.silent, *chunk, t.silent]
    assert sequence.tokens.tolist() == expected
    trained = sequence.labels >= 0
    assert (trained == (sequence.kinds > 0)).all()
    assert (sequence.labels[trained] == np.roll(sequence.tokens, -1)[trained]).all()
    assert not trained[: len(prefix)].any()
    control = np.flatnonzero(sequence.kinds == CONTROL)
    assert (sequence.tokens[control] == t.audio).all()
    assert sequence.labels[control].tolist() == [t.silent, t.response, t.silent, t.silent]
    assert sequence.labels[sequence.kinds == TEXT].tolist() == [*text, t.eos]
    # Of the audio positions only the last of each chunk trains anything.
    assert len(control) == 4
    assert ((sequence.tokens == t.audio) & trained).sum() == 4


def test_a_late_response_by_hand(tokenizer):
    timeline = example_timeline()
    targets = project(timeline)
    found = {}
    for seed in range(40):
        later, skipped = delay(targets, 1.0, Dice(seed))
        found[later.spoken[0].chunk] = skipped
        assert later.spoken[0].text == "It rings."
    assert found == {2: {1}, 3: {1, 2}}
    later, skipped = next(one for i in range(9) if (one := delay(targets, 1.0, Dice(i)))[0].spoken[0].chunk == 2)
    sequence = write_native(timeline, later, tokenizer, skipped)
    t, text = tokenizer, tokenizer.encode("It rings.")
    chunk = [t.audio] * 10
    start = [*t.encode("tell me"), t.eos]
    assert sequence.tokens.tolist() == [
        *start, *chunk, t.silent, *chunk, t.silent, *chunk, t.response, *text, t.eos, *chunk, t.silent
    ]  # fmt: skip
    control = np.flatnonzero(sequence.kinds == CONTROL)
    assert sequence.labels[control].tolist() == [t.silent, t.response, t.silent]
    assert control.tolist() == [len(start) + 9, len(start) + 31, len(sequence.tokens) - 2]


def test_late_responses_keep_their_order_and_number():
    spoken = tuple(Target(chunk=k, decision="response", text=str(k)) for k in (0, 1, 4, 5, 7, 9))
    targets = Targets(chunk=C, num_chunks=10, spoken=spoken)
    late = 0
    for seed in range(200):
        later, skipped = delay(targets, 0.5, Dice(seed))
        chunks = [target.chunk for target in later.spoken]
        assert chunks == sorted(set(chunks))
        assert [target.text for target in later.spoken] == [target.text for target in spoken]
        moved = {target.chunk: int(target.text) for target in later.spoken if str(target.chunk) != target.text}
        assert skipped == {k for chunk, due in moved.items() for k in range(due, chunk)}
        assert all(1 <= chunk - due <= LATEST for chunk, due in moved.items())
        late += len(moved)
    assert late
    assert LATEST == DEFAULT_WINDOW
    silent = Targets(chunk=C, num_chunks=3, spoken=())
    assert delay(silent, 1.0, Dice(1)) == (silent, frozenset())
    assert delay(targets, 0.0, Dice(1)) == (targets, frozenset())


def test_only_training_examples_are_late(tokenizer):
    source = ToneSource(6)
    plain, late = Examples(source, tokenizer, C), Examples(source, tokenizer, C, late=0.9, seed=1)
    differs = [not np.array_equal(plain[i].sequence.tokens, late[i, 7].sequence.tokens) for i in range(6)]
    assert sum(differs) >= 3
    assert all(np.array_equal(plain[i].features, late[i, 7].features) for i in range(6))
    assert np.array_equal(late[2, 7].sequence.tokens, late[2, 7].sequence.tokens)
    num_trained = [int((one[3].sequence.kinds == CONTROL).sum()) for one in (plain, late)]
    assert num_trained[1] <= num_trained[0]


def sound(label, start_s, end_s, role="foreground", kind="sound"):
    onset, length = round(start_s * 16_000), round((end_s - start_s) * 16_000)
    return Event(track="s", kind=kind, role=role, bank="b", clip="c", onset=onset, num_samples=length, label=label)


def test_every_chunk_is_asked_for_the_sound_that_fills_most_of_it():
    tokenizer = train_tokenizer(["a rooster, rain and a chainsaw"] * 9, 300)
    timeline = msgspec.structs.replace(
        example_timeline(),
        num_samples=8 * C,
        events=(
            sound("rooster", 0.1, 0.5),  # 0.3 s of chunk 0 and 0.1 s of chunk 1
            sound("rain", 0.9, 2.5, role="ambient"),  # 0.3 s of chunk 2, all of 3 to 5, 0.1 s of 6
            sound("chainsaw", 1.6, 1.9),  # in front of the rain in chunk 4
            sound("fan", 0.0, 3.2, kind="noise"),
        ),
    )
    asked = sounds_by_chunk(timeline, tokenizer)
    assert list(asked) == [0, 2, 3, 4, 5]
    assert asked[2] == asked[3] == asked[5]
    assert len({asked[0], asked[2], asked[4]}) == 3
    names = {0: " rooster", 3: " rain", 4: " chainsaw"}
    for chunk, name in names.items():
        pieces = tokenizer.encode(name)
        assert asked[chunk] in pieces
        lengths = [len(tokenizer.decode([one]).strip()) for one in pieces]
        assert lengths[pieces.index(asked[chunk])] == max(lengths)
    targets = project(timeline)
    plain = write_native(timeline, targets, tokenizer)
    sequence = write_native(timeline, targets, tokenizer, sounds=asked)
    assert np.array_equal(sequence.tokens, plain.tokens)
    named = np.flatnonzero(sequence.kinds == SOUND)
    assert sequence.labels[named].tolist() == list(asked.values())
    assert (sequence.tokens[named] == tokenizer.audio).all()
    assert (sequence.tokens[named + 1] == tokenizer.audio).all()
    decisions = np.flatnonzero(sequence.kinds == CONTROL)
    assert (named + 1).tolist() == decisions[list(asked)].tolist()
    rest = sequence.kinds != SOUND
    assert np.array_equal(sequence.labels[rest], plain.labels[rest])


def test_a_tool_call_is_written_as_json(tokenizer):
    call = ToolCall(name="light", arguments={"on": True})
    timeline = Timeline(
        key="a",
        split="train",
        ability="x",
        subtask="y",
        num_samples=C,
        responses=(Response(text="", evidence=1, due=1, call=call),),
    )
    sequence = write_native(timeline, project(timeline), tokenizer)
    words = tokenizer.decode(sequence.labels[sequence.kinds == TEXT])
    assert words == '{"name": "light", "arguments": {"on": true}}'


def test_special_tokens_in_a_text_are_plain_characters(tokenizer):
    ids = tokenizer.encode("say <eos> now")
    assert tokenizer.eos not in ids
    assert tokenizer.decode(ids) == "say <eos> now"
    assert prefix_tokens("", tokenizer) == []


def test_tokenizer_round_trip_and_missing_tokens(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "ours")
    again = load_tokenizer(tmp_path / "ours")
    assert again.encode("It rings. 你好") == tokenizer.encode("It rings. 你好")
    assert (again.silent, again.audio) == (tokenizer.silent, tokenizer.audio)
    foreign = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a")))
    foreign.save_pretrained(tmp_path / "foreign")
    with pytest.raises(SoundFlowError, match="<silent>"):
        StreamTokenizer(foreign)
    prepared = prepare_tokenizer(tmp_path / "foreign")
    assert len(prepared) == 7
    with pytest.raises(SoundFlowError, match="at least 261"):
        train_tokenizer(["a"], 100)
    with pytest.raises(SoundFlowError, match="no tokenizer"):
        load_tokenizer(tmp_path / "nothing")


def test_audio_of_another_length_is_refused(tokenizer):
    timeline = example_timeline()
    with pytest.raises(SoundFlowError, match="'a': 6400 samples, but 4 chunks"):
        make_example(np.zeros(C, np.int16), timeline, project(timeline), tokenizer)


def test_rows_hold_every_stream_once_and_never_too_much():
    lengths = [5, 9, 2, 7, 3, 3, 8]
    rows = plan_rows(lengths, 10)
    assert sorted(i for row in rows for i in row) == list(range(7))
    assert all(sum(lengths[i] for i in row) <= 10 for row in rows)
    assert len(rows) == 4  # 37 tokens: first fit of the longest first needs no more rows than an optimum
    with pytest.raises(SoundFlowError, match="more than a row of 4"):
        plan_rows([5], 4)


def test_packed_and_padded_hold_the_same_streams(tokenizer, source):
    examples = [make_example(s.audio, s.timeline, s.targets, tokenizer) for s in (source[i] for i in range(12))]
    packed, padded = pack(examples, row_tokens=512, rows_per_batch=8), pad(examples, rows_per_batch=12)
    assert sum(b.num_tokens for b in packed) == sum(b.num_tokens for b in padded)
    assert sum(b.num_control for b in packed) == sum(b.num_control for b in padded)
    assert useful_share(packed) == 1.0
    assert useful_share(padded) < 0.9
    for batch in packed:
        audio = (batch.tokens_RL == tokenizer.audio).sum()
        assert int(audio) == batch.features_NFM.shape[0] * 10
        starts = (batch.positions_RL == 0) & (batch.segments_RL > 0)
        assert int(starts.sum()) == sum(len(row) for row in batch.keys)
    with pytest.raises(SoundFlowError, match="train-000000"):
        pack(examples, row_tokens=16, rows_per_batch=1)
    assert isinstance(packed[0].to(torch.device("cpu")).tokens_RL, torch.Tensor)


def test_streams_with_other_chunks_work_too(tokenizer):
    stream = ToneSource(1, chunk=3200)[0]
    example = make_example(stream.audio, stream.timeline, stream.targets, tokenizer)
    assert example.features.shape[1:] == (20, 128)
    assert (example.sequence.tokens == tokenizer.audio).sum() == 5 * stream.targets.num_chunks
