"""A printed piece → a performance: who plays it, where, how fast, with which accents."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.corpora.scores import VOICES, Piece
from musegen.score import SCORE_NOTE, Score
from musegen.synth import CHURCH, HALL, PARLOUR, Room
from musegen.theory import TICKS_PER_QUARTER, Meter


@dataclass(frozen=True)
class Cast:
    """Who plays: a General MIDI program and a name for each voice, and the room they are in."""

    programs: tuple[int, ...]
    names: tuple[str, ...]
    room: Room


# Pulses a minute, as dancers take them: half notes in 2/2 and 4/4, quarters in 2/4, dotted quarters in 6/8 and 9/8.
_PULSES = {
    "reel": (96, 114),
    "jig": (106, 122),
    "hornpipe": (74, 90),
    "slip_jig": (102, 118),
    "strathspey": (54, 66),
    "clog": (70, 86),
}
_CHORALE_QUARTERS = (62, 84)

_SOLOISTS = (
    (110, "Fiddle"), (73, "Flute"), (78, "Whistle"), (21, "Accordion"), (23, "Concertina"), (105, "Banjo"),
    (46, "Harp"), (15, "Dulcimer"), (40, "Violin"), (24, "Guitar"), (74, "Recorder"), (0, "Piano"),
    (25, "Steel Guitar"), (71, "Clarinet"), (6, "Harpsichord"), (109, "Bagpipe"),
)  # fmt: skip
# The first ones are what such tunes are mostly played on.
_SOLO_WEIGHTS = (16, 12, 11, 9, 8, 10, 7, 7, 5, 5, 4, 4, 4, 3, 2, 3)

_ENSEMBLES: tuple[tuple[tuple[int, int, int, int], int], ...] = (
    ((52, 52, 52, 52), 8),  # choir
    ((40, 40, 41, 42), 5),  # string quartet
    ((48, 48, 48, 48), 4),  # string orchestra
    ((19, 19, 19, 19), 5),  # organ
    ((73, 68, 71, 70), 4),  # flute, oboe, clarinet, bassoon
    ((56, 60, 57, 58), 4),  # trumpet, horn, trombone, tuba
    ((74, 74, 74, 74), 2),  # recorders
    ((0, 0, 0, 0), 3),  # piano
    ((20, 20, 20, 20), 2),  # reed organ
    ((6, 6, 6, 6), 2),  # harpsichord
    ((64, 65, 66, 67), 2),  # saxophones
)
# Struck, plucked and reed instruments detach; a gap this small leaves the written length readable on any usual grid.
_GAP_TICKS = (4, 12)
_LEGATO_TICKS = 90


def choose_cast(style: str, seed: int) -> Cast:
    """Players and room for a piece of `style`, drawn by `seed`."""
    random = np.random.default_rng([seed, 1])
    if style == "chorale":
        weights = np.array([weight for _, weight in _ENSEMBLES], float)
        programs = _ENSEMBLES[random.choice(len(_ENSEMBLES), p=weights / weights.sum())][0]
        return Cast(programs, VOICES, CHURCH if random.random() < 0.6 else HALL)
    weights = np.array(_SOLO_WEIGHTS, float)
    program, name = _SOLOISTS[random.choice(len(_SOLOISTS), p=weights / weights.sum())]
    return Cast((program,), (name,), PARLOUR if random.random() < 0.7 else HALL)


def perform(piece: Piece, style: str, cast: Cast, seed: int) -> Score:
    """`piece` at a steady tempo of whole quarters a minute, accented by its meter; `seed` draws tempo and touch."""
    random = np.random.default_rng([seed, 2])
    bpm = _tempo(style, piece.meter, random)
    chorale = style == "chorale"
    gap = 0 if chorale else int(random.integers(_GAP_TICKS[0], _GAP_TICKS[1] + 1))
    touch = random.uniform(0.7, 1.2)
    played = []
    for part, (table, program) in enumerate(zip(piece.voices, cast.programs, strict=True)):
        notes = table.copy()
        accents = _accents(notes["start"], piece.meter) * (0.45 if chorale else 1.0) * touch
        arch = 4.0 * np.sin(np.pi * (notes["start"] % (4 * piece.meter.ticks)) / (4 * piece.meter.ticks))
        height = 0.35 * (notes["pitch"] - notes["pitch"].mean())
        lead = (5.0, 0.0, 0.0, 2.0)[part] if chorale else 6.0
        velocities = 76.0 + lead + accents + arch + height + random.normal(0.0, 2.5, len(notes))
        notes["velocity"] = np.clip(np.round(velocities), 40, 118)
        notes["program"], notes["part"] = program, part
        notes["ticks"] -= np.where(notes["ticks"] >= _LEGATO_TICKS, gap, 0)
        played.append(notes)
    return Score.steady(np.concatenate(played).astype(SCORE_NOTE), piece.meter, bpm, piece.bars)


def _tempo(style: str, meter: Meter, random: np.random.Generator) -> float:
    if style == "chorale":
        low, high = _CHORALE_QUARTERS
        quarters = random.uniform(low, high)
        return float(round(quarters * (1.7 if meter.denominator == 2 else 1.0)))
    low, high = _PULSES[style]
    pulses = 3 if meter == Meter(9, 8) else 2
    return float(round(random.uniform(low, high) * meter.ticks / pulses / TICKS_PER_QUARTER))


def _accents(starts: NDArray[Any], meter: Meter) -> NDArray[np.float64]:
    """Velocity by place in the bar: the downbeat most, then the beats, their halves or thirds, and what is finer."""
    inside = starts % meter.ticks
    beat = inside % meter.beat_ticks
    parts = 3 if meter.compound else 2
    half = (inside * 2 == meter.ticks) & (meter.beats % 2 == 0)
    accents = [(inside == 0, 14.0), (half, 9.0), (beat == 0, 6.0), (beat % (meter.beat_ticks // parts) == 0, -2.0)]
    return np.select([where for where, _ in accents], [accent for _, accent in accents], -7.0)
