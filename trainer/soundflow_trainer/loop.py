"""The training loop: streams in, checkpoints out; killed anywhere, it goes on with the same next batch."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import rich.console
import torch
from torch import nn

from soundflow_data.errors import RunError, SoundFlowError
from soundflow_data.shards.order import ReaderState
from soundflow_data.shards.reader import StreamReader
from soundflow_trainer import checkpoints as store
from soundflow_trainer import lora
from soundflow_trainer.augmentation import Augmentation
from soundflow_trainer.distributed import World, accumulating, join_world, spread
from soundflow_trainer.evaluation.events import summarise
from soundflow_trainer.evaluation.teacher_forced import (
    Validation,
    all_texts,
    choose_threshold,
    choose_validation,
    judge_odds,
    log_odds,
    score,
)
from soundflow_trainer.files import write_whole
from soundflow_trainer.loading import BatchPlan, Examples, Source, load_steps
from soundflow_trainer.logs import RunLog
from soundflow_trainer.loss import LossCounts, LossWeights, loss_counts, loss_sums, total_loss
from soundflow_trainer.mixing import open_mix
from soundflow_trainer.model import AudioInteractionModel
from soundflow_trainer.optimization import RowMask, choose_parts, learning_rate, make_optimizers, set_rates
from soundflow_trainer.packing import Batch, useful_share
from soundflow_trainer.pictures import draw
from soundflow_trainer.stage import Stage
from soundflow_trainer.tokens import StreamTokenizer, prepare_tokenizer, train_tokenizer
from soundflow_trainer.weights import adopt_model, load_model, new_model

DRAWN: Final = 4  # streams in the picture of a validation
TOKENIZER_STREAMS: Final = 512  # streams whose texts train a tokenizer
_MAY_CHANGE: Final[Any] = {
    "checkpoint": True,
    "out": True,
    "threads": True,
    "sharding": True,
    "data": {"loader_workers", "root"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """How a run ended.

    Attributes:
        step: Steps that are done.
        finished: Whether these are all steps of the stage.
        score: Score of the last validation, if there was one.
    """

    step: int
    finished: bool
    score: float | None


def open_source(stage: Stage, split: str) -> Source:
    """Opens one split of the stage's corpus."""
    if stage.data.mix is not None and split == stage.data.split:
        return open_mix(stage.data.root, stage.data.mix, split=split, where=stage.data.where)
    return StreamReader(stage.data.root, split=split, where=stage.data.where)


def train(
    stage: Stage,
    out: Path,
    *,
    console: rich.console.Console | None = None,
    source: Source | None = None,
    validation: Source | None = None,
    stop_at: int | None = None,
) -> Trained:
    """Trains a stage, or goes on with it.

    Args:
        stage: What to do.
        out: The run folder.
        console: Where progress is shown.
        source: Streams to train on; by default those that the stage names.
        validation: Streams to validate on; likewise.
        stop_at: Ends, with a checkpoint, after this step.

    Raises:
        RunError: The folder belongs to another stage.
        SoundFlowError: The loss is no number; the message names the batch, which is saved.
    """
    if stage.threads:
        torch.set_num_threads(stage.threads)
    with join_world() as world, _interrupts() as stopped:
        source = open_source(stage, stage.data.split) if source is None else source
        validation = open_source(stage, stage.data.validation_split) if validation is None else validation
        run = _Run(stage, out, world, source, validation, console)
        try:
            return run.go(stop_at, stopped)
        finally:
            run.close()


class _Run:
    """Everything that one run holds while it trains."""

    def __init__(
        self,
        stage: Stage,
        out: Path,
        world: World,
        source: Source,
        validation: Source,
        console: rich.console.Console | None,
    ) -> None:
        self.stage, self.out, self.world, self.source = stage, out, world, source
        self.config = fingerprint(stage)
        self.checkpoints = store.Checkpoints(out / "checkpoints", keep=stage.checkpoint.keep)
        folder, messages = self.checkpoints.latest()
        progress = None if folder is None else store.read_progress(folder)
        if progress is not None and progress.config != self.config:
            raise RunError(
                f"{str(out)!r} holds a run of another stage or other settings; give another folder, or the settings "
                f"that are in {str(out / 'stage.json')!r}"
            )
        self.step = progress.step if progress else 0
        self.state = progress.reader if progress else ReaderState(seed=stage.data.seed)
        self.score = progress.score if progress else None
        self.log = RunLog(out, start=self.step, steps=stage.steps, console=console) if world.leads else None
        for message in messages:
            self.say(message)
        # A checkpoint holds adapters merged, so with them the base comes from where the stage took it.
        resumed = None if folder is None or stage.lora is not None else folder / store.MODEL
        self.model, self.tokenizer = build_model(stage, source, resumed)
        self._prepare(folder, validation)
        if progress:
            store.unpack_rng(progress.rng)
            self.say(f"going on after step {self.step} of {stage.steps}")
        if world.leads:
            write_whole(out / "stage.json", stage.model_dump_json(indent=2).encode())

    def _prepare(self, folder: Path | None, validation: Source) -> None:
        stage = self.stage
        choose_parts(self.model, stage.train)
        if stage.lora is not None:
            lora.add_adapters(self.model, stage.lora, seed=stage.model.seed)
            if folder is not None:
                lora.load_trained(folder, self.model)
        if stage.gradient_checkpointing:
            self.model.checkpoint_gradients()
        bf16 = stage.precision == "bf16"
        self.module = spread(self.model, self.world, sharding=stage.sharding, bf16=bf16)
        self.rows = RowMask(self.model, stage.train, self.tokenizer)
        self.optimizers = make_optimizers(self.module, stage.optimizer)
        if folder is not None:
            store.restore_optimizers(folder, self.module, self.optimizers)
        self.weights = LossWeights(**stage.loss.model_dump())
        self.autocast = torch.autocast(self.world.device.type, torch.bfloat16, enabled=bf16)
        self.validation: Validation = choose_validation(
            validation,
            self.tokenizer,
            chunk=self.model.chunk,
            streams=stage.checkpoint.validation_streams,
            row_tokens=stage.batch.row_tokens,
            rows=stage.batch.rows,
        )

    def go(self, stop_at: int | None, stopped: threading.Event) -> Trained:
        """Trains to the end, to `stop_at`, or until it is interrupted."""
        stage = self.stage
        end = min(stage.steps, stop_at or stage.steps)
        steps = self._load()
        self.module.train()
        while self.step < end:
            began = time.perf_counter()
            batches = next(steps)
            waited = time.perf_counter() - began
            self._train_step(batches, began, waited)
            last = self.step == end or self._all_stopped(stopped)
            if last or self.step % stage.checkpoint.validate_every == 0:
                self._validate()
            if last or self.step % stage.checkpoint.every == 0:
                self._save()
            if last:
                break
        return Trained(step=self.step, finished=self.step >= stage.steps, score=self.score)

    def _load(self) -> Iterator[list[Batch]]:
        data = self.stage.data
        examples = Examples(
            self.source,
            self.tokenizer,
            self.model.chunk,
            augmentation=Augmentation(**data.augment.model_dump()) if data.augment else None,
            late=data.late,
            sounds=self.stage.loss.sounds > 0,
            seed=data.seed,
        )
        batch = self.stage.batch
        order = self.source.order(self.state, rank=self.world.rank, world_size=self.world.size, num_epochs=None)
        # A stream's place in the whole of training decides how it is changed, whichever rank or worker loads it.
        begin = self.state.epoch * len(self.source) + self.state.position
        places = itertools.count(begin + self.world.rank, self.world.size)
        plan = BatchPlan(streams=batch.streams, row_tokens=batch.row_tokens, rows=batch.rows)
        workers = data.loader_workers
        return _plainly(
            load_steps(examples, zip(order, places, strict=False), plan, world_size=self.world.size, workers=workers)
        )

    def _train_step(self, batches: list[Batch], began: float, waited: float) -> None:
        rate = learning_rate(self.step, self.stage.steps, self.stage.optimizer)
        set_rates(self.optimizers, rate, self.stage.optimizer)
        counts = loss_counts(batches, response_token=self.tokenizer.response, weights=self.weights)
        counts = _over_ranks(counts, self.world)
        passes = self.world.max(len(batches))
        self.model.longest = max(self.model.longest, *(batch.longest for batch in batches))
        text = control = sounds = 0.0
        for i in range(passes):
            batch = batches[min(i, len(batches) - 1)].to(self.world.device)
            share = 1.0 if i < len(batches) else 0.0  # ranks make equally many passes; the last ones of some are empty
            with accumulating(self.module, last=i == passes - 1):
                with self.autocast:
                    logits = self.module(batch)
                sums = loss_sums(logits, batch, response_token=self.tokenizer.response, weights=self.weights)
                loss = total_loss(sums, counts, self.weights)
                if not torch.isfinite(loss):
                    self._fail(batch)
                (loss * (share * self.world.size)).backward()
            text += share * sums.text.item() / max(counts.text, 1.0)
            control += share * sums.control.item() / max(counts.control, 1e-9)
            sounds += share * sums.sounds.item() / max(counts.sounds, 1.0)
        self.rows.apply()
        norm = nn.utils.clip_grad_norm_(self.module.parameters(), self.stage.optimizer.clip_norm)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.state = self.source.advance(self.state, self.stage.batch.streams)
        self._report(batches, (text, control, sounds), rate, float(norm), began, waited)

    def _report(
        self,
        batches: list[Batch],
        parts: tuple[float, float, float],
        rate: float,
        norm: float,
        began: float,
        waited: float,
    ) -> None:
        tokens, text, control, sounds = self.world.sum(sum(batch.num_tokens for batch in batches), *parts)
        took = time.perf_counter() - began
        values = {
            "loss": text + self.weights.stream * control + self.weights.sounds * sounds,
            "loss_text": text,
            "loss_control": control,
            **({"loss_sounds": sounds} if self.weights.sounds else {}),
            "lr": rate,
            "gradient_norm": norm,
            "tokens_per_s": tokens / took,
            "useful_share": useful_share(batches),
            "wait_share": waited / took,
            "epoch": self.state.epoch,
        }
        if self.log is not None:
            self.log.record("train", self.step, values)
            self.log.progress(self.step, values)

    def _validate(self) -> None:
        with self.autocast:
            odds = log_odds(self.module, self.validation, self.tokenizer, self.world.device)
        allowed = self.stage.checkpoint.false_per_hour
        if allowed is not None:
            self.model.threshold = choose_threshold(self.validation, odds, false_per_hour=allowed)
        judged = judge_odds(self.validation, odds, self.model.threshold)
        timing = summarise(one.outcome for one in judged)
        self.score = score(timing)
        if self.log is not None:
            self.log.record("validation", self.step, {**asdict(timing), "threshold": self.model.threshold})
            path = self.out / "log" / "predictions" / f"step-{self.step:08d}.png"
            draw([self.validation.streams[one.timeline.key] for one in judged[:DRAWN]], judged[:DRAWN], path)
            self.log.picture(self.step, path)
            self.log.validated(timing.trigger_accuracy)
        self.say(
            f"step {self.step}: trigger accuracy {timing.trigger_accuracy:.1%} ({timing.hits} hits, {timing.early} "
            f"early, {timing.late} late, {timing.missed} missed), {timing.false_per_hour:.1f} false per hour, "
            f"threshold {self.model.threshold:g}"
        )

    def _save(self) -> None:
        self.model.longest = self.world.max(self.model.longest)
        progress = store.Progress(
            step=self.step, reader=self.state, score=self.score, rng=store.pack_rng(), config=self.config
        )
        self.checkpoints.save(
            module=self.module,
            model=self.model,
            tokenizer=self.tokenizer,
            optimizers=self.optimizers,
            progress=progress,
            world=self.world,
            adapted=self.stage.lora is not None,
        )

    def _fail(self, batch: Batch) -> None:
        """Stops at a loss that is no number, and keeps the batch."""
        path = self.out / "failed" / f"step-{self.step + 1:08d}-rank-{self.world.rank}.pt"
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"keys": batch.keys, "tokens": batch.tokens_RL, "features": batch.features_NFM}, path)
        raise SoundFlowError(
            f"step {self.step + 1}: the loss is not a number on the streams {[k for row in batch.keys for k in row]}; "
            f"the batch is in {str(path)!r}; look at its features, or lower optimizer.lr"
        )

    def _all_stopped(self, stopped: threading.Event) -> bool:
        return self.world.max(int(stopped.is_set())) > 0

    def say(self, message: str) -> None:
        """Tells the person who watches, once."""
        if self.log is not None:
            self.log.say(message)

    def close(self) -> None:
        """Ends the logs."""
        if self.log is not None:
            self.log.close()


def build_model(stage: Stage, source: Source, resumed: Path | None) -> tuple[AudioInteractionModel, StreamTokenizer]:
    """Loads or builds the model that the stage starts from, or that of a checkpoint."""
    section = stage.model
    if resumed is not None:
        return load_model(resumed)
    if section.init is not None:
        return load_model(store.find_model(section.init))
    if section.published is not None:
        return adopt_model(section.published, chunk=section.chunk)
    assert section.preset is not None
    if section.tokenizer is not None:
        tokenizer = prepare_tokenizer(section.tokenizer)
    else:
        num = min(len(source), TOKENIZER_STREAMS)
        timelines = [source[i * len(source) // num].timeline for i in range(num)]
        tokenizer = train_tokenizer(all_texts(timelines), section.vocabulary)
    return new_model(section.preset, tokenizer, chunk=section.chunk, seed=section.seed), tokenizer


def fingerprint(stage: Stage) -> str:
    """SHA-256 of all settings that decide the weights of a run."""
    data = stage.model_dump(mode="json", exclude=_MAY_CHANGE)
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _plainly(steps: Iterator[list[Batch]]) -> Iterator[list[Batch]]:
    """Raises what a loader worker has found wrong as it was said there, without the trace that PyTorch puts around."""
    try:
        yield from steps
    except SoundFlowError as error:
        _, wrapped, message = str(error).rpartition(f"{type(error).__module__}.{type(error).__name__}: ")
        raise (type(error)(message.strip()) if wrapped else error) from None


def _over_ranks(counts: LossCounts, world: World) -> LossCounts:
    text, control, sounds = world.sum(counts.text, counts.control, counts.sounds)
    return LossCounts(text=text, control=control, sounds=sounds)


@contextlib.contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Gives a flag that Ctrl-C or SIGTERM sets, so that a run ends its step and writes a checkpoint."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
