"""Plans: every bag becomes scenes of 3 to 15 sub-events that keep order and exclusion, and wrong plans are named."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundflow_data.corpus import Corpus
from soundflow_data.dice import Dice
from soundflow_data.errors import Drop, SoundFlowError
from soundflow_data.ontology import load_ontology
from soundflow_data.scenario.bag import Bags
from soundflow_data.scenario.plan import (
    FEWEST_EVENTS,
    HEARD_KINDS,
    MOST_EVENTS,
    Annotation,
    ScenePlan,
    describe,
    validate_plan,
)
from soundflow_data.scenario.rules import RulePlanner
from soundflow_data.scenario.supply import Supply
from soundflow_data.scenario.wording import Wording, words
from tests.scenario_material import bag_of, plan_of

ONTOLOGY = load_ontology()
HEARD = [entry.label for entry in ONTOLOGY if entry.kind in HEARD_KINDS]
PLANNER = RulePlanner(ONTOLOGY)

bags = st.lists(st.sampled_from(HEARD), min_size=1, max_size=20).map(lambda labels: bag_of(*labels))
seeds = st.integers(0, 2**32)


@given(bag=bags, seed=seeds)
def test_any_bag_becomes_scenes_that_keep_every_rule(bag: tuple[Annotation, ...], seed: int) -> None:
    scenes = PLANNER.plan(bag, Dice(seed), "en")
    assert 1 <= len(scenes) <= 2
    for scene in scenes:
        assert FEWEST_EVENTS <= len(scene.events) <= MOST_EVENTS
        labels = [event.label for event in scene.events]
        for i, label in enumerate(labels):
            entry = ONTOLOGY.by_label(label)
            assert scene.place in entry.scenes
            assert not set(ONTOLOGY.excludes(label)) & set(labels)
            assert set(ONTOLOGY.excludes(label)) <= set(scene.excluded)
            causes = [labels.index(cause) for cause in entry.after if cause in labels]
            assert all(first < i for first in causes)
            assert {(first, i) for first in causes} <= set(scene.before)
            assert label in {one.label for one in bag} or entry.assistant == "silent"
        assert {one.label for one in bag} & set(labels)
        validate_plan(scene, ONTOLOGY)


@given(bag=bags, seed=seeds)
def test_the_same_bag_and_dice_give_the_same_scenes(bag: tuple[Annotation, ...], seed: int) -> None:
    assert PLANNER.plan(bag, Dice(seed), "zh") == RulePlanner(ONTOLOGY).plan(bag, Dice(seed), "zh")


@given(seed=seeds)
def test_available_sounds_alone_complete_a_scene(seed: int) -> None:
    available = {"kettle_whistle", "cutlery", "water_drip"}
    planner = RulePlanner(ONTOLOGY, available=available)
    (scene,) = planner.plan(bag_of("frying"), Dice(seed), "en")
    assert set(scene.labels) <= available | {"frying"}


@pytest.mark.parametrize(
    ("bag", "apart"),
    [
        pytest.param(("frying", "dishwasher", "sea_waves"), ("frying", "sea_waves"), id="indoors and outdoors"),
        pytest.param(("snoring", "yawn", "vacuum_cleaner"), ("snoring", "vacuum_cleaner"), id="exclusion"),
        pytest.param(("cow", "sheep", "heart_monitor"), ("cow", "heart_monitor"), id="places"),
    ],
)
def test_a_contradictory_bag_becomes_two_scenes(bag: tuple[str, ...], apart: tuple[str, str]) -> None:
    for seed in range(20):
        scenes = PLANNER.plan(bag_of(*bag), Dice(seed), "en")
        assert len(scenes) == 2
        assert [apart[0] in scene.labels for scene in scenes] == [apart[1] not in scene.labels for scene in scenes]


def test_a_bag_of_one_place_becomes_one_scene() -> None:
    for seed in range(20):
        (scene,) = PLANNER.plan(bag_of("frying", "boiling_water", "dishwasher"), Dice(seed), "zh")
        assert scene.place == "kitchen"
        assert scene.title == "厨房"
        assert {"frying", "boiling_water", "dishwasher"} <= set(scene.labels)


def test_most_of_the_bag_decides_about_the_place() -> None:
    scenes = PLANNER.plan(bag_of("cow", "pig", "goat", "frying"), Dice(1), "en")
    assert scenes[0].place == "farm"


def test_scenes_have_every_number_of_events() -> None:
    counts = Counter(len(PLANNER.plan(bag_of("frying"), Dice(seed), "en")[0].events) for seed in range(400))
    assert set(counts) == set(range(FEWEST_EVENTS, MOST_EVENTS + 1))


def test_names_and_tags_of_other_corpora_are_understood() -> None:
    bag = [
        Annotation(bank="b", clip="1", label="crying_baby"),
        Annotation(bank="b", clip="2", label="Smoke detector, smoke alarm thing", tags=("Bicycle bell",)),
    ]
    labels = {label for scene in PLANNER.plan(bag, Dice(3), "en") for label in scene.labels}
    assert {"baby_cry", "bicycle_bell"} <= labels


def test_a_bag_of_unknown_sounds_is_dropped() -> None:
    with pytest.raises(Drop, match="no sound that the ontology knows"):
        PLANNER.plan(bag_of("fluxcapacitor", "speech"), Dice(1), "en")


GOOD = plan_of("kitchen", "running_tap", "boiling_water", "kettle_whistle")


def changed(**changes: object) -> ScenePlan:
    return msgspec.structs.replace(GOOD, **changes)


def with_event(**changes: object) -> ScenePlan:
    return changed(events=(msgspec.structs.replace(GOOD.events[0], **changes), *GOOD.events[1:]))


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (changed(events=GOOD.events[:2]), "2 events; a scene has 3 to 15"),
        (changed(events=GOOD.events * 6), "18 events"),
        (changed(place="moon"), "place 'moon' is unknown; places are home, kitchen"),
        (with_event(label="dog_brak"), r"event 0 \(dog_brak\): no such sound"),
        (with_event(label="crying_baby"), "it is called 'baby_cry'"),
        (with_event(label="whispering"), "is speech; an event is sound or music"),
        (with_event(label="sea_waves"), "is heard outdoor, not in kitchen; there are"),
        (with_event(duration_s=(3.0, 2.0)), r"duration_s is \[3, 2\]"),
        (with_event(duration_s=(0.0, 2.0)), r"duration_s is \[0, 2\]"),
        (with_event(duration_s=(1.0, 500.0)), "end by 120"),
        (with_event(query=" "), "query is empty"),
        (with_event(caption=""), "caption is empty"),
        (changed(before=((0, 7),)), r"before has \[0, 7\]; events are 0 to 2"),
        (changed(before=((2, 1),)), r"before has \[2, 1\], against the order"),
        (changed(events=GOOD.events[::-1]), r"event 0 \(kettle_whistle\) comes before event 2 \(running_tap\)"),
        (changed(excluded=("frying", "humming_top")), r"excluded names \['humming_top'\]"),
        (changed(excluded=("running_tap",)), "heard and excluded"),
        (plan_of("home", "snoring", "vacuum_cleaner", "yawn"), "snoring and vacuum_cleaner exclude each other"),
    ],
)
def test_a_wrong_plan_is_named(plan: ScenePlan, message: str) -> None:
    validate_plan(GOOD, ONTOLOGY)
    with pytest.raises(SoundFlowError, match=message):
        validate_plan(plan, ONTOLOGY)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(SoundFlowError) as caught:
        validate_plan(changed(place="moon", events=GOOD.events[:1]), ONTOLOGY)
    assert "1 events" in str(caught.value)
    assert "moon" in str(caught.value)


def test_a_plan_survives_json() -> None:
    (scene,) = PLANNER.plan(bag_of("frying"), Dice(2), "en")
    assert msgspec.json.decode(msgspec.json.encode(scene), type=ScenePlan) == scene


def test_words_lose_endings_accents_and_function_words() -> None:
    assert words("The dogs were barking loudly in a café!") == ["dog", "bark", "caf"]
    assert words("dishes, glasses, flies, dripping, hissing") == ["dish", "glass", "fly", "drip", "hiss"]


def test_a_text_names_the_sounds_whose_whole_name_it_has() -> None:
    wording = Wording(ONTOLOGY)
    assert wording.named("A dog barks twice in a yard") == ("dog_bark",)
    assert wording.named("church bells ring while rain falls") == ("church_bell", "rain")
    assert wording.named("a quiet afternoon") == ()
    assert all(entry.label in wording.named(entry.phrase_en) for entry in ONTOLOGY)


def test_a_bag_is_drawn_from_its_split_alone(corpus: Corpus) -> None:
    for split in ("train", "validation"):
        library = corpus.library(split)
        bags = Bags(Supply(library))
        for seed in range(40):
            for one in bags.draw(Dice(seed)):
                bank = library.banks[one.bank]
                clip = bank.clip(bank.find(one.clip))
                assert clip.row in library.rows(one.bank)
                assert (clip.label, clip.caption, clip.num_samples) == (one.label, one.caption, one.num_samples)
                assert one.tags == ONTOLOGY.by_label(one.label).tags
                assert ONTOLOGY.by_label(one.label).assistant != "borderline"


def test_bags_are_of_different_sounds_and_mostly_of_one_place(corpus: Corpus) -> None:
    supply = Supply(corpus.library("train"))
    drawn = [Bags(supply, size=(4, 6)).draw(Dice(seed)) for seed in range(60)]
    assert drawn == [Bags(supply, size=(4, 6)).draw(Dice(seed)) for seed in range(60)]
    assert all(len({one.label for one in bag}) == len(bag) <= 6 for bag in drawn)
    numbers = Counter(len(RulePlanner(ONTOLOGY).plan(bag, Dice(1), "en")) for bag in drawn)
    assert numbers[1] > 0
    assert numbers[2] > 0


def test_of_equal_places_the_particular_one_is_likelier() -> None:
    places = Counter(PLANNER.plan(bag_of("can_opening"), Dice(seed), "en")[0].place for seed in range(200))
    assert set(places) == set(ONTOLOGY.by_label("can_opening").scenes) == {"kitchen", "home"}
    assert places["kitchen"] > 2 * places["home"] > 0


def test_what_the_ontology_describes_is_what_is_searched_for() -> None:
    event = describe(ONTOLOGY.by_label("dog_bark"))
    assert words(event.query) == ["dog", "bark", "dog", "bark"]
    assert event.duration_s == ONTOLOGY.by_label("dog_bark").duration_s
