"""Training states on disk: whole or not there.

A checkpoint is a folder of safetensors and JSON. Its manifest, written last, names every file's sha256; the folder gets
its real name only after that. A checkpoint whose files do not agree with its manifest is as good as absent.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

_PREFIX = "step-"
_STATE, _MANIFEST = "state.json", "manifest.json"


def save(
    folder: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: dict[str, Any], keep: int = 2
) -> Path:
    """Write `folder/step-…` with one safetensors file for each name in `tensors`; only the newest `keep` stay."""
    target = folder / f"{_PREFIX}{step:08d}"
    draft = folder / f".{target.name}.{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for name, values in tensors.items():
        save_file(
            {key: value.detach().cpu().contiguous() for key, value in values.items()}, draft / f"{name}.safetensors"
        )
    (draft / _STATE).write_text(json.dumps(state))
    sums = {path.name: _sha256(path) for path in sorted(draft.iterdir())}
    (draft / _MANIFEST).write_text(json.dumps({"sha256": sums}, indent=1))
    for path in draft.iterdir():
        _sync(path)
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)
    _sync(folder)
    for old in _all(folder)[:-keep]:
        shutil.rmtree(old)
    return target


def is_valid(checkpoint: Path) -> bool:
    """True where every file that the manifest names is there and unchanged."""
    try:
        sums = json.loads((checkpoint / _MANIFEST).read_text())["sha256"]
        return all(_sha256(checkpoint / name) == expected for name, expected in sums.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def newest_valid(folder: Path) -> Path | None:
    """The last checkpoint in `folder` that is whole; broken ones are passed over."""
    return next((path for path in reversed(_all(folder)) if is_valid(path)), None)


def load(checkpoint: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Tensors by file name, and the state, as given to `save`."""
    tensors = {path.stem: load_file(path) for path in sorted(checkpoint.glob("*.safetensors"))}
    state: dict[str, Any] = json.loads((checkpoint / _STATE).read_text())
    return tensors, state


def _all(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob(f"{_PREFIX}*") if path.is_dir())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
