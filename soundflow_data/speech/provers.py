"""Aligners and recognisers by name; their models and packages are loaded when the first utterance needs them.

aligner = make_aligner("whisperx", {"en": "models/wav2vec2-base-960h"})
recogniser = make_recogniser("whisper", {"model": "models/faster-whisper-small"})
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from soundflow_data.errors import SpeechError
from soundflow_data.speech.proof import Aligner, Recogniser

ALIGNERS: Final = ("whisperx", "ctc")
RECOGNISERS: Final = ("whisper", "ctc")


def make_aligner(name: str, options: Mapping[str, str]) -> Aligner:
    """Makes an aligner.

    Args:
        name: `whisperx`, or `ctc` for torchaudio's forced alignment.
        options: The model of each language under `en` and `zh`, a folder or a name; `device` (`cpu`, `cuda` or
            `cuda:1`; by default a GPU where there is one); `min_score`, the least mean score of an utterance's words;
            for `ctc` also `batch_s`, seconds of audio at once.

    Raises:
        SpeechError: There is no such aligner, an option is unknown or wrong, or a model's folder lacks a file.
    """
    if name == "whisperx":
        from soundflow_data.speech.whisperx_aligner import WhisperxAligner  # noqa: PLC0415 - most runs need one of them

        return WhisperxAligner.configure(options)
    if name == "ctc":
        from soundflow_data.speech.ctc_aligner import CtcAligner  # noqa: PLC0415

        return CtcAligner.configure(options)
    raise SpeechError(f"no aligner {name!r}; there are {', '.join(ALIGNERS)}")


def make_recogniser(name: str, options: Mapping[str, str]) -> Recogniser:
    """Makes a recogniser.

    Args:
        name: `whisper` (faster-whisper), or `ctc` for greedy decoding with a CTC model.
        options: For `whisper`, `model` (a folder of a CTranslate2 model, or a name), `languages` (`en,zh` by default),
            `compute_type` (`default`, `float16`, `int8` ...), `batch_size` and `beam_size`. For `ctc`, the model of
            each language under `en` and `zh`, and `batch_s`. For both, `device`.

    Raises:
        SpeechError: There is no such recogniser, an option is unknown or wrong, or a model's folder lacks a file.
    """
    if name == "whisper":
        from soundflow_data.speech.whisper_recogniser import WhisperRecogniser  # noqa: PLC0415

        return WhisperRecogniser.configure(options)
    if name == "ctc":
        from soundflow_data.speech.ctc_recogniser import CtcRecogniser  # noqa: PLC0415

        return CtcRecogniser.configure(options)
    raise SpeechError(f"no recogniser {name!r}; there are {', '.join(RECOGNISERS)}")
