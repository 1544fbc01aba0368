"""A folder with everything in it that real folders have: every file gets the verdict that it deserves, and says why."""

import json
import os
import struct
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from musegen import midi
from musegen.labels import NOTE, Beats, Labels, Notes
from musegen.opening import LocalOpeners
from musegen.score import SCORE_NOTE, Score
from musegen.survey import Survey, SurveySettings, survey
from musegen.survey_cache import SurveyCache
from musegen.theory import Meter
from musegen.verdicts import SurveyedFile

RATE = 22050
COMMON_TIME = Meter(4, 4)


@dataclass(frozen=True)
class Trouble:
    """One kind of trouble: `make` puts it at a path; `verdict` is what that file deserves, `word` what is said of it.

    `word` stands in the reason or, where the file is used, in a warning; "" where there is nothing to say.
    """

    name: str
    make: Callable[[Path], object]
    verdict: str
    word: str = ""


def music(seed: int, seconds: float = 6.0, rate: int = RATE) -> NDArray[np.float64]:
    """Plucked tones, others for every seed, on a beat of half a second."""
    random = np.random.default_rng(seed)
    samples = np.zeros(int(seconds * rate))
    for start in np.arange(0, len(samples) - rate // 4, rate // 4):
        pitch = 48 + int(random.integers(0, 30))
        time = np.arange(min(rate // 3, len(samples) - start)) / rate
        tone = np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time) * np.exp(-9 * time)
        samples[start : start + len(time)] += 0.4 * tone
    return samples


_SEEDS = iter(range(10_000))


def sound(
    subtype: str | None = None, channels: int = 1, rate: int = RATE, seconds: float = 6.0
) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        samples = np.tile(music(next(_SEEDS), seconds, rate)[:, None], channels) * 0.9
        soundfile.write(path, samples, rate, subtype=subtype)

    return make


def samples(
    change: Callable[[NDArray[np.float64]], NDArray[np.float64]], subtype: str | None = None
) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        soundfile.write(path, change(music(next(_SEEDS))), RATE, subtype=subtype)

    return make


def put(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def damaged(change: Callable[[bytes], bytes], whole: Callable[[Path], object] | None = None) -> Callable[[Path], None]:
    """A sound recording that was written whole, and then `change`d."""

    def make(path: Path) -> None:
        (whole or sound())(path)
        path.write_bytes(change(path.read_bytes()))

    return make


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def patched(place: int, new: bytes) -> Callable[[bytes], bytes]:
    return lambda content: content[:place] + new + content[place + len(new) :]


def hole(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + b"\0" * 2000 + content[middle + 2000 :]


def tune(seed: int, bars: int = 8) -> Score:
    random = np.random.default_rng(seed)
    notes = np.zeros(bars * 8, SCORE_NOTE)
    notes["start"], notes["ticks"], notes["velocity"] = np.arange(bars * 8) * 240, 240, 80
    notes["pitch"] = 60 + random.integers(0, 24, bars * 8)
    return Score.steady(notes, COMMON_TIME, 120.0, bars)


def song(path: Path) -> None:
    midi.write(path, tune(next(_SEEDS)))


def smf(track: bytes, division: int = 480) -> bytes:
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, division) + b"MTrk" + struct.pack(">I", len(track)) + track


NOTE_ON_OFF = b"\x00\x90\x40\x50\x60\x80\x40\x00"
END = b"\x00\xff\x2f\x00"


def beside_sound(content: bytes | str) -> Callable[[Path], None]:
    """A label file with a sound recording of its name."""

    def make(path: Path) -> None:
        sound()(path.with_suffix(".wav"))
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return make


def many_notes(path: Path) -> None:
    path.write_bytes(smf(b"\x00\x90\x40\x50\x01\x80\x40\x00" * 1_050_000 + END))


def clicks(path: Path) -> list[float]:
    """A recording with a click every half second, with an accent every second; the times."""
    random = np.random.default_rng(next(_SEEDS))
    times = np.arange(0.5, 19.5, 0.5)
    out = np.zeros(20 * RATE)
    burst = random.normal(0, 1, RATE // 20) * np.exp(-np.arange(RATE // 20) / 150)
    for index, time in enumerate(times):
        place = int(time * RATE)
        out[place : place + len(burst)] += burst * (0.25 if index % 2 else 0.12)
    soundfile.write(path.with_suffix(".wav"), out, RATE)
    return [float(time) for time in times]


def clicked_beats(shift: float = 0.0, scale: float = 1.0) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        times = [time * scale + shift for time in clicks(path)]
        path.write_text("".join(f"{time:.3f}\t{index % 4 + 1}\n" for index, time in enumerate(times)))

    return make


def other_song(path: Path) -> None:
    """A recording, and the notes of another one."""
    seed = next(_SEEDS)
    soundfile.write(path.with_suffix(".wav"), music(seed, 20.0), RATE)
    random = np.random.default_rng(seed + 77_777)
    onsets = np.sort(random.uniform(0.1, 19, 60))
    pitches = 60 + np.array([0, 2, 4, 6, 8, 10])[random.integers(0, 6, 60)]
    rows = np.zeros(60, NOTE)
    rows["onset_seconds"], rows["seconds"], rows["pitch"], rows["velocity"] = onsets, 0.3, pitches, 80
    steady = Beats(seconds=np.arange(0, 20, 0.5), positions=np.arange(40, dtype=np.int16) % 4 + 1)
    labels = Labels(notes=Notes(table=rows), beats=steady)
    assert labels.notes is not None and labels.beats is not None
    midi.write(path, Score.from_labels(labels.notes, labels.beats))


def six_hours(path: Path) -> None:
    with soundfile.SoundFile(path, "w", 8000, 1, "PCM_16") as file:
        block = np.zeros(8000 * 600, np.int16)
        block[::4000] = 9000
        for _ in range(37):
            file.write(block)


def two_alike(path: Path) -> None:
    """Names that differ only in the normal form of a letter."""
    sound()(path.with_name(unicodedata.normalize("NFD", path.name)))
    sound()(path)


WAV_TROUBLES = [
    Trouble("sound/plain.wav", sound(), "used"),
    Trouble("sound/u8.wav", sound("PCM_U8"), "used"),
    Trouble("sound/24.wav", sound("PCM_24"), "used"),
    Trouble("sound/32.wav", sound("PCM_32"), "used"),
    Trouble("sound/float.wav", sound("FLOAT"), "used"),
    Trouble("sound/ulaw.wav", sound("ULAW"), "used"),
    Trouble("sound/ima.wav", sound("IMA_ADPCM"), "used"),
    Trouble("sound/ms.wav", sound("MS_ADPCM"), "used"),
    Trouble("sound/eight.wav", sound(channels=8), "used"),
    Trouble("sound/8k.wav", sound(rate=8000), "used"),
    Trouble("sound/192k.wav", sound(rate=192_000, seconds=1.0), "used"),
    Trouble("sound/shortest.wav", samples(lambda x: x[500:600] + 0.1 * np.sin(np.arange(100))), "used"),
    Trouble("sound/a.aiff", sound(), "used"),
    Trouble("sound/a.flac", sound(), "ignored", "a.aiff stands for"),
    Trouble("sound/b.flac", sound(), "used"),
    Trouble("sound/c.ogg", sound(), "used"),
    Trouble("sound/d.mp3", sound(), "used"),
    Trouble("sound/e.opus", lambda path: soundfile.write(path, music(next(_SEEDS), rate=48000), 48000, format="OGG",
                                                         subtype="OPUS"), "used"),
    Trouble("sound/f.au", sound(), "used"),
    Trouble("sound/streamed.wav", damaged(lambda content: patched(40, b"\xff" * 4)(patched(4, b"\xff" * 4)(content))),
            "used"),
    Trouble("sound/no bytes.wav", put(b""), "rejected", "empty"),
    Trouble("sound/no frames.wav", sound(seconds=0), "rejected", "empty"),
    Trouble("sound/text.mp3", put(b"This is not a song.\n" * 50), "rejected", "not audio"),
    Trouble("sound/page.flac", put(b"<!DOCTYPE html><html></html>"), "rejected", "not audio"),
    Trouble("sound/picture.ogg", put(b"\xff\xd8\xff\xe0JFIF" + bytes(range(256)) * 4), "rejected", "not audio"),
    Trouble("sound/apple.m4a", put(b"\0\0\0\x20ftypM4A " + bytes(500)), "rejected", ""),
    *(Trouble(f"sound/cut {kind}.{kind}", damaged(half), "rejected", "truncated")
      for kind in ("wav", "aiff", "flac", "ogg", "mp3", "au")),
    Trouble("sound/long data.wav", damaged(patched(40, struct.pack("<I", 5_000_000))), "rejected", ""),
    Trouble("sound/byte rate.wav", damaged(patched(28, struct.pack("<I", 7))), "rejected", "lying header"),
    Trouble("sound/no channels.wav", damaged(patched(22, b"\0\0")), "rejected", ""),
    Trouble("sound/wrong sum.flac", damaged(patched(26, b"\1" * 16)), "rejected", "damaged"),
    Trouble("sound/hole 1.flac", damaged(hole), "rejected", ""),
    Trouble("sound/hole 2.ogg", damaged(hole), "rejected", ""),
    Trouble("sound/hole 3.mp3", damaged(hole), "rejected", ""),
    Trouble("sound/nan.wav", samples(lambda x: np.where(np.arange(len(x)) == 99, np.nan, x), "FLOAT"), "rejected",
            "not finite"),
    Trouble("sound/infinite.wav", samples(lambda x: np.where(np.arange(len(x)) == 99, np.inf, x), "FLOAT"), "rejected",
            "not finite"),
    Trouble("sound/absurd.wav", samples(lambda x: x * 1e6, "FLOAT"), "rejected", "absurd"),
    Trouble("sound/silent.wav", samples(lambda x: x * 0), "rejected", "silent"),
    Trouble("sound/flat.wav", samples(lambda x: x * 0 + 0.3), "rejected", "silent"),
    Trouble("sound/2 ms.wav", sound(seconds=0.002), "rejected", "too short"),
    Trouble("sound/six hours.flac", six_hours, "rejected", "too long"),
    Trouble("sound/nine channels.wav", sound(channels=9), "rejected", "channels"),
    Trouble("sound/4k.wav", sound(rate=4000), "rejected", "sample rate"),
    Trouble("sound/384k.wav", sound(rate=384_000, seconds=0.5), "rejected", "sample rate"),
    Trouble("sound/clipped.wav", samples(lambda x: np.clip(x * 30, -1, 1)), "used", "clipped"),
    Trouble("sound/offset.wav", samples(lambda x: x * 0.5 + 0.2), "used", "offset"),
    Trouble("sound/opposite.wav", samples(lambda x: np.stack([x, -x], 1)), "used", "phase"),
    Trouble("sound/left only.wav", samples(lambda x: np.stack([x, x * 0], 1)), "used", "silent"),
]  # fmt: skip

LABEL_TROUBLES = [
    Trouble("tunes/good.mid", song, "used"),
    Trouble("tunes/no bytes.mid", put(b""), "rejected", "empty"),
    Trouble("tunes/garbage.mid", put(b"\x01\x02" * 200), "rejected", "not midi"),
    Trouble("tunes/division.mid", put(smf(NOTE_ON_OFF + END, 0)), "rejected", "division"),
    Trouble("tunes/absurd.mid", put(smf(b"\xff\xff\xff\x7f\x90\x40\x50\xff\xff\xff\x7f\x80\x40\x00" * 9 + END)),
            "rejected", "absurd"),
    Trouble("tunes/cut.mid", damaged(half, song), "rejected", "truncated"),
    Trouble("tunes/no notes.mid", put(smf(END)), "rejected", "no notes"),
    Trouble("tunes/unclosed.mid", put(smf(NOTE_ON_OFF * 20 + b"\x00\x90\x43\x50" + END)), "used", "without an end"),
    Trouble("tunes/million.mid", many_notes, "rejected", "too many"),
    Trouble("tunes/broken.musicxml", put(b"<score-partwise><part>"), "rejected", ""),
    Trouble("tunes/text.abc", put(b"no tune at all"), "rejected", ""),
    Trouble("tunes/tune.abc", put(b"X:1\nT:One\nM:4/4\nL:1/8\nQ:1/4=120\nK:D\nDEFG ABcd|dcBA GFED|DFAd fdAF|D8|\n"),
            "used"),
    Trouble("beats/right.beats", clicked_beats(), "label"),
    Trouble("beats/comma.beats", beside_sound("0,5\t1\n1,0\t2\n1,5\t3\n2,0\t4\n"), "label"),
    Trouble("beats/table.beats", beside_sound(b"\xef\xbb\xbftime;beat\r\n0,5;1\r\n1,0;2\r\n"), "label"),
    Trouble("beats/audacity.beats", beside_sound("0.500000\t0.500000\t1\n1.000000\t1.000000\t2\n"), "label"),
    Trouble("beats/times.beats", beside_sound("0.5\n1.0\n1.5\n"), "label"),
    Trouble("beats/backward.beats", beside_sound("0.5 1\n1.5 2\n1.0 3\n"), "rejected", "line 3"),
    Trouble("beats/words.beats", beside_sound("one\ntwo\n"), "rejected", "line 1"),
    Trouble("beats/no bytes.beats", beside_sound(""), "rejected", ""),
    Trouble("beats/nan.beats", beside_sound("nan 1\n"), "rejected", ""),
    Trouble("chords/broken.lab", beside_sound("0.0 zwei C:maj\n"), "rejected", "line 1"),
    Trouble("chords/right.lab", beside_sound("0.0 2.0 C:maj\n2.0 5.5 G:7\n"), "label"),
    Trouble("chords/broken.jams", beside_sound("{"), "rejected", ""),
    Trouble("tempo/broken.bpm", beside_sound("fast"), "rejected", ""),
    Trouble("tempo/right.bpm", beside_sound("120.5"), "label"),
    Trouble("facts/broken.json", beside_sound("[1, 2"), "rejected", ""),
    Trouble("facts/right.json", beside_sound(json.dumps({"genre": "waltz", "title": "A", "bpm": 90})), "label"),
    Trouble("beats/lonely.beats", put(b"0.5 1\n"), "ignored", "without"),
]  # fmt: skip

# What is said of the recording beside a label: the label is sound in itself, but does not fit.
MISFITS = [
    Trouble("beats/late.beats", clicked_beats(shift=0.2), "label", "late"),
    Trouble("beats/beyond.beats", clicked_beats(shift=15.0), "label", "end"),
    Trouble("beats/implausible.beats", beside_sound("".join(f"{i * 0.02:.3f} 1\n" for i in range(1, 250))), "label",
            "minute"),
    Trouble("notes/other song.mid", other_song, "label", "song"),
]  # fmt: skip

FILE_TROUBLES = [
    Trouble("names/._apple.wav", put(b"\0\5\x16\7"), "ignored", ""),
    Trouble("names/.DS_Store", put(b"x"), "ignored", ""),
    Trouble("names/Thumbs.db", put(b"x"), "ignored", ""),
    Trouble("__MACOSX/a.wav", put(b"x"), "ignored", ""),
    Trouble(".git/a.wav", put(b"x"), "ignored", ""),
    Trouble("names/arriving.wav.part", put(b"x"), "ignored", ""),
    Trouble("names/notes to self.txt", put(b"x"), "ignored", ""),
    Trouble("names/archive.zip", put(b"x"), "ignored", ""),
    Trouble("names/pipe.wav", lambda path: os.mkfifo(path), "rejected", "not a file"),
    Trouble("names/two\nlines.wav", sound(), "used"),
    Trouble("names/" + "ü" * 125 + ".wav", sound(), "used"),
    Trouble("names/-rf *.wav", sound(), "used"),
    Trouble("names/<b>[red]'\"`$.wav", sound(), "used"),
    Trouble("names/UPPER.WAV", sound(), "used"),
    Trouble("names/upper.wav", sound(), "used"),
    Trouble("names/caf\u00e9.wav", two_alike, "used"),
    Trouble("names/caf\udce9.wav", put(b"x"), "rejected", "name"),
    Trouble("names/out.wav", lambda path: path.symlink_to("/etc/hostname"), "ignored", "out"),
    Trouble("names/broken.wav", lambda path: path.symlink_to(path.with_name("nowhere")), "ignored", "link"),
    Trouble("names/loop", lambda path: path.symlink_to(path.parent), "ignored", "link"),
    Trouble("names/self.wav", lambda path: path.symlink_to(path), "ignored", "link"),
    Trouble("names/inside.wav", lambda path: path.symlink_to(path.parent.parent / "sound" / "plain.wav"), "ignored",
            "link"),
    Trouble("tones/plain again.wav", lambda path: path.write_bytes((path.parent.parent / "sound" / "plain.wav")
                                                                    .read_bytes()), "duplicate", "same content"),
    Trouble("table/metadata.csv", put(b"file_name,style,licence,consent\nlisted.wav,waltz,CC0,\nno.wav,,CC0,no\n"
                                      b"gone.wav,polka,,\n"), "label"),
    Trouble("table/listed.wav", sound(), "used"),
    Trouble("table/no.wav", sound(), "rejected", "consent"),
]  # fmt: skip

TROUBLES = [*WAV_TROUBLES, *LABEL_TROUBLES, *MISFITS, *FILE_TROUBLES]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("messy")
    for trouble in TROUBLES:
        path = root / trouble.name
        path.parent.mkdir(parents=True, exist_ok=True)
        trouble.make(path)
    return root


@pytest.fixture(scope="module")
def found(corpus: Path, openers: LocalOpeners) -> Survey:
    cache = SurveyCache()
    try:
        return survey(corpus, SurveySettings(), cache, openers)
    finally:
        cache.close()


def shown(name: str) -> str:
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def files_of(found: Survey) -> dict[str, SurveyedFile]:
    return {file.path: file for file in found.files}


def test_there_are_more_than_sixty_kinds_of_trouble() -> None:
    assert len(TROUBLES) >= 100
    assert len({trouble.name for trouble in TROUBLES if trouble.verdict != "used" or trouble.word}) >= 60


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: shown(trouble.name)[:40])
def test_each_file_has_the_verdict_that_it_deserves(found: Survey, trouble: Trouble) -> None:
    file = files_of(found)[shown(trouble.name)]
    assert file.verdict == trouble.verdict, f"{file.reason} {file.warnings}"
    if trouble in MISFITS:
        file = files_of(found)[str(Path(trouble.name).with_suffix(".wav"))]
    said = " ".join([file.reason, *file.warnings])
    assert trouble.word in said
    assert file.reason or file.verdict in ("used", "label")
    assert ": " in file.reason or file.verdict != "rejected"


def test_every_file_is_there_once_and_the_counts_add_up(corpus: Path, found: Survey) -> None:
    everything = [path for path in corpus.rglob("*") if path.is_symlink() or not path.is_dir()]
    names = sorted(shown(path.relative_to(corpus).as_posix()) for path in everything)
    assert sorted(file.path for file in found.files) == names
    assert sum(found.counts.values()) == len(names)
    assert {reject.path for reject in found.rejects} == {f.path for f in found.files if f.verdict == "rejected"}


def test_labels_that_do_not_fit_are_not_composed_from(found: Survey) -> None:
    rows = {row.name: row for row in found.rows}
    assert "shifted" in rows["beats/late"].composes or rows["beats/late"].composes == "no notes"
    assert rows["notes/other song"].composes
    assert (rows["beats/late"].misfits, rows["notes/other song"].misfits) == ('["beats"]', '["notes"]')


def test_a_table_is_more_explicit_than_the_name_of_a_folder(found: Survey) -> None:
    listed = files_of(found)["table/listed.wav"]
    assert (listed.style, listed.style_from) == ("waltz", "table/metadata.csv")
    assert next(row.licence for row in found.rows if row.name == "table/listed") == "CC0"


def test_a_missing_row_of_a_table_is_told(found: Survey) -> None:
    assert any("gone.wav" in warning for warning in found.warnings)
