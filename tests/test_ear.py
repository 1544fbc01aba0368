"""The machine ear hears when things begin and which pitches sound, however the sound is cut, mixed or levelled."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from musegen.ear import CHROMA_FRAMES_A_SECOND, ONSET_FRAMES_A_SECOND, Ear, Heard

RATE = 22_050


def hear(sound: NDArray[np.float32], rate: int = RATE, cuts: list[int] | None = None) -> Heard:
    ear = Ear(rate)
    for block in np.split(np.atleast_2d(sound), sorted(cuts or []), axis=1):
        ear.hear(block)
    return ear.heard()


def tones(begin_seconds: list[float], hertz: list[float], seconds: float, rate: int = RATE) -> NDArray[np.float32]:
    time = np.arange(round(seconds * rate)) / rate
    out = np.zeros(len(time))
    for begin, pitch in zip(begin_seconds, hertz, strict=True):
        since = time - begin
        out += np.where(since >= 0, np.sin(2 * np.pi * pitch * since) * np.exp(-5 * np.maximum(since, 0)), 0)
    return (0.2 * out).astype(np.float32)


def noise(seconds: float, channels: int, rate: int) -> NDArray[np.float32]:
    frames = round(seconds * rate)
    swell = 0.1 + np.sin(np.arange(frames) / rate * 5) ** 8
    return (0.1 * np.random.default_rng(0).standard_normal((channels, frames)) * swell).astype(np.float32)


def same(one: Heard, other: Heard, tolerance: float = 0.0) -> bool:
    return all(
        getattr(one, name).shape == getattr(other, name).shape
        and np.allclose(getattr(one, name), getattr(other, name), tolerance, tolerance)
        for name in ("onset_strength", "chroma", "landmarks")
    )


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 192_000])
def test_onsets_are_heard_when_they_are(rate: int) -> None:
    begins = [0.5, 1.013, 1.77, 2.5]
    strength = hear(tones(begins, [330.0, 440.0, 550.0, 660.0], 4.4, rate), rate).onset_strength
    assert len(strength) == 441
    strongest = np.argsort(strength)[-8:] / ONSET_FRAMES_A_SECOND
    for begin in begins:
        assert np.abs(strongest - begin).min() <= 0.011
    assert all(np.abs(np.array(begins) - found).min() <= 0.03 for found in strongest)


def test_the_pitch_class_that_sounds_is_the_largest_and_1() -> None:
    chroma = hear(tones([0.0, 1.0], [440.0, 523.25], 2.0)).chroma
    assert chroma.shape == (12, 2 * CHROMA_FRAMES_A_SECOND + 1)
    assert chroma.argmax(axis=0)[2:8].tolist() == [9] * 6
    assert chroma.argmax(axis=0)[13:18].tolist() == [0] * 5
    assert np.allclose(chroma.max(axis=0)[:19], 1)


def test_landmarks_say_when_which_pitch_begins() -> None:
    landmarks = hear(tones([1.0, 2.0], [440.0, 659.26], 3.0)).landmarks
    strongest = landmarks[np.argsort(landmarks[:, 2])[-2:]]
    assert np.abs(np.sort(strongest[:, 0]) - [1.0, 2.0]).max() <= 0.08
    assert np.abs(np.sort(strongest[:, 1]) - [69.0, 76.0]).max() <= 0.2
    assert (np.diff(landmarks[:, 0]) >= 0).all()


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 80_000), max_size=6), st.sampled_from([8_000, 16_000, 44_100]), st.integers(1, 3))
def test_how_the_sound_is_cut_does_not_matter(cuts: list[int], rate: int, channels: int) -> None:
    sound = noise(2.2, channels, rate)
    assert same(hear(sound, rate, [min(cut, sound.shape[1]) for cut in cuts]), hear(sound, rate))


def test_opposite_phases_do_not_cancel() -> None:
    sound = tones([0.2, 0.9], [330.0, 392.0], 2.0)
    assert same(hear(np.stack([sound, -sound])), hear(np.stack([sound, sound])))
    assert same(hear(np.stack([sound, -sound] * 4)), hear(np.stack([sound, sound])), 1e-5)


def test_a_quieter_copy_sounds_the_same() -> None:
    loud, quiet = hear(noise(2.2, 1, RATE)), hear(noise(2.2, 1, RATE) * np.float32(0.125))
    assert np.allclose(loud.onset_strength, quiet.onset_strength, rtol=1e-3, atol=1e-3)
    assert np.allclose(loud.chroma, quiet.chroma, atol=1e-3)


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_silence_is_all_zero(channels: int) -> None:
    heard = hear(np.zeros((channels, 3 * RATE), np.float32))
    assert not heard.onset_strength.any() and not heard.chroma.any() and not len(heard.landmarks)
    assert len(heard.onset_strength) == 301


def test_nothing_at_all_and_three_milliseconds_are_heard_too() -> None:
    assert Ear(RATE).heard().onset_strength.tolist() == [0]
    heard = hear(noise(0.003, 1, RATE))
    assert (heard.onset_strength.shape, heard.chroma.shape, heard.landmarks.shape[1]) == ((1,), (12, 1), 3)


def test_what_was_heard_stays_and_an_ear_hears_one_recording() -> None:
    ear = Ear(RATE)
    ear.hear(noise(1.0, 1, RATE))
    assert ear.heard() is ear.heard()
    with pytest.raises(RuntimeError, match="make another one"):
        ear.hear(noise(1.0, 1, RATE))


def test_a_second_of_sound_is_kept_in_two_kilobytes() -> None:
    heard = hear(np.random.default_rng(0).standard_normal((1, 20 * RATE)).astype(np.float32))
    assert heard.onset_strength.nbytes + heard.chroma.nbytes + heard.landmarks.nbytes < 20 * 2_000
