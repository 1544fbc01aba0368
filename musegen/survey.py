"""A corpus as it is → a catalogue: what can be used, what can't and why, who belongs together, who is tested on."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from musegen import code, corpora, grouping, splits
from musegen.catalogue import CatalogueRow, Reject
from musegen.corpora import Found
from musegen.errors import BadInput, BadParams
from musegen.inspection import Facts
from musegen.labels import HUMAN, Style
from musegen.memory import Memory
from musegen.opening import Inspected, Openers, recall
from musegen.settings import Settings
from musegen.splits import Member
from musegen.survey_cache import SurveyCache
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

    Raises `BadInput` where the folder is missing or holds nothing that can be used.
    """
    memory = memory or Memory()
    layout = corpora.detect(root) if settings.layout == "auto" else settings.layout
    found = corpora.loader(layout).find(root)
    inspected = _inspect_all(found.tracks, root, layout, cache, openers, on_progress)
    copies = _first_of_equals(inspected)
    firsts = [item for item in inspected if copies.get(item.track.name) is None and item.facts is not None]
    barred = {
        item.track.name: reject
        for item in firsts
        if (reject := memory.bars(item, root, settings.require_licence)) is not None
    }
    usable = [item for item in firsts if item.track.name not in barred]
    rejects = sorted(
        [
            *(Reject(relative(path, root), "find", error.reason, str(error)) for path, error in found.refused.items()),
            *(reject for item in inspected for reject in item.rejects),
            *barred.values(),
        ],
        key=lambda reject: (reject.path, reject.reason),
    )
    if not usable:
        raise BadInput(f"{root}: nothing in this folder can be used ({_why(rejects)}); give a folder of recordings")
    told = _told_otherwise(inspected, copies)
    rows, warnings = _rows(root, layout, usable, settings, cache, memory, told)
    aside = [
        _row(root, layout, item, (item.id, ""), "", memory, told.get(item.track.name, []))
        for item in firsts
        if item.track.name in barred and item.id not in memory.removed
    ]
    files = judge(found, _judged(found, inspected, copies, rows), rejects, root)
    return Survey(layout, rows, aside, rejects, files, (*found.warnings, *warnings))


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


def _first_of_equals(inspected: Sequence[Inspected]) -> dict[str, str]:
    """For each track of the same content as another the name of that other, which has the most labels."""
    firsts: dict[str, str] = {}
    sound = [item for item in inspected if item.facts is not None]
    for item in sorted(sound, key=lambda item: (-len(item.track.files), item.track.name)):
        firsts.setdefault(item.id, item.track.name)
    return {item.track.name: firsts[item.id] for item in sound if firsts[item.id] != item.track.name}


def _told_otherwise(inspected: Sequence[Inspected], copies: Mapping[str, str]) -> dict[str, list[str]]:
    """For the name of each track of which there are copies, where a copy says another style."""
    styles = {item.track.name: (item.facts or Facts()).said.get("style") for item in inspected}
    told: dict[str, list[str]] = {}
    for copy, original in copies.items():
        if styles[copy] and styles[copy] != styles[original]:
            words = f"style: its copy {copy} says {styles[copy]}; {styles[original] or 'none'} is used"
            told.setdefault(original, []).append(words)
    return told


def _why(rejects: Sequence[Reject]) -> str:
    reasons = Counter(reject.reason for reject in rejects)
    return ", ".join(f"{count} × {reason}" for reason, count in reasons.items()) or "no audio and no MIDI files"


def _rows(
    root: Path,
    layout: str,
    usable: Sequence[Inspected],
    settings: SurveySettings,
    cache: SurveyCache,
    memory: Memory,
    told: Mapping[str, list[str]],
) -> tuple[list[CatalogueRow], tuple[str, ...]]:
    groups = _groups(usable, cache)
    members, warnings = [], list[str]()
    for item, (group, _) in zip(usable, groups, strict=True):
        given = memory.says(item).get("split")
        try:
            parsed = splits.parse(given) if given else None
        except BadInput as error:
            parsed = None
            warnings.append(f"{item.track.name}: {error}")
        members.append(Member(item.id, group, parsed, memory.splits.get(item.id)))
    drawn = splits.draw(members, settings.valid_share, settings.test_share)
    names: dict[str, list[str]] = {}
    for item, (group, _) in zip(usable, groups, strict=True):
        names.setdefault(group, []).append(item.track.name)
    for group, where in drawn.across.items():
        listed = ", ".join(names[group][:4])
        warnings.append(f"versions of one piece are given {' and '.join(where)}: {listed}; what is tested is learnt")
    rows = [
        _row(root, layout, item, group, drawn.splits[item.id], memory, told.get(item.track.name, []))
        for item, group in zip(usable, groups, strict=True)
    ]
    return rows, tuple(warnings)


def _groups(tracks: Sequence[Inspected], cache: SurveyCache) -> list[tuple[str, str]]:
    """Of each track the group and what links it to that.

    A group is named by the least id in it, so that neither names nor their order matter.
    """
    ids = [track.id for track in tracks]
    digest = hashlib.sha256("\n".join([*ids, *(track.labels_sha256 for track in tracks)]).encode()).hexdigest()
    key = f"{code.of_facts()} groups {digest}"
    known = cache.facts(key)
    if known is None:
        found = grouping.grouping([track.prints for track in tracks])
        known = {"groups": found.groups, "reasons": [", ".join(sorted(reasons)) for reasons in found.reasons]}
        cache.remember(key, known)
    names: dict[int, str] = {}
    for identity, group in zip(ids, known["groups"], strict=True):
        names[group] = min(names.get(group, identity), identity)
    return [(names[group], why) for group, why in zip(known["groups"], known["reasons"], strict=True)]


def _row(
    root: Path, layout: str, item: Inspected, group: tuple[str, str], split: str, memory: Memory, told: Sequence[str]
) -> CatalogueRow:
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
        **{name: getattr(facts, name) for name in _FACTS_IN_CATALOGUE},
        style=None,
        **{name: said[name] for name in ("title", "artist", "licence", "consent")},
        bpm=human.get("bpm", facts.bpm),
        key=human.get("key", facts.key),
        meter=human.get("meter", facts.meter),
        sources=json.dumps(sources, ensure_ascii=False, sort_keys=True),
        warnings=json.dumps([*facts.warnings, *told], ensure_ascii=False),
    )
    if said["style"]:
        confidence = 1.0 if "style" in human else facts.style_confidence
        row = replace(row, style=Style.named(said["style"]).name, style_confidence=confidence)
    return row


def _with_words(labels_sha256: str, words: Mapping[str, Any]) -> str:
    return hashlib.sha256(f"{labels_sha256} {json.dumps(words, sort_keys=True)}".encode()).hexdigest()


_FACTS_IN_CATALOGUE = (
    "seconds", "sample_rate", "channels", "style_confidence", "notes", "notes_confidence", "beats",
    "beats_confidence", "chords", "composes",
)  # fmt: skip
