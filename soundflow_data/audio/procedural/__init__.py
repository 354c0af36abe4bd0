"""Sound effects made from physics-like recipes, with nothing downloaded: `synthesize(kind, seed=...)`.

    from soundflow_data.audio.procedural import KINDS, synthesize

    bark = synthesize("dog_bark", seed=7)                     # float32, 16 kHz, mono
    bed = synthesize("rain", seed=7, duration_s=60.0)         # steady kinds can be any length
    names = [k.name for k in KINDS.values() if k.pattern == "occurrence"]

A seed is one recording: another seed is another dog, another room. To add a kind, write one decorated function in a
module of `families`.
"""

from __future__ import annotations

from soundflow_data.audio.procedural.kind import Pattern, Place, SoundKind
from soundflow_data.audio.procedural.registry import KINDS
from soundflow_data.audio.procedural.synthesis import synthesize

__all__ = ["KINDS", "Pattern", "Place", "SoundKind", "synthesize"]
