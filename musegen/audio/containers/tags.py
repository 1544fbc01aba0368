"""Tags before and after the sound: ID3v1, ID3v2 (id3.org), APE (wiki.hydrogenaud.io/index.php?title=APEv2), Lyrics3."""

from musegen.audio.containers.promise import Source

_APE_FOOTER, _ID3V1, _LYRICS_END = 32, 128, 15


def id3v2_bytes(source: Source, offset: int = 0) -> int:
    """Length of the ID3v2 tag at `offset`, 0 where there is none."""
    head = source.at(offset, 10)
    if len(head) < 10 or head[:3] != b"ID3" or head[3] == 255 or any(byte > 127 for byte in head[6:10]):
        return 0
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return 10 + size + (10 if head[5] & 0x10 else 0)


def sound_end(source: Source) -> int:
    """Where the tags at the end of a file begin: its size where there are none."""
    end = source.size
    if source.at(end - _ID3V1, 3) == b"TAG":
        end -= _ID3V1
    lyrics = source.at(end - _LYRICS_END, _LYRICS_END)
    if lyrics.endswith(b"LYRICS200") and lyrics[:6].isdigit():
        end -= _LYRICS_END + int(lyrics[:6])
    footer = source.at(end - _APE_FOOTER, _APE_FOOTER)
    if footer[:8] == b"APETAGEX":
        size = int.from_bytes(footer[12:16], "little")
        end -= size + (_APE_FOOTER if footer[23] & 0x80 else 0)
    return max(end, 0)
