"""Making the listening dataset, beside a script of librosa, audiomentations and pyarrow that does the same.

    python -m benchmarks.prepare [--minutes 4] [--runs 5] [--data FOLDER] [--fidelity] [--json]

Recordings are made on the spot, or those of `--data`. The recipe is the `listening` section of this repository's
params.yaml with four variants a passage, all of it for training, in one shard. The peer (`straightforward`) does the
same without labels. Ours counts all that `musegen prepare` does but Ray: hashes, labels, planning, the commit. One
thread, processor time, sides in turn. `--fidelity` asks instead how near the features of a stretched sound are to
those of the tune played at that speed and pitch.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import librosa
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import python_stretch
import scipy.fft
import soundfile
import threadpoolctl

from benchmarks import corpora, straightforward
from benchmarks.measuring import tell
from musegen import features, params
from musegen.audio import Audio, passages
from musegen.augment.base import NoSounds
from musegen.augment.stretch import Stretched
from musegen.catalogue import CatalogueRow
from musegen.features import FeatureSettings
from musegen.prepare import ListeningRecipe, ListeningSettings, plan
from musegen.prepare.making import Costs, make_shard
from musegen.shards import manifest
from musegen.shards.manifest import Manifest

_VARIANTS = 4
_METHODS = ("signalsmith_stretch", "librosa_phase_vocoder")
_PEER = "librosa + audiomentations + pyarrow, {}"
_BLOCK_FRAMES = 32
_HEARD_DECIBELS = 60.0
_CHANGES = ((0.85, 0), (1.18, 0), (1.0, -3), (1.0, 3), (0.85, -3), (1.18, 3))


def listening(**changed: object) -> ListeningSettings:
    """The `listening` section of this repository's params.yaml, changed."""
    here = Path(__file__).parent.parent / "params.yaml"
    return params.load(here).listening.model_copy(update={"variants": _VARIANTS, "shards": 1, **changed})


def make(rows: Sequence[CatalogueRow], root: Path, settings: ListeningSettings, place: Path) -> Costs:
    """The dataset at `place`, made in this process."""
    recipe = ListeningRecipe(settings, root, root)
    made = [make_shard(each, recipe, place, None) for each in plan(rows, recipe)]
    whole = Manifest(tuple(one.entry for one in made))
    if whole.rejects:
        raise SystemExit("\n".join(reject.detail for reject in whole.rejects))
    manifest.commit(place, whole)
    return sum((one.costs for one in made), Costs())


def in_turn(sides: Mapping[str, Callable[[], Any]], runs: int) -> dict[str, list[float]]:
    """CPU seconds of every run of every side, one side after the other, after one of each that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for run in range(runs + 1):
        for name, work in sides.items():
            start = time.process_time()
            work()
            if run:
                taken[name].append(time.process_time() - start)
    return taken


def speed(root: Path, rows: Sequence[CatalogueRow], runs: int) -> None:
    """Both tables: sides, and where the time of ours goes."""
    settings, files = listening(), [root / row.audio for row in rows if row.audio]
    costs: dict[bool, list[Costs]] = {False: [], True: []}

    def ours(rendering: bool) -> None:
        with TemporaryDirectory() as place:
            costs[rendering].append(make(rows, root, listening(render_stretch=rendering), Path(place)))

    with TemporaryDirectory() as beside:
        rooms, target = Path(beside) / "rooms", Path(beside) / "peer.parquet"
        straightforward.write_rooms(rooms, settings)
        sides: dict[str, Callable[[], Any]] = {
            "ours, stretch folded into the features": lambda: ours(False),
            "ours, stretch rendered": lambda: ours(True),
        }
        for method in _METHODS:
            sides[_PEER.format(method)] = lambda m=method: straightforward.prepare(files, settings, rooms, target, m)
        taken = in_turn(sides, runs)
    hours = sum(row.seconds for row in rows) * (1 + _VARIANTS) / 3600
    minutes = f"{60 * hours / (1 + _VARIANTS):.3g} minutes"
    tell(f"prepare: {minutes} in {len(rows)} files, {_VARIANTS} variants", _compared(taken, hours))
    tell("prepare: where the time goes", _steps(taken, costs, hours) | _floors(files, settings, hours))


def _compared(taken: Mapping[str, list[float]], hours: float) -> dict[str, dict[str, Any]]:
    peers = [_PEER.format(method) for method in _METHODS]
    return {
        name: {
            "cpu_seconds": statistics.median(seconds),
            "audio_hours_per_core_second": hours / statistics.median(seconds),
            "times_real_time": 3600 * hours / statistics.median(seconds),
        }
        | {
            f"times_faster_than_{method}": statistics.median(t / s for t, s in zip(taken[peer], seconds, strict=True))
            for method, peer in zip(_METHODS, peers, strict=True)
        }
        for name, seconds in taken.items()
    }


def _steps(
    taken: Mapping[str, list[float]], costs: Mapping[bool, list[Costs]], hours: float
) -> dict[str, dict[str, Any]]:
    """Means over the runs that count; "other" is what no step holds."""
    rows = {}
    for name, mine in zip(taken, costs.values(), strict=False):
        together = sum(mine[1:], Costs())
        whole, count = sum(taken[name]), len(mine) - 1
        steps = {**together.seconds, "other": whole - sum(together.seconds.values())}
        for step, seconds in sorted(steps.items(), key=lambda item: -item[1]):
            rows[f"{name.split(', ')[1]}: {step}"] = _part(seconds / count, hours) | {"share": seconds / whole}
    return rows


def _part(seconds: float, hours: float) -> dict[str, float]:
    return {"cpu_seconds": seconds, "times_real_time": 3600 * hours / seconds if seconds else float("inf")}


def _floors(files: Sequence[Path], settings: ListeningSettings, hours: float) -> dict[str, dict[str, Any]]:
    """What cannot be left out: every file decoded once; every row one FFT a frame and its bytes compressed; and, where
    a stretch is to be heard, one pass of Signalsmith for every variant."""
    asked = settings.features
    heard = [each for file in files for each in passages(file, asked.rate, settings.passage_seconds, mono=True)]
    stored = [features.store(features.analyse(each, asked), asked).tobytes() for each in heard]
    table = pa.table({"features": stored * (1 + _VARIANTS)})
    works: dict[str, Callable[[], Any]] = {
        "decode every file once (soundfile)": lambda: [soundfile.read(file, dtype="float32") for file in files],
        "an rfft a frame (scipy)": lambda: [_ffts(each, asked) for each in heard for _ in range(1 + _VARIANTS)],
        "zstd of the features (pyarrow)": lambda: pq.write_table(table, pa.BufferOutputStream(), compression="zstd"),
        "a Signalsmith pass a variant, when rendered": lambda: [
            _stretch(each) for each in heard for _ in range(_VARIANTS)
        ],
    }
    return {f"floor: {name}": _part(min(seconds), hours) for name, seconds in in_turn(works, 2).items()}


def _ffts(audio: Audio, asked: FeatureSettings) -> None:
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(audio.samples[0], asked.window // 2), asked.window)
    for first in range(0, len(windows), asked.hop * _BLOCK_FRAMES):
        scipy.fft.rfft(windows[first : first + asked.hop * _BLOCK_FRAMES : asked.hop], axis=1)


def _stretch(audio: Audio) -> None:
    stretch = python_stretch.Signalsmith.Stretch()
    stretch.preset(1, audio.rate)
    stretch.setTimeFactor(1.1)
    stretch.setTransposeSemitones(2.0)
    stretch.process(audio.samples)


def fidelity() -> dict[str, dict[str, Any]]:
    """Mean absolute difference in decibels to the tune synthesised anew at that speed and pitch, over the cells that in
    one of the two are within 60 dB of the loudest."""
    asked = listening().features
    tune = _tune(np.random.default_rng(0))
    sound = _additive(tune, asked.rate)
    rows: dict[str, dict[str, Any]] = {}
    for speed_of, semitones in _CHANGES:
        truth = features.analyse(_additive(tune, asked.rate, speed_of, semitones), asked)
        stretched, _ = Stretched(speed=speed_of, cents=100 * semitones).apply(sound, NoSounds())
        rows[f"speed {speed_of:g}, {semitones:+d} semitones"] = {
            "folded": _apart(truth, features.analyse(sound, asked, speed_of, 100 * semitones)),
            "rendered_by_signalsmith": _apart(truth, features.analyse(stretched, asked)),
            "rendered_by_librosa": _apart(truth, features.analyse(_vocoded(sound, speed_of, semitones), asked)),
            "unchanged": _apart(truth, features.analyse(sound, asked)),
        }
    return rows


def _apart(truth: np.ndarray, other: np.ndarray) -> float:
    frames, floor = min(len(truth), len(other)), float(truth.max()) - _HEARD_DECIBELS
    one, two = np.maximum(truth[:frames], floor), np.maximum(other[:frames], floor)
    return float(np.abs(one - two)[(one > floor) | (two > floor)].mean())


def _vocoded(audio: Audio, speed_of: float, semitones: int) -> Audio:
    sound = audio.samples[0]
    if speed_of != 1:
        sound = librosa.effects.time_stretch(sound, rate=speed_of)
    if semitones:
        sound = librosa.effects.pitch_shift(sound, sr=audio.rate, n_steps=semitones)
    return Audio(sound[np.newaxis], audio.rate)


def _tune(random: np.random.Generator) -> list[tuple[float, float, int]]:
    """Twenty seconds of a melody over a slower bass: onset, seconds, pitch."""
    bounds = [(each, int(lowest)) for each, lowest in ((0.25, 64), (1.0, 40))]
    return [
        (onset, end - onset - 0.02, lowest + int(random.integers(0, 20)))
        for seconds, lowest in bounds
        for onset, end in pairwise(np.arange(0, 20 + seconds / 2, seconds))
    ]


def _additive(tune: Sequence[tuple[float, float, int]], rate: int, speed_of: float = 1.0, semitones: int = 0) -> Audio:
    """Notes of steady level, harmonics of amplitude 1/k below half the rate, 10 ms of rise and fall."""
    sound = np.zeros(round(20 / speed_of * rate))
    for number, (onset, seconds, pitch) in enumerate(tune):
        first, count = round(onset / speed_of * rate), round(seconds / speed_of * rate)
        time_line = np.arange(count) / rate
        hertz = 440 * 2 ** ((pitch + semitones - 69) / 12)
        edges = np.minimum(1, np.minimum(time_line, time_line[::-1]) / 0.01)
        for k in range(1, int(rate / 2 / hertz) + 1):
            sound[first : first + count] += 0.1 / k * edges * np.sin(2 * np.pi * k * hertz * time_line + number + k)
    return Audio(sound.astype(np.float32)[np.newaxis], rate)


def main() -> None:
    """Everything in one thread of this process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--fidelity", action="store_true")
    asked, _ = parser.parse_known_args()
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    with threadpoolctl.threadpool_limits(1), TemporaryDirectory() as made:
        if asked.fidelity:
            tell("prepare: decibels beside the truth", fidelity())
        elif asked.data:
            speed(asked.data, corpora.found(asked.data), asked.runs)
        else:
            speed(Path(made), corpora.rendered(Path(made), asked.minutes), asked.runs)


if __name__ == "__main__":
    main()
