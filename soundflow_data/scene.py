"""The stage on which a sub-task writes its episode: what happens, and when the assistant may know enough to speak.

A sub-task never computes chunk numbers, gains or file paths. Things happen one after the other at the scene's cursor:

    say(...)           pause       play(...)                  say(...)
    [ request      ]...........[ sound           ]............[ question ]
                   ^               ^ recognisable            ^ waits until the answer would have been spoken
                   evidence        evidence
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from soundflow_data.bank import Bank
from soundflow_data.errors import Drop, SubtaskError
from soundflow_data.library import Sound
from soundflow_data.ontology import load_proactive
from soundflow_data.phrases import draw, fill
from soundflow_data.speech import spoken_form
from soundflow_data.stage import Heard, Stage, event_of, shift
from soundflow_data.texts import load_texts
from soundflow_data.timeline import SAMPLE_RATE, Event, Response, Role, Silence, ToolCall

T = TypeVar("T")


class Scene(Stage):
    """One stream, as a sub-task writes on it; made by `compose`."""

    def __init__(self, **stage: Any) -> None:
        super().__init__(**stage)
        self._bases: dict[str, tuple[str, Mapping[str, object]]] = {}  # phrases with their slots still open

    # -- chance ------------------------------------------------------------------------------------------------------

    def integer(self, low: int, high: int) -> int:
        """Draws a whole number, both ends included."""
        return self.dice.integer(low, high)

    def chance(self, probability: float) -> bool:
        """Is true with the given probability."""
        return self.dice.chance(probability)

    def choice(self, items: Sequence[T]) -> T:
        """Draws one of the items."""
        return self.dice.choice(items)

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """Draws `count` different items in random order."""
        return self.dice.sample(items, count)

    def phrase(self, table: Mapping[str, Sequence[str]] | Sequence[str], **slots: object) -> str:
        """Draws a surface form from a table of templates (by language, or for any), see `soundflow_data.phrases`."""
        if isinstance(table, Mapping):
            try:
                table = table[self.language]
            except KeyError:
                raise SubtaskError(
                    f"a phrase table has {sorted(table)}, but the scene is in {self.language!r}"
                ) from None
        template = self.dice.choice(table)
        if self.rewriter is None:
            return _capital(draw(template, self.dice, **slots))
        base = draw(template, self.dice, **{name: f"{{{name}}}" for name in slots})
        text = _capital(fill(base, slots))
        self._bases[text] = (base, slots)
        return text

    def texts(self, name: str) -> Any:
        """Returns the table `recipes/texts/<name>.yaml`, the part of the scene's language where it is by language."""
        table = load_texts(name)
        return table[self.language] if isinstance(table, Mapping) and self.language in table else table

    @property
    def has_recordings(self) -> bool:
        """Whether the split has recorded speech with transcripts in the scene's language."""
        shelf = self.library.recordings.get(self.language)
        return shelf is not None and shelf.num_clips > 0

    @property
    def has_timed_recordings(self) -> bool:
        """Whether some of the split's recordings in the scene's language have a time for every word."""
        shelf = self.library.timed.get(self.language)
        return shelf is not None and shelf.num_clips > 0

    @property
    def has_sounds(self) -> bool:
        """Whether the split has sounds that nobody has to answer."""
        return bool(self.library.sounds(self.language, assistant="silent"))

    @property
    def has_dialogues(self) -> bool:
        """Whether the split has recorded dialogues in the scene's language."""
        return bool(self.library.dialogues.get(self.language))

    def has_translations(self, source: str, target: str) -> bool:
        """Whether the split has recorded speech in a language with its translation into another."""
        shelf = self.library.translated.get((source, target))
        return shelf is not None and shelf.num_clips > 0

    def num_voices(self, language: str = "") -> int:
        """Returns how many people of a language, by default the scene's, can be told apart by their voices."""
        return len(self.library.voices.get(language or self.language, ()))

    def offers(self, *labels: str) -> list[str]:
        """Returns which of these kinds of sound could be drawn now: the split has them and nothing promised forbids."""
        barred = self._barred()
        found = [sound for sound in self.library.sounds(self.language, labels=labels) if sound.label not in barred]
        return [sound.label for sound in (found if self.scenery is None else self.scenery.prefer(found))]

    # -- time --------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """The moment at which the next thing would start if nobody had to wait."""
        return self._cursor

    def pause(self, low_s: float, high_s: float | None = None) -> None:
        """Lets time pass, a random span when two ends are given."""
        seconds = low_s if high_s is None else self.dice.uniform(low_s, high_s)
        self._cursor = max(self._cursor, self._busy_until) + round(seconds * SAMPLE_RATE)

    def wait_until(self, sample: int) -> None:
        """Lets time pass up to a moment; does nothing when it is past."""
        self._cursor = max(self._cursor, sample)

    # -- what is heard -----------------------------------------------------------------------------------------------

    def choose_sound(
        self,
        *,
        labels: Sequence[str] = (),
        countable: bool = False,
        family: str = "",
        assistant: str = "",
        role: str = "",
        unlike: Sound | Sequence[Sound] = (),
        fresh: bool = False,
    ) -> Sound:
        """Draws a kind of sound that the split has clips of.

        Args:
            labels: Only one of these.
            countable: Only kinds whose occurrences can be counted, of which there are clips with exactly one.
            family: Ontology family, such as `animals`.
            assistant: `respond` or `silent`, by whether an assistant should speak up on its own.
            role: Typical loudness class in the ontology.
            unlike: Neither these nor anything that could be taken for one of them.
            fresh: Nothing that could be taken for a sound that was heard or named in this stream before.

        Raises:
            Drop: The split has no such sound.
        """
        found = self.library.sounds(
            self.language, countable=countable, family=family, assistant=assistant, labels=tuple(labels), role=role
        )
        alike = [one.label for one in ((unlike,) if isinstance(unlike, Sound) else unlike)]
        alike += self.labels_in_use if fresh else ()
        barred = self._barred(alike)
        found = tuple([sound for sound in found if sound.label not in barred])
        if self.mixed and not assistant and not labels:  # nobody has to speak up about it, whatever else is going on
            found = tuple([sound for sound in found if sound.assistant != "respond"])
        if self.scenery is not None:
            found = self.scenery.prefer(found)
        if not found:
            wanted = ", ".join(
                f"{key}={value!r}"
                for key, value in (
                    ("labels", tuple(labels)),
                    ("countable", countable),
                    ("family", family),
                    ("assistant", assistant),
                    ("role", role),
                    ("unlike", unlike),
                )
                if value
            )
            raise Drop("no sound fits", f"split {self.library.split!r} has no sound with {wanted}")
        sound = self.dice.choice(found)
        self.labels_in_use.add(sound.label)
        self.company.choose(sound.label)
        return sound

    def choose_distractor(self, *, unlike: Sound | Sequence[Sound] = (), fresh: bool = False) -> Sound:
        """Draws a sound that nobody has to answer and that cannot be taken for one of `unlike`; see `choose_sound`.

        Raises:
            Drop: The split has no such sound.
        """
        return self.choose_sound(assistant="silent", unlike=unlike, fresh=fresh)

    def choose_danger(self, domain: str) -> Sound:
        """Draws a sound of a proactive domain on which the assistant has to speak up by itself.

        Raises:
            Drop: The split has no such sound.
        """
        return self.choose_sound(labels=tuple(load_proactive()[domain].sounds))

    def choose_harmless(self, domain: str) -> Sound:
        """Draws a look-alike of a proactive domain's dangers, on which the assistant keeps silent.

        Raises:
            Drop: The split has no such sound.
        """
        return self.choose_sound(labels=load_proactive()[domain].look_alikes)

    def advice(self, sound: Sound) -> str:
        """Draws a helpful answer to a sound of a proactive domain.

        Raises:
            SubtaskError: The sound is in no domain.
        """
        for domain in load_proactive().values():
            if sound.label in domain.sounds:
                return self.dice.choice(domain.sounds[sound.label].answers(self.language))
        raise SubtaskError(f"sound {sound.label!r} is in no domain of manifests/proactive.yaml, so there is no advice")

    def promise(self, sound: Sound) -> None:
        """Notes a standing instruction about a sound: from the next choice on, it is not drawn again in this stream.

        What was promised in one episode holds in the next ones too, where the sound would have to be answered.
        """
        self._promised.add(sound.label)

    def may_be_heard(self, label: str) -> bool:
        """Whether a kind of sound may be heard next: no rule and nothing promised forbids it."""
        return label not in self._barred()

    def _barred(self, alike: Sequence[str] = ()) -> set[str]:
        """Returns the labels that may not be heard next, nor what could be taken for one of `alike`."""
        barred = self.company.barred()
        if alike or self._promised:
            barred |= self.library.alike({*alike, *self._promised})
        return barred

    def bar(self, labels: Iterable[str]) -> None:
        """Keeps kinds of sound, and what could be taken for them, out of the rest of the stream and its background."""
        labels = set(labels)
        self._promised |= labels
        self.labels_in_use |= labels

    def finish(self) -> None:
        """Lets no other episode follow: a standing instruction that was given would cover whatever is heard in it."""
        self.finished = True

    def play(
        self,
        sound: Sound,
        *,
        role: Role = "foreground",
        max_s: float = 6.0,
        single: bool = False,
        track: str = "sound",
        wait: bool = True,
        meanwhile: bool = False,
    ) -> Heard:
        """Places a clip of a sound at the cursor.

        Args:
            sound: What to play.
            role: Loudness class.
            max_s: Longer clips are cut, with short fades; of a steady sound any part is played, else the beginning.
            single: Only a clip that holds exactly one occurrence.
            track: Stem on which it is heard.
            wait: Whether it waits until the assistant has spoken.
            meanwhile: The next thing starts together with it, not after it.
        """
        bank, clip, excerpt, grounding = self._clip_of(sound.label, single, round(max_s * SAMPLE_RATE))
        self.labels_in_use.add(sound.label)
        self.company.hear(sound.label)
        start = self._start(wait)
        self._place(
            event_of(
                bank,
                clip,
                track=track,
                role=role,
                onset=start,
                num_samples=excerpt.num_samples,
                clip_start=excerpt.start,
                grounding=grounding,
            ),
            clip.level_db,
            clip.peak,
        )
        if meanwhile:
            self._cursor = start
        return self._heard(recognisable=start + excerpt.recognisable)

    def say(
        self, text: str, *, speaker: str = "user", language: str = "", emotion: str = "", wait: bool = True
    ) -> Heard:
        """Places a spoken text at the cursor.

        Args:
            text: As written; it is put into spoken form for the voice.
            speaker: A person of the scene; each keeps one voice for the whole stream, different from the others'.
            language: By default the scene's.
            emotion: Noted with the event.
            wait: Whether the person waits until the assistant has spoken.
        """
        language = language or self.language
        text = self._reworded(text, language)
        voice = self._voice(speaker, language)
        utterance = self.library.speech.utter(text, voice)
        start = self._start(wait)
        event = Event(
            track=speaker,
            kind="speech",
            role="foreground",
            bank=utterance.bank,
            clip=utterance.id,
            onset=start,
            num_samples=utterance.num_samples,
            text=text,
            language=language,
            speaker=voice.id,
            emotion=emotion,
            words=shift(utterance.words, start),
            corpus=voice.engine,
            origin=utterance.id,
            licence=voice.licence,
        )
        self._place(event, utterance.level_db, utterance.peak)
        return self._heard(recognisable=event.end)

    def _reworded(self, text: str, language: str) -> str:
        """Returns another wording of a phrase; texts that are no phrases, such as sentences to translate, stay."""
        if self.rewriter is None or text not in self._bases:
            return text
        base, slots = self._bases[text]
        keep = [slot for slot in (f"{{{name}}}" for name in slots) if slot in base]
        return _capital(fill(self.rewriter.rewrite(base, language=language, dice=self.dice, keep=keep), slots))

    def recite(
        self,
        *,
        language: str = "",
        timed: bool = False,
        into: str = "",
        speaker: str = "user",
        max_s: float = 20.0,
        wait: bool = True,
    ) -> Heard:
        """Places a recorded utterance with a transcript at the cursor.

        Args:
            language: In which it is; by default the scene's.
            timed: Only recordings with a time for every word, without which there is nothing to `transcribe`.
            into: Only recordings with a translation into this language, which becomes the reply of what is heard.
            speaker: Track on which it is heard.
            max_s: Longer recordings are passed over.
            wait: Whether it waits until the assistant has spoken.

        Raises:
            Drop: The split has no such recording that is short enough.
        """
        language = language or self.language
        if into:
            shelf = self.library.translated.get((language, into))
        else:
            shelf = (self.library.timed if timed else self.library.recordings).get(language)
        if shelf is None or not shelf.num_clips:
            wanted = repr(language) + (f" with a translation into {into!r}" if into else " with word times" * timed)
            raise Drop("no recorded speech", f"split {self.library.split!r} has none in {wanted}")
        for _ in range(8):
            bank, row = shelf.draw(self.dice)
            if bank.clip(row).num_samples <= max_s * SAMPLE_RATE:
                return self._replay(bank, row, speaker, wait)
        raise Drop("recordings are too long", f"eight recordings in a row were longer than {max_s} s")

    def take_voice(self, speaker: str, voice: str) -> bool:
        """Gives a person of the scene a voice by its id, unless the person or somebody else has spoken with another.

        Returns:
            Whether the person has that voice now.
        """
        key = (speaker, self.language)
        known = {one.id: one for one in self.library.voices.get(self.language, ())}
        taken = {one.id for one in self._voices.values()}
        if key not in self._voices and voice in known and voice not in taken:
            self._voices[key] = known[voice]
        return key in self._voices and self._voices[key].id == voice

    def choose_dialogue(self, *, several: bool = False) -> tuple[Bank, Sequence[int]]:
        """Draws a dialogue: a bank and the rows of its user utterances, in order.

        Args:
            several: Only one in which the user speaks more than once.

        Raises:
            Drop: The split has none in the scene's language.
        """
        dialogues = (self.library.conversations if several else self.library.dialogues).get(self.language, [])
        if not dialogues:
            raise Drop("no dialogue", f"split {self.library.split!r} has no dialogue in {self.language!r}")
        bank, rows = self.dice.choice(dialogues)
        return bank, rows.tolist()

    def replay(self, bank: Bank, row: int, *, speaker: str = "user", wait: bool = True) -> Heard:
        """Places one utterance of a dialogue at the cursor."""
        return self._replay(bank, row, speaker, wait)

    # -- what the assistant does -------------------------------------------------------------------------------------

    def respond(
        self,
        text: str,
        *,
        evidence: int,
        on: Heard | Sequence[Heard] = (),
        at: int | None = None,
        reaction_s: float = 0.0,
        kind: str = "answer",
        language: str = "",
        call: ToolCall | None = None,
    ) -> Response:
        """Makes the assistant speak as soon as it can know what to say.

        Args:
            text: What it says.
            evidence: Moment at which everything that it rests on has been heard, such as `heard.end`.
            on: What it rests on, for the record; by default what was heard last.
            at: Moment for which it was asked, when that is later than the evidence (a reminder).
            reaction_s: Deliberate delay.
            kind: What sort of response it is.
            language: By default the scene's.
            call: The tool call, when it is one.
        """
        return self._respond(text, evidence, on, at, reaction_s, kind, language, call, run=-1, waits=True)

    def transcribe(self, heard: Heard, *, mark: str = "") -> None:
        """Makes the assistant write down each word when it has been heard (real-time ASR).

        Args:
            heard: What is said.
            mark: Written before the first word, such as who is speaking.
        """
        run = self._next_run()
        for n, word in enumerate(heard.words):
            text = mark + word.text if n == 0 else word.text
            self._respond(text, word.end, heard, None, 0.0, "transcript", heard.language, None, run, waits=False)

    def interpret(self, heard: Heard, phrases: Sequence[tuple[str, str]], *, language: str) -> None:
        """Makes the assistant translate each phrase when its last word has been heard (simultaneous translation).

        Args:
            heard: The spoken sentence.
            phrases: Source phrase and its translation, in order; the source phrases make up the whole sentence.
            language: Language of the translation.

        Raises:
            SubtaskError: The phrases do not make up what is said.
        """
        run = self._next_run()
        for end, (_, translation) in zip(_phrase_ends(heard, phrases), phrases, strict=True):
            self._respond(translation, end, heard, None, 0.0, "translation", language, None, run, waits=False)

    def stay_silent(self, heard: Heard | Sequence[Heard], reason: str) -> None:
        """Notes that what was heard deserves no response, and why (`look-alike`, `not addressed`, ...)."""
        group = (heard,) if isinstance(heard, Heard) else tuple(heard)
        self.silences.append(
            Silence(
                start=min(one.start for one in group),
                end=max(one.end for one in group),
                reason=reason,
                events=tuple(one.event for one in group),
            )
        )

    def instruct(self, text: str) -> None:
        """Gives the model a written instruction before the stream starts; the first one of a stream stays."""
        self.instruction = self.instruction or text


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _phrase_ends(heard: Heard, phrases: Sequence[tuple[str, str]]) -> list[int]:
    """Finds the sample at which the last word of each phrase ends, by counting letters and digits."""
    sizes = [sum(map(str.isalnum, spoken_form(source, heard.language))) for source, _ in phrases]
    ends: list[int] = []
    letters = 0
    wanted = sizes[0] if sizes else 0
    for word in heard.words:
        letters += sum(map(str.isalnum, word.text))
        while len(ends) < len(sizes) and letters >= wanted:
            ends.append(word.end)
            wanted += sizes[len(ends)] if len(ends) < len(sizes) else 0
    if len(ends) != len(sizes) or letters != sum(sizes):
        raise SubtaskError(
            f"the phrases {[source for source, _ in phrases]} do not make up what is said, "
            f"{' '.join(word.text for word in heard.words)!r}"
        )
    return ends
