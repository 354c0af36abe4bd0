"""What has been placed in a stream so far: events with their gains, responses, and whose turn it is.

`Scene` is what sub-tasks see; this is what it keeps.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Protocol

import msgspec

from soundflow_data.bank import Bank, Clip
from soundflow_data.company import Company
from soundflow_data.dice import Dice
from soundflow_data.excerpt import Excerpt, beginning, draw_excerpt
from soundflow_data.library import Library
from soundflow_data.scenery import Scenery
from soundflow_data.speech import Voice, estimate_num_samples
from soundflow_data.targets import earliest_chunk
from soundflow_data.timeline import (
    ROLE_GAIN_DB,
    SAMPLE_RATE,
    Event,
    Kind,
    Part,
    Response,
    Role,
    Silence,
    ToolCall,
    Word,
)

MAX_PEAK_OVER_LEVEL_DB = 20.0  # a click is loud by its peak: its RMS is not raised to that of speech
CUT_FADE = SAMPLE_RATE // 50  # 20 ms, where a clip is cut short
ASSISTANT_RATE_WPM = 170  # how fast the assistant's own voice is taken to speak


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was placed on the scene; times are samples of the stream, ends exclusive.

    Attributes:
        event: Index of the event.
        start: First sample.
        end: First sample after it.
        recognisable: Moment from which a careful listener knows what it is.
        words: Words with stream times, of speech.
        text: What is said.
        label: Which sound it is.
        reply: The assistant's side of a recorded dialogue turn.
    """

    event: int
    start: int
    end: int
    recognisable: int
    words: tuple[Word, ...] = ()
    text: str = ""
    label: str = ""
    language: str = ""
    reply: str = ""


class Rewriter(Protocol):
    """Words texts anew; see `soundflow_data.scenario.chat_rewriter`."""

    def rewrite(self, text: str, *, language: str, dice: Dice, keep: Sequence[str] = ()) -> str:
        """Returns a wording of a text in which everything of `keep` stands as it is."""
        ...


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """How far a scene was written at some moment."""

    events: int
    responses: int
    silences: int
    parts: int
    clock: tuple[int, int, int, int]
    labels_in_use: frozenset[str]
    promised: frozenset[str]
    company: tuple[frozenset[str], frozenset[str]]
    instruction: str
    finished: bool


class Stage:
    """The state of one stream while it is being written.

    Args:
        library: Material of the stream's split.
        dice: The stream's own randomness.
        language: Language of the interaction.
        chunk: Decision period in samples.
        level_db: RMS level of foreground events in dBFS.
        limit: Length in samples that the stream should not exceed.
    """

    def __init__(self, *, library: Library, dice: Dice, language: str, chunk: int, level_db: float, limit: int) -> None:
        self.library = library
        self.dice = dice
        self.language = language
        self.episode = 0
        self.finished = False
        self.instruction = ""
        self.events: list[Event] = []
        self.peaks: list[float] = []  # of each event after its gain, full scale 1.0
        self.responses: list[Response] = []
        self.silences: list[Silence] = []
        self.parts: list[Part] = []
        self.labels_in_use: set[str] = set()
        self.mixed = False  # whether several sub-tasks share the stream
        self.limit = limit
        self.scenery: Scenery | None = None
        self.rewriter: Rewriter | None = None  # of what users say in this episode
        self.company = Company(library.relations)
        self._promised: set[str] = set()
        self._part_start = 0
        self._chunk = chunk
        self._level_db = level_db
        self._cursor = 0
        self._busy_until = 0
        self._runs = 0
        self._voices: dict[tuple[str, str], Voice] = {}

    @property
    def end(self) -> int:
        """First sample after everything that was placed, room for the last response included."""
        last = max((event.end for event in self.events), default=0)
        due = max((earliest_chunk(response.due, self._chunk) + 2 for response in self.responses), default=0)
        return max(last, due * self._chunk)

    def mark(self) -> Mark:
        """Notes how far the scene is written, for `rewind`."""
        return Mark(
            events=len(self.events),
            responses=len(self.responses),
            silences=len(self.silences),
            parts=len(self.parts),
            clock=(self._cursor, self._busy_until, self._runs, self._part_start),
            labels_in_use=frozenset(self.labels_in_use),
            promised=frozenset(self._promised),
            company=self.company.mark(),
            instruction=self.instruction,
            finished=self.finished,
        )

    def rewind(self, mark: Mark) -> None:
        """Takes back everything that was written since a mark; what was drawn stays drawn."""
        del self.events[mark.events :], self.peaks[mark.events :], self.responses[mark.responses :]
        del self.silences[mark.silences :], self.parts[mark.parts :]
        self._cursor, self._busy_until, self._runs, self._part_start = mark.clock
        self.labels_in_use, self._promised = set(mark.labels_in_use), set(mark.promised)
        self.company.rewind(mark.company)
        self.instruction, self.finished = mark.instruction, mark.finished

    def begin_part(self) -> None:
        """Lets an episode start at the cursor."""
        self._part_start = max(self._cursor, self._busy_until)

    def end_part(self, *, ability: str, subtask: str) -> None:
        """Notes the episode that began last."""
        self.parts.append(Part(ability=ability, subtask=subtask, start=self._part_start, end=self.end))

    def late(self, share: float) -> bool:
        """Tells whether more than a share of the time that the episode may take is gone."""
        return self._cursor - self._part_start > share * (self.limit - self._part_start)

    def place_behind(self, bank: Bank, row: int, *, role: Role, onset: int, num_samples: int) -> None:
        """Places an unplanned sound behind the scene; the cursor stays."""
        clip = bank.clip(row)
        event = event_of(bank.name, clip, track=role, role=role, onset=onset, num_samples=num_samples)
        cursor = self._cursor
        self._place(event, clip.level_db, clip.peak)
        self.company.hear(clip.label)
        self._cursor = cursor

    def _clip_of(self, label: str, single: bool, longest: int) -> tuple[str, Clip, Excerpt, str]:
        """Draws a clip of a sound: its bank, itself, which part of it to play, and how a planned scene found it."""
        taken = {event.clip for event in self.events} if self.scenery is not None else ()
        planned = self.scenery.clip_of(label, single=single, taken=taken) if self.scenery is not None else None
        if planned is not None and not (planned.clip.id in taken and self.library.has_clip(label, single=single)):
            excerpt = beginning(planned.clip, min(planned.num_samples, longest))
            return planned.bank, planned.clip, excerpt, planned.outcome
        bank, row = self.library.clip_of(label, self.dice, single=single)
        clip = bank.clip(row)
        entry = self.library.ontology.get(label)
        return bank.name, clip, draw_excerpt(bank, row, clip, longest, entry, self.dice), ""

    def _start(self, wait: bool) -> int:
        return max(self._cursor, self._busy_until) if wait else self._cursor

    def _place(self, event: Event, level_db: float, peak: int) -> None:
        target = self._level_db + ROLE_GAIN_DB[event.role]
        peak_db = _decibels(peak)
        gain_db = round(min(target - level_db, target + MAX_PEAK_OVER_LEVEL_DB - peak_db), 2)
        self.events.append(msgspec.structs.replace(event, gain_db=gain_db))
        self.peaks.append(10 ** ((peak_db + gain_db) / 20))
        self._cursor = event.end

    def _heard(self, *, recognisable: int, reply: str = "") -> Heard:
        event = self.events[-1]
        return Heard(
            event=len(self.events) - 1,
            start=event.onset,
            end=event.end,
            recognisable=recognisable,
            words=event.words,
            text=event.text,
            label=event.label,
            language=event.language,
            reply=reply,
        )

    def _replay(self, bank: Bank, row: int, speaker: str, wait: bool) -> Heard:
        clip = bank.clip(row)
        start = self._start(wait)
        event = event_of(bank.name, clip, track=speaker, role="foreground", onset=start, num_samples=clip.num_samples)
        self._place(event, clip.level_db, clip.peak)
        return self._heard(recognisable=event.end, reply=clip.reply)

    def _respond(
        self,
        text: str,
        evidence: int,
        on: Heard | Sequence[Heard],
        at: int | None,
        reaction_s: float,
        kind: str,
        language: str,
        call: ToolCall | None,
        run: int,
        waits: bool,
    ) -> Response:
        language = language or self.language
        due = max(evidence, evidence if at is None else at) + round(reaction_s * SAMPLE_RATE)
        group = (on,) if isinstance(on, Heard) else tuple(on)
        events = tuple(one.event for one in group) or ((len(self.events) - 1,) if self.events else ())
        spoken = estimate_num_samples(text, language, ASSISTANT_RATE_WPM) if waits else 0
        response = Response(
            text=text,
            evidence=evidence,
            due=due,
            kind=kind,
            language=language,
            events=events,
            run=run,
            num_samples=spoken,
            call=call,
        )
        self.responses.append(response)
        if waits:
            decided = (earliest_chunk(due, self._chunk) + 1) * self._chunk
            self._busy_until = max(self._busy_until, decided) + spoken
        return response

    def _next_run(self) -> int:
        self._runs += 1
        return self._runs - 1

    def _voice(self, speaker: str, language: str) -> Voice:
        key = (speaker, language)
        if key not in self._voices:
            taken = [voice.id for voice in self._voices.values()]
            if not self.num_free_voices(language):  # then two people share one, but nobody the user's
                taken = [voice.id for (name, _), voice in self._voices.items() if name == "user"]
            self._voices[key] = self.library.voice(language, self.dice, taken)
        return self._voices[key]

    def num_free_voices(self, language: str = "") -> int:
        """Returns how many voices of a language, by default the scene's, nobody has spoken with yet."""
        taken = {voice.id for voice in self._voices.values()}
        return sum(voice.id not in taken for voice in self.library.voices.get(language or self.language, ()))


def event_of(
    bank: str,
    clip: Clip,
    *,
    track: str,
    role: Role,
    onset: int,
    num_samples: int,
    clip_start: int = 0,
    grounding: str = "",
) -> Event:
    """Returns the event that plays a clip of a bank, or a part of it, without a gain yet."""
    kind: Kind = clip.kind
    return Event(
        track=track,
        kind=kind,
        role=role,
        bank=bank,
        clip=clip.id,
        onset=onset,
        num_samples=num_samples,
        clip_start=clip_start,
        fade_in=min(CUT_FADE, num_samples) if clip_start else 0,
        fade_out=min(CUT_FADE, num_samples) if clip_start + num_samples < clip.num_samples else 0,
        label=clip.label,
        text=clip.text,
        language=clip.language,
        speaker=clip.speaker,
        emotion=clip.emotion,
        words=shift(clip.words, onset) if num_samples == clip.num_samples else (),
        corpus=clip.corpus,
        origin=clip.origin,
        licence=clip.licence,
        grounding=grounding,
    )


def shift(words: Sequence[Word], onset: int) -> tuple[Word, ...]:
    """Moves words from the clock of their clip to that of the stream."""
    return tuple([Word(text=word.text, start=word.start + onset, end=word.end + onset) for word in words])


@functools.lru_cache(maxsize=4096)
def _decibels(peak: int) -> float:
    return 20 * math.log10(max(1, peak) / 32768)
