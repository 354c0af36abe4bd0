"""`soundflow chat`: whether the server answers, what is on record, and asking again on purpose."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, say, status, without_schemas
from typer.testing import CliRunner

from soundflow_data.scenario.chat.answers import Answers, Recorded
from soundflow_pipelines.cli import app
from soundflow_pipelines.cli.arguments import open_recipe
from soundflow_pipelines.cli.chat import with_who_answers
from soundflow_pipelines.cli.terminal import Terminal


def soundflow(*words: object, code: int = 0, **environment: str) -> Any:
    blank = dict.fromkeys(("SOUNDFLOW_CHAT_URL", "SOUNDFLOW_CHAT_MODEL", "SOUNDFLOW_CHAT_KEY"), "")
    result = CliRunner(env={"COLUMNS": "100", **blank, **environment}).invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


def test_help() -> None:
    assert "chat" in soundflow("--help").stdout
    for name in ("check", "answers", "forget"):
        assert "Example" in soundflow("chat", name, "--help").stdout


def test_check_tells_how_the_server_does() -> None:
    with ChatServer(say({"legs": 4})) as server:
        result = soundflow("chat", "check", "--url", server.url, "--model", "tiny")
        assert "keeps the schema (json_schema)" in result.stdout
        environment = {"SOUNDFLOW_CHAT_URL": server.url, "SOUNDFLOW_CHAT_MODEL": "tiny"}
        found = json.loads(soundflow("chat", "check", "--json", **environment).stdout)
        assert found["mode"] == "json_schema"
        assert found["model"] == "tiny"
        server.act = without_schemas(say({"legs": 4}))
        result = soundflow("chat", "check", **environment)
        assert "(json_object)" in result.stdout
        assert "knows no JSON schemas" in result.stderr


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (status(401), "no key was sent; set SOUNDFLOW_CHAT_KEY"),
        (say({"legs": "four"}), "Expected `int`, got `str`"),
    ],
)
def test_check_fails_with_the_reason(act: Any, words: str) -> None:
    with ChatServer(act) as server:
        result = soundflow("chat", "check", "--url", server.url, "--model", "tiny", code=1)
    assert words in result.stderr
    assert result.stderr.startswith("error: ")


def test_check_without_an_address() -> None:
    assert "SOUNDFLOW_CHAT_URL" in soundflow("chat", "check", code=1).stderr
    assert "no address of a server" in soundflow("chat", "check", "--url", "here", code=2).stderr


def test_answers_are_counted_and_forgotten(tmp_path: Path) -> None:
    answers = Answers(tmp_path)
    for i, reason in enumerate(["", "", "timed out", "timed out", "not the schema"]):
        answers.keep(f"{i:040x}", Recorded(purpose="plan", model="m", answer=None if reason else {}, reason=reason))
    answers.keep("f" * 40, Recorded(purpose="audit", model="m", reason="timed out"))
    shown = soundflow("chat", "answers", "--answers", tmp_path).stdout
    assert "replaced: timed out" in shown
    assert json.loads(soundflow("chat", "answers", "--answers", tmp_path, "--json").stdout)["purposes"] == {
        "audit": {"timed out": 1},
        "plan": {"": 2, "timed out": 2, "not the schema": 1},
    }
    forget = ("chat", "forget", "--answers", tmp_path, "--reason", "timed out", "--purpose", "plan")
    assert "2 questions without an answer will be asked again" in soundflow(*forget).stdout
    assert answers.count() == {"audit": {"timed out": 1}, "plan": {"": 2, "not the schema": 1}}
    assert json.loads(soundflow("chat", "forget", "--answers", tmp_path, "--json").stdout)["forgotten"] == 2
    assert "no answers are recorded" in soundflow("chat", "answers", "--answers", tmp_path / "elsewhere").stdout


def test_looking_ahead_says_when_nobody_answers_and_records_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ChatServer(status(401, "who are you")) as server:
        chat = f"{{url: '{server.url}', model: tiny, answers: {tmp_path}}}"
        loaded = open_recipe("quickstart", ["scenario.planner=chat", f"scenario.chat={chat}"])
        ahead = with_who_answers(Terminal(), loaded)
        warned = capsys.readouterr().err
        assert warned.startswith("warning: scenario.chat: ")
        assert "set SOUNDFLOW_CHAT_KEY (who are you). A run would let rules take the place" in warned
        assert (ahead.recipe.scenario.planner, loaded.recipe.scenario.planner) == ("rules", "chat")
        server.act = say({"legs": 4})
        assert with_who_answers(Terminal(), loaded) is loaded
        assert with_who_answers(Terminal(), open_recipe("quickstart")).recipe.scenario.planner == "rules"
        assert len(server.requests) == 2
    assert capsys.readouterr().err == ""
    assert not list(tmp_path.rglob("*.json"))


def test_the_help_loads_no_client() -> None:
    code = "import sys, soundflow_pipelines.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"soundflow_data.scenario.chat", "pydantic"} & set(loaded)
