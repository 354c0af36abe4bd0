"""Every check is shown a corpus that is wrong in just the way it should notice, and one that is good."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from damage import Stream, damage

from soundflow_data.bank import Bank
from soundflow_data.corpus import Corpus
from soundflow_data.errors import RunError, ShardError
from soundflow_data.quality.check.base import CorpusCheck, StreamCheck
from soundflow_data.quality.check.checks import check_names, load_check
from soundflow_data.quality.check.checks.duplicates import nearest_similarities
from soundflow_data.quality.check.limits import Checks
from soundflow_data.quality.check.run import check_corpus
from soundflow_data.quality.check.sound import SOUND, measure_sound
from soundflow_data.quality.check.verdict import Measure, Result, Verdict, count_reasons, histogram
from soundflow_data.recipe import Recipe
from soundflow_data.shards import LocalStorage, list_receipts
from soundflow_data.timeline import Event, Response, Silence, ToolCall
from soundflow_pipelines.executor import InProcess
from soundflow_pipelines.synthesize import Run

CHUNK = 6_400


@pytest.fixture(scope="module")
def corpus(make_corpus: Callable[..., Corpus]) -> Corpus:
    """A smaller corpus than other tests need: it is written anew for every damage."""
    return make_corpus(streams=16, streams_per_shard=4, duration_s=[12, 26])


@pytest.fixture(scope="module")
def good(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("good") / "out"
    run = Run(corpus, out)
    assert not [outcome.failure for outcome in run.make(InProcess()) if outcome.failure]
    assert run.finish()
    return out


@pytest.fixture
def storage(good: Path, tmp_path: Path) -> LocalStorage:
    return LocalStorage(Path(shutil.copytree(good, tmp_path / "out")))


@pytest.fixture(scope="module")
def judge(corpus: Corpus) -> Callable[..., Verdict]:
    banks = {name: (str(bank.path), bank.fingerprint) for name, bank in corpus.banks.items()}

    def check(storage: LocalStorage, *names: str, **changes: object) -> Verdict:
        recipe = corpus.recipe.model_copy(update=changes)
        return check_corpus(storage, recipe, banks=banks, names=names)

    return check


def with_limits(recipe: Recipe, section: str, **limits: object) -> Checks:
    changed = getattr(recipe.checks, section).model_copy(update=limits)
    return recipe.checks.model_copy(update={section: changed})


def result_of(verdict: Verdict, name: str) -> Result:
    return next(result for result in verdict.results if result.check == name)


def assert_fails(verdict: Verdict, name: str, reason: str) -> Result:
    result = result_of(verdict, name)
    assert not result.ok, f"{name} passes"
    assert not verdict.ok
    assert any(reason in one.reason and one.count for one in result.reasons), result.reasons
    return result


# -- a good corpus, and what all checks have in common ---------------------------------------------------------------


def test_good_corpus_passes(storage: LocalStorage, judge: Callable[..., Verdict]) -> None:
    verdict = judge(storage)
    assert [result.check for result in verdict.results] == list(check_names())
    assert [(result.check, result.failures) for result in verdict.results if not result.ok] == []
    assert verdict.ok
    assert verdict.streams == sum(receipt.counts.streams for receipt in list_receipts(storage)) > 12
    assert verdict.seconds == pytest.approx(sum(receipt.seconds for receipt in list_receipts(storage)))
    assert verdict.notes == ()
    assert all(any(measure.judged for measure in result.measures) for result in verdict.results)


def test_same_corpus_same_verdict(storage: LocalStorage, judge: Callable[..., Verdict]) -> None:
    before = storage.list()
    assert judge(storage) == judge(storage)
    assert storage.list() == before


@pytest.mark.parametrize("name", check_names())
def test_every_check_has_a_section_of_the_recipe(name: str) -> None:
    check = load_check(name)
    assert set(check_names()) == set(Checks.model_fields)
    assert len(check.summary) > 20
    public = {key for key in vars(type(check)) if not key.startswith("_")} - {"summary"}
    assert public == {"faults" if isinstance(check, StreamCheck) else "judge"}
    assert isinstance(check, (StreamCheck, CorpusCheck))
    assert all(field.description for field in type(getattr(Checks(), name)).model_fields.values())


def test_json_says_what_passes(storage: LocalStorage, judge: Callable[..., Verdict]) -> None:
    data = json.loads(msgspec.json.encode(judge(storage).as_json()))
    assert data["ok"] is True
    assert {result["check"]: result["ok"] for result in data["results"]} == dict.fromkeys(check_names(), True)
    assert all("ok" in measure for result in data["results"] for measure in result["measures"])


def test_unfinished_run(storage: LocalStorage, corpus: Corpus) -> None:
    last = list_receipts(storage)[-1].shard
    for path in (last.receipt, last.tar, *(last.table(table) for table in ("manifest", "events", "responses"))):
        storage.remove(path)
    plan = Run(corpus, storage.root).plan
    verdict = check_corpus(storage, corpus.recipe, plan=plan)
    assert verdict.notes == ("3 of 4 shards are finished; only these were looked at",)
    assert verdict.shards == 3
    assert result_of(verdict, "shares").ok
    with pytest.raises(RunError, match="no finished shard"):
        check_corpus(LocalStorage(storage.root / "data"), corpus.recipe)


def test_damaged_shard_is_named(storage: LocalStorage, judge: Callable[..., Verdict]) -> None:
    spec = list_receipts(storage)[1].shard
    path = storage.root / spec.tar
    path.write_bytes(path.read_bytes().replace(b"fLaC", b"fLaX"))
    with pytest.raises(ShardError, match=rf"{spec.tar}: stream '\w+-\d+'"):
        judge(storage)


# -- coherent --------------------------------------------------------------------------------------------------------


def first_answered_sound(stream: Stream) -> int | None:
    """The first event of a sound on whose being heard a response came."""
    events = stream.timeline.events
    found = [
        i
        for response in stream.timeline.responses
        for i in response.events
        if events[i].label and events[i].onset < response.evidence <= events[i].end
    ]
    return min(found, default=None)


def test_sound_that_is_answered_and_kept_silent(storage: LocalStorage, judge: Callable[..., Verdict]) -> None:
    def contradict(stream: Stream) -> None:
        i = first_answered_sound(stream)
        if i is not None:
            event = stream.timeline.events[i]
            silence = Silence(start=event.onset, end=event.end, reason="harmless", events=(i,))
            stream.change(silences=(*stream.timeline.silences, silence))

    damage(storage, contradict)
    assert_fails(judge(storage, "coherent"), "coherent", "an event is answered and kept silent")


@pytest.mark.parametrize(
    ("role", "noted", "reason"),
    [
        ("foreground", True, "answered once and kept silent once under the same instruction"),
        ("foreground", False, "a foreground sound is left open"),
        ("background", False, "a background sound is left open"),
    ],
)
def test_promise_that_is_broken(
    storage: LocalStorage, judge: Callable[..., Verdict], role: str, noted: bool, reason: str
) -> None:
    def repeat(stream: Stream) -> None:
        i = first_answered_sound(stream)
        if i is None:
            return
        event = stream.timeline.events[i]
        again = msgspec.structs.replace(event, role=role, onset=event.onset + 1)
        if again.end > stream.timeline.num_samples:
            return
        stream.change(events=(*stream.timeline.events, again))
        if noted:
            here = (len(stream.timeline.events) - 1,)
            silence = Silence(start=again.onset, end=again.end, reason="harmless", events=here)
            stream.change(silences=(*stream.timeline.silences, silence))

    damage(storage, repeat)
    assert_fails(judge(storage, "coherent"), "coherent", reason)


def test_bed_that_sounds_like_what_is_answered(storage: LocalStorage, judge: Callable[..., Verdict]) -> None:
    def relabel(stream: Stream) -> None:
        i = first_answered_sound(stream)
        label = "" if i is None else stream.timeline.events[i].label
        stream.events(lambda _, e: msgspec.structs.replace(e, label=label) if label and e.kind == "noise" else e)

    damage(storage, relabel)
    assert_fails(
        judge(storage, "coherent"), "coherent", "a noise bed is left open though others of its kind are answered"
    )


# -- plausible -------------------------------------------------------------------------------------------------------


def relabel_sounds(labels: tuple[str, str]) -> Callable[[Stream], None]:
    """Makes the first two sounds of each stream be of these kinds."""

    def edit(stream: Stream) -> None:
        sounds = [i for i, event in enumerate(stream.timeline.events) if event.label and event.kind != "speech"]
        sounds.sort(key=lambda i: stream.timeline.events[i].onset)
        renamed = dict(zip(sounds[:2], labels, strict=False))
        stream.events(lambda i, event: msgspec.structs.replace(event, label=renamed.get(i, event.label)))

    return edit


def test_sounds_that_exclude_each_other(storage: LocalStorage, judge: Callable[..., Verdict]) -> None:
    damage(storage, relabel_sounds(("crowd_cheer", "toilet_flush")))
    assert_fails(judge(storage, "plausible"), "plausible", "crowd_cheer and toilet_flush exclude each other")


def test_effect_before_its_cause(storage: LocalStorage, judge: Callable[..., Verdict]) -> None:
    damage(storage, relabel_sounds(("door_creak", "door_knock")))
    assert_fails(judge(storage, "plausible"), "plausible", "door_creak comes before door_knock")


# -- grounded --------------------------------------------------------------------------------------------------------


def is_sound(event: Event) -> bool:
    return event.kind != "speech"


@pytest.mark.parametrize(
    ("which", "fields", "reason"),
    [
        (is_sound, {"clip": "no-such-clip"}, "bank 'sounds' has no such clip"),
        (is_sound, {"bank": "elsewhere"}, "the recipe has no bank 'elsewhere'"),
        (is_sound, {"label": "clock_tick"}, "clock_tick stands on a clip of "),
        (is_sound, {"label": ""}, "sound without a label"),
        (is_sound, {"clip_start": 10**9}, "an event is longer than its clip"),
        (is_sound, {"licence": "CC-BY-4.0"}, "corpus, source recording or licence are not those of the clip"),
        (is_sound, {"origin": "another"}, "corpus, source recording or licence are not those of the clip"),
        (lambda event: not is_sound(event), {"text": "", "words": ()}, "speech without a text or a speaker"),
        (lambda event: not is_sound(event), {"speaker": ""}, "speech without a text or a speaker"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_event_that_its_clip_does_not_bear_out(
    storage: LocalStorage,
    judge: Callable[..., Verdict],
    which: Callable[[Event], bool],
    fields: dict[str, object],
    reason: str,
) -> None:
    def edit(stream: Stream) -> None:
        stream.events(lambda _, event: msgspec.structs.replace(event, **fields) if which(event) else event)

    damage(storage, edit, shards=(0,))
    assert_fails(judge(storage, "grounded"), "grounded", reason)


def test_bank_that_is_gone_is_noted(storage: LocalStorage, corpus: Corpus, tmp_path: Path) -> None:
    path = str(corpus.banks["sounds"].path)
    gone = check_corpus(storage, corpus.recipe, banks={"sounds": (str(tmp_path / "gone"), "x")})
    assert "the clips of bank 'sounds' were not looked up" in gone.notes[0]
    other = check_corpus(storage, corpus.recipe, banks={"sounds": (path, "f" * 64)})
    assert "has been built anew since" in other.notes[0]
    assert result_of(gone, "grounded").ok
    assert result_of(other, "grounded").ok


# -- temporal --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda target: msgspec.structs.replace(target, chunk=0), "a target comes before its evidence"),
        (lambda target: msgspec.structs.replace(target, chunk=target.chunk + 20), "a response waits too long"),
        (lambda target: msgspec.structs.replace(target, text="something else"), "a target has other words"),
        (lambda target: msgspec.structs.replace(target, chunk=target.chunk + 1), "not those of the timeline"),
        (lambda target: None, "a response has no target"),
    ],
    ids=["early", "late", "words", "next", "missing"],
)
def test_targets_that_do_not_follow(
    storage: LocalStorage, judge: Callable[..., Verdict], change: Callable[..., object], reason: str
) -> None:
    def edit(stream: Stream) -> None:
        from soundflow_data.targets import project  # noqa: PLC0415

        targets = project(stream.timeline)
        if targets.spoken:
            last = change(targets.spoken[-1])
            spoken = (*targets.spoken[:-1], *([] if last is None else [last]))
            stream.targets = msgspec.structs.replace(targets, spoken=spoken)

    damage(storage, edit, shards=(0,))
    result = assert_fails(judge(storage, "temporal"), "temporal", reason)
    assert 0 < result.measures[0].value < 0.4  # of four shards


# -- dialogue --------------------------------------------------------------------------------------------------------


def test_corpus_that_never_speaks(storage: LocalStorage, judge: Callable[..., Verdict]) -> None:
    damage(storage, lambda stream: stream.change(responses=(), silences=(), turns=()))
    result = assert_fails(judge(storage, "dialogue"), "dialogue", "no round at all")
    assert {measure.name for measure in result.failures} == {"decisions to keep silent", "rounds per stream"}


def test_corpus_that_speaks_all_the_time(storage: LocalStorage, judge: Callable[..., Verdict]) -> None:
    def chatter(stream: Stream) -> None:
        stream.change(
            responses=tuple(
                Response(text="yes", evidence=k * CHUNK + 1, due=k * CHUNK + 1)
                for k in range(stream.timeline.num_chunks)
            )
        )

    damage(storage, chatter)
    (failure,) = result_of(judge(storage, "dialogue"), "dialogue").failures
    assert (failure.name, failure.value) == ("decisions to keep silent", 0.0)


@pytest.mark.parametrize(("language", "text"), [("en", "word " * 81), ("zh", "字，" * 81)])
def test_response_that_is_too_long(
    storage: LocalStorage, judge: Callable[..., Verdict], language: str, text: str
) -> None:
    def talk(stream: Stream) -> None:
        stream.responses(lambda _, response: msgspec.structs.replace(response, text=text, language=language, run=-1)
                         if response.run < 0 else response)  # fmt: skip

    damage(storage, talk, shards=(0,))
    assert_fails(judge(storage, "dialogue"), "dialogue", "a response of more than 80 words or characters")


def test_tokens_of_one_response_and_of_a_running_one(storage: LocalStorage, judge: Callable[..., Verdict]) -> None:
    def talk(stream: Stream) -> None:
        text = "three little words" if stream.number % 2 else "共有，六个字。"
        call = ToolCall(name="lamp", arguments={})
        stream.change(
            ability="voice_chatting" if stream.number % 2 else "real_time_asr",
            responses=(
                Response(text=text, evidence=CHUNK, due=CHUNK, language="en" if stream.number % 2 else "zh", run=3),
                Response(text="and one more", evidence=2 * CHUNK, due=2 * CHUNK, run=3),
                Response(text="", evidence=3 * CHUNK, due=3 * CHUNK, call=call),
            ),
        )

    damage(storage, talk)
    found = {
        measure.group: measure.value
        for measure in result_of(judge(storage, "dialogue"), "dialogue").measures
        if measure.name == "tokens per response"
    }
    assert found == {"voice_chatting": 6.0, "real_time_asr": 8.0}  # 3 + 3 words; 5 characters + 3 words


def test_streams_of_another_length(storage: LocalStorage, judge: Callable[..., Verdict]) -> None:
    assert_fails(judge(storage, "dialogue", duration_s=(40.0, 50.0)), "dialogue", "shorter or longer than duration_s")


# -- diverse ---------------------------------------------------------------------------------------------------------


def test_texts_that_repeat(storage: LocalStorage, judge: Callable[..., Verdict]) -> None:
    def same(stream: Stream) -> None:
        stream.events(
            lambda _, e: msgspec.structs.replace(e, text="What is it?", words=()) if e.kind == "speech" else e
        )
        stream.responses(lambda _, response: msgspec.structs.replace(response, text="Nothing."))

    damage(storage, same)
    result = assert_fails(judge(storage, "diverse"), "diverse", "texts of factual_qa that repeat others")
    assert any(one.reason == "said again and again: What is it?" for one in result.reasons)


@pytest.mark.parametrize(
    ("fields", "name"), [({"label": "wind"}, "sounds"), ({"speaker": "en-ada"}, "speakers")], ids=["label", "speaker"]
)
def test_uneven_use(storage: LocalStorage, judge: Callable[..., Verdict], fields: dict[str, str], name: str) -> None:
    def same(stream: Stream) -> None:
        key = next(iter(fields))
        stream.events(lambda _, e: msgspec.structs.replace(e, **fields) if stream.number and getattr(e, key) else e)

    damage(storage, same)
    result = result_of(judge(storage, "diverse"), "diverse")
    assert f"evenness of {name}" in {measure.name for measure in result.failures}


# -- duplicates and leaks --------------------------------------------------------------------------------------------


class Copier:
    """Gives streams the sound of the first one, changed or not."""

    def __init__(self, change: Callable[[np.ndarray], np.ndarray], where: Callable[[Stream], bool]) -> None:
        self._first: np.ndarray | None = None
        self._change = change
        self._where = where

    def __call__(self, stream: Stream) -> None:
        if self._first is None:
            self._first = stream.pcm
        elif self._where(stream):
            stream.pcm = self._change(self._first)
            stream.change(num_samples=len(stream.pcm), events=(), responses=(), silences=())


def test_same_samples_twice(storage: LocalStorage, judge: Callable[..., Verdict]) -> None:
    damage(storage, Copier(lambda pcm: pcm, lambda stream: stream.number == 1))
    result = assert_fails(judge(storage, "duplicates"), "duplicates", "the same samples as another stream")
    (reason,) = [one for one in result.reasons if one.reason.startswith("the same samples")]
    assert (reason.count, reason.keys) == (2, ("train-00000000", "train-00000001"))


def test_nearly_the_same_sound(storage: LocalStorage, judge: Callable[..., Verdict]) -> None:
    def quieter(pcm: np.ndarray) -> np.ndarray:
        noise = np.random.default_rng(1).normal(0, 3, len(pcm))
        return np.asarray(pcm * 0.7 + noise, np.int16)

    damage(storage, Copier(quieter, lambda stream: stream.number == 1))
    result = assert_fails(judge(storage, "duplicates"), "duplicates", "log-mel embedding within 0.99")
    assert [measure.name for measure in result.failures] == ["streams nearly like another"]


def test_same_stream_in_two_splits(storage: LocalStorage, judge: Callable[..., Verdict]) -> None:
    damage(storage, Copier(lambda pcm: pcm, lambda stream: stream.timeline.key == "validation-00000000"))
    assert_fails(judge(storage, "leaks"), "leaks", "the same samples in train and validation")


@pytest.mark.parametrize(
    ("which", "fields", "reason"),
    [
        (lambda e: e.kind == "speech", {"speaker": "en-ada"}, "speaker en-ada in train and validation"),
        (lambda e: e.kind != "speech", {"origin": "one"}, "recording one in train and validation"),
    ],
    ids=["speaker", "recording"],
)
def test_leak_between_splits(
    storage: LocalStorage,
    judge: Callable[..., Verdict],
    which: Callable[[Event], bool],
    fields: dict[str, str],
    reason: str,
) -> None:
    def edit(stream: Stream) -> None:
        stream.events(lambda _, event: msgspec.structs.replace(event, **fields) if which(event) else event)

    damage(storage, edit)
    assert_fails(judge(storage, "leaks"), "leaks", reason)


def test_scripts_that_another_split_has(storage: LocalStorage, judge: Callable[..., Verdict]) -> None:
    def recite(stream: Stream) -> None:
        if stream.number % 3:
            stream.events(lambda _, e: msgspec.structs.replace(e, text="Ready?", words=()) if e.kind == "speech" else e)
            stream.change(
                events=tuple(e for e in stream.timeline.events if e.kind != "speech")
                + tuple(e for e in stream.timeline.events if e.kind == "speech")[:1],
                responses=(Response(text="Yes.", evidence=CHUNK, due=CHUNK),),
                silences=(),
            )

    damage(storage, recite)
    assert_fails(judge(storage, "leaks"), "leaks", "a script that another split has too")


# -- licences --------------------------------------------------------------------------------------------------------


def test_event_without_a_licence(storage: LocalStorage, judge: Callable[..., Verdict]) -> None:
    damage(storage, lambda s: s.events(lambda i, e: e if i else msgspec.structs.replace(e, licence="")), shards=(2,))
    (reason,) = assert_fails(judge(storage, "licences"), "licences", "no licence").reasons
    assert reason.count == list_receipts(storage)[2].counts.streams


def test_licence_that_is_not_allowed(storage: LocalStorage, judge: Callable[..., Verdict]) -> None:
    assert result_of(
        judge(storage, "licences", allow_license=["CC0-1.0"]), "licences"
    ).ok  # a voice's speech is no recording
    result = assert_fails(
        judge(storage, "licences", allow_license=["CC-BY-4.0"]), "licences", "CC0-1.0 is not in allow_license"
    )
    assert result.measures[0].value == sum(one.count for one in result.reasons)


# -- loudness --------------------------------------------------------------------------------------------------------


def _hole(pcm: np.ndarray) -> np.ndarray:
    pcm = pcm.copy()
    pcm[16_000:32_000] = 0
    return pcm


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda pcm: (pcm * 0.01).astype(np.int16), "quieter than -48 dBFS"),
        (lambda pcm: np.clip(pcm * 30.0, -32_768, 32_767).astype(np.int16), "louder than -14 dBFS"),
        (lambda pcm: np.clip(pcm * 30.0, -32_768, 32_767).astype(np.int16), "samples at full scale"),
        (_hole, "more than 0.5 s of zeros"),
    ],
    ids=["quiet", "loud", "clipped", "hole"],
)
def test_sound_that_is_wrong(
    storage: LocalStorage, judge: Callable[..., Verdict], change: Callable[[np.ndarray], np.ndarray], reason: str
) -> None:
    def edit(stream: Stream) -> None:
        stream.pcm = change(stream.pcm)

    damage(storage, edit, shards=(1,))
    result = assert_fails(judge(storage, "loudness"), "loudness", reason)
    counts = [receipt.counts.streams for receipt in list_receipts(storage)]
    assert result.measures[0].value == pytest.approx(counts[1] / sum(counts))


def test_zeros_are_no_fault_without_beds(storage: LocalStorage, judge: Callable[..., Verdict], corpus: Corpus) -> None:
    def edit(stream: Stream) -> None:
        stream.pcm = _hole(stream.pcm)

    damage(storage, edit, shards=(1,))
    assert result_of(judge(storage, "loudness", beds=corpus.recipe.beds.model_copy(update={"count": 0})), "loudness").ok


# -- shares ----------------------------------------------------------------------------------------------------------


def test_subtask_that_is_missing(storage: LocalStorage, judge: Callable[..., Verdict], corpus: Corpus) -> None:
    def rename(stream: Stream) -> None:
        if stream.timeline.subtask == "english_asr":
            stream.change(subtask="factual_qa")

    damage(storage, rename)
    verdict = judge(storage, checks=with_limits(corpus.recipe, "shares", tolerance=0.5))
    assert_fails(verdict, "shares", "train: too few streams of english_asr")


def test_subtask_that_nobody_asked_for(storage: LocalStorage, judge: Callable[..., Verdict]) -> None:
    damage(storage, lambda stream: stream.change(subtask="another"))
    assert_fails(judge(storage, "shares"), "shares", "train: too many streams of another")


def test_split_of_another_size(storage: LocalStorage, judge: Callable[..., Verdict]) -> None:
    verdict = judge(storage, splits={"train": 0.5, "validation": 0.5})
    assert {measure.group for measure in result_of(verdict, "shares").failures} == {"train", "validation"}


# -- numbers ---------------------------------------------------------------------------------------------------------


def test_levels_of_known_sounds() -> None:
    time = np.arange(48_000)
    sine = np.round(16_384 * np.sin(2 * np.pi * 440 * time / 16_000)).astype(np.int16)
    row, embedding = measure_sound(sine)
    assert row["rms_dbfs"] == pytest.approx(-9.03, abs=0.01)
    assert (row["peak"], row["clipped"], row["longest_silence_s"]) == (16_384, 0, 0.0)
    assert embedding.shape == (256,)
    assert np.isfinite(embedding.astype(np.float32)).all()
    silent, _ = measure_sound(np.zeros(48_000, np.int16))
    assert silent["rms_dbfs"] == -120.0
    assert silent["longest_silence_s"] == pytest.approx(3.0, abs=0.1)
    loud, _ = measure_sound(np.array([32_767, -32_768, 5] * 1_000, np.int16))
    assert (loud["peak"], loud["clipped"]) == (32_768, 2_000)
    assert {row.dtype, silent.dtype} == {SOUND}
    assert measure_sound(np.ones(3, np.int16))[0]["peak"] == 1  # shorter than a frame


def test_embedding_knows_a_copy_from_another_sound() -> None:
    rng = np.random.default_rng(5)

    def sound(seed: int) -> np.ndarray:
        own = np.random.default_rng(seed)
        envelope = np.repeat(own.uniform(0.02, 1.0, 40), 8_000)
        return np.asarray(own.normal(0, 4_000, 320_000) * envelope, np.int16)

    copy = np.asarray(sound(1) * 0.5 + rng.normal(0, 5, 320_000), np.int16)
    embeddings = np.stack([measure_sound(pcm)[1] for pcm in (sound(1), copy, sound(2), sound(3))])
    nearest = nearest_similarities(embeddings, np.arange(4))
    assert (nearest[:2] > 0.99).all()
    assert (nearest[2:] < 0.9).all()


def test_nearest_is_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    from soundflow_data.quality.check.checks import duplicates  # noqa: PLC0415

    embeddings = np.random.default_rng(3).normal(size=(50, 256)).astype(np.float16)
    whole = nearest_similarities(embeddings, np.arange(50))
    monkeypatch.setattr(duplicates, "_ROWS", 7)
    monkeypatch.setattr(duplicates, "_COLUMNS", 11)
    assert nearest_similarities(embeddings, np.arange(0, 50, 3)) == pytest.approx(whole[::3], abs=1e-5)


def test_bounds_of_a_measure() -> None:
    assert Measure(name="x", value=3, unit="").ok
    assert not Measure(name="x", value=3, unit="").judged
    assert Measure(name="x", value=3, unit="", low=3, high=3).ok
    assert not Measure(name="x", value=3, unit="", low=3.1).ok
    assert not Measure(name="x", value=3, unit="", high=2.9).ok


def test_reasons_are_counted_and_named() -> None:
    pairs: Iterator[tuple[str, str]] = iter(
        [("b", "k1"), ("a", "k1"), ("a", "k1"), *(("a", f"k{i}") for i in range(9))]
    )
    first, second = count_reasons(pairs)
    assert (first.reason, first.count, first.keys) == ("a", 11, ("k1", "k0", "k2"))
    assert (second.reason, second.count, second.keys) == ("b", 1, ("k1",))


def test_histogram_counts_everything() -> None:
    assert sum(histogram("x", [1.0, 2.0, 50.0, -3.0], unit="s", low=0.0, high=10.0).values) == 4
    assert sum(histogram("x", [2.0, 2.0], unit="s").values) == 2
    assert len(histogram("x", [], unit="s").edges) == 25


def test_worker_opens_banks_by_itself(corpus: Corpus) -> None:
    from soundflow_data.quality.check.base import Known  # noqa: PLC0415

    known = Known(recipe=corpus.recipe, banks={"sounds": corpus.banks["sounds"].path})
    bank = known.bank("sounds")
    assert isinstance(bank, Bank)
    assert known.bank("sounds") is bank
    assert known.bank("espeak") is None
