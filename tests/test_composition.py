"""Streams are planned purely: the same whoever makes them, as loud as planned, and true by construction."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from soundflow_data.bank import Bank
from soundflow_data.corpus import Corpus
from soundflow_data.errors import Drop, RecipeError
from soundflow_data.rendering import render, render_pcm, stems
from soundflow_data.targets import project
from soundflow_data.timeline import NO_RESPONSE, ROLE_GAIN_DB, SAMPLE_RATE, Timeline


def level_db(samples: np.ndarray) -> float:
    return 10 * math.log10(np.mean(np.square(samples.astype(np.float64))))


def some(corpus: Corpus, count: int = 12) -> list[Timeline]:
    return [corpus.compose(corpus.spec("train", i)) for i in range(count)]


def test_a_stream_is_the_same_whoever_makes_it(make_corpus: Callable[..., Corpus], corpus: Corpus) -> None:
    alone = make_corpus().compose(corpus.spec("train", 11))
    among_others = some(corpus)[11]
    assert alone == among_others
    assert alone != make_corpus(seed=6).compose(corpus.spec("train", 11))


def test_more_streams_leave_the_first_ones_as_they_are(make_corpus: Callable[..., Corpus], corpus: Corpus) -> None:
    larger = make_corpus(streams=2_000_000)
    assert larger.spec("train", 3) == corpus.spec("train", 3)
    assert larger.compose(larger.spec("train", 3)) == corpus.compose(corpus.spec("train", 3))


def test_shares_are_kept_in_every_stretch(corpus: Corpus) -> None:
    shares = corpus.recipe.subtasks
    for start in (0, 1_000, 10**12):
        drawn = [corpus.spec("train", i).subtask for i in range(start, start + 200)]
        for name, share in shares.items():
            assert abs(drawn.count(name) - 200 * share) <= 4


def test_timelines_are_whole_and_sound(corpus: Corpus) -> None:
    low, high = corpus.recipe.duration_s
    for timeline in some(corpus, 24):
        timeline.check()
        targets = project(timeline)
        assert len(targets) == timeline.num_chunks
        assert targets.spoken or timeline.silences
        assert low <= timeline.seconds <= high + 2 * corpus.recipe.chunk_s
        assert all(event.licence and event.origin for event in timeline.events)


def test_foreground_is_at_its_level_and_roles_below(corpus: Corpus) -> None:
    for timeline in some(corpus):
        for event in timeline.events:
            if event.kind == "noise":
                continue
            wanted = timeline.level_db + ROLE_GAIN_DB[event.role]
            pcm = corpus.library("train").pcm(event) / 32768
            rendered = level_db(pcm) + event.gain_db
            if not event.fade_out:  # a cut clip is levelled by the whole of it
                limit = wanted + 20 - 20 * math.log10(np.abs(pcm).max()) - event.gain_db
                assert rendered == pytest.approx(wanted, abs=0.1) or limit < 0.1


def test_measured_snr_is_the_planned_one(corpus: Corpus) -> None:
    for timeline in some(corpus):
        assert timeline.snr_db is not None
        parts = stems(timeline, corpus.library("train"))
        foreground = timeline.level_db + timeline.gain_db
        assert foreground - level_db(parts["bed-0"]) == pytest.approx(timeline.snr_db, abs=0.1)
        below = timeline.snr_db + corpus.recipe.beds.ambient_below_db
        assert foreground - level_db(parts["bed-1"]) == pytest.approx(below, abs=0.1)


def test_stems_sum_to_the_mix(corpus: Corpus) -> None:
    for timeline in some(corpus, 4):
        library = corpus.library("train")
        mix = render_pcm(timeline, library)
        total = np.sum([stem.astype(np.float64) for stem in stems(timeline, library).values()], axis=0)
        assert np.abs(total * 32768 - mix).max() <= 1
        np.testing.assert_allclose(render(timeline, library), total, atol=2e-6)


def test_nothing_clips(make_corpus: Callable[..., Corpus]) -> None:
    loud = make_corpus(level_dbfs=[-12, -10], beds={"snr_db": [0, 1]})
    for timeline in some(loud, 8):
        pcm = loud.render(timeline)
        assert np.abs(pcm.astype(np.int32)).max() < 32767
        assert timeline.gain_db <= 0


def test_beds_cover_the_whole_stream(corpus: Corpus) -> None:
    for timeline in some(corpus):
        for track in ("bed-0", "bed-1"):
            bed = [event for event in timeline.events if event.track == track]
            assert bed[0].onset == 0
            assert bed[-1].end == timeline.num_samples
            for before, after in itertools.pairwise(bed):
                assert before.end - after.onset == before.fade_out == after.fade_in > 0


def test_beds_can_be_left_out(make_corpus: Callable[..., Corpus]) -> None:
    bare = make_corpus(beds={"count": 0}, background_per_minute=[0, 0], ambient_per_minute=[0, 0])
    timeline = bare.compose(bare.spec("train", 0))
    assert timeline.snr_db is None
    assert not [event for event in timeline.events if event.kind == "noise"]
    assert np.all(bare.render(timeline)[: round(0.3 * SAMPLE_RATE)] == 0)


def test_unplanned_sounds_never_falsify_a_label(make_corpus: Callable[..., Corpus]) -> None:
    busy = make_corpus(subtasks={"streaming_instruction_following/event_counting": 1.0}, background_per_minute=[30, 40])
    ontology = busy.library("train").ontology
    unplanned = 0
    for timeline in some(busy, 12):
        counted = {timeline.events[i].label for r in timeline.responses if r.kind == "count" for i in r.events}
        for event in timeline.events:
            if event.role != "foreground":
                alike = {event.label, *ontology.look_alikes(event.label)}
                assert not alike & counted
                unplanned += event.kind != "noise"
    assert unplanned > 20


def test_no_source_recording_is_in_two_splits(make_corpus: Callable[..., Corpus]) -> None:
    wide = make_corpus(streams=120)
    origins = {
        split: {
            event.origin if event.kind != "speech" else event.speaker
            for i in range(60)
            for event in wide.compose(wide.spec(split, i)).events
        }
        for split in ("train", "validation")
    }
    assert min(map(len, origins.values())) > 10
    assert not origins["train"] & origins["validation"]


def test_turns_tell_what_was_heard_and_said(corpus: Corpus) -> None:
    for timeline in some(corpus, 24):
        assert timeline.turns
        said = [turn.assistant for turn in timeline.turns if turn.assistant != NO_RESPONSE]
        whole = "".join("".join(said).split())
        assert whole == "".join("".join(response.text for response in timeline.responses).split())
        heard = " ".join(turn.user for turn in timeline.turns)
        for event in timeline.events:
            if event.role == "foreground" and event.text:
                assert event.text in heard


def test_what_cannot_fit_is_dropped_with_its_reason(make_corpus: Callable[..., Corpus]) -> None:
    short = make_corpus(duration_s=[2, 3], subtasks={"streaming_instruction_following/event_counting": 1.0}, streams=8)
    with pytest.raises(Drop) as caught:
        short.compose(short.spec("train", 0))
    assert caught.value.reason == "longer than the recipe allows"


@pytest.mark.parametrize("chunk_s", [0.2, 0.4, 1.0])
def test_any_chunk_length_pads_to_whole_chunks(make_corpus: Callable[..., Corpus], chunk_s: float) -> None:
    other = make_corpus(chunk_s=chunk_s)
    for timeline in some(other, 6):
        assert timeline.chunk == round(chunk_s * SAMPLE_RATE)
        assert timeline.num_samples % timeline.chunk == 0
        project(timeline)


def test_a_recipe_that_asks_for_too_much_is_refused(make_corpus: Callable[..., Corpus], sounds: Bank) -> None:
    with pytest.raises(RecipeError, match="plays in en, but languages are zh"):
        make_corpus(languages={"zh": 1.0}, subtasks={"real_time_asr/english_asr": 1.0})
    with pytest.raises(RecipeError, match=r"voices.ids has \['en-nobody'\]"):
        make_corpus(voices={"ids": ["en-nobody"]})
    with pytest.raises(RecipeError, match=r"allow_license.*no clip of bank 'sounds'.*CC0"):
        make_corpus(allow_license=["MIT"])


GOLDEN_SUBTASK = """
from soundflow_data import Scene, subtask

ASK = {"en": ["[please |]listen for {sound}[.|, all right?]"]}


@subtask(ability="streaming_instruction_following", languages=("en",))
def golden(scene: Scene) -> None:
    sound = scene.choose_sound(countable=True)
    request = scene.say(scene.phrase(ASK, sound=sound.phrase))
    scene.respond("I will.", evidence=request.end)
    for _ in range(scene.integer(1, 3)):
        scene.pause(0.5, 2.0)
        scene.stay_silent(scene.play(scene.choose_distractor(unlike=sound), max_s=2.0), "other")
        heard = scene.play(sound, single=True)
        scene.respond("There.", evidence=heard.recognisable)
    scene.transcribe(scene.say("The train leaves at nine."))
"""


def test_timelines_are_golden(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    """A failure here means that every corpus changes: if it is meant, raise the version and say so in the changelog."""
    path = tmp_path / "golden.py"
    path.write_text(GOLDEN_SUBTASK)
    corpus = make_corpus(subtasks={str(path): 1.0}, languages={"en": 1.0})
    plan = [
        (
            timeline.num_samples,
            timeline.snr_db,
            [
                (e.track, e.label or e.text, e.clip if e.kind != "speech" else e.speaker, e.onset)
                for e in timeline.events
            ],
            [(r.text, r.due, r.run) for r in timeline.responses],
            [(s.start, s.end) for s in timeline.silences],
        )
        for timeline in some(corpus, 4)
    ]
    assert hashlib.sha256(msgspec.json.encode(plan)).hexdigest()[:16] == "3a84dfc2eb0dcbe7"
