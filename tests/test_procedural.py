"""Procedural sounds: what every kind promises, and that the kinds can be told apart."""

from __future__ import annotations

import functools
import hashlib
import re
import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from soundflow_data.audio.procedural import KINDS, synthesize
from soundflow_data.errors import AudioError
from soundflow_data.timeline import SAMPLE_RATE

SEEDS = (0, 1, 2)
OCCURRENCES = [k.name for k in KINDS.values() if k.pattern == "occurrence"]
STEADY = [k.name for k in KINDS.values() if k.pattern == "steady"]


@functools.cache
def clip(kind: str, seed: int) -> NDArray[np.float32]:
    """An occurrence at its drawn length, anything else at its shortest, to keep the tests quick."""
    shortest = None if KINDS[kind].pattern == "occurrence" else KINDS[kind].duration_s[0]
    return synthesize(kind, seed=seed, duration_s=shortest)


def level_db(x: NDArray[np.float32], window: int) -> NDArray[np.float64]:
    """RMS level of consecutive windows, 0 dB at the loudest."""
    frames = x[: x.size // window * window].astype(np.float64).reshape(-1, window)
    level = 10 * np.log10(np.mean(np.square(frames), axis=1) + 1e-12)
    return level - level.max()


def test_there_are_many_kinds_in_every_family() -> None:
    assert len(KINDS) >= 160
    families = {kind.family for kind in KINDS.values()}
    assert families >= {"alarms", "impacts", "faults", "vehicles", "weather", "people", "animals", "music", "noise"}
    assert len(OCCURRENCES) >= 50
    assert len(STEADY) >= 30


@pytest.mark.parametrize("name", KINDS)
def test_kind_describes_itself(name: str) -> None:
    kind = KINDS[name]
    assert re.fullmatch(r"[a-z][a-z0-9_]+", name)
    assert kind.name == name
    assert kind.summary.endswith(".")
    low, high = kind.duration_s
    assert 0.1 <= low < high <= 20
    assert kind.fit(0.0) == low
    assert kind.fit(1e9) == kind.longest_s


@pytest.mark.parametrize("name", KINDS)
def test_clip_is_sound(name: str) -> None:
    low, high = KINDS[name].duration_s
    for seed in SEEDS:
        x = clip(name, seed)
        assert x.dtype == np.float32
        assert x.ndim == 1
        assert np.isfinite(x).all()
        assert low * SAMPLE_RATE - 1 <= x.size <= high * SAMPLE_RATE + 1
        assert np.abs(x).max() == pytest.approx(0.89, abs=1e-3)
        assert np.sqrt(np.mean(np.square(x))) > 0.01
        assert abs(float(x.mean(dtype=np.float64))) < 1e-5
        assert abs(x[-1]) < 0.02, "ends with a step"
        onset_s = np.flatnonzero(level_db(x, 160) > -30)[0] * 0.01
        assert onset_s <= 0.3, "starts with silence"


@pytest.mark.parametrize("name", KINDS)
def test_seeds_are_different_recordings(name: str) -> None:
    a, b = clip(name, SEEDS[0]).astype(np.float64), clip(name, SEEDS[1]).astype(np.float64)
    shared = min(a.size, b.size)
    likeness = abs(a[:shared] @ b[:shared]) / np.sqrt((a[:shared] @ a[:shared]) * (b[:shared] @ b[:shared]))
    assert likeness < 0.9


@pytest.mark.parametrize("name", OCCURRENCES)
def test_occurrence_is_exactly_one(name: str) -> None:
    for seed in SEEDS:
        loud = np.flatnonzero(level_db(clip(name, seed), 160) > -26) * 0.01
        assert loud[0] <= 0.1
        assert np.diff(loud, prepend=loud[0]).max() <= 0.35, "a pause long enough to hear two occurrences"


@pytest.mark.parametrize("name", STEADY)
def test_steady_kind_keeps_its_level(name: str) -> None:
    x = synthesize(name, seed=5, duration_s=6.0)
    assert level_db(x, 2 * SAMPLE_RATE).min() > -9


def test_same_seed_same_bytes_in_another_process() -> None:
    names = ["dog_bark", "rain", "siren_wail", "piano_chords"]
    code = (
        "import hashlib; from soundflow_data.audio.procedural import synthesize\n"
        f"for name in {names}: print(hashlib.sha256(synthesize(name, seed=9).tobytes()).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert there == [hashlib.sha256(synthesize(name, seed=9).tobytes()).hexdigest() for name in names]


def test_duration_is_exact_to_the_sample() -> None:
    assert synthesize("rain", seed=1, duration_s=7.3).size == round(7.3 * SAMPLE_RATE)
    assert synthesize("dog_bark", seed=1, duration_s=0.4).size == 6_400
    assert synthesize("rain", seed=1 << 80).size > 0


@pytest.mark.parametrize("name", OCCURRENCES)
def test_occurrence_has_the_length_that_is_asked_for(name: str) -> None:
    for duration_s in KINDS[name].duration_s:
        assert synthesize(name, seed=77, duration_s=duration_s).size == round(duration_s * SAMPLE_RATE)


def test_errors_name_the_value_and_the_repair() -> None:
    with pytest.raises(AudioError, match=r"no procedural sound 'dog_barks'; did you mean dog_bark") as unknown:
        synthesize("dog_barks", seed=1)
    assert unknown.value.reason == "unknown kind"
    with pytest.raises(AudioError, match=r"seed -1 is below 0"):
        synthesize("dog_bark", seed=-1)
    with pytest.raises(AudioError, match=r"'dog_bark': 3 s is outside 0\.25 to 0\.6 s; use KINDS"):
        synthesize("dog_bark", seed=1, duration_s=3.0)
    with pytest.raises(AudioError, match=r"outside 4 to 120 s"):
        synthesize("rain", seed=1, duration_s=float("nan"))


def test_listing_the_kinds_imports_no_scipy() -> None:
    code = "import sys; from soundflow_data.audio.procedural import KINDS; print(len(KINDS), 'scipy' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == [str(len(KINDS)), "False"]


def test_kinds_are_read_only() -> None:
    with pytest.raises(TypeError):
        KINDS["rain"] = KINDS["wind"]  # type: ignore[index]
    with pytest.raises(AttributeError):
        KINDS["rain"].name = "snow"  # type: ignore[misc]


def mel_filters(bands: int = 40, fft: int = 512) -> NDArray[np.float64]:
    """Triangular filters at equal steps of the mel scale, (bands, fft // 2 + 1)."""
    mel = 2_595 * np.log10(1 + np.linspace(0, SAMPLE_RATE / 2, fft // 2 + 1) / 700)
    edges = np.linspace(mel[2], mel[-2], bands + 2)
    rise = (mel - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - mel) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rise, fall))


def features(x: NDArray[np.float32], filters: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean shape, spread and movement of the log-mel spectrum over the frames that are not silent."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(x, (0, 1_024)), 512)[::160] * np.hanning(512)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1))) @ filters.T
    mel = 10 * np.log10(power + 1e-7 * power.max())
    loud = 10 * np.log10(power.sum(axis=1) + 1e-12)
    heard = mel[loud > loud.max() - 35]
    steps = np.abs(np.diff(mel, axis=0)).mean(axis=0)
    envelope = np.array([np.maximum(loud - loud.max(), -50).std()])
    return np.concatenate([heard.mean(axis=0) - heard.mean(), heard.std(axis=0), steps, envelope])


def test_kinds_can_be_told_apart() -> None:
    """Nearest centroid on log-mel statistics, leave one seed out, over all kinds; chance is below 1 %."""
    filters = mel_filters()
    table = np.array([[features(clip(name, seed)[:48_000], filters) for seed in SEEDS] for name in KINDS])
    within = np.sqrt(table.var(axis=1).mean(axis=0) * len(SEEDS) / (len(SEEDS) - 1)) + 1e-6
    hits = []
    for held_out in range(len(SEEDS)):
        centroids = np.delete(table, held_out, axis=1).mean(axis=1) / within
        distance = np.square(table[:, held_out, None] / within - centroids).sum(axis=-1)
        hits.append(distance.argmin(axis=1) == np.arange(len(KINDS)))
    assert np.mean(hits) > 0.75, f"only {np.mean(hits):.1%} recognised"
