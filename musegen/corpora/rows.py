"""Rows of a table → the tracks that they are about."""

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from musegen.corpora import names
from musegen.corpora.stems import Stem
from musegen.corpora.tables import Table
from musegen.label_files import facts
from musegen.track import Said

_MOST_SHOWN = 3
_LONGEST_PATH = 4096  # of Linux; others have less
_LONGEST_SHOWN = 100


class Index:
    """Finds the stem that a path in a table means, whatever machine the path was written on."""

    def __init__(self, stems: Iterable[Stem]) -> None:
        # Every end of every path, at the folders' bounds; whole paths begin with `/`. First to the letter, then folded.
        self._exact: dict[str, list[Stem]] = {}
        self._folded: dict[str, list[Stem]] = {}
        self._count = self._deepest = 0
        for stem in stems:
            self._count += 1
            self._deepest = max(self._deepest, stem.path.count("/"))
            for end in _ends(f"/{stem.path}", self._deepest):
                self._exact.setdefault(end, []).append(stem)
                self._folded.setdefault(names.folded(end), []).append(stem)

    def __len__(self) -> int:
        return self._count

    def find(self, value: str, folder: str) -> list[Stem]:
        """The stems that `value` may mean in a table in `folder`: none, one, or several that fit equally well.

        With or without suffix; from the table's folder, else from the corpus, else by the longest end of the path that
        a stem has as well (`/other/machine/a/b.wav` → `a/b`).
        """
        if len(value) > _LONGEST_PATH:
            return []
        path = value.strip() if "/" in value else value.strip().replace("\\", "/")
        before, last = path[: path.rfind("/") + 1], path[path.rfind("/") + 1 :]
        for name in dict.fromkeys((names.without_suffix(last), last)) if last else ():
            from_folder, from_root = posixpath.join(folder, before + name), f"/{before}{name}"
            for end in (f"/{posixpath.normpath(from_folder)}", *_ends(posixpath.normpath(from_root), self._deepest)):
                found = self._exact.get(end) or self._folded.get(names.folded(end))
                if found:
                    return found
        return []


def _ends(path: str, most_folders: int) -> Iterator[str]:
    """`/a/b/c` → itself, `a/b/c`, `b/c`, `c`; but itself, none in more than `most_folders` folders."""
    yield path
    parts = path.rsplit("/", most_folders + 1)[1:]
    for start in range(len(parts)):
        yield "/".join(parts[start:])


@dataclass
class Overlay:
    """What one table says: words about stems, `pairs` of stems that one row names together, and warnings.

    The first row about a stem is used. But a row that denies consent does so for every stem that it may mean.
    """

    said: list[tuple[Stem, Said]] = field(default_factory=list)
    pairs: list[tuple[Stem, Stem]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def overlay(table: Table, source: str, folder: str, index: Index) -> Overlay | None:
    """Match every row; None where none names a file of the corpus, so that the table is about something else."""
    matched = [_stems(row, table.file_columns, folder, index) for _, row in table.rows]
    if any(matched):
        return _said(table, table.file_columns, source, matched)
    for column in table.id_columns:
        matched = [_stems(row, (column,), folder, index) for _, row in table.rows]
        out = _said(table, (column,), source, matched)
        # Numbers and words of other things may be names of tracks too: then few fit, or they say nothing of music.
        fit = 2 * sum(map(bool, matched)) >= min(len(matched), len(index))
        if fit and any(said.known() for _, said in out.said):
            return out
    return None


def _stems(row: Mapping[str, Any], columns: tuple[str, ...], folder: str, index: Index) -> list[list[Stem]]:
    """For each cell that names something, what it may mean."""
    values = [row[column] for column in columns if isinstance(row.get(column), str | int)]
    return [stems for value in values if (stems := index.find(str(value), folder))]


def _said(table: Table, columns: tuple[str, ...], source: str, matched: list[list[list[Stem]]]) -> Overlay:
    out = Overlay()
    by_id = columns != table.file_columns
    missing, unclear, twice, odd = (list[str]() for _ in range(4))
    seen: set[int] = set()
    for (line, row), cells in zip(table.rows, matched, strict=True):
        value = next((str(row[column]) for column in columns if row.get(column)), f"line {line}")
        sure = cells if by_id else [stems for stems in cells if len(stems) == 1]
        if not cells:
            missing.append(_short(value))
            continue
        said, warnings = facts.said_from({name: cell for name, cell in row.items() if name not in columns}, source)
        odd += [f"line {line}: {warning}" for warning in warnings]
        if not sure:
            unclear.append(_short(value))
        stems = list({id(stem): stem for stems in sure for stem in stems}.values())
        out.pairs += [] if by_id else [(stems[0], other) for other in stems[1:]]
        twice += [f"line {line} is about {names.shown(stem.path)} again; its first row is used"
                  for stem in stems if id(stem) in seen][:1]  # fmt: skip
        out.said += [(stem, said) for stem in stems if id(stem) not in seen]
        if said.consent is False:
            meant = {id(stem): stem for found in cells for stem in found}
            new = {id(stem) for stem in stems} - seen
            out.said += [(meant[key], Said(source, consent=False)) for key in meant if key not in new]
        seen.update(id(stem) for stem in stems)
    count = len(table.rows)
    if missing:
        out.warnings.append(f"{source}: {len(missing)} of {count} rows name no file of this corpus ({_few(missing)})")
    if unclear:
        out.warnings.append(f"{source}: {len(unclear)} of {count} rows may mean several files ({_few(unclear)}); "
                            "write their folders as well")  # fmt: skip
    for troubles in (table.warnings, twice, odd):
        out.warnings += [f"{source}: {trouble}" for trouble in troubles[:_MOST_SHOWN]]
        if len(troubles) > _MOST_SHOWN:
            out.warnings.append(f"{source}: and {len(troubles) - _MOST_SHOWN} more rows alike")
    return out


def _short(value: str) -> str:
    return names.shown(value[:_LONGEST_SHOWN]) + "…" * (len(value) > _LONGEST_SHOWN)


def _few(values: list[str]) -> str:
    return ", ".join(values[:_MOST_SHOWN]) + ", …" * (len(values) > _MOST_SHOWN)
