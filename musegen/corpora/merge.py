"""All that the sources of one track say → the best of it, and where they disagree.

What is said of this very track beats what is implied; what a person wrote beats what a program left behind.

    style, title, artist, licence,   .json, .LICENCE.txt, tables (the nearest first), the folder's name, the folder's
    consent, split, key, meter       licence text, .jams, score, MIDI, tags of the recording
    bpm                              .bpm, .json, tables, .jams, MIDI, score, tags
    notes                            MIDI, score, .jams
    beats                            .beats, .jams, MIDI, score
    chords                           .lab, .jams, score

What mirdata says of a data set that it knows stands before tables in words, before scores in notes, and before .jams.
Where two contradict each other, spelling and the like aside (`agreement`), the better one is used with a warning. But
a consent that any source denies is denied, and a licence that the best source denies (`""`) is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from musegen.corpora import agreement
from musegen.corpora.base import Reading
from musegen.errors import BadParams
from musegen.labels import FILE, Beats, Labels, Style, Tempo, Tonality
from musegen.labels.tempo import FASTEST_BPM, SLOWEST_BPM
from musegen.theory import TICKS_PER_QUARTER, Key, Meter
from musegen.track import SAID_FIELDS, Said

_QUARTERS_KNOWN = ("midi", "score", "beat_midi")
_WORDS = ("facts", "licence", "dataset", "said", "jams", "score", "midi", "tags")
PRECEDENCE = {
    **dict.fromkeys(SAID_FIELDS, _WORDS),
    "bpm": ("tempo", "facts", "dataset", "said", "jams", "beat_midi", "midi", "score", "tags"),
    "notes": ("midi", "dataset", "score", "jams"),
    "beats": ("beats", "beat_midi", "dataset", "jams", "midi", "score"),
    "chords": ("chords", "dataset", "jams", "score"),
}
"""Roles of the sources by what they say, the best first; `said` is `Track.said`, in its own order.

`dataset` is what mirdata says of a track of one of its data sets, `beat_midi` a file of beats of POP909.
"""


@dataclass(frozen=True)
class Source:
    """What one file (or the folder, or a table) says; `role` as in `PRECEDENCE`, `name` is for people."""

    role: str
    name: str
    said: Said = field(default_factory=lambda: Said(""))
    labels: Labels = field(default_factory=Labels)

    def value(self, name: str) -> Any:
        """What it says of a field of `Said` or of a kind of label; single words of its labels count as said."""
        if name not in SAID_FIELDS:
            return getattr(self.labels, name)
        said, labels = getattr(self.said, name), self.labels
        if said is None and name == "style" and labels.style:
            return labels.style.name
        if said is None and name == "key" and labels.tonality:
            return str(labels.tonality.key)
        return self._bpm() if said is None and name == "bpm" else said

    def _bpm(self) -> float | None:
        """Of its tempo, else of its beats if their tempo is meant; a beat file does not say what a beat is."""
        beats = self.labels.beats
        if self.labels.tempo:
            return self.labels.tempo.bpm
        bpm = beats.bpm if beats and beats.tempo_known and self.role in _QUARTERS_KNOWN else None
        return bpm if bpm and SLOWEST_BPM <= bpm <= FASTEST_BPM else None


def merge(sources: Sequence[Source], odd: Sequence[str] = ()) -> Reading:
    """The best of everything said, by `PRECEDENCE`; `odd` are warnings that came up while the files were read."""
    winners: dict[str, Source] = {}
    warnings = list(odd)
    for name in PRECEDENCE:
        claims = _claims(name, sources)
        if claims:
            winners[name] = claims[0]
            warnings += _disagreements(name, claims)
    if "licence" in winners and not winners["licence"].value("licence"):
        del winners["licence"]
    words = {name: winner.value(name) for name, winner in winners.items() if name in SAID_FIELDS}
    labels = {kind: winner.value(kind) for kind, winner in winners.items() if kind not in SAID_FIELDS}
    origins = {name: winner.name for name, winner in winners.items()}
    for name, kind in (("style", "style"), ("bpm", "tempo"), ("key", "tonality")):
        if name in winners:
            labels[kind] = getattr(winners[name].labels, kind) or _label(name, words[name])
            origins[kind] = winners[name].name
    said = Said("", **words)
    if "beats" in labels:
        labels["beats"] = _written(labels["beats"], winners["beats"], sources, said)
        if winners["beats"].value("bpm") is None:
            warnings += _off_tempo(labels["beats"], origins, said)
    return Reading(Labels(**labels), said, origins, tuple(dict.fromkeys(warnings)))


def written_like(beats: Beats, written: Beats | None) -> Beats:
    """`beats` with the beat length of the MIDI's time signature, where both count the same beats to the bar.

    A beat file says when feet tap, not whether a tap is a quarter or, as in 6/8, a dotted one.
    """
    if written is None or not len(written) or beats.positions.max(initial=0) != written.positions.max():
        return beats
    return replace(beats, quarters_per_beat=written.quarters_per_beat, origin=FILE)


def _claims(name: str, sources: Sequence[Source]) -> list[Source]:
    """The sources that say something of `name`, the best first; of consent, those that deny it before all others."""
    order = PRECEDENCE[name]
    fit = [source for source in sources if source.role in order and source.value(name) is not None]
    ranked = sorted(fit, key=lambda source: order.index(source.role))
    return sorted(ranked, key=lambda source: bool(source.value(name))) if name == "consent" else ranked


def _disagreements(name: str, claims: list[Source]) -> list[str]:
    """A warning for each source that contradicts the winner."""
    best = claims[0]
    mine = best.value(name)
    if name in SAID_FIELDS:
        return [
            f"{name}: {best.name} says {_shown(mine)}, {other.name} says {_shown(other.value(name))}; "
            f"{_shown(mine)} is used"
            for other in claims[1:]
            if not agreement.agree(name, mine, other.value(name))
        ]
    if name != "beats":
        return []
    meant = [other for other in claims[1:] if other.value("beats").tempo_known]
    return [
        f"beats: those of {best.name} are not where {other.name} has them; {best.name} is used"
        for other in meant
        if not agreement.same_beats(mine, other.value("beats"))
    ]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value) or "none"


def _label(name: str, value: Any) -> Style | Tempo | Tonality:
    if name == "style":
        return Style.named(value)
    return Tempo.stated(value) if name == "bpm" else Tonality(key=Key.parse(value))


def _written(beats: Beats, winner: Source, sources: Sequence[Source], said: Said) -> Beats:
    """What length a beat is written with: as the MIDI or score has it, else as the meter that was said."""
    if winner.role in ("midi", "score", "jams"):
        return beats
    for role in ("midi", "score"):
        written = next((source.labels.beats for source in sources if source.role == role and source.labels.beats), None)
        if written is not None:
            return written_like(beats, written)
    try:
        meter = Meter.parse(said.meter) if said.meter else None
    except BadParams:
        meter = None
    if meter is None or int(beats.positions.max(initial=0)) != meter.beats:
        return beats
    return replace(beats, quarters_per_beat=meter.beat_ticks / TICKS_PER_QUARTER)


def _off_tempo(beats: Beats, origins: dict[str, str], said: Said) -> list[str]:
    """A warning where beats go at another tempo than the one that is said."""
    bpm = beats.bpm
    if said.bpm is None or bpm is None or not beats.tempo_known or agreement.same_tempo(bpm, said.bpm, dotted=True):
        return []
    return [f"bpm: {origins['bpm']} says {said.bpm:g}, the beats of {origins['beats']} go at {bpm:.1f}; check both"]
