"""Procedural sounds: every kind of the synthesiser, any number of recordings of each, and beds of the steady ones."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from soundflow_data.audio.procedural import KINDS, SoundKind
from soundflow_data.bank.source import Procedural, Reader, SourceItem
from soundflow_data.errors import BankError
from soundflow_data.ontology import SoundLabel, load_ontology
from soundflow_data.timeline import Kind

CORPUS = "builtin"
LICENCE = "CC0-1.0"


class BuiltinSounds(Reader, frozen=True, kw_only=True):
    """Sound effects that SoundFlow synthesises; nothing needs to be downloaded.

    A seed is a recording: its origin is `builtin:<kind>:<seed>`, whatever its length. Steady kinds that stand behind
    other sounds and need no answer (rain, a fan, a café) also make noise beds; mere noise makes nothing else.
    """

    kinds: Annotated[tuple[str, ...], Meta(description="Only these kinds; all by default.")] = ()
    clips: Annotated[int, Meta(ge=0, description="Recordings of each kind.")] = 20
    beds: Annotated[int, Meta(ge=0, description="Noise beds of each steady kind.")] = 4
    bed_s: Annotated[float, Meta(gt=0, description="Length of a bed in seconds.")] = 60.0
    first_seed: Annotated[int, Meta(ge=0, description="Seed of the first recording.")] = 0

    def items(self) -> Iterator[SourceItem]:
        """Lists the recordings kind by kind; the beds of a kind have the seeds of its first recordings."""
        ontology = load_ontology()
        labels = ontology.procedural_kinds()
        for name in self.kinds or KINDS:
            if name not in KINDS:
                near = difflib.get_close_matches(name, KINDS, n=3) or list(KINDS)
                raise BankError(f"source 'builtin_sounds': no kind {name!r}; did you mean {', '.join(near)}?")
            kind = KINDS[name]
            label = labels.get(name, name)
            entry = ontology.get(label)
            if entry is None or entry.kind != "noise":
                for seed in range(self.first_seed, self.first_seed + self.clips):
                    yield _item(kind, label, seed, "sound", None)
            if kind.pattern == "steady" and _is_harmless(entry):
                for seed in range(self.first_seed, self.first_seed + self.beds):
                    yield _item(kind, label, seed, "noise", kind.fit(self.bed_s))


def _is_harmless(entry: SoundLabel | None) -> bool:
    """Tells whether nobody would look up when it goes on behind everything else."""
    return entry is not None and entry.assistant == "silent" and entry.role != "foreground"


def _item(kind: SoundKind, label: str, seed: int, use: Kind, duration_s: float | None) -> SourceItem:
    return SourceItem(
        id=f"{kind.name}-{seed}" if use == "sound" else f"{kind.name}-{seed}-bed",
        audio=Procedural(sound=kind.name, seed=seed, duration_s=duration_s),
        kind=use,
        label=label,
        caption=kind.summary,
        origin=f"builtin:{kind.name}:{seed}",
        corpus=CORPUS,
        licence=LICENCE,
    )
