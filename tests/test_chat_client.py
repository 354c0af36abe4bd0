"""The client of language-model servers: all faults of a server, what is recorded of them, and what never changes."""

from __future__ import annotations

import email.utils
import json
import multiprocessing
import pickle
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from chat_questions import COUNT, GOOD, KEY, Count, ask, question, sensible, settings
from chat_server import (
    ChatServer,
    after,
    cut,
    raw,
    say,
    script,
    status,
    text,
    trickle,
    without_schemas,
)

from soundflow_data.errors import ChatError, SoundFlowError
from soundflow_data.scenario.chat.answers import Answers
from soundflow_data.scenario.chat.client import STALE, Answer, ChatClient
from soundflow_data.scenario.chat.completions import endpoint
from soundflow_data.scenario.chat.slots import Slots


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOUNDFLOW_CHAT_URL", "SOUNDFLOW_CHAT_MODEL", "SOUNDFLOW_CHAT_KEY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def free_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]  # bound and never listening: connections are refused


# -- what is asked and what comes back ---------------------------------------------------------------------------------


def test_the_request_follows_the_protocol(tmp_path: Path) -> None:
    with ChatServer(say(GOOD)) as server:
        client = ChatClient(settings(server.url, tmp_path, key=KEY, options={"max_tokens": 99}))
        assert ask(client).value == Count(legs=4, animal="dog")
    (body,) = server.requests
    assert server.paths == ["/v1/chat/completions"]
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert body["model"] == "tiny"
    assert body["temperature"] == 0.7
    assert body["max_tokens"] == 99
    assert [turn["role"] for turn in body["messages"]] == ["system", "user"]
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "count", "strict": True, "schema": COUNT},
    }
    assert COUNT == {
        "type": "object",
        "properties": {"legs": {"type": "integer"}, "animal": {"type": "string"}},
        "required": ["legs", "animal"],
        "additionalProperties": False,
    }


def test_without_a_key_no_header_is_sent(tmp_path: Path) -> None:
    with ChatServer(say(GOOD)) as server:
        ask(ChatClient(settings(server.url, tmp_path)))
    assert "Authorization" not in server.headers[0]


@pytest.mark.parametrize(
    ("url", "full"),
    [
        ("http://host:8000", "http://host:8000/v1/chat/completions"),
        ("http://host:8000/", "http://host:8000/v1/chat/completions"),
        ("http://host/v1", "http://host/v1/chat/completions"),
        ("https://host/api/openai/v1/", "https://host/api/openai/v1/chat/completions"),
        ("https://host/v1/chat/completions", "https://host/v1/chat/completions"),
        ("https://host/deployments/x?api-version=1", "https://host/deployments/x/chat/completions?api-version=1"),
    ],
)
def test_base_paths(url: str, full: str) -> None:
    assert endpoint(url) == full


def test_plain_http_goes_through_the_proxy_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ChatServer(say(GOOD)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("http://", "http://user:pass@"))
        assert ask(ChatClient(settings("http://model.invalid/v1", tmp_path))).value is not None
        assert proxy.paths == ["http://model.invalid/v1/chat/completions"]
        assert proxy.headers[0]["Proxy-Authorization"] == "Basic dXNlcjpwYXNz"
        with ChatServer(say(GOOD)) as here:  # but never to this machine itself
            assert ask(ChatClient(settings(here.url, tmp_path)), "a cat").value is not None
        assert len(here.requests) == len(proxy.requests) == 1


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(GOOD),
        f"```json\n{json.dumps(GOOD)}\n```",
        f"<think>\nA dog {{has}} four.\n</think>\n\n{json.dumps(GOOD)}",
    ],
)
def test_fences_and_loud_thoughts_are_taken_off(tmp_path: Path, content: str) -> None:
    with ChatServer(text(content)) as server:
        assert ask(ChatClient(settings(server.url, tmp_path))).value == Count(legs=4, animal="dog")


def test_a_server_without_schemas_is_asked_in_json_mode(tmp_path: Path) -> None:
    with ChatServer(without_schemas(say(GOOD))) as server:
        client = ChatClient(settings(server.url, tmp_path))
        assert ask(client).value is not None
        assert ask(client, "a cat").value is not None
    kinds = [body["response_format"]["type"] for body in server.requests]
    assert kinds == ["json_schema", "json_object", "json_object"], "it should be remembered"
    assert '"additionalProperties": false' in server.requests[1]["messages"][0]["content"]
    assert client.outcomes().json_object
    assert client.outcomes().retried == 0


# -- a rerun asks nothing ----------------------------------------------------------------------------------------------


def test_a_rerun_asks_nothing_and_gives_the_same(tmp_path: Path) -> None:
    with ChatServer(script(say(GOOD), say(GOOD | {"animal": "another answer"}))) as server:
        first = ChatClient(settings(server.url, tmp_path))
        answer = ask(first)
        rerun = ChatClient(settings(server.url, tmp_path))
        assert ask(rerun) == answer
        assert len(server.requests) == 1
    down = ChatClient(settings(server.url, tmp_path))  # the server is gone
    assert ask(down) == answer
    assert (first.outcomes().asked, first.outcomes().from_cache) == (1, 0)
    assert (down.outcomes().asked, down.outcomes().from_cache) == (0, 1)


@pytest.mark.parametrize(
    "change", [{"model": "other"}, {"temperature": 0.2}, {"options": {"seed": 1}}, {"about": "a cat"}]
)
def test_another_question_is_asked_anew(tmp_path: Path, change: dict[str, Any]) -> None:
    about = change.pop("about", "a dog")
    with ChatServer(say(GOOD)) as server:
        ask(ChatClient(settings(server.url, tmp_path)))
        made = settings(server.url, tmp_path)
        ask(ChatClient(made.model_copy(update=change)), about)
    assert len(server.requests) == 2


def test_the_address_is_no_part_of_a_question(tmp_path: Path) -> None:
    with ChatServer(say(GOOD)) as one, ChatServer(say(GOOD)) as other:
        ask(ChatClient(settings(one.url, tmp_path)))
        ask(ChatClient(settings(other.url, tmp_path, timeout_s=5.0, key=KEY)))
    assert (len(one.requests), len(other.requests)) == (1, 0)


def test_the_first_of_two_workers_decides(tmp_path: Path) -> None:
    """Both ask, as neither finds an answer; the slower one gets the faster one's."""
    asked, released = threading.Event(), threading.Event()

    def slow_act(handler: Any, body: dict[str, Any]) -> None:
        asked.set()
        released.wait(30)
        say(GOOD)(handler, body)

    with ChatServer(slow_act) as slow, ChatServer(say({"legs": 2, "animal": "hen"})) as fast:
        first, second = (ChatClient(settings(server.url, tmp_path, timeout_s=40)) for server in (slow, fast))
        found: list[Answer[Count]] = []
        thread = threading.Thread(target=lambda: found.append(ask(first)))
        thread.start()
        assert asked.wait(30)
        found.append(ask(second))
        released.set()
        thread.join()
    assert len(slow.requests) == len(fast.requests) == 1
    assert found == [Answer(value=Count(legs=2, animal="hen"))] * 2
    assert len(list(tmp_path.rglob("*.json"))) == 1
    assert not list(tmp_path.rglob("*tmp*"))


def _ask_in_a_process(url: str, folder: Path, queue: Any) -> None:
    client = ChatClient(settings(url, folder, concurrency=2))
    queue.put([msgspec.to_builtins(ask(client, f"animal {i}")) for i in range(6)])


def test_processes_agree_and_share_the_limit(tmp_path: Path) -> None:
    """Each request gets another answer, so only the records can make the processes agree."""
    numbers = iter(range(0, 10_000, 2))

    def act(handler: Any, body: dict[str, Any]) -> None:
        after(0.03, say({"legs": next(numbers), "animal": "some"}))(handler, body)

    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    with ChatServer(act) as server:
        workers = [context.Process(target=_ask_in_a_process, args=(server.url, tmp_path, queue)) for _ in range(3)]
        for worker in workers:
            worker.start()
        found = [queue.get(timeout=50) for _ in workers]
        for worker in workers:
            worker.join()
    assert found[0] == found[1] == found[2]
    assert all(answer["value"] is not None for answer in found[0])
    assert server.busiest <= 2


def test_the_limit_holds_for_threads_and_is_used(tmp_path: Path) -> None:
    together = threading.Barrier(3)  # nobody is answered before three have asked

    def act(handler: Any, body: dict[str, Any]) -> None:
        together.wait(30)
        say(GOOD)(handler, body)

    with ChatServer(act) as server:
        client = ChatClient(settings(server.url, tmp_path, concurrency=3, timeout_s=40))
        answers = client.ask_all([question(f"animal {i}") for i in range(9)], sensible)
    assert [answer.value is not None for answer in answers] == [True] * 9
    assert server.busiest == 3


def test_a_slot_that_never_becomes_free_ends_the_wait(tmp_path: Path) -> None:
    slots = Slots(tmp_path, 1, patience_s=0.05)
    with slots.slot(), pytest.raises(ChatError, match="no slot of 1") as raised, slots.slot():
        pass
    assert raised.value.reason == "no free slot"
    with slots.slot() as number:
        assert number == 0


# -- servers that fail -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(status(500), id="500"),
        pytest.param(status(503), id="503"),
        pytest.param(status(429, Retry_After="0.01"), id="429"),
        pytest.param(cut, id="closed in the middle"),
        pytest.param(raw(b"<html><body>Sign in</body></html>", "text/html"), id="html"),
        pytest.param(raw(b'{"choices": [{"message": {"content": "{\\"le'), id="truncated"),
        pytest.param(raw(b""), id="empty"),
        pytest.param(raw(b'{"choices": "none"}'), id="wrong types"),
    ],
)
def test_passing_trouble_is_tried_again(tmp_path: Path, trouble: Any) -> None:
    with ChatServer(script(trouble, say(GOOD))) as server:
        client = ChatClient(settings(server.url, tmp_path))
        assert ask(client).value == Count(legs=4, animal="dog")
    outcomes = client.outcomes()
    assert (outcomes.asked, outcomes.server_failed, outcomes.retried, outcomes.replaced) == (1, 1, 1, {})


@pytest.mark.parametrize(
    ("trouble", "reason", "requests", "words"),
    [
        (status(500, "boom"), "server error", 3, "answered 500 (boom)"),
        (status(429, "slow down"), "rate limited", 3, "too many requests (slow down)"),
        (status(429, "later", Retry_After="3600"), "rate limited", 1, "too many requests (later)"),
        (cut, "connection closed", 3, "before its answer was complete"),
        (trickle(5), "timed out", 3, "did not finish its answer within 0.2 s"),
        (after(1, say(GOOD)), "timed out", 3, "did not finish its answer within 0.2 s"),
        (raw(b"<html>Sign in</html>", "text/html"), "not JSON", 3, "text/html, which are no chat completion"),
        (raw(bytes(9 << 20), "text/plain"), "too long", 3, "sent more than 8 MiB, which is no answer"),
        (status(401, "who are you"), "refused the key", 1, "no key was sent; set SOUNDFLOW_CHAT_KEY (who are you)"),
        (status(404, "no model"), "refused the request", 1, "no model 'tiny'"),
        (status(307, Location="http://elsewhere/v1"), "refused the request", 1, "redirects to 'http://elsewhere/v1'"),
        (status(400, "too long"), "refused the request", 2, "too long"),  # once more in JSON mode
    ],
)
def test_lasting_trouble_is_recorded(tmp_path: Path, trouble: Any, reason: str, requests: int, words: str) -> None:
    with ChatServer(trouble) as server:
        client = ChatClient(settings(server.url, tmp_path, timeout_s=0.2 if reason == "timed out" else 10))
        assert ask(client) == Answer(value=None, reason=reason)
        # A request that is late may reach the server's books after its time.
        assert (client.outcomes().server_failed if reason == "timed out" else len(server.requests)) == requests
    (file,) = tmp_path.glob("count/??/*.json")
    record = json.loads(file.read_bytes())
    assert record["reason"] == reason
    assert words in record["detail"]
    assert record["answer"] is None
    assert client.outcomes().replaced == {reason: 1}


def test_what_was_replaced_stays_so_until_it_is_forgotten(tmp_path: Path, free_port: int) -> None:
    """A server that was down and is back must not change what a rerun makes."""
    made = settings(f"http://127.0.0.1:{free_port}", tmp_path)
    down = ChatClient(made)
    assert ask(down) == Answer(value=None, reason="cannot reach")
    assert down.outcomes().server_failed == 3
    with ChatServer(say(GOOD)) as server:
        back = ChatClient(made.model_copy(update={"url": server.url}))
        assert ask(back) == Answer(value=None, reason="cannot reach")
        assert server.requests == []
        assert back.outcomes().replaced == {"cannot reach": 1}
        assert ask(back, "a cat").value is not None
        answers = Answers(tmp_path)
        assert answers.count() == {"count": {"cannot reach": 1, "": 1}}
        assert answers.forget(reason="timed out") == answers.forget(purpose="plan") == 0
        assert answers.forget(reason="cannot reach") == 1
        assert ask(back).value == Count(legs=4, animal="dog")
        assert answers.forget() == 0, "answers are never forgotten"
        assert len(server.requests) == 2


def test_a_refused_connection_says_what_to_do(tmp_path: Path, free_port: int) -> None:
    client = ChatClient(settings(f"http://127.0.0.1:{free_port}", tmp_path))
    with pytest.raises(ChatError, match="Connection refused; is the server running, and is this its port") as raised:
        client.check()
    again = pickle.loads(pickle.dumps(raised.value))
    assert (str(again), again.reason) == (str(raised.value), "cannot reach")


def test_an_unknown_host_says_so(tmp_path: Path) -> None:
    client = ChatClient(settings("http://nowhere.invalid", tmp_path))
    with pytest.raises(ChatError, match=r"nowhere\.invalid cannot be reached") as raised:
        client.check()
    assert raised.value.reason == "cannot reach"


def test_a_server_that_asks_for_time_gets_it(tmp_path: Path) -> None:
    def busy_until(handler: Any, body: dict[str, Any]) -> None:
        status(429, Retry_After=email.utils.formatdate(time.time() + 2, usegmt=True))(handler, body)

    for name, act in (("seconds", status(429, Retry_After="0.3")), ("date", busy_until)):
        with ChatServer(script(act, say(GOOD))) as server:
            assert ask(ChatClient(settings(server.url, tmp_path / name))).value is not None
        assert server.times[1] - server.times[0] >= 0.3


def test_a_server_that_keeps_failing_is_left_alone_for_a_while(tmp_path: Path) -> None:
    with ChatServer(status(500)) as server:
        client = ChatClient(settings(server.url, tmp_path, retries=0, give_up_after=3, rest_s=2.0))
        reasons = [ask(client, f"animal {i}").reason for i in range(6)]
        assert reasons == ["server error"] * 3 + ["left alone"] * 3
        assert len(server.requests) == 3
        time.sleep(2.0)
        server.act = say(GOOD)
        assert ask(client, "a dog").value is not None
        assert ask(client, "a cat").value is not None
    assert client.outcomes().asked == 5
    assert client.outcomes().replaced == {"left alone": 3, "server error": 3}


# -- answers that are of no use ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "reason", "told"),
    [
        (text("four legs"), "not the schema", "not JSON"),
        (text("[4]"), "not the schema", "Expected `object`, got `array`"),
        (say({"legs": 4}), "not the schema", "missing required field `animal`"),
        (say(GOOD | {"tail": 1}), "not the schema", "unknown field `tail`"),
        (say(GOOD | {"legs": "4"}), "not the schema", "Expected `int`, got `str` - at `$.legs`"),
        (say(GOOD | {"legs": 3}), "makes no sense", "3 legs are odd; name an even number"),
        (raw(b'{"choices": []}'), "no answer", ""),
        (text(None), "no answer", ""),
        (text(json.dumps(GOOD)[:9], finish_reason="length"), "cut off", ""),
        (text(None, refusal="I would rather not."), "refused", ""),
        (text(json.dumps(GOOD), finish_reason="content_filter"), "refused", ""),
    ],
)
def test_a_broken_answer_is_corrected_or_recorded(tmp_path: Path, act: Any, reason: str, told: str) -> None:
    with ChatServer(script(act, say(GOOD))) as server:
        client = ChatClient(settings(server.url, tmp_path / "mended"))
        assert ask(client).value == Count(legs=4, animal="dog")
        assert (client.outcomes().schema_broken, client.outcomes().retried) == (1, 1)
        assert told in server.requests[1]["messages"][-1]["content"]
        assert len(server.requests[1]["messages"]) == (4 if told else 2)
    with ChatServer(act) as server:
        client = ChatClient(settings(server.url, tmp_path / "broken"))
        assert ask(client) == Answer(value=None, reason=reason)
        assert ask(client) == Answer(value=None, reason=reason)
        assert len(server.requests) == 2
    outcomes = client.outcomes()
    assert (outcomes.asked, outcomes.from_cache, outcomes.schema_broken) == (1, 1, 2)
    assert (outcomes.server_failed, outcomes.replaced) == (0, {reason: 2})


def test_answers_on_record_that_no_longer_hold_are_replaced(tmp_path: Path) -> None:
    with ChatServer(say(GOOD)) as server:
        client = ChatClient(settings(server.url, tmp_path))
        ask(client)

        def stricter(count: Count) -> Count:
            raise SoundFlowError("nothing pleases")

        assert client.ask(question(), stricter) == Answer(value=None, reason=STALE)
        assert len(server.requests) == 1
    assert client.outcomes().replaced == {STALE: 1}


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    with ChatServer(say(GOOD)) as server:
        client = ChatClient(settings(server.url, tmp_path))
        ask(client)
        (file,) = tmp_path.glob("count/??/*.json")
        for damage in (file.read_bytes()[:20], file.read_bytes().replace(b'"format": 1', b'"format": 9')):
            file.write_bytes(damage)
            with pytest.raises(ChatError, match=file.name):
                ask(client)
