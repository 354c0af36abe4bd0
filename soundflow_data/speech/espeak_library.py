"""The espeak-ng shared library through ctypes: a text and a voice in, samples and events out.

**Why the voices are rewritten.** Some of espeak's state outlives an utterance and no call resets it: the place in the
pitch-flutter table, and the count of glottal cycles from which roughness takes every second one. So every voice is
loaded from a definition made here, which is the language file, then the variant file, then lines that switch flutter
and roughness off (about 2 Hz of pitch movement and 0.5 dB of every second cycle), and echo, which would fill the pauses
between words. The rest is reset before each utterance: loading the voice resets its breath filters, and the random
numbers get a fixed seed. The gain control, which would carry over as well, acts only when a sample overflows; the
volume leaves room against that, and the engine refuses what overloads all the same.
"""

from __future__ import annotations

import ctypes
import functools
import os
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from soundflow_data.errors import SpeechError

NATIVE_RATE: Final = 22_050

WORD: Final = 1  # kinds of events, as espeak numbers them
PHONEME: Final = 7
_END_OF_EVENTS: Final = 0

_SYNCHRONOUS: Final = 2  # output mode: the callback runs inside espeak_Synth, nothing is played
_BUFFER_MS: Final = 4_000  # a callback comes with every drained command queue, long before this is full
_PHONEME_EVENTS: Final = 0x0001
_DO_NOT_EXIT: Final = 0x8000
_UTF8: Final = 0x0001
_PHONEME_INPUT: Final = 0x0100
_POSITION_IS_CHARACTER: Final = 1

_RATE, _VOLUME, _PITCH, _PITCH_RANGE = 1, 2, 3, 4
_QUIET_VOLUME: Final = 40
_SEED: Final = 1

# espeak_EVENT: type, identifier, text position, length, audio position in ms, sample, user data, name or number.
_EVENT: Final = struct.Struct("@iIiiiiP8s")

_RESET: Final = b"\nflutter 0\nroughness 0\necho 0 0\n"
_LOST_BY_MERGING: Final = (b"language", b"name", b"gender")  # lines of a variant that would override the language's
_LASTING_STATE: Final = (b"klatt", b"mbrola")  # synthesizers whose state cannot be reset


class Sound(NamedTuple):
    """What espeak made of one text.

    Attributes:
        pcm: int16 (num_samples,) at `NATIVE_RATE`; pauses are exact zeros.
        events: (kind, character of the source from 0, sample, name) in order of time, words and phonemes.
    """

    pcm: NDArray[np.int16]
    events: list[tuple[int, int, int, bytes]]


class Library:
    """The one espeak instance of a process; its calls take turns."""

    def __init__(self, library_path: str, data_path: str) -> None:
        self._lock = threading.Lock()
        self._data_path = Path(data_path)
        self._definitions: dict[tuple[str, str], bytes] = {}
        self._chunks: list[bytes] = []
        self._events: list[tuple[int, int, int, bytes]] = []
        self._failure: BaseException | None = None
        self._c = _declare(library_path)
        self._callback = _CALLBACK(self._collect)
        self._initialise()
        self.version = self._c.espeak_Info(None).decode()
        # The first text that a process speaks can come out a little longer than ever after, in any voice.
        self.speak("first", model="gmw/en", variant="", rate_wpm=175, pitch=50, pitch_range=50, phonemes=False)

    def speak(
        self, source: str, *, model: str, variant: str, rate_wpm: int, pitch: int, pitch_range: int, phonemes: bool
    ) -> Sound:
        """Speaks a text.

        Args:
            source: The text; `[[...]]` in it are phonemes when `phonemes` is set.
            model: Language file, relative to the data's `lang` folder.
            variant: Variant file, relative to the data's `voices/!v` folder; empty for none.
            rate_wpm: 80 to 400.
            pitch: 0 to 99.
            pitch_range: 0 to 99.
            phonemes: Whether `[[` starts phonemes.

        Raises:
            SpeechError: There is no such model or variant, it cannot be spoken reproducibly, or espeak failed.
        """
        data = source.encode()
        with self._lock:
            path = self._definition(model, variant)
            self._do("load voice", self._c.espeak_SetVoiceByFile(path), f"{model}+{variant}")
            for parameter, value in (
                (_RATE, rate_wpm),
                (_VOLUME, _QUIET_VOLUME),
                (_PITCH, pitch),
                (_PITCH_RANGE, pitch_range),
            ):
                self._do("set parameter", self._c.espeak_SetParameter(parameter, value, 0), f"{parameter} to {value}")
            self._c.espeak_ng_SetRandSeed(_SEED)
            self._chunks, self._events, self._failure = [], [], None
            flags = _UTF8 | (_PHONEME_INPUT if phonemes else 0)
            with self._nothing_lost():
                status = self._c.espeak_Synth(data, len(data) + 1, 0, _POSITION_IS_CHARACTER, 0, flags, None, None)
            if self._failure is not None:
                raise self._failure
            self._do("speak", status, source)
            return Sound(np.frombuffer(b"".join(self._chunks), np.int16), self._events)

    def _initialise(self) -> None:
        # espeak keeps at most 160 characters of this path; the descriptor's name is short wherever the package lies.
        folder = os.open(self._data_path, os.O_RDONLY | os.O_DIRECTORY)
        rate = self._c.espeak_Initialize(
            _SYNCHRONOUS, _BUFFER_MS, b"/proc/self/fd/%d" % folder, _PHONEME_EVENTS | _DO_NOT_EXIT
        )
        if rate != NATIVE_RATE:
            raise SpeechError(
                f"espeak-ng did not start with its data {str(self._data_path)!r} (returned {rate}, not {NATIVE_RATE}); "
                "reinstall the package espeakng-loader"
            )
        self._c.espeak_SetSynthCallback(self._callback)

    @contextmanager
    def _nothing_lost(self) -> Iterator[None]:
        """Keeps what is raised on the way into the callback, before any line of it runs.

        A signal is handled when Python code next runs, and during synthesis that is the callback's entry: most Ctrl-C
        arrive there. ctypes hands such an exception to `sys.unraisablehook` and goes on without the samples.
        """
        hook = sys.unraisablehook

        def keep(unraisable: Any) -> None:
            if unraisable.object == self._collect:
                self._failure = unraisable.exc_value
            else:
                hook(unraisable)

        sys.unraisablehook = keep
        try:
            yield
        finally:
            sys.unraisablehook = hook

    def _collect(self, samples: int | None, num_samples: int, events: int) -> int:
        # ctypes forgets what a callback raises (even Ctrl-C), so it is kept and raised after the call.
        # espeak is never stopped half-way: that would leave state behind.
        try:
            if samples and num_samples > 0:
                self._chunks.append(ctypes.string_at(samples, 2 * num_samples))
            for kind, position, sample, name in _read_events(events):
                if kind in (WORD, PHONEME):
                    self._events.append((kind, position - 1, sample, name.rstrip(b"\0")))
        except BaseException as error:  # noqa: BLE001 - re-raised by speak
            self._failure = error
        return 0

    def _definition(self, model: str, variant: str) -> bytes:
        key = (model, variant)
        if key not in self._definitions:
            file = os.memfd_create("espeak-voice")
            with os.fdopen(os.dup(file), "wb") as stream:
                stream.write(self._read("lang", model) + b"\n" + self._read_variant(variant) + _RESET)
            self._definitions[key] = b"/proc/self/fd/%d" % file
        return self._definitions[key]

    def _read_variant(self, variant: str) -> bytes:
        if not variant:
            return b""
        kept = []
        for line in self._read("voices/!v", variant).splitlines():
            if line.startswith(_LASTING_STATE):
                raise SpeechError(
                    f"espeak variant {variant!r} uses {line.decode(errors='replace')!r}, which does not speak a text "
                    "the same way twice; choose a variant without it, such as 'f2'"
                )
            if not line.startswith(_LOST_BY_MERGING):
                kept.append(line)
        return b"\n".join(kept)

    def _read(self, folder: str, name: str) -> bytes:
        root = self._data_path / folder
        path = root / name
        if ".." in path.parts or not name or not path.is_file():
            known = sorted(str(one.relative_to(root)) for one in root.rglob("*") if one.is_file())
            raise SpeechError(f"espeak has no {name!r} in {folder}; it has {', '.join(known)}")
        return path.read_bytes()

    def _do(self, what: str, status: int, item: str) -> None:
        if status != 0:
            raise SpeechError(
                f"espeak-ng could not {what} ({item[:48]!r}): error {status}; check the voice, or reinstall "
                "the package espeakng-loader"
            )


_LOADING = threading.Lock()  # two threads must not start two


def load_library() -> Library:
    """Returns the process's espeak, started at the first call.

    Raises:
        SpeechError: It is not installed or does not load; the message says what to install.
    """
    with _LOADING:
        return _load()


@functools.cache
def _load() -> Library:
    try:
        import espeakng_loader  # noqa: PLC0415 - the error must say what to install
    except ImportError as error:
        raise SpeechError("espeak-ng is not installed; run `pip install espeakng-loader`") from error
    path = espeakng_loader.get_library_path()
    try:
        return Library(path, espeakng_loader.get_data_path())
    except OSError as error:
        raise SpeechError(
            f"espeak-ng does not load from {path!r} ({error}); reinstall it with "
            "`pip install --force-reinstall espeakng-loader`"
        ) from error


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


def _declare(path: str) -> Any:
    c = ctypes.CDLL(path)
    number, text, pointer = ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p
    for name, result, arguments in (
        ("espeak_Initialize", number, (number, number, text, number)),
        ("espeak_Info", text, (pointer,)),
        ("espeak_SetSynthCallback", None, (_CALLBACK,)),
        ("espeak_SetVoiceByFile", number, (text,)),
        ("espeak_SetParameter", number, (number, number, number)),
        ("espeak_ng_SetRandSeed", number, (ctypes.c_long,)),
        (
            "espeak_Synth",
            number,
            (text, ctypes.c_size_t, ctypes.c_uint, number, ctypes.c_uint, ctypes.c_uint, pointer, pointer),
        ),
    ):
        function = getattr(c, name)
        function.restype, function.argtypes = result, arguments
    return c


def _read_events(address: int) -> Iterator[tuple[int, int, int, bytes]]:
    while True:
        kind, _, position, _, _, sample, _, name = _EVENT.unpack(ctypes.string_at(address, _EVENT.size))
        if kind == _END_OF_EVENTS:
            return
        yield kind, position, sample, name
        address += _EVENT.size
