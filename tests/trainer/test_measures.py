"""Every measure against cases that were computed by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import soundfile as sf
import torch
from safetensors.torch import load_file, save_file
from tones import ToneSource, ToneStream
from transformers import BertConfig, BertForSequenceClassification, BertModel

from soundflow_data.errors import SoundFlowError
from soundflow_data.targets import project
from soundflow_data.timeline import Event, Part, Response, Silence, Timeline
from soundflow_trainer.evaluation.events import match, summarise
from soundflow_trainer.evaluation.measures import divide, judge, measure_text, table
from soundflow_trainer.evaluation.predictions import (
    Prediction,
    always_silent,
    end_of_energy,
    predict,
    random_at_base_rate,
)
from soundflow_trainer.evaluation.proactive import (
    Clip,
    Reply,
    format_reply,
    group_clips,
    read_manifest,
    read_replies,
    score_replies,
    write_replies,
)
from soundflow_trainer.evaluation.proactive_run import run_clips
from soundflow_trainer.evaluation.run import evaluate, save, show, show_stability
from soundflow_trainer.evaluation.semantic import Embedder, Reranker, semantic_accuracy
from soundflow_trainer.evaluation.stability import join, stability
from soundflow_trainer.evaluation.text import bleu, chrf, exact, recalls, token_f1, word_error_rate
from soundflow_trainer.live.engine import Engine, EngineSettings
from soundflow_trainer.pictures import draw
from soundflow_trainer.weights import new_model

C = 6400


def flags(*chunks, of=12):
    result = np.zeros(of, bool)
    result[list(chunks)] = True
    return result


# -- events ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("due", "said", "labels", "spoken", "false"),
    [
        ([4], [4], ["hit"], [4], []),
        ([4], [6], ["hit"], [6], []),
        ([4], [7], ["late"], [7], []),
        ([4], [9], ["late"], [9], []),
        ([4], [10], ["missed"], [-1], [10]),
        ([4], [3], ["early"], [3], []),
        ([4], [2], ["early"], [2], []),
        ([4], [1], ["missed"], [-1], [1]),
        ([4], [3, 5], ["hit"], [5], [3]),
        ([4, 5], [5], ["hit", "missed"], [5, -1], []),
        ([4, 5], [5, 6], ["hit", "hit"], [5, 6], []),
        ([4, 6], [6], ["hit", "missed"], [6, -1], []),
        ([4], [], ["missed"], [-1], []),
        ([], [3], [], [], [3]),
    ],
)
def test_events_by_hand(due, said, labels, spoken, false):
    outcome = match(flags(*said), flags(*due), [], chunk=C)
    assert list(outcome.labels) == labels
    assert list(outcome.spoken) == spoken
    assert list(outcome.false) == false


def test_a_silence_is_kept_unless_a_false_trigger_falls_on_it():
    """The silence covers chunks 3 and 4, so speech in 3 to 6 breaks it; a response that is due there does not."""
    silence = Silence(start=3 * C, end=5 * C, reason="look-alike")
    for said, kept in (([2], True), ([3], False), ([6], False), ([7], True), ([], True)):
        assert match(flags(*said), flags(), [silence], chunk=C).silences_right == (kept,)
    assert match(flags(5), flags(5), [silence], chunk=C).silences_right == (True,)


def test_summary_by_hand():
    """10 + 10 chunks of 0.4 s; 3 due, of which 1 hit at +1, 1 late at +3, 1 missed; 1 false; 2 silences, 1 kept."""
    silences = [Silence(start=0, end=10, reason="x"), Silence(start=8 * C, end=8 * C + 1, reason="x")]
    first = match(flags(3, 9, of=10), flags(2, of=10), silences, chunk=C)
    second = match(flags(4, of=10), flags(1, 8, of=10), [], chunk=C)
    timing = summarise([first, second])
    assert (timing.hits, timing.late, timing.early, timing.missed, timing.false) == (1, 1, 0, 1, 1)
    assert (timing.silences, timing.silences_kept) == (2, 1)
    assert timing.trigger_accuracy == pytest.approx(2 / 5)
    assert timing.decision_accuracy == pytest.approx(14 / 20)
    assert timing.decision_f1 == 0
    assert timing.delay_chunks == pytest.approx(2.0)
    assert timing.delay_ms == pytest.approx(800.0)
    assert timing.false_per_hour == pytest.approx(3600 / (17 * 0.4))
    assert math.isnan(summarise([]).trigger_accuracy)


def test_f1_by_hand():
    """Said 2, 5, 7; due 2, 5, 9: two agree, so F1 is 4 / 6."""
    timing = summarise([match(flags(2, 5, 7), flags(2, 5, 9), [], chunk=C)])
    assert timing.decision_f1 == pytest.approx(4 / 6)


# -- text ------------------------------------------------------------------------------------------------------------


def test_text_measures_by_hand():
    assert exact("It rings!", "it rings")
    assert not exact("once", "twice")
    assert token_f1("a b c", "a b d e") == pytest.approx(2 * 2 / 7)
    assert token_f1("", "") == 1.0
    # 5 reference words; one substituted, one deleted, and one inserted where nothing was said: 3 / 5.
    assert word_error_rate(["the cat sat", "on mats", ""], ["the dog sat", "on", "um"]) == pytest.approx(3 / 5)
    assert word_error_rate(["你好吗"], ["你好啊"]) == pytest.approx(1 / 3)
    assert math.isnan(word_error_rate([""], ["x"]))
    same = ["the quick brown fox jumps over the dog"]
    assert bleu(same, same, chinese=False) == pytest.approx(100)
    assert chrf(same, same) == pytest.approx(100)
    assert bleu(same, ["nothing in common with it at all here"], chinese=False) < 10
    assert bleu(["今天天气很好我们去公园"], ["今天天气很好我们去公园"], chinese=True) == pytest.approx(100)


def spoken_stream(ability, responses, said, *, num_chunks=12):
    timeline = Timeline(
        key="s",
        split="v",
        ability=ability,
        subtask="x",
        num_samples=num_chunks * C,
        responses=tuple(Response(text=t, evidence=k * C + 1, due=k * C + 1, kind=kind) for k, t, kind in responses),
    )
    return judge(timeline, project(timeline), Prediction(key="s", num_chunks=num_chunks, texts=said))


def test_counts_must_be_hit_with_the_right_words():
    one = spoken_stream(
        "a", [(1, "once", "count"), (5, "twice", "count"), (9, "hello", "answer")], {1: "once", 5: "once"}
    )
    text = measure_text(divide(one))
    assert text.exact_answers == 0.5
    assert text.exact == 0.5
    assert math.isnan(text.wer)


def test_transcripts_are_compared_whole():
    one = spoken_stream(
        "real_time_asr", [(1, "one two", "transcript"), (4, "three", "transcript")], {2: "one", 4: "three"}
    )
    assert measure_text(divide(one)).wer == pytest.approx(1 / 3)


def test_interpretations_are_compared_whole():
    one = spoken_stream(
        "streaming_translation", [(1, "good morning to all of you", "translation")], {1: "good morning to all of you"}
    )
    text = measure_text(divide(one))
    assert text.chrf == pytest.approx(100)
    assert text.bleu > 0


def test_recall_needs_what_was_told_in_any_words():
    told = ["I parked on level two.", "My locker is number twelve.", "No, I parked on level four."]
    for reference, reply, right in (
        ("You parked on level four.", "on level four", True),
        ("You parked on level four.", "The car is on level four, I think.", True),
        ("You parked on level four.", "You parked on level two.", False),
        ("You parked on level four.", "You parked on level.", False),
        ("It is blue.", "It is blue!", True),  # told nowhere: exactly
        ("It is blue.", "blue", False),
    ):
        assert recalls(reference, reply, told=told, question="Where did I park?") is right
    assert recalls("在四层。", "你的车在四层。", told=["我把车停在四层了。"], question="我的车在几层？")
    assert not recalls("在四层。", "你的车在三层。", told=["我把车停在四层了。"], question="我的车在几层？")


def said_at(text, chunk):
    return Event(track="user", kind="speech", role="foreground", bank="b", clip="c", onset=chunk * C, num_samples=C,
                 text=text)  # fmt: skip


def composite(texts):
    """Counting in chunks 0-5 and 10-13, history review in 6-9; "once" rests on what was heard in the first part."""
    ability, other = "streaming_instruction_following", "environment_aware_agent"
    responses = ((1, "once", "count"), (8, "Level four.", "recall"), (11, "twice", "count"))
    timeline = Timeline(
        key="c",
        split="v",
        ability=ability,
        subtask="event_counting+history_review",
        num_samples=14 * C,
        events=(said_at("I parked on level four", 6), said_at("where did I park", 7)),
        responses=tuple(Response(text=t, evidence=k * C + C, due=k * C + C, kind=kind) for k, t, kind in responses),
        silences=(Silence(start=3 * C, end=4 * C, reason="x"), Silence(start=9 * C, end=10 * C, reason="x")),
        parts=(
            Part(ability=ability, subtask="event_counting", start=0, end=6 * C),
            Part(ability=other, subtask="history_review", start=6 * C, end=10 * C),
            Part(ability=ability, subtask="event_counting", start=10 * C, end=14 * C),
        ),
    )
    return judge(timeline, project(timeline), Prediction(key="c", num_chunks=14, texts=texts))


def test_composites_are_counted_under_the_sub_task_that_made_each_response():
    judged = composite({1: "once", 4: "hm", 8: "On level four.", 13: "twice"})
    rows = {row.group: row for row in table([judged])}
    counting = "streaming_instruction_following"
    assert list(rows) == [
        "all",
        "environment_aware_agent",
        "environment_aware_agent/history_review",
        counting,
        f"{counting}/event_counting",
    ]
    review, count = rows["environment_aware_agent/history_review"], rows[f"{counting}/event_counting"]
    assert (review.timing.hits, review.timing.silences_kept, review.timing.false) == (1, 1, 0)
    assert (review.text.recalls, review.text.recall) == (1, 1.0)
    assert (count.timing.streams, count.timing.hits, count.timing.false) == (1, 2, 1)
    assert (count.timing.silences, count.timing.silences_kept) == (1, 0)
    assert count.text.exact_answers == 1.0
    assert math.isnan(count.text.recall)
    # Everything counts once: the parts add up to the whole.
    for name in ("hits", "missed", "false", "silences", "silences_kept"):
        whole = getattr(rows["all"].timing, name)
        assert whole == getattr(review.timing, name) + getattr(count.timing, name)
    assert rows["all"].timing.streams == 1
    assert rows["all"].text.recall == 1.0
    chunks = [len(piece.outcome.decisions) for piece in divide(judged)]
    assert chunks == [4, 10]


def test_a_missed_or_wrong_recall_is_wrong():
    for said in ({}, {8: "On level two."}, {5: "Level four."}):
        rows = {row.group: row for row in table([composite(said)])}
        assert rows["all"].text.recall == 0.0


# -- baselines, evaluation, stability --------------------------------------------------------------------------------


def test_baselines():
    audio = np.zeros(10 * C, np.float32)
    audio += np.random.default_rng(0).normal(0, 0.001, len(audio)).astype(np.float32)
    audio[2 * C : 4 * C] += 0.3 * np.sin(np.arange(2 * C) / 5).astype(np.float32)
    timeline = Timeline(key="b", split="v", ability="a", subtask="x", num_samples=10 * C)
    stream = ToneStream(audio=(audio * 32767).astype(np.int16), timeline=timeline, targets=project(timeline))
    assert sorted(always_silent(stream, 0.5).texts) == []
    assert sorted(end_of_energy(stream, 0.5).texts) == [4]
    assert random_at_base_rate(stream, 0.5) == random_at_base_rate(stream, 0.5)
    assert sorted(random_at_base_rate(stream, 1.0).texts) == list(range(10))


@pytest.fixture(scope="module")
def engine(tokenizer):
    model = new_model("tiny", tokenizer, chunk=C, seed=2)
    return Engine(model, tokenizer, EngineSettings(sessions=3, max_text=4))


def test_evaluation_from_streams_to_files(engine, tmp_path):
    source = ToneSource(5)
    streams = [source[i] for i in range(5)]
    evaluation = evaluate(engine, streams)
    assert [row.group for row in evaluation.rows] == ["all", "proactive_response", "proactive_response/tones"]
    assert evaluation.baselines["always silent"].timing.false == 0
    assert evaluation.rows[0].timing.streams == 5
    save(evaluation, tmp_path)
    data = json.loads((tmp_path / "measures.json").read_text())
    assert data["model"][0]["streams"] == 5
    assert data["model"][0]["wer"] is None
    assert len((tmp_path / "predictions.jsonl").read_text().splitlines()) == 5
    assert show(evaluation).row_count == 6
    draw(streams[:2], evaluation.judged[:2], tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10_000


def test_perfect_predictions_score_one():
    source = ToneSource(8)
    streams = [source[i] for i in range(8)]
    judged = [
        judge(
            s.timeline,
            s.targets,
            Prediction(
                key=s.timeline.key, num_chunks=s.targets.num_chunks, texts={t.chunk: t.text for t in s.targets.spoken}
            ),
        )
        for s in streams
    ]
    row = table(judged)[0]
    assert row.timing.trigger_accuracy == row.timing.decision_f1 == row.text.exact == 1.0
    assert row.timing.false == row.timing.delay_chunks == 0


def test_joined_segments_keep_every_target_at_its_place():
    source = ToneSource(6)
    streams = [source[i] for i in (1, 2, 4)]  # those without an instruction
    joined = join(streams)
    joined.timeline.check()
    assert len(joined.audio) == joined.timeline.num_samples == joined.targets.num_chunks * C
    assert project(joined.timeline).decisions().tolist() == joined.targets.decisions().tolist()
    assert np.concatenate([s.targets.decisions() for s in streams]).tolist() == joined.targets.decisions().tolist()
    with pytest.raises(SoundFlowError, match="cannot be joined"):
        join([source[0], source[1]])


def test_stability_uses_the_same_segments_for_every_length(engine):
    source = ToneSource(8)
    measured = stability(engine, [source[i] for i in range(8)], most=2)
    assert set(measured) == {1, 2}
    assert measured[1].streams == 2 * measured[2].streams
    due = [t.hits + t.early + t.late + t.missed for t in measured.values()]
    assert due[0] == due[1]
    assert show_stability(measured).row_count == 2
    with pytest.raises(SoundFlowError, match="at least 5 streams"):
        stability(engine, [source[0]])


# -- Proactive-Sound-Bench -------------------------------------------------------------------------------------------


def clip(number, domain, folder, decision):
    path = f"./proactive-sound-effect/{domain}/{folder}/{decision}/{number}.wav"
    return Clip(id=str(number), path=path, description="d", decision=decision)


CLIPS = [
    clip(1, "home", "glass", "RESPOND"),
    clip(2, "home", "glass", "IGNORE"),
    clip(3, "home", "fire", "RESPOND"),
    clip(4, "road", "horn", "RESPOND"),
    clip(5, "road", "horn", "IGNORE"),
]


def test_benchmark_scores_by_hand():
    """Right: 1 and 5; wrong: 2 and 4; 3 has no valid decision; 9 is not in the manifest."""
    replies = [
        Reply(id="1", raw_reply=format_reply("RESPOND", "Glass broke.")),
        Reply(id="2", raw_reply="<Decision> respond </Decision><Reply>Hm</Reply>"),
        Reply(id="3", raw_reply="I think something burns."),
        Reply(id="4", raw_reply=format_reply("IGNORE", "")),
        Reply(id="5", raw_reply=format_reply("IGNORE", "")),
        Reply(id="9", raw_reply=format_reply("IGNORE", "")),
    ]
    score = score_replies(CLIPS, replies)
    assert (score.overall.right, score.overall.valid) == (2, 4)
    assert {a.group: a.accuracy for a in score.domains} == {"home": 0.5, "road": 0.5}
    folders = {a.group: (a.right, a.valid) for a in score.folders}
    assert folders == {"home/fire": (0, 0), "home/glass": (1, 2), "road/horn": (1, 2)}
    assert (score.missing, score.invalid, score.unknown) == (0, 1, 1)
    assert score_replies(CLIPS, replies[:1]).missing == 4
    with pytest.raises(SoundFlowError, match="predicted twice"):
        score_replies(CLIPS, [replies[0], replies[0]])
    assert replies[0].raw_reply == "<Decision>RESPOND</Decision><Reply>Glass broke.</Reply>"
    assert replies[0].text == "Glass broke."


def test_benchmark_files(tmp_path):
    replies = [Reply(id="1", raw_reply=format_reply("RESPOND", "听到了"))]
    write_replies(tmp_path / "out" / "p.jsonl", replies)
    assert json.loads((tmp_path / "out/p.jsonl").read_text()).keys() == {"id", "_raw_reply"}
    assert read_replies(tmp_path / "out/p.jsonl") == replies
    manifest = tmp_path / "m.jsonl"

    def write(*rows):
        manifest.write_text("\n".join(json.dumps(row) for row in rows))

    good = {"id": "1", "path": CLIPS[0].path, "description": "d", "decision": "RESPOND"}
    write(good)
    [read] = read_manifest(manifest)
    assert (read.domain, read.folder) == ("home", "home/glass")
    for rows, words in (
        ([good, good], "stands twice"),
        ([good | {"decision": "IGNORE"}], "does not end in"),
        ([good | {"decision": "MAYBE"}], "row 1"),
        ([], "no rows"),
    ):
        write(*rows)
        with pytest.raises(SoundFlowError, match=words):
            read_manifest(manifest)
    with pytest.raises(SoundFlowError, match="cannot be read"):
        read_replies(tmp_path / "nothing.jsonl")


def test_groups_stay_within_a_domain():
    groups = [[c.id for c in group] for group in group_clips(CLIPS, 2)]
    assert groups == [["1", "2"], ["3"], ["4", "5"]]


@pytest.mark.parametrize("group", [1, 3])
def test_benchmark_runs_a_model_on_files_and_scores_every_event(tokenizer, tmp_path, group):
    for one in CLIPS:
        path = tmp_path / one.path
        path.parent.mkdir(parents=True, exist_ok=True)
        tone = 0.3 * np.sin(np.arange(24_000) / 7)
        sf.write(path, tone, 16_000)
    model = new_model("tiny", tokenizer, chunk=C, seed=2)
    for threshold, decision in ((1e9, "IGNORE"), (-1e9, "RESPOND")):
        engine = Engine(model, tokenizer, EngineSettings(sessions=2, max_text=2, threshold=threshold))
        replies = list(run_clips(engine, CLIPS, tmp_path, group=group))
        assert sorted(reply.id for reply in replies) == ["1", "2", "3", "4", "5"]
        assert {reply.decision for reply in replies} == {decision}
    (tmp_path / CLIPS[0].path).unlink()
    with pytest.raises(SoundFlowError, match=r"clip '1'.*check AUDIO_ROOT"):
        list(run_clips(engine, CLIPS, tmp_path))


REPLIES = [
    Reply(id="1", raw_reply=format_reply("RESPOND", "It rings.")),
    Reply(id="2", raw_reply=format_reply("IGNORE", "")),
]


def tiny_bert(tokenizer, kind, folder, **settings):
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        **settings,
    )  # fmt: skip
    kind(config).save_pretrained(folder)
    tokenizer.save(folder)


def test_semantic_match_with_a_tiny_embedding_model(tokenizer, tmp_path):
    tiny_bert(tokenizer, BertModel, tmp_path)
    scorer = Embedder(tmp_path)
    same = semantic_accuracy(REPLIES, {"1": ["no", "It rings."], "2": ["x"]}, scorer, threshold=0.999)
    assert same == (1, 1)
    assert semantic_accuracy(REPLIES, {"1": ["It rings."]}, scorer, threshold=1.1) == (0, 1)
    assert semantic_accuracy(REPLIES, {}, scorer, threshold=0.5) == (0, 0)
    many = scorer.score([("a", f"b {i}") for i in range(40)])  # more than a batch
    assert many[39] == pytest.approx(scorer.score([("a", "b 39")])[0], abs=1e-4)
    with pytest.raises(SoundFlowError, match="sentence-embedding"):
        Embedder(tmp_path / "none")


@pytest.mark.parametrize("labels", [1, 2])
def test_semantic_match_with_a_tiny_reranker(tokenizer, tmp_path, labels):
    """A classifier's bias decides alone when its weights are zero: sigmoid(2) with one label, the same with two."""
    tiny_bert(tokenizer, BertForSequenceClassification, tmp_path, num_labels=labels)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["classifier.weight"].zero_()
    tensors["classifier.bias"][:] = torch.tensor([2.0]) if labels == 1 else torch.tensor([0.0, 2.0])
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    scorer = Reranker(tmp_path)
    assert scorer.score([("It rings.", "no"), ("a", "b")]) == pytest.approx([0.8808, 0.8808], abs=1e-3)
    assert semantic_accuracy(REPLIES, {"1": ["no", "It rings."]}, scorer, threshold=0.88) == (1, 1)
    assert semantic_accuracy(REPLIES, {"1": ["no"]}, scorer, threshold=0.89) == (0, 1)


def test_a_model_without_a_head_is_no_reranker(tokenizer, tmp_path):
    tiny_bert(tokenizer, BertModel, tmp_path)
    with pytest.raises(SoundFlowError, match="it would score at random"):
        Reranker(tmp_path)
    tiny_bert(tokenizer, BertForSequenceClassification, tmp_path, num_labels=3)
    with pytest.raises(SoundFlowError, match="has 3 labels"):
        Reranker(tmp_path)


def test_predictions_say_what_was_said(engine):
    stream = ToneSource(1)[0]
    [prediction] = predict(engine, [stream])
    assert prediction.num_chunks == stream.targets.num_chunks
    assert prediction.decisions().sum() == len(prediction.texts)
