"""A corpus that one can read: 880 Hz is answered "It rings.", 440 Hz "It beeps.", and 1760 Hz is kept silent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from soundflow_data.dice import Dice
from soundflow_data.shards.order import Lane, ReaderState, advance
from soundflow_data.shards.reader import Order
from soundflow_data.targets import Targets, project
from soundflow_data.timeline import DEFAULT_CHUNK, SAMPLE_RATE, Event, Response, Silence, Timeline

ANSWERS = {880: "It rings.", 440: "It beeps."}
TONES = (880, 440, 1760)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToneStream:
    audio: np.ndarray
    timeline: Timeline
    targets: Targets


class ToneSource:
    """Streams of tones, made when asked for."""

    def __init__(self, size: int, *, chunk: int = DEFAULT_CHUNK, split: str = "train", shortest: int = 8) -> None:
        self.size, self.chunk, self.split, self.shortest = size, chunk, split, shortest

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> ToneStream:
        dice = Dice(self.split, index)
        num_chunks = dice.integer(self.shortest, self.shortest + 8)
        audio = np.array([dice.uniform(-0.003, 0.003) for _ in range(64)], np.float32)
        audio = np.resize(audio, num_chunks * self.chunk)
        events, responses, silences = [], [], []
        at = self.chunk
        while at + 4 * self.chunk < len(audio):
            onset = at + dice.integer(0, self.chunk - 1)
            tone, length = dice.choice(TONES), SAMPLE_RATE // 4
            time = np.arange(length) / SAMPLE_RATE
            audio[onset : onset + length] += (0.2 * np.sin(2 * np.pi * tone * time)).astype(np.float32)
            events.append(event(tone, onset, length))
            if tone in ANSWERS:
                end = onset + length
                responses.append(Response(text=ANSWERS[tone], evidence=end, due=end, events=(len(events) - 1,)))
            else:
                silences.append(Silence(start=onset, end=onset + length, reason="look-alike"))
            at = onset + 3 * self.chunk
        timeline = Timeline(
            key=f"{self.split}-{index:06d}",
            split=self.split,
            ability="proactive_response",
            subtask="tones",
            num_samples=len(audio),
            chunk=self.chunk,
            instruction="tell me when it rings" if index % 3 == 0 else "",
            events=tuple(events),
            responses=tuple(responses),
            silences=tuple(silences),
        )
        pcm = np.round(audio * 32767).astype(np.int16)
        return ToneStream(audio=pcm, timeline=timeline, targets=project(timeline))

    def order(
        self, state: ReaderState | None = None, *, rank: int = 0, world_size: int = 1, num_epochs: int | None = 1
    ) -> Order:
        return Order(state or ReaderState(), self.size, Lane(rank=rank, world_size=world_size), num_epochs=num_epochs)

    def advance(self, state: ReaderState, count: int) -> ReaderState:
        return advance(state, count, self.size)


def event(tone: int, onset: int, length: int) -> Event:
    return Event(
        track="sound",
        kind="sound",
        role="foreground",
        bank="tones",
        clip=str(tone),
        label=f"{tone}_hertz",
        onset=onset,
        num_samples=length,
    )
