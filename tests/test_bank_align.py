"""Recorded speech gets word times in a bank beside the old one; the aligner is one that can be read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from soundflow_data.bank import Bank
from soundflow_data.bank.align import AlignProgress, align_bank
from soundflow_data.bank.build import build_bank
from soundflow_data.bank.format import QUARANTINE
from soundflow_data.bank.prepare import Preparation
from soundflow_data.bank.readers.builtin_sounds import BuiltinSounds
from soundflow_data.bank.source import Samples, SourceItem, Unusable
from soundflow_data.errors import BankError, SpeechError
from soundflow_data.speech.engine import Language
from soundflow_data.speech.proof import Alignment, Spoken
from soundflow_data.speech.segments import words_of
from soundflow_data.timeline import Word

TEXTS = {
    "plain": ("en", "We met at noon."),
    "numbers": ("en", "It costs $5."),
    "title": ("en", "Dr. Li is here."),
    "capitals": ("en", "MISTER QUILTER SPOKE"),
    "mandarin": ("zh", "我们走吧。"),
    "refused": ("en", "This one is refused."),
    "symbols": ("en", "... !"),
    "unwritten": ("en", ""),
    "german": ("de", "Guten Tag."),
}
TIMED = (Word(text="already", start=100, end=900),)


class EvenAligner:
    """Gives every word the same time; refuses what says so, and dies when it is told to."""

    def __init__(self, *, languages: tuple[Language, ...] = ("en", "zh"), dies_after: int = 1000) -> None:
        self.languages = languages
        self.version = "1"
        self.asked: list[str] = []
        self._dies_after = dies_after

    @property
    def name(self) -> str:
        return "even"

    def align(self, items: Sequence[Spoken]) -> list[Alignment | SpeechError]:
        if len(self.asked) >= self._dies_after:
            raise KeyboardInterrupt
        self.asked += [item.text for item in items]
        return [self._align(item) for item in items]

    def _align(self, item: Spoken) -> Alignment | SpeechError:
        if "refused" in item.text:
            return SpeechError(f"{item.text!r} scores 0.1", reason="low score")
        if item.language not in self.languages:
            return SpeechError(f"no {item.language!r}", reason="no model for the language")
        words = words_of(item.text, item.language)
        step = len(item.pcm) // len(words)
        return Alignment(
            words=tuple(Word(text=word, start=i * step, end=(i + 1) * step) for i, word in enumerate(words)),
            scores=(1.0,) * len(words),
        )


class Talks:
    """A source of recordings with texts: some with times, one that cannot be used."""

    def items(self) -> Iterator[SourceItem]:
        rng = np.random.default_rng(1)
        for i, (name, (language, text)) in enumerate(TEXTS.items()):
            pcm = (rng.standard_normal(16_000 + 160 * i) * 3000).astype(np.int16)
            yield SourceItem(id=name, audio=Samples(pcm=pcm), kind="speech", text=text, language=language)
        yield SourceItem(id="timed", audio=Samples(pcm=pcm), kind="speech", text="already", language="en", words=TIMED)
        yield SourceItem(id="bell", audio=Samples(pcm=pcm), kind="sound", label="bell")
        yield SourceItem(id="broken", audio=Unusable(reason="no such file", message="gone"), kind="speech")

    def describe(self) -> dict[str, Any]:
        return {"reader": "talks"}


@pytest.fixture
def talks(tmp_path: Path) -> Path:
    build_bank(Talks(), tmp_path / "talks", preparation=Preparation(), max_drop_share=1)
    return tmp_path / "talks"


def words(bank: Bank, clip: str) -> list[str]:
    return [word.text for word in bank.clip(bank.find(clip)).words]


def test_speech_gets_words_and_everything_else_stays(talks: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in talks.iterdir()}
    progress: list[AlignProgress] = []
    summary = align_bank(talks, tmp_path / "out", EvenAligner(), batch_s=2.0, progress=progress.append)
    assert {path.name: path.read_bytes() for path in talks.iterdir()} == before
    old, new = Bank.open(talks), Bank.open(tmp_path / "out")
    new.verify()
    assert (summary.known, summary.aligned) == (1, 5)
    assert summary.unaligned == {"no text": 2, "low score": 1, "no model for the language": 1}
    assert new.info.settings["alignment"]["unaligned"] == dict(sorted(summary.unaligned.items()))
    assert new.info.settings["alignment"]["by"] == "even 1"
    assert [(clip.id, clip.part, clip.start, clip.level_db, clip.peak) for clip in new] == [
        (clip.id, clip.part, clip.start, clip.level_db, clip.peak) for clip in old
    ]
    assert all(np.array_equal(new.pcm(row), old.pcm(row)) for row in range(len(old)))
    assert new.energy_db(0) == old.energy_db(0)
    assert new.fingerprint != old.fingerprint
    assert new.info.drops == old.info.drops == {"no such file": 1}
    assert (new.path / QUARANTINE).read_bytes() == before[QUARANTINE]
    assert new.clip(new.find("timed")).words == TIMED
    notes = [json.loads(line) for line in (new.path / "unaligned.jsonl").read_text().splitlines()]
    assert {note["id"]: note["reason"] for note in notes} == {
        "refused": "low score", "symbols": "no text", "unwritten": "no text", "german": "no model for the language",
    }  # fmt: skip
    assert not any(words(new, clip) for clip in ("refused", "symbols", "unwritten", "german"))
    assert (progress[-1].done, progress[-1].total, progress[-1].aligned) == (9, 9, 5)
    assert len(progress) > 2


def test_words_are_as_written_where_the_spoken_form_has_as_many(talks: Path, tmp_path: Path) -> None:
    aligner = EvenAligner()
    align_bank(talks, tmp_path / "out", aligner)
    bank = Bank.open(tmp_path / "out")
    assert words(bank, "plain") == ["We", "met", "at", "noon."]
    assert words(bank, "title") == ["Dr.", "Li", "is", "here."]
    assert words(bank, "numbers") == ["It", "costs", "five", "dollars."]
    assert words(bank, "capitals") == ["MISTER", "QUILTER", "SPOKE"]
    assert words(bank, "mandarin") == ["我", "们", "走", "吧。"]
    assert "mister quilter spoke" in aligner.asked
    table = bank.columns("id", "words").to_pylist()
    assert next(row["words"] for row in table if row["id"] == "plain")[0] == {"text": "We", "start": 0, "end": 4000}


def test_samples_are_shared_on_disk(talks: Path, tmp_path: Path) -> None:
    align_bank(talks, tmp_path / "out", EvenAligner())
    for name in ("pcm-00000.i16", "energy-00000.i64"):
        assert (talks / name).samefile(tmp_path / "out" / name)


def test_samples_are_copied_where_the_disk_has_no_links(
    talks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "another disk")

    monkeypatch.setattr(os, "link", refuse)
    align_bank(talks, tmp_path / "out", EvenAligner())
    Bank.open(tmp_path / "out").verify()
    assert not (talks / "pcm-00000.i16").samefile(tmp_path / "out" / "pcm-00000.i16")


def test_the_same_command_again_does_nothing(talks: Path, tmp_path: Path) -> None:
    first = align_bank(talks, tmp_path / "out", EvenAligner())
    aligner = EvenAligner()
    again = align_bank(talks, tmp_path / "out", aligner)
    assert not aligner.asked
    assert (again.built, again.aligned, again.unaligned) == (False, first.aligned, first.unaligned)
    newer = EvenAligner()
    newer.version = "2"
    with pytest.raises(BankError, match="made from other inputs"):
        align_bank(talks, tmp_path / "out", newer)
    assert align_bank(talks, tmp_path / "out", newer, overwrite=True).built


def test_a_run_that_is_interrupted_goes_on(talks: Path, tmp_path: Path) -> None:
    whole = align_bank(talks, tmp_path / "whole", EvenAligner(), batch_s=1.0)
    with pytest.raises(KeyboardInterrupt):
        align_bank(talks, tmp_path / "out", EvenAligner(dies_after=3), batch_s=1.0)
    assert not (tmp_path / "out").exists()
    journal = tmp_path / ".out.alignments.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"id": "mandar')  # the line that was being written
    aligner = EvenAligner()
    resumed = align_bank(talks, tmp_path / "out", aligner, batch_s=1.0)
    assert resumed.resumed == 3
    assert "we met at noon." not in aligner.asked
    assert len(aligner.asked) == 3
    assert resumed.info.fingerprint == whole.info.fingerprint
    assert not journal.exists()
    assert msgspec.structs.astuple(resumed)[3:6] == msgspec.structs.astuple(whole)[3:6]


def test_the_journal_of_another_model_is_not_used(talks: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        align_bank(talks, tmp_path / "out", EvenAligner(dies_after=3), batch_s=1.0)
    newer = EvenAligner()
    newer.version = "2"
    assert align_bank(talks, tmp_path / "out", newer).resumed == 0
    assert len(newer.asked) == 6


def test_a_bank_without_speech(tmp_path: Path) -> None:
    build_bank(BuiltinSounds(kinds=("dog_bark",), clips=1, beds=0), tmp_path / "sounds")
    with pytest.raises(BankError, match="has no speech to align, only sound"):
        align_bank(tmp_path / "sounds", tmp_path / "out", EvenAligner())


def test_speech_in_no_language_of_the_aligner(tmp_path: Path) -> None:
    class German(Talks):
        def items(self) -> Iterator[SourceItem]:
            return (item for item in super().items() if item.id == "german")

    build_bank(German(), tmp_path / "german")
    with pytest.raises(BankError, match="its speech is in de, and the aligner 'even' has models for en, zh only"):
        align_bank(tmp_path / "german", tmp_path / "out", EvenAligner())


def test_a_bank_is_not_aligned_into_itself_or_over_something_else(talks: Path, tmp_path: Path) -> None:
    with pytest.raises(BankError, match="cannot be aligned into itself"):
        align_bank(talks, tmp_path / "x" / ".." / "talks", EvenAligner())
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/diary.txt").write_text("dear diary")
    with pytest.raises(BankError, match="is not a bank, so nothing is built over it"):
        align_bank(talks, tmp_path / "notes", EvenAligner())
    with pytest.raises(BankError, match="is not a bank"):
        align_bank(tmp_path / "notes", tmp_path / "out", EvenAligner())
