"""Questions to a language model, each asked once for ever.

    client = ChatClient(ChatSettings(url="http://127.0.0.1:8000", model="Qwen/Qwen3-8B"))
    answer = client.ask(question, accept)       # from the records, or else from the server
    plan = answer.value or rules.plan(...)      # None: no usable answer came, and that is on record too

    question ── on record? ──yes──> the recorded answer, or the recorded lack of one
                    │ no
                 server ── fails ──> wait, again (`retries`) ── still fails ──> record why: the asker's rules take over
                    │ answers
                 schema, `accept` ── broken ──> say what is wrong, again (`corrections`) ── still broken ──> the same
                    │ holds
                 record ──> the answer

So a server that is slow, down, rate-limiting or talking nonsense never ends a run, and what came of a question never
changes afterwards: a rerun asks nothing and makes the same bytes.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import msgspec

from soundflow_data.dice import Dice
from soundflow_data.errors import ChatError, SoundFlowError
from soundflow_data.scenario.chat.answers import Answers, Recorded, question_key
from soundflow_data.scenario.chat.completions import (
    PASSING_REASONS,
    SERVER_REASONS,
    Completions,
    Message,
    json_of,
)
from soundflow_data.scenario.chat.schema import strict_schema
from soundflow_data.scenario.chat.slots import Slots
from soundflow_data.scenario.settings import ChatSettings

T = TypeVar("T")
R = TypeVar("R")

STALE: Final = "no longer holds"
_MAX_QUOTED: Final = 8000  # characters of a wrong answer that are sent back with its correction


class Question(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What a language model is asked.

    Attributes:
        purpose: Short name, part of the identity of the question and the folder of its answer.
        messages: The conversation; the first message is the system's.
        kind: Type of the answer, a `msgspec.Struct`.
        schema: JSON schema of that type, as `strict_schema` makes it.
    """

    purpose: str
    messages: tuple[Message, ...]
    kind: type[T]
    schema: dict[str, Any]


class Answer(msgspec.Struct, Generic[R], frozen=True, kw_only=True):
    """What came of a question: a value, or the reason why there is none."""

    value: R | None
    reason: str = ""


class ChatOutcomes(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the questions of one process; sums of several processes are sums of these.

    Attributes:
        asked: Questions that were put to the server.
        from_cache: Questions whose fate was on record.
        retried: Requests beyond the first of a question.
        schema_broken: Answers that were not the schema, made no sense, were cut off, empty or refusals.
        server_failed: Requests that got no answer.
        replaced: Questions without a usable answer, by reason; the asker's own rules took over. Unlike the rest, this
            does not depend on whether the answers were on record.
        json_object: Whether the server knows no schemas and was asked in JSON mode.
    """

    asked: int = 0
    from_cache: int = 0
    retried: int = 0
    schema_broken: int = 0
    server_failed: int = 0
    replaced: Mapping[str, int] = {}
    json_object: bool = False

    def __add__(self, other: ChatOutcomes) -> ChatOutcomes:
        return ChatOutcomes(
            asked=self.asked + other.asked,
            from_cache=self.from_cache + other.from_cache,
            retried=self.retried + other.retried,
            schema_broken=self.schema_broken + other.schema_broken,
            server_failed=self.server_failed + other.server_failed,
            replaced=dict(sorted((Counter(self.replaced) + Counter(other.replaced)).items())),
            json_object=self.json_object or other.json_object,
        )


class Checkup(msgspec.Struct, frozen=True, kw_only=True):
    """How a server did with one small question; `mode` is `json_schema` or `json_object`."""

    url: str
    model: str
    mode: str
    seconds: float


class ChatClient:
    """Asks one server, from any number of threads.

    Args:
        settings: Address, model, key and patience; blanks are filled in from the environment.
        answers: Where answers are kept; by default the folder that the settings name.

    Raises:
        RecipeError: URL or model is missing, or the key cannot be sent.
    """

    def __init__(self, settings: ChatSettings, answers: Answers | None = None) -> None:
        self.settings = settings.with_environment()
        self.answers = answers or Answers(Path(self.settings.answers))
        self._completions = Completions(self.settings)
        # A slot is held for one request (or two, where schemas are refused); whoever waits longer than the queue can
        # last waits for a process that hangs.
        self._slots = Slots(
            self.answers.folder / ".slots", self.settings.concurrency, patience_s=20 * self.settings.timeout_s
        )
        self._lock = threading.Lock()
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)  # by purpose
        self._replaced: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._failed_in_a_row = 0
        self._rest_until = 0.0

    def ask(self, question: Question[T], accept: Callable[[T], R]) -> Answer[R]:
        """Returns the answer on record, or asks and records.

        Args:
            question: What is asked.
            accept: Makes the result of an answer that has the right schema; raises SoundFlowError, in words that help
                the model to do better, where it makes no sense. It must be pure: answers on record pass it again.

        Raises:
            ChatError: The record of this question is damaged.
        """
        key = self._key(question)
        recorded = self.answers.find(question.purpose, key)
        if recorded is not None:
            self._count(question, "from_cache")
        else:
            recorded = self.answers.keep(key, self._obtain(question, accept, key))
        reason = recorded.reason
        if not reason:
            try:
                return Answer(value=_accepted(recorded.answer, question.kind, accept))
            except ChatError:  # what is known about sounds, or the rules of plans, changed since it was recorded
                reason = STALE
        with self._lock:
            self._replaced[question.purpose][reason] += 1
        return Answer(value=None, reason=reason)

    def ask_all(self, questions: Iterable[Question[T]], accept: Callable[[T], R]) -> list[Answer[R]]:
        """Asks many questions at the same time, as many as `concurrency` allows; answers come in their order."""
        with ThreadPoolExecutor(self.settings.concurrency, thread_name_prefix="chat") as pool:
            return list(pool.map(lambda question: self.ask(question, accept), questions))

    def outcomes(self, purpose: str = "") -> ChatOutcomes:
        """Returns what came of the questions so far, of one purpose or of all."""
        with self._lock:
            total = ChatOutcomes(json_object=self._completions.json_object)
            for name in (purpose,) if purpose else sorted({*self._counts, *self._replaced}):
                total += msgspec.convert({**self._counts[name], "replaced": self._replaced[name]}, ChatOutcomes)
            return total

    def check(self) -> Checkup:
        """Asks one small question, once and off the record.

        Raises:
            ChatError: The server fails, or its answer does not follow the schema; the message says what to do.
        """
        messages = (Message("system", "You answer in JSON."), Message("user", "How many legs has a dog? Set `legs`."))
        started = time.monotonic()
        content = self._completions.complete(messages, strict_schema(_Legs), "legs")
        _accepted(_parsed(content), _Legs, lambda answer: answer)
        return Checkup(
            url=self._completions.url,
            model=self.settings.model,
            mode="json_object" if self._completions.json_object else "json_schema",
            seconds=time.monotonic() - started,
        )

    # -- asking ------------------------------------------------------------------------------------------------------

    def _key(self, question: Question[T]) -> str:
        identity = {
            "purpose": question.purpose,
            "model": self.settings.model,
            "temperature": self.settings.temperature,
            "options": self.settings.options,
            "messages": msgspec.to_builtins(question.messages),
            "schema": question.schema,
        }
        return question_key(identity)

    def _obtain(self, question: Question[T], accept: Callable[[T], R], key: str) -> Recorded:
        """Asks until there is a usable answer or patience ends; returns what is to be recorded."""
        recorded = Recorded(purpose=question.purpose, model=self.settings.model)
        if time.monotonic() < self._rest_until:
            detail = f"the last {self.settings.give_up_after} questions failed, so the server is left alone for a while"
            return msgspec.structs.replace(recorded, reason="left alone", detail=detail)
        self._count(question, "asked")
        messages = question.messages
        for attempt in range(self.settings.corrections + 1):
            if attempt:
                self._count(question, "retried")
            content = ""
            try:
                content = self._request(question, messages, key)
                data = _parsed(content)
                _accepted(data, question.kind, accept)
            except ChatError as error:
                failed = error.reason in SERVER_REASONS
                trouble = msgspec.structs.replace(
                    recorded, reason=error.reason, detail=self._completions.hide(str(error))
                )
                if failed:
                    self._note(failed=True)
                    return trouble
                self._count(question, "schema_broken")
                messages = _corrected(question.messages, content, error)
            else:
                self._note(failed=False)
                return msgspec.structs.replace(recorded, answer=data)
        self._note(failed=False)
        return trouble

    def _request(self, question: Question[T], messages: tuple[Message, ...], key: str) -> str:
        """Sends a request, and again after a while when the server fails; returns the text of the answer."""
        settings = self.settings
        for attempt in range(settings.retries + 1):
            try:
                with self._slots.slot():
                    return self._completions.complete(messages, question.schema, question.purpose)
            except ChatError as error:
                if error.reason not in SERVER_REASONS:
                    raise
                self._count(question, "server_failed")
                asked_for = getattr(error, "retry_after_s", None) or 0.0
                if (
                    error.reason not in PASSING_REASONS
                    or attempt == settings.retries
                    or asked_for > settings.max_wait_s
                ):
                    raise
            # Workers that failed together should not all come back together.
            backoff = settings.backoff_s * 2**attempt * Dice(key, attempt, "backoff").uniform(0.75, 1.25)
            time.sleep(max(asked_for, min(backoff, settings.max_wait_s)))
            self._count(question, "retried")
        raise AssertionError("the last attempt returns or raises")

    def _note(self, *, failed: bool) -> None:
        """Leaves the server alone for a while after too many failures in a row."""
        with self._lock:
            self._failed_in_a_row = self._failed_in_a_row + 1 if failed else 0
            if self._failed_in_a_row >= self.settings.give_up_after:
                self._rest_until = time.monotonic() + self.settings.rest_s

    def _count(self, question: Question[T], name: str) -> None:
        with self._lock:
            self._counts[question.purpose][name] += 1


class _Legs(msgspec.Struct, forbid_unknown_fields=True):
    legs: int


def _parsed(content: str) -> Any:
    try:
        return json_of(content)
    except msgspec.DecodeError as error:
        raise ChatError(f"the answer is not JSON: {error}", reason="not the schema") from None


def _accepted(data: Any, kind: type[T], accept: Callable[[T], R]) -> R:
    try:
        answer = msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise ChatError(f"the answer does not follow the schema: {error}", reason="not the schema") from None
    try:
        return accept(answer)
    except SoundFlowError as error:
        raise ChatError(f"the answer makes no sense: {error}", reason="makes no sense") from error


def _corrected(messages: tuple[Message, ...], content: str, error: ChatError) -> tuple[Message, ...]:
    """Shows the model its answer and what is wrong with it; an answer without text is simply asked for again."""
    if not content:
        return messages
    told = f"{error}. Answer again, completely, and mend this."
    return (*messages, Message("assistant", content[:_MAX_QUOTED]), Message("user", told))
