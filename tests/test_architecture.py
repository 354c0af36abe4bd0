"""Who may import whom, what loads without Ray and torch, and that our folders hide no other package."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "soundflow_data": ROOT / "soundflow_data",
    "soundflow_pipelines": ROOT / "pipelines/soundflow_pipelines",
    "soundflow_trainer": ROOT / "trainer/soundflow_trainer",
}
MAY_IMPORT = {
    "soundflow_data": set(),
    "soundflow_pipelines": {"soundflow_data"},
    "soundflow_trainer": {"soundflow_data"},
}
HEAVY = {
    "ray": {"soundflow_pipelines", "soundflow_trainer"},
    "torch": {"soundflow_trainer"},
    "transformers": {"soundflow_trainer"},
}
SPEECH_MODELS = {
    "torch",
    "torchaudio",
    "transformers",
    "TTS",
    "whisperx",
    "faster_whisper",
    "ctranslate2",
    "nltk",
    "jiwer",
}


def files() -> Iterator[tuple[str, Path]]:
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            yield package, path


def imports(path: Path) -> set[str]:
    """Top-level names that a file imports anywhere, type-checking blocks included."""
    return imported(ast.parse(path.read_text(encoding="utf-8")))


def imports_at_once(path: Path) -> set[str]:
    """Top-level names that a file imports when it is imported itself."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lazy = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or is_type_checking(node)
        for inner in ast.walk(node)
    }
    return imported(tree, lazy)


def imported(tree: ast.Module, without: Collection[int] = ()) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if id(node) in without:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@pytest.mark.parametrize(("package", "path"), [pytest.param(*one, id=str(one[1].relative_to(ROOT))) for one in files()])
def test_directions(package: str, path: Path) -> None:
    used = imports(path)
    assert not (used & set(PACKAGES)) - MAY_IMPORT[package] - {package}
    if path.parent == ROOT / "soundflow_data/speech":
        assert not imports_at_once(path) & SPEECH_MODELS  # engines load models when they are first used
        used -= SPEECH_MODELS
    for heavy, allowed in HEAVY.items():
        assert heavy not in used or package in allowed


def test_ray_is_imported_in_one_place_of_each() -> None:
    assert [path.name for _, path in files() if "ray" in imports(path)] == ["ray_executor.py", "ray_train.py"]


def test_timeline_stands_below_everything() -> None:
    text = (ROOT / "soundflow_data/timeline.py").read_text()
    ours = {line for line in text.splitlines() if line.startswith(("from soundflow", "import soundflow"))}
    assert ours == {"from soundflow_data.errors import TimelineError"}


BLOCKED = """
import importlib, pkgutil, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("ray", "torch", "torchaudio", "TTS", "whisperx", "faster_whisper", "transformers"):
            raise ModuleNotFoundError(f"{name} is blocked in this test")

sys.meta_path.insert(0, Blocker())
for package in ("soundflow_data", "soundflow_pipelines"):
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
import soundflow_data
for name in soundflow_data.__all__:
    getattr(soundflow_data, name)
assert set(soundflow_data.__all__) <= set(dir(soundflow_data))
"""


def test_everything_imports_without_ray_and_torch() -> None:
    subprocess.run([sys.executable, "-c", BLOCKED], check=True)


def test_importing_the_library_is_light() -> None:
    script = (
        "import sys, soundflow_data; "
        "heavy = {'numpy', 'pyarrow', 'numba', 'duckdb', 'matplotlib', 'pydantic', 'soundfile'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("name", ["trainer", "pipelines", "recipes", "manifests", "notebooks"])
def test_folders_hide_no_installed_package(name: str, tmp_path: Path) -> None:
    """coqui-tts installs a package called `trainer`; with our root first on the path, that one must be found."""
    assert not (ROOT / name / "__init__.py").exists()
    package = tmp_path / "site" / name
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("REAL = True\n")
    script = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(package.parent)!r}]; import {name}; "
    subprocess.run([sys.executable, "-c", script + f"assert {name}.REAL"], check=True, cwd=ROOT)
