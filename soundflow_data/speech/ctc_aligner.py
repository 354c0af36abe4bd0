"""Word times by torchaudio's forced alignment with a local CTC model."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

from soundflow_data.errors import SpeechError
from soundflow_data.speech.alignment_rules import (
    MIN_SCORE,
    TOO_LONG,
    TOO_SHORT,
    Found,
    audio_problem,
    conclude,
    language_problem,
    text_problem,
)
from soundflow_data.speech.ctc_model import BATCH_S, Alphabet, CtcModel
from soundflow_data.speech.model_files import (
    Model,
    Prover,
    check_options,
    check_packages,
    ctc_models,
    number_option,
)
from soundflow_data.speech.proof import Alignment, Spoken
from soundflow_data.speech.segments import excerpt, words_of
from soundflow_data.timeline import SAMPLE_RATE

LONGEST_S: Final = 600  # its table has a byte for each frame and half letter: 300 MB for ten minutes of quick speech
_OPTIONS: Final = ("en", "zh", "device", "min_score", "batch_s")
_USER: Final = "aligner 'ctc'"
_REVISION: Final = 1  # changes with whatever this package changes in the times


class CtcAligner(Prover):
    """Aligns with one `Wav2Vec2ForCTC` per language; use `CtcAligner.configure`.

    Batches go through models that mask padding (those whose convolutions have layer norm), others run one utterance
    after another.
    """

    name = "ctc"
    _package = "torchaudio"
    _revision = _REVISION

    def __init__(self, models: Mapping[str, Model], *, device: str, min_score: float, batch_s: float) -> None:
        super().__init__(models)
        self._min_score = min_score
        self._models = {
            language: CtcModel(model, device=device, batch_s=batch_s, user=_USER) for language, model in models.items()
        }

    @classmethod
    def configure(cls, options: Mapping[str, str]) -> Self:
        """Makes the aligner from options; see `make_aligner`."""
        check_options(options, _OPTIONS, user=_USER)
        check_packages(("torch", "torchaudio", "transformers"), user=_USER)
        return cls(
            ctc_models(options, user=_USER),
            device=options.get("device", ""),
            min_score=number_option(options, "min_score", MIN_SCORE, user=_USER),
            batch_s=number_option(options, "batch_s", BATCH_S, user=_USER),
        )

    def align(self, items: Sequence[Spoken]) -> list[Alignment | SpeechError]:
        """Returns for each item its words with times, or why there are none.

        Raises:
            SpeechError: A model cannot be loaded.
        """
        results: list[Alignment | SpeechError | None] = [self._problem(item) for item in items]
        for language, model in self._models.items():
            places = [i for i, item in enumerate(items) if item.language == language and results[i] is None]
            for i in places:
                if len(items[i].pcm) < model.shortest:
                    results[i] = _too_short(items[i], f"{len(items[i].pcm)} samples; the model needs {model.shortest}")
            places = [i for i in places if results[i] is None]
            tables = model.log_probabilities([items[i].pcm for i in places])
            for i, table in zip(places, tables, strict=True):
                results[i] = self._align(items[i], table, model.alphabet)
        return [result for result in results if result is not None]

    def _problem(self, item: Spoken) -> SpeechError | None:
        if len(item.pcm) > LONGEST_S * SAMPLE_RATE:
            return SpeechError(
                f"the audio of {excerpt(item.text)} lasts {len(item.pcm) / SAMPLE_RATE:.0f} s, more than {LONGEST_S}; "
                "divide it",
                reason=TOO_LONG,
            )
        return (
            language_problem(item, self.languages, user=_USER)
            or text_problem(item, words_of(item.text, item.language))
            or audio_problem(item)
        )

    def _align(self, item: Spoken, table: Any, alphabet: Alphabet) -> Alignment | SpeechError:
        words = words_of(item.text, item.language)
        letters = [alphabet.letters(word) for word in words]
        if not all(letters):
            found: list[Found | None] = [Found(start=0, end=1, score=1) if one else None for one in letters]
            return conclude(item, words, found)
        spelled = [[alphabet.tokens[letter] for letter in one] for one in letters]
        # Models for Mandarin have a separator too, but nobody pauses or writes a space between characters.
        gap = [] if alphabet.separator is None or item.language == "zh" else [alphabet.separator]
        tokens = [token for one in spelled for token in (*one, *gap)]
        needed = len(tokens) + sum(one == other for one, other in itertools.pairwise(tokens))
        if needed > len(table):
            return _too_short(item, f"{len(table)} frames for {needed} letters")
        starts, scores = _force(table, tokens, alphabet.blank)
        per_frame = len(item.pcm) / len(table)
        times = [*(start * per_frame for start in starts), float(len(item.pcm))]
        return conclude(item, words, _word_places(spelled, len(gap), times, scores), min_score=self._min_score)


def _force(table: Any, tokens: Sequence[int], blank: int) -> tuple[list[int], list[float]]:
    """Returns for each token the first frame of it on the best path, and its mean probability on that path."""
    import torch  # noqa: PLC0415 - not in the base environment
    from torchaudio.functional import forced_align  # noqa: PLC0415

    with warnings.catch_warnings():
        # torchaudio 2.8 announces that it ends; the release that is pinned has it.
        warnings.filterwarnings("ignore", message=".*forced_align has been deprecated", category=UserWarning)
        path, values = forced_align(table[None], torch.tensor([tokens], dtype=torch.int32), blank=blank)
    starts: list[int] = []
    scores: list[list[float]] = []
    before = blank
    for frame, (token, value) in enumerate(zip(path[0].tolist(), values[0].exp().tolist(), strict=True)):
        if token != blank:
            if token != before:
                starts.append(frame)
                scores.append([])
            scores[-1].append(value)
        before = token
    assert len(starts) == len(tokens)
    return starts, [sum(one) / len(one) for one in scores]


def _word_places(
    spelled: Sequence[Sequence[int]], gap: int, times: Sequence[float], scores: Sequence[float]
) -> list[Found | None]:
    """Returns from the start of the first letter of each word to that of the separator, or of the next word."""
    places: list[Found | None] = []
    at = 0
    for one in spelled:
        after = at + len(one)
        places.append(Found(start=times[at], end=times[after], score=sum(scores[at:after]) / len(one)))
        at = after + gap
    return places


def _too_short(item: Spoken, detail: str) -> SpeechError:
    return SpeechError(f"the audio of {excerpt(item.text)} is too short for its text: {detail}", reason=TOO_SHORT)
