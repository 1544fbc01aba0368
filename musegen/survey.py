"""A corpus as it is → a catalogue: what can be used, what can't and why, who belongs together, who is tested on."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from musegen import code, corpora, grouping, splits
from musegen.catalogue import CatalogueRow, Reject
from musegen.copies import distinct
from musegen.corpora import Found
from musegen.errors import BadInput, BadParams
from musegen.inspection import Facts
from musegen.labels import HUMAN, Style
from musegen.memory import Memory
from musegen.opening import Inspected, Openers, recall
from musegen.settings import Settings
from musegen.splits import Member
from musegen.survey_cache import SurveyCache
from musegen.theory import Meter
from musegen.track import SAID_FIELDS, Said, Track
from musegen.verdicts import VERDICTS, Judged, SurveyedFile, judge, relative


class SurveySettings(Settings):
    """Where the corpus is, how it is laid out, and what share of its pieces is kept for validation and test."""

    corpus: str = "sample"
    layout: str = "auto"
    valid_share: float = 0.1
    test_share: float = 0.1
    require_licence: bool = False
    workers: int = Field(0, ge=0, le=1024)

    @field_validator("layout")
    @classmethod
    def _layout_exists(cls, layout: str) -> str:
        try:
            corpora.loader(layout)
        except BadParams as error:
            raise ValueError(str(error)) from error
        return layout

    @model_validator(mode="after")
    def _leave_something_to_learn_from(self) -> Self:
        if self.valid_share <= 0 or self.test_share <= 0 or self.valid_share + self.test_share > 0.8:
            raise ValueError("valid_share and test_share are shares above 0 that leave at least 0.2 for training")
        return self


@dataclass(frozen=True)
class Survey:
    """The outcome: `rows` for the catalogue, `rejects`, and every file of the corpus exactly once in `files`.

    `layout` is the one that was found; `warnings` are about the corpus as a whole, those of a track are in its row.
    `barred` are the rows of tracks that only rights keep out, so that a person can write a licence or consent.
    """

    root: Path
    layout: str
    rows: list[CatalogueRow]
    barred: list[CatalogueRow]
    rejects: list[Reject]
    files: list[SurveyedFile]
    warnings: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Files by verdict."""
        found = Counter(file.verdict for file in self.files)
        return {verdict: found[verdict] for verdict in VERDICTS}

    @property
    def nothing(self) -> str:
        """Why there is no track to use, in words; empty where there is one."""
        if self.rows:
            return ""
        reasons = Counter(reject.reason for reject in self.rejects)
        why = ", ".join(f"{count} × {reason}" for reason, count in reasons.items()) or "no recordings and no notes"
        return f"{self.root}: nothing in this folder can be used ({why}); see to that, or give another folder"

    @property
    def hours(self) -> float:
        """Music in the catalogue."""
        return sum(row.seconds for row in self.rows) / 3600


def survey(
    root: Path,
    settings: SurveySettings,
    cache: SurveyCache,
    openers: Openers,
    memory: Memory | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Survey:
    """Find, open and judge every file below `root`; what did not change since `cache` saw it is not opened again.

    Raises `BadInput` where there is no such folder; one that holds nothing of use is told by `Survey.nothing`.
    """
    memory = memory or Memory()
    layout = corpora.detect(root) if settings.layout == "auto" else settings.layout
    found = corpora.loader(layout).find(root)
    inspected = _inspect_all(found.tracks, root, layout, cache, openers, on_progress)
    tracks = distinct(inspected)
    barred = {item.id: bar for item in tracks.items if (bar := memory.bars(item, root, settings.require_licence))}
    rejects = _rejects(found, inspected, barred.values(), root)
    rows, warnings = _rows(root, layout, tracks.items, barred, settings, cache, memory)
    usable = [row for row in rows if row.track not in barred]
    aside = [row for row in rows if row.track in barred and row.track not in memory.removed]
    files = judge(found, _judged(found, inspected, tracks.originals, usable), rejects, root)
    warnings = (*found.warnings, *warnings, *cache.troubles)
    return Survey(root, layout, usable, aside, rejects, files, warnings)


def _rejects(found: Found, inspected: Sequence[Inspected], barred: Iterable[Reject], root: Path) -> list[Reject]:
    refused = [Reject(relative(path, root), "find", e.reason, str(e)) for path, e in found.refused.items()]
    opened = [reject for item in inspected for reject in item.rejects]
    return sorted([*refused, *opened, *barred], key=lambda reject: (reject.path, reject.reason))


def _judged(
    found: Found, inspected: Sequence[Inspected], copies: Mapping[str, str], rows: Sequence[CatalogueRow]
) -> list[Judged]:
    by_name = {row.name: row for row in rows}
    return [
        Judged(track, item, by_name.get(track.name), copies.get(track.name))
        for track, item in zip(found.tracks, inspected, strict=True)
    ]


def _inspect_all(
    tracks: Sequence[Track],
    root: Path,
    layout: str,
    cache: SurveyCache,
    openers: Openers,
    on_progress: Callable[[int, int], None],
) -> list[Inspected]:
    """All tracks in order of their names: those that did not change from memory, the others opened."""
    cache.forget_but(code.of_facts())
    known = {track.name: item for track in tracks if (item := recall(track, root, layout, cache)) is not None}
    on_progress(len(known), len(tracks))
    unknown = [track for track in tracks if track.name not in known]
    for item in openers.open(unknown, root, layout, cache) if unknown else ():
        known[item.track.name] = item
        on_progress(len(known), len(tracks))
    return [known[track.name] for track in tracks]


def _rows(
    root: Path,
    layout: str,
    items: Sequence[Inspected],
    barred: Mapping[str, Reject],
    settings: SurveySettings,
    cache: SurveyCache,
    memory: Memory,
) -> tuple[list[CatalogueRow], tuple[str, ...]]:
    """A row for each item, those that rights keep out without a split, and what is odd about the corpus."""
    groups = _groups(items, cache)
    warnings: list[str] = []
    members = []
    for item, (group, _) in zip(items, groups, strict=True):
        if item.id not in barred:
            given = _given_split(item, memory, warnings)
            members.append(Member(item.id, group, given, memory.splits.get(item.id)))
    drawn = splits.draw(members, settings.valid_share, settings.test_share)
    empty = [split for split in splits.SPLITS if split not in drawn.splits.values()]
    if empty and len({group for group, _ in groups}) >= len(splits.SPLITS):
        warnings.append(f"no track stands in {' or '.join(empty)}: whoever gives splits leaves it out; give it some")
    names: dict[str, list[str]] = {}
    for item, (group, _) in zip(items, groups, strict=True):
        names.setdefault(group, []).append(item.track.name)
    for group, where in drawn.across.items():
        listed = ", ".join(names[group][:4])
        warnings.append(f"versions of one piece are given {' and '.join(where)}: {listed}; what is tested is learnt")
    removed = {
        group: item.track.name for item, (group, _) in zip(items, groups, strict=True) if item.id in memory.removed
    }
    rows = []
    for item, placed in zip(items, groups, strict=True):
        row = _row(root, layout, item, placed, drawn.splits.get(item.id, ""), memory)
        if placed[0] in removed and item.id not in barred:
            words = f"it is a version of {removed[placed[0]]}, which was removed; remove it as well, or let it stay"
            row = replace(row, warnings=json.dumps([*row.warning_list(), words], ensure_ascii=False))
        rows.append(row)
    return rows, tuple(warnings)


def _given_split(item: Inspected, memory: Memory, warnings: list[str]) -> str | None:
    """The split that a table or a person gives; what is none goes to the `warnings`."""
    given = memory.says(item).get("split")
    try:
        return splits.parse(given) if given else None
    except BadInput as error:
        warnings.append(f"{item.track.name}: {error}")
        return None


def _groups(tracks: Sequence[Inspected], cache: SurveyCache) -> list[tuple[str, str]]:
    """Of each track the group and what links it to that.

    A group is named by the least id in it, so that neither names nor their order matter.
    """
    ids = [track.id for track in tracks]
    digest = hashlib.sha256("\n".join([*ids, *(track.labels_sha256 for track in tracks)]).encode()).hexdigest()
    key = f"{code.of_facts()} groups {digest}"
    known = cache.facts(key)
    if known is None or known.keys() != {"groups", "reasons"}:
        found = grouping.grouping([track.prints for track in tracks])
        known = {"groups": found.groups, "reasons": [", ".join(sorted(reasons)) for reasons in found.reasons]}
        cache.remember(key, known)
    names: dict[int, str] = {}
    for identity, group in zip(ids, known["groups"], strict=True):
        names[group] = min(names.get(group, identity), identity)
    return [(names[group], why) for group, why in zip(known["groups"], known["reasons"], strict=True)]


def _row(root: Path, layout: str, item: Inspected, group: tuple[str, str], split: str, memory: Memory) -> CatalogueRow:
    track, facts, human = item.track, item.facts or Facts(), memory.edits.of(item.id)
    said = {**dict.fromkeys(SAID_FIELDS), **memory.says(item)}
    words = asdict(Said(HUMAN)) | human if human else {}
    sources = {**facts.sources, **dict.fromkeys(human, HUMAN)}
    files = {role: relative(path, root) for role, path in sorted(track.files.items())}
    row = CatalogueRow(
        track=item.id,
        name=track.name,
        layout=layout,
        group=group[0],
        grouped_by=group[1],
        split=split,
        audio=relative(track.audio, root) if track.audio else None,
        files=json.dumps(files, ensure_ascii=False),
        labels_sha256=item.labels_sha256 if not human else _with_words(item.labels_sha256, words),
        files_sha256=item.files_sha256,
        **{name: getattr(facts, name) for name in _FACTS_IN_CATALOGUE},
        style=None,
        **{name: said[name] for name in ("title", "artist", "licence", "consent")},
        bpm=human.get("bpm", facts.bpm),
        key=human.get("key", facts.key),
        meter=human.get("meter", facts.meter),
        sources=json.dumps(sources, ensure_ascii=False, sort_keys=True),
        misfits=json.dumps(facts.misfits),
        warnings=json.dumps([*facts.warnings, *_meter_warnings(human, facts)], ensure_ascii=False),
    )
    if said["style"]:
        confidence = 1.0 if "style" in human else facts.style_confidence
        return replace(row, style=Style.named(said["style"]).name, style_confidence=confidence)
    return replace(row, style_confidence=None)


def _meter_warnings(human: Mapping[str, Any], facts: Facts) -> list[str]:
    """A person's meter that the beats do not have: bars are drawn where the beats say."""
    mine, theirs = human.get("meter"), facts.meter
    if not mine or not theirs or Meter.parse(mine).beats == Meter.parse(theirs).beats:
        return []
    return [f"meter: you say {mine}, the bars of its beats are {theirs}; correct the beats as well"]


def _with_words(labels_sha256: str, words: Mapping[str, Any]) -> str:
    return hashlib.sha256(f"{labels_sha256} {json.dumps(words, sort_keys=True)}".encode()).hexdigest()


_FACTS_IN_CATALOGUE = (
    "seconds", "sample_rate", "channels", "style_confidence", "notes", "notes_confidence", "beats",
    "beats_confidence", "chords", "composes",
)  # fmt: skip
