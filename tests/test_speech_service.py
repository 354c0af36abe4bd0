"""Utterances come from banks where these hold them; without an engine, from nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundflow_data.bank import Bank
from soundflow_data.bank.build import build_bank
from soundflow_data.bank.readers.espeak import Espeak
from soundflow_data.errors import SpeechError
from soundflow_data.speech import EspeakEngine, load_voices
from soundflow_data.speech.service import SpeechService


def test_without_an_engine_banks_are_all_there_is(tmp_path: Path) -> None:
    voice = load_voices("en")[0]
    build_bank(Espeak(text="The kettle is on.", voices=(voice.id,)), tmp_path / "bank", name="spoken")
    engine = EspeakEngine()
    service = SpeechService(
        engine=None,
        version=engine.version,
        banks={"spoken": Bank.open(tmp_path / "bank", name="spoken")},
        voices={voice.id: voice},
    )
    found = service.utter("The kettle is on.", voice)
    assert found.bank == "spoken"
    assert found.num_samples == len(engine.speak("The kettle is on.", voice).pcm)
    with pytest.raises(SpeechError, match="is in no bank, and the recipe allows no engine"):
        service.utter("Something else.", voice)
