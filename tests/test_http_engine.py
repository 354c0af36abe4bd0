"""A speech server on this machine that answers well, and that fails in the ways servers fail."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile as sf

from soundflow_data.errors import EngineError, SpeechError
from soundflow_data.speech import Voice
from soundflow_data.speech.engine import Request, Speech
from soundflow_data.speech.engines import engine_options, make_engine
from soundflow_data.speech.http_engine import HttpEngine
from soundflow_data.speech.streamed_wav import close_wav

VOICE = Voice(id="amy", engine="http", language="en", model="tts-1", variant="nova", licence="of the server")
VARIABLE = "A_SPEECH_KEY"

Answer = Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]


def tone(seconds: float = 0.5, rate_hz: int = 24_000, level: float = 0.3) -> np.ndarray:
    return (level * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def encoded(kind: str = "WAV", *, rate_hz: int = 24_000, level: float = 0.3, channels: int = 1) -> bytes:
    file = io.BytesIO()
    subtype = {"OGG": "OPUS"}.get(kind)
    samples = np.repeat(tone(rate_hz=rate_hz, level=level)[:, None], channels, axis=1)
    sf.write(file, samples, rate_hz, format=kind, subtype=subtype)
    return file.getvalue()


def send(
    handler: BaseHTTPRequestHandler, body: bytes, *, status: int = 200, kind: str = "audio/wav", **headers: str
) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", headers.pop("length", str(len(body))))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


class Server:
    """Answers requests with what is next in `answers`, the last one again and again; `requests` has what was asked."""

    def __init__(self) -> None:
        self.answers: list[Answer] = [lambda handler, body: send(handler, encoded())]
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    outer.requests.append({**body, "path": self.path})
                    outer.keys.append(self.headers.get("Authorization", ""))
                    answer = outer.answers[min(len(outer.requests), len(outer.answers)) - 1]
                answer(self, body)

            def log_message(self, *_: object) -> None:
                """Writes nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def engine_of(server: Server, **options: str) -> HttpEngine:
    patient = {"url": server.url, "key_variable": VARIABLE, "backoff_s": "0.01", "timeout_s": "20", "retries": "2"}
    made = make_engine("http", patient | options)
    assert isinstance(made, HttpEngine)
    return made


def refusal(engine: HttpEngine, text: str = "The kettle is on.", voice: Voice = VOICE) -> SpeechError:
    with pytest.raises(SpeechError) as caught:
        engine.speak(text, voice)
    return caught.value


# -- what it asks for and takes ----------------------------------------------------------------------------------------


def test_the_request_is_the_protocols(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, " secret\n")
    speech = engine_of(server).speak("The kettle is on.", VOICE)
    assert server.requests == [
        {
            "model": "tts-1",
            "voice": "nova",
            "input": "The kettle is on.",
            "response_format": "wav",
            "path": "/v1/audio/speech",
        }
    ]
    assert server.keys == ["Bearer secret"]
    assert len(speech.pcm) == 8_000
    assert not speech.words
    assert abs(int(np.abs(speech.pcm).max()) - 0.3 * 32_768) < 100


def test_without_a_key_none_is_sent_and_the_pace_is_a_factor(server: Server) -> None:
    engine_of(server).speak("Yes.", msgspec.structs.replace(VOICE, rate_wpm=350, variant=""))
    assert server.keys == [""]
    assert server.requests[0]["speed"] == 2.0
    assert "voice" not in server.requests[0]


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "MP3", "OGG"])
def test_every_format_that_can_be_decoded_is_taken_whatever_its_type_is_called(server: Server, kind: str) -> None:
    server.answers = [lambda handler, body: send(handler, encoded(kind), kind="text/plain")]
    pcm = engine_of(server).speak("Yes.", VOICE).pcm
    assert abs(len(pcm) - 8_000) < 2_000
    assert np.abs(pcm).max() > 5_000


@pytest.mark.parametrize(("rate_hz", "channels"), [(8_000, 1), (16_000, 1), (44_100, 2), (48_000, 1)])
def test_every_rate_becomes_16_khz_mono(server: Server, rate_hz: int, channels: int) -> None:
    server.answers = [lambda handler, body: send(handler, encoded(rate_hz=rate_hz, channels=channels))]
    assert len(engine_of(server).speak("Yes.", VOICE).pcm) == 8_000


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_streamed_wav_without_sizes_is_taken_whole(server: Server, size: int) -> None:
    wav = encoded()
    at = wav.index(b"data") + 4
    opened = b"RIFF" + size.to_bytes(4, "little") + wav[8:at] + size.to_bytes(4, "little") + wav[at + 4 :]
    assert close_wav(opened) == wav
    assert close_wav(wav) == wav
    assert close_wav(b"fLaC") == b"fLaC"
    server.answers = [lambda handler, body: send(handler, opened)]
    assert len(engine_of(server).speak("Yes.", VOICE).pcm) == 8_000


def test_a_long_paragraph_is_asked_for_in_parts(server: Server) -> None:
    paragraph = "There is a kettle on the stove, and nobody hears it. " * 94
    assert len(paragraph) > 4_900
    speech = engine_of(server).speak(paragraph, VOICE)
    asked = [request["input"] for request in server.requests]
    assert max(map(len, asked)) <= 500
    assert " ".join(asked) == paragraph.strip()
    assert len(speech.pcm) == 8_000 * len(asked) + 4_000 * (len(asked) - 1)


def test_many_texts_are_asked_for_at_once_within_the_limit_and_come_back_in_order(server: Server) -> None:
    together = threading.Barrier(3, timeout=20)
    lock = threading.Lock()
    open_now: set[str] = set()
    most: list[int] = []

    def answer(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        with lock:
            open_now.add(body["input"])
            most.append(len(open_now))
        together.wait()
        with lock:
            open_now.remove(body["input"])  # before the client can know, and ask for the next
        send(handler, encoded(level=0.05 * int(body["input"].strip("."))))

    server.answers = [answer]
    requests = [Request(text=f"{n}.", voice=VOICE) for n in range(1, 7)]
    requests.insert(2, Request(text="", voice=VOICE))
    spoken = engine_of(server, concurrency="3").speak_many(requests)
    assert isinstance(spoken.pop(2), SpeechError)
    levels = [int(np.abs(one.pcm).max()) for one in spoken if isinstance(one, Speech)]
    assert levels == sorted(levels)
    assert len(set(levels)) == 6
    assert max(most) == 3


def test_a_cache_keeps_answers_and_asks_again_for_another_attempt_or_a_damaged_file(
    server: Server, tmp_path: Path
) -> None:
    engine = engine_of(server, cache=str(tmp_path / "kept"))
    first = engine.speak("Yes.", VOICE).pcm
    assert np.array_equal(first, engine_of(server, cache=str(tmp_path / "kept")).speak("Yes.", VOICE).pcm)
    assert len(server.requests) == 1
    engine.speak_many([Request(text="Yes.", voice=VOICE, attempt=1)])
    assert len(server.requests) == 2
    files = sorted((tmp_path / "kept").rglob("*.wav"))
    assert len(files) == 2
    for file in files:
        file.write_bytes(b"damaged")
    assert np.array_equal(first, engine.speak("Yes.", VOICE).pcm)
    assert len(server.requests) == 3


# -- how servers fail --------------------------------------------------------------------------------------------------


def closing(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    send(handler, encoded()[:5_000], length="24044")
    handler.close_connection = True


PASSING: dict[str, Answer] = {
    "rate limited": lambda handler, body: send(handler, b"", status=429, Retry_After="0.02"),
    "server error": lambda handler, body: send(
        handler, b'{"detail": "out of memory"}', status=500, kind="application/json"
    ),
    "bad gateway": lambda handler, body: send(handler, b"<html>502</html>", status=502, kind="text/html"),
    "closed in the middle": closing,
    "no answer": lambda handler, body: handler.connection.close(),
    "empty": lambda handler, body: send(handler, b""),
    "cut": lambda handler, body: send(handler, encoded()[:9_000]),
}


@pytest.mark.parametrize("trouble", PASSING)
def test_what_passes_is_asked_again(server: Server, trouble: str) -> None:
    server.answers = [PASSING[trouble], PASSING[trouble], lambda handler, body: send(handler, encoded())]
    assert len(engine_of(server).speak("Yes.", VOICE).pcm) == 8_000
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("trouble", "reason", "message"),
    [
        ("rate limited", "rate limited", "answers 429: (nothing) (asked 3 times)"),
        ("server error", "server error", 'answers 500: \'{"detail": "out of memory"}\' (asked 3 times)'),
        ("closed in the middle", "connection closed", "19044 bytes are missing"),
        ("no answer", "connection closed", "closed the connection"),
        ("empty", "broken audio", "zero bytes"),
        ("cut", "broken audio", "the header claims 24000 bytes of audio, the file holds 8956"),
    ],
)
def test_what_does_not_pass_is_told_after_so_many_times(
    server: Server, trouble: str, reason: str, message: str
) -> None:
    server.answers = [PASSING[trouble]]
    error = refusal(engine_of(server))
    assert message in str(error)
    assert error.reason == reason
    assert len(server.requests) == 3
    assert isinstance(error, EngineError) == (trouble == "rate limited"), "a server that is too busy is no text's fault"


def test_a_server_that_asks_for_time_gets_it_within_bounds(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers = [
        lambda handler, body: send(handler, b"", status=503, Retry_After="3"),
        lambda handler, body: send(handler, b"", status=503, Retry_After="4000"),
        lambda handler, body: send(handler, encoded()),
    ]
    engine = engine_of(server, max_wait_s="7")
    waits: list[float] = []
    monkeypatch.setattr(engine._stop, "wait", waits.append)
    engine.speak("Yes.", VOICE)
    assert waits == [3.0, 7.0]


def test_a_slow_server_is_left_in_time(server: Server) -> None:
    ended = threading.Event()

    def drip(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        send(handler, b"", length="24044")
        while not ended.wait(0.05):
            handler.wfile.write(b".")  # each byte comes in time, and the whole never does
            handler.wfile.flush()

    server.answers = [drip]
    error = refusal(engine_of(server, timeout_s="0.3", retries="0"))
    ended.set()
    assert error.reason == "timed out"
    assert "raise timeout_s" in str(error)


@pytest.mark.parametrize(
    ("answer", "reason", "message"),
    [
        (
            lambda handler, body: send(
                handler, b"<!DOCTYPE html><title>Log in</title>", kind="text/html; charset=utf-8"
            ),
            "not audio",
            "answers with text/html, not with audio: '<!DOCTYPE html><title>Log in</title>'; is the URL the base",
        ),
        (
            lambda handler, body: send(handler, b'{"error": "no such voice"}', kind="audio/wav"),
            "not audio",
            "no such voice",
        ),
        (
            lambda handler, body: send(handler, b'{"error": "bad key"}', status=401, kind="application/json"),
            "refused the key",
            f'refuses the key with 401: \'{{"error": "bad key"}}\'; set the environment variable {VARIABLE}',
        ),
        (lambda handler, body: send(handler, b"nothing here", status=404), "refused the request", "answers 404"),
        (
            lambda handler, body: send(handler, b"", status=302, Location="http://elsewhere/"),
            "refused the request",
            "it points to http://elsewhere/",
        ),
    ],
)
def test_what_somebody_has_to_mend_ends_everything_at_once(
    server: Server, monkeypatch: pytest.MonkeyPatch, answer: Answer, reason: str, message: str
) -> None:
    monkeypatch.setenv(VARIABLE, "hidden-key")
    server.answers = [answer]
    with pytest.raises(EngineError) as caught:
        engine_of(server, concurrency="1").speak_many([Request(text=f"{n}.", voice=VOICE) for n in range(8)])
    assert message in str(caught.value)
    assert caught.value.reason == reason
    assert "hidden-key" not in str(caught.value)
    assert len(server.requests) < 8, "not every text is tried"


def test_nobody_waits_to_ask_again_once_nothing_will_be_spoken(server: Server) -> None:
    first = threading.Event()

    def answer(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        if body["input"] == "Wait.":
            send(handler, b"", status=503, Retry_After="3000")
            first.set()
        else:
            assert first.wait(20)
            send(handler, b"", status=401)

    server.answers = [answer]
    with pytest.raises(EngineError, match="refuses the key"):
        engine_of(server, max_wait_s="3000").speak_many([Request(text=text, voice=VOICE) for text in ("Wait.", "No.")])


def test_a_text_that_the_server_refuses_is_an_error_of_the_text(server: Server) -> None:
    def answer(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        good = body["input"] != "No."
        send(handler, encoded() if good else b'{"error": "not this"}', status=200 if good else 422)

    server.answers = [answer]
    spoken = engine_of(server).speak_many([Request(text=text, voice=VOICE) for text in ("Yes.", "No.", "Yes.")])
    assert [isinstance(one, Speech) for one in spoken] == [True, False, True]
    assert "refuses it with 422" in str(spoken[1])
    assert len(server.requests) == 3


def test_silence_is_no_speech(server: Server) -> None:
    server.answers = [lambda handler, body: send(handler, encoded(level=0.0))]
    error = refusal(engine_of(server))
    assert "8000 samples with a peak of 0" in str(error)
    assert error.reason == "silent"


def test_no_server_at_all() -> None:
    engine = make_engine("http", {"url": "http://127.0.0.1:9/v1", "retries": "1", "backoff_s": "0"})
    with pytest.raises(EngineError, match="cannot be reached") as caught:
        engine.speak("Yes.", VOICE)
    assert caught.value.reason == "cannot reach"


# -- settings, voices and texts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "missing required field `url`"),
        ({"url": "example.org/v1"}, "it starts with http"),
        ({"url": "http://key@example.org/v1"}, "holds no key"),
        ({"url": "http://x/v1", "colour": "red"}, "colour`; its options are: url, key_variable, response_format"),
        ({"url": "http://x/v1", "timeout_s": "soon"}, "timeout_s"),
        ({"url": "http://x/v1", "concurrency": "0"}, "concurrency"),
    ],
)
def test_bad_options(options: dict[str, str], message: str) -> None:
    with pytest.raises(EngineError, match=message.replace("(", r"\(")):
        make_engine("http", options)


def test_options_explain_themselves() -> None:
    options = {option.name: option for option in engine_options("http")}
    assert options["url"].required
    assert options["concurrency"].default == 4
    assert all(option.help.endswith(".") for option in options.values())
    assert engine_options("espeak") == ()
    with pytest.raises(EngineError, match="its options are: none"):
        make_engine("espeak", {"pitch": "3"})
    with pytest.raises(EngineError, match="there are coqui, espeak, folder, http"):
        make_engine("festival")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"engine": "espeak"}, "belongs to engine 'espeak'"),
        ({"pitch": 60}, "are espeak's"),
        ({"reference": ("a.wav",)}, "sends no recordings"),
        ({"rate_wpm": 20}, "44 to 700 are allowed"),
    ],
)
def test_voices_that_the_protocol_cannot_ask_for(server: Server, changes: dict[str, Any], message: str) -> None:
    assert message in str(refusal(engine_of(server), voice=msgspec.structs.replace(VOICE, **changes)))
    assert not server.requests


@pytest.mark.parametrize("text", ["", "...", "你好", "50 %"])
def test_texts_that_nobody_can_speak_are_not_asked_for(server: Server, text: str) -> None:
    error = refusal(engine_of(server), text)
    assert not isinstance(error, EngineError)
    assert not server.requests


def test_a_key_that_cannot_be_one_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "schlüssel")
    error = refusal(engine_of(server))
    assert VARIABLE in str(error)
    assert "schlüssel" not in str(error)


def test_the_version_changes_when_the_server_is_said_to(server: Server) -> None:
    assert engine_of(server).version != engine_of(server, revision="2").version
    assert engine_of(server).name == "http"
