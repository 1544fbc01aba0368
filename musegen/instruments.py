"""General MIDI programs: their names, and the notes that the real instruments have."""

import numpy as np
from numpy.typing import NDArray

NAMES = (
    "Acoustic Grand Piano", "Bright Acoustic Piano", "Electric Grand Piano", "Honky-tonk Piano", "Electric Piano 1",
    "Electric Piano 2", "Harpsichord", "Clavinet", "Celesta", "Glockenspiel", "Music Box", "Vibraphone", "Marimba",
    "Xylophone", "Tubular Bells", "Dulcimer", "Drawbar Organ", "Percussive Organ", "Rock Organ", "Church Organ",
    "Reed Organ", "Accordion", "Harmonica", "Bandoneon", "Nylon Guitar", "Steel Guitar", "Jazz Guitar", "Clean Guitar",
    "Muted Guitar", "Overdriven Guitar", "Distortion Guitar", "Guitar Harmonics", "Acoustic Bass", "Finger Bass",
    "Pick Bass", "Fretless Bass", "Slap Bass 1", "Slap Bass 2", "Synth Bass 1", "Synth Bass 2", "Violin", "Viola",
    "Cello", "Contrabass", "Tremolo Strings", "Pizzicato Strings", "Orchestral Harp", "Timpani", "String Ensemble 1",
    "String Ensemble 2", "Synth Strings 1", "Synth Strings 2", "Choir Aahs", "Voice Oohs", "Synth Voice",
    "Orchestra Hit", "Trumpet", "Trombone", "Tuba", "Muted Trumpet", "French Horn", "Brass Section", "Synth Brass 1",
    "Synth Brass 2", "Soprano Sax", "Alto Sax", "Tenor Sax", "Baritone Sax", "Oboe", "English Horn", "Bassoon",
    "Clarinet", "Piccolo", "Flute", "Recorder", "Pan Flute", "Blown Bottle", "Shakuhachi", "Whistle", "Ocarina",
    "Square Lead", "Saw Lead", "Calliope Lead", "Chiff Lead", "Charang Lead", "Voice Lead", "Fifths Lead",
    "Bass and Lead", "New Age Pad", "Warm Pad", "Polysynth Pad", "Choir Pad", "Bowed Pad", "Metallic Pad", "Halo Pad",
    "Sweep Pad", "Rain", "Soundtrack", "Crystal", "Atmosphere", "Brightness", "Goblins", "Echoes", "Sci-fi", "Sitar",
    "Banjo", "Shamisen", "Koto", "Kalimba", "Bagpipe", "Fiddle", "Shanai", "Tinkle Bell", "Agogo", "Steel Drums",
    "Woodblock", "Taiko Drum", "Melodic Tom", "Synth Drum", "Reverse Cymbal", "Guitar Fret Noise", "Breath Noise",
    "Seashore", "Bird Tweet", "Telephone Ring", "Helicopter", "Applause", "Gunshot",
)  # fmt: skip
"""The name of each program, 0..127."""

_KEYBOARD = (21, 108)
# Program → lowest and highest MIDI pitch in common orchestration handbooks (Adler, The Study of Orchestration);
# instruments that are not here have the whole keyboard.
_RANGES = {
    6: (29, 89), 7: (28, 88), 8: (60, 108), 9: (79, 108), 10: (60, 108), 11: (53, 89), 12: (45, 96), 13: (65, 108),
    14: (60, 77), 15: (48, 88), 16: (36, 96), 17: (36, 96), 18: (36, 96), 19: (36, 96), 20: (29, 96), 21: (41, 93),
    22: (48, 96), 23: (38, 96), 24: (40, 84), 25: (40, 84), 26: (40, 86), 27: (40, 86), 28: (40, 86), 29: (40, 86),
    30: (40, 86), 32: (28, 67), 33: (28, 67), 34: (28, 67), 35: (28, 67), 36: (28, 67), 37: (28, 67), 38: (28, 67),
    39: (28, 67), 40: (55, 100), 41: (48, 91), 42: (36, 81), 43: (28, 67), 44: (28, 96), 45: (28, 96), 46: (24, 103),
    47: (36, 60), 48: (28, 100), 49: (28, 100), 52: (38, 84), 53: (38, 84), 56: (54, 86), 57: (40, 77), 58: (28, 65),
    59: (54, 84), 60: (34, 77), 61: (34, 86), 64: (56, 87), 65: (49, 80), 66: (44, 76), 67: (36, 69), 68: (58, 91),
    69: (52, 81), 70: (34, 75), 71: (50, 91), 72: (74, 108), 73: (59, 98), 74: (60, 91), 75: (60, 96), 76: (48, 84),
    77: (50, 86), 78: (60, 96), 79: (60, 89), 104: (48, 77), 105: (48, 84), 106: (50, 79), 107: (43, 84),
    108: (48, 84), 109: (55, 84), 110: (55, 100), 111: (58, 91), 112: (72, 96), 114: (52, 76),
}  # fmt: skip


def keyboard_of(program: int) -> tuple[int, int]:
    """Lowest and highest MIDI pitch of a General MIDI program."""
    return _RANGES.get(program, _KEYBOARD)


def room(programs: NDArray[np.int16], pitches: NDArray[np.int16]) -> tuple[int, int]:
    """How many semitones pitched notes may move down (≤ 0) and up (≥ 0) until one leaves its instrument.

    A note that lies beyond its instrument already moves no further out, but may move inwards.
    """
    down, up = -127, 127
    for program in np.unique(programs):
        mine = pitches[programs == program].astype(int)
        low, high = keyboard_of(int(program))
        down, up = max(down, min(0, low - int(mine.min()))), min(up, max(0, high - int(mine.max())))
    return down, up
