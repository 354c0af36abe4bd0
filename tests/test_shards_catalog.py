import csv
import json
import re
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
from small_runs import LICENCES, make_timeline, write_run, write_shard

from soundflow_data.errors import RunError, ShardError
from soundflow_data.quality.stats import query, stats
from soundflow_data.quality.validate import validate
from soundflow_data.shards import LocalStorage, ShardPlan, StreamReader, write_bytes
from soundflow_data.shards.catalog import Description, RunStatus, write_catalog
from soundflow_data.shards.layout import CROISSANT, LICENSES, README, STATUS
from soundflow_data.shards.manifest import columns_of

WRITTEN = (README, CROISSANT, LICENSES, STATUS)
PLAN = ShardPlan({"train": 14, "validation": 4}, 5)
TIMELINES = [make_timeline("train", n) for n in range(14) if n % 5 != 4] + [
    make_timeline("validation", n) for n in range(4)
]


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> LocalStorage:
    storage = LocalStorage(tmp_path_factory.mktemp("run"))
    write_run(storage, PLAN)
    write_catalog(storage, Description(name="tones", text="Tones with counts."))
    return storage


# -- statistics -------------------------------------------------------------------------------------------------------


def test_totals(storage: LocalStorage) -> None:
    totals = stats(storage)
    assert totals.total.streams == len(TIMELINES)
    assert totals.total.samples == sum(timeline.num_samples for timeline in TIMELINES)
    assert totals.total.hours == totals.total.samples / 57_600_000
    assert totals.total.responses == 2 * len(TIMELINES)
    assert totals.total.mean_rounds == 2
    chunks = sum(timeline.num_chunks for timeline in TIMELINES)
    assert totals.total.silent_share == (chunks - 2 * len(TIMELINES)) / chunks


def test_groups(storage: LocalStorage) -> None:
    totals = stats(storage)
    assert [(group.name, group.streams) for group in totals.splits] == [("train", 12), ("validation", 4)]
    assert [group.name for group in totals.abilities] == sorted({timeline.ability for timeline in TIMELINES})
    for group in totals.subtasks:
        mine = [timeline for timeline in TIMELINES if timeline.subtask == group.name]
        assert (group.ability, group.streams) == (mine[0].ability, len(mine))
        assert group.samples == sum(timeline.num_samples for timeline in mine)
    assert [group.name for group in totals.languages] == ["en"]
    assert [(drop.reason, drop.streams) for drop in totals.drops] == [("too long", 2)]
    licences = {row.licence: (row.streams, row.events, row.samples) for row in totals.licences}
    for licence in LICENCES:
        mine = [timeline for timeline in TIMELINES if timeline.events[0].licence == licence]
        assert licences[licence] == (len(mine), 2 * len(mine), 8_000 * len(mine))


def test_directory_without_shards(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    totals = stats(storage)
    assert (totals.total.streams, totals.total.silent_share, totals.total.mean_rounds) == (0, 0, 0)
    assert totals.abilities == totals.licences == totals.drops == ()
    assert query(storage, "SELECT key FROM drops").rows == []
    with pytest.raises(RunError, match="no shard is finished"):
        write_catalog(storage)


# -- queries ----------------------------------------------------------------------------------------------------------


def test_queries_over_all_views(storage: LocalStorage) -> None:
    result = query(storage, "SELECT split, count(*) AS n FROM streams GROUP BY split ORDER BY split")
    assert result.columns == ("split", "n")
    assert result.rows == [("train", 12), ("validation", 4)]
    joined = query(
        storage,
        """SELECT r.text, e.label FROM responses r JOIN events e ON e.key = r.key AND list_contains(r.events, e.event)
           WHERE r.key = 'train-000001'""",
    )
    assert joined.rows == [("one tone", "tone 0")]
    assert query(storage, "SELECT key, detail FROM drops ORDER BY key").rows[0] == ("train-000004", "stream 4")
    assert query(storage, "SELECT sum(num_streams), sum(num_drops) FROM receipts").rows == [(16, 2)]
    assert query(storage, "SELECT call->>'$.arguments.room' FROM responses WHERE call IS NOT NULL LIMIT 1").rows == [
        ("kitchen",)
    ]


def test_bad_queries_list_the_columns(storage: LocalStorage) -> None:
    with pytest.raises(RunError) as caught:
        query(storage, "SELECT duration FROM streams")
    message = str(caught.value)
    assert 'column "duration" not found' in message
    for view, table in (("streams", "manifest"), ("events", "events"), ("responses", "responses")):
        names = ", ".join(column.name for column in columns_of(table))  # type: ignore[arg-type]
        assert f"{view}: {names}" in message
    assert "drops: shard, split, key, reason, detail" in message
    with pytest.raises(RunError, match="syntax error"):
        query(storage, "SELEKT 1")


@pytest.mark.parametrize(
    "sql", ["CREATE TABLE t (i INT)", "DROP VIEW streams", "COPY streams TO 'stolen.csv'", "SELECT 1; SELECT 2", ""]
)
def test_only_one_select_is_answered(storage: LocalStorage, sql: str) -> None:
    with pytest.raises(RunError, match="one SELECT is answered"):
        query(storage, sql)


def test_damaged_table(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    spec = write_run(storage, ShardPlan({"train": 2}, 2))[0].shard
    write_bytes(storage, spec.table("manifest"), bytes(storage.size(spec.table("manifest"))))
    with pytest.raises(ShardError, match="soundflow validate"):
        stats(storage)


def test_names_with_quotes(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / 'it\'s 100% "odd" [1]')
    write_run(storage, ShardPlan({"train": 5}, 5))
    assert query(storage, "SELECT count(*) FROM streams").rows == [(4,)]
    assert query(storage, "SELECT count(*) FROM drops").rows == [(1,)]
    assert len(StreamReader(storage)) == 4


# -- catalogue --------------------------------------------------------------------------------------------------------


def test_catalogue_is_complete_and_valid(storage: LocalStorage) -> None:
    assert all(storage.exists(path) for path in WRITTEN)
    assert validate(storage, plan=PLAN).ok


def test_status(storage: LocalStorage) -> None:
    status = msgspec.json.decode(storage.read("status.json"), type=RunStatus)
    assert (status.shards, status.streams, status.drops) == (4, 16, {"too long": 2})
    made = (
        path for path in storage.list() if path.startswith(("data", "manifest", "events", "responses", "quarantine"))
    )
    assert status.num_bytes == sum(storage.size(path) for path in made)


def test_licences(storage: LocalStorage) -> None:
    rows = list(csv.DictReader(storage.read("LICENSES.csv").decode().splitlines()))
    assert [row["licence"] for row in rows] == sorted(LICENCES)
    seconds = sum(float(row["seconds"]) for row in rows)
    assert seconds == pytest.approx(
        sum(event.num_samples for timeline in TIMELINES for event in timeline.events) / 16_000
    )


def test_readme(storage: LocalStorage) -> None:
    text = storage.read("README.md").decode()
    assert "# tones\n\nTones with counts.\n\n16 streams" in text
    assert "| `validation` | 4 |" in text
    assert "| too long | 2 |" in text
    assert "| tones | CC-BY-NC-4.0 |" in text
    head = text.split("---")[1]
    assert "path: data/validation/*.tar" in head


def test_python_of_the_readme_runs(storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("webdataset")
    monkeypatch.chdir(storage.root)
    snippets = re.findall(r"```python\n(.*?)```", storage.read("README.md").decode(), re.DOTALL)
    assert len(snippets) == 2
    for snippet in snippets:
        names: dict[str, object] = {}
        exec(snippet, names)
        assert {"sample", "item"} & set(names)


def test_sql_of_the_readme_runs(storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(storage.root)
    (sql,) = re.findall(r"```sql\n(.*?)```", storage.read("README.md").decode(), re.DOTALL)
    assert sum(row[1] for row in query(storage, sql).rows) == 16


def test_croissant_describes_files_and_columns(storage: LocalStorage) -> None:
    metadata = json.loads(storage.read("croissant.json"))
    assert metadata["@type"] == "sc:Dataset"
    assert metadata["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert metadata["license"] == [f"https://spdx.org/licenses/{name}.html" for name in sorted(LICENCES)]
    files = {item["@id"]: item for item in metadata["distribution"]}
    for item in files.values():
        assert item["@type"] == "cr:FileSet"
        assert list(storage.root.glob(item["includes"])), item["includes"]
    assert len(metadata["recordSet"]) == 3
    for records in metadata["recordSet"]:
        fields = {field["@id"]: field for field in records["field"]}
        assert all(key["@id"] in fields for key in records["key"])
        for field in fields.values():
            source = files[field["source"]["fileSet"]["@id"]]
            part = next(iter(storage.root.glob(source["includes"])))
            kind = pq.read_schema(part).field(field["source"]["extract"]["column"]).type
            assert str(kind).startswith("list") == field.get("repeated", False)
            assert field["dataType"] in {"sc:Text", "sc:Integer", "sc:Float"}
            assert field["description"]


def test_croissant_says_what_it_is_told(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    write_run(storage, ShardPlan({"train": 2}, 2))
    told = Description(
        name="n", text="t", creator="c", url="https://example.org", published="2026-01-31", citation="@x"
    )
    write_catalog(storage, told)
    metadata = json.loads(storage.read("croissant.json"))
    assert metadata["creator"] == {"@type": "sc:Organization", "name": "c"}
    assert (metadata["url"], metadata["datePublished"], metadata["citeAs"]) == (
        "https://example.org",
        "2026-01-31",
        "@x",
    )


def test_croissant_loads_with_the_reference_library(storage: LocalStorage) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    dataset = mlcroissant.Dataset(storage.locate("croissant.json"))
    assert len(list(dataset.records("streams"))) == 16


def test_equal_shards_give_equal_catalogues(storage: LocalStorage, tmp_path: Path) -> None:
    other = LocalStorage(tmp_path)
    for spec in reversed(PLAN):
        write_shard(other, spec)
    write_catalog(other, Description(name="tones", text="Tones with counts."))
    for path in WRITTEN:
        assert other.read(path) == storage.read(path), path


def test_catalogue_needs_every_file(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    receipts = write_run(storage, PLAN)
    storage.remove(receipts[0].shard.tar)
    with pytest.raises(RunError, match=r"data/train/train-000000\.tar is missing; run the same command again"):
        write_catalog(storage)
