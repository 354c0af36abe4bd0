"""Encoder, queue and decoder of the sessions that share one model.

    samples -> chunk -> features -> embeddings -> [ queue ] -> decoder
                                                    grows while the decoder speaks
                                                    is drained whole when its last token was <silent> or <eos>

One step of the decoder feeds every session that has something to do, all in one forward pass:

    listening, queue of 1    <silent> a a a a a a a a a a                       -> one decision
    listening, queue of 3    <eos> a.. <silent> a.. <silent> a..                -> one decision, none for stale ones
    speaking                 the last token                                     -> the next token

The positions in between are those of the native layout, so what the decoder has seen is what it was trained on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray

from soundflow_data.errors import SoundFlowError
from soundflow_data.timeline import SAMPLE_RATE
from soundflow_trainer.frontend import embeddings_per_chunk, log_mel
from soundflow_trainer.live.cache import SlotCache
from soundflow_trainer.model import AudioInteractionModel
from soundflow_trainer.sequence import prefix_tokens
from soundflow_trainer.tokens import StreamTokenizer

MAX_CONTEXT: Final = 4096  # positions of a session, where nobody asks for another number
MAX_QUEUE: Final = 150  # chunks: a minute of audio
UNFINISHED: Final = "\ufffd"  # what a decoder shows for bytes that do not make a character yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The decoder has decided.

    Attributes:
        chunk: Last chunk that it had heard.
        time_s: End of that chunk, from the start of the stream.
        speaks: Whether it starts to speak.
        stale: Chunks that were drained without a decision of their own.
    """

    chunk: int
    time_s: float
    speaks: bool
    stale: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrote:
    """A piece of text of the response that began at `chunk`."""

    chunk: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A response is complete; `truncated` when it ran into the limit of its length."""

    chunk: int
    text: str
    truncated: bool


LiveEvent = Decided | Wrote | Ended


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Limits of a runtime.

    Attributes:
        sessions: How many share the model.
        context: Positions that a session remembers; None takes as many as the model was trained on.
        max_text: Longest response in tokens.
        max_queue: Chunks that may wait for the decoder.
        threshold: Log-odds of `<response>` over `<silent>` from which the model speaks; None takes the model's own.
        drain: Whether the whole queue is drained at once; otherwise every chunk gets a decision of its own.
    """

    sessions: int = 1
    context: int | None = None
    max_text: int = 256
    max_queue: int = MAX_QUEUE
    threshold: float | None = None
    drain: bool = True


@dataclass(slots=True)
class _State:
    """One session as the engine sees it."""

    prefix: list[int]
    queue: deque[torch.Tensor] = field(default_factory=deque)
    fed: bool = False  # whether the prefix is in the cache
    last: int | None = None  # token that is decided but not fed yet
    speaking: bool = False
    chunk: int = -1  # last chunk that was taken from the queue
    began: int = -1
    words: list[int] = field(default_factory=list)
    shown: str = ""
    script: dict[int, list[int]] | None = None  # what it says after which chunk, instead of what the model would say
    trace: list[int] = field(default_factory=list)  # tokens of the session, kept only on request


class Engine:
    """Decodes any number of sessions with one model.

    Args:
        model: The model; it is put into evaluation mode.
        tokenizer: Its tokenizer.
        settings: Limits.
        keep_trace: Keeps the tokens of every session, for tests and inspection.
    """

    def __init__(
        self,
        model: AudioInteractionModel,
        tokenizer: StreamTokenizer,
        settings: EngineSettings = EngineSettings(),
        *,
        keep_trace: bool = False,
    ) -> None:
        self.model = model.eval()
        self.threshold = model.threshold if settings.threshold is None else settings.threshold
        self.tokenizer = tokenizer
        self.settings = settings
        self.decode_steps = 0
        self.context = settings.context or min(model.longest or MAX_CONTEXT, MAX_CONTEXT)
        self._cache = SlotCache(model, slots=settings.sessions, capacity=self.context)
        self._states: dict[int, _State] = {}
        self._keep_trace = keep_trace
        self._num_audio = embeddings_per_chunk(model.chunk)
        banned = [tokenizer.pad, tokenizer.silent, tokenizer.response, tokenizer.audio]
        self._banned = torch.tensor(banned, device=model.device)

    # -- sessions ----------------------------------------------------------------------------------------------------

    def open(self, instruction: str = "", *, script: dict[int, list[int]] | None = None) -> int:
        """Starts a session and returns its slot.

        Args:
            instruction: Written instruction.
            script: Tokens to say by chunk, in place of the model's own choice; the model computes all the same. For
                measuring speed with responses of known length, and for tests.

        Raises:
            SoundFlowError: All slots are taken.
        """
        slot = next((s for s in range(self.settings.sessions) if s not in self._states), None)
        if slot is None:
            raise SoundFlowError(
                f"all {self.settings.sessions} sessions are taken; close one, or allow more with `sessions`"
            )
        self._cache.clear(slot)
        script = None if script is None else dict(script)
        self._states[slot] = _State(prefix=prefix_tokens(instruction, self.tokenizer), script=script)
        return slot

    def close(self, slot: int) -> None:
        """Ends a session."""
        del self._states[slot]

    def waiting(self, slot: int) -> int:
        """Returns how many chunks wait for the decoder."""
        return len(self._states[slot].queue)

    def trace(self, slot: int) -> list[int]:
        """Returns the tokens of a session so far, when they are kept."""
        return list(self._states[slot].trace)

    # -- encoder -----------------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def encode(self, audio: NDArray[np.int16] | NDArray[np.float32]) -> torch.Tensor:
        """Encodes whole chunks; (num_chunks, embeddings per chunk, width)."""
        features = torch.from_numpy(log_mel(audio, self.model.chunk)).to(self.model.device)
        return self.model.encode(features)

    def enqueue(self, slot: int, embeddings_NAD: torch.Tensor) -> None:
        """Puts encoded chunks into a session's queue.

        Raises:
            SoundFlowError: The queue is full: the client sends faster than the model decodes.
        """
        queue = self._states[slot].queue
        if len(queue) + len(embeddings_NAD) > self.settings.max_queue:
            raise SoundFlowError(
                f"session {slot}: {len(queue)} chunks wait for the decoder and {len(embeddings_NAD)} more were sent, "
                f"more than the {self.settings.max_queue} that fit; send no faster than real time, or open fewer "
                "sessions on this machine"
            )
        queue.extend(embeddings_NAD)

    # -- decoder -----------------------------------------------------------------------------------------------------

    def ready(self) -> list[int]:
        """Returns the sessions that have something to do."""
        return [slot for slot, state in self._states.items() if state.speaking or state.queue]

    @torch.inference_mode()
    def step(self) -> dict[int, list[LiveEvent]]:
        """Takes one step of every session that has something to do; returns what happened in each."""
        slots = sorted(self.ready())
        if not slots:
            return {}
        taken = [self._take(self._states[slot]) for slot in slots]
        fed = [self._embed(tokens, audio) for tokens, audio, _ in taken]
        counts = [len(rows) for rows in fed]
        for slot, count in zip(slots, counts, strict=True):
            self._cache.make_room(slot, count, len(self._states[slot].prefix))
        view = self._cache.view(slots, counts)
        embedded = torch.nn.utils.rnn.pad_sequence(fed, batch_first=True)
        hidden = self.model.decode(embedded, view.positions_RL, view.mask, cache=view)
        ends = torch.tensor(counts, device=hidden.device) - 1
        logits = self.model.lm_head(hidden[torch.arange(len(slots), device=hidden.device), ends]).float()
        self.decode_steps += 1
        for slot, count in zip(slots, counts, strict=True):
            self._cache.lengths[slot] += count
        speaks = logits[:, self.tokenizer.response] - logits[:, self.tokenizer.silent] > self.threshold
        logits[:, self._banned] = -torch.inf
        words = logits.argmax(-1).tolist()
        events = {}
        for slot, speak, word, (_, _, stale) in zip(slots, speaks.tolist(), words, taken, strict=True):
            state = self._states[slot]
            if state.script is not None:
                speak, word = self._follow(state, state.script)  # noqa: PLW2901
            events[slot] = self._settle(state, bool(speak), word, stale)
        return events

    def _follow(self, state: _State, script: dict[int, list[int]]) -> tuple[bool, int]:
        """Returns what the script says in place of the model; what came due meanwhile is said at the next chance."""
        due = min(script, default=None)
        if not state.speaking:
            return due is not None and due <= state.chunk, self.tokenizer.eos
        assert due is not None
        said = len(state.words)
        if said < len(script[due]):
            return False, script[due][said]
        del script[due]
        return False, self.tokenizer.eos

    def _take(self, state: _State) -> tuple[list[int], list[torch.Tensor], int]:
        """Returns the tokens to feed, the audio among them, and the number of chunks without a decision."""
        tokens = [] if state.fed else list(state.prefix)
        state.fed = True
        if state.last is not None:
            tokens.append(state.last)
        audio: list[torch.Tensor] = []
        if not state.speaking:
            num = len(state.queue) if self.settings.drain else 1
            num = min(num, max(1, self.context // 4 // (self._num_audio + 1)))
            audio = [state.queue.popleft() for _ in range(num)]
            chunk = [self.tokenizer.audio] * self._num_audio
            tokens += chunk + [self.tokenizer.silent, *chunk] * (num - 1)
            state.chunk += num
        if self._keep_trace:
            state.trace += tokens
        return tokens, audio, max(0, len(audio) - 1)

    def _embed(self, tokens: list[int], audio: list[torch.Tensor]) -> torch.Tensor:
        ids = torch.tensor([tokens], device=self.model.device)
        if not audio:
            return self.model.language_model.embed_tokens(ids)[0]
        return self.model.embed(ids, torch.stack(audio))[0]

    def _settle(self, state: _State, speaks: bool, word: int, stale: int) -> list[LiveEvent]:
        """Turns what the model said into the session's next state."""
        if not state.speaking:
            state.last = self.tokenizer.response if speaks else self.tokenizer.silent
            if speaks:
                state.speaking, state.began, state.words, state.shown = True, state.chunk, [], ""
            time_s = (state.chunk + 1) * self.model.chunk / SAMPLE_RATE
            return [Decided(chunk=state.chunk, time_s=time_s, speaks=speaks, stale=stale)]
        truncated = word != self.tokenizer.eos and len(state.words) + 1 >= self.settings.max_text
        if word != self.tokenizer.eos:
            state.words.append(word)
        text = self.tokenizer.decode(state.words)
        events: list[LiveEvent] = []
        if len(text) > len(state.shown) and not text.endswith(UNFINISHED):
            events.append(Wrote(chunk=state.began, text=text[len(state.shown) :]))
            state.shown = text
        state.last = word
        if truncated or word == self.tokenizer.eos:
            if truncated and state.script is not None:
                del state.script[min(state.script)]
            state.last, state.speaking = self.tokenizer.eos, False
            events.append(Ended(chunk=state.began, text=text, truncated=truncated))
        return events


class Session:
    """One stream of audio, pushed in pieces of any length; everything is decoded before `push` returns.

        engine = Engine(model, tokenizer)
        with Session(engine) as session:
            for event in session.push(samples): ...

    Args:
        engine: Decodes it.
        instruction: Written instruction.
    """

    def __init__(self, engine: Engine, instruction: str = "") -> None:
        self.engine = engine
        self.slot = engine.open(instruction)
        self._chunker = Chunker(engine.model.chunk)

    def push(
        self, samples: NDArray[np.int16] | NDArray[np.float32], *, sample_rate: int = SAMPLE_RATE
    ) -> list[LiveEvent]:
        """Hears samples and returns what the model decided and wrote.

        Args:
            samples: (num_samples,), int16 or float32 with full scale at 1.0.
            sample_rate: Must be 16000.

        Raises:
            SoundFlowError: Wrong rate, shape or type, or values that are not finite.
        """
        events: list[LiveEvent] = []
        chunks = self._chunker.push(samples, sample_rate=sample_rate)
        for k in range(0, len(chunks), self.engine.model.chunk):
            self.engine.enqueue(self.slot, self.engine.encode(chunks[k : k + self.engine.model.chunk]))
            while self.slot in self.engine.ready():
                events += self.engine.step().get(self.slot, [])
        return events

    def close(self) -> None:
        """Ends the session; samples of an unfinished chunk are not decided on."""
        self.engine.close(self.slot)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Chunker:
    """Cuts pieces of any length into whole chunks.

    Args:
        chunk: Samples per chunk.
    """

    def __init__(self, chunk: int) -> None:
        self._chunk = chunk
        self._rest: NDArray[np.float32] = np.zeros(0, np.float32)

    def push(
        self, samples: NDArray[np.int16] | NDArray[np.float32], *, sample_rate: int = SAMPLE_RATE
    ) -> NDArray[np.float32]:
        """Returns all chunks that are complete now, float32 (num_chunks * chunk,).

        Raises:
            SoundFlowError: Wrong rate, shape or type, or values that are not finite.
        """
        if sample_rate != SAMPLE_RATE:
            raise SoundFlowError(
                f"audio of {sample_rate} Hz: the model hears {SAMPLE_RATE} Hz; resample it, for example with soxr"
            )
        if samples.ndim != 1 or samples.dtype not in (np.int16, np.float32):
            raise SoundFlowError(
                f"samples of shape {samples.shape} and type {samples.dtype}: give one channel of int16, or of float32 "
                "with full scale at 1.0"
            )
        pushed: NDArray[np.float32] = samples.astype(np.float32)
        if samples.dtype == np.int16:
            pushed /= 32768
        if not np.isfinite(pushed).all():
            raise SoundFlowError("samples hold values that are not finite; check the source of the samples")
        everything = np.concatenate([self._rest, pushed]) if len(self._rest) else pushed
        whole = len(everything) // self._chunk * self._chunk
        self._rest = everything[whole:].copy()
        return everything[:whole]


def decode_streams(engine: Engine, streams: Sequence[tuple[NDArray[np.int16], str]]) -> list[list[LiveEvent]]:
    """Decodes several streams side by side, each as if it were alone and decoding took no time.

    Args:
        engine: With at least as many sessions, all free.
        streams: Audio (a whole number of chunks) and instruction of each.
    """
    chunk = engine.model.chunk
    slots = [engine.open(instruction) for _, instruction in streams]
    events: list[list[LiveEvent]] = [[] for _ in streams]
    index = {slot: i for i, slot in enumerate(slots)}
    try:
        for k in range(max(len(audio) // chunk for audio, _ in streams)):
            heard = [i for i, (audio, _) in enumerate(streams) if (k + 1) * chunk <= len(audio)]
            encoded = engine.encode(np.concatenate([streams[i][0][k * chunk : (k + 1) * chunk] for i in heard]))
            for i, embeddings in zip(heard, encoded, strict=True):
                engine.enqueue(slots[i], embeddings.unsqueeze(0))
            while engine.ready():
                for slot, new in engine.step().items():
                    events[index[slot]] += new
    finally:
        for slot in slots:
            engine.close(slot)
    return events
