"""Any recording to mono 16 kHz int16, read in blocks, with a clear error for every kind of bad file.

Reasons of the errors, for counting: `missing`, `zero bytes`, `unreadable`, `needs ffmpeg`, `sample rate`, `too long`,
`truncated`, `bad span`, `empty`, `not finite`, `out of range`, `silent`, `not 16 kHz mono`.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

from soundflow_data.audio import containers, ogg
from soundflow_data.errors import AudioError
from soundflow_data.timeline import SAMPLE_RATE

MAX_SECONDS: Final = 7_200.0
MIN_RATE_HZ: Final = 2_000
MAX_RATE_HZ: Final = 768_000

_BLOCK: Final = 1 << 16  # frames read at once
_OVERLOAD: Final = 16.0  # a float file with larger values does not have full scale at 1.0
_MP3_SLACK: Final = 2 * 1152  # frames; headers written by MP3 encoders count differently at the ends

# libsndfile shortens a recording to the bytes that are there, and says so in its log alone.
_SHORTENED: Final = re.compile(
    r"^\s*(?:data|SSND|Data Size|Riff size|riff)\s*: (\d+) \(should be (-?\d+)\)", re.MULTILINE
)


class AudioInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the header of a recording says.

    Attributes:
        num_samples: Length at 16 kHz, which is what `decode` returns.
        rate: Its own rate in Hz.
        channels: Number of channels.
        seconds: Length in seconds.
    """

    num_samples: int
    rate: int
    channels: int
    seconds: float


def probe(source: Path | str | bytes, *, name: str = "") -> AudioInfo:
    """Returns what the header says, without decoding (containers that need ffmpeg are decoded).

    Args:
        source: A path, or the bytes of a file.
        name: How messages call the recording; its path if empty.

    Raises:
        AudioError: See the reasons above.
    """
    label = name or _label(source)
    file = _open(source, label)
    if isinstance(file, str):
        frames, rate = containers.read(_plain(source), file, label, duration_s=MAX_SECONDS)
        return AudioInfo(
            num_samples=_at_16k(len(frames), rate), rate=rate, channels=frames.shape[1], seconds=len(frames) / rate
        )
    with file:
        _check_header(file, source, label)
        return AudioInfo(
            num_samples=_at_16k(file.frames, file.samplerate),
            rate=file.samplerate,
            channels=file.channels,
            seconds=file.frames / file.samplerate,
        )


def decode(
    source: Path | str | bytes,
    *,
    start_s: float | None = None,
    stop_s: float | None = None,
    max_seconds: float = MAX_SECONDS,
    allow_silent: bool = True,
    name: str = "",
) -> NDArray[np.int16]:
    """Decodes a recording, or a span of it, to mono 16 kHz int16 (num_samples,).

    Channels are averaged; other rates are resampled by soxr. What memory it takes depends on the result, not on what
    the header claims.

    Args:
        source: A path, or the bytes of a file.
        start_s: Where the span begins, in seconds; the start if None.
        stop_s: Where it ends; the end if None.
        max_seconds: A longer span is refused.
        allow_silent: Whether samples that are all zero are taken.
        name: How messages call the recording; its path if empty.

    Raises:
        AudioError: See the reasons above.
    """
    label = name or _label(source)
    if (start_s or 0.0) < 0.0 or (stop_s is not None and stop_s <= (start_s or 0.0)):
        raise AudioError(f"{label}: no span from {start_s} s to {stop_s} s; correct its ends", reason="bad span")
    file = _open(source, label)
    if isinstance(file, str):
        pcm = _decode_container(_plain(source), file, label, start_s or 0.0, stop_s, max_seconds)
    else:
        with file:
            _check_header(file, source, label)
            pcm = _decode_span(file, label, start_s or 0.0, stop_s, max_seconds)
    if not len(pcm):
        raise AudioError(f"{label}: the recording has no samples; remove or replace it", reason="empty")
    if not allow_silent and not pcm.any():
        raise AudioError(f"{label}: all {len(pcm)} samples are zero; remove or replace the recording", reason="silent")
    return pcm


def decode_flac(data: bytes, *, name: str = "stream") -> NDArray[np.int16]:
    """Decodes a file that `encode` made (FLAC or Opus) to int16 (num_samples,), as fast as libsndfile can.

    Raises:
        AudioError: The bytes are damaged, or not a 16 kHz mono recording.
    """
    try:
        with sf.SoundFile(io.BytesIO(data)) as file:
            if (file.samplerate, file.channels) != (SAMPLE_RATE, 1):
                raise AudioError(
                    f"{name}: {file.samplerate} Hz with {file.channels} channels is not {SAMPLE_RATE} Hz mono; "
                    "read it with `decode`",
                    reason="not 16 kHz mono",
                )
            claimed = file.frames
            pcm: NDArray[np.int16] = file.read(dtype="int16")
    except (sf.LibsndfileError, MemoryError, OverflowError) as error:
        raise AudioError(
            f"{name}: {len(data)} bytes cannot be decoded ({_cause(error)}); make it again", reason="unreadable"
        ) from error
    if len(pcm) != claimed:
        raise AudioError(
            f"{name}: holds {len(pcm)} of the {claimed} samples that its header claims; make it again",
            reason="truncated",
        )
    return pcm


def _cause(error: Exception) -> str:
    """Returns what went wrong, without the address of a Python object that libsndfile's own message begins with."""
    return error.error_string if isinstance(error, sf.LibsndfileError) else str(error)


def to_int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Rounds float samples with full scale at 1.0 to int16, limiting what is louder."""
    scaled = np.rint(samples * np.float32(32768.0))
    return np.clip(scaled, -32768.0, 32767.0).astype(np.int16)


def _label(source: Path | str | bytes) -> str:
    return f"{len(source)} bytes of audio" if isinstance(source, bytes) else str(source)


def _plain(source: Path | str | bytes) -> Path | bytes:
    return source if isinstance(source, bytes) else Path(source)


def _at_16k(num_frames: int, rate: int) -> int:
    return (2 * num_frames * SAMPLE_RATE + rate) // (2 * rate)


def _open(source: Path | str | bytes, label: str) -> sf.SoundFile | str:
    """Opens with libsndfile, or returns the kind of container that takes ffmpeg."""
    start = _start(source, label)
    try:
        return sf.SoundFile(io.BytesIO(source) if isinstance(source, bytes) else str(source))
    except sf.LibsndfileError as error:
        kind = containers.kind_of(start)
        if kind:
            return kind
        raise AudioError(
            f"{label}: not a recording that libsndfile can read ({error.error_string}); replace or convert it",
            reason="unreadable",
        ) from error


def _start(source: Path | str | bytes, label: str) -> bytes:
    if isinstance(source, bytes):
        start = source[: containers.SNIFF_BYTES]
    else:
        try:
            with Path(source).open("rb") as file:
                start = file.read(containers.SNIFF_BYTES)
        except FileNotFoundError as error:
            raise AudioError(
                f"{label}: no such file; correct the path or the table that names it", reason="missing"
            ) from error
        except OSError as error:
            raise AudioError(
                f"{label}: cannot be opened ({error.strerror}); make it readable", reason="unreadable"
            ) from error
    if not start:
        raise AudioError(f"{label}: zero bytes; copy the file again", reason="zero bytes")
    return start


def _check_header(file: sf.SoundFile, source: Path | str | bytes, label: str) -> None:
    """Raises where the header cannot be true."""
    if not MIN_RATE_HZ <= file.samplerate <= MAX_RATE_HZ:
        raise AudioError(
            f"{label}: a rate of {file.samplerate} Hz is outside {MIN_RATE_HZ}..{MAX_RATE_HZ}; correct the header",
            reason="sample rate",
        )
    shortened = _SHORTENED.search(file.extra_info)
    if shortened and int(shortened[1]) > int(shortened[2]):
        raise AudioError(
            f"{label}: the header claims {shortened[1]} bytes of audio, the file holds {shortened[2]}; "
            "copy it again, or correct the header (ffmpeg -i IN OUT)",
            reason="truncated",
        )
    if file.format == "OGG":
        with io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as pages:
            wrong = ogg.defect(pages)
        if wrong:
            raise AudioError(f"{label}: the Ogg file {wrong}; copy it again", reason="truncated")
    if file.frames == 0:
        raise AudioError(f"{label}: the recording has no samples; remove or replace it", reason="empty")


def _check_length(seconds: float, max_seconds: float, label: str) -> None:
    if seconds > max_seconds:
        raise AudioError(
            f"{label}: the header claims {seconds:.1f} s, more than {max_seconds:.1f} s; "
            "cut the recording, ask for a span, raise max_seconds, or correct the header (ffmpeg -i IN OUT)",
            reason="too long",
        )


def _decode_span(
    file: sf.SoundFile, label: str, start_s: float, stop_s: float | None, max_seconds: float
) -> NDArray[np.int16]:
    rate = file.samplerate
    first = round(start_s * rate)
    last = file.frames if stop_s is None else min(round(stop_s * rate), file.frames)
    if first >= file.frames:
        raise AudioError(
            f"{label}: the span starts at {start_s} s, but the recording ends at {file.frames / rate:.3f} s; "
            "correct the span",
            reason="bad span",
        )
    _check_length((last - first) / rate, max_seconds, label)
    out = bytearray()  # grows without a second copy, unlike a list of blocks that is joined
    resampler = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
    count = 0
    try:
        if first:
            file.seek(first)
        while count < last - first:
            block = file.read(min(_BLOCK, last - first - count), dtype="float32", always_2d=True)
            if not len(block):
                break
            count += len(block)
            mono = _mono(block, label)
            out += to_int16(resampler.resample_chunk(mono) if resampler else mono).tobytes()
    except sf.LibsndfileError as error:
        raise _truncated(label, first + count, file.frames, str(error)) from error
    if last - first - count > (_MP3_SLACK if file.format == "MP3" else 0):
        raise _truncated(label, first + count, file.frames, "nothing follows")
    if resampler:
        out += to_int16(resampler.resample_chunk(np.zeros(0, np.float32), last=True)).tobytes()
    return _fitted(np.frombuffer(out, np.int16), _at_16k(count, rate))


def _truncated(label: str, held: int, claimed: int, cause: str) -> AudioError:
    return AudioError(
        f"{label}: damaged or cut at sample {held} of the {claimed} that its header claims ({cause}); copy it again",
        reason="truncated",
    )


def _mono(block: NDArray[np.float32], label: str) -> NDArray[np.float32]:
    """Averages the channels of float32 (num_frames, num_channels), checking the values."""
    largest = np.abs(block).max()
    if not np.isfinite(largest):
        raise AudioError(f"{label}: has samples that are NaN or infinite; replace the recording", reason="not finite")
    if largest > _OVERLOAD:
        raise AudioError(
            f"{label}: has samples up to {largest:.6g} where full scale is 1.0; divide them by their full scale",
            reason="out of range",
        )
    return block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)


def _fitted(pcm: NDArray[np.int16], num_samples: int) -> NDArray[np.int16]:
    """Cuts or pads by the one sample that the resampler may differ from the rounded length."""
    assert abs(len(pcm) - num_samples) <= 2, (len(pcm), num_samples)
    return pcm[:num_samples] if len(pcm) >= num_samples else np.pad(pcm, (0, num_samples - len(pcm)))


def _decode_container(
    source: Path | bytes, kind: str, label: str, start_s: float, stop_s: float | None, max_seconds: float
) -> NDArray[np.int16]:
    wanted_s = max_seconds + 1.0 if stop_s is None else stop_s - start_s
    _check_length(wanted_s if stop_s is not None else 0.0, max_seconds, label)
    frames, rate = containers.read(source, kind, label, start_s=start_s, duration_s=wanted_s)
    _check_length(len(frames) / rate, max_seconds, label)
    if not len(frames):
        raise AudioError(f"{label}: there is nothing from {start_s} s on; correct the span", reason="empty")
    mono = _mono(frames, label)
    if rate == SAMPLE_RATE:
        return to_int16(mono)
    return _fitted(to_int16(soxr.resample(mono, rate, SAMPLE_RATE)), _at_16k(len(mono), rate))
