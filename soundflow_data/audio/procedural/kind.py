"""What a kind of procedural sound is, and the decorator that turns a small function into one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from soundflow_data.audio.procedural.signals import Rng, Signal

Pattern = Literal["occurrence", "passage", "steady"]
"""occurrence: exactly one countable event per clip (one bark, one group of knocks).
passage: something with inner structure that goes on (a melody, a crying baby, a siren).
steady: stationary enough to be tiled into a noise bed."""

Place = Literal["near", "indoor", "outdoor"]
"""Where it is recorded: dry, in a room, or in the open with a faint far echo."""

Renderer = Callable[[Rng, int], Signal]
"""Draws its physical parameters from the generator and returns that many samples, at any level."""

LONGEST_S = 120.0
"""Longest clip of a kind that can go on and on; it is made in one piece, in about 250 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundKind:
    """One kind of sound that can be synthesised.

    Attributes:
        name: The kind's name, the same as in the ontology.
        family: Which file it comes from: `alarms`, `weather` ...
        summary: One line that says what is heard.
        pattern: Occurrence, passage or steady; see `Pattern`.
        place: Near, indoor or outdoor; see `Place`.
        duration_s: Typical shortest and longest clip in seconds.
        render: Makes the raw samples; use `synthesize`, which also records, trims and levels them.
    """

    name: str
    family: str
    summary: str
    pattern: Pattern
    place: Place
    duration_s: tuple[float, float]
    render: Renderer

    @property
    def longest_s(self) -> float:
        """Longest duration that may be asked for: an occurrence cannot be stretched, the others can go on."""
        return self.duration_s[1] if self.pattern == "occurrence" else LONGEST_S

    def fit(self, duration_s: float) -> float:
        """Nearest duration to the wanted one that this kind can have."""
        return min(max(duration_s, self.duration_s[0]), self.longest_s)


def sound(
    pattern: Pattern, duration_s: tuple[float, float], *, place: Place = "indoor"
) -> Callable[[Renderer], SoundKind]:
    """Turn a renderer into a kind named after the function, described by the first line of its docstring.

    A kind is found because it stands in a module of `families`; there is no list to add it to.
    """

    def wrap(render: Renderer) -> SoundKind:
        return SoundKind(
            name=render.__name__,
            family=render.__module__.rpartition(".")[2],
            summary=(inspect.getdoc(render) or "").partition("\n")[0],
            pattern=pattern,
            place=place,
            duration_s=duration_s,
            render=render,
        )

    return wrap
