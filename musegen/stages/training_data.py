"""What a training has to know of its dataset before it begins: how much there is, which styles, and what is usual in
them. Read from a few columns, so that it costs little of a large dataset."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from musegen.generate import Habits
from musegen.shards import elsewhere, reader
from musegen.shards.schema import Example, from_table
from musegen.shards.store import Place

_COLUMNS = ("style", "variant", "bpm", "meter", "key")
_MOST_KEYS = 4


@dataclass(frozen=True)
class Learnt:
    """Rows by split, the styles of the training split, and the habits of each."""

    rows: Mapping[str, int]
    styles: tuple[str, ...]
    habits: Mapping[str, Habits]

    @property
    def empty(self) -> list[str]:
        """The splits that hold nothing."""
        return [split for split, rows in self.rows.items() if not rows]


@lru_cache(maxsize=4)
def learnt_from(folder: Path, data_sha256: str) -> Learnt:
    """What the dataset of `folder`, whose hash is `data_sha256`, teaches; read once a process."""
    place = elsewhere.place_of(folder)
    tables = {
        split: [row for batch in reader.stream(place, split, _COLUMNS) for row in batch.to_pylist()]
        for split in reader.SPLITS
    }
    styles = tuple(sorted({row["style"] for row in tables["train"] if row["style"]}))
    return Learnt({split: len(rows) for split, rows in tables.items()}, styles, habits_of(tables["train"]))


def originals(place: Place, split: str) -> list[Example]:
    """The pieces of a split as they are, without their augmented variants, of which a row group is in memory."""
    found: list[Example] = []
    for batch in reader.stream(place, split):
        kept = batch.filter(pc.equal(batch.column("variant"), 0))
        found += from_table(pa.Table.from_batches([kept]))
    return found


def habits_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, Habits]:
    """For every style what its tracks usually are; augmented variants don't count."""
    by_style: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["style"] and row["variant"] == 0:
            by_style.setdefault(row["style"], []).append(row)
    return {
        style: Habits(
            bpm=float(round(median([row["bpm"] for row in tracks if row["bpm"]] or [120.0]))),
            meter=Counter(row["meter"] for row in tracks).most_common(1)[0][0],
            keys=tuple(key for key, _ in Counter(row["key"] for row in tracks if row["key"]).most_common(_MOST_KEYS))
            or ("C",),
        )
        for style, tracks in sorted(by_style.items())
    }
