"""Settings of the chat client: where they come from, what is refused, and a key that nobody gets to see."""

from __future__ import annotations

import json
import logging
import pickle
from pathlib import Path
from typing import Any

import pytest
from chat_questions import KEY, ask, settings
from chat_server import ChatServer, completion, raw, say, status, text

from soundflow_data.errors import ChatError, RecipeError
from soundflow_data.scenario.chat import ChatClient
from soundflow_data.scenario.settings import PATIENCE, ChatSettings, ScenarioSettings


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOUNDFLOW_CHAT_URL", "SOUNDFLOW_CHAT_MODEL", "SOUNDFLOW_CHAT_KEY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)


# -- the key -----------------------------------------------------------------------------------------------------------


def test_the_key_is_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    made = settings("http://127.0.0.1:1", tmp_path, key=KEY)
    said = [repr(made), str(made), made.model_dump_json(), repr(made.with_environment())]
    quoting = [
        status(401, f"Incorrect API key provided: {KEY}"),
        raw(f"<html>{KEY}</html>".encode(), "text/html"),
        text(f'"{KEY}"'),
        text(None, refusal=f"{KEY} is rude"),
        status(500, KEY),
    ]
    for i, act in enumerate(quoting):
        with ChatServer(act) as server:
            client = ChatClient(made.model_copy(update={"url": server.url}))
            assert ask(client, f"animal {i}").value is None
            with pytest.raises(ChatError) as raised:
                client.check()
            said += [str(raised.value), repr(raised.value.__cause__), repr(client.outcomes())]
            assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert "SOUNDFLOW_CHAT_KEY is not accepted" in "".join(said)
    said += [file.read_text() for file in tmp_path.rglob("*.json")] + [caplog.text, *capfd.readouterr()]
    assert KEY not in "".join(said)
    assert "[key]" in "".join(said)


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(tmp_path: Path, key: str) -> None:
    with pytest.raises(RecipeError, match="SOUNDFLOW_CHAT_KEY") as raised:
        ChatClient(settings("http://127.0.0.1:1", tmp_path, key=key))
    assert key not in str(raised.value)


def test_a_key_of_the_wrong_type_is_not_shown() -> None:
    made = ChatSettings.model_validate({"key": 123456789})
    assert made.key is not None
    assert made.key.get_secret_value() == "123456789"
    with pytest.raises(ValueError, match="holds a password") as raised:
        ChatSettings(url=f"https://me:{KEY}@host/v1")
    assert "Field required" not in str(raised.value)


# -- settings ----------------------------------------------------------------------------------------------------------


def test_blanks_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ChatServer(say({"legs": 4})) as server:
        monkeypatch.setenv("SOUNDFLOW_CHAT_URL", server.url)
        monkeypatch.setenv("SOUNDFLOW_CHAT_MODEL", "named outside")
        monkeypatch.setenv("SOUNDFLOW_CHAT_KEY", f"{KEY}\n")
        checkup = ChatClient(ChatSettings(answers=str(tmp_path))).check()
        assert (checkup.model, checkup.mode, checkup.url) == (
            "named outside",
            "json_schema",
            f"{server.url}/v1/chat/completions",
        )
        assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
        resolved = ScenarioSettings.model_validate({"planner": "chat", "chat": {"temperature": 0.3}})
    assert resolved.model_dump()["chat"]["model"] == "named outside", "a run must say which model it used"
    assert resolved.model_dump()["chat"]["temperature"] == 0.3
    assert resolved.chat.answers == str(Path("answers").absolute()), "workers may start elsewhere"
    assert "key" not in resolved.model_dump()["chat"]
    assert KEY not in resolved.model_dump_json() + repr(resolved)
    sent = pickle.loads(pickle.dumps(resolved)).chat.key
    assert sent is not None
    assert sent.get_secret_value() == KEY, "workers elsewhere get it with the recipe, in memory"
    assert set(resolved.model_dump()["chat"]) > PATIENCE
    assert ScenarioSettings().chat.model == "", "without a language model, the environment plays no part"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"planner": "chat"}, "chat.url: a language model takes part, but none is named"),
        ({"rewriter": "chat", "chat": {"url": "http://h"}}, "SOUNDFLOW_CHAT_MODEL"),
        ({"chat": {"url": "ftp://host"}}, "no address of a server"),
        ({"chat": {"options": {"messages": []}}}, "options may not hold messages"),
        ({"chat": {"key": KEY}}, "chat.key: recipes and command lines are kept .*; set SOUNDFLOW_CHAT_KEY"),
        ({"chat": {"colour": 1}}, "Extra inputs are not permitted"),
        ({"planner": "magic"}, "'rules' or 'chat'"),
    ],
)
def test_settings_that_mean_nothing(data: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as raised:
        ScenarioSettings.model_validate(data)
    assert KEY not in str(raised.value)


def test_an_environment_that_means_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDFLOW_CHAT_URL", f"https://me:{KEY}@host")
    with pytest.raises(RecipeError, match="SOUNDFLOW_CHAT_URL: the URL holds a password") as raised:
        ChatClient(ChatSettings(model="m", answers=str(tmp_path)))
    assert KEY not in str(raised.value)


def test_nobody_to_ask(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="SOUNDFLOW_CHAT_URL and SOUNDFLOW_CHAT_MODEL"):
        ChatClient(ChatSettings(answers=str(tmp_path)))


def test_completion_is_what_servers_send() -> None:
    assert json.loads(completion("{}"))["choices"][0]["finish_reason"] == "stop"
