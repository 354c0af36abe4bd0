"""Transcripts by faster-whisper and CTC models, and the check that they are for."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks import small_models as small
from benchmarks.bench_align import WORDS
from soundflow_data.errors import SpeechError
from soundflow_data.speech import EspeakEngine, load_voices
from soundflow_data.speech import alignment_rules as rules
from soundflow_data.speech.checking import MAX_ERROR_RATE, NOT_UNDERSTOOD, check_utterance, check_utterances
from soundflow_data.speech.engine import Language
from soundflow_data.speech.error_rate import error_rate, normalise
from soundflow_data.speech.proof import Spoken
from soundflow_data.speech.provers import make_recogniser
from soundflow_data.speech.whisper_recogniser import divide

# Models learn in the first tests that need them: ten seconds, and many times that where others use the machine.
pytestmark = pytest.mark.timeout(300)

BY_HEART: dict[Language, tuple[str, ...]] = {
    "en": ("hello there", "good morning", "thank you"),
    "zh": ("你好", "谢谢"),
}


def say(text: str, language: Language = "en", *, voice: int = 0) -> Spoken:
    return Spoken(pcm=EspeakEngine().speak(text, load_voices(language)[voice]).pcm, text=text, language=language)


def sentences() -> list[Spoken]:
    return [say(text, language) for language, texts in BY_HEART.items() for text in texts]


@pytest.fixture(scope="session")
def whisper(make_once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """Folder of a small Whisper that knows five sentences."""
    from benchmarks.small_whisper import make_whisper  # noqa: PLC0415

    return make_once("whisper", lambda folder: make_whisper(folder, sentences()))


@pytest.fixture(scope="session")
def english_whisper(make_once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """Folder of a small Whisper for English that knows nothing."""
    from benchmarks.small_whisper import make_whisper  # noqa: PLC0415

    return make_once("whisper-en", lambda folder: make_whisper(folder, sentences()[:1], multilingual=False, steps=1))


class TestErrorRate:
    @pytest.mark.parametrize(
        ("reference", "transcript", "rate"),
        [
            ("it is five o'clock", "It's 5 o'clock.", 0),
            ("twenty three birds and a half", "23 birds and a half!", 0),
            ("the colour of the theatre", "The color of the theater", 0),
            ("Doctor Li won't come", "Dr. Li will not come.", 0),
            ("one cat sat", "one dog sat", 1 / 3),
            ("cat sat", "the cat sat", 1 / 2),
            ("the cat sat", "", 1),
            ("cat", "a cat and a dog", 4),
            ("um, hmm", "Hmm.", 0),
            ("um, hmm", "no", 1),
        ],
    )
    def test_english_words(self, reference: str, transcript: str, rate: float) -> None:
        assert error_rate(reference, transcript, "en") == pytest.approx(rate)

    @pytest.mark.parametrize(
        ("reference", "transcript", "rate"),
        [
            ("我有三只猫。", "我 有 3 只 猫", 0),
            ("你好，世界！", "你好世界", 0),
            ("我有三只猫", "我有三只狗", 1 / 5),
            ("我用iphone", "我用iPhone", 0),
        ],
    )
    def test_mandarin_characters(self, reference: str, transcript: str, rate: float) -> None:
        assert error_rate(reference, transcript, "zh") == pytest.approx(rate)

    def test_normal_forms(self) -> None:
        assert normalise("  Mr. Smith's CAT [laughs] ", "en") == "mister smith is cat"
        assert normalise("二零二四年，好。", "zh") == "二零二四年好"


class TestWhisper:
    def test_each_text_comes_back_in_its_place(self, whisper: Path) -> None:
        recogniser = make_recogniser(
            "whisper", {"model": str(whisper), "device": "cpu", "beam_size": "1", "batch_size": "2"}
        )
        items = [*sentences()[::-1], sentences()[1]]
        assert recogniser.transcribe(items) == [item.text for item in items]
        verdicts = check_utterances(recogniser, items)
        assert all(not isinstance(verdict, SpeechError) and verdict.passed for verdict in verdicts)

    def test_what_was_not_said_is_not_understood(self, whisper: Path) -> None:
        recogniser = make_recogniser("whisper", {"model": str(whisper), "device": "cpu", "beam_size": "1"})
        item = sentences()[0]
        wrong = Spoken(pcm=item.pcm, text="good evening there", language="en")
        verdict = check_utterance(recogniser, wrong)
        assert verdict.transcript == "hello there"
        assert verdict.wer == pytest.approx(2 / 3, abs=1e-4)
        assert verdict.checked_by.startswith("whisper faster-whisper-")
        problem = verdict.problem(wrong)
        assert problem is not None
        assert problem.reason == NOT_UNDERSTOOD
        assert "heard as 'hello there'" in str(problem)
        assert check_utterance(recogniser, item).problem(item) is None

    def test_a_model_for_english_alone(self, english_whisper: Path) -> None:
        recogniser = make_recogniser("whisper", {"model": str(english_whisper), "device": "cpu", "languages": "en"})
        heard, refused = recogniser.transcribe([say("hello there"), say("你好", "zh")])
        assert isinstance(heard, str)
        assert isinstance(refused, SpeechError)
        assert refused.reason == rules.NO_MODEL
        both = make_recogniser("whisper", {"model": str(english_whisper), "device": "cpu"})
        with pytest.raises(SpeechError, match="writes English only, not 'zh'; set languages=en"):
            both.transcribe([say("你好", "zh")])

    def test_models_that_cannot_be_used(self, whisper: Path, tmp_path: Path) -> None:
        with pytest.raises(SpeechError, match="has no model; set model=FOLDER"):
            make_recogniser("whisper", {})
        with pytest.raises(SpeechError, match="does not exist"):
            make_recogniser("whisper", {"model": str(tmp_path / "nowhere")})
        with pytest.raises(SpeechError, match="it lists some of en, zh"):
            make_recogniser("whisper", {"model": str(whisper), "languages": "en,de"})
        folder = shutil.copytree(whisper, tmp_path / "model")
        (folder / "model.bin").write_bytes((folder / "model.bin").read_bytes()[:1000])
        recogniser = make_recogniser("whisper", {"model": str(folder), "device": "cpu"})
        with pytest.raises(SpeechError, match="cannot be loaded"):
            recogniser.transcribe([say("hello there")])
        (folder / "tokenizer.json").unlink()  # faster-whisper would download one
        with pytest.raises(SpeechError, match=r"has no tokenizer\.json"):
            make_recogniser("whisper", {"model": str(folder)})
        fresh = make_recogniser("whisper", {"model": str(whisper), "device": "cpu", "compute_type": "int3"})
        with pytest.raises(SpeechError, match="int3"):
            fresh.transcribe([say("hello there")])

    def test_long_audio_is_divided_where_it_is_quiet(self) -> None:
        rng = np.random.default_rng(0)
        pcm = (rng.standard_normal(70 * 16_000) * 1000).astype(np.int16)
        for quiet in (26, 52):
            pcm[quiet * 16_000 : quiet * 16_000 + 8_000] = 0
        pieces = divide(pcm)
        assert pieces[0][0] == 0
        assert pieces[-1][1] == len(pcm)
        assert all(stop == start for (_, stop), (start, _) in itertools.pairwise(pieces))
        assert all(stop - start <= 29 * 16_000 for start, stop in pieces)
        assert [stop // 16_000 for _, stop in pieces] == [26, 52, 70]
        assert divide(pcm[:1000]) == [(0, 1000)]

    def test_long_audio_leaves_its_neighbours_their_texts(self, whisper: Path) -> None:
        recogniser = make_recogniser(
            "whisper", {"model": str(whisper), "device": "cpu", "beam_size": "1", "batch_size": "2"}
        )
        first, last = say("good morning"), say("thank you")
        pcm = np.tile(first.pcm, 70 * 16_000 // len(first.pcm))
        assert len(divide(pcm)) >= 3
        heard = recogniser.transcribe([first, Spoken(pcm=pcm, text="good morning", language="en"), last])
        assert heard[0] == first.text
        assert heard[2] == last.text
        assert isinstance(heard[1], str)
        assert len(heard[1].split()) > 2


class TestCtc:
    def test_what_was_said_passes_and_what_was_not_does_not(self, words_ctc: Path) -> None:
        recogniser = make_recogniser("ctc", {"en": str(words_ctc), "device": "cpu"})
        texts = small.phrases(WORDS, 20, seed=7)
        right = [say(text, voice=i % 2) for i, text in enumerate(texts)]
        wrong = [Spoken(pcm=item.pcm, text=text, language="en") for item, text in zip(right, texts[1:], strict=False)]
        passed = [not isinstance(one, SpeechError) and one.passed for one in check_utterances(recogniser, right)]
        assert sum(passed) >= 14
        verdicts = check_utterances(recogniser, wrong)
        assert not any(not isinstance(one, SpeechError) and one.passed for one in verdicts)
        assert all(not isinstance(one, SpeechError) and one.wer > MAX_ERROR_RATE for one in verdicts)

    def test_a_batch_hears_what_single_calls_hear(self, words_ctc: Path) -> None:
        items = [say(text) for text in small.phrases(WORDS, 5, seed=8)]
        single = make_recogniser("ctc", {"en": str(words_ctc), "device": "cpu", "batch_s": "0.1"})
        many = make_recogniser("ctc", {"en": str(words_ctc), "device": "cpu"})
        assert single.transcribe(items) == many.transcribe(items)

    def test_a_missing_model(self, tmp_path: Path) -> None:
        with pytest.raises(SpeechError, match="does not exist"):
            make_recogniser("ctc", {"en": str(tmp_path / "nowhere")})
        with pytest.raises(SpeechError, match="no recogniser 'ear'; there are whisper, ctc"):
            make_recogniser("ear", {})


@pytest.mark.parametrize("name", ["whisper", "ctc"])
def test_what_cannot_be_heard_has_a_reason(name: str, whisper: Path, words_ctc: Path) -> None:
    models = {"whisper": {"model": str(whisper), "languages": "en"}, "ctc": {"en": str(words_ctc)}}
    recogniser = make_recogniser(name, models[name] | {"device": "cpu"})
    item = say("stop left")
    results = recogniser.transcribe(
        [
            Spoken(pcm=np.zeros(16_000, np.int16), text="stop", language="en"),
            Spoken(pcm=np.zeros(0, np.int16), text="stop", language="en"),
            Spoken(pcm=item.pcm, text="停", language="zh"),
            item,
        ]
    )
    assert [one.reason for one in results if isinstance(one, SpeechError)] == [
        rules.SILENT, rules.TOO_SHORT, rules.NO_MODEL,
    ]  # fmt: skip
    assert isinstance(results[-1], str)
    with pytest.raises(SpeechError, match="is silent"):
        check_utterance(recogniser, Spoken(pcm=np.zeros(16_000, np.int16), text="stop", language="en"))
    short = recogniser.transcribe([Spoken(pcm=item.pcm[2000:2100], text="stop", language="en")])
    assert isinstance(short[0], str) == (name == "whisper")
    assert recogniser.transcribe([]) == []
