"""Building banks: the same bytes for any number of workers, counted drops, and nothing half written."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from soundflow_data.audio.bursts import bursts
from soundflow_data.bank import Bank
from soundflow_data.bank.build import Progress, build_bank
from soundflow_data.bank.place import BuildPlace
from soundflow_data.bank.prepare import Preparation
from soundflow_data.bank.readers.fsdd import Fsdd
from soundflow_data.bank.source import File, Samples, SourceItem, Spoken
from soundflow_data.errors import BankError
from soundflow_data.timeline import SAMPLE_RATE, Word


class Listed:
    """A source of given items."""

    def __init__(self, items: Sequence[SourceItem], **config: Any) -> None:
        self._items = items
        self._config = config

    def items(self) -> Iterator[SourceItem]:
        return iter(self._items)

    def describe(self) -> dict[str, Any]:
        return {"reader": "listed", **self._config}


def tone(seconds: float, hz: float = 440.0, rate: int = SAMPLE_RATE) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    return 0.5 * np.sin(2 * np.pi * hz * t)


def barks(count: int, gap_s: float = 0.25) -> np.ndarray:
    """Short noises that decay, with silence between them."""
    rng = np.random.default_rng(1)
    decay = np.exp(-np.arange(3200) / 600)
    one = np.concatenate([0.5 * rng.standard_normal(3200).clip(-1, 1) * decay, np.zeros(round(gap_s * SAMPLE_RATE))])
    return np.concatenate([np.zeros(1600), *[one] * count])


def recordings(folder: Path, count: int) -> list[SourceItem]:
    folder.mkdir(exist_ok=True)
    items = []
    for number in range(count):
        path = folder / f"{number}.wav"
        sf.write(path, tone(0.5 + number / 10, 200 + 50 * number), SAMPLE_RATE)
        items.append(SourceItem(id=f"r{number}", audio=File(path=path), kind="sound", path=path.name, label="beep"))
    return items


def files_of(path: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(path.iterdir())}


def quarantine_of(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (path / "quarantine.jsonl").read_text().splitlines()]


# -- bytes -------------------------------------------------------------------------------------------------------------


def test_the_bytes_do_not_depend_on_the_workers(tmp_path: Path) -> None:
    items = recordings(tmp_path / "audio", 20)
    items.insert(3, SourceItem(id="gone", audio=File(path=tmp_path / "gone.wav"), kind="sound", path="gone.wav"))
    voices = ("en-ada", "en-ben", "en-clara")
    items += [
        SourceItem(id=f"said{i}", audio=Spoken(voice=voices[i % 3]), kind="speech", text=f"Hello, number {i}.")
        for i in range(12)
    ]
    one = build_bank(Listed(items), tmp_path / "one", name="bank", workers=1, part_samples=60_000)
    two = build_bank(Listed(items), tmp_path / "two", name="bank", workers=2, part_samples=60_000)
    assert files_of(one.path) == files_of(two.path)
    assert len(one.info.parts) > 2
    assert one.info.drops == {"missing": 1}
    assert len(Bank.open(two.path)) == 32
    assert one.speed > 0


def test_progress_counts_up(tmp_path: Path) -> None:
    seen: list[Progress] = []
    build_bank(Listed(recordings(tmp_path / "audio", 9)), tmp_path / "bank", progress=seen.append)
    assert [one.done for one in seen] == list(range(1, 10))
    assert seen[-1].total == seen[-1].clips == 9
    assert seen[-1].seconds == pytest.approx(Bank.open(tmp_path / "bank").info.hours * 3600, abs=0.01)


# -- bad input ---------------------------------------------------------------------------------------------------------


def write_bad_files(folder: Path) -> dict[str, str]:
    """Writes one file per way of being bad; returns their reasons."""
    folder.mkdir()
    good = tone(1.0)
    (folder / "unreadable.wav").write_text("this is not audio, whatever its name says")
    (folder / "zero_bytes.wav").write_bytes(b"")
    sf.write(folder / "empty.wav", np.zeros(0), SAMPLE_RATE)
    sf.write(folder / "nan.wav", np.where(np.arange(16000) == 9000, np.nan, good), SAMPLE_RATE, subtype="FLOAT")
    sf.write(folder / "silent.wav", np.zeros(16000), SAMPLE_RATE)
    sf.write(folder / "faint.wav", good / 2000, SAMPLE_RATE)
    for name, claim in (("truncated.wav", None), ("huge.wav", 0x7FFFFF00)):
        sf.write(folder / name, good, SAMPLE_RATE, subtype="PCM_16")
        data = bytearray((folder / name).read_bytes())
        if claim is None:
            del data[-8000:]
        else:
            data[40:44] = claim.to_bytes(4, "little")
        (folder / name).write_bytes(data)
    return {
        "unreadable.wav": "unreadable", "zero_bytes.wav": "zero bytes", "empty.wav": "empty", "nan.wav": "not finite",
        "silent.wav": "silent", "faint.wav": "too quiet", "truncated.wav": "truncated", "huge.wav": "truncated",
        "missing.wav": "missing",
    }  # fmt: skip


def test_bad_files_are_quarantined_with_their_reason(tmp_path: Path) -> None:
    folder = tmp_path / "audio"
    reasons = write_bad_files(folder)
    items = [
        SourceItem(id=name, audio=File(path=folder / name), kind="sound", path=name, label="beep") for name in reasons
    ]
    summary = build_bank(Listed([*items, *recordings(folder, 2)]), tmp_path / "bank")
    lines = quarantine_of(summary.path)
    assert {line["path"]: line["reason"] for line in lines} == reasons
    assert all(line["id"] in line["message"] for line in lines)
    assert sum(summary.info.drops.values()) == len(reasons)
    assert [clip.id for clip in Bank.open(summary.path)] == ["r0", "r1"]


@pytest.mark.parametrize(
    ("rate", "channels", "subtype"),
    [(8_000, 1, "PCM_16"), (96_000, 2, "PCM_24"), (16_000, 1, "PCM_U8"), (44_100, 6, "FLOAT")],
)
def test_other_formats_become_16_khz_mono(tmp_path: Path, rate: int, channels: int, subtype: str) -> None:
    path = tmp_path / "a.wav"
    sf.write(path, np.repeat(tone(2.0, rate=rate)[:, None], channels, axis=1), rate, subtype=subtype)
    item = SourceItem(id="a", audio=File(path=path), kind="noise", label="white_noise")
    bank = Bank.open(build_bank(Listed([item]), tmp_path / "bank").path)
    assert bank.clip(0).num_samples == pytest.approx(2 * SAMPLE_RATE, abs=200)
    assert bank.clip(0).level_db == pytest.approx(-9.0, abs=0.3)
    assert bank.clip(0).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_long_recording_is_cut_and_never_held(tmp_path: Path) -> None:
    """Ten minutes stand for an hour: 19 MB as int16, 57 MB as what the file holds."""
    path = tmp_path / "long.wav"
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (48_000 * 10, 1)).astype(np.float32)
    with sf.SoundFile(path, "w", 48_000, 1, "PCM_16") as file:
        for _ in range(60):
            file.write(noise)
    items = [
        SourceItem(id=kind, audio=File(path=path), kind=kind, label="white_noise", path="long.wav")
        for kind in ("sound", "noise")
    ]
    items.append(SourceItem(id="end", audio=File(path=path, start_s=599.0), kind="sound", label="white_noise"))
    build_bank(Listed(items), tmp_path / "warm-up", preparation=Preparation(max_clip_s=2, max_bed_s=4))
    tracemalloc.start()
    summary = build_bank(Listed(items), tmp_path / "bank", preparation=Preparation(max_clip_s=3, max_bed_s=5))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6e6
    assert summary.info.num_cut == 2
    assert [clip.num_samples for clip in Bank.open(summary.path)][1] == 5 * SAMPLE_RATE
    assert all(clip.seconds <= 5 for clip in Bank.open(summary.path))


def test_duplicate_ids_keep_the_first(tmp_path: Path) -> None:
    items = recordings(tmp_path / "audio", 3)
    again = SourceItem(id="r1", audio=Samples(pcm=np.full(4000, 900, np.int16)), kind="sound", path="again.wav")
    summary = build_bank(Listed([*items, again]), tmp_path / "bank")
    assert summary.info.drops == {"duplicate id": 1}
    assert quarantine_of(summary.path)[0]["path"] == "again.wav"
    assert [clip.path for clip in Bank.open(summary.path)] == ["0.wav", "1.wav", "2.wav"]


def test_a_bank_with_nothing_usable_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "audio"
    items = [SourceItem(id=name, audio=File(path=folder / name), kind="sound") for name in write_bad_files(folder)]
    with pytest.raises(BankError, match=r"nothing usable among 9 items \(truncated: 2, .*unreadable: 1"):
        build_bank(Listed(items), tmp_path / "bank")
    with pytest.raises(BankError, match="nothing usable among 0 items; check the source's folder"):
        build_bank(Listed([]), tmp_path / "bank")
    assert [path.name for path in tmp_path.iterdir()] == ["audio"]


def test_too_many_bad_items_stop_the_build(tmp_path: Path) -> None:
    good = recordings(tmp_path / "audio", 6)
    gone = [SourceItem(id=f"gone{i}", audio=File(path=tmp_path / f"{i}.wav"), kind="sound") for i in range(4)]
    with pytest.raises(BankError, match=r"4 of the first 10 items \(of 10\) .*limit of 3 \(missing: 4; such as gone0"):
        build_bank(Listed([*good, *gone]), tmp_path / "bank", max_drops=3, max_drop_share=0.1)
    assert not (tmp_path / "bank").exists()
    assert build_bank(Listed([*good, *gone]), tmp_path / "bank", max_drops=3, max_drop_share=0.4).info.num_clips == 6
    assert build_bank(Listed([*good, *gone]), tmp_path / "other").info.drops == {"missing": 4}


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    def full(progress: Progress) -> None:
        if progress.done == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(BankError, match="the disk is full"):
        build_bank(Listed(recordings(tmp_path / "audio", 3)), tmp_path / "bank", progress=full)
    assert [path.name for path in tmp_path.iterdir()] == ["audio"]


class KillsItsReader:
    """Ends the process that unpickles it, as the system does when memory runs out."""

    def __reduce__(self) -> tuple[Callable[[int], None], tuple[int]]:
        return os._exit, (9,)


def test_a_dead_worker_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    items = recordings(tmp_path / "audio", 12)

    class Deadly(Listed):
        def items(self) -> Iterator[SourceItem]:
            yield from items
            self.calls = getattr(self, "calls", 0) + 1
            if self.calls > 1:  # the first listing is for the digest alone
                yield SourceItem(id="deadly", audio=KillsItsReader(), kind="sound")  # type: ignore[arg-type]

    with pytest.raises(BankError, match=r"worker died .*'r\d+' to '.*fewer workers"):
        build_bank(Deadly([]), tmp_path / "bank", workers=2)
    assert [path.name for path in tmp_path.iterdir()] == ["audio"]


# -- preparation -------------------------------------------------------------------------------------------------------


def test_labels_become_canonical_and_single_occurrences_are_cut_out(tmp_path: Path) -> None:
    path = tmp_path / "dog.wav"
    sf.write(path, barks(3), SAMPLE_RATE)
    items = [
        SourceItem(id=label, audio=File(path=path), kind="sound", label=label, origin="dog.wav", licence="CC0")
        for label in ("dog", "rain", "my own thing")
    ]
    bank = Bank.open(build_bank(Listed(items), tmp_path / "bank").path)
    assert [(clip.id, clip.label, clip.occurrences) for clip in bank] == [
        ("dog", "dog_bark", 3),
        ("dog-one", "dog_bark", 1),
        ("rain", "rain", 0),
        ("my own thing", "my own thing", 3),
    ]
    assert bank.info.num_single == 1
    whole, one = bank.clip(0), bank.clip(1)
    assert (one.origin, one.group, one.licence, one.sha256) == (whole.origin, whole.group, "CC0", whole.sha256)
    assert len(bursts(bank.pcm(1))) == 1
    assert one.num_samples < whole.num_samples / 2
    assert bank.single(bank.rows(label="dog_bark")).tolist() == [1]
    assert 0 < one.recognisable < one.num_samples


def test_word_times_follow_the_trimmed_speech(tmp_path: Path) -> None:
    speech = np.concatenate([np.zeros(8000), tone(0.5), np.zeros(1600), tone(0.5), np.zeros(16000)])
    path = tmp_path / "speech.wav"
    sf.write(path, speech, SAMPLE_RATE)
    words = (Word(text="good", start=8000, end=16000), Word(text="morning", start=17600, end=25600))
    item = SourceItem(
        id="s", audio=File(path=path), kind="speech", text="good morning", language="en", words=words, speaker="ann"
    )
    bank = Bank.open(build_bank(Listed([item]), tmp_path / "bank").path)
    clip = bank.clip(0)
    start = 8000 - clip.words[0].start
    assert 0 < start < 8000
    assert [(word.start, word.end) for word in clip.words] == [(w.start - start, w.end - start) for w in words]
    assert clip.recognisable == clip.words[-1].end <= clip.num_samples
    assert clip.num_samples < len(speech) - 16000
    sounding = bank.pcm(0)[clip.words[1].start + 400 : clip.words[1].end - 400]
    np.testing.assert_allclose(sounding / 32768, speech[18000:25200], atol=1e-3)


@pytest.mark.parametrize(
    ("text", "words", "reason"),
    [
        ("one two", (("one", 0, 9000), ("two", 8000, 15000)), "bad word times"),
        ("one two", (("one", 0, 8000), ("two", 8000, 20000)), "bad word times"),
        ("one", (("one", -5, 8000),), "bad word times"),
    ],
)
def test_word_times_that_cannot_be_true(
    tmp_path: Path, text: str, words: tuple[tuple[str, int, int], ...], reason: str
) -> None:
    pcm = np.round(tone(1.0) * 32767).astype(np.int16)
    timed = tuple(Word(text=name, start=start, end=end) for name, start, end in words)
    bad = SourceItem(id="bad", audio=Samples(pcm=pcm), kind="speech", text=text, words=timed)
    good = SourceItem(id="good", audio=Samples(pcm=pcm), kind="speech", text="one")
    summary = build_bank(Listed([bad, good]), tmp_path / "bank")
    assert summary.info.drops == {reason: 1}
    clip = Bank.open(summary.path).clip(0)
    assert clip.words == (Word(text="one", start=0, end=clip.num_samples),)


@pytest.mark.parametrize("speed", [0.8, 1.25])
def test_another_speed_makes_another_speaker_of_the_same_group(tmp_path: Path, speed: float) -> None:
    pcm = np.round(tone(1.0) * 32767).astype(np.int16)
    words = (Word(text="one", start=1600, end=8000), Word(text="two", start=8000, end=14400))
    item = SourceItem(
        id="a", audio=Samples(pcm=pcm), kind="speech", text="one two", words=words, speaker="ada", group="ada"
    )
    built = build_bank(Listed([item]), tmp_path / "bank", preparation=Preparation(speed=speed))
    plain = Bank.open(build_bank(Listed([item]), tmp_path / "plain").path).clip(0)
    bank = Bank.open(built.path)
    clip = bank.clip(0)
    assert (clip.speaker, clip.group, clip.origin, clip.text) == (f"ada@{speed:g}", "ada", plain.origin, plain.text)
    assert [word.end - word.start for word in clip.words] == [round(6400 / speed)] * 2
    spectrum = np.abs(np.fft.rfft(bank.pcm(0)[:8000].astype(float)))
    assert np.argmax(spectrum) * 2 == pytest.approx(440 * speed, abs=2)
    assert not build_bank(Listed([item]), tmp_path / "bank", preparation=Preparation(speed=speed)).built
    with pytest.raises(BankError, match="was made from other inputs"):
        build_bank(Listed([item]), tmp_path / "bank")


def test_speech_too_long_for_its_text_is_left_out_and_other_speech_cut(tmp_path: Path) -> None:
    pcm = np.round(tone(3.0) * 32767).astype(np.int16)
    items = [
        SourceItem(id="told", audio=Samples(pcm=pcm), kind="speech", text="a long story"),
        SourceItem(id="babble", audio=Samples(pcm=pcm), kind="speech"),
    ]
    summary = build_bank(Listed(items), tmp_path / "bank", preparation=Preparation(max_clip_s=2))
    assert summary.info.drops == {"too long for its text": 1}
    assert summary.info.num_cut == 1
    assert Bank.open(summary.path).clip(0).num_samples == 2 * SAMPLE_RATE


def test_a_dialogue_is_kept_or_left_out_as_a_whole(tmp_path: Path) -> None:
    def turn(dialogue: str, number: int, text: str) -> SourceItem:
        return SourceItem(
            id=f"{dialogue}-{number}", audio=Spoken(voice="en-ada"), kind="speech", text=text, dialogue=dialogue,
            turn=number,
        )  # fmt: skip

    items = [turn("long", i, f"Sentence number {i}.") for i in range(11)]  # more than a chunk of items
    items += [turn("bad", 0, "Good."), turn("bad", 2, "\u0416"), turn("bad", 4, "Better.")]
    items += [turn("last", 0, "Bye.")]
    summary = build_bank(Listed(items), tmp_path / "bank", workers=1)
    assert summary.info.drops == {"cannot be spoken": 1, "dialogue incomplete": 2}
    bank = Bank.open(summary.path)
    assert [len(rows) for rows in bank.dialogues()] == [11, 1]
    clip = bank.clip(0)
    assert (clip.language, clip.speaker, clip.text) == ("en", "en-ada", "Sentence number 0.")
    assert clip.words[-1].end <= clip.num_samples
    assert clip.licence


# -- the folder --------------------------------------------------------------------------------------------------------


def test_a_rerun_finds_the_finished_bank(tmp_path: Path) -> None:
    items = recordings(tmp_path / "audio", 3)
    first = build_bank(Listed(items), tmp_path / "bank")
    before = {file.name: file.stat().st_mtime_ns for file in first.path.iterdir()}
    again = build_bank(Listed(items), tmp_path / "bank", workers=2)
    assert (first.built, again.built) == (True, False)
    assert again.info == first.info
    assert {file.name: file.stat().st_mtime_ns for file in first.path.iterdir()} == before


@pytest.mark.parametrize("change", ["items", "config", "settings", "file"])
def test_changed_inputs_ask_for_overwrite(tmp_path: Path, change: str) -> None:
    items = recordings(tmp_path / "audio", 3)
    build_bank(Listed(items), tmp_path / "bank")
    source, preparation = Listed(items), None
    if change == "items":
        source = Listed(items[:2])
    elif change == "config":
        source = Listed(items, licence="other")
    elif change == "settings":
        preparation = Preparation(max_clip_s=7)
    else:
        sf.write(tmp_path / "audio" / "1.wav", tone(0.9), SAMPLE_RATE)
    with pytest.raises(BankError, match=r"made from other inputs \(source 'listed', 3 items.*--overwrite"):
        build_bank(source, tmp_path / "bank", preparation=preparation)
    summary = build_bank(source, tmp_path / "bank", preparation=preparation, overwrite=True)
    assert summary.built
    assert Bank.open(tmp_path / "bank").info.inputs == summary.info.inputs
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audio", "bank"]


def test_other_folders_are_never_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(BankError, match="is not a bank, so nothing is built over it"):
            build_bank(Listed(recordings(tmp_path / "audio", 1)), folder, overwrite=overwrite)
    assert (folder / "thesis.txt").read_text() == "years of work"


def test_a_bank_of_another_format_is_replaced_only_on_request(tmp_path: Path) -> None:
    source = Listed(recordings(tmp_path / "audio", 1))
    build_bank(source, tmp_path / "bank")
    (tmp_path / "bank" / "bank.json").write_text('{"format": 0}')
    with pytest.raises(BankError, match="format 0"):
        build_bank(source, tmp_path / "bank")
    assert build_bank(source, tmp_path / "bank", overwrite=True).built


def test_two_builds_at_once_are_refused(tmp_path: Path) -> None:
    source = Listed(recordings(tmp_path / "audio", 1))
    with BuildPlace(tmp_path / "bank"), pytest.raises(BankError, match="being built by another process"):
        build_bank(source, tmp_path / "bank")
    assert build_bank(source, tmp_path / "bank").built


def test_what_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    def intrude(progress: Progress) -> None:
        (tmp_path / "bank").mkdir(exist_ok=True)
        (tmp_path / "bank" / "thesis.txt").write_text("years of work")

    with pytest.raises(BankError, match="appeared while its bank was built"):
        build_bank(Listed(recordings(tmp_path / "audio", 1)), tmp_path / "bank", progress=intrude)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audio", "bank"]


def test_an_interrupted_build_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_bank(Listed(recordings(tmp_path / "audio", 4)), tmp_path / "bank", progress=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["audio"]


_KILLED = """
import os, signal, sys
from pathlib import Path
from soundflow_data.bank.build import build_bank
from soundflow_data.bank.readers.fsdd import Fsdd

def kill(progress):
    if progress.done == 5:
        os.kill(os.getpid(), signal.SIGKILL)

build_bank(Fsdd(folder=Path(sys.argv[1])), sys.argv[2], progress=kill)
"""


def test_a_killed_build_leaves_nothing_that_opens_and_the_next_one_is_complete(tmp_path: Path) -> None:
    folder, out = tmp_path / "digits", tmp_path / "bank"
    folder.mkdir()
    for number in range(8):
        sf.write(folder / f"{number}_ann_0.wav", tone(0.4, 300), 8000)
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(folder), str(out)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert sorted(path.name for path in tmp_path.iterdir()) == [".bank.building", "digits"]
    with pytest.raises(BankError, match="not a bank"):
        Bank.open(out)
    with pytest.raises(BankError, match="not a bank"):
        Bank.open(tmp_path / ".bank.building")
    built = build_bank(Fsdd(folder=folder), out)
    fresh = build_bank(Fsdd(folder=folder), tmp_path / "fresh", name="bank")
    assert files_of(built.path) == files_of(fresh.path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bank", "digits", "fresh"]


def test_settings_are_checked(tmp_path: Path) -> None:
    with pytest.raises(BankError, match="0 workers"):
        build_bank(Listed([]), tmp_path / "bank", workers=0)
