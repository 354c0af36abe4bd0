"""VITS and XTTS through the real library, from small folders; what they cannot do is said, and nothing is skipped."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from coqui_folders import write_recording, write_vits, write_xtts
from imageio_ffmpeg import get_ffmpeg_exe
from TTS.tts.utils.text.phonemizers import espeak_wrapper

from soundflow_data.errors import SpeechError
from soundflow_data.speech import Voice, read_voices, utterance_id
from soundflow_data.speech.coqui import CoquiEngine
from soundflow_data.speech.engine import Request, Speech, speak_many
from soundflow_data.speech.engines import make_engine
from soundflow_data.speech.finish import PAUSE

replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {
        "many": write_vits(root / "many", ("ada", "ben")),
        "one": write_vits(root / "one"),
        "moved": write_vits(root / "moved", ("cy", "di"), table=True),
        "xtts": write_xtts(root / "xtts"),
        "clip": write_recording(root / "clip.wav", 3.5),
        "other clip": write_recording(root / "other.wav", 3.5, pitch_hz=230.0),
    }


@pytest.fixture(scope="module")
def engine() -> CoquiEngine:
    made = make_engine("coqui", {"device": "cpu", "models": "4"})
    assert isinstance(made, CoquiEngine)
    return made


@pytest.fixture(scope="module")
def ada(folders: dict[str, Path]) -> Voice:
    return Voice(id="ada", engine="coqui", language="en", model=str(folders["many"]), variant="ada", licence="none")


@pytest.fixture(scope="module")
def clone(folders: dict[str, Path]) -> Voice:
    model, clip = str(folders["xtts"]), (str(folders["clip"]),)
    return Voice(id="clone", engine="coqui", language="en", model=model, reference=clip, licence="CPML")


def refusal(engine: CoquiEngine, text: str, voice: Voice) -> SpeechError:
    with pytest.raises(SpeechError) as caught:
        engine.speak(text, voice)
    return caught.value


# -- what it says ------------------------------------------------------------------------------------------------------


def test_the_same_request_gives_the_same_bytes_whatever_was_spoken_before(engine: CoquiEngine, ada: Voice) -> None:
    first = engine.speak("The kettle is on.", ada)
    assert first.pcm.dtype == np.int16
    assert not first.words
    engine.speak("Something else.", replace(ada, id="ben", variant="ben"))
    state = torch.get_rng_state()
    again, fresh = engine.speak("The kettle is on.", ada), CoquiEngine().speak("The kettle is on.", ada)
    assert np.array_equal(first.pcm, again.pcm)
    assert np.array_equal(first.pcm, fresh.pcm)
    assert torch.equal(state, torch.get_rng_state()), "the process's own random numbers are left alone"


def test_speakers_attempts_and_texts_differ(engine: CoquiEngine, ada: Voice) -> None:
    requests = [
        Request(text="The kettle is on.", voice=ada),
        Request(text="The kettle is on.", voice=ada, attempt=1),
        Request(text="The kettle is on.", voice=replace(ada, id="ben", variant="ben")),
        Request(text="The kettle was on.", voice=ada),
    ]
    spoken = speak_many(engine, requests)
    assert len({one.pcm.tobytes() for one in spoken if isinstance(one, Speech)}) == len(requests)


def test_many_texts_come_back_in_order_and_bad_ones_as_errors(
    engine: CoquiEngine, ada: Voice, folders: dict[str, Path]
) -> None:
    single = Voice(id="solo", engine="coqui", language="en", model=str(folders["one"]), licence="none")
    requests = [Request(text=text, voice=voice) for text in ("One.", "", "Two.") for voice in (ada, single)]
    spoken = engine.speak_many(requests)
    assert [isinstance(one, SpeechError) for one in spoken] == [False, False, True, True, False, False]
    for request, one in zip(requests, spoken, strict=True):
        if isinstance(one, Speech):
            assert np.array_equal(one.pcm, engine.speak(request.text, request.voice).pcm)


def test_a_quicker_voice_is_shorter(engine: CoquiEngine, ada: Voice) -> None:
    text = "The kettle is on, and it has been on for a while."
    normal = len(engine.speak(text, ada).pcm)
    assert len(engine.speak(text, replace(ada, rate_wpm=350)).pcm) < 0.8 * normal
    assert len(engine.speak(text, ada).pcm) == normal


def test_a_folder_that_names_tables_elsewhere_finds_its_own(engine: CoquiEngine, folders: dict[str, Path]) -> None:
    voice = Voice(id="di", engine="coqui", language="en", model=str(folders["moved"]), variant="di", licence="none")
    assert len(engine.speak("Hello.", voice).pcm)


def test_a_long_paragraph_is_spoken_sentence_by_sentence(engine: CoquiEngine, ada: Voice) -> None:
    sentence = "There is a kettle on the stove, and nobody hears it. "
    paragraph = (sentence * 100)[:5_000].rsplit(". ", 1)[0] + "."
    assert len(paragraph) > 4_900
    quick = replace(ada, rate_wpm=400)
    pcm = engine.speak(paragraph, quick).pcm
    one = len(engine.speak(sentence.strip(), quick).pcm)
    assert len(pcm) > 60 * one
    quiet = np.flatnonzero(np.diff(np.flatnonzero(np.abs(pcm) > 0)) > PAUSE)
    assert len(quiet) == len(paragraph) // (4 * len(sentence)), "four sentences fit into 250 characters"


# -- cloning -----------------------------------------------------------------------------------------------------------


def test_xtts_clones_a_recording_in_both_languages(engine: CoquiEngine, clone: Voice) -> None:
    requests = [Request(text="The kettle is on.", voice=clone)] * 2
    requests.append(Request(text="水开了。", voice=replace(clone, id="klon", language="zh")))
    first, again, mandarin = [one.pcm for one in engine.speak_many(requests) if isinstance(one, Speech)]
    assert np.array_equal(first, again), "the recording is listened to once, and then remembered"
    assert not np.array_equal(first, mandarin)


def test_another_recording_is_another_voice(engine: CoquiEngine, clone: Voice, folders: dict[str, Path]) -> None:
    other = replace(clone, reference=(str(folders["other clip"]),))
    spoken = [engine.speak("Yes.", voice).pcm for voice in (clone, other)]
    assert not np.array_equal(*spoken)


def test_what_xtts_has_no_pieces_for_is_named(engine: CoquiEngine, clone: Voice) -> None:
    assert "'ħ'" in str(refusal(engine, "Ħello.", clone))


def test_a_cloned_voice_is_addressed_by_its_recordings(tmp_path: Path, folders: dict[str, Path]) -> None:
    shutil.copy(folders["clip"], tmp_path / "mine.wav")
    manifest = tmp_path / "voices.yaml"
    manifest.write_text(
        "engine: coqui\nlicence: CPML\n"
        f"voices: [{{id: me, language: en, model: {folders['one']}, reference: [mine.wav]}}]"
    )
    (voice,) = read_voices(manifest)
    address = utterance_id("Hello.", voice, "1")
    moved = tmp_path / "moved"
    moved.mkdir()
    shutil.copy(folders["clip"], moved / "mine.wav")
    shutil.copy(manifest, moved)
    (elsewhere,) = read_voices(moved / "voices.yaml")
    assert utterance_id("Hello.", elsewhere, "1") == address
    shutil.copy(folders["other clip"], moved / "mine.wav")
    (changed,) = read_voices(moved / "voices.yaml")
    assert utterance_id("Hello.", changed, "1") != address


def test_files_that_changed_under_a_voice_are_noticed(clone: Voice, folders: dict[str, Path]) -> None:
    voice = replace(clone, digest="0" * 32)
    assert "have changed since its digest was made" in str(refusal(CoquiEngine(), "Hello.", voice))


# -- what it cannot say ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the text is empty"),
        ("... !?", "no Latin letter or digit"),
        ("你好", "CJK UNIFIED IDEOGRAPH-4F60"),
        ("Ħello there", "its model has no 'ħ' and would skip them"),
    ],
)
def test_texts_that_it_cannot_speak(engine: CoquiEngine, ada: Voice, text: str, message: str) -> None:
    assert message in str(refusal(engine, text, ada))


def test_an_english_model_does_not_pass_over_chinese(engine: CoquiEngine, ada: Voice) -> None:
    error = refusal(engine, "你好。", replace(ada, language="zh"))
    assert "its model has no '你', '好'" in str(error)
    assert error.reason == "letters missing"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variant": "zoe"}, "has no speaker 'zoe'; it has ada, ben"),
        ({"variant": ""}, "has many voices; choose one by `variant` (ada, ben)"),
        ({"pitch": 60}, "pitch and pitch_range are espeak's"),
        ({"rate_wpm": 20}, "rate_wpm is 20"),
        ({"engine": "espeak"}, "belongs to engine 'espeak'"),
        ({"model": "/no/such/folder"}, "no folder, and no name of a published model"),
        ({"model": "tts_models/en/no/such"}, "cannot be loaded (KeyError: 'no'); check its name and the network"),
    ],
)
def test_voices_that_it_does_not_have(
    engine: CoquiEngine, ada: Voice, changes: dict[str, object], message: str
) -> None:
    assert message in str(refusal(engine, "Hello.", replace(ada, **changes)))


def test_speakers_and_recordings_must_be_what_the_model_takes(
    engine: CoquiEngine, ada: Voice, clone: Voice, folders: dict[str, Path]
) -> None:
    single = replace(ada, model=str(folders["one"]))
    assert "it has one speaker, without a name" in str(refusal(engine, "Hello.", single))
    cannot = replace(ada, variant="", reference=clone.reference)
    assert "cannot clone a voice" in str(refusal(engine, "Hello.", cannot))
    assert "choose one by `reference`" in str(refusal(engine, "Hello.", replace(clone, reference=())))


def test_recordings_to_clone_from_must_be_long_enough_and_there(
    engine: CoquiEngine, clone: Voice, tmp_path: Path
) -> None:
    short = str(write_recording(tmp_path / "short.wav", 0.8))
    error = refusal(engine, "Hello.", replace(clone, reference=(*clone.reference, short)))
    assert "short.wav lasts 0.80 s, less than 3 s" in str(error)
    silent = tmp_path / "silent.wav"
    write_recording(silent, 4.0, pitch_hz=0.0)
    assert "samples are zero" in str(refusal(engine, "Hello.", replace(clone, reference=(str(silent),))))
    text = tmp_path / "text.wav"
    text.write_text("This is no recording, but long enough to look at.")
    assert "not a recording" in str(refusal(engine, "Hello.", replace(clone, reference=(str(text),))))
    container = tmp_path / "clip.m4a"
    encode = [get_ffmpeg_exe(), "-v", "error", "-i", clone.reference[0], container]
    subprocess.run(encode, check=True)
    assert "clip.m4a is m4a" in str(refusal(engine, "Hello.", replace(clone, reference=(str(container),))))
    gone = replace(clone, reference=(str(tmp_path / "gone.wav"),), digest="0" * 32)
    assert "gone.wav: no such file" in str(refusal(engine, "Hello.", gone))
    missing = replace(clone, reference=(str(tmp_path / "none.wav"),))
    assert "none.wav, which cannot be read" in str(refusal(engine, "Hello.", missing))


@pytest.mark.parametrize("damage", ["config", "not json", "no model", "cut", "other sizes", "two"])
def test_damaged_folders(ada: Voice, folders: dict[str, Path], tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(folders["many"], folder)
    config, weights = folder / "config.json", folder / "model.pth"
    if damage == "config":
        config.unlink()
    elif damage == "not json":
        config.write_text("{")
    elif damage == "no model":
        weights.unlink()
    elif damage == "cut":
        weights.write_bytes(weights.read_bytes()[:100_000])
    elif damage == "other sizes":
        shutil.copy(folders["one"] / "model.pth", weights)
    else:
        shutil.copy(weights, folder / "step_2.pth")
        weights.rename(folder / "step_1.pth")
    expected = {
        "config": "config.json cannot be read",
        "not json": "config.json is damaged",
        "no model": "it has none",
        "cut": "cannot be loaded (RuntimeError",
        "other sizes": "cannot be loaded (",
        "two": "it has step_1.pth, step_2.pth",
    }
    error = refusal(CoquiEngine(), "Hello.", replace(ada, model=str(folder)))
    assert expected[damage] in str(error)
    assert error.reason in {"model missing", "model damaged"}


def test_a_model_of_phonemes_says_which_program_makes_them(
    ada: Voice, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "phonemes"
    shutil.copytree(folders["one"], folder)
    config = json.loads((folder / "config.json").read_text())
    changes = {"use_phonemes": True, "phonemizer": "espeak", "phoneme_language": "en-us", "characters": None}
    (folder / "config.json").write_text(json.dumps(config | changes))
    monkeypatch.setattr(espeak_wrapper, "_DEF_ESPEAK_LIB", None)
    error = refusal(CoquiEngine(), "Hello.", replace(ada, model=str(folder), variant=""))
    assert "No espeak backend found" in str(error)
    assert "install the program espeak-ng" in str(error)


@pytest.mark.parametrize(("value", "message"), [(float("nan"), "NaN or infinite"), (0.0, "are silence")])
def test_a_model_that_makes_no_audio_is_refused(
    ada: Voice, folders: dict[str, Path], tmp_path: Path, value: float, message: str
) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(folders["many"], folder)
    state = torch.load(folder / "model.pth", weights_only=True)
    for name, weights in state["model"].items():
        if name.startswith("waveform_decoder.conv_post"):
            weights.fill_(value)
    torch.save(state, folder / "model.pth")
    assert message in str(refusal(CoquiEngine(), "Hello.", replace(ada, model=str(folder))))
