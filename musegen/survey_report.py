"""What a survey found, for people: the same tables in a terminal and in Markdown."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table

from musegen.catalogue import CatalogueRow
from musegen.splits import SPLITS
from musegen.survey import Survey
from musegen.verdicts import in_markdown

_MOST_SHOWN = 20
_COVERED: dict[str, Callable[[CatalogueRow], object]] = {
    "style": lambda row: row.style,
    "notes": lambda row: row.notes,
    "beats": lambda row: row.beats,
    "tempo": lambda row: row.bpm,
    "key": lambda row: row.key,
    "chords": lambda row: row.chords,
    "licence": lambda row: row.licence,
}


@dataclass(frozen=True)
class Section:
    """A table: its title, the names of its columns, its rows; columns from the second on hold figures."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def headline(found: Survey) -> str:
    """One line: how much there is, and how many files of each verdict."""
    files = ", ".join(f"{count} {verdict}" for verdict, count in found.counts.items())
    return f"{len(found.rows)} tracks, {found.hours:.1f} hours, layout {found.layout}; files: {files}"


def sections(found: Survey) -> list[Section]:
    """Every table that has rows."""
    tables = [
        _styles(found.rows),
        _coverage(found.rows),
        _versions(found),
        _rejects(found),
        _counted("can't teach the generator yet", "because of", (row.composes for row in found.rows if row.composes)),
        _counted("licences", "licence", (row.licence or "(none)" for row in found.rows)),
        _warnings(found),
    ]
    return [table for table in tables if table.rows]


def to_markdown(found: Survey) -> str:
    """The report as an artifact and for files."""
    lines = [headline(found), ""]
    for section in sections(found):
        lines += [f"**{section.title}**", "", f"| {' | '.join(section.columns)} |", "|---" * len(section.columns) + "|"]
        lines += [f"| {' | '.join(in_markdown(cell) for cell in row)} |" for row in section.rows]
        lines.append("")
    return "\n".join(lines)


def show(found: Survey, console: Console) -> None:
    """The report in a terminal."""
    tables: list[RenderableType] = [escape(headline(found))]
    for section in sections(found):
        table = Table(box=None, pad_edge=False)
        for index, column in enumerate(section.columns):
            figures = index > 0 and all(row[index].replace(".", "").rstrip(" %").isdigit() for row in section.rows)
            table.add_column(column, justify="right" if figures else "left", overflow="fold")
        for row in section.rows:
            table.add_row(*(escape(" ".join(cell.split())) for cell in row))
        tables += ["", f"[bold]{escape(section.title)}[/]", table]
    console.print(Group(*tables))


def _styles(rows: Sequence[CatalogueRow]) -> Section:
    lines = []
    for style in sorted({row.style or "(none)" for row in rows}):
        mine = [row for row in rows if (row.style or "(none)") == style]
        splits = Counter(row.split for row in mine)
        hours = sum(row.seconds for row in mine) / 3600
        lines.append((style, str(len(mine)), f"{hours:.2f}", *(str(splits[split]) for split in SPLITS)))
    return Section("styles", ("style", "tracks", "hours", *SPLITS), tuple(lines))


def _coverage(rows: Sequence[CatalogueRow]) -> Section:
    if not rows:
        return Section("labels", (), ())
    counts = {kind: sum(has(row) is not None for row in rows) for kind, has in _COVERED.items()}
    lines = tuple((kind, str(count), f"{count / len(rows):.0%}") for kind, count in counts.items())
    return Section("labels", ("kind", "tracks", "share"), lines)


def _versions(found: Survey) -> Section:
    sizes = Counter(row.group for row in found.rows)
    several = [row for row in found.rows if sizes[row.group] > 1]
    copies = found.counts["duplicate"]
    lines = [("exact copies, used once", str(copies), "files")] if copies else []
    if several:
        groups = len({row.group for row in several})
        by = Counter(row.grouped_by for row in several)
        known_by = ", ".join(f"{count} by {why}" for why, count in by.most_common())
        words = f"tracks in {groups} groups ({known_by})"
        lines.append(("versions of one piece, kept in one split", str(len(several)), words))
    return Section("duplicates", ("what", "count", "unit"), tuple(lines))


def _rejects(found: Survey) -> Section:
    by_reason: dict[tuple[str, str], list[str]] = {}
    for reject in found.rejects:
        by_reason.setdefault((reject.stage, reject.reason), []).append(f"{reject.path}: {reject.detail}")
    lines = [
        (reason, stage, str(len(examples)), examples[0])
        for (stage, reason), examples in sorted(by_reason.items(), key=lambda entry: -len(entry[1]))
    ]
    return Section("rejects, all in rejects.parquet", ("reason", "stage", "files", "the first"), tuple(lines))


def _warnings(found: Survey) -> Section:
    told = [("(corpus)", words) for words in found.warnings]
    told += [(row.name, words) for row in found.rows for words in row.warning_list()]
    lines = told[:_MOST_SHOWN]
    if len(told) > len(lines):
        lines.append(("…", f"{len(told) - len(lines)} more, all in the catalogue"))
    return Section("warnings", ("track", "what is odd"), tuple(lines))


def _counted(title: str, column: str, values: Iterable[str]) -> Section:
    counts = Counter(values)
    lines = [(value, str(count)) for value, count in counts.most_common(_MOST_SHOWN)]
    return Section(title, (column, "tracks"), tuple(lines))
