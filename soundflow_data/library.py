"""The material of one split: shelves of clips by label, noise beds, voices, recordings and dialogues."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from soundflow_data.bank import Bank
from soundflow_data.beds import MIN_CLIP
from soundflow_data.company import relations_of
from soundflow_data.dice import Dice
from soundflow_data.errors import BankError, Drop
from soundflow_data.ontology import Ontology
from soundflow_data.scenario.workshop import PSEUDO_BANKS, Workshop
from soundflow_data.speech import Voice
from soundflow_data.speech.service import SpeechSource
from soundflow_data.timeline import Event

Rows = NDArray[np.int32]

HAN = r"\p{Han}"
LATIN = r"^[^\p{Han}]*\p{Latin}[^\p{Han}]*$"
RESIDENT_BYTES = 128 << 20  # banks that are smaller together stay in memory; of larger ones, half of this is kept


class Sound(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of sound that the split has clips of.

    Attributes:
        label: Ontology label.
        phrase: How a person names it in the stream's language, such as "a dog barking".
        assistant: Whether an assistant should speak up on its own: `respond`, `silent`, `borderline` or `unknown`.
    """

    label: str
    phrase: str
    assistant: str
    num_clips: int


class Shelf:
    """Clips of any number of banks that serve the same purpose; every clip is equally likely to be drawn."""

    __slots__ = ("_banks", "_rows", "_starts", "num_clips")

    def __init__(self, parts: Iterable[tuple[Bank, Rows]]) -> None:
        filled = [(bank, rows) for bank, rows in parts if len(rows)]
        self._banks = [bank for bank, _ in filled]
        self._rows = [rows for _, rows in filled]
        self._starts = np.cumsum([0, *(len(rows) for rows in self._rows)]).tolist()
        self.num_clips: int = self._starts[-1]

    def draw(self, dice: Dice) -> tuple[Bank, int]:
        """Draws a clip; returns its bank and row."""
        mark = dice.integer(0, self.num_clips - 1)
        for bank, rows, start in zip(self._banks, self._rows, self._starts, strict=False):
            if mark < start + len(rows):
                return bank, int(rows[mark - start])
        raise AssertionError(mark)


class Library:
    """Everything that the streams of one split may be made of.

    Args:
        split: Name of the split.
        banks: Open banks by the name that the recipe gives them.
        rows: Rows of each bank that belong to the split and whose licence is allowed.
        speech: Makes or finds utterances.
        voices: Voices of the split, by language.
        ontology: What is known about sounds.
    """

    def __init__(
        self,
        *,
        split: str,
        banks: Mapping[str, Bank],
        rows: Mapping[str, Rows],
        speech: SpeechSource,
        voices: Mapping[str, Sequence[Voice]],
        ontology: Ontology,
    ) -> None:
        self.split = split
        self.banks = dict(banks)
        self.speech = speech
        self.voices = {language: tuple(some) for language, some in voices.items()}
        self.ontology = ontology
        self.relations = relations_of(ontology)
        self._rows = dict(rows)
        self._sounds = self._by_label()
        self._bytes_read = 0
        self._bank_bytes = 2 * sum(sum(bank.info.parts) for bank in banks.values())
        self._bed_shelf = functools.cache(self._find_beds)
        self._find_sounds = functools.lru_cache(maxsize=1024)(self._find_sounds_uncached)

    # -- sounds ------------------------------------------------------------------------------------------------------

    def sounds(
        self,
        language: str,
        *,
        countable: bool = False,
        family: str = "",
        assistant: str = "",
        labels: tuple[str, ...] = (),
        role: str = "",
    ) -> tuple[Sound, ...]:
        """Returns the kinds of sound that fit all that is asked, in a fixed order.

        Args:
            language: Language of their phrases.
            countable: Only kinds with clips that hold exactly one occurrence.
            family: Ontology family, such as `animals`.
            assistant: `respond` or `silent`.
            labels: Only these.
            role: Typical loudness class in the ontology.
        """
        return self._find_sounds(language, countable, family, assistant, labels, role)

    def rows(self, name: str) -> Rows:
        """Returns the rows of a bank that the split may use."""
        return self._rows[name]

    def alike(self, labels: Iterable[str]) -> set[str]:
        """Returns the labels together with all that could be taken for one of them, or one of them for it."""
        return {alike for label in labels for alike in self._alike(label)}

    @functools.cached_property
    def _alike(self) -> Callable[[str], frozenset[str]]:
        @functools.cache
        def alike(label: str) -> frozenset[str]:
            look_alikes = self.ontology.look_alikes
            back = (other for other in self._sounds if label in look_alikes(other))
            return frozenset({label, *look_alikes(label), *back})

        return alike

    def _find_beds(self, role: str, nameless: bool) -> Shelf:
        """Finds clips of noise that are long enough, by preference of a role; see `beds`."""
        long_enough = {
            name: rows[bank.numbers("num_samples")[rows] >= MIN_CLIP]
            for name, bank in self.banks.items()
            if len(rows := self._of_kind(name, "noise"))
        }
        wanted = {
            name: [self._suits(self.banks[name], row, role, nameless) for row in rows.tolist()]
            for name, rows in long_enough.items()
        }
        for least in (2, 1) if role else (1,):  # the best there is
            fitting = {name: rows[np.array(wanted[name]) >= least] for name, rows in long_enough.items()}
            if any(len(rows) for rows in fitting.values()):
                return Shelf((self.banks[name], rows) for name, rows in fitting.items())
        return Shelf(())

    def _suits(self, bank: Bank, row: int, role: str, nameless: bool) -> int:
        """Rates a bed: -1 where it may not be used, 1 where it may, 2 where it has the right role too."""
        entry = self.ontology.get(bank.clip(row).label)
        if entry is None:
            return 1
        if entry.assistant != "silent" or (nameless and entry.kind != "noise"):
            return -1
        return 1 + (entry.role == role)

    def beds(self, role: str, *, nameless: bool = False) -> Shelf:
        """Returns the noise beds of a role by the ontology; others where the split has none of that role.

        Args:
            role: `background` (event-like), `ambient`, or empty for any.
            nameless: Only noise that nobody would name as a sound: hum and hiss, but not rain.
        """
        return self._bed_shelf(role, nameless)

    def has_clip(self, label: str, *, single: bool = False) -> bool:
        """Whether the split has a clip of a label; see `clip_of`."""
        return self._shelf(label, single).num_clips > 0

    def clip_of(self, label: str, dice: Dice, *, single: bool = False) -> tuple[Bank, int]:
        """Draws a clip of a label; with `single`, one that holds exactly one occurrence."""
        return self._shelf(label, single).draw(dice)

    def _find_sounds_uncached(
        self, language: str, countable: bool, family: str, assistant: str, labels: tuple[str, ...], role: str
    ) -> tuple[Sound, ...]:
        found = []
        for label in labels or sorted(self._sounds):
            entry = self.ontology.get(label)
            if label not in self._sounds or not _fits(entry, countable, family, assistant, role):
                continue
            num_clips = self._shelf(label, countable).num_clips
            if num_clips:
                found.append(
                    Sound(
                        label=label,
                        phrase=self.ontology.phrase(label, language),
                        assistant=entry.assistant if entry else "unknown",
                        num_clips=num_clips,
                    )
                )
        return tuple(found)

    @functools.cached_property
    def _shelf(self) -> Callable[[str, bool], Shelf]:
        @functools.cache
        def shelf(label: str, single: bool) -> Shelf:
            parts = self._sounds.get(label, [])
            return Shelf((bank, bank.single(rows) if single else rows) for bank, rows in parts)

        return shelf

    def _by_label(self) -> dict[str, list[tuple[Bank, Rows]]]:
        shelves: dict[str, list[tuple[Bank, Rows]]] = {}
        for name, bank in self.banks.items():
            wanted = _mask(bank, self._of_kind(name, "sound"), self._of_kind(name, "music"))
            for label in bank.labels:
                labelled = bank.rows(label=label)
                rows = labelled[wanted[labelled]]
                if label and len(rows):
                    shelves.setdefault(label, []).append((bank, rows))
        return shelves

    def _of_kind(self, name: str, kind: str) -> Rows:
        rows = self.banks[name].rows(kind=kind)
        return rows[_mask(self.banks[name], self._rows[name])[rows]]

    # -- speech ------------------------------------------------------------------------------------------------------

    def voice(self, language: str, dice: Dice, taken: Iterable[str] = ()) -> Voice:
        """Draws a voice of a language that is not among the taken ones, when there are enough.

        Raises:
            Drop: The split has no voice of the language.
        """
        voices = self.voices.get(language, ())
        if not voices:
            raise Drop(f"no voice for language {language}", f"split {self.split!r} has voices for {list(self.voices)}")
        free = [voice for voice in voices if voice.id not in set(taken)]
        return dice.choice(free or voices)

    @functools.cached_property
    def recordings(self) -> dict[str, Shelf]:
        """Recorded speech with a transcript, by language; dialogues are not among it."""
        return self._recorded(_any)

    @functools.cached_property
    def timed(self) -> dict[str, Shelf]:
        """Those of the recordings that have a time for every word, by language."""
        return self._recorded(_has_words)

    @functools.cached_property
    def translated(self) -> dict[tuple[str, str], Shelf]:
        """Those of the recordings that have a translation as their reply, by both languages, such as `("en", "zh")`."""
        return {
            (source, target): self._recorded(functools.partial(_has_reply, script))[source]
            for source, target, script in (("en", "zh", HAN), ("zh", "en", LATIN))
        }

    def _recorded(self, fits: Callable[[Bank], NDArray[np.bool_]]) -> dict[str, Shelf]:
        found: dict[str, list[tuple[Bank, Rows]]] = {"en": [], "zh": []}
        for name, bank in self.banks.items():
            alone = self._of_kind(name, "speech")
            alone = alone[~_mask(bank, bank.in_dialogue())[alone]]
            if not len(alone):
                continue
            alone = alone[fits(bank)[alone]]
            for language, parts in found.items():
                parts.append((bank, alone[_mask(bank, bank.rows(language=language))[alone]]))
        return {language: Shelf(parts) for language, parts in found.items()}

    @functools.cached_property
    def dialogues(self) -> dict[str, list[tuple[Bank, Rows]]]:
        """Dialogues by language; each is a bank and the rows of its user utterances, in order."""
        found: dict[str, list[tuple[Bank, Rows]]] = {"en": [], "zh": []}
        for name, bank in self.banks.items():
            mine = _mask(bank, self._of_kind(name, "speech"))
            for rows in bank.dialogues():
                if len(rows) and mine[rows[0]]:
                    found.setdefault(bank.clip(int(rows[0])).language, []).append((bank, rows))
        return found

    @functools.cached_property
    def conversations(self) -> dict[str, list[tuple[Bank, Rows]]]:
        """Those of the dialogues in which the user speaks more than once, by language."""
        return {language: [one for one in some if len(one[1]) > 1] for language, some in self.dialogues.items()}

    @functools.cached_property
    def instructions(self) -> dict[str, list[tuple[Bank, int]]]:
        """Requests with one answer and nothing after it, by language; each is a bank and a row."""
        return {
            language: [(bank, int(rows[0])) for bank, rows in some if len(rows) == 1]
            for language, some in self.dialogues.items()
        }

    @functools.cached_property
    def workshop(self) -> Workshop:
        """Makes the clips that planned scenes generate or reprocess."""
        return Workshop(self.banks, self.ontology)

    # -- audio -------------------------------------------------------------------------------------------------------

    def pcm(self, event: Event) -> NDArray[np.int16]:
        """Returns int16 (event.num_samples,), the span of the clip that the event plays.

        Raises:
            BankError: The event names a bank or clip that is not here, or more of it than there is.
        """
        stop = event.clip_start + event.num_samples
        bank = self.banks.get(event.bank)
        if event.bank in PSEUDO_BANKS:
            pcm = self.workshop.pcm(event.bank, event.clip)[event.clip_start : stop]
        elif bank is not None:
            pcm = bank.pcm(bank.find(event.clip), event.clip_start, stop)
            self._note_read(pcm.nbytes)
        else:
            pcm = self.speech.pcm(event)[event.clip_start : stop]
        if len(pcm) != event.num_samples:
            raise BankError(
                f"clip {event.clip!r} of bank {event.bank!r} has no samples {event.clip_start} to {stop}; "
                "the bank is not the one that the stream was planned with"
            )
        return pcm

    def release(self) -> None:
        """Lets the operating system take back the pages of the banks that were read."""
        for bank in self.banks.values():
            bank.release()
        self._bytes_read = 0

    def _note_read(self, num_bytes: int) -> None:
        """Gives pages back while a shard is being made: it would otherwise come to hold a gigabyte of a large bank."""
        self._bytes_read += num_bytes
        if self._bank_bytes > RESIDENT_BYTES and self._bytes_read > RESIDENT_BYTES // 2:
            self.release()


def _mask(bank: Bank, *rows: Rows) -> NDArray[np.bool_]:
    """Returns bool (len(bank),), true at the rows: to look them up costs less than to sort them against others."""
    mask = np.zeros(len(bank), np.bool_)
    for some in rows:
        mask[some] = True
    return mask


def _any(bank: Bank) -> NDArray[np.bool_]:
    return np.ones(len(bank), np.bool_)


def _has_words(bank: Bank) -> NDArray[np.bool_]:
    """Returns bool (len(bank),), true where the words of a clip have times."""
    return pc.fill_null(pc.list_value_length(bank.columns("words")["words"]), 0).to_numpy() > 0


def _has_reply(script: str, bank: Bank) -> NDArray[np.bool_]:
    """Returns bool (len(bank),), true where a clip has a reply that matches a pattern."""
    return pc.match_substring_regex(bank.columns("reply")["reply"], script).to_numpy().astype(np.bool_)


def _fits(entry: object, countable: bool, family: str, assistant: str, role: str) -> bool:
    if entry is None:
        return not (countable or family or assistant or role)
    return (
        (not countable or entry.countable)  # type: ignore[attr-defined]
        and (not family or entry.family == family)  # type: ignore[attr-defined]
        and (not assistant or entry.assistant == assistant)  # type: ignore[attr-defined]
        and (not role or entry.role == role)  # type: ignore[attr-defined]
    )
