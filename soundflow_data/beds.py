"""Noise beds: a clip of noise, tiled over the whole stream with crossfades, at a level that is exact.

clip   [ n0 n1 n2 n3 n4 n5 ]
bed    [    n2 n3 n4 n5 ]                          first tile starts at a random place in the clip
                  [ n0 n1 n2 n3 n4 n5 ]            each next one from its beginning
                  < X >          [ n0 n1 n2 ]      crossfade of X samples: sin^2 + cos^2 = 1 keeps the power
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from soundflow_data.audio.levels import ENERGY_BLOCK
from soundflow_data.audio.mix import fade_curve
from soundflow_data.bank import Bank, Clip
from soundflow_data.dice import Dice
from soundflow_data.timeline import SAMPLE_RATE, Event, Role

MAX_CROSSFADE = SAMPLE_RATE // 2
MIN_CLIP = SAMPLE_RATE


class Tile(msgspec.Struct, frozen=True):
    """One use of the clip: place in the stream, place in the clip, length and fades, all in samples."""

    onset: int
    clip_start: int
    num_samples: int
    fade_in: int
    fade_out: int


def tiles(clip_samples: int, start: int, num_samples: int) -> Iterator[Tile]:
    """Covers a stream with tiles of a clip.

    Args:
        clip_samples: Length of the clip, at least one second (`MIN_CLIP`), so that there is room for the fades.
        start: First sample used of it, in the first tile.
        num_samples: Length of the stream.
    """
    fade = _whole_blocks(min(MAX_CROSSFADE, clip_samples // 4))
    onset, rise = 0, 0
    while True:
        length = min(clip_samples - start, num_samples - onset)
        fall = fade if onset + length < num_samples else 0
        yield Tile(onset, start, length, rise, fall)
        if not fall:
            return
        onset, start, rise = onset + length - fall, 0, fade


def lay_bed(
    bank: Bank, row: int, *, dice: Dice, num_samples: int, level_db: float, track: str, role: Role
) -> tuple[list[Event], float]:
    """Plans a bed whose RMS over the whole stream is `level_db`.

    Args:
        bank: The bank.
        row: The clip of noise.
        dice: Draws where in the clip the bed starts.
        num_samples: Length of the stream.
        level_db: RMS level in dBFS.
        track: Name of its stem.
        role: Loudness class, for the record.

    Returns:
        Its events, and a bound of its peak (full scale 1.0).
    """
    clip = bank.clip(row)
    room = clip.num_samples - _whole_blocks(clip.num_samples // 2)
    start = _whole_blocks(dice.integer(0, max(0, clip.num_samples - room)))
    plan = list(tiles(clip.num_samples, start, num_samples))
    measured = 10 * math.log10(max(1e-12, sum(_energy(bank, row, tile) for tile in plan) / num_samples))
    gain_db = round(level_db - measured, 2)
    peak = clip.peak / 32768 * 10 ** (gain_db / 20)
    return [_event(bank.name, clip, tile, track, role, gain_db) for tile in plan], peak * (
        math.sqrt(2) if plan[1:] else 1
    )


def _energy(bank: Bank, row: int, tile: Tile) -> float:
    """Energy of a faded tile (full scale 1.0), from the bank's table of 10 ms blocks; no audio is read."""
    blocks = bank.block_energy(row, tile.clip_start, tile.clip_start + tile.num_samples)
    for fade, flip in ((tile.fade_in, 1), (tile.fade_out, -1)):
        count = fade // ENERGY_BLOCK
        if count:
            power = fade_curve(count)[::flip] ** 2
            span = slice(0, count) if flip > 0 else slice(len(blocks) - count, len(blocks))
            blocks[span] *= power
    return float(blocks.sum()) / 32768.0**2


def _event(name: str, clip: Clip, tile: Tile, track: str, role: Role, gain_db: float) -> Event:
    return Event(
        track=track,
        kind="noise",
        role=role,
        bank=name,
        clip=clip.id,
        onset=tile.onset,
        num_samples=tile.num_samples,
        clip_start=tile.clip_start,
        gain_db=gain_db,
        fade_in=tile.fade_in,
        fade_out=tile.fade_out,
        label=clip.label,
        corpus=clip.corpus,
        origin=clip.origin,
        licence=clip.licence,
    )


def _whole_blocks(num_samples: int) -> int:
    return num_samples // ENERGY_BLOCK * ENERGY_BLOCK
