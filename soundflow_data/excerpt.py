"""Which part of a recording is played: of a steady sound any part, of others the beginning.

rain, 60 s     |.....[=====]......................|     another 5 s each time
three barks    [=| ==| ==| ......................|      a part of them would be another number of barks
"""

from __future__ import annotations

from typing import Final

import msgspec

from soundflow_data.audio.levels import ENERGY_BLOCK
from soundflow_data.bank import Bank, Clip
from soundflow_data.dice import Dice
from soundflow_data.ontology import SoundLabel
from soundflow_data.timeline import SAMPLE_RATE

LEAST_ROOM: Final = SAMPLE_RATE // 2  # less than this that could be skipped is not worth a cut
MOST_BELOW_DB: Final = 6.0  # its beginning is not much fainter than the whole, so that it can be recognised there
TRIES: Final = 3


class Excerpt(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a clip; times in samples.

    Attributes:
        start: First sample of the clip that is heard.
        num_samples: How many are.
        recognisable: Samples after its own beginning from which it can be told what it is.
    """

    start: int
    num_samples: int
    recognisable: int


def beginning(clip: Clip, longest: int) -> Excerpt:
    """Returns the beginning of a clip, at most `longest` samples of it."""
    num_samples = min(clip.num_samples, longest)
    return Excerpt(start=0, num_samples=num_samples, recognisable=min(clip.recognisable, num_samples))


def draw_excerpt(bank: Bank, row: int, clip: Clip, longest: int, entry: SoundLabel | None, dice: Dice) -> Excerpt:
    """Returns a part of a clip of at most `longest` samples: of a steady sound one that is drawn.

    Args:
        bank: Knows how loud each part is.
        row: The clip's row.
        clip: The clip.
        longest: In samples.
        entry: What the ontology says of the sound; what it does not know is played from its beginning.
        dice: Decides.
    """
    room = clip.num_samples - longest
    if entry is None or entry.countable or clip.occurrences or room < LEAST_ROOM:
        return beginning(clip, longest)
    needed = min(longest, round(entry.recognise_s * SAMPLE_RATE))
    for _ in range(TRIES):
        start = dice.integer(0, room) // ENERGY_BLOCK * ENERGY_BLOCK
        if bank.energy_db(row, start, start + needed) >= clip.level_db - MOST_BELOW_DB:
            return Excerpt(start=start, num_samples=longest, recognisable=needed)
    return beginning(clip, longest)
