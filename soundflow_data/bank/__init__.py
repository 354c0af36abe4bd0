"""Banks: clips and utterances, decoded once, packed on disk as 16 kHz int16, mapped into memory by every worker.

    build_bank(load_reader("esc50").configure({"folder": "ESC-50"}), "banks/esc50", workers=4)

    bank = Bank.open("banks/esc50")
    row = int(bank.rows(label="dog_bark")[0])
    clip, pcm = bank.clip(row), bank.pcm(row)

`soundflow_data.bank.search` asks DuckDB; `soundflow_data.bank.splits` divides recordings among splits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from soundflow_data.bank.bank import Bank
from soundflow_data.bank.clip import Clip

if TYPE_CHECKING:
    from soundflow_data.bank.build import build_bank
    from soundflow_data.bank.readers import load_reader

__all__ = ["Bank", "Clip", "build_bank", "load_reader"]


def __getattr__(name: str) -> Any:
    # Whoever opens a bank needs neither decoders nor voices.
    if name == "build_bank":
        from soundflow_data.bank.build import build_bank  # noqa: PLC0415

        return build_bank
    if name == "load_reader":
        from soundflow_data.bank.readers import load_reader  # noqa: PLC0415

        return load_reader
    raise AttributeError(f"module 'soundflow_data.bank' has no attribute {name!r}")
