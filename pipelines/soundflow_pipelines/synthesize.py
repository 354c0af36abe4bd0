"""The main job: makes the shards of a recipe that are not there yet, and the catalogue when all of them are.

open_run   recipe + banks + output directory  ->  Run        checks everything that can be checked before any work
Run.make   executor                           ->  outcomes   one shard each; the same command again makes the rest
finish     all receipts                       ->  catalogue  README.md, croissant.json, LICENSES.csv, status.json
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from soundflow_data.bank import Bank
from soundflow_data.corpus import Corpus
from soundflow_data.errors import Drop, RunError
from soundflow_data.recipe import LoadedRecipe, load_resolved
from soundflow_data.shards import (
    LocalStorage,
    Receipt,
    ReceiptScan,
    RunIdentity,
    ShardPlan,
    ShardSpec,
    ShardWriter,
    claim_shards,
    plan_shards,
    scan_receipts,
    software_versions,
    write_bytes,
)
from soundflow_data.shards.catalog import write_catalog
from soundflow_data.shards.croissant import Description
from soundflow_data.shards.layout import FORMAT_VERSION, LOCK, RECIPE, RUN
from soundflow_data.shards.lock import GUARD
from soundflow_data.version import VERSION
from soundflow_pipelines.executor import Executor, Outcome

MAX_FAILURES = 8  # shards that may fail before the run stops: what breaks so many breaks all
MIN_STREAMS_FOR_DROP_LIMIT = 20  # a share of fewer streams than this says nothing


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `run.json`: what the run was made from.

    Attributes:
        format: Version of the run directory's layout.
        soundflow: Version of SoundFlow.
        name: Name of the recipe.
        identity: What every receipt repeats.
        banks: Folder and fingerprint of each bank.
        splits: Streams of each split.
        streams_per_shard: Streams in each shard but the last of a split.
        recipe_file: Where the recipe was read from.
        subtasks: File of each sub-task.
    """

    format: int
    soundflow: str
    name: str
    identity: RunIdentity
    banks: dict[str, dict[str, str]]
    splits: dict[str, int]
    streams_per_shard: int
    recipe_file: str
    subtasks: dict[str, str]

    @property
    def plan(self) -> ShardPlan:
        """The shards of the run."""
        return plan_shards(self.splits, self.streams_per_shard)


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker needs to make any shard of a run; small enough to be sent with every task."""

    loaded: LoadedRecipe
    banks: dict[str, Path]
    out: Path
    identity: RunIdentity

    def __call__(self, spec: ShardSpec) -> Receipt:
        """Makes one shard."""
        return make_shard(_corpus_of(self), LocalStorage(self.out), spec, self.identity)


# One corpus stays open in each worker process, for as long as it works on the same run.
_open: dict[str, Corpus] = {}


def _corpus_of(job: Job) -> Corpus:
    key = job.identity.fingerprint
    if key not in _open:
        corpus = Corpus(job.loaded, {name: Bank.open(path, name=name) for name, path in job.banks.items()})
        if corpus.fingerprint != key:
            raise RunError(
                f"this worker has other software, sub-tasks or banks than the driver (fingerprint "
                f"{corpus.fingerprint[:12]} instead of {key[:12]}); install the same version everywhere"
            )
        _open.clear()
        _open[key] = corpus
    return _open[key]


def make_shard(corpus: Corpus, storage: LocalStorage, spec: ShardSpec, identity: RunIdentity) -> Receipt:
    """Makes one shard: a pure function of the recipe, the banks and the number of the shard.

    Raises:
        RunError: The storage is full or not writable.
        BankError: A bank is damaged.
    """
    with ShardWriter(storage, spec, identity=identity, codec=corpus.recipe.codec) as writer:
        for index in range(spec.start, spec.stop):
            stream_spec = corpus.spec(spec.split, index)
            try:
                stream = corpus.make(stream_spec)
            except Drop as drop:
                writer.drop(stream_spec.key, drop.reason, drop.detail)
            else:
                writer.add(stream.timeline, stream.targets, stream.pcm)
        receipt = writer.finish()
    corpus.release()
    return receipt


class Run:
    """A run that is ready to go: its plan, what is done already, and what is left.

    Args:
        corpus: The recipe with its banks.
        out: Output directory.
    """

    def __init__(self, corpus: Corpus, out: Path) -> None:
        self.corpus = corpus
        self.out = out
        self.storage = LocalStorage(out)
        recipe = corpus.recipe
        self.identity = RunIdentity(
            fingerprint=corpus.fingerprint,
            seed=recipe.seed,
            software={"soundflow": VERSION, **software_versions()},
        )
        self.plan = plan_shards(recipe.streams_of_splits(), recipe.streams_per_shard)
        self.drops: Counter[str] = Counter()
        self.num_streams = 0
        self.num_failures = 0

    def info(self) -> RunInfo:
        """Returns what `run.json` says."""
        loaded = self.corpus.loaded
        return RunInfo(
            format=FORMAT_VERSION,
            soundflow=VERSION,
            name=loaded.recipe.name,
            identity=self.identity,
            banks={
                name: {"path": str(bank.path.resolve()), "fingerprint": bank.fingerprint}
                for name, bank in self.corpus.open_banks.items()
            },
            splits=loaded.recipe.streams_of_splits(),
            streams_per_shard=loaded.recipe.streams_per_shard,
            recipe_file=str(loaded.path),
            subtasks={name: str(path) for name, path in loaded.subtasks.items()},
        )

    def claim(self) -> None:
        """Writes `recipe.yaml` and `run.json`, or checks that those that are there are of this run.

        Raises:
            RunError: The directory belongs to another recipe, version or set of banks, or holds something else.
        """
        if not self.storage.exists(RUN):
            strangers = [path for path in self.storage.list() if path != RECIPE and not path.startswith(LOCK)][:3]
            if strangers:
                raise RunError(
                    f"output directory {str(self.out)!r} is not empty and not a run of SoundFlow (it holds "
                    f"{', '.join(strangers)}, ...); give a new directory"
                )
        with self.storage.guard(GUARD):  # two pieces of one run may start at the same moment
            if not self.storage.exists(RUN):
                write_bytes(self.storage, RECIPE, self.corpus.loaded.resolved_yaml().encode())
                write_bytes(self.storage, RUN, msgspec.json.format(msgspec.json.encode(self.info()), indent=2) + b"\n")
        check_same_run(read_run_info(self.storage), self.info(), self.out)

    def make(self, executor: Executor, shards: range | None = None) -> Iterator[Outcome[ShardSpec, Receipt]]:
        """Makes the shards that are missing; yields each as it is done.

        Args:
            executor: Who does the work.
            shards: Piece of the run; by default all.

        Raises:
            RunError: Another process is making some of these shards, or too much went wrong.
        """
        shards = range(len(self.plan)) if shards is None else shards
        self.claim()
        with claim_shards(self.storage, self.plan, shards):
            done = self.scan()
            for receipt in done.receipts.values():
                self._count(receipt)
            job = Job(
                loaded=self.corpus.loaded,
                banks={name: bank.path.resolve() for name, bank in self.corpus.open_banks.items()},
                out=self.out.resolve(),
                identity=self.identity,
            )
            todo = (self.plan[index] for index in done.missing(shards))
            for outcome in executor.run(job, todo):
                if outcome.value is not None:
                    self._count(outcome.value)
                else:
                    self.num_failures += 1
                yield outcome
                self._check_limits()
            self._clean(shards)

    def scan(self) -> ReceiptScan:
        """Returns the receipts of this run that can be relied on."""
        return scan_receipts(self.storage, self.identity.fingerprint)

    def finish(self) -> bool:
        """Writes the catalogue when every shard is there; returns whether it is."""
        scan = self.scan()
        if len(scan.receipts) < len(self.plan):
            return False
        write_catalog(self.storage, Description(name=self.corpus.recipe.name))
        return True

    def _clean(self, shards: range) -> None:
        """Removes what workers that died in this run have left of its shards."""
        for leftover in self.storage.leftovers():
            spec = self.plan.find(leftover.path)
            if spec is not None and spec.index in shards:
                self.storage.remove(leftover.temporary)

    def _count(self, receipt: Receipt) -> None:
        self.drops.update(receipt.drops)
        self.num_streams += receipt.shard.num_streams

    def _check_limits(self) -> None:
        if self.num_failures >= MAX_FAILURES:
            raise RunError(f"{self.num_failures} shards failed; the run stops, see the messages above")
        dropped, limit = self.drops.total(), self.corpus.recipe.limits.max_drop_share
        if self.num_streams >= MIN_STREAMS_FOR_DROP_LIMIT and dropped > limit * self.num_streams:
            reasons = ", ".join(f"{count} x {reason}" for reason, count in self.drops.most_common())
            raise RunError(
                f"{dropped} of {self.num_streams} streams were dropped ({reasons}), more than limits.max_drop_share "
                f"{limit:g} allows; see {self.out}/quarantine, mend the recipe or raise the limit"
            )


def read_run_info(storage: LocalStorage) -> RunInfo:
    """Reads `run.json`.

    Raises:
        RunError: It is missing, damaged or of another version.
    """
    if not storage.exists(RUN):
        raise RunError(f"{storage.locate('')!r} is not an output directory of SoundFlow: it has no {RUN}")
    data = storage.read(RUN)
    try:
        found: Mapping[str, object] = msgspec.json.decode(data, type=dict)
        if found.get("format") != FORMAT_VERSION:
            raise RunError(
                f"{storage.locate(RUN)} has format {found.get('format')}, made by SoundFlow {found.get('soundflow')}; "
                f"this is SoundFlow {VERSION} with format {FORMAT_VERSION}: use that version, or make the corpus again"
            )
        return msgspec.json.decode(data, type=RunInfo)
    except msgspec.DecodeError as error:
        raise RunError(f"{storage.locate(RUN)} is damaged: {error}") from error


def check_same_run(found: RunInfo, wanted: RunInfo, out: Path) -> None:
    """Raises RunError that says what differs, when an output directory belongs to another run."""
    if found.identity.fingerprint == wanted.identity.fingerprint:
        return
    differences = []
    if found.soundflow != wanted.soundflow:
        differences.append(f"SoundFlow {found.soundflow} made it, this is {wanted.soundflow}")
    if found.name != wanted.name:
        differences.append(f"it holds the recipe {found.name!r}, not {wanted.name!r}")
    for name in sorted({*found.banks, *wanted.banks}):
        before, now = (info.banks.get(name, {}).get("fingerprint", "none") for info in (found, wanted))
        if before != now:
            differences.append(f"bank {name!r} was {before[:12]} and is {now[:12]}")
    differences += [
        f"{key} was {getattr(found, key)} and is {getattr(wanted, key)}"
        for key in ("splits", "streams_per_shard")
        if getattr(found, key) != getattr(wanted, key)
    ]
    if not differences:
        differences.append("the recipe, a sub-task file, a table of texts or a library has changed since")
    raise RunError(
        f"output directory {str(out)!r} belongs to another run: {'; '.join(differences)}. "
        f"Give another directory, or go back to what made it (see {out}/recipe.yaml and {out}/run.json)"
    )


def reopen(out: Path) -> Corpus:
    """Opens the recipe and the banks that an output directory was made from, to make its streams again.

    Raises:
        RunError: The directory is no run, or something that it was made from has changed or is gone.
    """
    storage = LocalStorage(out)
    info = read_run_info(storage)
    loaded = load_resolved(storage.read(RECIPE), info.subtasks, Path(info.recipe_file))
    corpus = Corpus(loaded, {name: Bank.open(bank["path"], name=name) for name, bank in info.banks.items()})
    check_same_run(info, Run(corpus, out).info(), out)
    return corpus
