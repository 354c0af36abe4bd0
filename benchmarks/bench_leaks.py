"""How far rules that understand nothing predict when to speak: logistic regression on surface cues, per sub-task.

chunks     every chunk: its loudness, the rise of loudness, whether a sound begins in it, whether speech ends in it,
           how much of it is speech, and the time since the start
moments    everything that is heard in the foreground: whether it is speech, its length, its loudness, its onset, and
           the pause before it. Is it answered? This is the harder question: that nothing happens in most chunks, so
           that silence is right there, is no leak, but that every sound or every sentence is answered is one.

Half of the streams are for fitting, the other half for measuring. 0.5 is chance, 1.0 is a rule that is always right. In
transcription and translation, speech itself is the cue; in narration, a sound is: these have no goal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

from benchmarks.every_subtask import corpus_of, names
from benchmarks.material import Setup
from benchmarks.report import Goal, Result, Row
from soundflow_data.corpus import Corpus
from soundflow_data.errors import Drop
from soundflow_data.targets import project
from soundflow_data.timeline import SAMPLE_RATE, Event, Timeline

Features = NDArray[np.float64]
Flags = NDArray[np.bool_]

CHUNK_CUES: Final = ("loudness", "rise", "sound begins", "speech ends", "voice", "time")
MOMENT_CUES: Final = ("is speech", "length", "loudness", "time", "pause before")
SELF_EVIDENT: Final = (
    "real_time_asr/",
    "streaming_translation/",
    "streaming_audio_understanding/sound_event_narration",
)
BOUND: Final = 0.8  # of the area under the curve at moments
RIDGE: Final = 1e-2


def run(setup: Setup) -> Result:
    num_streams = setup.pick(128, 2)
    rows, details = [], {}
    for name in names(setup):
        corpus = corpus_of(setup, name, num_streams=num_streams, duration_s=[20, 45])
        chunks, moments = _look(corpus, num_streams)
        found = {"chunks": _judge(*chunks, CHUNK_CUES), "moments": _judge(*moments, MOMENT_CUES)}
        details[name] = found
        short = name.split("/")[1]
        goal = None if name.startswith(SELF_EVIDENT) else Goal("<=", BOUND)
        rows.append(Row(what=f"{short}, chunks", value=found["chunks"]["auc"], unit="AUC"))
        rows.append(Row(what=f"{short}, moments", value=found["moments"]["auc"], unit="AUC", goal=goal))
    return Result(rows=rows, setting={"streams_per_subtask": num_streams, "bound": BOUND}, details=details)


def _look(corpus: Corpus, num_streams: int) -> tuple[tuple[Features, Flags, Flags], tuple[Features, Flags, Flags]]:
    """Returns cues, answers, and which rows are for measuring; for chunks and for moments."""
    parts: tuple[list[Features], list[Features]] = ([], [])
    answers: tuple[list[Flags], list[Flags]] = ([], [])
    held_out: tuple[list[Flags], list[Flags]] = ([], [])
    for index in range(num_streams):
        try:
            timeline = corpus.compose(corpus.spec("train", index))
        except Drop:
            continue
        decibels = _loudness(corpus.render(timeline), timeline.chunk)
        seen = (_chunk_cues(timeline, decibels), project(timeline).decisions()), _moment_cues(timeline, decibels)
        for which, (cues, spoken) in enumerate(seen):
            parts[which].append(cues)
            answers[which].append(spoken)
            held_out[which].append(np.full(len(spoken), index % 2 == 1))
    chunks, moments = (
        (np.concatenate(parts[i]), np.concatenate(answers[i]), np.concatenate(held_out[i])) for i in (0, 1)
    )
    return chunks, moments


def _loudness(pcm: NDArray[np.int16], chunk: int) -> Features:
    frames = pcm.reshape(-1, chunk).astype(np.float64) / 32768
    decibels: Features = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-10)
    return decibels


def _chunk_cues(timeline: Timeline, decibels: Features) -> Features:
    chunk, count = timeline.chunk, timeline.num_chunks
    begins, ends, voice = np.zeros(count), np.zeros(count), np.zeros(count * chunk, np.bool_)
    for event in timeline.events:
        if event.kind == "speech":
            ends[(event.end - 1) // chunk] = 1
            voice[event.onset : event.end] = True
        elif not event.track.startswith("bed"):
            begins[event.onset // chunk] = 1
    rise = np.diff(decibels, prepend=decibels[:1])
    time = np.arange(count) * chunk / SAMPLE_RATE
    return np.stack([decibels, rise, begins, ends, voice.reshape(-1, chunk).mean(axis=1), time], axis=1)


def _moment_cues(timeline: Timeline, decibels: Features) -> tuple[Features, Flags]:
    answered = {i for response in timeline.responses for i in response.events[-1:]}
    answered |= {
        i for response in timeline.responses for i in response.events if _during(timeline.events[i], response.due)
    }
    cues, flags, before = [], [], 0
    for i, event in sorted(enumerate(timeline.events), key=lambda pair: pair[1].onset):
        if event.role != "foreground" or event.track.startswith("bed"):
            continue
        first, last = event.onset // timeline.chunk, (event.end - 1) // timeline.chunk
        seconds = np.array([event.num_samples, event.onset, event.onset - before]) / SAMPLE_RATE
        loud = decibels[first : last + 1].max()
        cues.append([float(event.kind == "speech"), seconds[0], loud, seconds[1], seconds[2]])
        flags.append(i in answered)
        before = event.end
    return np.array(cues, np.float64).reshape(-1, len(MOMENT_CUES)), np.array(flags, np.bool_)


def _during(event: Event, sample: int) -> bool:
    return event.onset < sample <= event.end


def _judge(cues: Features, spoken: Flags, held_out: Flags, names: Sequence[str]) -> dict[str, float]:
    """Fits on one half and measures on the other: all cues together, and each alone."""
    scale = cues.std(axis=0) + 1e-9
    cues = (cues - cues.mean(axis=0)) / scale
    weights = _fit(cues[~held_out], spoken[~held_out])
    score = cues[held_out] @ weights[:-1] + weights[-1]
    truth = spoken[held_out]
    alone = {f"auc of {cue}": _auc(cues[held_out, i], truth) for i, cue in enumerate(names)}
    return {
        "auc": _auc(score, truth),
        "balanced_accuracy": _balanced(score > 0, truth),
        "share_spoken": float(spoken.mean()),
        "rows": float(len(spoken)),
        **{key: max(value, 1 - value) for key, value in alone.items()},
    }


def _fit(cues: Features, spoken: Flags) -> Features:
    """Returns the weights of a logistic regression in which both answers count the same, the constant last."""
    inputs = np.column_stack([cues, np.ones(len(cues))])
    balance = np.where(spoken, 0.5 / max(1, spoken.sum()), 0.5 / max(1, (~spoken).sum()))
    sign = np.where(spoken, 1.0, -1.0)

    def loss(weights: Features) -> tuple[float, Features]:
        margin = sign * (inputs @ weights)
        value = float(balance @ np.logaddexp(0, -margin)) + RIDGE * float(weights @ weights)
        slope = inputs.T @ (-balance * sign * expit(-margin)) + 2 * RIDGE * weights
        return value, slope

    result: Features = minimize(loss, np.zeros(inputs.shape[1]), jac=True, method="L-BFGS-B").x
    return result


def _auc(score: Features, truth: Flags) -> float:
    """Returns the chance that a row that speaks scores above one that does not; 0.5 where there is only one kind."""
    yes, no = int(truth.sum()), int((~truth).sum())
    if not yes or not no:
        return 0.5
    return float((rankdata(score)[truth].sum() - yes * (yes + 1) / 2) / (yes * no))


def _balanced(guess: Flags, truth: Flags) -> float:
    if truth.all() or not truth.any():
        return 0.5
    return float((guess[truth].mean() + (~guess[~truth]).mean()) / 2)
