"""The job that fills a bank with every utterance that the streams of a recipe need.

    plan       streams  ->  what the bank lacks          lengths that are not known yet are guessed
    speak      what is lacking  ->  pieces               speak | align | check, on any number of workers
    assemble   pieces + older bank  ->  bank             in the order of content addresses
    plan       the streams that lacked something, now with true lengths; and so on until nothing is lacking

Pieces are written whole and named by what they hold, so whatever ends the job, the same command again goes on.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import pickle
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from soundflow_data.bank import Bank
from soundflow_data.bank.format import BankInfo
from soundflow_data.bank.place import BuildPlace
from soundflow_data.casting import check_engine, known_voices
from soundflow_data.corpus import Corpus
from soundflow_data.errors import BankError, RunError, SpeechError
from soundflow_data.recipe import LoadedRecipe
from soundflow_data.shards import LocalStorage
from soundflow_data.speech.assemble import assemble, note_coverage, open_older
from soundflow_data.speech.checking import check_utterances
from soundflow_data.speech.engine import Engine, Voice
from soundflow_data.speech.engines import make_engine
from soundflow_data.speech.making import BATCH, Check, Made, Maker, Rules, Tools, Wanted
from soundflow_data.speech.needed import Needed, NeededSpeech
from soundflow_data.speech.pieces import piece_name, write_piece
from soundflow_data.speech.provers import make_aligner, make_recogniser
from soundflow_data.speech.spoken_bank import Coverage, SpokenSource
from soundflow_pipelines.executor import DIED, Executor, Outcome
from soundflow_pipelines.needs import Block, Needs, Planning, blocks_of

PIECE: Final = 64  # utterances that are made and kept as one piece of work
MAX_ROUNDS: Final = 16
MAX_FAILURES: Final = 4  # pieces that may be lost to dying workers before the job stops
MIN_FOR_FAILED_SHARE: Final = 100  # a share of fewer utterances than this says nothing
MAX_FAILED_SHARE: Final = 0.25


class Toolbox(Protocol):
    """Says which models make and prove utterances; it can be pickled and opened in any worker."""

    def open(self) -> Tools:
        """Opens the models."""
        ...


class NamedTools(msgspec.Struct, frozen=True, kw_only=True):
    """Models by name, with their options as text; an empty name means none."""

    engine: str
    engine_options: dict[str, str] = {}
    aligner: str = ""
    aligner_options: dict[str, str] = {}
    recogniser: str = ""
    recogniser_options: dict[str, str] = {}

    def open(self) -> Tools:
        """Makes engine, aligner and recogniser; their models are loaded when they are first used."""
        return Tools(
            engine=make_engine(self.engine, self.engine_options),
            aligner=make_aligner(self.aligner, self.aligner_options) if self.aligner else None,
            check=self._check(),
        )

    def _check(self) -> Check | None:
        if not self.recogniser:
            return None
        return functools.partial(check_utterances, make_recogniser(self.recogniser, self.recogniser_options))


class PieceTask(msgspec.Struct, frozen=True, kw_only=True):
    """Utterances that one worker makes at a time, in the order of their addresses."""

    wanted: tuple[Needed, ...]

    def __str__(self) -> str:
        return f"utterances {self.wanted[0].address} to {self.wanted[-1].address}, such as {self.wanted[0].text!r}"


class PieceReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a piece.

    Attributes:
        spoken: Good utterances.
        retried: Those of them that needed more than one attempt.
        failed: Utterances that stayed broken, by reason.
        num_samples: Length of the good ones.
        seconds: How long each stage was busy; the first piece of a worker includes the loading of its models.
        example: One of the failures in full; empty when there are none.
    """

    spoken: int
    retried: int
    failed: dict[str, int]
    num_samples: int
    seconds: dict[str, float]
    example: str = ""


class SpeakJob(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker needs to make any piece.

    Attributes:
        toolbox: Which models.
        rules: When an utterance is broken.
        voices: All voices by id.
        folder: Where pieces are written.
        batch: Utterances that a model gets at once.
    """

    toolbox: Toolbox
    rules: Rules
    voices: dict[str, Voice]
    folder: Path
    batch: int = BATCH

    def __call__(self, task: PieceTask) -> PieceReceipt:
        """Makes one piece."""
        maker = _maker_of(self)
        before = dict(maker.seconds)
        wanted = [Wanted(address=one.address, text=one.text, voice=self.voices[one.voice]) for one in task.wanted]
        results = maker.make(wanted)
        write_piece(LocalStorage(self.folder), piece_name(one.address for one in task.wanted), results)
        good = [one for one in results if isinstance(one, Made)]
        bad = [one for one in results if not isinstance(one, Made)]
        return PieceReceipt(
            spoken=len(good),
            retried=sum(one.attempts > 1 for one in good),
            failed=dict(Counter(one.reason for one in bad)),
            num_samples=sum(len(one.pcm) for one in good),
            seconds={stage: maker.seconds[stage] - before[stage] for stage in maker.seconds},
            example=bad[0].message if bad else "",
        )


# The models stay open in each worker process, for as long as it works on the same job.
_open: dict[bytes, Maker] = {}


def _maker_of(job: SpeakJob) -> Maker:
    key = pickle.dumps((job.toolbox, job.rules, job.batch))
    if key not in _open:
        for maker in _open.values():
            maker.close()
        _open.clear()
        _open[key] = Maker(job.toolbox.open(), job.rules, batch=job.batch)
    return _open[key]


class Speaking:
    """A recipe that is being spoken into a bank; use `open_speaking`.

    Attributes:
        corpus: The recipe with its voices and banks.
        out: Folder of the bank.
        rounds: How often streams were planned.
        missing: Utterances that are lacking as far as is known.
        drops: Streams that cannot be made, by reason.
        spoken: Good utterances of this command; `retried`, `failed`, `num_samples` and `seconds` likewise.
    """

    def __init__(
        self, corpus: Corpus, out: Path, job: SpeakJob, source: SpokenSource, *, again: bool, piece: int
    ) -> None:
        self.corpus = corpus
        self.out = out
        self.rounds = 0
        self.missing: dict[str, Needed] = {}
        self.drops: Counter[str] = Counter()
        self.spoken = self.retried = self.num_samples = self.num_lost = 0
        self.failed: Counter[str] = Counter()
        self.seconds: dict[str, float] = {}
        self._job = job
        self._source = source
        self._again = again
        self._piece = piece
        self._streams: dict[str, Sequence[int]] = {
            split: range(number) for split, number in corpus.recipe.streams_of_splits().items()
        }

    @property
    def info(self) -> BankInfo | None:
        """What the bank holds now; None before there is one."""
        older = open_older(self.out, self._source)
        return older.bank.info if older is not None else None

    def recall(self) -> bool:
        """Tells whether the bank is known to have everything already; `drops` are then those of that time."""
        older = open_older(self.out, self._source)
        if older is None or self._again or older.source.voices != self._source.voices:
            return False
        wanted = self.corpus.recipe.streams_of_splits()
        coverage = older.coverage(self.corpus.plan_fingerprint, wanted)
        if coverage is None or (coverage.drops and coverage.streams != wanted):  # which of them, nobody remembers
            return False
        self.drops.update(coverage.drops)
        return True

    @property
    def num_unsettled(self) -> int:
        """Streams that have to be planned, for the first time or again."""
        return sum(map(len, self._streams.values()))

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Keeps other processes from speaking into the same bank, and takes in what an interrupted one has left.

        Raises:
            BankError: Another process is at it, or the folder holds something else.
        """
        folder = self._job.folder
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BankError(f"bank {self.out} is being spoken by another process; wait for it") from error
            BuildPlace(self.out).recover()
            self._remove_leftovers()
            self.assemble()
            yield
        finally:
            os.close(lock)

    def plan(self, executor: Executor) -> Iterator[Outcome[Block, Needs]]:
        """Plans the streams that are not settled; `missing` then says what they lack.

        Raises:
            RunError: Streams could not be planned.
        """
        info = self.info
        planning = Planning(
            loaded=self.corpus.loaded,
            banks={name: bank.path.resolve() for name, bank in self.corpus.banks.items()},
            version=self._source.engine_version,
            spoken=self.out.resolve() if info is not None else None,
            mark=info.inputs if info is not None else "",
            again=self._again and self.rounds == 0,
        )
        self.missing.clear()
        unsettled: dict[str, list[int]] = {split: [] for split in self._streams}
        for outcome in executor.run(planning, blocks_of(self._streams)):
            if outcome.value is None:
                raise RunError(f"{outcome.task} could not be planned: {outcome.failure}")
            needs = outcome.value
            self.missing.update((one.address, one) for one in needs.missing)
            self.drops.update(needs.drops)
            unsettled[outcome.task.split] += needs.unsettled
            yield outcome
        self._streams = {split: sorted(indices) for split, indices in unsettled.items()}
        self.rounds += 1
        if self.missing and self.rounds >= MAX_ROUNDS:
            raise RunError(
                f"after {self.rounds} rounds, {self.num_unsettled} streams still need {len(self.missing)} other texts, "
                f"such as {next(iter(self.missing.values())).text!r}; a sub-task whose texts depend on how long others "
                "last does not come to an end"
            )

    def speak(self, executor: Executor) -> Iterator[Outcome[PieceTask, PieceReceipt]]:
        """Makes what is missing, as pieces; `assemble` then puts them into the bank.

        Raises:
            RunError: Engine or models do not work, too many utterances are broken, or workers keep dying.
        """
        wanted = sorted(self.missing.values())
        tasks = (PieceTask(wanted=tuple(wanted[i : i + self._piece])) for i in range(0, len(wanted), self._piece))
        for outcome in executor.run(self._job, tasks):
            if outcome.value is not None:
                self._count(outcome.value)
            elif outcome.failure is not None and outcome.failure.kind != DIED:
                raise RunError(f"{outcome.task}: {outcome.failure}")
            else:
                self.num_lost += 1
            yield outcome
            self._check_limits(outcome.value)

    def fill(self, executor: Executor) -> None:
        """Plans and speaks in turns until nothing is missing; for whoever needs no word about how far it is.

        Raises:
            RunError: See `plan` and `speak`, or a piece was lost.
        """
        while self.num_unsettled:
            for _ in self.plan(executor):
                pass
            if not self.missing:
                break
            lost = [outcome.failure for outcome in self.speak(executor) if outcome.failure is not None]
            if lost:
                raise RunError(str(lost[0]))
            self.assemble()
        self.finish()

    def assemble(self) -> None:
        """Puts all pieces into the bank."""
        storage = LocalStorage(self._job.folder)
        settings: dict[str, Any] = msgspec.to_builtins(self._job.rules)
        assemble(self.out, storage, self._source, settings)

    def finish(self) -> None:
        """Notes in the bank that it is complete for the recipe, and which voices it has now."""
        if self.info is not None:
            streams = self.corpus.recipe.streams_of_splits()
            coverage = Coverage(
                recipe=self.corpus.recipe.name,
                plan=self.corpus.plan_fingerprint,
                streams=streams,
                drops=dict(self.drops),
            )
            note_coverage(self.out, coverage, self._source.voices)

    def _remove_leftovers(self) -> None:
        storage = LocalStorage(self._job.folder)
        for leftover in storage.leftovers():
            storage.remove(leftover.temporary)

    def _count(self, receipt: PieceReceipt) -> None:
        self.spoken += receipt.spoken
        self.retried += receipt.retried
        self.failed.update(receipt.failed)
        self.num_samples += receipt.num_samples
        for stage, seconds in receipt.seconds.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    def _check_limits(self, last: PieceReceipt | None) -> None:
        failed = self.failed.total()
        if self.num_lost >= MAX_FAILURES:
            raise RunError(f"{self.num_lost} pieces were lost because their workers died; use fewer --workers")
        if failed + self.spoken >= MIN_FOR_FAILED_SHARE and failed > MAX_FAILED_SHARE * (failed + self.spoken):
            reasons = ", ".join(f"{count} x {reason}" for reason, count in self.failed.most_common())
            raise RunError(
                f"{failed} of {failed + self.spoken} utterances are broken ({reasons}), more than "
                f"{MAX_FAILED_SHARE:.0%}; such as: {last.example if last else ''}. Mend the engine or its models, then "
                "run the same command with --again"
            )


def open_speaking(
    loaded: LoadedRecipe,
    banks: Mapping[str, Bank],
    out: Path,
    toolbox: Toolbox,
    *,
    batch: int = BATCH,
    piece: int = PIECE,
    again: bool = False,
) -> Speaking:
    """Checks all that can be checked before any work.

    Args:
        loaded: The recipe, `without_bank`.
        banks: Its banks, open.
        out: Folder of the bank that gets the utterances; one that is there is added to.
        toolbox: Engine, aligner and recogniser.
        batch: Utterances that a model gets at once.
        piece: Utterances that are made and kept as one piece of work.
        again: Whether what has failed before is tried again.

    Raises:
        RecipeError: The voices are of another engine, or a language has none.
        BankError: `out` holds something else, or utterances of another engine or version.
        SpeechError: A model is missing, or has no such language.
    """
    tools = toolbox.open()
    engine: Engine = tools.engine
    corpus = Corpus(loaded, banks, speech=NeededSpeech(version=engine.version, banks=banks, failed={}))
    check_engine(loaded, corpus.voices, engine.name)
    _check_languages(tools, loaded)
    source = SpokenSource(engine=engine.name, engine_version=engine.version, voices=known_voices(loaded, None))
    open_older(out, source)
    check = loaded.recipe.voices.check
    job = SpeakJob(
        toolbox=toolbox,
        rules=Rules(retries=check.retries, max_error_rate=check.max_error_rate),
        voices={voice.id: voice for voice in source.voices},
        # Whatever is left of another version of the engine is not of this bank.
        folder=out.resolve().parent / f".{out.name}.pieces" / hashlib.sha256(engine.version.encode()).hexdigest()[:16],
        batch=batch,
    )
    return Speaking(corpus, out, job, source, again=again, piece=piece)


def without_bank(loaded: LoadedRecipe, manifest: Path | None = None) -> LoadedRecipe:
    """Returns a recipe as it is spoken: without the bank that is to be filled, and without an engine of its own.

    Args:
        loaded: The recipe.
        manifest: File of voices that wins over the recipe's.
    """
    changes: dict[str, Any] = {"engine": None, "bank": None}
    if manifest is not None:
        changes["manifest"] = str(manifest)
    voices = loaded.recipe.voices.model_copy(update=changes)
    return loaded.model_copy(update={"recipe": loaded.recipe.model_copy(update={"voices": voices})})


def _check_languages(tools: Tools, loaded: LoadedRecipe) -> None:
    for language in loaded.recipe.languages:
        if tools.aligner is not None and language not in tools.aligner.languages:
            raise SpeechError(
                f"aligner {tools.aligner.name!r} has no model for language {language!r} of recipe "
                f"{loaded.recipe.name!r}, only for {', '.join(tools.aligner.languages)}; give one "
                f"(--aligner-option {language}=MODEL), or leave the language out"
            )
