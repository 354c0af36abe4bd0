"""Divides recordings among splits so that nothing is heard in two of them.

Rows are divided by group: the source recording, the speaker or the dialogue. Within each label the groups are ordered
by a hash of (seed, group) and cut by the shares:

    label "dog"     g7 g2 g9 g1 g4 g8 g3 | g6 g5      shares 0.8 and 0.2: every label is in every split
    label "rain"    g12 g15 g11 g14 g13 | g16
    rare labels     g20 g18 g19 ...      | g17        labels with fewer groups than splits are cut together
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from soundflow_data.errors import BankError

Codes = NDArray[np.int8]
Strings: TypeAlias = "Sequence[str] | pa.Array | pa.ChunkedArray"

NO_SPLIT = -1


def assign_splits(groups: Strings, labels: Strings, shares: Mapping[str, float], seed: int) -> Codes:
    """Gives every row a split by shares of the groups of its label.

    For several banks, give the rows of all of them at once, so that a group that occurs in two banks is in one split.

    Args:
        groups: Group of each row.
        labels: Label of each row; a group with several belongs to the alphabetically first.
        shares: Share of each split; they are taken relative to their sum. A share of 0 gets nothing.
        seed: Another seed gives another division.

    Returns:
        int8 (num_rows,), positions in `shares`. Every label with at least as many groups as there are splits is in
        every split. Equal arguments give equal codes, whatever the order of the rows.

    Raises:
        BankError: A share is negative, or all are 0.
    """
    cuts = _cuts(shares)
    group_codes, names = _encode(groups)
    if not len(names):
        return np.empty(0, np.int8)
    stratum = _first_label(group_codes, len(names), labels)
    sizes = np.bincount(stratum)
    rare = sizes < np.count_nonzero(np.diff(cuts, prepend=0.0))
    stratum = np.where(rare[stratum], -1, stratum)
    hashes = np.fromiter((xxhash.xxh3_64_intdigest(name.encode(), seed) for name in names), np.uint64, len(names))
    order = np.lexsort((hashes, stratum))
    result = np.empty(len(names), np.int8)
    starts = np.flatnonzero(np.diff(stratum[order], prepend=-2))
    for start, stop in zip(starts, [*starts[1:], len(order)], strict=True):
        result[order[start:stop]] = _divide(int(stop - start), cuts)
    return result[group_codes]


def assign_folds(groups: Strings, folds: Strings, splits: Mapping[str, Collection[str]]) -> Codes:
    """Gives every row the split that lists its fold.

    Args:
        groups: Group of each row.
        folds: Fold of each row, as the source assigns it.
        splits: Folds of each split, such as `{"train": ["1", "2"], "validation": ["3"]}`.

    Returns:
        int8 (num_rows,), positions in `splits`; -1 where no split lists the fold.

    Raises:
        BankError: A fold is in two splits or in no row, or a group has rows in two splits.
    """
    fold_codes, fold_names = _encode(folds)
    split_of_fold = np.full(len(fold_names), NO_SPLIT, np.int8)
    for split, (name, wanted) in enumerate(splits.items()):
        for fold in wanted:
            if fold not in fold_names:
                raise BankError(
                    f"split {name!r} asks for fold {fold!r}, but the folds are {', '.join(sorted(fold_names))}"
                )
            place = fold_names.index(fold)
            if split_of_fold[place] not in {NO_SPLIT, split}:
                raise BankError(f"fold {fold!r} is in two splits, {list(splits)[split_of_fold[place]]!r} and {name!r}")
            split_of_fold[place] = split
    codes = split_of_fold[fold_codes]
    _check_undivided(groups, codes, list(splits))
    return codes


def _check_undivided(groups: Strings, codes: Codes, splits: Sequence[str]) -> None:
    group_codes, names = _encode(groups)
    used = codes != NO_SPLIT
    lowest, highest = np.full(len(names), 127, np.int8), np.full(len(names), NO_SPLIT, np.int8)
    np.minimum.at(lowest, group_codes[used], codes[used])
    np.maximum.at(highest, group_codes[used], codes[used])
    divided = np.flatnonzero((highest != NO_SPLIT) & (lowest != highest))
    if len(divided):
        first = int(divided[0])
        raise BankError(
            f"group {names[first]!r} has folds of two splits, {splits[lowest[first]]!r} and {splits[highest[first]]!r} "
            f"({len(divided)} such groups); put these folds into one split, or divide by shares"
        )


def _cuts(shares: Mapping[str, float]) -> NDArray[np.float64]:
    """Returns the cumulative shares, ending at 1."""
    values = np.array(list(shares.values()), np.float64)
    if not len(values) or not np.isfinite(values).all() or values.min() < 0 or values.sum() <= 0:
        raise BankError(f"split shares {dict(shares)}: each must be at least 0, and one more than 0")
    return np.cumsum(values) / values.sum()


def _divide(count: int, cuts: NDArray[np.float64]) -> Codes:
    """Cuts `count` ordered groups into runs by cumulative shares; no run is empty when there are enough groups."""
    edges = np.rint(np.append(0.0, cuts) * count).astype(np.int64)
    sizes = edges[1:] - edges[:-1]
    wanted = np.diff(cuts, prepend=0.0) > 0
    if count >= np.count_nonzero(wanted):
        for empty in np.flatnonzero(wanted & (sizes == 0)):
            sizes[np.argmax(sizes)] -= 1
            sizes[empty] += 1
    return np.repeat(np.arange(len(cuts), dtype=np.int8), sizes)


def _encode(strings: Strings) -> tuple[NDArray[np.int64], list[str]]:
    """Returns the code of each string and the different strings."""
    array = strings if isinstance(strings, pa.Array | pa.ChunkedArray) else pa.array(strings, pa.string())
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    encoded = array if isinstance(array, pa.DictionaryArray) else array.dictionary_encode()
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), encoded.dictionary.to_pylist()


def _first_label(group_codes: NDArray[np.int64], num_groups: int, labels: Strings) -> NDArray[np.int64]:
    """Returns the alphabetically first label of each group, as a number."""
    label_codes, names = _encode(labels)
    assert len(label_codes) == len(group_codes)
    alphabetic = np.argsort(np.argsort(np.array(names, dtype=object)))
    first = np.full(num_groups, len(names), np.int64)
    np.minimum.at(first, group_codes, alphabetic[label_codes])
    return first
