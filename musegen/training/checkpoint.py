"""Training states and best weights on disk: whole or not there.

A checkpoint is a folder of safetensors and JSON (`step-…`); the best weights are a folder of their own (`best-…`) that
the state of a checkpoint names, and whose files lie in `step-…/best` as well (as links, where the disk has them). The
manifest of a folder, written last, has the sha256 of every file; the folder gets its real name only after that. A
checkpoint whose files do not agree with its manifest is as good as absent; best weights that do not are taken from
there.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from musegen.errors import Unavailable

_STEP, _BEST = "step-", "best-"
_STATE, _MANIFEST, _COPY = "state.json", "manifest.json", "best"


def save(
    folder: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any], best: Path | None
) -> Path:
    """Write `folder/step-…` with one safetensors file for each name in `tensors`; `best` has to be there already.

    Raises `Unavailable` where the disk refuses.
    """

    def fill(draft: Path) -> None:
        for name, values in tensors.items():
            save_file(dict(values), draft / f"{name}.safetensors")
        (draft / _STATE).write_text(json.dumps({**state, "best": best and best.name}))
        if best:
            _link(best, draft / _COPY)

    return _commit(folder / f"{_STEP}{step:08d}", fill)


def save_best(folder: Path, step: int, fill: Callable[[Path], None]) -> Path:
    """Write the weights after `step` as `folder/best-…`, whose files `fill` makes; raises `Unavailable` as `save`."""
    return _commit(best_path(folder, step), fill)


def best_path(folder: Path, step: int) -> Path:
    """Where the best weights lie if they are those after `step`."""
    return folder / f"{_BEST}{step:08d}"


def best_of(checkpoint: Path) -> Path | None:
    """The best weights that a whole checkpoint names, a folder that `load_model` takes; None before there are any."""
    name = json.loads((checkpoint / _STATE).read_text())["best"]
    return None if name is None else checkpoint.parent / name


def is_valid(checkpoint: Path) -> bool:
    """True where every file that the manifest names is there and unchanged; of the best weights it says nothing."""
    try:
        sums = json.loads((checkpoint / _MANIFEST).read_text())["sha256"]
        return all(_sha256(checkpoint / name) == expected for name, expected in sums.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def newest_valid(folder: Path) -> Path | None:
    """The last checkpoint in `folder` that is whole; broken ones are passed over."""
    return next((path for path in reversed(_all(folder, _STEP)) if is_valid(path)), None)


def mend_best(checkpoint: Path) -> bool:
    """True where the best weights that a whole checkpoint names are whole, or are again, by its copy; or it names none.

    Raises `Unavailable` as `save`.
    """
    best, copy = best_of(checkpoint), checkpoint / _COPY
    if best is None or is_valid(best):
        return True
    if not is_valid(copy):
        return False

    def fill(draft: Path) -> None:
        for file in copy.iterdir():
            shutil.copyfile(file, draft / file.name)
        (draft / _MANIFEST).unlink()

    _commit(best, fill)
    return True


def discard_broken(newest: Path) -> None:
    """Remove all checkpoints beside `newest`, the newest that is whole, that are not; nobody else may be writing.

    So `retain` never keeps a broken one in place of a whole one.
    """
    for path in _all(newest.parent, _STEP):
        if path.name > newest.name or not is_valid(path):
            aside = path.with_name(f".{path.name}.former")
            shutil.rmtree(aside, ignore_errors=True)
            with suppress(OSError):  # what can't be moved is no worse than before
                shutil.rmtree(path.replace(aside), ignore_errors=True)


def load(checkpoint: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Tensors by file name, and the state, as given to `save`."""
    tensors = {path.stem: load_file(path) for path in sorted(checkpoint.glob("*.safetensors"))}
    state: dict[str, Any] = json.loads((checkpoint / _STATE).read_text())
    return tensors, state


def retain(folder: Path, newest: Path, keep: int) -> None:
    """Of the checkpoints up to `newest` only the last `keep` stay, with the best weights that they name.

    What can't be removed, as on network disks while somebody reads it, is tried again the next time.
    """
    past = [path for path in _all(folder, _STEP) if path.name <= newest.name]
    named = set()
    for path in past[-keep:]:
        with suppress(OSError, ValueError, KeyError, TypeError):  # a broken one keeps nothing alive
            named.add(best_of(path))
    for old in past[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    for best in _all(folder, _BEST):
        if best not in named and best.name <= newest.name.replace(_STEP, _BEST):
            shutil.rmtree(best, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what writers left that were killed; nobody else may be writing."""
    for draft in (*folder.glob(f".{_STEP}*"), *folder.glob(f".{_BEST}*")):
        shutil.rmtree(draft, ignore_errors=True)


def _commit(target: Path, fill: Callable[[Path], None]) -> Path:
    """Make `target` with the files that `fill` writes into a draft of it, and their manifest."""
    draft, former = target.with_name(f".{target.name}.draft"), target.with_name(f".{target.name}.former")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        fill(draft)
        sums = {path.name: _sha256(path) for path in sorted(draft.iterdir()) if path.is_file()}
        (draft / _MANIFEST).write_text(json.dumps({"sha256": sums}, indent=1))
        for path in (*draft.iterdir(), draft):
            _sync(path)
        if target.exists():  # broken, or else it would have been resumed
            shutil.rmtree(former, ignore_errors=True)
            target.replace(former)
        draft.replace(target)
        _sync(target.parent)
        shutil.rmtree(former, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        words = f"{target}: it can't be written ({error}); free space or see to the disk, then run again to go on"
        raise Unavailable(words) from error
    return target


def _link(folder: Path, target: Path) -> None:
    """The files of `folder` in a new folder `target`; copies where the disk has no links."""
    target.mkdir()
    for file in folder.iterdir():
        try:
            os.link(file, target / file.name)
        except OSError:
            shutil.copyfile(file, target / file.name)
            _sync(target / file.name)


def _all(folder: Path, prefix: str) -> list[Path]:
    return sorted(path for path in folder.glob(f"{prefix}*") if path.is_dir())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
