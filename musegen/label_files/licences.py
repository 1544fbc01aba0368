"""Licences: what words and texts about rights say, and the names that licences go by.

A notice of copyright is no licence, nor are "all rights reserved", "unlicensed" or "unknown": they permit nothing.
"""

import re
from pathlib import Path

from musegen.errors import BadInput

_HEAD_BYTES = 1 << 16
_LONGEST_LINE = 120
_FILE_NAME = re.compile(r"(licen[cs]e|copying|unlicense)([-_.]?(txt|md|rst|adoc|html?))?", re.IGNORECASE)
_CREATIVE_COMMONS = re.compile(
    r"(?:creativecommons\.org/licenses/|\bcc[ -]|creative commons (?=attribution))"
    r"(?P<parts>(?:by|attribution)(?:[ -]+(?:nc|nd|sa|non[ -]?commercial|no[ -]?deriv\w*|share[ -]?alike))*)"
    r"\b(?:/|[ -]*)(?:v(?:ersion)?[. ]*)?(?P<version>[1-4]\.\d)?",
    re.IGNORECASE,
)
_NAMED = {
    "CC0 1.0": r"\bcc[ -]?0\b|creative commons (?:cc0|zero)|publicdomain/zero",
    "AGPL": r"gnu affero general public licen[cs]e|\bagpl",
    "LGPL": r"gnu lesser general public licen[cs]e|\blgpl",
    "GPL": r"gnu general public licen[cs]e|\bgpl",
    "Apache": r"apache licen[cs]e|\bapache[- ]2",
    "MIT": r"\bmit licen[cs]e\b|^mit$|permission is hereby granted, free of charge",
    "BSD": r"\bbsd\b|redistributions of source code must retain",
    "public domain": r"publicdomain/mark|\bpublic domain\b|\bunlicense\b",
}
# Of letters, digits and single blanks alone; the first says that there is no licence, the second nothing.
_DENIED = re.compile(
    r"\ball rights reserved\b|\bun ?licen[cs]ed\b|\bproprietary\b|\blicen[cs]e none\b|\bnot (?:yet )?licen[cs]ed\b|"
    r"\bno licen[cs]e\b(?! (?:fees?|needed|required|necessary|restrictions?)\b)|could not find the licen[cs]e"
)
_EMPTY = re.compile(
    r"(?:(?:licen[cs]ed?|copyright(?:ed)?)\b ?)?(?:none|unknown|n a|na|nan|null|nil|tba|tbd|pending|undefined|"
    r"unspecified|not (?:specified|given|stated|known)|yes|no|true|false|[yntf])?"
)
_NOTICE = re.compile(r"\s*(?:©|℗|\((?:c|p)\)|copyright(?:ed)?\b(?![ -](?:free|waived)))", re.IGNORECASE)
_VERSIONED = frozenset({"AGPL", "LGPL", "GPL", "Apache"})
_VERSION = re.compile(r"[\s,]*(?:version |v|-)?\s*([1-4](?:\.\d)?)\b", re.IGNORECASE)


def is_notice(name: str) -> bool:
    """True for the name of a file that holds the licence of its whole folder: LICENSE, COPYING.txt, …"""
    return _FILE_NAME.fullmatch(name) is not None


def read(path: Path) -> str:
    """The licence that a text names, else its first line that states one; `""` for a text that gives no licence.

    Raises `BadInput` ("empty", "not text", "unreadable").
    """
    try:
        with path.open("rb") as file:
            content = file.read(_HEAD_BYTES)
    except OSError as error:
        raise BadInput(f"it can't be opened ({error.strerror}); see to its rights", "unreadable") from error
    text = content.decode("utf-8-sig", "replace")
    if "\0" in text:
        raise BadInput("it is not text; save it as UTF-8", "not text")
    lines = [" ".join(line.split()).strip("#*=- ") for line in text.splitlines()]
    if not any(lines):
        raise BadInput("it is empty; write the name of the licence into it", "empty")
    return name_of(" ".join(lines)) or _first_statement(lines)[:_LONGEST_LINE]


def _first_statement(lines: list[str]) -> str:
    denied = "all rights reserved" in " ".join(lines).lower()
    first = next((line for line in lines if stated(line) or denies(line)), "")
    return "" if denied or denies(first) else first


def stated(words: str) -> str | None:
    """`words` if they may be a licence; None for those that deny one or say nothing, and for a copyright notice."""
    if name_of(words):
        return words
    plain = _plain(words)
    empty = not any(letter.isalpha() for letter in plain) or _EMPTY.fullmatch(plain) or _NOTICE.match(words)
    return None if empty or denies(words) else words


def denies(words: str) -> bool:
    """Whether they say that there is no licence ("All rights reserved"), and name none."""
    return _DENIED.search(_plain(words)) is not None and name_of(words) is None


def _plain(words: str) -> str:
    return re.sub(r"[\W_]+", " ", words).strip().lower()


def name_of(text: str) -> str | None:
    """The usual name of the licence that `text` is, names or links to (`"CC BY-SA 4.0"`); None for an unknown one.

    Of several, Creative Commons' and else the first: the GNU licences mention each other further down.
    """
    found = list(_CREATIVE_COMMONS.finditer(text))
    if found:
        best = max(found, key=lambda match: (len(_parts(match["parts"])), match["version"] is not None))
        version = best["version"] or next((match["version"] for match in found if match["version"]), None)
        return f"CC {'-'.join(_parts(best['parts']))}" + (f" {version}" if version else "")
    places = {name: re.search(pattern, text, re.IGNORECASE | re.MULTILINE) for name, pattern in _NAMED.items()}
    hits = {name: place for name, place in places.items() if place}
    if not hits:
        return None
    name = min(hits, key=lambda name: hits[name].start())
    version = _VERSION.match(text, hits[name].end()) if name in _VERSIONED else None
    return f"{name} {version[1]}" if version else name


def _parts(words: str) -> list[str]:
    """`Attribution-NonCommercial` → BY, NC."""
    short = re.sub(r"non[ -]?commercial", "nc", re.sub(r"share[ -]?alike", "sa", words.lower()))
    short = re.sub(r"no[ -]?deriv\w*", "nd", short.replace("attribution", "by"))
    return [part.upper() for part in re.split(r"[ -]+", short) if part]
