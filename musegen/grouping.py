"""Which tracks are versions of the same piece, by melody and by sound."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.fingerprint import SOUND, melody_links, sound_links
from musegen.fingerprint.components import Components

MELODY_PRINT = np.dtype("<u8")


@dataclass(frozen=True, eq=False)
class Prints:
    """The fingerprints of one track: `melody` uint64 (n,), `sound` dtype `fingerprint.SOUND` (m,); either may be empty.

    As bytes: the number of melody hashes (4 bytes), these (8 bytes each), then the sound's groups (11 bytes each), all
    little-endian.
    """

    melody: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, MELODY_PRINT))
    sound: NDArray[Any] = field(default_factory=lambda: np.empty(0, SOUND))

    def to_bytes(self) -> bytes:
        """Both prints, the same bytes on every machine."""
        head = len(self.melody).to_bytes(4, "little")
        return head + self.melody.astype(MELODY_PRINT).tobytes() + self.sound.astype(SOUND).tobytes()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Prints":
        """What `to_bytes` wrote; raises `ValueError` for anything else."""
        count = int.from_bytes(content[:4], "little")
        if len(content) < 4 + 8 * count:
            raise ValueError("the prints end too early")
        melody = np.frombuffer(content, MELODY_PRINT, count, offset=4)
        return cls(melody, np.frombuffer(content[4 + 8 * count :], SOUND))


@dataclass(frozen=True)
class Grouping:
    """`groups`: for each track the index of the first track of its group; `reasons`: for each track the kinds of print
    (`"melody"`, `"sound"`) that link it to others of its group, none for a group of one."""

    groups: list[int]
    reasons: list[frozenset[str]]


def grouping(tracks: Sequence[Prints]) -> Grouping:
    """Groups and what they rest on; groups are the connected components of all links."""
    links = {
        "melody": melody_links([track.melody for track in tracks]),
        "sound": sound_links([track.sound for track in tracks]),
    }
    reasons: list[set[str]] = [set() for _ in tracks]
    for reason, pairs in links.items():
        for track in {track for pair in pairs for track in pair}:
            reasons[track].add(reason)
    found = Components(len(tracks), [pair for pairs in links.values() for pair in pairs])
    return Grouping(found.all(), [frozenset(reason) for reason in reasons])


def groups(tracks: Sequence[Prints]) -> list[int]:
    """For each track the index of the first track of its group."""
    return grouping(tracks).groups
