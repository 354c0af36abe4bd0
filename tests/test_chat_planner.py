"""Plans of language models: what is asked, what is accepted, and what takes their place."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from chat_server import ChatServer, say, script, status, text

from soundflow_data.dice import Dice
from soundflow_data.errors import Drop
from soundflow_data.ontology import load_ontology
from soundflow_data.scenario.chat import ChatClient, ChatSettings
from soundflow_data.scenario.chat_planner import ChatPlanner
from soundflow_data.scenario.plan import Annotation, ScenePlan, validate_plan
from soundflow_data.scenario.rules import RulePlanner

ONTOLOGY = load_ontology()
BAG = tuple(
    Annotation(bank="b", clip=str(i), label=label, caption=caption)
    for i, (label, caption) in enumerate(
        [("kettle_whistle", "A kettle whistles"), ("running_tap", ""), ("glass_breaking", "")]
    )
)
CLASHING = (*BAG, Annotation(bank="b", clip="9", label="cow"))


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOUNDFLOW_CHAT_URL", "SOUNDFLOW_CHAT_MODEL", "SOUNDFLOW_CHAT_KEY"):
        monkeypatch.delenv(name, raising=False)


def event(label: str, **changes: Any) -> dict[str, Any]:
    usual = {"role": "foreground", "shortest_s": 1, "longest_s": 4.5, "query": "a sound", "caption": "A sound."}
    return {"label": label, **usual, **changes}


def scene(*labels: str, **changes: Any) -> dict[str, Any]:
    usual = {"place": "kitchen", "title": "Tea  time", "before": [], "excluded": []}
    return {**usual, "events": [event(label) for label in labels], **changes}


def scenes(*some: dict[str, Any]) -> dict[str, Any]:
    return {"scenes": list(some)}


TEA = scene("running_tap", "kettle_whistle", "glass_breaking", "cutlery_clatter", before=[[0, 2]], excluded=["thunder"])
FARM = scene("cow", "cow_bell", "sheep", place="farm", title="Out there")


def planner(url: str, folder: Path, **changes: Any) -> ChatPlanner:
    settings = ChatSettings(
        url=url, model="tiny", answers=str(folder), retries=1, corrections=1, backoff_s=0.01, timeout_s=10
    )
    return ChatPlanner(ChatClient(settings), RulePlanner(ONTOLOGY), ONTOLOGY, **changes)


def plan(one: ChatPlanner, bag: Sequence[Annotation] = BAG, seed: int = 1) -> tuple[ScenePlan, ...]:
    return one.plan(bag, Dice(seed), "en")


def ruled(reason: str, seed: int = 1) -> tuple[ScenePlan, ...]:
    """What the rules make of the bag, after the draw of the variation."""
    dice = Dice(seed)
    dice.integer(1, 16)
    plans = RulePlanner(ONTOLOGY).plan(BAG, dice, "en")
    return tuple(msgspec.structs.replace(one, planner=f"rules, as chat: {reason}") for one in plans)


def test_a_plan_becomes_a_scene(tmp_path: Path) -> None:
    with ChatServer(say(scenes(TEA))) as server:
        (tea,) = plan(planner(server.url, tmp_path))
    validate_plan(tea, ONTOLOGY)
    assert (tea.place, tea.title, tea.planner) == ("kitchen", "Tea time", "chat")
    assert tea.labels == ("running_tap", "kettle_whistle", "glass_breaking", "cutlery_clatter")
    assert tea.events[0].duration_s == (1.0, 4.5)
    assert tea.events[1].tags == ONTOLOGY.by_label("kettle_whistle").tags, "what is accepted as a kettle is knowledge"
    assert (0, 2) in tea.before
    assert (0, 1) in tea.before, "the ontology's order holds as well: the tap runs before the kettle whistles"
    assert "thunder" in tea.excluded
    assert set(ONTOLOGY.excludes("kettle_whistle")) <= set(tea.excluded)


def test_what_is_asked(tmp_path: Path) -> None:
    with ChatServer(say(scenes(TEA))) as server:
        plan(planner(server.url, tmp_path, available={"cutlery_clatter", "frying", "cow_bell"}))
    (body,) = server.requests
    told = body["messages"][1]["content"]
    assert "- kettle_whistle: A kettle whistles" in told
    assert "follows running_tap" in told
    assert "- cutlery_clatter: " in told
    assert "cow_bell" not in told, "no place of this bag has cow bells"
    assert "chopping" not in told, "it is not available"
    schema = body["response_format"]["json_schema"]["schema"]
    assert set(schema["$defs"]["SceneAnswer"]["properties"]["place"]["enum"]) == set(ONTOLOGY.scenes)
    assert "cow" in schema["$defs"]["EventAnswer"]["properties"]["label"]["enum"]
    assert schema["$defs"]["EventAnswer"]["properties"]["role"]["type"] == "string"
    for definition in (schema, *schema["$defs"].values()):
        assert definition["additionalProperties"] is False
        assert definition["required"] == list(definition["properties"])


def test_a_bag_in_another_order_is_the_same_question(tmp_path: Path) -> None:
    with ChatServer(say(scenes(TEA))) as server:
        one = planner(server.url, tmp_path)
        assert plan(one) == plan(one, BAG[::-1])
        assert len(server.requests) == 1
        asked = {seed: plan(one, seed=seed) for seed in range(40)}
    assert len(asked) == 40
    assert 2 < len(server.requests) <= 16, "there are as many variations of a bag, and no more"


def test_labels_may_come_by_other_names(tmp_path: Path) -> None:
    other = scene("Running tap", "kettle whistle", "Shatter", "cutlery_clatter", excluded=["no such sound"])
    assert ONTOLOGY.with_tag("Shatter") == ("glass_breaking",)
    with ChatServer(say(scenes(other))) as server:
        (tea,) = plan(planner(server.url, tmp_path))
    assert tea.labels == ("running_tap", "kettle_whistle", "glass_breaking", "cutlery_clatter")


def test_a_contradictory_bag_makes_two_scenes(tmp_path: Path) -> None:
    with ChatServer(say(scenes(TEA, FARM))) as server:
        plans = plan(planner(server.url, tmp_path), CLASHING)
    assert [one.place for one in plans] == ["kitchen", "farm"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (scenes(scene("running_tap", "kettle_whistle", "dragon_roar")), "no sound 'dragon_roar'"),
        (
            scenes(scene("kettle_whistle", "running_tap", "glass_breaking")),
            "event 0 (kettle_whistle) comes before event 1 (running_tap)",
        ),
        (scenes(scene("running_tap", "kettle_whistle", "glass_breaking", before=[[2, 1]])), "against the order"),
        (scenes(scene("running_tap", "kettle_whistle", "glass_breaking", before=[[0, 9]])), "events are 0 to 2"),
        (
            scenes(scene("running_tap", "kettle_whistle", "snoring", "vacuum_cleaner", place="home")),
            "snoring and vacuum_cleaner exclude each other; leave one out",
        ),
        (scenes(scene("running_tap", "kettle_whistle", "cow")), "is heard outdoor, not in kitchen"),
        (scenes(scene("running_tap", "kettle_whistle", "smoke_alarm")), "['smoke_alarm'] may not be added"),
        (scenes(scene("running_tap", "kettle_whistle")), "2 events; a scene has 3 to 15"),
        (scenes(scene(*["running_tap"] * 16)), "16 events"),
        (scenes(scene("running_tap", "cutlery_clatter", "frying")), "only ['running_tap'] of the clips' sounds"),
        (scenes(scene("running_tap", "kettle_whistle", "frying", excluded=["frying"])), "are heard and excluded"),
        (scenes(scene("running_tap", "kettle_whistle", "frying", place="moon")), "place 'moon' is unknown"),
        (scenes(TEA, scene("glass_breaking", "cutlery_clatter", "chopping")), "do not contradict each other"),
        (scenes(TEA, FARM), "has none of the clips' sounds"),
        (scenes(TEA, TEA, TEA), "3 scenes; write one"),
        (scenes(), "0 scenes; write one"),
        (scenes(scene() | {"events": [event("frying", longest_s=0)] * 3}), "duration_s is [1, 0]"),
        (scenes(scene() | {"events": [event("frying", query=" ")] * 3}), "query is empty"),
        (scenes(scene() | {"events": [event("frying", role="loud")] * 3}), "Invalid enum value 'loud'"),
        (scenes(scene() | {"events": "many"}), "Expected `array`, got `str` - at `$.scenes[0].events`"),
        (scenes(TEA | {"place": None}), "Expected `str`, got `null`"),
        ({"scene": TEA}, "unknown field `scene`"),
        ([TEA], "Expected `object`, got `array`"),
    ],
)
def test_nonsense_is_told_and_then_replaced_by_the_rules(tmp_path: Path, answer: Any, told: str) -> None:
    with ChatServer(say(answer)) as server:
        one = planner(server.url, tmp_path)
        (reason,) = {found.planner.partition(": ")[2] for found in plan(one)}
        assert reason in {"makes no sense", "not the schema"}
        assert len(server.requests) == 2
        assert told in server.requests[1]["messages"][-1]["content"]
        assert plan(one) == ruled(reason), "what took its place is final"
        assert len(server.requests) == 2
    outcomes = one.outcomes()
    assert (outcomes.asked, outcomes.from_cache, outcomes.retried, outcomes.schema_broken) == (1, 1, 1, 2)
    assert sum(outcomes.replaced.values()) == 2


def test_a_corrected_plan_is_taken(tmp_path: Path) -> None:
    with ChatServer(script(say(scenes(scene("cow"))), say(scenes(TEA)))) as server:
        one = planner(server.url, tmp_path)
        assert [found.title for found in plan(one)] == ["Tea time"]
    assert one.outcomes().replaced == {}


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (status(500), "server error"),
        (status(429), "rate limited"),
        (text("I am a teapot"), "not the schema"),
        (status(401), "refused the key"),
    ],
)
def test_trouble_never_stops_planning_and_stays_what_it_was(tmp_path: Path, act: Any, reason: str) -> None:
    with ChatServer(act) as server:
        first = [plan(planner(server.url, tmp_path), seed=seed) for seed in range(3)]
        assert first == [ruled(reason, seed=seed) for seed in range(3)]
        server.act = say(scenes(TEA))  # the server is well again
        asked = len(server.requests)
        assert [plan(planner(server.url, tmp_path), seed=seed) for seed in range(3)] == first
        assert len(server.requests) == asked


def test_a_rerun_without_a_server_gives_the_same_plans(tmp_path: Path) -> None:
    answers = script(say(scenes(TEA)), say("nonsense"), say("nonsense"), say(scenes(TEA | {"title": "Later"})))
    with ChatServer(answers) as server:
        first = [plan(planner(server.url, tmp_path), seed=seed) for seed in range(8)]
        url = server.url
    again = planner(url, tmp_path)
    assert [plan(again, seed=seed) for seed in range(8)] == first
    assert again.outcomes().asked == 0
    assert again.outcomes().from_cache == 8
    assert len({json.dumps([found.title for found in one]) for one in first}) >= 2


def test_a_bag_of_unknown_sounds_is_not_asked_about(tmp_path: Path) -> None:
    with ChatServer(say(scenes(TEA))) as server:
        one = planner(server.url, tmp_path)
        with pytest.raises(Drop, match="nothing to plan"):
            plan(one, [Annotation(bank="b", clip="1", label="what is this")])
    assert server.requests == []
    assert one.outcomes().asked == 0
    assert Counter(one.outcomes().replaced) == Counter()
