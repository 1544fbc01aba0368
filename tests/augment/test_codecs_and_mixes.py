"""What saturation, codecs, channels and another track do to a sound, heard in the result."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.signal import correlate

from musegen.audio import Audio
from musegen.augment import codec as codecs
from musegen.augment.base import NoSounds, SoundAugmentation
from musegen.augment.channels import Channels, Inverted, Rechannelled
from musegen.augment.codec import Codec, CodecName, Coded
from musegen.augment.mix import Mix, Mixed, chosen
from musegen.augment.saturate import Curve, Saturate, Saturated
from musegen.change import Change
from musegen.errors import BadInput, BadParams
from musegen.labels import Labels

RATE = 16_000
CURVES: tuple[Curve, ...] = get_args(Curve)
CODECS: tuple[CodecName, ...] = get_args(CodecName)
SIDES: tuple[Inverted, ...] = get_args(Inverted)


def available(*names: CodecName) -> Any:
    """The codecs, each as a case that is skipped where this machine lacks it."""
    return [
        pytest.param(name, marks=pytest.mark.skipif(not codecs.available(name), reason=f"libsndfile without {name}"))
        for name in names or CODECS
    ]


def noise(frames: int, channels: int = 1, seed: int = 0) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).normal(0, 0.1, (channels, frames))
    return drawn.astype(np.float32)


def bursts(rate: int, seconds: float, channels: int = 1) -> Audio:
    """Noise below 2 kHz, which every codec keeps, on and off at uneven times."""
    frames = int(rate * seconds)
    spectrum = np.fft.rfft(noise(frames, channels), axis=1)
    spectrum[:, int(min(2_000, rate / 4) * seconds) :] = 0
    gates = np.repeat(np.random.default_rng(1).random(frames // 700 + 1) < 1 / 2, 700)[:frames]
    return Audio((np.fft.irfft(spectrum, frames, axis=1) * gates).astype(np.float32), rate)


def clicks(rate: int, seconds: float) -> Audio:
    """Decaying pulses of a few milliseconds, a fifth of a second apart or so."""
    samples = np.zeros((1, int(rate * seconds)), np.float32)
    pulse = 0.8 * np.exp(-np.arange(rate // 100) / (rate * 0.001)) * np.cos(np.arange(rate // 100) * 2500 / rate * 6.28)
    for start in np.arange(0.05, seconds - 0.05, 0.217):
        samples[0, int(start * rate) :][: len(pulse)] += pulse
    return Audio(samples, rate)


def tone(hertz: float = 220.0, seconds: float = 1.0, amplitude: float = 0.5) -> Audio:
    return Audio(
        (amplitude * np.sin(2 * np.pi * hertz * np.arange(int(RATE * seconds)) / RATE))[None, :].astype("f4"), RATE
    )


def lag_seconds(before: Audio, after: Audio, channel: int = 0) -> float:
    products = correlate(after.samples[channel], before.samples[channel], method="fft")
    return float(np.argmax(products) - (before.samples.shape[1] - 1)) / before.rate


def power(samples: NDArray[np.float32]) -> float:
    return float(np.square(samples, dtype=np.float64).mean())


def decibels_left(before: Audio, after: Audio) -> float:
    """How far what a round trip added is below the sound."""
    return float(10 * np.log10(power(before.samples) / power(after.samples - before.samples)))


class Drawer(NoSounds):
    """Sounds by name, in memory."""

    def __init__(self, sounds: Mapping[str, Audio]) -> None:
        self.sounds = sounds

    def others(self) -> Sequence[str]:
        return sorted(self.sounds)

    def read(self, name: str, rate: int) -> Audio:
        assert self.sounds[name].rate == rate
        return self.sounds[name]

    def sha256(self, name: str) -> str:
        return f"{abs(hash(self.sounds[name].samples.tobytes())):064x}"[::-1]


@given(st.sampled_from(CURVES), st.floats(0, 40), st.floats(1e-6, 8), st.integers(1, 3))
def test_saturation_keeps_the_mean_power(curve: Curve, decibels: float, level: float, channels: int) -> None:
    audio = Audio(noise(4_000, channels) * np.float32(level), RATE)
    driven, change = Saturated(curve=curve, decibels=decibels).apply(audio, NoSounds())
    assert power(driven.samples) == pytest.approx(power(audio.samples), rel=1e-3)
    assert change == Change()


@pytest.mark.parametrize("curve", CURVES)
def test_saturation_is_the_same_at_every_level(curve: Curve) -> None:
    loud, quiet = (Audio(noise(4_000) * np.float32(level), RATE) for level in (1.0, 0.01))
    effect = Saturated(curve=curve, decibels=12)
    assert np.allclose(effect.apply(loud, NoSounds())[0].samples / 100, effect.apply(quiet, NoSounds())[0].samples)


@pytest.mark.parametrize("curve", CURVES)
def test_saturation_of_a_tone_adds_odd_overtones_and_no_dc(curve: Curve) -> None:
    driven, _ = Saturated(curve=curve, decibels=20).apply(tone(), NoSounds())
    spectrum = np.abs(np.fft.rfft(driven.samples[0]))
    assert abs(driven.samples.mean()) < 1e-5
    assert spectrum[660] > 0.1 * spectrum[220]
    assert spectrum[440] < 1e-3 * spectrum[220]


def test_hard_saturation_cuts_what_is_above_the_ceiling() -> None:
    driven, _ = Saturated(curve="hard", decibels=6).apply(tone(), NoSounds())
    at_the_top = np.abs(driven.samples) > 0.999 * np.abs(driven.samples).max()
    assert at_the_top.mean() == pytest.approx(2 / 3, abs=0.01)  # a sine is above a half for two thirds of its time
    untouched, _ = Saturated(curve="hard", decibels=0).apply(tone(), NoSounds())
    assert np.allclose(untouched.samples, tone().samples)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("codec", available())
def test_a_codec_keeps_time_and_length(codec: CodecName, rate: int) -> None:
    for channels in (1, 2):
        audio = bursts(rate, 0.73, channels)
        for quality in (0.05, 1.0):
            coded, change = Coded(codec=codec, quality=quality).apply(audio, NoSounds())
            assert coded.samples.shape == audio.samples.shape and coded.rate == rate
            assert coded.samples.dtype == np.float32 and coded.samples.flags.c_contiguous
            assert [abs(lag_seconds(audio, coded, channel)) <= 0.001 for channel in range(channels)] == [
                True
            ] * channels
            assert change == Change()


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100])
@pytest.mark.parametrize("codec", available())
def test_clicks_stay_where_they_are_through_a_codec(codec: CodecName, rate: int) -> None:
    audio = clicks(rate, 1.5)
    for quality in (0.1, 0.7):
        coded, _ = Coded(codec=codec, quality=quality).apply(audio, NoSounds())
        assert abs(lag_seconds(audio, coded)) <= 0.001


@pytest.mark.parametrize("codec", available())
def test_a_round_trip_loses_more_at_a_lower_quality(codec: CodecName) -> None:
    audio = bursts(RATE, 2.0)
    low, high = (
        decibels_left(audio, Coded(codec=codec, quality=quality).apply(audio, NoSounds())[0]) for quality in (0.1, 0.95)
    )
    assert low + 3 < high
    assert 0 < low < 40


@pytest.mark.parametrize("codec", available())
def test_two_round_trips_give_the_same_samples(codec: CodecName) -> None:
    audio = bursts(RATE, 3.0, 2)
    before = audio.samples.copy()
    first, second = (Coded(codec=codec, quality=0.3).apply(audio, NoSounds())[0] for _ in range(2))
    assert np.array_equal(first.samples, second.samples)
    assert np.array_equal(before, audio.samples)


@pytest.mark.parametrize("codec", available())
def test_minutes_go_through_a_codec_without_drifting(codec: CodecName) -> None:
    audio = bursts(
        8_000, {"mp3": 61.0, "ogg": 310.0, "opus": 31.0}[codec]
    )  # Vorbis, written at once, crashes at 5 minutes
    coded, _ = Coded(codec=codec, quality=0.3).apply(audio, NoSounds())
    before, after = (Audio(whole.samples[:, -8_000:], 8_000) for whole in (audio, coded))
    assert coded.samples.shape == audio.samples.shape
    assert abs(lag_seconds(before, after)) <= 0.001


@pytest.mark.parametrize("codec", available())
@pytest.mark.parametrize(
    ("frames", "channels", "rate"), [(1, 1, RATE), (48, 2, 44_100), (3_000, 5, RATE), (9_600, 1, 96_000)]
)
def test_a_codec_takes_sounds_of_any_shape(codec: CodecName, frames: int, channels: int, rate: int) -> None:
    coded, _ = Coded(codec=codec, quality=0.5).apply(Audio(noise(frames, channels), rate), NoSounds())
    assert coded.samples.shape == (channels, frames)
    assert np.isfinite(coded.samples).all()


@pytest.mark.parametrize("codec", available())
def test_a_codec_neither_clips_nor_fills_silence(codec: CodecName) -> None:
    loud = tone(amplitude=4.0)
    coded, _ = Coded(codec=codec, quality=0.5).apply(loud, NoSounds())
    assert power(coded.samples) == pytest.approx(power(loud.samples), rel=0.05)
    silent, _ = Coded(codec=codec, quality=0.5).apply(Audio(np.zeros((2, RATE), np.float32), RATE), NoSounds())
    assert np.abs(silent.samples).max() < 1e-6


def test_a_codec_that_this_machine_lacks_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codecs, "available", lambda name: name != "opus")
    with pytest.raises(BadParams, match=r"codec opus: .*cannot write it; take it off `codecs`, or install"):
        Codec().draw(tone(), Labels(), NoSounds(), np.random.default_rng(0))
    with pytest.raises(BadParams, match="codec opus"):
        Coded(codec="opus", quality=0.5).apply(tone(), NoSounds())
    assert Codec(codecs=("mp3",)).draw(tone(), Labels(), NoSounds(), np.random.default_rng(0)).codec == "mp3"


def rechannelled(samples: NDArray[np.float32], **drawn: Any) -> NDArray[np.float32]:
    return Rechannelled(**drawn).apply(Audio(samples, RATE), NoSounds())[0].samples


def test_sides_are_swapped_widened_balanced_and_turned() -> None:
    left, right = pair = noise(100, 2)
    mean, difference = (left + right) / 2, (left - right) / 2
    assert np.allclose(rechannelled(pair), pair)
    assert np.allclose(rechannelled(pair, swapped=True), [right, left])
    assert np.allclose(rechannelled(pair, width=0), [mean, mean])
    assert np.allclose(rechannelled(pair, width=2), [mean + 2 * difference, mean - 2 * difference], atol=1e-6)
    assert np.allclose(rechannelled(pair, inverted="left"), [-left, right])
    assert np.allclose(rechannelled(pair, inverted="right"), [left, -right])
    assert np.allclose(rechannelled(pair, inverted="all"), -pair)
    louder, quieter = rechannelled(np.stack([left, left]), balance_decibels=6)
    assert 10 * np.log10(power(louder) / power(quieter)) == pytest.approx(6, abs=1e-3)
    assert np.allclose(rechannelled(pair, swapped=True, inverted="left"), [-right, left])


def test_one_channel_gets_a_polarity_only() -> None:
    assert np.array_equal(rechannelled(noise(100), inverted="all"), -noise(100))
    assert np.array_equal(
        rechannelled(noise(100), swapped=True, width=0, balance_decibels=9, inverted="left"), noise(100)
    )
    drawn = [
        Channels().draw(Audio(noise(100), RATE), Labels(), NoSounds(), np.random.default_rng(seed))
        for seed in range(40)
    ]
    assert {effect.inverted if effect else "none" for effect in drawn} == {"none", "all"}
    assert all(effect is None or effect == Rechannelled(inverted="all") for effect in drawn)


@settings(deadline=None)
@given(
    st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
    st.sampled_from([(1, 1), (1, -1), (-1, 1)]),
    st.sampled_from(SIDES),
    st.floats(0, 2),
    st.floats(0, 12),
    st.integers(0, 2**32),
)
def test_nothing_cancels_in_the_mono_of_what_was_drawn(
    gains: tuple[float, float, float], wires: tuple[int, int], side: Inverted, width: float, balance: float, seed: int
) -> None:
    """A voice in the middle, a guitar left, a flute right, and perhaps a wire that was crossed before."""
    sources = noise(2_000, 3)
    voice, guitar, flute = gains
    panned = np.array([[voice, guitar, 0], [voice, 0, flute]], np.float32) * np.array(wires, np.float32)[:, None]
    audio = Audio(np.asarray(panned @ sources, np.float32), RATE)
    augmentation = Channels(least_width=0, most_width=width, most_balance_decibels=balance, inverted=(side,))
    mixed, _ = augmentation.apply(audio, np.random.default_rng(seed))
    before, after = (np.linalg.lstsq(sources.T, sound.mono, rcond=None)[0] for sound in (audio, mixed))
    assert (np.abs(after) >= 0.24 * np.abs(before) - 1e-4).all()


def test_one_side_is_inverted_only_where_mono_notices() -> None:
    middle, sides = noise(RATE), noise(RATE, 2, seed=1)
    inverting = Channels(inverted=("left",), least_width=1, most_width=1, most_balance_decibels=0, swap=False)
    narrow = inverting.draw(Audio(middle + 0.1 * sides, RATE), Labels(), NoSounds(), np.random.default_rng(0))
    assert narrow == Rechannelled(inverted="left")
    assert inverting.draw(Audio(middle + sides, RATE), Labels(), NoSounds(), np.random.default_rng(0)) is None


OTHER = Audio(noise(RATE, seed=5), RATE)


def test_what_is_mixed_in_has_the_power_asked_for_and_begins_where_drawn() -> None:
    audio = Audio(noise(RATE // 2, 2, seed=3), RATE)
    sounds = Drawer({"track:b": OTHER})
    effect = Mixed(name="track:b", sha256=sounds.sha256("track:b")[:16], start_seconds=0.25, decibels=12.0)
    added = effect.apply(audio, sounds)[0].samples - audio.samples
    assert np.corrcoef(added[0], OTHER.samples[0, RATE // 4 : 3 * RATE // 4])[0, 1] > 0.999
    assert np.allclose(added[0], added[1], atol=1e-6)
    assert 10 * np.log10(power(audio.samples) / power(added)) == pytest.approx(12, abs=0.01)


def test_a_shorter_track_is_looped() -> None:
    audio, sounds = Audio(noise(3 * RATE, seed=3), RATE), Drawer({"track:b": OTHER})
    effect = Mixed(name="track:b", sha256=sounds.sha256("track:b")[:16], start_seconds=0.5, decibels=0.0)
    added = effect.apply(audio, sounds)[0].samples - audio.samples
    assert np.allclose(added[0, :RATE], added[0, RATE : 2 * RATE], atol=1e-6)
    assert np.corrcoef(added[0, : RATE // 2], OTHER.samples[0, RATE // 2 :])[0, 1] > 0.999


def test_a_track_that_has_changed_is_refused_by_its_name() -> None:
    effect = Mix().draw(tone(), Labels(), Drawer({"track:b": OTHER}), np.random.default_rng(0))
    assert effect is not None
    with pytest.raises(BadInput, match="track:b: it is another sound") as caught:
        effect.apply(tone(), Drawer({"track:b": tone()}))
    assert caught.value.file is not None and caught.value.file.name == "track:b"


def test_nobody_and_silence_are_not_mixed() -> None:
    silence = Audio(np.zeros((1, RATE), np.float32), RATE)
    for audio, sounds in (
        (tone(), NoSounds()),
        (silence, Drawer({"track:b": OTHER})),
        (tone(), Drawer({"track:b": silence})),
    ):
        assert Mix().draw(audio, Labels(), sounds, np.random.default_rng(0)) is None


class Broken(Drawer):
    """Its recordings can't be read."""

    def __init__(self, reason: str) -> None:
        super().__init__({"track:b": OTHER})
        self.reason = reason

    def read(self, name: str, rate: int) -> Audio:
        raise BadInput(f"{name}: no sound comes of it; export it again", self.reason)


def test_a_partner_that_cannot_be_decoded_is_not_mixed_in_but_one_that_has_changed_is_told() -> None:
    assert Mix().draw(tone(), Labels(), Broken("truncated"), np.random.default_rng(0)) is None
    with pytest.raises(BadInput, match="track:b"):
        Mix().draw(tone(), Labels(), Broken("changed"), np.random.default_rng(0))


names = st.sets(st.text("abcdef0123456789", min_size=4, max_size=8), min_size=2, max_size=30)


@given(names, st.integers(0, 2**63))
def test_one_track_more_or_less_changes_only_the_draws_that_have_it(tracks: set[str], key: int) -> None:
    *others, last = sorted(tracks)
    with_it, without_it = chosen([*others, last], key), chosen(others, key)
    assert with_it in (without_it, last)
    assert chosen([last, *reversed(others)], key) == with_it


def test_every_track_is_as_likely_and_one_more_takes_its_share() -> None:
    tracks = [f"track:{number:03}" for number in range(9)]
    before = [chosen(tracks, key) for key in range(5_000)]
    counts = np.unique(before, return_counts=True)[1]
    assert len(counts) == 9 and counts.min() > 450 and counts.max() < 660
    changed = sum(chosen([*tracks, "track:new"], key) != track for key, track in enumerate(before))
    assert changed / 5_000 == pytest.approx(1 / 10, abs=0.02)


def test_one_track_more_leaves_place_and_ratio_of_the_other_draws() -> None:
    sounds = {f"track:{number}": Audio(noise(RATE, seed=number), RATE) for number in range(4)}
    few, many = (
        [Mix().draw(tone(), Labels(), Drawer(beside), np.random.default_rng(seed)) for seed in range(20)]
        for beside in (sounds, {**sounds, "track:new": OTHER})
    )
    assert all(more == less or (more and more.name == "track:new") for more, less in zip(many, few, strict=True))
    assert any(more == less for more, less in zip(many, few, strict=True))


@pytest.mark.parametrize(
    ("kind", "bounds", "words"),
    [
        (Saturate, {"least_decibels": 9, "most_decibels": 3}, "0 ≤ least ≤ most ≤ 40"),
        (Saturate, {"most_decibels": float("inf")}, "0 ≤ least ≤ most ≤ 40"),
        (Saturate, {"curves": ()}, "at least 1 item"),
        (Saturate, {"curves": ("tube",)}, "'hard' or 'soft'"),
        (Codec, {"lowest_quality": 0.0}, "0.05 ≤ lowest ≤ highest ≤ 1"),
        (Codec, {"highest_quality": float("nan")}, "0.05 ≤ lowest ≤ highest ≤ 1"),
        (Codec, {"codecs": ("aac",)}, "'mp3', 'ogg' or 'opus'"),
        (Channels, {"least_width": 1.2, "most_width": 1.0}, "least ≤ most ≤ 2"),
        (Channels, {"most_balance_decibels": 13}, "0 to 12"),
        (Mix, {"least_decibels": -1}, "0 ≤ least ≤ most ≤ 60"),
    ],
)
def test_bounds_are_checked_at_once(kind: type[SoundAugmentation], bounds: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        kind.model_validate(bounds)
