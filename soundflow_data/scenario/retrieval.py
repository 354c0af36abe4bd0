"""Finds the clips of a split that a query describes, exactly, in DuckDB without extensions.

A clip's text is its caption and the names of its label. Clips are ranked by BM25 (Robertson and Zaragoza, "The
Probabilistic Relevance Framework: BM25 and Beyond", 2009) over stems. Equal texts count once in its statistics, so that
a bank full of dogs does not make `dog` a common word. Weights are whole numbers, so scores do not depend on the order
of adding; equal scores are ordered by bank and clip id.

    index    terms(term, texts, weights)     built once per process, when first asked
    query    the texts that share a word     one statement for the queries of a scene
    answer   the clips of the best texts     weights are added in numpy: ten times as fast as grouping by text
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from soundflow_data.bank import Bank
from soundflow_data.scenario.embedding import Vectors
from soundflow_data.scenario.supply import Supply
from soundflow_data.scenario.wording import name_text, words

TOP: Final = 3
DEPTH: Final = 4096  # clips that are ranked for a query, and kept when they are as good as the best
CLOSE: Final = 0.8  # clips that reach this part of the best score are as good as it
CLOSE_EMBEDDED: Final = 0.95  # the same for the cosine of embeddings

_NO_ROWS: Final[NDArray[np.int32]] = np.empty(0, np.int32)
_KEPT: Final = 64  # clips that are kept of an answer at least
_ANSWERS: Final = 1024  # that are kept, 33 MB at most
_K1: Final = 1.2  # the usual constants of BM25
_B: Final = 0.75
_UNIT: Final = 1 << 16  # weights are multiples of one over this
_LOW: Final = 1 << 32  # a sort key is score * _LOW + how early the text comes, so that one number orders both
_TOGETHER: Final = 16  # queries of one statement; bounds the table of scores
_BM25: Final = """
    select query, unnest(texts) as text, unnest(weights) as weight from asked join terms using (term)
"""
_COSINE: Final = """
    with scores as (
        select query, text, round({unit} * (1 + array_inner_product(asked.vector, texts.vector)))::bigint as score
        from asked cross join texts
    )
    select query, max(score * 4294967296 + (4294967295 - text), {depth}) as keys from scores group by query
"""


class Hit(NamedTuple):
    """A clip that was found, and how well it fits: a BM25 score, or one plus the cosine of embeddings."""

    bank: Bank
    row: int
    score: float


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The best clips of one query, the best one first.

    Attributes:
        clips: int32 (num_found,), numbers of clips for `Retriever.hit`.
        scores: float32 (num_found,).
        num_close: How many of them are as good as the best.
    """

    clips: NDArray[np.int32]
    scores: NDArray[np.float32]
    num_close: int


class Retriever:
    """Searches the clips of one split.

    Args:
        supply: What the split has.
        vectors: Compare meanings instead of words; None for BM25.
        depth: Clips that are kept of each answer.
    """

    def __init__(self, supply: Supply, *, vectors: Vectors | None = None, depth: int = DEPTH) -> None:
        self._supply = supply
        self._depth = depth
        self._vectors = vectors
        self._answers: dict[str, Answer] = {}
        self._terms: dict[str, int] = {}
        self._by_text: NDArray[np.int32] = _NO_ROWS  # clips in the order of their texts ...
        self._bounds: NDArray[np.int64] = np.zeros(1, np.int64)  # ... and where those of each text start

    def search(self, query: str, top: int = TOP) -> list[Hit]:
        """Returns the best clips of a query, at most `top`; fewer where fewer share a word with it."""
        answer = self.answers([query])[0]
        return [self.hit(answer, place) for place in range(min(top, len(answer.clips)))]

    def hit(self, answer: Answer, place: int) -> Hit:
        """Returns the clip at a place of an answer."""
        number = int(answer.clips[place])
        banks, bank_of, row_of = self._clips
        return Hit(banks[bank_of[number]], int(row_of[number]), float(answer.scores[place]))

    def answers(self, queries: Sequence[str]) -> list[Answer]:
        """Returns the answer of each query; those that were not asked before are asked in one statement."""
        new = [query for query in dict.fromkeys(queries) if query not in self._answers]
        if new:
            if len(self._answers) + len(new) > _ANSWERS:
                self._answers = {query: self._answers[query] for query in queries if query in self._answers}
            self._answers.update(zip(new, self._ask(new), strict=True))
        return [self._answers[query] for query in queries]

    # -- asking --------------------------------------------------------------------------------------------------------

    def _ask(self, queries: Sequence[str]) -> list[Answer]:
        search = self._by_words if self._vectors is None else self._by_meaning
        keys = [
            found
            for start in range(0, len(queries), _TOGETHER)
            for found in search(self._index, queries[start : start + _TOGETHER])
        ]
        return [self._answer(found) for found in keys]

    def _by_words(self, index: duckdb.DuckDBPyConnection, queries: Sequence[str]) -> list[NDArray[np.int64]]:
        """Returns the sort keys of the best texts of each query, unordered."""
        asked = [
            (number, self._terms[word])
            for number, query in enumerate(queries)
            for word in set(words(query))
            if word in self._terms
        ]
        numbers, terms = (pa.array([pair[i] for pair in asked], pa.int32()) for i in range(2))
        found = _run(index, _BM25, pa.table({"query": numbers, "term": terms}))
        columns = (found[name].combine_chunks().to_numpy(zero_copy_only=False) for name in ("query", "text", "weight"))
        query_of, text_of, weights = columns
        num_texts = len(self._bounds) - 1
        # Sums of whole numbers far below 2**53, so float64 holds them exactly.
        places = query_of.astype(np.int64) * num_texts + text_of
        scores = np.asarray(np.bincount(places, weights, len(queries) * num_texts), np.float64)
        return [self._best(row) for row in scores.reshape(len(queries), num_texts)]

    def _best(self, scores: NDArray[np.float64]) -> NDArray[np.int64]:
        """Returns the sort keys of the texts that may be needed: the close ones and the best ones."""
        best = scores.max(initial=0.0)
        texts = np.flatnonzero(scores >= max(1.0, CLOSE * best))
        if len(texts) < _KEPT:
            texts = np.flatnonzero(scores)
        keys = (scores[texts].astype(np.int64) * _LOW) + (_LOW - 1 - texts)
        most = max(_KEPT, min(self._depth, int(np.count_nonzero(scores[texts] >= CLOSE * best))))
        return np.partition(keys, len(keys) - most)[-most:] if len(keys) > most else keys

    def _by_meaning(self, index: duckdb.DuckDBPyConnection, queries: Sequence[str]) -> list[NDArray[np.int64]]:
        """Returns the sort keys of the best texts of each query."""
        assert self._vectors is not None
        numbers = pa.array(range(len(queries)), pa.int32())
        asked = pa.table({"query": numbers, "vector": self._vectors.of(queries)})
        found = _run(index, _COSINE.format(unit=_UNIT, depth=self._depth), asked)
        keys = dict(zip(found["query"].to_pylist(), found["keys"].combine_chunks(), strict=True))
        return [keys[number].values.to_numpy(zero_copy_only=False) for number in range(len(queries))]

    def _answer(self, keys: NDArray[np.int64]) -> Answer:
        if not len(keys):
            return Answer(clips=_NO_ROWS, scores=np.empty(0, np.float32), num_close=0)
        found = np.sort(keys)[::-1]
        clips, scores = self._expanded(_LOW - 1 - found % _LOW, found // _LOW)
        nothing, share = (0.0, CLOSE) if self._vectors is None else (_UNIT, CLOSE_EMBEDDED)
        num_close = int(np.count_nonzero(scores - nothing >= share * (scores[0] - nothing)))
        kept = max(num_close, _KEPT)
        return Answer(clips=clips[:kept].copy(), scores=(scores[:kept] / _UNIT).astype(np.float32), num_close=num_close)

    def _expanded(
        self, texts: NDArray[np.int64], scores: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Returns the clips of texts and their scores, the best first, and of equally good ones the first by number.

        Texts are numbered by their first clip, so the best `depth` texts hold the best `depth` clips.
        """
        counts = self._bounds[texts + 1] - self._bounds[texts]
        starts = np.repeat(self._bounds[texts] - np.cumsum(counts) + counts, counts)
        clips = self._by_text[starts + np.arange(len(starts))]
        scores = np.repeat(scores, counts)
        if len(clips) > len(texts):
            order = np.lexsort((clips, -scores))[: self._depth]
            clips, scores = clips[order], scores[order]
        return clips, scores

    # -- index ---------------------------------------------------------------------------------------------------------

    @functools.cached_property
    def _clips(self) -> tuple[list[Bank], NDArray[np.int16], NDArray[np.int32]]:
        """The banks, and the bank and row of each clip by number: in the order of banks and ids."""
        banks = [self._supply.library.banks[name] for name in sorted(self._supply.library.banks)]
        bank_of, row_of = [], []
        for number, bank in enumerate(banks):
            rows = self._supply.rows(bank.name)
            ids = bank.columns("id")["id"].take(rows)
            ordered = rows[pc.sort_indices(ids).to_numpy()]
            bank_of.append(np.full(len(rows), number, np.int16))
            row_of.append(ordered)
        return banks, np.concatenate([np.empty(0, np.int16), *bank_of]), np.concatenate([_NO_ROWS, *row_of])

    @functools.cached_property
    def _index(self) -> duckdb.DuckDBPyConnection:
        # One thread: workers share the machine, and the same statement then takes the same way through the data.
        connection = duckdb.connect(config={"threads": 1})
        texts, text_of = self._texts()
        self._by_text = np.argsort(text_of, kind="stable").astype(np.int32)
        self._bounds = np.searchsorted(text_of[self._by_text], np.arange(len(texts) + 1))
        if self._vectors is None:
            terms, postings = _postings(texts)
            self._terms = {term: number for number, term in enumerate(terms)}
            _create(connection, "postings", postings)
            connection.execute(
                "create table terms as select term, list(text order by text) as texts, "
                "list(weight order by text) as weights from postings group by term order by term"
            )
            connection.execute("drop table postings")
        else:
            numbers = np.arange(len(texts), dtype=np.int32)
            _create(connection, "texts", pa.table({"text": numbers, "vector": self._vectors.kept(texts)}))
        return connection

    def _texts(self) -> tuple[list[str], NDArray[np.int32]]:
        """Returns the different texts in the order of their first clips, and which of them each clip has."""
        banks, bank_of, row_of = self._clips
        numbers: dict[str, int] = {}
        text_of = np.empty(len(row_of), np.int32)
        names = functools.cache(self._name_text)
        for number, bank in enumerate(banks):
            mine = np.flatnonzero(bank_of == number)
            columns = bank.columns("label", "caption").take(row_of[mine])
            for clip, label, caption in zip(
                mine.tolist(), columns["label"].to_pylist(), columns["caption"].to_pylist(), strict=True
            ):
                text_of[clip] = numbers.setdefault(f"{names(label)}. {caption}", len(numbers))
        return list(numbers), text_of

    def _name_text(self, label: str) -> str:
        known = self._supply.ontology.get(self._supply.ontology.canonical(label) or label)
        return label.replace("_", " ") if known is None else name_text(known)


def _run(connection: duckdb.DuckDBPyConnection, statement: str, asked: pa.Table) -> pa.Table:
    connection.register("asked", asked)
    found = connection.sql(statement).to_arrow_table()
    connection.unregister("asked")
    return found


def _create(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    connection.register("given", table)
    connection.execute(f"create table {name} as select * from given")  # noqa: S608 - our own names
    connection.unregister("given")


def _postings(texts: Iterable[str]) -> tuple[list[str], pa.Table]:
    """Returns the terms, and (term, text, weight) of every word of every text; weights are those of BM25, in `_UNIT`s.

    A text is short and repeats little, so a word counts once however often it stands there.
    """
    stems = [sorted(set(words(text))) for text in texts]
    counts = np.fromiter(map(len, stems), np.int64, len(stems))
    terms = pa.array([term for some in stems for term in some], pa.string()).dictionary_encode()
    codes = terms.indices.to_numpy()
    frequency = np.bincount(codes, minlength=len(terms.dictionary))
    idf = np.log1p((len(stems) - frequency + 0.5) / (frequency + 0.5))
    mean = max(1.0, float(counts.mean())) if len(counts) else 1.0
    length = (_K1 + 1) / (1 + _K1 * (1 - _B + _B * counts / mean))
    text_of = np.repeat(np.arange(len(stems), dtype=np.int32), counts)
    weight = np.rint(_UNIT * idf[codes] * length[text_of]).astype(np.int32)
    return terms.dictionary.to_pylist(), pa.table({"term": codes, "text": text_of, "weight": weight})
