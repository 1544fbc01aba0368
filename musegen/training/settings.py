"""How a generator is trained; the defaults are the demo's, tuned for two CPU cores and a few minutes."""

from typing import Literal

from pydantic import Field

from musegen.settings import Settings


class TrainingSettings(Settings):
    """`learning_rate` is AdamW's; the inner matrices take `muon_learning_rate` where the optimizer is Muon.

    `global_batch` is windows a step over all workers, computed `micro_batch` at a time; the order of the data is drawn
    from `shuffle_pieces` pieces at once; the newest `keep_checkpoints` stay beside the best weights. `warmup` and
    `decay` are shares of `steps`; `forget` is how often a condition is hidden, so that it may be left open later;
    `valid_pieces` bounds what an evaluation scores.
    """

    seed: int = 0
    steps: int = Field(400, ge=1)
    global_batch: int = Field(12, ge=1)
    micro_batch: int = Field(6, ge=1)
    shuffle_pieces: int = Field(50_000, ge=1)
    optimizer: Literal["muon", "adamw"] = "muon"
    learning_rate: float = Field(0.012, gt=0)
    muon_learning_rate: float = Field(0.07, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    warmup: float = Field(0.03, ge=0, le=1)
    decay: float = Field(0.6, ge=0, le=1)
    clip: float = Field(1.0, gt=0)
    ema: float = Field(0.98, ge=0, lt=1)
    forget: float = Field(0.1, ge=0, le=1)
    eval_every: int = Field(100, ge=1)
    valid_pieces: int = Field(32, ge=1)
    patience: int = Field(5, ge=1)
    checkpoint_every: int = Field(100, ge=1)
    keep_checkpoints: int = Field(2, ge=1)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
