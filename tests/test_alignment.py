"""Labels that fit raise nothing, labels that don't are named, and what can't be told is not guessed."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen import synth
from musegen.alignment import Misfit, misfits
from musegen.ear import Ear, Heard
from musegen.labels import DRUMS, Beats, Chords, Labels, Notes

SECONDS = 26.0
RATE = 22_050


def tune(seed: int, bpm: float, seconds: float = 24.0) -> Labels:
    """A wandering melody in eighths over a bass, and a drum on every beat."""
    random = np.random.default_rng(seed)
    beat = 60 / bpm
    count = int(seconds / beat)
    rows = []
    for number in range(count):
        chord = int(random.integers(12))
        rows.append((number * beat, beat * 0.9, 40 + chord, 90, 33, 1))
        rows.append((number * beat, 0.1, 36 + 2 * (number % 2), 90, DRUMS, 2))
        for half in range(1 + int(random.integers(2))):
            pitch = 60 + chord + int(random.choice([0, 4, 7]))
            rows.append(((number + half / 2) * beat, beat * 0.45, pitch, 80, 0, 0))
    beats = Beats(seconds=np.arange(count) * beat, positions=np.arange(count) % 4 + 1)
    return Labels(notes=Notes.of(rows), beats=beats)


def hear(samples: np.ndarray) -> Heard:
    ear = Ear(RATE)
    ear.hear(np.atleast_2d(samples).astype(np.float32))
    return ear.heard()


@cache
def recording(seed: int, bpm: float) -> tuple[Labels, Heard, float]:
    labels = tune(seed, bpm)
    assert labels.notes is not None
    sound = synth.render(labels.notes, rate=RATE)
    return labels, hear(sound.samples), sound.seconds


def song() -> tuple[Notes, Beats, Heard, float]:
    labels, heard, seconds = recording(3, 100.0)
    assert labels.notes and labels.beats
    return labels.notes, labels.beats, heard, seconds


def later(notes: Notes, seconds: float = 0.0, slower: float = 1.0, semitones: int = 0) -> Notes:
    table = notes.table.copy()
    table["onset_seconds"] = table["onset_seconds"] * slower + seconds
    table["pitch"][table["program"] != DRUMS] += semitones
    return Notes(table=table[table["onset_seconds"] >= 0])


def only(found: tuple[Misfit, ...]) -> Misfit:
    assert len(found) == 1, found
    return found[0]


def beats_at(seconds: np.ndarray) -> Beats:
    return Beats(seconds=seconds, positions=np.zeros(len(seconds), np.int16))


@pytest.mark.parametrize(("seed", "bpm"), [(1, 72.0), (2, 131.0), (3, 100.0)])
def test_labels_that_fit_raise_nothing(seed: int, bpm: float) -> None:
    labels, heard, seconds = recording(seed, bpm)
    assert misfits(labels, heard, seconds) == ()
    assert misfits(labels, None, seconds) == ()
    assert misfits(Labels(), heard, seconds) == ()


@pytest.mark.parametrize("shift", [0.2, -0.2, 0.1, -0.1])
def test_shifted_beats_are_blocked_and_say_by_how_much(shift: float) -> None:
    _, beats, heard, seconds = song()
    found = only(misfits(Labels(beats=replace(beats, seconds=beats.seconds + shift)), heard, seconds))
    assert (found.kind, found.reason, found.blocks) == ("beats", "shifted", True)
    # Eighths are 300 ms apart, so that 200 ms late may as well be 100 ms early.
    amounts = [round(1000 * abs(amount)) for amount in (shift, shift - 0.3, shift + 0.3)]
    assert any(f"{amount + error} ms" in found.words for amount in amounts for error in (-10, 0, 10)), found.words


@given(shift=st.floats(-0.02, 0.02), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=25)
def test_careless_tapping_is_not_accused(shift: float, seed: int) -> None:
    _, beats, heard, seconds = song()
    tapped = beats.seconds + shift + np.random.default_rng(seed).normal(0, 0.015, len(beats))
    assert misfits(Labels(beats=beats_at(np.sort(tapped))), heard, seconds) == ()


@pytest.mark.parametrize("step", [2, 3])
def test_other_metrical_levels_are_not_accused(step: int) -> None:
    _, beats, heard, seconds = song()
    assert misfits(Labels(beats=beats_at(beats.seconds[::step])), heard, seconds) == ()
    double = np.arange(2 * len(beats) - 1) * 0.3
    assert misfits(Labels(beats=beats_at(double)), heard, seconds) == ()
    assert misfits(Labels(beats=beats_at(beats.seconds[:-1] + 0.3)), heard, seconds) == ()


@pytest.mark.parametrize(("slower", "word"), [(1.02, "2.0% slower"), (0.98, "faster")])
def test_beats_on_another_clock_are_blocked(slower: float, word: str) -> None:
    _, beats, heard, seconds = song()
    found = misfits(Labels(beats=replace(beats, seconds=beats.seconds * slower)), heard, seconds)
    assert found[0].reason == "drifting" and found[0].blocks and word in found[0].words


def test_beats_and_notes_of_another_song_are_blocked() -> None:
    _, _, heard, seconds = song()
    other = tune(9, 83.0)
    assert only(misfits(Labels(beats=other.beats), heard, seconds)).reason == "another song"
    found = only(misfits(Labels(notes=other.notes), heard, seconds))
    assert (found.kind, found.reason, found.blocks) == ("notes", "another song", True)
    assert other.notes
    drums = Notes(table=other.notes.table[other.notes.table["program"] == DRUMS])
    assert all(misfit.kind == "notes" for misfit in misfits(Labels(notes=drums), heard, seconds))


@pytest.mark.parametrize("sound", ["noise", "drone", "beating", "swell", "silence"])
def test_sound_without_onsets_says_nothing(sound: str) -> None:
    labels = tune(3, 100.0)
    time = np.arange(int(SECONDS * RATE)) / RATE
    tone = 0.2 * np.sin(2 * np.pi * 220 * time)
    samples = {
        "noise": np.random.default_rng(0).normal(0, 0.1, len(time)),
        "drone": tone + 0.002 * np.random.default_rng(0).normal(0, 1, len(time)),
        "beating": tone + 0.1 * np.sin(2 * np.pi * 330 * time),
        "swell": tone * (1 + 0.5 * np.sin(2 * np.pi * 0.1 * time)),
        "silence": 0 * time,
    }[sound]
    assert misfits(Labels(beats=labels.beats), hear(samples), SECONDS) == ()


@pytest.mark.parametrize(("semitones", "words"), [(2, "2 semitones higher"), (-1, "1 semitone lower"), (5, "higher")])
def test_transposed_notes_are_named_with_their_semitones(semitones: int, words: str) -> None:
    notes, _, heard, seconds = song()
    found = only(misfits(Labels(notes=later(notes, semitones=semitones)), heard, seconds))
    assert found.reason == "transposed" and found.blocks and words in found.words


@pytest.mark.parametrize(("shift", "words"), [(0.2, "200 ms late"), (-0.12, "120 ms early"), (1.7, "1.7 s late")])
def test_shifted_notes_are_blocked_and_say_by_how_much(shift: float, words: str) -> None:
    notes, _, heard, seconds = song()
    found = [misfit for misfit in misfits(Labels(notes=later(notes, shift)), heard, seconds) if misfit.blocks]
    assert [misfit.reason for misfit in found] == ["shifted"]
    number = float(words.split()[0])
    said = found[0].words.partition("come ")[2].split()
    assert abs(float(said[0]) - number) <= (10 if "ms" in words else 0.1)
    assert said[1:3] == words.split()[1:]


def test_notes_on_another_clock_are_blocked() -> None:
    notes, _, heard, seconds = song()
    found = misfits(Labels(notes=later(notes, slower=0.98)), heard, seconds)
    assert found[0].reason == "drifting" and "2.0% faster" in found[0].words


def test_a_melody_alone_fits_the_whole_recording() -> None:
    notes, _, heard, seconds = song()
    melody = Notes(table=notes.table[notes.table["part"] == 0])
    assert misfits(Labels(notes=melody), heard, seconds) == ()


def test_drums_are_held_against_onsets_only() -> None:
    notes, _, heard, seconds = song()
    drums = Notes(table=notes.table[notes.table["program"] == DRUMS])
    assert misfits(Labels(notes=drums), heard, seconds) == ()
    assert only(misfits(Labels(notes=later(drums, 0.15)), heard, seconds)).reason == "shifted"


def test_what_lies_beyond_the_end_is_blocked_when_it_is_much() -> None:
    notes, beats, heard, seconds = song()
    few = beats_at(np.arange(len(beats) + 9) * 0.6)
    warned = misfits(Labels(beats=few), heard, seconds)
    assert [(misfit.reason, misfit.blocks) for misfit in warned] == [("beyond the end", False)]
    for kind, labels in (
        ("beats", Labels(beats=replace(beats, seconds=beats.seconds + 20))),
        ("notes", Labels(notes=later(notes, 20))),
    ):
        found = misfits(labels, heard, seconds)[0]
        assert (found.kind, found.reason, found.blocks) == (kind, "beyond the end", True)
    chords = Chords(starts=np.array([90.0]), ends=np.array([91.0]), names=("C",))
    assert only(misfits(Labels(chords=chords), heard, seconds)).reason == "beyond the end"


@pytest.mark.parametrize("factor", [0.01, 1000.0, 60.0])
def test_a_tempo_that_nobody_taps_is_blocked(factor: float) -> None:
    beats = replace(song()[1], seconds=song()[1].seconds * factor)
    found = misfits(Labels(beats=beats), None, float(beats.seconds[-1]))
    assert found[0].reason == "implausible tempo" and found[0].blocks


def test_uneven_beats_are_blocked_and_gaps_are_warned_about() -> None:
    uneven = np.cumsum(np.tile([0.3, 0.9], 20))
    assert only(misfits(Labels(beats=beats_at(uneven)), None, 30.0)).reason == "uneven"
    _, beats, heard, seconds = song()
    gap = beats_at(np.delete(beats.seconds, slice(10, 16)))
    assert [(m.reason, m.blocks) for m in misfits(Labels(beats=gap), heard, seconds)] == [("gaps", False)]


def test_labels_of_a_part_of_the_recording_are_warned_about() -> None:
    notes, beats, heard, seconds = song()
    short = Labels(
        notes=Notes(table=notes.table[notes.table["onset_seconds"] < 9]),
        beats=replace(beats, seconds=beats.seconds[:16], positions=beats.positions[:16]),
    )
    found = misfits(short, heard, seconds)
    assert {(m.kind, m.reason, m.blocks) for m in found} == {
        ("beats", "wrong length", False),
        ("notes", "wrong length", False),
    }


def test_bars_without_downbeats_are_warned_about() -> None:
    _, beats, heard, seconds = song()
    positions = np.where(beats.positions == 1, 2, beats.positions)
    found = only(misfits(Labels(beats=replace(beats, positions=positions)), heard, seconds))
    assert (found.reason, found.blocks) == ("no downbeats", False)


def test_without_a_recording_the_beats_must_fit_the_notes() -> None:
    notes, beats, _, seconds = song()
    for changed, reason in (
        (beats.seconds + 0.15, "shifted"),
        (beats.seconds * 1.02, "drifting"),
        (beats.seconds * 1.17, "another song"),
    ):
        found = misfits(Labels(notes=notes, beats=replace(beats, seconds=changed)), None, seconds)
        assert (found[0].reason, found[0].blocks) == (reason, True)
        assert "notes" in found[0].words


def test_beats_that_leave_the_music_half_way_are_blocked() -> None:
    labels = tune(5, 120.0, 60.0)
    assert labels.beats and labels.notes
    cut = np.where(np.arange(len(labels.beats)) < len(labels.beats) // 2, 0.0, 0.12)
    found = only(misfits(replace(labels, beats=beats_at(labels.beats.seconds + cut)), None, 60.0))
    assert found.reason == "shifted" and "second half" in found.words


def test_transposed_and_shifted_chords_are_named_with_their_amounts() -> None:
    names = ("C", "A:min", "F", "G", "D:min", "E:min7", "C", "F:maj7", "G:7", "A:min", "D:min", "C")
    triads = [(0, 4, 7), (9, 0, 4), (5, 9, 0), (7, 11, 2), (2, 5, 9), (4, 7, 11), (0, 4, 7), (5, 9, 0), (7, 11, 2)]
    triads += [(9, 0, 4), (2, 5, 9), (0, 4, 7)]
    rows = [(2.0 * n, 1.9, 60 + tone, 80, 0, 0) for n, triad in enumerate(triads) for tone in triad]
    sound = synth.render(Notes.of(rows), rate=RATE)
    starts = 2.0 * np.arange(len(names))
    heard, chords = hear(sound.samples), Chords(starts=starts, ends=starts + 2, names=names)
    assert misfits(Labels(chords=chords), heard, sound.seconds) == ()
    found = only(
        misfits(Labels(chords=replace(chords, names=tuple(_down(name) for name in names))), heard, sound.seconds)
    )
    assert found.kind == "chords" and found.reason == "transposed" and "1 semitone lower" in found.words
    late = only(misfits(Labels(chords=replace(chords, starts=starts - 4, ends=starts - 2)), heard, sound.seconds))
    assert (late.reason, late.blocks) == ("shifted", True) and "s early" in late.words


def _down(name: str) -> str:
    return {"C": "B", "A": "Ab", "F": "E", "G": "Gb", "D": "Db", "E": "Eb"}[name[0]] + name[1:]


@given(st.lists(st.floats(-5, 100, allow_nan=False), min_size=1, max_size=60, unique=True))
@settings(deadline=None, max_examples=60)
def test_any_beats_are_judged_without_an_error(seconds: list[float]) -> None:
    notes, _, heard, length = song()
    beats = beats_at(np.array(sorted(seconds)))
    for labels, sound in ((Labels(beats=beats), heard), (Labels(notes=notes, beats=beats), None)):
        assert all(misfit.words and misfit.reason for misfit in misfits(labels, sound, length))


@pytest.mark.parametrize("seconds", [0.0, 0.003, 0.5, 7.0])
def test_any_length_of_sound_is_judged_without_an_error(seconds: float) -> None:
    notes, beats, _, _ = song()
    short = hear(np.random.default_rng(1).normal(0, 0.1, int(seconds * RATE)))
    assert all(misfit.words for misfit in misfits(Labels(notes=notes, beats=beats), short, seconds))
