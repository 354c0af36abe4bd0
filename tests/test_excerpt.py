"""Which part of a recording is played: a steady sound anywhere in it, others from their beginning."""

from __future__ import annotations

import numpy as np
import pytest
from scenario_material import Recording, bark, hiss, library_of, write_bank

from soundflow_data.bank import Bank
from soundflow_data.dice import Dice
from soundflow_data.excerpt import MOST_BELOW_DB, beginning, draw_excerpt
from soundflow_data.ontology import load_ontology
from soundflow_data.scene import Scene

S = 16_000
RAIN = load_ontology().by_label("rain")


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    """Rain that pauses in the middle, rain that is just long enough, and three barks."""
    pausing = np.concatenate([hiss(8, -30, 1), hiss(4, -60, 2), hiss(8, -30, 3)])
    recordings = [
        Recording(id="rain", label="rain", pcm=pausing),
        Recording(id="short", label="rain", pcm=hiss(5.4, -30, 4)),
        Recording(id="barks", label="dog_bark", pcm=np.concatenate([bark(rest_s=2.0)] * 3)),
    ]
    return write_bank(tmp_path_factory.mktemp("excerpts") / "bank", recordings)


def test_a_steady_sound_is_heard_from_anywhere_where_it_can_be_recognised(bank: Bank) -> None:
    clip, longest, needed = bank.clip(0), 5 * S, round(RAIN.recognise_s * S)
    drawn = [draw_excerpt(bank, 0, clip, longest, RAIN, Dice(i)) for i in range(300)]
    assert all(one.num_samples == longest and one.start + longest <= clip.num_samples for one in drawn)
    moved = [one for one in drawn if one.start]
    assert len({one.start for one in moved}) > 200
    assert all(one.recognisable == needed for one in moved)
    assert min(one.start for one in moved) < S
    assert max(one.start for one in moved) > 14 * S
    for one in moved:
        assert bank.energy_db(0, one.start, one.start + needed) >= clip.level_db - MOST_BELOW_DB
    inside = 8 * S, 12 * S - needed  # nothing of it would be loud enough
    assert not [one for one in moved if inside[0] <= one.start < inside[1]]
    assert draw_excerpt(bank, 0, clip, longest, RAIN, Dice(5)) == draw_excerpt(bank, 0, clip, longest, RAIN, Dice(5))


def test_what_is_counted_unknown_or_hardly_longer_starts_at_its_beginning(bank: Bank) -> None:
    ontology = load_ontology()
    for row, label, longest in ((2, "dog_bark", S), (1, "rain", 5 * S), (0, "rain", 30 * S), (0, "zeppelin", 5 * S)):
        clip = bank.clip(row)
        assert draw_excerpt(bank, row, clip, longest, ontology.get(label), Dice(1)) == beginning(clip, longest)
    short = beginning(bank.clip(1), 30 * S)
    assert (short.start, short.num_samples) == (0, bank.clip(1).num_samples)
    assert beginning(bank.clip(1), 1_000).recognisable == 1_000


def test_a_scene_plays_the_part_that_its_plan_names(bank: Bank) -> None:
    library = library_of(bank)
    starts = set()
    for seed in range(12):
        scene = Scene(library=library, dice=Dice(seed), language="en", chunk=6400, level_db=-26.0, limit=30 * S)
        heard = scene.play(scene.choose_sound(labels=("rain",)), max_s=4.0)
        event = scene.events[heard.event]
        starts.add(event.clip_start)
        if event.clip_start:
            assert heard.recognisable == heard.start + round(RAIN.recognise_s * S)
            assert event.fade_in
            assert event.fade_out
        pcm = library.pcm(event)
        row = bank.find(event.clip)
        assert np.array_equal(pcm, bank.pcm(row, event.clip_start, event.clip_start + event.num_samples))
    assert len(starts) > 5
