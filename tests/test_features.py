"""Features are librosa's, at once, and those of the sound as it would be at another speed and pitch."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import python_stretch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from musegen.audio import Audio
from musegen.errors import BadParams
from musegen.features import (
    FLOOR_DECIBELS,
    FeatureSettings,
    Frames,
    analyse,
    error_decibels,
    range_decibels,
    restore,
    store,
)

RATE = 16_000
MEL, CQT = FeatureSettings(), FeatureSettings(kind="cqt")


def tune(speed: float = 1.0, cents: int = 0, seed: int = 0, seconds: float = 6.0) -> Audio:
    """Up to three notes at once, of eight partials that decay, played `speed` times as fast and `cents` higher."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE / speed)) / RATE * speed
    out = np.zeros(len(time))
    partials, ratio = np.arange(1, 9)[:, np.newaxis], 2 ** (cents / 1200)
    onset = 0.1
    while onset < seconds - 0.4:
        for _ in range(random.integers(1, 4)):
            hertz = 440 * 2 ** ((random.integers(40, 85) - 69) / 12) * partials
            length, decay, gain = random.uniform(0.2, 0.9), random.uniform(2, 6), random.uniform(0.05, 0.2)
            phases = random.uniform(0, 2 * np.pi, (8, 1))
            sounding = np.flatnonzero((time >= onset) & (time < onset + length))
            since = time[sounding] - onset
            edges = np.minimum(since / 0.005, 1) * np.minimum((length - since) / 0.02, 1)
            envelopes = gain / partials**1.2 * edges * np.exp(-(decay + 0.5 * partials) * since)
            envelopes *= (hertz < RATE / 2) & (hertz * ratio < RATE / 2)
            out[sounding] += (envelopes * np.sin(2 * np.pi * hertz * ratio * since / speed + phases)).sum(axis=0)
        onset += random.uniform(0.12, 0.5)
    return Audio(out[np.newaxis].astype(np.float32), RATE)


def apart(truth: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Mean difference in decibels where the truth is above -60 dB of its maximum; what is below that is silence."""
    frames, silence = min(len(truth), len(other)), truth.max() - 60
    cells = truth[:frames] > silence
    return float(np.abs(truth[:frames] - np.maximum(other[:frames], silence))[cells].mean())


def stretched(audio: Audio, speed: float, cents: int) -> Audio:
    stretch = python_stretch.Signalsmith.Stretch()
    stretch.preset(1, RATE)
    stretch.setTimeFactor(speed)
    stretch.setTransposeSemitones(cents / 100)
    return Audio(stretch.process(audio.samples), RATE)


SETTINGS = [
    MEL,
    FeatureSettings(hop=160, window=1024, bins=80, lowest_hertz=0, highest_hertz=7600),
    FeatureSettings(hop=441, window=1102, bins=64),
]


def noisy_tune() -> NDArray[np.float32]:
    sound = tune().samples[0]
    return sound + 1e-4 * np.random.default_rng(1).standard_normal(len(sound)).astype(np.float32)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_mel_is_what_the_definition_says(settings: FeatureSettings) -> None:
    from librosa import filters

    sound, half = noisy_tune(), settings.window // 2
    padded = np.pad(sound.astype(np.float64), half)
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(settings.window) / settings.window)
    views = np.lib.stride_tricks.sliding_window_view(padded, settings.window)[:: settings.hop]
    bank = filters.mel(
        sr=RATE,
        n_fft=settings.window,
        n_mels=settings.bins,
        fmin=settings.lowest_hertz,
        fmax=settings.highest_hertz,
    )
    power = np.abs(np.fft.rfft(views * taper, axis=1)) ** 2 @ bank.T.astype(np.float64)
    expected = 10 * np.log10(np.maximum(power, 1e-10))
    found = analyse(Audio(sound[np.newaxis], RATE), settings)
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert np.abs(found - expected).max() <= 0.01


@pytest.mark.slow  # librosa compiles for some twenty seconds where it does for the first time
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_mel_is_that_of_librosa(settings: FeatureSettings) -> None:
    import librosa

    sound = noisy_tune()
    power = librosa.feature.melspectrogram(
        y=sound,
        sr=RATE,
        n_fft=settings.window,
        hop_length=settings.hop,
        n_mels=settings.bins,
        fmin=settings.lowest_hertz,
        fmax=settings.highest_hertz,
    )
    expected = librosa.power_to_db(power, top_db=None).T
    found = analyse(Audio(sound[np.newaxis], RATE), settings)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 0.01


def test_importing_features_imports_no_librosa() -> None:
    code = "import sys, musegen.features as f; f.FeatureSettings(); sys.exit('librosa' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@given(samples=st.integers(0, 4000), hop=st.integers(1, 700), speed=st.floats(0.4, 2.5), cents=st.integers(-1200, 1200))
@examples(deadline=None, max_examples=25)
def test_there_are_as_many_frames_as_the_sound_would_have(samples: int, hop: int, speed: float, cents: int) -> None:
    settings = FeatureSettings(hop=hop, window=1024, bins=40)
    found = analyse(Audio(np.zeros((1, samples), np.float32), RATE), settings, speed, cents)
    assert found.shape == (1 + round(samples / speed) // hop, 40)
    assert (found == FLOOR_DECIBELS).all()


@given(at=st.floats(0.3, 1.7), speed=st.floats(0.5, 2.0), cents=st.integers(-600, 600))
@examples(deadline=None, max_examples=25)
def test_a_click_is_in_the_frame_nearest_to_where_it_would_be_heard(at: float, speed: float, cents: int) -> None:
    settings = FeatureSettings(hop=160, window=512, bins=40)
    samples = np.zeros((1, 2 * RATE), np.float32)
    samples[0, round(at * RATE)] = 1
    loudness = analyse(Audio(samples, RATE), settings, speed, cents).mean(axis=1)
    middle = np.average(np.arange(len(loudness)), weights=10 ** (loudness / 10))
    assert abs(np.argmax(loudness) - settings.frames.frame_of(at / speed)) <= 1
    assert abs(settings.frames.seconds_of(middle) - at / speed) <= 0.01


@pytest.mark.parametrize("speed", [0.8, 1.0, 1.2])
@pytest.mark.parametrize("cents", [-500, -200, 50, 200, 700])
def test_a_tone_is_where_it_would_be_higher(speed: float, cents: int) -> None:
    def tone(hertz: float, seconds: float) -> Audio:
        wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
        return Audio(wave[np.newaxis].astype(np.float32), RATE)

    for hertz in (220.0, 1000.0, 3000.0):
        found = analyse(tone(hertz, 1.0), MEL, speed, cents)[10:-10].mean(axis=0)
        true = analyse(tone(hertz * 2 ** (cents / 1200), 1.0 / speed), MEL)[10:-10].mean(axis=0)
        assert np.argmax(found) == np.argmax(true)
        assert found.max() == pytest.approx(true.max(), abs=1.0)


def test_what_a_sound_does_not_have_is_silent_though_it_is_lowered() -> None:
    noise = Audio(0.1 * np.random.default_rng(0).standard_normal((1, RATE)).astype(np.float32), RATE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = analyse(noise, MEL, cents=-1200)
    assert found[10:-10, -20:].max() < -80
    assert found[10:-10, :100].min() > -60


@pytest.mark.parametrize(
    ("speed", "cents"),
    [(1.0, 200), (1.0, -200), (0.9, -200), (1.1, 200), (1.0, 50), (1.05, 100), (0.95, 100), (2 ** (1 / 6), 200)],
)
def test_at_another_pitch_features_are_at_least_as_near_to_the_truth_as_of_a_stretched_sound(
    speed: float, cents: int
) -> None:
    ours, theirs = distances(speed, cents)
    assert ours <= theirs


@pytest.mark.parametrize(("speed", "cents"), [(0.9, 0), (1.1, 0), (0.9, 200), (1.1, -200)])
def test_at_another_speed_alone_they_are_as_near_to_a_fifth_of_a_decibel(speed: float, cents: int) -> None:
    ours, theirs = distances(speed, cents)
    assert ours <= theirs + 0.2


def distances(speed: float, cents: int) -> tuple[float, float]:
    """From the truth to the features of `analyse`, and to those of a sound that Signalsmith Stretch has stretched."""
    tunes = [(tune(seed=seed), analyse(tune(speed, cents, seed), MEL)) for seed in range(2)]
    ours = [apart(truth, analyse(played, MEL, speed, cents)) for played, truth in tunes]
    theirs = [apart(truth, analyse(stretched(played, speed, cents), MEL)) for played, truth in tunes]
    return float(np.mean(ours)), float(np.mean(theirs))


@pytest.mark.parametrize("cents", [-1200, -300, 17, 300])
def test_varispeed_needs_no_rendering(cents: int) -> None:
    ratio = 2 ** (cents / 1200)
    assert apart(analyse(tune(ratio, cents), MEL), analyse(tune(), MEL, ratio, cents)) < 0.15


def test_the_mean_of_channels_is_heard_and_opposite_ones_too() -> None:
    sound = tune().samples
    assert np.abs(analyse(Audio(np.concatenate([sound, sound]), RATE), MEL) - analyse(tune(), MEL)).max() < 1e-3
    assert np.abs(analyse(Audio(np.concatenate([sound, -sound]), RATE), MEL) - analyse(tune(), MEL)).max() < 1e-3


def test_what_cannot_be_analysed_is_refused() -> None:
    with pytest.raises(BadParams, match="rate: the sound has 8,000 Hz"):
        analyse(Audio(tune().samples, 8000), MEL)
    for speed in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(BadParams, match="speed"):
            analyse(tune(), MEL, speed)
    for change in ((1.1, 0), (1.0, 100)):
        with pytest.raises(BadParams, match="render the sound before"):
            analyse(tune(), CQT, *change)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"highest_hertz": 8001.0}, "at most half the rate, 8000"),
        ({"lowest_hertz": 8000.0}, "above lowest_hertz"),
        ({"lowest_hertz": float("nan")}, "finite"),
        ({"hop": 0}, "greater than or equal to 1"),
        ({"hop": 4096}, "skip sound"),
        ({"bins": 400, "window": 1024}, "fewer bins or a longer window"),
        ({"kind": "cqt", "bins": 400}, "too near to half the rate"),
        ({"kind": "cqt", "lowest_hertz": 0.0}, "at least 1"),
        ({"storage": "float32"}, "uint8"),
        ({"hops": 320}, "Extra"),
    ],
)
def test_settings_that_make_no_sense_are_refused_at_construction(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        FeatureSettings.model_validate(wrong)


@pytest.mark.parametrize("storage", ["uint8", "float16"])
@pytest.mark.parametrize("kind", ["mel", "cqt"])
@given(seed=st.integers(0, 2**32 - 1))
@examples(deadline=None, max_examples=20)
def test_what_is_stored_is_off_by_no_more_than_stated(kind: str, storage: str, seed: int) -> None:
    settings = FeatureSettings(kind=kind, storage=storage)
    low, high = range_decibels(settings)
    decibels = np.random.default_rng(seed).uniform(low, high, (20, 229)).astype(np.float32)
    decibels[0, :2] = low, high
    stored = store(decibels, settings)
    assert stored.dtype == storage
    assert np.abs(restore(stored, settings) - decibels).max() <= error_decibels(settings) + 1e-5


def test_silence_is_the_lowest_step_and_stays_where_it_was() -> None:
    stored = store(analyse(Audio(np.zeros((1, RATE), np.float32), RATE), MEL), MEL)
    assert (stored == 0).all()
    assert (restore(stored, MEL) == range_decibels(MEL)[0]).all()


@pytest.mark.parametrize(
    "settings", [MEL, FeatureSettings(window=512, bins=40), pytest.param(CQT, marks=pytest.mark.slow)], ids=str
)
def test_no_sound_within_full_scale_is_too_loud_to_store(settings: FeatureSettings) -> None:
    time = np.arange(RATE) / RATE
    sines = [np.sin(2 * np.pi * hertz * time) for hertz in (35.0, 60.0, 250.0, 1000.0)]
    noise = np.random.default_rng(0).choice([-1.0, 1.0], RATE)
    high = range_decibels(settings)[1]
    loudest = [
        analyse(Audio(wave[np.newaxis].astype(np.float32), RATE), settings).max()
        for wave in (*sines, *(np.where(sine < 0, -1, 1) for sine in sines), noise)
    ]
    assert high - 20 < max(loudest) <= high


@pytest.mark.slow  # librosa compiles for some twenty seconds where it does for the first time
def test_cqt_has_a_tone_in_its_bin_and_the_frames_of_mel() -> None:
    for settings in (CQT, FeatureSettings(kind="cqt", bins=60, bins_per_octave=12, lowest_hertz=55, hop=150)):
        for samples in (100, RATE, RATE + 319):
            hertz = settings.lowest_hertz * 2 ** (40 / settings.bins_per_octave)
            wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(samples) / RATE)
            found = analyse(Audio(wave[np.newaxis].astype(np.float32), RATE), settings)
            assert found.shape == (settings.frames.count(samples), settings.bins)
            assert found.dtype == np.float32
            if samples >= RATE:
                assert np.argmax(found[len(found) // 2]) == 40


@given(
    frame=st.integers(0, 10**7), rate=st.integers(4000, 96_000), hop=st.integers(1, 65_536), off=st.floats(-0.49, 0.49)
)
def test_frames_and_seconds_are_one_another(frame: int, rate: int, hop: int, off: float) -> None:
    frames = Frames(rate, hop)
    assert frames.frame_of(frames.seconds_of(frame) + off * hop / rate) == frame
    assert frames.count(frame * hop) == frame + 1


def test_frames_of_many_times_are_found_at_once() -> None:
    assert Frames(RATE, 320).frame_of([0.0, 0.009, 0.011, 1.0]).tolist() == [0, 0, 1, 50]
    assert Frames(RATE, 320).seconds_of(np.arange(3)).tolist() == [0.0, 0.02, 0.04]
