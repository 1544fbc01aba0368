"""Generators: what they are told, how they are built, how they are kept."""

from musegen.models.build import build
from musegen.models.files import load_model, save_model, save_weights
from musegen.models.generator import Generator, parameter_count
from musegen.models.settings import ModelSettings, RecurrentSettings, Sizes, TransformerSettings

__all__ = [
    "Generator",
    "ModelSettings",
    "RecurrentSettings",
    "Sizes",
    "TransformerSettings",
    "build",
    "load_model",
    "parameter_count",
    "save_model",
    "save_weights",
]
