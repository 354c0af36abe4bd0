"""What is sounding in every chunk, as the plan knows it: one word per chunk, where training asks for it.

A decision says little about what was heard: most are silence. So training may ask at a position that otherwise trains
nothing, the last but one of a chunk's audio, for the most telling token of the name of the sound that is on:

    audio     [ rooster ]   [ rain .......... ]
    chunk     0      1      2      3      4
    asked     " rooster"    " rain" " rain" " rain"         0 has too little of it, and is asked nothing
"""

from __future__ import annotations

import functools
from typing import Final

from soundflow_data.ontology import load_ontology
from soundflow_data.timeline import Timeline
from soundflow_trainer.tokens import StreamTokenizer

LEAST_SHARE: Final = 0.5  # of a chunk that a sound must fill


def sounds_by_chunk(timeline: Timeline, tokenizer: StreamTokenizer) -> dict[int, int]:
    """Returns the token of the sound that fills most of each chunk; chunks without one are left out.

    Foreground sounds go before those behind them. Speech, music beds and noise are no answer.

    Args:
        timeline: The stream's plan.
        tokenizer: The model's.
    """
    chunk = timeline.chunk
    best: dict[int, tuple[bool, int, str]] = {}
    for event in timeline.events:
        if event.kind != "sound" or not event.label:
            continue
        for k in range(event.onset // chunk, -(-event.end // chunk)):
            filled = min(event.end, (k + 1) * chunk) - max(event.onset, k * chunk)
            found = (event.role == "foreground", filled, event.label)
            if filled >= LEAST_SHARE * chunk and found > best.get(k, (False, 0, "")):
                best[k] = found
    return {k: _telling_token(label, tokenizer) for k, (_, _, label) in sorted(best.items())}


@functools.lru_cache(maxsize=4096)
def _telling_token(label: str, tokenizer: StreamTokenizer) -> int:
    """Returns the token of a label's name that has most letters, the first of several."""
    entry = load_ontology().get(label)
    tokens = tokenizer.encode(" " + (entry.name_en if entry is not None else label.replace("_", " ")))
    return max(tokens, key=lambda token: len(tokenizer.decode([token]).strip()))
