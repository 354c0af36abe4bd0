"""Banks: clips and utterances, decoded once, packed on disk as 16 kHz int16, mapped into memory by every worker.

    bank = Bank.open("banks/sounds")
    row = bank.find("esc10/1-100032-A-0")
    clip, pcm = bank.clip(row), bank.pcm(row)

`build_bank` of `soundflow_data.bank.build` fills one from a source; `soundflow_data.bank.search` asks DuckDB.
"""

from __future__ import annotations

from soundflow_data.bank.bank import Bank
from soundflow_data.bank.clip import Clip

__all__ = ["Bank", "Clip"]
