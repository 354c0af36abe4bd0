"""Writes docs/corpus.md: makes the corpus of recipes/streamaudio.yaml with recordings beside it, and checks it.

python docs/make_corpus_page.py DATA OUT       (DATA has the folders esc10, fsdd and sgd; OUT is where the corpus goes)
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from soundflow_data.ontology import load_abilities
from soundflow_data.quality.stats import GroupStats, Stats, stats
from soundflow_data.shards import LocalStorage

PAGE = Path(__file__).with_name("corpus.md")
RECIPE = Path(__file__).parents[1] / "recipes" / "streamaudio.yaml"
ITEMS, ROUNDS, HOURS = 2.6e6, 7.4e6, 66.7e3  # of StreamAudio-2M, arXiv:2606.05121
KINDS = {"single": 0.4, "scenario": 0.3, "complex": 0.2, "proactive": 0.1}  # likewise
HEAD = """# Twenty hours of the published composition

Made by `python docs/make_corpus_page.py DATA OUT` with {workers} worker processes; not written by hand. The material:
built-in sounds and espeak voices, ESC-10 (240 recordings), spoken digits (FSDD, 1,000 recordings), and the
users' turns of schema-guided dialogues, spoken by espeak voices:

```bash
soundflow run streamaudio OUT --executor local \\
  --set banks.esc.reader=esc50 --set banks.esc.options.folder=DATA/esc10 \\
  --set banks.digits.reader=fsdd --set banks.digits.options.folder=DATA/fsdd \\
  --set banks.dialogues.reader=schema_guided --set banks.dialogues.options.path=DATA/sgd
soundflow check OUT
```
"""


def main(data: Path, out: Path, workers: int = 2) -> None:
    """Runs the two commands that the page tells of, and writes it."""
    settings = [
        "banks.esc.reader=esc50", f"banks.esc.options.folder={data / 'esc10'}",
        "banks.digits.reader=fsdd", f"banks.digits.options.folder={data / 'fsdd'}",
        "banks.dialogues.reader=schema_guided", f"banks.dialogues.options.path={data / 'sgd'}",
    ]  # fmt: skip
    options = [option for setting in settings for option in ("--set", setting)]
    made = _soundflow("run", str(RECIPE), str(out), "--executor", "local", "--workers", str(workers), *options)
    checked = _soundflow("check", str(out))
    PAGE.write_text("\n".join(_page(stats(LocalStorage(out)), made, checked, workers)), encoding="utf-8")


def _soundflow(*arguments: str) -> dict[str, object]:
    """Runs a command; returns its JSON and how long it took in all."""
    started = time.perf_counter()
    command = [Path(sys.executable).with_name("soundflow"), *arguments, "--json"]
    result = subprocess.run(command, check=False, stdout=subprocess.PIPE)  # noqa: S603 - our own command line
    said = json.loads(result.stdout or b"{}")
    if result.returncode:
        sys.exit(f"soundflow {arguments[0]} ended with {result.returncode}: {said.get('error', said)}")
    return {**said, "seconds": time.perf_counter() - started}


def _page(found: Stats, made: dict[str, object], checked: dict[str, object], workers: int) -> Iterator[str]:
    total = found.total
    yield HEAD.format(workers=workers)
    yield _table(
        ("", "here", "StreamAudio-2M"),
        [
            ("streams", f"{total.streams:,}", f"{ITEMS / 1e6:.1f} million"),
            ("hours", f"{total.hours:.1f}", f"{HOURS:,.0f}"),
            ("seconds per stream", f"{3600 * total.hours / total.streams:.0f}", f"{3600 * HOURS / ITEMS:.0f}"),
            ("rounds per stream", f"{total.mean_rounds:.1f}", f"{ROUNDS / ITEMS:.1f}"),
            ("responses per stream", f"{total.responses / total.streams:.1f}", "not published"),
            ("decisions to keep silent", f"{total.silent_share:.1%}", "not published"),
            ("dropped streams", f"{sum(drop.streams for drop in found.drops)}", "not published"),
        ],
    )
    yield (
        "\nRounds are denser here: a round is counted for everything that is heard in front, answered or not. "
        "Responses count each part of a running transcript or translation.\n"
    )
    yield "## Abilities, by the leading sub-task\n"
    published = {ability.name: ability.share for ability in load_abilities().abilities}
    yield _table(
        ("ability", "streams", "share", "published share", "hours", "rounds per stream", "silent decisions"),
        [
            (one.name, f"{one.streams:,}", _share(one, total), f"{published[one.name]:.1%}", *_rest(one))
            for one in found.abilities
        ],
    )
    yield "\n## Kinds of streams\n"
    yield _table(
        ("kind", "streams", "share", "published share", "hours", "rounds per stream", "silent decisions"),
        [
            (one.name, f"{one.streams:,}", _share(one, total), f"{KINDS[one.name]:.0%}", *_rest(one))
            for one in found.kinds
        ],
    )
    for scenes in found.scenes:
        sounds = scenes.accepted + scenes.reprocessed + scenes.generated
        yield (
            f"\n{scenes.scenes:,} scenes were planned by {scenes.planner}. Of {sounds:,} of their sounds that are "
            f"heard, {scenes.accepted:,} are clips as the banks have them, {scenes.reprocessed:,} were processed once "
            f"more and {scenes.generated:,} are synthesised; {scenes.rejected:,} clips were looked at and not taken."
        )
    yield "\n## Episodes\n"
    yield _table(
        ("ability", "sub-task", "episodes", "in streams"),
        [(one.ability, one.subtask, f"{one.episodes:,}", f"{one.streams:,}") for one in found.episodes],
    )
    yield "\n## Licences\n"
    yield _table(
        ("corpus", "licence", "events", "hours of events"),
        [(one.corpus, one.licence, f"{one.events:,}", f"{one.hours:.2f}") for one in found.licences],
    )
    yield "\n## Time and verdict\n"
    drops = ", ".join(f"{drop.streams} ({drop.reason})" for drop in found.drops) or "none"
    yield (
        f"Making it took {float(str(made['seconds'])):.0f} s, the banks included, on a machine with 2 cores; "
        f"`soundflow check` took {float(str(checked['seconds'])):.0f} s and "
        f"{'passed' if checked['ok'] else 'FAILED'}. Dropped streams: {drops}.\n"
    )


def _rest(one: GroupStats) -> tuple[str, str, str]:
    return f"{one.hours:.2f}", f"{one.mean_rounds:.1f}", f"{one.silent_share:.1%}"


def _share(one: GroupStats, total: GroupStats) -> str:
    return f"{one.streams / total.streams:.1%}"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:4]))
