"""Tests that listen: clicks and tones of known labels are augmented, heard again, and compared with the labels."""

from functools import cache
from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import TypeAdapter
from scipy.signal import find_peaks

from musegen import audio as sound
from musegen.audio import Audio
from musegen.augment import Performed, SoundAugmentation, from_json, perform, replay, to_json
from musegen.augment.kinds import AnySound
from musegen.augment.sounds import FolderSounds
from musegen.change import Change
from musegen.labels import Beats, Chords, Labels, Notes, Tempo, Tonality
from musegen.shards.writer import sha256
from musegen.theory import Key

RATE = 16_000
SECONDS, BEAT_SECONDS, NOTE_SECONDS = 6.2, 0.5, 0.42
ONSETS = 0.4 + BEAT_SECONDS * np.arange(11)
PITCHES = (60, 64, 67, 72, 67, 55, 60, 52, 67, 76, 60)
ONSET_ERROR_SECONDS, PITCH_ERROR_CENTS = 0.010, 20.0
DELAY_SECONDS = 0.003  # of what leaves time alone
EDGE_SECONDS = 0.060  # what an excerpt cuts so close to its ends may be heard or not
SEEDS = range(3)

KINDS = {kind.model_fields["kind"].default for kind in get_args(get_args(AnySound)[0])}
# Wide, but such that clicks and tones stay above what is added to them.
BOUNDS: dict[str, list[dict[str, Any]]] = {
    "varispeed": [{"lowest_cents": -1200, "highest_cents": 1200}, {"lowest_cents": -70, "highest_cents": 70}],
    "stretch": [
        {"slowest": 0.5, "fastest": 2.0, "lowest_semitones": 0, "highest_semitones": 0},
        {"slowest": 1.0, "fastest": 1.0, "lowest_semitones": -12, "highest_semitones": 12},
        {"slowest": 0.7, "fastest": 1.5, "lowest_semitones": -7, "highest_semitones": 7},
    ],
    "detune": [{"lowest_cents": -100, "highest_cents": 100}],
    "excerpt": [{"shortest_seconds": 2.0, "longest_seconds": 5.0}],
    "noise": [{"least_decibels": 25, "most_decibels": 60}, {"colours": (), "files": "noises", "least_decibels": 25}],
    "gain": [{"least_decibels": -40, "most_decibels": 20}],
    "equalise": [{"bands": 10, "most_decibels": 12}],
    "low_pass": [{"lowest_hertz": 1500, "highest_hertz": 7000, "order": 4}],
    "high_pass": [{"lowest_hertz": 20, "highest_hertz": 150, "order": 2}],
    "reverb": [{"shortest_seconds": 0.1, "longest_seconds": 1.0, "wettest": 0.4}, {"files": "rooms", "wettest": 0.4}],
    "saturate": [{"least_decibels": 0, "most_decibels": 20}],
    "codec": [
        {"codecs": (codec,), "lowest_quality": 0.05, "highest_quality": 0.95} for codec in ("mp3", "ogg", "opus")
    ],
    "channels": [{"least_width": 0.0, "most_width": 2.0}],
    "mix": [{"least_decibels": 25, "most_decibels": 40}],
}
STILL = sorted(KINDS - {"varispeed", "stretch", "detune", "excerpt"})
CHAINS: dict[str, list[dict[str, Any]]] = {
    "everything": [
        {"kind": "excerpt", "shortest_seconds": 4.0, "longest_seconds": 5.0},
        {"kind": "stretch", "slowest": 0.8, "fastest": 1.25},
        {"kind": "varispeed", "lowest_cents": -300, "highest_cents": 300},
        {"kind": "noise", "least_decibels": 30},
        {"kind": "reverb", "longest_seconds": 0.6, "wettest": 0.3},
        {"kind": "codec"},
    ],
    "time twice": [
        {"kind": "varispeed", "lowest_cents": -400, "highest_cents": 400},
        {"kind": "excerpt", "shortest_seconds": 3.0, "longest_seconds": 6.0},
        {"kind": "stretch", "slowest": 0.8, "fastest": 1.25, "lowest_semitones": -4, "highest_semitones": 4},
        {"kind": "excerpt", "shortest_seconds": 1.5, "longest_seconds": 2.5},
    ],
    "another room": [
        {"kind": "detune"},
        {"kind": "mix", "least_decibels": 30, "most_decibels": 40},
        {"kind": "equalise"},
        {"kind": "reverb", "files": "rooms", "wettest": 0.3},
        {"kind": "saturate", "most_decibels": 9},
        {"kind": "channels"},
        {"kind": "gain"},
    ],
}

Heard = NDArray[np.float64]


@cache
def labels() -> Labels:
    """A melody of the C major triad, one note and one chord a beat, 120 beats a minute."""
    rows = [(onset, NOTE_SECONDS, pitch, 90, 0, 0) for onset, pitch in zip(ONSETS, PITCHES, strict=True)]
    roots = tuple(f"{Key(pitch % 12)}:maj" for pitch in PITCHES)
    return Labels(
        notes=Notes.of(rows),
        beats=Beats(seconds=ONSETS, positions=np.arange(11) % 4 + 1),
        tempo=Tempo(bpm=60 / BEAT_SECONDS),
        tonality=Tonality(key=Key(0)),
        chords=Chords(starts=ONSETS, ends=ONSETS + BEAT_SECONDS, names=roots),
    )


@cache
def tones() -> Audio:
    """The notes, with a decay and four overtones, a little louder on the left."""
    seconds = np.arange(round(NOTE_SECONDS * RATE)) / RATE
    shape = np.minimum(1, seconds / 0.004) * np.exp(-seconds / 0.25) * np.minimum(1, (NOTE_SECONDS - seconds) / 0.02)
    mono = np.zeros(round(SECONDS * RATE))
    for onset, pitch in zip(ONSETS, PITCHES, strict=True):
        phase = 2 * np.pi * hertz(pitch) * seconds
        note = 0.2 * shape * sum(np.sin(overtone * phase) / overtone for overtone in range(1, 6))
        mono[round(onset * RATE) :][: len(note)] += note
    return Audio(np.array([mono, 0.7 * mono], np.float32), RATE)


@cache
def clicks() -> Audio:
    """The beats: bursts of noise of 4 ms."""
    random, length = np.random.default_rng(1), round(0.004 * RATE)
    mono = np.zeros(round(SECONDS * RATE))
    for onset in ONSETS:
        mono[round(onset * RATE) :][:length] += 0.4 * random.standard_normal(length) * np.hanning(length)
    return Audio(np.array([mono, 0.7 * mono], np.float32), RATE)


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> FolderSounds:
    """A recorded noise, a recorded room and another track."""
    root, random = tmp_path_factory.mktemp("workspace"), np.random.default_rng(2)
    (root / "noises").mkdir()
    (root / "rooms").mkdir()
    room = np.exp(-np.arange(RATE // 2) / (0.08 * RATE)) * random.standard_normal(RATE // 2) * 0.1
    room[: RATE // 100] = 0
    room[RATE // 100] = 0.9
    other = 0.2 * np.sin(2 * np.pi * 300 * np.arange(2 * RATE) / RATE)
    for name, samples in (("noises/rain", 0.1 * random.standard_normal(3 * RATE)), ("rooms/hall", room), ("o", other)):
        sound.write(root / f"{name}.wav", Audio(samples[None].astype(np.float32), RATE))
    return FolderSounds(root, {sha256(root / "o.wav")[:32]: root / "o.wav"})


def hertz(pitch: float) -> float:
    return float(440 * 2 ** ((pitch - 69) / 12))


def made(**settings: Any) -> SoundAugmentation:
    augmentation: SoundAugmentation = TypeAdapter(AnySound).validate_python(settings)
    return augmentation


def heard_onsets(audio: Audio) -> Heard:
    """Seconds at which the level rises fast, of which nothing is told beforehand: half way up each rise."""
    slow, fast = level(audio, 0.016), level(audio, 0.003)
    reach, apart = round(0.008 * audio.rate), round(0.15 * audio.rate)
    rise = np.zeros(len(slow))
    rise[reach:-reach] = slow[2 * reach :] - slow[: -2 * reach]
    found, _ = find_peaks(rise, height=0.25 * rise.max(), distance=apart)
    return np.array([half_way_up(fast, place, 3 * reach) for place in found]) / audio.rate


def level(audio: Audio, seconds: float) -> Heard:
    """Root mean square over that many seconds, one value a frame."""
    window = np.hanning(round(seconds * audio.rate) + 2)
    return np.sqrt(np.convolve(audio.mono.astype(np.float64) ** 2, window / window.sum(), "same").clip(0))


def half_way_up(levels: Heard, place: int, reach: int) -> int:
    """The frame near `place` at which the level has come half of its way from the lowest to the highest there."""
    first = max(0, place - reach)
    top = first + int(np.argmax(levels[first : place + reach]))
    bottom = first + int(np.argmin(levels[first : top + 1]))
    half = (levels[top] + levels[bottom]) / 2
    return bottom + int(np.argmax(levels[bottom : top + 1] >= half))


def misheard_cents(audio: Audio, notes: Notes) -> list[float]:
    """How far each note that sounds long enough lies from where its label puts it."""
    errors, mono = [], audio.mono
    for note in notes.table:
        first = round((note["onset_seconds"] + 0.03) * audio.rate)
        last = round((note["onset_seconds"] + 0.9 * note["seconds"]) * audio.rate)
        if first >= 0 and last <= len(mono):
            named = hertz(int(note["pitch"]) + notes.tuning_cents / 100)
            errors.append(float(1200 * np.log2(loudest_hertz(mono[first:last], named, audio.rate) / named)))
    return errors


def loudest_hertz(samples: NDArray[np.float32], near_hertz: float, rate: int) -> float:
    """The strongest frequency within 250 cents of `near_hertz`, by the peak of a parabola through the spectrum."""
    size = 2**16
    levels = np.log(np.abs(np.fft.rfft(samples * np.hanning(len(samples)), size)) + 1e-12)
    low, high = (round(near_hertz * 2 ** (cents / 1200) * size / rate) for cents in (-250, 250))
    top = low + int(np.argmax(levels[low : high + 1]))
    before, at, after = levels[top - 1 : top + 2]
    return float((top + (before - after) / (before - 2 * at + after) / 2) * rate / size)


def assert_onsets_follow(audio: Audio, seconds: Heard, context: object) -> None:
    """Each onset that the labels name is heard, and nothing else is."""
    heard, end = heard_onsets(audio), audio.seconds - EDGE_SECONDS
    assert len(seconds), context
    for onset in seconds[(seconds > EDGE_SECONDS) & (seconds < end)]:
        assert np.abs(heard - onset).min() <= ONSET_ERROR_SECONDS, (context, onset, heard)
    for onset in heard[(heard > EDGE_SECONDS) & (heard < end)]:
        assert np.abs(seconds - onset).min() <= ONSET_ERROR_SECONDS, (context, onset, seconds)


def assert_labels_follow(done: Performed, beside: FolderSounds) -> None:
    """The effects of `done` on the tones and on the clicks, against the followed notes and beats."""
    followed, context = labels().follow(done.change), to_json(done.effects)
    assert followed.notes is not None and followed.beats is not None
    assert_onsets_follow(done.audio, followed.notes.table["onset_seconds"], context)
    assert_onsets_follow(replay(done.effects, clicks(), beside).audio, followed.beats.seconds, context)
    errors = misheard_cents(done.audio, followed.notes)
    assert errors and max(map(abs, errors)) <= PITCH_ERROR_CENTS, (context, errors)


def test_every_augmentation_of_sound_is_listened_to() -> None:
    assert set(BOUNDS) == KINDS


def test_the_ear_hears_what_is_there() -> None:
    for audio in (tones(), clicks()):
        assert np.abs(heard_onsets(audio) - ONSETS).max() < 0.005
    notes = labels().notes
    assert notes is not None and max(map(abs, misheard_cents(tones(), notes))) < 1
    assert max(map(abs, misheard_cents(tones(), notes.follow(Change(cents=30))))) > 29


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("kind", "place"), [(kind, place) for kind in BOUNDS for place in range(len(BOUNDS[kind]))])
def test_labels_follow_every_augmentation(kind: str, place: int, seed: int, beside: FolderSounds) -> None:
    augmentation = made(kind=kind, **BOUNDS[kind][place])
    assert_labels_follow(perform([augmentation], tones(), labels(), beside, np.random.default_rng(seed)), beside)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("chain", CHAINS)
def test_labels_follow_chains(chain: str, seed: int, beside: FolderSounds) -> None:
    augmentations = [made(**settings) for settings in CHAINS[chain]]
    done = perform(augmentations, tones(), labels(), beside, np.random.default_rng(seed))
    assert len(done.effects) == len(augmentations)
    assert_labels_follow(done, beside)
    again = replay(from_json(to_json(done.effects)), tones(), beside)
    assert again.change == done.change and np.array_equal(again.audio.samples, done.audio.samples)


@pytest.mark.parametrize("kind", STILL)
def test_what_leaves_time_alone_delays_no_onset(kind: str, beside: FolderSounds) -> None:
    for settings in BOUNDS[kind]:
        done = perform([made(kind=kind, **settings)], clicks(), labels(), beside, np.random.default_rng(9))
        assert done.change == Change() and done.audio.samples.shape == clicks().samples.shape
        assert np.abs(heard_onsets(done.audio) - heard_onsets(clicks())).max() <= DELAY_SECONDS


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["varispeed", "stretch", "detune"])
def test_tempo_key_and_chords_are_as_heard(kind: str, seed: int, beside: FolderSounds) -> None:
    done = perform([made(kind=kind, **BOUNDS[kind][-1])], tones(), labels(), beside, np.random.default_rng(seed))
    followed = labels().follow(done.change)
    assert followed.tempo and followed.beats and followed.tonality and followed.chords and followed.notes
    heard = heard_onsets(replay(done.effects, clicks(), beside).audio)
    heard_bpm = 60 / np.diff(heard).mean()
    assert followed.tempo.bpm == pytest.approx(heard_bpm, rel=0.002)
    assert followed.beats.bpm == pytest.approx(followed.tempo.bpm, rel=1e-9)
    # The first note is the tonic, and every note the root of its chord.
    errors, notes = misheard_cents(done.audio, followed.notes), followed.notes
    assert len(errors) == len(PITCHES) and max(map(abs, errors)) <= PITCH_ERROR_CENTS
    assert followed.tonality.key == Key(int(notes.table["pitch"][0]) % 12)
    assert followed.chords.names == tuple(f"{Key(int(pitch) % 12)}:maj" for pitch in notes.table["pitch"])
    assert followed.tonality.tuning_cents == followed.chords.tuning_cents == notes.tuning_cents
