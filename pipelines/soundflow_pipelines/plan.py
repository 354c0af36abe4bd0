"""What a run would make, before any work: counted exactly where that is cheap, estimated from a sample elsewhere.

counts      streams, shards, streams of every sub-task, language and split: exact for any number of streams, because
            the sub-task of a stream depends on its number alone; a million take a third of a second and no memory
estimates   hours, events, texts, bytes, time: from a few streams of every kind, planned and some of them rendered
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from soundflow_data.audio.encode import encode
from soundflow_data.corpus import STEPS, Corpus, StreamSpec
from soundflow_data.dice import derive_seed
from soundflow_data.errors import Drop, SubtaskError
from soundflow_data.library import Library
from soundflow_data.ontology import load_proactive
from soundflow_data.recipe import LoadedRecipe
from soundflow_data.scenario.plan import FEWEST_EVENTS
from soundflow_data.scenario.supply import Supply
from soundflow_data.shards import plan_shards
from soundflow_data.shards.record import encode_record, make_record
from soundflow_data.subtasks import NEEDS, Subtask, load_subtask
from soundflow_data.targets import project
from soundflow_data.timeline import SAMPLE_RATE, Timeline

Measure = Callable[[Timeline], float]

BLOCK: Final = 1 << 17  # streams that are counted at once
MAX_COMPOSED: Final = 120
MAX_RENDERED: Final = 6
TAR_OVERHEAD: Final = 2048  # bytes: two headers and the padding of two members
ROW_BYTES: Final = 40  # of a stream's rows in the Parquet tables, per event or response


class Cell(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One kind of stream."""

    split: str
    subtask: str
    language: str


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How many streams of one kind there will be, and what is expected of them.

    Attributes:
        cell: Which kind.
        streams: Exact number.
        hours: Expected length of those that are not dropped; None where nothing was sampled.
        drop_share: Share of the sample that could not be made.
    """

    cell: Cell
    streams: int
    hours: float | None = None
    drop_share: float = 0.0


class BankUse(msgspec.Struct, frozen=True, kw_only=True):
    """What a split takes from a bank.

    Attributes:
        bank: The recipe's name for it.
        split: The split.
        clips: Clips that it may use.
        labels: Different labels among them.
        uses: How often one of them is expected to be played.
    """

    bank: str
    split: str
    clips: int
    labels: int
    uses: float


class Texts(msgspec.Struct, frozen=True, kw_only=True):
    """Texts that streams need spoken.

    Attributes:
        utterances: Expected number.
        hours: Their expected length.
        from_banks: Share that a bank holds already; an engine speaks the others.
        distinct: Share of the sample's texts that differ from all others.
        voices: Voices of each split and language.
    """

    utterances: float
    hours: float
    from_banks: float
    distinct: float
    voices: dict[str, dict[str, int]]


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What the estimates rest on.

    Attributes:
        composed: Streams that were planned.
        rendered: Streams that were rendered and encoded.
        drops: Streams that could not be planned, by reason.
    """

    composed: int
    rendered: int
    drops: dict[str, int]


class Estimates(msgspec.Struct, frozen=True, kw_only=True):
    """What is expected of the whole run.

    Attributes:
        hours: Audio.
        events: Events.
        responses: Things that the assistant says.
        num_bytes: Bytes of all shards and tables.
        cpu_s: Seconds that one process would need.
        banks: Use of each bank by each split.
        texts: What is spoken.
        sample: What all this rests on.
    """

    hours: float
    events: float
    responses: float
    num_bytes: float
    cpu_s: float
    banks: tuple[BankUse, ...]
    texts: Texts
    sample: Sample


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would make.

    Attributes:
        recipe: Name of the recipe.
        streams: Streams of each split.
        shards: Shards of each split.
        counts: Streams of every kind.
        problems: Why some kinds cannot be made at all.
        estimates: What is expected; None when banks are missing or nothing can be made.
    """

    recipe: str
    streams: dict[str, int]
    shards: dict[str, int]
    counts: tuple[Count, ...]
    problems: tuple[str, ...] = ()
    estimates: Estimates | None = None


def count_streams(loaded: LoadedRecipe) -> Plan:
    """Counts what a recipe asks for; needs no bank."""
    recipe = loaded.recipe
    streams = recipe.streams_of_splits()
    kinds = _Kinds(loaded)
    counts = [
        Count(cell=cell, streams=number)
        for split in streams
        for cell, number in zip(kinds.cells(split), kinds.count(split), strict=True)
        if number
    ]
    return Plan(
        recipe=recipe.name,
        streams=streams,
        shards={
            split: len(plan_shards({split: number}, recipe.streams_per_shard)) for split, number in streams.items()
        },
        counts=tuple(counts),
    )


def make_plan(corpus: Corpus, *, max_composed: int = MAX_COMPOSED, max_rendered: int = MAX_RENDERED) -> Plan:
    """Counts what a run would make and estimates what that takes.

    Args:
        corpus: The recipe with its banks.
        max_composed: Streams that are planned for the estimates; at least one of every kind is.
        max_rendered: Streams that are rendered and encoded.
    """
    plan = count_streams(corpus.loaded)
    problems = (*_missing_material(corpus, plan), *_missing_for_composites(corpus, plan))
    if problems:
        return msgspec.structs.replace(plan, problems=problems)
    survey = _Survey(corpus, plan, max_composed, max_rendered)
    return survey.plan()


# -- counting --------------------------------------------------------------------------------------------------------


class _Kinds:
    """Which kind each stream is, for blocks of streams at once and equal to what `Corpus.spec` says of each."""

    def __init__(self, loaded: LoadedRecipe) -> None:
        self._recipe = loaded.recipe
        self._streams = loaded.recipe.streams_of_splits()
        self._languages = [_languages(loaded, load_subtask(loaded.subtasks[name])) for name in loaded.recipe.subtasks]
        self._first = np.cumsum([0, *map(len, self._languages)])  # code of a sub-task's first language

    def cells(self, split: str) -> list[Cell]:
        """Returns all kinds of a split by code; some may have no streams."""
        pairs = zip(self._recipe.subtasks, self._languages, strict=True)
        return [Cell(split=split, subtask=name, language=language) for name, some in pairs for language in some]

    def count(self, split: str) -> list[int]:
        """Returns the number of streams of each code."""
        total = np.zeros(self._first[-1], np.int64)
        for _, codes in self._blocks(split):
            total += np.bincount(codes, minlength=len(total))
        found: list[int] = total.tolist()
        return found

    def first(self, split: str, wanted: Sequence[int]) -> list[int]:
        """Returns the indices of the first streams of each code, as many as are wanted of it."""
        left = list(wanted)
        found: list[int] = []
        for start, codes in self._blocks(split):
            for code, number in enumerate(left):
                some = np.flatnonzero(codes == code)[:number] if number else ()
                found += [start + int(index) for index in some]
                left[code] -= len(some)
            if not any(left):
                break
        return sorted(found)

    def _blocks(self, split: str) -> Iterator[tuple[int, NDArray[np.intp]]]:
        """Yields the first index of each block, and the codes of its streams."""
        offset = np.uint64(derive_seed(self._recipe.seed, split, "assign"))
        for start in range(0, self._streams[split], BLOCK):
            index = np.arange(start + 1, min(start + BLOCK, self._streams[split]) + 1, dtype=np.uint64)
            first, second = ((offset + index * np.uint64(step)).astype(np.float64) / 2.0**64 for step in STEPS)
            subtasks = _pick(self._recipe.subtasks, first)
            codes = self._first[subtasks]
            for place, languages in enumerate(self._languages):
                if len(languages) > 1:
                    mine = np.flatnonzero(subtasks == place)
                    codes[mine] += _pick(languages, second[mine])
            yield start, codes


def _pick(shares: Mapping[str, float], marks: NDArray[np.float64]) -> NDArray[np.intp]:
    """Returns the place of the share in which each mark of [0, 1) lies, with the same roundings as `Corpus.spec`."""
    rest = marks * sum(shares.values())
    places = np.zeros(len(marks), np.intp)
    for share in shares.values():
        rest -= share
        places += rest >= 0
    return np.minimum(places, len(shares) - 1)


def _languages(loaded: LoadedRecipe, subtask: Subtask) -> dict[str, float]:
    return {str(name): share for name, share in loaded.recipe.languages.items() if name in subtask.languages}


# -- what is missing -------------------------------------------------------------------------------------------------


def _missing_material(corpus: Corpus, plan: Plan) -> Iterator[str]:
    """Says which sub-tasks need what no bank of a split has."""
    for count in plan.counts:
        cell = count.cell
        for need in corpus.subtasks[cell.subtask].needs:
            if not _has(corpus.library(cell.split), need, cell.language):
                yield (
                    f"{cell.subtask} in {cell.language!r} needs {need}, and split {cell.split!r} has none; "
                    "add a bank that has some, give that split a larger share, or leave the sub-task out"
                )


def _missing_for_composites(corpus: Corpus, plan: Plan) -> Iterator[str]:
    """Says what the splits lack of what composite streams need beside their sub-tasks."""
    composites = corpus.recipe.composites
    if composites is None or set(composites.kinds) == {"single"}:
        return
    dangers = [label for domain in load_proactive().values() for label in domain.sounds]
    for split in (split for split, streams in plan.streams.items() if streams):
        library = corpus.library(split)
        if not library.sounds("en", assistant="silent"):
            yield (
                f"composites need sounds on which an assistant keeps silent, and split {split!r} has none; add a bank "
                "of sounds, or leave `composites` out"
            )
        supply = Supply(library, generation=corpus.recipe.scenario.generation)
        if "scenario" in composites.kinds and len(supply.labels) < FEWEST_EVENTS:
            yield (
                f"scenarios need at least {FEWEST_EVENTS} kinds of sound that the ontology knows, and split {split!r} "
                f"has {len(supply.labels)}; add a bank of sounds, or set scenario.generation to true"
            )
        if composites.proactive and not library.sounds("en", labels=tuple(dangers)):
            yield (
                f"composites.proactive is {composites.proactive:g}, and split {split!r} has no sound on which an "
                f"assistant should speak up, such as {', '.join(dangers[:3])}; add a bank that has some, or set it to 0"
            )


_SPEECH: Final = {"speech": "", "english_speech": "en", "mandarin_speech": "zh"}


def _has(library: Library, need: str, language: str) -> bool:
    if need == "sounds":
        return bool(library.sounds(language))
    if need in _SPEECH:
        return bool(library.voices.get(_SPEECH[need] or language))
    if need == "recordings":
        return library.recordings[language].num_clips > 0
    if need == "dialogues":
        return bool(library.dialogues[language])
    raise SubtaskError(f"a sub-task needs {need!r}; it may need {', '.join(NEEDS)}")


# -- estimating ------------------------------------------------------------------------------------------------------


class _Survey:
    """Plans some streams of every kind, renders a few, and scales what it finds to the whole run."""

    def __init__(self, corpus: Corpus, plan: Plan, max_composed: int, max_rendered: int) -> None:
        self._corpus = corpus
        self._plan = plan
        self._samples: dict[Cell, list[Timeline]] = {count.cell: [] for count in plan.counts}
        self._tried: Counter[Cell] = Counter()
        self._drops: Counter[str] = Counter()
        self._details: dict[Cell, str] = {}
        self._compose_s = 0.0
        self._compose(max(1, max_composed // max(1, len(plan.counts))))
        self._rendered = self._render(max_rendered)

    def plan(self) -> Plan:
        """Returns the plan with estimates, or with the reasons why some kinds cannot be made."""
        problems = tuple(
            f"{cell.subtask} in {cell.language!r} cannot be made for split {cell.split!r}: {detail}"
            for cell, detail in self._details.items()
            if not self._samples[cell]
        )
        counts = tuple(self._estimate(count) for count in self._plan.counts)
        if problems:
            return msgspec.structs.replace(self._plan, counts=counts, problems=problems)
        return msgspec.structs.replace(self._plan, counts=counts, estimates=self._total(counts))

    def _compose(self, per_cell: int) -> None:
        kinds = _Kinds(self._corpus.loaded)
        for split in self._plan.streams:
            streams = {count.cell: count.streams for count in self._plan.counts}
            wanted = [min(per_cell, streams.get(cell, 0)) for cell in kinds.cells(split)]
            for index in kinds.first(split, wanted):
                self._compose_one(self._corpus.spec(split, index))

    def _compose_one(self, spec: StreamSpec) -> None:
        cell = Cell(split=spec.split, subtask=spec.subtask, language=spec.language)
        self._tried[cell] += 1
        started = time.perf_counter()
        try:
            self._samples[cell].append(self._corpus.compose(spec))
        except Drop as drop:
            self._drops[drop.reason] += 1
            self._details[cell] = f"{drop.reason} ({drop.detail})"
        self._compose_s += time.perf_counter() - started

    def _render(self, number: int) -> list[tuple[float, float, float]]:
        """Renders some streams; returns seconds of audio, bytes, and seconds that it took, of each."""
        timelines = [timelines[0] for timelines in self._samples.values() if timelines]
        chosen = timelines[:: max(1, -(-len(timelines) // max(1, number)))]
        if chosen:
            self._encode(chosen[0])  # compiles what is compiled on first use
        return [self._encode(timeline) for timeline in chosen]

    def _encode(self, timeline: Timeline) -> tuple[float, float, float]:
        started = time.perf_counter()
        targets = project(timeline)
        audio = encode(self._corpus.render(timeline), self._corpus.recipe.codec)
        text = encode_record(make_record(timeline, targets))
        took = time.perf_counter() - started
        rows = ROW_BYTES * (1 + len(timeline.events) + len(timeline.responses))
        return timeline.seconds, len(audio) + len(text) + TAR_OVERHEAD + rows, took

    def _estimate(self, count: Count) -> Count:
        timelines, tried = self._samples[count.cell], self._tried[count.cell]
        if not timelines:
            return msgspec.structs.replace(count, drop_share=1.0 if tried else 0.0)
        mean_s = sum(timeline.seconds for timeline in timelines) / tried
        return msgspec.structs.replace(
            count, hours=count.streams * mean_s / 3600, drop_share=1 - len(timelines) / tried
        )

    def _total(self, counts: Sequence[Count]) -> Estimates:
        hours = sum(count.hours or 0.0 for count in counts)
        seconds, num_bytes, took = (sum(values) for values in zip(*self._rendered, strict=True))
        compose_s = self._compose_s / max(1, self._tried.total())
        return Estimates(
            hours=hours,
            events=self._scaled(lambda timeline: len(timeline.events)),
            responses=self._scaled(lambda timeline: len(timeline.responses)),
            num_bytes=num_bytes / seconds * hours * 3600,
            cpu_s=took / seconds * hours * 3600 + compose_s * sum(self._plan.streams.values()),
            banks=tuple(self._bank_uses()),
            texts=self._texts(),
            sample=Sample(composed=self._tried.total(), rendered=len(self._rendered), drops=dict(self._drops)),
        )

    def _scaled(self, measure: Measure, split: str | None = None) -> float:
        """Adds up a measure of the sampled streams, each counted as many times as there are streams like it."""
        total = 0.0
        for count in self._plan.counts:
            if split in {None, count.cell.split} and self._tried[count.cell]:
                found = sum(measure(timeline) for timeline in self._samples[count.cell])
                total += found * count.streams / self._tried[count.cell]
        return total

    def _bank_uses(self) -> Iterator[BankUse]:
        for split in self._plan.streams:
            library = self._corpus.library(split)
            for name, bank in library.banks.items():
                rows = library.rows(name)
                labels = bank.columns("label")["label"].take(rows).unique()
                uses = self._scaled(_uses_of(name), split)
                yield BankUse(bank=name, split=split, clips=len(rows), labels=len(labels), uses=uses)

    def _texts(self) -> Texts:
        engine = self._corpus.engine
        spoken = [
            (event.text, event.speaker, engine is None or event.bank != engine.name)
            for timelines in self._samples.values()
            for timeline in timelines
            for event in timeline.events
            if event.kind == "speech"
        ]
        voices = {
            split: {language: len(some) for language, some in self._corpus.library(split).voices.items()}
            for split in self._plan.streams
        }
        return Texts(
            utterances=self._scaled(lambda timeline: sum(event.kind == "speech" for event in timeline.events)),
            hours=self._scaled(_speech_samples) / SAMPLE_RATE / 3600,
            from_banks=sum(held for *_, held in spoken) / max(1, len(spoken)),
            distinct=len({text for text, *_ in spoken}) / max(1, len(spoken)),
            voices=voices,
        )


def _speech_samples(timeline: Timeline) -> float:
    return sum(event.num_samples for event in timeline.events if event.kind == "speech")


def _uses_of(bank: str) -> Measure:
    return lambda timeline: sum(event.bank == bank for event in timeline.events)
