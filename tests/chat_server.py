"""A chat server for tests: it speaks the protocol of `/v1/chat/completions`, its faults included.

    with ChatServer(say({"legs": 4})) as server:
        ... server.url, server.requests

What it does is one function of the request; the acts below make the usual ones, and `script` plays several in turn.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Act = Callable[["Handler", dict[str, Any]], None]


class Handler(BaseHTTPRequestHandler):
    """Notes each request and lets the server's act answer it."""

    server: ChatServer  # type: ignore[assignment]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.enter(self, body)
        try:
            self.server.act(self, body)
        finally:
            self.server.leave(self)

    def reply(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        self.server.leave(self)  # a client that has its answer may ask again before this thread goes on
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


class ChatServer(ThreadingHTTPServer):
    """Listens on a free port of this machine while it is entered."""

    daemon_threads = True

    def __init__(self, act: Act, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.act = act
        self.requests: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.busiest = 0
        self._busy: set[Handler] = set()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up leave broken pipes; anything else is told."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def enter(self, handler: Handler, body: dict[str, Any]) -> None:
        with self._lock:
            self.requests.append(body)
            self.paths.append(handler.path)
            self.headers.append(dict(handler.headers))
            self.times.append(time.monotonic())
            self._busy.add(handler)
            self.busiest = max(self.busiest, len(self._busy))

    def leave(self, handler: Handler) -> None:
        with self._lock:
            self._busy.discard(handler)

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()


def completion(content: str | None, *, finish_reason: str = "stop", **message: Any) -> bytes:
    """Returns the body of a usual answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}}
    return json.dumps({"object": "chat.completion", "choices": [choice | {"finish_reason": finish_reason}]}).encode()


def say(data: Any) -> Act:
    """Answers with JSON, the same for every request."""
    return lambda handler, _: handler.reply(200, completion(json.dumps(data)))


def text(content: str | None, **more: Any) -> Act:
    """Answers with a text, whatever it is."""
    return lambda handler, _: handler.reply(200, completion(content, **more))


def status(code: int, message: str = "no", **headers: str) -> Act:
    """Answers with an error."""
    body = json.dumps({"error": {"message": message}}).encode()
    return lambda handler, _: handler.reply(code, body, **headers)


def raw(body: bytes, kind: str = "application/json") -> Act:
    """Answers 200 with any bytes."""
    return lambda handler, _: handler.reply(200, body, kind)


def cut(handler: Handler, _: dict[str, Any]) -> None:
    """Closes the connection in the middle of an answer."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def trickle(seconds: float) -> Act:
    """Sends a byte now and then, so that no single read is late."""

    def act(handler: Handler, _: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.end_headers()  # without a length: whoever shuts the connection down sees an ordinary end
        try:
            for _step in range(round(seconds / 0.02)):
                handler.wfile.write(b" ")
                handler.wfile.flush()
                time.sleep(0.02)
        except OSError:
            handler.close_connection = True

    return act


def after(seconds: float, act: Act) -> Act:
    """Takes its time."""

    def late(handler: Handler, body: dict[str, Any]) -> None:
        time.sleep(seconds)
        act(handler, body)

    return late


def script(*acts: Act) -> Act:
    """Plays one act after the other; the last one stays."""
    left: Sequence[Act] = list(acts)

    def act(handler: Handler, body: dict[str, Any]) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(handler, body)  # type: ignore[attr-defined]

    return act


def without_schemas(act: Act) -> Act:
    """Refuses `json_schema`, as small servers do."""

    def picky(handler: Handler, body: dict[str, Any]) -> None:
        if body["response_format"]["type"] == "json_schema":
            status(400, "response_format.type must be 'json_object' or 'text'")(handler, body)
        else:
            act(handler, body)

    return picky
