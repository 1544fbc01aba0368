"""Looking into one track: all that its files hold. It runs in a guarded child, since files come from strangers."""

import base64
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen import alignment, audio, corpora, fingerprint, guard
from musegen.corpora import Reading
from musegen.ear import Ear, Heard
from musegen.errors import BadInput
from musegen.grouping import Prints
from musegen.labels import Labels, Notes
from musegen.score import Score
from musegen.theory import Meter
from musegen.tokens import Tokenizer, TokenizerSettings
from musegen.track import Said, Track

TARGET = f"{__name__}:answer"
_COMMON_METERS = {Meter.parse(text) for text in ("2/4", "3/4", "4/4", "2/2", "3/8", "6/8", "9/8", "12/8")}


@dataclass(frozen=True)
class Facts:
    """What a complete look at a track found; JSON-able.

    `said` holds what is said of it in words, `sources` who says what (`Reading.sources`). `prints` are the fingerprints
    (`Prints.to_bytes`) as base 85. `composes` is empty where the track can teach the generator; `misfits` are
    the kinds of labels that do not fit the recording, and must not be learnt from.
    """

    seconds: float = 0.0
    sample_rate: int | None = None
    channels: int | None = None
    said: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    style_confidence: float | None = None
    notes: int | None = None
    notes_confidence: float | None = None
    beats: int | None = None
    beats_confidence: float | None = None
    chords: int | None = None
    bpm: float | None = None
    key: str | None = None
    meter: str | None = None
    composes: str = ""
    misfits: tuple[str, ...] = ()
    prints: str = ""
    warnings: tuple[str, ...] = ()


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """In the child: `{"track": …, "layout": …}` → the facts, or which file can't be used (`unfit`) and why."""
    track = track_from_json(question["track"])
    try:
        return asdict(look(track, question["layout"]))
    except BadInput as error:
        return {"unfit": str(error.file or track.content), "reason": error.reason, "words": _words(error)}
    except MemoryError:
        return {"unfit": "", "reason": "too large", "words": "it takes too much memory to open; split it"}


def look(track: Track, layout: str) -> Facts:
    """Open every file of a track; raises `BadInput` that names the first one that can't be used."""
    sound, heard = (None, None) if track.audio is None else _listen(track.audio)
    reading = corpora.loader(layout).read(track)
    facts = replace(_describe(reading), prints=_prints(reading.labels.notes, heard))
    seconds = sound.seconds if sound else facts.seconds
    misfits = alignment.misfits(reading.labels, heard, seconds)
    blocking = [misfit for misfit in misfits if misfit.blocks]
    if blocking and not facts.composes:
        facts = replace(facts, composes=blocking[0].reason)
    warnings = (*(sound.warnings if sound else ()), *facts.warnings, *(misfit.words for misfit in misfits))
    facts = replace(facts, warnings=warnings, misfits=tuple(sorted({misfit.kind for misfit in blocking})))
    if sound is None or heard is None:
        return facts
    return replace(facts, seconds=sound.seconds, sample_rate=sound.rate, channels=sound.channels)


def track_to_json(track: Track) -> dict[str, Any]:
    """A track as the child is asked about it."""
    return {
        "name": track.name,
        "audio": str(track.audio) if track.audio else None,
        "files": {role: str(path) for role, path in track.files.items()},
        "said": [asdict(said) for said in track.said],
    }


def track_from_json(content: dict[str, Any]) -> Track:
    """The reverse of `track_to_json`."""
    files = {role: Path(path) for role, path in content["files"].items()}
    audio_file = Path(content["audio"]) if content["audio"] else None
    return Track(content["name"], audio_file, files, tuple(Said(**said) for said in content["said"]))


def _listen(path: Path) -> tuple[audio.AudioFacts, Heard]:
    """Check a recording and hear it, in one pass."""
    guard.opening(path)
    ears: list[Ear] = []

    def listener(block: NDArray[np.float32], rate: int) -> None:
        if not ears:
            ears.append(Ear(rate))
        ears[0].hear(block)
        guard.alive()

    listeners: tuple[Callable[[NDArray[np.float32], int], None], ...] = (listener,)
    return audio.check(path, listeners), ears[0].heard()


def _prints(notes: Notes | None, heard: Heard | None) -> str:
    known = Prints(
        **({"melody": fingerprint.melody(notes)} if notes else {}),
        **({"sound": fingerprint.sound(heard)} if heard else {}),
    )
    return base64.b85encode(known.to_bytes()).decode()


def _words(error: BadInput) -> str:
    """What is wrong, without the name of the file, which is known and may change."""
    return str(error).removeprefix(f"{error.file.name}: ") if error.file else str(error)


def _describe(reading: Reading) -> Facts:
    labels = reading.labels
    style, notes, beats, tempo = labels.style, labels.notes, labels.beats, labels.tempo
    played = beats.bpm if beats and beats.tempo_known else None
    facts = Facts(
        seconds=notes.seconds if notes else 0.0,
        said=reading.said.known(),
        sources=dict(reading.sources),
        style_confidence=style.confidence if style else None,
        notes=len(notes) if notes else None,
        notes_confidence=notes.confidence if notes else None,
        beats=len(beats) if beats else None,
        beats_confidence=beats.confidence if beats else None,
        chords=len(labels.chords) if labels.chords else None,
        bpm=played or (tempo.bpm if tempo else None),
        key=str(labels.tonality.key) if labels.tonality else None,
        meter=reading.said.meter,
        warnings=reading.warnings,
    )
    return _compose(labels, facts)


def _compose(labels: Labels, facts: Facts) -> Facts:
    """Whether the track can teach the generator, and its meter as it would be written."""
    if labels.notes is None or labels.beats is None:
        return replace(facts, composes="no notes" if labels.notes is None else "no beats")
    try:
        score = Score.from_labels(labels.notes, labels.beats)
    except BadInput as error:
        return replace(facts, composes=error.reason)
    return replace(facts, meter=str(score.meter), composes="" if _can_be_written(score) else "meter")


def _can_be_written(score: Score) -> bool:
    """False where a bar has a meter for which there is no token; the vocabulary takes seconds to ask."""
    uncommon = {bar.meter for bar in score.bars} - _COMMON_METERS
    return not uncommon or uncommon <= Tokenizer.create(TokenizerSettings()).meters.keys()
