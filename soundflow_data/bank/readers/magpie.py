"""Magpie: instructions and conversations that aligned language models wrote without a prompt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from soundflow_data.bank.readers._dialogues import TextCorpus, Turn, messages
from soundflow_data.bank.readers._rows import Row, RowError


class Magpie(TextCorpus, frozen=True, kw_only=True):
    """Files of the Magpie data sets (huggingface.co/Magpie-Align).

    Layout:
        data/*.parquet, or the same as .jsonl:
        conversations: [{from: human | gpt, value}], or instruction and response; other columns are passed over

    User turns are spoken, each conversation by one espeak voice; what the assistant says next is kept as the reply. A
    conversation is used as far as it can be spoken, and never in two splits. The licence is that of the model that
    wrote the texts: give `licence`.
    """

    licence: Annotated[str, Meta(description="Licence of the texts, by the model that wrote them.")] = "llama3"

    def turns(self, record: Row) -> Iterable[Turn]:
        """Returns the turns of a conversation, or an instruction and its response."""
        if record.get("conversations") is not None:
            return messages(record["conversations"], "from", "value")
        question, answer = record.get("instruction"), record.get("response")
        if not isinstance(question, str) or not isinstance(answer, str):
            raise RowError("has neither `conversations` nor `instruction` and `response`", "broken row")
        return [(True, question), (False, answer)]
