"""`soundflow bank align` with a real aligner: recordings of espeak, whose words a bank does not know."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import small_models as small
from soundflow_data.bank import Bank
from soundflow_data.bank.align import align_bank
from soundflow_data.bank.build import build_bank
from soundflow_data.bank.source import Samples, SourceItem
from soundflow_data.errors import SpeechError
from soundflow_data.speech import load_voices
from soundflow_data.speech.provers import ALIGNERS, make_aligner

# A model learns in the first test that needs it: six seconds, and many times that where others use the machine.
pytestmark = pytest.mark.timeout(300)


class Recordings:
    """Sentences without times, one that is silent, one whose text nobody said."""

    def __init__(self) -> None:
        self.utterances = small.speak_texts(small.sentences(8, language="en", seed=6), load_voices("en")[:4])

    def items(self) -> Iterator[SourceItem]:
        for i, one in enumerate(self.utterances):
            yield SourceItem(
                id=f"talk-{i}", audio=Samples(pcm=one.speech.pcm), kind="speech", text=one.text, language="en"
            )
        noise = (np.random.default_rng(0).standard_normal(48_000) * 2000).astype(np.int16)
        yield SourceItem(
            id="noise", audio=Samples(pcm=noise), kind="speech", text="nobody knows when it began", language="en"
        )

    def describe(self) -> dict[str, Any]:
        return {"reader": "recordings"}


@pytest.fixture(scope="module")
def recordings() -> Recordings:
    return Recordings()


@pytest.fixture
def bank(recordings: Recordings, tmp_path: Path) -> Path:
    build_bank(recordings, tmp_path / "talks")
    return tmp_path / "talks"


@pytest.mark.parametrize("name", ALIGNERS)
def test_a_bank_of_recordings_gets_its_times(
    name: str, recordings: Recordings, bank: Path, english_ctc: Path, tmp_path: Path
) -> None:
    aligner = make_aligner(name, {"en": str(english_ctc), "device": "cpu"})
    summary = align_bank(bank, tmp_path / "out", aligner, batch_s=5)
    assert summary.aligned >= 7
    assert summary.aligned + sum(summary.unaligned.values()) == 9
    opened = Bank.open(tmp_path / "out")
    assert not opened.clip(opened.find("noise")).words
    errors = [
        abs(found.end - exact.end) / 16
        for i, one in enumerate(recordings.utterances)
        for found, exact in zip(opened.clip(opened.find(f"talk-{i}")).words, one.speech.words, strict=False)
    ]
    assert statistics.median(errors) < 40
    assert np.percentile(errors, 90) < 100


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("soundflow")
    return subprocess.run([program, "bank", "align", *map(str, arguments)], capture_output=True, text=True, check=False)


def test_the_command_aligns_counts_and_goes_on(bank: Path, english_ctc: Path) -> None:
    arguments = (bank, "--aligner", "ctc", "-o", f"en={english_ctc}", "-o", "device=cpu")
    first = command(*arguments, "--json")
    assert first.returncode == 0, first.stderr
    result = json.loads(first.stdout)
    assert result["path"] == str(bank.with_name("talks-aligned"))
    assert result["aligned"] + sum(result["unaligned"].values()) == 9
    again = command(*arguments)
    assert again.returncode == 0
    assert f"{result['aligned']} clips aligned, 0 had times" in again.stdout
    assert "was there already" in again.stdout
    assert "not aligned" in again.stderr
    assert "unaligned.jsonl" in again.stderr


def test_mistakes_are_told_in_one_line(bank: Path, mandarin_ctc: Path, tmp_path: Path) -> None:
    for arguments, message in (
        ((bank, "-o", f"en={tmp_path}/nowhere"), "does not exist"),
        ((bank,), "has no model; set one for each language, such as en=FOLDER"),
        ((bank, "-o", f"zh={mandarin_ctc}"), "its speech is in en, and the aligner 'whisperx' has models for zh only"),
        ((tmp_path / "nothing", "-o", f"zh={mandarin_ctc}"), "is not a bank"),
        ((bank, "-o", "en"), "is not of the form KEY=VALUE"),
    ):
        ended = command(*arguments)
        assert ended.returncode in {1, 2}
        assert message in ended.stderr
        assert "Traceback" not in ended.stderr
    assert not bank.with_name("talks-aligned").exists()


def test_a_damaged_model_loses_no_answers(bank: Path, english_ctc: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(english_ctc, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": 64}))
    with pytest.raises(SpeechError, match="cannot be loaded"):
        align_bank(bank, tmp_path / "out", make_aligner("ctc", {"en": str(folder), "device": "cpu"}))
    assert not (tmp_path / "out").exists()
    summary = align_bank(bank, tmp_path / "out", make_aligner("ctc", {"en": str(english_ctc), "device": "cpu"}))
    assert summary.built
    assert summary.aligned >= 7
