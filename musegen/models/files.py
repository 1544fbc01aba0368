"""A model as a folder of data: weights in safetensors, settings and vocabulary in JSON; nothing in it can run."""

from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from musegen.errors import BadInput
from musegen.models.build import build
from musegen.models.generator import Generator
from musegen.models.settings import ModelSettings, RecurrentSettings, Sizes, TransformerSettings
from musegen.vocabulary import Vocabulary

WEIGHTS, SETTINGS, VOCABULARY = "weights.safetensors", "model.json", "vocabulary.json"
"""The files of a model folder."""

_ANY_SETTINGS: TypeAdapter[TransformerSettings | RecurrentSettings] = TypeAdapter(ModelSettings)


def save_model(folder: Path, model: Generator, settings: ModelSettings, vocabulary: Vocabulary) -> None:
    """Write the three files into `folder`, which is made if need be."""
    save_weights(folder, model.state_dict(), settings, vocabulary)


def save_weights(folder: Path, weights: Mapping[str, Tensor], settings: ModelSettings, vocabulary: Vocabulary) -> None:
    """The same of weights by their names."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}, folder / WEIGHTS)
    (folder / SETTINGS).write_text(settings.model_dump_json(indent=1) + "\n")
    vocabulary.save(folder / VOCABULARY)


def load_model(
    folder: Path, device: torch.device | str = "cpu"
) -> tuple[Generator, TransformerSettings | RecurrentSettings, Vocabulary]:
    """The model in evaluation mode, its settings and vocabulary; raises `BadInput` for a broken or foreign folder."""
    vocabulary = Vocabulary.load(folder / VOCABULARY)
    try:
        settings = _ANY_SETTINGS.validate_json((folder / SETTINGS).read_text())
        model = build(settings, Sizes.of(vocabulary))
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (ValidationError, SafetensorError, RuntimeError, OSError) as error:
        raise BadInput(f"{folder}: not a whole model; fetch it again", "bad model") from error
    return model.to(device).eval(), settings, vocabulary
