"""The bit reservoir of MP3 (ISO 11172-3, 2.4.3.4.2): a frame's sound may begin in bytes of the frames before it.

The first frame has none before it, and what follows its sound is used by the next frame or is stuffing. A first frame
for which that does not hold is the rest of something: of a recording that was cut, or of a table that was damaged.
"""

from musegen.audio.containers.promise import damaged

_LAME = b"LAME"
_MOST_PAIRS = 288  # of 576 values
_NO_TABLES = {4, 14}  # numbers that no Huffman table has
_SIDE_BYTES = {1: 17, 2: 32}  # of MPEG 1; of MPEG 2 and 2.5: 9 and 17


def begins_whole(side: bytes, rest: bytes, next_side: bytes, channels: int) -> None:
    """Raises `BadInput` (damaged) unless a frame with this side information and this `rest` can be the first one.

    `next_side` is that of the second frame, empty where there is none.
    """
    back, used = _read(side, channels)
    if back:
        raise damaged("it begins in the middle of a recording")
    lent = _read(next_side, channels)[0] if next_side else 0
    idle = rest[used : max(used, len(rest) - lent)]
    if not used and not any(idle[1:-1]):
        raise damaged("its first frame is blank, as a table of its length is that was never filled in")
    if idle.startswith(_LAME):
        idle = idle.lstrip(b"LAME.0123456789 ")
    if used > len(rest) or len(set(idle[1:-1])) > 1:
        raise damaged("its first frame is not what was written")


def _read(side: bytes, channels: int) -> tuple[int, int]:
    """How many bytes before the frame its sound begins, and how many it takes; raises `BadInput` for what can't be."""
    first = len(side) == _SIDE_BYTES[channels]
    bits, width = int.from_bytes(side, "big"), 8 * len(side)
    start, step, used = (16 + 2 * channels, 59, 0) if first else (8 + channels, 63, 0)

    def field(at: int, count: int) -> int:
        return bits >> (width - at - count) & (1 << count) - 1

    for at in range(start, width - step + 1, step):
        length, pairs, window_at = field(at, 12), field(at + 12, 9), at + (33 if first else 38)
        switched, block = field(window_at, 1), field(window_at + 1, 2)
        tables_at = window_at + (4 if switched else 1)
        tables = {field(tables_at + 5 * number, 5) for number in range(2 if switched else 3)}
        if pairs > _MOST_PAIRS or (pairs and not length) or (switched and not block) or _NO_TABLES & tables:
            raise damaged("its first frame is not what was written")
        used += length
    return field(0, 9 if first else 8), -(-used // 8)
