"""Augmentations: what may be drawn for a variant of a track. A new one is a file here and a line in `Augmentation`."""

from typing import Annotated

import numpy as np
from pydantic import Field

from musegen.augment.tempo import Tempo
from musegen.augment.transpose import Transpose
from musegen.change import Change
from musegen.labels import Notes

Augmentation = Annotated[Transpose | Tempo, Field(discriminator="kind")]
"""Chosen in params.yaml by `kind`."""

__all__ = ["Augmentation", "Tempo", "Transpose", "draw"]


def draw(augmentations: tuple[Augmentation, ...], notes: Notes, random: np.random.Generator) -> Change:
    """One change for one variant: every augmentation drawn in order."""
    change = Change()
    for augmentation in augmentations:
        change = change.then(augmentation.draw(notes.follow(change), random))
    return change
