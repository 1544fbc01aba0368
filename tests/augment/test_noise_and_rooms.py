"""Noise, filters and rooms do to the sound what their names and numbers say, and leave its attacks where they are."""

import json
import pickle
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy import signal

from musegen.audio import Audio
from musegen.augment.base import NoSounds
from musegen.augment.equalise import Band, Equalise, Equalised
from musegen.augment.gain import Gained
from musegen.augment.noise import Colour, Noise, Noised, coloured, mean_power
from musegen.augment.passing import HighPass, HighPassed, LowPass, LowPassed
from musegen.augment.reverb import Reverb, Reverberated, convolved, from_direct_sound, made_room
from musegen.augment.sounds import SECONDS, FolderSounds, folder_sha256
from musegen.errors import BadInput, BadParams
from musegen.labels import Labels
from musegen.shards.writer import sha256

RATE = 22_050
NOTHING = NoSounds()
Samples = NDArray[np.float32]


def tone(hertz: float, seconds: float = 0.5, rate: int = RATE, level: float = 0.3, channels: int = 1) -> Audio:
    wave = level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return Audio(np.tile(wave.astype(np.float32), (channels, 1)), rate)


def click(at: int, frames: int, rate: int = RATE) -> Audio:
    samples = np.zeros((1, frames), np.float32)
    samples[0, at] = 1.0
    return Audio(samples, rate)


def decibels(after: Samples, before: Samples) -> float:
    return float(10 * np.log10(mean_power(after) / mean_power(before)))


def gain_at(hertz: float, effect: Equalised | LowPassed | HighPassed, rate: int = RATE) -> float:
    """Decibels that a steady tone gains."""
    sound = tone(hertz, 1.0, rate)
    steady = slice(rate // 2, rate - rate // 20)
    return decibels(effect.apply(sound, NOTHING)[0].samples[:, steady], sound.samples[:, steady])


def drawn_by(augmentation: Noise | Equalise | Reverb | LowPass | HighPass, seeds: int = 60, rate: int = RATE) -> list:
    sound = tone(440, 0.1, rate)
    return [augmentation.draw(sound, Labels(), NOTHING, np.random.default_rng(seed)) for seed in range(seeds)]


GONE = "0" * 32


@pytest.fixture
def sounds(tmp_path: Path, write_sound: Callable[..., Path]) -> FolderSounds:
    write_sound(tmp_path / "noises/hum.wav", 100.0)
    write_sound(tmp_path / "noises/street/whistle.flac", 1_000.0)
    (tmp_path / "noises/README.txt").write_text("whence they come")
    write_sound(tmp_path / "noises/.hidden.wav")
    there = write_sound(tmp_path / "two.wav", 300.0)
    return FolderSounds(tmp_path, {sha256(there)[:32]: there, GONE: tmp_path / "gone.wav"})


# Noise


@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000])
@pytest.mark.parametrize(("colour", "slope"), [("white", 0.0), ("pink", -3.01), ("brown", -6.02)])
def test_colours_fall_by_their_decibels_an_octave(colour: Colour, slope: float, rate: int) -> None:
    hertz, density = signal.welch(coloured(colour, 1, 40 * rate, rate, seed=1)[0], rate, nperseg=rate)
    edges = np.geomspace(40.0, rate / 4, 20)
    bands = [density[(hertz >= low) & (hertz < high)].mean() for low, high in pairwise(edges)]
    octaves = np.log2(np.sqrt(edges[:-1] * edges[1:]))
    measured, level = np.polyfit(octaves, 10 * np.log10(bands), 1)
    assert measured == pytest.approx(slope, abs=0.25)
    assert np.abs(10 * np.log10(bands) - measured * octaves - level).max() < 1.0


@pytest.mark.parametrize("colour", ["white", "pink", "brown"])
def test_noise_is_steady_from_its_first_sample_and_its_own_in_every_channel(colour: Colour) -> None:
    noise = coloured(colour, 2, 20 * RATE, RATE, seed=3)
    whole = mean_power(noise)
    beginnings = [mean_power(coloured(colour, 1, RATE // 50, RATE, seed)) for seed in range(200)]
    assert np.mean(beginnings) == pytest.approx(whole, rel=0.2)
    assert abs(np.corrcoef(noise)[0, 1]) < 0.1


@pytest.mark.parametrize("wanted", [-20.0, 0.0, 12.5, 60.0])
@pytest.mark.parametrize("colour", ["white", "pink", "brown", None])
def test_noise_is_as_far_below_the_sound_as_asked(colour: Colour | None, wanted: float, sounds: FolderSounds) -> None:
    file = {} if colour else {"file": "noises/hum.wav", "sha256": sounds.sha256("noises/hum.wav")[:16]}
    for channels in (1, 2):
        sound = tone(700, 0.8, channels=channels)
        result, _ = Noised(decibels=wanted, colour=colour, **file).apply(sound, sounds)
        assert decibels(sound.samples, result.samples - sound.samples) == pytest.approx(wanted, abs=0.1)


def test_a_recording_of_noise_goes_round_from_where_it_begins(sounds: FolderSounds) -> None:
    recording = sounds.read("noises/hum.wav", 8_000).samples[0]
    effect = Noised(decibels=0.0, file="noises/hum.wav", sha256=sounds.sha256("noises/hum.wav")[:16], begins=0.25)
    sound = tone(50, 2.0, 8_000, channels=2)
    added = effect.apply(sound, sounds)[0].samples - sound.samples
    expected = np.resize(np.roll(recording, -len(recording) // 4), added.shape[1])
    for channel in added:
        assert np.abs(channel / np.abs(channel).max() - expected / np.abs(expected).max()).max() < 1e-5


def test_a_silent_recording_adds_nothing(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(8_000), 8_000)
    sounds, sound = FolderSounds(tmp_path, {}), tone(440)
    effect = Noised(decibels=0.0, file="silent.wav", sha256=sounds.sha256("silent.wav")[:16])
    assert np.array_equal(effect.apply(sound, sounds)[0].samples, sound.samples)


def test_every_colour_and_the_folder_are_drawn(sounds: FolderSounds) -> None:
    noise, sound = Noise(colours=("white", "brown"), files="noises"), tone(440, 0.1)
    effects = [noise.draw(sound, Labels(), sounds, np.random.default_rng(seed)) for seed in range(90)]
    sources = [effect.colour or effect.file for effect in effects if effect]
    assert set(sources) == {"white", "brown", "noises/hum.wav", "noises/street/whistle.flac"}
    assert 15 < sources.count("white") < 45
    assert {effect.colour for effect in drawn_by(Noise())} == {"white", "pink", "brown"}


def test_without_files_noise_and_rooms_that_need_them_are_not_possible() -> None:
    assert set(drawn_by(Noise(colours=(), files="noises"), 3)) == {None}
    assert set(drawn_by(Reverb(files="rooms"), 3)) == {None}
    assert {effect.colour for effect in drawn_by(Noise(colours=("pink",), files="noises"), 9)} == {"pink"}


@pytest.mark.parametrize("made", [
    lambda sha256: Noised(decibels=10.0, file="noises/hum.wav", sha256=sha256),
    lambda sha256: Reverberated(wet=0.5, file="noises/hum.wav", sha256=sha256),
])  # fmt: skip
def test_a_file_that_is_another_now_is_refused_by_its_name(
    made: Callable[[str], Noised | Reverberated], sounds: FolderSounds, write_sound: Callable[..., Path]
) -> None:
    effect = made(sounds.sha256("noises/hum.wav")[:16])
    effect.apply(tone(440), sounds)
    write_sound(sounds.root / "noises/hum.wav", 120.0)
    for now in (FolderSounds(sounds.root, {}), NOTHING):
        with pytest.raises(BadInput, match=r"noises/hum\.wav: it is another|no such sound") as error:
            effect.apply(tone(440), now)
        assert error.value.file == Path("noises/hum.wav")


@pytest.mark.parametrize("wrong", [
    {"colour": "white", "file": "a.wav", "sha256": "0" * 16}, {}, {"file": "a.wav"}, {"colour": "blue"},
    {"file": "a.wav", "sha256": "0" * 15}, {"colour": "white", "sha256": "0" * 16}, {"colour": "white", "seed": -1},
])  # fmt: skip
def test_noise_has_one_source(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Noised.model_validate({"decibels": 10.0, **wrong})


# Gain and filters


def test_gain_is_in_decibels_and_does_not_clip() -> None:
    sound = tone(440, level=0.9, channels=2)
    louder = Gained(decibels=20.0).apply(sound, NOTHING)[0].samples
    assert np.abs(louder).max() == pytest.approx(9.0, rel=1e-3)
    assert decibels(louder, sound.samples) == pytest.approx(20.0, abs=1e-4)


@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000])
@pytest.mark.parametrize("amount", [-18.0, 9.0])
def test_bands_have_their_decibels_where_they_say(rate: int, amount: float) -> None:
    for hertz in (100.0, 1_000.0, 0.4 * rate):
        peak = Equalised(bands=(Band(shape="peak", hertz=hertz, decibels=amount, quality=1.0),))
        assert gain_at(hertz, peak, rate) == pytest.approx(amount, abs=0.1)
    low, high = (
        Equalised(bands=(Band(shape=shape, hertz=800.0, decibels=amount, quality=0.7071),))
        for shape in ("low_shelf", "high_shelf")
    )
    for shelf, inside, outside in ((low, 40.0, 0.45 * rate), (high, 0.45 * rate, 40.0)):
        assert gain_at(800.0, shelf, rate) == pytest.approx(amount / 2, abs=0.1)
        assert gain_at(inside, shelf, rate) == pytest.approx(amount, abs=0.2)
        assert gain_at(outside, shelf, rate) == pytest.approx(0.0, abs=0.2)


def test_peaks_are_as_narrow_as_their_quality() -> None:
    """Half of the decibels at the edges of a band of hertz / quality, as the cookbook's own definition has it."""
    for quality in (0.5, 1.0, 2.0):
        band = Band(shape="peak", hertz=500.0, decibels=12.0, quality=quality)
        half = 1.0 / (2.0 * quality)
        for edge in (500.0 * (np.sqrt(1.0 + half**2) - half), 500.0 * (np.sqrt(1.0 + half**2) + half)):
            assert gain_at(edge, Equalised(bands=(band,)), 48_000) == pytest.approx(6.0, abs=0.15)


def test_the_outer_ones_of_three_bands_are_shelves() -> None:
    for count, shapes in ((1, ["peak"]), (2, ["peak"] * 2), (4, ["low_shelf", "peak", "peak", "high_shelf"])):
        for effect in drawn_by(Equalise(bands=count), 5):
            assert [band.shape for band in effect.bands] == shapes
            assert sorted(band.hertz for band in effect.bands) == [band.hertz for band in effect.bands]


@pytest.mark.parametrize("order", [1, 2, 5, 8])
@pytest.mark.parametrize("hertz", [250.0, 1_000.0, 4_000.0])
def test_passing_filters_fall_three_decibels_at_their_frequency_and_six_an_octave_and_order(
    order: int, hertz: float
) -> None:
    for effect, octave in (
        (LowPassed(hertz=hertz, order=order), 2.0), (HighPassed(hertz=hertz, order=order), 0.5)
    ):  # fmt: skip
        assert gain_at(hertz, effect, 48_000) == pytest.approx(-3.01, abs=0.1)
        # The bilinear transform makes an octave wider towards half the rate.
        ratio = np.tan(np.pi * hertz * octave / 48_000) / np.tan(np.pi * hertz / 48_000)
        fall = -10 * np.log10(1 + max(ratio, 1 / ratio) ** (2 * order))
        assert gain_at(hertz * octave, effect, 48_000) == pytest.approx(fall, abs=0.1)
        assert gain_at(hertz / octave**2, effect, 48_000) == pytest.approx(0.0, abs=0.3)


def test_frequencies_that_the_rate_does_not_hold_are_brought_down() -> None:
    for effect in drawn_by(LowPass(lowest_hertz=20_000, highest_hertz=24_000), 5, 8_000):
        assert effect.hertz == 3_600.0
        assert np.isfinite(effect.apply(tone(440, 0.1, 8_000), NOTHING)[0].samples).all()
    far_above = (
        Equalised(bands=(Band(shape="high_shelf", hertz=24_000.0, decibels=12.0, quality=1.0),)),
        LowPassed(hertz=24_000.0, order=8), HighPassed(hertz=24_000.0, order=8),
    )  # fmt: skip
    for effect in far_above:
        assert np.abs(effect.apply(tone(440, 1.0, 8_000), NOTHING)[0].samples).max() < 10.0


@pytest.mark.parametrize("order", [1, 2, 4, 8])
@pytest.mark.parametrize("hertz", [200.0, 1_000.0, 8_000.0])
def test_attacks_stay_within_a_millisecond_of_where_they_were(order: int, hertz: float) -> None:
    for effect in (LowPassed(hertz=hertz, order=order), HighPassed(hertz=hertz, order=order)):
        power = effect.apply(click(RATE // 2, RATE), NOTHING)[0].samples[0].astype(np.float64) ** 2
        middle = (power * np.arange(RATE)).sum() / power.sum()
        assert abs(middle / RATE - 0.5) < 0.001


@pytest.mark.parametrize("order", [1, 2, 4, 8])
@pytest.mark.parametrize("hertz", [200.0, 1_000.0])
def test_what_passes_a_low_pass_comes_out_within_a_millisecond(order: int, hertz: float) -> None:
    response = LowPassed(hertz=hertz, order=order).apply(click(RATE // 2, RATE), NOTHING)[0].samples[0]
    for inside in (hertz / 8, hertz / 4, hertz / 2):
        turn = np.exp(-2j * np.pi * inside * (np.arange(RATE) - RATE // 2) / RATE)
        delay = ((np.arange(RATE) - RATE // 2) * response * turn).sum() / (response * turn).sum()
        assert abs(delay.real / RATE) < 0.001


@pytest.mark.parametrize("seed", range(8))
def test_an_equaliser_at_its_utmost_leaves_a_click_in_its_place(seed: int) -> None:
    augmentation = Equalise(bands=10, lowest_hertz=20, highest_hertz=9_000, most_decibels=18)
    effect = augmentation.draw(tone(440), Labels(), NOTHING, np.random.default_rng(seed))
    response = effect.apply(click(RATE // 2, RATE), NOTHING)[0].samples[0]
    assert abs(int(np.argmax(np.abs(response))) - RATE // 2) < 0.001 * RATE and not response[: RATE // 2].any()


def test_filters_are_the_same_however_long_the_sound_and_digital_silence_stays() -> None:
    random = np.random.default_rng(1)
    samples = random.standard_normal((2, 50_000)).astype(np.float32)
    samples[:, 20_000:] = 0.0
    effect = HighPassed(hertz=200.0, order=4)
    result = effect.apply(Audio(samples, RATE), NOTHING)[0].samples
    whole = signal.sosfilt(signal.butter(4, 200.0, "highpass", fs=RATE, output="sos"), samples.astype(np.float64))
    assert np.abs(result - whole).max() < 1e-6
    assert not result[:, 45_000:].any(), "what dies away ends as true zeros, not as denormal numbers"


# Rooms


@pytest.mark.parametrize("seconds", [0.3, 1.2])
def test_a_made_room_decays_by_sixty_decibels_in_its_seconds_and_the_treble_faster(seconds: float) -> None:
    rate = 32_000
    room = np.mean([_decay_curve(made_room(seconds, rate, seed), 200, 1_000, rate) for seed in range(8)], axis=0)
    treble = np.mean([_decay_curve(made_room(seconds, rate, seed), 4_000, 12_000, rate) for seed in range(8)], axis=0)
    assert _reverberation_seconds(room, rate) == pytest.approx(seconds, rel=0.1)
    assert _reverberation_seconds(treble, rate) == pytest.approx(seconds / 2, rel=0.1)


def _decay_curve(room: Samples, low: float, high: float, rate: int) -> NDArray[np.float64]:
    """Energy still to come, by band (Schroeder 1965)."""
    band = signal.sosfilt(signal.butter(4, [low, high], "bandpass", fs=rate, output="sos"), room)
    return np.cumsum(band[::-1] ** 2)[::-1]


def _reverberation_seconds(energy: NDArray[np.float64], rate: int) -> float:
    """From the fall between 5 and 30 decibels (ISO 3382: T25 here)."""
    fall = 10 * np.log10(energy / energy[0])
    first, last = int(np.argmax(fall < -5.0)), int(np.argmax(fall < -30.0))
    return float(-60.0 / np.polyfit(np.arange(first, last) / rate, fall[first:last], 1)[0])


@pytest.mark.parametrize("wet", [0.1, 0.5])
def test_the_direct_sound_comes_first_and_the_room_has_its_share(wet: float) -> None:
    result = Reverberated(wet=wet, seconds=0.4, seed=2).apply(click(1_000, RATE), NOTHING)[0].samples[0]
    assert not np.abs(result[:1_000]).max() > 1e-6
    assert int(np.argmax(np.abs(result))) == 1_000
    energy = np.square(result, dtype=np.float64)
    assert energy.sum() == pytest.approx(1.0, abs=0.01)
    assert energy[1_001:].sum() == pytest.approx(wet, abs=0.05)


def test_a_room_of_no_energy_changes_nothing_and_any_other_keeps_the_mean_power() -> None:
    noise = Audio(coloured("pink", 2, 2 * RATE, RATE, seed=1), RATE)
    dry = Reverberated(wet=0.0, seconds=1.0).apply(noise, NOTHING)[0].samples
    assert np.abs(dry - noise.samples).max() < 1e-5 * np.abs(noise.samples).max()
    for wet in (0.3, 1.0):
        result = Reverberated(wet=wet, seconds=0.3, seed=4).apply(noise, NOTHING)[0].samples
        assert result.shape == noise.samples.shape
        assert decibels(result, noise.samples) == pytest.approx(0.0, abs=1e-3)


def test_convolution_is_that_of_the_whole() -> None:
    random = np.random.default_rng(1)
    for frames, taps in ((1, 5), (100, 1), (100, 300), (30_000, 4_000), (9_000, 9_000)):
        samples, response = random.standard_normal((2, frames)), random.standard_normal(taps)
        whole = np.array([np.convolve(channel, response)[:frames] for channel in samples])
        result = convolved(samples.astype(np.float32), response.astype(np.float32))
        assert np.abs(result - whole).max() < 1e-5 * max(1.0, np.abs(whole).max())


@pytest.mark.parametrize("rate", [8_000, 22_050])
def test_a_recorded_room_begins_with_its_direct_sound(rate: int, tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    recorded = np.zeros(24_000)
    recorded[:2_400] = 0.001 * random.standard_normal(2_400)
    recorded[2_400:] = 0.1 * random.standard_normal(21_600) * np.exp(-np.arange(21_600) / 2_000)
    recorded[2_400], recorded[4_000] = -0.8, 0.9
    soundfile.write(tmp_path / "hall.wav", recorded, 48_000, subtype="FLOAT")
    sounds = FolderSounds(tmp_path, {})
    response = from_direct_sound(sounds.read("hall.wav", rate).samples[0], rate)
    assert len(response) == pytest.approx(0.45 * rate, abs=3) and response[0] > 0
    effect = Reverberated(wet=0.3, file="hall.wav", sha256=sounds.sha256("hall.wav")[:16])
    result = effect.apply(click(rate // 4, rate, rate), sounds)[0].samples[0]
    assert abs(int(np.argmax(np.abs(result))) - rate // 4) <= 0.001 * rate
    assert np.abs(result[: rate // 4]).max() < 1e-6


def test_a_silent_room_is_refused_by_its_name(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(8_000), 8_000)
    sounds = FolderSounds(tmp_path, {})
    effect = Reverberated(wet=0.3, file="silent.wav", sha256=sounds.sha256("silent.wav")[:16])
    with pytest.raises(BadInput, match=r"silent\.wav: .*remove it"):
        effect.apply(tone(440), sounds)


def test_recorded_rooms_are_drawn_instead_of_made_ones(sounds: FolderSounds) -> None:
    sound = tone(440, 0.1)
    effects = [Reverb(files="noises").draw(sound, Labels(), sounds, np.random.default_rng(seed)) for seed in range(30)]
    assert {effect.file for effect in effects if effect} == {"noises/hum.wav", "noises/street/whistle.flac"}
    assert json.loads(effects[0].model_dump_json())["seconds"] == 0.0


# The folders


def test_a_folder_gives_its_sounds_by_name_and_others_by_their_ids(sounds: FolderSounds) -> None:
    assert sounds.files("noises") == ("noises/hum.wav", "noises/street/whistle.flac")
    assert sounds.files("./noises/") == sounds.files("noises")
    (there,) = sounds.tracks.keys() - {GONE}
    assert sounds.others() == tuple(sorted([f"track:{GONE}", f"track:{there}"]))
    assert sounds.read(f"track:{there}", 8_000).samples.shape == (1, 4_000)
    assert sounds.among({}).others() == () and sounds.among(sounds.tracks).read(f"track:{there}", 8_000)


def test_another_recording_is_not_taken_for_a_track(sounds: FolderSounds, write_sound: Callable[..., Path]) -> None:
    (there,) = sounds.tracks.keys() - {GONE}
    write_sound(sounds.tracks[there], 200.0)
    with pytest.raises(BadInput, match="survey again") as error:
        sounds.read(f"track:{there}", 8_000)
    assert error.value.reason == "changed"


@pytest.mark.parametrize("folder", ["nowhere", "empty"])
def test_a_folder_without_sounds_stops_before_any_work(folder: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/notes.txt").write_text("nothing")
    with pytest.raises(BadParams, match=f"{folder}: there are no sounds"):
        FolderSounds(tmp_path, {}).files(folder)


def test_sounds_are_read_mono_at_the_rate_and_not_without_end(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.full((8_000 * (SECONDS + 3), 2), 0.1) * [1.0, 0.5], 8_000)
    wave = np.sin(np.arange(44_100) * 2 * np.pi * 440 / 44_100)
    soundfile.write(tmp_path / "stereo.wav", np.stack([wave, 0.5 * wave], axis=1), 44_100, subtype="FLOAT")
    sounds = FolderSounds(tmp_path, {})
    assert sounds.read("long.wav", 8_000).samples.shape == (1, 8_000 * SECONDS)
    stereo = sounds.read("stereo.wav", RATE)
    assert stereo.rate == RATE and stereo.samples.shape == (1, RATE) and stereo.samples.dtype == np.float32
    expected = 0.75 * np.sin(np.arange(RATE) * 2 * np.pi * 440 / RATE)
    assert np.abs(stereo.samples[0] - expected)[200:-200].max() < 1e-3


def test_what_cannot_be_read_names_its_file(sounds: FolderSounds) -> None:
    (sounds.root / "noises/broken.wav").write_bytes(b"RIFF")
    for name, file in (
        ("noises/broken.wav", sounds.root / "noises/broken.wav"),
        (f"track:{GONE}", sounds.tracks[GONE]),
    ):
        with pytest.raises(BadInput) as error:
            sounds.read(name, 8_000)
        assert error.value.file == file
    for name in (f"track:{GONE}", "track:nobody", "noises/nothing.wav"):
        with pytest.raises(BadInput, match=name):
            sounds.sha256(name)


def test_a_folder_with_broken_or_silent_sounds_is_told_of_before_any_work(sounds: FolderSounds) -> None:
    sounds.check("noises")
    (sounds.root / "noises/broken.wav").write_bytes(b"RIFF")
    soundfile.write(sounds.root / "noises/still.wav", np.zeros(8_000), 8_000)
    with pytest.raises(BadParams, match=r"noises: broken\.wav: .*; noises/still\.wav is silent; repair"):
        FolderSounds(sounds.root, {}).check("noises")


def test_the_cache_keeps_what_was_used_last_and_stays_within_its_bytes(
    tmp_path: Path, write_sound: Callable[..., Path]
) -> None:
    for name in ("a", "b", "c"):
        write_sound(tmp_path / f"{name}.wav")
    sounds = FolderSounds(tmp_path, {}, cache_bytes=2 * 4_000 * 4)
    first, second = sounds.read("a.wav", 8_000), sounds.read("b.wav", 8_000)
    assert sounds.read("a.wav", 8_000) is first
    sounds.read("c.wav", 8_000)
    assert sounds.read("a.wav", 8_000) is first and sounds.read("b.wav", 8_000) is not second
    tiny = FolderSounds(tmp_path, {}, cache_bytes=1)
    assert tiny.read("a.wav", 8_000).samples.shape == (1, 4_000)


def test_sounds_travel_without_their_cache_and_cannot_be_written_to(sounds: FolderSounds) -> None:
    audio = sounds.read("noises/hum.wav", 8_000)
    with pytest.raises(ValueError, match="read-only"):
        audio.samples[0, 0] = 1.0
    content = pickle.dumps(sounds)
    there = pickle.loads(content)
    assert len(content) < 1_000
    (track,) = sounds.tracks.keys() - {GONE}
    assert there.others() == sounds.others() and there.sha256(f"track:{track}").startswith(track)
    assert np.array_equal(there.read("noises/hum.wav", 8_000).samples, audio.samples)


def test_the_hash_of_a_folder_is_over_the_names_and_contents_of_its_sounds(
    sounds: FolderSounds, write_sound: Callable[..., Path]
) -> None:
    root = sounds.root
    before = folder_sha256(root, "noises")
    (root / "noises/README.txt").write_text("whence they come, corrected")
    (root / "noises").rename(root / "sounds")
    assert folder_sha256(root, "sounds") == folder_sha256(root, "./sounds/") == before
    (root / "sounds/hum.wav").rename(root / "sounds/drone.wav")
    renamed = folder_sha256(root, "sounds")
    write_sound(root / "sounds/drone.wav", 101.0)
    assert len({before, renamed, folder_sha256(root, "sounds")}) == 3
