"""Corpora made on the spot for measuring, and the catalogue rows that a survey would give them."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from musegen import midi
from musegen.audio import SUFFIXES
from musegen.catalogue import CatalogueRow, joint_sha256
from musegen.score import SCORE_NOTE, Score
from musegen.shards.writer import sha256
from musegen.synth import render
from musegen.theory import Meter

STYLES = ("jig", "reel", "waltz", "polka")
_COMMON_TIME = Meter(4, 4)
_BPM = 120.0
_ID_DIGITS = 32  # of the hash that a survey names a track by
_SMALL_RATE = 16_000


def row_of(root: Path, name: str, seconds: float, style: str, audio: str | None = None) -> CatalogueRow:
    """The row of a track of `root` whose notes lie beside it: `name`.mid; alone in its group, for training."""
    notes = root / f"{name}.mid"
    track = sha256(root / audio if audio else notes)[:_ID_DIGITS]
    unknown = dict.fromkeys(
        ("sample_rate", "channels", "chords", "bpm", "key", "meter", "title", "artist", "licence", "consent")
    )
    return CatalogueRow(
        **unknown,
        track=track,
        name=name,
        layout="folder",
        group=track,
        grouped_by="",
        split="train",
        audio=audio,
        files=json.dumps({"midi": f"{name}.mid"} if notes.exists() else {}),
        files_sha256=joint_sha256({"midi": sha256(notes)} if notes.exists() else {}),
        labels_sha256=sha256(notes) if notes.exists() else "",
        seconds=seconds,
        style=style,
        style_confidence=1.0,
        notes=64,
        notes_confidence=1.0,
        beats=32,
        beats_confidence=1.0,
        sources='{"style": "folder"}',
        composes="",
        misfits="[]",
        warnings="[]",
    )


def rendered(
    root: Path, minutes: float, shortest_seconds: float = 30.0, longest_seconds: float = 120.0
) -> list[CatalogueRow]:
    """Music for three players, 44.1 kHz stereo FLAC in files of so many seconds, and the notes of each."""
    random = np.random.default_rng(0)
    rows, left = list[CatalogueRow](), minutes * 60
    while left > 0:
        seconds = min(left, float(random.uniform(shortest_seconds, longest_seconds)))
        left -= seconds
        name = f"{len(rows):04d}"
        score = _trio(random, bars=max(1, math.ceil(seconds / 2)))
        sound = render(score.to_labels().notes)
        samples = sound.samples[:, : round(seconds * sound.rate)]
        midi.write(root / f"{name}.mid", score)
        soundfile.write(root / f"{name}.flac", samples.T, sound.rate)
        rows.append(row_of(root, name, samples.shape[1] / sound.rate, STYLES[len(rows) % 4], f"{name}.flac"))
    return rows


def found(root: Path) -> list[CatalogueRow]:
    """The recordings that lie in a folder, with the notes that lie beside them under the same name."""
    return [
        row_of(root, path.relative_to(root).with_suffix("").as_posix(), soundfile.info(path).duration, path.parent.name,
               path.relative_to(root).as_posix())
        for path in sorted(root.rglob("*"))
        if path.suffix.lower() in SUFFIXES
    ]  # fmt: skip


def tunes(root: Path, count: int, first: int = 0) -> list[CatalogueRow]:
    """Lines of 64 quavers, each a MIDI file without a recording."""
    return [tune(root, f"tune {index}", index) for index in range(first, first + count)]


def tune(root: Path, name: str, seed: int) -> CatalogueRow:
    """One of them; another one for every `seed`."""
    midi.write(root / f"{name}.mid", _line(np.random.default_rng(seed)))
    return row_of(root, name, 16.0, STYLES[seed % 4])


def tones(root: Path, count: int, first: int = 0) -> list[CatalogueRow]:
    """Recordings of a second, each of two notes that are told beside it."""
    return [tone(root, f"tone {index}", index) for index in range(first, first + count)]


def tone(root: Path, name: str, seed: int) -> CatalogueRow:
    """One of them; another one for every `seed`."""
    random = np.random.default_rng(seed)
    notes = np.zeros(2, SCORE_NOTE)
    notes["start"], notes["ticks"], notes["velocity"], notes["pitch"] = (0, 480), 480, 80, random.integers(48, 84, 2)
    time_line = np.arange(_SMALL_RATE // 2) / _SMALL_RATE
    hertz = 440 * 2 ** ((notes["pitch"] - 69) / 12)
    sound = np.concatenate([np.sin(2 * np.pi * each * time_line) * np.exp(-6 * time_line) for each in hertz])
    midi.write(root / f"{name}.mid", Score.steady(notes, _COMMON_TIME, _BPM))
    # A seed of its own in the last bits: two of them may have the same notes, but are not the same recording.
    soundfile.write(root / f"{name}.flac", 0.3 * sound + random.normal(0, 1e-4, len(sound)), _SMALL_RATE)
    return row_of(root, name, 1.0, STYLES[seed % 4], f"{name}.flac")


def _line(random: np.random.Generator) -> Score:
    notes = np.zeros(64, SCORE_NOTE)
    notes["start"], notes["ticks"], notes["velocity"] = np.arange(64) * 240, 240, 80
    notes["pitch"] = random.integers(48, 84, 64)
    return Score.steady(notes, _COMMON_TIME, _BPM)


def _trio(random: np.random.Generator, bars: int) -> Score:
    """A melody in quavers, chords in minims, a bass in crotchets."""
    return Score.steady(np.concatenate(list(_parts(random, bars))), _COMMON_TIME, _BPM, bars)


def _parts(random: np.random.Generator, bars: int) -> Iterator[np.ndarray]:
    for part, (program, ticks, lowest, voices) in enumerate(((73, 240, 67, 1), (0, 960, 55, 3), (33, 480, 36, 1))):
        starts = np.arange(0, bars * _COMMON_TIME.ticks, ticks)
        for voice in range(voices):
            notes = np.zeros(len(starts), SCORE_NOTE)
            notes["start"], notes["ticks"], notes["velocity"] = starts, ticks, random.integers(60, 100, len(starts))
            notes["pitch"] = lowest + 4 * voice + random.integers(0, 12 if voices == 1 else 3, len(starts))
            notes["program"], notes["part"] = program, part
            yield notes
