"""The table of measures: per sub-task, per ability and over all, for a model and for the baselines.

Streams of several sub-tasks are divided among them, see `soundflow_trainer.evaluation.pieces`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from soundflow_data.targets import Targets
from soundflow_data.timeline import Timeline
from soundflow_trainer.evaluation import text as words
from soundflow_trainer.evaluation.events import DEFAULT_WINDOW, Outcome, Timing, match, summarise
from soundflow_trainer.evaluation.pieces import Piece, Spoken, pieces_of
from soundflow_trainer.evaluation.predictions import Prediction
from soundflow_trainer.sequence import spoken_text

EXACT_KINDS: Final = frozenset({"count", "reminder", "time"})
RECALL: Final = "recall"  # kind of a response that needs what was said rounds ago
NAN: Final = float("nan")


class TextMeasures(msgspec.Struct, frozen=True, kw_only=True):
    """How right the words are; NaN where there is nothing to measure.

    Attributes:
        exact: Share of spoken due responses (hit or late) with exactly the words of the reference.
        token_f1: Mean F1 of their words.
        exact_answers: Share of due counts, times and reminders that were hit with exactly the right words.
        recalls: Number of due responses that need what was said rounds ago.
        recall: History-review accuracy: share of them that were hit with the words that had to be remembered.
        wer: Word error rate of whole transcripts (real_time_asr).
        bleu: Corpus BLEU of whole interpretations (streaming_translation).
        chrf: Corpus chrF of the same.
    """

    exact: float = NAN
    token_f1: float = NAN
    exact_answers: float = NAN
    recalls: int = 0
    recall: float = NAN
    wer: float = NAN
    bleu: float = NAN
    chrf: float = NAN


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table."""

    group: str
    timing: Timing
    text: TextMeasures


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One stream with what should have been said and what was."""

    timeline: Timeline
    targets: Targets
    prediction: Prediction
    outcome: Outcome


def judge(timeline: Timeline, targets: Targets, prediction: Prediction, *, window: int = DEFAULT_WINDOW) -> Judged:
    """Matches the predictions of one stream with its targets."""
    outcome = match(prediction.decisions(), targets.decisions(), timeline.silences, chunk=targets.chunk, window=window)
    return Judged(timeline=timeline, targets=targets, prediction=prediction, outcome=outcome)


def table(judged: Sequence[Judged]) -> list[Row]:
    """Returns a row over all streams, then one per ability, each followed by those of its sub-tasks."""
    pieces = [piece for one in judged for piece in divide(one)]
    rows = [_row("all", [one.outcome for one in judged], pieces)]
    for ability, group in _by(pieces, lambda one: one.ability).items():
        rows.append(_row(ability, _outcomes(group), group))
        subtasks = _by(group, lambda one: one.subtask)
        rows += [_row(f"{ability}/{subtask}", _outcomes(some), some) for subtask, some in subtasks.items()]
    return rows


def divide(one: Judged) -> list[Piece]:
    """Divides a stream among its sub-tasks."""
    return pieces_of(one.timeline, one.targets.spoken, one.prediction, one.outcome)


def _row(name: str, outcomes: Sequence[Outcome], pieces: Sequence[Piece]) -> Row:
    streams = len({piece.timeline.key for piece in pieces})
    timing = replace(summarise(outcomes), streams=streams)  # a composite has several pieces
    return Row(group=name, timing=timing, text=measure_text(pieces))


def _outcomes(pieces: Sequence[Piece]) -> list[Outcome]:
    return [piece.outcome for piece in pieces]


def _by(pieces: Iterable[Piece], key: Callable[[Piece], str]) -> Mapping[str, list[Piece]]:
    groups: dict[str, list[Piece]] = {}
    for one in pieces:
        groups.setdefault(key(one), []).append(one)
    return dict(sorted(groups.items()))


def measure_text(pieces: Sequence[Piece]) -> TextMeasures:
    """Measures the words of streams."""
    spoken = [(piece, one, spoken_text(one.target, piece.timeline)) for piece in pieces for one in piece.spoken]
    pairs = [(reference, one.said) for _, one, reference in spoken if one.label in ("hit", "late")]
    answers = [
        one.label == "hit" and words.exact(reference, one.said)
        for piece, one, reference in spoken
        if _kinds(piece, one) & EXACT_KINDS
    ]
    recalls = [
        one.label == "hit" and _recalled(piece, one, reference)
        for piece, one, reference in spoken
        if RECALL in _kinds(piece, one)
    ]
    transcripts = [_whole(piece) for piece in pieces if piece.ability == "real_time_asr"]
    translated = [piece for piece in pieces if piece.ability == "streaming_translation"]
    interpretations = [_whole(piece) for piece in translated]
    # The language of a translation is that of what is said, not of what is heard.
    languages = {piece.timeline.responses[i].language for piece in translated for i in _indices(piece)}
    references, hypotheses = [r for r, _ in interpretations], [h for _, h in interpretations]
    return TextMeasures(
        exact=_mean([words.exact(r, h) for r, h in pairs]),
        token_f1=_mean([words.token_f1(r, h) for r, h in pairs]),
        exact_answers=_mean(answers),
        recalls=len(recalls),
        recall=_mean(recalls),
        wer=words.word_error_rate(*zip(*transcripts, strict=True)) if transcripts else NAN,
        bleu=words.bleu(references, hypotheses, chinese="zh" in languages) if interpretations else NAN,
        chrf=words.chrf(references, hypotheses) if interpretations else NAN,
    )


def _indices(piece: Piece) -> list[int]:
    """Returns which of the stream's responses belong to a piece."""
    return [i for one in piece.spoken for i in one.target.responses]


def _kinds(piece: Piece, one: Spoken) -> set[str]:
    return {piece.timeline.responses[i].kind for i in one.target.responses}


def _recalled(piece: Piece, one: Spoken, reference: str) -> bool:
    """Tells whether a reply holds what was to be remembered of what was said before the question."""
    evidence = piece.timeline.responses[one.target.responses[0]].evidence
    heard = sorted((e for e in piece.timeline.events if e.text and e.end <= evidence), key=lambda e: e.end)
    if not heard:
        return words.exact(reference, one.said)
    *before, question = heard
    return words.recalls(reference, one.said, told=[event.text for event in before], question=question.text)


def _whole(piece: Piece) -> tuple[str, str]:
    """Returns everything that should have been said in a piece, and everything that was, in order."""
    reference = " ".join(spoken_text(one.target, piece.timeline) for one in piece.spoken)
    return reference, " ".join(piece.texts)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else NAN
