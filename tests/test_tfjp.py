"""Clip preparation and occurrences, on sounds whose right answer is known because they are made here."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundflow_data.audio.bursts import bursts, recognisable
from soundflow_data.audio.contour import contour, runs
from soundflow_data.audio.levels import peak, rms_db
from soundflow_data.audio.tfjp import TfjpParams, prepare, prepare_bed, prepare_speech
from soundflow_data.errors import AudioError
from soundflow_data.timeline import Word

RATE = 16_000
SNAP = 3_200


def samples(seconds: float) -> int:
    return round(seconds * RATE)


def pcm_of(audio: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(audio), -32768, 32767).astype(np.int16)


def hiss(seconds: float, level_db: float, seed: int = 0) -> np.ndarray:
    return 32768 * 10 ** (level_db / 20) * np.random.default_rng(seed).standard_normal(samples(seconds))


def bark(seconds: float = 0.25, peak_level: float = 12_000.0, seed: int = 0) -> np.ndarray:
    """A harmonic sound with a fast rise and an exponential fall of 26 dB."""
    t = np.arange(samples(seconds)) / RATE
    pitch = 420 + 40 * seed
    voice = sum(np.sin(2 * np.pi * pitch * k * t + k * k) / k for k in range(1, 8))
    return peak_level / 2 * voice * np.minimum(1, t / 0.01) * np.exp(-3 * t / seconds)


def scene(length_s: float, *placed: tuple[float, np.ndarray], noise_db: float | None = None) -> np.ndarray:
    audio = np.zeros(samples(length_s)) if noise_db is None else hiss(length_s, noise_db)
    for onset_s, sound in placed:
        audio[samples(onset_s) : samples(onset_s) + len(sound)] += sound
    return pcm_of(audio)


def tone(seconds: float, hz: float = 700.0, amplitude: float = 8_000.0) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hz * np.arange(samples(seconds)) / RATE)


def engine(seconds: float, seed: int = 3) -> np.ndarray:
    """Noise whose level goes up and down by 6 dB eight times a second."""
    t = np.arange(samples(seconds)) / RATE
    return pcm_of(hiss(seconds, -25.0, seed) * (1.0 + 0.33 * np.sin(2 * np.pi * 8 * t)))


def quiet_spans(pcm: np.ndarray, below: int) -> list[float]:
    """Lengths in seconds of the spans inside in which no sample is larger."""
    loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > below)
    gaps = np.diff(loud)
    return [round(float(gap) / RATE, 3) for gap in gaps[gaps > samples(0.1)]]


# -- silences ----------------------------------------------------------------------------------------------------------


def test_long_silences_are_shortened_and_short_ones_stay() -> None:
    clip = scene(4.0, (0.5, tone(0.3)), (1.0, tone(0.3)), (1.8, tone(0.3)), (3.3, tone(0.3)))
    assert quiet_spans(clip, 100) == [0.2, 0.5, 1.2]
    prepared = prepare(clip)
    gaps = quiet_spans(prepared.pcm, 100)
    assert gaps == pytest.approx([0.2, 0.3, 0.3], abs=0.03)
    assert prepared.removed_silence == pytest.approx(samples(0.2 + 0.9), abs=samples(0.06))


def test_silences_are_found_under_a_noise_floor() -> None:
    clip = scene(5.0, (0.5, bark()), (2.5, bark(seed=1)), (4.0, bark(seed=2)), noise_db=-55.0)
    prepared = prepare(clip)
    assert len(bursts(prepared.pcm)) == 3
    assert len(prepared.pcm) <= samples(2.2)
    assert prepared.removed_silence >= samples(1.5)


def test_tau_can_be_chosen() -> None:
    clip = scene(3.0, (0.5, tone(0.3)), (1.8, tone(0.3)))
    prepared = prepare(clip, params=TfjpParams(longest_silence_s=0.6))
    assert quiet_spans(prepared.pcm, 100) == pytest.approx([0.6], abs=0.03)


@settings(max_examples=25)
@given(
    gaps=st.lists(st.floats(0.02, 1.5), min_size=1, max_size=4),
    noise_db=st.sampled_from([None, -70.0, -60.0]),
    lead=st.floats(0.0, 1.0),
)
def test_what_holds_for_every_clip(gaps: list[float], noise_db: float | None, lead: float) -> None:
    placed, at = [], lead
    for i, gap in enumerate(gaps):
        placed.append((at, bark(seed=i)))
        at += 0.25 + gap
    clip = scene(at + 0.3, *placed, noise_db=noise_db)
    prepared = prepare(clip)
    assert len(prepared.pcm) % SNAP == 0
    assert 0 <= prepared.start < prepared.end <= len(clip)
    assert prepared.start <= samples(lead) + 160
    padding = len(prepared.pcm) - (prepared.end - prepared.start - prepared.removed_silence)
    assert -160 <= padding < SNAP, "start, end and what was cut account for every sample"
    shape = contour(prepared.pcm)
    silent = shape.smooth_db < shape.active_db - 45
    inside = [end - start for start, end in runs(silent) if start > 0 and end < len(silent)]
    assert max(inside, default=0) <= 34, "no silence inside is longer than 0.3 s (and the smoothing of its edges)"


# -- noise -------------------------------------------------------------------------------------------------------------


def test_the_noise_floor_falls_and_the_sound_stays() -> None:
    clip = scene(3.0, *[(0.3 + 0.5 * i, tone(0.25)) for i in range(5)], noise_db=-50.0)
    prepared = prepare(clip)
    assert prepared.noise_reduction_db > 12
    shift = prepared.start
    tones = [samples(0.3 + 0.5 * i) - shift for i in range(5)]
    assert prepared.removed_silence == 0
    for start in tones[1:]:
        before = prepared.pcm[start - samples(0.18) : start - samples(0.07)]
        assert rms_db(before) < -62
        during = slice(start + samples(0.05), start + samples(0.2))
        assert rms_db(prepared.pcm[during]) == pytest.approx(rms_db(pcm_of(tone(0.15))), abs=0.2)


def test_a_steady_sound_is_left_as_it_is() -> None:
    clip = engine(5.0)
    prepared = prepare(clip)
    assert (prepared.start, len(prepared.pcm), prepared.removed_silence) == (0, len(clip), 0)
    assert prepared.iterations == 1
    np.testing.assert_array_equal(prepared.pcm[320:-320], clip[320:-320])


def test_a_sound_that_comes_nearer_is_not_taken_for_noise() -> None:
    swell = pcm_of(hiss(6.0, -14.0) * 10 ** (np.linspace(-30, 0, samples(6.0)) / 20))
    prepared = prepare(swell)
    begin = prepared.start
    np.testing.assert_array_equal(prepared.pcm[320:-SNAP], swell[begin + 320 : begin + len(prepared.pcm) - SNAP])


def test_a_quiet_beginning_does_not_take_the_rain_away() -> None:
    rain = np.concatenate([hiss(0.08, -60.0), hiss(5.0, -25.0, 1)])
    prepared = prepare(pcm_of(rain))
    assert rms_db(prepared.pcm[samples(1) : samples(4)]) == pytest.approx(-25.0, abs=0.3)


# -- span and taper ----------------------------------------------------------------------------------------------------


def test_the_span_lies_around_the_sound_on_the_grid() -> None:
    clip = scene(6.0, (2.53, bark(0.5)), noise_db=-60.0)
    prepared = prepare(clip)
    assert samples(2.2) <= prepared.start <= samples(2.51)
    assert prepared.end - prepared.start == len(prepared.pcm) + prepared.removed_silence
    assert samples(0.4) <= len(prepared.pcm) <= samples(0.8)


def test_faint_hiss_beside_a_loud_sound_is_not_information() -> None:
    clip = scene(8.0, (0.0, hiss(3.0, -50.0)), (4.1, tone(0.8)))
    assert len(prepare(clip).pcm) <= samples(1.2)


def test_the_densest_part_of_a_long_recording_is_taken() -> None:
    clip = scene(60.0, *[(40.0 + 0.4 * i, bark(seed=i % 5)) for i in range(20)], noise_db=-45.0)
    prepared = prepare(clip, params=TfjpParams(longest_s=8.0))
    assert len(prepared.pcm) <= samples(8.0)
    assert samples(39.5) <= prepared.start < prepared.end <= samples(48.5)


def test_tapers_follow_half_a_hann_window() -> None:
    clip = engine(2.0)
    pcm = prepare(clip).pcm.astype(float)
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(320) + 0.5) / 320)
    np.testing.assert_allclose(pcm[:320], clip[:320] * rise, atol=0.5)
    np.testing.assert_allclose(pcm[-320:], clip[-320:] * rise[::-1], atol=0.5)


@pytest.mark.parametrize("onset_s", [0.0, 0.001, 0.2, 0.3999, 1.37])
@pytest.mark.parametrize("noise_db", [None, -60.0])
def test_a_click_survives_wherever_it_is(onset_s: float, noise_db: float | None) -> None:
    click = 20_000 * np.exp(-np.arange(160) / 30.0) * np.cos(np.arange(160) * 1.1)
    clip = scene(3.0, (onset_s, click), noise_db=noise_db)
    prepared = prepare(clip)
    assert len(prepared.pcm) <= samples(0.4)
    assert peak(prepared.pcm) > 0.5 * peak(clip)
    assert rms_db(prepared.pcm[: samples(0.2)]) > -60 or rms_db(prepared.pcm[samples(0.2) :]) > -60


# -- all lengths, again and again --------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 2, 63, 160, 161, 320, 799, 1023, 1024, 3199, 3200, 3201])
def test_short_clips(length: int) -> None:
    clip = pcm_of(tone(1.0))[100 : 100 + length]
    prepared = prepare(clip)
    assert (prepared.start, prepared.end) == (0, min(length, 3200))
    assert len(prepared.pcm) == 3200
    assert length < 10 or prepared.pcm.any()


def test_ten_minutes() -> None:
    clip = np.tile(scene(10.0, (1.0, bark()), (4.0, bark(seed=1)), noise_db=-50.0), 60)
    prepared = prepare(clip)
    assert samples(25) <= len(prepared.pcm) <= samples(30)
    assert prepared.end - prepared.start > samples(50), "30 s without silences come from more than 50 s"


@pytest.mark.parametrize("noise_db", [None, -60.0, -45.0])
def test_preparing_twice_changes_little(noise_db: float | None) -> None:
    clip = scene(6.0, (0.7, bark(0.4)), (1.9, bark(0.3, seed=1)), (4.2, bark(0.4, seed=2)), noise_db=noise_db)
    once = prepare(clip)
    twice = prepare(once.pcm)
    assert len(twice.pcm) == len(once.pcm)
    difference = pcm_of(twice.pcm.astype(float) - once.pcm)
    assert rms_db(difference) < rms_db(once.pcm) - 25


def test_the_same_samples_give_the_same_clip() -> None:
    clip = scene(4.0, (0.7, bark(0.4)), (2.9, bark(0.3, seed=1)), noise_db=-50.0)
    before = clip.copy()
    np.testing.assert_array_equal(prepare(clip).pcm, prepare(clip).pcm)
    np.testing.assert_array_equal(clip, before)


@pytest.mark.parametrize("preparation", [prepare, prepare_speech, prepare_bed])
def test_nothing_to_prepare(preparation) -> None:
    with pytest.raises(AudioError, match="take 7: all 500 samples are zero") as caught:
        preparation(np.zeros(500, np.int16), name="take 7")
    assert caught.value.reason == "silent"
    with pytest.raises(AudioError) as caught:
        preparation(np.zeros(0, np.int16))
    assert caught.value.reason == "empty"


# -- speech and beds ---------------------------------------------------------------------------------------------------


def test_speech_is_trimmed_and_no_word_moves() -> None:
    clip = scene(5.0, (1.0, tone(0.4)), (2.6, tone(0.5)), noise_db=-65.0)
    prepared = prepare_speech(clip)
    assert prepared.start == pytest.approx(samples(0.95), abs=samples(0.04))
    assert prepared.end == pytest.approx(samples(3.15), abs=samples(0.04))
    np.testing.assert_array_equal(prepared.pcm[320:-320], clip[prepared.start + 320 : prepared.end - 320])


def test_faint_words_are_not_trimmed_away() -> None:
    clip = scene(5.0, (2.0, tone(0.5)), noise_db=-65.0)
    words = (
        Word(text="hm", start=samples(0.5), end=samples(0.7)),
        Word(text="yes", start=samples(2), end=samples(2.5)),
    )
    prepared = prepare_speech(clip, words)
    assert prepared.start == words[0].start - 320
    assert prepared.end >= words[-1].end + 320


def test_speech_up_to_both_ends_keeps_its_length() -> None:
    clip = pcm_of(tone(1.0))
    prepared = prepare_speech(clip)
    assert (prepared.start, prepared.end, len(prepared.pcm)) == (0, len(clip), len(clip))


def test_beds_keep_their_pauses_and_every_sample() -> None:
    clip = np.concatenate([np.zeros(8_000, np.int16), engine(2.0), np.zeros(16_000, np.int16), engine(2.0)])
    prepared = prepare_bed(clip)
    assert (prepared.start, prepared.end) == (8_000, len(clip))
    np.testing.assert_array_equal(prepared.pcm, clip[8_000:])
    prepared.pcm[0] = 1
    assert clip[8_000] != 1 or engine(2.0)[0] == 1, "the bed is a copy"


# -- occurrences -------------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    gaps=st.lists(st.floats(0.3, 1.2), min_size=0, max_size=5),
    noise_db=st.sampled_from([None, -80.0, -55.0, -45.0]),
    length=st.floats(0.1, 0.4),
)
def test_each_pulse_is_one_burst(gaps: list[float], noise_db: float | None, length: float) -> None:
    onsets = np.cumsum([0.4, *[length + gap for gap in gaps]])
    placed = [(float(onset), tone(length, 600 + 100 * i)) for i, onset in enumerate(onsets)]
    found = bursts(scene(float(onsets[-1]) + 1.0, *placed, noise_db=noise_db))
    assert len(found) == len(placed)
    for (start, end), onset in zip(found, onsets, strict=True):
        assert start == pytest.approx(samples(onset), abs=samples(0.03))
        assert end == pytest.approx(samples(onset + length), abs=samples(0.03))


def test_barks_in_noise_twelve_decibels_below() -> None:
    clip = scene(5.0, *[(0.5 + 1.2 * i, bark(0.3, seed=i)) for i in range(4)], noise_db=-33.0)
    assert len(bursts(clip)) == 4


def test_a_shallow_dip_does_not_part_a_sound() -> None:
    swelling = tone(1.5) * (0.75 + 0.25 * np.cos(2 * np.pi * 2 * np.arange(samples(1.5)) / RATE))
    assert len(bursts(scene(3.0, (0.5, swelling), noise_db=-60.0))) == 1


def test_far_fainter_sounds_are_no_occurrences() -> None:
    assert len(bursts(scene(4.0, (0.5, bark()), (2.0, 0.02 * bark()), noise_db=-90.0))) == 1


def test_rumble_is_no_occurrence() -> None:
    rumble = scene(4.0, (0.0, tone(1.0, 15.0, 6_000.0)), (2.5, bark()), noise_db=-70.0)
    assert len(bursts(rumble)) == 1


@pytest.mark.parametrize("clip", [engine(4.0), pcm_of(tone(3.0)), pcm_of(hiss(3.0, -30.0)), engine(0.05)])
def test_a_steady_sound_is_one_burst(clip: np.ndarray) -> None:
    found = bursts(clip)
    assert len(found) == 1
    assert found[0][1] - found[0][0] > 0.8 * len(clip)


def test_silence_has_no_burst() -> None:
    assert bursts(np.zeros(5_000, np.int16)) == ()
    assert bursts(np.zeros(0, np.int16)) == ()


def test_patterns_can_be_joined() -> None:
    clip = scene(5.0, (0.5, bark()), (0.95, bark()), (3.0, bark()), noise_db=-70.0)
    assert len(bursts(clip)) == 3
    joined = bursts(clip, join_s=0.4)
    assert len(joined) == 2
    assert joined[0][1] - joined[0][0] > samples(0.6)


def test_a_long_sound_is_known_after_some_of_it() -> None:
    clip = scene(5.0, (1.0, tone(3.0)), noise_db=-60.0)
    assert recognisable(clip, 0.5) == pytest.approx(samples(1.5), abs=samples(0.03))


def test_a_short_sound_is_known_at_its_end() -> None:
    clip = scene(5.0, (1.0, tone(0.3)), (3.0, tone(0.3)), noise_db=-60.0)
    assert recognisable(clip, 0.8) == pytest.approx(samples(1.3), abs=samples(0.03))


def test_a_faint_sound_ahead_does_not_tell() -> None:
    clip = scene(5.0, (0.5, 0.12 * tone(0.2)), (2.0, tone(1.0)), noise_db=-80.0)
    assert recognisable(clip, 0.4) == pytest.approx(samples(2.4), abs=samples(0.03))


@settings(max_examples=30)
@given(length=st.integers(1, 20_000), recognise_s=st.floats(0.001, 5.0), onset=st.floats(0.0, 1.0))
def test_a_sound_is_known_within_its_clip(length: int, recognise_s: float, onset: float) -> None:
    clip = np.zeros(length, np.int16)
    clip[int(onset * (length - 1)) :] = 5_000
    assert 0 < recognisable(clip, recognise_s) <= length


def test_silence_is_known_at_its_end() -> None:
    assert recognisable(np.zeros(5_000, np.int16), 0.1) == 5_000
