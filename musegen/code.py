"""The version of the code that makes facts and rows: a change of it makes them anew, and of nothing else."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

_SOURCES = (
    "audio.py", "augment", "beat_file.py", "change.py", "corpora/base.py", "corpora/folder.py", "corpora/pop909.py",
    "fingerprint.py", "inspection.py", "instruments.py", "labels", "midi.py", "prepare.py", "score.py",
    "shards/schema.py", "shards/writer.py", "theory.py", "tokens.py",
)  # fmt: skip
_LIBRARIES = ("miditok", "numpy", "pyarrow", "soundfile", "symusic")


@cache
def fingerprint() -> str:
    """16 hex digits over the sources that decide what a row holds and the libraries they lean on."""
    home = Path(__file__).parent
    digest = hashlib.sha256()
    for name in _SOURCES:
        path = home / name
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    for library in _LIBRARIES:
        digest.update(f"{library}=={version(library)}".encode())
    return digest.hexdigest()[:16]
