"""What a dataset is made by: which tracks it wants, and the rows that each of them gives."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import pyarrow as pa
from pydantic import Field

from musegen.catalogue import CatalogueRow, joint_sha256
from musegen.clock import Clock
from musegen.errors import BadInput
from musegen.settings import Settings
from musegen.shards.writer import sha256
from musegen.track import Track

_ID_DIGITS = 32


class ShardSettings(Settings):
    """Into how many files a split falls: `shards`, doubled until none is expected above `shard_megabytes`."""

    shards: int = Field(8, ge=1, le=4096)
    shard_megabytes: float = Field(256.0, gt=0)


class Recipe(Protocol):
    """The making of one dataset. It is pickled to the workers, and holds all that they need."""

    @property
    def name(self) -> str:
        """Of the dataset: composing or listening."""

    @property
    def schema(self) -> pa.Schema:
        """Of its rows; `track` and `fingerprint` are among the columns."""

    @property
    def shards(self) -> ShardSettings:
        """Into which files it falls."""

    def wants(self, row: CatalogueRow) -> bool:
        """Whether a track belongs to it."""

    def bytes_of(self, row: CatalogueRow) -> float:
        """About how much the rows of a track take on disk."""

    def fingerprint(self, row: CatalogueRow, mates: Sequence[CatalogueRow]) -> str:
        """Of everything that decides the rows of a track; `mates` are the tracks of its shard, itself included."""

    def tables(self, row: CatalogueRow, mates: Sequence[CatalogueRow], clock: Clock) -> Iterator[pa.Table]:
        """The rows of a track, in order, a part at a time; raises `BadInput` (reason "changed": survey again)."""

    def totals(self, table: pa.Table) -> Mapping[str, float]:
        """What the manifest counts of some rows."""


def check_unchanged(row: CatalogueRow, track: Track) -> None:
    """Raises `BadInput` (changed) where the files of a track are not what the survey saw."""
    try:
        same = sha256(track.content)[:_ID_DIGITS] == row.track
    except FileNotFoundError:
        same = False
    if not same:
        words = f"{row.name}: its file is gone or another one since the survey; survey again"
        raise BadInput(words, "changed", track.content)
    try:
        same = joint_sha256({role: sha256(file) for role, file in track.files.items()}) == row.files_sha256
    except FileNotFoundError:
        same = False
    if not same:
        words = f"{row.name}: a label file of it is gone or another one since the survey; survey again"
        raise BadInput(words, "changed", track.content)
