"""Whether versions of a piece are found and strangers left alone. `python -m benchmarks.duplicates --rendered FOLDER
--pop909 FOLDER`; without folders it makes up its own tunes.

For each kind of copy a corpus of all originals and their copies of this kind is grouped: `recall` is the share of
copies in the group of their original, `false_merges` that of the pairs of different pieces that share a group. The peer
is the usual cheap comparison, the correlation of mean chroma at its best transposition, with the threshold that lets
at most 1 in 1,000 pairs of different originals through.
"""

import argparse
import io
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import scipy.signal
import soundfile
import soxr
from numpy.typing import NDArray

from benchmarks.measuring import tell
from musegen import fingerprint, midi, synth
from musegen.change import Change
from musegen.ear import Ear, Heard
from musegen.fingerprint.sound import MOST_GROUPS, hashes_of
from musegen.grouping import Prints, groups
from musegen.labels import Notes

Sound = tuple[NDArray[np.float32], int]
_CORPORA = (1_000, 10_000)
_MOST_FALSE = 0.001


def encoded(sound: Sound, **how: Any) -> Sound:
    """Written and read again by libsndfile."""
    file = io.BytesIO()
    soundfile.write(file, sound[0].T, sound[1], **how)
    file.seek(0)
    samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    return samples.T, rate


def resampled(sound: Sound, rate: int) -> Sound:
    return np.stack([soxr.resample(channel, sound[1], rate) for channel in sound[0]]).astype(np.float32), rate


def cut(sound: Sound) -> Sound:
    """Without its first 3.37 and last 2.5 seconds."""
    return sound[0][:, int(3.37 * sound[1]) : -int(2.5 * sound[1])], sound[1]


def padded(sound: Sound) -> Sound:
    return np.pad(sound[0], ((0, 0), (int(1.234 * sound[1]), 2 * sound[1]))), sound[1]


def noisy(sound: Sound) -> Sound:
    """White noise 20 dB below it."""
    noise = np.random.default_rng(0).standard_normal(sound[0].shape).astype(np.float32)
    return sound[0] + 0.1 * np.float32(np.sqrt(np.mean(sound[0] ** 2))) * noise, sound[1]


def coloured(sound: Sound) -> Sound:
    """The octaves around 500 Hz about 9 dB louder."""
    band = scipy.signal.butter(2, [300, 900], "band", fs=sound[1], output="sos")
    return (sound[0] + 2 * scipy.signal.sosfilt(band, sound[0])).astype(np.float32), sound[1]


def opposite(sound: Sound) -> Sound:
    return np.concatenate([sound[0][:1], -sound[0][:1]]), sound[1]


def shifted(semitones: float) -> Callable[[Sound], Sound]:
    return lambda sound: (librosa.effects.pitch_shift(sound[0], sr=sound[1], n_steps=semitones), sound[1])


def stretched(speed: float) -> Callable[[Sound], Sound]:
    return lambda sound: (librosa.effects.time_stretch(sound[0], rate=speed), sound[1])


def respeeded(speed: float) -> Callable[[Sound], Sound]:
    """Pitch and tempo together, as a tape that runs faster."""
    return lambda sound: (
        np.stack([soxr.resample(channel, sound[1], sound[1] / speed) for channel in sound[0]]).astype(np.float32),
        sound[1],
    )


COPIES: Mapping[str, Callable[[Sound], Sound]] = {
    "flac": lambda sound: encoded(sound, format="FLAC", subtype="PCM_16"),
    "mp3": lambda sound: encoded(sound, format="MP3", bitrate_mode="CONSTANT", compression_level=0.9),
    "ogg": lambda sound: encoded(sound, format="OGG", subtype="VORBIS", compression_level=0.9),
    "opus": lambda sound: encoded(resampled(sound, 48_000), format="OGG", subtype="OPUS", compression_level=0.9),
    "8 kHz": lambda sound: resampled(sound, 8_000),
    "16 kHz": lambda sound: resampled(sound, 16_000),
    "48 kHz": lambda sound: resampled(sound, 48_000),
    "ends cut off": cut,
    "silence around": padded,
    "26 dB quieter": lambda sound: (sound[0] * np.float32(0.05), sound[1]),
    "noise at -20 dB": noisy,
    "other tone colour": coloured,
    "opposite phases": opposite,
    **{f"pitch {semitones:+d}": shifted(semitones) for semitones in (-6, -4, -3, -2, -1, 1, 2, 3, 4, 6)},
    **{f"tempo × {speed}": stretched(speed) for speed in (0.8, 0.85, 0.93, 1.07, 1.15, 1.2)},
    **{f"tape × {speed}": respeeded(speed) for speed in (0.85, 0.95, 1.06, 1.15)},
}
CHANGES = (Change(1, 3, 0), Change(1, -5, 1.3), Change(0.8, 0, 0), Change(1.17, 0, 0), Change(1.25, 4, 0.7))


@dataclass
class Clock:
    """CPU seconds a part of the work took, for how many seconds of sound."""

    cpu_seconds: float = 0.0
    sound_seconds: float = 0.0

    def hear(self, sound: Sound) -> Heard:
        start = time.process_time()
        ear = Ear(sound[1])
        for place in range(0, sound[0].shape[1], 1 << 18):
            ear.hear(sound[0][:, place : place + (1 << 18)])
        heard = ear.heard()
        self.cpu_seconds += time.process_time() - start
        self.sound_seconds += sound[0].shape[1] / sound[1]
        return heard


def made_up(seed: int) -> Notes:
    """A tune of 25 seconds in quavers, crotchets and minims with chords, its own key and tempo."""
    random = np.random.default_rng(seed)
    scale = np.array([0, 2, 4, 5, 7, 9, 11])
    degree, now, rows = 7, 0.0, []
    beat = random.uniform(0.4, 0.7)
    while now < 25:
        length = beat * random.choice([0.5, 0.5, 1.0, 1.0, 2.0])
        degree = int(np.clip(degree + random.choice([-2, -1, -1, 0, 1, 1, 2, 4, -4]), 0, 14))
        rows.append((now, 0.9 * length, 60 + int(scale[degree % 7]) + 12 * (degree // 7), 90, 0, 0))
        if random.random() < 0.4:
            root = int(random.integers(0, 6))
            rows += [(now, 2 * beat, 48 + int(scale[(root + step) % 7]), 70, 24, 1) for step in (0, 2, 4)]
        now += length
    return Notes.of(rows)


def recordings(folder: Path | None) -> dict[str, Sound]:
    """The originals by name."""
    if folder is None:
        made = {f"tune {seed}": synth.render(made_up(seed), rate=22_050) for seed in range(16)}
        return {name: (audio.samples, audio.rate) for name, audio in made.items()}
    out = {}
    for path in sorted(folder.rglob("*.ogg")):
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        out[path.stem] = (samples.T, rate)
    return out


def judged(names: list[str], found: list[int]) -> dict[str, Any]:
    """How the groups of tracks fit their names: the first track of a name is the original, others are its copies."""
    firsts = {name: names.index(name) for name in dict.fromkeys(names)}
    copies = [index for index, name in enumerate(names) if firsts[name] != index]
    members: dict[int, set[str]] = {}
    for name, group in zip(names, found, strict=True):
        members.setdefault(group, set()).add(name)
    merged = {pair for group in members.values() for pair in combinations(sorted(group), 2)}
    return {
        "copies": len(copies),
        "recall": sum(found[index] == found[firsts[names[index]]] for index in copies) / max(1, len(copies)),
        "false_merges": len(merged) / max(1, len(firsts) * (len(firsts) - 1) / 2),
        **({"merged": " ".join("=".join(pair) for pair in sorted(merged))} if merged else {}),
    }


def mean_chroma_likeness(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """The peer: the highest correlation of two mean chroma vectors over the twelve transpositions."""
    return max(float(np.corrcoef(one, np.roll(other, turn))[0, 1]) for turn in range(12))


def by_sound(folder: Path | None) -> dict[str, dict[str, Any]]:
    """All kinds of copies of recordings, then all copies at once."""
    originals, clock, rows = recordings(folder), Clock(), dict[str, dict[str, Any]]()
    heard = {name: clock.hear(sound) for name, sound in originals.items()}
    prints = [Prints(sound=fingerprint.sound(each)) for each in heard.values()]
    means = [each.chroma.mean(axis=1) for each in heard.values()]
    strangers = sorted(mean_chroma_likeness(one, other) for one, other in combinations(means, 2))
    threshold = strangers[int((1 - _MOST_FALSE) * (len(strangers) - 1))]
    everything, names = list(prints), list(heard)
    for kind, copy in COPIES.items():
        copies = [clock.hear(copy(sound)) for sound in originals.values()]
        mine = [Prints(sound=fingerprint.sound(each)) for each in copies]
        near = [mean_chroma_likeness(mean, each.chroma.mean(axis=1)) for mean, each in zip(means, copies, strict=True)]
        rows[kind] = judged([*heard, *heard], groups([*prints, *mine]))
        rows[kind]["peer_recall"] = float(np.mean(np.array(near) > threshold))
        everything, names = everything + mine, [*names, *heard]
    start = time.process_time()
    found = groups(everything)
    rows["all of these at once"] = {
        **judged(names, found),
        "cpu_seconds": time.process_time() - start,
        "ear_times_real_time": clock.sound_seconds / clock.cpu_seconds,
        "bytes_a_track": float(np.mean([each.sound.nbytes for each in everything])),
    }
    return rows


def by_melody(folder: Path, most: int | None = None) -> dict[str, dict[str, Any]]:
    """Transposed and re-timed copies of MIDI files."""
    paths = sorted(folder.rglob("*.mid"))[:most]
    notes = {path.stem: midi.read(path).notes or Notes() for path in paths}
    prints = [Prints(fingerprint.melody(each)) for each in notes.values()]
    rows = {f"{folder.name} MIDI, strangers": judged(list(notes), groups(prints))}
    for change in CHANGES:
        copies = [Prints(fingerprint.melody(each.follow(change))) for each in notes.values()]
        kind = f"{folder.name} MIDI, {change.semitones:+d} semitones, tempo × {change.speed:g}"
        rows[kind] = judged([*notes, *notes], groups([*prints, *copies]))
    return rows


def strangers(folder: Path) -> dict[str, dict[str, Any]]:
    """Half a minute of each of 120 songs, all on our synthesizer's same instruments."""
    prints = {}
    for path in sorted(folder.rglob("*.mid"))[::3]:
        table = (midi.read(path).notes or Notes()).table
        table = table[(table["onset_seconds"] > 20) & (table["onset_seconds"] < 50)].copy()
        table["onset_seconds"] -= 20
        audio = synth.render(Notes(table=table), rate=22_050, room=None)
        prints[path.stem] = Prints(sound=fingerprint.sound(Clock().hear((audio.samples, audio.rate))))
    return {f"{folder.name} on one synthesizer": judged(list(prints), groups(list(prints.values())))}


def at_size(count: int) -> dict[str, Any]:
    """Grouping so many tracks of which one in ten is a copy: figures of tunes put together anew, so that all tracks
    have figures in common."""
    random = np.random.default_rng(0)
    stock = np.concatenate([_drawn_print(random) for _ in range(200)])
    prints = []
    for track in range(count):
        if track % 10 == 9:
            copy = prints[-1].sound.copy()
            copy["frame"] += 100
            prints.append(Prints(np.sort(random.permutation(prints[-1].melody)[50:]), copy[:600]))
            continue
        melody = np.unique(random.integers(0, 2**63, 300, np.uint64))
        figures = random.choice(stock, MOST_GROUPS)
        prints.append(Prints(melody, figures[np.unique(hashes_of(figures), return_index=True)[1]]))
    start = time.process_time()
    groups(prints)
    return {"tracks": count, "cpu_seconds": time.process_time() - start}


def _drawn_print(random: np.random.Generator) -> NDArray[Any]:
    """The print of a minute of made-up landmarks: notes of a scale with three partials each."""
    onsets = np.cumsum(random.choice([0.125, 0.25, 0.25, 0.5], 240)) * random.uniform(0.8, 1.25)
    pitches = 55 + random.choice([0, 2, 4, 5, 7, 9, 11, 12], 240) + random.integers(0, 12)
    rows = [
        (second, pitch + above, 1.0) for second, pitch in zip(onsets, pitches, strict=True) for above in (0, 12, 19)
    ]
    nothing = np.zeros(0, np.float32)
    return fingerprint.sound(Heard(nothing, nothing.reshape(12, 0), np.array(rows, np.float32)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rendered", type=Path)
    parser.add_argument("--pop909", type=Path)
    parser.add_argument("--nottingham", type=Path)
    asked, _ = parser.parse_known_args()
    rows: dict[str, dict[str, Any]] = by_sound(asked.rendered)
    for folder in (asked.rendered, asked.pop909, asked.nottingham):
        rows |= by_melody(folder) if folder else {}
    rows |= strangers(asked.pop909) if asked.pop909 else {}
    rows |= {f"{count} tracks": at_size(count) for count in _CORPORA}
    tell("duplicates", rows)


if __name__ == "__main__":
    main()
