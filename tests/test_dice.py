"""Randomness belongs to an identity and never changes, on any machine and in any version."""

from __future__ import annotations

from collections import Counter

from soundflow_data.dice import Dice, derive_seed


def test_draws_are_golden() -> None:
    dice = Dice(7, "train", 123, "scene")
    drawn = (
        dice.integer(0, 10**6),
        round(dice.uniform(-1, 1), 12),
        dice.choice("abcdef"),
        dice.shuffled(range(6)),
        dice.sample(range(100), 3),
        dice.weighted("xyz", [1, 2, 3]),
        dice.chance(0.5),
    )
    assert derive_seed(7, "train", 123, "scene") == 10358788856829821777
    assert drawn == GOLDEN


def test_identities_do_not_run_together() -> None:
    assert derive_seed(1, 23) != derive_seed(12, 3)
    assert derive_seed("a", "b") != derive_seed("ab")


def test_both_ends_are_drawn_evenly() -> None:
    dice = Dice("ends")
    counts = Counter(dice.integer(1, 4) for _ in range(4_000))
    assert set(counts) == {1, 2, 3, 4}
    assert min(counts.values()) > 880


def test_weights_are_kept() -> None:
    dice = Dice("weights")
    counts = Counter(dice.weighted("ab", [1, 3]) for _ in range(4_000))
    assert 2_850 < counts["b"] < 3_150


GOLDEN = (829036, 0.917773463629, "e", [4, 0, 1, 2, 5, 3], [89, 99, 59], "z", False)
