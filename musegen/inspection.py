"""Opening one track of a corpus: what it holds, or which of its files is put aside and why."""

import hashlib
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musegen import audio, code, fingerprint
from musegen.catalogue import Reject
from musegen.corpora import LOADERS
from musegen.errors import BadInput
from musegen.labels import Labels
from musegen.score import Score
from musegen.survey_cache import SurveyCache
from musegen.theory import Meter
from musegen.tokens import Tokenizer, TokenizerSettings
from musegen.track import Track

_SUSPICIOUS_SECONDS = 5.0
_COMMON_METERS = {Meter.parse(text) for text in ("2/4", "3/4", "4/4", "2/2", "3/8", "6/8", "9/8", "12/8")}


@dataclass(frozen=True)
class Facts:
    """What a complete look at a track found; JSON-able. `shingles` is the melody's fingerprint."""

    seconds: float = 0.0
    sample_rate: int | None = None
    channels: int | None = None
    style: str | None = None
    style_from: str | None = None
    notes: int | None = None
    notes_from: str | None = None
    beats: int | None = None
    beats_from: str | None = None
    bpm: float | None = None
    meter: str | None = None
    composes: str = ""
    shingles: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inspected:
    """A track with only the files that can be used; `facts` is None where the whole track is put aside."""

    track: Track
    id: str
    labels_sha256: str
    facts: Facts | None
    rejects: tuple[Reject, ...] = field(default=())

    @property
    def melody(self) -> NDArray[np.uint64]:
        """The melody's fingerprint as an array."""
        return np.array(self.facts.shingles if self.facts else (), np.uint64)


def inspect(track: Track, root: Path, layout: str, cache: SurveyCache) -> Inspected:
    """Open every file of a track. A label that can't be used is put aside alone; a recording takes the track along."""
    rejects: list[Reject] = []
    while True:
        try:
            identity = cache.sha256(track.content)
            labels_sha256 = _labels_sha256(track, cache)
            facts = _facts(track, layout, cache, f"{identity} {labels_sha256} {layout} {code.fingerprint()}")
            return Inspected(track, identity[:32], labels_sha256, facts, tuple(rejects))
        except OSError as error:
            culprit, problem = Path(error.filename or ""), BadInput(f"it can't be opened ({error.strerror})")
        except BadInput as error:
            culprit, problem = error.file or track.content, error
        if culprit == track.content or culprit not in track.files.values():
            rejects.append(_reject(track.content, root, "audio" if track.audio else "labels", problem))
            return Inspected(track, "", "", None, tuple(rejects))
        rejects.append(_reject(culprit, root, "labels", problem))
        track = replace(track, files={kind: file for kind, file in track.files.items() if file != culprit})


def _labels_sha256(track: Track, cache: SurveyCache) -> str:
    parts = [f"{kind} {cache.sha256(file)}" for kind, file in sorted(track.files.items())]
    return hashlib.sha256("\n".join([*parts, track.style or ""]).encode()).hexdigest()


def _facts(track: Track, layout: str, cache: SurveyCache, key: str) -> Facts:
    """What is remembered under `key`, else what is seen; that a file can't be used is remembered as well."""
    known = cache.facts(key)
    if known is None:
        try:
            known = asdict(_look(track, layout))
        except BadInput as error:
            kind = next((kind for kind, file in track.files.items() if file == error.file), None)
            known = {"unfit": kind, "reason": error.reason, "words": _words(error)}
        cache.remember(key, known)
    if "unfit" in known:
        raise BadInput(known["words"], known["reason"], track.files.get(known["unfit"], track.content))
    return Facts(**{**known, "shingles": tuple(known["shingles"]), "warnings": tuple(known["warnings"])})


def _look(track: Track, layout: str) -> Facts:
    heard = audio.check(track.audio) if track.audio is not None else None
    labels = LOADERS[layout].read(track)
    facts = _describe(labels)
    if heard is None:
        return facts
    return replace(
        facts,
        seconds=heard.seconds,
        sample_rate=heard.rate,
        channels=heard.channels,
        warnings=_warnings(labels, heard),
    )


def _words(error: BadInput) -> str:
    """What is wrong, without the name of the file, which is known and may change."""
    return str(error).removeprefix(f"{error.file.name}: ") if error.file else str(error)


def _describe(labels: Labels) -> Facts:
    style, notes, beats = labels.style, labels.notes, labels.beats
    facts = Facts(
        seconds=notes.seconds if notes else 0.0,
        style=style.name if style else None,
        style_from=style.origin if style else None,
        notes=len(notes) if notes else None,
        notes_from=notes.origin if notes else None,
        beats=len(beats) if beats else None,
        beats_from=beats.origin if beats else None,
        bpm=beats.bpm if beats and beats.tempo_known else None,
        shingles=tuple(fingerprint.shingles(notes).tolist()) if notes else (),
    )
    if notes is None or beats is None:
        return replace(facts, composes="no notes" if notes is None else "no beats")
    try:
        score = Score.from_labels(notes, beats)
    except BadInput as error:
        return replace(facts, composes=error.reason)
    return replace(facts, meter=str(score.meter), composes="" if _can_be_written(score) else "meter")


def _can_be_written(score: Score) -> bool:
    """False where a bar has a meter for which there is no token; the vocabulary takes seconds to ask."""
    uncommon = {bar.meter for bar in score.bars} - _COMMON_METERS
    return not uncommon or uncommon <= Tokenizer.create(TokenizerSettings()).meters.keys()


def _warnings(labels: Labels, heard: audio.AudioFacts) -> tuple[str, ...]:
    ends = {"notes": labels.notes.seconds if labels.notes else 0.0}
    ends["beats"] = float(labels.beats.seconds[-1]) if labels.beats and len(labels.beats) else 0.0
    return tuple(
        f"the {kind} go on {end - heard.seconds:.1f} s after the sound ends"
        for kind, end in ends.items()
        if end > heard.seconds + _SUSPICIOUS_SECONDS
    )


def _reject(path: Path, root: Path, stage: str, error: BadInput) -> Reject:
    return Reject(path.relative_to(root).as_posix(), stage, error.reason, str(error))
