"""The listening dataset: passages of recordings as features, each with the labels of what sounds in it."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath
from typing import Self

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from musegen import augment, code, features
from musegen.audio import Audio, passages
from musegen.augment import AnySound, Sounds
from musegen.augment.sounds import FolderSounds, folder_sha256
from musegen.catalogue import CatalogueRow
from musegen.change import Change
from musegen.clock import Clock
from musegen.features import FeatureSettings
from musegen.labels import Labels
from musegen.prepare.labels import fitting_labels_of, track_of
from musegen.prepare.recipe import ShardSettings, check_unchanged
from musegen.shards.listening import Passage, listening_schema, passage_table
from musegen.shards.reader import SPLITS

# What zstd leaves of them, measured on real music.
_COMPRESSED = {"uint8": 0.92, "float16": 0.6}
_OTHERS = 4


class ListeningSettings(ShardSettings):
    """How the listening dataset is made: `variants` a training passage beside the passage as it is.

    A recording is cut into passages of `passage_seconds`. `render_stretch`: a stretch that ends the chain is made
    audible (and heard again) instead of being taken over into the features, which is faster and sharper. `place`: where
    the shards lie if not in the workspace, `s3://bucket/prefix`.
    """

    passage_seconds: float = Field(20.0, ge=1.0, le=600.0)
    variants: int = Field(0, ge=0, le=1000)
    augmentations: tuple[AnySound, ...] = ()
    features: FeatureSettings = FeatureSettings()
    render_stretch: bool = False
    place: str = Field("", pattern="^(s3://.+)?$")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for each in self.augmentations:
            folder = PurePath(getattr(each, "files", ""))
            if folder.is_absolute() or ".." in folder.parts:
                raise ValueError(
                    f"augmentations: {each.kind}.files is a folder below the workspace; copy or link it there"
                )
            if each.kind == "excerpt" and each.shortest_seconds > self.passage_seconds:
                raise ValueError("augmentations: excerpt.shortest_seconds is at most passage_seconds")
        return self

    @property
    def hears_channels(self) -> bool:
        """Whether an augmentation needs the channels of the recording."""
        return any(augmentation.HEARS_CHANNELS for augmentation in self.augmentations)


@dataclass(frozen=True)
class ListeningRecipe:
    """Recordings → rows of features and labels.

    `root` is the folder of the corpus, `workspace` the one in which folders of noises and impulse responses lie.
    """

    settings: ListeningSettings
    root: Path
    workspace: Path
    name: str = field(default="listening", init=False)

    @property
    def shards(self) -> ShardSettings:
        return self.settings

    @cached_property
    def schema(self) -> pa.Schema:
        return listening_schema(self.settings.features)

    def __getstate__(self) -> dict[str, object]:
        """Without what was worked out: a worker works it out from its own code and files, which may be others."""
        return {"settings": self.settings, "root": self.root, "workspace": self.workspace, "name": self.name}

    @cached_property
    def _sounds(self) -> FolderSounds:
        return FolderSounds(self.workspace, {})

    @cached_property
    def _plain_recipe(self) -> str:
        kept = {"passage_seconds", "features"}
        return f"{self.settings.model_dump(mode='json', include=kept)} {code.of_listening_rows(frozenset())}"

    @cached_property
    def _recipe(self) -> str:
        chosen = self.settings.augmentations
        made_by = self.settings.model_dump(mode="json", exclude={"shards", "shard_megabytes", "place"})
        modules = frozenset(type(each).__module__ for each in chosen)
        beside = [folder_sha256(self.workspace, folder) for folder in self.folders]
        return f"{made_by} {beside} {code.of_listening_rows(modules)}"

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders of noises and impulse responses that the augmentations name."""
        named = {getattr(each, "files", "") for each in self.settings.augmentations}
        return tuple(sorted(named - {""}))

    def wants(self, row: CatalogueRow) -> bool:
        return row.audio is not None

    def bytes_of(self, row: CatalogueRow) -> float:
        asked = self.settings.features
        a_second = asked.rate / asked.hop * asked.bins * np.dtype(asked.storage).itemsize
        return _COMPRESSED[asked.storage] * a_second * row.seconds * (1 + self._variants(row))

    def fingerprint(self, row: CatalogueRow, mates: Sequence[CatalogueRow]) -> str:
        others = [mate.track for mate in self._others(row, mates)]
        recipe = self._recipe if self._variants(row) else self._plain_recipe
        return hashlib.sha256(f"{row.fingerprint()} {others} {recipe}".encode()).hexdigest()

    def tables(self, row: CatalogueRow, mates: Sequence[CatalogueRow], clock: Clock) -> Iterator[pa.Table]:
        recording = self.root / (row.audio or "")
        with clock.step("read"):
            check_unchanged(row, track_of(row, self.root))
            labels = fitting_labels_of(row, self.root)
        others = {mate.track: self.root / (mate.audio or "") for mate in self._others(row, mates)}
        maker = _PassageMaker(self.settings, row, self._sounds.among(others), self.fingerprint(row, mates))
        asked = self.settings
        cut = passages(
            recording, asked.features.rate, asked.passage_seconds, mono=not asked.hears_channels, checked=True
        )
        start, index = 0, 0
        while True:
            with clock.step("decode"):
                audio = next(cut, None)
            if audio is None:
                return
            end = start + audio.samples.shape[1]
            # Cut before it is moved: rounding would put what lies on a border into both passages, or into none.
            inside = labels.follow(Change(start_seconds=start / audio.rate, end_seconds=end / audio.rate))
            sounding = inside.follow(Change(offset_seconds=-start / audio.rate))
            rows = [
                maker.passage(audio, sounding, start / audio.rate, index, variant, clock)
                for variant in range(1 + self._variants(row))
            ]
            with clock.step("rows"):
                yield passage_table(rows, self.schema)
            start, index = end, index + 1

    def totals(self, table: pa.Table) -> Mapping[str, float]:
        onsets = table.column("notes_pitch").combine_chunks()
        return {
            "seconds": float(sum(table.column("seconds").to_pylist())),
            "frames": float(sum(table.column("frames").to_pylist())),
            "notes": float(len(onsets.flatten())),
        }

    def _others(self, row: CatalogueRow, mates: Sequence[CatalogueRow]) -> list[CatalogueRow]:
        """The tracks that may sound along with this one: of its shard, hence its split, and of other groups.

        The few are those with the largest hash together with it, so that one more track in the shard concerns few.
        """
        if not self._variants(row) or all(each.kind != "mix" for each in self.settings.augmentations):
            return []
        able = [mate for mate in mates if mate.audio and mate.group != row.group]
        ranked = sorted(able, key=lambda mate: hashlib.sha256(f"{row.track}{mate.track}".encode()).digest())
        return sorted(ranked[:_OTHERS], key=lambda mate: mate.track)

    def _variants(self, row: CatalogueRow) -> int:
        return self.settings.variants if row.split == SPLITS[0] and self.settings.augmentations else 0


@dataclass(frozen=True)
class _PassageMaker:
    """The rows of one track."""

    settings: ListeningSettings
    row: CatalogueRow
    sounds: Sounds
    fingerprint: str

    def passage(
        self, audio: Audio, labels: Labels, start_seconds: float, index: int, variant: int, clock: Clock
    ) -> Passage:
        """One row: variant 0 is the passage as it is, the others are drawn.

        Chance is seeded by content, place and number, so that no row depends on how many others there are.
        """
        asked = self.settings.features
        chain = self.settings.augmentations if variant else ()
        random = np.random.default_rng([int(self.row.track[:16], 16), index, variant])
        folding = not self.settings.render_stretch and asked.kind == "mel"
        with clock.step("augment"):
            done = augment.perform(chain, audio, labels, self.sounds, random, folding)
        with clock.step("features"):
            folded = done.folded
            heard = features.analyse(done.audio, asked, folded.speed, folded.cents)
            stored = features.store(heard, asked)
        seconds = done.audio.seconds / folded.speed
        return Passage(
            track=self.row.track,
            name=self.row.name,
            passage=index,
            variant=variant,
            group=self.row.group,
            split=self.row.split,
            start_seconds=start_seconds,
            seconds=seconds,
            speed=done.change.speed,
            cents=done.change.cents,
            effects=augment.to_json(done.effects),
            dropped_notes=labels.notes.pushed_off(done.change) if labels.notes else 0,
            labels=labels.follow(done.change),
            features=stored,
            fingerprint=self.fingerprint,
        )
