"""Sound: samples and their rate, read from and written to files, none of which is believed."""

from musegen.audio.intake import SUFFIXES, AudioFacts, check, read, write
from musegen.audio.passages import passages
from musegen.audio.sound import Audio

__all__ = ["SUFFIXES", "Audio", "AudioFacts", "check", "passages", "read", "write"]
