"""MP3 says its length in a table if at all: frames are counted, and the table is checked."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from musegen import audio
from musegen.errors import BadInput

RATE, FRAMES = 44100, 20000
DECODER_DELAY = 529
TITLE = b"ID3\x03\x00\x00\x00\x00\x00\x11TIT2\x00\x00\x00\x07\x00\x00\x00a song"


def mp3(mode: str = "CONSTANT", channels: int = 2, rate: int = RATE, **how: Any) -> bytes:
    noise = 0.1 * np.random.default_rng(0).standard_normal((FRAMES, channels))
    file = io.BytesIO()
    soundfile.write(file, noise, rate, format="MP3", bitrate_mode=mode, **{"compression_level": 0.3, **how})
    return file.getvalue()


def frame_starts(content: bytes) -> list[int]:
    """Of a constant bit rate: 144 × 256,000 / 44,100 bytes a frame."""
    starts, place = [], 0
    while place < len(content):
        starts.append(place)
        place = content.index(content[:2], place + 400) if content.find(content[:2], place + 400) > 0 else len(content)
    return starts


def frames(folder: Path, content: bytes) -> int:
    (folder / "a.mp3").write_bytes(content)
    facts = audio.check(folder / "a.mp3")
    return round(facts.seconds * facts.rate)


def reason(folder: Path, content: bytes) -> str:
    (folder / "a.mp3").write_bytes(content)
    with pytest.raises(BadInput) as caught:
        audio.check(folder / "a.mp3")
    return caught.value.reason


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE", "AVERAGE"])
@pytest.mark.parametrize("channels, rate", [(1, 44100), (2, 48000), (2, 22050), (1, 8000)])
def test_delay_and_padding_are_taken_off(tmp_path: Path, mode: str, channels: int, rate: int) -> None:
    assert frames(tmp_path, mp3(mode, channels, rate, compression_level=0.5)) == FRAMES


def test_tags_are_no_sound(tmp_path: Path) -> None:
    content = mp3()
    ape = b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 0) + bytes(8)
    for before, after in (
        (TITLE, b"TAG" + bytes(125)),
        (TITLE * 2 + bytes(300), b""),
        (b"", ape),
        (b"", ape + b"TAG" + bytes(125)),
    ):
        assert frames(tmp_path, before + content + after) == FRAMES


def test_frames_are_counted_where_no_table_does(tmp_path: Path) -> None:
    content = mp3()
    second = frame_starts(content)[1]
    count = struct.unpack_from(">I", content, content.index(b"Info") + 8)[0]
    bare = content[second:]
    (tmp_path / "a.mp3").write_bytes(bare)
    assert frames(tmp_path, bare) == count * 1152 - DECODER_DELAY
    assert audio.check(tmp_path / "a.mp3").warnings == ("duration unknown in its header",)
    assert reason(tmp_path, bare[:-5]) == "truncated"
    assert reason(tmp_path, bare + bytes(300)) == "truncated"
    assert reason(tmp_path, bare[10:]) == "not audio"


def test_a_table_of_fraunhofer_counts_too(tmp_path: Path) -> None:
    content, (_, second, *_) = mp3(), frame_starts(mp3())
    count = struct.unpack_from(">I", content, content.index(b"Info") + 8)[0]
    for told, expected in ((count, None), (count + 3, "truncated"), (count - 3, "lying header")):
        said = b"VBRI" + struct.pack(">HHHII", 1, 0, 75, len(content), told)
        table = (content[:4] + bytes(32) + said).ljust(second, b"\0")
        if expected:
            assert reason(tmp_path, table + content[second:]) == expected
        else:
            assert frames(tmp_path, table + content[second:]) == count * 1152 - DECODER_DELAY


def test_a_variable_bit_rate_without_a_table_is_decoded_to_its_end(tmp_path: Path) -> None:
    quiet = np.concatenate([np.full((40000, 1), 1e-3), 0.5 * np.random.default_rng(0).standard_normal((40000, 1))])
    file = io.BytesIO()
    soundfile.write(file, quiet, RATE, format="MP3", bitrate_mode="VARIABLE", compression_level=0.2)
    content = file.getvalue()
    count = struct.unpack_from(">I", content, content.index(b"Xing") + 8)[0]
    second = content.index(b"\xff\xfb", 100)
    assert frames(tmp_path, content[second:]) == count * 1152 - DECODER_DELAY


def test_a_missing_frame_is_noticed_wherever_it_is(tmp_path: Path) -> None:
    content, starts = mp3(), frame_starts(mp3())
    for number in (1, 7, len(starts) - 2):
        assert reason(tmp_path, content[: starts[number]] + content[starts[number + 1] :]) == "truncated"
    assert reason(tmp_path, content[: starts[-1]]) == "truncated"
    assert reason(tmp_path, content + content[starts[-1] :]) == "lying header"


def test_lost_sync_is_damage(tmp_path: Path) -> None:
    content, starts = mp3(), frame_starts(mp3())
    for place in (starts[5], starts[9] + 2):
        assert reason(tmp_path, content[:place] + b"\x00" + content[place + 1 :]) in ("damaged", "truncated")
    assert reason(tmp_path, content[: starts[4]] + b"junk" + content[starts[4] :]) == "damaged"


def test_a_damaged_table_is_not_taken_for_sound(tmp_path: Path) -> None:
    content = mp3()
    table = content.index(b"Info")
    for place in (table, table + 7, table + 11, table + 60, table + 120, table + 142, table + 154):
        assert reason(tmp_path, content[:place] + bytes([content[place] ^ 0x81]) + content[place + 1 :]) != "passed"
    assert reason(tmp_path, content[:table] + bytes(160) + content[table + 160 :]) == "damaged"
    assert (
        reason(tmp_path, content[: table - 12] + content[table + 60 : table + 180] + content[table + 108 :])
        == "damaged"
    )
    assert reason(tmp_path, content[: table + 120] + bytes(36) + content[table + 156 :]) == "damaged"


def test_a_free_bit_rate_is_refused_plainly(tmp_path: Path) -> None:
    assert reason(tmp_path, b"\xff\xfb\x00\x64" + bytes(2000)) == "unsupported"
