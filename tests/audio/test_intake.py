"""Every recording gets a true verdict: its length, or the reason why it can't be used."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from musegen import audio
from musegen.errors import BadInput

RATE = 22050


def tone(seconds: float = 1.0, channels: int = 1, rate: int = RATE, peak: float = 0.5) -> NDArray[np.float32]:
    """Shape (frames, channels); every channel has its own pitch."""
    time = np.arange(round(seconds * rate)) / rate
    return np.stack(
        [peak * np.sin(2 * np.pi * 220 * (number + 1) * time) for number in range(channels)], axis=1
    ).astype(np.float32)


def written(path: Path, samples: NDArray[np.float32], rate: int = RATE, subtype: str | None = None) -> Path:
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def reason(path: Path) -> str:
    with pytest.raises(BadInput) as caught:
        audio.check(path)
    assert "; " in str(caught.value) and str(path) not in str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3", ".aiff", ".au", ".caf", ".w64"])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_sound_file_has_the_length_it_was_written_with(tmp_path: Path, suffix: str, channels: int) -> None:
    facts = audio.check(written(tmp_path / f"a{suffix}", tone(0.7, channels)))
    assert (facts.seconds, facts.rate, facts.channels, facts.warnings) == (0.7, RATE, channels, ())
    assert facts.peak == pytest.approx(0.5, abs=0.05)


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    sound = audio.Audio(tone(0.3, 2).T, RATE)
    for suffix, subtype, error in ((".wav", "FLOAT", 0), (".flac", "PCM_24", 2**-23), (".flac", "PCM_16", 2**-15)):
        audio.write(tmp_path / f"a{suffix}", sound, subtype)
        again = audio.read(tmp_path / f"a{suffix}")
        assert again.rate == RATE and again.samples.dtype == np.float32
        assert np.abs(again.samples - sound.samples).max() <= error


def test_listeners_hear_every_frame_once(tmp_path: Path) -> None:
    heard: list[NDArray[np.float32]] = []
    samples = tone(9.0, 2)
    path = written(tmp_path / "a.wav", samples, subtype="FLOAT")
    audio.check(path, [lambda block, rate: heard.append(block)])
    assert len(heard) > 1 and max(block.size for block in heard) <= 1 << 17
    assert np.array_equal(np.concatenate(heard, axis=1), samples.T)


def test_an_error_of_a_listener_is_not_taken_for_a_bad_file(tmp_path: Path) -> None:
    def fail(block: NDArray[np.float32], rate: int) -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        audio.check(written(tmp_path / "a.wav", tone()), [fail])


def test_nothing_and_something_else_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    for content, expected in (
        (b"", "empty"),
        (b"a letter to a friend, not a recording", "not audio"),
        (bytes(5000), "not audio"),
        (b"RIFF\x04\x00\x00\x00WAVE", "lying header"),
    ):
        path.write_bytes(content)
        assert reason(path) == expected
    assert reason(written(path, tone(0))) == "empty"


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    assert reason(tmp_path / "pipe.wav") == "not a file"
    assert reason(tmp_path / "missing.wav") == "unreadable"


def test_the_limits_of_length_rate_and_channels_each_have_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    assert reason(written(path, tone(0.0029))) == "too short"
    assert audio.check(written(path, tone(0.0031))).seconds < 0.0032
    assert reason(written(path, tone(0.1, 9))) == "channels"
    assert audio.check(written(path, tone(0.1, 8))).channels == 8
    assert reason(written(path, tone(1, rate=7999), 7999)) == "sample rate"
    assert reason(written(path, tone(0.1, rate=192001), 192001)) == "sample rate"
    assert audio.check(written(path, tone(0.1, rate=192000), 192000)).rate == 192000


def test_five_hours_are_the_most_and_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    path, frames = tmp_path / "a.wav", 8000 * 3600 * 5 + 1
    written(path, tone(0.1, rate=8000), 8000, "PCM_U8")
    head = path.read_bytes()[:44]
    path.write_bytes(head[:4] + struct.pack("<I", frames + 37) + head[8:40] + struct.pack("<I", frames))
    os.truncate(path, 44 + frames + 1)
    assert reason(path) == "too long"


def test_samples_that_can_not_be_sound_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    for value, expected in (
        (np.nan, "not finite"),
        (np.inf, "not finite"),
        (-np.inf, "not finite"),
        (9.0, "absurd samples"),
    ):
        samples = tone()
        samples[700, 0] = value
        assert reason(written(path, samples, subtype="FLOAT")) == expected


def test_silence_is_refused_whatever_its_level(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    for samples in (np.zeros((RATE, 2), np.float32), tone(peak=0.9e-4), np.full((RATE, 1), 0.3, np.float32)):
        assert reason(written(path, samples, subtype="FLOAT")) == "silent"
    assert audio.check(written(path, tone(peak=2e-4), subtype="FLOAT")).seconds == 1.0


def warnings(path: Path, samples: NDArray[np.float32]) -> str:
    return " ".join(audio.check(written(path, samples, subtype="FLOAT")).warnings)


def test_what_its_owner_should_know_is_a_warning(tmp_path: Path) -> None:
    path, stereo = tmp_path / "a.wav", tone(2.0, 2)
    assert warnings(path, stereo) == ""
    assert "clipped" in warnings(path, np.clip(3 * stereo, -1, 1))
    assert "above full scale" in warnings(path, 3 * stereo)
    assert "DC offset: 5 %" in warnings(path, stereo + np.float32(0.05))
    assert "silent channel: 2" in warnings(path, stereo * np.array([1, 0], np.float32))
    assert "opposite phase" in warnings(path, stereo[:, :1] * np.array([1, -1], np.float32))
    assert "mostly silent: 90 %" in warnings(path, np.concatenate([tone(1.0), np.zeros((9 * RATE, 1), np.float32)]))


def test_a_loud_sine_is_not_clipped(tmp_path: Path) -> None:
    assert warnings(tmp_path / "a.wav", tone(2.0, 1, peak=1.0)) == ""


def test_a_dc_offset_is_stated_and_taken_off(tmp_path: Path) -> None:
    offsets = np.array([0.2, -0.003], np.float32)
    path = written(tmp_path / "a.wav", tone(1.0, 2) + offsets, subtype="FLOAT")
    assert audio.check(path).dc_offset == pytest.approx(offsets, abs=1e-4)
    assert audio.read(path).samples.mean(axis=1) == pytest.approx([0.0, -0.003], abs=1e-4)


def test_a_short_sound_keeps_its_swing(tmp_path: Path) -> None:
    path = written(tmp_path / "kick.wav", np.linspace(1, 0, 2000, dtype=np.float32)[:, None] ** 2, subtype="FLOAT")
    assert audio.check(path).warnings == () and audio.read(path).samples.mean() > 0.3


def test_names_of_any_kind_are_opened(tmp_path: Path) -> None:
    for name in (b"-i.wav", b"http:x.flac", b"two\nlines.ogg", "né e\u0301.wav".encode(), b"not\xffutf8.wav", b"a.raw"):
        path = tmp_path / os.fsdecode(name)
        kind = path.suffix[1:].upper() if path.suffix != ".raw" else "WAV"
        with path.open("wb") as file:
            soundfile.write(file, tone(0.1), RATE, format=kind)
        if path.suffix != ".raw":
            assert audio.check(path).rate == RATE


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    with (tmp_path / "a.wav").open("wb") as file:
        soundfile.write(file, tone(0.2), RATE, format="FLAC")
    assert audio.check(tmp_path / "a.wav").format == "FLAC PCM_16"
