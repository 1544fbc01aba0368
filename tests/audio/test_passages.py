"""Passages are the recording itself, at another rate, cut; whatever is in its channels, and however long it is."""

import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from musegen.audio import Audio, passages, read, write
from musegen.errors import BadInput, BadParams

RATE = 16_000


def music(seconds: float, rate: int = 44_100, channels: int = 2) -> NDArray[np.float32]:
    time = np.arange(round(seconds * rate)) / rate
    tones = [np.sin(2 * np.pi * 220 * (channel + 1) * time * (1 + 0.01 * time)) for channel in range(channels)]
    noise = np.random.default_rng(0).standard_normal((channels, len(time)))
    return (0.3 * np.stack(tones) + 0.05 * noise).astype(np.float32)


def saved(folder: Path, samples: NDArray[np.float32], rate: int = 44_100, name: str = "song.wav") -> Path:
    write(folder / name, Audio(samples, rate), "FLOAT" if name.endswith("wav") else None)
    return folder / name


def resampled(path: Path, rate: int = RATE) -> NDArray[np.float32]:
    audio = read(path)
    return np.stack([soxr.resample(channel, audio.rate, rate) for channel in audio.samples])


@pytest.mark.parametrize("rate", [44_100, 48_000, RATE, 8_000])
@pytest.mark.parametrize("name", ["song.wav", "song.flac"])
def test_passages_together_are_the_whole_resampled(tmp_path: Path, rate: int, name: str) -> None:
    path = saved(tmp_path, music(7.3, rate), rate, name)
    found = list(passages(path, RATE, 2.0, mono=False))
    together, whole = np.concatenate([passage.samples for passage in found], axis=1), resampled(path)
    assert together.shape == whole.shape
    assert np.abs(together - whole).max() <= 1e-4
    lags = [np.abs(together[:, 4000 + lag : 5000 + lag] - whole[:, 4000:5000]).mean() for lag in range(-3, 4)]
    assert np.argmin(lags) == 3


@pytest.mark.parametrize(
    ("seconds", "lengths"), [(6.0, [2, 2, 2]), (7.0, [2, 2, 2, 1]), (6.9, [2, 2, 2.9]), (0.5, [0.5]), (2.5, [2.5])]
)
def test_a_rest_of_less_than_a_second_is_joined(tmp_path: Path, seconds: float, lengths: list[float]) -> None:
    path = saved(tmp_path, music(seconds, RATE), RATE)
    assert [passage.seconds for passage in passages(path, RATE, 2.0, mono=True)] == lengths


def test_passages_begin_where_they_should_though_seconds_are_no_whole_samples(tmp_path: Path) -> None:
    path = saved(tmp_path, music(10, RATE, 1), RATE)
    lengths = [passage.samples.shape[1] for passage in passages(path, RATE, 1.00001, mono=True)]
    ends = np.cumsum(lengths)
    assert [round(number * 1.00001 * RATE) for number in range(1, len(lengths))] == ends[:-1].tolist()
    assert ends[-1] == 10 * RATE
    assert len({end - begin for begin, end in pairwise(ends[:-1].tolist())}) == 2


def test_opposite_channels_do_not_cancel_in_any_passage(tmp_path: Path) -> None:
    sound = music(6, channels=1)
    opposite = sound.copy()
    opposite[:, 3 * 44_100 :] *= -1
    path = saved(tmp_path, np.concatenate([sound, opposite]))
    alike, turned = passages(path, RATE, 3.0, mono=True)
    for passage in (alike, turned):
        assert passage.samples.shape == (1, 3 * RATE)
        assert np.sqrt(np.mean(passage.samples**2)) > 0.2


def test_at_most_two_channels_come_out(tmp_path: Path) -> None:
    path = saved(tmp_path, music(2, channels=3))
    assert [len(passage.samples) for passage in passages(path, RATE, 2.0, mono=False)] == [1]
    path = saved(tmp_path, music(2, channels=2))
    assert [len(passage.samples) for passage in passages(path, RATE, 2.0, mono=False)] == [2]


def test_a_dc_offset_is_taken_off_each_passage(tmp_path: Path) -> None:
    sound = music(4)
    sound[0, : 2 * 44_100] += 0.2
    first, second = passages(saved(tmp_path, sound), RATE, 2.0, mono=False)
    assert np.abs(first.samples.mean(axis=1)).max() < 0.002
    assert np.abs(second.samples.mean(axis=1)).max() < 0.002


def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    second = (music(1, 44_100) * 20_000).astype(np.int16).T
    with soundfile.SoundFile(tmp_path / "long.wav", "w", 44_100, 2) as file:
        for _ in range(180):
            file.write(second)
    tracemalloc.start()
    try:
        count = sum(1 for _ in passages(tmp_path / "long.wav", RATE, 10.0, mono=True))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 18
    assert peak < 8e6  # the whole is 63 MB at 44.1 kHz, 23 MB at 16 kHz


@pytest.mark.parametrize("name", ["cut.wav", "cut.flac"])
def test_broken_files_are_refused_for_the_reason_that_read_gives(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, music(5), name=name)
    path.write_bytes(path.read_bytes()[:-30_000])
    with pytest.raises(BadInput) as expected:
        read(path)
    with pytest.raises(BadInput) as found:
        list(passages(path, RATE, 2.0, mono=True))
    assert (found.value.reason, str(found.value)) == (expected.value.reason, str(expected.value))


def test_damage_near_the_end_is_told_after_the_passages_before_it(tmp_path: Path) -> None:
    path = saved(tmp_path, music(8), name="song.flac")
    content = bytearray(path.read_bytes())
    content[-2_000] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(BadInput) as found:
        list(passages(path, RATE, 2.0, mono=True))
    assert found.value.reason == "damaged"


def test_a_file_that_was_checked_before_gives_the_same_without_its_checksum(tmp_path: Path) -> None:
    path = saved(tmp_path, music(5), name="song.flac")
    once = list(passages(path, RATE, 2.0, mono=True))
    again = list(passages(path, RATE, 2.0, mono=True, checked=True))
    assert all(np.array_equal(one.samples, other.samples) for one, other in zip(once, again, strict=True))
    content = bytearray(path.read_bytes())
    content[26] ^= 0xFF  # of the MD5, which is the end of the first block of metadata
    path.write_bytes(content)
    with pytest.raises(BadInput, match="MD5"):
        list(passages(path, RATE, 2.0, mono=True))
    assert len(list(passages(path, RATE, 2.0, mono=True, checked=True))) == len(once)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_length_that_is_none_is_refused_at_once(tmp_path: Path, seconds: float) -> None:
    with pytest.raises(BadParams, match="seconds"):
        passages(tmp_path / "none.wav", RATE, seconds, mono=True)
