"""UltraChat: conversations of a user with an assistant, both written by a language model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from soundflow_data.bank.readers._dialogues import TextCorpus, Turn, messages
from soundflow_data.bank.readers._rows import Row, RowError


class Ultrachat(TextCorpus, frozen=True, kw_only=True):
    """Files of UltraChat (github.com/thunlp/UltraChat) or UltraChat 200k (huggingface.co/datasets/HuggingFaceH4).

    Layout:
        *.jsonl               {id, data: [question, answer, question, ...]} per line
        data/*.parquet        prompt, prompt_id, messages: [{role: user | assistant, content}]

    User turns are spoken, each conversation by one espeak voice; what the assistant says next is kept as the reply. A
    conversation is used as far as it can be spoken, and never in two splits.
    """

    licence: Annotated[str, Meta(description="Licence of the texts.")] = "MIT"

    def turns(self, record: Row) -> Iterable[Turn]:
        """Returns the turns of either form."""
        if "messages" in record:
            return messages(record["messages"], "role", "content")
        data = record.get("data")
        if not isinstance(data, list) or not data or not all(isinstance(text, str) for text in data):
            raise RowError("has neither a list of texts `data` nor `messages`", "broken row")
        return [(number % 2 == 0, text) for number, text in enumerate(data)]
