"""Which objects of the remote were read back and found right, so that a nightly push reads what is new and no more."""

import json
import os
from collections.abc import Iterable
from typing import Any

from musegen.versions.objects import Recorded
from musegen.workspace import Workspace

_FILE = "remote_checked.json"

Stamp = list[int | str]


class Checked:
    """The stamps that objects of one remote had when they were read: size, and ETag or time of writing.

    Lies in `.musegen/`; where it is lost or damaged, everything is read once more.
    """

    def __init__(self, workspace: Workspace, remote: Any) -> None:
        self._file = workspace.hidden / _FILE
        self._place = str(remote.fs.unstrip_protocol(remote.path))
        self._stamps = self._read()

    def is_known(self, item: Recorded, stamp: Stamp) -> bool:
        """Whether the object was right, and its stamp is still what it was then."""
        return self._stamps.get(item.oid) == stamp

    def learn(self, item: Recorded, stamp: Stamp) -> None:
        """The object was read and is right; `stamp` was taken before."""
        self._stamps[item.oid] = stamp

    def keep(self, items: Iterable[Recorded]) -> None:
        """Write what is known of these, and forget the others."""
        kept = {item.oid: self._stamps[item.oid] for item in items if item.oid in self._stamps}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._file.with_suffix(f".{os.getpid()}.tmp")
        with temporary.open("w", encoding="utf-8") as file:
            json.dump({"remote": self._place, "objects": kept}, file, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._file)

    def _read(self) -> dict[str, Stamp]:
        try:
            body = json.loads(self._file.read_text(encoding="utf-8"))
            return dict(body["objects"]) if body["remote"] == self._place else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}


def stamp(remote: Any, item: Recorded) -> Stamp | None:
    """What tells that the object in the remote has changed, without its being read; None where there is none."""
    try:
        found = remote.fs.info(remote.oid_to_path(item.oid))
    except FileNotFoundError:
        return None
    changed = (str(found[key]) for key in ("ETag", "etag", "md5", "mtime", "LastModified") if found.get(key))
    return [int(found["size"] or 0), next(changed, "")]
