"""Surveying many small files, beside bare decoding of them. `python -m benchmarks.survey [--files 10000]`.

The floor is what any survey has to do: read every byte for its hash, and decode every recording once. The first survey
adds checks, fingerprints and labels; the second one finds nothing new.
"""

import argparse
import hashlib
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import soundfile

from benchmarks.measuring import tell
from musegen import midi
from musegen.opening import LocalOpeners
from musegen.score import SCORE_NOTE, Score
from musegen.survey import SurveySettings, survey
from musegen.survey_cache import SurveyCache
from musegen.theory import Meter

_STYLES = ("jig", "reel", "waltz", "polka")
_SECONDS, _RATE = 3.0, 16_000


def fill(root: Path, files: int) -> None:
    """A third recordings of three seconds, a third their notes, a third tunes without a recording."""
    random = np.random.default_rng(0)
    time_line = np.arange(int(_SECONDS * _RATE)) / _RATE
    for index in range(files // 3):
        folder = root / _STYLES[index % 4]
        folder.mkdir(exist_ok=True)
        pitches = random.integers(48, 84, 6)
        onsets = np.arange(6) * 0.5
        sound = sum(
            np.where(time_line >= on, np.sin(2 * np.pi * 440 * 2 ** ((p - 69) / 12) * time_line), 0)
            * np.exp(-6 * np.maximum(time_line - on, 0))
            for on, p in zip(onsets, pitches, strict=True)
        )
        soundfile.write(folder / f"{index}.flac", 0.3 * np.asarray(sound), _RATE)
        midi.write(folder / f"{index}.mid", _tune(pitches))
        midi.write(folder / f"alone {index}.mid", _tune(random.integers(48, 84, 64)))


def main() -> None:
    """First and second survey in this process with its children, and the floor beside them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=10_000)
    asked, _ = parser.parse_known_args()
    with TemporaryDirectory() as folder:
        root = Path(folder) / "corpus"
        root.mkdir()
        fill(root, asked.files)
        floor = _floor(root)
        before = _peak_megabytes()
        first, first_wall, found = _surveyed(root, Path(folder) / "survey.db")
        after_first = _peak_megabytes()
        second, second_wall, again = _surveyed(root, Path(folder) / "survey.db")
    if found != again:
        raise SystemExit("the second survey differs from the first")
    count = len(found.files)
    row: dict[str, Any] = {
        "files_per_core_second": count / first,
        "times_the_floor": first / floor,
        "first_wall_seconds": first_wall,
        "second_of_first": second_wall / first_wall,
        "second_cpu_of_first": second / first,
        "driver_peak_megabytes_before": before,
        "after_first": after_first,
        "after_second": _peak_megabytes(),
    }
    tell("survey", {f"{count} files, floor: sha256 and soundfile.read of each": row})


def _tune(pitches: Any) -> Score:
    notes = np.zeros(len(pitches), SCORE_NOTE)
    notes["start"], notes["ticks"], notes["velocity"] = np.arange(len(pitches)) * 480, 480, 80
    notes["pitch"] = pitches
    return Score.steady(notes, Meter(4, 4), 120.0)


def _floor(root: Path) -> float:
    start = time.process_time()
    for path in sorted(root.rglob("*.*")):
        hashlib.sha256(path.read_bytes()).hexdigest()
        if path.suffix == ".flac":
            soundfile.read(path)
    return time.process_time() - start


def _surveyed(root: Path, cache_file: Path) -> tuple[float, float, Any]:
    """CPU seconds of driver and children, wall seconds, and what was found."""
    start, wall = _cpu_seconds(), time.monotonic()
    cache = SurveyCache(cache_file)
    with LocalOpeners() as openers:
        found = survey(root, SurveySettings(), cache, openers)
    cache.close()
    return _cpu_seconds() - start, time.monotonic() - wall, found


def _cpu_seconds() -> float:
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
