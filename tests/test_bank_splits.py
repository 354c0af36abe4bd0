"""Splits: a group is in one split, labels are in all, and the same rows always go the same way."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundflow_data.bank.splits import assign_folds, assign_splits
from soundflow_data.errors import BankError

rows_of = st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abc")), min_size=1, max_size=120)
shares_of = st.dictionaries(
    st.sampled_from(["train", "validation", "test", "none"]), st.sampled_from([0.0, 0.05, 0.1, 0.5, 1.0]), min_size=1
).filter(lambda shares: sum(shares.values()) > 0)


@given(rows_of, shares_of, st.integers(0, 5))
def test_groups_are_whole_and_labels_everywhere(
    rows: list[tuple[int, str]], shares: dict[str, float], seed: int
) -> None:
    groups, labels = [f"g{group}" for group, _ in rows], [label for _, label in rows]
    codes = assign_splits(groups, labels, shares, seed)
    assert codes.dtype == np.int8
    split_of = dict(zip(groups, codes.tolist(), strict=True))
    assert [split_of[group] for group in groups] == codes.tolist()
    used = [number for number, share in enumerate(shares.values()) if share > 0]
    assert set(codes.tolist()) <= set(used)
    first = {group: min(label for g, label in zip(groups, labels, strict=True) if g == group) for group in split_of}
    for label in set(labels):
        mine = [group for group in split_of if first[group] == label]
        if len(mine) >= len(used):
            assert {split_of[group] for group in mine} == set(used)


@given(rows_of, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: list[tuple[int, str]], random: object) -> None:
    shares = {"train": 0.8, "validation": 0.2}
    shuffled = list(range(len(rows)))
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    codes = assign_splits([f"g{g}" for g, _ in rows], [label for _, label in rows], shares, 3)
    moved = assign_splits([f"g{rows[i][0]}" for i in shuffled], [rows[i][1] for i in shuffled], shares, 3)
    assert moved.tolist() == codes[shuffled].tolist()


def test_shares_are_kept() -> None:
    groups = [f"g{i}" for i in range(4000)]
    labels = [f"label{i % 7}" for i in range(4000)]
    codes = assign_splits(groups, labels, {"train": 8, "validation": 1, "test": 1}, 0)
    assert np.bincount(codes) / 4000 == pytest.approx([0.8, 0.1, 0.1], abs=0.002)
    other = assign_splits(groups, labels, {"train": 8, "validation": 1, "test": 1}, 1)
    assert 0.1 < np.mean(codes != other) < 0.6


def test_rare_labels_are_divided_together() -> None:
    names = [f"g{i}" for i in range(1000)]
    codes = assign_splits(names, names, {"train": 0.9, "validation": 0.1}, 0)
    assert np.bincount(codes).tolist() == [900, 100]


def test_golden_division() -> None:
    """A change here would move recordings between the splits of existing corpora."""
    codes = assign_splits([f"g{i}" for i in range(16)], ["a", "b"] * 8, {"train": 0.75, "validation": 0.25}, 1)
    assert codes.tolist() == [1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0]


def test_arrow_columns_are_taken_as_they_are() -> None:
    groups, labels = [f"g{i % 9}" for i in range(40)], ["a"] * 40
    expected = assign_splits(groups, labels, {"x": 0.5, "y": 0.5}, 0)
    chunked = pa.chunked_array([groups[:10], groups[10:]])
    encoded = pa.array(labels).dictionary_encode()
    assert assign_splits(chunked, encoded, {"x": 0.5, "y": 0.5}, 0).tolist() == expected.tolist()
    assert assign_splits([], [], {"x": 1}, 0).tolist() == []


@pytest.mark.parametrize("shares", [{}, {"a": 0.0}, {"a": -1.0, "b": 2.0}, {"a": float("nan")}])
def test_impossible_shares(shares: dict[str, float]) -> None:
    with pytest.raises(BankError, match="split shares"):
        assign_splits(["g"], ["l"], shares, 0)


def test_folds_make_splits() -> None:
    folds = ["1", "2", "3", "4", "1"]
    codes = assign_folds(["a", "b", "c", "d", "a"], folds, {"train": ["1", "2"], "validation": ["3"]})
    assert codes.tolist() == [0, 0, 1, -1, 0]


def test_folds_that_cannot_be_splits() -> None:
    with pytest.raises(BankError, match=r"fold '9', but the folds are 1, 2"):
        assign_folds(["a", "b"], ["1", "2"], {"train": ["9"]})
    with pytest.raises(BankError, match="fold '1' is in two splits, 'train' and 'validation'"):
        assign_folds(["a", "b"], ["1", "2"], {"train": ["1"], "validation": ["1"]})
    with pytest.raises(BankError, match="group 'a' has folds of two splits, 'train' and 'validation'"):
        assign_folds(["a", "a"], ["1", "2"], {"train": ["1"], "validation": ["2"]})
    assert assign_folds(["a", "a"], ["1", "2"], {"train": ["1", "2"]}).tolist() == [0, 0]
