"""A CTC model of transformers (`Wav2Vec2ForCTC`): loaded when first used, run on batches, on audio of any length.

Attention costs the square of the length, so long audio is run in windows that overlap by a second on either side:

    pcm        |-------------------------------------------------------------------|
    window 0   [ kept .................... ][ context ]
    window 1                     [ context ][ kept .................... ][ context ]
    window 2                                             [ context ][ kept ....... ]
"""

from __future__ import annotations

import functools
import math
import pickle
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from soundflow_data.errors import SpeechError
from soundflow_data.speech.model_files import Model
from soundflow_data.speech.randomness import own_randomness
from soundflow_data.timeline import SAMPLE_RATE

BATCH_S: Final = 120.0  # seconds of audio at once; a large model needs about 4 GB for them
_WINDOW_S: Final = 30
_CONTEXT_S: Final = 1
_APOSTROPHES: Final = "’ʼ`"


class Alphabet(msgspec.Struct, frozen=True, kw_only=True):
    """What a CTC model writes.

    Attributes:
        tokens: Token of each letter, in lower case.
        blank: Token of nothing.
        separator: Token between words; None when the model writes none.
    """

    tokens: dict[str, int]
    blank: int
    separator: int | None

    def letters(self, word: str) -> str:
        """Returns what the model can write of a word: letters as they are or without accents, no punctuation."""
        return letters_of(word, self.tokens)


def letters_of(word: str, known: Mapping[str, int]) -> str:
    """Returns a word in the letters of a model; empty when it has none of them."""
    kept = []
    for char in unicodedata.normalize("NFC", word).lower():
        plain = "'" if char in _APOSTROPHES else char
        if plain in known:
            kept.append(plain)
        else:
            kept += [part for part in unicodedata.normalize("NFKD", plain) if part in known]
    return "".join(kept)


class CtcModel:
    """One model on one device.

    Args:
        model: Where it is.
        device: `cpu`, `cuda` ..., or empty for a GPU where there is one.
        batch_s: Seconds of audio at once.
        user: What uses it, for messages.
    """

    def __init__(self, model: Model, *, device: str, batch_s: float, user: str) -> None:
        self._model = model
        self._device = device
        self._batch_samples = batch_s * SAMPLE_RATE
        self._user = user

    @functools.cached_property
    def alphabet(self) -> Alphabet:
        """What it writes.

        Raises:
            SpeechError: The model cannot be loaded.
        """
        return self._loaded[2]

    @functools.cached_property
    def shortest(self) -> int:
        """Samples that one frame rests on; shorter audio gives none."""
        reach, step = 1, 1
        config = self._loaded[0].config
        for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
            reach += (kernel - 1) * step
            step *= stride
        return reach

    def log_probabilities(self, pcms: Sequence[NDArray[np.int16]]) -> list[Any]:
        """Returns for each audio a tensor float32 (num_frames, num_tokens) on the CPU, of logarithms.

        Args:
            pcms: int16 (num_samples,) each, at least `shortest`.
        """
        torch = _torch()
        stride = math.prod(self._loaded[0].config.conv_stride)
        windows: list[tuple[int, NDArray[np.float32], slice]] = []
        for i, pcm in enumerate(pcms):
            windows += [(i, samples, kept) for samples, kept in self._windows(self._prepared(pcm), stride)]
        frames: list[list[tuple[int, Any]]] = [[] for _ in pcms]
        for batch in self._batches([len(samples) for _, samples, _ in windows]):
            for place, found in zip(batch, self._run([windows[place][1] for place in batch]), strict=True):
                owner, _, kept = windows[place]
                frames[owner].append((place, found[kept]))
        return [torch.cat([part for _, part in sorted(parts, key=lambda part: part[0])]) for parts in frames]

    def _prepared(self, pcm: NDArray[np.int16]) -> NDArray[np.float32]:
        """Scales audio as the model was trained to get it."""
        samples = pcm.astype(np.float32) / 32_768
        if self._loaded[1]:
            samples = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
        return samples.astype(np.float32)

    def _windows(self, samples: NDArray[np.float32], stride: int) -> list[tuple[NDArray[np.float32], slice]]:
        """Divides audio, with the frames of each window that are kept."""
        window, context = (seconds * SAMPLE_RATE // stride * stride for seconds in (_WINDOW_S, _CONTEXT_S))
        if len(samples) <= window + context:
            return [(samples, slice(None))]
        starts = list(range(0, len(samples) - context, window))
        divided = []
        for start in starts:
            first = max(start - context, 0)
            skipped = (start - first) // stride
            last = start == starts[-1]
            kept = slice(skipped, None if last else skipped + window // stride)
            # The frames at a window's end rest on samples after it, which the context holds.
            divided.append((samples[first : None if last else start + window + context], kept))
        return divided

    def _batches(self, lengths: Sequence[int]) -> list[list[int]]:
        """Groups windows of like lengths; a model that does not tell padding from audio gets one after the other."""
        order = sorted(range(len(lengths)), key=lambda place: (lengths[place], place))
        masked = self._loaded[0].config.feat_extract_norm == "layer"
        batches: list[list[int]] = []
        for place in order:
            if masked and batches and (len(batches[-1]) + 1) * lengths[place] <= self._batch_samples:
                batches[-1].append(place)
            else:
                batches.append([place])
        return batches

    def _run(self, batch: Sequence[NDArray[np.float32]]) -> list[Any]:
        torch = _torch()
        model = self._loaded[0]
        lengths = [len(samples) for samples in batch]
        values = torch.zeros(len(batch), max(lengths))
        mask = torch.zeros(len(batch), max(lengths), dtype=torch.long)
        for row, samples in enumerate(batch):
            values[row, : len(samples)] = torch.from_numpy(samples)
            mask[row, : len(samples)] = 1
        with torch.inference_mode():
            mask = mask.to(model.device) if len(set(lengths)) > 1 else None
            logits = model(values.to(model.device), attention_mask=mask).logits.float().log_softmax(-1).cpu()
        sizes = model._get_feat_extract_output_lengths(torch.tensor(lengths)).tolist()
        return [logits[row, :size] for row, size in enumerate(sizes)]

    @functools.cached_property
    def _loaded(self) -> tuple[Any, bool, Alphabet]:
        """The model, whether it wants audio of unit variance, and its alphabet."""
        torch = _torch()
        from transformers import Wav2Vec2ForCTC, Wav2Vec2Processor  # noqa: PLC0415 - seconds, and not in the base

        source = self._model.source
        try:
            processor = Wav2Vec2Processor.from_pretrained(source)
            with own_randomness():
                model, info = Wav2Vec2ForCTC.from_pretrained(source, output_loading_info=True)
        except (OSError, ValueError, TypeError, KeyError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            reason = str(error).partition("\n")[0]
            raise SpeechError(f"{self._user}: model {source!r} cannot be loaded: {reason}") from error
        lacking = [name for name in info["missing_keys"] if "masked_spec_embed" not in name]
        if lacking:
            raise SpeechError(
                f"{self._user}: model {source!r} has no weights {lacking[0]!r}; it was not trained to write; choose "
                "one that was"
            )
        device = self._device or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            model.to(device).eval()
        except (RuntimeError, AssertionError) as error:
            raise SpeechError(f"{self._user}: device {device!r} cannot be used: {error}; choose cpu") from error
        tokenizer = processor.tokenizer
        alphabet = read_alphabet(
            tokenizer.get_vocab(), blank=tokenizer.pad_token_id, separator=tokenizer.word_delimiter_token
        )
        return model, bool(processor.feature_extractor.do_normalize), alphabet


def read_alphabet(vocabulary: Mapping[str, int], *, blank: int, separator: str | None) -> Alphabet:
    """Returns the alphabet of a vocabulary: its letters, digits and apostrophe."""
    tokens = {
        name.lower(): token for name, token in vocabulary.items() if len(name) == 1 and (name.isalnum() or name == "'")
    }
    return Alphabet(tokens=tokens, blank=blank, separator=vocabulary.get(separator) if separator else None)


def _torch() -> Any:
    import torch  # noqa: PLC0415 - not in the base environment

    return torch
