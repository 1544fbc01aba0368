"""Containers are walked, not believed: what a header promises has to be in the file, and the other way round."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from musegen import audio
from musegen.errors import BadInput

RATE, FRAMES = 22050, 5000
NOISE = (0.1 * np.random.default_rng(0).standard_normal((FRAMES, 2))).astype(np.float32)
LINEAR = ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")
BLOCKS = {"IMA_ADPCM": 2041, "MS_ADPCM": 2036}  # frames in 2048 bytes, stereo
UNKNOWN = 0xFFFFFFFF


def encoded(container: str, subtype: str | None = None, samples: NDArray[np.float32] = NOISE, **how: Any) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, how.pop("rate", RATE), format=container, subtype=subtype, **how)
    return file.getvalue()


def frames(folder: Path, content: bytes) -> int:
    (folder / "sound").write_bytes(content)
    facts = audio.check(folder / "sound")
    return round(facts.seconds * facts.rate)


def reason(folder: Path, content: bytes) -> str:
    (folder / "sound").write_bytes(content)
    with pytest.raises(BadInput) as caught:
        audio.check(folder / "sound")
    return caught.value.reason


def warnings(folder: Path, content: bytes) -> tuple[str, ...]:
    (folder / "sound").write_bytes(content)
    return audio.check(folder / "sound").warnings


def riff(*chunks: tuple[bytes, bytes], size: int | None = None, order: str = "<") -> bytes:
    body = b"WAVE" + b"".join(
        name + struct.pack(order + "I", len(inside)) + inside + bytes(len(inside) % 2) for name, inside in chunks
    )
    return (b"RIFF" if order == "<" else b"RIFX") + struct.pack(order + "I", len(body) if size is None else size) + body


def fmt(tag: int = 1, channels: int = 1, rate: int = RATE, bits: int = 16, order: str = "<") -> tuple[bytes, bytes]:
    block = channels * bits // 8
    return b"fmt ", struct.pack(order + "HHIIHH", tag, channels, rate, rate * block, block, bits)


DATA = (b"data", (NOISE[:, 0] * 32767).astype("<i2").tobytes())


@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64", "W64", "AIFF", "AU"])
@pytest.mark.parametrize("subtype", LINEAR)
def test_every_linear_encoding_is_counted_exactly(tmp_path: Path, container: str, subtype: str) -> None:
    for channels in (1, 2):
        assert frames(tmp_path, encoded(container, subtype, NOISE[:, :channels])) == FRAMES


@pytest.mark.parametrize("container, subtype", [("WAV", "PCM_U8"), ("W64", "PCM_U8"), ("AU", "PCM_S8")])
def test_bytes_are_counted_with_their_padding(tmp_path: Path, container: str, subtype: str) -> None:
    assert frames(tmp_path, encoded(container, subtype, NOISE[:4999, :1])) == 4999


@pytest.mark.parametrize("subtype", BLOCKS)
def test_adpcm_has_whole_blocks(tmp_path: Path, subtype: str) -> None:
    whole = encoded("WAV", subtype)
    assert frames(tmp_path, whole) == -(-FRAMES // BLOCKS[subtype]) * BLOCKS[subtype]
    assert reason(tmp_path, whole[:-10]) == "truncated"


@pytest.mark.parametrize(
    "container, subtype", [("OGG", "VORBIS"), ("OGG", "OPUS"), ("CAF", "ALAC_16"), ("CAF", "FLOAT")]
)
def test_what_is_compressed_has_the_length_that_it_had(tmp_path: Path, container: str, subtype: str) -> None:
    assert frames(tmp_path, encoded(container, subtype, rate=24000)) == FRAMES


@pytest.mark.parametrize("container", ["WAV", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "OGG", "MP3"])
def test_no_beginning_of_a_file_passes(tmp_path: Path, container: str) -> None:
    whole = encoded(container)
    chance = np.random.default_rng(1)
    for end in {len(whole) - 2, len(whole) - 9, *chance.integers(1, len(whole) - 2, 25).tolist()}:
        assert reason(tmp_path, whole[:end]) in ("truncated", "not audio", "lying header")


def test_a_header_that_contradicts_itself_lies(tmp_path: Path) -> None:
    block, byte_rate = list(fmt()), list(fmt())
    block[1] = block[1][:12] + struct.pack("<H", 4) + block[1][14:]
    byte_rate[1] = byte_rate[1][:8] + struct.pack("<I", 44101) + byte_rate[1][12:]
    for wrong in (tuple(block), tuple(byte_rate), fmt(channels=0), fmt(rate=0)):
        assert reason(tmp_path, riff(wrong, DATA)) == "lying header"
    assert reason(tmp_path, riff(fmt(), DATA, size=100)) == "lying header"
    assert reason(tmp_path, riff(DATA, fmt())) == "lying header"
    assert reason(tmp_path, riff(fmt(), DATA, DATA)) == "lying header"
    assert reason(tmp_path, riff(fmt(), (b"fact", struct.pack("<I", FRAMES + 1)), DATA)) == "lying header"
    assert reason(tmp_path, riff(fmt(tag=0x55), DATA)) == "unsupported"
    assert reason(tmp_path, riff(fmt(bits=12), DATA)) == "lying header"


def test_what_real_programs_write_is_tolerated(tmp_path: Path) -> None:
    plain, odd = riff(fmt(), DATA), riff(fmt(bits=8), (b"data", DATA[1][:4999]))
    listed = riff((b"JUNK", bytes(27)), fmt(), (b"LIST", b"INFOISFT\x04\0\0\0test"), DATA, (b"id3 ", b"ID3abc"))
    for content in (plain, listed, plain + b"TAG" + bytes(125), plain + bytes(7)):
        assert frames(tmp_path, content) == FRAMES
    assert frames(tmp_path, odd[:-1]) == 4999
    assert frames(tmp_path, plain[:4] + struct.pack("<I", len(plain)) + plain[8:]) == FRAMES
    assert (
        frames(tmp_path, riff(fmt(order=">"), (b"data", (NOISE[:, 0] * 32767).astype(">i2").tobytes()), order=">"))
        == FRAMES
    )


@pytest.mark.parametrize("size", [0, UNKNOWN, 0x7FFFF000])
def test_a_stream_is_as_long_as_what_is_there(tmp_path: Path, size: int) -> None:
    plain = riff(fmt(), DATA, size=size)
    streamed = plain.replace(b"data" + struct.pack("<I", 2 * FRAMES), b"data" + struct.pack("<I", size))
    assert frames(tmp_path, streamed) == FRAMES
    assert warnings(tmp_path, streamed) == ("duration unknown in its header",)
    assert reason(tmp_path, streamed[:-1]) == "truncated"


def test_only_one_unknown_size_is_no_stream(tmp_path: Path) -> None:
    plain = riff(fmt(), DATA)
    unknown = plain.replace(b"data" + struct.pack("<I", 2 * FRAMES), b"data" + struct.pack("<I", UNKNOWN))
    assert reason(tmp_path, unknown) == "truncated"


def test_aiff_and_au_count_twice(tmp_path: Path) -> None:
    aiff, au = encoded("AIFF", "PCM_16"), encoded("AU", "PCM_16")
    place = aiff.index(struct.pack(">I", FRAMES))
    assert reason(tmp_path, aiff[:place] + struct.pack(">I", FRAMES - 1) + aiff[place + 4 :]) == "lying header"
    assert reason(tmp_path, au + b"more") == "lying header"
    streamed = au[:8] + struct.pack(">I", UNKNOWN) + au[12:]
    assert frames(tmp_path, streamed) == FRAMES and reason(tmp_path, streamed[:-1]) == "truncated"


def streaminfo(flac: bytes, samples: int | None = None, md5: bytes | None = None) -> bytes:
    """The same FLAC with another number of samples, another MD5."""
    bits = int.from_bytes(flac[18:26], "big")
    said = bits if samples is None else bits >> 36 << 36 | samples
    return flac[:18] + said.to_bytes(8, "big") + (flac[26:42] if md5 is None else md5) + flac[42:]


@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
def test_the_md5_of_flac_is_compared(tmp_path: Path, subtype: str) -> None:
    whole = encoded("FLAC", subtype)
    assert frames(tmp_path, whole) == FRAMES
    assert reason(tmp_path, streaminfo(whole, md5=b"0123456789abcdef")) == "damaged"
    assert frames(tmp_path, streaminfo(whole, md5=bytes(16))) == FRAMES


def test_flac_of_unknown_length_ends_with_its_last_frame(tmp_path: Path) -> None:
    streamed = streaminfo(encoded("FLAC"), 0, bytes(16))
    assert frames(tmp_path, streamed) == FRAMES
    assert warnings(tmp_path, streamed) == ("duration unknown in its header",)
    for missing in (1, 2, 500):
        assert reason(tmp_path, streamed[:-missing]) == "truncated"


@given(samples=st.integers(1, 1 << 30).filter(lambda samples: samples != FRAMES))
def test_flac_can_not_promise_another_length(tmp_path_factory: pytest.TempPathFactory, samples: int) -> None:
    content = streaminfo(encoded("FLAC"), samples)
    assert reason(tmp_path_factory.getbasetemp(), content) in (
        "damaged",
        "lying header",
        "truncated",
        "too short",
        "too long",
    )


def test_flac_can_not_state_another_rate_than_its_frames(tmp_path: Path) -> None:
    whole = encoded("FLAC", rate=44100)
    bits = int.from_bytes(whole[18:26], "big")
    changed = (bits & (1 << 44) - 1 | 48000 << 44).to_bytes(8, "big")
    assert reason(tmp_path, whole[:18] + changed + whole[26:]) == "lying header"


def pages(ogg: bytes) -> list[bytes]:
    return [b"OggS" + page for page in ogg.split(b"OggS")[1:]]


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_every_page_of_ogg_counts(tmp_path: Path, subtype: str) -> None:
    noise = (0.1 * np.random.default_rng(0).standard_normal((48000, 2))).astype(np.float32)
    whole = encoded("OGG", subtype, noise, rate=48000)
    parts = pages(whole)
    assert len(parts) > 4 and frames(tmp_path, whole) == 48000
    assert reason(tmp_path, b"".join(parts[:-1])) == "truncated"
    assert reason(tmp_path, b"".join(parts[:3] + parts[4:])) == "damaged"
    assert reason(tmp_path, b"".join([*parts[:4], parts[3], *parts[4:]])) == "damaged"
    assert reason(tmp_path, whole[:-60] + bytes([whole[-60] ^ 1]) + whole[-59:]) == "damaged"
    assert reason(tmp_path, whole[: len(parts[0])] + b"x" + whole[len(parts[0]) :]) == "damaged"


def test_chained_ogg_is_refused_rather_than_cut_short(tmp_path: Path) -> None:
    assert reason(tmp_path, encoded("OGG") + encoded("OGG", samples=NOISE[:4000])) == "unsupported"


@given(content=st.binary(max_size=300), start=st.sampled_from([
    b"", b"RIFF\xff\xff\xff\xffWAVE", b"RF64\xff\xff\xff\xffWAVEds64", b"FORM\x00\x00\x00\x40AIFFCOMM", b".snd",
    b"caff\0\x01\0\0desc", b"fLaC", b"OggS\0", b"\xff\xfb\x90\x64", b"ID3\x03\0\0\0\0\0\x05", b"\x1aE\xdf\xa3", b"wvpk",
    b"\0\0\0\x18ftypM4A ", b"\xff\xf1\x50\x80", b"riff\x2e\x91\xcf\x11", b"0&\xb2u\x8ef\xcf\x11",
]))  # fmt: skip
def test_no_bytes_raise_anything_but_bad_input(
    tmp_path_factory: pytest.TempPathFactory, start: bytes, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes"
    path.write_bytes(start + content)
    with pytest.raises(BadInput):
        audio.check(path)
