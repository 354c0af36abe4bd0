r"""Clip preparation: TFJP, time-frequency joint preprocessing, as published for Audio-Interaction's SoundFlow.

    recorded   ..hiss..[bark]....hiss, 1.2 s....[bark]........hiss, 3 s........
    1 cut      ..hiss..[bark]..0.3 s..[bark]..                     silences inside are shortened, up to K = 3 times,
    2 subtract         [bark]         [bark]                       each followed by subtracting the noise
    3 span        |    [bark]         [bark]  |                    the densest span, snapped to half a chunk
    4 taper       /    [bark]         [bark]  \                    20 ms at both ends, so that a model hears no splice

The published description leaves two things open. A silence that is cut keeps its first and last 150 ms, because
occurrences that touch could no longer be told apart. And since every steady sound has quietest frames too, the
percentiles apply only as far as the quiet frames stand apart from the sound: an engine is left as it is.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from soundflow_data.audio import noise
from soundflow_data.audio.contour import LOWEST_DB, Contour, contour, runs
from soundflow_data.audio.levels import ENERGY_BLOCK, peak
from soundflow_data.audio.spectrum import spectral_entropy
from soundflow_data.errors import AudioError
from soundflow_data.timeline import DEFAULT_CHUNK, SAMPLE_RATE, Word

BLOCKS_PER_S: Final = SAMPLE_RATE // ENERGY_BLOCK
_SLACK: Final = 2  # blocks; a silence that was shortened may measure longer by its crossfade, and is not cut again
_STEP: Final = BLOCKS_PER_S // 10


class TfjpParams(msgspec.Struct, frozen=True, kw_only=True):
    """Constants of the algorithm; the defaults are the published ones where there are any.

    Attributes:
        iterations: K, the most rounds of cutting and subtracting.
        longest_silence_s: tau; a longer silence inside is shortened to it.
        gate_margin_db: A frame is silent below the noise floor (10th percentile of the frames) plus this ...
        gate_depth_db: ... and only when it is this far below the sound.
        quiet_share: Part of the frames, the quietest, that the noise spectrum is estimated from.
        coefficient: Of the subtraction.
        steady_db: When the sound stands out from the quiet frames by less, nothing is subtracted ...
        distinct_db: ... and from this much on, everything; between them, a part.
        snap: Grid of the span in samples.
        spare_share: The end moves down instead of up on the grid, past the end of the recording, when no more than this
            part of the information is lost; where it moves up, silence is added.
        kept_share: Part of the information (energy over spectral entropy) that the span holds.
        longest_s: No span is longer; the densest one of that length is taken.
        taper_s: Length of the tapers.
    """

    iterations: int = 3
    longest_silence_s: float = 0.3
    gate_margin_db: float = 10.0
    gate_depth_db: float = 35.0
    quiet_share: float = 0.05
    coefficient: float = 1.0
    steady_db: float = 12.0
    distinct_db: float = 20.0
    snap: int = DEFAULT_CHUNK // 2
    spare_share: float = 0.05
    kept_share: float = 0.999
    longest_s: float = 30.0
    taper_s: float = 0.02


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A clip that is ready for the bank.

    Attributes:
        pcm: int16 (num_samples,).
        start: Sample of the recording that the clip begins with.
        end: Sample of the recording after the clip's last one.
        iterations: Rounds that were made; 0 for speech and beds.
        removed_silence: Samples that were cut from silences between `start` and `end`.
        noise_reduction_db: By how much the noise floor fell.
    """

    pcm: NDArray[np.int16]
    start: int
    end: int
    iterations: int = 0
    removed_silence: int = 0
    noise_reduction_db: float = 0.0


DEFAULT_PARAMS: Final = TfjpParams()


def prepare(pcm: NDArray[np.int16], *, params: TfjpParams = DEFAULT_PARAMS, name: str = "clip") -> Prepared:
    """Prepares the recording of a sound; its length becomes a multiple of `params.snap`.

    Args:
        pcm: int16 (num_samples,) at 16 kHz.
        params: Constants.
        name: How messages call the recording.

    Raises:
        AudioError: There are no samples, or all are zero.
    """
    _check(pcm, name)
    clean, origin, rounds, reduction = _clean(pcm, params)
    start, end = _span(clean, params)
    span = clean[start:end]
    clip, cut = _cut_silences(span, contour(span), params)  # the last check; most often nothing is left to cut
    clip = _tapered(clip, params)
    kept = origin[start // ENERGY_BLOCK : -(-end // ENERGY_BLOCK)]
    first = int(kept[0]) * ENERGY_BLOCK
    last = min(len(pcm), (int(kept[-1]) + 1) * ENERGY_BLOCK)
    return Prepared(
        pcm=np.pad(clip, (0, -len(clip) % params.snap)),
        start=first,
        end=last,
        iterations=rounds,
        removed_silence=max(0, last - first - (end - start)) + len(cut) * ENERGY_BLOCK,
        noise_reduction_db=reduction,
    )


def prepare_speech(
    pcm: NDArray[np.int16],
    words: tuple[Word, ...] | None = None,
    *,
    params: TfjpParams = DEFAULT_PARAMS,
    name: str = "utterance",
) -> Prepared:
    """Trims the silence around speech and tapers the ends; no word moves against another.

    Subtract `start` from word times to have them in the clip.

    Args:
        pcm: int16 (num_samples,) at 16 kHz.
        words: Words with times in `pcm`, which are never trimmed away.
        params: Constants, of which those of gate and taper are used.
        name: How messages call the recording.

    Raises:
        AudioError: There are no samples, or all are zero.
    """
    _check(pcm, name)
    start, end = _sounding(pcm, params, margin=round(2.5 * params.taper_s * SAMPLE_RATE))
    if words:
        start = min(start, max(0, words[0].start - round(params.taper_s * SAMPLE_RATE)))
        end = max(end, min(len(pcm), words[-1].end + round(params.taper_s * SAMPLE_RATE)))
    return Prepared(pcm=_tapered(pcm[start:end], params), start=start, end=end)


def prepare_bed(pcm: NDArray[np.int16], *, params: TfjpParams = DEFAULT_PARAMS, name: str = "bed") -> Prepared:
    """Trims the silence at the ends of a noise bed and leaves the rest as recorded; tiling crossfades it.

    Args:
        pcm: int16 (num_samples,) at 16 kHz.
        params: Constants, of which those of the gate are used.
        name: How messages call the recording.

    Raises:
        AudioError: There are no samples, or all are zero.
    """
    _check(pcm, name)
    start, end = _sounding(pcm, params, margin=0)
    return Prepared(pcm=pcm[start:end].copy(), start=start, end=end)


def _check(pcm: NDArray[np.int16], name: str) -> None:
    if not len(pcm):
        raise AudioError(f"{name}: the recording has no samples; remove or replace it", reason="empty")
    if not peak(pcm):
        raise AudioError(f"{name}: all {len(pcm)} samples are zero; remove or replace the recording", reason="silent")


def _clean(pcm: NDArray[np.int16], params: TfjpParams) -> tuple[NDArray[np.int16], NDArray[np.intp], int, float]:
    """Cuts and subtracts until nothing changes.

    Returns:
        The samples; for each of their blocks the block of `pcm` that it came from; the rounds; the fall of the floor.
    """
    origin = np.arange(-(-len(pcm) // ENERGY_BLOCK))
    current, shape = pcm, contour(pcm)
    floor_db = shape.floor_db
    coefficient = _coefficient(shape, params)  # once: what is left of a noise would seem to stand apart more and more
    rounds, stable = 0, False
    while rounds < params.iterations and not stable:
        rounds += 1
        shorter, cut = _cut_silences(current, shape, params)
        origin = np.delete(origin, cut)
        current = _without_noise(shorter, contour(shorter) if len(cut) else shape, coefficient, params)
        stable = not len(cut) and _alike(shorter, current)
        shape = contour(current)
    return current, origin, rounds, round(max(0.0, floor_db - shape.floor_db), 1)


def _alike(before: NDArray[np.int16], after: NDArray[np.int16]) -> bool:
    """Whether the difference is 50 dB below the sound."""
    difference = after.astype(np.float64) - before
    return float(np.sum(difference**2)) <= 1e-5 * float(np.sum(before.astype(np.float64) ** 2))


def _gate(shape: Contour, params: TfjpParams) -> float:
    return min(shape.floor_db + params.gate_margin_db, shape.active_db - params.gate_depth_db)


def _silent(shape: Contour, params: TfjpParams) -> NDArray[np.bool_]:
    """Returns bool (num_blocks,): where 50 ms are silent, up to the blocks that are not; digital silence always is."""
    gate = max(_gate(shape, params), LOWEST_DB + 1e-6)
    core = shape.smooth_db < gate
    near = core.copy()
    for shift in range(1, 3):
        near[shift:] |= core[:-shift]
        near[:-shift] |= core[shift:]
    return near & (shape.level_db < gate)


def _cut_silences(
    pcm: NDArray[np.int16], shape: Contour, params: TfjpParams
) -> tuple[NDArray[np.int16], NDArray[np.intp]]:
    """Shortens each silence inside; returns the samples and the indices of the blocks that are gone."""
    longest = round(params.longest_silence_s * BLOCKS_PER_S)
    silent = _silent(shape, params)
    pieces: list[NDArray[np.int16]] = []
    gone: list[NDArray[np.intp]] = []
    at = 0
    for start, end in runs(silent):
        if start == 0 or end == len(silent) or end - start <= longest + _SLACK:
            continue
        head = start + (longest + 1) // 2
        tail = head + (end - start - longest)  # blocks head..tail go; the block at tail is crossfaded with that at head
        pieces.append(pcm[at * ENERGY_BLOCK : head * ENERGY_BLOCK])
        pieces.append(_crossfade(pcm, head * ENERGY_BLOCK, tail * ENERGY_BLOCK))
        gone.append(np.arange(head, tail))
        at = tail + 1
    if not gone:
        return pcm, np.zeros(0, np.intp)
    return np.concatenate([*pieces, pcm[at * ENERGY_BLOCK :]]), np.concatenate(gone)


def _crossfade(pcm: NDArray[np.int16], out: int, into: int) -> NDArray[np.int16]:
    """Returns one block that goes from what is at sample `out` to what is at sample `into`."""
    rise = np.sin((np.arange(ENERGY_BLOCK) + 0.5) * (np.pi / 2 / ENERGY_BLOCK))
    mixed = pcm[out : out + ENERGY_BLOCK] * rise[::-1] + pcm[into : into + ENERGY_BLOCK] * rise
    return np.clip(np.rint(mixed), -32768, 32767).astype(np.int16)


def _coefficient(shape: Contour, params: TfjpParams) -> float:
    """Returns how much of the noise to subtract, by how far the sound stands apart from the quiet frames."""
    quiet = _quiet_blocks(shape, params)
    if not len(quiet):
        return 0.0
    quiet_db = 10.0 * np.log10(np.mean(10.0 ** (shape.smooth_db[quiet] / 10)))  # of the mean power, as it is subtracted
    stands_out = min(shape.active_db - float(quiet_db), _steepest(shape))
    part = (stands_out - params.steady_db) / (params.distinct_db - params.steady_db)
    return params.coefficient * min(1.0, max(0.0, part))


def _without_noise(pcm: NDArray[np.int16], shape: Contour, coefficient: float, params: TfjpParams) -> NDArray[np.int16]:
    """Subtracts the spectrum of the quietest frames."""
    quiet = _quiet_blocks(shape, params)
    if not coefficient or not len(quiet) or len(pcm) < 2 * noise.WINDOW:
        return pcm
    return noise.subtract(pcm, noise.noise_power(pcm, quiet), coefficient)


def _quiet_blocks(shape: Contour, params: TfjpParams) -> NDArray[np.intp]:
    """Returns the indices of the quietest blocks, in order; digital silence tells nothing about a noise."""
    sounding = np.flatnonzero(shape.smooth_db > LOWEST_DB)
    count = min(len(sounding), max(1, round(params.quiet_share * len(sounding))))
    return np.sort(sounding[np.argsort(shape.smooth_db[sounding], kind="stable")[:count]])


def _steepest(shape: Contour) -> float:
    """Returns by how many dB the level rises or falls at most within 0.1 s, to and from digital silence left out.

    What is quiet in a sound that comes slowly nearer, or in an engine that slows down, is the sound itself and not a
    noise behind it.
    """
    before, after = shape.smooth_db[:-_STEP], shape.smooth_db[_STEP:]
    steps = np.abs(after - before)[(before > LOWEST_DB) & (after > LOWEST_DB)]
    return float(steps.max()) if len(steps) else 0.0


def _span(pcm: NDArray[np.int16], params: TfjpParams) -> tuple[int, int]:
    """Returns the densest informative span in samples, on the grid where the clip does not end before it."""
    shape = contour(pcm)
    threshold = 10.0 ** (_gate(shape, params) / 10)
    excess = np.maximum(0.0, 10.0 ** (shape.smooth_db / 10) - threshold)
    information = np.cumsum(np.concatenate([[0.0], excess / (spectral_entropy(pcm) + 0.1)]))
    most = max(1, int(params.longest_s * BLOCKS_PER_S))
    begin, stop = 0, len(excess)
    if stop > most:
        begin = int(np.argmax(information[most:] - information[:-most]))
        stop = begin + most
    first, last = _shortest(information[begin : stop + 1], params.kept_share)
    margin = round(params.taper_s * SAMPLE_RATE)
    start = max(0, (begin + first) * ENERGY_BLOCK - margin) // params.snap * params.snap
    end = -(-((begin + last) * ENERGY_BLOCK + margin) // params.snap) * params.snap
    if end > len(pcm):
        lower = len(pcm) // params.snap * params.snap
        lost = information[-1] - information[lower // ENERGY_BLOCK]
        end = lower if lower > start and lost <= params.spare_share * information[-1] else len(pcm)
    return start, min(end, start + most * ENERGY_BLOCK)


def _shortest(information: NDArray[np.float64], share: float) -> tuple[int, int]:
    """Returns the shortest (start, end) that holds the given share of cumulative information."""
    wanted = share * (information[-1] - information[0])
    ends = np.searchsorted(information, information + wanted)
    lengths = np.where(ends < len(information), ends - np.arange(len(ends)), len(ends))
    start = int(np.argmin(lengths))
    return start, max(start + 1, min(int(ends[start]), len(information) - 1))


def _sounding(pcm: NDArray[np.int16], params: TfjpParams, margin: int) -> tuple[int, int]:
    """Returns the span between the silences at both ends, with a margin, in samples."""
    loud = np.flatnonzero(~_silent(contour(pcm), params))
    if not len(loud):
        return 0, len(pcm)
    start = max(0, int(loud[0]) * ENERGY_BLOCK - margin)
    return start, min(len(pcm), (int(loud[-1]) + 1) * ENERGY_BLOCK + margin)


def _tapered(pcm: NDArray[np.int16], params: TfjpParams) -> NDArray[np.int16]:
    """Returns a copy that rises and falls along half a Hann window."""
    length = min(round(params.taper_s * SAMPLE_RATE), len(pcm) // 2)
    rise = length // 40 if _begins_with_attack(pcm, length) else length
    result = pcm.copy()
    result[:rise] = np.rint(pcm[:rise] * _hann_rise(rise))
    result[len(pcm) - length :] = np.rint(pcm[len(pcm) - length :] * _hann_rise(length)[::-1])
    return result


def _begins_with_attack(pcm: NDArray[np.int16], length: int) -> bool:
    """Whether the first samples are a stroke, which a taper would take away: 6 dB above the 100 ms behind them."""
    start = pcm[:length].astype(np.float64)
    behind = pcm[length : length + SAMPLE_RATE // 10].astype(np.float64)
    return length > 0 and len(behind) > 0 and bool(np.mean(start**2) > 4.0 * np.mean(behind**2))


def _hann_rise(length: int) -> NDArray[np.float64]:
    return 0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / max(1, length))
