"""From settings to a model with fresh weights."""

from musegen.models.generator import Generator
from musegen.models.rnn import Recurrent
from musegen.models.settings import RecurrentSettings, Sizes, TransformerSettings
from musegen.models.transformer import Transformer


def build(settings: TransformerSettings | RecurrentSettings, sizes: Sizes) -> Generator:
    """The model that `kind` names, its weights drawn from torch's global random state."""
    if isinstance(settings, TransformerSettings):
        return Transformer(settings, sizes)
    return Recurrent(settings, sizes)
