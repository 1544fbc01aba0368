"""Which container a file is, by its content: names of files lie more often than their first bytes."""

import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path

from musegen.audio.containers import foreign
from musegen.audio.containers.aiff import aiff
from musegen.audio.containers.au import au
from musegen.audio.containers.caf import caf
from musegen.audio.containers.flac import flac
from musegen.audio.containers.flac_frame import samples_until_end
from musegen.audio.containers.mpeg import mpeg
from musegen.audio.containers.ogg import ogg
from musegen.audio.containers.promise import Promise, Source
from musegen.audio.containers.riff import riff, wave64
from musegen.audio.containers.tags import id3v2_bytes, sound_end
from musegen.errors import BadInput

Walker = Callable[[Source], Promise]


def _whole_by_decoding(name: str, demuxer: str, source: Source) -> Promise:
    return Promise(name, 0, 0, None, demuxer=demuxer)


_SIGNATURES: tuple[tuple[int, bytes, Walker], ...] = (
    (8, b"WAVE", riff),
    (0, b"riff\x2e\x91\xcf\x11", wave64),
    (8, b"AIFF", aiff),
    (8, b"AIFC", aiff),
    (0, b".snd", au),
    (0, b"dns.", au),
    (0, b"caff", caf),
    (0, b"fLaC", flac),
    (0, b"OggS", ogg),
    (4, b"ftyp", foreign.boxes),
    (4, b"moov", foreign.boxes),
    (0, b"\x1aE\xdf\xa3", foreign.matroska),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", foreign.asf),
    (0, b"wvpk", foreign.wavpack),
    (0, b"MAC ", foreign.monkeys_audio),
    (0, b"TTA1", foreign.tta),
    (0, b"\x0b\x77", foreign.ac3),
    (0, b"\x7f\xfe\x80\x01", partial(_whole_by_decoding, "DTS", "dts")),
    (0, b"MPCK", partial(_whole_by_decoding, "Musepack", "mpc8")),
    (0, b"MP+", partial(_whole_by_decoding, "Musepack", "mpc")),
)
_FAMILIES: dict[Walker, tuple[bytes, ...]] = {riff: (b"RIFF", b"RIFX", b"RF64"), aiff: (b"FORM",)}


def promised(path: Path) -> Promise:
    """What the container of `path` promises. Raises `BadInput`: not audio, empty, truncated, lying header, damaged,
    unsupported."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise BadInput("it is not a file; remove it", "not a file")
    with path.open("rb") as file:
        source = Source(file)
        if not source.size:
            raise BadInput("it is empty; copy or export it again", "empty")
        return _walker(source)(source)


def ends_in_a_frame(path: Path) -> bool:
    """Whether a FLAC file ends inside one of its frames."""
    with path.open("rb") as file:
        source = Source(file)
        try:
            samples_until_end(source.until(sound_end(source)), 0)
        except BadInput:
            return True
    return False


def _walker(source: Source) -> Walker:
    tag = id3v2_bytes(source)
    head = source.at(tag, 16)
    for place, magic, walker in _SIGNATURES:
        family = _FAMILIES.get(walker)
        if tag and walker is not flac:
            continue
        if head[place : place + len(magic)] == magic and (family is None or head[:4] in family):
            return walker
    if len(head) >= 2 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return foreign.adts
    if tag or (len(head) >= 2 and head[0] == 0xFF and head[1] >= 0xE0):
        return mpeg
    if source.zero_from(0):
        raise BadInput("it holds nothing but zeros; copy or export it again", "not audio")
    raise BadInput("it is no sound file that is known here; remove it or export it as WAV or FLAC", "not audio")
