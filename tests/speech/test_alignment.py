"""Word times by WhisperX and torchaudio, measured against espeak's, which are exact."""

from __future__ import annotations

import json
import shutil
import statistics
from pathlib import Path

import numpy as np
import pytest

from benchmarks import bench_align
from benchmarks import small_models as small
from benchmarks.bench_align import judge
from benchmarks.material import Setup
from soundflow_data.errors import SpeechError
from soundflow_data.speech import EspeakEngine, load_voices, spoken_form
from soundflow_data.speech import alignment_rules as rules
from soundflow_data.speech.engine import Language
from soundflow_data.speech.proof import Aligner, Alignment, Spoken
from soundflow_data.speech.provers import ALIGNERS, make_aligner

# A model learns in the first test that needs it: six seconds, and many times that where others use the machine.
pytestmark = pytest.mark.timeout(300)

VOICES = {language: load_voices(language) for language in ("en", "zh")}
ANY_SCORE = {"min_score": "0.000001"}


def say(text: str, *, language: Language = "en", voice: int = 0) -> Spoken:
    speech = EspeakEngine().speak(spoken_form(text, language), VOICES[language][voice])
    return Spoken(pcm=speech.pcm, text=spoken_form(text, language), language=language)


def align(aligner: Aligner, *items: Spoken) -> list[Alignment | SpeechError]:
    results = aligner.align(items)
    assert len(results) == len(items)
    return results


def reasons(results: list[Alignment | SpeechError]) -> list[str]:
    return [result.reason if isinstance(result, SpeechError) else "" for result in results]


@pytest.fixture(params=ALIGNERS)
def english(request: pytest.FixtureRequest, english_ctc: Path) -> Aligner:
    return make_aligner(request.param, {"en": str(english_ctc), "device": "cpu"})


@pytest.mark.parametrize("name", ALIGNERS)
@pytest.mark.parametrize(("language", "voices"), [("en", 4), ("zh", 2)])
def test_boundaries_are_within_the_bounds(
    name: str, language: Language, voices: int, english_ctc: Path, mandarin_ctc: Path
) -> None:
    texts = small.sentences(40, language=language, seed=2)
    model = {"en": english_ctc, "zh": mandarin_ctc}[language]
    aligner = make_aligner(name, {language: str(model), "device": "cpu"} | ANY_SCORE)
    quality = judge(aligner, small.speak_texts(texts, VOICES[language][:voices]), language)
    assert quality.rejected == 0
    assert len(quality.errors_ms) > 400
    assert statistics.median(quality.errors_ms) < 40
    assert np.percentile(quality.errors_ms, 90) < 100


def test_scores_tell_a_text_that_was_said_from_one_that_was_not(english: Aligner) -> None:
    texts = small.sentences(20, language="en", seed=3)
    quality = judge(english, small.speak_texts(texts, VOICES["en"][:4]), "en")
    assert quality.rejected < 0.2
    assert quality.rejected_wrong > 0.6


@pytest.mark.parametrize("name", ALIGNERS)
def test_words_and_order_are_those_of_the_text(name: str, english_ctc: Path) -> None:
    item = say("The doctor wrote to the visitors, slowly; it's a café - no?")
    (result,) = align(make_aligner(name, {"en": str(english_ctc), "device": "cpu"} | ANY_SCORE), item)
    assert isinstance(result, Alignment)
    assert [word.text for word in result.words] == [
        "The", "doctor", "wrote", "to", "the", "visitors,", "slowly;", "it's", "a", "café,", "no?",
    ]  # fmt: skip
    assert len(result.scores) == len(result.words)
    ends = [0, *(word.end for word in result.words)]
    assert all(word.start >= end for word, end in zip(result.words, ends, strict=False))
    assert result.words[-1].end <= len(item.pcm)


def test_a_batch_gives_what_single_calls_give(english_ctc: Path) -> None:
    items = [say(text, voice=i % 4) for i, text in enumerate(small.sentences(6, language="en", seed=4))]
    one = make_aligner("ctc", {"en": str(english_ctc), "batch_s": "0.1", "device": "cpu"})
    many = make_aligner("ctc", {"en": str(english_ctc), "device": "cpu"})
    for single, batched in zip(align(one, *items), align(many, *items), strict=True):
        assert isinstance(single, Alignment)
        assert isinstance(batched, Alignment)
        assert single.words == batched.words
        assert np.allclose(single.scores, batched.scores, atol=0.002)


def test_what_cannot_be_aligned_has_a_reason_and_the_others_are_aligned(english: Aligner) -> None:
    good = say(small.sentences(1, language="en", seed=2)[0])
    text = good.text
    nothing = np.zeros(0, np.int16)
    items = [
        good,
        Spoken(pcm=good.pcm, text="", language="en"),
        Spoken(pcm=good.pcm, text="... !?", language="en"),
        Spoken(pcm=nothing, text=text, language="en"),
        Spoken(pcm=good.pcm[8000:8200], text=text, language="en"),
        Spoken(pcm=np.zeros(32_000, np.int16), text=text, language="en"),
        Spoken(pcm=good.pcm, text="你好", language="zh"),
        good,
    ]
    results = align(english, *items)
    assert reasons(results) == [
        "", rules.NO_TEXT, rules.NO_TEXT, rules.TOO_SHORT, rules.TOO_SHORT, rules.SILENT, rules.NO_MODEL, "",
    ]  # fmt: skip
    assert results[0] == results[-1]
    assert align(english) == []


def test_more_letters_than_frames(english: Aligner) -> None:
    good = say("Yes.")
    (result,) = align(
        english, Spoken(pcm=good.pcm[:4000], text="nobody remembers when the music began " * 3, language="en")
    )
    assert isinstance(result, SpeechError)
    assert result.reason in {rules.TOO_SHORT, rules.MISSING}


def test_noise_is_not_speech(english: Aligner) -> None:
    noise = (np.random.default_rng(0).standard_normal(48_000) * 3000).astype(np.int16)
    (result,) = align(english, Spoken(pcm=noise, text="nobody remembers when the music began", language="en"))
    assert isinstance(result, SpeechError)
    assert result.reason in {rules.LOW_SCORE, rules.SQUEEZED, rules.STRETCHED}


def test_a_word_that_the_model_cannot_write_is_missing(english: Aligner) -> None:
    good = say("Yes.")
    (result,) = align(english, Spoken(pcm=good.pcm, text="yes 2000", language="en"))
    assert isinstance(result, SpeechError)
    assert result.reason == rules.MISSING
    assert "'2000'" in str(result)


def test_long_audio_goes_through_windows(english_ctc: Path) -> None:
    spoken = small.speak_texts(small.sentences(40, language="en", seed=5), VOICES["en"][:4])
    pcm = np.concatenate([one.speech.pcm for one in spoken])
    assert len(pcm) > 65 * 16_000
    item = Spoken(pcm=pcm, text=" ".join(one.text for one in spoken), language="en")
    (result,) = align(make_aligner("ctc", {"en": str(english_ctc), "device": "cpu"} | ANY_SCORE), item)
    assert isinstance(result, Alignment)
    offsets = np.cumsum([0, *(len(one.speech.pcm) for one in spoken)])
    exact = [word.start + offset for one, offset in zip(spoken, offsets, strict=False) for word in one.speech.words]
    errors = [abs(word.start - start) / 16 for word, start in zip(result.words, exact, strict=True)]
    assert statistics.median(errors) < 40
    assert np.percentile(errors, 90) < 100


def test_audio_that_is_too_long_is_refused(english: Aligner) -> None:
    seconds = 61 if english.name == "whisperx" else 601
    pcm = np.tile(say("Yes.").pcm, seconds * 16_000 // 4000)[: seconds * 16_000]
    (result,) = align(english, Spoken(pcm=pcm, text="yes", language="en"))
    assert isinstance(result, SpeechError)
    assert result.reason == rules.TOO_LONG


@pytest.mark.parametrize("name", ALIGNERS)
def test_each_language_has_its_model(name: str, english_ctc: Path, mandarin_ctc: Path) -> None:
    options = {"en": str(english_ctc), "zh": str(mandarin_ctc), "device": "cpu"} | ANY_SCORE
    aligner = make_aligner(name, options)
    assert aligner.languages == ("en", "zh")
    chinese = Spoken(pcm=say("火车早上五点出发。", language="zh").pcm, text="火车早上五点出发。", language="zh")
    english = say(small.sentences(1, language="en", seed=2)[0])
    results = align(aligner, chinese, english)
    first, second = results
    assert isinstance(first, Alignment), first
    assert isinstance(second, Alignment), second
    assert [word.text for word in first.words] == ["火", "车", "早", "上", "五", "点", "出", "发。"]
    assert statistics.mean(second.scores) > 0.3
    alone = make_aligner(name, {"zh": str(mandarin_ctc), "device": "cpu"})
    assert reasons(align(alone, english)) == [rules.NO_MODEL]
    assert alone.version != aligner.version


@pytest.mark.parametrize("name", ALIGNERS)
class TestModelsThatCannotBeUsed:
    def test_missing(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(SpeechError, match="does not exist"):
            make_aligner(name, {"en": str(tmp_path / "nowhere")})
        with pytest.raises(SpeechError, match="has no model; set one for each language"):
            make_aligner(name, {})

    def test_incomplete(self, name: str, english_ctc: Path, tmp_path: Path) -> None:
        folder = shutil.copytree(english_ctc, tmp_path / "model")
        (folder / "vocab.json").unlink()
        with pytest.raises(SpeechError, match=r"has no vocab\.json or tokenizer\.json"):
            make_aligner(name, {"en": str(folder)})

    def test_cut_off(self, name: str, english_ctc: Path, tmp_path: Path) -> None:
        folder = shutil.copytree(english_ctc, tmp_path / "model")
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        with pytest.raises(SpeechError, match=r"is damaged: it has .* bytes of"):
            make_aligner(name, {"en": str(folder)})
        weights.write_bytes(b"\xff" * 64)
        with pytest.raises(SpeechError, match="its header cannot be read"):
            make_aligner(name, {"en": str(folder)})
        (folder / "config.json").write_text("{")
        with pytest.raises(SpeechError, match=r"config\.json is damaged"):
            make_aligner(name, {"en": str(folder)})

    def test_of_another_size(self, name: str, english_ctc: Path, tmp_path: Path) -> None:
        folder = shutil.copytree(english_ctc, tmp_path / "model")
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"hidden_size": 64}))
        aligner = make_aligner(name, {"en": str(folder), "device": "cpu"})
        with pytest.raises(SpeechError, match="cannot be loaded"):
            aligner.align([say("Yes.")])

    def test_not_trained_to_write(self, name: str, english_ctc: Path, tmp_path: Path) -> None:
        from transformers import Wav2Vec2Model  # noqa: PLC0415

        folder = shutil.copytree(english_ctc, tmp_path / "model")
        Wav2Vec2Model.from_pretrained(english_ctc).save_pretrained(folder)
        with pytest.raises(SpeechError, match=r"has no weight 'lm_head\.weight'"):
            make_aligner(name, {"en": str(folder)})

    def test_options(self, name: str, english_ctc: Path) -> None:
        with pytest.raises(SpeechError, match="has no option 'speed'; there are en, zh"):
            make_aligner(name, {"en": str(english_ctc), "speed": "1"})
        with pytest.raises(SpeechError, match="min_score is 'high', which is not a number"):
            make_aligner(name, {"en": str(english_ctc), "min_score": "high"})
        with pytest.raises(SpeechError, match="must be greater than 0"):
            make_aligner(name, {"en": str(english_ctc), "min_score": "-1"})

    def test_device(self, name: str, english_ctc: Path) -> None:
        aligner = make_aligner(name, {"en": str(english_ctc), "device": "abacus"})
        with pytest.raises(SpeechError, match="abacus"):
            aligner.align([say("Yes.")])


def test_there_is_no_such_aligner() -> None:
    with pytest.raises(SpeechError, match="no aligner 'gentle'; there are whisperx, ctc"):
        make_aligner("gentle", {})


def test_a_version_tells_models_apart(english_ctc: Path, mandarin_ctc: Path) -> None:
    one, same, other = (
        make_aligner("ctc", {"en": str(folder)}).version for folder in (english_ctc, english_ctc, mandarin_ctc)
    )
    assert one == same != other
    assert one.startswith("torchaudio-")


def test_the_benchmark_runs(tmp_path: Path) -> None:
    result = bench_align.run(Setup(work=tmp_path, smoke=True))
    # So little trained, a model may find nothing at all; that is a missed goal, not a number.
    assert not any(np.isnan(row.value) for row in result.rows)
    assert sum(row.goal is not None for row in result.rows) == 8
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ALIGNERS)
def test_models_in_the_shape_of_published_ones(name: str, tmp_path: Path) -> None:
    """Capital letters, special tokens, seven convolutions with group norm, audio of unit variance."""
    import torch  # noqa: PLC0415
    from transformers import (  # noqa: PLC0415
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Processor,
    )

    tokens = ["<pad>", "<s>", "</s>", "<unk>", "|", *small.ENGLISH.upper()]
    (tmp_path / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=False)
    tokenizer = Wav2Vec2CTCTokenizer(str(tmp_path / "vocab.json"))
    Wav2Vec2Processor(feature_extractor=extractor, tokenizer=tokenizer).save_pretrained(tmp_path / "model")
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        vocab_size=len(tokens), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        conv_dim=(16,) * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    Wav2Vec2ForCTC(config).save_pretrained(tmp_path / "model")
    aligner = make_aligner(name, {"en": str(tmp_path / "model"), "device": "cpu"} | ANY_SCORE)
    items = [say("Yes."), say("The doctor wrote to him."), say("No.")]
    results = align(aligner, *items)
    assert results == align(aligner, *items)
    # It has learned nothing, so its words lie anywhere; what matters is that it knows them all.
    assert {rules.MISSING, rules.NO_MODEL}.isdisjoint(reasons(results))
    (refused,) = align(aligner, Spoken(pcm=items[0].pcm[2000:2300], text="yes", language="en"))
    assert isinstance(refused, SpeechError)
    assert refused.reason == rules.TOO_SHORT
