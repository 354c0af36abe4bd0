"""Recordings that libsndfile cannot read; where pydub and an ffmpeg are installed, made and read by them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from soundflow_data.audio import containers
from soundflow_data.audio.decode import decode, probe
from soundflow_data.errors import AudioError

M4A = b"\x00\x00\x00\x20ftypM4A \x00\x00\x00\x00" + bytes(100)
CODECS = {
    "m4a": ["-c:a", "aac"],
    "faststart.m4a": ["-c:a", "aac", "-movflags", "+faststart"],
    "aac": ["-c:a", "aac"],
    "webm": ["-c:a", "libopus"],
    "wma": ["-c:a", "wmav2"],
}


@pytest.mark.parametrize(
    ("start", "kind"),
    [(M4A, "m4a"), (b"\x1a\x45\xdf\xa3" + bytes(9), "webm"), (b"\xff\xf1\x50\x80", "aac"), (b"RIFF", ""), (b"", "")],
)
def test_containers_are_known_by_their_first_bytes(start: bytes, kind: str) -> None:
    assert containers.kind_of(start) == kind


def test_without_pydub_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydub", None)
    with pytest.raises(AudioError, match=r"soundflow\[containers\]") as caught:
        probe(M4A)
    assert caught.value.reason == "needs ffmpeg"


def test_without_ffmpeg_the_message_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pydub", sys)  # any module; it is not reached
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(AudioError, match="takes the program ffmpeg, which is not on the PATH; install it") as caught:
        decode(M4A)
    assert caught.value.reason == "needs ffmpeg"


@pytest.fixture(params=CODECS)
def recording(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Two seconds of a tone on the left of two channels, at 48 kHz."""
    if not importlib.util.find_spec("pydub"):
        pytest.skip("the extra `containers` is not installed")
    wav, path = tmp_path / "a.wav", tmp_path / f"a.{request.param}"
    tone = 0.25 * np.sin(2 * np.pi * 500 * np.arange(96_000) / 48_000)
    sf.write(wav, np.stack([tone, np.zeros(96_000)], axis=1), 48_000)
    program = containers._ffmpeg("wav", "this test")
    subprocess.run([program, "-v", "error", "-i", wav, *CODECS[request.param], path], check=True)
    return path


def test_a_container_is_read_whole_and_in_part(recording: Path) -> None:
    pcm = decode(recording)
    assert len(pcm) == probe(recording).num_samples == pytest.approx(32_000, abs=2_000)
    assert pcm[8_000:24_000].std() * np.sqrt(2) == pytest.approx(4096, rel=0.1)
    assert len(decode(recording.read_bytes(), start_s=0.5, stop_s=1.0)) == pytest.approx(8_000, abs=1)
    assert np.array_equal(decode(recording.read_bytes()), pcm)


def test_a_container_that_was_cut_is_not_taken_for_a_short_one(recording: Path) -> None:
    whole = recording.read_bytes()
    recording.write_bytes(whole[: len(whole) // 2])
    if recording.suffix in {".aac", ".wma"}:
        assert len(decode(recording)) < 20_000  # ffmpeg goes from packet to packet, and expects no number of them
        return
    with pytest.raises(AudioError) as caught:
        decode(recording)
    assert caught.value.reason in {"truncated", "unreadable"}
    assert "copy it again" in str(caught.value) or "replace it" in str(caught.value)


def test_a_container_without_audio_is_unreadable(recording: Path) -> None:
    recording.write_bytes(recording.read_bytes()[:64])
    with pytest.raises(AudioError) as caught:
        decode(recording)
    assert caught.value.reason == "unreadable"
    assert recording.name in str(caught.value)
