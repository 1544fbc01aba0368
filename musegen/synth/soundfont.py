"""Notes played by FluidSynth with a SoundFont, where both are installed."""

import importlib.util
import os
from ctypes.util import find_library
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musegen.errors import Unavailable
from musegen.labels import DRUMS, Notes

_PLACES = (
    "/usr/share/sounds/sf2/FluidR3_GM.sf2",
    "/usr/share/sounds/sf2/default-GM.sf2",
    "/usr/share/sounds/sf2/TimGM6mb.sf2",
    "/usr/share/soundfonts/default.sf2",
)
_DRUM_CHANNEL = 9
_MELODIC_CHANNELS = tuple(channel for channel in range(16) if channel != _DRUM_CHANNEL)


def find() -> Path | None:
    """The SoundFont to play with (`MUSEGEN_SOUNDFONT`, else Debian's), or None if it or FluidSynth is missing."""
    if importlib.util.find_spec("fluidsynth") is None or find_library("fluidsynth") is None:
        return None
    chosen = os.environ.get("MUSEGEN_SOUNDFONT")
    return next((Path(place) for place in ([chosen] if chosen else _PLACES) if Path(place).is_file()), None)


def play(notes: Notes, frames: int, rate: int) -> NDArray[np.float32]:
    """Dry sound of shape (2, frames), every event at its exact sample; raises `Unavailable` without FluidSynth."""
    font = find()
    if font is None:
        raise Unavailable(
            "FluidSynth: it or its SoundFont is not installed; "
            "install libfluidsynth3, pyfluidsynth and a .sf2 (MUSEGEN_SOUNDFONT), or use engine='own'"
        )
    voices = sorted({(int(note["part"]), int(note["program"])) for note in notes.table})
    melodic = [voice for voice in voices if voice[1] != DRUMS]
    size = len(_MELODIC_CHANNELS)
    groups = [melodic[start : start + size] for start in range(0, len(melodic), size)] or [[]]
    groups[0] = groups[0] + [voice for voice in voices if voice[1] == DRUMS]
    return sum((_play(notes, group, font, frames, rate) for group in groups), np.zeros((2, frames), np.float32))


def _play(notes: Notes, voices: list[tuple[int, int]], font: Path, frames: int, rate: int) -> NDArray[np.float32]:
    import fluidsynth

    synth = fluidsynth.Synth(gain=0.4, samplerate=float(rate))
    synth.setting("synth.reverb.active", 0)
    synth.setting("synth.chorus.active", 0)
    try:
        bank = synth.sfload(str(font))
        channels = {}
        for index, (part, program) in enumerate(voice for voice in voices if voice[1] != DRUMS):
            channels[part, program] = _MELODIC_CHANNELS[index]
            synth.program_select(_MELODIC_CHANNELS[index], bank, 0, program)
        synth.program_select(_DRUM_CHANNEL, bank, 128, 0)
        out = np.zeros((frames, 2), np.float32)
        now = 0
        for frame, _, channel, pitch, velocity in _events(notes, voices, channels, rate):
            if frame > now:
                out[now:frame] = synth.get_samples(frame - now).reshape(-1, 2)
                now = frame
            if velocity:
                synth.noteon(channel, pitch, velocity)
            else:
                synth.noteoff(channel, pitch)
        if frames > now:
            out[now:] = synth.get_samples(frames - now).reshape(-1, 2)
    finally:
        synth.delete()
    return np.ascontiguousarray(out.T / np.float32(32_768.0))


def _events(
    notes: Notes, voices: list[tuple[int, int]], channels: dict[tuple[int, int], int], rate: int
) -> list[tuple[int, int, int, int, int]]:
    """(frame, 0 = off or 1 = on, channel, pitch, velocity) in playing order: endings before beginnings."""
    events = []
    for note in notes.table:
        voice = (int(note["part"]), int(note["program"]))
        if voice not in voices:
            continue
        channel = channels.get(voice, _DRUM_CHANNEL)
        start = round(float(note["onset_seconds"]) * rate)
        end = max(start + 1, round(float(note["onset_seconds"] + note["seconds"]) * rate))
        events.append((start, 1, channel, int(note["pitch"]), int(note["velocity"])))
        events.append((end, 0, channel, int(note["pitch"]), 0))
    return sorted(events)
