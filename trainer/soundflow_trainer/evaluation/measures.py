"""The table of measures: per sub-task, per ability and over all, for a model and for the baselines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from soundflow_data.targets import Targets
from soundflow_data.timeline import Timeline
from soundflow_trainer.evaluation import text as words
from soundflow_trainer.evaluation.events import DEFAULT_WINDOW, Outcome, Timing, match, summarise
from soundflow_trainer.evaluation.predictions import Prediction
from soundflow_trainer.sequence import spoken_text

EXACT_KINDS: Final = frozenset({"count", "reminder", "time"})
NAN: Final = float("nan")


class TextMeasures(msgspec.Struct, frozen=True, kw_only=True):
    """How right the words are; NaN where there is nothing to measure.

    Attributes:
        exact: Share of spoken due responses (hit or late) with exactly the words of the reference.
        token_f1: Mean F1 of their words.
        exact_answers: Share of due counts, times and reminders that were hit with exactly the right words.
        wer: Word error rate of whole transcripts (real_time_asr).
        bleu: Corpus BLEU of whole interpretations (streaming_translation).
        chrf: Corpus chrF of the same.
    """

    exact: float = NAN
    token_f1: float = NAN
    exact_answers: float = NAN
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
    rows = [_row("all", judged)]
    for ability, group in _by(judged, lambda one: one.timeline.ability).items():
        rows.append(_row(ability, group))
        subtasks = _by(group, lambda one: one.timeline.subtask)
        rows += [_row(f"{ability}/{subtask}", some) for subtask, some in subtasks.items()]
    return rows


def _row(name: str, judged: Sequence[Judged]) -> Row:
    return Row(group=name, timing=summarise(one.outcome for one in judged), text=measure_text(judged))


def _by(judged: Iterable[Judged], key: object) -> Mapping[str, list[Judged]]:
    groups: dict[str, list[Judged]] = {}
    for one in judged:
        groups.setdefault(key(one), []).append(one)  # type: ignore[operator]
    return dict(sorted(groups.items()))


def measure_text(judged: Sequence[Judged]) -> TextMeasures:
    """Measures the words of streams."""
    pairs: list[tuple[str, str]] = []
    answers: list[bool] = []
    for one in judged:
        for target, spoken, label in zip(one.targets.spoken, one.outcome.spoken, one.outcome.labels, strict=True):
            reference = spoken_text(target, one.timeline)
            said = one.prediction.texts[spoken] if spoken >= 0 else ""
            if label in ("hit", "late"):
                pairs.append((reference, said))
            if any(one.timeline.responses[i].kind in EXACT_KINDS for i in target.responses):
                answers.append(label == "hit" and words.exact(reference, said))
    transcripts = [_whole(one) for one in judged if one.timeline.ability == "real_time_asr"]
    translated = [one for one in judged if one.timeline.ability == "streaming_translation"]
    interpretations = [_whole(one) for one in translated]
    # The language of a translation is that of what is said, not of what is heard.
    chinese = any(response.language == "zh" for one in translated for response in one.timeline.responses)
    references, hypotheses = [r for r, _ in interpretations], [h for _, h in interpretations]
    return TextMeasures(
        exact=_mean([words.exact(r, h) for r, h in pairs]),
        token_f1=_mean([words.token_f1(r, h) for r, h in pairs]),
        exact_answers=_mean(answers),
        wer=words.word_error_rate(*zip(*transcripts, strict=True)) if transcripts else NAN,
        bleu=words.bleu(references, hypotheses, chinese=chinese) if interpretations else NAN,
        chrf=words.chrf(references, hypotheses) if interpretations else NAN,
    )


def _whole(one: Judged) -> tuple[str, str]:
    """Returns everything that should have been said in a stream, and everything that was, in order."""
    reference = " ".join(spoken_text(target, one.timeline) for target in one.targets.spoken)
    return reference, " ".join(text for _, text in sorted(one.prediction.texts.items()))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else NAN
