"""Do the notes fit the recording?"""

import numpy as np
from numpy.typing import NDArray

from musegen.alignment import harmony, timing
from musegen.alignment.misfit import Misfit, lateness, time_of
from musegen.ear import ONSET_FRAMES_A_SECOND, Heard
from musegen.labels import DRUMS, Notes

_FEWEST_ONSETS, _FEWEST_FOR_ANOTHER = 16, 40
_REACH_SECONDS, _WINDOW_SECONDS, _WINDOW_REACH_SECONDS = 30.0, 12.0, 8.0
_HANGING_SECONDS = 1.0
_MOST_BEYOND, _LEAST_COVERED = 0.1, 0.5
_LONGEST_SOUNDING_SECONDS = 4.0
# Measured on true and false pairs of recordings and notes by `benchmarks.alignment`.
_LEAST_SHIFT_SCORE, _LEAST_DRIFT_SECONDS, _LEAST_GAIN = 8.0, 0.1, 1.5
_LEAST_SHARE, _LEAST_WINDOW_SHARE = 0.8, 0.7
_SURE_SCORE, _WEAK_SCORE = 6.0, 4.0
_LEAST_HARMONY, _CHANCES_OF_HARMONY, _LEAST_TURNED = 0.15, 3.2, 0.25
_LEAST_LATE_SECONDS = 0.5
_MOST_ONSET_SCORE = 2.5


def misfits(notes: Notes | None, heard: Heard | None, seconds: float) -> tuple[Misfit, ...]:
    """Times first, then pitch classes and onsets against the sound."""
    if notes is None or heard is None or not len(notes):
        return ()
    found = _length(notes, seconds)
    if not any(misfit.blocks for misfit in found):
        found = [*_against(notes, heard), *found]
    return tuple(found)


def _misfit(reason: str, words: str, blocks: bool = True) -> Misfit:
    return Misfit("notes", reason, words, blocks)


def _length(notes: Notes, seconds: float) -> list[Misfit]:
    beyond = int(np.count_nonzero(notes.table["onset_seconds"] > seconds + _HANGING_SECONDS))
    if beyond:
        words = f"{beyond} of {len(notes)} notes come after the recording's end at {time_of(seconds)}"
        blocks = beyond > _MOST_BEYOND * len(notes)
        return [_misfit("beyond the end", f"{words}; see whether they belong to another recording", blocks)]
    covered = (notes.seconds - float(notes.table["onset_seconds"][0])) / seconds if seconds > 0 else 1.0
    if covered < _LEAST_COVERED:
        words = f"the notes cover {covered:.0%} of the recording; add the others, or see whether they belong to it"
        return [_misfit("wrong length", words, blocks=False)]
    return []


def _against(notes: Notes, heard: Heard) -> list[Misfit]:
    onsets = np.unique(np.round(notes.table["onset_seconds"], 3))
    sound = timing.salience(heard.onset_strength)
    if len(onsets) < _FEWEST_ONSETS or len(sound) < harmony.SHORTEST_SECONDS * ONSET_FRAMES_A_SECOND:
        return []
    chords = harmony.match(heard.chroma, _pitch_classes(notes, heard.chroma.shape[1]))
    time = timing.match(sound, onsets, _REACH_SECONDS)
    if chords is not None and _is_transposed(chords):
        size = f"{abs(chords.semitones)} semitone{'s' * (abs(chords.semitones) > 1)}"
        words = f"the notes are {size} {'lower' if chords.semitones > 0 else 'higher'} than the recording"
        return [_misfit("transposed", f"{words}; transpose them")]
    if time.share < _LEAST_SHARE and time.best >= _LEAST_SHIFT_SCORE:
        words = f"the notes come {lateness(time.late_seconds)} against the recording; move them"
        return [_misfit("shifted", words)]
    if chords is not None and _is_later(chords):
        words = f"the harmony of the notes comes {lateness(chords.late_seconds)} against the recording; move them"
        return [_misfit("shifted", words)]
    return _drift(sound, onsets, time) or _another(time, chords, len(onsets), sound)


def _is_transposed(chords: harmony.HarmonyMatch) -> bool:
    clear = chords.turned >= max(_LEAST_TURNED, 2 * chords.here, 2 * _CHANCES_OF_HARMONY * chords.chance)
    return bool(chords.semitones) and clear


def _is_later(chords: harmony.HarmonyMatch) -> bool:
    clear = chords.elsewhere >= max(_LEAST_TURNED, 2 * chords.here, 2 * _CHANCES_OF_HARMONY * chords.chance)
    return clear and abs(chords.late_seconds) >= _LEAST_LATE_SECONDS


def _drift(sound: NDArray[np.float64], onsets: NDArray[np.float64], time: timing.Match) -> list[Misfit]:
    """Notes on another clock: they fit worse than they could, and do so at another speed."""
    if time.here >= _SURE_SCORE and time.share >= _LEAST_SHARE and _ends_fit(sound, onsets):
        return []
    speed, there, here = timing.stretched(sound, onsets)
    drift = abs(speed - 1) * float(onsets[-1] - onsets[0])
    if there.best < max(_LEAST_SHIFT_SCORE, _LEAST_GAIN * here.best) or drift < _LEAST_DRIFT_SECONDS:
        return []
    words = f"the notes run {abs(speed - 1):.1%} {'slower' if speed > 1 else 'faster'} than the recording"
    return [_misfit("drifting", f"{words}, {drift:.1f} s in all; find the notes of this version")]


def _ends_fit(sound: NDArray[np.float64], onsets: NDArray[np.float64]) -> bool:
    """The beginning and the end of the notes by themselves."""
    windows = [_window(sound, onsets, start) for start in (onsets[0], max(onsets[0], onsets[-1] - _WINDOW_SECONDS))]
    return not any(match and match.share < _LEAST_WINDOW_SHARE for match in windows)


def _window(sound: NDArray[np.float64], onsets: NDArray[np.float64], start: float) -> timing.Match | None:
    mine = onsets[(onsets >= start) & (onsets <= start + _WINDOW_SECONDS)]
    origin = max(0, int((start - _WINDOW_REACH_SECONDS) * ONSET_FRAMES_A_SECOND))
    piece = sound[origin : int((start + _WINDOW_SECONDS + _WINDOW_REACH_SECONDS) * ONSET_FRAMES_A_SECOND)]
    if len(mine) < _FEWEST_ONSETS or len(piece) < _WINDOW_SECONDS * ONSET_FRAMES_A_SECOND / 2:
        return None
    return timing.match(piece, mine - origin / ONSET_FRAMES_A_SECOND, _WINDOW_REACH_SECONDS)


def _another(
    time: timing.Match, chords: harmony.HarmonyMatch | None, onsets: int, sound: NDArray[np.float64]
) -> list[Misfit]:
    """No better than chance, in time and, where it changes, in harmony."""
    if onsets < _FEWEST_FOR_ANOTHER:
        return []
    if chords is None:
        clear = np.count_nonzero(sound > 3) >= len(sound) / ONSET_FRAMES_A_SECOND
        unlike = clear and time.here < _MOST_ONSET_SCORE and time.share < _LEAST_SHARE
    else:
        unlike = chords.here < min(_LEAST_HARMONY, _CHANCES_OF_HARMONY * chords.chance) and (
            time.share < _LEAST_SHARE or time.here < _WEAK_SCORE
        )
    if not unlike:
        return []
    words = "neither the onsets nor the harmony of the notes" if chords else "the onsets of the notes do not"
    return [_misfit("another song", f"{words} fit the recording; find the notes that belong to it")]


def _pitch_classes(notes: Notes, frames: int) -> NDArray[np.float64]:
    table = notes.table[notes.table["program"] != DRUMS]
    starts = table["onset_seconds"]
    ends = starts + np.minimum(table["seconds"], _LONGEST_SOUNDING_SECONDS)
    return harmony.spans(starts, ends, np.eye(12)[table["pitch"] % 12], frames)
