"""One HTTP request that ends in time, whatever the server does; nothing but the standard library.

`http.client` bounds each read, not the whole: a server that sends one byte a minute would hold it for ever. So a timer
shuts the socket down when the time is up. Proxies are those of the environment (`HTTPS_PROXY`, `NO_PROXY`); the
machine itself is never reached through one. Redirects are reported, not followed: they would carry the key elsewhere.
"""

from __future__ import annotations

import base64
import contextlib
import email.utils
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from typing import Final, Self
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import msgspec

from soundflow_data.errors import ServerError

MAX_BODY: Final = 8 << 20  # bytes; an answer has a few thousand
TLS_PORT: Final = 443


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What a server sent back.

    Attributes:
        status: HTTP status.
        content_type: As sent, such as `application/json; charset=utf-8`.
        location: Where it redirects to; empty for most.
        retry_after_s: How long it asks to be left alone; None where it does not say.
        body: All bytes.
    """

    status: int
    content_type: str
    location: str
    retry_after_s: float | None
    body: bytes


def post(url: str, body: bytes, *, headers: dict[str, str], timeout_s: float, max_body: int = MAX_BODY) -> Reply:
    """Sends a POST request and reads the whole reply.

    Args:
        url: Complete address.
        body: JSON.
        headers: Of the request; `Content-Type` is added.
        timeout_s: Longest time for all of it.
        max_body: Largest reply, in bytes.

    Raises:
        ServerError: There is no whole reply; the reason is `cannot reach`, `timed out`, `connection closed`
            or `too long`.
    """
    started = time.monotonic()
    parts = urlsplit(url)
    where = f"{parts.scheme}://{parts.netloc}"
    connection, target, proxied = _route(parts, timeout_s)
    try:
        connection.connect()
    except TimeoutError as error:
        connection.close()
        raise _late(where, timeout_s) from error
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise ServerError(
            f"{where} cannot be reached: {_why(error)}; {_repair(error)}", reason="cannot reach"
        ) from error
    with _Deadline(connection, max(0.0, timeout_s - (time.monotonic() - started))) as deadline:
        try:
            connection.request("POST", target, body, {"Content-Type": "application/json", **headers, **proxied})
            response = connection.getresponse()
            data = response.read(max_body + 1)
        except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: TLS was shut down in a read
            if deadline.over or isinstance(error, TimeoutError):
                raise _late(where, timeout_s) from error
            raise _closed(where, _why(error)) from error
        if deadline.over:  # an answer without a length just ends when its socket is shut down
            raise _late(where, timeout_s)
    if len(data) > max_body:
        raise ServerError(f"{where} sent more than {max_body >> 20} MiB, which is no answer", reason="too long")
    if response.length:  # a read of up to so many bytes takes an early end for the end
        raise _closed(where, f"{response.length} bytes are missing")
    return Reply(
        status=response.status,
        content_type=response.headers.get("Content-Type", ""),
        location=response.headers.get("Location", ""),
        retry_after_s=_retry_after_s(response.headers.get("Retry-After", "")),
        body=data,
    )


class _Deadline:
    """Shuts the socket of a connection down when its time is over."""

    def __init__(self, connection: http.client.HTTPConnection, seconds: float) -> None:
        self.over = False
        self._socket = connection.sock
        self._connection = connection
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._connection.close()

    def _end(self) -> None:
        self.over = True
        with contextlib.suppress(OSError):  # the request ended in this very moment
            # Past ssl.SSLSocket.shutdown, which would take the TLS state away from under the thread that reads.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _route(parts: SplitResult, timeout_s: float) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
    """Returns the connection, what to ask it for, and the headers that a proxy wants."""
    host = parts.hostname or ""
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    proxy = "" if _is_here(host) or proxy_bypass(host) else getproxies().get(parts.scheme, "")
    if not proxy:
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(host, parts.port, timeout=timeout_s), target, {}
    way = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    if way.scheme != "http" or not way.hostname:
        raise ServerError(
            f"the environment's proxy for {parts.scheme} is of the kind {way.scheme!r}; only http proxies are known, "
            f"so unset it or add {host} to NO_PROXY",
            reason="cannot reach",
        )
    login = f"{unquote(way.username)}:{unquote(way.password or '')}" if way.username else ""
    headers = {"Proxy-Authorization": "Basic " + base64.b64encode(login.encode()).decode()} if login else {}
    if parts.scheme == "https":
        tunnel = http.client.HTTPSConnection(way.hostname, way.port or 80, timeout=timeout_s)
        tunnel.set_tunnel(host, parts.port or TLS_PORT, headers)
        return tunnel, target, {}
    plain = http.client.HTTPConnection(way.hostname, way.port or 80, timeout=timeout_s)
    return plain, f"http://{parts.netloc}{target}", headers


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _late(where: str, timeout_s: float) -> ServerError:
    return ServerError(
        f"{where} did not finish its answer within {timeout_s:g} s; raise timeout_s if it needs longer",
        reason="timed out",
    )


def _closed(where: str, why: str) -> ServerError:
    message = f"{where} closed the connection before its answer was complete ({why})"
    return ServerError(message, reason="connection closed")


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _repair(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "is the server running, and is this its port?"
    if isinstance(error, ssl.SSLError):
        return "does it speak https, and is its certificate trusted here?"
    return "check the URL and the network"


def _retry_after_s(value: str) -> float | None:
    """Reads the header, which holds seconds or a date."""
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
