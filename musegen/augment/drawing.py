"""Drawing a variant of a score."""

from collections.abc import Sequence

import numpy as np

from musegen.augment.tempo import Tempo
from musegen.augment.transpose import Transpose
from musegen.change import Change
from musegen.labels import Notes


def draw(augmentations: Sequence[Transpose | Tempo], notes: Notes, random: np.random.Generator) -> Change:
    """One change for one variant: every augmentation drawn in order, for the notes as those before have left them."""
    change = Change()
    for augmentation in augmentations:
        change = change.then(augmentation.draw(notes.follow(change), random))
    return change
