"""One track → its examples, and the catalogue → a dataset plan; pure, and seeded by the track's content."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import Field

from musegen import augment, code, corpora
from musegen.augment import Augmentation
from musegen.catalogue import CatalogueRow
from musegen.change import Change
from musegen.errors import BadInput
from musegen.labels import FILE, HUMAN, Beats, Labels, Style, Tempo, Tonality
from musegen.score import Score
from musegen.settings import Settings
from musegen.shards import writer
from musegen.shards.manifest import Manifest, ShardEntry
from musegen.shards.reader import SPLITS
from musegen.shards.schema import Example
from musegen.theory import TICKS_PER_QUARTER, Key, Meter
from musegen.tokens import Tokenizer, TokenizerSettings
from musegen.track import Track


class ComposingSettings(Settings):
    """How the composing dataset is made: `shards` a split, `variants` a training track beside the track as it is."""

    shards: int = Field(8, ge=1, le=4096)
    variants: int = Field(0, ge=0, le=1000)
    augmentations: tuple[Augmentation, ...] = ()
    tokens: TokenizerSettings = TokenizerSettings()
    longest_bars: int = Field(512, ge=1)


@dataclass(frozen=True)
class ShardPlan:
    """A shard that ought to exist: its rows' tracks, and the fingerprint of everything that decides its bytes."""

    path: str
    rows: tuple[CatalogueRow, ...]
    fingerprint: str


def plan(rows: Sequence[CatalogueRow], settings: ComposingSettings) -> list[ShardPlan]:
    """Which shards the catalogue asks for; a track's content hash alone decides its shard."""
    recipe = f"{settings.fingerprint()} {code.of_rows()}"
    members: dict[str, list[CatalogueRow]] = defaultdict(list)
    for row in rows:
        if not row.composes:
            index = int(row.track[:8], 16) % settings.shards
            members[writer.shard_path(row.split, index, settings.shards)].append(row)
    plans = []
    for path, mine in sorted(members.items()):
        ordered = tuple(sorted(mine, key=lambda row: row.track))
        text = "\n".join([recipe, path, *(row.fingerprint() for row in ordered)])
        plans.append(ShardPlan(path, ordered, hashlib.sha256(text.encode()).hexdigest()))
    if not plans:
        raise BadInput("no track has the notes and downbeats that composing needs; add .mid or .beats files", "empty")
    return plans


def stale(plans: Sequence[ShardPlan], manifest: Manifest | None, folder: Path) -> list[ShardPlan]:
    """The shards that are not there yet, or were made from something else."""
    made = {shard.path: shard for shard in manifest.shards} if manifest else {}
    return [
        plan
        for plan in plans
        if plan.path not in made or made[plan.path].fingerprint != plan.fingerprint or not (folder / plan.path).exists()
    ]


def make_shard(plan: ShardPlan, root: Path, settings: ComposingSettings, folder: Path) -> ShardEntry:
    """Prepare every track of a shard and stage it in `folder`; a shard that is staged already is not made again."""
    ready = writer.staged(folder, plan.path, plan.fingerprint)
    if ready is not None:
        return ready
    tokenizer = Tokenizer.create(settings.tokens)
    rows = [example for row in plan.rows for example in examples(row, root, settings, tokenizer)]
    return writer.write(folder, plan.path, rows, plan.fingerprint)


def examples(row: CatalogueRow, root: Path, settings: ComposingSettings, tokenizer: Tokenizer) -> list[Example]:
    """The track as it is, and for training as many drawn variants as asked; equal draws are kept once.

    Chance is seeded by the content of the track, so that a row is the same wherever and whenever it is made.
    """
    labels = labels_of(row, root)
    if labels.notes is None or labels.beats is None:
        raise BadInput(f"{row.name}: it has lost its notes or beats since the survey; survey again", "changed")
    random = np.random.default_rng(int(row.track[:16], 16))
    changes = [Change()]
    for _ in range(settings.variants if row.split == SPLITS[0] else 0):
        drawn = augment.draw(settings.augmentations, labels.notes, random)
        if drawn not in changes:
            changes.append(drawn)
    made = [
        _example(row, labels.follow(change), change, index, settings, tokenizer) for index, change in enumerate(changes)
    ]
    return [example for example in made if example is not None]


def track_of(row: CatalogueRow, root: Path) -> Track:
    """The track that a catalogue row stands for."""
    files = {role: root / name for role, name in json.loads(row.files).items()}
    return Track(row.name, root / row.audio if row.audio else None, files)


def labels_of(row: CatalogueRow, root: Path) -> Labels:
    """The labels of a track: notes, beats and chords from its files, what is said in words from the catalogue."""
    labels = corpora.loader(row.layout).read(track_of(row, root)).labels
    style = Style(row.origin("style") or FILE, row.style_confidence or 1.0, row.style) if row.style else None
    tempo = Tempo(row.origin("bpm") or FILE, bpm=row.bpm) if row.bpm else None
    tonality = Tonality(row.origin("key") or FILE, key=Key.parse(row.key)) if row.key else None
    return replace(labels, style=style, tempo=tempo, tonality=tonality, beats=_written_in(labels.beats, row))


def _written_in(beats: Beats | None, row: CatalogueRow) -> Beats | None:
    """The beats with the length that a told meter gives them, where the bar has as many of them."""
    if beats is None or not row.meter or not row.source("meter"):
        return beats
    meter = Meter.parse(row.meter)
    fits = beats.positions.max(initial=0) == meter.beats
    return replace(beats, quarters_per_beat=meter.beat_ticks / TICKS_PER_QUARTER) if fits else beats


def _example(
    row: CatalogueRow, labels: Labels, change: Change, variant: int, settings: ComposingSettings, tokenizer: Tokenizer
) -> Example | None:
    notes, beats, style = labels.notes, labels.beats, labels.style
    if notes is None or beats is None or not len(notes):
        return None
    score = Score.from_labels(notes, beats).opening(settings.longest_bars)
    tempo, tonality = labels.tempo, labels.tonality
    bpm = tempo.bpm if tempo and (tempo.origin == HUMAN or score.bpm is None) else score.bpm
    key = tonality.key if tonality else score.key
    return Example(
        track=row.track,
        name=row.name,
        variant=variant,
        group=row.group,
        split=row.split,
        style=style.name if style else None,
        style_origin=style.origin if style else None,
        style_confidence=style.confidence if style else None,
        notes_origin=notes.origin,
        notes_confidence=notes.confidence,
        beats_origin=beats.origin,
        beats_confidence=beats.confidence,
        bpm=round(bpm, 3) if bpm else None,
        key=str(key) if key else None,
        meter=str(score.meter),
        bars=len(score.bars),
        notes=len(score.notes),
        semitones=change.semitones,
        speed=change.speed,
        fingerprint=row.fingerprint(),
        tokens=tokenizer.encode(score),
    )
