"""Files that are a row of named, sized chunks: the walk that RIFF, AIFF, Wave64 and CAF share."""

from collections.abc import Callable
from dataclasses import dataclass

from musegen.audio.containers.promise import Source, lying, truncated

_MOST_CHUNKS = 10_000


@dataclass(frozen=True)
class Chunk:
    """`start` is the place of its content, `size` the bytes that it holds, None where it does not know."""

    name: bytes
    start: int
    size: int | None


@dataclass(frozen=True)
class Layout:
    """How chunks are written: bytes of the name, of the head with its size, and what the content's size is a multiple
    of; `sized` gives a chunk's content size from its head, None where it is unknown."""

    name_bytes: int
    head_bytes: int
    align: int
    sized: Callable[[bytes], int | None]


def walk(source: Source, start: int, layout: Layout, once: frozenset[bytes]) -> tuple[list[Chunk], int]:
    """The chunks from `start` to the end of the file, and where the last one ends.

    A chunk of unknown size takes the rest. Raises `BadInput`: truncated where a chunk goes on beyond the end of the
    file, lying header for names that are none, for too many chunks, and where one of `once` comes again.
    """
    chunks: list[Chunk] = []
    offset = start
    while offset + layout.head_bytes <= source.size and not (offset > start and source.zero_from(offset)):
        head = source.exactly(offset, layout.head_bytes)
        name = head[: layout.name_bytes]
        if not all(32 <= byte < 127 for byte in name[:4]):
            raise lying("something else than a chunk follows its chunks")
        if len(chunks) == _MOST_CHUNKS or (name in once and any(chunk.name == name for chunk in chunks)):
            raise lying(f"it has too many chunks {_spelt(name)}")
        size, begin = layout.sized(head), offset + layout.head_bytes
        chunks.append(Chunk(name, begin, size))
        if size is None:
            return chunks, source.size
        if size < 0 or begin + size > source.size:
            raise truncated(f"its chunk {_spelt(name)} goes on for {begin + size - source.size:,} bytes after its end")
        offset = begin + size + -size % layout.align
    return chunks, offset


def content(source: Source, chunks: list[Chunk], name: bytes, least: int, most: int = 64) -> bytes:
    """The first bytes of a chunk that has to be there; raises `BadInput` where it is not or is too small."""
    for chunk in chunks:
        if chunk.name == name and chunk.size is not None and chunk.size >= least:
            return source.exactly(chunk.start, min(chunk.size, most))
    raise lying(f"it has no chunk {_spelt(name)} that says what it holds")


def _spelt(name: bytes) -> str:
    return repr(name[:4].decode("ascii", "replace").strip())
