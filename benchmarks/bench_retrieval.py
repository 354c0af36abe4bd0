"""Finding clips for planned scenes: queries to a captioned bank of 100,000 clips, and whole scenes from a warm bank.

index      what is built when the first query comes: time, and what it adds to a worker's memory
query      new queries, one at a time, and the eight of a scene in one statement
scene      plan, retrieve, verify: a scene of eight sub-events, with everything in memory
"""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.material import Setup, warm_corpus
from benchmarks.measure import Case, interleave, median
from benchmarks.report import Goal, Result, Row
from soundflow_data.audio.levels import peak, rms_db
from soundflow_data.bank import Bank, Clip
from soundflow_data.bank.writer import BankWriter
from soundflow_data.dice import Dice
from soundflow_data.library import Library
from soundflow_data.ontology import load_ontology
from soundflow_data.scenario.bag import Bags
from soundflow_data.scenario.ground import Grounder
from soundflow_data.scenario.plan import HEARD_KINDS, describe
from soundflow_data.scenario.retrieval import Retriever
from soundflow_data.scenario.rules import RulePlanner
from soundflow_data.scenario.supply import Supply
from soundflow_data.speech.service import SpeechService

_EVENTS: Final = 8
_HOW: Final = ("loudly", "softly", "in the distance", "close to the microphone", "twice", "again and again", "suddenly")
_CLIP: Final = 480  # samples; searching reads no audio


def run(setup: Setup) -> Result:
    num_clips = setup.pick(100_000, 500)
    num_queries = setup.pick(64, _EVENTS)
    num_scenes = setup.pick(200, 2)
    folder = setup.work / "banks" / f"captions-{num_clips}"
    bank = _captioned_bank(folder, num_clips)
    before = _resident_mb()
    started, cpu = time.perf_counter(), time.process_time()
    retriever = Retriever(Supply(_library(bank)))
    retriever.search("a dog barking")
    built, built_cpu = time.perf_counter() - started, time.process_time() - cpu
    added = _resident_mb() - before
    numbers = itertools.count()
    corpus = warm_corpus(setup, num_streams=1, streams_per_shard=1)
    supply = Supply(corpus.library("train"))
    bags, grounder = Bags(supply), Grounder(supply)
    planner = RulePlanner(supply.ontology, available=supply.found, fewest=_EVENTS, most=_EVENTS)

    def rounds() -> Iterator[dict[str, Case]]:
        for _ in range(setup.rounds + 1):
            yield {
                "single": partial(_ask, retriever, _queries(next(numbers), num_queries), 1),
                "batch": partial(_ask, retriever, _queries(next(numbers), num_queries), _EVENTS),
                "scene": partial(_scenes, bags, planner, grounder, num_scenes),
            }

    timings = interleave(rounds()).timings
    single, batch, scene = (median(timings[case]) for case in ("single", "batch", "scene"))
    if setup.smoke:
        shutil.rmtree(folder)
    return Result(
        rows=[
            Row(what="index", value=built, cpu=built_cpu, unit="s"),
            Row(what="memory that it adds", value=added, unit="MB", goal=Goal("<=", 500)),
            Row(
                what="a new query, alone",
                value=1e3 * single.wall_s / num_queries,
                cpu=1e3 * single.cpu_s / num_queries,
                unit="ms",
            ),
            Row(
                what="a new query, with the others of its scene",
                value=1e3 * batch.wall_s / num_queries,
                cpu=1e3 * batch.cpu_s / num_queries,
                unit="ms",
                goal=Goal("<=", 2),
            ),
            Row(
                what="a scene: bag, plan and clips",
                value=1e3 * scene.wall_s / num_scenes,
                cpu=1e3 * scene.cpu_s / num_scenes,
                unit="ms",
                goal=Goal("<=", 3),
            ),
        ],
        setting={"rounds": setup.rounds, "clips": num_clips, "queries": num_queries, "events_per_scene": _EVENTS},
        details={"timings": timings},
    )


def _ask(retriever: Retriever, queries: list[str], together: int) -> None:
    for start in range(0, len(queries), together):
        assert retriever.answers(queries[start : start + together])


def _scenes(bags: Bags, planner: RulePlanner, grounder: Grounder, count: int) -> None:
    for number in range(count):
        dice = Dice("retrieval", number)
        plan = planner.plan(bags.draw(dice), dice, "en")[0]
        assert grounder.ground(plan, dice).members


def _queries(number: int, count: int) -> list[str]:
    """Returns queries that were not asked before, such as "dog bark, a dog barking in the distance, 17"."""
    dice = Dice("queries", number)
    heard = [entry for entry in load_ontology() if entry.kind in HEARD_KINDS]
    return [f"{describe(dice.choice(heard)).query} {dice.choice(_HOW)}, {number}-{i}" for i in range(count)]


def _caption(dice: Dice) -> str:
    phrases = [entry.phrase_en for entry in load_ontology() if entry.kind in HEARD_KINDS]
    places = [scene.name_en for scene in load_ontology().scenes.values()]
    first, second = dice.sample(phrases, 2)
    return f"{first} {dice.choice(_HOW)} and {second} {dice.choice(_HOW)} in {dice.choice(places)}"


def _captioned_bank(folder: Path, num_clips: int) -> Bank:
    """Returns a bank whose clips have a label and a caption, written unless it is there."""
    if not folder.exists():
        folder.mkdir(parents=True)
        pcm = (np.random.default_rng(0).standard_normal(_CLIP) * 2_000).astype(np.int16)
        labels = [entry.label for entry in load_ontology() if entry.kind in HEARD_KINDS]
        dice = Dice("captions")
        with BankWriter(folder) as writer:
            for number in range(num_clips):
                clip = Clip(
                    row=-1,
                    id=f"clip-{number:06d}",
                    kind="sound",
                    num_samples=len(pcm),
                    label=dice.choice(labels),
                    caption=_caption(dice),
                    origin=f"clip-{number:06d}",
                    group=f"clip-{number:06d}",
                    corpus="captions",
                    licence="CC0-1.0",
                    level_db=rms_db(pcm),
                    peak=peak(pcm),
                    recognisable=len(pcm) // 2,
                )
                writer.add(clip, pcm)
            writer.finish(
                name=folder.name,
                inputs="",
                created_by={},
                source={"reader": "captions", "clips": num_clips},
                settings={},
                num_items=num_clips,
                num_cut=0,
                num_single=0,
            )
    return Bank.open(folder)


def _library(bank: Bank) -> Library:
    return Library(
        split="train",
        banks={bank.name: bank},
        rows={bank.name: np.arange(len(bank), dtype=np.int32)},
        speech=SpeechService(engine=None, version="", banks={}, voices={}),
        voices={},
        ontology=load_ontology(),
    )


def _resident_mb() -> float:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * 4096 / 1e6
