import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundflow_data.errors import RecipeError
from soundflow_data.shards import ShardPlan, ShardSpec, parse_shards, plan_shards

SPLITS = st.dictionaries(st.sampled_from(["train", "validation", "test", "a_b-1"]), st.integers(0, 60), max_size=4)


@given(SPLITS, st.integers(1, 17))
def test_every_stream_is_in_exactly_one_shard(splits: dict[str, int], size: int) -> None:
    plan = plan_shards(splits, size)
    seen: dict[str, list[int]] = {split: [] for split in splits}
    numbers: dict[str, list[int]] = {split: [] for split in splits}
    for index, spec in enumerate(plan):
        assert spec.index == index
        assert 0 < spec.num_streams <= size
        seen[spec.split].extend(range(spec.start, spec.stop))
        numbers[spec.split].append(spec.number)
    assert seen == {split: list(range(count)) for split, count in splits.items()}
    assert all(found == list(range(len(found))) for found in numbers.values())
    assert len(plan) == sum(map(len, numbers.values()))


@given(SPLITS, st.integers(1, 17))
def test_paths_lead_back_to_their_shard(splits: dict[str, int], size: int) -> None:
    plan = plan_shards(splits, size)
    paths: set[str] = set()
    for spec in plan:
        of_shard = {spec.tar, spec.receipt, spec.quarantine, *map(spec.table, ("manifest", "events", "responses"))}
        assert {plan.find(path) for path in of_shard} == {spec}
        assert not of_shard & paths
        paths |= of_shard


def test_names() -> None:
    spec = plan_shards({"train": 25, "validation": 6}, 10)[3]
    assert spec == ShardSpec(index=3, split="validation", number=0, start=0, stop=6)
    assert spec.tar == "data/validation/validation-000000.tar"
    assert spec.table("manifest") == "manifest/validation/part-000000.parquet"
    assert spec.receipt == "receipts/shard-000003.json"
    assert spec.quarantine == "quarantine/shard-000003.jsonl"


def test_other_paths_belong_to_no_shard() -> None:
    plan = plan_shards({"train": 25}, 10)
    for path in ("run.json", "data/train/train-000003.tar", "data/test/test-000000.tar", "receipts/shard-000003.json"):
        assert plan.find(path) is None
    assert plan.find("data/train/test-000000.tar") is None


def test_a_plan_of_a_billion_streams_is_small_and_indexable() -> None:
    plan = plan_shards({"train": 10**9, "validation": 10**6}, 250)
    assert len(plan) == 4_004_000
    assert plan[4_000_000].tar == "data/validation/validation-000000.tar"
    assert plan[-1].stop == 10**6
    assert [spec.index for spec in plan[3_999_999:4_000_001]] == [3_999_999, 4_000_000]
    assert sys.getsizeof(plan) < 1000
    with pytest.raises(IndexError, match="shard 4004000 of 4004000"):
        plan[4_004_000]


@pytest.mark.parametrize(
    ("splits", "size", "message"),
    [
        ({"train": 5}, 0, "0 streams per shard"),
        ({"Train": 5}, 1, "split 'Train'"),
        ({"": 5}, 1, "split ''"),
        ({"train": -1}, 1, "-1 streams"),
    ],
)
def test_impossible_plans(splits: dict[str, int], size: int, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        plan_shards(splits, size)


def test_pieces() -> None:
    assert parse_shards("2:5", 8) == range(2, 5)
    assert parse_shards("2:", 8) == range(2, 8)
    assert parse_shards(":3", 8) == range(3)
    assert parse_shards("7", 8) == range(7, 8)
    assert parse_shards(":", 8) == range(8)


@pytest.mark.parametrize("text", ["", "5:2", "3:3", "0:9", "8", "-1:3", "a:b", "1:2:3"])
def test_bad_pieces(text: str) -> None:
    with pytest.raises(RecipeError, match=r"not a piece of this run; write A:B with 0 <= A < B <= 8"):
        parse_shards(text, 8)


def test_a_plan_is_a_sequence() -> None:
    plan = ShardPlan({"train": 5}, 2)
    assert [spec.start for spec in plan] == [0, 2, 4]
    assert plan[1] in plan
    assert next(reversed(plan)).stop == 5
