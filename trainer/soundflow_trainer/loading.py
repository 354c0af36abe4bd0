"""From shards to batches: a step always takes the same streams, whatever the number of ranks and loader workers.

Step s of a run that started at `state` takes the places [s * B, (s + 1) * B) after it, of all ranks together; rank r of
W takes every W-th of them. So three integers say where a run stands, and `reader.advance(state, B)` is the next place.
"""

from __future__ import annotations

import functools
import signal
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from soundflow_data.dice import Dice
from soundflow_data.errors import SoundFlowError
from soundflow_data.shards.order import ReaderState
from soundflow_data.targets import Targets
from soundflow_data.timeline import SAMPLE_RATE, Timeline
from soundflow_trainer.augmentation import Augmentation
from soundflow_trainer.packing import Batch, pack
from soundflow_trainer.sequence import Example, delay, make_example
from soundflow_trainer.sounding import sounds_by_chunk
from soundflow_trainer.tokens import StreamTokenizer


class StreamLike(Protocol):
    """One stream: what `soundflow_data.shards.reader.Sample` offers."""

    @property
    def audio(self) -> NDArray[np.int16]: ...  # noqa: D102
    @property
    def timeline(self) -> Timeline: ...  # noqa: D102
    @property
    def targets(self) -> Targets: ...  # noqa: D102


class Source(Protocol):
    """Streams by index with a resumable order: what `soundflow_data.shards.reader.StreamReader` offers."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> StreamLike: ...
    def order(
        self, state: ReaderState | None = None, *, rank: int, world_size: int, num_epochs: int | None
    ) -> Iterable[int]:
        """Returns the indices that one rank reads, from a state on."""
        ...

    def advance(self, state: ReaderState, count: int) -> ReaderState:
        """Returns the state after `count` more streams."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """How streams become batches.

    Attributes:
        streams: Streams of one step, of all ranks together.
        row_tokens: Longest row.
        rows: Most rows of one forward pass.
    """

    streams: int
    row_tokens: int
    rows: int


class Examples(Dataset[Example]):
    """The streams of a source as examples.

    Args:
        source: Where streams come from.
        tokenizer: The model's tokenizer.
        chunk: Samples per chunk of the model.
        augmentation: How much the features of a stream may change.
        late: Share of the responses that come late; see `soundflow_trainer.sequence`.
        sounds: Whether every chunk is asked what sounds in it; see `soundflow_trainer.sounding`.
        seed: With the stream's key and its place in training it decides how they change: a stream is heard in another
            way in every epoch, and in the same way whatever process loads it.
    """

    def __init__(
        self,
        source: Source,
        tokenizer: StreamTokenizer,
        chunk: int,
        *,
        augmentation: Augmentation | None = None,
        late: float = 0.0,
        sounds: bool = False,
        seed: int = 0,
    ) -> None:
        self._source = source
        self._tokenizer = tokenizer
        self._chunk = chunk
        self._augmentation = augmentation
        self._late = late
        self._sounds = sounds
        self._seed = seed

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, which: int | tuple[int, int]) -> Example:
        """Returns an example.

        Args:
            which: Index of the stream, or index and place: how many streams come before it in the whole of training.

        Raises:
            SoundFlowError: The stream was made for another chunk length.
        """
        index, place = which if isinstance(which, tuple) else (which, 0)
        stream = self._source[index]
        if stream.targets.chunk != self._chunk:
            ours_s, theirs_s = self._chunk / SAMPLE_RATE, stream.targets.chunk / SAMPLE_RATE
            raise SoundFlowError(
                f"stream {stream.timeline.key!r} has chunks of {theirs_s:g} s, but the model decides every {ours_s:g} "
                f"s; use shards of a recipe with `chunk_s: {ours_s:g}`"
            )
        dice = Dice(self._seed, stream.timeline.key, place, "augmentation")
        targets, skipped = delay(stream.targets, self._late, dice) if self._late else (stream.targets, ())
        sounds = sounds_by_chunk(stream.timeline, self._tokenizer) if self._sounds else {}
        example = make_example(stream.audio, stream.timeline, targets, self._tokenizer, skipped, sounds)
        if self._augmentation is None:
            return example
        return replace(example, features=self._augmentation.apply(example.features, dice))


def load_steps(
    examples: Examples,
    indices: Iterable[int | tuple[int, int]],
    plan: BatchPlan,
    *,
    world_size: int = 1,
    workers: int = 0,
) -> Iterator[list[Batch]]:
    """Yields the packed batches of one step after another.

    Args:
        examples: The streams.
        indices: Which of them this rank reads, in order, alone or with their places; for training, endless.
        plan: How many make a step, and how they are packed.
        world_size: Number of ranks; `plan.streams` must be a multiple of it.
        workers: Loader processes; each makes whole steps.

    Raises:
        SoundFlowError: The streams of a step cannot be shared evenly among the ranks.
    """
    if plan.streams % world_size:
        raise SoundFlowError(
            f"{plan.streams} streams a step cannot be shared by {world_size} ranks; make batch.streams a multiple of it"
        )
    loader = DataLoader(
        examples,
        batch_size=plan.streams // world_size,
        sampler=indices,
        num_workers=workers,
        collate_fn=functools.partial(_pack, row_tokens=plan.row_tokens, rows=plan.rows),
        worker_init_fn=_start_worker if workers else None,
        prefetch_factor=2 if workers else None,
    )
    return iter(loader)


def _pack(examples: Sequence[Example], *, row_tokens: int, rows: int) -> list[Batch]:
    return pack(examples, row_tokens=row_tokens, rows_per_batch=rows)


def _start_worker(_worker: int) -> None:
    """Leaves the cores to training, and Ctrl-C to the process that trains: it ends the workers when it is done."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
