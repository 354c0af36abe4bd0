"""Transcripts by greedy decoding with a local CTC model: small, quick, without a language model that guesses."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

from soundflow_data.errors import SpeechError
from soundflow_data.speech.alignment_rules import TOO_SHORT, audio_problem, language_problem
from soundflow_data.speech.ctc_model import BATCH_S, Alphabet, CtcModel
from soundflow_data.speech.model_files import (
    Model,
    Prover,
    check_options,
    check_packages,
    ctc_models,
    number_option,
)
from soundflow_data.speech.proof import Spoken
from soundflow_data.speech.segments import excerpt

_OPTIONS: Final = ("en", "zh", "device", "batch_s")
_USER: Final = "recogniser 'ctc'"
_REVISION: Final = 1  # changes with whatever this package changes in the transcripts


class CtcRecogniser(Prover):
    """Writes with one `Wav2Vec2ForCTC` per language; use `CtcRecogniser.configure`."""

    name = "ctc"
    _package = "transformers"
    _revision = _REVISION

    def __init__(self, models: Mapping[str, Model], *, device: str, batch_s: float) -> None:
        super().__init__(models)
        self._models = {
            language: CtcModel(model, device=device, batch_s=batch_s, user=_USER) for language, model in models.items()
        }

    @classmethod
    def configure(cls, options: Mapping[str, str]) -> Self:
        """Makes the recogniser from options; see `make_recogniser`."""
        check_options(options, _OPTIONS, user=_USER)
        check_packages(("torch", "transformers"), user=_USER)
        return cls(
            ctc_models(options, user=_USER),
            device=options.get("device", ""),
            batch_s=number_option(options, "batch_s", BATCH_S, user=_USER),
        )

    def transcribe(self, items: Sequence[Spoken]) -> list[str | SpeechError]:
        """Returns for each item what is heard.

        Raises:
            SpeechError: A model cannot be loaded.
        """
        results: list[str | SpeechError] = [
            language_problem(item, self.languages, user=_USER) or audio_problem(item) or "" for item in items
        ]
        for language, model in self._models.items():
            places = []
            for i, item in enumerate(items):
                if item.language != language or isinstance(results[i], SpeechError):
                    continue
                if len(item.pcm) < model.shortest:
                    results[i] = SpeechError(
                        f"the audio of {excerpt(item.text)} is too short: {len(item.pcm)} samples, fewer than "
                        f"{model.shortest}",
                        reason=TOO_SHORT,
                    )
                else:
                    places.append(i)
            tables = model.log_probabilities([items[i].pcm for i in places])
            for i, table in zip(places, tables, strict=True):
                results[i] = _greedy(table, model.alphabet)
        return results


def _greedy(table: Any, alphabet: Alphabet) -> str:
    """Returns the likeliest letter of each frame, repeats joined and blanks left out."""
    written = {token: letter for letter, token in alphabet.tokens.items()}
    if alphabet.separator is not None:
        written[alphabet.separator] = " "
    tokens = (token for token, _ in itertools.groupby(table.argmax(-1).tolist()) if token != alphabet.blank)
    return " ".join("".join(written.get(token, "") for token in tokens).split())
