"""The nouns that everybody speaks: a timeline is the plan of one stream, written as data.

All times are integers: samples at 16 kHz, counted from the start of the stream. Ends are exclusive.

    track "user"    ......[ how many times does the dog bark? ]..................................
    track "sound"   ...............................................[ bark ]........[ bark ]......
    track "bed-0"   [ café ......><...... café ......><...... café ......><...... café ........]
    response                                                   ^            ^              ^
                                                               "I'll count."  "once"       "twice"

This module imports nothing else of ours, so that every other module may import it.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from soundflow_data.errors import TimelineError

SAMPLE_RATE: Final = 16_000
DEFAULT_CHUNK: Final = 6_400  # 0.4 s, the decision period of the published model

Role = Literal["foreground", "background", "ambient"]
Kind = Literal["speech", "sound", "music", "noise"]
SceneType = Literal["single", "scenario", "complex", "proactive"]

ROLE_GAIN_DB: Final[dict[str, float]] = {"foreground": 0.0, "background": -6.0, "ambient": -12.0}
NO_RESPONSE: Final = "<no need to response>"  # spelled as in the published StreamAudio items


class Word(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One spoken word: its text, first sample and exclusive last sample."""

    text: str
    start: int
    end: int


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something heard: a span of a clip, placed on a track.

    Attributes:
        track: Events of one track make one stem.
        kind: What the clip is.
        role: Loudness class; its gain is already part of `gain_db`.
        bank: Name of the bank, or of the speech engine that makes the clip again from `text` and `speaker`.
        clip: Id of the clip in that bank.
        onset: Where the event starts in the stream, in samples.
        num_samples: How long it lasts.
        clip_start: First sample used of the clip.
        gain_db: Gain from the clip's samples to the stream's, before the stream's own `gain_db`.
        fade_in: Length of the rise in samples; quarter of a sine, so that two crossed beds keep their power.
        fade_out: Length of the fall in samples.
        label: Ontology label of a sound.
        text: What is said, as written.
        words: Words with stream times.
        origin: The source recording; one origin is never in two splits.
        licence: Licence of the source recording.
        grounding: How the clip of a planned scene was found: `accepted`, `reprocessed` or `generated`; else empty.
    """

    track: str
    kind: Kind
    role: Role
    bank: str
    clip: str
    onset: int
    num_samples: int
    clip_start: int = 0
    gain_db: float = 0.0
    fade_in: int = 0
    fade_out: int = 0
    label: str = ""
    text: str = ""
    language: str = ""
    speaker: str = ""
    emotion: str = ""
    words: tuple[Word, ...] = ()
    corpus: str = ""
    origin: str = ""
    licence: str = ""
    grounding: str = ""

    @property
    def end(self) -> int:
        """First sample after the event."""
        return self.onset + self.num_samples


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """A structured response: the tool's name and its arguments."""

    name: str
    arguments: dict[str, Any]


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the assistant says.

    Attributes:
        text: The words.
        evidence: Exclusive end sample of what must have been heard before this can be known.
        due: Sample from which it is due; never before `evidence`, later for reminders and reactions.
        kind: What sort of response it is, such as `answer`, `count`, `transcript`, `warning`.
        events: Indices of the events that it rests on.
        run: Parts of one running answer (a transcript, an interpretation) carry the same number; only those may
            be joined in one chunk. -1 for a response of its own.
        num_samples: How long the assistant's voice would need for it.
        call: The tool call, when it is one.
    """

    text: str
    evidence: int
    due: int
    kind: str = "answer"
    language: str = "en"
    events: tuple[int, ...] = ()
    run: int = -1
    num_samples: int = 0
    call: ToolCall | None = None


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """A span after which the assistant keeps silent on purpose, and why (`look-alike`, `not addressed`, ...)."""

    start: int
    end: int
    reason: str
    events: tuple[int, ...] = ()


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One episode of a stream: what it trains, and from where to where it lasts.

    Parts follow one another without overlap; what happens at a moment belongs to the last part that has begun.
    """

    ability: str
    subtask: str
    start: int
    end: int


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """The planned scene that a stream plays in, and how its sounds were found.

    Attributes:
        place: Scene of the ontology, such as `kitchen`.
        title: One line for people.
        planner: Who planned it, such as `rules`.
        outcomes: How many of its sounds were `accepted`, `reprocessed`, `generated` or `left out`, and how many clips
            were rejected on the way (`rejected: <reason>`); sorted by name.
    """

    place: str
    title: str
    planner: str
    outcomes: dict[str, int]


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One round as StreamAudio items show it; a turn that stays silent has `NO_RESPONSE` as its assistant side."""

    user: str
    assistant: str
    emotion: str = ""
    scene_type: str = ""


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """The plan of one stream.

    Attributes:
        key: Unique over the corpus; characters `[0-9a-z_-]`.
        split: `train`, `validation` or another name of the recipe.
        ability: One of the seven families.
        subtask: The sub-task that composed it; in composites several joined by `+`, the leading one first.
        num_samples: Length of the stream, a whole number of chunks.
        chunk: Decision period in samples for which the length was padded.
        language: Language of the interaction, `en` or `zh`.
        instruction: Text that the model is given before the stream, when the instruction is not spoken.
        gain_db: Gain of the whole mix, so that it cannot clip.
        snr_db: Planned ratio of the foreground level to bed 0; None without beds.
        level_db: RMS level in dBFS to which foreground events are brought (before `gain_db`).
        parts: The episodes in order; several sub-tasks in composites.
        mixins: What a composite holds beside its episodes: `history_review`, `verified_silence`, `proactive`.
        setting: The planned scene of a scenario; None where nothing but the sub-tasks was planned.
    """

    key: str
    split: str
    ability: str
    subtask: str
    num_samples: int
    chunk: int = DEFAULT_CHUNK
    language: str = "en"
    scene_type: SceneType = "single"
    instruction: str = ""
    gain_db: float = 0.0
    snr_db: float | None = None
    level_db: float = -26.0
    events: tuple[Event, ...] = ()
    responses: tuple[Response, ...] = ()
    silences: tuple[Silence, ...] = ()
    turns: tuple[Turn, ...] = ()
    parts: tuple[Part, ...] = ()
    mixins: tuple[str, ...] = ()
    setting: Setting | None = None

    def part_at(self, sample: int) -> Part | None:
        """Returns the part to which a moment belongs: the last that began before it; None before the first."""
        return next((part for part in reversed(self.parts) if part.start < sample), None)

    @property
    def num_chunks(self) -> int:
        """Number of decisions."""
        return self.num_samples // self.chunk

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.num_samples / SAMPLE_RATE

    def check(self) -> None:
        """Raises TimelineError where the plan contradicts itself."""
        _check_frame(self)
        for i, event in enumerate(self.events):
            _check_event(self, i, event)
        for i, response in enumerate(self.responses):
            _check_response(self, i, response)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Timeline)


def to_json(timeline: Timeline) -> bytes:
    """Encodes a timeline; equal timelines give equal bytes."""
    return _encoder.encode(timeline)


def from_json(data: bytes | str) -> Timeline:
    """Decodes and checks a timeline.

    Raises:
        TimelineError: The JSON does not hold a timeline; the message names the place.
    """
    try:
        timeline = _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise TimelineError(f"not a timeline: {error}") from error
    timeline.check()
    return timeline


_KEY_CHARACTERS = frozenset("0123456789abcdefghijklmnopqrstuvwxyz_-")


def _check_frame(timeline: Timeline) -> None:
    key = timeline.key
    if not key or not _KEY_CHARACTERS.issuperset(key):
        raise TimelineError(f"stream {key!r}: a key has only the characters [0-9a-z_-]")
    if timeline.chunk <= 0 or timeline.num_samples <= 0 or timeline.num_samples % timeline.chunk:
        raise TimelineError(
            f"stream {key!r}: {timeline.num_samples} samples are not a whole number of {timeline.chunk}-sample chunks; "
            "pad the stream with its bed"
        )


def _check_event(timeline: Timeline, i: int, event: Event) -> None:
    where = f"stream {timeline.key!r}: event {i} ({event.label or event.text or event.clip!r})"
    if event.onset < 0 or event.num_samples <= 0 or event.clip_start < 0:
        raise TimelineError(
            f"{where} has onset {event.onset}, clip start {event.clip_start} and length {event.num_samples}; "
            "onset and clip start must be at least 0, the length at least 1"
        )
    if event.end > timeline.num_samples:
        raise TimelineError(
            f"{where} ends at sample {event.end}, past the end {timeline.num_samples}; shorten it or raise the length"
        )
    if event.fade_in + event.fade_out > event.num_samples or min(event.fade_in, event.fade_out) < 0:
        raise TimelineError(
            f"{where} has fades of {event.fade_in} and {event.fade_out} samples, more than its {event.num_samples}"
        )
    for word in event.words:
        if not event.onset <= word.start <= word.end <= event.end:
            raise TimelineError(
                f"{where}: word {word.text!r} at {word.start}..{word.end} lies outside {event.onset}..{event.end}"
            )


def _check_response(timeline: Timeline, i: int, response: Response) -> None:
    where = f"stream {timeline.key!r}: response {i} ({response.text!r})"
    if not response.text and response.call is None:
        raise TimelineError(f"{where} has neither text nor a tool call")
    if not 0 <= response.evidence <= response.due:
        raise TimelineError(
            f"{where} is due at sample {response.due}, before its evidence is complete at {response.evidence}"
        )
    if response.due > timeline.num_samples:
        raise TimelineError(
            f"{where} is due at sample {response.due}, past the end {timeline.num_samples}; raise the length"
        )
    for event in response.events:
        if not 0 <= event < len(timeline.events):
            raise TimelineError(f"{where} rests on event {event}, but there are {len(timeline.events)} events")
