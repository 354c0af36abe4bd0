"""espeak: the same bytes always, word times that agree with the audio, voices that differ, errors that help."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.fft import dct

from soundflow_data.errors import SpeechError
from soundflow_data.speech import (
    EspeakEngine,
    Speech,
    Voice,
    espeak_library,
    estimate_num_samples,
    load_voices,
    read_voices,
    segments,
    utterance_id,
)
from soundflow_data.speech.espeak import MARGIN
from soundflow_data.timeline import SAMPLE_RATE

ENGINE = EspeakEngine()
VOICES = {voice.id: voice for voice in load_voices()}
ENGLISH = (
    "Please tell me when the kettle whistles.",
    "There were seven purple birds in the garden yesterday.",
    "Could you translate this for my mother?",
    "I would rather go to the market on Saturday morning.",
    "Turn off the stove, lock the door, and wait for us in the car.",
    "No!",
)
MANDARIN = (
    "请告诉我水壶什么时候响。",
    "昨天花园里有七只紫色的小鸟。",
    "你能帮我妈妈翻译一下吗？",
    "星期六早上，我想去市场买东西。",
    "兄弟，花儿开了！我用iPhone拍照。",
    "好。",
)


def _digest(speech: Speech) -> str:
    return hashlib.blake2b(speech.pcm.tobytes() + repr(speech.words).encode(), digest_size=16).hexdigest()


def _jobs() -> list[tuple[str, str]]:
    """Fifty-two texts: two for each voice, so that breathy, low and accented voices follow one another."""
    texts = {"en": ENGLISH, "zh": MANDARIN}
    return [
        (texts[voice.language][(i + k) % len(ENGLISH)], voice.id)
        for i, voice in enumerate(VOICES.values())
        for k in (0, 3)
    ]


# -- the same bytes ----------------------------------------------------------------------------------------------------


def test_bytes_do_not_depend_on_what_was_spoken_before() -> None:
    jobs = _jobs()
    first = [_digest(ENGINE.speak(text, VOICES[voice])) for text, voice in jobs]
    assert len(set(first)) == len(jobs)
    for seed in range(4):
        order = list(range(len(jobs)))
        random.Random(seed).shuffle(order)
        for i in order:
            text, voice = jobs[i]
            assert _digest(ENGINE.speak(text, VOICES[voice])) == first[i], f"{voice} says {text!r} differently"


def test_a_fresh_process_gives_the_same_bytes() -> None:
    jobs = _jobs()
    script = (
        "import json, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from test_espeak import ENGINE, VOICES, _digest, _jobs\n"
        "print(json.dumps([_digest(ENGINE.speak(text, VOICES[voice])) for text, voice in reversed(_jobs())]))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent.parent,
    )
    assert json.loads(run.stdout)[::-1] == [_digest(ENGINE.speak(text, VOICES[voice])) for text, voice in jobs]


def test_threads_take_turns_from_the_first_call_on() -> None:
    jobs = _jobs()[:12]
    expected = [_digest(ENGINE.speak(text, VOICES[voice])) for text, voice in jobs]
    results: dict[int, list[str]] = {}
    espeak_library._load.cache_clear()
    together = threading.Barrier(4)

    def work(worker: int) -> None:
        together.wait()
        results[worker] = [_digest(EspeakEngine().speak(text, VOICES[voice])) for text, voice in jobs]

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(results.values()) == [expected] * 4


def test_an_interruption_inside_espeak_is_raised_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    text, voice = ENGLISH[1], VOICES["en-grace"]
    expected = _digest(ENGINE.speak(text, voice))

    def interrupted(address: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(espeak_library, "_read_events", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ENGINE.speak(ENGLISH[4], voice)
    monkeypatch.undo()
    assert _digest(ENGINE.speak(text, voice)) == expected


def test_a_signal_at_any_moment_is_raised_or_changes_nothing() -> None:
    text, voice = ENGLISH[1], VOICES["en-grace"]
    expected = _digest(ENGINE.speak(text, voice))

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    raised = 0
    try:
        for n in range(60):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0002 * (n + 1))
                digest = _digest(ENGINE.speak(text, voice))
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                raised += 1
            else:
                assert digest == expected, "an interrupted utterance is never returned as a whole one"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert raised
    assert _digest(ENGINE.speak(text, voice)) == expected


def test_word_times_are_what_they_were() -> None:
    """Golden times of version 1.52.0-r1; another version must have another number."""
    assert ENGINE.version == "1.52.0-r1"
    words = ENGINE.speak("Wait in the car, please.", VOICES["en-ada"]).words
    assert [(word.text, word.start, word.end) for word in words] == GOLDEN


GOLDEN = [
    ("Wait", 320, 4601),
    ("in", 4603, 6531),
    ("the", 6723, 8119),
    ("car,", 8903, 14765),
    ("please.", 17948, 25464),
]


# -- word times --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("voice", VOICES)
def test_words_are_the_text_in_order_between_margins(voice: str) -> None:
    texts, joint = (ENGLISH, " ") if VOICES[voice].language == "en" else (MANDARIN, "")
    for text in texts:
        speech = ENGINE.speak(text, VOICES[voice])
        assert speech.pcm.dtype == np.int16
        assert joint.join(word.text for word in speech.words) == text
        assert speech.words[0].start == MARGIN
        assert abs(len(speech.pcm) - speech.words[-1].end - MARGIN) <= 1
        for word in speech.words:
            assert 400 <= word.end - word.start <= 20_000, f"{word} of {text!r}"
        for one, following in itertools.pairwise(speech.words):
            assert one.end <= following.start


@pytest.mark.parametrize("voice", ["en-ada", "en-frank", "en-grace", "zh-wei", "zh-mei"])
def test_word_times_agree_with_the_energy(voice: str) -> None:
    """Between words there is silence, and sound starts and ends within 5 ms of where it should."""
    ringing = 64  # samples; the resampling filter's reach, 4 ms
    pauses = 0
    for text in ENGLISH if VOICES[voice].language == "en" else MANDARIN:
        speech = ENGINE.speak(text, VOICES[voice])
        loud = np.abs(speech.pcm.astype(np.int32))
        edges = [0, *itertools.chain.from_iterable((word.start, word.end) for word in speech.words), len(loud)]
        for end, start in zip(edges[::2], edges[1::2], strict=True):
            gap = loud[end + ringing if end else 0 : max(start - ringing, 0) if start < len(loud) else start]
            assert gap.max(initial=0) <= 6, f"{voice}: sound in the pause {end}..{start} of {text!r}"
            if start - end >= 80:
                pauses += 1
                assert end == 0 or loud[end - 80 : end].max() > 8, f"{voice}: {text!r} is silent before {end}"
                assert start == len(loud) or loud[start : start + 80].max() > 8, f"{voice}: silent after {start}"
    assert pauses > 12


def test_words_that_espeak_joins_have_times_of_their_own() -> None:
    words = ENGINE.speak("Sit in the shade of a tree, as I am to be at one of the tables.", VOICES["en-ben"]).words
    assert len(words) == 17
    lengths = [word.end - word.start for word in words]
    assert min(lengths) > 500


def test_every_english_word_starts_with_its_own_sound() -> None:
    """A hissing consonant after a vowel is heard where its word is said to start."""
    speech = ENGINE.speak("We saw a sea of seven songs.", VOICES["en-ada"])
    for word in speech.words:
        if word.text.startswith("s"):
            assert _brightness(speech.pcm[word.start : word.start + 800]) > 0.5, word
        if word.text in ("We", "a"):
            assert _brightness(speech.pcm[word.start : word.start + 800]) < 0.2, word


def _brightness(pcm: NDArray[np.int16]) -> float:
    power = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm)))) ** 2
    return float(power[len(power) * 3 // 8 :].sum() / power.sum())


def test_mandarin_characters_that_espeak_reports_together_are_divided_by_syllable() -> None:
    speech = ENGINE.speak("你好，时候，四十四。", VOICES["zh-wei"])
    assert [word.text for word in speech.words] == ["你", "好，", "时", "候，", "四", "十", "四。"]
    assert all(2_000 < word.end - word.start < 9_000 for word in speech.words)


@pytest.mark.parametrize(("text", "like"), [("兄弟", "京弟"), ("花儿", "花而"), ("小熊", "小营"), ("兒子", "儿子")])
def test_mandarin_syllables_that_espeak_would_spell_in_english_are_spoken(text: str, like: str) -> None:
    lengths = [len(ENGINE.speak(one, VOICES["zh-lin"]).pcm) for one in (text, like)]
    assert lengths[0] < 1.35 * lengths[1]  # spelled out, it takes twice as long


def test_punctuation_alone_is_part_of_the_word_before_it() -> None:
    speech = ENGINE.speak('- "Well" - he said , "come in" .', VOICES["en-clara"])
    assert [word.text for word in speech.words] == ['- "Well" -', "he", "said ,", '"come', 'in" .']


def test_a_long_text_keeps_its_words() -> None:
    sentence = "The quick brown fox jumps over the lazy dog while nobody is looking at them "
    text = (sentence * 25).strip()  # no punctuation: espeak must cut it into clauses by itself
    words = ENGINE.speak(text, VOICES["en-leo"]).words
    assert " ".join(word.text for word in words) == text
    lengths = np.array([word.end - word.start for word in words]).reshape(25, -1)
    assert (lengths.max(axis=0) < 3 * lengths.min(axis=0)).all()
    text = "我的兄弟今天在公园里看见一只熊" * 120
    words = ENGINE.speak(text, VOICES["zh-wei"]).words
    assert "".join(word.text for word in words) == text
    lengths = np.array([word.end - word.start for word in words]).reshape(120, -1)
    assert (lengths.max(axis=0) < 3 * lengths.min(axis=0)).all()


def test_dropped_words_do_not_pass_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "_MAX_CLAUSE", {"en": 2_000, "zh": 2_000})
    with pytest.raises(SpeechError, match=r"lost its place at .*by punctuation"):
        ENGINE.speak("The quick brown fox jumps over the lazy dog " * 25, VOICES["en-leo"])
    with pytest.raises(SpeechError, match=r"lost its place at .*by punctuation"):
        ENGINE.speak("今天天气很好我们去公园看花" * 25, VOICES["zh-wei"])


# -- voices ------------------------------------------------------------------------------------------------------------


def test_the_catalogue() -> None:
    assert len({voice.id for voice in load_voices()}) == len(load_voices())
    assert len(load_voices("en")) >= 10
    assert len(load_voices("zh")) >= 6
    assert load_voices("en") + load_voices("zh") == load_voices()
    assert {voice.licence for voice in load_voices()} == {"generated (espeak-ng)"}


def test_levels_are_sane() -> None:
    for voice in load_voices():
        pcm = ENGINE.speak((ENGLISH if voice.language == "en" else MANDARIN)[1], voice).pcm.astype(np.int32)
        assert 4_000 < np.abs(pcm).max() < 24_000, voice.id


def _character(voice: Voice, texts: tuple[str, ...]) -> tuple[float, NDArray[np.float64]]:
    """Returns the median pitch in semitones and the mean cepstrum of what a voice says."""
    pcm = np.concatenate([ENGINE.speak(text, voice).pcm for text in texts]).astype(np.float64)
    frames = np.lib.stride_tricks.sliding_window_view(pcm, 1024)[::320]
    frames = frames[(frames**2).sum(axis=1) > 1e-3 * (frames**2).sum(axis=1).max()] * np.hanning(1024)
    power = np.abs(np.fft.rfft(frames, 2048)) ** 2
    autocorrelation = np.fft.irfft(power)[:, 40:320]  # 50 to 400 Hz
    voiced = autocorrelation.max(axis=1) > 0.3 * np.fft.irfft(power)[:, 0]
    lags = 40 + np.argmax(autocorrelation[voiced], axis=1)
    mel = 2595 * np.log10(1 + np.fft.rfftfreq(2048, 1 / SAMPLE_RATE) / 700)
    bands = np.maximum(0, 1 - np.abs(mel[:, None] - np.linspace(100, 2700, 24)) / 113)
    cepstrum = dct(np.log(power @ bands + 1.0), norm="ortho")[:, 1:13].mean(axis=0)
    return float(12 * np.log2(SAMPLE_RATE / np.median(lags))), cepstrum


def _distance(one: tuple[float, NDArray[np.float64]], other: tuple[float, NDArray[np.float64]]) -> float:
    return float(np.hypot(one[0] - other[0], np.linalg.norm(one[1] - other[1])))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_voices_can_be_told_apart(language: str) -> None:
    """Every two voices of a language are at least 3.5 apart (1 is a semitone), and each is known by other texts."""
    texts = ENGLISH if language == "en" else MANDARIN
    voices = load_voices("en" if language == "en" else "zh")
    heard = {voice.id: _character(voice, texts[:2]) for voice in voices}
    again = {voice.id: _character(voice, texts[2:4]) for voice in voices}
    for one, other in itertools.combinations(heard, 2):
        assert _distance(heard[one], heard[other]) > 3.5, f"{one} sounds like {other}"
    for one, sound in again.items():
        assert min(heard, key=lambda other: _distance(sound, heard[other])) == one


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("engine: [", "not a manifest"),
        ("engine: espeak\nlicence: x\n", "missing required field `voices`"),
        ("engine: espeak\nlicence: x\nvoices: [{id: a, language: fr, model: m}]", "language"),
        ("engine: espeak\nlicence: x\nvoices: [{id: a, language: en, model: m, pich: 3}]", "pich"),
        (
            "engine: espeak\nlicence: x\nvoices: [{id: a, language: en, model: m}, {id: a, language: zh, model: m}]",
            "twice",
        ),
    ],
)
def test_a_bad_manifest_is_named(tmp_path: Path, manifest: str, message: str) -> None:
    path = tmp_path / "voices.yaml"
    path.write_text(manifest)
    with pytest.raises(SpeechError, match=message):
        read_voices(path)


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("voice", "text", "message"),
    [
        ("en-ada", "", "'en-ada'.*empty"),
        ("en-ada", " \n", "empty"),
        ("en-ada", "...?!", "no Latin letter or digit"),
        ("en-ada", "Say 你好", "CJK UNIFIED IDEOGRAPH-4F60.*at character 4; pass the text through spoken_form"),
        ("en-ada", "Привет", "CYRILLIC"),
        ("en-ada", "5 % of it", "PERCENT SIGN.*spoken_form"),
        ("en-ada", "nul\0byte", "U\\+0000"),
        ("en-ada", "bell\x07", "U\\+0007"),
        ("en-ada", "half \ud83d pair", "U\\+D83D"),
        ("en-ada", "hello [[you]] 🙂", "SLIGHTLY SMILING FACE"),
        ("en-ada", "word " * 1000, "has 5000 characters, more than 2000; split it into sentences"),
        ("en-ada", "a" * 200, "a word of 200 letters at character 0, more than 80"),
        ("zh-lin", "hello there", "no Chinese character"),
        ("zh-lin", "こんにちは", "HIRAGANA"),
        ("zh-lin", "[[ni]]好", "LEFT SQUARE BRACKET"),
        ("zh-lin", "。。。", "no Chinese character"),
        ("zh-lin", "好" * 5000, "more than 2000"),
    ],
)
def test_what_cannot_be_spoken_is_refused_with_a_repair(voice: str, text: str, message: str) -> None:
    with pytest.raises(SpeechError, match=message):
        ENGINE.speak(text, VOICES[voice])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"engine": "coqui"}, "belongs to engine 'coqui'"),
        ({"rate_wpm": 20}, "rate_wpm is 20; espeak allows 80 to 400"),
        ({"pitch": 100}, "pitch is 100; espeak allows 0 to 99"),
        ({"pitch_range": -1}, "pitch_range is -1"),
        ({"model": "gmw/xx"}, "no 'gmw/xx' in lang; it has .*gmw/en-US"),
        ({"model": "../phontab"}, "no '../phontab'"),
        ({"variant": "nobody"}, "no 'nobody' in voices/!v; it has .*f2"),
        ({"variant": "klatt2"}, "uses 'klatt 2'.*choose a variant without it"),
        ({"variant": "antonio", "pitch_range": 50}, "overloads with 'The cat sat.*choose another variant"),
    ],
)
def test_a_voice_that_cannot_be_is_refused(changes: dict[str, str | int], message: str) -> None:
    voice = msgspec.structs.replace(VOICES["en-ada"], **changes)
    with pytest.raises(SpeechError, match=message):
        ENGINE.speak("The cat sat over there, oh my!", voice)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    espeak_library._load.cache_clear()
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(SpeechError, match="pip install espeakng-loader"):
        EspeakEngine().speak("Hello.", VOICES["en-ada"])
    broken = tmp_path / "libespeak-ng.so"
    broken.write_bytes(b"not a library")
    loader = SimpleNamespace(get_library_path=lambda: str(broken), get_data_path=lambda: str(tmp_path))
    monkeypatch.setitem(sys.modules, "espeakng_loader", loader)
    with pytest.raises(SpeechError, match=r"does not load from .*reinstall"):
        EspeakEngine().speak("Hello.", VOICES["en-ada"])
    espeak_library._load.cache_clear()


# -- planning ----------------------------------------------------------------------------------------------------------


def test_estimates_are_near_what_espeak_takes() -> None:
    errors = []
    for voice in load_voices():
        for text in ENGLISH if voice.language == "en" else MANDARIN:
            estimate = estimate_num_samples(text, voice.language, voice.rate_wpm)
            errors.append(abs(estimate / len(ENGINE.speak(text, voice).pcm) - 1))
    assert np.median(errors) < 0.15
    assert np.percentile(errors, 90) < 0.4  # short words are the hardest


def test_estimates_are_of_the_spoken_form() -> None:
    assert estimate_num_samples("It costs $5.50.", "en", 175) == estimate_num_samples(
        "It costs five dollars and fifty cents.", "en", 175
    )
    assert estimate_num_samples("", "en", 175) == estimate_num_samples("。。。", "zh", 175) == 0
    assert estimate_num_samples("Hello there.", "en", 350) == estimate_num_samples("Hello there.", "en", 175) // 2


def test_an_utterance_is_addressed_by_what_makes_its_audio() -> None:
    voice = VOICES["en-ada"]
    address = utterance_id("Hello.", voice, "1")
    assert len(address) == 24
    assert set(address) <= set("0123456789abcdef")
    others = [utterance_id("Hello!", voice, "1"), utterance_id("Hello.", voice, "2")]
    changes = dict.fromkeys(("id", "engine", "language", "model", "variant"), "x")
    changes |= dict.fromkeys(("pitch", "pitch_range", "rate_wpm"), 1)
    others += [
        utterance_id("Hello.", msgspec.structs.replace(voice, **{key: value}), "1") for key, value in changes.items()
    ]
    assert len({address, *others}) == len(others) + 1
    assert utterance_id("Hello.", msgspec.structs.replace(voice, description="x", licence="x"), "1") == address
