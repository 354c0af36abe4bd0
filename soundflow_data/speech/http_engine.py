"""Voices of a server: any that speaks OpenAI's protocol `/v1/audio/speech`, such as one with CosyVoice or Kokoro.

POST {model, voice, input, response_format}     the voice's `model` and `variant`, and the text
  200 with audio                                what was said, in whatever format libsndfile or ffmpeg can read
  408, 425, 429, 5xx, no whole reply, broken audio     worth a retry, after `Retry-After`
  400, 422                                      this text cannot be spoken
  401, 403, 404, 3xx, 200 with HTML or JSON     nothing will be spoken before somebody mends a setting

What a server says may differ from time to time; an utterance is asked for once, and the bank (or `cache`) keeps it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from soundflow_data.audio.decode import decode
from soundflow_data.errors import AudioError, EngineError, ServerError, SpeechError
from soundflow_data.http import Reply, post
from soundflow_data.speech.engine import OWN_PACE_WPM, Request, Speech, Voice
from soundflow_data.speech.finish import audible, join
from soundflow_data.speech.segments import check_text, excerpt
from soundflow_data.speech.sentences import split_text
from soundflow_data.speech.streamed_wav import close_wav

_REVISION: Final = 1  # changes with whatever this package changes in the bytes
_LEVEL: Final = 50  # of espeak's pitch and pitch_range, which the protocol does not have
_PACES_WPM: Final = (44, 700)  # the protocol's speed of 0.25 to 4
_MAX_BODY: Final = 64 << 20  # bytes; a minute of 48 kHz stereo float has 23 MB
_SHOWN: Final = 160  # characters of a server's answer in a message
_TEXTS: Final = {"text/html", "application/json", "application/problem+json", "text/event-stream"}

_STOPPED: Final = "stopped"

_OK: Final = 200
_TOO_MANY: Final = 429
_AGAIN: Final = {408, 409, 425, _TOO_MANY}
_SERVER_ERROR: Final = 500
_REFUSED_TEXT: Final = {400, 413, 422}
_REFUSED_KEY: Final = {401, 403}


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the server is, and how patient one is with it."""

    url: Annotated[str, Meta(description="Base of the API, such as http://127.0.0.1:8880/v1.")]
    key_variable: Annotated[
        str, Meta(description="Environment variable that holds the key, for servers that want one.", min_length=1)
    ] = "SOUNDFLOW_SPEECH_KEY"
    response_format: Annotated[
        Literal["wav", "flac", "mp3", "opus", "aac"], Meta(description="What the server is asked for.")
    ] = "wav"
    timeout_s: Annotated[float, Meta(description="Longest time that one request may take.", gt=0)] = 120.0
    retries: Annotated[int, Meta(description="More requests when the server fails.", ge=0, le=20)] = 4
    backoff_s: Annotated[float, Meta(description="Wait before the first retry; then twice as long.", ge=0)] = 1.0
    max_wait_s: Annotated[float, Meta(description="Longest wait, also when the server asks for one.", ge=0)] = 60.0
    concurrency: Annotated[int, Meta(description="Requests of one worker at the same time.", ge=1, le=256)] = 4
    max_characters: Annotated[
        int, Meta(description="Longest text at once; a longer one is divided after sentences.", ge=20, le=4_096)
    ] = 500
    revision: Annotated[str, Meta(description="Change it when the server's models change.")] = "1"
    cache: Annotated[Path | None, Meta(description="Folder that keeps every answer, for servers that cost money.")] = (
        None
    )


class HttpEngine:
    """Speaks with an OpenAI-compatible server.

    Args:
        settings: Where it is.

    Raises:
        EngineError: The URL cannot be one.
    """

    Settings = HttpSettings

    def __init__(self, settings: HttpSettings) -> None:
        parts = urlsplit(settings.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
            raise EngineError(
                f"engine 'http': url is {settings.url!r}; it starts with http:// or https://, names a host, and "
                f"holds no key (that is in the environment variable {settings.key_variable})",
                reason="bad option",
            )
        self._settings = settings
        self._address = settings.url.rstrip("/") + "/audio/speech"
        self._where = f"{parts.scheme}://{parts.netloc}"
        self._stop = threading.Event()  # set when one request finds that nothing will be spoken

    @property
    def name(self) -> str:
        """What `Voice.engine` calls it."""
        return "http"

    @property
    def version(self) -> str:
        """The server's models as the settings call them, and this module's processing."""
        return f"{self._settings.revision}-r{_REVISION}"

    def speak(self, text: str, voice: Voice) -> Speech:
        """Speaks a text that is in spoken form, without word times.

        Raises:
            SpeechError: The server cannot speak it; as `EngineError`, it does not work at all.
        """
        self._stop.clear()
        return self._speak(Request(text=text, voice=voice))

    def speak_many(self, requests: Sequence[Request]) -> list[Speech | SpeechError]:
        """Speaks texts, as many at the same time as the settings allow; see `BatchEngine.speak_many`."""
        self._stop.clear()
        with ThreadPoolExecutor(self._settings.concurrency, "speech") as pool:
            results = list(pool.map(self._try, requests))
        broken = [one for one in results if isinstance(one, EngineError)]
        if broken:
            raise next((one for one in broken if one.reason != _STOPPED), broken[0])
        return results

    def _try(self, request: Request) -> Speech | SpeechError:
        try:
            return self._speak(request)
        except EngineError as error:
            self._stop.set()  # nobody asks, or waits to ask again, for what will not be spoken
            return error
        except SpeechError as error:
            return error

    def _speak(self, request: Request) -> Speech:
        _check_voice(request.voice)
        check_text(request.text, request.voice, max_characters=len(request.text))
        parts = split_text(request.text, self._settings.max_characters)
        return Speech(pcm=join([self._say(part, request) for part in parts]), words=())

    def _say(self, text: str, request: Request) -> NDArray[np.int16]:
        """Returns what the server says, from the cache if it has said it before."""
        body = _body(text, request.voice, self._settings.response_format)
        name = f"voice {request.voice.id!r}, {excerpt(text)}"
        kept = self._place(body, request.attempt)
        if kept is not None and kept.exists():
            with contextlib.suppress(AudioError):  # a damaged file is asked for again, and replaced
                return audible(decode(kept.read_bytes(), name=name), name)
        audio, pcm = self._ask(body, name)
        if kept is not None:
            _keep(kept, audio)
        return audible(pcm, name)

    def _ask(self, body: bytes, name: str) -> tuple[bytes, NDArray[np.int16]]:
        """Asks until there is an answer, and returns it as it came and decoded."""
        retry = 0
        while True:
            if self._stop.is_set():
                raise EngineError(f"{self._where}: not asked, because another request failed", reason=_STOPPED)
            try:
                return self._answer(body, name)
            except _TroubleError as trouble:
                if retry == self._settings.retries:
                    kind = EngineError if trouble.of_server else SpeechError
                    raise kind(f"{trouble} (asked {retry + 1} times)", reason=trouble.reason) from trouble
                wait_s = max(self._settings.backoff_s * 2.0**retry, trouble.retry_after_s)
            self._stop.wait(min(wait_s, self._settings.max_wait_s))
            retry += 1

    def _answer(self, body: bytes, name: str) -> tuple[bytes, NDArray[np.int16]]:
        """Asks once."""
        try:
            reply = post(
                self._address, body, headers=self._headers(), timeout_s=self._settings.timeout_s, max_body=_MAX_BODY
            )
        except ServerError as error:
            raise _TroubleError(
                f"{name}: {error}", reason=error.reason, of_server=error.reason == "cannot reach"
            ) from error
        self._check_status(reply, name)
        try:
            return reply.body, decode(close_wav(reply.body), name=name)
        except AudioError as error:
            kind = reply.content_type.partition(";")[0].strip() or "no content type"
            if kind in _TEXTS or reply.body.lstrip()[:1] in {b"<", b"{"}:
                raise EngineError(
                    f"{self._address} answers with {kind}, not with audio: {_shown(reply)}; is the URL the base of the "
                    "API, such as .../v1?",
                    reason="not audio",
                ) from error
            if error.reason == "needs ffmpeg":
                raise EngineError(f"{error}; or ask for another response_format", reason=error.reason) from error
            raise _TroubleError(
                f"{self._where} sent audio ({kind}) that is broken: {error}", reason="broken audio"
            ) from error

    def _headers(self) -> dict[str, str]:
        variable = self._settings.key_variable
        key = os.environ.get(variable, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise EngineError(f"the environment variable {variable} holds characters that no key has", reason="bad key")
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _check_status(self, reply: Reply, name: str) -> None:
        """Raises unless the server says that it has spoken."""
        status, shown = reply.status, _shown(reply)
        if status == _OK:
            return
        if status in _AGAIN or status >= _SERVER_ERROR:
            raise _TroubleError(
                f"{name}: {self._where} answers {status}: {shown}",
                reason="rate limited" if status == _TOO_MANY else "server error",
                of_server=status == _TOO_MANY,
                retry_after_s=reply.retry_after_s or 0.0,
            )
        if status in _REFUSED_TEXT:
            raise SpeechError(
                f"{name}: {self._where} refuses it with {status}: {shown}", reason="refused by the server"
            )
        if status in _REFUSED_KEY:
            raise EngineError(
                f"{self._where} refuses the key with {status}: {shown}; set the environment variable "
                f"{self._settings.key_variable} to a valid one",
                reason="refused the key",
            )
        moved = f" (it points to {reply.location})" if reply.location else ""
        raise EngineError(
            f"{self._address} answers {status}{moved}: {shown}; check the URL, and the voice's model and variant",
            reason="refused the request",
        )

    def _place(self, body: bytes, attempt: int) -> Path | None:
        """Returns the file of the cache that holds the answer, or will."""
        if self._settings.cache is None:
            return None
        identity = msgspec.json.encode((self._address, self.version, body.decode(), attempt))
        digest = hashlib.blake2b(identity, digest_size=16).hexdigest()
        return self._settings.cache / digest[:2] / f"{digest}.{self._settings.response_format}"


class _TroubleError(SpeechError):
    """A request that failed and is worth another, with how long the server asks to be left alone."""

    def __init__(self, message: str, *, reason: str, of_server: bool = False, retry_after_s: float = 0.0) -> None:
        super().__init__(message, reason=reason)
        self.of_server = of_server
        self.retry_after_s = retry_after_s


def _check_voice(voice: Voice) -> None:
    if voice.engine != "http":
        raise EngineError(f"voice {voice.id!r} belongs to engine {voice.engine!r}, not to http; use that engine")
    if (voice.pitch, voice.pitch_range) != (_LEVEL, _LEVEL):
        raise EngineError(f"voice {voice.id!r}: pitch and pitch_range are espeak's; leave them out")
    if voice.reference:
        raise EngineError(f"voice {voice.id!r}: the protocol sends no recordings; give the server's name of the voice")
    if not _PACES_WPM[0] <= voice.rate_wpm <= _PACES_WPM[1]:
        raise EngineError(
            f"voice {voice.id!r}: rate_wpm is {voice.rate_wpm}; {_PACES_WPM[0]} to {_PACES_WPM[1]} are allowed"
        )


def _body(text: str, voice: Voice, response_format: str) -> bytes:
    body: dict[str, object] = {"model": voice.model, "input": text, "response_format": response_format}
    if voice.variant:
        body["voice"] = voice.variant
    if voice.rate_wpm != OWN_PACE_WPM:
        body["speed"] = round(voice.rate_wpm / OWN_PACE_WPM, 3)
    return json.dumps(body, ensure_ascii=False).encode()


def _shown(reply: Reply) -> str:
    """Returns the start of an answer, in one line."""
    text = " ".join(reply.body[: 4 * _SHOWN].decode("utf-8", "replace").split())
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...") if text else "(nothing)"


def _keep(path: Path, audio: bytes) -> None:
    """Writes a file that is either whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        file.write(audio)
    Path(file.name).replace(path)
