"""Planted copies found, people's own pieces left in peace. `python -m benchmarks.originality --data FOLDER [--json]`.

FOLDER holds `pop909/songs`, `jsb/*.json` and `nottingham` (MIDI). Of each, songs are put into groups as the survey puts
them (and chorales and folk tunes by their tune, see `groups`), one group in five is held out; half of the
held-out pieces are the people whose borrowing sets the limits, the other half are the exam for false alarms. Plants are
made from training pieces. The peer is the overlap of 12-interval shingles of the top line (`musegen.fingerprint`), its
limit set on the same people. Beside that: what a look-up costs among 10,000 tracks.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.measuring import tell
from musegen import midi
from musegen.corpora import pop909
from musegen.errors import BadInput
from musegen.evaluation.originality import Originality
from musegen.fingerprint.melody import melody, melody_links
from musegen.score import SCORE_NOTE, Score
from musegen.theory import Meter
from musegen.tokens import Tokenizer, TokenizerSettings

Random = np.random.Generator
HELD_OUT, TRACKS, NOTES = 0.2, 10_000, 500
SAME_TUNE = 0.25
_PASSAGE_BARS = 8


@dataclass(frozen=True)
class Song:
    """A piece of a corpus."""

    name: str
    score: Score


def chorales(root: Path) -> list[Song]:
    """Steps of a 16th with four pitches each; a pitch that stays is held."""
    found = []
    for part, songs in json.loads(next((root / "jsb").glob("*.json")).read_text()).items():
        for number, song in enumerate(songs):
            voices = np.array(song)
            rows = []
            for voice in range(4):
                line = voices[:, voice]
                starts = np.flatnonzero(np.diff(line, prepend=-2))
                ends = np.append(starts[1:], len(line))
                rows += [
                    (120 * start, 120 * (end - start), line[start], 80, 0, voice)
                    for start, end in zip(starts, ends, strict=True)
                    if line[start] >= 0
                ]
            found.append(Song(f"{part} {number}", Score.steady(np.array(rows, SCORE_NOTE), Meter(4, 4), 90.0)))
    return found


def pop_songs(root: Path) -> list[Song]:
    """Bars from the annotation."""
    found = []
    for track in pop909.find(root / "pop909" / "songs").tracks:
        labels = pop909.read(track).labels
        try:
            found.append(Song(track.name, Score.from_labels(labels.notes, labels.beats)))
        except BadInput:
            continue
    return found


def tunes(root: Path) -> list[Song]:
    """Melody and chords."""
    found = []
    for path in sorted((root / "nottingham").rglob("*.mid")):
        labels = midi.read(path)
        found.append(Song(path.stem, Score.from_labels(labels.notes, labels.beats)))
    return found


CORPORA: dict[str, Callable[[Path], list[Song]]] = {"pop909": pop_songs, "jsb": chorales, "nottingham": tunes}


def groups(songs: Sequence[Song], by_tune: bool) -> list[int]:
    """One number a group of versions: as the survey sees them; `by_tune`: or by the tune, which is the first part.

    Bach harmonised many hymn tunes several times, and the tune books print one tune under several names: those are
    versions of one song, whatever a matcher says of them. Tunes are the same that have a quarter of their runs of 8
    intervals in common, repeated notes left out.
    """
    links = melody_links([melody(song.score.to_labels().notes) for song in songs])
    if by_tune:
        runs = [tune_runs(song.score) for song in songs]
        links += [
            (one, other)
            for one in range(len(songs))
            for other in range(one)
            if len(runs[one] & runs[other]) > SAME_TUNE * min(len(runs[one]), len(runs[other]))
        ]
    group = np.arange(len(songs))
    for one, other in links:
        group[group == group[other]] = group[one]
    return [int(number) for number in group]


def tune_runs(score: Score) -> set[bytes]:
    """The runs of 8 intervals of the top line of the first part."""
    notes = score.notes[score.notes["part"] == 0]
    top = notes["pitch"][np.append(np.diff(notes["start"]) > 0, True)].astype(np.int8)
    intervals = np.diff(top)
    intervals = intervals[intervals != 0]
    return {intervals[start : start + 8].tobytes() for start in range(len(intervals) - 7)}


def changed(score: Score, notes: np.ndarray) -> Score:
    """The same bars (and more, where they are needed) with other notes."""
    return Score.steady(notes, score.meter, score.bpm)


def scaled(score: Score, factor: float) -> Score:
    """Every time `factor` times as late, to the nearest tick; the bars stay."""
    notes = score.notes.copy()
    notes["start"] = np.rint(notes["start"] * factor)
    notes["ticks"] = np.maximum(1, np.rint(notes["ticks"] * factor))
    return changed(score, notes)


def with_passing_notes(score: Score, random: Random, share: float = 0.3) -> Score:
    """Notes of at least a quaver give up their second half to a neighbour."""
    chosen = (random.random(len(score.notes)) < share) & (score.notes["ticks"] >= 240)
    notes = score.notes.copy()
    added = notes[chosen].copy()
    notes["ticks"][chosen] //= 2
    added["start"] += notes["ticks"][chosen]
    added["ticks"] -= notes["ticks"][chosen]
    added["pitch"] += random.choice([-2, -1, 1, 2], len(added)).astype(np.int16)
    return changed(score, np.concatenate([notes, added]))


def with_grace_notes(score: Score, random: Random, share: float = 0.3) -> Score:
    """A short note a step above before every third."""
    chosen = (random.random(len(score.notes)) < share) & (score.notes["start"] >= 40)
    added = score.notes[chosen].copy()
    added["start"] -= 40
    added["ticks"] = 40
    added["pitch"] += random.choice([1, 2], len(added)).astype(np.int16)
    return changed(score, np.concatenate([score.notes, added]))


def with_repeats(score: Score, random: Random, share: float = 0.3) -> Score:
    """Notes of at least a quaver are struck twice."""
    chosen = (random.random(len(score.notes)) < share) & (score.notes["ticks"] >= 240)
    notes = score.notes.copy()
    added = notes[chosen].copy()
    notes["ticks"][chosen] //= 2
    added["start"] += notes["ticks"][chosen]
    added["ticks"] -= notes["ticks"][chosen]
    return changed(score, np.concatenate([notes, added]))


def with_other_pitches(score: Score, random: Random, share: float) -> Score:
    """A share of the notes moved by up to four semitones."""
    chosen = random.random(len(score.notes)) < share
    notes = score.notes.copy()
    moves = random.choice([-4, -3, -2, -1, 1, 2, 3, 4], np.count_nonzero(chosen))
    notes["pitch"][chosen] += moves.astype(np.int16)
    return changed(score, notes)


def top_only(score: Score) -> Score:
    """The highest note of every onset."""
    order = np.lexsort((-score.notes["pitch"], score.notes["start"]))
    notes = score.notes[order]
    return changed(score, notes[np.diff(notes["start"], prepend=-1) > 0])


def without_top(score: Score) -> Score:
    """All but the highest note of every onset that has more than one."""
    order = np.lexsort((-score.notes["pitch"], score.notes["start"]))
    notes = score.notes[order]
    highest = np.diff(notes["start"], prepend=-1) > 0
    alone = highest & np.append(highest[1:], True)
    return changed(score, notes[~highest | alone])


def inside_other(score: Score, random: Random, other: Score) -> Score:
    """Eight bars in the middle of the bars of another song."""
    first = int(random.integers(0, max(1, len(score.bars) - _PASSAGE_BARS)))
    lines = [bar.start for bar in score.bars[first : first + _PASSAGE_BARS + 1]]
    begin, end = lines[0], lines[-1] if len(lines) > _PASSAGE_BARS else lines[0] + _PASSAGE_BARS * score.meter.ticks
    passage = score.notes[(score.notes["start"] >= begin) & (score.notes["start"] < end)].copy()
    middle = len(other.bars) // 2 * other.meter.ticks
    before = other.notes[other.notes["start"] < middle]
    after = other.notes[other.notes["start"] >= middle].copy()
    passage["start"] += middle - begin
    after["start"] += end - begin
    return changed(other, np.concatenate([before, passage, after]))


def through_midi(score: Score, bpm: float) -> Score:
    """Written to a MIDI file at another tempo and read back."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "piece.mid"
        midi.write(path, replace(score, bpm=bpm))
        labels = midi.read(path)
    return Score.from_labels(labels.notes, labels.beats)


def in_range(score: Score, semitones: int) -> Score:
    """Transposed, or an octave away from there where it would leave MIDI's range."""
    pitches = score.notes["pitch"]
    up = semitones - 12 if pitches.max() + semitones > 127 else semitones
    return score.transposed(up + 12 if pitches.min() + up < 0 else up)


def plants(score: Score, number: int, random: Random, other: Score) -> dict[str, dict[str, Score]]:
    """Copies of a piece by kind; every interval and every stretch has its turn."""
    interval = [-6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6][number % 12]
    stretch = [0.8, 0.85, 0.9, 0.95, 1.05, 1.1, 1.17, 1.25][number % 8]
    decorated = with_grace_notes(with_repeats(score, random, 0.15), random, 0.15)
    return {
        "exact": {"exact": score, "through MIDI": through_midi(score, score.bpm or 120.0)},
        "transposed": {f"by {interval}": in_range(score, interval)},
        "re-tempoed": {
            "other bpm": through_midi(score, 97.0),
            "doubled": scaled(score, 2.0),
            "halved": scaled(score, 0.5),
            "off the grid": scaled(score, stretch),
        },
        "ornamented": {
            "passing notes": with_passing_notes(score, random),
            "grace notes": with_grace_notes(score, random),
            "repeats": with_repeats(score, random),
            "10 % other": with_other_pitches(score, random, 0.1),
            "20 % other": with_other_pitches(score, random, 0.2),
            "30 % other": with_other_pitches(score, random, 0.3),
        },
        "all at once": {"all": in_range(with_other_pitches(scaled(decorated, stretch), random, 0.1), interval)},
        "8 bars inside another": {"passage": inside_other(score, random, other)},
        "melody only": {"melody only": top_only(score)},
        "without melody": {"without melody": without_top(score)},
    }


@dataclass(frozen=True)
class Peer:
    """The share of a piece's 12-interval shingles of the top line that one training piece has."""

    shingles: Sequence[np.ndarray]

    def share(self, score: Score) -> float:
        """The largest over all training pieces."""
        mine = melody(score.to_labels().notes)
        return max((np.isin(mine, theirs).mean() for theirs in self.shingles), default=0.0) if len(mine) else 0.0


def examined(
    corpus: str, songs: list[Song], tokenizer: Tokenizer, planted: int
) -> tuple[dict[str, dict[str, Any]], list[Score]]:
    """Recall by kind and false alarms for one corpus; and its training pieces."""
    random = np.random.default_rng(0)
    group = np.array(groups(songs, by_tune=corpus != "pop909"))
    names = random.permutation(np.unique(group))
    held = set(names[: round(HELD_OUT * len(names))].tolist())
    train = [song for song, number in zip(songs, group, strict=True) if number not in held]
    others = [song for song, number in zip(songs, group, strict=True) if number in held]
    random.shuffle(others)
    people, exam = others[::2], others[1::2]
    scores = [tokenizer.decode(tokenizer.encode(song.score), song.score.bpm) for song in train]
    listed = [song.name for song in train]
    learnt = Originality.of(listed, listed, scores, [(song.score, None) for song in people])
    peer = Peer([melody(score.to_labels().notes) for score in scores])
    limit = float(np.quantile([peer.share(song.score) for song in people], 0.99))
    found = [learnt.borrowing(song.score) for song in exam]
    verdicts = [borrowing.verdict for borrowing in found]
    alarms = {
        "pieces": len(exam),
        "ours": verdicts.count("copy") / len(exam),
        "close": verdicts.count("close") / len(exam),
        "peer": float(np.mean([peer.share(song.score) > limit for song in exam])),
    }
    rows: dict[str, dict[str, Any]] = {f"{corpus}, false alarms": alarms}
    for song, borrowing in zip(exam, found, strict=True):
        if borrowing.verdict == "copy":
            print(f"# {corpus} {song.name}: {borrowing.to_text()}")
    kinds: dict[str, list[tuple[bool, bool, bool]]] = {}
    for number, index in enumerate(random.permutation(len(train))[:planted].tolist()):
        other = exam[number % len(exam)].score
        for kind, made in plants(train[index].score, number, random, other).items():
            for what, score in made.items():
                borrowing = learnt.borrowing(score)
                hit = (borrowing.verdict == "copy", borrowing.track == train[index].name, peer.share(score) > limit)
                kinds.setdefault(kind, []).append(hit)
                if not hit[0] and kind not in ("8 bars inside another", "melody only", "without melody"):
                    print(f"# missed: {corpus} {train[index].name} {kind} {what}: {borrowing.to_text()}")
    for kind, hits in kinds.items():
        copies, named, theirs = np.array(hits).mean(axis=0).tolist()
        rows[f"{corpus}, {kind}"] = {"pieces": len(hits), "ours": copies, "named right": named, "peer": theirs}
    return rows, scores


def at_scale(scores: Sequence[Score], tokenizer: Tokenizer) -> dict[str, Any]:
    """10,000 tracks of up to 500 notes: pieces of all corpora, cut; where they recur, a quarter of the notes differ."""
    random = np.random.default_rng(0)
    tracks = []
    while len(tracks) < TRACKS:
        score = scores[len(tracks) % len(scores)]
        notes = score.notes
        start = int(random.integers(0, max(1, len(notes) - NOTES)))
        part = notes[start : start + NOTES].copy()
        part["start"] -= part["start"][0] // score.meter.ticks * score.meter.ticks
        cut = Score.steady(part, score.meter, score.bpm)
        tracks.append(cut if len(tracks) < len(scores) else with_other_pitches(cut, random, 0.25))
    listed = [str(number) for number in range(len(tracks))]
    learnt = Originality.of(listed, listed, tracks)
    began = time.perf_counter()
    size = learnt.index.bytes
    built = time.perf_counter() - began
    asked = [tracks[int(number)] for number in random.integers(0, TRACKS, 60)]
    times = []
    for score in asked:
        began = time.process_time()
        learnt.borrowing(with_other_pitches(score, random, 0.3))
        times.append(1000 * (time.process_time() - began))
    stored = sum(column.nbytes for column in learnt.collection.arrays().values())
    return {
        "tracks": TRACKS,
        "notes": len(learnt.collection.pitches),
        "stored_megabytes": stored / 1e6,
        "index_megabytes": size / 1e6,
        "index_seconds": built,
        "milliseconds_median": float(np.median(times)),
        "milliseconds_95": float(np.quantile(times, 0.95)),
    }


def main() -> None:
    """Recall, false alarms, costs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path)
    parser.add_argument("--planted", type=int, default=48, help="training pieces of each corpus that are copied")
    parser.add_argument("--only", choices=[*CORPORA, "scale"])
    asked, _ = parser.parse_known_args()
    if asked.data is None:
        print("originality: name the music with --data FOLDER")
        return
    tokenizer = Tokenizer.create(TokenizerSettings())
    rows: dict[str, dict[str, Any]] = {}
    learnt: list[Score] = []
    for corpus, read in CORPORA.items():
        if asked.only in (None, corpus, "scale"):
            songs = read(asked.data)
            if asked.only == "scale":
                learnt += [song.score for song in songs]
                continue
            found, scores = examined(corpus, songs, tokenizer, asked.planted)
            rows |= found
            learnt += scores
    if asked.only in (None, "scale"):
        rows[f"{TRACKS} tracks"] = at_scale(learnt, tokenizer)
    tell("originality", rows)


if __name__ == "__main__":
    main()
