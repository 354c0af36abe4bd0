"""Gives recorded speech its word times: a bank beside another, with the same samples and more words.

    banks/talks            banks/talks-aligned
    pcm-00000.i16    ===   pcm-00000.i16          one file, two names
    records.bin      -->   records.bin            the same clips; those that could be aligned have words
                           unaligned.jsonl        those that could not, and why

Every answer of the aligner is kept in a journal beside the new bank until that is complete, so that a run that is
killed goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self, get_args

import msgspec

from soundflow_data.bank.bank import Bank
from soundflow_data.bank.clip import Clip
from soundflow_data.bank.format import QUARANTINE, BankInfo
from soundflow_data.bank.place import BuildPlace
from soundflow_data.bank.source import Dropped
from soundflow_data.bank.writer import BankWriter
from soundflow_data.errors import BankError
from soundflow_data.speech.alignment_rules import NO_MODEL, NO_TEXT
from soundflow_data.speech.engine import Language
from soundflow_data.speech.proof import Aligner, Alignment, Spoken
from soundflow_data.speech.segments import words_of
from soundflow_data.speech.spoken_form import spoken_form
from soundflow_data.timeline import SAMPLE_RATE, Word

UNALIGNED: Final = "unaligned.jsonl"
BATCH_S: Final = 240.0
_REVISION: Final = 1  # changes with whatever this module changes in the words


class AlignProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far an alignment is.

    Attributes:
        done: Clips without word times that were tried, before and in this run.
        total: Clips without word times.
        aligned: Those that have some now.
        seconds: Seconds of audio tried.
    """

    done: int
    total: int
    aligned: int
    seconds: float


class AlignSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What an alignment did.

    Attributes:
        path: The new bank.
        info: What is in it.
        built: False when it was there already, from the same bank, aligner and model.
        known: Clips of speech that had word times before.
        aligned: Clips that got some.
        unaligned: Clips that got none, by reason.
        resumed: Clips whose answer was in the journal of a run that did not end.
        seconds: Seconds of audio that the aligner was asked about in this run.
        elapsed_s: Time that it took.
    """

    path: Path
    info: BankInfo
    built: bool
    known: int
    aligned: int
    unaligned: dict[str, int]
    resumed: int
    seconds: float
    elapsed_s: float


class _Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the journal."""

    id: str
    words: tuple[Word, ...] = ()
    reason: str = ""
    message: str = ""


def align_bank(
    bank: Path | str,
    out: Path | str,
    aligner: Aligner,
    *,
    batch_s: float = BATCH_S,
    overwrite: bool = False,
    progress: Callable[[AlignProgress], None] | None = None,
) -> AlignSummary:
    """Writes a bank in which speech without word times has got them.

    A clip that cannot be aligned stays as it is; it is noted in `unaligned.jsonl` and counted by reason. Words are
    those of the text as written where its spoken form has as many, else those of the spoken form.

    Args:
        bank: Folder of the bank.
        out: Folder of the new one.
        aligner: Finds the times.
        batch_s: Seconds of audio that it is asked about at once.
        overwrite: Replace a bank that was made from something else.
        progress: Called after every batch.

    Raises:
        BankError: The bank has no speech, or none in a language of the aligner; or `out` holds something else.
        SpeechError: A model cannot be loaded.
    """
    started = time.monotonic()
    opened, out = Bank.open(bank), Path(out)
    if out.resolve() == opened.path.resolve():
        raise BankError(f"bank {opened.path} cannot be aligned into itself; give another folder")
    _check_languages(opened, aligner)
    by = f"{aligner.name} {aligner.version}"
    inputs = hashlib.sha256(json.dumps(["align", _REVISION, opened.fingerprint, by]).encode()).hexdigest()
    place = BuildPlace(out)
    finished = place.finished(inputs, overwrite=overwrite)
    if finished is not None:
        found = finished.settings["alignment"]
        return AlignSummary(
            path=out, info=finished, built=False, known=found["known"], aligned=found["aligned"],
            unaligned=found["unaligned"], resumed=0, seconds=0.0, elapsed_s=time.monotonic() - started,
        )  # fmt: skip
    with place as folder, _Journal(out, inputs) as journal:
        resumed = len(journal.answers)
        seconds = _ask(opened, aligner, journal, batch_s, progress)
        counts = _write(opened, folder, journal.answers, inputs, by, out.name)
        place.publish()
        journal.remove()
    return AlignSummary(
        path=out, info=counts.info, built=True, known=counts.known, aligned=counts.aligned,
        unaligned=dict(counts.unaligned.most_common()), resumed=resumed, seconds=seconds,
        elapsed_s=time.monotonic() - started,
    )  # fmt: skip


def _check_languages(bank: Bank, aligner: Aligner) -> None:
    rows = bank.rows(kind="speech")
    if not len(rows):
        kinds = ", ".join(bank.info.hours_by_kind) or "nothing"
        raise BankError(f"bank {bank.path} has no speech to align, only {kinds}; choose a bank of utterances")
    if not len(bank.rows(kind="speech", language=aligner.languages)):
        groups = bank.groups("language")
        spoken = sorted({groups.values[int(groups.codes[row])].as_py() or "not given" for row in rows})
        raise BankError(
            f"bank {bank.path}: its speech is in {', '.join(spoken)}, and the aligner {aligner.name!r} has models for "
            f"{', '.join(aligner.languages)} only; give a model for it"
        )


def _ask(
    bank: Bank,
    aligner: Aligner,
    journal: _Journal,
    batch_s: float,
    progress: Callable[[AlignProgress], None] | None,
) -> float:
    """Gets an answer for every clip without word times; returns the seconds of audio that this run asked about."""
    wanted = [row for row in bank.rows(kind="speech").tolist() if not bank.clip(row).words]
    before = sum(bank.clip(row).num_samples for row in wanted if bank.clip(row).id in journal.answers)
    asked = 0
    for batch in _batches(bank, [row for row in wanted if bank.clip(row).id not in journal.answers], batch_s):
        for answer in _answers(bank, batch, aligner):
            journal.add(answer)
        journal.flush()
        asked += sum(bank.clip(row).num_samples for row in batch)
        bank.release()
        if progress is not None:
            progress(
                AlignProgress(
                    done=len(journal.answers),
                    total=len(wanted),
                    aligned=journal.num_aligned,
                    seconds=(before + asked) / SAMPLE_RATE,
                )
            )
    return asked / SAMPLE_RATE


def _batches(bank: Bank, rows: list[int], batch_s: float) -> Iterator[list[int]]:
    batch: list[int] = []
    num_samples = 0
    for row in rows:
        length = bank.clip(row).num_samples
        if batch and num_samples + length > batch_s * SAMPLE_RATE:
            yield batch
            batch, num_samples = [], 0
        batch.append(row)
        num_samples += length
    if batch:
        yield batch


def _answers(bank: Bank, rows: list[int], aligner: Aligner) -> Iterator[_Answer]:
    asked: list[tuple[Clip, Spoken]] = []
    for row in rows:
        clip = bank.clip(row)
        item = _spoken(bank, clip)
        if isinstance(item, _Answer):
            yield item
        else:
            asked.append((clip, item))
    for (clip, item), found in zip(asked, aligner.align([item for _, item in asked]), strict=True):
        if isinstance(found, Alignment):
            yield _Answer(id=clip.id, words=_as_written(clip.text, item, found))
        else:
            yield _Answer(id=clip.id, reason=found.reason, message=str(found))


def _spoken(bank: Bank, clip: Clip) -> Spoken | _Answer:
    languages: tuple[Language, ...] = get_args(Language)
    language = next((one for one in languages if one == clip.language), None)
    if language is None:
        return _Answer(
            id=clip.id, reason=NO_MODEL, message=f"language {clip.language!r}; known are {', '.join(languages)}"
        )
    # Corpora in capitals have no acronyms to tell from words.
    text = spoken_form(clip.text.lower() if clip.text.isupper() else clip.text, language)
    if not words_of(text, language):
        return _Answer(id=clip.id, reason=NO_TEXT, message=f"text {clip.text!r} has no words in {language!r}")
    return Spoken(pcm=bank.pcm(clip.row), text=text, language=language)


def _as_written(text: str, item: Spoken, found: Alignment) -> tuple[Word, ...]:
    """Returns the words as the source writes them, where there are as many."""
    written = words_of(text, item.language)
    if len(written) != len(found.words):
        return found.words
    return tuple([msgspec.structs.replace(word, text=one) for one, word in zip(written, found.words, strict=True)])


class _Counts(msgspec.Struct, kw_only=True):
    info: BankInfo
    known: int
    aligned: int
    unaligned: Counter[str]


def _write(bank: Bank, folder: Path, answers: dict[str, _Answer], inputs: str, by: str, name: str) -> _Counts:
    """Writes the new bank: samples adopted, clips with their words."""
    known = aligned = 0
    unaligned: Counter[str] = Counter()
    with BankWriter(folder) as writer, (folder / UNALIGNED).open("wb") as notes:
        writer.adopt(bank.path, bank.info)
        for line in _quarantined(bank):
            writer.drop(line)
        for clip in bank:
            answer = answers.get(clip.id)
            if answer is None:
                known += clip.kind == "speech"
            elif answer.words:
                aligned += 1
            else:
                unaligned[answer.reason] += 1
                note = Dropped(id=clip.id, path=clip.path, reason=answer.reason, message=answer.message)
                notes.write(msgspec.json.encode(note) + b"\n")
            words = clip.words if answer is None else answer.words
            writer.describe(msgspec.structs.replace(clip, words=words))
        alignment = {
            "by": by,
            "of": bank.fingerprint,
            "known": known,
            "aligned": aligned,
            "unaligned": dict(sorted(unaligned.items())),
        }
        info = writer.finish(
            name=name,
            inputs=inputs,
            created_by=bank.info.created_by,
            source=bank.info.source,
            settings={**bank.info.settings, "alignment": alignment},
            num_items=bank.info.num_items,
            num_cut=bank.info.num_cut,
            num_single=bank.info.num_single,
        )
    return _Counts(info=info, known=known, aligned=aligned, unaligned=unaligned)


def _quarantined(bank: Bank) -> Iterator[Dropped]:
    path = bank.path / QUARANTINE
    if path.is_file():
        for line in path.read_bytes().splitlines():
            yield msgspec.json.decode(line, type=Dropped)


class _Journal:
    """The answers so far, one line each; the first line says what they are answers to."""

    def __init__(self, out: Path, inputs: str) -> None:
        self._path = out.parent / f".{out.name}.alignments.jsonl"
        self._inputs = inputs
        self._file: BinaryIO | None = None
        self.answers: dict[str, _Answer] = {}
        self.num_aligned = 0

    def __enter__(self) -> Self:
        head = msgspec.json.encode(self._inputs) + b"\n"
        written = self._path.read_bytes() if self._path.is_file() else b""
        good = written[: written.rfind(b"\n") + 1] if written.startswith(head) else b""  # the rest was cut off
        for line in good.splitlines()[1:]:
            self._note(msgspec.json.decode(line, type=_Answer))
        self._file = self._path.open("r+b" if good else "wb")
        self._file.truncate(len(good))
        self._file.seek(len(good))
        if not good:
            self._file.write(head)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        self._file.close()

    def add(self, answer: _Answer) -> None:
        assert self._file is not None
        self._note(answer)
        self._file.write(msgspec.json.encode(answer) + b"\n")

    def _note(self, answer: _Answer) -> None:
        self.answers[answer.id] = answer
        self.num_aligned += bool(answer.words)

    def flush(self) -> None:
        assert self._file is not None
        self._file.flush()

    def remove(self) -> None:
        self._path.unlink()
