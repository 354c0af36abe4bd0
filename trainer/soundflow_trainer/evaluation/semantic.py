"""Whether a reply means what a standard answer says, by a local model: a reranker, or a sentence-embedding model.

- A reranker (cross-encoder) reads reply and answer together. Its score is the sigmoid of its one logit; of a model with
  two labels, the probability of the second.
- An embedding model reads each alone; the score is the cosine of its mean-pooled last states.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from soundflow_data.errors import SoundFlowError
from soundflow_trainer.evaluation.proactive import Reply

T = TypeVar("T")
BATCH: Final = 32
Scores = NDArray[np.float32]


class Scorer(Protocol):
    """Scores pairs of texts."""

    default_threshold: float

    def score(self, pairs: Sequence[tuple[str, str]]) -> Scores:
        """Returns float32 (num_pairs,); higher is closer in meaning."""
        ...


class Embedder:
    """Cosine of sentence embeddings.

    Args:
        folder: A model that `transformers.AutoModel` loads.

    Raises:
        SoundFlowError: There is none.
    """

    default_threshold = 0.7

    def __init__(self, folder: Path) -> None:
        self._tokenizer, self._model = _load(folder, AutoModel, "sentence-embedding model")

    def score(self, pairs: Sequence[tuple[str, str]]) -> Scores:
        """Returns the cosine of each pair."""
        texts = sorted({text for pair in pairs for text in pair})
        rows = {text: row for row, text in enumerate(texts)}
        vectors = np.concatenate([self._embed(some) for some in _batches(texts)])
        return np.array([vectors[rows[one]] @ vectors[rows[other]] for one, other in pairs], np.float32)

    def _embed(self, texts: list[str]) -> Scores:
        inputs = self._tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            hidden = self._model(**inputs).last_hidden_state
        weights = inputs["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        pooled = (hidden * weights).sum(1) / weights.sum(1)
        vectors: Scores = torch.nn.functional.normalize(pooled, dim=-1).float().numpy()
        return vectors


class Reranker:
    """Score of a cross-encoder.

    Args:
        folder: A model that `transformers.AutoModelForSequenceClassification` loads, with one label or two.

    Raises:
        SoundFlowError: There is none, or it has other labels.
    """

    default_threshold = 0.5

    def __init__(self, folder: Path) -> None:
        self._tokenizer, self._model = _load(folder, AutoModelForSequenceClassification, "reranker")
        if self._model.config.num_labels not in (1, 2):
            raise SoundFlowError(
                f"reranker {str(folder)!r} has {self._model.config.num_labels} labels; one (a score) or two (no, yes) "
                "are needed"
            )

    def score(self, pairs: Sequence[tuple[str, str]]) -> Scores:
        """Returns for each pair between 0 and 1 how much they mean the same."""
        scores = [self._rank([one for one, _ in some], [other for _, other in some]) for some in _batches(pairs)]
        return np.concatenate(scores)

    def _rank(self, ones: list[str], others: list[str]) -> Scores:
        inputs = self._tokenizer(ones, others, padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            logits = self._model(**inputs).logits.float()
        scores: Scores = (logits[:, 0].sigmoid() if logits.shape[1] == 1 else logits.softmax(-1)[:, 1]).numpy()
        return scores


def semantic_accuracy(
    replies: Sequence[Reply], answers: Mapping[str, Sequence[str]], scorer: Scorer, *, threshold: float
) -> tuple[int, int]:
    """Compares what was said with standard answers.

    Args:
        replies: Predictions; those that decided to respond and have standard answers are compared.
        answers: Standard answers by id.
        scorer: How close two texts are.
        threshold: Least score with the closest standard answer.

    Returns:
        How many match, of how many.
    """
    wanted = [reply for reply in replies if reply.decision == "RESPOND" and answers.get(reply.id)]
    pairs = [(reply.text, answer) for reply in wanted for answer in answers[reply.id]]
    if not pairs:
        return 0, 0
    scores, at, matched = scorer.score(pairs), 0, 0
    for reply in wanted:
        count = len(answers[reply.id])
        matched += bool(scores[at : at + count].max() >= threshold)
        at += count
    return matched, len(wanted)


def _load(folder: Path, kind: Any, what: str) -> tuple[Any, Any]:
    if not folder.is_dir():
        raise SoundFlowError(f"no {what} can be loaded from {str(folder)!r}: there is no such folder")
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder))
        model, report = kind.from_pretrained(str(folder), output_loading_info=True)
    except (OSError, ValueError, KeyError) as error:
        raise SoundFlowError(f"no {what} can be loaded from {str(folder)!r}: {error}") from error
    missing = [name for name in report["missing_keys"] if "classif" in name or "score" in name]
    if missing:
        raise SoundFlowError(
            f"{str(folder)!r} is no {what}: {missing[0]} is not in it, so it would score at random; give a "
            "model that was trained to compare two texts"
        )
    return tokenizer, model.eval()


def _batches(items: Sequence[T]) -> Iterator[list[T]]:
    for start in range(0, len(items), BATCH):
        yield list(items[start : start + BATCH])
