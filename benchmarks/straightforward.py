"""The listening dataset as one would write it from librosa, audiomentations and pyarrow: the peer of `prepare`.

Every file is loaded once and cut into the same passages; of each passage the same number of variants is made by a
chain with the same bounds, analysed with the same numbers, quantised by the same rule and written to one zstd file.
What it leaves out: labels, which do not follow here; what was drawn, the hashes, and everything about being repeatable.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import librosa
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from audiomentations import (
    AddColorNoise,
    AddGaussianSNR,
    ApplyImpulseResponse,
    Compose,
    Gain,
    HighShelfFilter,
    LowShelfFilter,
    OneOf,
    PeakingFilter,
    PitchShift,
    TimeStretch,
)

from musegen.prepare import ListeningSettings

_SCHEMA = pa.schema(
    [
        ("file", pa.string()), ("passage", pa.int32()), ("variant", pa.int32()), ("frames", pa.int32()),
        ("bins", pa.int32()), ("features", pa.binary()),
    ]
)  # fmt: skip
_LOWEST_DECIBELS, _STEP_DECIBELS = -79.5, 0.5
_PINK_DECIBELS = -3.01
_ROOMS = 16


def write_rooms(folder: Path, settings: ListeningSettings) -> None:
    """Impulse responses as files, which is how the peer takes them."""
    reverb, rate, random = _bounds(settings)["reverb"], settings.features.rate, np.random.default_rng(0)
    folder.mkdir()
    for index, seconds in enumerate(np.geomspace(reverb.shortest_seconds, reverb.longest_seconds, _ROOMS)):
        time_line = np.arange(round(seconds * rate)) / rate
        room = 0.1 * random.standard_normal(len(time_line)) * 10 ** (-3 * time_line / seconds)
        room[0] = 1.0
        soundfile.write(folder / f"{index}.wav", room, rate, subtype="FLOAT")


def prepare(files: Sequence[Path], settings: ListeningSettings, rooms: Path, target: Path, method: str) -> None:
    """Files → one Parquet file; `method` of stretching as audiomentations calls it."""
    chain, rate = _chain(settings, rooms, method), settings.features.rate
    with pq.ParquetWriter(target, _SCHEMA, compression="zstd") as out:
        for file in files:
            sound, _ = librosa.load(file, sr=rate, mono=True)
            rows = []
            for index, passage in enumerate(_cut(sound, rate, settings.passage_seconds)):
                for variant in range(1 + settings.variants):
                    features = _features(chain(passage, rate) if variant else passage, settings)
                    frames, bins = features.shape
                    rows.append((file.name, index, variant, frames, bins, features.tobytes()))
            columns = dict(zip(_SCHEMA.names, zip(*rows, strict=True), strict=True))
            out.write_table(pa.table(columns, schema=_SCHEMA))


def _features(sound: np.ndarray, settings: ListeningSettings) -> np.ndarray:
    asked = settings.features
    power = librosa.feature.melspectrogram(
        y=sound,
        sr=asked.rate,
        n_fft=asked.window,
        hop_length=asked.hop,
        n_mels=asked.bins,
        fmin=asked.lowest_hertz,
        fmax=asked.highest_hertz,
    )
    decibels = librosa.power_to_db(power, top_db=None)
    steps = np.clip(np.round((decibels - _LOWEST_DECIBELS) / _STEP_DECIBELS), 0, 255)
    return np.ascontiguousarray(steps.T.astype(np.uint8))


def _chain(settings: ListeningSettings, rooms: Path, method: str) -> Compose:
    by = _bounds(settings)
    gain, equalise, noise, stretch = (by[kind] for kind in ("gain", "equalise", "noise", "stretch"))
    decibels = {"min_gain_db": -equalise.most_decibels, "max_gain_db": equalise.most_decibels, "p": 1.0}
    ratio = {"min_snr_db": noise.least_decibels, "max_snr_db": noise.most_decibels, "p": 1.0}
    pink = {"min_f_decay": _PINK_DECIBELS, "max_f_decay": _PINK_DECIBELS}
    return Compose(
        [
            Gain(gain.least_decibels, gain.most_decibels, p=1.0),
            Compose(
                [
                    LowShelfFilter(80, 300, **decibels),
                    PeakingFilter(200, 1500, min_q=0.5, max_q=2.0, **decibels),
                    PeakingFilter(1000, 5000, min_q=0.5, max_q=2.0, **decibels),
                    HighShelfFilter(2000, 7000, **decibels),
                ],
                p=equalise.share,
            ),
            ApplyImpulseResponse(rooms, p=by["reverb"].share),
            OneOf([AddGaussianSNR(**ratio), AddColorNoise(**pink, **ratio)], p=noise.share),
            TimeStretch(stretch.slowest, stretch.fastest, leave_length_unchanged=False, method=method, p=1.0),
            PitchShift(stretch.lowest_semitones, stretch.highest_semitones, method=method, p=1.0),
        ]
    )


def _bounds(settings: ListeningSettings) -> dict:
    return {augmentation.kind: augmentation for augmentation in settings.augmentations}


def _cut(sound: np.ndarray, rate: int, seconds: float) -> Iterator[np.ndarray]:
    """Passages; a rest of less than a second belongs to the last one."""
    length = round(rate * seconds)
    starts = list(range(0, max(1, len(sound) - rate), length))
    for start, end in zip(starts, [*starts[1:], len(sound)], strict=True):
        yield sound[start:end]
