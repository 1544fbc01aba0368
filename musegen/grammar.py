"""What may come next, so that whatever is sampled is a piece with the bars and the meter that were asked for."""

import numpy as np
from numpy.typing import NDArray

from musegen.errors import BadInput
from musegen.tokens import TICKS_PER_SLOT
from musegen.vocabulary import Conditions, Vocabulary

_DRUMS = 128
_PITCHES = ("Pitch", "PitchDrum")


class Grammar:
    """The rules: `Bar [TimeSig] (Position ([Program] Pitch [Velocity] Duration)+)* … End`.

    Positions go forward inside a bar, programs upward inside a position and pitches upward inside a program, as MidiTok
    writes them; only the first bar names a meter; notes end within the piece.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        tokenizer = vocabulary.tokenizer
        self.names, self.end, self.meter_ids = vocabulary.names, vocabulary.end, tokenizer.meters
        self.bar = int(tokenizer.ids("Bar")[0])
        self.positions = tokenizer.ids("Position")
        self.pitches, self.drum_pitches = tokenizer.pitch_ids
        self.velocities = tokenizer.ids("Velocity")
        self.durations = tokenizer.ids("Duration")
        self.duration_ticks = tokenizer.values[self.durations]
        self.programs = tokenizer.program_ids
        self.types = [name.split("_")[0] for name in vocabulary.names]
        self.values = [*tokenizer.values.tolist(), *[0] * (len(vocabulary) - len(tokenizer))]
        self.meters = {index: meter for meter, index in tokenizer.meters.items()}

    def start(self, conditions: Conditions) -> "State":
        """The state before the first token of music."""
        return State(self, conditions)


class State:
    """Where a piece stands; `done` after its end."""

    def __init__(self, grammar: Grammar, conditions: Conditions) -> None:
        self.done = False
        self._grammar = grammar
        self._bars, self._meter = conditions.bars, conditions.meter
        self._bar, self._slot, self._last = 0, -1, "Start"
        self._program = -1  # none yet
        self._highest = -1  # the pitch last written at this position by this program; -1: any may come

    def mask(self) -> NDArray[np.bool_]:
        """True (vocabulary,) for every id that may come next."""
        grammar, last = self._grammar, self._last
        allowed = np.zeros(len(grammar.names), bool)
        if self.done:
            return allowed
        if last == "Start":
            allowed[grammar.bar] = True
        elif last == "Bar" and self._bar == 1:
            allowed[grammar.meter_ids[self._meter]] = True
        elif last in _PITCHES and len(grammar.velocities):
            allowed[grammar.velocities] = True
        elif last in (*_PITCHES, "Velocity"):
            allowed[grammar.durations[grammar.duration_ticks <= self._ticks_left]] = True
        else:
            self._allow_notes(allowed)
            if self._goes_onward:
                allowed[grammar.positions[self._slot + 1 : self._slots]] = True
                allowed[grammar.bar if self._bar < self._bars else grammar.end] = True
        return allowed

    def advance(self, index: int) -> None:
        """Take the next id; raises `BadInput` where no piece goes on so.

        More is taken than `mask` proposes: a prompt may change its meter and hold its notes as long as it likes.
        """
        kind, value = self._grammar.types[index], self._grammar.values[index]
        if not self._takes(kind, value):
            name = self._grammar.names[index]
            raise BadInput(f"{name} can't follow {self._last} in bar {self._bar} of {self._bars}", "bad tokens")
        if kind == "Bar":
            self._bar, self._slot = self._bar + 1, -1
        elif kind == "TimeSig":
            self._meter = self._grammar.meters[index]
        elif kind == "Position":
            self._slot, self._highest = value, -1
        elif kind == "Program":
            self._program, self._highest = value, -1
        elif kind in _PITCHES:
            self._highest = value
        self._last, self.done = kind, kind == "End"

    @property
    def _slots(self) -> int:
        return self._meter.ticks // TICKS_PER_SLOT

    @property
    def _ticks_left(self) -> int:
        return (self._bars - self._bar + 1) * self._meter.ticks - self._slot * TICKS_PER_SLOT

    @property
    def _goes_onward(self) -> bool:
        """True where the next position or bar may come, or the end."""
        return self._last in ("Duration", "TimeSig") or (self._last == "Bar" and self._bar > 1)

    def _allow_notes(self, allowed: NDArray[np.bool_]) -> None:
        grammar = self._grammar
        if self._last == "Position":
            allowed[grammar.programs] = True
            if self._program >= 0:
                allowed[grammar.programs[self._program]] = False
        elif self._last == "Duration":
            allowed[grammar.programs[self._program + 1 :]] = True
        if self._last in ("Position", "Program", "Duration") and self._program >= 0:
            pitches = grammar.drum_pitches if self._program == _DRUMS else grammar.pitches
            allowed[pitches[self._highest + 1 :]] = True

    def _takes(self, kind: str, value: int) -> bool:
        last = self._last
        match kind:
            case "Bar":
                return last == "Start" or (self._goes_onward and self._bar < self._bars)
            case "End":
                return self._goes_onward and self._bar == self._bars
            case "TimeSig":
                return last == "Bar"
            case "Position":
                return self._goes_onward and self._slot < value < self._slots
            case "Program":
                return (last == "Position" and value != self._program) or (last == "Duration" and value > self._program)
            case "Pitch" | "PitchDrum":
                fits = (self._program == _DRUMS) == (kind == "PitchDrum") and self._program >= 0
                return fits and last in ("Position", "Program", "Duration") and value > self._highest
            case "Velocity":
                return last in _PITCHES and bool(len(self._grammar.velocities))
            case "Duration":
                return last == "Velocity" if len(self._grammar.velocities) else last in _PITCHES
            case _:
                return False
