"""Files of the same stem in one folder → the parts of one track."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from musegen.corpora import names
from musegen.corpora.names import AUDIO
from musegen.corpora.scan import PlainFile
from musegen.track import CONTENT_ROLES

# Where one stem has several files of a role, the first suffix wins.
_FIRST = {".beats": 0, ".mid": 0, ".bpm": 0, ".musicxml": 0, ".mxl": 1}


@dataclass
class Stem:
    """The files of one stem by role (`"audio"` among them); `folder` is relative to the corpus, with `/`."""

    folder: str
    name: str
    files: dict[str, Path] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Relative to the corpus, without the suffix."""
        return f"{self.folder}/{self.name}" if self.folder else self.name

    @property
    def rank(self) -> int:
        """0 with a recording, 1 with MIDI, 2 with a score, 3 with labels alone."""
        roles = (AUDIO, *CONTENT_ROLES)
        return next((rank for rank, role in enumerate(roles) if role in self.files), len(roles))


@dataclass
class Stems:
    """All stems that make tracks, why other files don't, and what is odd about names."""

    found: list[Stem] = field(default_factory=list)
    ignored: dict[Path, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def group(files: Iterable[tuple[PlainFile, str, str]]) -> Stems:
    """`files` are (file, stem, role). A stem needs a recording, MIDI or a score; labels alone are ignored.

    Names have to agree to the letter; where a folder has only one recording (else one MIDI file, one score) of a name,
    whatever its case and Unicode form, files that differ by these alone belong to it as well.
    """
    stems: dict[tuple[str, str], Stem] = {}
    every = Stems()
    for file, name, role in sorted(files, key=lambda part: _preference(part[0].name)):
        stem = stems.setdefault((file.folder, name), Stem(file.folder, name))
        first = stem.files.setdefault(role, file.path)
        if first is not file.path:
            every.ignored[file.path] = (
                f"{names.shown(first.name)} stands for the {role} of this track; remove that to have this one"
            )
    alike: dict[tuple[str, str], list[Stem]] = {}
    for stem in stems.values():
        alike.setdefault((stem.folder, names.folded(stem.name)), []).append(stem)
    for same in alike.values():
        for stem in _united(same, every) if len(same) > 1 else same:
            if stem.rank > len(CONTENT_ROLES):
                reason = "a label without a recording or notes of the same name"
                every.ignored.update(dict.fromkeys(stem.files.values(), reason))
            else:
                every.found.append(stem)
    return every


def _preference(name: str) -> tuple[bool, int, str]:
    suffix = name[name.rfind(".") :].lower()
    return suffix in names.LOSSY, _FIRST.get(suffix, 2), name


def _united(same: list[Stem], every: Stems) -> list[Stem]:
    """Stems whose names differ by case or Unicode form: all of them one track, where there is no doubt."""
    same = sorted(same, key=lambda stem: (stem.rank, stem.name))
    host, *others = same
    if others[0].rank == host.rank:
        if host.rank <= len(CONTENT_ROLES):
            both = " and ".join(names.shown(stem.path) for stem in same[:2])
            every.warnings.append(f"{both}: names that differ by case or Unicode form only; each is its own track")
        return same
    apart = []
    for stem in others:
        if host.files.keys() & stem.files.keys():
            apart.append(stem)
        else:
            host.files.update(stem.files)
    return [host, *apart]
