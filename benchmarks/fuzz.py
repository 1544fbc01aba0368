"""Thousands of broken files: does each get one true verdict? `python -m benchmarks.fuzz [--mutants 10000] [--json]`."""

import argparse
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measuring import tell
from benchmarks.mutants import FORMATS, MORE_FORMATS, Original, mutants, originals
from musegen import audio, guard, midi
from musegen.errors import BadInput
from musegen.guard import Guard, Stopped

_STALL_SECONDS = 20.0
_SUFFIXES = {"mp3-bare": ".mp3", "midi": ".mid"}
_LENGTH_SECONDS = 1e-6


def judge(question: dict[str, Any]) -> dict[str, Any]:
    """In the child: what the intake says of the file at `path`."""
    path = Path(question["path"])
    guard.opening(path)
    try:
        if path.suffix == ".mid":
            midi.read(path)
            return {"verdict": "passed", "seconds": None}
        facts = audio.check(path)
        return {"verdict": "passed", "seconds": facts.seconds, "frames": round(facts.seconds * facts.rate)}
    except BadInput as error:
        return {"verdict": "refused", "reason": error.reason}
    except Exception as error:
        return {"verdict": "exception", "reason": type(error).__name__}


def verdict(answer: dict[str, Any], original: Original, way: str) -> str:
    """`answer` in a word of the table; what was joined to something would be longer if it were sound.

    A sample rate that is stated once, or twice and changed in both places, is a true file of another sound: its frames
    are all there, and nothing in it contradicts the new rate.
    """
    if answer["verdict"] != "passed":
        return f"{answer['verdict']}: {answer['reason']}"
    if original.seconds is None:
        return "passed"
    if way != "joined" and abs(answer["seconds"] - original.seconds) < _LENGTH_SECONDS:
        return "passed"
    if way != "joined" and answer["frames"] == original.frames:
        return "passed at another rate"
    return "passed with a wrong length"


def row(format: str, count: int, seed: int, keep: Path | None) -> dict[str, Any]:
    """Judge `count` mutants of a format; files that pass with a wrong length are kept in `keep`."""
    counts: Counter[str] = Counter()
    began, path_suffix = time.perf_counter(), _SUFFIXES.get(format, f".{format}")
    with TemporaryDirectory() as folder, Guard("benchmarks.fuzz:judge", stall_seconds=_STALL_SECONDS) as child:
        path = Path(folder) / f"mutant{path_suffix}"
        for number, (original, way, content) in enumerate(mutants(originals(format), count, seed)):
            path.write_bytes(content)
            try:
                found = verdict(child.ask({"path": str(path)}), original, way)
            except Stopped as stopped:
                found = f"stopped: {stopped.reason}"
            counts[found] += 1
            if found != "passed" and not found.startswith("refused"):
                _kept(keep, f"{format} {number} {original.name}, {way}{path_suffix}", content)
    return _table(counts, count, time.perf_counter() - began)


def _kept(folder: Path | None, name: str, content: bytes) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _table(counts: Counter[str], count: int, seconds: float) -> dict[str, Any]:
    def total(start: str) -> int:
        return sum(number for found, number in counts.items() if found.startswith(start))

    reasons = [(found.split(": ")[1], number) for found, number in counts.most_common() if found.startswith("refused")]
    return {
        "mutants": count,
        "refused": total("refused"),
        "passed": total("passed"),
        "passed with a wrong length": counts["passed with a wrong length"],
        "passed at another rate": counts["passed at another rate"],
        "crashes": counts["stopped: crash"],
        "hangs": counts["stopped: too slow"],
        "other exceptions": total("exception"),
        "mutants_per_second": count / seconds,
        "refused because": ", ".join(f"{reason} {number}" for reason, number in reasons),
    }


def main() -> None:
    """Each format in turn, in a child process that can be killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mutants", type=int, default=10_000, help="of each format")
    parser.add_argument("--formats", default=",".join(FORMATS), help=f"also: {','.join(MORE_FORMATS)}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for the files that got no true verdict")
    asked, _ = parser.parse_known_args()
    tell("fuzz", {name: row(name, asked.mutants, asked.seed, asked.keep) for name in asked.formats.split(",")})


if __name__ == "__main__":
    main()
