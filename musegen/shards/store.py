"""Where a dataset lies: a folder, or a prefix of an S3 bucket; both are written so that nothing is seen half."""

import hashlib
import os
import shutil
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.fs as pafs

from musegen.errors import BadParams, Unavailable
from musegen.shards.bucket import SCHEME, connect


class Store(ABC):
    """A place of files, named by their path below it with `/`; it may be pickled.

    What can't be read, written, moved or deleted raises `Unavailable`; what is not there, `FileNotFoundError`.
    """

    block_bytes = 1 << 20

    @staticmethod
    def at(place: "Place") -> "Store":
        """The store of a folder, of `s3://bucket/prefix`, or the store itself; raises `BadParams` for what is none."""
        if isinstance(place, Store):
            return place
        if str(place).startswith(SCHEME):
            filesystem, prefix = connect(str(place))
            return RemoteStore(filesystem, prefix, f"s3://{prefix}")
        if "://" in str(place):
            raise BadParams(f"{place}: datasets lie in a folder or at s3://bucket/prefix; give one of these")
        return FolderStore(Path(place))

    @property
    @abstractmethod
    def path(self) -> str:
        """What `at` finds it by."""

    @property
    def is_local(self) -> bool:
        """Whether it is a folder."""
        return isinstance(self, FolderStore)

    @abstractmethod
    def describe(self, path: str) -> str:
        """A file of it, for people."""

    @abstractmethod
    def size(self, path: str) -> int:
        """Bytes of a file."""

    @abstractmethod
    def open_input(self, path: str) -> pa.NativeFile:
        """A file to read anywhere in; close it."""

    @abstractmethod
    def writing(self, path: str) -> AbstractContextManager[Any]:
        """A binary stream; what is written appears as `path`, whole, when the block ends, and not if it fails."""

    @abstractmethod
    def write_bytes(self, path: str, content: bytes) -> None:
        """Put or replace a small file at once."""

    @abstractmethod
    def move(self, source: str, target: str) -> None:
        """Put or replace `target` by `source`; where that was cut short, it may be done again."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Remove a file; that it is not there is well too."""

    @abstractmethod
    def delete_below(self, path: str) -> None:
        """Remove a folder with all in it; that it is not there is well too."""

    @abstractmethod
    def sizes(self, path: str = "") -> dict[str, int]:
        """Bytes of all files in a folder of it and below, sorted; named as everywhere, not from that folder on."""

    def list(self, path: str = "") -> tuple[str, ...]:
        """The names of the same files."""
        return tuple(self.sizes(path))

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        try:
            self.size(path)
        except FileNotFoundError:
            return False
        return True

    def read_bytes(self, path: str) -> bytes:
        """A small file."""
        with self.open_input(path) as stream, self.doing("read", path):
            content: bytes = stream.read()
        return content

    def sha256(self, path: str) -> str:
        """Hash of the content of a file, a block at a time."""
        with self.open_input(path) as stream:
            return self.sha256_of(stream, path)

    def sha256_of(self, stream: pa.NativeFile, path: str) -> str:
        """The same of a file that is open, from where it is read on to its end."""
        digest = hashlib.sha256()
        with self.doing("read", path):
            while block := stream.read_buffer(self.block_bytes):
                digest.update(block)
        return digest.hexdigest()

    @contextmanager
    def doing(self, what: str, path: str) -> Iterator[None]:
        """Turn an `OSError` into words: what can't be done ("read", "written", …), and what to do."""
        try:
            yield
        except OSError as error:
            if isinstance(error, FileNotFoundError) and what != "written":
                raise
            remedy = "free space" if self.is_local and what != "read" else "see to the disk, connection and rights"
            words = f"{self.describe(path)}: it can't be {what} ({error}); {remedy}, then run again"
            raise Unavailable(words) from error


Place = Store | Path | str


@dataclass(frozen=True)
class FolderStore(Store):
    """A local folder; what is written is synced, so that it survives a power cut."""

    folder: Path

    @property
    def path(self) -> str:
        return str(self.folder)

    def describe(self, path: str) -> str:
        return str(self.folder / path)

    def size(self, path: str) -> int:
        file = self.folder / path
        with self.doing("read", path):
            if file.is_dir():
                raise FileNotFoundError(f"{file}: it is a folder")
            return file.stat().st_size

    def open_input(self, path: str) -> pa.NativeFile:
        with self.doing("read", path):
            return pa.OSFile(str(self.folder / path))

    @contextmanager
    def writing(self, path: str) -> Iterator[IO[bytes]]:
        file = self.folder / path
        temporary = file.with_name(f"{file.name}.{uuid.uuid4().hex[:12]}.tmp")
        with self.doing("written", path):
            file.parent.mkdir(parents=True, exist_ok=True)
            stream = temporary.open("wb")
        try:
            yield stream
            with self.doing("written", path):
                stream.flush()
                os.fsync(stream.fileno())
                stream.close()
                temporary.replace(file)
                _sync_folder(file.parent)
        except BaseException:
            with suppress(OSError):
                stream.close()
            with suppress(OSError):  # what went wrong first is what is told
                temporary.unlink(missing_ok=True)
            raise

    def write_bytes(self, path: str, content: bytes) -> None:
        with self.writing(path) as stream, self.doing("written", path):
            stream.write(content)

    def move(self, source: str, target: str) -> None:
        moved = self.folder / target
        with self.doing("moved", target):
            moved.parent.mkdir(parents=True, exist_ok=True)
            (self.folder / source).replace(moved)
            _sync_folder(moved.parent)

    def delete(self, path: str) -> None:
        with self.doing("deleted", path):
            (self.folder / path).unlink(missing_ok=True)

    def delete_below(self, path: str) -> None:
        shutil.rmtree(self.folder / path, ignore_errors=True)

    def sizes(self, path: str = "") -> dict[str, int]:
        files = (Path(folder, name) for folder, _, names in os.walk(self.folder / path) for name in names)
        found = {}
        for file in files:
            name = file.relative_to(self.folder).as_posix()
            with suppress(FileNotFoundError):  # it has gone meanwhile
                found[name] = self.size(name)
        return dict(sorted(found.items()))


@dataclass(frozen=True)
class RemoteStore(Store):
    """A prefix in any filesystem that pyarrow knows, S3 above all; an object appears whole, when its upload ends."""

    filesystem: pafs.FileSystem
    prefix: str
    address: str

    block_bytes = 8 << 20  # every block is a request

    @property
    def path(self) -> str:
        return self.address

    def describe(self, path: str) -> str:
        return f"{self.address}/{path}"

    def size(self, path: str) -> int:
        with self.doing("read", path):
            found = self.filesystem.get_file_info(self._at(path))
        if found.type != pafs.FileType.File:
            raise FileNotFoundError(f"{self.describe(path)}: there is no such file")
        return int(found.size)

    def open_input(self, path: str) -> pa.NativeFile:
        with self.doing("read", path):
            return self.filesystem.open_input_file(self._at(path))

    @contextmanager
    def writing(self, path: str) -> Iterator[Any]:
        stream = self._open_output(path)
        try:
            yield stream
            with self.doing("written", path):
                stream.close()
        except BaseException:
            # pyarrow can't abort an upload: a stream that is let go ends it, with the part that was written.
            with suppress(OSError):
                stream.close()
                self.filesystem.delete_file(self._at(path))
            raise

    def write_bytes(self, path: str, content: bytes) -> None:
        with self.doing("written", path), self._open_output(path) as stream:
            stream.write(content)

    def move(self, source: str, target: str) -> None:
        self.size(source)
        with self.doing("moved", target):
            self._make_parent(target)
            self.filesystem.copy_file(self._at(source), self._at(target))
            self.filesystem.delete_file(self._at(source))

    def delete(self, path: str) -> None:
        with self.doing("deleted", path), suppress(FileNotFoundError):
            self.filesystem.delete_file(self._at(path))

    def delete_below(self, path: str) -> None:
        with self.doing("deleted", path), suppress(FileNotFoundError):
            self.filesystem.delete_dir(self._at(path))

    def sizes(self, path: str = "") -> dict[str, int]:
        everything = pafs.FileSelector(self._at(path), allow_not_found=True, recursive=True)
        with self.doing("read", path):
            found = self.filesystem.get_file_info(everything)
        files = {each.path: int(each.size) for each in found if each.type == pafs.FileType.File}
        return {path.removeprefix(f"{self.prefix}/"): size for path, size in sorted(files.items())}

    def _at(self, path: str) -> str:
        return f"{self.prefix}/{path}".rstrip("/")

    def _open_output(self, path: str) -> pa.NativeFile:
        with self.doing("written", path):
            self._make_parent(path)
            return self.filesystem.open_output_stream(self._at(path))

    def _make_parent(self, path: str) -> None:
        if not isinstance(self.filesystem, pafs.S3FileSystem):  # there, a folder is but a part of the name
            self.filesystem.create_dir(self._at(path).rpartition("/")[0], recursive=True)


def _sync_folder(folder: Path) -> None:
    """Make renames inside `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
