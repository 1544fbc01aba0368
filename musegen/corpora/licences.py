"""Licence texts → the name that a licence goes by."""

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
_VERSIONED = frozenset({"AGPL", "LGPL", "GPL", "Apache"})
_VERSION = re.compile(r"[\s,]*(?:version |v|-)?\s*([1-4](?:\.\d)?)\b", re.IGNORECASE)


def is_notice(name: str) -> bool:
    """True for the name of a file that holds the licence of its whole folder: LICENSE, COPYING.txt, …"""
    return _FILE_NAME.fullmatch(name) is not None


def read(path: Path) -> str:
    """The licence that a text names, else its first line; raises `BadInput` for a file that is empty or no text."""
    try:
        with path.open("rb") as file:
            content = file.read(_HEAD_BYTES)
    except OSError as error:
        raise BadInput(f"it can't be opened ({error.strerror}); see to its rights", "unreadable") from error
    text = content.decode("utf-8-sig", "replace")
    if "\0" in text:
        raise BadInput("it is not text; save it as UTF-8", "not text")
    lines = [" ".join(line.split()).strip("#*=- ") for line in text.splitlines()]
    first = next((line for line in lines if line), "")
    if not first:
        raise BadInput("it is empty; write the name of the licence into it", "empty")
    return name_of(" ".join(lines)) or first[:_LONGEST_LINE]


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
