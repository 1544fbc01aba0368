"""Runs: stretches in which more notes are shared than not."""

import numpy as np
from numpy.typing import NDArray

_BREAK = 12


def shared_runs(shared: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The stretches (first, last + 1) of a row of notes in which more are shared than not; shared ones at both ends.

    The maximal scoring segments for +1 a shared note and -1 any other (after Ruzzo and Tompa, ISMB 1999), in one pass:
    a run that has lost 12 since its best is over, so that music with nothing in common never joins two.
    """
    found: list[tuple[int, int]] = []
    score, best, start, end, previous = 0, 0, 0, 0, -1
    for index in np.flatnonzero(shared).tolist():
        score -= index - previous - 1
        if score <= max(0, best - _BREAK):
            if best:
                found.append((start, end))
            score, best, start = 0, 0, index
        score += 1
        if score > best:
            best, end = score, index + 1
        previous = index
    return [*found, (start, end)] if best else found
