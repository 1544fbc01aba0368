"""Which shards a dataset ought to have, and which of them are not there yet."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby

from musegen.catalogue import CatalogueRow
from musegen.prepare.recipe import Recipe, ShardSettings
from musegen.shards import writer
from musegen.shards.manifest import Manifest
from musegen.shards.store import Place, Store


@dataclass(frozen=True)
class PlannedTrack:
    """A track, and the fingerprint that its rows ought to have."""

    row: CatalogueRow
    fingerprint: str


@dataclass(frozen=True)
class ShardPlan:
    """A shard that ought to exist: its tracks by id, and the fingerprint of everything that decides its bytes.

    `expected_bytes`: about how large it gets.
    """

    path: str
    tracks: tuple[PlannedTrack, ...]
    fingerprint: str
    expected_bytes: float = 0.0

    @property
    def rows(self) -> tuple[CatalogueRow, ...]:
        """The catalogue rows of its tracks."""
        return tuple(planned.row for planned in self.tracks)


def plan(rows: Sequence[CatalogueRow], recipe: Recipe) -> list[ShardPlan]:
    """Which shards the catalogue asks for; a track's content hash alone decides its shard. May be none."""
    plans = []
    wanted = sorted((row for row in rows if recipe.wants(row)), key=lambda row: (row.split, row.track))
    for split, of_split in groupby(wanted, key=lambda row: row.split):
        members = list(of_split)
        sizes = {row.track: recipe.bytes_of(row) for row in members}
        count = shard_count(sum(sizes.values()), recipe.shards)
        shards: dict[int, list[CatalogueRow]] = defaultdict(list)
        for row in members:
            shards[writer.shard_index(row.track, count)].append(row)
        for index, mine in sorted(shards.items()):
            path = writer.shard_path(split, index, count)
            plans.append(_plan(path, mine, recipe, sum(sizes[row.track] for row in mine)))
    return plans


def shard_count(expected_bytes: float, settings: ShardSettings) -> int:
    """How many files hold so much: the least number, doubled as often as it takes."""
    count = settings.shards
    while expected_bytes / count > settings.shard_megabytes * 1e6:
        count *= 2
    return count


def stale(
    plans: Sequence[ShardPlan], manifest: Manifest | None, place: Place, damaged: Collection[str] = ()
) -> list[ShardPlan]:
    """The shards that are not there yet, were cut short, were made from something else, or are among `damaged`."""
    made = {shard.path: shard for shard in manifest.shards} if manifest else {}
    sizes = Store.at(place).sizes() if made else {}

    def is_ready(plan: ShardPlan) -> bool:
        shard = made.get(plan.path)
        if shard is None or shard.path in damaged:
            return False
        return shard.fingerprint == plan.fingerprint and sizes.get(shard.path) == shard.size_bytes

    return [plan for plan in plans if not is_ready(plan)]


def _plan(path: str, rows: Sequence[CatalogueRow], recipe: Recipe, expected_bytes: float) -> ShardPlan:
    tracks = tuple(PlannedTrack(row, recipe.fingerprint(row, rows)) for row in rows)
    text = "\n".join([path, *(planned.fingerprint for planned in tracks)])
    return ShardPlan(path, tracks, hashlib.sha256(text.encode()).hexdigest(), expected_bytes)
