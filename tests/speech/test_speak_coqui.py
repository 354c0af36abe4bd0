"""A recipe spoken by the real Coqui engine; its bank then serves where neither torch nor TTS can be imported."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
import yaml
from coqui_folders import write_vits

from soundflow_data.bank import Bank
from soundflow_data.bank.build import build_bank
from soundflow_data.bank.readers.builtin_sounds import BuiltinSounds
from soundflow_data.errors import SpeechError
from soundflow_data.recipe import LoadedRecipe, load_recipe
from soundflow_data.speech.assemble import UTTERANCES
from soundflow_data.speech.checking import Verdict
from soundflow_data.speech.coqui import CoquiEngine, CoquiSettings
from soundflow_data.speech.making import Tools
from soundflow_data.speech.proof import Alignment, Spoken
from soundflow_data.speech.spoken_bank import SpokenBank
from soundflow_data.timeline import Word
from soundflow_pipelines.executor import InProcess
from soundflow_pipelines.speak import open_speaking, without_bank

pytestmark = pytest.mark.timeout(240)  # torch, TTS and a second interpreter, on machines that others use as well

LICENCE = "CPML"
WRONG = "h?"  # the ear hears something else where a text ends so


class EvenAligner:
    """Divides the audio among the words: what an untrained model hums has none."""

    name = "even"
    version = "1"
    languages = ("en",)

    def align(self, items: list[Spoken]) -> list[Alignment | SpeechError]:
        return [self._align(item) for item in items]

    def _align(self, item: Spoken) -> Alignment:
        parts = item.text.split()
        step = len(item.pcm) // len(parts)
        words = tuple(Word(text=part, start=i * step, end=(i + 1) * step) for i, part in enumerate(parts))
        return Alignment(words=words, scores=(0.75,) * len(words))


def listen(items: list[Spoken]) -> list[Verdict | SpeechError]:
    return [Verdict(wer=float(WRONG in item.text), transcript=item.text, checked_by="ear 1") for item in items]


class Toolbox(msgspec.Struct, frozen=True, kw_only=True):
    """The real engine, and stand-ins for models that would have to be trained to follow it."""

    def open(self) -> Tools:
        return Tools(engine=CoquiEngine(CoquiSettings(device="cpu")), aligner=EvenAligner(), check=listen)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> LoadedRecipe:
    root = tmp_path_factory.mktemp("coqui")
    write_vits(root / "vits", ("ada", "ben"))
    build_bank(
        BuiltinSounds(kinds=("dog_bark", "doorbell", "rain", "white_noise"), clips=2, beds=2, bed_s=3.0),
        root / "sounds",
    )
    voices = [{"id": f"vits-{name}", "language": "en", "model": "vits", "variant": name} for name in ("ada", "ben")]
    (root / "voices.yaml").write_text(yaml.safe_dump({"engine": "coqui", "licence": LICENCE, "voices": voices}))
    settings = {
        "name": "neural",
        "streams": 5,
        "streams_per_shard": 5,
        "duration_s": [8, 12],
        "splits": {"train": 1.0},
        "subtasks": {"voice_chatting/factual_qa": 1.0},
        "banks": {"sounds": {"path": "sounds"}},
        "background_per_minute": [0, 0],
        "ambient_per_minute": [0, 0],
        "voices": {"manifest": "voices.yaml", "bank": "speech"},
        "limits": {"max_drop_share": 1.0},
    }
    (root / "recipe.yaml").write_text(yaml.safe_dump(settings))
    return load_recipe(root / "recipe.yaml")


@pytest.fixture(scope="module")
def bank(recipe: LoadedRecipe) -> Bank:
    root = recipe.path.parent
    sounds = {"sounds": Bank.open(root / "sounds")}
    job = open_speaking(without_bank(recipe), sounds, root / "speech", Toolbox())
    with job.claim():
        job.fill(InProcess())
    return Bank.open(root / "speech")


def test_it_is_spoken_aligned_and_checked(bank: Bank) -> None:
    source = SpokenBank(bank).source
    assert (source.engine, source.engine_version) == ("coqui", CoquiEngine().version)
    assert bank.info.hours_by_licence.keys() == {LICENCE}
    rows = pq.read_table(bank.path / UTTERANCES).to_pylist()
    assert rows
    for row, clip in zip(rows, bank, strict=True):
        assert (row["aligner"], row["mean_score"], row["checked_by"], row["wer"]) == ("even 1", 0.75, "ear 1", 0.0)
        assert " ".join(word.text for word in clip.words) == clip.text
        assert bank.pcm(clip.row).any()
    assert all(WRONG not in row["text"] for row in rows)
    assert set(SpokenBank(bank).failed.values()) <= {"not understood", "silent"}  # untrained models hum at any level


BASE = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchaudio", "TTS", "whisperx", "transformers", "ray", "espeakng_loader"):
            raise ModuleNotFoundError(f"{name} is blocked in this test")

sys.meta_path.insert(0, Blocker())
from soundflow_pipelines.cli.app import app
app(sys.argv[1:])
"""


def test_its_bank_opens_where_no_model_can_be_imported(recipe: LoadedRecipe, bank: Bank, tmp_path: Path) -> None:
    words = ["run", recipe.path, tmp_path / "out", "--executor", "local", "--workers", "1", "--no-picture"]
    done = subprocess.run([sys.executable, "-c", BASE, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    stats = subprocess.run(
        [sys.executable, "-c", BASE, "stats", str(tmp_path / "out")], capture_output=True, text=True, check=False
    )
    assert stats.returncode == 0, stats.stderr
    (shard,) = (tmp_path / "out").rglob("*.tar")
    with tarfile.open(shard) as tar:
        streams = [
            json.load(file) for member in tar if member.name.endswith("json") and (file := tar.extractfile(member))
        ]
    spoken = [event for stream in streams for event in stream["timeline"]["events"] if event["kind"] == "speech"]
    assert spoken
    assert {(event["bank"], event["licence"], event["corpus"]) for event in spoken} == {("voices", LICENCE, "coqui")}
    assert LICENCE in stats.stdout
