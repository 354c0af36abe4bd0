"""Errors come home from workers as they were raised there."""

from __future__ import annotations

import pickle

import pytest

from soundflow_data.errors import AudioError, ChatError, CountedError, EngineError, ServerError, SpeechError


@pytest.mark.parametrize("kind", [AudioError, SpeechError, EngineError, ServerError, ChatError])
def test_counted_errors_keep_kind_message_and_reason(kind: type[CountedError]) -> None:
    home = pickle.loads(pickle.dumps(kind("clip 'a' is empty; leave it out", reason="empty")))
    assert type(home) is kind
    assert (str(home), home.reason) == ("clip 'a' is empty; leave it out", "empty")


def test_speech_has_a_reason_without_one() -> None:
    assert pickle.loads(pickle.dumps(SpeechError("no voice"))).reason == "cannot be spoken"
