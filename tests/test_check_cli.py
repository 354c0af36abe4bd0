"""`soundflow check` as a user sees it: a table, JSON, exit codes, thresholds, and the page."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
import yaml
from damage import damage

from soundflow_data.corpus import Corpus
from soundflow_data.errors import RecipeError
from soundflow_data.quality.charts import chart_svg, number
from soundflow_data.quality.check.limits import Checks
from soundflow_data.quality.check.verdict import Chart, Measure, Reason, Result, Verdict
from soundflow_data.quality.report import report_html
from soundflow_data.quality.validate import validate
from soundflow_data.recipe import LoadedRecipe, Recipe, load_recipe, read_resolved
from soundflow_data.shards import LocalStorage
from soundflow_pipelines.cli import app
from soundflow_pipelines.executor import InProcess
from soundflow_pipelines.synthesize import Run


@pytest.fixture(scope="module")
def good(make_corpus: Callable[..., Corpus], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("good") / "out"
    run = Run(make_corpus(streams=10, streams_per_shard=5, duration_s=[12, 26], splits={"train": 1.0}), out)
    assert not [outcome.failure for outcome in run.make(InProcess()) if outcome.failure]
    assert run.finish()
    return out


@pytest.fixture
def out(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "out"))


def run_cli(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        app([str(word) for word in words])
    captured = capsys.readouterr()
    return int(str(ended.value.code or 0)), captured.out, captured.err


def test_good_corpus(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = run_cli(capsys, "check", out, "--workers", "1")
    assert code == 0, text
    assert re.search(r"^coherent +ok +1/1 ", text, re.MULTILINE)
    assert re.search(r"^passed: \d+ streams, [\d.]+ h \(looked at in .* real time\)$", text, re.MULTILINE)
    assert text.strip().endswith(f"report: {out / 'report.html'}")
    assert validate(LocalStorage(out)).ok  # the page is no stranger in the run directory


def test_corpus_that_fails(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storage = LocalStorage(out)
    damage(storage, lambda s: s.events(lambda i, e: e if i else msgspec.structs.replace(e, licence="")))
    code, text, _ = run_cli(capsys, "check", out, "--workers", "1")
    assert code == 1
    assert re.search(r"^licences +FAILED +1/2 +events without a licence \d", text, re.MULTILINE)
    assert re.search(r"^  events without a licence is [\d.]+%, above 0.0%$", text, re.MULTILINE)
    assert re.search(r"^  \d+ x no licence \(such as train-00000000, ", text, re.MULTILINE)
    assert re.search(r"^failed: (grounded, )?licences: ", text, re.MULTILINE)
    page = (out / "report.html").read_text()
    assert "checks fail" in page
    assert "no licence" in page


def test_json_two_workers_and_another_place(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "pages" / "report.html"
    code, text, err = run_cli(capsys, "check", out, "--workers", "2", "--json", "--report", page)
    found = json.loads(text)
    assert (code, found["ok"], err) == (0, True, "")
    assert found["report"] == str(page)
    assert page.is_file()
    assert not (out / "report.html").exists()
    assert {result["check"] for result in found["results"]} == set(Checks.model_fields)


def test_thresholds_of_a_finished_corpus(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = run_cli(capsys, "check", out, "--workers", "1", "--set", "checks.diverse.min_evenness=1")
    assert code == 1
    assert "failed: diverse" in text
    code, _, err = run_cli(capsys, "check", out, "--set", "hours=3")
    assert code == 1
    assert "a finished corpus has only its thresholds to set" in err
    code, _, err = run_cli(capsys, "check", out, "--set", "checks.leaks.max_speaker=3")
    assert code == 1
    assert "checks.leaks.max_speaker: unknown key; did you mean 'max_speakers'? allowed: max_recordings" in err


def test_no_run_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run_cli(capsys, "check", tmp_path)
    assert code == 1
    assert "is not an output directory of SoundFlow" in err


def test_damaged_shard(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tar = next(out.glob("data/train/*.tar"))
    tar.write_bytes(tar.read_bytes().replace(b"fLaC", b"fLaX"))
    code, _, err = run_cli(capsys, "check", out, "--workers", "1")
    assert code == 1
    assert "`soundflow validate` tells what is damaged and how to make it again" in err


# -- the section of the recipe ---------------------------------------------------------------------------------------


def test_thresholds_decide_no_bytes(make_recipe: Callable[..., LoadedRecipe]) -> None:
    plain = make_recipe()
    strict = make_recipe(checks={"plausible": {"max_share": 0.0}, "loudness": {"rms_dbfs": [-40, -20]}})
    assert strict.fingerprint() == plain.fingerprint()
    assert strict.recipe.checks.plausible.max_share == 0.0
    assert strict.recipe.checks.loudness.rms_dbfs == (-40.0, -20.0)
    assert yaml.safe_load(strict.resolved_yaml())["checks"]["loudness"]["rms_dbfs"] == [-40.0, -20.0]


def test_docs_show_every_threshold() -> None:
    page = (Path(__file__).parent.parent / "docs" / "quality.md").read_text(encoding="utf-8")
    block = next(text for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if text.startswith("checks:"))
    assert yaml.safe_load(block)["checks"] == Checks().model_dump(mode="json")
    for name in Checks.model_fields:
        assert f"| {name} |" in page


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"coherent": {"max_share": 1.5}}, "checks.coherent.max_share: 1.5 is not allowed"),
        ({"loudness": {"rms_dbfs": [-10, -40]}}, "checks.loudness.rms_dbfs: the range runs from -10 down to -40"),
        ({"loudnes": {}}, "checks.loudnes: unknown key; did you mean 'loudness'?"),
        ({"shares": {"tolerence": 1}}, "checks.shares.tolerence: unknown key; did you mean 'tolerance'?"),
        ({"leaks": {"max_speakers": -1}}, "checks.leaks.max_speakers: -1 is not allowed"),
    ],
)
def test_wrong_thresholds(make_recipe: Callable[..., LoadedRecipe], section: object, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        make_recipe(checks=section)
    assert message in str(caught.value)


def test_recipe_of_an_older_run_has_the_usual_thresholds(make_recipe: Callable[..., LoadedRecipe]) -> None:
    data = yaml.safe_load(make_recipe().resolved_yaml())
    del data["checks"]
    read = read_resolved(yaml.safe_dump(data).encode(), Path("recipe.yaml"), ["checks.leaks.max_speakers=2"])
    assert isinstance(read, Recipe)
    assert read.checks.leaks.max_speakers == 2
    assert read.checks.model_copy(update={"leaks": Checks().leaks}) == Checks()
    with pytest.raises(RecipeError, match="unknown key"):
        read_resolved(b"nonsense: 1", Path("recipe.yaml"))


def test_unknown_keys_elsewhere_are_still_explained(tmp_path: Path, make_recipe: Callable[..., LoadedRecipe]) -> None:
    data = yaml.safe_load(make_recipe().resolved_yaml())
    data["beds"]["cuont"] = 1
    data["banks"]["sounds"]["pathh"] = "x"
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert "beds.cuont: unknown key; did you mean 'count'?" in str(caught.value)
    assert "banks.sounds.pathh: unknown key; did you mean 'path'?" in str(caught.value)


# -- the page --------------------------------------------------------------------------------------------------------

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Checks that tags are closed in order, and collects what a page would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.fetched += [str(values[name]) for name in ("src", "data", "poster", "srcset") if values.get(name)]
        self.ids += [str(values["id"])] if "id" in values else []
        if "href" in values:
            (self.links if tag == "a" else self.fetched).append(str(values["href"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def verdict(**changes: object) -> Verdict:
    bad = Result(
        check="licences",
        summary="Every event <names> its licence.",
        measures=(
            Measure(name="events & more", value=3, unit="events", high=0),
            Measure(name="share", value=0.25, unit="share", low=0.2, high=0.5),
            Measure(name="texts", value=7, unit="texts", low=5, group="voice_chatting"),
        ),
        reasons=tuple(Reason(reason=f"<script>{i}", count=i, keys=("a", "b")) for i in range(30, 0, -1)),
        charts=(
            Chart(title="Bars", unit="share", labels=("a", "b" * 60), values=(0.5, 0.0), wanted=(0.4, 0.6)),
            Chart(title="Bins", unit="streams", values=(0.0, 4.0), edges=(0.0, 1.0, 2.0), edge_unit="s"),
            Chart(title="Nothing", unit="streams", values=()),
        ),
    )
    values = {"name": "x<y", "fingerprint": "f" * 64, "shards": 1, "streams": 2, "seconds": 60.0, "notes": ("a & b",),
              "results": (bad,)} | changes  # fmt: skip
    return Verdict(**values)  # type: ignore[arg-type]


def test_page_needs_nothing_else_and_escapes_what_it_is_told() -> None:
    text = report_html(verdict())
    page = Page(text)
    assert page.fetched == []
    assert set(page.links) == {"#licences"} <= {f"#{one}" for one in page.ids}
    assert "{{" not in text
    assert "<script>30" not in text
    assert "&lt;script&gt;30" in text
    assert "x&lt;y" in text
    assert "and 10 more reasons" in text
    assert "20.0 to 50.0%" in text
    assert report_html(verdict()) == text
    assert "http" not in re.sub(r"https?://www\.w3\.org\S*", "", text)


def test_page_with_streams_is_the_same_every_time(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_cli(capsys, "check", out, "--workers", "1")
    text = (out / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.fetched
    assert all(address.startswith("data:audio/flac;base64,ZkxhQ") for address in page.fetched)
    assert text.count('class="plan"') == len(page.fetched) == text.count("<audio")
    assert {f"#{one}" for one in page.ids} >= set(page.links)
    run_cli(capsys, "check", out, "--workers", "1")
    assert (out / "report.html").read_text(encoding="utf-8") == text


def test_bars_are_in_proportion() -> None:
    drawing = chart_svg(Chart(title="x", unit="streams", labels=("a", "b"), values=(10.0, 5.0)))
    wide, half = (float(width) for width in re.findall(r'class="bar"[^>]* width="([\d.]+)"', drawing))
    assert wide == pytest.approx(2 * half, abs=0.2)
    assert "10 streams" in drawing


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.256, "share", "25.6%"), (3.0, "streams", "3 streams"), (-23.456, "dBFS", "-23.5 dBFS"), (0.5, "", "0.50")],
)
def test_numbers(value: float, unit: str, text: str) -> None:
    assert number(value, unit) == text
