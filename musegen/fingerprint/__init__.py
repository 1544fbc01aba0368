"""What tells versions of one piece from other pieces: fingerprints of a melody and of a sound, and who shares them.

melody(notes) -> NDArray[uint64]          the top line in shingles, the same in any key and tempo
sound(heard) -> NDArray[SOUND]            landmarks in fours, the same in any encoding, and near keys and tempi
melody_links(melodies), sound_links(...)  pairs of tracks that share enough to be versions of one piece
"""

from musegen.fingerprint.melody import melody, melody_links
from musegen.fingerprint.sound import SOUND, sound
from musegen.fingerprint.sound_links import sound_links

__all__ = ["SOUND", "melody", "melody_links", "sound", "sound_links"]
