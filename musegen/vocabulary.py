"""The ids a generator knows: the music's first, then the conditions that stand in front of a piece."""

import bisect
import hashlib
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musegen.errors import BadInput, BadParams
from musegen.theory import ALL_KEYS, Key, Meter
from musegen.tokens import FAMILIES, Tokenizer, TokenizerSettings

_SLOWEST, _FASTEST, _TEMPO_BINS = 30.0, 300.0, 24
# Bar counts up to 16 are told exactly, longer ones by the nearest of these from below.
_BAR_BUCKETS = (*range(1, 17), 20, 24, 28, 32, 40, 48, 64, 80, 96, 128, 192, 256, 384, 512, 768, 1024)


@dataclass(frozen=True)
class Conditions:
    """What is asked of a piece: quarters a minute, key and style may be left open, the meter and length may not."""

    style: str | None
    bpm: float | None
    key: Key | None
    meter: Meter
    bars: int


@dataclass(frozen=True)
class Vocabulary:
    """All ids: `tokenizer`'s, which no style can move, then begin, end, unknown, styles, tempi, keys, meters, lengths.

    A piece reads `prefix(conditions)` + music + `end`.
    """

    tokenizer: Tokenizer
    styles: tuple[str, ...]

    @classmethod
    def create(cls, settings: TokenizerSettings, styles: tuple[str, ...]) -> Self:
        """The vocabulary of a corpus with these styles, in their alphabetical order."""
        return cls(Tokenizer.create(settings), tuple(sorted(set(styles))))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """A readable name of every id."""
        return (
            *self.tokenizer.names,
            "Begin",
            "End",
            "Unknown",
            *(f"Style_{style}" for style in self.styles),
            *(f"Tempo_{index}" for index in range(_TEMPO_BINS)),
            *(f"Key_{key}" for key in ALL_KEYS),
            *(f"Meter_{meter}" for meter in self.tokenizer.meters),
            *(f"Bars_{count}" for count in _BAR_BUCKETS),
        )

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.names)}

    def __len__(self) -> int:
        return len(self.names)

    @property
    def pad(self) -> int:
        """Fills batches."""
        return 0

    @property
    def begin(self) -> int:
        """The first id of every piece."""
        return len(self.tokenizer)

    @property
    def end(self) -> int:
        """The last id of every piece."""
        return len(self.tokenizer) + 1

    @property
    def unknown(self) -> int:
        """Stands for a condition that is left open."""
        return len(self.tokenizer) + 2

    @property
    def prefix_length(self) -> int:
        """Ids in front of the music: begin, style, tempo, key, meter, bars."""
        return 6

    def prefix(self, conditions: Conditions) -> NDArray[np.uint16]:
        """Ids (6,) in front of the music; raises `BadParams` for a style or meter that the vocabulary lacks."""
        index, style, meter = self._index, conditions.style, conditions.meter
        if style is not None and style not in self.styles:
            raise BadParams(
                f"style {style!r}: not among those learnt; choose one of {', '.join(self.styles) or 'none'}"
            )
        if meter not in self.tokenizer.meters:
            raise BadParams(f"meter {meter}: can't be written in tokens; notate it in another")
        if conditions.bars < 1:
            raise BadParams(f"bars {conditions.bars}: a piece has at least one; ask for 1 or more")
        bucket = _BAR_BUCKETS[bisect.bisect_right(_BAR_BUCKETS, conditions.bars) - 1]
        ids = [
            self.begin,
            self.unknown if style is None else index[f"Style_{style}"],
            self.unknown if conditions.bpm is None else index[f"Tempo_{_tempo_bin(conditions.bpm)}"],
            self.unknown if conditions.key is None else index[f"Key_{conditions.key}"],
            index[f"Meter_{meter}"],
            index[f"Bars_{bucket}"],
        ]
        return np.array(ids, np.uint16)

    def sequence(self, tokens: NDArray[Any], conditions: Conditions) -> NDArray[np.uint16]:
        """Prefix, music and end as one array (6 + n + 1,)."""
        return np.concatenate([self.prefix(conditions), np.asarray(tokens, np.uint16), np.array([self.end], np.uint16)])

    @cached_property
    def families(self) -> NDArray[np.int8]:
        """Index into `tokens.FAMILIES` of every id."""
        conditions = np.full(len(self) - len(self.tokenizer), FAMILIES.index("condition"), np.int8)
        return np.concatenate([self.tokenizer.families, conditions])

    def family(self, index: int) -> str:
        """The family of one id, a word of `tokens.FAMILIES`."""
        return FAMILIES[self.families[index]]

    def fingerprint(self) -> str:
        """16 hex digits that change when any id would say something else."""
        return hashlib.sha256(json.dumps(self.names).encode()).hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write it as JSON, complete: loading needs no MidiTok. The file is whole at every moment."""
        content = {
            "settings": self.tokenizer.settings.model_dump(mode="json"),
            "styles": list(self.styles),
            "music": list(self.tokenizer.names),
            "fingerprint": self.fingerprint(),
        }
        text = json.dumps(content, indent=1) + "\n"
        if path.exists() and path.read_text() == text:
            return
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(text)
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote; raises `BadInput` where it was changed since."""
        try:
            content = json.loads(path.read_text())
            tokenizer = Tokenizer(TokenizerSettings(**content["settings"]), tuple(content["music"]))
            vocabulary = cls(tokenizer, tuple(content["styles"]))
            intact = vocabulary.fingerprint() == content["fingerprint"]
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(f"{path}: not a vocabulary; fetch the model again", "bad vocabulary") from error
        if not intact:
            raise BadInput(f"{path}: the vocabulary was changed; fetch the model again", "bad vocabulary")
        return vocabulary


def _tempo_bin(bpm: float) -> int:
    """Logarithmic bins, ten percent wide, 30 to 300 quarters a minute; beyond them the outermost."""
    place = np.log(max(bpm, 1e-3) / _SLOWEST) / np.log(_FASTEST / _SLOWEST) * _TEMPO_BINS
    return int(np.clip(place, 0, _TEMPO_BINS - 1))
