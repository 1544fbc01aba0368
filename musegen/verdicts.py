"""The verdict on every file of a corpus: each is exactly one of used, label, duplicate, rejected, ignored."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from musegen.catalogue import CatalogueRow, Reject
from musegen.corpora import Found
from musegen.inspection import Facts
from musegen.opening import Inspected
from musegen.track import Track

Verdict = Literal["used", "label", "duplicate", "rejected", "ignored"]
VERDICTS: tuple[Verdict, ...] = ("used", "label", "duplicate", "rejected", "ignored")


@dataclass(frozen=True)
class SurveyedFile:
    """One file of the corpus and its verdict; the fields after `warnings` are filled for used recordings.

    `reason` begins with a stable word (`truncated: …`); `notes` and `beats` count; `…_from` says which source won:
    a kind of file (`".mid"`), `"folder"`, a table's name, `"tags"`, `"human"` or `"model@version"`.
    """

    path: str
    verdict: Verdict
    reason: str = ""
    warnings: tuple[str, ...] = ()
    style: str | None = None
    style_from: str | None = None
    notes: int | None = None
    notes_from: str | None = None
    beats: int | None = None
    beats_from: str | None = None
    seconds: float | None = None
    sample_rate: int | None = None
    channels: int | None = None
    group: str | None = None
    split: str | None = None


@dataclass(frozen=True)
class Judged:
    """A track after all was compared: `row` where it is in the catalogue, `original` where it is another's copy."""

    found: Track
    item: Inspected
    row: CatalogueRow | None = None
    original: str | None = None


def judge(found: Found, judged: Sequence[Judged], rejects: Sequence[Reject], root: Path) -> list[SurveyedFile]:
    """Every file that the loader saw, in order of the paths."""
    put_aside = {reject.path: f"{reject.reason}: {reject.detail}" for reject in rejects}
    files = [SurveyedFile(relative(path, root), "ignored", reason) for path, reason in found.ignored.items()]
    files += [SurveyedFile(name, "rejected", put_aside[name]) for name in (relative(p, root) for p in found.refused)]
    files += [
        SurveyedFile(relative(path, root), "label", "it says something of several tracks") for path in found.tables
    ]
    for one in judged:
        files += _of_track(one, put_aside, root)
    # A file that serves several tracks, a licence perhaps, has the best of the verdicts.
    best: dict[str, SurveyedFile] = {}
    for file in sorted(files, key=lambda file: VERDICTS.index(file.verdict)):
        best.setdefault(file.path, file)
    return sorted(best.values(), key=lambda file: file.path)


def _of_track(one: Judged, put_aside: Mapping[str, str], root: Path) -> Iterator[SurveyedFile]:
    content = one.found.content
    content_name = relative(content, root)
    for path in dict.fromkeys(path for path in (one.found.audio, *one.found.files.values()) if path is not None):
        name = relative(path, root)
        if name in put_aside:
            yield SurveyedFile(name, "rejected", put_aside[name])
        elif content_name in put_aside or one.item.facts is None:
            yield SurveyedFile(name, "ignored", f"{content.name} was put aside")
        elif one.original is not None:
            same = path == content
            words = "the same content as {!r}" if same else "it stands beside a copy of {!r}, whose labels are used"
            yield SurveyedFile(name, "duplicate", words.format(one.original))
        elif path != content or one.row is None:
            yield SurveyedFile(name, "label")
        else:
            yield _used(name, one.item.facts, one.row)


def _used(name: str, facts: Facts, row: CatalogueRow) -> SurveyedFile:
    return SurveyedFile(
        name,
        "used",
        f"not composed from: {row.composes}" if row.composes else "",
        row.warning_list(),
        style=row.style,
        style_from=row.source("style"),
        notes=facts.notes,
        notes_from=row.source("notes"),
        beats=facts.beats,
        beats_from=row.source("beats"),
        seconds=facts.seconds,
        sample_rate=facts.sample_rate,
        channels=facts.channels,
        group=row.group,
        split=row.split,
    )


def relative(path: Path, root: Path) -> str:
    """The path in the corpus as text; bytes that are no UTF-8 are shown as `\\xff`."""
    # pathlib takes ten times as long, and there are many.
    return shown(os.fspath(path)[len(os.fspath(root)) :].lstrip(os.sep))


def shown(name: str) -> str:
    """A name with bytes that are no UTF-8 made visible."""
    return name if name.isascii() else name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def in_markdown(text: str) -> str:
    """Text of the user on one line, with nothing in it that formats."""
    return re.sub(r"([\\`*|<\[])", r"\\\1", " ".join(text.split()))
