"""Everything musegen raises on purpose, in families by *who must act*.

    MusegenError
    ├── BadInput      the owner of a file: it is put aside with its reason, the corpus goes on
    ├── BadParams     whoever wrote params.yaml or the command line: stop before any work
    ├── Overtaken     who promotes: another version is champion by now, judge against that one
    ├── GateNotMet    nobody at once: the champion is kept, tuning may try again
    └── Unavailable   a service, a disk or the network: the only family that tasks retry

Form of words: *subject: what is wrong; what to do*.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class MusegenError(Exception):
    """Base of all errors that musegen explains; the command line prints them without a traceback."""


class BadInput(MusegenError):
    """A file of the user cannot be used.

    `reason` is a short stable word for tables (`"empty"`, `"truncated"`, …); the message is for people; `file` is the
    culprit where it is known.
    """

    def __init__(self, message: str, reason: str = "unreadable", file: Path | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.file = file

    def __reduce__(self) -> tuple[type["BadInput"], tuple[str, str, Path | None]]:
        return type(self), (str(self), self.reason, self.file)


class BadParams(MusegenError):
    """A parameter is unknown, of the wrong type, or out of range."""


class Overtaken(MusegenError):
    """A version was to replace a champion that is none any more; nothing was changed."""


class GateNotMet(MusegenError):
    """The model was judged and is not good enough to serve."""


class Unavailable(MusegenError):
    """A service, disk or network did not answer; the same call may succeed later."""


@contextmanager
def about(file: Path) -> Iterator[None]:
    """Name `file` in any `BadInput` raised inside, once."""
    try:
        yield
    except BadInput as error:
        if error.file is not None:
            raise
        raise BadInput(f"{file.name}: {error}", error.reason, file) from error
