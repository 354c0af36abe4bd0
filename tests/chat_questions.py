"""One small kind of question for the tests of the chat client, and patience that fits them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from soundflow_data.errors import SoundFlowError
from soundflow_data.scenario.chat import Answer, ChatClient, ChatSettings, Message, Question, strict_schema

KEY = "sk-secret-0123456789"


class Count(msgspec.Struct, forbid_unknown_fields=True):
    """An answer."""

    legs: int
    animal: str


GOOD = {"legs": 4, "animal": "dog"}
COUNT = strict_schema(Count)


def settings(url: str, folder: Path, **changes: Any) -> ChatSettings:
    quick = {"backoff_s": 0.01, "timeout_s": 10.0, "retries": 2, "corrections": 1}
    return ChatSettings(url=url, model="tiny", answers=str(folder), **(quick | changes))


def question(about: str = "a dog") -> Question[Count]:
    messages = (Message("system", "You count."), Message("user", f"How many legs has {about}?"))
    return Question(purpose="count", messages=messages, kind=Count, schema=COUNT)


def sensible(count: Count) -> Count:
    if count.legs % 2:
        raise SoundFlowError(f"{count.legs} legs are odd; name an even number")
    return count


def ask(client: ChatClient, about: str = "a dog") -> Answer[Count]:
    return client.ask(question(about), sensible)
