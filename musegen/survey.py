"""A corpus as it is → a catalogue: what can be used, what can't and why, who belongs together, who is tested on."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from musegen import fingerprint
from musegen.catalogue import CatalogueRow, Reject
from musegen.corpora import LOADERS
from musegen.errors import BadInput
from musegen.inspection import Facts, Inspected, inspect
from musegen.settings import Settings
from musegen.survey_cache import SurveyCache
from musegen.track import Track

Verdict = Literal["used", "label", "duplicate", "rejected", "ignored"]
_MOST_REJECTS_SHOWN = 50
VERDICTS: tuple[Verdict, ...] = ("used", "label", "duplicate", "rejected", "ignored")


class SurveySettings(Settings):
    """Where the corpus is, how it is laid out, and what share of its pieces is kept for validation and test."""

    corpus: str = "sample"
    layout: Literal["folder", "pop909"] = "folder"
    valid_share: float = 0.1
    test_share: float = 0.1

    @model_validator(mode="after")
    def _leave_something_to_learn_from(self) -> Self:
        if self.valid_share <= 0 or self.test_share <= 0 or self.valid_share + self.test_share > 0.8:
            raise ValueError("valid_share and test_share are shares above 0 that leave at least 0.2 for training")
        return self


@dataclass(frozen=True)
class SurveyedFile:
    """One file of the corpus and its verdict; the fields after `warnings` are filled for used recordings."""

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
class Survey:
    """The outcome: `rows` for the catalogue, `rejects`, and every file of the corpus exactly once in `files`."""

    rows: list[CatalogueRow]
    rejects: list[Reject]
    files: list[SurveyedFile]

    @property
    def counts(self) -> dict[str, int]:
        """Files by verdict."""
        found = Counter(file.verdict for file in self.files)
        return {verdict: found[verdict] for verdict in VERDICTS}

    @property
    def hours(self) -> float:
        """Music in the catalogue."""
        return sum(row.seconds for row in self.rows) / 3600

    def to_markdown(self) -> str:
        """The corpus report for people: tracks and hours by style and split, what was put aside and why."""
        lines = [
            f"{len(self.rows)} tracks, {self.hours:.1f} hours; files: "
            + ", ".join(f"{count} {verdict}" for verdict, count in self.counts.items()),
            "",
        ]
        lines += ["| style | tracks | hours | train | valid | test |", "|---|---|---|---|---|---|"]
        for style in sorted({row.style or "(none)" for row in self.rows}):
            mine = [row for row in self.rows if (row.style or "(none)") == style]
            splits = Counter(row.split for row in mine)
            hours = sum(row.seconds for row in mine) / 3600
            parts = " | ".join(str(splits[split]) for split in ("train", "valid", "test"))
            lines.append(f"| {_in_markdown(style)} | {len(mine)} | {hours:.2f} | {parts} |")
        unfit = Counter(row.composes for row in self.rows if row.composes)
        lines += ["", *(f"- {count} tracks can't teach the generator: {why}" for why, count in unfit.items())]
        shown = self.rejects[:_MOST_REJECTS_SHOWN]
        lines += [f"- rejected: {_in_markdown(reject.path)} ({_in_markdown(reject.detail)})" for reject in shown]
        if len(self.rejects) > _MOST_REJECTS_SHOWN:
            lines.append(f"- and {len(self.rejects) - _MOST_REJECTS_SHOWN} more rejects, all in data/rejects.parquet")
        return "\n".join(lines) + "\n"


def survey(
    root: Path,
    settings: SurveySettings,
    cache: SurveyCache,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    threads: int = 2,
) -> Survey:
    """Find, open and judge every file below `root`; what did not change since `cache` saw it is not opened again.

    Raises `BadInput` where the folder is missing or holds nothing that can be used.
    """
    found = LOADERS[settings.layout].find(root)
    inspected = _inspect_all(root, settings.layout, found.tracks, cache, on_progress, threads)
    sound = [item for item in inspected if item.facts is not None]
    if not sound:
        raise BadInput(f"{root}: nothing in this folder can be used ({_why(inspected)}); give a folder of recordings")
    firsts: dict[str, Inspected] = {}
    for item in sorted(sound, key=lambda item: -len(item.track.files)):
        firsts.setdefault(item.id, item)
    usable = sorted(firsts.values(), key=lambda item: item.track.name)
    groups = _groups(usable)
    splits = _splits(sorted(set(groups)), settings)
    rows = [_row(root, item, group, splits[group]) for item, group in zip(usable, groups, strict=True)]
    files = [SurveyedFile(_relative(path, root), "ignored", reason) for path, reason in found.ignored.items()]
    tracks = {track.name: track for track in found.tracks}
    places = dict(zip((item.track.name for item in usable), rows, strict=True))
    for item in inspected:
        first = firsts.get(item.id)
        original = first.track.name if first is not None and first is not item else None
        files += _files(root, tracks[item.track.name], item, original, places.get(item.track.name))
    rejects = sorted((reject for item in inspected for reject in item.rejects), key=lambda reject: reject.path)
    return Survey(rows, rejects, sorted(files, key=lambda file: file.path))


def _inspect_all(
    root: Path,
    layout: str,
    tracks: tuple[Track, ...],
    cache: SurveyCache,
    on_progress: Callable[[int, int], None],
    threads: int,
) -> list[Inspected]:
    inspected = []
    with ThreadPoolExecutor(threads) as pool:
        for item in pool.map(lambda track: inspect(track, root, layout, cache), tracks):
            inspected.append(item)
            on_progress(len(inspected), len(tracks))
    return inspected


def _why(inspected: list[Inspected]) -> str:
    reasons = Counter(reject.reason for item in inspected for reject in item.rejects)
    return ", ".join(f"{count} × {reason}" for reason, count in reasons.items()) or "no audio and no MIDI files"


def _groups(tracks: list[Inspected]) -> list[str]:
    """The group of each track, named by the least id in it, so that neither names nor their order matter."""
    found = fingerprint.groups([track.melody for track in tracks])
    names: dict[int, str] = {}
    for track, group in zip(tracks, found, strict=True):
        names[group] = min(names.get(group, track.id), track.id)
    return [names[group] for group in found]


def _splits(groups: list[str], settings: SurveySettings) -> dict[str, str]:
    """Draw a split for each group by its own hash, so that other groups don't matter.

    From three groups on none of the splits is empty: the groups whose draws are nearest are moved where none would be.
    """
    chance = {group: int(hashlib.sha256(group.encode()).hexdigest()[:12], 16) / 16**12 for group in groups}
    ordered = sorted(groups, key=lambda group: chance[group])
    if len(ordered) < 3:
        return dict.fromkeys(groups, "train")
    test_below, valid_below = settings.test_share, settings.test_share + settings.valid_share
    tests = sum(draw < test_below for draw in chance.values())
    kept = sum(draw < valid_below for draw in chance.values())
    tests = min(max(tests, 1), len(ordered) - 2)
    kept = min(max(kept, tests + 1), len(ordered) - 1)
    return {
        group: "test" if place < tests else "valid" if place < kept else "train" for place, group in enumerate(ordered)
    }


def _row(root: Path, item: Inspected, group: str, split: str) -> CatalogueRow:
    track, facts = item.track, item.facts or Facts()
    return CatalogueRow(
        track=item.id,
        name=track.name,
        group=group,
        split=split,
        audio=_relative(track.audio, root) if track.audio else None,
        notes_file=_relative(track.files["notes"], root) if "notes" in track.files else None,
        beats_file=_relative(track.files["beats"], root) if "beats" in track.files else None,
        labels_sha256=item.labels_sha256,
        **{name: getattr(facts, name) for name in _FACTS_IN_CATALOGUE},
    )


def _files(
    root: Path, track: Track, item: Inspected, original: str | None, row: CatalogueRow | None
) -> list[SurveyedFile]:
    """The verdicts of all files of one track: `track` as it was found, `item` as it can be used."""
    rejected = {reject.path: reject.detail for reject in item.rejects}
    files = []
    for path in [track.audio, *track.files.values()]:
        if path is None:
            continue
        name = _relative(path, root)
        if name in rejected:
            files.append(SurveyedFile(name, "rejected", rejected[name]))
        elif item.facts is None:
            files.append(SurveyedFile(name, "ignored", "its recording was rejected"))
        elif original is not None:
            files.append(SurveyedFile(name, "duplicate", f"the same content as {original}"))
        elif path != item.track.content:
            files.append(SurveyedFile(name, "label"))
        else:
            files.append(_used(name, item.facts, row))
    return files


def _used(name: str, facts: Facts, row: CatalogueRow | None) -> SurveyedFile:
    said = {key: getattr(facts, key) for key in _FACTS_IN_REPORT}
    reason = f"not composed from: {facts.composes}" if facts.composes else ""
    file = SurveyedFile(name, "used", reason, facts.warnings, **said)
    return replace(file, group=row.group, split=row.split) if row else file


def _relative(path: Path, root: Path) -> str:
    """The path in the corpus as text; bytes that are no UTF-8 are shown as `\\xff`."""
    name = path.relative_to(root).as_posix()
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _in_markdown(text: str) -> str:
    """Text of the user on one line, with nothing in it that formats."""
    return re.sub(r"([\\`*|<\[])", r"\\\1", " ".join(text.split()))


_FACTS_IN_CATALOGUE = (
    "style", "seconds", "sample_rate", "channels", "notes", "beats", "bpm", "meter", "composes",
)  # fmt: skip
_FACTS_IN_REPORT = (
    "style", "style_from", "notes", "notes_from", "beats", "beats_from", "seconds", "sample_rate", "channels",
)  # fmt: skip
