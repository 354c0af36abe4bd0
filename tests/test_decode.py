"""Any recording becomes the same 16 kHz int16, and every kind of bad file its own clear error."""

from __future__ import annotations

import io
import os
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import soxr

from soundflow_data.audio.decode import decode, decode_flac, probe, to_int16
from soundflow_data.audio.encode import encode
from soundflow_data.errors import AudioError


def tone(rate: int, seconds: float = 1.0, hz: float = 440.0) -> np.ndarray:
    return 0.25 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)


def written(samples: np.ndarray, rate: int = 16_000, kind: str = "WAV", subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    sf.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def reason_of(call: Callable[[], object]) -> str:
    with pytest.raises(AudioError) as caught:
        call()
    assert ";" in str(caught.value), "a message names the repair behind a semicolon"
    return caught.value.reason


# -- what can be read --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        ("WAV", "PCM_U8"), ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_32"), ("WAV", "FLOAT"), ("WAV", "DOUBLE"),
        ("WAV", "ULAW"), ("WAVEX", "PCM_16"), ("RF64", "PCM_16"), ("W64", "PCM_16"), ("AIFF", "PCM_16"),
        ("AU", "PCM_16"), ("CAF", "PCM_16"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"),
        ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_formats(kind: str, subtype: str, rate: int) -> None:
    data = written(tone(rate), rate, kind, subtype)
    pcm = decode(data)
    assert pcm.dtype == np.int16
    assert len(pcm) == pytest.approx(16_000, abs=0 if kind != "MP3" else 1152)
    expected = 32768 * tone(16_000)[: len(pcm)]
    middle = slice(2000, 14_000)
    allowed = 1.6 if subtype.startswith(("PCM_1", "PCM_2", "PCM_3", "FLOAT", "DOUBLE")) else 900
    assert np.abs(pcm[middle] - expected[middle]).max() < allowed


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_16_khz_mono_is_taken_as_it_is(subtype: str, tmp_path: Path) -> None:
    pcm = np.random.default_rng(0).integers(-32768, 32768, 200_001).astype(np.int16)
    path = tmp_path / "a.wav"
    sf.write(path, pcm.astype(np.float64) / 32768, 16_000, subtype=subtype)
    np.testing.assert_array_equal(decode(path), pcm)
    np.testing.assert_array_equal(decode(str(path)), pcm)
    np.testing.assert_array_equal(decode(path.read_bytes()), pcm)


@pytest.mark.parametrize("rate", [8_000, 11_025, 12_345, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_resampling_in_blocks_equals_resampling_at_once(rate: int) -> None:
    samples = written(np.random.default_rng(rate).uniform(-0.4, 0.4, rate * 3 + 17), rate)
    pcm = decode(samples)
    whole = soxr.resample(sf.read(io.BytesIO(samples), dtype="float32")[0], rate, 16_000)
    expected = round((rate * 3 + 17) * 16_000 / rate)
    assert len(pcm) == probe(samples).num_samples == expected
    length = min(len(pcm), len(whole))
    assert np.abs(pcm[:length] - np.clip(np.rint(32768 * whole[:length]), -32768, 32767)).max() <= 1


def test_channels_are_averaged() -> None:
    left, right = tone(16_000), tone(16_000, hz=1000.0)
    pcm = decode(written(np.stack([left, right, np.zeros(16_000)], axis=1)))
    np.testing.assert_allclose(pcm, 32768 * (left + right) / 3, atol=1.5)


def test_loud_float_samples_are_limited() -> None:
    pcm = decode(written(5 * tone(16_000), subtype="FLOAT"))
    assert (pcm.min(), pcm.max()) == (-32768, 32767)
    assert to_int16(np.array([2.0, -2.0, 0.5], np.float32)).tolist() == [32767, -32768, 16384]


@pytest.mark.parametrize(("kind", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_16")])
def test_spans(kind: str, subtype: str) -> None:
    data = written(tone(16_000, 3.0), kind=kind, subtype=subtype)
    whole = decode(data)
    np.testing.assert_array_equal(decode(data, start_s=0.5, stop_s=1.25), whole[8_000:20_000])
    np.testing.assert_array_equal(decode(data, start_s=2.5), whole[40_000:])
    np.testing.assert_array_equal(decode(data, stop_s=99.0), whole)


def test_a_span_of_a_long_recording_is_allowed() -> None:
    data = written(np.tile(tone(16_000), 20))
    assert len(decode(data, start_s=3.0, stop_s=5.0, max_seconds=4.0)) == 32_000
    assert reason_of(lambda: decode(data, max_seconds=4.0)) == "too long"


def test_probe_says_what_decode_gives(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    sf.write(path, np.zeros((44_101, 2)), 44_100)
    info = probe(path)
    assert (info.num_samples, info.rate, info.channels) == (16_000, 44_100, 2)
    assert info.seconds == pytest.approx(1.0, abs=1e-4)
    assert len(decode(path)) == info.num_samples


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_long_recordings_at_96_khz_take_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "quarter.wav"
    size = 15 * 60 * 96_000 * 4
    header = bytearray(written(np.zeros((0, 2)), 96_000))
    header[4:8], header[40:44] = struct.pack("<I", size + 36), struct.pack("<I", size)
    path.write_bytes(header)
    os.truncate(path, len(header) + size)  # a hole in the file reads as zeros and takes no disk
    code = (
        "import sys\n"
        "from soundflow_data.audio.decode import decode\n"
        "def peak(): return int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
        "before = peak(); pcm = decode(sys.argv[1]); print(len(pcm), peak() - before)"
    )
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    num_samples, kilobytes = map(int, run.stdout.split())
    assert num_samples == 15 * 60 * 16_000
    assert kilobytes < 60_000, "the result alone is 29 MB; the recording is 346 MB"


def test_decode_flac_reads_what_encode_wrote() -> None:
    pcm = to_int16(tone(16_000, 2.0).astype(np.float32))
    np.testing.assert_array_equal(decode_flac(encode(pcm)), pcm)


# -- what cannot be read -----------------------------------------------------------------------------------------------


def test_missing_and_unreadable_paths(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.wav"
    with pytest.raises(AudioError, match=r"nowhere\.wav: no such file") as caught:
        decode(missing)
    assert caught.value.reason == "missing"
    assert reason_of(lambda: probe(missing)) == "missing"
    assert reason_of(lambda: decode(tmp_path)) == "unreadable"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(written(tone(16_000)))
    path.chmod(0)
    assert reason_of(lambda: decode(path)) == "unreadable"


def test_zero_bytes_junk_and_text(tmp_path: Path) -> None:
    empty = tmp_path / "empty.wav"
    empty.touch()
    assert reason_of(lambda: decode(empty)) == "zero bytes"
    assert reason_of(lambda: decode(b"not audio at all " * 100)) == "unreadable"
    assert reason_of(lambda: decode(b"RIFF")) == "unreadable"
    assert reason_of(lambda: decode(os.urandom(4096))) == "unreadable"


def test_no_samples() -> None:
    assert reason_of(lambda: decode(written(np.zeros(0)))) == "empty"
    assert reason_of(lambda: probe(written(np.zeros(0)))) == "empty"


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        ("WAV", "PCM_16"), ("WAV", "FLOAT"), ("RF64", "PCM_16"), ("W64", "PCM_16"), ("AIFF", "PCM_16"),
        ("AU", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_truncated_files(kind: str, subtype: str, share: float) -> None:
    data = written(np.random.default_rng(1).uniform(-0.3, 0.3, 48_000), kind=kind, subtype=subtype)
    assert reason_of(lambda: decode(data[: int(len(data) * share)])) == "truncated"


def test_headers_that_claim_a_huge_length() -> None:
    wav = bytearray(written(tone(16_000)))
    size = wav.index(b"data") + 4
    wav[size : size + 4] = struct.pack("<I", 0xFFFF_FFF0)
    assert reason_of(lambda: decode(bytes(wav))) == "truncated"
    flac = bytearray(written(tone(16_000), kind="FLAC"))
    flac[21] |= 0x0F  # the total number of samples is in the 36 bits from here
    flac[22:26] = b"\xff\xff\xff\xff"
    assert reason_of(lambda: decode(bytes(flac))) == "too long"
    assert reason_of(lambda: decode(bytes(flac), max_seconds=1e9)) == "truncated"
    assert reason_of(lambda: decode_flac(bytes(flac))) in {"truncated", "unreadable"}


def test_damage_in_the_middle() -> None:
    for kind, subtype in (("FLAC", "PCM_16"), ("OGG", "VORBIS")):
        data = bytearray(written(np.random.default_rng(2).uniform(-0.3, 0.3, 64_000), kind=kind, subtype=subtype))
        middle = len(data) * 3 // 4
        data[middle : middle + 64] = bytes(64)
        assert reason_of(lambda data=data: decode(bytes(data))) == "truncated", kind


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 100_000])
def test_samples_that_are_not_numbers(value: float, at: int) -> None:
    samples = tone(48_000, 3.0)
    samples[at] = value
    assert reason_of(lambda: decode(written(samples, 48_000, subtype="FLOAT"))) == "not finite"


def test_float_samples_in_int16_units() -> None:
    assert reason_of(lambda: decode(written(32768 * tone(16_000), subtype="FLOAT"))) == "out of range"


def test_silence_is_an_error_when_asked() -> None:
    data = written(np.zeros(1000))
    assert not decode(data).any()
    assert reason_of(lambda: decode(data, allow_silent=False)) == "silent"


@pytest.mark.parametrize("rate", [1, 1_999, 1_000_000, 0x7FFF_FFFF])
def test_absurd_rates(rate: int) -> None:
    wav = bytearray(written(tone(16_000)))
    wav[24:28] = struct.pack("<I", rate)
    assert reason_of(lambda: decode(bytes(wav))) == "sample rate"
    assert reason_of(lambda: probe(bytes(wav))) == "sample rate"


@pytest.mark.parametrize(("start_s", "stop_s"), [(2.0, 1.0), (1.0, 1.0), (-1.0, None), (0.0, 0.0), (5.0, None)])
def test_impossible_spans(start_s: float, stop_s: float | None) -> None:
    data = written(tone(16_000, 3.0))
    assert reason_of(lambda: decode(data, start_s=start_s, stop_s=stop_s)) == "bad span"


def test_decode_flac_refuses_other_rates_and_channels() -> None:
    assert reason_of(lambda: decode_flac(written(tone(8_000), 8_000, "FLAC"))) == "not 16 kHz mono"
    assert reason_of(lambda: decode_flac(written(np.zeros((99, 2)), kind="FLAC"))) == "not 16 kHz mono"
    assert reason_of(lambda: decode_flac(encode(np.ones(50_000, np.int16))[:60])) == "unreadable"
    assert reason_of(lambda: decode_flac(b"junk")) == "unreadable"


def test_the_name_in_messages_can_be_chosen_and_errors_can_be_sent_home() -> None:
    with pytest.raises(AudioError, match="clip 'dog-3': zero bytes") as caught:
        decode(b"", name="clip 'dog-3'")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.reason) == (str(caught.value), "zero bytes")
