"""New wordings keep what was meant: slots, numbers, names, negation, language and about the length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, say, script, status

from soundflow_data.dice import Dice
from soundflow_data.scenario.chat import ChatClient, ChatSettings
from soundflow_data.scenario.chat_rewriter import ChatRewriter, make_rewriter
from soundflow_data.scenario.sameness import objections
from soundflow_data.scenario.settings import ScenarioSettings

TELL = "Tell me when you hear {sound}."
WORDINGS = (
    "Could you let me know as soon as you hear {sound}?",
    "When you hear {sound}, tell me.",
    "I'd like to know when you hear {sound}.",
)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOUNDFLOW_CHAT_URL", "SOUNDFLOW_CHAT_MODEL", "SOUNDFLOW_CHAT_KEY"):
        monkeypatch.delenv(name, raising=False)


def rewriter(url: str, folder: Path) -> ChatRewriter:
    settings = ChatSettings(
        url=url, model="tiny", answers=str(folder), retries=0, corrections=1, backoff_s=0.01, timeout_s=10
    )
    return ChatRewriter(ChatClient(settings))


def many(one: ChatRewriter, seeds: int = 30) -> list[str]:
    return [one.rewrite(TELL, language="en", dice=Dice(seed), keep=["{sound}"]) for seed in range(seeds)]


def test_one_question_varies_a_template_for_all_streams(tmp_path: Path) -> None:
    with ChatServer(say({"wordings": WORDINGS})) as server:
        first = rewriter(server.url, tmp_path)
        found = many(first)
        assert many(rewriter(server.url, tmp_path)) == found
    assert set(found) == set(WORDINGS)
    assert len(server.requests) == 1
    assert "Keep exactly: {sound}" in server.requests[0]["messages"][1]["content"]
    outcomes = first.outcomes()
    assert (outcomes.rewritten, outcomes.original, outcomes.refused, outcomes.chat.asked) == (30, {}, 0, 1)


def test_wordings_that_change_the_meaning_are_left_out_and_counted(tmp_path: Path) -> None:
    mixed = [WORDINGS[0], "Don't tell me when you hear {sound}.", "Tell me when you hear it.", WORDINGS[0]]
    with ChatServer(say({"wordings": mixed})) as server:
        one = rewriter(server.url, tmp_path)
        assert set(many(one)) == {WORDINGS[0]}
    assert one.outcomes().refused == 2


def test_when_no_wording_may_stand_the_original_does(tmp_path: Path) -> None:
    with ChatServer(say({"wordings": ["Tell me when you hear it."]})) as server:
        one = rewriter(server.url, tmp_path)
        assert set(many(one, 5)) == {TELL}
        assert "'{sound}' must stay as it is" in server.requests[1]["messages"][-1]["content"]
        assert len(server.requests) == 2
    assert one.outcomes().original == {"makes no sense": 5}
    assert one.outcomes().chat.replaced == {"makes no sense": 1}


def test_a_corrected_answer_is_used(tmp_path: Path) -> None:
    with ChatServer(script(say({"wordings": []}), say({"wordings": WORDINGS}))) as server:
        assert set(many(rewriter(server.url, tmp_path))) == set(WORDINGS)


def test_without_a_server_the_original_stays_for_good(tmp_path: Path) -> None:
    with ChatServer(status(503)) as server:
        assert set(many(rewriter(server.url, tmp_path), 4)) == {TELL}
        server.act = say({"wordings": WORDINGS})
        one = rewriter(server.url, tmp_path)
        assert set(many(one, 4)) == {TELL}
        assert len(server.requests) == 1
    assert one.outcomes().original == {"server error": 4}


def test_the_recipe_decides_whether_texts_are_varied(tmp_path: Path) -> None:
    assert make_rewriter(ScenarioSettings()) is None
    with ChatServer(say({"wordings": WORDINGS})) as server:
        chat = {"url": server.url, "model": "tiny", "answers": str(tmp_path)}
        one = make_rewriter(ScenarioSettings.model_validate({"rewriter": "chat", "variations": 3, "chat": chat}))
        assert one is not None
        assert set(many(one)) == set(WORDINGS)
    assert "Write 3 different wordings" in server.requests[0]["messages"][1]["content"]


def test_as_much_is_drawn_with_and_without_wordings(tmp_path: Path) -> None:
    """What comes after it in a stream must not depend on whether a text was reworded."""
    rest = []
    for act in (say({"wordings": WORDINGS}), status(500)):
        dice = Dice(3)
        with ChatServer(act) as server:
            rewriter(server.url, tmp_path / str(len(rest))).rewrite(TELL, language="en", dice=dice, keep=["{sound}"])
        rest.append(dice.integer(0, 10**9))
    assert rest[0] == rest[1]


@pytest.mark.parametrize(
    ("original", "wording"),
    [
        (TELL, WORDINGS[0]),
        ("Remind me in ten seconds.", "In ten seconds, please remind me."),
        ("Remind me at 7:30 to call Anna.", "Could you remind me to call Anna at 7:30?"),
        ("Anna, can you open the blinds?", "Can you open the blinds, Anna?"),
        ("Stop counting, please.", "Please quit counting now."),
        ("Tell me every time it rings.", "Tell me whenever it rings."),
        ("Wait one minute.", "Wait a minute."),
        ("听到{sound}时告诉我。", "一听到{sound}就请跟我说一声。"),
        ("十秒后提醒我", "请在十秒之后提醒我一下"),
        ("别再数了。", "请停止计数吧。"),
        ("你能不能开灯？", "麻烦开一下灯。"),
    ],
)
def test_what_means_the_same_may_stand(original: str, wording: str) -> None:
    keep = ["{sound}"] if "{sound}" in original else []
    language = "en" if original.isascii() else "zh"
    assert list(objections(original, wording, language=language, keep=keep)) == []
    assert list(objections(original, original, language=language, keep=keep)) == []


@pytest.mark.parametrize(
    ("original", "wording", "objection"),
    [
        (TELL, "Tell me when you hear a {noise}.", "'{sound}' must stay"),
        (TELL, "Tell me when you hear {sound} in {place}.", "slots of its own"),
        ("Remind me in ten seconds.", "Remind me in twenty seconds.", "numbers must stay: ten, not twenty"),
        ("Remind me in ten seconds.", "Remind me in 10 seconds.", "numbers must stay"),
        ("Remind me at 7:30.", "Remind me at 7.", "numbers must stay: 7:30, not 7"),
        ("Tell me when it rings.", "Tell me every time it rings.", "numbers must stay: none, not every"),
        ("Anna, can you open the blinds?", "Can you open the blinds?", "'Anna' must stay"),
        ("Can you open the blinds?", "Can you open the blinds, Bob?", "'Bob' was not named before"),
        ("Count the barks.", "Never count the barks.", "a negation was added or lost"),
        ("Don't tell me.", "Tell me right now.", "a negation was added or lost"),
        ("Tell me when it rings.", "响的时候告诉我。", "not in English"),
        (
            "Open it.",
            "Open it now, as fast as you possibly can, because we are all waiting for it here.",
            "has 17 words",
        ),
        ("Please tell me at once when you hear somebody at the door.", "Tell me.", "has 2 words"),
        ("Tell me when it rings.", "**Tell** me when it rings.", "markup"),
        ("Tell me when it rings.", "", "has 0 words"),
        ("十秒后提醒我。", "二十秒后提醒我。", "numbers must stay"),
        ("一分钟后叫我。", "过一会儿叫我。", "numbers must stay: 一, not none"),
        ("打开灯。", "不要打开灯。", "a negation was added or lost"),
        ("打开TV。", "打开电视。", "'TV' must stay"),
        ("打开灯。", "Turn on the light.", "not in Chinese"),
    ],
)
def test_what_changes_the_meaning_may_not(original: str, wording: str, objection: str) -> None:
    keep = ["{sound}"] if "{sound}" in original else []
    language = "en" if original.isascii() else "zh"
    assert objection in "; ".join(objections(original, wording, language=language, keep=keep))


def test_values_may_stand_for_slots(tmp_path: Path) -> None:
    answer: Any = {"wordings": ["Two beeps of Anna's oven, tell me when you hear them.", "Let me know about the oven."]}
    with ChatServer(say(answer)) as server:
        text = rewriter(server.url, tmp_path).rewrite(
            "Tell me when you hear two beeps of Anna's oven.",
            language="en",
            dice=Dice(1),
            keep=["two beeps of Anna's oven"],
        )
    assert text == answer["wordings"][0]
