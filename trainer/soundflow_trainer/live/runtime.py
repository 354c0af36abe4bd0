"""Encoder and decoder as two threads that wait for nothing but work, and the coupled variant to compare with.

    client     push -> inbox                                       events <- poll
    encoder            inbox -> chunk embeddings -> queue            |
    decoder                                         queue -> decision, text

The encoder never waits for the decoder: while a response is spoken, what is heard meanwhile is encoded and queued. In
the coupled variant one thread does both in turn: a chunk is encoded when the decoder is done with the one before it.
"""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from soundflow_data.errors import SoundFlowError
from soundflow_data.timeline import SAMPLE_RATE
from soundflow_trainer.live.engine import Chunker, Engine, LiveEvent

IDLE_LIMIT_S: Final = 300.0
Submitted = tuple["LiveSession", NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """An event with the moment at which it happened, by `time.perf_counter`."""

    event: LiveEvent
    at: float


class LiveSession:
    """One client of a runtime. `push` and `poll` return at once."""

    def __init__(self, runtime: Runtime, slot: int) -> None:
        self.slot = slot
        self.heard = time.perf_counter()
        self.pushed = 0  # chunks
        self._runtime = runtime
        self._chunker = Chunker(runtime.engine.model.chunk)
        self.happened: queue.SimpleQueue[Timed] = queue.SimpleQueue()

    def push(self, samples: NDArray[np.int16] | NDArray[np.float32], *, sample_rate: int = SAMPLE_RATE) -> None:
        """Hears samples.

        Raises:
            SoundFlowError: The samples cannot be used, too many wait already, or the runtime has failed.
        """
        self._runtime.check()
        self.heard = time.perf_counter()
        chunk = self._runtime.engine.model.chunk
        whole = self._chunker.push(samples, sample_rate=sample_rate)
        for start in range(0, len(whole), chunk):
            self._runtime.submit(self, whole[start : start + chunk])
            self.pushed += 1

    def poll(self) -> list[Timed]:
        """Returns what happened since the last call."""
        self._runtime.check()
        events = []
        while not self.happened.empty():
            events.append(self.happened.get())
        return events

    def close(self) -> None:
        """Ends the session; what still waits is not decided on."""
        self._runtime.end(self)


class Runtime:
    """Serves sessions until it is closed.

    Args:
        engine: The model.
        coupled: Runs encoder and decoder in turn instead.
        idle_limit_s: A session that has sent nothing for so long is closed by `close_idle`.
    """

    def __init__(self, engine: Engine, *, coupled: bool = False, idle_limit_s: float = IDLE_LIMIT_S) -> None:
        self.engine = engine
        self._sessions: dict[int, LiveSession] = {}
        # A step of the decoder holds `_steps`; `_doors` is held for an instant, so the encoder never waits for a step.
        self._steps = threading.Lock()
        self._doors = threading.Lock()
        self._work = threading.Event()
        self._inbox: queue.Queue[Submitted | None] = queue.Queue(engine.settings.max_queue * engine.settings.sessions)
        self._coupled = coupled
        self._idle_limit_s = idle_limit_s
        self._failure: BaseException | None = None
        self._closing = False
        loops = [self._couple] if coupled else [self._encode, self._decode]
        self._threads = [threading.Thread(target=self._guard, args=(loop,), daemon=True) for loop in loops]
        for thread in self._threads:
            thread.start()

    def open(self, instruction: str = "", *, script: dict[int, list[int]] | None = None) -> LiveSession:
        """Starts a session.

        Raises:
            SoundFlowError: All sessions are taken.
        """
        self.check()
        with self._steps, self._doors:
            session = LiveSession(self, self.engine.open(instruction, script=script))
            self._sessions[session.slot] = session
        return session

    def end(self, session: LiveSession) -> None:
        """Closes a session; does nothing when it is closed already."""
        with self._steps, self._doors:
            if self._sessions.get(session.slot) is session:
                del self._sessions[session.slot]
                self.engine.close(session.slot)

    def close_idle(self) -> list[LiveSession]:
        """Closes the sessions whose clients have stopped sending, and returns them."""
        limit = time.perf_counter() - self._idle_limit_s
        idle = [session for session in list(self._sessions.values()) if session.heard < limit]
        for session in idle:
            self.end(session)
        return idle

    def submit(self, session: LiveSession, chunk: NDArray[np.float32]) -> None:
        """Gives a chunk to the encoder.

        Raises:
            SoundFlowError: Too many chunks wait.
        """
        if self._sessions.get(session.slot) is not session:
            raise SoundFlowError(f"session {session.slot} is closed; open another one")
        try:
            self._inbox.put_nowait((session, chunk))
        except queue.Full:
            raise SoundFlowError(
                f"{self._inbox.maxsize} chunks wait for the encoder; send no faster than real time, or open fewer "
                "sessions on this machine"
            ) from None

    def check(self) -> None:
        """Raises what stopped the runtime, if anything did."""
        if self._failure is not None:
            raise SoundFlowError(f"the runtime has stopped: {self._failure}") from self._failure

    def close(self) -> None:
        """Stops both loops and waits for them."""
        self._closing = True
        self._work.set()
        if self._failure is None:
            self._inbox.put(None)
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- loops -------------------------------------------------------------------------------------------------------

    def _guard(self, loop: object) -> None:
        """Keeps what breaks a loop for the clients, who see it at their next call."""
        try:
            loop()  # type: ignore[operator]
        except (SoundFlowError, RuntimeError, ValueError, MemoryError) as error:
            self._failure = error
            self._closing = True
            self._work.set()

    def _encode(self) -> None:
        while (items := self._waiting()) and not self._closing:
            encoded = self.engine.encode(np.concatenate([chunk for _, chunk in items]))
            with self._doors:
                for (session, _), embeddings in zip(items, encoded, strict=True):
                    if self._sessions.get(session.slot) is session:
                        self.engine.enqueue(session.slot, embeddings.unsqueeze(0))
            self._work.set()

    def _waiting(self) -> list[Submitted]:
        """Waits for a chunk, and takes those that came with it: to encode them together is cheaper. Empty: the end."""
        first = self._inbox.get()
        items = [] if first is None else [first]
        while items and len(items) < self.engine.settings.sessions:
            try:
                following = self._inbox.get_nowait()
            except queue.Empty:
                break
            if following is None:
                self._inbox.put(None)  # for the next call
                break
            items.append(following)
        return items

    def _decode(self) -> None:
        while not self._closing:
            self._work.clear()
            with self._steps:
                worked = self._step()
            if not worked:
                self._work.wait()

    def _couple(self) -> None:
        while (item := self._inbox.get()) is not None and not self._closing:
            session, chunk = item
            with self._steps:
                if self._sessions.get(session.slot) is not session:
                    continue
                self.engine.enqueue(session.slot, self.engine.encode(chunk))
                while session.slot in self.engine.ready():
                    self._step()

    def _step(self) -> bool:
        """Takes a step; returns whether there was anything to do."""
        stepped = self.engine.step()
        for slot, events in stepped.items():
            at = time.perf_counter()
            for event in events:
                self._sessions[slot].happened.put(Timed(event=event, at=at))
        return bool(stepped)
