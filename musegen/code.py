"""The version of the code that makes facts and rows: a change of it makes them anew, and of nothing else."""

import hashlib
import re
from collections.abc import Sequence
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
    *_OF_ROWS, "audio", "features", "prepare/listening", "shards/listening",
)  # fmt: skip
_SIBLING = re.compile(r"^from musegen\.augment\.(\w+) import", re.MULTILINE)
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
    """The same for the listening dataset; `augmentations` are the modules of those that are used, by full name;
    what they lean on counts as well."""
    chosen = [name.removeprefix("musegen.").replace(".", "/") for name in augmentations]
    varied = _with_siblings(["augment/chain", "augment/sounds", *chosen]) if chosen else set()
    sources = tuple(sorted({*_OF_LISTENING, *varied}))
    libraries = ("librosa", "music21", "numpy", "pyarrow", "python-stretch", "scipy", "soundfile", "soxr", "symusic")
    return _fingerprint(sources, libraries, f"{_libsndfile()} {_libsoxr()}")


def _with_siblings(augmentations: Sequence[str]) -> set[str]:
    """These modules and those of `augment` that they import, directly or not; the list of all that there is aside."""
    found, waiting = set[str](), list(augmentations)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            text = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
            waiting += [f"augment/{sibling}" for sibling in _SIBLING.findall(text) if sibling != "kinds"]
    return found


def _libsndfile() -> str:
    import soundfile

    return str(soundfile.__libsndfile_version__)


def _libsoxr() -> str:
    import soxr

    return str(soxr.__libsoxr_version__)


def _fingerprint(sources: tuple[str, ...], libraries: tuple[str, ...], beside: str = "") -> str:
    home = Path(__file__).parent
    digest = hashlib.sha256()
    for name in sources:
        for file in sorted((home / name).rglob("*.py")) or [home / f"{name}.py"]:
            if file.parent.name != "corpora" or file.name not in _OTHERS:
                digest.update(file.read_bytes())
    for library in libraries:
        digest.update(f"{library}=={version(library)}".encode())
    digest.update(beside.encode())
    return digest.hexdigest()[:16]
