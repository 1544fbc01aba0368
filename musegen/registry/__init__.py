"""The only door to MLflow.

connection.py  how MLflow is reached, its errors in our words
runs.py        training runs: parameters, curves, tags
models.py      registered versions: their files, who serves
promotions.py  the log that decides who serves; entries.py: how MLflow keeps it
files.py       the files of a version and their hashes
"""

from musegen.registry.files import FILES, check_files
from musegen.registry.models import BUNDLE, GENERATOR, ModelVersion, Registry
from musegen.registry.promotions import CHALLENGER, CHAMPION, GATE, HAND, PREVIOUS, Promotion
from musegen.registry.runs import GENERATOR_EXPERIMENT, Point, Runs

__all__ = [
    "BUNDLE", "CHALLENGER", "CHAMPION", "FILES", "GATE", "GENERATOR", "GENERATOR_EXPERIMENT", "HAND", "PREVIOUS",
    "ModelVersion", "Point", "Promotion", "Registry", "Runs", "check_files",
]  # fmt: skip
