"""Speaking: utterance seconds per second of each engine and stage, batches, model loading, and a second worker.

espeak is measured everywhere; the neural stages where the speech environment is (`make speech`), with untrained models
of the usual sizes, because none may be downloaded: their speed is that of trained ones, their speech is not.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.material import Setup, cold_corpus
from benchmarks.measure import Case, Measured, interleave, median, ratio
from benchmarks.report import Goal, Result, Row
from benchmarks.speech_models import write_ctc, write_vits
from benchmarks.streams.eight_events import REQUESTS
from benchmarks.together import rows_together, speeds_together
from soundflow_data.speech import Speech, Voice, load_voices, seal
from soundflow_data.speech.engine import Engine, Request, speak_many
from soundflow_data.speech.making import Maker, Rules, Wanted
from soundflow_data.speech.proof import Spoken
from soundflow_data.speech.provers import make_aligner, make_recogniser
from soundflow_data.timeline import SAMPLE_RATE
from soundflow_pipelines.executor import InProcess
from soundflow_pipelines.speak import NamedTools, open_speaking, without_bank

_NEURAL = ("TTS", "torch", "whisperx")
_BATCH = 16
_NEURAL_TEXTS = 8
_TOGETHER_S = 8.0


def run(setup: Setup) -> Result:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # speeds are those of one CPU
    texts = list(REQUESTS)[: setup.pick(_BATCH, 4)]
    rows = _espeak(setup, texts)
    neural = not setup.smoke and all(map(importlib.util.find_spec, _NEURAL))
    if neural:
        rows += _neural(setup, texts[:_NEURAL_TEXTS])
    return Result(
        rows=rows,
        setting={"rounds": setup.rounds, "utterances": len(texts), "neural_models": "untrained" if neural else "none"},
    )


# -- espeak ------------------------------------------------------------------------------------------------------------


def _espeak(setup: Setup, texts: list[str]) -> list[Row]:
    voices = load_voices("en")
    wanted = [_wanted(text, voices[i % len(voices)]) for i, text in enumerate(texts)]
    tools = NamedTools(engine="espeak")
    engine, maker = tools.open().engine, Maker(tools.open(), Rules())
    requests = [Request(text=one.text, voice=one.voice) for one in wanted]
    measured = interleave(
        {"speak": partial(speak_many, engine, requests), "prove": partial(maker.make, wanted)}
        for _ in range(setup.rounds + 1)
    )
    maker.close()
    length = sum(len(one.pcm) for one in speak_many(engine, requests) if isinstance(one, Speech)) / SAMPLE_RATE
    rows = [
        _speed("espeak speaks", measured, "speak", length),
        _speed("espeak, with its checks", measured, "prove", length),
        _whole_job(setup),
    ]
    if not setup.smoke:
        speeds = speeds_together(partial(_keep_speaking, wanted), rounds=setup.rounds, duration_s=_TOGETHER_S)
        rows += rows_together("espeak", speeds, length, Goal(">=", 1.7))
    return rows


def _keep_speaking(wanted: list[Wanted], *_: int) -> Iterator[object]:
    maker = Maker(NamedTools(engine="espeak").open(), Rules())
    while True:
        yield maker.make(wanted)


def _whole_job(setup: Setup) -> Row:
    """Speaks a recipe of minute-long streams: planning, speaking, pieces and the bank."""
    corpus = cold_corpus(setup, num_streams=setup.pick(64, 1), streams_per_shard=64)
    out = setup.work / "spoken"
    speeds = []
    for _ in range(setup.rounds):
        shutil.rmtree(out, ignore_errors=True)
        started = time.perf_counter()
        job = open_speaking(without_bank(corpus.loaded), corpus.banks, out / "bank", NamedTools(engine="espeak"))
        with job.claim():
            job.fill(InProcess())
        speeds.append(job.num_samples / SAMPLE_RATE / (time.perf_counter() - started))
    shutil.rmtree(out)
    return Row(what="espeak, whole job: plan, speak, check, bank", value=statistics.median(speeds), unit="x real time")


# -- neural ------------------------------------------------------------------------------------------------------------


def _neural(setup: Setup, texts: list[str]) -> list[Row]:
    models = setup.work / "speech_models"
    voice = seal(_vits_voice(write_vits(models / "vits")))
    ctc = str(write_ctc(models / "ctc"))
    tools = NamedTools(
        engine="coqui",
        engine_options={"device": "cpu"},
        aligner="ctc",
        aligner_options={"en": ctc, "min_score": "0.001"},
    )
    wanted = [_wanted(text, voice) for text in texts]
    opened = tools.open()
    engine = opened.engine
    requests = [Request(text=one.text, voice=voice) for one in wanted]
    load_s = _first_over_second(partial(speak_many, engine, requests[:1]))
    rounds = min(setup.rounds, 3)
    cases = {"batch": partial(speak_many, engine, requests), "single": partial(_one_by_one, engine, requests)}
    measured = interleave(cases for _ in range(rounds + 1))
    length = _length(speak_many(engine, requests))
    gain = ratio(measured.timings["single"], measured.timings["batch"]).wall
    rows = [
        _speed("VITS speaks", measured, "batch", length),
        Row(what="VITS, batch over single", value=gain, unit="times"),
        *_loading("VITS", load_s, length, measured, "batch"),
    ]
    rows += _provers(rounds, ctc, texts)
    rows.append(_overlap(tools, wanted))
    speeds = speeds_together(partial(_keep_making, tools, wanted), rounds=rounds, duration_s=2 * _TOGETHER_S)
    return rows + rows_together("VITS and CTC aligner", speeds, length, Goal(">=", 1.7))


def _provers(rounds: int, ctc: str, texts: list[str]) -> list[Row]:
    """Aligner and recogniser on espeak speech, so that lengths are those of speech."""
    voice = load_voices("en")[0]
    engine = NamedTools(engine="espeak").open().engine
    items = [Spoken(pcm=engine.speak(text, voice).pcm, text=text, language="en") for text in texts]
    length = sum(len(item.pcm) for item in items) / SAMPLE_RATE
    rows = []
    for what, work in (
        ("CTC aligner", make_aligner("ctc", {"en": ctc, "min_score": "0.001"}).align),
        ("WhisperX aligner", make_aligner("whisperx", {"en": ctc, "min_score": "0.001"}).align),
        ("CTC recogniser", make_recogniser("ctc", {"en": ctc}).transcribe),
    ):
        load_s = _first_over_second(partial(work, items[:1]))
        measured = interleave({what: partial(work, items)} for _ in range(rounds + 1))
        rows += [_speed(what, measured, what, length), *_loading(what, load_s, length, measured, what)]
    return rows


def _overlap(tools: NamedTools, wanted: list[Wanted]) -> Row:
    """How much time the stages save by working at the same time."""
    maker = Maker(tools.open(), Rules(retries=0), batch=2)
    maker.make(wanted[:1])
    before = sum(maker.seconds.values())
    _, wall_s = _timed(partial(maker.make, wanted))
    maker.close()
    busy_s = sum(maker.seconds.values()) - before
    return Row(what="stages at the same time, over one after the other", value=busy_s / wall_s, unit="times")


def _keep_making(tools: NamedTools, wanted: list[Wanted], *_: int) -> Iterator[object]:
    maker = Maker(tools.open(), Rules(retries=0))
    while True:
        yield maker.make(wanted)


def _one_by_one(engine: Engine, requests: list[Request]) -> None:
    for request in requests:
        speak_many(engine, [request])


# -- parts -------------------------------------------------------------------------------------------------------------


def _vits_voice(folder: Path) -> Voice:
    return Voice(id="ada", engine="coqui", language="en", model=str(folder), variant="ada", licence="none")


def _wanted(text: str, voice: Voice) -> Wanted:
    return Wanted(address=f"{voice.id} {text}", text=text, voice=voice)


def _length(results: list[object]) -> float:
    return sum(len(one.pcm) for one in results if isinstance(one, Speech)) / SAMPLE_RATE


def _timed(work: Case | Callable[[], object]) -> tuple[object, float]:
    started = time.perf_counter()
    value = work()
    return value, time.perf_counter() - started


def _first_over_second(work: Callable[[], object]) -> float:
    """Returns how much longer something takes the first time, when it loads its model."""
    first_s, second_s = _timed(work)[1], _timed(work)[1]
    return max(first_s - second_s, 0.0)


def _speed(what: str, measured: Measured, case: str, length: float) -> Row:
    found = median(measured.timings[case])
    return Row(what=what, value=length / found.wall_s, cpu=length / found.cpu_s, unit="x real time")


def _loading(what: str, load_s: float, length: float, measured: Measured, case: str) -> list[Row]:
    """How long a model takes to load, and what share that is of a worker that makes an hour."""
    hour_s = 3600 * median(measured.timings[case]).wall_s / length
    return [
        Row(what=f"{what}, loading", value=load_s, unit="s"),
        Row(what=f"{what}, loading as a share of an hour of speech", value=load_s / (load_s + hour_s), unit=""),
    ]
