r"""Separate occurrences inside a clip, such as three barks, and the moment from which a sound can be known.

level   floor ......../\......../\.../\........        a burst ends where the level sinks to the gate, or in the
                      [---)     [---)[---)             deepest point of a dip that is too deep to be one sound
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from soundflow_data.audio.contour import LOWEST_DB, Contour, contour, runs
from soundflow_data.audio.levels import ENERGY_BLOCK
from soundflow_data.timeline import SAMPLE_RATE

_STEADY_DB: Final = 6.0  # a clip with less contrast is one steady sound
_GATE_SHARE: Final = 0.25  # the gate lies this part of the contrast above the floor ...
_GATE_MIN_DB: Final = 3.0  # ... and at least this much
_STEADY_GATE_DB: Final = 15.0  # gate of a steady sound, below its level
_DIP_DB: Final = 10.0  # a dip this deep on both sides parts two bursts ...
_DIP_SHARE: Final = 0.6  # ... and in noise a dip of this part of the contrast
_FAINT_DB: Final = 25.0  # what is this much fainter than the loudest burst is not an occurrence
_UNCLEAR_DB: Final = 12.0  # and what is this much fainter does not tell what the sound is
_TAIL_DB: Final = 30.0  # a burst ends at the latest where it has fallen this far
_SHORTEST_GAP: Final = 10  # blocks between two peaks; 100 ms


def bursts(pcm: NDArray[np.int16], *, join_s: float = 0.0) -> tuple[tuple[int, int], ...]:
    """Returns the (start, exclusive end) of each occurrence in samples, in order and without overlap.

    Args:
        pcm: int16 (num_samples,) at 16 kHz. Steady background noise more than about 6 dB below the sound does no harm.
        join_s: Occurrences with a shorter pause between them are one, for sounds that are patterns in themselves, such
            as a cock's crow; in seconds.
    """
    spans: list[tuple[int, int]] = []
    for start, end in _spans(contour(pcm), _FAINT_DB):
        if spans and start - spans[-1][1] < round(join_s * SAMPLE_RATE / ENERGY_BLOCK):
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return tuple((start * ENERGY_BLOCK, min(end * ENERGY_BLOCK, len(pcm))) for start, end in spans)


def recognisable(pcm: NDArray[np.int16], recognise_s: float) -> int:
    """Returns the exclusive-end sample at which a careful listener can know the sound.

    That is after `recognise_s` seconds of sound since its onset, or the end of its first burst if that comes earlier;
    the end of the clip if it is silent. A burst much fainter than the loudest one is not yet enough to know the sound.

    Args:
        pcm: int16 (num_samples,) at 16 kHz.
        recognise_s: How much of the sound it takes, in seconds; above 0.
    """
    found = _spans(contour(pcm), _UNCLEAR_DB)
    if not found:
        return len(pcm)
    start, end = found[0]
    return min(end * ENERGY_BLOCK, start * ENERGY_BLOCK + max(1, round(recognise_s * SAMPLE_RATE)), len(pcm))


def _spans(shape: Contour, faint_db: float) -> list[tuple[int, int]]:
    """Returns the bursts that are not fainter than the loudest by more than `faint_db`, in blocks."""
    if shape.active_db <= LOWEST_DB:
        return []
    gate = _gate(shape)
    peaks = _peaks(shape, faint_db)
    spans = []
    for i, (peak, _) in enumerate(peaks):
        low = peaks[i - 1][1] if i else 0
        high = peaks[i][1] if i + 1 < len(peaks) else len(shape.level_db)
        spans.append(_extent(shape, peak, low, high, max(gate, shape.smooth_db[peak] - _TAIL_DB)))
    return spans


def _gate(shape: Contour) -> float:
    if shape.contrast_db < _STEADY_DB:
        return shape.active_db - _STEADY_GATE_DB
    return shape.floor_db + max(_GATE_MIN_DB, _GATE_SHARE * shape.contrast_db)


def _peaks(shape: Contour, faint_db: float) -> list[tuple[int, int]]:
    """Returns (peak, deepest point of the dip behind it) in blocks, of the peaks that are occurrences.

    A peak counts when the level has risen to it and then falls from it by the depth of a dip.
    """
    depth = _DIP_DB if shape.contrast_db < _STEADY_DB else min(_DIP_DB, _DIP_SHARE * shape.contrast_db)
    levels = shape.smooth_db.tolist()
    threshold = max(_gate(shape), max(levels) - faint_db)
    peaks: list[tuple[int, int]] = []
    top = bottom = 0
    rising = True
    for i, level in enumerate([*levels, -np.inf]):
        if rising:
            if i < len(levels) and level > levels[top]:
                top = i
            elif level <= levels[top] - depth:
                _add_peak(peaks, levels, top, threshold)
                rising, bottom = False, min(i, len(levels) - 1)
        elif level < levels[bottom]:
            bottom = min(i, len(levels) - 1)
        elif level >= levels[bottom] + depth:
            if peaks:
                peaks[-1] = (peaks[-1][0], bottom)
            rising, top = True, i
    return peaks


def _add_peak(peaks: list[tuple[int, int]], levels: list[float], top: int, threshold: float) -> None:
    if levels[top] < threshold:
        return
    if peaks and top - peaks[-1][0] < _SHORTEST_GAP:
        if levels[top] > levels[peaks[-1][0]]:
            peaks[-1] = (top, len(levels))
        return
    peaks.append((top, len(levels)))


def _extent(shape: Contour, peak: int, low: int, high: int, gate: float) -> tuple[int, int]:
    """Returns the span around a peak above the gate, within low..high."""
    around = next(run for run in runs(shape.smooth_db[low:high] >= gate) if run[0] <= peak - low < run[1])
    start, end = low + around[0], low + around[1]
    # The smooth level is early and late by 20 ms; the plain one says where the sound is.
    sounding = np.flatnonzero(shape.level_db[start:end] >= gate)
    if not len(sounding):  # what is loud lies beyond low..high, in the neighbour's span
        return start, end
    return start + int(sounding[0]), start + int(sounding[-1]) + 1
