"""What crashes, hangs or swallows memory in the child ends there."""

import ctypes
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from musegen import guard
from musegen.errors import Unavailable
from musegen.guard import Guard, Stopped


def misbehave(question: dict[str, Any]) -> dict[str, Any]:
    """What a child may do with a file."""
    guard.opening(Path(question.get("file", "first.wav")))
    match question["do"]:
        case "echo":
            return {"heard": question["words"], "pid": os.getpid()}
        case "crash":
            ctypes.string_at(0)
        case "fail":
            raise KeyError("a mistake")
        case "exit":
            os._exit(3)
        case "hang":
            time.sleep(60)
        case "eat":
            return {"size": len(bytearray(guard.MEMORY_BYTES * 2))}
        case "fork":
            return {"pid": os.posix_spawn("/bin/sleep", ["sleep", "60"], {}), "parent": os.getpid()}
        case "work":
            for _ in range(30):
                time.sleep(0.1)
                guard.alive()
        case "write":
            Path(question["file"]).write_bytes(b"x")
        case "print":
            os.system("echo noise; echo noise >&2")
            print("more noise")
    return {"done": True}


@pytest.fixture(scope="module")
def child() -> Iterator[Guard]:
    with Guard(f"{__name__}:misbehave", stall_seconds=2.0) as made:
        yield made


@pytest.mark.parametrize("kind", ["crash", "exit"])
def test_a_child_that_dies_names_the_file_it_died_of(child: Guard, kind: str) -> None:
    with pytest.raises(Stopped, match="crashes") as caught:
        child.ask({"do": kind, "file": "bad.ogg"})
    assert (caught.value.reason, caught.value.file) == ("crash", Path("bad.ogg"))


def test_a_mistake_in_the_child_names_itself(child: Guard) -> None:
    with pytest.raises(Stopped, match=r"KeyError: 'a mistake', test_guard.py:\d+") as caught:
        child.ask({"do": "fail", "file": "odd.wav"})
    assert (caught.value.reason, caught.value.file) == ("crash", Path("odd.wav"))
    assert child.ask({"do": "echo", "words": "on"})["heard"] == "on"


def test_a_child_that_hangs_is_ended_and_the_next_one_answers(child: Guard) -> None:
    with pytest.raises(Stopped) as caught:
        child.ask({"do": "hang", "file": "slow.mp3"})
    assert (caught.value.reason, caught.value.file) == ("too slow", Path("slow.mp3"))
    assert child.ask({"do": "echo", "words": "é\n\udc80"})["heard"] == "é\n\udc80"


def test_one_child_answers_many_questions(child: Guard) -> None:
    first, second = (child.ask({"do": "echo", "words": "x" * size})["pid"] for size in (1, 300_000))
    assert first == second


def test_long_work_with_signs_of_life_goes_on(child: Guard) -> None:
    assert child.ask({"do": "work"}) == {"done": True}


def test_long_work_has_an_end_all_the_same() -> None:
    with Guard(f"{__name__}:misbehave", most_seconds=1.5) as child, pytest.raises(Stopped, match="too long"):
        child.ask({"do": "work"})


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not limit memory")
def test_a_child_that_swallows_memory_is_refused_it(child: Guard) -> None:
    with pytest.raises(Stopped, match="MemoryError"):
        child.ask({"do": "eat"})


def test_a_child_writes_no_files(child: Guard, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        child.ask({"do": "write", "file": str(tmp_path / "file")})
    assert not (tmp_path / "file").exists() or (tmp_path / "file").stat().st_size == 0


def test_what_libraries_print_disturbs_nobody(child: Guard) -> None:
    assert child.ask({"do": "print"}) == {"done": True}


def test_what_the_child_has_started_ends_with_it() -> None:
    with Guard(f"{__name__}:misbehave") as child:
        started = child.ask({"do": "fork"})["pid"]
    for _ in range(50):
        state = Path(f"/proc/{started}/stat")
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        time.sleep(0.1)
    os.kill(started, signal.SIGKILL)
    pytest.fail("the grandchild lives on")


def test_what_lies_in_the_folder_that_one_stands_in_is_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("musegen", "numpy", "json", "signal", "tests"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    with Guard(f"{__name__}:misbehave") as child:
        assert child.ask({"do": "echo", "words": "safe"})["heard"] == "safe"
    assert not (tmp_path / "run").exists()


def test_a_child_that_was_ended_from_outside_blames_no_file() -> None:
    with Guard(f"{__name__}:misbehave") as child:
        child.ask({"do": "echo", "words": "ready"})
        Timer(0.5, child.end).start()
        began = time.monotonic()
        with pytest.raises(Unavailable, match="was ended"):
            child.ask({"do": "hang"})
        assert time.monotonic() - began < 10
        with pytest.raises(Unavailable, match="was ended"):
            child.ask({"do": "echo", "words": "again"})


def test_a_child_that_can_not_start_is_unavailable() -> None:
    with Guard("musegen.nowhere:nothing") as child, pytest.raises(Unavailable, match="does not start"):
        child.ask({"do": "echo"})
