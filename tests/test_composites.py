"""Composite streams hold what the recipe promises, keep within their rounds, and mislabel nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
import yaml

from soundflow_data.bank import Bank
from soundflow_data.bank.build import build_bank
from soundflow_data.bank.readers.builtin_sounds import BuiltinSounds
from soundflow_data.composites import ROUNDS_BACK, VERIFIED
from soundflow_data.corpus import Corpus
from soundflow_data.dice import Dice
from soundflow_data.errors import Drop, RecipeError
from soundflow_data.ontology import load_ontology
from soundflow_data.quality.check.base import Known, Subject
from soundflow_data.quality.check.checks import load_check
from soundflow_data.recipe import load_recipe
from soundflow_data.rendering import render_pcm
from soundflow_data.resources import resource_path
from soundflow_data.scenario.silence_auditor import RuleAuditor, Verdict, Verdicts
from soundflow_data.scenario.workshop import generated_id
from soundflow_data.subtasks import builtin_subtasks, load_subtask
from soundflow_data.targets import project
from soundflow_data.timeline import NO_RESPONSE, Timeline, from_json, to_json
from soundflow_pipelines.plan import make_plan

KINDS = (
    "dog_bark", "cat_meow", "doorbell", "door_knock", "desk_bell", "phone_ring", "keys_jingle", "footsteps",
    "coin_drop", "kettle_whistle", "laughter", "sobbing", "yawn", "cough", "applause", "baby_cry", "scream",
    "glass_breaking",
    "smoke_alarm", "thunder", "rain", "wind", "alarm_clock", "car_horn", "plucked_melody", "piano_chords", "rooster",
    "vacuum_cleaner", "blender", "fan", "gas_leak", "engine_idle", "white_noise", "pink_noise", "office_ambience",
)  # fmt: skip
TASKS = {
    "voice_chatting/factual_qa": 0.25,
    "streaming_instruction_following/timed_reminder": 0.15,
    "streaming_audio_understanding/open_audio_qa": 0.2,
    "proactive_response/human_distress": 0.15,
    "proactive_response/environmental_hazard": 0.1,
    "environment_aware_agent/history_review": 0.05,
    "environment_aware_agent/delegated_task": 0.1,
}
STREAMS = 16


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    path = tmp_path_factory.mktemp("mixed") / "sounds"
    build_bank(BuiltinSounds(kinds=KINDS, clips=2, beds=2, bed_s=6.0), path)
    return Bank.open(path)


@pytest.fixture(scope="module")
def make(bank: Bank, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Corpus]:
    """Opens a corpus of composites, with changes of its recipe's section."""
    folder = tmp_path_factory.mktemp("composites")

    def corpus(scenario: dict[str, object] | None = None, **composites: object) -> Corpus:
        path = folder / f"{len(list(folder.iterdir()))}.yaml"
        recipe = {
            "name": "mixed",
            "seed": 3,
            "streams": 400,
            "duration_s": [30, 120],
            "languages": {"en": 0.6, "zh": 0.4},
            "splits": {"train": 1.0},
            "subtasks": TASKS,
            "composites": composites,
            "banks": {"sounds": {"path": str(bank.path)}},
            "scenario": scenario or {},
        }
        path.write_text(yaml.safe_dump(recipe))
        return Corpus(load_recipe(path), {"sounds": bank})

    return corpus


@pytest.fixture(scope="module")
def streams(make: Callable[..., Corpus]) -> dict[str, list[Timeline]]:
    """Some streams of each kind, with every mix-in where it is possible."""
    found = {}
    for kind in ("scenario", "complex", "proactive"):
        corpus = make(kinds={kind: 1.0}, history_review=1.0, verified_silence=1.0, proactive=1.0)
        found[kind] = [corpus.compose(corpus.spec("train", i)) for i in range(STREAMS)]
    return found


def every(streams: dict[str, list[Timeline]]) -> list[Timeline]:
    return [timeline for some in streams.values() for timeline in some]


def test_kinds_have_their_shares_in_every_stretch(make: Callable[..., Corpus]) -> None:
    corpus = make()
    for start in (0, 10**9):
        kinds = [corpus.spec("train", i).kind for i in range(start, start + 200)]
        for kind, share in {"single": 0.4, "scenario": 0.3, "complex": 0.2, "proactive": 0.1}.items():
            assert abs(kinds.count(kind) - 200 * share) <= 4


def test_kinds_do_not_depend_on_subtasks(make: Callable[..., Corpus]) -> None:
    corpus = make()
    specs = [corpus.spec("train", i) for i in range(4000)]
    for name, share in TASKS.items():
        mine = [spec.kind for spec in specs if spec.subtask == name]
        assert len(mine) == pytest.approx(4000 * share, rel=0.02)
        assert mine.count("scenario") / len(mine) == pytest.approx(0.3, abs=0.05)


def test_without_the_section_all_streams_are_single(corpus: Corpus) -> None:
    assert corpus.mix is None
    assert {corpus.spec("train", i).kind for i in range(50)} == {"single"}
    timeline = corpus.compose(corpus.spec("train", 0))
    assert (timeline.scene_type, timeline.setting, timeline.mixins) == ("single", None, ())
    assert {part.subtask for part in timeline.parts} == {timeline.subtask}


def test_rounds_stay_within_what_is_allowed(streams: dict[str, list[Timeline]]) -> None:
    for timeline in every(streams):
        assert 3 <= len(timeline.turns) <= 15
        assert timeline.seconds <= 120


def test_the_leading_subtask_is_in_every_stream(
    make: Callable[..., Corpus], streams: dict[str, list[Timeline]]
) -> None:
    for kind, some in streams.items():
        corpus = make(kinds={kind: 1.0})
        for i, timeline in enumerate(some):
            leading = corpus.spec("train", i).subtask
            ability, _, name = leading.partition("/")
            assert timeline.scene_type == kind
            assert (timeline.ability, timeline.subtask.split("+")[0]) == (ability, name)
            assert (ability, name) in {(part.ability, part.subtask) for part in timeline.parts}


def test_complex_streams_have_three_abilities_under_a_standing_request(streams: dict[str, list[Timeline]]) -> None:
    for timeline in streams["complex"]:
        assert len({part.ability for part in timeline.parts}) >= 3
        triggers = [response for response in timeline.responses if response.kind == "trigger"]
        labels = {timeline.events[i].label for response in triggers for i in response.events}
        assert len(triggers) >= 1
        assert len(labels) == 1, "one sound is waited for"


def test_proactive_streams_hold_an_episode_in_which_nobody_asks(streams: dict[str, list[Timeline]]) -> None:
    for timeline in streams["proactive"]:
        assert any(part.ability == "proactive_response" for part in timeline.parts)


def test_what_was_told_is_asked_three_rounds_later(streams: dict[str, list[Timeline]]) -> None:
    looked = [timeline for timeline in every(streams) if "history_review" in timeline.mixins]
    assert len(looked) > STREAMS
    for timeline in looked:
        answered = [i for i, turn in enumerate(timeline.turns) if turn.assistant != NO_RESPONSE]
        asked = timeline.turns.index(next(t for t in reversed(timeline.turns) if t.assistant != NO_RESPONSE))
        (recall,) = [response for response in timeline.responses if response.kind == "recall"]
        assert timeline.turns[asked].assistant == recall.text
        told = sum(part.subtask == "history_review" for part in timeline.parts)
        assert told == 2, "once to tell, once to ask"
        assert len(answered) - 2 >= ROUNDS_BACK


def test_a_stream_about_looking_back_has_no_second_memory(make: Callable[..., Corpus]) -> None:
    for kind in ("scenario", "complex", "proactive"):
        corpus = make(kinds={kind: 1.0}, history_review=1.0)
        specs = (corpus.spec("train", i) for i in range(400))
        spec = next(spec for spec in specs if spec.subtask == "environment_aware_agent/history_review")
        timeline = corpus.compose(spec)
        assert timeline.parts[-1].subtask == "history_review"
        assert "history_review" not in timeline.mixins
        assert sum(response.kind == "recall" for response in timeline.responses) == 1


def test_verified_sounds_need_no_response_and_play_no_other_part(streams: dict[str, list[Timeline]]) -> None:
    ontology = load_ontology()
    for timeline in every(streams):
        verified = [i for silence in timeline.silences if silence.reason == VERIFIED for i in silence.events]
        assert ("verified_silence" in timeline.mixins) == bool(verified)
        for i in verified:
            label = timeline.events[i].label
            assert ontology.by_label(label).assistant == "silent"
            assert not any(i in response.events for response in timeline.responses)


def test_dangers_are_warned_of_and_nothing_else_is(streams: dict[str, list[Timeline]]) -> None:
    ontology = load_ontology()
    mixed = [timeline for timeline in every(streams) if "proactive" in timeline.mixins]
    assert mixed
    for timeline in every(streams):
        warned = {i for r in timeline.responses if r.kind == "warning" for i in r.events}
        assert all(ontology.by_label(timeline.events[i].label).assistant == "respond" for i in warned)
    for timeline in mixed:
        assert any(response.kind == "warning" for response in timeline.responses)


def test_scenes_are_played_in_their_place(streams: dict[str, list[Timeline]]) -> None:
    for timeline in streams["scenario"]:
        assert timeline.setting is not None
        found = timeline.setting.outcomes
        assert sum(n for what, n in found.items() if what in ("accepted", "reprocessed", "generated")) >= 3
        assert timeline.setting.place in load_ontology().scenes
    assert any(event.grounding for timeline in streams["scenario"] for event in timeline.events)
    assert not any(event.grounding for timeline in streams["complex"] for event in timeline.events)


def test_composites_are_coherent_plausible_and_on_time(
    make: Callable[..., Corpus], streams: dict[str, list[Timeline]]
) -> None:
    recipe = make().recipe
    for timeline in every(streams):
        timeline.check()
        assert from_json(to_json(timeline)) == timeline
        subject = Subject(timeline=timeline, targets=project(timeline), known=Known(recipe=recipe, banks={}))
        for name in ("coherent", "plausible", "temporal", "grounded"):
            assert list(load_check(name).faults(subject)) == [], (timeline.key, name)  # type: ignore[union-attr]


def test_parts_follow_one_another_and_own_their_responses(streams: dict[str, list[Timeline]]) -> None:
    for timeline in every(streams):
        starts = [part.start for part in timeline.parts]
        assert starts == sorted(starts)
        assert all(part.start < part.end for part in timeline.parts)
        for response in timeline.responses:
            part = timeline.part_at(response.evidence)
            assert part is not None
            if response.kind == "warning":
                assert part.ability == "proactive_response"


def test_the_same_whoever_makes_it(make: Callable[..., Corpus], streams: dict[str, list[Timeline]]) -> None:
    again = make(kinds={"scenario": 1.0}, history_review=1.0, verified_silence=1.0, proactive=1.0)
    timeline = again.compose(again.spec("train", 7))
    assert timeline == streams["scenario"][7]


def test_generated_clips_are_rendered_from_their_id_alone(
    make: Callable[..., Corpus], streams: dict[str, list[Timeline]]
) -> None:
    timeline = streams["scenario"][0]
    sound = next(i for i, event in enumerate(timeline.events) if event.grounding)
    length = min(timeline.events[sound].num_samples, 6_400)
    changed = {"bank": "generated", "clip": generated_id("dog_bark", 7, 6_400), "num_samples": length, "fade_out": 0}
    events = list(timeline.events)
    events[sound] = msgspec.structs.replace(events[sound], **changed)
    made = msgspec.structs.replace(timeline, events=tuple(events))
    one, other = (render_pcm(made, make(kinds={"scenario": 1.0}).library("train")) for _ in range(2))
    assert (one == other).all()
    assert not (one == render_pcm(timeline, make(kinds={"scenario": 1.0}).library("train"))).all()


def test_without_generation_scenes_come_from_banks_alone(make: Callable[..., Corpus]) -> None:
    corpus = make(scenario={"generation": False}, kinds={"scenario": 1.0})
    events = [event for i in range(8) for event in corpus.compose(corpus.spec("train", i)).events]
    assert any(event.grounding == "accepted" for event in events)
    assert not any(event.bank == "generated" for event in events)


def test_a_silence_that_is_not_certain_drops_the_stream(
    make: Callable[..., Corpus], monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = make(kinds={"complex": 1.0})
    corpus.compose(corpus.spec("train", 0))

    def doubt(_: RuleAuditor, timeline: Timeline) -> Verdicts:
        verdict = Verdict(event=1, judgement="ambiguous", reason="one may think either way")
        return Verdicts(key=timeline.key, verdicts=(verdict,))

    monkeypatch.setattr(RuleAuditor, "audit", doubt)
    with pytest.raises(Drop, match="one may think either way") as drop:
        corpus.compose(corpus.spec("train", 0))
    assert drop.value.reason == "silence that is ambiguous"


class Shouting:
    """A rewriter that can be told from the original, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def rewrite(self, text: str, *, language: str, dice: Dice, keep: Sequence[str] = ()) -> str:
        self.asked.append((text, tuple(keep)))
        return "Listen! " + text


def test_what_users_say_is_worded_anew_but_nothing_that_is_written_down(make: Callable[..., Corpus]) -> None:
    corpus = make(kinds={"complex": 1.0}, history_review=1.0)
    corpus.__dict__["_rewriter"] = rewriter = Shouting()
    timelines = [corpus.compose(corpus.spec("train", i)) for i in range(4)]
    said = [event.text for timeline in timelines for event in timeline.events if event.kind == "speech"]
    assert any(text.startswith("Listen! ") for text in said)
    assert not any("{" in text for text in said), "slots are filled after the rewriting"
    assert any(keep for _, keep in rewriter.asked)
    assert all(slot in text for text, keep in rewriter.asked for slot in keep)
    assert not any(response.text.startswith("Listen!") for timeline in timelines for response in timeline.responses)
    written = load_subtask(builtin_subtasks()["real_time_asr/english_asr"])
    assert not written.rewordable


def test_wishes_come_at_their_probabilities(make: Callable[..., Corpus]) -> None:
    corpus = make(kinds={"complex": 1.0}, history_review=0.3, verified_silence=0.4, proactive=0.0)
    some = [corpus.compose(corpus.spec("train", i)) for i in range(60)]
    assert not any("proactive" in timeline.mixins for timeline in some)
    assert 8 <= sum("history_review" in timeline.mixins for timeline in some) <= 29
    assert 13 <= sum("verified_silence" in timeline.mixins for timeline in some) <= 36


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"kinds": {"single": 0.5}}, "composites.kinds: the shares sum to 0.5, not to 1"),
        ({"kinds": {"twofold": 1.0}}, "composites.kinds.twofold"),
        ({"turns": [5, 3]}, "runs from 5 down to 3"),
        ({"turns": [0, 3]}, "begins below 1"),
        ({"history_review": 1.5}, "composites.history_review: 1.5 is not allowed"),
        ({"histroy_review": 0.3}, "did you mean 'history_review'"),
    ],
)
def test_mistakes_of_the_section_are_told(
    make: Callable[..., Corpus], section: dict[str, object], message: str
) -> None:
    with pytest.raises(RecipeError, match=message.replace("[", r"\[").replace(".", r"\.")):
        make(**section)


def test_a_plan_says_what_composites_lack(tmp_path: Path) -> None:
    build_bank(BuiltinSounds(kinds=("dog_bark", "pink_noise"), clips=2, beds=2, bed_s=6.0), tmp_path / "dogs")
    recipe = {
        "name": "dogs",
        "streams": 8,
        "duration_s": [30, 60],
        "splits": {"train": 1.0},
        "subtasks": {"voice_chatting/factual_qa": 1.0},
        "composites": {},
        "banks": {"dogs": {"path": str(tmp_path / "dogs")}},
    }
    (tmp_path / "dogs.yaml").write_text(yaml.safe_dump(recipe))
    corpus = Corpus(load_recipe(tmp_path / "dogs.yaml"), {"dogs": Bank.open(tmp_path / "dogs")})
    (problem,) = make_plan(corpus).problems
    assert "composites.proactive is 0.3, and split 'train' has no sound on which" in problem
    alone = load_recipe(tmp_path / "dogs.yaml", ["scenario.generation=false", "composites.proactive=0"])
    (problem,) = make_plan(Corpus(alone, {"dogs": Bank.open(tmp_path / "dogs")})).problems
    assert "scenarios need at least 3 kinds of sound that the ontology knows, and split 'train' has 1" in problem


def test_the_published_composition_comes_with_soundflow() -> None:
    loaded = load_recipe(Path(resource_path("recipes/streamaudio.yaml")))
    assert len(loaded.subtasks) == 28
    assert loaded.recipe.composites is not None
    assert loaded.recipe.composites.kinds == {"single": 0.4, "scenario": 0.3, "complex": 0.2, "proactive": 0.1}
    last = [name for name, path in loaded.subtasks.items() if load_subtask(path).last]
    assert last == ["environment_aware_agent/history_review"]
