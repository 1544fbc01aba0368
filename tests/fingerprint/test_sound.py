"""Copies of a recording find each other whatever was done to them; other music on the same instruments does not."""

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from musegen.ear import Ear, Heard
from musegen.fingerprint import SOUND, sound, sound_links
from musegen.fingerprint.sound import MOST_GROUPS

RATE = 16_000
SECONDS = 16.0


def tone(semitones: float, seconds: float) -> NDArray[np.float64]:
    time = np.arange(int(seconds * RATE)) / RATE
    hertz = 440 * 2 ** (semitones / 12)
    partials = sum(np.sin(2 * np.pi * hertz * n * time) / n for n in (1, 2, 3, 4) if hertz * n < RATE / 2)
    fade = np.minimum(1, (seconds - time) / 0.01)
    return 0.15 * partials * np.exp(-3 * time) * fade


def played(seed: int, semitones: float = 0, speed: float = 1.0) -> NDArray[np.float32]:
    """A tune in quavers and crotchets over chords, the instrument always the same."""
    random = np.random.default_rng(seed)
    out = np.zeros(int((SECONDS + 2) * RATE / speed))
    now, degree, scale = 0.0, 3, np.array([0, 2, 4, 5, 7, 9, 11, 12, 14])
    while now < SECONDS:
        length = random.choice([0.2, 0.2, 0.4]) / speed
        degree = int(np.clip(degree + random.integers(-3, 4), 0, 8))
        voices = [scale[degree]] + ([scale[int(random.integers(0, 7))] - 12] if random.random() < 0.5 else [])
        for voice in voices:
            heard = tone(voice + semitones, min(0.8, 2 * length))
            start = int(now * RATE / speed)
            out[start : start + len(heard)] += heard[: len(out) - start]
        now += length * speed
    return out.astype(np.float32)


def printed(samples: NDArray[np.float32], rate: int = RATE) -> NDArray[np.void]:
    ear = Ear(rate)
    ear.hear(np.atleast_2d(samples))
    return sound(ear.heard())


def noisy(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return samples + (0.003 * np.random.default_rng(0).standard_normal(len(samples))).astype(np.float32)


ORIGINAL = played(1)
COPIES = {
    "8 kHz": lambda: printed(soxr.resample(ORIGINAL, RATE, 8_000), 8_000),
    "48 kHz": lambda: printed(soxr.resample(ORIGINAL, RATE, 48_000), 48_000),
    "quieter": lambda: printed(ORIGINAL * np.float32(0.03)),
    "opposite phases": lambda: printed(np.stack([ORIGINAL, -ORIGINAL])),
    "cut": lambda: printed(ORIGINAL[3 * RATE : -4 * RATE]),
    "silence in front": lambda: printed(np.pad(ORIGINAL, (RATE, 0))),
    "noise": lambda: printed(noisy(ORIGINAL)),
    "eight bits": lambda: printed((np.rint(ORIGINAL * 127) / 127).astype(np.float32)),
    "tape too fast": lambda: printed(soxr.resample(ORIGINAL, RATE, RATE / 1.12)),
    "tape too slow": lambda: printed(soxr.resample(ORIGINAL, RATE, RATE / 0.87)),
    "transposed": lambda: printed(played(1, semitones=-4)),
    "faster": lambda: printed(played(1, speed=1.18)),
    "slower and higher": lambda: printed(played(1, semitones=3, speed=0.83)),
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_found(kind: str) -> None:
    assert len(sound_links([printed(ORIGINAL), COPIES[kind]()])) == 1


def test_other_tunes_on_the_same_instrument_are_strangers() -> None:
    assert sound_links([printed(played(seed)) for seed in range(10)]) == []


def drummed(seed: int) -> NDArray[np.float32]:
    """Eight bars of a looped pattern at 120 on the one drum kit there is."""
    random, kit = np.random.default_rng(seed), np.random.default_rng(0)
    time = np.arange(RATE // 4) / RATE
    drums = [
        np.sin(2 * np.pi * 60 * time) * np.exp(-20 * time),
        kit.standard_normal(len(time)) * np.exp(-25 * time),
        np.diff(kit.standard_normal(len(time) + 1)) * np.exp(-60 * time),
    ]
    pattern = random.random((3, 16)) < [[0.3], [0.2], [0.7]]
    out = np.zeros(17 * RATE)
    for drum, step in np.argwhere(np.tile(pattern, 8)):
        start = step * RATE // 8
        out[start : start + len(time)] += 0.2 * drums[drum]
    return out.astype(np.float32)


def test_other_patterns_of_the_same_drum_samples_at_the_same_tempo_are_strangers() -> None:
    assert sound_links([printed(drummed(seed)) for seed in range(8)]) == []


@pytest.mark.parametrize("hertz", [110.0, 440.0, 1_000.0])
def test_a_lasting_tone_is_nobodys(hertz: float) -> None:
    time = np.arange(20 * RATE) / RATE
    assert len(printed((0.5 * np.sin(2 * np.pi * hertz * time)).astype(np.float32))) == 0


def test_silence_and_short_sounds_are_nobodys() -> None:
    assert len(printed(np.zeros(10 * RATE, np.float32))) == 0
    assert len(printed(ORIGINAL[: int(1.5 * RATE)])) == 0
    assert len(sound(Heard(np.zeros(0, np.float32), np.zeros((12, 0), np.float32)))) == 0


def starry(seed: int, seconds: float) -> NDArray[np.float32]:
    """Landmarks by chance, 25 a second."""
    random = np.random.default_rng(seed)
    count = int(25 * seconds)
    rows = [np.sort(random.random(count) * seconds), random.uniform(48, 104, count), random.uniform(0.1, 1, count)]
    return np.stack(rows, axis=1).astype(np.float32)


def of(landmarks: NDArray[np.float32]) -> NDArray[np.void]:
    nothing = np.zeros(0, np.float32)
    return sound(Heard(nothing, nothing.reshape(12, 0), landmarks))


def test_a_long_recording_has_no_larger_fingerprint_and_is_still_found() -> None:
    landmarks = starry(0, 1_800)
    copy = landmarks[np.random.default_rng(1).random(len(landmarks)) < 0.9] * np.array([1 / 1.1, 1, 1], np.float32)
    part = landmarks[(landmarks[:, 0] > 600) & (landmarks[:, 0] < 900)]
    prints = [of(each) for each in (landmarks, copy + np.float32([7, 2, 0]), part, starry(2, 1_800), starry(3, 300))]
    assert all(each.dtype == SOUND and len(each) <= MOST_GROUPS for each in prints)
    assert {frozenset(link) for link in sound_links(prints)} <= {frozenset(p) for p in [(0, 1), (0, 2), (1, 2)]}
    assert len(sound_links(prints)) == 2


def test_a_family_of_sixty_copies_is_connected() -> None:
    random = np.random.default_rng(0)
    original = starry(0, 30)
    copies = [of(original[random.random(len(original)) < 0.9] + np.float32([n, 0, 0])) for n in range(60)]
    assert len(sound_links([*copies, of(starry(1, 30))])) == 59
