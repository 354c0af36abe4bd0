"""What makes an alignment broken: a forced aligner always answers, also for a text that nobody said.

    text      the    quick     brown fox
    found     |---|  |-----|   |--|  |-|        each word inside the audio, after the one before it, with a score
    pcm    ....~~~~~~~~~~~~~~~~~~~~~~~~~....

The rules know nothing of models. They get what a model found for every word and give the words with their times, or one
`SpeechError` whose `reason` can be counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from soundflow_data.errors import SpeechError
from soundflow_data.speech.engine import LANGUAGES
from soundflow_data.speech.proof import Alignment, Spoken
from soundflow_data.speech.segments import excerpt
from soundflow_data.timeline import SAMPLE_RATE, Word

NO_TEXT: Final = "no text"
NO_MODEL: Final = "no model for the language"
SILENT: Final = "silent audio"
TOO_SHORT: Final = "audio too short"
TOO_LONG: Final = "audio too long"
MISSING: Final = "words missing"
DISORDER: Final = "words out of order"
OUTSIDE: Final = "times outside the audio"
SQUEEZED: Final = "words squeezed"
STRETCHED: Final = "word stretched"
LOW_SCORE: Final = "low score"

# With a small model that knows the voices, 95 of 100 texts that were said score above 0.53, and 80 of 100 that were not
# below 0.3 (`python -m benchmarks align`). Models differ, so it is an option.
MIN_SCORE: Final = 0.3
# Frames of a model are 20 ms, so the last one may reach past the audio by less than that.
EDGE: Final = SAMPLE_RATE // 50
# Nobody says four words in 160 ms: a model that puts them there has not heard them.
FEW_WORDS: Final = 4
SHORTEST_FEW: Final = 2_560
# The slowest long word lasts two seconds; a longer one covers speech that is not in the text.
LONGEST_WORD: Final = 3 * SAMPLE_RATE
# 16 steps of int16 are -66 dBFS, under the noise of any recording.
SILENCE_PEAK: Final = 16
_FRAME: Final = 160  # 10 ms, over which loudness is measured
_QUIET_DB: Final = -45.0  # under the loudest frame; pauses of a synthetic voice are below, the softest consonants above


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Where a model found a word, in samples, and how sure it is, 0 to 1."""

    start: float
    end: float
    score: float


def audio_problem(item: Spoken) -> SpeechError | None:
    """Returns why nothing can be heard in an utterance, None when something can."""
    if not len(item.pcm):
        return SpeechError(f"the audio of {excerpt(item.text)} is empty; make or record it again", reason=TOO_SHORT)
    peak = max(int(item.pcm.max()), -int(item.pcm.min()))
    if peak <= SILENCE_PEAK:
        return SpeechError(
            f"the audio of {excerpt(item.text)} is silent: its peak is {peak} of 32767; make or record it again",
            reason=SILENT,
        )
    return None


def text_problem(item: Spoken, words: Sequence[str]) -> SpeechError | None:
    """Returns why a text has nothing to be aligned, None when it has."""
    if words:
        return None
    return SpeechError(f"{excerpt(item.text)} has no words in {item.language!r}; leave it out", reason=NO_TEXT)


def language_problem(item: Spoken, languages: Sequence[str], *, user: str) -> SpeechError | None:
    """Returns why an utterance's language cannot be handled, None when it can."""
    if item.language in languages:
        return None
    allowed = ", ".join(languages)
    more = f"set the option {item.language}" if item.language in LANGUAGES else "leave it out"
    return SpeechError(
        f"{excerpt(item.text)}: {user} has no model for {item.language!r}, only for {allowed}; {more}", reason=NO_MODEL
    )


def conclude(
    item: Spoken, words: Sequence[str], found: Sequence[Found | None], *, min_score: float = MIN_SCORE
) -> Alignment | SpeechError:
    """Decides whether what was found is an alignment.

    Args:
        item: The utterance.
        words: Its words.
        found: For each word where it was found; None where it was not.
        min_score: Least mean score of the words.

    Returns:
        The words with integer times, each ending where its sound ends; or the first rule that is broken.
    """
    assert len(words) == len(found)
    missing = [word for word, one in zip(words, found, strict=True) if one is None]
    if missing:
        return _broken(item, MISSING, f"{len(missing)} of {len(words)} words not found, first {missing[0]!r}")
    places = [one for one in found if one is not None]
    problem = _order_problem(item, words, places) or _place_problem(item, words, places)
    if problem is not None:
        return problem
    scores = tuple([round(min(max(one.score, 0.0), 1.0), 3) for one in places])
    mean = sum(scores) / len(scores)
    if not mean >= min_score:
        return _broken(item, LOW_SCORE, f"mean score {mean:.2f} is below {min_score:.2f}")
    spans = _integer_spans(places, len(item.pcm))
    ends = _audible_ends(item.pcm, spans)
    timed = [Word(text=word, start=start, end=end) for word, (start, _), end in zip(words, spans, ends, strict=True)]
    return _speed_problem(item, timed) or Alignment(words=tuple(timed), scores=scores)


def _order_problem(item: Spoken, words: Sequence[str], places: Sequence[Found]) -> SpeechError | None:
    for i, one in enumerate(places):
        if not one.start < one.end:
            return _broken(
                item, DISORDER, f"word {words[i]!r} ends at {one.end:.0f}, not after its start {one.start:.0f}"
            )
        if i and one.start < places[i - 1].end - EDGE:
            return _broken(
                item,
                DISORDER,
                f"word {words[i]!r} starts at {one.start:.0f}, before the last ends, {places[i - 1].end:.0f}",
            )
    return None


def _place_problem(item: Spoken, words: Sequence[str], places: Sequence[Found]) -> SpeechError | None:
    for word, one in zip(words, places, strict=True):
        if one.start < 0 or one.end > len(item.pcm) + EDGE or one.start >= len(item.pcm):
            return _broken(
                item, OUTSIDE, f"word {word!r} at {one.start:.0f} to {one.end:.0f} of {len(item.pcm)} samples"
            )
    return None


def _speed_problem(item: Spoken, words: Sequence[Word]) -> SpeechError | None:
    for word in words:
        if word.end - word.start > LONGEST_WORD:
            lasts = (word.end - word.start) / SAMPLE_RATE
            return _broken(item, STRETCHED, f"word {word.text!r} would last {lasts:.1f} s; the text lacks words")
    for i in range(len(words) - FEW_WORDS + 1):
        few = words[i : i + FEW_WORDS]
        if few[-1].end - few[0].start < SHORTEST_FEW:
            lasts = (few[-1].end - few[0].start) * 1000 // SAMPLE_RATE
            return _broken(
                item, SQUEEZED, f"{FEW_WORDS} words from {few[0].text!r} on in {lasts} ms; the audio lacks words"
            )
    return None


def _broken(item: Spoken, reason: str, detail: str) -> SpeechError:
    return SpeechError(f"alignment of {excerpt(item.text)} is broken, {reason}: {detail}", reason=reason)


def _integer_spans(places: Sequence[Found], num_samples: int) -> list[tuple[int, int]]:
    """Rounds times and lets no word begin before the last one ends, nor last less than a sample."""
    spans: list[tuple[int, int]] = []
    last = 0
    for i, one in enumerate(places):
        room = num_samples - (len(places) - i)
        start = min(max(round(one.start), last), room)
        end = min(max(round(one.end), start + 1), room + 1)
        spans.append((start, end))
        last = end
    return spans


def _audible_ends(pcm: NDArray[np.int16], spans: Sequence[tuple[int, int]]) -> list[int]:
    """Returns for each word where its sound ends.

    A CTC model says when a word begins; the pause after it belongs to no letter, and often to the word before. An end
    in silence moves back to the last frame that is not quiet; a word that is quiet throughout keeps its end.
    """
    frames = -(-len(pcm) // _FRAME)
    padded = np.zeros(frames * _FRAME, np.float32)
    padded[: len(pcm)] = pcm
    power = np.square(padded.reshape(frames, _FRAME)).mean(axis=1)
    audible = np.flatnonzero(power > power.max() * 10 ** (_QUIET_DB / 10))
    ends = []
    for start, end in spans:
        place = int(np.searchsorted(audible, -(-end // _FRAME))) - 1
        stop = (int(audible[place]) + 1) * _FRAME if place >= 0 else 0
        ends.append(min(end, stop) if stop > start else end)
    return ends
