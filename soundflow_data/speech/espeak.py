"""The default engine: espeak-ng, which is small, fast, needs no weights, and knows when it says each word."""

from __future__ import annotations

import bisect
import functools
import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from soundflow_data.errors import SpeechError
from soundflow_data.speech.engine import Speech, Voice
from soundflow_data.speech.espeak_library import NATIVE_RATE, PHONEME, WORD, Library, Sound, load_library
from soundflow_data.speech.segments import Segments, excerpt, segment
from soundflow_data.timeline import SAMPLE_RATE, Word

MARGIN: Final = 320  # samples of silence before the first word and after the last; 20 ms
_NATIVE_MARGIN: Final = 441  # the same 20 ms at the native rate, so that resampling maps one onto the other
_REVISION: Final = 1  # changes with whatever this package changes in the bytes or the times

_RATES_WPM: Final = (80, 400)
_PERCENT: Final = (0, 99)
_CLIPPED: Final = 32_000  # native peak from which espeak's gain control may have acted

_FEW_UNITS: Final = 4
_SHORTEST_UNIT: Final = 1_100  # native samples, 50 ms, on average over a few units

_VOWEL = re.compile(rb"[',%=]*[AEIOUYaeiouy@]")  # how the names of vowels begin in the Mandarin phoneme table
_CODA: Final = (b"n", b"N")


class EspeakEngine:
    """Speaks English and Mandarin with word times that are exact to the sample."""

    @property
    def name(self) -> str:
        """What `Voice.engine` calls it."""
        return "espeak"

    @functools.cached_property
    def version(self) -> str:
        """Version of the library and of this module's processing."""
        return f"{load_library().version}-r{_REVISION}"

    def speak(self, text: str, voice: Voice) -> Speech:
        """Speaks a text that is in spoken form.

        Args:
            text: At most 2,000 characters.
            voice: With `engine` "espeak".

        Returns:
            The speech with `MARGIN` samples of silence on either side. A word begins with its first and ends with its
            last sample that is not silent; words that run into each other share their boundary. Words are those between
            spaces in English, single characters in Mandarin.

        Raises:
            SpeechError: The text or the voice cannot be spoken, or espeak is not installed.
        """
        _check_voice(voice)
        segments = segment(text, voice)
        sound = _synthesize(load_library(), segments, voice)
        audible = np.flatnonzero(sound.pcm)
        if not len(audible):
            raise SpeechError(f"voice {voice.id!r} makes no sound for {excerpt(text)}; leave the utterance out")
        _check_level(sound.pcm, text, voice)
        spans = _unit_spans(segments, sound, audible)
        first, stop = int(audible[0]), int(audible[-1]) + 1
        words = tuple(
            [
                Word(text=unit, start=_resampled(start - first) + MARGIN, end=_resampled(end - first) + MARGIN)
                for unit, (start, end) in zip(segments.units, spans, strict=True)
            ]
        )
        return Speech(pcm=_resample(sound.pcm[first:stop]), words=words)


def _check_voice(voice: Voice) -> None:
    if voice.engine != "espeak":
        raise SpeechError(f"voice {voice.id!r} belongs to engine {voice.engine!r}, not to espeak; use that engine")
    for key, value, (low, high) in (
        ("rate_wpm", voice.rate_wpm, _RATES_WPM),
        ("pitch", voice.pitch, _PERCENT),
        ("pitch_range", voice.pitch_range, _PERCENT),
    ):
        if not low <= value <= high:
            raise SpeechError(f"voice {voice.id!r}: {key} is {value}; espeak allows {low} to {high}")


def _synthesize(library: Library, segments: Segments, voice: Voice) -> Sound:
    return library.speak(
        segments.source,
        model=voice.model,
        variant=voice.variant,
        rate_wpm=voice.rate_wpm,
        pitch=voice.pitch,
        pitch_range=voice.pitch_range,
        phonemes=voice.language == "zh",
    )


def _check_level(pcm: NDArray[np.int16], text: str, voice: Voice) -> None:
    peak = max(int(pcm.max()), -int(pcm.min()))
    if peak >= _CLIPPED:
        raise SpeechError(
            f"voice {voice.id!r} overloads with {excerpt(text)}: its peak is {peak} of 32767; choose another variant"
        )


def _resample(pcm: NDArray[np.int16]) -> NDArray[np.int16]:
    # Through float32: soxr dithers int16 output with a seed taken from the clock.
    padded = np.zeros(len(pcm) + 2 * _NATIVE_MARGIN, np.float32)
    padded[_NATIVE_MARGIN:-_NATIVE_MARGIN] = pcm
    resampled = soxr.resample(padded, NATIVE_RATE, SAMPLE_RATE, quality="HQ")
    return np.clip(np.rint(resampled), -32_768, 32_767).astype(np.int16)


def _resampled(native: int) -> int:
    """Converts a time from the native rate, rounding half up."""
    return (2 * native * SAMPLE_RATE + NATIVE_RATE) // (2 * NATIVE_RATE)


def _unit_spans(segments: Segments, sound: Sound, audible: NDArray[np.intp]) -> list[tuple[int, int]]:
    """Returns the first and the exclusive last native sample of every unit.

    espeak marks a word before the pause that precedes it, so a word is trimmed to what is audible between its mark and
    the next. Units that share a mark (espeak's dictionaries hold short phrases) share the span.
    """
    marks = _first_marks(segments, sound)
    bounds = [0, *[sample for _, sample in marks[1:]], len(sound.pcm)]
    edges = np.searchsorted(audible, bounds).tolist()
    groups: list[tuple[int, int, int]] = []  # first unit, first sample, exclusive last sample
    for (unit, _), low, high in zip(marks, edges[:-1], edges[1:], strict=True):
        if low < high:  # what makes no sound belongs to the word before it
            groups.append((unit if groups else 0, int(audible[low]), int(audible[high - 1]) + 1))
    spans: list[tuple[int, int]] = []
    for i, (unit, start, end) in enumerate(groups):
        last = groups[i + 1][0] if i + 1 < len(groups) else len(segments.units)
        cuts = _divide(segments.units[unit:last], start, end, sound)
        spans += zip([start, *cuts], [*cuts, end], strict=True)
    _check_complete(segments, spans)
    return spans


def _check_complete(segments: Segments, spans: list[tuple[int, int]]) -> None:
    """Raises where espeak has dropped words, which shows as many words in no time."""
    for i in range(len(spans) - _FEW_UNITS + 1):
        start, end = spans[i][0], spans[i + _FEW_UNITS - 1][1]
        if end - start < _FEW_UNITS * _SHORTEST_UNIT:
            words = " ".join(segments.units[i : i + _FEW_UNITS])
            raise SpeechError(f"espeak lost its place at {excerpt(words)}; divide the text there, by punctuation")


def _first_marks(segments: Segments, sound: Sound) -> list[tuple[int, int]]:
    marks: list[tuple[int, int]] = []
    for kind, position, sample, _ in sound.events:
        if kind == WORD:
            unit = segments.owner[min(max(position, 0), len(segments.owner) - 1)]
            if not marks or unit > marks[-1][0]:
                marks.append((unit, sample))
    return marks or [(0, 0)]


def _divide(units: Sequence[str], start: int, end: int, sound: Sound) -> list[int]:
    """Returns the inner boundaries of units that espeak marked as one."""
    if len(units) == 1:
        return []
    onsets = [sample for sample in _syllable_onsets(sound, start, end) if start < sample < end]
    if len(onsets) == len(units) - 1:
        return onsets
    # Not syllable by syllable: by the letters' share, which is off by some tens of milliseconds.
    sizes = np.cumsum([max(sum(map(str.isalnum, unit)), 1) for unit in units])
    return [start + (end - start) * int(size) // int(sizes[-1]) for size in sizes[:-1]]


def _syllable_onsets(sound: Sound, start: int, end: int) -> list[int]:
    """Returns where each Mandarin syllable but the first begins between two samples.

    A syllable is consonants, one vowel, and n or ng; a single n between vowels opens the second syllable.
    """
    low = bisect.bisect_left(sound.events, start, key=lambda event: event[2])
    onsets: list[int] = []
    consonants: list[tuple[int, bytes]] | None = None  # since the last vowel; None before the first
    for kind, _, sample, name in sound.events[max(low - 2, 0) :]:
        if sample >= end:
            break
        if kind != PHONEME or sample < start or name.startswith(b"_"):
            continue
        if not _VOWEL.match(name):
            if consonants is not None:
                consonants.append((sample, name))
            continue
        if consonants is not None:
            closed = consonants and (consonants[0][1] == b"N" or (len(consonants) > 1 and consonants[0][1] in _CODA))
            opening = consonants[1:] if closed else consonants
            onsets.append(opening[0][0] if opening else sample)
        consonants = []
    return onsets
