"""Do the chords fit the recording?"""

import re

import numpy as np
from numpy.typing import NDArray

from musegen.alignment import harmony
from musegen.alignment.misfit import Misfit, lateness, time_of
from musegen.ear import Heard
from musegen.labels import Chords
from musegen.theory import Key

_ROOT = re.compile(r"([A-G])([#b]*)")
_MINOR, _DIMINISHED, _AUGMENTED = re.compile("min|m|-"), re.compile("h?dim|o|ø|°"), re.compile(r"aug|\+")
_FEWEST, _FEWEST_FOR_ANOTHER = 8, 16
_HANGING_SECONDS = 1.0
_LEAST_FIT, _CHANCES, _LEAST_LATE_SECONDS, _LEAST_HARMONY = 0.25, 6.4, 1.0, 0.1


def misfits(chords: Chords | None, heard: Heard | None, seconds: float) -> tuple[Misfit, ...]:
    """Chords beyond the end, and such as fit much better in another key, at another time, or nowhere."""
    if chords is None or heard is None or not len(chords):
        return ()
    beyond = int(np.count_nonzero(chords.starts > seconds + _HANGING_SECONDS))
    if beyond:
        words = f"{beyond} of {len(chords)} chords come after the recording's end at {time_of(seconds)}"
        words = f"{words}; see whether they belong to another recording"
        return (Misfit("chords", "beyond the end", words, 2 * beyond > len(chords)),)
    return _against(chords, heard)


def _against(chords: Chords, heard: Heard) -> tuple[Misfit, ...]:
    weights = np.array([_pitch_classes(name) for name in chords.names])
    if np.count_nonzero(weights.any(axis=1)) < _FEWEST:
        return ()
    found = harmony.match(heard.chroma, harmony.spans(chords.starts, chords.ends, weights, heard.chroma.shape[1]))
    if found is None:
        return ()
    enough = max(_LEAST_FIT, 2 * found.here, _CHANCES * found.chance)
    if found.semitones and found.turned >= enough:
        size = f"{abs(found.semitones)} semitone{'s' * (abs(found.semitones) > 1)}"
        words = f"the chords are {size} {'lower' if found.semitones > 0 else 'higher'} than the recording"
        return (Misfit("chords", "transposed", f"{words}; transpose them", True),)
    if abs(found.late_seconds) >= _LEAST_LATE_SECONDS and found.elsewhere >= enough:
        words = f"the chords come {lateness(found.late_seconds)} against the recording; move them"
        return (Misfit("chords", "shifted", words, True),)
    if len(chords) >= _FEWEST_FOR_ANOTHER and found.here < min(_LEAST_HARMONY, 2 * found.chance):
        words = "the chords fit the recording no better than chance; see whether they belong to another song"
        return (Misfit("chords", "another song", words, False),)
    return ()


def _pitch_classes(symbol: str) -> NDArray[np.float64]:
    """Root, third and fifth of a chord symbol; nothing for none."""
    weights, root = np.zeros(12), _ROOT.match(symbol)
    if root is None:
        return weights
    quality = symbol[root.end() :].lstrip(":").replace("maj", "")
    diminished = _DIMINISHED.match(quality)
    third = 3 if diminished or _MINOR.match(quality) else 4
    fifth = 6 if diminished else 8 if _AUGMENTED.match(quality) else 7
    tonic = Key.parse(root[1]).tonic + root[2].count("#") - root[2].count("b")
    weights[(tonic + np.array([0, third, fifth])) % 12] = 1
    return weights
