"""From an item of a source to the clips that a bank keeps: read, cut, clean, measure, find occurrences.

recordings of sounds    TFJP (`audio.tfjp.prepare`)
recordings of speech    trimmed at both ends
music and noise beds    trimmed at both ends
what we make ourselves  (procedural sounds, spoken texts) is clean and is kept as it was made
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np
import soxr
from msgspec import Meta
from numpy.typing import NDArray

from soundflow_data.audio import levels, tfjp
from soundflow_data.audio.bursts import bursts, recognisable
from soundflow_data.audio.decode import decode, to_int16
from soundflow_data.bank.clip import Clip
from soundflow_data.bank.occurrence import one_occurrence
from soundflow_data.bank.source import Dropped, Encoded, File, Procedural, Samples, SourceItem, Spoken, Unusable
from soundflow_data.errors import AudioError, SpeechError
from soundflow_data.ontology import SoundLabel, load_ontology
from soundflow_data.speech.engine import Voice
from soundflow_data.speech.espeak import EspeakEngine
from soundflow_data.speech.spoken_form import spoken_form
from soundflow_data.speech.voices import load_voices
from soundflow_data.timeline import SAMPLE_RATE, Kind, Word

PREPARATION: Final = 1  # raise it when clips come out differently, so that banks are built again
MIN_BED: Final = SAMPLE_RATE  # a shorter bed leaves no room for the crossfades of its tiles
MIN_PEAK: Final = 33  # -60 dBFS; a fainter recording is its own noise
DEFAULT_RECOGNISE_S: Final = 1.0  # for labels that the ontology does not have
_WORD_SLACK: Final = SAMPLE_RATE // 20  # word times of other corpora may pass the end by rounding

Pcm = NDArray[np.int16]


class Preparation(msgspec.Struct, frozen=True, kw_only=True):
    """How clips are prepared.

    Attributes:
        max_clip_s: Longer recordings of sounds and speech are cut.
        max_bed_s: Longer music and noise beds are cut.
        speed: How fast recordings are played. Pitch and resonances change with it, so that a speaker sounds like
            another one and counts as one, after Ko et al. 2015, "Audio augmentation for speech recognition".
    """

    max_clip_s: Annotated[float, Meta(gt=0)] = 30.0
    max_bed_s: Annotated[float, Meta(gt=0)] = 120.0
    speed: Annotated[float, Meta(ge=0.5, le=2.0)] = 1.0


class PreparedClip(msgspec.Struct, frozen=True, kw_only=True):
    """A clip that is ready to be written; `row`, `part` and `start` of its description are not known yet."""

    clip: Clip
    pcm: Pcm


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one item: its clips, or why there are none; `cut` says whether it was too long."""

    clips: tuple[PreparedClip, ...] = ()
    dropped: Dropped | None = None
    cut: bool = False


def prepare_chunk(items: Sequence[SourceItem], preparation: Preparation) -> list[Outcome]:
    """Prepares items; one that cannot be used takes the rest of its dialogue with it."""
    outcomes = [prepare_item(item, preparation) for item in items]
    broken = {
        item.dialogue: item.id
        for item, outcome in zip(reversed(items), reversed(outcomes), strict=True)
        if item.dialogue and outcome.dropped
    }
    return [
        _incomplete(item, broken[item.dialogue]) if item.dialogue in broken and not outcome.dropped else outcome
        for item, outcome in zip(items, outcomes, strict=True)
    ]


def prepare_item(item: SourceItem, preparation: Preparation) -> Outcome:
    """Reads and prepares one item; whatever is wrong with it becomes a counted reason."""
    try:
        return _prepare(item, preparation)
    except AudioError as error:
        return Outcome(dropped=_dropped(item, error.reason, str(error)))
    except SpeechError as error:
        return Outcome(dropped=_dropped(item, "cannot be spoken", str(error)))


class _Recording(msgspec.Struct, frozen=True, kw_only=True):
    """An item that was read: samples, digest of where they came from, and what reading told about it."""

    pcm: Pcm
    sha256: str
    words: tuple[Word, ...] = ()
    cut: bool = False
    ours: bool = False
    single: bool = False  # one occurrence by construction
    voice: Voice | None = None


def _prepare(item: SourceItem, preparation: Preparation) -> Outcome:
    label = load_ontology().canonical(item.label) or item.label
    entry = load_ontology().get(label)
    kind: Kind = "music" if item.kind == "sound" and entry is not None and entry.kind == "music" else item.kind
    seconds = preparation.max_bed_s if kind in {"noise", "music"} else preparation.max_clip_s
    recording = _read(item, round(seconds * SAMPLE_RATE))
    if recording.cut and kind == "speech" and item.text:
        raise AudioError(
            f"{item.id}: longer than {seconds:g} s, and a part of it would not be what its text says; divide it, or "
            "raise max_clip_s",
            reason="too long for its text",
        )
    if preparation.speed != 1.0:
        item, recording = _at_speed(item, recording, preparation.speed)
    pcm, words = _cleaned(item, kind, recording)
    _check_usable(item, kind, pcm)
    occurrences = 1 if recording.single else _count(kind, entry, pcm)
    clip = _describe(item, kind, label, entry, recording, pcm, words, occurrences)
    clips = [PreparedClip(clip=clip, pcm=pcm)]
    if kind == "sound" and entry is not None and entry.countable and occurrences > 1:
        one = one_occurrence(pcm)
        if one is not None:
            extra = _describe(item, kind, label, entry, recording, one, (), 1)
            clips.append(PreparedClip(clip=msgspec.structs.replace(extra, id=f"{item.id}-one"), pcm=one))
    return Outcome(clips=tuple(clips), cut=recording.cut)


# -- reading -----------------------------------------------------------------------------------------------------------


def _read(item: SourceItem, most: int) -> _Recording:
    """Reads an item's audio, at most `most` samples of it."""
    match item.audio:
        case File():
            return _read_file(item, item.audio, most)
        case Encoded():
            return _read_encoded(item, item.audio, most)
        case Procedural():
            return _synthesized(item.audio, most)
        case Spoken():
            return _spoken(item, item.audio)
        case Samples():
            pcm = np.ascontiguousarray(item.audio.pcm, np.int16)
            if not len(pcm):
                raise AudioError(f"{item.id}: has no samples; leave it out", reason="empty")
            return _Recording(pcm=pcm[:most], sha256=_digest(pcm), words=item.words, cut=len(pcm) > most)
        case Unusable():
            raise AudioError(item.audio.message, reason=item.audio.reason)


def _read_file(item: SourceItem, audio: File, most: int) -> _Recording:
    # One sample more than wanted tells a longer recording from one that fits, and an hour is never held in memory.
    stop_s = audio.start_s + (most + 1) / SAMPLE_RATE
    if audio.end_s is not None:
        stop_s = min(stop_s, audio.end_s)
    pcm = decode(audio.path, start_s=audio.start_s, stop_s=stop_s, allow_silent=False, name=item.path)
    try:
        digest = _file_digest(audio.path)
    except OSError as error:
        raise AudioError(f"{item.path}: cannot be read again ({error.strerror})", reason="unreadable") from error
    return _Recording(pcm=pcm[:most], sha256=digest, words=item.words, cut=len(pcm) > most)


def _read_encoded(item: SourceItem, audio: Encoded, most: int) -> _Recording:
    stop_s = (most + 1) / SAMPLE_RATE
    pcm = decode(audio.data, stop_s=stop_s, allow_silent=False, name=item.path or item.id)
    digest = hashlib.sha256(audio.data).hexdigest()
    return _Recording(pcm=pcm[:most], sha256=digest, words=item.words, cut=len(pcm) > most)


def _synthesized(audio: Procedural, most: int) -> _Recording:
    # scipy takes half a second to import, and workers that read recordings do not need it.
    from soundflow_data.audio.procedural import KINDS, synthesize  # noqa: PLC0415

    pcm = to_int16(synthesize(audio.sound, seed=audio.seed, duration_s=audio.duration_s))
    single = KINDS[audio.sound].pattern == "occurrence"
    return _Recording(pcm=pcm[:most], sha256=_digest(pcm), cut=len(pcm) > most, ours=True, single=single)


def _spoken(item: SourceItem, audio: Spoken) -> _Recording:
    voice = _voices().get(audio.voice)
    if voice is None:
        raise SpeechError(f"{item.id}: no voice {audio.voice!r}; see manifests/voices.yaml")
    speech = EspeakEngine().speak(spoken_form(item.text, voice.language), voice)
    return _Recording(pcm=speech.pcm, sha256=_digest(speech.pcm), words=speech.words, ours=True, voice=voice)


@functools.cache
def _voices() -> dict[str, Voice]:
    return {voice.id: voice for voice in load_voices()}


def _digest(pcm: Pcm) -> str:
    return hashlib.sha256(pcm.astype("<i2").tobytes()).hexdigest()


@functools.lru_cache(maxsize=8)  # a table may list many spans of one file in a row
def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# -- playing faster or slower ------------------------------------------------------------------------------------------


def _at_speed(item: SourceItem, recording: _Recording, speed: float) -> tuple[SourceItem, _Recording]:
    """Returns an item and its recording as they are at another speed, with another speaker."""
    pcm = to_int16(soxr.resample(recording.pcm.astype(np.float32) / 32768, SAMPLE_RATE * speed, SAMPLE_RATE))
    words = tuple(
        msgspec.structs.replace(word, start=round(word.start / speed), end=round(word.end / speed))
        for word in recording.words
    )
    speaker = item.speaker or (recording.voice.id if recording.voice is not None else "")
    return (
        msgspec.structs.replace(item, speaker=f"{speaker}@{speed:g}" if speaker else ""),
        msgspec.structs.replace(recording, pcm=pcm, words=words),
    )


# -- preparing ---------------------------------------------------------------------------------------------------------


def _cleaned(item: SourceItem, kind: Kind, recording: _Recording) -> tuple[Pcm, tuple[Word, ...]]:
    """Cleans the recording as its kind asks; returns its samples and words."""
    if recording.ours:
        return recording.pcm, recording.words
    name = item.path or item.id
    if kind == "sound":
        return tfjp.prepare(recording.pcm, name=name).pcm, ()
    if kind == "speech":
        words = _checked_words(item, recording)
        prepared = tfjp.prepare_speech(recording.pcm, words, name=name)
        if not words and len(item.text.split()) == 1 and item.language != "zh":
            return prepared.pcm, (Word(text=item.text, start=0, end=len(prepared.pcm)),)
        return prepared.pcm, _shifted(words, prepared.start, len(prepared.pcm))
    return tfjp.prepare_bed(recording.pcm, name=name).pcm, ()


def _checked_words(item: SourceItem, recording: _Recording) -> tuple[Word, ...]:
    """Returns the words of a recording when their times can be true."""
    length = len(recording.pcm)
    edges = [edge for word in recording.words for edge in (word.start, word.end)]
    if edges and (edges != sorted(edges) or edges[0] < 0 or edges[-1] > length + _WORD_SLACK):
        raise AudioError(
            f"{item.id}: word times from {edges[0]} to {edges[-1]} are not in order within the {length} samples of the "
            "recording; correct or leave out its words",
            reason="bad word times",
        )
    return _shifted(recording.words, 0, length)


def _shifted(words: tuple[Word, ...], by: int, length: int) -> tuple[Word, ...]:
    return tuple(
        Word(text=word.text, start=min(max(0, word.start - by), length), end=min(max(0, word.end - by), length))
        for word in words
    )


def _check_usable(item: SourceItem, kind: Kind, pcm: Pcm) -> None:
    peak = levels.peak(pcm)
    if peak < MIN_PEAK:
        raise AudioError(f"{item.id}: its peak is {peak} of 32768, below {MIN_PEAK}; replace it", reason="too quiet")
    if kind == "noise" and len(pcm) < MIN_BED:
        raise AudioError(
            f"{item.id}: a bed of {len(pcm) / SAMPLE_RATE:.2f} s; it must have at least {MIN_BED / SAMPLE_RATE:g} s",
            reason="too short for a bed",
        )


def _count(kind: Kind, entry: SoundLabel | None, pcm: Pcm) -> int:
    """Counts occurrences; a sound that is known to go on has none."""
    return len(bursts(pcm)) if kind == "sound" and (entry is None or entry.countable) else 0


def _describe(
    item: SourceItem,
    kind: Kind,
    label: str,
    entry: SoundLabel | None,
    recording: _Recording,
    pcm: Pcm,
    words: tuple[Word, ...],
    occurrences: int,
) -> Clip:
    origin = item.origin or item.id
    voice = recording.voice
    return Clip(
        row=-1,
        id=item.id,
        kind=kind,
        num_samples=len(pcm),
        label=label,
        caption=item.caption,
        text=item.text,
        language=item.language or (voice.language if voice else ""),
        speaker=item.speaker or (voice.id if voice else ""),
        words=words,
        emotion=item.emotion,
        dialogue=item.dialogue,
        turn=item.turn,
        reply=item.reply,
        origin=origin,
        group=item.group or origin,
        fold=item.fold,
        corpus=item.corpus,
        licence=item.licence or (voice.licence if voice else ""),
        level_db=levels.rms_db(pcm),
        peak=levels.peak(pcm),
        recognisable=_recognisable(kind, entry, pcm, words),
        occurrences=occurrences,
        sha256=recording.sha256,
        path=item.path,
    )


def _recognisable(kind: Kind, entry: SoundLabel | None, pcm: Pcm, words: tuple[Word, ...]) -> int:
    if kind == "speech":
        return words[-1].end if words else len(pcm)
    seconds = entry.recognise_s if entry is not None else DEFAULT_RECOGNISE_S
    if kind == "noise":
        return min(len(pcm), round(seconds * SAMPLE_RATE))
    if entry is not None and not entry.countable:  # one beep of an alarm, one stone of hail: not known from it yet
        spans = bursts(pcm)
        return min(len(pcm), spans[0][0] + round(seconds * SAMPLE_RATE)) if spans else len(pcm)
    return recognisable(pcm, seconds)


def _dropped(item: SourceItem, reason: str, message: str) -> Dropped:
    return Dropped(id=item.id, path=item.path, reason=reason, message=message)


def _incomplete(item: SourceItem, culprit: str) -> Outcome:
    message = (
        f"{item.id}: utterance {culprit!r} of dialogue {item.dialogue!r} cannot be used, so the dialogue is left out"
    )
    return Outcome(dropped=_dropped(item, "dialogue incomplete", message))
