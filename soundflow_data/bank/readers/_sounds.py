"""What the readers of recorded sounds have in common: from a corpus's names to one label, beds, and clips of videos."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from soundflow_data.bank.source import SourceItem
from soundflow_data.ontology import load_ontology

ENDINGS: Final = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".webm", ".aif", ".aiff"})

# Classes of the AudioSet ontology that say what sort of sound it is, or where it was recorded. Corpora name them beside
# the sound itself: they decide only where nothing more exact is said, but the sound must be of one of their families.
_GENERAL: Final = {
    "animals": "animal; domestic animals, pets; livestock, farm animals, working animals; wild animals; bird; insect;"
    "rodents, rats, mice; cat; dog",
    "people speech": "human sounds; human voice; human group actions; respiratory sounds; digestive; hands",
    "people impacts domestic": "human locomotion",
    "music": "musical instrument; plucked string instrument; bowed string instrument; keyboard (musical); percussion;"
    "mallet percussion; wind instrument, woodwind instrument; brass instrument; vocal music; music genre; guitar; drum",
    "vehicles alarms bells faults": "vehicle; motor vehicle (road); rail transport; aircraft; boat, water vehicle;"
    "emergency vehicle; car; train",
    "vehicles machines faults": "engine; mechanisms; mechanical",
    "alarms bells": "alarm; telephone; bell",
    "alarms bells domestic": "clock",
    "domestic machines impacts water alarms bells": "domestic sounds, home sounds; door; typing; cutlery, silverware",
    "domestic machines": "tools; power tool",
    "weather water animals noise": "natural sounds",
    "water weather domestic": "water; liquid; thunderstorm",
    "impacts domestic": "wood; generic impact sounds; surface contact",
    "": "sounds of things; source-ambiguous sounds; onomatopoeia; inside, small room; inside, large room or hall;"
    "inside, public space; outside, urban or manmade; outside, rural or natural; acoustic environment; field recording;"
    "channel, environment and background",
}


def sole_label(names: Sequence[str], *, several: bool = False) -> str:
    """Returns the ontology label that all names of a recording agree on, or nothing.

    A recording in which another sound is heard too would make what is said about it untrue, so names that agree on no
    label, or on several alike (`Beep, bleep` may be a microwave or a heart monitor), and exact names that the ontology
    does not know, give none.

    Args:
        names: Names of AudioSet or FSD50K, such as `Bark`, `Dishes, pots, and pans` or `Dishes_and_pots_and_pans`.
        several: Take the likeliest label of the first known name where they do not agree.
    """
    tags, general = _tags(), _families()
    keys = [_key(name) for name in names]
    exact = [key for key in keys if key not in general] or [key for key in keys if key in tags]
    if exact == ["music"]:
        return ""  # any kind of music
    fitting = [tags.get(key, ()) for key in exact]
    common = set(fitting[0]).intersection(*fitting[1:]) if fitting else set()
    for families in (general[key] for key in keys if general.get(key)):
        common = {label for label in common if load_ontology().by_label(label).family in families}
    ranks = {label: _rank(label, keys) for label in common}
    named = [label for label, rank in ranks.items() if rank == max(ranks.values())]
    if len(named) != 1 and several:
        labels = common or set(next((labels for labels in fitting if labels), ()))
        return min(labels, key=lambda label: (-_rank(label, keys), label), default="")
    return named[0] if len(named) == 1 else ""


def _rank(label: str, keys: Sequence[str]) -> int:
    """Tells how well a label is named: best by its own name, then by its best tag, then by any other."""
    entry = load_ontology().by_label(label)
    own, called = [_key(tag) for tag in entry.tags], {_key(label), _key(entry.name_en)}
    return sum(3 * (key in called) + (2 if own[0] == key else key in own) for key in keys)


def _key(name: str) -> str:
    """Returns a name as it is compared: FSD50K writes `and` where AudioSet has a comma."""
    return " ".join(word for word in re.split(r"[\W_]+", name.casefold()) if word and word != "and")


@functools.cache
def _families() -> dict[str, tuple[str, ...]]:
    """Returns the families of each general name; none where it may stand beside any sound."""
    return {_key(name): tuple(families.split()) for families, names in _GENERAL.items() for name in names.split(";")}


@functools.cache
def _tags() -> dict[str, tuple[str, ...]]:
    """Returns the labels of each tag, those whose best tag it is first."""
    found: dict[str, list[tuple[int, str]]] = {}
    for entry in load_ontology():
        for rank, tag in enumerate(entry.tags):
            found.setdefault(_key(tag), []).append((min(rank, 1), entry.label))
    return {key: tuple(label for _, label in sorted(labels)) for key, labels in found.items()}


def with_beds(item: SourceItem, beds: Sequence[str]) -> Iterator[SourceItem]:
    """Returns a sound, and once more as a noise bed where its label is among `beds`; mere noise is a bed only."""
    entry = load_ontology().get(load_ontology().canonical(item.label) or item.label)
    is_noise = entry is not None and entry.kind == "noise"
    if not is_noise:
        yield item
    if is_noise or item.label in beds:
        yield msgspec.structs.replace(item, id=f"{item.id}-bed", kind="noise")


# -- clips of videos ---------------------------------------------------------------------------------------------------

_CLIP: Final = re.compile(r"Y?(?P<video>[\w-]{11})(?:_(?P<start>\d+(?:\.\d+)?)(?:_\d+(?:\.\d+)?)?)?")


class VideoClips:
    """The files of a folder that are named by a YouTube id, with or without the start of the clip.

    `<id>.wav`, `Y<id>.wav`, `<id>_30.wav`, `<id>_000030.wav`, `<id>_30.000_40.000.flac` and `<id>_30000_40000.flac` are
    all found; a start may be in seconds or milliseconds.

    Args:
        folder: It is searched with all its folders.
    """

    def __init__(self, folder: Path) -> None:
        self._found: dict[str, list[tuple[float | None, Path]]] = {}
        for file in sorted(folder.rglob("*")):
            name = _CLIP.fullmatch(file.stem) if file.suffix.lower() in ENDINGS else None
            if name is not None:
                start = float(name["start"]) if name["start"] else None
                self._found.setdefault(name["video"], []).append((start, file))

    def __len__(self) -> int:
        return len(self._found)

    def find(self, video: str, start_s: float) -> Path | None:
        """Returns the clip of a video that starts there, or the only one of it without a start."""
        for start, file in self._found.get(video, ()):
            if start is None or abs(start - start_s) < 0.5 or abs(start - 1000 * start_s) < 0.5:
                return file
        return None
