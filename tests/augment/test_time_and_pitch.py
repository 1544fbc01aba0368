"""Varispeed, stretch, detune and excerpt: lengths, exactness, bounds, and the same samples again."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from musegen.audio import Audio
from musegen.augment import Effect, from_json, replay, to_json
from musegen.augment.base import NoSounds
from musegen.augment.detune import Detune, Detuned
from musegen.augment.excerpt import Excerpt, Excerpted
from musegen.augment.stretch import Stretch, Stretched, stretched
from musegen.augment.varispeed import Varied, Varispeed, at_speed
from musegen.change import Change
from musegen.errors import BadInput
from musegen.labels import DRUMS, Labels, Notes

RATE = 16_000
BOUNDS = {
    Varispeed: ("lowest_cents", "highest_cents", [(3, -3), (-1201, 0), (0, 1201), (0.5, 3)]),
    Detune: ("lowest_cents", "highest_cents", [(3, -3), (-101, 0), (0, 101)]),
    Stretch: ("slowest", "fastest", [(1.1, 0.9), (0.49, 1), (1, 2.01), (float("nan"), 1), (1, float("inf"))]),
    Excerpt: ("shortest_seconds", "longest_seconds", [(2, 1), (0, 1), (1, 4000), (float("nan"), 1)]),
}

effects = st.one_of(
    st.builds(Varied, cents=st.integers(-1200, 1200)),
    st.builds(Stretched, speed=st.floats(0.5, 2).map(lambda speed: round(speed, 4)), cents=st.integers(-1200, 1200)),
    st.builds(Detuned, cents=st.integers(-100, 100)),
    st.builds(Excerpted, start_seconds=st.floats(0, 0.01), seconds=st.floats(0.001, 0.01)),
)


def noise(frames: int = 4_000, channels: int = 1, rate: int = RATE) -> Audio:
    random = np.random.default_rng(frames)
    return Audio((0.1 * random.standard_normal((channels, frames))).astype(np.float32), rate)


def sine(hertz: float, rate: int = RATE, seconds: float = 1.0) -> Audio:
    phase = 2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate
    return Audio((0.3 * np.sin(phase))[None].astype(np.float32), rate)


def heard_hertz(samples: NDArray[np.float32], rate: int = RATE) -> float:
    """The strongest frequency, from the phase that it advances between two windows."""
    half = len(samples) // 2
    window, apart = np.hanning(half), rate // 100
    first, second = (np.fft.rfft(samples[start : start + half] * window) for start in (half // 2, half // 2 + apart))
    top = int(np.argmax(np.abs(first)))
    expected = top / half * apart
    turns = float(np.angle(second[top] / first[top])) / (2 * np.pi)
    return (turns + round(expected - turns)) * rate / apart


def drawn(augmentation: Any, seed: int, labels: Labels | None = None, audio: Audio | None = None) -> Any:
    return augmentation.draw(audio or noise(), labels or Labels(), NoSounds(), np.random.default_rng(seed))


@settings(deadline=None, max_examples=60)
@given(effects, st.sampled_from([500, 4_001]), st.sampled_from([1, 2, 4]), st.sampled_from([16_000, 44_100]))
def test_stored_effects_give_the_same_samples_again(effect: Effect, frames: int, channels: int, rate: int) -> None:
    audio = noise(frames, channels, rate)
    if isinstance(effect, Excerpted) and effect.start_seconds + effect.seconds > frames / rate - 2 / rate:
        return
    before = audio.samples.copy()
    done, change = effect.apply(audio, NoSounds())
    again = replay(from_json(to_json([effect])), audio, NoSounds())
    assert np.array_equal(done.samples, again.audio.samples) and change == again.change
    assert done.samples.dtype == np.float32 and done.samples.flags.c_contiguous and np.isfinite(done.samples).all()
    assert done.rate == rate and len(done.samples) == channels
    assert np.array_equal(audio.samples, before)
    if not isinstance(effect, Excerpted):
        assert done.samples.shape[1] == round(frames / change.speed)


@pytest.mark.parametrize("frames", [0, 1, 3, 40, 200])
@pytest.mark.parametrize(
    "effect", [Varied(cents=-1200), Stretched(speed=0.5, cents=300), Stretched(speed=2.0, cents=-1200)]
)
def test_a_few_frames_are_enough(effect: Effect, frames: int) -> None:
    done, change = effect.apply(noise(frames), NoSounds())
    assert done.samples.shape == (1, round(frames / change.speed)) and np.isfinite(done.samples).all()


@pytest.mark.parametrize("effect", [Varied(cents=321), Stretched(speed=0.8, cents=-200), Detuned(cents=33)])
def test_silence_stays_silent(effect: Effect) -> None:
    done, _ = effect.apply(Audio(np.zeros((2, 9_000), np.float32), RATE), NoSounds())
    assert not done.samples.any()


@pytest.mark.parametrize("effect", [Varied(cents=0), Stretched(speed=1.0), Detuned(cents=0)])
def test_nothing_drawn_is_nothing_done(effect: Effect) -> None:
    audio = noise()
    done, change = effect.apply(audio, NoSounds())
    assert np.array_equal(done.samples, audio.samples) and change == Change()


@pytest.mark.parametrize("speed", [0.5, 0.9, 1.3, 2.0])
def test_stretching_repeats_itself_though_the_vocoder_throws_dice(speed: float) -> None:
    first, second = (stretched(noise(30_000, rate=22_050), speed, 0).samples for _ in range(2))
    assert np.array_equal(first, second)


@given(st.integers(-1200, 1200))
@settings(deadline=None, max_examples=20)
def test_varispeed_is_exact_in_pitch(cents: int) -> None:
    effect = Varied(cents=cents)
    done, change = effect.apply(sine(500.0), NoSounds())
    assert change == Change(2 ** (cents / 1200), cents)
    assert heard_hertz(done.samples[0]) == pytest.approx(500 * change.speed, rel=1e-4)


def test_varispeed_leaves_onsets_within_a_tenth_of_a_millisecond() -> None:
    click = Audio(np.zeros((1, RATE), np.float32), RATE)
    click.samples[0, 5_000:5_003] = (0.25, 0.5, 0.25)
    for speed in (0.5, 0.77, 1.01, 1.9):
        loudest = int(np.argmax(np.abs(at_speed(click, speed).samples[0])))
        assert loudest / RATE == pytest.approx(5_001 / RATE / speed, abs=1e-4)


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100])
@pytest.mark.parametrize(("speed", "cents"), [(0.5, 0), (0.7, -400), (1.0, 37), (1.0, -37), (1.1, 500), (2.0, -1200)])
def test_stretched_pitch_is_within_a_few_cents(rate: int, speed: float, cents: int) -> None:
    done = stretched(sine(440.0, rate, 1.5), speed, cents)
    error = 1200 * np.log2(heard_hertz(done.samples[0], rate) / (440 * 2 ** (cents / 1200)))
    assert abs(error) < 8


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100])
@pytest.mark.parametrize(("speed", "cents"), [(0.5, 300), (0.8, 0), (1.0, 700), (1.25, -500), (2.0, 0), (2.0, -1200)])
def test_stretched_clicks_are_in_their_places_on_both_sides(rate: int, speed: float, cents: int) -> None:
    audio = Audio(np.zeros((2, 2 * rate), np.float32), rate)
    for onset in (0.05, 0.7, 1.2, 1.9):
        audio.samples[:, round(onset * rate) :][:, :20] = np.hanning(20) * np.array([[0.5], [0.25]])
    done = stretched(audio, speed, cents).samples
    for onset in (0.05, 0.7, 1.2, 1.9):
        first = max(0, round((onset / speed - 0.04) * rate))
        near = np.abs(done[:, first : first + round(0.08 * rate)])
        assert np.abs((first + near.argmax(axis=1)) / rate - onset / speed).max() < 0.005
        assert near[1].max() == pytest.approx(near[0].max() / 2, rel=0.1)


def test_excerpts_are_exact_to_the_sample() -> None:
    audio = noise(RATE, 2)
    done, change = Excerpted(start_seconds=1_001 / RATE, seconds=3_003 / RATE).apply(audio, NoSounds())
    assert np.array_equal(done.samples, audio.samples[:, 1_001:4_004])
    assert change == Change.excerpt(1_001 / RATE, 3_003 / RATE)
    assert not np.shares_memory(done.samples, audio.samples)


@given(st.integers(0, 2**32), st.integers(2, 20_000))
def test_drawn_excerpts_lie_in_the_sound(seed: int, frames: int) -> None:
    audio, wanted = noise(frames), Excerpt(shortest_seconds=0.1, longest_seconds=0.9)
    effect = drawn(wanted, seed, audio=audio)
    if frames < 0.1 * RATE:
        assert effect is None
    else:
        done, _ = effect.apply(audio, NoSounds())
        assert 0.1 * RATE <= done.samples.shape[1] <= min(0.9 * RATE, frames)


def test_an_excerpt_of_another_sound_says_so() -> None:
    with pytest.raises(BadInput, match=r"an excerpt to 3 s of a sound of 0\.25 s; take it from the recording"):
        Excerpted(start_seconds=1.0, seconds=2.0).apply(noise(), NoSounds())


@pytest.mark.parametrize(("kind", "bounds"), [(kind, wrong) for kind, (*_, cases) in BOUNDS.items() for wrong in cases])
def test_wrong_bounds_are_refused_with_the_right_ones(kind: Any, bounds: tuple[Any, Any]) -> None:
    low_name, high_name, _ = BOUNDS[kind]
    with pytest.raises(ValidationError) as refused:
        kind(**{low_name: bounds[0], high_name: bounds[1]})
    assert "≤" in str(refused.value) or "valid integer" in str(refused.value)


@pytest.mark.parametrize("bounds", [(3, -3), (-13, 0), (0, 13), (0.5, 1)])
def test_wrong_semitones_are_refused(bounds: tuple[Any, Any]) -> None:
    with pytest.raises(ValidationError, match="semitones"):
        Stretch(lowest_semitones=bounds[0], highest_semitones=bounds[1])


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [(Varied, {"cents": 1201}), (Varied, {"cents": 0.5}), (Stretched, {"speed": 0.4}),
     (Stretched, {"speed": 1, "cents": 1300}), (Stretched, {"speed": float("nan")}), (Detuned, {"cents": -101}),
     (Excerpted, {"start_seconds": -1, "seconds": 1}), (Excerpted, {"start_seconds": 0, "seconds": float("inf")})],
)  # fmt: skip
def test_wrong_effects_are_refused(kind: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(wrong)


def test_draws_use_all_of_their_bounds() -> None:
    cents = {drawn(Varispeed(lowest_cents=-2, highest_cents=2), seed).cents for seed in range(60)}
    assert cents == {-2, -1, 0, 1, 2}
    assert {drawn(Detune(lowest_cents=5, highest_cents=6), seed).cents for seed in range(20)} == {5, 6}
    speeds = [drawn(Stretch(slowest=0.5, fastest=2.0), seed).speed for seed in range(200)]
    assert min(speeds) < 0.55 and max(speeds) > 1.8 and 70 < sum(speed < 1 for speed in speeds) < 130
    assert speeds == [round(speed, 4) for speed in speeds]


def test_without_notes_all_semitones_are_drawn() -> None:
    stretch = Stretch(lowest_semitones=-1, highest_semitones=1)
    assert {drawn(stretch, seed).cents for seed in range(40)} == {-100, 0, 100}


@pytest.mark.parametrize(
    ("rows", "cents"),
    [([(0, 1, 107, 80, 0, 0)], {-200, -100, 0, 100}), ([(0, 1, 36, 80, DRUMS, 0)], {0}), ([], {0}),
     ([(0, 1, 21, 80, 0, 0), (0, 1, 108, 80, 0, 0)], {0})],
)  # fmt: skip
def test_no_note_leaves_its_instrument_and_the_speed_is_drawn_all_the_same(
    rows: list[tuple[float, float, int, int, int, int]], cents: set[int]
) -> None:
    stretch = Stretch(lowest_semitones=-2, highest_semitones=2)
    effects = [drawn(stretch, seed, Labels(notes=Notes.of(rows))) for seed in range(40)]
    assert {effect.cents for effect in effects} == cents and len({effect.speed for effect in effects}) > 30
    assert all(effect.change == Change(effect.speed, effect.cents) for effect in effects)
