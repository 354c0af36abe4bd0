"""MOSS: conversations in English and Chinese of a user with an assistant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any

from msgspec import Meta

from soundflow_data.bank.readers._dialogues import TextCorpus, Turn
from soundflow_data.bank.readers._rows import Row, RowError

_PLAIN = re.compile(r"\[(Human|MOSS)\]:(.*?)(?:<eoh>|<eoa>|(?=\[(?:Human|MOSS)\]:)|$)", re.DOTALL)
_TAGS = re.compile(r"<\|(?:Human|MOSS)\|>:|<eo[a-z]>|<sup>.*?</sup>|<\|\d+\|>")


class Moss(TextCorpus, frozen=True, kw_only=True):
    """Files of moss-002-sft-data and moss-003-sft-data (github.com/OpenMOSS/MOSS).

    Layout:
        moss-003, *.jsonl       {conversation_id, chat: {turn_1: {Human: "<|Human|>: ...<eoh>",
                                MOSS: "<|MOSS|>: ...<eom>", ...}, ...}}
                                or {conversation_id, conversation: [{human, assistant}, ...]}
        moss-002, *.json(l)     {plain_text: "[Human]: ...<eoh> [MOSS]: ...<eoa> ..."}

    User turns are spoken, each conversation by one espeak voice; what the assistant says next is kept as the reply. A
    conversation is used as far as it can be spoken in the chosen language, and never in two splits.
    """

    licence: Annotated[str, Meta(description="Licence of the texts.")] = "CC-BY-NC-4.0"

    def turns(self, record: Row) -> Iterable[Turn]:
        """Returns the turns of any of the three forms."""
        if isinstance(record.get("chat"), dict):
            rounds = record["chat"]
            order = sorted(rounds, key=lambda name: int(name.rpartition("_")[2]) if name[-1:].isdecimal() else 0)
            return self._pairs([rounds[name] for name in order], "Human", "MOSS")
        if isinstance(record.get("conversation"), list):
            return self._pairs(record["conversation"], "human", "assistant")
        if isinstance(record.get("plain_text"), str):
            found = [(who == "Human", text) for who, text in _PLAIN.findall(record["plain_text"])]
            if found:
                return found
        raise RowError("has no `chat`, `conversation` or `plain_text` of turns", "broken row")

    def _pairs(self, rounds: list[Any], user: str, assistant: str) -> Iterable[Turn]:
        turns = []
        for one in rounds:
            if (
                not isinstance(one, dict)
                or not isinstance(one.get(user), str)
                or not isinstance(one.get(assistant), str)
            ):
                raise RowError(f"has a round without {user!r} and {assistant!r}", "broken row")
            turns += [(True, _TAGS.sub("", one[user])), (False, _TAGS.sub("", one[assistant]))]
        return turns
