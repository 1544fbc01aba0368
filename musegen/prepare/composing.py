"""The composing dataset: the notes of a track as tokens, and transposed and faster variants of them."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from musegen import augment, code
from musegen.augment import ScoreAugmentation
from musegen.catalogue import CatalogueRow
from musegen.change import Change
from musegen.clock import Clock
from musegen.errors import BadInput
from musegen.labels import HUMAN, Labels
from musegen.prepare.labels import labels_of, track_of
from musegen.prepare.recipe import ShardSettings, check_unchanged
from musegen.score import Score
from musegen.shards.reader import SPLITS
from musegen.shards.schema import SCHEMA, Example, to_table
from musegen.shards.writer import composing_totals
from musegen.tokens import Tokenizer, TokenizerSettings

_BYTES_A_NOTE = 4.0


class ComposingSettings(ShardSettings):
    """How the composing dataset is made: `variants` a training track beside the track as it is."""

    variants: int = Field(0, ge=0, le=1000)
    augmentations: tuple[ScoreAugmentation, ...] = ()
    tokens: TokenizerSettings = TokenizerSettings()
    longest_bars: int = Field(512, ge=1)


@dataclass(frozen=True)
class ComposingRecipe:
    """Notes and downbeats → rows of tokens. `root` is the folder of the corpus."""

    settings: ComposingSettings
    root: Path
    name = "composing"
    schema = SCHEMA

    @property
    def shards(self) -> ShardSettings:
        return self.settings

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Made where it is needed first."""
        return Tokenizer.create(self.settings.tokens)

    @cached_property
    def _plain_recipe(self) -> str:
        kept = {"tokens", "longest_bars"}
        return f"{self.settings.model_dump(mode='json', include=kept)} {code.of_composing_rows()}"

    @cached_property
    def _recipe(self) -> str:
        varied = {"variants", "augmentations"}
        return f"{self.settings.model_dump(mode='json', include=varied)} {self._plain_recipe}"

    def __getstate__(self) -> dict[str, object]:
        """Without the tokenizer, which takes longer to unpickle than to make."""
        return {"settings": self.settings, "root": self.root}

    def wants(self, row: CatalogueRow) -> bool:
        return not row.composes

    def bytes_of(self, row: CatalogueRow) -> float:
        return _BYTES_A_NOTE * (row.notes or 0) * (1 + self._variants(row))

    def fingerprint(self, row: CatalogueRow, mates: Sequence[CatalogueRow]) -> str:
        recipe = self._recipe if self._variants(row) else self._plain_recipe
        return hashlib.sha256(f"{row.fingerprint()} {recipe}".encode()).hexdigest()

    def tables(self, row: CatalogueRow, mates: Sequence[CatalogueRow], clock: Clock) -> Iterator[pa.Table]:
        with clock.step("tokenise"):
            made = self.examples(row)
        if made:
            yield to_table(made)

    def totals(self, table: pa.Table) -> Mapping[str, float]:
        return composing_totals(table)

    def examples(self, row: CatalogueRow) -> list[Example]:
        """The track as it is, and for training as many drawn variants as asked; equal draws are kept once.

        Chance is seeded by the content of the track, so that a row is the same wherever and whenever it is made.
        """
        check_unchanged(row, track_of(row, self.root))
        labels = labels_of(row, self.root)
        if labels.notes is None or labels.beats is None:
            raise BadInput(f"{row.name}: it has lost its notes or beats since the survey; survey again", "changed")
        random = np.random.default_rng(int(row.track[:16], 16))
        changes = [Change()]
        for _ in range(self._variants(row)):
            drawn = augment.draw(self.settings.augmentations, labels.notes, random)
            if drawn not in changes:
                changes.append(drawn)
        made = [self.example(row, labels.follow(change), change, index) for index, change in enumerate(changes)]
        return [example for example in made if example is not None]

    def example(self, row: CatalogueRow, labels: Labels, change: Change, variant: int) -> Example | None:
        """The row of labels that have followed `change`; None where no note is left."""
        notes, beats, style = labels.notes, labels.beats, labels.style
        if notes is None or beats is None or not len(notes):
            return None
        score = Score.from_labels(notes, beats).opening(self.settings.longest_bars)
        tempo, tonality = labels.tempo, labels.tonality
        bpm = tempo.bpm if tempo and (tempo.origin == HUMAN or score.bpm is None) else score.bpm
        key = tonality.key if tonality else score.key
        known: dict[str, Any] = {
            f"{kind}_{column}": value
            for kind, label in labels.known().items()
            for column, value in (("origin", label.origin), ("confidence", label.confidence))
            if f"{kind}_{column}" in SCHEMA.names
        }
        nothing: dict[str, Any] = {name: None for name in SCHEMA.names if name.endswith(("_origin", "_confidence"))}
        return Example(
            track=row.track,
            name=row.name,
            variant=variant,
            group=row.group,
            split=row.split,
            style=style.name if style else None,
            bpm=round(bpm, 3) if bpm else None,
            key=str(key) if key else None,
            meter=str(score.meter),
            bars=len(score.bars),
            notes=len(score.notes),
            semitones=change.cents // 100,
            speed=change.speed,
            fingerprint=self.fingerprint(row, ()),
            tokens=self.tokenizer.encode(score),
            **{**nothing, **known},
        )

    def _variants(self, row: CatalogueRow) -> int:
        return self.settings.variants if row.split == SPLITS[0] else 0
