"""Small sound and MIDI files, and seeded ways to break them; used by `benchmarks.fuzz` and by the suite."""

import io
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from musegen import midi
from musegen.score import SCORE_NOTE, Score
from musegen.theory import Meter

_HEAD_BYTES = 128
_WIDTHS = {1: "b", 2: "h", 4: "i", 8: "q"}


@dataclass(frozen=True)
class Original:
    """A file that is sound; `seconds` is None, and `frames` 0, where length has no meaning (MIDI)."""

    name: str
    content: bytes
    frames: int = 0
    rate: int = 1

    @property
    def seconds(self) -> float | None:
        """Duration."""
        return self.frames / self.rate if self.frames else None


def originals(format: str) -> list[Original]:
    """The files of a format that are broken: encodings, bit rates, channels, rates, with tags and without."""
    if format == "midi":
        return [_midi(voices) for voices in (1, 3)]
    made = [_sound(format, *settings) for settings in _SETTINGS[format]]
    if format == "mp3":
        made += [_tagged(made[0])]
    if format == "mp3-bare":
        made = [_without_table(one) for one in made]
    return made


def mutants(of: list[Original], count: int, seed: int) -> Iterator[tuple[Original, str, bytes]]:
    """`count` broken files: what each was, how it was broken, and its bytes; the same for the same seed."""
    chance = random.Random(seed)
    made = 0
    while made < count:
        original, kind = chance.choice(of), chance.choice(list(_WAYS))
        content = _WAYS[kind](original.content, chance)
        if content != original.content:
            made += 1
            yield original, kind, content


_MP3 = ("MP3", "MPEG_LAYER_III")
_SETTINGS: dict[str, list[tuple[str, str, int, int, dict[str, Any]]]] = {
    "wav": [
        *(("WAV", kind, 2, 22050, {}) for kind in ("PCM_16", "FLOAT", "IMA_ADPCM")),
        *(("WAV", kind, 1, 44100, {}) for kind in ("PCM_U8", "PCM_24", "ULAW", "MS_ADPCM", "DOUBLE")),
        ("WAVEX", "PCM_16", 2, 22050, {}),
        ("RF64", "PCM_16", 1, 22050, {}),
    ],
    "flac": [
        ("FLAC", "PCM_16", 2, 22050, {"compression_level": 0.0}),
        ("FLAC", "PCM_16", 1, 44100, {"compression_level": 1.0}),
        ("FLAC", "PCM_24", 2, 48000, {}),
        ("FLAC", "PCM_S8", 1, 11025, {}),
    ],
    "ogg": [
        *(("OGG", "VORBIS", 2, 44100, {"compression_level": level}) for level in (0.1, 0.9)),
        ("OGG", "VORBIS", 1, 22050, {}),
        ("OGG", "OPUS", 2, 48000, {}),
        ("OGG", "OPUS", 1, 24000, {}),
    ],
    "mp3": [
        *(
            (*_MP3, 2, 44100, {"bitrate_mode": mode, "compression_level": 0.5})
            for mode in ("CONSTANT", "VARIABLE", "AVERAGE")
        ),
        (*_MP3, 1, 22050, {"bitrate_mode": "CONSTANT", "compression_level": 0.4}),
        (*_MP3, 1, 48000, {"bitrate_mode": "VARIABLE", "compression_level": 0.1}),
    ],
    "mp3-bare": [
        (*_MP3, channels, 44100, {"bitrate_mode": "CONSTANT", "compression_level": 0.3}) for channels in (1, 2)
    ],
    "aiff": [("AIFF", kind, 2, 22050, {}) for kind in ("PCM_16", "PCM_24", "FLOAT", "ULAW")],
    "au": [("AU", kind, 2, 22050, {}) for kind in ("PCM_16", "PCM_24", "FLOAT", "ULAW")],
    "caf": [("CAF", kind, 2, 22050, {}) for kind in ("PCM_16", "FLOAT", "ALAC_16")],
}
FORMATS = ("wav", "flac", "ogg", "mp3", "midi")
MORE_FORMATS = ("mp3-bare", "aiff", "au", "caf")


def _sound(format: str, container: str, subtype: str, channels: int, rate: int, settings: dict[str, Any]) -> Original:
    file = io.BytesIO()
    soundfile.write(file, music(channels, rate), rate, format=container, subtype=subtype, **settings)
    content = file.getvalue()
    frames = len(soundfile.read(io.BytesIO(content))[0])
    return Original(f"{format} {subtype} {channels}×{rate}", content, frames, rate)


def music(channels: int, rate: int, seconds: float = 0.4) -> NDArray[np.float32]:
    """A few notes with some noise, shape (frames, channels)."""
    noise = np.random.default_rng(0)
    time = np.arange(round(seconds * rate)) / rate
    notes = np.sin(2 * np.pi * np.where(time < seconds / 2, 330.0, 440.0) * time) * np.exp(-3 * time)
    voices = [0.5 * notes * (1 + number) / channels for number in range(channels)]
    return (np.stack(voices, axis=1) + 0.02 * noise.standard_normal((len(time), channels))).astype(np.float32)


def _midi(voices: int) -> Original:
    rows = [(index * 240, 240, 60 + index % 12 + voice, 80, 0, voice) for voice in range(voices) for index in range(64)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "piece.mid"
        midi.write(path, Score.steady(np.array(rows, SCORE_NOTE), Meter(4, 4), 120.0))
        return Original(f"midi {voices}", path.read_bytes())


def _tagged(original: Original) -> Original:
    title = b"TIT2" + struct.pack(">IH", 6, 0) + b"\x00title"
    before = b"ID3\x03\x00\x00" + struct.pack(">I", len(title)) + title
    return Original(
        f"{original.name}, tagged", before + original.content + b"TAG" + bytes(125), original.frames, original.rate
    )


def _without_table(original: Original) -> Original:
    start = original.content.index(b"\xff", 200)
    while original.content[start : start + 2] != original.content[:2]:
        start = original.content.index(b"\xff", start + 1)
    content = original.content[start:]
    frames = int.from_bytes(original.content[original.content.index(b"Info") + 8 :][:4], "big")
    return Original(f"{original.name}, no table", content, frames * 1152 - 529, 44100)


def _place(content: bytes, chance: random.Random) -> int:
    """A third of all in the head."""
    return chance.randrange(min(_HEAD_BYTES, len(content)) if chance.random() < 1 / 3 else len(content))


def _span(chance: random.Random) -> int:
    return int(2 ** chance.uniform(0, 11))


def _flip(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8))):
        changed[_place(content, chance)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _overwrite(content: bytes, chance: random.Random) -> bytes:
    start = _place(content, chance)
    run = chance.randbytes(min(_span(chance), len(content) - start))
    return content[:start] + run + content[start + len(run) :]


def _zero(content: bytes, chance: random.Random) -> bytes:
    start, run = _place(content, chance), _span(chance)
    return content[:start] + bytes(len(content[start : start + run])) + content[start + run :]


def _cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content)) if chance.random() < 0.7 else -_span(chance)]


def _delete(content: bytes, chance: random.Random) -> bytes:
    start = _place(content, chance)
    return content[:start] + content[start + _span(chance) :]


def _insert(content: bytes, chance: random.Random) -> bytes:
    start = chance.choice((_place(content, chance), len(content)))
    return content[:start] + chance.choice((chance.randbytes, bytes))(_span(chance)) + content[start:]


def _duplicate(content: bytes, chance: random.Random) -> bytes:
    start, target = _place(content, chance), _place(content, chance)
    piece = content[start : start + _span(chance)]
    return content[:target] + piece + content[chance.choice((target, target + len(piece))) :]


def _field(content: bytes, chance: random.Random) -> bytes:
    width, order = chance.choice(tuple(_WIDTHS)), chance.choice("<>")
    start, most = chance.randrange(min(_HEAD_BYTES, len(content) - width)), 1 << (8 * width - 1)
    now = struct.unpack_from(order + _WIDTHS[width], content, start)[0]
    value = chance.choice((0, 1, -1, -2, most - 1, -most, now + 1, now - 1, now // 2, now * 2, chance.randrange(most)))
    wrapped = (value + most) % (2 * most) - most
    return content[:start] + struct.pack(order + _WIDTHS[width], wrapped) + content[start + width :]


def _join(content: bytes, chance: random.Random) -> bytes:
    return content + content[: chance.randrange(1, len(content) + 1)]


_WAYS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "bits flipped": _flip,
    "bytes overwritten": _overwrite,
    "bytes zeroed": _zero,
    "cut": _cut,
    "bytes deleted": _delete,
    "bytes inserted": _insert,
    "bytes repeated": _duplicate,
    "header field": _field,
    "joined": _join,
}
