"""What a model did with a stream, decoded live; and the baselines that every table shows beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from soundflow_data.dice import Dice
from soundflow_data.targets import Targets
from soundflow_data.timeline import SAMPLE_RATE
from soundflow_trainer.live.engine import Decided, Ended, Engine, LiveEvent, decode_streams
from soundflow_trainer.loading import StreamLike

ENERGY_FRAME: Final = SAMPLE_RATE // 50
ENERGY_OVER_FLOOR_DB: Final = 9.0
ENERGY_RISE_DB: Final = 0.5  # how fast the floor follows a louder background, per chunk


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """What was said in one stream.

    Attributes:
        key: The stream.
        num_chunks: Number of decisions.
        texts: Text by the chunk after which it was said.
    """

    key: str
    num_chunks: int
    texts: dict[int, str]

    def decisions(self) -> NDArray[np.bool_]:
        """Returns bool (num_chunks,), true where the model spoke."""
        result = np.zeros(self.num_chunks, np.bool_)
        result[list(self.texts)] = True
        return result


def predict(engine: Engine, streams: Sequence[StreamLike]) -> Iterator[Prediction]:
    """Decodes streams as a live session would, several side by side."""
    size = engine.settings.sessions
    for start in range(0, len(streams), size):
        group = [streams[i] for i in range(start, min(start + size, len(streams)))]
        decoded = decode_streams(engine, [(stream.audio, stream.timeline.instruction) for stream in group])
        for stream, events in zip(group, decoded, strict=True):
            yield _prediction(stream.timeline.key, stream.targets, events)


def _prediction(key: str, targets: Targets, events: Sequence[LiveEvent]) -> Prediction:
    texts = {event.chunk: "" for event in events if isinstance(event, Decided) and event.speaks}
    texts |= {event.chunk: event.text for event in events if isinstance(event, Ended)}
    return Prediction(key=key, num_chunks=targets.num_chunks, texts=texts)


Baseline = Callable[[StreamLike, float], Prediction]


def always_silent(stream: StreamLike, _base_rate: float) -> Prediction:
    """Says nothing."""
    return _said(stream, np.zeros(stream.targets.num_chunks, np.bool_))


def random_at_base_rate(stream: StreamLike, base_rate: float) -> Prediction:
    """Speaks as often as the targets do, at random."""
    dice = Dice("random baseline", stream.timeline.key)
    return _said(stream, np.array([dice.chance(base_rate) for _ in range(stream.targets.num_chunks)]))


def end_of_energy(stream: StreamLike, _base_rate: float) -> Prediction:
    """Speaks when something loud has ended, like a voice activity detector.

    A chunk is active when its loudest 20 ms are more than 9 dB over a floor that falls at once and rises slowly; the
    first inactive chunk after an active one speaks. Only the past is used.
    """
    chunk = stream.targets.chunk
    frames = (stream.audio.astype(np.float64) / 32768).reshape(-1, chunk // ENERGY_FRAME, ENERGY_FRAME)
    levels = 10 * np.log10(np.mean(frames**2, axis=2) + 1e-10)
    speaks = np.zeros(len(levels), np.bool_)
    floor, was_active = float(np.median(levels[0])), False
    for k, level in enumerate(levels):
        floor = min(floor + ENERGY_RISE_DB, float(np.median(level)))
        active = float(level.max()) > floor + ENERGY_OVER_FLOOR_DB
        speaks[k] = was_active and not active
        was_active = active
    return _said(stream, speaks)


BASELINES: Final[dict[str, Baseline]] = {
    "always silent": always_silent,
    "end of energy": end_of_energy,
    "random at base rate": random_at_base_rate,
}


def _said(stream: StreamLike, speaks: NDArray[np.bool_]) -> Prediction:
    texts = {int(k): "" for k in np.flatnonzero(speaks)}
    return Prediction(key=stream.timeline.key, num_chunks=len(speaks), texts=texts)
