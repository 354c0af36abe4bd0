"""Instructions with one answer each, as in Stanford Alpaca."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from soundflow_data.bank.readers._dialogues import TextCorpus, Turn
from soundflow_data.bank.readers._rows import Row, RowError


class Alpaca(TextCorpus, frozen=True, kw_only=True):
    """Files in the form of Stanford Alpaca (github.com/tatsu-lab/stanford_alpaca) and its many descendants.

    Layout:
        *.json      [{instruction, input, output}, ...]; the same as .jsonl or .parquet

    The instruction is spoken, with its input after it, and the output is kept as the reply. One that cannot be spoken,
    or is too long, is passed over.
    """

    licence: Annotated[str, Meta(description="Licence of the texts.")] = "CC-BY-NC-4.0"

    def turns(self, record: Row) -> Iterable[Turn]:
        """Returns an instruction and its output."""
        texts = [record.get(name) or "" for name in ("instruction", "input", "output")]
        if "instruction" not in record or "output" not in record or not all(isinstance(text, str) for text in texts):
            raise RowError("has no texts `instruction` and `output`", "broken row")
        instruction, given, output = (text.strip() for text in texts)
        if not instruction or not output:
            raise RowError(f"has no {'output' if instruction else 'instruction'}", "no text")
        return [(True, f"{instruction} {given}".strip()), (False, output)]
