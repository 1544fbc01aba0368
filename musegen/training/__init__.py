"""Training a generator: data order, optimizer, loop, checkpoints."""

from musegen.training.batches import Piece
from musegen.training.loop import train
from musegen.training.progress import Progress, TrainingResult
from musegen.training.settings import TrainingSettings
from musegen.training.source import InMemory, ShardSource, Source
from musegen.training.world import World

__all__ = [
    "InMemory",
    "Piece",
    "Progress",
    "ShardSource",
    "Source",
    "TrainingResult",
    "TrainingSettings",
    "World",
    "train",
]
