"""What a dataset as it was knows of each track: its rows, or why there are none."""

import re
from collections.abc import Iterator
from copy import copy
from functools import lru_cache

import pyarrow as pa

from musegen.errors import BadInput
from musegen.prepare.plan import PlannedTrack
from musegen.shards import writer
from musegen.shards.manifest import Manifest, ShardEntry, TrackReject
from musegen.shards.reader import CommittedRows
from musegen.shards.store import Store

_SHARDS_HELD = 4
_SHARD_NAME = re.compile(r"/shard-(\d+)-of-(\d+)\.parquet$")


class Committed:
    """The rows of one split of the dataset as it was, found by track, whatever the number of shards was.

    Its rejects as well, unless they are to be tried again. A row group is in memory of the few shards used last.
    """

    def __init__(self, store: Store, before: Manifest | None, path: str, retry: bool) -> None:
        self._store = store
        self._rejects: dict[tuple[str, str], TrackReject] = {}
        self._entries: dict[tuple[int, int], ShardEntry] = {}
        for entry in before.shards if before else ():
            name = _SHARD_NAME.search(entry.path)
            if name and entry.path.partition("/")[0] == path.partition("/")[0]:
                self._entries[int(name[1]), int(name[2])] = entry
                for reject in () if retry else entry.rejects:
                    self._rejects[reject.track, reject.fingerprint] = reject
        self._counts = sorted({count for _, count in self._entries})
        self._opened: dict[str, CommittedRows | None] = {}
        self._reading = lru_cache(_SHARDS_HELD)(copy)  # a copy takes along the row group that it has read

    def holds(self, planned: PlannedTrack) -> bool:
        """Whether the rows of the track are there as they are planned, or it is known that there are none."""
        return self.reject(planned) is not None or self._shard_of(planned) is not None

    def reject(self, planned: PlannedTrack) -> TrackReject | None:
        """Why the track gave no rows, if it was tried as it is planned."""
        return self._rejects.get((planned.row.track, planned.fingerprint))

    def tables(self, planned: PlannedTrack) -> Iterator[pa.Table]:
        """The rows of a track that it holds; ask for tracks in ascending order."""
        found = self._shard_of(planned)
        return self._reading(found).tables(planned.row.track) if found else iter(())

    def _shard_of(self, planned: PlannedTrack) -> CommittedRows | None:
        for count in self._counts:
            entry = self._entries.get((writer.shard_index(planned.row.track, count), count))
            rows = self._rows_of(entry) if entry else None
            if rows is not None and rows.fingerprints.get(planned.row.track) == planned.fingerprint:
                return rows
        return None

    def _rows_of(self, entry: ShardEntry) -> CommittedRows | None:
        if entry.path not in self._opened:
            try:
                self._opened[entry.path] = CommittedRows(self._store, entry)
            except BadInput:  # missing or damaged: its tracks are made anew
                self._opened[entry.path] = None
        return self._opened[entry.path]
