"""Quick validation: decisions on streams whose past decisions and words are the true ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from soundflow_data.timeline import Timeline
from soundflow_trainer.evaluation.events import Timing, summarise
from soundflow_trainer.evaluation.measures import Judged, judge
from soundflow_trainer.evaluation.predictions import Prediction
from soundflow_trainer.loading import Examples, Source, StreamLike
from soundflow_trainer.packing import Batch, pack
from soundflow_trainer.sequence import CONTROL
from soundflow_trainer.tokens import StreamTokenizer

THRESHOLDS: Final = tuple(step / 4 for step in range(-8, 21))  # log-odds; 5 is a probability of 0.993


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """Streams that are scored again and again.

    Attributes:
        streams: By key.
        batches: The packed streams.
    """

    streams: dict[str, StreamLike]
    batches: list[Batch]


def choose_validation(
    source: Source, tokenizer: StreamTokenizer, *, chunk: int, streams: int, row_tokens: int, rows: int
) -> Validation:
    """Takes streams evenly from a source, always the same ones."""
    examples = Examples(source, tokenizer, chunk)
    chosen = sorted({i * len(source) // streams for i in range(streams)}) if len(source) > streams else None
    indices = range(len(source)) if chosen is None else chosen
    samples = [source[i] for i in indices]
    return Validation(
        streams={sample.timeline.key: sample for sample in samples},
        batches=pack([examples[i] for i in indices], row_tokens=row_tokens, rows_per_batch=rows),
    )


@torch.no_grad()
def log_odds(
    module: nn.Module, validation: Validation, tokenizer: StreamTokenizer, device: torch.device
) -> dict[str, NDArray[np.float32]]:
    """Returns the log-odds of speaking after every chunk of every stream, given the true past."""
    was_training = module.training
    module.eval()
    odds: dict[str, NDArray[np.float32]] = {}
    for batch in validation.batches:
        odds |= read_odds(module(batch.to(device)), batch, tokenizer)
    module.train(was_training)
    return odds


def read_odds(logits_KV: torch.Tensor, batch: Batch, tokenizer: StreamTokenizer) -> dict[str, NDArray[np.float32]]:
    """Reads the log-odds of `<response>` over `<silent>` of every stream of a batch off the model's logits."""
    odds_K = (logits_KV[:, tokenizer.response] - logits_KV[:, tokenizer.silent]).float().cpu()
    trained = batch.labels_RL >= 0
    odds_RL = torch.zeros(trained.shape)
    odds_RL[trained] = odds_K
    odds = {}
    for r, keys in enumerate(batch.keys):
        for segment, key in enumerate(keys, 1):
            chosen = (batch.segments_RL[r] == segment) & (batch.kinds_RL[r] == CONTROL)
            odds[key] = odds_RL[r][chosen].numpy()
    return odds


def judge_odds(validation: Validation, odds: dict[str, NDArray[np.float32]], threshold: float) -> list[Judged]:
    """Judges the decisions that a threshold makes of log-odds; words are not decoded."""
    judged = []
    for key, one in odds.items():
        stream = validation.streams[key]
        texts = {int(k): "" for k in np.flatnonzero(one > threshold)}
        prediction = Prediction(key=key, num_chunks=len(one), texts=texts)
        judged.append(judge(stream.timeline, stream.targets, prediction))
    return judged


def choose_threshold(validation: Validation, odds: dict[str, NDArray[np.float32]], *, false_per_hour: float) -> float:
    """Returns the log-odds from which speaking scores best with at most so many false triggers per hour of silence.

    Of equally good ones it is the middle; where none is quiet enough, the quietest of the best. The streams that choose
    it must not be those on which the model is measured.

    Args:
        validation: The streams.
        odds: What `log_odds` returned for them.
        false_per_hour: How many false triggers are allowed.
    """
    timings = {t: summarise(one.outcome for one in judge_odds(validation, odds, t)) for t in THRESHOLDS}
    allowed = max(false_per_hour, min(timing.false_per_hour for timing in timings.values()))
    scores = {t: score(timing) for t, timing in timings.items() if timing.false_per_hour <= allowed}
    best = [t for t, value in scores.items() if value == max(scores.values())]
    return best[len(best) // 2]


def score(timing: Timing) -> float:
    """Returns by what the best checkpoint is chosen: trigger accuracy, less what false triggers spoil."""
    wrong = timing.false / max(1, timing.hits + timing.missed + timing.early + timing.late)
    return (0.0 if np.isnan(timing.trigger_accuracy) else timing.trigger_accuracy) - 0.1 * min(1.0, wrong)


def all_texts(timelines: Sequence[Timeline]) -> list[str]:
    """Returns everything that a model of these streams reads or says."""
    texts = [timeline.instruction for timeline in timelines]
    return [text for text in [*texts, *(r.text for t in timelines for r in t.responses)] if text]
