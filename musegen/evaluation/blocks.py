"""What a page is made of, written once as Markdown and once as HTML.

Whatever stands in a block is text: letters that mean something to Markdown or HTML are escaped here and nowhere else.
"""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

_ENTITY = re.compile(r"&(?=#?\w+;)")
_MARKUP = re.compile(r"([\\`*_\[\]|])")


@dataclass(frozen=True)
class Figure:
    """A number with the ends of its interval, for a cell of a table."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{shown(self.value)} ({self.ends})"

    @property
    def ends(self) -> str:
        return f"{shown(self.low)} to {shown(self.high)}"


@dataclass(frozen=True)
class Heading:
    """`level` 1 is the title of the page."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Words:
    """A paragraph; `tone` colours it on a page: `good`, `bad`, or `soft` for what is said aside."""

    text: str
    tone: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells below a head; the first column names the row. Numbers are rounded and stand to the right, what is
    not there is a dash."""

    head: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Meanings:
    """Words and what they mean."""

    entries: dict[str, str]


@dataclass(frozen=True)
class Picture:
    """A picture beside the page, by its path from there."""

    caption: str
    path: str


@dataclass(frozen=True)
class Files:
    """What may be opened or heard: name → kind (`MIDI`, `sound`) → path from the page."""

    entries: dict[str, dict[str, str]]


Block = Heading | Words | Table | Meanings | Picture | Files


def shown(value: Any) -> str:
    """A cell as a person reads it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}" if abs(value) >= 10 else f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def markdown(blocks: Sequence[Block]) -> str:
    """The blocks as GitHub's Markdown, pictures and files by their paths."""
    return "\n\n".join(part for block in blocks if (part := _markdown(block))) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_plain(text)}"
        case Words(text, tone):
            return f"**{_plain(text)}**" if tone in ("good", "bad") else _plain(text)
        case Table(head, rows):
            cells = [[_plain(shown(cell)) for cell in row] for row in (head, *rows)]
            cells.insert(1, ["---", *(["---:"] * (len(head) - 1))])
            return "\n".join("| " + " | ".join(line) + " |" for line in cells)
        case Meanings(entries):
            return "\n".join(f"- **{_plain(word)}**: {_plain(meaning)}" for word, meaning in entries.items())
        case Picture(caption, path):
            return f"![{_plain(caption)}]({_address(path)})"
        case Files(entries):
            return "\n".join(
                f"- {_plain(name)}: " + ", ".join(f"[{_plain(kind)}]({_address(path)})" for kind, path in kinds.items())
                for name, kinds in entries.items()
            )


@dataclass(frozen=True)
class Inline:
    """A picture that is part of the page: its data URI, and how wide it is meant to be in CSS pixels."""

    address: str
    width: int


def body(blocks: Sequence[Block], pictures: Mapping[str, Inline]) -> str:
    """The blocks as HTML; `pictures`: those that become part of the page, by their paths."""
    return "\n".join(_html(block, pictures) for block in blocks)


def _html(block: Block, pictures: Mapping[str, Inline]) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{html.escape(text)}</h{level}>"
        case Words(text, tone):
            return f'<p class="{tone}">{html.escape(text)}</p>' if tone else f"<p>{html.escape(text)}</p>"
        case Table(head, rows):
            top = "".join(f"<th{_aligned(rows, place)}>{html.escape(cell)}</th>" for place, cell in enumerate(head))
            cells = ["".join(_cell(cell, place) for place, cell in enumerate(row)) for row in rows]
            lines = "\n".join(f"<tr>{line}</tr>" for line in cells)
            return f'<div class="table"><table><thead><tr>{top}</tr></thead><tbody>\n{lines}\n</tbody></table></div>'
        case Meanings(entries):
            lines = "\n".join(
                f"<dt>{html.escape(word)}</dt><dd>{html.escape(meaning)}</dd>" for word, meaning in entries.items()
            )
            return f"<dl>\n{lines}\n</dl>"
        case Picture(caption, path):
            inside, words = pictures.get(path), html.escape(caption)
            source = (
                f'src="{inside.address}" width="{inside.width}"' if inside else f'src="{html.escape(_address(path))}"'
            )
            return f'<figure><img {source} alt="{words}"><figcaption>{words}</figcaption></figure>'
        case Files(entries):
            return "\n".join(_files(name, kinds) for name, kinds in entries.items())


def _cell(cell: Any, place: int) -> str:
    if isinstance(cell, Figure):
        return f"<td>{html.escape(shown(cell.value))}<small>{html.escape(cell.ends)}</small></td>"
    mark = {"✓": ' class="good"', "✗": ' class="bad"'}.get(cell, ' class="text"') if isinstance(cell, str) else ""
    tag = "td" if place else "th"
    return f"<{tag}{mark}>{html.escape(shown(cell))}</{tag}>"


def _aligned(rows: Sequence[Sequence[Any]], place: int) -> str:
    return ' class="text"' if any(isinstance(row[place], str) for row in rows) else ""


def _files(name: str, kinds: dict[str, str]) -> str:
    sound = kinds.get("sound")
    player = f'<audio controls preload="none" src="{html.escape(_address(sound))}"></audio>' if sound else ""
    links = " ".join(f'<a href="{html.escape(_address(path))}">{html.escape(kind)}</a>' for kind, path in kinds.items())
    return f'<div class="piece"><b>{html.escape(name)}</b>{player}<span>{links}</span></div>'


def _plain(text: str) -> str:
    escaped = _MARKUP.sub(r"\\\1", " ".join(text.split()))
    return _ENTITY.sub("&amp;", escaped).replace("<", "&lt;")


def _address(path: str) -> str:
    """A relative path as it stands in a link."""
    return quote(path, safe="/")
