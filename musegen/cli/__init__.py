"""The front door: `musegen COMMAND`.

app.py     the frame: exit codes, JSON or words, the workspace
data.py    init, sample, survey, prepare, remove, pull, push, verify
models.py  train, retrain, tune, status, promote, rollback, history, reproduce
judging.py evaluate
music.py   demo, generate, originality
"""

from musegen.cli import data, judging, models, music
from musegen.cli.app import app, main

__all__ = ["app", "data", "judging", "main", "models", "music"]
