"""Retrieval: exact, ranked as worked out by hand, the same every time, and within the split."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from soundflow_data.bank import Bank
from soundflow_data.errors import SoundFlowError
from soundflow_data.scenario.embedding import LocalEmbedder, Vectors
from soundflow_data.scenario.retrieval import CLOSE, Retriever
from soundflow_data.scenario.settings import ScenarioSettings
from soundflow_data.scenario.staging import Stager
from soundflow_data.scenario.supply import Supply
from soundflow_data.scenario.wording import words
from tests.scenario_material import Recording, library_of, write_bank

# Labels that the ontology does not have, so that a clip's text is what stands here.
CAPTIONS = {
    "d": "a dog barks",
    "b": "a dog barks and a dog growls at a cat",
    "c": "rain falls on a tin roof",
    "a": "a dog barks",
    "e": "",
}


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    recordings = [Recording(id=name, caption=caption) for name, caption in CAPTIONS.items()]
    return write_bank(tmp_path_factory.mktemp("banks") / "captions", recordings)


def found(retriever: Retriever, query: str, top: int = 3) -> list[str]:
    return [hit.bank.clip(hit.row).id for hit in retriever.search(query, top)]


def test_ranks_as_worked_out_by_hand(bank: Bank) -> None:
    # Different texts: "dog bark" (2 words), "dog bark growl cat" (4), "rain fall tin roof" (4), "" (0); mean 2.5.
    # Both words of the query are in 2 of 4 texts: idf = ln(1 + (4 - 2 + 0.5) / (2 + 0.5)) = ln 2.
    def weight(length: int) -> float:
        return math.log(2) * 2.2 / (1 + 1.2 * (0.25 + 0.75 * length / 2.5))

    hits = Retriever(Supply(library_of(bank))).search("The dog, barking", top=10)
    assert [hit.bank.clip(hit.row).id for hit in hits] == ["a", "d", "b"]
    assert [hit.score for hit in hits] == pytest.approx([2 * weight(2), 2 * weight(2), 2 * weight(4)], abs=1e-4)


def test_equal_clips_are_ordered_by_id_and_the_top_is_three(bank: Bank) -> None:
    retriever = Retriever(Supply(library_of(bank)))
    assert found(retriever, "dog") == ["a", "d", "b"]
    assert found(retriever, "dog", top=1) == ["a"]
    assert found(retriever, "tin dog", top=2) == ["c", "a"]


def test_nothing_is_found_where_no_word_is_shared(bank: Bank) -> None:
    retriever = Retriever(Supply(library_of(bank)))
    assert found(retriever, "violin") == []
    assert found(retriever, "") == []
    assert found(retriever, "the and of") == []


def test_only_the_rows_of_the_split_are_found(bank: Bank) -> None:
    train = Retriever(Supply(library_of(bank, rows={bank.name: [0, 2]})))
    assert found(train, "dog rain", top=9) == ["c", "d"] or found(train, "dog rain", top=9) == ["d", "c"]
    assert found(Retriever(Supply(library_of(bank, rows={bank.name: []}))), "dog") == []


def test_speech_and_beds_are_not_found(tmp_path: Path) -> None:
    kinds = ("sound", "music", "noise", "speech")
    bank = write_bank(tmp_path / "b", [Recording(id=kind, caption="dog", kind=kind) for kind in kinds])  # type: ignore[arg-type]
    assert sorted(found(Retriever(Supply(library_of(bank))), "dog", top=9)) == ["music", "sound"]


def test_labels_are_found_by_their_names_in_any_bank(tmp_path: Path) -> None:
    one = write_bank(tmp_path / "b", [Recording(id="1", label="baby_cry"), Recording(id="2", label="Theremin_solo")])
    other = write_bank(tmp_path / "a", [Recording(id="3", label="rain"), Recording(id="4", label="baby_cry")])
    retriever = Retriever(Supply(library_of(one, other)))
    assert [(hit.bank.name, hit.row) for hit in retriever.search("a crying baby")] == [("a", 1), ("b", 0)]
    assert found(retriever, "theremin") == ["2"]


WORDS = ("dog", "cat", "rain", "bell", "door", "car")
texts = st.lists(st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join), min_size=1, max_size=12)


def plain_scores(query: str, captions: Sequence[str]) -> list[float]:
    """BM25 word by word and text by text, with equal texts counted once."""
    stems = [set(words(caption)) for caption in dict.fromkeys(captions)]
    mean = max(1.0, sum(map(len, stems)) / len(stems))

    def score(some: set[str]) -> float:
        total = 0.0
        for term in set(words(query)) & some:
            frequency = sum(term in other for other in stems)
            idf = math.log(1 + (len(stems) - frequency + 0.5) / (frequency + 0.5))
            total += idf * 2.2 / (1 + 1.2 * (0.25 + 0.75 * len(some) / mean))
        return total

    return [score(set(words(caption))) for caption in captions]


@settings(max_examples=12)
@given(captions=texts, queries=texts)
def test_agrees_with_the_plain_form(
    tmp_path_factory: pytest.TempPathFactory, captions: list[str], queries: list[str]
) -> None:
    recordings = [Recording(id=f"{i:02d}", caption=caption) for i, caption in enumerate(captions)]
    retriever = Retriever(Supply(library_of(write_bank(tmp_path_factory.mktemp("banks") / "b", recordings))))
    for query, answer in zip(queries, retriever.answers(queries), strict=True):
        scores = plain_scores(query, captions)
        wanted = {i: score for i, score in enumerate(scores) if score}
        rows = [retriever.hit(answer, place).row for place in range(len(answer.clips))]
        assert set(rows) == set(wanted)
        assert answer.scores.tolist() == pytest.approx([wanted[row] for row in rows], abs=1e-3)
        assert sorted(answer.scores.tolist(), reverse=True) == answer.scores.tolist()
        close = sum(score >= CLOSE * max(wanted.values()) - 1e-3 for score in wanted.values()) if wanted else 0
        assert abs(answer.num_close - close) <= sum(
            abs(score - CLOSE * max(wanted.values())) < 2e-3 for score in wanted.values()
        )


def test_one_query_or_many_give_the_same(bank: Bank) -> None:
    queries = [f"{first} {second}" for first in WORDS[:3] for second in ("roof", "cat growl")] + ["nothing here"]
    together = Retriever(Supply(library_of(bank))).answers(queries)
    for query, answer in zip(queries, together, strict=True):
        (alone,) = Retriever(Supply(library_of(bank))).answers([query])
        assert alone.clips.tolist() == answer.clips.tolist()
        assert alone.scores.tolist() == answer.scores.tolist()
        assert alone.num_close == answer.num_close


def test_answers_are_bounded(tmp_path: Path) -> None:
    recordings = [Recording(id=f"{i:03d}", caption="dog" if i % 2 else f"dog number {i}") for i in range(200)]
    bank = write_bank(tmp_path / "b", recordings)
    (answer,) = Retriever(Supply(library_of(bank)), depth=90).answers(["dog"])
    assert answer.num_close == 90
    assert found(Retriever(Supply(library_of(bank)), depth=90), "dog", top=90) == [f"{i:03d}" for i in range(1, 180, 2)]


# -- by meaning --------------------------------------------------------------------------------------------------------


class Colours:
    """An embedder to read: the shares of three groups of words."""

    name = "colours"

    def __init__(self) -> None:
        self.num_embedded = 0

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.num_embedded += len(texts)
        groups = ({"dog", "puppy", "bark"}, {"rain", "drizzl", "roof"}, {"cat"})
        counts = np.array([[1e-3 + len(group & set(words(text))) for group in groups] for text in texts], np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def test_meaning_finds_what_shares_no_word(bank: Bank) -> None:
    retriever = Retriever(Supply(library_of(bank)), vectors=Vectors(Colours()))
    assert found(retriever, "puppy") == ["a", "d", "b"]
    assert found(retriever, "drizzle", top=1) == ["c"]
    (best,) = retriever.search("puppy", top=1)
    assert best.score == pytest.approx(2.0, abs=1e-3)
    assert retriever.answers(["puppy"])[0].num_close == 2


def test_vectors_of_a_bank_are_made_once(bank: Bank, tmp_path: Path) -> None:
    embedder = Colours()
    for _ in range(2):
        retriever = Retriever(Supply(library_of(bank)), vectors=Vectors(embedder, tmp_path / "vectors"))
        assert found(retriever, "drizzle", top=1) == ["c"]
    assert embedder.num_embedded == len(set(CAPTIONS.values())) + 2
    assert len(list((tmp_path / "vectors").iterdir())) == 1


def test_an_embedder_of_the_wrong_shape_is_named(bank: Bank) -> None:
    class Short(Colours):
        def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return super().embed(texts)[:1]

    with pytest.raises(SoundFlowError, match=r"'colours' gave an array of shape \(1, 3\) for 4 texts"):
        Retriever(Supply(library_of(bank)), vectors=Vectors(Short())).search("dog")


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(SoundFlowError, match=r"has no config\.json"):
        LocalEmbedder(tmp_path)


def test_a_recipe_may_name_a_model(bank: Bank, tmp_path: Path) -> None:
    settings = ScenarioSettings(embedder=str(tmp_path), vectors="vectors")
    assert Path(settings.vectors).is_absolute()
    assert Stager(library_of(bank), ScenarioSettings())
    with pytest.raises(SoundFlowError, match=r"has no config\.json"):
        Stager(library_of(bank), settings)
