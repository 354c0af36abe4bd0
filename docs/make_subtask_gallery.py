"""Writes docs/subtask-gallery.md: one real stream of each sub-task, as the library plans it.

python docs/make_subtask_gallery.py
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from soundflow_data.bank import Bank
from soundflow_data.bank.build import build_bank
from soundflow_data.bank.readers.builtin_sounds import BuiltinSounds
from soundflow_data.corpus import Corpus
from soundflow_data.errors import Drop
from soundflow_data.ontology import load_abilities
from soundflow_data.recipe import load_recipe
from soundflow_data.subtasks import builtin_subtasks, load_subtask
from soundflow_data.targets import join
from soundflow_data.timeline import SAMPLE_RATE, Response, Timeline

PAGE = Path(__file__).with_name("subtask-gallery.md")
TRIES = 40
LINES = (5, 14)  # an example has about this many
HEAD = """# The sub-tasks, with an example of each

Made by `python docs/make_subtask_gallery.py` from the built-in sounds and voices; not written by hand. Times are
seconds from the start of the stream. `>` marks what the assistant says, at the moment from which it is due; `-` marks
what it keeps silent on, and why. Unplanned sounds in the background are left out.
"""


def main() -> None:
    """Builds a bank, plans the examples and writes the page."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        build_bank(BuiltinSounds(clips=2, beds=1, bed_s=6.0), work / "sounds")
        bank = Bank.open(work / "sounds")
        parts = [HEAD, *_sections(work, bank)]
    PAGE.write_text("\n".join(parts), encoding="utf-8")


def _sections(work: Path, bank: Bank) -> Iterator[str]:
    count = 0
    for ability in load_abilities().abilities:
        yield f"## {ability.name}\n\n{ability.description} {ability.share:.1%} of StreamAudio-2M.\n"
        for task in ability.subtasks:
            count += 1
            name = f"{ability.name}/{task.name}"
            languages = load_subtask(builtin_subtasks()[name]).languages
            language = "zh" if "zh" in languages and (count % 3 == 0 or len(languages) == 1) else "en"
            if name.endswith("english_asr"):
                language = "en"
            timeline = _example(work, bank, name, language)
            yield f"### {task.name}\n\n{task.description}\n"
            if timeline.instruction:
                yield f"Instruction: “{timeline.instruction}”\n"
            yield "```text\n" + "\n".join(_lines(timeline)) + "\n```\n"


def _example(work: Path, bank: Bank, name: str, language: str) -> Timeline:
    """Returns the first stream that has both responses and silences and is not too long to be read."""
    recipe = {
        "name": "gallery",
        "seed": 2,
        "streams": TRIES,
        "streams_per_shard": TRIES,
        "duration_s": [12, 30],
        "languages": {language: 1.0},
        "splits": {"train": 1.0},
        "subtasks": {name: 1.0},
        "banks": {"sounds": {"path": str(bank.path)}},
    }
    path = work / "gallery.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    corpus = Corpus(load_recipe(path), {"sounds": bank})
    for index in range(TRIES):
        try:
            timeline = corpus.compose(corpus.spec("train", index))
        except Drop:
            continue
        if timeline.responses and timeline.silences and LINES[0] <= len(_lines(timeline)) <= LINES[1]:
            return timeline
    raise SystemExit(f"{name}: no stream of {TRIES} is a fit example")


def _lines(timeline: Timeline) -> list[str]:
    rows: list[tuple[int, str, str]] = []
    silent = {i: silence.reason for silence in timeline.silences for i in silence.events}
    for i, event in enumerate(timeline.events):
        if event.role == "foreground" and not event.track.startswith("bed"):
            text = event.text or event.label.replace("_", " ")
            span = f"{event.onset / SAMPLE_RATE:5.1f} to {event.end / SAMPLE_RATE:4.1f}"
            kept = f"   - {silent[i]}" if i in silent else ""
            rows.append((event.onset, f"{span}  {event.track:<9}", f"[ {text} ]{kept}"))
    for parts in _runs(timeline.responses):
        first = parts[0]
        how = f" (in {len(parts)} parts, to {parts[-1].due / SAMPLE_RATE:.1f})" if len(parts) > 1 else ""
        call = f"   {_call(first)}" if first.call else ""
        rows.append((first.due, f"{first.due / SAMPLE_RATE:5.1f}          assistant", f"> {join(parts)}{how}{call}"))
    return [f"{when}  {what}" for _, when, what in sorted(rows)]


def _runs(responses: tuple[Response, ...]) -> Iterator[list[Response]]:
    runs: dict[int, list[Response]] = {}
    for i, response in enumerate(responses):
        runs.setdefault(response.run if response.run >= 0 else -1 - i, []).append(response)
    yield from runs.values()


def _call(response: Response) -> str:
    assert response.call is not None
    return f"{response.call.name}({', '.join(f'{key}={value!r}' for key, value in response.call.arguments.items())})"


if __name__ == "__main__":
    main()
