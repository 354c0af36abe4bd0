"""`soundflow try`: one sub-task file in, one stream out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer

from soundflow_data.errors import SubtaskError
from soundflow_data.version import VERSION
from soundflow_pipelines.cli.arguments import Json, num_cpus
from soundflow_pipelines.cli.terminal import Terminal

if TYPE_CHECKING:
    from soundflow_data.corpus import Corpus, Stream
    from soundflow_data.recipe import LoadedRecipe

SPLIT = "try"
Kind = Literal["single", "scenario", "complex", "proactive"]


def try_subtask(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A sub-task file, or the name of a built-in one, such as event_counting."),
    ],
    bank: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="A bank to take clips from; repeatable. [default: built-in sounds]"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives another stream.")] = 1,
    language: Annotated[str | None, typer.Option(help="en or zh. [default: the sub-task's first]")] = None,
    seconds: Annotated[
        float | None,
        typer.Option(min=1, max=600, help="Length that the stream should have. [default: 30, of a composite 90]"),
    ] = None,
    kind: Annotated[
        Kind, typer.Option(help="single, or a composite that it leads: scenario, complex or proactive.")
    ] = "single",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the files go. [default: try/<name of the sub-task>]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Makes one stream of a sub-task and shows it: timeline and targets as text, a WAV and a picture.

    Example: `soundflow try my_subtask.py --seed 2`, `soundflow try my_subtask.py --kind scenario`
    """
    from soundflow_data.quality.picture import picture  # noqa: PLC0415
    from soundflow_data.shards.record import encode_record, make_record  # noqa: PLC0415
    from soundflow_pipelines.cli.show import write_wav  # noqa: PLC0415
    from soundflow_pipelines.cli.story import tell  # noqa: PLC0415

    terminal = Terminal(as_json=as_json)
    corpus, stream = _make(terminal, _find(file), bank or [], seed, language, seconds, kind)
    name = corpus.subtasks[next(iter(corpus.subtasks))].name
    folder = out or Path("try") / name
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"{name}-{seed}"
    record = make_record(stream.timeline, stream.targets)
    write_wav(stem.with_suffix(".wav"), stream.pcm)
    stem.with_suffix(".json").write_bytes(encode_record(record))
    picture([stream], stem.with_suffix(".png"))
    tell(terminal, stream.timeline, stream.targets)
    terminal.say()
    written = [str(stem.with_suffix(suffix)) for suffix in (".wav", ".png", ".json")]
    terminal.say("wrote " + ", ".join(written))
    terminal.result({"stream": record, "written": written})


def _find(file: str) -> Path:
    """Returns the file of a sub-task by path, full name or last part of a built-in name."""
    from soundflow_data.subtasks import builtin_subtasks, find_subtask  # noqa: PLC0415

    if Path(file).is_file():
        return Path(file).resolve()
    alike = [path for name, path in builtin_subtasks().items() if name.endswith("/" + file)]
    return alike[0] if len(alike) == 1 else find_subtask(file)


def _make(
    terminal: Terminal,
    path: Path,
    banks: Sequence[Path],
    seed: int,
    language: str | None,
    seconds: float | None,
    kind: Kind,
) -> tuple[Corpus, Stream]:
    from soundflow_data.corpus import Corpus  # noqa: PLC0415
    from soundflow_data.errors import Drop  # noqa: PLC0415
    from soundflow_pipelines.banks import open_banks  # noqa: PLC0415
    from soundflow_pipelines.cli.bank import build_with_meter  # noqa: PLC0415

    loaded = _recipe(path, banks, seed, language, seconds or (30.0 if kind == "single" else 90.0), kind)
    folder = cache_folder()
    if not banks and not (folder / "builtin").exists():
        terminal.note(f"building the built-in sounds once, into {folder}")
    build_with_meter(terminal, loaded, folder, workers=num_cpus())
    corpus = Corpus(loaded, open_banks(loaded, folder))
    try:
        led = msgspec.structs.replace(corpus.spec(SPLIT, 0), subtask=next(iter(corpus.subtasks)), kind=kind)
        return corpus, corpus.make(led)
    except Drop as drop:
        raise SubtaskError(f"no stream with seed {seed}: {drop.reason} ({drop.detail}); try another --seed") from drop


def _recipe(
    path: Path, banks: Sequence[Path], seed: int, language: str | None, seconds: float, kind: Kind
) -> LoadedRecipe:
    """Returns a recipe of one stream; a composite may draw all built-in sub-tasks, and the one that leads is first."""
    from soundflow_data.recipe import LoadedRecipe, Recipe  # noqa: PLC0415
    from soundflow_data.subtasks import builtin_subtasks, load_subtask  # noqa: PLC0415

    task = load_subtask(path)
    language = language or task.languages[0]
    if language not in task.languages:
        raise SubtaskError(f"sub-task {task.name} plays in {', '.join(task.languages)}, not in {language!r}")
    choices: dict[str, Any] = {f"bank{i}": {"path": str(bank.resolve())} for i, bank in enumerate(banks)}
    if not choices:
        options = {"clips": 2, "beds": 1, "bed_s": 20.0}
        choices["builtin"] = {"reader": "builtin_sounds", "options": options}
    tasks = {task.id: path}
    if kind != "single":
        others = builtin_subtasks().items()
        tasks |= {name: file for name, file in others if name != task.id and language in load_subtask(file).languages}
    recipe = Recipe.model_validate(
        {
            "name": SPLIT,
            "seed": seed,
            "streams": 1,
            "duration_s": (min(10.0, seconds), seconds) if seconds < 10 else (0.75 * seconds, 1.25 * seconds),
            "splits": {SPLIT: 1.0},
            "languages": {language: 1.0},
            "subtasks": dict.fromkeys(tasks, 1 / len(tasks)),
            "composites": None if kind == "single" else {},
            "banks": choices,
        }
    )
    return LoadedRecipe(recipe=recipe, path=path, subtasks=tasks)


def cache_folder() -> Path:
    """Returns where banks that are built on first use are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "soundflow" / VERSION
