"""Labels that don't fit: which are caught, and how many true ones are accused. `python -m benchmarks.alignment`.

Every true pair of `--rendered` folders (recordings with `.beats` and `.mid` of the same stem) and every song of a
`--pop909` folder (scores; without either, made-up tunes) is judged as it is, and with labels made wrong in known ways.
The peer for beats: librosa's beat tracker, labels accused where their F-measure against its beats is below a half.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import librosa
import mir_eval
import numpy as np

from benchmarks.measuring import tell
from musegen import audio, midi, synth
from musegen.alignment import misfits
from musegen.corpora import pop909
from musegen.ear import Ear, Heard
from musegen.label_files import beats as beat_files
from musegen.labels import DRUMS, NOTE, Beats, Labels, Notes

_SHIFTS = (0.06, 0.08, 0.1, 0.15, 0.2, 0.3)
_DRIFTS = (0.01, 0.02, 0.03)
_TRANSPOSITIONS = (-5, -2, -1, 1, 2, 6)
_PEER_LEAST_F = 0.5
_EIGHTH_MARGIN_SECONDS = 0.07


@dataclass(frozen=True)
class Pair:
    """A recording, or a score, and its true labels; `tracked`: what the peer hears."""

    name: str
    labels: Labels
    heard: Heard | None
    seconds: float
    tracked: Any = None


Wrong = Callable[[Pair, Pair], Labels | None]


def hear(name: str, labels: Labels, sound: audio.Audio) -> Pair:
    """A pair from a recording."""
    ear = Ear(sound.rate)
    ear.hear(sound.samples)
    _, tracked = librosa.beat.beat_track(y=librosa.resample(sound.mono, orig_sr=sound.rate, target_sr=22_050))
    return Pair(name, labels, ear.heard(), sound.seconds, librosa.frames_to_time(tracked, sr=22_050))


def recordings(folder: Path) -> list[Pair]:
    """Every recording of a folder that has beats of the same stem."""
    pairs = []
    for path in sorted(folder.glob("*.ogg")):
        if path.with_suffix(".beats").is_file():
            notes = midi.read(path.with_suffix(".mid")).notes if path.with_suffix(".mid").is_file() else None
            labels = Labels(notes=notes, beats=beat_files.read(path.with_suffix(".beats")))
            pairs.append(hear(path.stem, labels, audio.read(path)))
    return pairs


def scores(folder: Path) -> list[Pair]:
    """Songs of POP909 with their own beats."""
    labels = [(track.name, pop909.read(track).labels) for track in pop909.find(folder).tracks]
    return [Pair(name, each, None, each.notes.seconds) for name, each in labels if each.notes]


def tune(seed: int, seconds: float = 24.0) -> Labels:
    """A wandering melody over a bass and drums, at a tempo of its own."""
    random = np.random.default_rng(seed)
    beat = 60 / random.uniform(70, 160)
    rows = []
    for number in range(int(seconds / beat)):
        chord = int(random.integers(12))
        rows.append((number * beat, beat * 0.9, 40 + chord, 90, 33, 1))
        rows.append((number * beat, 0.1, 36 if number % 2 == 0 else 38, 90, DRUMS, 2))
        for half in (0.0, 0.5):
            if half == 0.0 or random.random() < 0.5:
                pitch = 60 + chord + int(random.choice([0, 4, 7, 12]))
                rows.append(((number + half) * beat, beat * 0.45, pitch, 80, 0, 0))
    times = np.arange(int(seconds / beat)) * beat
    return Labels(notes=Notes.of(rows), beats=Beats(seconds=times, positions=np.arange(len(times)) % 4 + 1))


def tunes(count: int) -> list[Pair]:
    """Made-up recordings."""
    made = [tune(seed) for seed in range(count)]
    return [hear(f"tune {n}", each, synth.render(each.notes, rate=22_050)) for n, each in enumerate(made)]


def moved(labels: Labels, kind: str, speed: float = 1.0, shift: float = 0.0, semitones: int = 0) -> Labels | None:
    """Only the labels of `kind`, `shift` seconds late, and so much slower or higher."""
    if kind == "beats":
        beats = labels.beats
        return Labels(notes=None, beats=replace(beats, seconds=beats.seconds * speed + shift)) if beats else None
    if labels.notes is None or (semitones and (labels.notes.table["program"] == DRUMS).all()):
        return None
    table = labels.notes.table.astype(NOTE)
    table["onset_seconds"] = table["onset_seconds"] * speed + shift
    pitched = table["program"] != DRUMS
    table["pitch"][pitched] = np.clip(table["pitch"][pitched] + semitones, 0, 127)
    return Labels(notes=Notes(table=table[table["onset_seconds"] >= 0]))


def wrongs(kind: str) -> dict[str, Wrong]:
    """The ways to be wrong, each from a true pair and another one."""
    ways: dict[str, Wrong] = {"as they are": lambda mine, other: moved(mine.labels, kind)}
    for size in _SHIFTS:
        for sign, word in ((1, "late"), (-1, "early")):
            ways[f"{size * 1000:.0f} ms {word}"] = lambda mine, _, s=sign * size: moved(mine.labels, kind, shift=s)
    ways["2.3 s late"] = lambda mine, _: moved(mine.labels, kind, shift=2.3)
    for size in _DRIFTS:
        for sign, word in ((1, "slower"), (-1, "faster")):
            ways[f"{size:.0%} {word}"] = lambda mine, _, s=1 + sign * size: moved(mine.labels, kind, speed=s)
    ways["another song's"] = lambda mine, other: moved(other.labels, kind)
    if kind == "notes":
        for steps in _TRANSPOSITIONS:
            ways[f"{steps:+d} semitones"] = lambda mine, _, k=steps: moved(mine.labels, kind, semitones=k)
    return ways


def against_notes(wrong: Wrong) -> Wrong:
    """For scores: wrong beats beside the true notes."""

    def both(mine: Pair, other: Pair) -> Labels | None:
        labels = wrong(mine, other)
        return replace(labels, notes=mine.labels.notes) if labels else None

    return both


def row(pairs: Sequence[Pair], wrong: Wrong, shift: float = 0.0) -> dict[str, Any]:
    """How many are blocked, for which reasons, how many only warned about; the same where eighths don't hide it."""
    reasons, clear, clear_caught, warned, peer, seen, late = Counter[str](), 0, 0, 0, 0, 0, 0.0
    for number, pair in enumerate(pairs):
        labels = wrong(pair, pairs[(number + 7) % len(pairs)])
        if labels is None:
            continue
        start = time.process_time()
        found = misfits(labels, pair.heard, pair.seconds)
        late += time.process_time() - start
        blocked = next((misfit.reason for misfit in found if misfit.blocks), "")
        seen += 1
        reasons[blocked] += 1
        warned += bool(found) and not blocked
        eighth = pair.labels.beats.bpm and 30 / pair.labels.beats.bpm * pair.labels.beats.quarters_per_beat
        if eighth and abs(shift - eighth * round(shift / eighth)) >= _EIGHTH_MARGIN_SECONDS:
            clear, clear_caught = clear + 1, clear_caught + bool(blocked)
        if pair.tracked is not None and labels.beats is not None:
            peer += mir_eval.beat.f_measure(np.maximum(labels.beats.seconds, 0), pair.tracked) < _PEER_LEAST_F
    caught = seen - reasons.pop("", 0)
    figures: dict[str, Any] = {"tracks": seen, "blocked": caught, "share": caught / max(1, seen), "warned": warned}
    figures["off the eighths"] = f"{clear_caught}/{clear}" if shift else ""
    figures["reasons"] = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
    figures["ms a track"] = 1000 * late / max(1, seen)
    if seen and pairs[0].tracked is not None and wrong(pairs[0], pairs[-1]).beats:
        figures["peer librosa beat_track"] = peer / seen
    return figures


def misaligned(pairs: Sequence[Pair], folder: Path) -> dict[str, Any]:
    """The beats of POP909's original recordings beside its MIDI files; many happen to lie on the grid all the same."""
    by_name = {pair.name.rpartition("/")[2]: pair for pair in pairs}
    found = [(by_name[path.name[:3]], beat_files.read(path)) for path in sorted(folder.glob("*.beat_audio.txt"))]
    off = caught = caught_off = 0
    for pair, beats in found:
        blocked = any(misfit.blocks for misfit in misfits(replace(pair.labels, beats=beats), None, pair.seconds))
        true = pair.labels.beats.seconds
        within = beats.seconds[(beats.seconds > true[0]) & (beats.seconds < true[-1])]
        halves = np.sort(np.concatenate([true, true[:-1] + np.diff(true) / 2]))
        beside = np.median(np.abs(halves[np.abs(halves[:, None] - within).argmin(axis=0)] - within)) > 0.07
        off, caught, caught_off = off + beside, caught + blocked, caught_off + (beside and blocked)
    share = caught / max(1, len(found))
    words = f"median beat more than 70 ms from the true grid: {off}, of them blocked {caught_off}"
    return {"tracks": len(found), "blocked": caught, "share": share, "reasons": words}


def cost() -> dict[str, Any]:
    """Three minutes of music that fits."""
    labels = tune(1, 180.0)
    pair = hear("long", labels, synth.render(labels.notes, rate=22_050))
    runs = []
    for _ in range(9):
        start = time.process_time()
        misfits(labels, pair.heard, pair.seconds)
        runs.append(1000 * (time.process_time() - start))
    return {"tracks": 1, "ms a track": float(np.median(runs))}


def main() -> None:
    """One thread."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rendered", type=Path, nargs="*", default=[])
    parser.add_argument("--pop909", type=Path)
    asked, _ = parser.parse_known_args()
    rows = {"three minutes": cost()}
    heard = {folder.name: recordings(folder) for folder in asked.rendered} or {"made-up tunes": tunes(10)}
    for name, pairs in heard.items():
        for kind in ("beats", "notes"):
            for trouble, wrong in wrongs(kind).items():
                shift = float(trouble.split()[0]) / 1000 if " ms " in trouble else 0.0
                figures = row(pairs, wrong, shift)
                if figures["tracks"]:
                    rows[f"{name}, {kind} {trouble}"] = figures
    if asked.pop909:
        songs = scores(asked.pop909)
        for trouble, wrong in wrongs("beats").items():
            shift = float(trouble.split()[0]) / 1000 if " ms " in trouble else 0.0
            rows[f"pop909 scores, beats {trouble}"] = row(songs, against_notes(wrong), shift)
        if (asked.pop909 / "misaligned_beat_audio").is_dir():
            rows["pop909 beats of the recordings"] = misaligned(songs, asked.pop909 / "misaligned_beat_audio")
    tell("alignment", rows)


if __name__ == "__main__":
    main()
