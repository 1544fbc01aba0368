"""What a container says about its sound, and how its bytes are looked at without trusting any of them."""

import os
from dataclasses import dataclass
from typing import BinaryIO

from musegen.errors import BadInput

SIZE_UNKNOWN = 0x7FFF0000
"""32-bit sizes from here on, and 0, come from programs that wrote before they knew the length."""


@dataclass(frozen=True)
class Promise:
    """What a container states.

    `format`: its name; `rate` in hertz; `frames`: samples a channel, exact, or None where nothing in the file tells;
    `bits` and `md5`: of the decoded integers, where the container keeps their sum; `warnings` for the owner.
    `demuxer`: ffmpeg's name of the format where libsndfile does not decode it; then rate and channels are 0 if unknown.
    `preface`: a beginning that states the length, for a decoder that would not find it, and the `span` of the file's
    bytes that follow it.
    """

    format: str
    rate: int
    channels: int
    frames: int | None
    bits: int = 0
    md5: bytes = b""
    warnings: tuple[str, ...] = ()
    demuxer: str = ""
    span: tuple[int, int] = (0, 0)
    preface: bytes = b""


class Source:
    """A file of which pieces are read by their place; never more than is asked for, never beyond its end."""

    def __init__(self, file: BinaryIO, size: int | None = None) -> None:
        self._file = file
        self.size = os.fstat(file.fileno()).st_size if size is None else size

    def until(self, end: int) -> "Source":
        """The same file as if it ended at `end`."""
        return Source(self._file, min(end, self.size))

    def at(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset` on; fewer where the file ends."""
        if not 0 <= offset < self.size:
            return b""
        self._file.seek(offset)
        return self._file.read(min(count, self.size - offset))

    def exactly(self, offset: int, count: int) -> bytes:
        """`count` bytes from `offset` on; raises `BadInput` (truncated) where the file ends before."""
        found = self.at(offset, count)
        if len(found) < count:
            raise truncated("it ends inside its header")
        return found

    def zero_from(self, offset: int) -> bool:
        """Whether nothing but zeros follows, or nothing at all."""
        while piece := self.at(offset, 1 << 16):
            if piece.count(0) < len(piece):
                return False
            offset += len(piece)
        return True


def truncated(what: str) -> BadInput:
    """The file is a part of what it was."""
    return BadInput(f"{what}; copy or export it again", "truncated")


def lying(what: str) -> BadInput:
    """The header contradicts itself or the file."""
    return BadInput(f"its header is wrong: {what}; export it again", "lying header")


def damaged(what: str) -> BadInput:
    """Bytes in the middle are not what was written."""
    return BadInput(f"it is damaged: {what}; copy or export it again", "damaged")


def unsupported(what: str) -> BadInput:
    """It may be sound, but nothing here decodes it."""
    return BadInput(f"{what}; export it as WAV or FLAC", "unsupported")
