"""What libsndfile does not know is decoded by ffmpeg where that is installed, and refused with that advice else."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musegen import audio
from musegen.errors import BadInput

needs_ffmpeg = pytest.mark.skipif(not (shutil.which("ffmpeg") and shutil.which("ffprobe")), reason="no ffmpeg here")
RATE, FRAMES = 44100, 22050
EXACT = {
    "m4a": "-c:a aac", "mp4": "-c:a alac -movflags +faststart", "wv": "-c:a wavpack", "mka": "-c:a flac",
    "tta": "-c:a tta", "oga": "-c:a flac -f ogg",
}  # fmt: skip
OTHERS = {"wma": "-c:a wmav2", "aac": "-c:a aac", "eac3": "-c:a eac3"}


def converted(folder: Path, suffix: str) -> Path:
    soundfile.write(folder / "source.wav", 0.1 * np.random.default_rng(0).standard_normal((FRAMES, 2)), RATE)
    path, how = folder / f"a.{suffix}", {**EXACT, **OTHERS}[suffix].split()
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", str(folder / "source.wav"), *how, str(path)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip(f"this ffmpeg does not write {suffix}")
    return path


def children() -> set[str]:
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return set(path.read_text().split()) if path.exists() else set()


def refused(path: Path) -> str:
    with pytest.raises(BadInput) as caught:
        audio.check(path)
    return caught.value.reason


@needs_ffmpeg
@pytest.mark.parametrize("suffix", [*EXACT, *OTHERS])
def test_the_length_is_true_and_no_beginning_of_the_file_passes(tmp_path: Path, suffix: str) -> None:
    path = converted(tmp_path, suffix)
    facts = audio.check(path)
    assert (facts.rate, facts.channels) == (RATE, 2)
    assert facts.seconds == (0.5 if suffix in EXACT else pytest.approx(0.5, abs=0.1))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - 300])
    assert refused(path) in ("truncated", "damaged")


@needs_ffmpeg
def test_it_is_read_too_and_a_name_is_never_an_option_or_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = converted(tmp_path, "wv").read_bytes()
    for name in ("-y.wv", "concat:a|b.wv", "http:%d.wv"):
        Path(name).write_bytes(content)
        assert audio.read(Path(name)).samples.shape == (2, FRAMES)


@needs_ffmpeg
def test_ffmpeg_ends_when_nobody_listens_any_more(tmp_path: Path) -> None:
    def fail(block: object, rate: int) -> None:
        raise ValueError("enough")

    path, before = converted(tmp_path, "wv"), children()
    with pytest.raises(ValueError, match="enough"):
        audio.check(path, [fail])
    assert children() <= before


def test_without_ffmpeg_the_advice_is_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "a.mpc"
    path.write_bytes(b"MPCK" + bytes(100))
    with pytest.raises(BadInput, match="install ffmpeg") as caught:
        audio.check(path)
    assert caught.value.reason == "unsupported"
    assert {".m4a", ".wma", ".webm"} <= audio.SUFFIXES


@pytest.mark.parametrize("content, reason", [
    (b"\0\0\0\x18ftypM4A " + bytes(12) + b"\0\0\1\0mdat" + bytes(9), "truncated"),
    (b"\0\0\0\x18ftypM4A " + bytes(12) + b"\0\0\0\x08mdat", "truncated"),
    (b"\0\0\0\x18ftypM4A " + bytes(12) + b"\0\0\0\3moov" + bytes(9), "lying header"),
    (b"\x1aE\xdf\xa3\x82ab\x18S\x80g\x88" + bytes(3), "truncated"),
    (b"0&\xb2u\x8ef\xcf\x11" + bytes(20), "truncated"),
    (b"\xff\xf1\x50\x80\x10\x00\x00" + bytes(50), "truncated"),
    (b"wvpk\x40\0\0\0" + bytes(10), "truncated"),
    (b"MAC \x96\x0f\0\0" + 7 * b"\x40\0\0\0" + bytes(40), "truncated"),
    (b"TTA1\1\0\2\0\x10\0\x44\xac\0\0\x22\x56\0\0\0\0\0\0\0\1\0\0" + bytes(40), "truncated"),
])  # fmt: skip
def test_what_is_missing_is_seen_without_ffmpeg(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    assert refused(path) == reason
