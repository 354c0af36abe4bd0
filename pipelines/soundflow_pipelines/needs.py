"""Which utterances the streams of a recipe need, and what a bank of utterances lacks of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from soundflow_data.bank import Bank
from soundflow_data.corpus import Corpus
from soundflow_data.errors import BankError, Drop
from soundflow_data.recipe import VOICES, LoadedRecipe
from soundflow_data.speech.needed import Needed, NeededSpeech
from soundflow_data.speech.spoken_bank import SpokenBank

BLOCK: Final = 128  # streams that are planned as one piece of work
SAMPLE: Final = 2_000  # streams that are planned to see whether a bank will do
_EXAMPLES: Final = 3


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """Streams of one split, by index."""

    split: str
    indices: tuple[int, ...]

    def __str__(self) -> str:
        return f"streams {self.indices[0]} to {self.indices[-1]} of split {self.split!r}"


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What planning some streams has shown.

    Attributes:
        missing: Utterances that no bank holds.
        unsettled: Indices of the streams that need some of them.
        drops: The other streams that cannot be made, by reason.
    """

    missing: tuple[Needed, ...]
    unsettled: tuple[int, ...]
    drops: dict[str, int]


class Planning(msgspec.Struct, frozen=True, kw_only=True):
    """Plans streams with a bank of utterances as it is now; small enough to be sent with every piece of work.

    Attributes:
        loaded: The recipe; its section `voices` names no bank.
        banks: Folders of its banks.
        version: Of the engine that speaks.
        spoken: Folder of the bank of utterances; None before there is one.
        mark: What the bank holds, so that workers notice that it was replaced.
        again: Whether what has failed before is missing.
    """

    loaded: LoadedRecipe
    banks: dict[str, Path]
    version: str
    spoken: Path | None = None
    mark: str = ""
    again: bool = False

    def __call__(self, block: Block) -> Needs:
        """Plans the streams of a block."""
        corpus, speech = _corpus_of(self)
        return find_needs(corpus, speech, block)


# One corpus stays open in each worker process, for as long as the bank of utterances is the same.
_open: dict[bytes, tuple[Corpus, NeededSpeech]] = {}


def _corpus_of(planning: Planning) -> tuple[Corpus, NeededSpeech]:
    key = msgspec.msgpack.encode(
        [planning.loaded.plan_fingerprint(), planning.version, str(planning.spoken), planning.mark, planning.again]
    )
    if key not in _open:
        _open.clear()
        _open[key] = open_planned(planning)
    return _open[key]


def open_planned(planning: Planning) -> tuple[Corpus, NeededSpeech]:
    """Opens the corpus that a planning is about, with the service that notes what is missing."""
    banks = {name: Bank.open(path, name=name) for name, path in planning.banks.items()}
    spoken = SpokenBank(Bank.open(planning.spoken, name=VOICES)) if planning.spoken is not None else None
    speech = NeededSpeech(
        version=planning.version,
        banks=banks if spoken is None else {**banks, VOICES: spoken.bank},
        failed={} if spoken is None or planning.again else spoken.failed,
    )
    return Corpus(planning.loaded, banks, speech=speech), speech


def find_needs(corpus: Corpus, speech: NeededSpeech, block: Block) -> Needs:
    """Plans streams.

    Args:
        corpus: The recipe with its banks, whose speech is `speech`.
        speech: Notes what is missing.
        block: Which streams.
    """
    missing: dict[str, Needed] = {}
    unsettled: list[int] = []
    drops: Counter[str] = Counter()
    for index in block.indices:
        reason = ""
        try:
            corpus.compose(corpus.spec(block.split, index))
        except Drop as drop:
            reason = drop.reason
        lacked = speech.take_missing()
        if lacked:  # a plan with guessed lengths says nothing yet, nor does a drop
            unsettled.append(index)
            missing.update((one.address, one) for one in lacked)
        elif reason:
            drops[reason] += 1
    return Needs(missing=tuple(missing.values()), unsettled=tuple(unsettled), drops=dict(drops))


def blocks_of(streams: dict[str, Sequence[int]]) -> Iterator[Block]:
    """Divides streams into pieces of work."""
    for split, indices in streams.items():
        for start in range(0, len(indices), BLOCK):
            yield Block(split=split, indices=tuple(indices[start : start + BLOCK]))


def check_spoken(corpus: Corpus) -> None:
    """Makes sure, as far as a few seconds allow, that the bank of utterances has what a recipe's streams need.

    A bank that `soundflow speak` has filled for this recipe says so itself. For any other one, up to `SAMPLE` streams
    are planned, spread over all of them.

    Raises:
        BankError: It lacks utterances; the message says how many, and which for example.
    """
    spoken = corpus.spoken
    streams = corpus.recipe.streams_of_splits()
    if spoken is None or spoken.coverage(corpus.plan_fingerprint, streams) is not None:
        return
    speech = NeededSpeech(version=spoken.source.engine_version, banks=corpus.open_banks, failed=spoken.failed)
    planned = Corpus(corpus.loaded, corpus.open_banks, speech=speech)
    step = -(-sum(streams.values()) // SAMPLE)
    spread = {split: range(0, number, step) for split, number in streams.items()}
    found = [find_needs(planned, speech, block) for block in blocks_of(dict(spread))]
    missing = {one.address: one for needs in found for one in needs.missing}
    if not missing:
        return
    num_planned = f"{sum(map(len, spread.values())):,}"
    if step > 1:
        num_planned += f" (out of {sum(streams.values()):,})"
    raise BankError(
        f"bank {spoken.bank.path} lacks {len(missing):,} utterances, which "
        f"{sum(len(needs.unsettled) for needs in found):,} of {num_planned} streams need, such as "
        f"{_examples(missing.values())}; run `soundflow speak {corpus.loaded.path} --out {spoken.bank.path}` with the "
        "same settings and voices"
    )


def _examples(missing: Iterable[Needed]) -> str:
    first = sorted(missing)[:_EXAMPLES]
    return ", ".join(f"{one.text!r} in voice {one.voice!r}" for one in first)
