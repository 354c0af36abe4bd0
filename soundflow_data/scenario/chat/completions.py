"""The protocol of `/v1/chat/completions`: from messages and a schema to the text of one answer.

POST {model, messages, temperature, response_format: {type: json_schema, json_schema: {..., strict: true}}}
  200 {choices: [{message: {content: "..."}, finish_reason: "stop"}]}      the answer
  400 or 422                                                              once more with type: json_object
  408, 425, 429, 5xx, or no whole reply                                   worth a retry, after `Retry-After`
  401, 403, 404, 3xx ...                                                  will not get better by itself
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

from soundflow_data.errors import ChatError, RecipeError, ServerError
from soundflow_data.http import Reply, post
from soundflow_data.scenario.settings import KEY_VARIABLE, ChatSettings
from soundflow_data.version import VERSION

RETRIED_STATUSES: Final = {408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529}
SHOWN: Final = 200  # characters of a foreign text in a message

# Reasons for which a server is to blame; the others are those of an answer that came and is of no use.
SERVER_REASONS: Final = {
    "cannot reach", "timed out", "connection closed", "rate limited", "server error", "not JSON", "too long",
    "refused the key", "refused the request", "no free slot", "left alone",
}  # fmt: skip
# Of these, the ones that a retry may cure.
PASSING_REASONS: Final = {
    "cannot reach", "timed out", "connection closed", "rate limited", "server error", "not JSON", "too long",
}  # fmt: skip


class Message(msgspec.Struct, frozen=True):
    """One turn of a conversation; `role` is `system`, `user` or `assistant`."""

    role: str
    content: str


class RequestError(ChatError):
    """A request that failed, with how long the server asks to be left alone."""

    def __init__(self, message: str, *, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(message, reason=reason)
        self.retry_after_s = retry_after_s


class _Choice(msgspec.Struct):
    message: dict[str, Any]
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]


class Completions:
    """Sends single requests; remembers when the server knows no `json_schema`.

    Args:
        settings: Address, model, key and time-out.

    Raises:
        RecipeError: URL or model is missing, or the key cannot be sent.
    """

    def __init__(self, settings: ChatSettings) -> None:
        if not settings.url or not settings.model:
            raise RecipeError(
                f"chat: url is {settings.url!r} and model {settings.model!r}; set both, or SOUNDFLOW_CHAT_URL and "
                "SOUNDFLOW_CHAT_MODEL"
            )
        self._settings = settings
        self._key = settings.key.get_secret_value() if settings.key is not None else ""
        if not (self._key.isascii() and self._key.isprintable()) or " " in self._key:
            raise RecipeError(f"chat: the key (see {KEY_VARIABLE}) has spaces or characters that no header can carry")
        self.url = endpoint(settings.url)
        self.json_object = False

    def complete(self, messages: Sequence[Message], schema: dict[str, Any], name: str) -> str:
        """Asks once, and once more in JSON mode where the server refuses schemas; returns the text of the answer.

        Raises:
            ChatError: The server failed, or its answer holds no text; `reason` tells which.
        """
        reply = self._post(messages, schema, name)
        if reply.status in {400, 422} and not self.json_object:
            plain = self._post(messages, schema, name, json_object=True)
            if plain.status == 200:
                self.json_object = True  # told by `ChatOutcomes.json_object`; from now on at once
                reply = plain
        if reply.status != 200:
            raise self._refused(reply)
        return self._content(reply)

    def hide(self, text: str) -> str:
        """Returns a text without the key, which servers like to quote."""
        return text.replace(self._key, "[key]") if self._key else text

    def _post(
        self, messages: Sequence[Message], schema: dict[str, Any], name: str, *, json_object: bool = False
    ) -> Reply:
        settings = self._settings
        turns = [msgspec.to_builtins(message) for message in messages]
        if json_object or self.json_object:
            form: dict[str, Any] = {"type": "json_object"}
            told = json.dumps(schema, ensure_ascii=False)
            turns[0]["content"] += f"\n\nAnswer with one JSON object that follows this JSON schema:\n{told}"
        else:
            form = {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": schema}}
        body = {
            "model": settings.model,
            "messages": turns,
            "temperature": settings.temperature,
            "response_format": form,
            **settings.options,
        }
        headers = {"Accept": "application/json", "User-Agent": f"soundflow/{VERSION}"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        try:
            return post(self.url, json.dumps(body).encode(), headers=headers, timeout_s=settings.timeout_s)
        except ServerError as error:
            raise ChatError(str(error), reason=error.reason) from error

    def _refused(self, reply: Reply) -> RequestError:
        """Explains a status that is not 200."""
        said = self.hide(_said(reply))
        what = f"{self.url} answered {reply.status}"
        if reply.status in {401, 403}:
            cure = f"the key in {KEY_VARIABLE} is not accepted" if self._key else f"no key was sent; set {KEY_VARIABLE}"
            return RequestError(f"{what}: {cure} ({said})", reason="refused the key")
        if reply.status == 429:
            return RequestError(
                f"{what}: too many requests ({said})", reason="rate limited", retry_after_s=reply.retry_after_s
            )
        if reply.status in RETRIED_STATUSES:
            return RequestError(f"{what} ({said})", reason="server error", retry_after_s=reply.retry_after_s)
        if 300 <= reply.status < 400:
            return RequestError(
                f"{what}: it redirects to {reply.location!r}; set the URL to that", reason="refused the request"
            )
        if reply.status == 404:
            said = f"there is no such path, or no model {self._settings.model!r}; {said}"
        return RequestError(f"{what} ({said})", reason="refused the request")

    def _content(self, reply: Reply) -> str:
        """Returns the text of the first choice."""
        try:
            completion = msgspec.json.decode(reply.body, type=_Completion)
        except msgspec.DecodeError as error:
            kind = reply.content_type.partition(";")[0] or "no type"
            raise RequestError(
                f"{self.url} answered 200 with {len(reply.body)} bytes of {kind}, which are no chat completion "
                f"({error}): {self.hide(_shown(reply.body))!r}; does the URL end in the right path?",
                reason="not JSON",
            ) from None
        if not completion.choices:
            raise RequestError(f"{self.url} answered without any choice", reason="no answer")
        choice = completion.choices[0]
        refusal, content = choice.message.get("refusal"), choice.message.get("content")
        if refusal or choice.finish_reason == "content_filter":
            raise RequestError(
                f"the model refused: {self.hide(str(refusal or 'content filter'))[:SHOWN]}", reason="refused"
            )
        if choice.finish_reason == "length":
            raise RequestError("the answer was cut off; raise max_tokens in chat.options", reason="cut off")
        if not isinstance(content, str) or not content.strip():
            raise RequestError(f"{self.url} answered with no text", reason="no answer")
        return content


def endpoint(url: str) -> str:
    """Returns the address of the completions below a base URL; `/v1` is added where there is no path at all."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    if not path.endswith("/chat/completions"):
        path = (path or "/v1") + "/chat/completions"
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def json_of(content: str) -> Any:
    """Reads the JSON of an answer, also where a model thinks aloud first or fences it as code.

    Raises:
        msgspec.DecodeError: It is not JSON.
    """
    text = content.rpartition("</think>")[2].strip()
    if text.startswith("```"):
        text = text.partition("\n")[2].rpartition("```")[0]
    return msgspec.json.decode(text)


def _said(reply: Reply) -> str:
    """Returns the server's own explanation of an error."""
    try:
        data = msgspec.json.decode(reply.body)
    except msgspec.DecodeError:
        return _shown(reply.body)
    while isinstance(data, dict):
        data = next((data[key] for key in ("error", "message", "detail") if data.get(key)), "")
    return str(data)[:SHOWN] or "no reason given"


def _shown(body: bytes) -> str:
    return " ".join(body[: 4 * SHOWN].decode(errors="replace").split())[:SHOWN] or "empty"
