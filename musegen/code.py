"""The version of the code that makes facts and rows: a change of it makes them anew, and of nothing else."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

_OF_LABELS = (
    "change", "corpora", "instruments", "label_files", "labels", "midi", "midi_events", "score", "theory", "track",
)  # fmt: skip
_OF_FACTS = (*_OF_LABELS, "alignment", "audio", "ear", "fingerprint", "grouping", "inspection", "tokens")
_OF_ROWS = (*_OF_LABELS, "prepare/labels", "shards/columns", "shards/writer")
_OF_COMPOSING = (
    *_OF_ROWS, "augment/drawing", "augment/tempo", "augment/transpose", "prepare/composing", "shards/schema", "tokens",
)  # fmt: skip
_OF_LISTENING = (
    *_OF_ROWS, "audio", "augment/base", "augment/chain", "augment/sounds", "augment/stretch", "features",
    "prepare/listening", "shards/listening",
)  # fmt: skip
# They make recordings, and read none.
_OTHERS = frozenset({"journal.py", "performance.py", "sample.py", "scores.py"})


@cache
def of_facts() -> str:
    """16 hex digits over the sources that decide what a survey finds in a file, and the libraries they lean on."""
    return _fingerprint(_OF_FACTS, ("music21", "numpy", "scipy", "soundfile", "soxr", "symusic", "tinytag"))


@cache
def of_composing_rows() -> str:
    """16 hex digits over the sources that decide a row of the composing dataset, and the libraries they lean on."""
    return _fingerprint(_OF_COMPOSING, ("miditok", "music21", "numpy", "pyarrow", "symusic"))


@cache
def of_listening_rows(augmentations: frozenset[str]) -> str:
    """The same for the listening dataset; `augmentations` are the modules of those that are used, by full name."""
    chosen = [name.removeprefix("musegen.").replace(".", "/") for name in augmentations]
    sources = tuple(sorted({*_OF_LISTENING, *chosen}))
    libraries = ("librosa", "music21", "numpy", "pyarrow", "python-stretch", "scipy", "soundfile", "soxr", "symusic")
    return _fingerprint(sources, libraries)


def _fingerprint(sources: tuple[str, ...], libraries: tuple[str, ...]) -> str:
    home = Path(__file__).parent
    digest = hashlib.sha256()
    for name in sources:
        for file in sorted((home / name).rglob("*.py")) or [home / f"{name}.py"]:
            if file.parent.name != "corpora" or file.name not in _OTHERS:
                digest.update(file.read_bytes())
    for library in libraries:
        digest.update(f"{library}=={version(library)}".encode())
    return digest.hexdigest()[:16]
