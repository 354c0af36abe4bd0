"""What README and docs show is run: Python blocks as they stand, commands as far as they name what exists."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for match in BLOCK.finditer(page.read_text(encoding="utf-8")):
            if match["language"] == language:
                yield page, match["text"]


def commands() -> list[str]:
    """Every line of a block that starts with `soundflow`."""
    return sorted(
        {
            line.split("#")[0].strip().split()[1]
            for language in ("", "sh", "bash", "console")
            for _, text in blocks(language)
            for line in text.splitlines()
            if line.startswith(("soundflow ", "$ soundflow "))
        }
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.fixture(scope="module")
def workplace(sounds_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bank and a finished run, as the snippets assume."""
    from soundflow_data import Bank, Corpus, load_recipe  # noqa: PLC0415
    from soundflow_pipelines.executor import InProcess  # noqa: PLC0415
    from soundflow_pipelines.synthesize import Run  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("workplace")
    (folder / "demo/banks").mkdir(parents=True)
    (folder / "demo/banks/sounds").symlink_to(sounds_path)
    recipe = load_recipe(ROOT / "recipes/quickstart.yaml", ["streams=8", "streams_per_shard=4", "splits={train: 1.0}"])
    run = Run(Corpus(recipe, {"sounds": Bank.open(sounds_path)}), folder / "demo/quickstart")
    assert not [outcome.failure for outcome in run.make(InProcess()) if outcome.failure]
    assert run.finish()
    return folder


# What needs a trained model is shown in the pages of the trainer and run by its own tests.
SNIPPETS = [(page, text) for page, text in blocks("python") if "soundflow_trainer" not in text]


@pytest.mark.parametrize("snippet", range(len(SNIPPETS)))
def test_python_snippets_run(snippet: int, workplace: Path) -> None:
    page, text = SNIPPETS[snippet]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=workplace, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{page.name}:\n{text}\n{done.stderr}"


@pytest.mark.parametrize("command", commands())
def test_commands_exist(command: str) -> None:
    from typer.testing import CliRunner  # noqa: PLC0415

    from soundflow_pipelines.cli import app  # noqa: PLC0415

    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0, result.output


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        for target in re.findall(r"\bmake ([a-z][a-z-]+)`", page.read_text(encoding="utf-8")):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page.name} names make {target}"


@pytest.mark.parametrize("notebook", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_run(notebook: Path, tmp_path: Path) -> None:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    assert not [cell for cell in cells if cell.get("outputs")], "notebooks are committed without outputs"
    script = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "first_stream.png").stat().st_size > 10_000
