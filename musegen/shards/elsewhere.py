"""A dataset too large for the workspace: it lies in an object store, and a small file in its folder says where.

DVC records that file, and with it the hash of the dataset; of its shards DVC keeps no copies.
"""

import json
import shutil
from pathlib import Path

from musegen.errors import BadInput
from musegen.shards import manifest
from musegen.shards.manifest import POINTER, Manifest
from musegen.shards.store import FolderStore, Store


def place_of(folder: Path) -> Store:
    """Where the dataset of `folder` lies: there, or where its pointer says. Raises `BadInput` for a damaged pointer."""
    pointed = _pointed(folder)
    return Store.at(pointed[0]) if pointed else Store.at(folder)


def point(folder: Path, place: Store, made: Manifest) -> None:
    """Say in `folder` that its dataset is `made` at `place`; one that lies in the folder itself goes."""
    if place.is_local and Path(place.path).resolve() == folder.resolve():
        (folder / POINTER).unlink(missing_ok=True)
        return
    text = json.dumps({"place": place.path, "data_sha256": made.data_sha256}, indent=1)
    here = FolderStore(folder)
    # By way of STAGING, which is emptied below: what a kill leaves of it is not recorded for good.
    here.write_bytes(manifest.staged_path(POINTER), f"{text}\n".encode())
    here.move(manifest.staged_path(POINTER), POINTER)
    (folder / manifest.MANIFEST).unlink(missing_ok=True)
    for inside in [*folder.glob("split=*"), folder / manifest.STAGING]:
        shutil.rmtree(inside, ignore_errors=True)


def moved_on(folder: Path) -> list[str]:
    """What is wrong with the pointer of `folder`, if it has one: another dataset lies there by now."""
    pointed = _pointed(folder)
    if pointed is None:
        return []
    try:
        there = manifest.load(Store.at(pointed[0])).data_sha256
    except BadInput as error:
        return [str(error)]
    same = there == pointed[1]
    return [] if same else [f"{pointed[0]}: data {there[:12]} lie there, {pointed[1][:12]} are recorded; prepare again"]


def _pointed(folder: Path) -> tuple[str, str] | None:
    path = folder / POINTER
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        return str(body["place"]), str(body["data_sha256"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        words = f"{path}: it is damaged ({error}); run `dvc checkout` or `musegen prepare`"
        raise BadInput(words, "damaged") from error
