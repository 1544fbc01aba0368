"""Other sounds that an augmentation may add, from the files of a workspace."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from musegen.audio import SUFFIXES, Audio, passages
from musegen.augment.base import Sounds
from musegen.errors import BadInput, BadParams, about

SECONDS = 120
"""So much of the beginning of a sound is used."""

HEAD = "^([0-9a-f]{16})?$"
"""What an effect stores of the sha256 of a file: 16 hex digits."""

_TRACK = "track:"
_CACHE_BYTES = 128 << 20
_CHECKING_RATE = 16_000


def recalled(sounds: Sounds, name: str, sha256: str, rate: int) -> Audio:
    """The sound `name` at `rate` hertz; raises `BadInput` if its file's hash no longer begins with `sha256`."""
    if not sounds.sha256(name).startswith(sha256):
        raise BadInput(
            f"{name}: it is another sound than the one drawn; put that one back, or prepare the dataset anew",
            "changed",
            Path(name),
        )
    return sounds.read(name, rate)


def folder_sha256(root: Path, folder: str) -> str:
    """One hash over the names and contents of all sounds in a folder; raises `BadParams` where there are none."""
    sounds = FolderSounds(root, {})
    above = PurePosixPath(folder)
    lines = (f"{PurePosixPath(name).relative_to(above)}\0{sounds.sha256(name)}\n" for name in sounds.files(folder))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class FolderSounds:
    """`Sounds` of the folders below `root`, and of `others`: paths of other tracks by their ids.

    A file is called "<folder>/<path in it>", a track "track:<id>". What was read is kept, up to `cache_bytes`, the
    sounds used last; the cache stays behind when this is pickled. Files must not change while this lives.
    """

    def __init__(self, root: Path, others: Mapping[str, Path], cache_bytes: int = _CACHE_BYTES) -> None:
        self.root, self.tracks, self.cache_bytes = root, dict(others), cache_bytes
        self._folders: dict[str, tuple[str, ...]] = {}
        self._hashes: dict[str, str] = {}
        self._cache: OrderedDict[tuple[str, int], Audio] = OrderedDict()

    def among(self, others: Mapping[str, Path]) -> "FolderSounds":
        """The same with other tracks beside it; what was read and hashed is shared."""
        shared = FolderSounds(self.root, others, self.cache_bytes)
        shared._folders, shared._hashes, shared._cache = self._folders, self._hashes, self._cache
        return shared

    def __reduce__(self) -> tuple[type["FolderSounds"], tuple[Path, dict[str, Path], int]]:
        return type(self), (self.root, self.tracks, self.cache_bytes)

    def files(self, folder: str) -> tuple[str, ...]:
        """Names of the sounds in and below `folder`, sorted, but hidden ones; raises `BadParams`: there are none."""
        if folder not in self._folders:
            self._folders[folder] = self._found(PurePosixPath(folder))
        return self._folders[folder]

    def check(self, folder: str) -> None:
        """Read everything in `folder`, so that no track is put aside for the sake of a broken noise or room.

        Raises `BadParams`, which names the sounds that cannot be read or are silent.
        """
        broken = []
        for name in self.files(folder):
            try:
                if not self.read(name, _CHECKING_RATE).samples.any():
                    broken.append(f"{name} is silent")
            except BadInput as error:
                broken.append(str(error))
        if broken:
            raise BadParams(f"{folder}: {'; '.join(broken)}; repair these files or take them out of the folder")

    def others(self) -> tuple[str, ...]:
        """Names of the other tracks, sorted."""
        return tuple(sorted(f"{_TRACK}{track}" for track in self.tracks))

    def read(self, name: str, rate: int) -> Audio:
        """The first 120 s of that sound, mono, at `rate` hertz, read-only; raises `BadInput`, which names the file."""
        key = (name, rate)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        path = self._path(name)
        self._check_track(name)
        with about(path):
            beginning = next(iter(passages(path, rate, SECONDS, mono=True)))
        samples = beginning.samples[:, : SECONDS * rate].copy()
        samples.setflags(write=False)
        self._cache[key] = Audio(samples, rate)
        while len(self._cache) > 1 and sum(kept.samples.nbytes for kept in self._cache.values()) > self.cache_bytes:
            self._cache.popitem(last=False)
        return self._cache[key]

    def sha256(self, name: str) -> str:
        """Hash of that sound's file; raises `BadInput`, which names it."""
        if name not in self._hashes:
            path = self._path(name)
            try:
                with path.open("rb") as file:
                    self._hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
            except FileNotFoundError as error:
                raise BadInput(f"{name}: its file is gone; put it back, or survey again", "changed", path) from error
            except OSError as error:
                raise BadInput(
                    f"{name}: it can't be read ({error.strerror}); put it back or copy it again", "unreadable", path
                ) from error
        return self._hashes[name]

    def _check_track(self, name: str) -> None:
        """A track is named by its content: another one must not sound in its place."""
        if name.startswith(_TRACK) and not self.sha256(name).startswith(name.removeprefix(_TRACK)):
            words = f"{name}: its file is another one since the survey; survey again"
            raise BadInput(words, "changed", self._path(name))

    def _path(self, name: str) -> Path:
        if not name.startswith(_TRACK):
            return self.root / name
        track = name.removeprefix(_TRACK)
        if track not in self.tracks:
            raise BadInput(f"{name}: there is no such track; put it back, or prepare the dataset anew", "no file")
        return self.tracks[track]

    def _found(self, folder: PurePosixPath) -> tuple[str, ...]:
        above = self.root / folder
        inside = [path.relative_to(above) for path in above.rglob("*") if path.is_file()]
        names = sorted(
            (folder / path.as_posix()).as_posix()
            for path in inside
            if path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in path.parts)
        )
        if not names:
            raise BadParams(f"{folder}: there are no sounds in {above}; put some there, or name another folder")
        return tuple(names)
