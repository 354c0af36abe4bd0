"""FLAC gives every sample back and is the same everywhere; Opus gives the same bytes in two processes."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from soundflow_data.audio import ogg
from soundflow_data.audio.decode import decode_flac
from soundflow_data.audio.encode import EXTENSION, encode
from soundflow_data.audio.flac import BLOCK, encode_flac
from soundflow_data.errors import AudioError

LOW, HIGH = -32768, 32767
GOLDEN_FLAC = "6fa9b26d157c392b990cfe432143548f96a7d50222f81517056b0f8129e51761"


def coloured_noise(num_samples: int, seed: int = 0, amplitude: float = 3000.0) -> np.ndarray:
    """Noise with a spectrum that falls, so that predictors have something to do."""
    white = np.random.default_rng(seed).standard_normal(num_samples + 200)
    smooth = np.convolve(white, np.exp(-np.arange(100) / 8.0) * np.cos(np.arange(100) / 3.0), "valid")[:num_samples]
    return np.clip(np.rint(smooth * (amplitude / 2)), LOW, HIGH).astype(np.int16)


def read(data: bytes) -> tuple[np.ndarray, int]:
    return sf.read(io.BytesIO(data), dtype="int16")


def assert_round_trip(pcm: np.ndarray) -> bytes:
    data = encode_flac(pcm)
    samples, rate = read(data)
    assert rate == 16_000
    np.testing.assert_array_equal(samples, pcm)
    return data


SHAPES = {
    "noise at full scale": lambda rng, n: rng.integers(LOW, HIGH + 1, n),
    "one step": lambda rng, n: rng.integers(-1, 2, n),
    "zeros": lambda rng, n: np.zeros(n),
    "constant": lambda rng, n: np.full(n, LOW),
    "square at the limits": lambda rng, n: np.where(np.arange(n) // 7 % 2, LOW, HIGH),
    "every sample the other limit": lambda rng, n: np.where(np.arange(n) % 2, LOW, HIGH),
    "rare clicks": lambda rng, n: np.where(rng.random(n) < 0.002, HIGH, 0),
    "loud sine": lambda rng, n: HIGH * np.sin(np.arange(n) * 0.05),
    "ramp": lambda rng, n: (np.arange(n) * 37) % 65536 - 32768,
    "quiet, then loud": lambda rng, n: np.where(np.arange(n) < n // 2, 1, 5000) * rng.integers(-1, 2, n),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 8, 9, 33, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 40_000])
def test_flac_keeps_every_sample(shape: str, length: int) -> None:
    data = assert_round_trip(np.asarray(SHAPES[shape](np.random.default_rng(length), length)).astype(np.int16))
    assert len(data) <= 2 * length + 24 * (-(-length // BLOCK)) + 42


@given(
    pieces=st.lists(st.tuples(st.integers(1, 3000), st.integers(0, 32767), st.booleans()), min_size=1, max_size=6),
    seed=st.integers(0, 2**32 - 1),
)
def test_flac_keeps_what_changes_abruptly(pieces: list[tuple[int, int, bool]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [rng.integers(-a, a + 1, n) if noisy else a * np.sin(np.arange(n) / 9.0) for n, a, noisy in pieces]
    assert_round_trip(np.concatenate(parts).astype(np.int16))


def test_flac_numbers_frames_of_hours() -> None:
    """Frame numbers above 127 and above 2047 take two and three bytes."""
    assert_round_trip(np.tile(coloured_noise(BLOCK), 2100)[:-5])


def test_flac_is_as_small_as_libflac() -> None:
    pcm = coloured_noise(16_000 * 30)
    theirs = io.BytesIO()
    sf.write(theirs, pcm, 16_000, format="FLAC", subtype="PCM_16")
    assert len(encode_flac(pcm)) < 1.01 * len(theirs.getvalue())


def test_flac_of_silence_takes_next_to_nothing() -> None:
    assert len(encode_flac(np.zeros(16_000 * 60, np.int16))) < 4_000


def test_flac_bytes_have_not_changed() -> None:
    """A change here changes every shard: raise the version of the format, and say so in the change log."""
    state, values = 1, []
    for i in range(3 * BLOCK + 100):
        state = (1_103_515_245 * state + 12_345) % 2**31  # no library's generator or sine can change under us
        values.append((state >> 18) + (abs(i % 400 - 200) * 60) - 10_000)
    data = encode_flac(np.array(values, np.int16))
    assert hashlib.sha256(data).hexdigest() == GOLDEN_FLAC


def test_flac_is_read_as_any_stride() -> None:
    pcm = coloured_noise(20_000)
    assert encode_flac(pcm[::2]) == encode_flac(pcm[::2].copy())
    frozen = pcm.copy()
    frozen.setflags(write=False)
    assert encode_flac(frozen) == encode_flac(pcm)


def test_a_flipped_bit_is_noticed() -> None:
    data = bytearray(encode(coloured_noise(16_000)))
    data[len(data) // 2] ^= 4
    with pytest.raises(AudioError) as caught:
        decode_flac(bytes(data), name="s-1")
    assert caught.value.reason in {"truncated", "unreadable"}


@pytest.mark.parametrize("num_samples", [1, 1000, 6_400, 48_017])
def test_opus_keeps_the_length(num_samples: int) -> None:
    data = encode(coloured_noise(num_samples), "opus")
    samples, rate = read(data)
    assert (len(samples), rate) == (num_samples, 16_000)
    assert len(decode_flac(data)) == num_samples


def test_opus_sounds_like_what_was_encoded_at_32_kilobits() -> None:
    pcm = np.rint(9000 * np.sin(np.arange(16_000 * 4) * 0.2) + coloured_noise(16_000 * 4, amplitude=300)).astype(
        np.int16
    )
    data = encode(pcm, "opus")
    assert np.corrcoef(read(data)[0], pcm)[0, 1] > 0.97
    assert 16_000 < len(data) * 8 / 4 < 40_000
    assert ogg.defect(io.BytesIO(data)) == ""


@pytest.mark.parametrize("codec", ["flac", "opus"])
def test_two_processes_give_the_same_bytes(codec: str) -> None:
    code = (
        "import hashlib, numpy as np; from soundflow_data.audio.encode import encode;"
        "pcm = (np.arange(20_000) * 7919 % 12_345 - 6_000).astype(np.int16);"
        f"print(hashlib.sha256(encode(pcm, {codec!r})).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    pcm = (np.arange(20_000) * 7919 % 12_345 - 6_000).astype(np.int16)
    assert there == hashlib.sha256(encode(pcm, codec)).hexdigest()


def test_codecs_name_their_extensions() -> None:
    assert EXTENSION == {"flac": "flac", "opus": "opus"}


@pytest.mark.parametrize(
    ("pcm", "codec", "reason"),
    [
        (np.zeros(0, np.int16), "flac", "empty"),
        (np.zeros(9, np.float32), "flac", "not int16 mono"),
        (np.zeros((9, 2), np.int16), "opus", "not int16 mono"),
        (np.zeros(9, np.int16), "mp3", "unknown codec"),
    ],
)
def test_bad_requests(pcm: np.ndarray, codec: str, reason: str) -> None:
    with pytest.raises(AudioError) as caught:
        encode(pcm, codec)
    assert caught.value.reason == reason
