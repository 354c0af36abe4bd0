"""A client of any OpenAI-compatible chat server: each question is asked once, and its fate is kept.

    client = ChatClient(ChatSettings(url="http://127.0.0.1:8000", model="Qwen/Qwen3-8B"))
    answer = client.ask(question, accept)

`client` asks, corrects and records; `completions` speaks the protocol; `http` sends one request that ends in time;
`answers` keeps what came; `slots` bounds how many ask at once; `schema` tells the server what an answer looks like.
"""

from __future__ import annotations

from soundflow_data.scenario.chat.answers import Answers
from soundflow_data.scenario.chat.client import Answer, ChatClient, ChatOutcomes, Checkup, Question
from soundflow_data.scenario.chat.completions import Message
from soundflow_data.scenario.chat.schema import strict_schema
from soundflow_data.scenario.settings import ChatSettings

__all__ = [
    "Answer",
    "Answers",
    "ChatClient",
    "ChatOutcomes",
    "ChatSettings",
    "Checkup",
    "Message",
    "Question",
    "strict_schema",
]
