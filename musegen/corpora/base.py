"""What a loader is: two functions, what they return, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from musegen.errors import BadInput
from musegen.labels import Labels
from musegen.track import Said, Track


@dataclass(frozen=True)
class Found:
    """What `find` saw without opening a recording or a label file.

    `tracks` are in order of their names; `ignored` and `refused` map every other path to a reason: what is none of the
    corpus's business, and what claims to be a recording or label but can't be one (a FIFO called x.wav). `tables` are
    the files that say something of many tracks: tables, and the licence text of a folder. Every file of the folder is
    in exactly one place: a track's audio, a track's label, a table, ignored or refused. `refused` also names folders
    that can't be listed. `warnings` are about tables (a row that names no file, …) and about names.
    """

    tracks: tuple[Track, ...]
    ignored: Mapping[Path, str] = field(default_factory=dict)
    refused: Mapping[Path, BadInput] = field(default_factory=dict)
    tables: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """What all the sources of one track say together.

    `said` is the best of everything said in words, `labels` of everything else. `sources` names for each label kind
    and each field of `said` that is known the source that won (`"folder"`, `"metadata.csv"`, `".mid"`, `"tags"`, …).
    `warnings`: where sources disagree, and what else is odd.
    """

    labels: Labels
    said: Said
    sources: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Loader(Protocol):
    """A corpus layout."""

    def find(self, root: Path) -> Found:
        """List the tracks below `root`; opens no recording and no label file.

        Raises `BadInput` where the folder is missing or can't be listed.
        """

    def read(self, track: Track) -> Reading:
        """Read the labels of one track; raises `BadInput` that names the label file that can't be used.

        What it returns depends on nothing but the track and the content of its files.
        """
