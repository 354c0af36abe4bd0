"""The sound ontology, the proactive domains and the abilities: right as shipped, and strict when wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from soundflow_data.audio.procedural import KINDS
from soundflow_data.bank.readers._sounds import sole_label
from soundflow_data.errors import SoundFlowError
from soundflow_data.ontology import Ontology, load_abilities, load_ontology, load_proactive
from soundflow_data.scenario.identity import fold

ESC50 = """dog rooster pig cow frog cat hen insects sheep crow rain sea_waves crackling_fire crickets chirping_birds
water_drops wind pouring_water toilet_flush thunderstorm crying_baby sneezing clapping breathing coughing footsteps
laughing brushing_teeth snoring drinking_sipping door_wood_knock mouse_click keyboard_typing door_wood_creaks
can_opening washing_machine vacuum_cleaner clock_alarm clock_tick glass_breaking helicopter chainsaw siren car_horn
engine train church_bells airplane fireworks hand_saw"""
URBANSOUND8K = """air_conditioner car_horn children_playing dog_bark drilling engine_idling gun_shot jackhammer siren
street_music"""


@pytest.fixture(scope="module")
def ontology() -> Ontology:
    return load_ontology()


def test_size_and_lookups(ontology: Ontology) -> None:
    assert len(ontology) >= 250
    assert ontology.by_label("dog_bark").family == "animals"
    assert ontology.phrase("dog_bark", "en") == "a dog barking"
    assert ontology.phrase("dog_bark", "zh") == "狗叫声"
    assert ontology.phrase("my_own_label", "en") == "my own label"
    assert ontology.canonical("Crying-Baby") == "baby_cry"
    assert ontology.canonical("no such thing") is None
    assert ontology.get("no such thing") is None
    assert "glass_breaking" in ontology
    assert ontology.with_tag("Smoke detector, smoke alarm")[0] == "smoke_alarm"
    assert ontology.fits("rain", "street")
    assert not ontology.fits("sea_waves", "kitchen")


def test_every_category_of_esc50_and_urbansound8k_has_a_label(ontology: Ontology) -> None:
    assert len(ESC50.split()) == 50
    assert [name for name in [*ESC50.split(), *URBANSOUND8K.split()] if ontology.canonical(name) is None] == []


@pytest.mark.parametrize("name", KINDS)
def test_procedural_kind_and_label_agree(name: str, ontology: Ontology) -> None:
    entry = ontology.by_label(ontology.procedural_kinds()[name])
    assert entry.label == name
    assert entry.family == KINDS[name].family
    assert entry.countable == (KINDS[name].pattern == "occurrence")


def test_no_label_names_a_kind_that_does_not_exist(ontology: Ontology) -> None:
    assert set(ontology.procedural_kinds()) == set(KINDS)


def test_phrases_tell_sounds_apart_and_fit_into_a_sentence(ontology: Ontology) -> None:
    for language in ("en", "zh"):
        phrases = [ontology.phrase(entry.label, language) for entry in ontology]
        assert sorted(p for p in set(phrases) if phrases.count(p) > 1) == []
    for entry in ontology:
        assert re.search(r"[\u4e00-\u9fff]", entry.name_zh)
        assert re.fullmatch(r"[\u4e00-\u9fff]+", entry.phrase_zh), entry.phrase_zh
        assert re.fullmatch(r"[A-Za-zé' -]+", entry.phrase_en), entry.phrase_en
        assert not entry.phrase_en.endswith(" ")


def test_relations_go_both_ways(ontology: Ontology) -> None:
    for entry in ontology:
        for other in ontology.look_alikes(entry.label):
            assert entry.label in ontology.look_alikes(other)
        for other in ontology.excludes(entry.label):
            assert entry.label in ontology.excludes(other)
        for other in ontology.benign_look_alikes(entry.label):
            assert ontology.by_label(other).assistant == "silent"


def test_scene_settings_do_not_contradict_the_sounds(ontology: Ontology) -> None:
    for entry in ontology:
        settings = {ontology.scenes[scene].setting for scene in entry.scenes}
        assert "both" in settings or entry.setting == "both" or entry.setting in settings, entry.label


def test_every_alarming_sound_has_a_harmless_look_alike(ontology: Ontology) -> None:
    for entry in ontology:
        if entry.assistant == "respond":
            assert ontology.benign_look_alikes(entry.label), entry.label


def test_every_scene_has_enough_to_choose_from(ontology: Ontology) -> None:
    for scene in ontology.scenes:
        assert sum(scene in entry.scenes for entry in ontology) >= 5, scene


def test_proactive_answers_are_many_distinct_and_helpful(ontology: Ontology) -> None:
    domains = load_proactive()
    assert list(domains) == ["human_distress", "equipment_fault", "environmental_hazard", "traffic_danger"]
    english: list[str] = []
    chinese: list[str] = []
    for domain in domains.values():
        assert len(domain.look_alikes) >= 10
        for label, sound in domain.sounds.items():
            assert len(sound.answers("en")) >= 3, label
            assert len(sound.answers("zh")) >= 3, label
            english += sound.answers_en
            chinese += sound.answers_zh
    assert len(set(english)) == len(english) >= 150
    assert len(set(chinese)) == len(chinese) >= 150
    for answer in english:
        assert answer.isascii()
        assert answer.endswith(".")
        assert 7 <= len(answer.split()) <= 30, answer
    for answer in chinese:
        assert answer.endswith("。")
        assert not re.search(r"[A-Za-z]", answer)
        assert 12 <= len(answer) <= 45, answer


def test_abilities_are_the_published_ones() -> None:
    found = load_abilities()
    assert {ability.name: round(100 * ability.share, 1) for ability in found.abilities} == {
        "voice_chatting": 23.1,
        "streaming_instruction_following": 20.8,
        "streaming_audio_understanding": 16.4,
        "streaming_translation": 15.3,
        "real_time_asr": 11.6,
        "proactive_response": 7.3,
        "environment_aware_agent": 5.5,
    }
    assert all(len(ability.subtasks) == 4 for ability in found.abilities)
    proactive = next(ability for ability in found.abilities if ability.name == "proactive_response")
    assert [task.name for task in proactive.subtasks] == list(load_proactive())
    assert len(found.duplex) == 6


def test_loading_is_cached() -> None:
    assert load_ontology() is load_ontology()


def test_values_are_frozen(ontology: Ontology) -> None:
    with pytest.raises(AttributeError):
        ontology.by_label("rain").family = "water"  # type: ignore[misc]


# -- wrong files ---------------------------------------------------------------------------------------------------

BARK = {
    "name_en": "bark", "name_zh": "狗叫", "phrase_en": "a dog", "phrase_zh": "狗叫声", "kind": "sound",
    "countable": True, "recognise_s": 0.3, "duration_s": [0.2, 1], "setting": "both", "role": "foreground",
    "assistant": "silent", "scenes": ["home"], "tags": ["Bark"],
}  # fmt: skip


def write(folder: Path, *, sounds: Any = None, **top: Any) -> Path:
    """An ontology file of two sounds; JSON is YAML too."""
    data = {
        "scenes": {"home": {"name_en": "home", "name_zh": "家", "setting": "indoor"}},
        "families": {"animals": {"name_en": "animals", "name_zh": "动物"}},
        "sounds": {"animals": sounds or {"bark": BARK, "meow": {**BARK, "aliases": ["cat"]}}},
        **top,
    }
    path = folder / "sounds.yaml"
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return path


def test_small_file_loads(tmp_path: Path) -> None:
    found = load_ontology(write(tmp_path))
    assert list(found.sounds) == ["bark", "meow"]
    assert found.canonical("CAT") == "meow"
    assert found.look_alikes("bark") == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loudness": 3}, r"sound 'meow': Object contains unknown field `loudness`"),
        ({"kind": "smell"}, r"sound 'meow': Invalid enum value 'smell'"),
        ({"countable": 1}, r"sound 'meow': Expected `bool`, got `int`.*countable"),
        ({"recognise_s": "soon"}, r"sound 'meow': Expected `float`, got `str`"),
        ({"recognise_s": 3}, r"recognise_s is 3, outside 0 to 1"),
        ({"duration_s": [2, 1]}, r"duration_s is \[2, 1\]"),
        ({"scenes": []}, r"sound 'meow': scenes is empty"),
        ({"scenes": ["hone"]}, r"scenes names 'hone', which is not defined; did you mean 'home'"),
        ({"look_alikes": ["brak"]}, r"look_alikes names 'brak', which is not defined; did you mean 'bark'"),
        ({"after": ["meow"]}, r"after names 'meow', which is the sound itself"),
        ({"after": ["bark"], "excludes": ["bark"]}, r"comes after 'bark' and excludes it too"),
        ({"aliases": ["Bark"]}, r"alias 'Bark' already means 'bark'"),
        ({"family": "x"}, r"sound 'meow': 'family' follows from where the entry stands"),
    ],
)
def test_wrong_sound_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = write(tmp_path, sounds={"bark": BARK, "meow": {**BARK, **change}})
    with pytest.raises(SoundFlowError, match=message) as caught:
        load_ontology(path)
    assert str(path) in str(caught.value)


def test_missing_key_is_named(tmp_path: Path) -> None:
    short = {key: value for key, value in BARK.items() if key != "phrase_zh"}
    with pytest.raises(SoundFlowError, match=r"sound 'bark': Object missing required field `phrase_zh`"):
        load_ontology(write(tmp_path, sounds={"bark": short}))


def test_circle_of_orders_is_found(tmp_path: Path) -> None:
    sounds = {"bark": {**BARK, "after": ["meow"]}, "meow": {**BARK, "after": ["bark"]}}
    with pytest.raises(SoundFlowError, match=r"goes round in a circle: (bark|meow) after"):
        load_ontology(write(tmp_path, sounds=sounds))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scenes: {}\nfamilies: {}\nsounds: {plants: {}}\n", r"unknown family 'plants'"),
        ("scenes: {}\nfamilies: {}\nsounds: {}\ncolours: {}\n", r"unknown key 'colours'; allowed are"),
        ("scenes: {}\nfamilies: {}\n", r"'sounds' must be a mapping, not None"),
        ("scenes: {}\nscenes: {}\nfamilies: {}\nsounds: {}\n", r"line 2: key 'scenes' stands twice"),
        ("scenes: {}\nfamilies: {a: {name_en: 2020-01-01}}\nsounds: {}\n", r"line 2: '2020-01-01' is no text"),
        ("scenes: [unclosed\n", r"is not valid YAML"),
        ("- a\n- b\n", r"holds a list, not a mapping"),
        ("", r"holds a NoneType, not a mapping"),
    ],
)
def test_wrong_file_is_explained(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "sounds.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SoundFlowError, match=message):
        load_ontology(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SoundFlowError, match=r"cannot read .*nothing\.yaml: No such file"):
        load_ontology(tmp_path / "nothing.yaml")


def test_unknown_label_gets_a_proposal(ontology: Ontology) -> None:
    with pytest.raises(SoundFlowError, match=r"no sound 'glas_breaking'; did you mean glass_breaking"):
        ontology.by_label("glas_breaking")


@pytest.mark.parametrize(
    ("label", "look_alikes", "message"),
    [
        ("rain", ["wind"], r"'rain' is not a sound with `assistant: respond`"),
        ("scream", ["thunder"], r"'thunder' is not a sound with `assistant: silent`"),
        ("scream", ["wind"], r"has `assistant: respond` in the ontology and stands in no domain"),
    ],
)
def test_proactive_file_must_agree(tmp_path: Path, label: str, look_alikes: list[str], message: str) -> None:
    domain = {
        "description_en": "d",
        "description_zh": "域",
        "look_alikes": look_alikes,
        "sounds": {label: {"answers_en": ["Look out."], "answers_zh": ["小心。"]}},
    }
    path = tmp_path / "proactive.yaml"
    path.write_text(json.dumps({"domains": {"human_distress": domain}}), encoding="utf-8")
    with pytest.raises(SoundFlowError, match=message):
        load_proactive(path)


def test_shares_must_add_up(tmp_path: Path) -> None:
    ability = {"name": "a", "share": 0.5, "description": "d", "subtasks": [{"name": "t", "description": "d"}]}
    path = tmp_path / "abilities.yaml"
    path.write_text(json.dumps({"abilities": [ability], "duplex": [], "corpus_mix": {"x": 1}}), encoding="utf-8")
    with pytest.raises(SoundFlowError, match=r"shares of the abilities add up to 0\.5, not 1"):
        load_abilities(path)


# -- tags --------------------------------------------------------------------------------------------------------------


def test_the_best_tag_of_each_sound_says_that_sound_alone(ontology: Ontology) -> None:
    owners: dict[str, list[str]] = {}
    for entry in ontology:
        owners.setdefault(fold(entry.tags[0]), []).append(entry.label)
        assert sole_label([entry.tags[0]]) == entry.label
        assert ontology.canonical(entry.tags[0]) in {None, entry.label}
    assert [labels for labels in owners.values() if len(labels) > 1] == []


@pytest.mark.parametrize(
    "general",
    [
        "Alarm", "Bang", "Beep, bleep", "Bell", "Breaking", "Burst, pop", "Chime", "Clatter", "Clicking", "Ding",
        "Dishes, pots, and pans", "Door", "Fire", "Gasp", "Glass", "Gush", "Hiss", "Hum", "Noise", "Pant", "Rattle",
        "Roar", "Rumble", "Scrape", "Scratch", "Smash, crash", "Spray", "Squeal", "Squeak", "Steam", "Tap",
        "Thump, thud", "Thunk",
        "Mouse", "Whistle", "Accelerating, revving, vroom",
    ],
)  # fmt: skip
def test_a_general_class_alone_names_no_sound(general: str) -> None:
    """A hiss is no gas leak yet: an assistant that warned of every hiss would be wrong most of the time."""
    assert sole_label([general]) == ""


@pytest.mark.parametrize(
    ("names", "label"),
    [
        (["Shatter", "Glass"], "glass_breaking"),
        (["Chink, clink", "Glass"], "glass_clink"),
        (["Smash, crash", "Car"], "car_crash"),
        (["Rattle", "Mechanical fan"], "rattling_fan"),
        (["Pant", "Dog"], "panting_dog"),
        (["Crackle", "Fire"], "fire_crackle"),
        (["Howl"], "wolf_howl"),
        (["Siren"], "siren_wail"),
    ],
)
def test_several_classes_together_may_name_one(names: list[str], label: str) -> None:
    assert sole_label(names) == label
