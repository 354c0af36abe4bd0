"""Verified silence: what needs no response stays silent, what may need one is discarded and not mislabelled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, say, status

from soundflow_data.corpus import Corpus
from soundflow_data.errors import Drop
from soundflow_data.ontology import load_ontology
from soundflow_data.scenario.chat import ChatClient, ChatSettings
from soundflow_data.scenario.settings import ScenarioSettings
from soundflow_data.scenario.silence_auditor import (
    ChatAuditor,
    RuleAuditor,
    Verdicts,
    make_auditor,
    unanswered,
    verify,
)
from soundflow_data.timeline import Event, Response, Silence, Timeline

ONTOLOGY = load_ontology()
RULES = RuleAuditor(ONTOLOGY)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOUNDFLOW_CHAT_URL", "SOUNDFLOW_CHAT_MODEL", "SOUNDFLOW_CHAT_KEY"):
        monkeypatch.delenv(name, raising=False)


def sound(label: str, **changes: Any) -> dict[str, Any]:
    return {"track": "sound", "kind": "sound", "label": label, **changes}


def speech(text: str, **changes: Any) -> dict[str, Any]:
    return {"track": "user", "kind": "speech", "text": text, **changes}


def stream(*events: dict[str, Any], answered: tuple[int, ...] = (), noted: tuple[int, ...] = ()) -> Timeline:
    placed = tuple(
        Event(bank="b", clip=str(i), onset=6400 * i, num_samples=3200, role=one.pop("role", "foreground"), **one)
        for i, one in enumerate(dict(event) for event in events)
    )
    timeline = Timeline(
        key="train-1",
        split="train",
        ability="a",
        subtask="s",
        num_samples=6400 * 40,
        events=placed,
        responses=tuple(
            Response(text="Yes.", evidence=placed[i].end, due=placed[i].end, events=(i,)) for i in answered
        ),
        silences=tuple(
            Silence(start=placed[i].onset, end=placed[i].end, reason="addressed to somebody else", events=(i,))
            for i in noted
        ),
    )
    timeline.check()
    return timeline


STREAM = stream(
    sound("dishes_washing"),
    sound("smoke_alarm"),
    sound("rain", track="bed-0", kind="noise", role="background"),
    speech("Is it raining?"),
    speech("Is it raining, Anna?"),
    speech("I am going out."),
    sound("car_alarm", role="ambient"),
    sound("something of a user's own"),
    sound("smoke_alarm"),
    answered=(8,),
    noted=(4,),
)


def judgements(verdicts: Verdicts) -> dict[int, str]:
    return {verdict.event: verdict.judgement for verdict in verdicts.verdicts}


def test_rules_judge_by_what_is_known() -> None:
    assert unanswered(STREAM) == (0, 1, 3, 4, 5, 6, 7), "neither the bed nor what was answered"
    verdicts = RULES.audit(STREAM)
    assert judgements(verdicts) == {
        0: "silent",
        1: "respond",
        3: "ambiguous",
        4: "silent",
        5: "silent",
        6: "ambiguous",
        7: "ambiguous",
    }
    assert verdicts.count() == {"silent": 3, "respond": 1, "ambiguous": 3}
    assert not verdicts.verified
    reasons = {verdict.event: verdict.reason for verdict in verdicts.verdicts}
    assert reasons[4] == "planned: addressed to somebody else"
    assert "smoke alarm" in reasons[1]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (sound("smoke_alarm"), "silence that is wrong"),
        (sound("car_alarm"), "silence that is ambiguous"),
        (speech("几点了？"), "silence that is ambiguous"),
        (speech("现在下雨吗"), "silence that is ambiguous"),
    ],
)
def test_streams_without_verified_silence_are_dropped(event: dict[str, Any], reason: str) -> None:
    with pytest.raises(Drop, match="train-1") as raised:
        verify(stream(sound("dishes_washing"), event), RULES)
    assert raised.value.reason == reason
    assert verify(stream(sound("dishes_washing"), event, answered=(1,)), RULES).verified


def test_the_sub_tasks_keep_only_verified_silences(make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus()
    for i in range(24):
        timeline = corpus.compose(corpus.spec("train", i))
        assert verify(timeline, RULES).verified, timeline.key


# -- with a language model ---------------------------------------------------------------------------------------------


def auditor(url: str, folder: Path) -> ChatAuditor:
    settings = ChatSettings(
        url=url, model="tiny", answers=str(folder), retries=0, corrections=1, backoff_s=0.01, timeout_s=10
    )
    return ChatAuditor(ChatClient(settings), RULES)


def verdicts(**by_event: str) -> dict[str, Any]:
    return {
        "verdicts": [
            {"event": int(name.removeprefix("e")), "judgement": judgement, "reason": f"because of {name}"}
            for name, judgement in by_event.items()
        ]
    }


ALL = {
    "e0": "silent",
    "e1": "respond",
    "e3": "respond",
    "e4": "respond",
    "e5": "silent",
    "e6": "silent",
    "e7": "ambiguous",
}


def test_only_what_both_keep_silent_stays_so(tmp_path: Path) -> None:
    with ChatServer(say(verdicts(**ALL))) as server:
        one = auditor(server.url, tmp_path)
        found = one.audit(STREAM)
        assert one.audit(STREAM) == found
        assert len(server.requests) == 1
    assert judgements(found) == {
        0: "silent",
        1: "respond",
        3: "ambiguous",
        4: "ambiguous",  # the rules: silent, the model: respond
        5: "silent",
        6: "ambiguous",
        7: "ambiguous",
    }
    assert found.verdicts[3].reason == (
        "rules: silent (planned: addressed to somebody else); model: respond (because of e4)"
    )
    told = server.requests[0]["messages"][1]["content"]
    assert "event 1, 0.4-0.6 s: sound: smoke_alarm" in told
    assert "event 6, 2.4-2.6 s (ambient): sound: car_alarm" in told
    assert "3.4 s: assistant says: Yes." in told
    assert "rain" not in told.replace("raining", ""), "the bed is no event"
    assert "Judge these events: 0, 1, 3, 4, 5, 6, 7." in told
    assert (one.outcomes().asked, one.outcomes().from_cache) == (1, 1)


@pytest.mark.parametrize(
    "act",
    [
        say(verdicts(e0="silent")),
        say(verdicts(**ALL, e2="silent")),
        say(verdicts(**ALL | {"e0": "maybe"})),
        say({"verdicts": verdicts(**ALL)["verdicts"] + verdicts(e0="silent")["verdicts"]}),
        status(500),
    ],
)
def test_without_a_usable_answer_the_rules_judge(tmp_path: Path, act: Any) -> None:
    with ChatServer(act) as server:
        assert auditor(server.url, tmp_path).audit(STREAM) == RULES.audit(STREAM)
        server.act = say(verdicts(**ALL))
        asked = len(server.requests)
        assert auditor(server.url, tmp_path).audit(STREAM) == RULES.audit(STREAM)
        assert len(server.requests) == asked


def test_the_recipe_decides_who_judges(tmp_path: Path) -> None:
    assert make_auditor(ScenarioSettings(), ONTOLOGY).name == "rules"
    chat = {"url": "http://127.0.0.1:9", "model": "tiny", "answers": str(tmp_path)}
    settings = ScenarioSettings.model_validate({"auditor": "chat", "chat": chat})
    assert make_auditor(settings, ONTOLOGY).name == "chat"


def test_a_stream_without_silences_is_not_asked_about(tmp_path: Path) -> None:
    with ChatServer(status(500)) as server:
        assert auditor(server.url, tmp_path).audit(stream(sound("smoke_alarm"), answered=(0,))).verified
    assert server.requests == []
