"""From a plan to clips: retrieve, verify, mend, and make what no bank has.

    sub-event -> query -> 3 clips -> verifier -+-> accepted      the first that is accepted
                                               +-> reprocessed   else the first that TFJP mends
                                               +-> generated     else a procedural sound of that label
                                               +-> left out      else nothing: "not grounded"

A search that always took its best three would play the same three dogs in every stream. So the three are drawn from
all clips that are the sound and fit the query about as well as the best one (`retrieval.CLOSE`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from soundflow_data.bank import Bank, Clip
from soundflow_data.dice import Dice, derive_seed
from soundflow_data.errors import BankError
from soundflow_data.scenario.plan import ScenePlan, SubEvent
from soundflow_data.scenario.retrieval import TOP, Answer, Retriever
from soundflow_data.scenario.supply import Supply
from soundflow_data.scenario.verify import Verdict, Verifier
from soundflow_data.scenario.workshop import GENERATED, REPROCESSED, Workshop, generated_id, reprocessed_id
from soundflow_data.timeline import SAMPLE_RATE

Outcome = Literal["accepted", "reprocessed", "generated"]
NOT_GROUNDED: Final = "not grounded"
SEEDS: Final = 16  # different recordings of each kind that a split generates; few, so that a worker can keep them
_DURATIONS: Final = 4  # different lengths of a kind, of which each recording has one
_DRAWS: Final = 4 * TOP  # before a sub-event makes do with fewer than three proposals
_KEPT: Final = 1024  # queries of which is remembered which clips suit


class Grounded(msgspec.Struct, frozen=True, kw_only=True):
    """A sub-event with its clip.

    Attributes:
        index: Of the sub-event in its plan.
        sub_event: What was asked for; its label is the event's label.
        bank: Name of the bank, or `reprocessed` or `generated`.
        clip: The clip, with the label of the sub-event, whatever tag or caption identified it.
        num_samples: How much of it to play, from its start.
        outcome: Where it comes from.
    """

    index: int
    sub_event: SubEvent
    bank: str
    clip: Clip
    num_samples: int
    outcome: Outcome


class Cast(msgspec.Struct, frozen=True, kw_only=True):
    """A plan with the clips that were found for it.

    Attributes:
        plan: What was asked for.
        members: In planned order, so that whoever places their onsets in this order keeps `plan.before`.
        left_out: Sub-events without a clip.
        outcomes: How many sub-events were accepted, reprocessed, generated or not grounded.
        rejections: How many proposals were rejected, by reason.
    """

    plan: ScenePlan
    members: tuple[Grounded, ...]
    left_out: tuple[SubEvent, ...]
    outcomes: Mapping[str, int]
    rejections: Mapping[str, int]


class Grounder:
    """Finds clips of one split for plans.

    Args:
        supply: What the split has; nothing else is ever used.
        retriever: Searches it.
        workshop: Makes clips; the one that renders them later may be another.
        verifier: Judges clips.
        seeds: Different recordings of each procedural kind that are generated.
    """

    def __init__(
        self,
        supply: Supply,
        *,
        retriever: Retriever | None = None,
        workshop: Workshop | None = None,
        verifier: Verifier | None = None,
        seeds: int = SEEDS,
    ) -> None:
        self._supply = supply
        self._retriever = retriever or Retriever(supply)
        self._workshop = workshop or Workshop(supply.library.banks, supply.ontology)
        self._verifier = verifier or Verifier(supply.identity)
        self._seeds = seeds
        self._places: dict[tuple[str, str, tuple[str, ...]], list[int]] = {}
        self._made: dict[tuple[SubEvent, str, str], Verdict] = {}

    def ground(self, plan: ScenePlan, dice: Dice) -> Cast:
        """Finds a clip for every sub-event; two of the same sound have different clips where there are enough.

        Args:
            plan: A valid plan.
            dice: The stream's own randomness.
        """
        answers = self._retriever.answers([event.query for event in plan.events])
        members: list[Grounded] = []
        left_out = []
        rejections: Counter[str] = Counter()
        taken: set[tuple[str, str]] = set()
        for index, (event, answer) in enumerate(zip(plan.events, answers, strict=True)):
            found = self._found(index, event, answer, taken, rejections, dice) or self._generated(
                index, event, taken, rejections, dice
            )
            if found is None:
                left_out.append(event)
            else:
                members.append(found)
                taken.add((found.bank, found.clip.id))
        outcomes = Counter[str](member.outcome for member in members)
        if left_out:
            outcomes[NOT_GROUNDED] = len(left_out)
        return Cast(
            plan=plan,
            members=tuple(members),
            left_out=tuple(left_out),
            outcomes=dict(outcomes),
            rejections=dict(rejections),
        )

    # -- clips of banks ------------------------------------------------------------------------------------------------

    def _found(
        self,
        index: int,
        event: SubEvent,
        answer: Answer,
        taken: set[tuple[str, str]],
        rejections: Counter[str],
        dice: Dice,
    ) -> Grounded | None:
        """Returns the first proposal that is accepted, else the first one that TFJP mends."""
        mendable: list[tuple[Bank, int, Verdict]] = []
        for bank, row in self._proposals(event, answer, taken, dice):
            verdict = self._verifier.verdict(event, bank, row)
            if verdict.decision == "accept":
                return Grounded(
                    index=index,
                    sub_event=event,
                    bank=bank.name,
                    clip=_labelled(bank.clip(row), event),
                    num_samples=verdict.num_samples,
                    outcome="accepted",
                )
            if verdict.decision == "reprocess":
                mendable.append((bank, row, verdict))
            else:
                rejections[verdict.reason] += 1
        for bank, row, verdict in mendable:
            address = reprocessed_id(bank.name, bank.clip(row).id)
            again = self._judged(event, REPROCESSED, address)
            if again.decision == "accept":
                return self._made_member(index, event, REPROCESSED, address, again, "reprocessed")
            rejections[verdict.reason] += 1
        return None

    def _proposals(
        self, event: SubEvent, answer: Answer, taken: set[tuple[str, str]], dice: Dice
    ) -> list[tuple[Bank, int]]:
        """Draws three of the clips that fit best, those first that the scene does not use yet."""
        places = self._suitable(event, answer)
        if len(places) > TOP:
            places = [places[dice.integer(0, len(places) - 1)] for _ in range(_DRAWS)]
        hits = [self._retriever.hit(answer, place) for place in dict.fromkeys(places)]
        proposals = [(hit.bank, hit.row) for hit in hits]
        if taken:
            proposals.sort(key=lambda one: (one[0].name, one[0].clip(one[1]).id) in taken)
        return proposals[:TOP]

    def _suitable(self, event: SubEvent, answer: Answer) -> list[int]:
        """Returns the places of the clips that fit about as well as the best and are the sound, as far as is known.

        Where none of them is, the next best three that are; where none is at all, the best three, for the verifier.
        """
        key = (event.query, event.label, event.tags)
        if key not in self._places:
            if len(self._places) >= _KEPT:
                self._places.clear()
            hits = (self._retriever.hit(answer, place) for place in range(len(answer.clips)))
            clips = (hit.bank.clip(hit.row) for hit in hits)
            same = [self._supply.identity.accepts(event, clip.label, clip.caption) for clip in clips]
            places = [place for place, is_same in enumerate(same) if is_same]
            close = [place for place in places if place < answer.num_close]
            self._places[key] = close or places[:TOP] or list(range(min(TOP, len(same))))
        return self._places[key]

    # -- clips that are made -------------------------------------------------------------------------------------------

    def _generated(
        self, index: int, event: SubEvent, taken: set[tuple[str, str]], rejections: Counter[str], dice: Dice
    ) -> Grounded | None:
        kind = self._kind(event) if self._supply.generation else None
        if kind is None:
            return None
        first = dice.integer(0, self._seeds - 1)
        addresses = [self._address(kind, event, (first + more) % self._seeds) for more in range(TOP)]
        address = next((one for one in addresses if (GENERATED, one) not in taken), addresses[0])
        verdict = self._judged(event, GENERATED, address)
        if verdict.decision == "reject":
            rejections[verdict.reason] += 1
            return None
        return self._made_member(index, event, GENERATED, address, verdict, "generated")

    def _kind(self, event: SubEvent) -> str | None:
        """Returns the procedural kind of a sub-event; None where it has none, or its caption names other sounds."""
        named = self._supply.identity.named(event.caption)
        return None if named and event.label not in named else self._supply.ontology.by_label(event.label).procedural

    def _address(self, kind: str, event: SubEvent, number: int) -> str:
        """Returns the id of one of the split's recordings of a kind; no other split generates the same."""
        from soundflow_data.audio.procedural import KINDS  # noqa: PLC0415 - scipy takes half a second to import

        low, high = event.duration_s
        wanted_s = low + (high - low) * (number % _DURATIONS) / (_DURATIONS - 1)
        seed = derive_seed("generated", self._supply.library.split, kind, number) >> 16
        return generated_id(kind, seed, round(KINDS[kind].fit(wanted_s) * SAMPLE_RATE))

    def _judged(self, event: SubEvent, bank: str, address: str) -> Verdict:
        key = (event, bank, address)
        if key not in self._made:
            if len(self._made) > (1 << 15):
                self._made.clear()
            try:
                clip, pcm = self._workshop.clip(bank, address), self._workshop.pcm(bank, address)
            except BankError:
                self._made[key] = Verdict(decision="reject", reason="nothing left of it")
            else:
                self._made[key] = self._verifier.judge(event, clip, pcm)
        return self._made[key]

    def _made_member(
        self, index: int, event: SubEvent, bank: str, address: str, verdict: Verdict, outcome: Outcome
    ) -> Grounded:
        clip = _labelled(self._workshop.clip(bank, address), event)
        return Grounded(
            index=index, sub_event=event, bank=bank, clip=clip, num_samples=verdict.num_samples, outcome=outcome
        )


def _labelled(clip: Clip, event: SubEvent) -> Clip:
    return clip if clip.label == event.label else msgspec.structs.replace(clip, label=event.label)
