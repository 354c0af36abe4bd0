"""What makes an alignment broken; no model is needed to know."""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Callable

import numpy as np
import pytest

from soundflow_data.errors import SpeechError
from soundflow_data.speech import EspeakEngine, load_voices
from soundflow_data.speech import alignment_rules as rules
from soundflow_data.speech.ctc_model import letters_of, read_alphabet
from soundflow_data.speech.proof import Alignment, Spoken
from soundflow_data.speech.provers import make_aligner, make_recogniser
from soundflow_data.speech.segments import words_of
from soundflow_data.timeline import Word

RNG = np.random.default_rng(0)


def noise(num_samples: int, level: float = 3000) -> np.ndarray:
    return (RNG.standard_normal(num_samples) * level).astype(np.int16)


def spoken(num_samples: int = 16_000, text: str = "one two three") -> Spoken:
    return Spoken(pcm=noise(num_samples), text=text, language="en")


def found(*spans: tuple[float, float], score: float = 0.9) -> list[rules.Found]:
    return [rules.Found(start=start, end=end, score=score) for start, end in spans]


def conclude(item: Spoken, places: list[rules.Found | None]) -> Alignment | SpeechError:
    return rules.conclude(item, item.text.split(), places)


def test_a_good_alignment_has_integer_times_in_order() -> None:
    result = conclude(spoken(), found((1000.4, 3000.6), (3000.6, 7000), (8000, 16_000)))
    assert result == Alignment(
        words=(
            Word(text="one", start=1000, end=3001),
            Word(text="two", start=3001, end=7000),
            Word(text="three", start=8000, end=16_000),
        ),
        scores=(0.9, 0.9, 0.9),
    )


@pytest.mark.parametrize(
    ("places", "reason", "detail"),
    [
        ([*found((0, 100), (200, 300)), None], rules.MISSING, "1 of 3 words not found, first 'three'"),
        (found((5000, 6000), (1000, 2000), (7000, 8000)), rules.DISORDER, "'two' starts at 1000"),
        (found((5000, 5000), (6000, 7000), (7000, 8000)), rules.DISORDER, "'one' ends at 5000, not after"),
        (found((0, 100), (200, 300), (15_000, 17_000)), rules.OUTSIDE, "15000 to 17000 of 16000"),
        (found((-10, 100), (200, 300), (400, 500)), rules.OUTSIDE, "-10 to 100"),
        (found((0, 5000), (5000, 9000), (9000, 12_000), score=0.1), rules.LOW_SCORE, "0.10 is below 0.30"),
        (found((0, 5000), (5000, 9000), (9000, 12_000), score=float("nan")), rules.LOW_SCORE, "nan"),
    ],
)
def test_each_rule_has_its_reason(places: list[rules.Found | None], reason: str, detail: str) -> None:
    result = conclude(spoken(), places)
    assert isinstance(result, SpeechError)
    assert result.reason == reason
    assert detail in str(result)
    assert "'one two three'" in str(result)
    again = pickle.loads(pickle.dumps(result))
    assert (str(again), again.reason) == (str(result), reason)


def test_words_that_are_squeezed_or_stretched_are_broken() -> None:
    squeezed = conclude(spoken(text="a b c d"), found((0, 400), (400, 800), (800, 1200), (1200, 1600)))
    assert isinstance(squeezed, SpeechError)
    assert squeezed.reason == rules.SQUEEZED
    stretched = conclude(spoken(80_000, text="a b"), found((0, 60_000), (60_000, 70_000)))
    assert isinstance(stretched, SpeechError)
    assert stretched.reason == rules.STRETCHED
    assert isinstance(conclude(spoken(80_000, text="a b"), found((0, 40_000), (60_000, 70_000))), Alignment)


def test_overlaps_and_edges_within_a_frame_are_rounding() -> None:
    result = conclude(spoken(), found((0, 5000), (4900, 9000), (9000, 16_200)))
    assert isinstance(result, Alignment)
    assert [(word.start, word.end) for word in result.words] == [(0, 5000), (5000, 9000), (9000, 16_000)]


def test_a_word_ends_where_its_sound_ends() -> None:
    pcm = np.zeros(16_000, np.int16)
    pcm[1600:4800] = noise(3200)
    pcm[8000:11_200] = noise(3200)
    item = Spoken(pcm=pcm, text="one two", language="en")
    result = rules.conclude(item, ["one", "two"], found((1600, 8000), (8000, 16_000)))
    assert isinstance(result, Alignment)
    assert [(word.start, word.end) for word in result.words] == [(1600, 4800), (8000, 11_200)]


def test_a_pause_in_noise_is_left_to_the_model() -> None:
    pcm = noise(16_000, level=300)
    pcm[1600:4800] = noise(3200)
    result = rules.conclude(Spoken(pcm=pcm, text="one", language="en"), ["one"], found((1600, 8000)))
    assert isinstance(result, Alignment)
    assert result.words[0].end == 8000


def test_exact_times_of_espeak_keep_every_rule() -> None:
    for voice in load_voices():
        text = "The quick brown fox jumps over it." if voice.language == "en" else "今天天气很好，我们走吧。"
        speech = EspeakEngine().speak(text, voice)
        item = Spoken(pcm=speech.pcm, text=text, language=voice.language)
        words = words_of(text, voice.language)
        assert words == tuple(word.text for word in speech.words)
        result = rules.conclude(item, words, found(*((word.start, word.end) for word in speech.words)))
        assert isinstance(result, Alignment)
        assert [word.start for word in result.words] == [word.start for word in speech.words]
        moved = [exact.end - word.end for word, exact in zip(result.words, speech.words, strict=True)]
        # A soft last consonant may count as silence; nothing else may be cut.
        assert max(moved) < 960
        assert min(moved) >= 0


@pytest.mark.parametrize(
    ("pcm", "reason"),
    [
        (np.zeros(0, np.int16), rules.TOO_SHORT),
        (np.zeros(16_000, np.int16), rules.SILENT),
        (np.full(16_000, 10, np.int16), rules.SILENT),
    ],
)
def test_audio_in_which_nothing_can_be_heard(pcm: np.ndarray, reason: str) -> None:
    problem = rules.audio_problem(Spoken(pcm=pcm, text="one", language="en"))
    assert problem is not None
    assert problem.reason == reason
    assert rules.audio_problem(spoken()) is None


def test_texts_without_words_and_languages_without_a_model() -> None:
    for text in ("", "  ", "... -- !?"):
        item = spoken(text=text)
        problem = rules.text_problem(item, words_of(item.text, "en"))
        assert problem is not None
        assert problem.reason == rules.NO_TEXT
    problem = rules.language_problem(Spoken(pcm=noise(10), text="好", language="zh"), ["en"], user="aligner 'x'")
    assert problem is not None
    assert problem.reason == rules.NO_MODEL
    assert "set the option zh" in str(problem)


def test_words_are_spelled_with_what_a_model_knows() -> None:
    tokens = read_alphabet({"<pad>": 0, "|": 1, "'": 2, "E": 3, "A": 4, "-": 5, "好": 6}, blank=0, separator="|")
    assert tokens.separator == 1
    assert tokens.letters("Éa-A!") == "eaa"
    assert tokens.letters("a’e") == "a'e"
    assert tokens.letters("好。") == "好"
    assert tokens.letters("xyz") == ""
    assert letters_of("", {"a": 1}) == ""
    assert read_alphabet({"[PAD]": 0, "a": 1}, blank=0, separator=None).separator is None


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="the packages are installed here")
@pytest.mark.parametrize(
    ("make", "name"),
    [(make_aligner, "whisperx"), (make_aligner, "ctc"), (make_recogniser, "whisper"), (make_recogniser, "ctc")],
)
def test_without_the_speech_environment_the_message_says_how_to_get_it(make: Callable[..., object], name: str) -> None:
    with pytest.raises(SpeechError, match=rf"'{name}' needs .*, not installed here; .*`make speech`"):
        make(name, {"model" if name == "whisper" else "en": "some-model"})
