"""Judges whether a clip can play a sub-event: accept, reprocess (once, through TFJP) or reject, with the reason.

    identity      its label, tag or caption says that it is the sound
    duration      0.5 to 2 times the rough duration; a longer clip is cut at a quiet place, if it has one
    cleanliness   a sound with pauses stands at least 15 dB above them, unless they are no hiss; nothing is clipped
    continuity    it neither starts nor ends inside a sound: no step at its edges, no rise or fall that is cut off

Only sounds of single occurrences (`countable`) are judged by their pauses, starts and ends. Rain has none of these: it
may start and end anywhere, as long as its edges are faded.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from soundflow_data.audio.levels import ENERGY_BLOCK
from soundflow_data.bank import Bank, Clip
from soundflow_data.ontology import Ontology
from soundflow_data.scenario.identity import Identity
from soundflow_data.scenario.plan import SubEvent
from soundflow_data.scenario.sounding import (
    Sounding,
    block_energy,
    measure_clip,
    measure_pcm,
    quiet_entropy,
    smooth,
)
from soundflow_data.timeline import SAMPLE_RATE

SHORTEST: Final = 0.5  # of the rough duration
LONGEST: Final = 2.0
MIN_SNR_DB: Final = 15.0  # TFJP subtracts noise from 12 dB on
NOISE_ENTROPY: Final = 0.85
MIN_ACTIVE_DB: Final = -65.0
MAX_FULL_SHARE: Final = 0.01
SPLICE_DB: Final = -12.0  # an outermost millisecond louder than this is a step
CUT_ONSET_DB: Final = 4.5  # after such a start a stroke falls; what rises further had begun before
CUT_OFFSET_DB: Final = -2.0
QUIET_DB: Final = 20.0  # below the sound, a clip may be cut

Decision = Literal["accept", "reprocess", "reject"]
Pcm = NDArray[np.int16]
_MEASURED: Final = 1 << 16  # clips and verdicts that are remembered; 40 MB at most


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a verifier says of one clip for one sub-event.

    Attributes:
        decision: What to do with it.
        reason: Why it is not accepted, short and countable; empty where it is.
        num_samples: How much of it to play, from its start; less than the clip where it is cut.
    """

    decision: Decision
    reason: str = ""
    num_samples: int = 0


class Verifier:
    """Judges clips; what it measures and says is remembered.

    Args:
        identity: Says what clips are.
    """

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self._ontology: Ontology = identity.ontology
        self._measured: Callable[[Bank, int], Sounding] = functools.lru_cache(maxsize=_MEASURED)(_measure_row)
        self._said: dict[tuple[SubEvent, str, int], Verdict] = {}

    def verdict(self, event: SubEvent, bank: Bank, row: int) -> Verdict:
        """Judges a clip of a bank."""
        key = (event, bank.name, row)
        said = self._said.get(key)
        if said is None:
            if len(self._said) >= _MEASURED:
                self._said.clear()
            said = self._said[key] = self._judge_row(event, bank, row)
        return said

    def judge(self, event: SubEvent, clip: Clip, pcm: Pcm) -> Verdict:
        """Judges a clip by its samples, int16 (num_samples,): one that was reprocessed or generated."""
        return self._judge(event, clip, measure_pcm(pcm), lambda: block_energy(pcm), lambda: pcm)

    def _judge_row(self, event: SubEvent, bank: Bank, row: int) -> Verdict:
        clip = bank.clip(row)
        if not self.identity.accepts(event, clip.label, clip.caption):
            return Verdict(decision="reject", reason="another sound")
        sounding = self._measured(bank, row)
        return self._judge(event, clip, sounding, lambda: bank.block_energy(row), lambda: bank.pcm(row))

    def _judge(
        self,
        event: SubEvent,
        clip: Clip,
        sounding: Sounding,
        energy: Callable[[], NDArray[np.float64]],
        pcm: Callable[[], Pcm],
    ) -> Verdict:
        if not self.identity.accepts(event, clip.label, clip.caption):
            return Verdict(decision="reject", reason="another sound")
        countable = self._ontology.by_label(event.label).countable
        length = _playable(event, clip, sounding, energy, countable=countable)
        if not length:
            low, _ = _bounds(event)
            return Verdict(decision="reject", reason="too short" if clip.num_samples < low else "too long")
        reason = _unfit(sounding)
        # Noise goes before the end: it fills the pauses, and what lies under it cannot be judged.
        if not reason and countable and sounding.snr_db < MIN_SNR_DB and quiet_entropy(pcm()) >= NOISE_ENTROPY:
            return Verdict(decision="reprocess", reason="noisy", num_samples=length)
        if not reason and countable and sounding.tail_db > CUT_OFFSET_DB:
            reason = "ends inside the sound"
        if reason:
            return Verdict(decision="reject", reason=reason)
        reason = _step(sounding, countable=countable)
        return Verdict(decision="reprocess" if reason else "accept", reason=reason, num_samples=length)


def _measure_row(bank: Bank, row: int) -> Sounding:
    return measure_clip(bank, row, bank.clip(row).peak)


def _bounds(event: SubEvent) -> tuple[int, int]:
    low, high = event.duration_s
    return round(SHORTEST * low * SAMPLE_RATE), round(LONGEST * high * SAMPLE_RATE)


def _playable(
    event: SubEvent,
    clip: Clip,
    sounding: Sounding,
    energy: Callable[[], NDArray[np.float64]],
    *,
    countable: bool,
) -> int:
    """Returns how much of a clip fits the rough duration; 0 where it is too short, or too long and never quiet."""
    low, high = _bounds(event)
    if low <= clip.num_samples <= high:
        return clip.num_samples
    if clip.num_samples < low:
        return 0
    typical = round(event.duration_s[1] * SAMPLE_RATE)
    first = max(low, clip.recognisable) if countable else max(typical, clip.recognisable)
    begin, end = -(-first // ENERGY_BLOCK), high // ENERGY_BLOCK
    window = 10.0 * np.log10(np.maximum(smooth(energy())[begin:end], 1e-10))
    if not len(window):
        return 0
    if not countable:
        return (begin + int(np.argmin(window))) * ENERGY_BLOCK
    quiet = np.flatnonzero(window <= sounding.active_db - QUIET_DB)
    return (begin + int(quiet[-1])) * ENERGY_BLOCK if len(quiet) else 0


def _unfit(sounding: Sounding) -> str:
    if sounding.active_db < MIN_ACTIVE_DB:
        return "too quiet"
    return "clipped" if sounding.full_share > MAX_FULL_SHARE else ""


def _step(sounding: Sounding, *, countable: bool) -> str:
    """Returns at which end the clip lacks a taper, which TFJP gives it."""
    if sounding.end_db > SPLICE_DB:
        return "ends with a step"
    if sounding.head_db > SPLICE_DB and (sounding.rise_db > CUT_ONSET_DB or not countable):
        return "starts inside the sound"
    return ""
