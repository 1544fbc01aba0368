"""A child process in which files of strangers are opened: what crashes, hangs or swallows memory there ends there.

Questions and answers are JSON, a line each, so that nothing that comes out of the child can run in the parent. The
child may write no file, and holds at most `MEMORY_BYTES` more than Python and its libraries do (Linux enforces it,
macOS does not). It has to show signs of life: `opening` before each file, `alive` while it works.
"""

import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from musegen.errors import BadInput, Unavailable

MEMORY_BYTES = 1 << 30
_STALL_SECONDS = 60.0
_MOST_SECONDS = 3 * 3600.0
_START_SECONDS = 120.0
_ANSWER_BYTES = 1 << 26
_ALIVE_SECONDS = 1.0

_channel: BinaryIO | None = None
_last_sign = 0.0


class Stopped(BadInput):
    """The child died of a file, or had to be stopped; `file` is the one that it had opened last."""


class Guard:
    """Answers questions in a child process, which is started when it is needed and again after it had to be stopped.

    `target` is the function that answers, `"package.module:function"`, from one JSON object to another. For one thread
    at a time.
    """

    def __init__(self, target: str, stall_seconds: float = _STALL_SECONDS, most_seconds: float = _MOST_SECONDS) -> None:
        self._target = target
        self._stall_seconds = stall_seconds
        self._most_seconds = most_seconds
        self._child: subprocess.Popen[bytes] | None = None
        self._unread = b""
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """The child's answer; raises `Stopped` (a `BadInput`) where there is none, `Unavailable` where none starts."""
        child = self._started()
        opened: str | None = None
        began = time.monotonic()
        try:
            _tell(child, question)
            while True:
                left = min(self._stall_seconds, began + self._most_seconds - time.monotonic())
                message = self._next(child, left)
                if "answer" in message:
                    answer: dict[str, Any] = message["answer"]
                    return answer
                if "failed" in message:
                    words = f"it makes the program that opens it fail ({message['failed']})"
                    raise self._stopped(words, "crash", opened)
                opened = message.get("opening", opened)
        except _Silent:
            self.close()
            raise self._stopped("it takes too long to open", "too slow", opened) from None
        except _Gone:
            how = _how(child.wait())
            self.close()
            if self._ended:
                raise Unavailable("the child was ended; ask another one") from None
            raise self._stopped(f"it crashes the program that opens it ({how})", "crash", opened) from None
        except Stopped:
            raise
        except BaseException:
            self.close()  # what the child would still say belongs to a question that nobody asks any more
            raise

    def end(self) -> None:
        """End the child for good, from another thread than the one that asks; that one meets `Unavailable`."""
        self._ended = True
        child = self._child
        if child is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the child and whatever it has started."""
        child, self._child, self._unread = self._child, None, b""
        if child is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def _stopped(self, words: str, reason: str, opened: str | None) -> Stopped:
        return Stopped(f"{words}; export it again", reason, Path(opened) if opened is not None else None)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is None:
            return self._child
        self.close()
        if self._ended:
            raise Unavailable("the child was ended; ask another one")
        command = [sys.executable, "-P", "-m", __name__, self._target]
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0, env=_environment()
        )
        self._child = child
        try:
            self._next(child, _START_SECONDS)
        except (_Silent, _Gone):
            self.close()
            raise Unavailable(f"{' '.join(command)}: it does not start; see the lines above") from None
        return child

    def _next(self, child: subprocess.Popen[bytes], seconds: float) -> dict[str, Any]:
        """The child's next line; raises `_Silent` if none comes in time, `_Gone` where it has ended."""
        until = time.monotonic() + seconds
        pipe = child.stdout
        while b"\n" not in self._unread:
            if not isinstance(pipe, BufferedReader):
                raise _Gone
            if not select.select([pipe], [], [], max(0.0, until - time.monotonic()))[0]:
                raise _Silent
            more = pipe.read1(1 << 16)
            if not more or len(self._unread) > _ANSWER_BYTES:
                raise _Gone
            self._unread += more
        line, _, self._unread = self._unread.partition(b"\n")
        try:
            message: dict[str, Any] = json.loads(line)
        except ValueError:
            raise _Gone from None
        return message


def _tell(child: subprocess.Popen[bytes], question: dict[str, Any]) -> None:
    """Send a question; raises `_Gone` where nobody is there to read it."""
    try:
        if child.stdin is not None:
            child.stdin.write(json.dumps(question).encode() + b"\n")
            child.stdin.flush()
    except BrokenPipeError:
        raise _Gone from None


class _Silent(Exception):
    """No sign of life."""


class _Gone(Exception):
    """The child ended."""


def opening(path: Path) -> None:
    """Say, inside a child, which file is opened next; outside of one it does nothing."""
    _say({"opening": str(path)})


def alive() -> None:
    """Say, inside a child, that work goes on; call it as often as you like."""
    if time.monotonic() - _last_sign > _ALIVE_SECONDS:
        _say({})


def _say(message: dict[str, Any]) -> None:
    global _last_sign
    if _channel is not None:
        _last_sign = time.monotonic()
        _channel.write(json.dumps(message).encode() + b"\n")
        _channel.flush()


def serve(target: str) -> None:
    """Be the child: answer question after question until the parent goes."""
    global _channel
    _channel = os.fdopen(os.dup(1), "wb")
    module, _, name = target.partition(":")
    function: Callable[[dict[str, Any]], dict[str, Any]] = getattr(import_module(module), name)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)  # libraries in C print there, about every damaged file
    os.dup2(quiet, 2)
    _limit()
    _say({})
    for line in sys.stdin.buffer:
        try:
            said: dict[str, Any] = {"answer": function(json.loads(line))}
        except Exception as error:  # a mistake of ours must name itself, since nobody hears the child
            where = traceback.extract_tb(error.__traceback__)[-1]
            said = {"failed": f"{type(error).__name__}: {error}, {Path(where.filename).name}:{where.lineno}"}
        _say(said)


def _limit() -> None:
    """No files, no core dumps, bounded memory."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _environment() -> dict[str, str]:
    """One thread a child, and the same modules as here; none of the folder that one stands in: it may be a corpus."""
    threads = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
    )
    here, home = Path.cwd(), Path(__file__).parent.parent
    paths = [path for path in sys.path if Path(path).is_absolute() and (Path(path) == home or Path(path) != here)]
    return {**os.environ, **threads, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}


def _how(code: int) -> str:
    """An exit status in words."""
    return signal.Signals(-code).name if code < 0 else f"exit {code}"


if __name__ == "__main__":
    from musegen import guard  # not this module, which is called __main__ here: the one that all others import

    guard.serve(sys.argv[1])
