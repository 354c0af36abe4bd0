"""What engines share: long texts divided, samples made speech, voices sealed by their files."""

from __future__ import annotations

import importlib.util
import pickle
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundflow_data.errors import EngineError, SpeechError
from soundflow_data.speech import Voice, load_voices, read_voices, seal, utterance_id
from soundflow_data.speech.engine import Request, Speech, speak_many
from soundflow_data.speech.engines import ENGINES, engine_options, make_engine
from soundflow_data.speech.finish import PAUSE, finish, join
from soundflow_data.speech.sentences import split_text

WORDS = [
    "the",
    "kettle",
    "is",
    "on,",
    "nobody",
    "hears",
    "it.",
    "Why?",
    "你好，",
    "水开了。",
    "“真的？”",
    "Dr.",
    "e.g.",
    "…",
]


@given(st.lists(st.sampled_from(WORDS), max_size=60), st.integers(5, 60))
def test_parts_are_short_enough_and_hold_every_word(words: list[str], limit: int) -> None:
    text = " ".join(words)
    parts = split_text(text, limit)
    assert all(0 < len(part) <= limit for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_texts_are_divided_at_the_best_place() -> None:
    assert split_text("One two. Three four? Five, six.", 24) == ["One two. Three four?", "Five, six."]
    assert split_text("He said “no.” Then he left.", 20) == ["He said “no.”", "Then he left."]
    assert split_text("One, two three four", 12) == ["One,", "two three", "four"]
    assert split_text("水开了。“真的吗？”他问。", 8) == ["水开了。", "“真的吗？”", "他问。"]
    assert split_text("abcdef", 4) == ["abcd", "ef"]
    assert split_text("  ", 4) == []


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 24_000, 48_000])
def test_any_rate_becomes_16_khz(rate_hz: int) -> None:
    tone = (0.5 * np.sin(2 * np.pi * 300 * np.arange(rate_hz) / rate_hz)).astype(np.float32)
    pcm = finish(tone, rate_hz, "a tone")
    assert pcm.dtype == np.int16
    assert abs(len(pcm) - 16_000) <= 1
    assert abs(int(np.abs(pcm[1_000:-1_000]).max()) - 16_384) < 40


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        ([], "silent"),
        ([0.0] * 400, "silent"),
        ([1e-4] * 400, "silent"),
        ([0.1, float("nan")], "not finite"),
        ([0.1, float("inf")], "not finite"),
        ([0.1, -40.0], "out of range"),
    ],
)
def test_what_is_no_audio_is_refused(samples: list[float], reason: str) -> None:
    with pytest.raises(SpeechError, match="a model") as caught:
        finish(np.array(samples, np.float32), 22_050, "a model")
    assert caught.value.reason == reason


def test_parts_are_joined_by_pauses() -> None:
    joined = join([np.ones(10, np.int16), np.ones(20, np.int16)])
    assert len(joined) == 30 + PAUSE
    assert joined.sum() == 30
    assert join([np.ones(10, np.int16)]).sum() == 10


# -- voices made from files --------------------------------------------------------------------------------------------


def manifest(folder: Path, fields: str) -> Path:
    path = folder / "voices.yaml"
    path.write_text(f"engine: coqui\nlicence: mine\nvoices: [{{id: a, language: en, {fields}}}]\n")
    return path


def test_a_models_folder_gives_the_voice_its_digest_wherever_it_lies(tmp_path: Path) -> None:
    addresses = []
    for place, weights in (("here", b"1"), ("there", b"1"), ("there", b"2")):
        folder = tmp_path / place / "model"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text("{}")
        (folder / "model.pth").write_bytes(weights)
        (folder / "log.txt").write_text(place)
        (voice,) = read_voices(manifest(folder.parent, "model: model, variant: ada"))
        assert Path(voice.model) == folder
        addresses.append(utterance_id("Hello.", voice, "1"))
    assert addresses[0] == addresses[1] != addresses[2]


def test_a_digest_that_is_given_needs_no_files(tmp_path: Path) -> None:
    (voice,) = read_voices(manifest(tmp_path, "model: gone, reference: [gone.wav], digest: abc"))
    assert utterance_id("Hello.", voice, "1")
    with pytest.raises(EngineError, match=r"voice 'a' is made from .*gone.wav, which cannot be read"):
        read_voices(manifest(tmp_path, "model: gone, reference: [gone.wav]"))


def test_a_voice_that_is_not_sealed_has_no_address(tmp_path: Path) -> None:
    clip = tmp_path / "clip.wav"
    clip.write_bytes(b"1")
    voice = Voice(id="a", engine="coqui", language="en", model="xtts", reference=(str(clip),), licence="CPML")
    with pytest.raises(SpeechError, match="its digest is empty"):
        utterance_id("Hello.", voice, "1")
    first = utterance_id("Hello.", seal(voice), "1")
    clip.write_bytes(b"22")
    assert utterance_id("Hello.", seal(voice), "1") != first


def test_voices_without_files_are_addressed_as_ever() -> None:
    ada = load_voices("en")[0]
    assert seal(ada) == ada
    assert ada.digest == ""
    assert utterance_id("Hello.", ada, "1") == "723f64992945a35235da5a59"


class OnlySpeaks:
    """An engine of one method: it refuses a text, and breaks at another."""

    name = version = "only"

    def speak(self, text: str, voice: Voice) -> Speech:
        if text == "No.":
            raise SpeechError("not this", reason="refused")
        if text == "Break.":
            raise EngineError("broken")
        return Speech(pcm=np.ones(4, np.int16), words=())


def test_an_engines_own_failure_is_raised_and_a_texts_is_returned() -> None:
    ada = load_voices("en")[0]
    requests = [Request(text=text, voice=ada) for text in ("Yes.", "No.")]
    good, bad = speak_many(OnlySpeaks(), requests)
    assert isinstance(good, Speech)
    assert isinstance(bad, SpeechError)
    with pytest.raises(EngineError):
        speak_many(OnlySpeaks(), [Request(text="Break.", voice=ada)])


def test_errors_of_engines_come_home_from_workers() -> None:
    error = pickle.loads(pickle.dumps(EngineError("no", reason="model missing")))
    assert (type(error), str(error), error.reason) == (EngineError, "no", "model missing")
    assert msgspec.json.encode(Request(text="a", voice=load_voices("en")[0]))


def test_without_its_packages_the_neural_engine_says_how_to_get_them() -> None:
    if importlib.util.find_spec("TTS"):
        pytest.skip("coqui-tts is installed")
    engine = make_engine("coqui")
    with pytest.raises(EngineError, match="needs the package coqui-tts; run `make speech`"):
        _ = engine.version
    voice = Voice(id="a", engine="coqui", language="en", model="tts_models/en/vctk/vits", licence="none")
    with pytest.raises(EngineError, match="run `make speech`, or `pip install 'soundflow"):
        engine.speak("Hello.", voice)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_page_about_engines_tells_their_options(engine: str) -> None:
    page = (Path(__file__).parent.parent / "docs/speech.md").read_text(encoding="utf-8")
    section = page.partition(f"### {engine}\n")[2].partition("\n#")[0]
    told = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert told == [option.name for option in engine_options(engine)]
