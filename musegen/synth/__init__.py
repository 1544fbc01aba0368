"""Notes → Audio: an own NumPy synthesizer, deterministic and a hundred times faster than real time."""

from musegen.synth.instruments import timbre_of
from musegen.synth.mix import Engine, render
from musegen.synth.room import CHURCH, HALL, PARLOUR, Room, loudness
from musegen.synth.timbre import Formant, Timbre

__all__ = ["CHURCH", "HALL", "PARLOUR", "Engine", "Formant", "Room", "Timbre", "loudness", "render", "timbre_of"]
