"""What a generator can be: chosen in params.yaml by `kind:`."""

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from musegen.context import context_sizes, echo_columns
from musegen.settings import Settings
from musegen.vocabulary import Vocabulary


class TransformerSettings(Settings):
    """A decoder-only transformer; `width` is split over `heads`, `window` is the most tokens it sees at once."""

    kind: Literal["transformer"] = "transformer"
    layers: int = Field(4, ge=1)
    width: int = Field(128, ge=8)
    heads: int = Field(2, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    window: int = Field(256, ge=16)

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> Self:
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} can't be split over {self.heads} heads of an even size")
        return self


class RecurrentSettings(Settings):
    """A stack of GRU or LSTM layers; `window` is the length of the passages it is trained on."""

    kind: Literal["gru", "lstm"] = "gru"
    layers: int = Field(2, ge=1)
    width: int = Field(256, ge=8)
    dropout: float = Field(0.0, ge=0, lt=1)
    window: int = Field(256, ge=16)


ModelSettings = Annotated[TransformerSettings | RecurrentSettings, Field(discriminator="kind")]


@dataclass(frozen=True)
class Sizes:
    """What the data asks of a model: number of ids, values of each context column, which columns are echoes."""

    vocabulary: int
    contexts: tuple[int, ...]
    echoes: tuple[int, ...]

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> Self:
        """The sizes for this vocabulary."""
        columns = context_sizes(vocabulary)
        return cls(len(vocabulary), columns, tuple(range(len(columns))[echo_columns(vocabulary)]))
