"""Which tracks a model learnt from: a list that every registered version keeps, so that a removal finds what descends
from a track even when the dataset has long been another one.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from musegen import catalogue, spreadsheet
from musegen.errors import BadInput, about
from musegen.shards import elsewhere, manifest
from musegen.spreadsheet import plain, protected
from musegen.workspace import Workspace

TRACKS = Path("lineage") / "tracks.csv"
_NO_DATASET, _NO_CATALOGUE = "no dataset", "no catalogue"


@dataclass(frozen=True)
class Ancestor:
    """A track that a dataset holds; `licence` is empty where nothing names one."""

    track: str
    name: str
    split: str
    group: str
    licence: str = ""


@dataclass(frozen=True)
class Share:
    """How many rows of a shard are a track's, its variants included, and beneath how many rows of others it sounds."""

    shard: str
    ancestor: Ancestor
    rows: int
    beneath: int = 0


_COLUMNS = tuple(column.name for column in fields(Ancestor))
_IN_SHARDS = ["track", "name", "split", "group"]
_EFFECTS = "effects"
_TRACK = re.compile(r'"name":"track:([0-9a-f]+)"')


def shares(folder: Path) -> list[Share]:
    """Every track of every shard of the dataset in `folder`; none without a dataset, `BadInput` for a damaged one.

    Shards are named with the dataset: `composing/split=train/shard-…`.
    """
    try:
        store = elsewhere.place_of(folder)
        shards = manifest.load(store).shards
    except BadInput as error:
        if error.reason == _NO_DATASET:
            return []
        raise
    found = []
    for shard in shards:
        try:
            with store.open_input(shard.path) as file:
                parquet = pq.ParquetFile(file, page_checksum_verification=True)
                effects = [_EFFECTS] if _EFFECTS in parquet.schema_arrow.names else []
                table = parquet.read([*_IN_SHARDS, *effects])
        except (OSError, pa.ArrowException) as error:
            words = f"{store.describe(shard.path)}: it can't be read ({error}); run `dvc checkout`"
            raise BadInput(words, "damaged") from error
        beneath = Counter(track for told in _effects(table) for track in set(_TRACK.findall(told)))
        counted = table.group_by(_IN_SHARDS).aggregate([([], "count_all")]).to_pylist()
        for row in counted:
            ancestor = Ancestor(*(row[name] for name in _IN_SHARDS))
            found.append(Share(f"{folder.name}/{shard.path}", ancestor, row["count_all"], beneath[ancestor.track]))
    return sorted(found, key=lambda share: (share.shard, share.ancestor.track))


def _effects(table: pa.Table) -> list[str]:
    """What was drawn for each row, as JSON; nothing where the dataset does not tell."""
    return table.column(_EFFECTS).to_pylist() if _EFFECTS in table.column_names else []


def keep(workspace: Workspace, data_sha256: str, folder: Path) -> None:
    """Write the list of tracks of the dataset `data_sha256` into `folder`, if the workspace still holds that dataset.

    A list of other data would be worse than none: a version without a list is known to be unknown.
    """
    held = shares(workspace.composing)
    if not held or manifest.load(workspace.composing).data_sha256 != data_sha256:
        return
    licences = _licences(workspace)
    ancestors = {share.ancestor.track: share.ancestor for share in held}
    records = [
        [spreadsheet.id_cell(track), *map(protected, astuple(ancestor)[1:-1]), protected(licences.get(track) or "")]
        for track, ancestor in sorted(ancestors.items())
    ]
    spreadsheet.write(folder / TRACKS, _COLUMNS, records)


def read(folder: Path) -> Sequence[Ancestor] | None:
    """The list that a version keeps, None where it keeps none; raises `BadInput` for a damaged one."""
    path = folder / TRACKS
    with about(path):
        sheet = spreadsheet.read(path, _COLUMNS)
        if sheet is None:
            return None
        cells = [{name: plain(line.cells[name]) for name in _COLUMNS} for line in sheet.lines]
        return [Ancestor(**{**row, "track": spreadsheet.id_of(row["track"])}) for row in cells]


def _licences(workspace: Workspace) -> dict[str, str | None]:
    try:
        return {row.track: row.licence for row in catalogue.read(workspace.data)}
    except BadInput as error:
        if error.reason == _NO_CATALOGUE:
            return {}
        raise
