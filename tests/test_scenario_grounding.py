"""Grounding: clips are judged on what they sound like, mended once, made where none fits, within the split."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from soundflow_data.bank import Bank
from soundflow_data.corpus import Corpus
from soundflow_data.dice import Dice
from soundflow_data.errors import BankError
from soundflow_data.ontology import load_ontology
from soundflow_data.scenario.bag import Bags
from soundflow_data.scenario.ground import NOT_GROUNDED, Cast, Grounder
from soundflow_data.scenario.identity import Identity
from soundflow_data.scenario.plan import SubEvent, describe
from soundflow_data.scenario.rules import RulePlanner
from soundflow_data.scenario.sounding import measure_pcm
from soundflow_data.scenario.supply import Supply, missing_sounds
from soundflow_data.scenario.verify import Verdict, Verifier
from soundflow_data.scenario.workshop import GENERATED, REPROCESSED, Workshop, generated_id, reprocessed_id
from soundflow_data.timeline import SAMPLE_RATE
from tests.scenario_material import Recording, bark, hiss, library_of, mixed, plan_of, write_bank

ONTOLOGY = load_ontology()
IDENTITY = Identity(ONTOLOGY)
BARK = msgspec.structs.replace(describe(ONTOLOGY.by_label("dog_bark")), duration_s=(0.3, 0.8))
RAIN = msgspec.structs.replace(describe(ONTOLOGY.by_label("rain")), duration_s=(2.0, 5.0))

Pcm = np.ndarray
CUT_OFF = np.ascontiguousarray(bark(1.2, lead_s=0.0)[::-1])  # it grows, and then is gone


def verdict_of(folder: Path, recording: Recording, event: SubEvent = BARK) -> Verdict:
    bank = write_bank(folder / f"bank-{len(list(folder.iterdir()))}", [recording])
    return Verifier(IDENTITY).verdict(event, bank, 0)


def dog(pcm: Pcm | None = None, **more: str) -> Recording:
    return Recording(id="dog", pcm=pcm, **{"label": "dog_bark", **more})  # type: ignore[arg-type]


# -- verifier ----------------------------------------------------------------------------------------------------------


def test_a_good_clip_is_accepted_whole(tmp_path: Path) -> None:
    assert verdict_of(tmp_path, dog()) == Verdict(decision="accept", num_samples=len(bark()))
    rain = Recording(id="rain", label="rain", pcm=faded(hiss(4.0, -30)))
    assert verdict_of(tmp_path, rain, RAIN) == Verdict(decision="accept", num_samples=4 * SAMPLE_RATE)


def faded(pcm: Pcm) -> Pcm:
    rise = np.minimum(1.0, np.arange(len(pcm)) / 320)
    return (pcm * rise * rise[::-1]).astype(np.int16)


@pytest.mark.parametrize(
    ("label", "caption", "known"),
    [
        ("dog_bark", "", True),
        ("dog", "", True),  # an alias
        ("Bark", "", True),  # the best tag of one label
        ("Domestic animals, pets", "", False),
        ("cat_meow", "a dog barks", False),  # the label is the more exact statement
        ("", "A dog barks twice in the yard", True),
        ("", "A dog barks while rain falls", False),
        ("", "", False),
        ("Alarm", "", False),  # a tag of several sounds says nothing
    ],
)
def test_identity(label: str, caption: str, known: bool) -> None:
    assert IDENTITY.accepts(BARK, label, caption) == known
    assert bool(IDENTITY.tags_of(label, caption)) == bool(IDENTITY.label_of(label, caption))


def test_a_tag_counts_where_the_sub_event_accepts_it() -> None:
    picky = msgspec.structs.replace(BARK, tags=("Bow-wow",))
    assert IDENTITY.accepts(picky, "dog_bark")
    assert not IDENTITY.accepts(picky, "Bark")


def test_another_sound_is_rejected(tmp_path: Path) -> None:
    assert verdict_of(tmp_path, dog(label="cat_meow")) == Verdict(decision="reject", reason="another sound")


@pytest.mark.parametrize(
    ("damage", "decision", "reason"),
    [
        pytest.param(lambda pcm: faded(mixed(pcm, hiss(0.85, -28))), "reprocess", "noisy", id="noise"),
        pytest.param(lambda pcm: pcm[1_500:], "reprocess", "starts inside the sound", id="onset"),
        pytest.param(lambda pcm: pcm[:5_000], "reprocess", "ends with a step", id="end"),
        pytest.param(lambda _: CUT_OFF, "reject", "ends inside the sound", id="offset"),
        pytest.param(lambda pcm: (pcm // 400).astype(np.int16), "reject", "too quiet", id="quiet"),
        pytest.param(
            lambda pcm: np.clip(pcm.astype(np.int64) * 40, -32_768, 32_767).astype(np.int16),
            "reject",
            "clipped",
            id="clipped",
        ),
        pytest.param(lambda pcm: pcm[: SAMPLE_RATE // 8], "reject", "too short", id="short"),
        pytest.param(lambda pcm: np.tile(pcm[800:3_000], 20), "reject", "too long", id="long"),
    ],
)
def test_damage_is_noticed(tmp_path: Path, damage: Callable[[Pcm], Pcm], decision: str, reason: str) -> None:
    whole = bark(0.7, rise_s=0.12)
    assert verdict_of(tmp_path, dog(whole)).decision == "accept"
    verdict = verdict_of(tmp_path, dog(damage(whole)))
    assert (verdict.decision, verdict.reason) == (decision, reason)


def test_little_noise_and_steady_tones_are_no_fault(tmp_path: Path) -> None:
    assert verdict_of(tmp_path, dog(mixed(bark(), hiss(0.55, -60)))).decision == "accept"
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    horn = faded((8_000 * np.sin(2 * np.pi * 400 * time)).astype(np.int16))
    event = msgspec.structs.replace(describe(ONTOLOGY.by_label("car_horn")), duration_s=(0.5, 1.5))
    tapered = np.concatenate([horn[:-1_600], (horn[-1_600:] * np.linspace(1, 0, 1_600) ** 2).astype(np.int16)])
    assert verdict_of(tmp_path, Recording(id="horn", label="car_horn", pcm=tapered), event).decision == "accept"


def test_a_long_clip_is_cut_where_it_is_quiet(tmp_path: Path) -> None:
    barks = np.concatenate([bark(rest_s=0.4)] * 4)
    verdict = verdict_of(tmp_path, dog(barks))
    assert verdict.decision == "accept"
    assert 0.3 * SAMPLE_RATE <= verdict.num_samples <= 1.6 * SAMPLE_RATE
    assert not barks[verdict.num_samples - 160 : verdict.num_samples + 160].any()


def test_a_long_steady_sound_is_cut_anywhere(tmp_path: Path) -> None:
    rain = Recording(id="rain", label="rain", pcm=faded(hiss(30.0, -30)))
    verdict = verdict_of(tmp_path, rain, RAIN)
    assert verdict.decision == "accept"
    assert 5 * SAMPLE_RATE <= verdict.num_samples <= 10 * SAMPLE_RATE


def test_rain_may_start_and_end_anywhere_but_not_with_a_step(tmp_path: Path) -> None:
    steady = hiss(4.0, -30)
    assert verdict_of(tmp_path, Recording(id="r", label="rain", pcm=steady), RAIN).reason == "ends with a step"
    assert verdict_of(tmp_path, Recording(id="r", label="rain", pcm=faded(steady)), RAIN).decision == "accept"


def test_built_in_sounds_are_nearly_all_accepted(sounds: Bank) -> None:
    verifier = Verifier(IDENTITY)
    decisions = [
        verifier.verdict(describe(ONTOLOGY.by_label(clip.label)), sounds, clip.row).decision
        for clip in sounds
        if clip.kind == "sound"
    ]
    assert decisions.count("accept") >= 0.95 * len(decisions)
    assert "reject" not in decisions


# -- grounding ---------------------------------------------------------------------------------------------------------


def ground(cast_of: Grounder, *labels: str, seed: int = 1, caption: str = "") -> Cast:
    plan = plan_of("home", *labels, caption=caption)
    events = tuple(
        msgspec.structs.replace(event, duration_s=BARK.duration_s) if event.label == "dog_bark" else event
        for event in plan.events
    )
    return cast_of.ground(msgspec.structs.replace(plan, events=events), Dice(seed))


def test_accepted_clips_come_from_the_banks(tmp_path: Path) -> None:
    bank = write_bank(tmp_path / "b", [Recording(id=f"dog-{i}", label="dog_bark") for i in range(6)])
    cast = ground(Grounder(Supply(library_of(bank))), "dog_bark", "dog_bark", "dog_bark")
    assert cast.outcomes == {"accepted": 3}
    assert [member.index for member in cast.members] == [0, 1, 2]
    assert len({member.clip.id for member in cast.members}) == 3
    assert all(member.bank == bank.name and member.num_samples == len(bark()) for member in cast.members)
    assert not cast.rejections
    assert not cast.left_out


@pytest.mark.parametrize(("label", "caption"), [("Bark", ""), ("dog", ""), ("", "A dog barks twice in the yard")])
def test_a_clip_is_called_what_it_was_taken_for(tmp_path: Path, label: str, caption: str) -> None:
    bank = write_bank(tmp_path / "b", [Recording(id="dog", label=label, caption=caption)])
    (member,) = ground(Grounder(Supply(library_of(bank))), "dog_bark").members
    assert (member.bank, member.clip.id, member.clip.label) == (bank.name, "dog", "dog_bark")


def test_all_clips_that_fit_get_their_turn(tmp_path: Path) -> None:
    bank = write_bank(tmp_path / "b", [Recording(id=f"dog-{i}", label="dog_bark") for i in range(12)])
    grounder = Grounder(Supply(library_of(bank)))
    seen = {member.clip.id for seed in range(60) for member in ground(grounder, "dog_bark", seed=seed).members}
    assert len(seen) == 12


def test_a_noisy_clip_is_reprocessed_once_and_accepted(tmp_path: Path) -> None:
    noisy = faded(mixed(bark(lead_s=0.3, rest_s=0.4), hiss(1.1, -30.5)))
    bank = write_bank(tmp_path / "b", [Recording(id="dog", label="dog_bark", pcm=noisy, licence="CC-BY-NC-4.0")])
    library = library_of(bank)
    cast = ground(Grounder(Supply(library)), "dog_bark")
    assert cast.outcomes == {"reprocessed": 1}
    (member,) = cast.members
    assert (member.bank, member.clip.id) == (REPROCESSED, f"{bank.name}/dog")
    assert (member.clip.licence, member.clip.origin, member.clip.corpus) == ("CC-BY-NC-4.0", "origin-dog", "drawn")
    again = Workshop({bank.name: bank}, ONTOLOGY)
    pcm = again.pcm(member.bank, member.clip.id)
    assert len(pcm) == member.clip.num_samples
    assert Verifier(IDENTITY).judge(BARK, member.clip, pcm).decision == "accept"
    assert measure_pcm(pcm).snr_db > measure_pcm(noisy).snr_db + 3


def test_a_good_clip_goes_before_one_to_be_mended(tmp_path: Path) -> None:
    noisy = faded(mixed(bark(), hiss(0.55, -25)))
    recordings = [Recording(id="a", label="dog_bark", pcm=noisy), Recording(id="b", label="dog_bark")]
    grounder = Grounder(Supply(library_of(write_bank(tmp_path / "b", recordings))))
    assert {ground(grounder, "dog_bark", seed=seed).members[0].clip.id for seed in range(10)} == {"b"}


@pytest.mark.parametrize(
    ("recording", "reason"),
    [
        (Recording(id="a", label="dog_bark", pcm=CUT_OFF), "ends inside the sound"),
        (Recording(id="b", caption="dog bark heard by a cat meowing"), "another sound"),
    ],
)
def test_what_nothing_mends_is_rejected_and_made(tmp_path: Path, recording: Recording, reason: str) -> None:
    cast = ground(Grounder(Supply(library_of(write_bank(tmp_path / "b", [recording])))), "dog_bark")
    assert cast.outcomes == {"generated": 1}
    assert cast.rejections == {reason: 1}
    (member,) = cast.members
    assert member.bank == GENERATED
    assert member.clip.label == "dog_bark"
    assert (member.clip.corpus, member.clip.licence) == ("builtin", "CC0-1.0")
    assert member.clip.origin.startswith("builtin:dog_bark:")


def test_the_sound_itself_goes_before_what_is_called_alike(tmp_path: Path) -> None:
    others = [Recording(id=f"cat-{i}", label="cat_meow", caption="like a dog barking") for i in range(20)]
    bank = write_bank(tmp_path / "b", [*others, Recording(id="dog", label="dog_bark", caption="in a large empty hall")])
    for seed in range(5):
        cast = ground(Grounder(Supply(library_of(bank))), "dog_bark", seed=seed)
        assert [member.clip.id for member in cast.members] == ["dog"]
        assert not cast.rejections


def test_without_generation_or_a_kind_it_is_left_out(tmp_path: Path) -> None:
    bank = write_bank(tmp_path / "b", [Recording(id="cat", label="cat_meow")])
    off = ground(Grounder(Supply(library_of(bank), generation=False)), "dog_bark", "heart_monitor")
    assert off.outcomes == {NOT_GROUNDED: 2}
    assert [event.label for event in off.left_out] == ["dog_bark", "heart_monitor"]
    on = ground(Grounder(Supply(library_of(bank))), "dog_bark", "heart_monitor")
    assert on.outcomes == {"generated": 1, NOT_GROUNDED: 1}
    assert [member.index for member in on.members] == [0]
    contradiction = ground(Grounder(Supply(library_of(bank))), "dog_bark", caption="glass breaking")
    assert contradiction.outcomes == {NOT_GROUNDED: 1}


def test_grounding_is_the_same_whoever_does_it(corpus: Corpus) -> None:
    def casts() -> list[Cast]:
        supply = Supply(corpus.library("train"))
        bags, planner, grounder = Bags(supply), RulePlanner(ONTOLOGY, available=supply.found), Grounder(supply)
        found = []
        for seed in range(8):
            dice = Dice("cast", seed)
            found += [grounder.ground(plan, dice) for plan in planner.plan(bags.draw(dice), dice, "en")]
        return found

    first = casts()
    assert first == casts()
    assert sum(cast.outcomes.get("accepted", 0) for cast in first) > 10
    for cast in first:
        assert [member.index for member in cast.members] == sorted(member.index for member in cast.members)
        assert len(cast.members) + len(cast.left_out) == len(cast.plan.events)
        assert sum(cast.outcomes.values()) == len(cast.plan.events)


def test_nothing_comes_from_another_split(corpus: Corpus) -> None:
    made: dict[str, set[str]] = {}
    for split in ("train", "validation"):
        library = corpus.library(split)
        grounder = Grounder(Supply(library))
        for seed in range(6):
            cast = ground(grounder, "dog_bark", "doorbell", "yawn", "sneeze", seed=seed)
            for member in cast.members:
                if member.bank in library.banks:
                    assert library.banks[member.bank].find(member.clip.id) in library.rows(member.bank)
                elif member.bank == GENERATED:
                    made.setdefault(split, set()).add(member.clip.origin)
    assert made["train"]
    assert made["validation"]
    assert not made["train"] & made["validation"]


def test_what_cannot_be_had_is_known_before(tmp_path: Path) -> None:
    recordings = [Recording(id="cat", label="cat_meow"), Recording(id="dog", caption="a dog barks")]
    bank = write_bank(tmp_path / "b", recordings)
    library = library_of(bank)
    asked = ["cat_meow", "dog_bark", "rain", "heart_monitor"]
    assert missing_sounds(asked, library, generation=True) == ["heart_monitor"]
    assert missing_sounds(asked, library, generation=False) == ["heart_monitor", "rain"]
    assert missing_sounds([plan_of("home", "rain", "dog_bark")], library, generation=False) == ["rain"]
    assert missing_sounds(asked[:2], library_of(bank, rows={bank.name: [0]}), generation=False) == ["dog_bark"]


# -- workshop ----------------------------------------------------------------------------------------------------------


def test_generated_clips_are_made_again_from_their_id() -> None:
    clip_id = generated_id("dog_bark", 123_456_789_012, 6_400)
    workshop = Workshop({}, ONTOLOGY, cache_samples=1)
    clip, pcm = workshop.clip(GENERATED, clip_id), workshop.pcm(GENERATED, clip_id)
    assert clip.id == clip_id
    assert clip.num_samples == len(pcm) == 6_400
    assert 0 < clip.recognisable <= clip.num_samples
    assert np.array_equal(pcm, Workshop({}, ONTOLOGY).pcm(GENERATED, clip_id))


def test_a_workshop_keeps_as_much_as_it_may() -> None:
    workshop = Workshop({}, ONTOLOGY, cache_samples=15_000)
    ids = [generated_id("dog_bark", seed, 6_400) for seed in range(4)]
    for clip_id in ids:
        workshop.pcm(GENERATED, clip_id)
    assert workshop.num_made == 4
    workshop.pcm(GENERATED, ids[-1])
    assert workshop.num_made == 4
    workshop.pcm(GENERATED, ids[0])
    assert workshop.num_made == 5


@pytest.mark.parametrize(
    ("bank", "clip_id", "message"),
    [
        (GENERATED, "dog_bark", "no <kind>-<seed>-<num_samples>"),
        (GENERATED, "dragon-1-6400", "no <kind>-<seed>-<num_samples>"),
        (GENERATED, "dog_bark-1-960000", "cannot be made"),
        (REPROCESSED, reprocessed_id("gone", "dog"), "bank 'gone' is not open"),
        ("sounds", "dog", "no bank 'sounds' makes clips; those are generated, reprocessed"),
    ],
)
def test_what_cannot_be_made_is_named(bank: str, clip_id: str, message: str) -> None:
    with pytest.raises(BankError, match=message):
        Workshop({}, ONTOLOGY).clip(bank, clip_id)


def test_a_reprocessed_clip_needs_its_bank(sounds: Bank) -> None:
    with pytest.raises(BankError, match="has no clip"):
        Workshop({"sounds": sounds}, ONTOLOGY).pcm(REPROCESSED, "sounds/gone")
    with pytest.raises(BankError, match="give it another name"):
        Workshop({GENERATED: sounds}, ONTOLOGY)
