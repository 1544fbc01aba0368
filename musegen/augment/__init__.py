"""Augmentations: what may be drawn for a variant of a track, and how its labels follow."""

from musegen.augment.base import Effect, SoundAugmentation, Sounds
from musegen.augment.chain import Performed, from_json, perform, replay, to_json
from musegen.augment.drawing import draw
from musegen.augment.kinds import AnySound, ScoreAugmentation

__all__ = [
    "AnySound", "Effect", "Performed", "ScoreAugmentation", "SoundAugmentation", "Sounds", "draw", "from_json",
    "perform", "replay", "to_json",
]  # fmt: skip
