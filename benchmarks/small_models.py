"""Small models in the formats of the speech libraries, trained on espeak, whose words have exact times.

A CTC model of 190,000 weights learns to find words in half a minute on one core, because two things are given to it: a
front end that is a bank of band filters, and for every frame of 20 ms what it should write there:

    pcm     ....the.......quick...............................................
    frames  _ _ t h e | _ _ q u _ i _ c k | _ _ _        a letter where it begins, `|` where a word ends

It needs the packages of the speech environment.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2Processor,
)

from soundflow_data.dice import Dice
from soundflow_data.phrases import draw
from soundflow_data.speech import EspeakEngine, Language, Speech, Voice, spoken_form
from soundflow_data.texts import load_texts
from soundflow_data.timeline import SAMPLE_RATE, Word

FRAME: Final = 320
ENGLISH: Final = "'abcdefghijklmnopqrstuvwxyz"
_BLANK, _SEPARATOR = "<pad>", "|"
_NUM_BANDS: Final = 32
_REACH: Final = 400  # samples under a filter, 25 ms
_BLANK_WEIGHT: Final = 0.3  # nine of ten frames are blank
_BATCH: Final = 8


class Utterance(msgspec.Struct, frozen=True, kw_only=True):
    """A text that espeak has spoken."""

    text: str
    voice: Voice
    speech: Speech


def speak_texts(texts: Sequence[str], voices: Sequence[Voice]) -> list[Utterance]:
    """Speaks texts with voices in turn."""
    engine = EspeakEngine()
    return [
        Utterance(text=text, voice=voice, speech=engine.speak(text, voice))
        for text, voice in ((text, voices[i % len(voices)]) for i, text in enumerate(texts))
    ]


def sentences(number: int, *, language: Language, seed: int) -> list[str]:
    """Returns everyday sentences in spoken form."""
    templates = load_texts("sentences")[language]
    return [spoken_form(draw(templates[i % len(templates)], Dice(seed, i)), language).strip() for i in range(number)]


def phrases(words: Sequence[str], number: int, *, seed: int) -> list[str]:
    """Returns texts of three to six words drawn from a few."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(words, rng.integers(3, 7))) for _ in range(number)]


def small_ctc(letters: str, *, hidden: int = 96, layers: int = 2, seed: int = 0) -> Any:
    """Returns an untrained `Wav2Vec2ForCTC` with frames of 20 ms."""
    torch.manual_seed(seed)
    config = Wav2Vec2Config(
        vocab_size=len(vocabulary(letters)),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=2 * hidden,
        conv_dim=(4 * _NUM_BANDS, 2 * _NUM_BANDS),
        conv_kernel=(_REACH, 2),
        conv_stride=(FRAME // 2, 2),
        num_feat_extract_layers=2,
        conv_bias=True,
        feat_extract_norm="layer",
        feat_extract_activation="relu",
        do_stable_layer_norm=True,
        num_conv_pos_embeddings=15,
        num_conv_pos_embedding_groups=4,
        pad_token_id=0,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        activation_dropout=0.0,
        feat_proj_dropout=0.0,
        final_dropout=0.0,
        layerdrop=0.0,
        apply_spec_augment=False,
    )
    model = Wav2Vec2ForCTC(config).eval()
    _set_filters(model.wav2vec2.feature_extractor)
    return model


def vocabulary(letters: str) -> dict[str, int]:
    """Returns the tokens of a model that writes these letters."""
    return {name: token for token, name in enumerate([_BLANK, _SEPARATOR, *letters])}


def train_places(
    model: Any, utterances: Sequence[Utterance], tokens: dict[str, int], *, epochs: int, spaced: bool = True
) -> None:
    """Teaches a model what to write in every frame, from the exact times of words.

    Args:
        model: What `small_ctc` returns.
        utterances: What it hears.
        tokens: Its vocabulary.
        epochs: How often it hears them.
        spaced: Whether it writes a separator after each word; models for Mandarin have one and do not use it.
    """
    written = {name: token for name, token in tokens.items() if spaced or name != _SEPARATOR}
    frames = _frames(model, utterances)
    wanted = [
        torch.from_numpy(_labels(one.speech.words, len(x), written)) for one, x in zip(utterances, frames, strict=True)
    ]
    weights = torch.ones(len(tokens))
    weights[0] = _BLANK_WEIGHT

    def loss(batch: Sequence[int]) -> Any:
        length = min(len(frames[i]) for i in batch)
        logits = _logits(model, torch.stack([frames[i][:length] for i in batch]))
        labels = torch.stack([wanted[i][:length] for i in batch])
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), weight=weights)

    _train(model, loss, [len(x) for x in frames], epochs=epochs, rate=3e-3)


def train_texts(model: Any, utterances: Sequence[Utterance], tokens: dict[str, int], *, epochs: int) -> None:
    """Teaches a model what is written, wherever, by the loss that CTC is named after."""
    frames = _frames(model, utterances)
    wanted = [torch.tensor([tokens[char] for char in one.text.replace(" ", _SEPARATOR)]) for one in utterances]

    def loss(batch: Sequence[int]) -> Any:
        length = max(len(frames[i]) for i in batch)
        padded = [torch.nn.functional.pad(frames[i], (0, 0, 0, length - len(frames[i]))) for i in batch]
        table = _logits(model, torch.stack(padded)).log_softmax(-1).transpose(0, 1)
        lengths = [torch.tensor([len(one[i]) for i in batch]) for one in (frames, wanted)]
        return torch.nn.functional.ctc_loss(table, torch.cat([wanted[i] for i in batch]), *lengths, zero_infinity=True)

    _train(model, loss, [len(x) for x in frames], epochs=epochs, rate=2e-3)


def save_ctc(model: Any, folder: Path, tokens: dict[str, int]) -> None:
    """Writes a model as transformers and WhisperX load it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(tokens), encoding="utf-8")
    tokenizer = Wav2Vec2CTCTokenizer(
        str(folder / "vocab.json"),
        unk_token=_BLANK,
        pad_token=_BLANK,
        bos_token=None,
        eos_token=None,
        word_delimiter_token=_SEPARATOR,
    )
    features = Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=True)
    Wav2Vec2Processor(feature_extractor=features, tokenizer=tokenizer).save_pretrained(folder)
    model.save_pretrained(folder)


def _set_filters(extractor: Any) -> None:
    """Makes the convolutions a bank of band filters: four phases of each band, rectified, then summed over 20 ms."""
    edges = np.linspace(2595 * np.log10(1 + 100 / 700), 2595 * np.log10(1 + 7000 / 700), _NUM_BANDS)  # mel
    centres_hz = 700 * (10 ** (edges / 2595) - 1)
    time_s = (np.arange(_REACH) - (_REACH - 1) / 2) / SAMPLE_RATE
    phases = np.arange(4) * np.pi / 2
    waves = np.cos(2 * np.pi * centres_hz[:, None, None] * time_s + phases[:, None]) * np.hanning(_REACH + 2)[1:-1]
    filters = waves.reshape(4 * _NUM_BANDS, 1, _REACH)
    filters /= np.sqrt(np.square(filters).sum(axis=-1, keepdims=True))
    sums = np.zeros((2, _NUM_BANDS, _NUM_BANDS, 4, 2))  # half of the frame, band out, band in, phase, half
    for half in range(2):
        sums[half, np.arange(_NUM_BANDS), np.arange(_NUM_BANDS), :, half] = 1
    first, second = extractor.conv_layers
    with torch.no_grad():
        first.conv.weight.copy_(torch.from_numpy(filters))
        second.conv.weight.copy_(torch.from_numpy(sums.reshape(2 * _NUM_BANDS, 4 * _NUM_BANDS, 2)))
        first.conv.bias.zero_()
        second.conv.bias.zero_()
        second.layer_norm.bias.fill_(0.5)
    extractor.requires_grad_(False)


def _frames(model: Any, utterances: Sequence[Utterance]) -> list[Any]:
    """Returns what the front end gives, which does not learn: float32 (num_frames, channels) each."""
    with torch.no_grad():
        return [
            model.wav2vec2.feature_extractor(torch.from_numpy(one.speech.pcm.astype(np.float32) / 32_768)[None])[0].T
            for one in utterances
        ]


def _logits(model: Any, frames: Any) -> Any:
    return model.lm_head(model.wav2vec2.encoder(model.wav2vec2.feature_projection(frames)[0])[0])


def _labels(words: Sequence[Word], num_frames: int, tokens: dict[str, int]) -> NDArray[np.int64]:
    """Returns what each frame should write: letters evenly over their word, each once, and where words end."""
    labels = np.zeros(num_frames, np.int64)
    for i, word in enumerate(words):
        letters = [tokens[char] for char in word.text.lower() if char in tokens]
        first, end = round(word.start / FRAME), round(word.end / FRAME)
        following = round(words[i + 1].start / FRAME) if i + 1 < len(words) else num_frames
        if _SEPARATOR in tokens:
            end = max(min(end, following - 1), first + 1)  # words that touch leave no frame between them
        for k, letter in enumerate(letters):
            labels[min(first + k * (end - first) // len(letters), num_frames - 1)] = letter
        if _SEPARATOR in tokens and end < num_frames:
            labels[end] = tokens[_SEPARATOR]
    return labels


def _train(
    model: Any, loss: Callable[[Sequence[int]], Any], lengths: Sequence[int], *, epochs: int, rate: float
) -> None:
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    batches = [order[i : i + _BATCH] for i in range(0, len(order), _BATCH)]
    optimiser = torch.optim.AdamW(weights, lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=epochs * len(batches), pct_start=0.15)
    generator = torch.Generator().manual_seed(0)
    model.train()
    for _ in range(epochs):
        for place in torch.randperm(len(batches), generator=generator).tolist():
            optimiser.zero_grad()
            loss(batches[place]).backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            schedule.step()
    model.eval()
