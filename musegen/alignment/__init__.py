"""Labels that don't fit their recording: beats, notes and chords held against what was heard."""

from musegen.alignment import beats, chords, notes
from musegen.alignment.misfit import Misfit
from musegen.ear import Heard
from musegen.labels import Labels

__all__ = ["Misfit", "misfits"]


def misfits(labels: Labels, heard: Heard | None, seconds: float) -> tuple[Misfit, ...]:
    """What in `labels` does not fit a recording of `seconds`, the worst of each kind first.

    `heard` is None for a score without a recording: then the notes are what the beats must fit. Where the sound does
    not tell (no clear onsets, no steady pulse, no changes of harmony, too little of it) nothing is said.
    """
    return (
        *beats.misfits(labels, heard, seconds),
        *notes.misfits(labels.notes, heard, seconds),
        *chords.misfits(labels.chords, heard, seconds),
    )
