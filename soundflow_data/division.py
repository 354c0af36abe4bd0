"""Divides the material of a recipe among its splits: recordings of all banks and voices, each in one split only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from soundflow_data.bank import Bank
from soundflow_data.bank.splits import NO_SPLIT, assign_folds, assign_splits
from soundflow_data.errors import BankError, RecipeError
from soundflow_data.library import Rows
from soundflow_data.recipe import Recipe
from soundflow_data.speech import Voice

FEWEST_VOICES = 3  # of a language in each split, where there are enough: a user, a visitor and somebody else


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What one split gets.

    Attributes:
        rows: Rows of each bank, ascending.
        voices: Voices by language.
    """

    rows: dict[str, Rows]
    voices: dict[str, tuple[Voice, ...]]


def divide(recipe: Recipe, banks: Mapping[str, Bank], voices: Mapping[str, Sequence[Voice]]) -> dict[str, Share]:
    """Gives every recording and every voice to one split.

    Banks with folds come first. The groups of all other banks, and the voices, are then divided together by the shares;
    a group that a fold has placed already stays where it is.

    Args:
        recipe: Says splits, shares, folds and allowed licences.
        banks: Open banks by the recipe's names.
        voices: Voices by language.

    Raises:
        RecipeError: Folds, licences or voices cannot be what the recipe asks for.
    """
    names = list(recipe.splits)
    codes = _by_folds(recipe, banks)
    placed = {name: banks[name].columns("group")["group"] for name in codes}
    free = [name for name in banks if name not in codes]
    allowed = {name: _allowed(recipe.allow_license, name, bank) for name, bank in banks.items()}
    voices = {language: _licensed(recipe.allow_license, language, some) for language, some in voices.items()}
    everyone = [voice for some in voices.values() for voice in some]
    _check_voices(voices, names)
    tables = [banks[name].columns("group", "label") for name in free]
    spoken = pa.table({"group": [v.id for v in everyone], "label": [f"voice:{v.language}" for v in everyone]})
    columns = pa.concat_tables([*tables, spoken.cast(pa.schema([("group", pa.string()), ("label", pa.string())]))])
    shared = assign_splits(columns["group"], columns["label"], recipe.splits, recipe.seed)
    _spread_voices(shared, columns["group"], voices, len(names))
    for name, groups in placed.items():
        _follow(shared, columns["group"], groups, codes[name])
    start = 0
    for name, table in zip(free, tables, strict=True):
        codes[name] = shared[start : start + table.num_rows]
        start += table.num_rows
    for name, choice in recipe.banks.items():
        if choice.only is not None:
            wanted = np.isin(codes[name], [names.index(split) for split in choice.only])
            codes[name] = np.where(wanted, codes[name], np.int8(NO_SPLIT))
    return {
        split: Share(
            rows={name: np.flatnonzero((codes[name] == i) & allowed[name]).astype(np.int32) for name in banks},
            voices=_voices_of(i, everyone, shared[start:]),
        )
        for i, split in enumerate(names)
    }


def _spread_voices(
    codes: NDArray[np.int8], groups: pa.ChunkedArray, voices: Mapping[str, Sequence[Voice]], num_splits: int
) -> None:
    """Gives small splits voices of the largest, so that a user, a visitor and a third person can be told apart in each.

    Only where there are enough voices for all; with a voice goes every row of a bank that it speaks.
    """
    for some in voices.values():
        if len(some) < FEWEST_VOICES * num_splits:
            continue
        rows = {voice.id: np.flatnonzero(pc.equal(groups, voice.id).to_numpy()) for voice in some}
        owners = {name: int(codes[own[-1]]) for name, own in rows.items()}
        while True:
            counts = np.bincount(list(owners.values()), minlength=num_splits)
            poor, rich = int(counts.argmin()), int(counts.argmax())
            if counts[poor] >= FEWEST_VOICES:
                break
            moved = next(name for name in reversed(owners) if owners[name] == rich)
            owners[moved] = poor
            codes[rows[moved]] = poor


def _by_folds(recipe: Recipe, banks: Mapping[str, Bank]) -> dict[str, NDArray[np.int8]]:
    codes = {}
    for name, bank in banks.items():
        folds = recipe.banks[name].folds
        if folds is None:
            continue
        if set(folds) != set(recipe.splits):
            raise RecipeError(
                f"recipe {recipe.name!r}: banks.{name}.folds has the splits {sorted(folds)}, "
                f"but the recipe has {sorted(recipe.splits)}"
            )
        table = bank.columns("group", "fold")
        try:
            codes[name] = assign_folds(table["group"], table["fold"], {split: folds[split] for split in recipe.splits})
        except BankError as error:
            raise RecipeError(f"recipe {recipe.name!r}: banks.{name}.folds: {error}") from error
    return codes


def _follow(
    shared: NDArray[np.int8], groups: pa.ChunkedArray, placed: pa.ChunkedArray, codes: NDArray[np.int8]
) -> None:
    """Moves the rows whose group has a fold in another bank to the split of that fold."""
    found = pc.index_in(groups, value_set=placed.combine_chunks()).to_numpy(zero_copy_only=False)
    known = np.flatnonzero(~np.isnan(found.astype(np.float64)))
    target = codes[found[known].astype(np.int64)]
    moved = target != NO_SPLIT
    shared[known[moved]] = target[moved]


def _allowed(allow: Sequence[str] | None, name: str, bank: Bank) -> NDArray[np.bool_]:
    if allow is None:
        return np.ones(len(bank), np.bool_)
    licences = bank.columns("licence")["licence"]
    allowed: NDArray[np.bool_] = pc.is_in(licences, value_set=pa.array(allow, pa.string())).to_numpy(
        zero_copy_only=False
    )
    if not allowed.any():
        raise RecipeError(
            f"allow_license {list(allow)}: no clip of bank {name!r} has such a licence; its licences are "
            f"{sorted(pc.unique(licences).to_pylist())}"
        )
    return allowed


def _licensed(allow: Sequence[str] | None, language: str, voices: Sequence[Voice]) -> list[Voice]:
    """Returns the voices whose speech has an allowed licence: what they say is heard like any recording."""
    found = [voice for voice in voices if allow is None or voice.licence in allow]
    if voices and not found:
        raise RecipeError(
            f"allow_license {list(allow or ())}: no voice for language {language!r} has such a licence; theirs are "
            f"{sorted({voice.licence for voice in voices})}; add one of them, or leave the language out"
        )
    return found


def _check_voices(voices: Mapping[str, Sequence[Voice]], splits: Sequence[str]) -> None:
    for language, some in voices.items():
        if len(some) < len(splits):
            raise RecipeError(
                f"{len(some)} voices for language {language!r} cannot be divided among the {len(splits)} splits "
                f"{', '.join(splits)}; allow more voices or use fewer splits"
            )


def _voices_of(code: int, voices: Sequence[Voice], codes: NDArray[np.int8]) -> dict[str, tuple[Voice, ...]]:
    mine = [voice for voice, one in zip(voices, codes.tolist(), strict=True) if one == code]
    return {
        language: tuple(voice for voice in mine if voice.language == language)
        for language in dict.fromkeys(voice.language for voice in voices)
    }
