"""A bank that `soundflow speak` filled, opened: utterances by content address, their voices, and what has failed.

    bank.json             as in every bank; `source` says engine, version, voices, and for which recipes it is complete
    index.parquet, ...    as in every bank; an utterance's id is its content address
    quarantine.jsonl      as in every bank; utterances that failed for good: address, voice, reason, message
    utterances.parquet    how each utterance was made and checked (`assemble`)

Whoever opens it needs neither the engine nor any model.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from soundflow_data.bank import Bank
from soundflow_data.bank.format import QUARANTINE
from soundflow_data.bank.source import Dropped
from soundflow_data.errors import BankError
from soundflow_data.speech.engine import Voice

SPEAK: Final = "speak"  # `source.reader` of such a bank


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """Streams whose utterances a bank has, all of them.

    Attributes:
        recipe: Name of the recipe, for people.
        plan: What decides the plan of any one stream (`Corpus.plan_fingerprint`).
        streams: How many of each split, from the first.
        drops: Those of them that cannot be made, by reason.
    """

    recipe: str
    plan: str
    streams: dict[str, int]
    drops: dict[str, int] = {}

    def holds(self, plan: str, streams: Mapping[str, int]) -> bool:
        """Tells whether these streams are among them."""
        return self.plan == plan and all(number <= self.streams.get(split, 0) for split, number in streams.items())


class SpokenSource(msgspec.Struct, frozen=True, kw_only=True):
    """What `bank.json` says under `source`.

    Attributes:
        reader: Always `speak`.
        engine: Name of the engine.
        engine_version: Its version, part of every content address.
        voices: All voices that recipes may choose from.
        complete_for: Streams whose utterances are all here.
    """

    engine: str
    engine_version: str
    voices: tuple[Voice, ...]
    complete_for: tuple[Coverage, ...] = ()
    reader: str = SPEAK


class SpokenBank:
    """Utterances that were spoken for recipes.

    Args:
        bank: The open bank.

    Raises:
        BankError: `soundflow speak` did not make it, or it is damaged.
    """

    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        self.source = read_source(bank)

    @functools.cached_property
    def failed(self) -> dict[str, str]:
        """Why utterances could not be made, by content address."""
        return {dropped.id: dropped.reason for dropped in self.dropped()}

    def dropped(self) -> list[Dropped]:
        """Reads which utterances could not be made.

        Raises:
            BankError: The list is missing or damaged.
        """
        try:
            lines = (self.bank.path / QUARANTINE).read_bytes().splitlines()
            return [msgspec.json.decode(line, type=Dropped) for line in lines]
        except (OSError, msgspec.DecodeError) as error:
            raise BankError(f"bank {self.bank.path}: {QUARANTINE} cannot be read ({error}); speak it again") from error

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all that streams can notice: utterances, failures, engine version and voices."""
        identity = [self.bank.fingerprint, self.source.engine_version, self.source.voices, sorted(self.failed.items())]
        return hashlib.sha256(msgspec.json.encode(identity)).hexdigest()

    def coverage(self, plan: str, streams: Mapping[str, int]) -> Coverage | None:
        """Returns what says that every utterance of these streams is here; None where that is not known."""
        return next((one for one in self.source.complete_for if one.holds(plan, streams)), None)


def read_source(bank: Bank) -> SpokenSource:
    """Reads what a bank of spoken utterances says about itself.

    Raises:
        BankError: It is another kind of bank.
    """
    source: Any = bank.info.source
    if source.get("reader") != SPEAK:
        raise BankError(
            f"bank {bank.path} was made by reader {source.get('reader')!r}, but voices.bank must be one that "
            "`soundflow speak RECIPE` filled; other banks go under `banks`"
        )
    try:
        return msgspec.convert(source, SpokenSource)
    except msgspec.ValidationError as error:
        raise BankError(f"bank {bank.path}: its description is damaged ({error}); speak it again") from error
