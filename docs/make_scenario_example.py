"""Prints the example of docs/scenarios.md: bags of a small bank, the scenes planned from them, and their clips.

python docs/make_scenario_example.py
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from soundflow_data.audio.procedural import KINDS
from soundflow_data.bank import Bank
from soundflow_data.bank.build import build_bank
from soundflow_data.bank.readers.builtin_sounds import BuiltinSounds
from soundflow_data.dice import Dice
from soundflow_data.library import Library
from soundflow_data.ontology import load_ontology
from soundflow_data.scenario.bag import Bags
from soundflow_data.scenario.ground import Cast, Grounder
from soundflow_data.scenario.rules import RulePlanner
from soundflow_data.scenario.supply import Supply
from soundflow_data.speech.service import SpeechService
from soundflow_data.timeline import SAMPLE_RATE

TRIES = 400
MOST_LINES = 9


def main() -> None:
    """Builds a bank of two kinds of sound out of three, and shows the first bag that becomes two scenes."""
    with tempfile.TemporaryDirectory() as folder:
        kinds = tuple(name for number, name in enumerate(KINDS) if number % 3)
        build_bank(BuiltinSounds(kinds=kinds, clips=3, beds=0), Path(folder) / "sounds")
        bank = Bank.open(Path(folder) / "sounds")
        library = Library(
            split="train",
            banks={"sounds": bank},
            rows={"sounds": np.arange(len(bank), dtype=np.int32)},
            speech=SpeechService(engine=None, version="", banks={}, voices={}),
            voices={},
            ontology=load_ontology(),
        )
        print("\n".join(example(Supply(library))))


def example(supply: Supply) -> Iterator[str]:
    """Yields the lines of a bag that becomes two scenes in which not every sound is in the bank."""
    bags, grounder = Bags(supply), Grounder(supply)
    planner = RulePlanner(supply.ontology, available=supply.labels, most=MOST_LINES)
    for seed in range(TRIES):
        dice = Dice("example", seed)
        bag = bags.draw(dice)
        casts = [grounder.ground(plan, dice) for plan in planner.plan(bag, dice, "en")]
        if len(casts) == 2 and all("generated" in cast.outcomes for cast in casts):
            yield f"bag        {', '.join(one.label for one in bag)}"
            for cast in casts:
                yield from _lines(cast)
            return


def _lines(cast: Cast) -> Iterator[str]:
    yield f"\nscene      {cast.plan.title}"
    for member in cast.members:
        seconds = member.num_samples / SAMPLE_RATE
        event = member.sub_event
        yield (
            f"  {member.index}  {event.label:<20} {event.role:<11} {seconds:5.2f} s  {member.outcome:<9}  "
            f"{member.bank}/{member.clip.id}"
        )
    for event in cast.left_out:
        yield f"  -  {event.label:<20} {event.role:<11}          not grounded"
    order = [f"{cast.plan.events[i].label} ({i}) before {cast.plan.events[j].label} ({j})" for i, j in cast.plan.before]
    yield f"  order      {', '.join(order) or 'any'}"
    yield f"  excluded   {', '.join(cast.plan.excluded) or 'nothing'}"
    yield f"  outcomes   {_counts(cast.outcomes)}"
    yield f"  rejected   {_counts(cast.rejections) or 'none'}"


def _counts(numbers: object) -> str:
    assert isinstance(numbers, dict)
    return ", ".join(f"{name} {number}" for name, number in sorted(numbers.items()))


if __name__ == "__main__":
    main()
