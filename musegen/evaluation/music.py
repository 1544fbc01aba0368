"""What a piece measurably is, and whether that is what was asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.labels import DRUMS
from musegen.score import Score
from musegen.theory import ALL_KEYS, TICKS_PER_QUARTER, Key

# Wu & Yang divide a 4/4 bar into 64 places.
_GROOVE_TICKS = TICKS_PER_QUARTER // 16
# Bars are compared on a grid of 16ths and triplets alike, so that a slightly late note is no other bar.
_BAR_TICKS = TICKS_PER_QUARTER // 12
_MONOPHONIC = 1.02
_BPM_TOLERANCE = 0.5
_KEY_SHARE = 0.9
_MATCH_WINDOW = 16


@dataclass(frozen=True)
class Measured:
    """Measures of one piece. What does not apply (a drum solo's key) is None; silence is in no key: `share_in_key` 0.

    - `bpm` quarters a minute as the score says; `meter` of most bars; `key` as heard (Krumhansl's profiles).
    - `share_in_key`: share of pitched notes in the scale of the asked key, or of the heard one where none was asked.
    - `polyphony`: mean number of pitched notes that sound while any does; `monophonic`: that is 1 (to 1.02, legato).
    - `empty_bar_share`: share of bars in which nothing sounds (MuspY's empty measure rate).
    - `lowest`, `highest`: MIDI pitch; `pitch_range`: semitones between them.
    - `mean_quarters`: mean length of a note; `mean_interval`: mean absolute step of the upper line, semitones.
    - `pitch_class_entropy`: Shannon entropy of the pitch classes of all notes, bits, 0..log2(12) (Wu & Yang 2020, as
      MuspY's over the whole piece).
    - `scale_consistency`: the largest share of notes in any one major or natural minor scale (Mogren 2016, MuspY).
    - `groove_consistency`: 1 - mean share of the places, 64 to the whole note, in which one of two neighbouring bars
      has an onset and the other has none (Wu & Yang's grooving similarity, over neighbours as in MuspY); None without
      two neighbours in one meter. Most places are empty in any music, so it lies near 1: compare, not read alone.
    - `repeated_bar_share`: share of bars with notes that are note for note an earlier bar.
    - `bar_similarity`: mean over bars with notes, from the second on, of the largest Jaccard index between its notes
      (place, pitch) and those of one of the 16 before.

    Wu & Yang, The Jazz Transformer on the Front Line, ISMIR 2020. Mogren, C-RNN-GAN, 2016. Dong et al., MuspY: A
    Toolkit for Symbolic Music Generation, ISMIR 2020.
    """

    bpm: float | None
    meter: str | None
    bars: int
    key: str | None
    notes: int
    share_in_key: float | None
    polyphony: float
    monophonic: bool
    notes_per_bar: float
    empty_bar_share: float
    lowest: int | None
    highest: int | None
    pitch_range: int | None
    mean_quarters: float | None
    mean_interval: float | None
    pitch_class_entropy: float | None
    scale_consistency: float | None
    groove_consistency: float | None
    repeated_bar_share: float
    bar_similarity: float | None


def measure(score: Score, key: Key | None = None) -> Measured:
    """Measures of one piece; `key` is the one that was asked for, if one was."""
    notes, bars = score.notes, len(score.bars)
    pitched = notes[notes["program"] != DRUMS]
    heard = score.key
    steps = np.abs(np.diff(lead_line(score)["pitch"].astype(int)))
    polyphony = score.polyphony
    return Measured(
        bpm=score.bpm,
        meter=str(score.meter) if bars else None,
        bars=bars,
        key=str(heard) if heard else None,
        notes=len(notes),
        share_in_key=_share_in_key(score, key or heard),
        polyphony=polyphony,
        monophonic=0 < polyphony <= _MONOPHONIC,
        notes_per_bar=len(notes) / bars if bars else 0.0,
        empty_bar_share=_empty_bar_share(score),
        lowest=int(pitched["pitch"].min()) if len(pitched) else None,
        highest=int(pitched["pitch"].max()) if len(pitched) else None,
        pitch_range=int(np.ptp(pitched["pitch"])) if len(pitched) else None,
        mean_quarters=float(pitched["ticks"].mean() / TICKS_PER_QUARTER) if len(pitched) else None,
        mean_interval=float(steps.mean()) if len(steps) else None,
        pitch_class_entropy=_pitch_class_entropy(pitched),
        scale_consistency=_scale_consistency(pitched),
        groove_consistency=_groove_consistency(score),
        repeated_bar_share=repeated_bar_share(score),
        bar_similarity=_bar_similarity(score),
    )


def as_asked(measured: Measured, asked: Mapping[str, Any]) -> dict[str, bool]:
    """For each of `bpm`, `meter`, `bars`, `key` that was asked (not None): is it so?

    The tempo may be off by half a beat a minute. The key is kept where at least nine in ten notes are in its scale:
    to *hear* a key in eight bars is less certain than that.
    """
    wanted = {name: asked[name] for name in ("bpm", "meter", "bars", "key") if asked.get(name) is not None}
    kept: dict[str, bool] = {}
    if "bpm" in wanted:
        kept["bpm"] = measured.bpm is not None and abs(measured.bpm - float(wanted["bpm"])) <= _BPM_TOLERANCE
    if "meter" in wanted:
        kept["meter"] = measured.meter == str(wanted["meter"])
    if "bars" in wanted:
        kept["bars"] = measured.bars == int(wanted["bars"])
    if "key" in wanted and measured.share_in_key is not None:
        kept["key"] = measured.share_in_key >= _KEY_SHARE
    return kept


def kept_shares(pieces: Sequence[tuple[Measured, Mapping[str, Any]]]) -> dict[str, float]:
    """Over pieces with what was asked of them: the shares `bpm_as_asked`, `meter_as_asked`, … and `share_in_key`.

    A share is over the pieces that were asked it; what was asked of none is left out. `share_in_key` is the mean.
    """
    answers: dict[str, list[float]] = {}
    for measured, asked in pieces:
        for name, kept in as_asked(measured, asked).items():
            answers.setdefault(f"{name}_as_asked", []).append(kept)
        if measured.share_in_key is not None:
            answers.setdefault("share_in_key", []).append(measured.share_in_key)
    return {name: float(np.mean(values)) for name, values in answers.items()}


def lead_line(score: Score) -> NDArray[Any]:
    """The upper line, rows of `SCORE_NOTE`: the highest pitched note of an onset unless a higher one still sounds."""
    pitched = score.notes[score.notes["program"] != DRUMS]
    # Notes are sorted by onset, then pitch: the last of an onset is its highest.
    tops = pitched[np.append(np.diff(pitched["start"]) > 0, True)[: len(pitched)]]
    kept = np.zeros(len(tops), bool)
    pitch, end = -1, 0
    ends = tops["start"] + tops["ticks"] - _BAR_TICKS
    for row, (start, height, until) in enumerate(zip(tops["start"], tops["pitch"], ends, strict=True)):
        if height >= pitch or start >= end:
            kept[row], pitch, end = True, height, until
    line: NDArray[Any] = tops[kept]
    return line


def repeated_bar_share(score: Score) -> float:
    """Share of the bars with notes that are, note for note, an earlier bar of the piece; 0 without notes."""
    filled = [content for content in _bar_contents(score, _BAR_TICKS) if content]
    return 1 - len(set(filled)) / len(filled) if filled else 0.0


def _bar_contents(score: Score, grid: int, pitches: bool = True) -> list[frozenset[int]]:
    """For each bar what begins in it: its places on the grid, with the pitch (drums apart) or without."""
    contents: list[set[int]] = [set() for _ in score.bars]
    if contents and len(score.notes):
        starts = np.array([bar.start for bar in score.bars])
        begins = np.round(score.notes["start"] / grid).astype(np.int64) * grid
        bars = np.clip(np.searchsorted(starts, begins, side="right") - 1, 0, None)
        codes = (begins - starts[bars]) // grid
        if pitches:
            codes = codes * 256 + score.notes["pitch"] + 128 * (score.notes["program"] == DRUMS)
        for bar, code in zip(bars.tolist(), codes.tolist(), strict=True):
            contents[bar].add(code)
    return [frozenset(content) for content in contents]


def _bar_similarity(score: Score) -> float | None:
    filled = [content for content in _bar_contents(score, _BAR_TICKS) if content]
    best = [
        max(len(bar & before) / len(bar | before) for before in filled[max(0, index - _MATCH_WINDOW) : index])
        for index, bar in enumerate(filled)
        if index
    ]
    return float(np.mean(best)) if best else None


def _groove_consistency(score: Score) -> float | None:
    places = _bar_contents(score, _GROOVE_TICKS, pitches=False)
    differences = [
        len(one ^ other) * _GROOVE_TICKS / bar.meter.ticks
        for one, other, bar, following in zip(places, places[1:], score.bars, score.bars[1:], strict=False)
        if bar.meter == following.meter
    ]
    return 1 - float(np.mean(differences)) if differences else None


def _empty_bar_share(score: Score) -> float:
    if not score.bars:
        return 0.0
    begun = np.searchsorted(score.notes["start"], [bar.end for bar in score.bars])
    ends = np.sort(score.notes["start"] + score.notes["ticks"])
    ended = np.searchsorted(ends, [bar.start for bar in score.bars], side="right")
    return float(np.mean(begun == ended))


def _share_in_key(score: Score, key: Key | None) -> float | None:
    pitched = score.notes["pitch"][score.notes["program"] != DRUMS]
    if key is None or not len(pitched):
        return None if len(score.notes) else 0.0
    return float(np.isin(pitched % 12, sorted(key.scale)).mean())


def _pitch_class_entropy(pitched: NDArray[Any]) -> float | None:
    if not len(pitched):
        return None
    shares = np.bincount(pitched["pitch"] % 12, minlength=12) / len(pitched)
    shares = shares[shares > 0]
    return float(-np.sum(shares * np.log2(shares)) + 0.0)


def _scale_consistency(pitched: NDArray[Any]) -> float | None:
    if not len(pitched):
        return None
    counts = np.bincount(pitched["pitch"] % 12, minlength=12)
    # A natural minor scale has the notes of its relative major, so the major ones are all.
    return float(max(counts[sorted(key.scale)].sum() for key in ALL_KEYS if not key.minor) / len(pitched))
