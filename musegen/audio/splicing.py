"""A part of a file with another beginning, as libsndfile reads it through soundfile."""

import io
from pathlib import Path
from types import TracebackType
from typing import Self

from musegen.audio.containers import Promise


class Spliced:
    """The bytes of `promise.preface`, then those of the file in `promise.span`; closed by its context."""

    def __init__(self, path: Path, promise: Promise) -> None:
        self._head, (self._start, end) = promise.preface, promise.span
        self._size, self._place = len(self._head) + end - self._start, 0
        self._file = path.open("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def tell(self) -> int:
        """The place from which is read next."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, as in any file."""
        self._place = max(0, offset + (0, self._place, self._size)[whence])
        return self._place

    def read(self, count: int) -> bytes:
        """Up to `count` bytes; fewer at the end."""
        count = max(0, min(count, self._size - self._place))
        content = self._head[self._place : self._place + count]
        if len(content) < count:
            self._file.seek(self._start + max(0, self._place - len(self._head)))
            content += self._file.read(count - len(content))
        self._place += len(content)
        return content
