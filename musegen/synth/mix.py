"""Notes → Audio: every part played, placed on the stage, put in a room and levelled."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
import threadpoolctl  # type: ignore[import-untyped]
from numpy.typing import NDArray

from musegen.audio import Audio
from musegen.errors import BadParams
from musegen.labels import DRUMS, Notes
from musegen.synth import soundfont
from musegen.synth.drums import stroke
from musegen.synth.instruments import timbre_of
from musegen.synth.room import PARLOUR, Room, limited, loudness, reflections
from musegen.synth.timbre import Timbre
from musegen.synth.tone import tone

Engine = Literal["own", "fluidsynth", "auto"]

_LUFS = -18.0
_REFERENCE_VELOCITY = 90.0
# 127 plays 5 dB louder than 90, 45 plays 10 dB softer.
_VELOCITY_EXPONENT = 1.7
_FORCES = 6
_TAKES = 2
_SHORTEST_SECONDS = 0.02
_STAGE_WIDTH = 0.55


def render(
    notes: Notes,
    *,
    rate: int = 44_100,
    seed: int = 0,
    room: Room | None = PARLOUR,
    engine: Engine = "own",
    timbres: Mapping[int, Timbre] | None = None,
) -> Audio:
    """Play `notes`: stereo at `rate`, from time 0 to the end of the last note's echo.

    Onsets are exact to a sample. The same arguments give the same samples; `seed` chooses between instruments of the
    same make and draws their small imperfections. The whole is brought to about -18 LUFS at velocity 90, softer or
    louder with the notes' velocities, and never clips. `timbres` replaces what a General MIDI program sounds like.
    `engine`: "own" synthesizer, "fluidsynth" (raises `Unavailable` where it is not installed), or "auto": FluidSynth
    where it is installed, else own. Raises `BadParams` for a rate or an engine that can't be.
    """
    if not 8_000 <= rate <= 192_000:
        raise BadParams(f"rate {rate}: outside 8000..192000 hertz; 44100 is usual")
    if engine not in ("own", "fluidsynth", "auto"):
        raise BadParams(f"engine {engine!r}: unknown; choose own, fluidsynth or auto")
    # One thread: these products are too small to share out, and sums split otherwise could differ in the last bit.
    with threadpoolctl.threadpool_limits(1):
        return _render(notes, rate, seed, room, engine, timbres or {})


def _render(
    notes: Notes, rate: int, seed: int, room: Room | None, engine: Engine, timbres: Mapping[int, Timbre]
) -> Audio:
    frames = round((max(0.0, notes.seconds) + (room.seconds if room else 0.0) + 0.3) * rate)
    if not len(notes):
        return Audio(np.zeros((2, frames), np.float32), rate)
    if engine == "fluidsynth" or (engine == "auto" and soundfont.find()):
        dry = soundfont.play(notes, frames, rate)
        sent = dry.mean(axis=0, dtype=np.float32)
    else:
        dry, sent = _stage(notes, frames, rate, seed, timbres)
    if room:
        dry += reflections(room, sent, rate)
    return Audio(_levelled(dry, notes, rate), rate)


def _stage(
    notes: Notes, frames: int, rate: int, seed: int, timbres: Mapping[int, Timbre]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The parts side by side, shape (2, frames), and their plain sum (frames,)."""
    parts = [int(part) for part in np.unique(notes.table["part"])]
    places = np.linspace(-_STAGE_WIDTH, _STAGE_WIDTH, len(parts)) if len(parts) > 1 else np.zeros(1)
    dry, sent = np.zeros((2, frames), np.float32), np.zeros(frames, np.float32)
    for part, place in zip(parts, places, strict=True):
        played = np.zeros(frames, np.float32)
        mine = notes.table[notes.table["part"] == part]
        for program in np.unique(mine["program"]):
            _play(mine[mine["program"] == program], played, rate, [seed, part, int(program)], timbres)
        angle = np.pi / 4.0 * (1.0 + place)
        dry[0] += played * np.float32(np.sqrt(2.0) * np.cos(angle))
        dry[1] += played * np.float32(np.sqrt(2.0) * np.sin(angle))
        sent += played
    return dry, sent


def _play(
    table: NDArray[Any], out: NDArray[np.float32], rate: int, seed: list[int], timbres: Mapping[int, Timbre]
) -> None:
    """Add the notes of one part and program to `out`.

    Notes of the same pitch and force share one waveform, as long as the longest of them, and each stops it in its time.
    """
    program = int(table["program"][0])
    timbre = None
    if program != DRUMS:
        timbre = timbres.get(program, timbre_of(program)).varied(np.random.default_rng(seed))
    for (pitch, force, take), mine in _alike(table):
        random = np.random.default_rng([*seed, pitch, force, take])
        if timbre is None:
            wave = stroke(pitch, force / (_FORCES - 1), rate, random)
            for note in mine:
                _add(out, wave, round(float(note["onset_seconds"]) * rate), _gain(note))
            continue
        wave, endings, fade = _take(timbre, mine["seconds"], pitch, force, rate, random)
        for note, ending in zip(mine, endings, strict=True):
            heard = wave[: ending + len(fade)].copy()
            heard[ending:] *= fade
            _add(out, heard, round(float(note["onset_seconds"]) * rate), _gain(note))


def _take(
    timbre: Timbre, seconds: NDArray[Any], pitch: int, force: int, rate: int, random: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """The tone that notes of the given lengths share, the frames at which they begin to fade, and the fade."""
    lengths = np.round(np.maximum(seconds, _SHORTEST_SECONDS) * rate).astype(np.int64)
    fade = _fade(round(timbre.release_seconds * rate))
    # Breath and bow change inside the written length, so that repeated notes part; strings are damped at its end.
    early = np.minimum(len(fade) // 4, lengths // 4) if timbre.sustained else 0
    endings = lengths - early
    wave = tone(timbre, pitch, force / (_FORCES - 1), int(endings.max()) + len(fade), rate, random)
    return wave * np.float32(10.0 ** (timbre.gain_decibels / 20.0)), endings, fade


def _alike(table: NDArray[Any]) -> Iterator[tuple[tuple[int, int, int], NDArray[Any]]]:
    """((pitch, force, take), notes): force in 0..5 from the velocity, takes in turn so that repeats are not copies."""
    forces = np.minimum(table["velocity"].astype(int) * _FORCES // 128, _FORCES - 1)
    takes = np.arange(len(table)) % _TAKES
    keys = (table["pitch"].astype(int) * _FORCES + forces) * _TAKES + takes
    for key in np.unique(keys):
        pitch, rest = divmod(int(key), _FORCES * _TAKES)
        yield (pitch, rest // _TAKES, rest % _TAKES), table[keys == key]


def _fade(frames: int) -> NDArray[np.float32]:
    """From 1 to 0 like something that rings off: steep at first, without a corner at either end."""
    time = np.arange(frames, dtype=np.float32) / np.float32(max(1, frames))
    return np.asarray(np.exp(-3.0 * time * time) * (0.5 + 0.5 * np.cos(np.pi * time)), np.float32)


def _add(out: NDArray[np.float32], wave: NDArray[np.float32], start: int, gain: float) -> None:
    wave, start = wave[max(0, -start) :], max(0, start)
    end = min(len(out), start + len(wave))
    out[start:end] += wave[: end - start] * np.float32(gain)


def _gain(note: Any) -> float:
    return float((note["velocity"] / _REFERENCE_VELOCITY) ** _VELOCITY_EXPONENT)


def _levelled(samples: NDArray[np.float32], notes: Notes, rate: int) -> NDArray[np.float32]:
    measured = loudness(samples, rate)
    if not np.isfinite(measured):
        return samples
    gains = (notes.table["velocity"] / _REFERENCE_VELOCITY) ** _VELOCITY_EXPONENT
    wanted = _LUFS + 10.0 * np.log10(np.mean(gains**2))
    samples = samples * np.float32(10.0 ** ((wanted - measured) / 20.0))
    samples -= samples.mean(axis=1, keepdims=True)
    return limited(samples)
