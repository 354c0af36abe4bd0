"""Scenes of a split that a language model plans: the same with the server well, gone, or never there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, say, text

from soundflow_data.corpus import Corpus
from soundflow_data.dice import Dice
from soundflow_data.scenario.bag import Bags
from soundflow_data.scenario.chat import ChatClient
from soundflow_data.scenario.chat_planner import ChatPlanner
from soundflow_data.scenario.plan import ScenePlan
from soundflow_data.scenario.rules import RulePlanner
from soundflow_data.scenario.settings import ScenarioSettings
from soundflow_data.scenario.staging import Stager
from soundflow_data.scenario.supply import Supply

SCENES = 24


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOUNDFLOW_CHAT_URL", "SOUNDFLOW_CHAT_MODEL", "SOUNDFLOW_CHAT_KEY"):
        monkeypatch.delenv(name, raising=False)


def whimsical(handler: Any, body: dict[str, Any]) -> None:
    """Plans every other variation, with all that it is offered for the first place, and talks nonsense otherwise."""
    told = body["messages"][1]["content"]
    variation = int(re.search(r"variation (\d+)", told)[1])  # type: ignore[index]
    if variation % 2:
        text("What a lovely bag!")(handler, body)
        return
    place = told.split("Places:\n- ")[1].partition(":")[0]
    sounds = re.findall(rf"^- (\w+): \w+; [^;\n]*\b{place}\b[^;\n]*$", told, re.MULTILINE)  # bound to no others
    usual = {"role": "foreground", "shortest_s": 0.3, "longest_s": 4, "query": "a sound", "caption": "A sound."}
    events = [usual | {"label": label} for label in sounds[:15]]
    say({"scenes": [{"place": place, "title": "x", "events": events, "before": [], "excluded": []}]})(handler, body)


def plan(corpus: Corpus, chat: dict[str, Any]) -> list[tuple[ScenePlan, ...]]:
    """Draws bags of a split and plans them."""
    supply = Supply(corpus.library("train"))
    bags = Bags(supply)
    settings = ScenarioSettings.model_validate({"planner": "chat", "chat": chat})
    rules = RulePlanner(supply.ontology, available=supply.labels)
    planner = ChatPlanner(ChatClient(settings.chat), rules, supply.ontology, available=supply.labels)
    dice = [Dice(seed, "scene") for seed in range(SCENES)]
    return [planner.plan(bags.draw(one), one, "en") for one in dice]


def planners(plans: list[tuple[ScenePlan, ...]]) -> set[str]:
    return {one.planner for some in plans for one in some}


def test_plans_stay_the_same_when_the_server_goes(corpus: Corpus, tmp_path: Path) -> None:
    with ChatServer(whimsical) as server:
        chat = {"url": server.url, "model": "tiny", "answers": str(tmp_path), "corrections": 0, "backoff_s": 0.01}
        first = plan(corpus, chat)
        asked = len(server.requests)
        assert 0 < asked <= SCENES
        assert plan(corpus, chat) == first
        assert len(server.requests) == asked, "a rerun asks nothing"
    assert plan(corpus, chat) == first, "nor does it need the server"
    assert "chat" in planners(first)
    assert any(planner.startswith("rules, as chat: ") for planner in planners(first)), "plans say who took whose place"


def test_a_server_that_was_never_there_stops_nothing(corpus: Corpus, tmp_path: Path) -> None:
    chat = {"url": "http://127.0.0.1:9", "model": "tiny", "answers": str(tmp_path), "retries": 0, "give_up_after": 2}
    plans = plan(corpus, chat)
    assert planners(plans) == {"rules, as chat: cannot reach", "rules, as chat: left alone"}
    with ChatServer(whimsical) as server:  # it is there now, and nothing changes silently
        assert plan(corpus, chat | {"url": server.url}) == plans
        assert server.requests == []


def test_the_recipe_decides_who_plans_and_streams_say_who_did(corpus: Corpus, tmp_path: Path) -> None:
    chat = {"url": "http://127.0.0.1:9", "model": "tiny", "answers": str(tmp_path), "retries": 0}
    found = set()
    for settings in ({"planner": "chat", "chat": chat}, {"planner": "rules"}):
        stager = Stager(corpus.library("train"), ScenarioSettings.model_validate(settings))
        found.add(stager.stage(Dice(0, "scene"), "en").setting.planner)
    assert found == {"rules, as chat: cannot reach", "rules"}
