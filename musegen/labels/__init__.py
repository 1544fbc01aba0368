"""What is known about a track: style, notes, beats, … A new kind is a file here and a field of `Labels`."""

from musegen.labels.base import FILE, HUMAN, Label
from musegen.labels.beats import Beats
from musegen.labels.chords import Chords
from musegen.labels.collection import KINDS, Labels
from musegen.labels.notes import DRUMS, NOTE, Notes
from musegen.labels.style import Style
from musegen.labels.tempo import Tempo
from musegen.labels.tonality import Tonality

__all__ = [
    "DRUMS", "FILE", "HUMAN", "KINDS", "NOTE", "Beats", "Chords", "Label", "Labels", "Notes", "Style", "Tempo",
    "Tonality",
]  # fmt: skip
