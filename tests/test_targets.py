"""The chunk rule: nothing is said before its evidence, nothing shares a chunk but the parts of one running answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundflow_data.errors import TimelineError
from soundflow_data.targets import decision_time_s, earliest_chunk, place, project
from soundflow_data.timeline import SAMPLE_RATE, Response, Timeline

CHUNK = 6_400


def response(due: int, *, text: str = "yes", run: int = -1, language: str = "en", late: int = 0) -> Response:
    return Response(text=text, evidence=due, due=due + late, run=run, language=language)


def timeline(*responses: Response, num_chunks: int = 10, chunk: int = CHUNK) -> Timeline:
    return Timeline(
        key="t",
        split="train",
        ability="a",
        subtask="s",
        num_samples=num_chunks * chunk,
        chunk=chunk,
        responses=responses,
    )


@pytest.mark.parametrize(
    ("evidence", "chunk"),
    [(0, 0), (1, 0), (CHUNK - 1, 0), (CHUNK, 0), (CHUNK + 1, 1), (2 * CHUNK, 1), (2 * CHUNK + 1, 2)],
)
def test_earliest_chunk_at_its_boundaries(evidence: int, chunk: int) -> None:
    assert earliest_chunk(evidence, CHUNK) == chunk


def test_the_later_of_two_responses_moves_to_the_next_chunk() -> None:
    spoken = place([response(100, text="first"), response(200, text="second"), response(300, text="third")], CHUNK)
    assert [(target.chunk, target.text) for target in spoken] == [(0, "first"), (1, "second"), (2, "third")]


def test_a_delayed_response_leaves_a_gap_for_others() -> None:
    spoken = place([response(3 * CHUNK, text="late"), response(10, text="early")], CHUNK)
    assert [(target.chunk, target.text) for target in spoken] == [(0, "early"), (2, "late")]


def test_words_that_end_in_one_chunk_are_said_together() -> None:
    words = [response(100, text="the", run=0), response(6_400, text="dog", run=0), response(6_401, text="barks", run=0)]
    spoken = place(words, CHUNK)
    assert [(target.chunk, target.text, target.responses) for target in spoken] == [
        (0, "the dog", (0, 1)),
        (1, "barks", (2,)),
    ]


def test_chinese_parts_are_joined_without_spaces() -> None:
    parts = [response(10, text="今天", run=3, language="zh"), response(20, text="很冷。", run=3, language="zh")]
    assert place(parts, CHUNK)[0].text == "今天很冷。"


def test_two_running_answers_are_not_mixed() -> None:
    spoken = place([response(10, text="a", run=0), response(20, text="b", run=1), response(30, text="c", run=1)], CHUNK)
    assert [(target.chunk, target.text) for target in spoken] == [(0, "a"), (1, "b c")]


def test_a_response_without_room_is_refused() -> None:
    stream = timeline(response(2 * CHUNK, text="a"), response(2 * CHUNK, text="b"), num_chunks=2)
    with pytest.raises(TimelineError, match=r"'b'.*needs chunk 2.*has 2 chunks"):
        project(stream)


def test_projection_to_another_chunk_length() -> None:
    stream = timeline(response(16_001), num_chunks=5)
    assert [target.chunk for target in project(stream, 16_000).spoken] == [1]
    assert len(project(stream, 3_200)) == 10
    with pytest.raises(TimelineError, match="must be at least 1"):
        project(stream, 0)


def test_decisions_and_iteration_agree() -> None:
    result = project(timeline(response(CHUNK), response(5 * CHUNK)))
    assert result.decisions().tolist() == [target.decision == "response" for target in result]
    assert len(result) == len(list(result)) == 10


responses = st.lists(
    st.builds(
        response,
        st.integers(0, 20 * CHUNK),
        run=st.sampled_from([-1, -1, 0, 1]),
        late=st.integers(0, 3 * CHUNK),
    ),
    max_size=25,
)


@given(responses, st.sampled_from([1_600, 3_200, CHUNK, 16_000]))
def test_no_response_is_ever_early_or_lost(some: list[Response], chunk: int) -> None:
    spoken = place(some, chunk)
    said = [i for target in spoken for i in target.responses]
    assert sorted(said) == list(range(len(some)))
    chunks = [target.chunk for target in spoken]
    assert chunks == sorted(set(chunks))
    for target in spoken:
        for i in target.responses:
            assert decision_time_s(target, chunk) * SAMPLE_RATE >= some[i].due >= some[i].evidence
        if len(target.responses) > 1:
            runs = {some[i].run for i in target.responses}
            assert len(runs) == 1
            assert runs != {-1}


@given(st.integers(1, 10**9), st.integers(1, 10**5))
def test_the_earliest_chunk_is_the_earliest(evidence: int, chunk: int) -> None:
    k = earliest_chunk(evidence, chunk)
    assert (k + 1) * chunk >= evidence  # everything is heard
    assert k * chunk < evidence  # one chunk before, it was not
