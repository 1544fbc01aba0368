"""Listening tests: what is rendered is heard again by measuring it."""

from itertools import pairwise

import numpy as np
import pytest

from musegen.audio import Audio
from musegen.errors import BadParams, Unavailable
from musegen.labels import DRUMS, Notes
from musegen.synth import CHURCH, Timbre, loudness, render, soundfont, timbre_of
from musegen.synth.room import PARLOUR, limited, reflections

RATE = 32_000
MELODIC = sorted({timbre_of(program).name: program for program in range(127, -1, -1)}.values())
FAMILIES = [0, 6, 19, 21, 24, 40, 46, 48, 52, 56, 68, 71, 73, 78, 105, 110]


def played(*rows: tuple[float, float, int, int, int, int], rate: int = RATE, **how: object) -> Audio:
    return render(Notes.of(rows), rate=rate, **how)  # type: ignore[arg-type]


def spectrum(wave: np.ndarray, size: int = 1 << 17) -> np.ndarray:
    """Log magnitudes of a windowed, padded transform."""
    return np.log(np.abs(np.fft.rfft(wave * np.hanning(len(wave)), size)) + 1e-9)


def heard_hertz(power: np.ndarray, rate: int, near: float) -> float:
    """The strongest spectral peak within a tone of `near`, by a parabola through three bins of `spectrum`."""
    size = 2 * (len(power) - 1)
    low, high = (int(near * factor * size / rate) for factor in (0.89, 1.12))
    peak = low + int(np.argmax(power[low:high]))
    left, middle, right = power[peak - 1 : peak + 2]
    return float((peak + 0.5 * (left - right) / (left - 2 * middle + right)) * rate / size)


def heard_onset(wave: np.ndarray, rate: int, after: float, before: float) -> float:
    """The moment at which the level first passes a tenth of its coming peak."""
    part = np.abs(wave[int(after * rate) : int(before * rate)])
    level = np.convolve(part, np.full(32, 1 / 32), mode="full")[: len(part)]
    return after + int(np.argmax(level > 0.1 * level.max())) / rate


def brightness(audio: Audio) -> float:
    """The spectral centroid in hertz."""
    power = np.abs(np.fft.rfft(audio.mono)) ** 2
    return float((power * np.fft.rfftfreq(len(audio.mono), 1 / audio.rate)).sum() / power.sum())


@pytest.mark.parametrize("program", MELODIC, ids=lambda program: timbre_of(program).name.replace(" ", "-"))
def test_the_written_pitch_is_heard_on_every_instrument_across_the_keyboard(program: int) -> None:
    pitches = (33, 45, 57, 69, 81, 93)
    sound = played(*((index * 1.3, 1.0, pitch, 90, program, 0) for index, pitch in enumerate(pitches)), room=None)
    for index, pitch in enumerate(pitches):
        start = int((index * 1.3 + 0.03) * RATE)
        power = spectrum(sound.mono[start : start + int(0.9 * RATE)])
        written = 440.0 * 2 ** ((pitch - 69) / 12)
        # A bright bass hardly sounds its fundamental: the ear takes the pitch from a partial above it.
        partials = (1, 2, 3, 4, 5) if not timbre_of(program).ratios else (1,)
        cents = [1200 * np.log2(heard_hertz(power, RATE, written * k) / (written * k)) for k in partials]
        assert min(np.abs(cents)) < 20, (pitch, cents)
        assert abs(cents[0]) < 20 or pitch < 50, (pitch, cents)


@pytest.mark.parametrize("program", FAMILIES, ids=lambda program: timbre_of(program).name.replace(" ", "-"))
def test_notes_begin_within_ten_milliseconds_of_their_label(program: int) -> None:
    onsets = [0.2, 1.0, 1.737, 2.61]
    sound = played(*((onset, 0.3, 60 + 4 * i, 60 + 15 * i, program, 0) for i, onset in enumerate(onsets)))
    for onset in onsets:
        assert heard_onset(sound.mono, RATE, onset - 0.1, onset + 0.25) == pytest.approx(onset, abs=0.010)


@pytest.mark.parametrize("program", FAMILIES)
def test_a_note_stops_when_its_label_ends(program: int) -> None:
    sound = played((0.1, 0.5, 62, 90, program, 0), (1.5, 0.1, 62, 90, program, 0), room=None)
    during = np.abs(sound.mono[int(0.15 * RATE) : int(0.55 * RATE)]).max()
    assert np.abs(sound.mono[int(0.95 * RATE) : int(1.49 * RATE)]).max() < 0.02 * during


@pytest.mark.parametrize("program", FAMILIES)
def test_a_higher_velocity_is_louder_and_never_duller(program: int) -> None:
    soft, hard = (played((0, 0.6, 64, velocity, program, 0)) for velocity in (40, 115))
    assert loudness(hard.samples, RATE) > loudness(soft.samples, RATE) + 8
    assert brightness(hard) > 0.98 * brightness(soft)


@pytest.mark.parametrize("program", [0, 40, 56, 71, 73, 110])
def test_a_higher_velocity_is_brighter_on_what_has_a_touch(program: int) -> None:
    soft, hard = (played((0, 0.6, 64, velocity, program, 0), room=None) for velocity in (40, 115))
    assert brightness(hard) > 1.08 * brightness(soft)


def test_velocity_is_heard_within_one_piece() -> None:
    sound = played((0, 0.4, 60, 50, 73, 0), (1, 0.4, 60, 100, 73, 0), room=None)
    first, second = (np.sqrt(np.mean(sound.mono[at : at + RATE // 2] ** 2)) for at in (0, RATE))
    assert 20 * np.log10(second / first) == pytest.approx(20 * 1.7 * np.log10(2), abs=1.5)


def test_all_melodic_instruments_come_out_about_equally_loud() -> None:
    scale = [(0.4 * i, 0.38, 60 + step, 90) for i, step in enumerate((0, 2, 4, 5, 7, 9, 11, 12))]
    # Side by side, so that levelling of the whole can't hide a difference between the two.
    for program in (6, 19, 21, 24, 46, 52, 56, 73, 105, 110):
        rows = [(*note, 0, 0) for note in scale] + [(onset + 4.0, *note, program, 0) for onset, *note in scale]
        sound = played(*rows, room=None)
        piano, other = sound.samples[:, : 4 * RATE], sound.samples[:, 4 * RATE :]
        assert loudness(other, RATE) == pytest.approx(loudness(piano, RATE), abs=3.0), timbre_of(program).name


@pytest.mark.parametrize("key", [35, 38, 39, 42, 46, 49, 51, 54, 70, 82])
def test_drums_have_energy_over_many_octaves(key: int) -> None:
    sound = played((0.0, 0.2, key, 100, DRUMS, 0), room=None)
    power = np.abs(np.fft.rfft(sound.mono)) ** 2
    hertz = np.fft.rfftfreq(len(sound.mono), 1 / RATE)
    edges = np.array([40, 80, 160, 320, 640, 1280, 2560, 5120, 10240, 16000])
    octaves = np.array([power[(hertz >= low) & (hertz < high)].sum() for low, high in pairwise(edges)])
    assert np.count_nonzero(octaves > 1e-4 * octaves.max()) >= 3
    strongest = np.sort(power)[::-1].cumsum() / power.sum()
    assert np.searchsorted(strongest, 0.9) > 20  # no single line, as a tone would be


def test_kick_is_low_and_hat_is_high() -> None:
    kick, snare, hat = (brightness(played((0, 0.2, key, 100, DRUMS, 0), room=None)) for key in (36, 38, 42))
    assert kick < 300 < snare < 6_000 < hat


def test_no_notes_are_silence() -> None:
    assert not render(Notes(), rate=RATE).samples.any()


def test_what_lies_before_time_zero_or_above_half_the_rate_does_no_harm() -> None:
    early = played((-0.2, 0.5, 60, 90, 73, 0), (0.5, 0.2, 60, 90, 73, 0))
    assert np.isfinite(early.samples).all() and early.samples.any()
    assert not played((0.0, 0.5, 127, 90, 73, 0), rate=8_000).samples.any()


def test_before_the_first_note_there_is_silence() -> None:
    sound = played((1.0, 0.5, 60, 90, 0, 0))
    assert np.abs(sound.samples[:, : int(0.999 * RATE)]).max() < 1e-4


def test_the_same_call_gives_the_same_samples_and_another_seed_others() -> None:
    rows = [(0.2 * i, 0.2, 60 + i, 80, 40, 0) for i in range(8)]
    first, again, other = (played(*rows, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(first.samples, again.samples)
    assert not np.array_equal(first.samples, other.samples)


def test_a_part_sounds_the_same_whatever_follows_it() -> None:
    short = played((0.0, 0.5, 60, 80, 73, 0), room=None)
    longer = played((0.0, 0.5, 60, 80, 73, 0), (2.0, 0.5, 67, 80, 73, 0), room=None)
    both = [audio.mono[: int(0.5 * RATE)] for audio in (short, longer)]
    assert np.corrcoef(both)[0, 1] > 0.999


def test_two_parts_stand_on_two_sides_and_one_in_the_middle() -> None:
    sound = played((0, 0.5, 60, 90, 73, 0), (1, 0.5, 60, 90, 73, 1), room=None).samples
    left, right = (np.abs(side).max() for side in (sound[:, : RATE // 2][0], sound[:, : RATE // 2][1]))
    assert left > 1.5 * right
    left, right = (np.abs(side).max() for side in (sound[:, RATE:][0], sound[:, RATE:][1]))
    assert right > 1.5 * left
    alone = played((0, 0.5, 60, 90, 73, 0), room=None).samples
    assert np.allclose(alone[0], alone[1], atol=1e-6)


def test_the_loudest_chord_neither_clips_nor_pushes_the_membrane() -> None:
    rows = [(0.05 * i, 1.0, 36 + 3 * i, 127, program, i) for i, program in enumerate([0, 19, 56, 48, 52, 105, 61, 29])]
    rows += [(0.1 * i, 0.1, key, 127, DRUMS, 9) for i, key in enumerate([36, 38, 49, 36, 38, 42])]
    samples = played(*rows).samples
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() < 0.95
    assert np.abs(samples.mean(axis=1)).max() < 1e-5


@pytest.mark.parametrize("program", [0, 19, 21, 40, 46, 56, 71, 73, 105])
def test_notes_end_without_a_click(program: int) -> None:
    sound = played((0.1, 0.333, 64, 100, program, 0), room=None)
    wave = sound.mono
    steps = np.abs(np.diff(wave, 2))
    sounding = steps[int(0.2 * RATE) : int(0.35 * RATE)].max()
    assert (
        steps[int(0.40 * RATE) :].max() <= 1.5 * sounding
    )  # breath is noise: its peaks differ; a click stands far out


def test_the_room_rings_and_dies_away() -> None:
    impulse = np.zeros(3 * RATE, np.float32)
    impulse[0] = 1.0
    echo = reflections(CHURCH, impulse, RATE)
    tenths = np.sqrt(np.mean(echo[:, : 20 * RATE // 10].reshape(2, 20, -1) ** 2, axis=(0, 2)))
    assert (np.diff(tenths[1:18]) < 0).all()
    assert tenths[15] < 0.02 * tenths[1]
    assert abs(np.corrcoef(echo)[0, 1]) < 0.3
    assert reflections(PARLOUR, impulse, RATE)[:, RATE:].max() < 1e-6


def test_the_limiter_leaves_quiet_sound_alone_and_holds_loud_sound() -> None:
    wave = np.sin(np.arange(RATE) * 0.05, dtype=np.float32)[None] * np.linspace(0, 3, RATE, dtype=np.float32)
    assert np.abs(limited(wave)).max() < 0.93
    assert np.array_equal(limited(wave * np.float32(0.1)), wave * np.float32(0.1))


def test_loudness_agrees_with_the_standard_tone() -> None:
    # BS.1770: a 997 Hz sine at 0 dBFS in one channel reads -3.01 LUFS.
    sine = np.sin(2 * np.pi * 997 * np.arange(48_000 * 2) / 48_000).astype(np.float32)
    assert loudness(np.stack([sine, np.zeros_like(sine)]), 48_000) == pytest.approx(-3.01, abs=0.1)
    assert loudness(np.zeros((2, 48_000), np.float32), 48_000) == -np.inf


def test_a_varied_timbre_keeps_its_name_and_pitch_but_not_its_sound() -> None:
    plain = timbre_of(73)
    other = plain.varied(np.random.default_rng(1), 3.0)
    assert other.name == plain.name and other != plain
    assert plain.varied(np.random.default_rng(1), 0.0) == plain
    first, second = (played((0, 0.5, 69, 90, 73, 0), room=None, timbres={73: timbre}) for timbre in (plain, other))
    assert not np.allclose(first.samples, second.samples)
    assert heard_hertz(spectrum(second.mono[: RATE // 2]), RATE, 440.0) == pytest.approx(440.0, rel=0.01)


def test_a_timbre_can_be_replaced() -> None:
    pure = Timbre("sine", partials=1, softness_decibels=0)
    assert brightness(played((0, 0.5, 69, 90, 40, 0), room=None, timbres={40: pure})) == pytest.approx(440, rel=0.05)


def test_a_rate_or_engine_that_cannot_be_is_refused() -> None:
    with pytest.raises(BadParams, match="rate 10"):
        played((0, 1, 60, 90, 0, 0), rate=10)
    with pytest.raises(BadParams, match="engine 'wavetable'"):
        played((0, 1, 60, 90, 0, 0), engine="wavetable")


def test_fluidsynth_is_asked_for_only_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSEGEN_SOUNDFONT", "/nowhere/at/all.sf2")
    assert soundfont.find() is None
    with pytest.raises(Unavailable, match="FluidSynth"):
        played((0, 1, 60, 90, 0, 0), engine="fluidsynth")
    rows = [(0, 1, 60, 90, 0, 0)]
    assert np.array_equal(played(*rows, engine="auto").samples, played(*rows, engine="own").samples)


@pytest.mark.skipif(soundfont.find() is None, reason="FluidSynth or a SoundFont is not installed")
def test_fluidsynth_plays_pitch_and_onset_as_labelled() -> None:
    sound = played((0.5, 0.8, 69, 100, 0, 0), (1.5, 0.2, 38, 100, DRUMS, 1), engine="fluidsynth", room=None)
    assert heard_onset(sound.mono, RATE, 0.0, 0.9) == pytest.approx(0.5, abs=0.010)
    assert heard_hertz(spectrum(sound.mono[int(0.55 * RATE) : int(1.3 * RATE)]), RATE, 440.0) == pytest.approx(
        440.0, rel=0.01
    )
