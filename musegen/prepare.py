"""One track → its examples, and the catalogue → a dataset plan; pure, and seeded by the track's content."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from musegen import augment, code
from musegen.augment import Augmentation
from musegen.catalogue import CatalogueRow
from musegen.change import Change
from musegen.corpora import LOADERS
from musegen.errors import BadInput
from musegen.labels import Labels
from musegen.score import Score
from musegen.settings import Settings
from musegen.shards import writer
from musegen.shards.manifest import Manifest, ShardEntry
from musegen.shards.reader import SPLITS
from musegen.shards.schema import Example
from musegen.tokens import Tokenizer, TokenizerSettings
from musegen.track import Track

COMPOSING = "composing"


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


def plan(rows: Sequence[CatalogueRow], settings: ComposingSettings, layout: str) -> list[ShardPlan]:
    """Which shards the catalogue asks for; a track's content hash alone decides its shard."""
    recipe = f"{settings.fingerprint()} {layout} {code.fingerprint()}"
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


def make_shard(plan: ShardPlan, root: Path, layout: str, settings: ComposingSettings, folder: Path) -> ShardEntry:
    """Prepare every track of a shard and stage it in `folder`; a shard that is staged already is not made again."""
    ready = writer.staged(folder, plan.path, plan.fingerprint)
    if ready is not None:
        return ready
    tokenizer = Tokenizer.create(settings.tokens)
    rows = [example for row in plan.rows for example in examples(row, root, layout, settings, tokenizer)]
    return writer.write(folder, plan.path, rows, plan.fingerprint)


def examples(
    row: CatalogueRow, root: Path, layout: str, settings: ComposingSettings, tokenizer: Tokenizer
) -> list[Example]:
    """The track as it is, and for training as many drawn variants as asked; equal draws are kept once.

    Chance is seeded by the content of the track, so that a row is the same wherever and whenever it is made.
    """
    labels = LOADERS[layout].read(track_of(row, root))
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
    files = {"notes": row.notes_file, "beats": row.beats_file}
    present = {kind: root / name for kind, name in files.items() if name is not None}
    return Track(row.name, root / row.audio if row.audio else None, present, row.style)


def _example(
    row: CatalogueRow, labels: Labels, change: Change, variant: int, settings: ComposingSettings, tokenizer: Tokenizer
) -> Example | None:
    notes, beats, style = labels.notes, labels.beats, labels.style
    if notes is None or beats is None or not len(notes):
        return None
    score = Score.from_labels(notes, beats)
    score = score.opening(settings.longest_bars)
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
        bpm=round(score.bpm, 3) if score.bpm else None,
        key=str(score.key) if score.key else None,
        meter=str(score.meter),
        bars=len(score.bars),
        notes=len(score.notes),
        semitones=change.semitones,
        speed=change.speed,
        fingerprint=row.fingerprint(),
        tokens=tokenizer.encode(score),
    )
