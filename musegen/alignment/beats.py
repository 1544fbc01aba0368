"""Do the beats fit the recording, or, without one, the notes?"""

import numpy as np
from numpy.typing import NDArray

from musegen.alignment import timing
from musegen.alignment.misfit import Misfit, lateness, time_of
from musegen.ear import ONSET_FRAMES_A_SECOND, Heard
from musegen.labels import Beats, Labels

_SLOWEST_BPM, _FASTEST_BPM = 20.0, 400.0
_FEWEST_FOR_TEMPO = 4
_GAP_BEATS = 3.5
_MOST_UNEVEN = 0.3
_LEAST_COVERED = 0.5
# Measured on true and false pairs of recordings and beats by `benchmarks.alignment`.
_CLEAR, _VERY_CLEAR = 20.0, 40.0
_LEAST_FIT = 0.25
_FEWEST_FOR_PULSE, _FEWEST_OF_A_HALF = 20, 32
_LEAST_DRIFT, _LEAST_DRIFT_SECONDS = 0.0025, 0.1
_LEAST_GAIN, _LEAST_SPEED_FIT = 1.4, 0.6
_LEAST_SHIFT_SCORE, _LEAST_OTHER_SCORE, _OFF_BEAT_SECONDS = 6.0, 8.0, 0.05
_LEAST_SHARE, _LEAST_SHARE_OF_A_PEAK = 0.6, 0.25
# At true beats of 49 recordings the score is 4.0 or more; half a beat beside it is below 1.5 in one of four.
_BARE_SCORE, _LEAST_OFF_BEAT_SCORE = 1.5, 10.0


def misfits(labels: Labels, heard: Heard | None, seconds: float) -> tuple[Misfit, ...]:
    """Times and tempo first; only beats that can be are then held against the sound."""
    beats = labels.beats
    if beats is None or not len(beats):
        return ()
    found = [*_beyond(beats, seconds if heard else None), *_tempo(beats), *_gaps(beats)]
    if heard:
        found += _covered(beats, seconds)
    if not any(misfit.blocks for misfit in found):
        found += _against(labels, heard)
    return tuple(sorted([*found, *_positions(beats)], key=lambda misfit: not misfit.blocks))


def _misfit(reason: str, words: str, blocks: bool = True) -> Misfit:
    return Misfit("beats", reason, words, blocks)


def _beyond(beats: Beats, seconds: float | None) -> list[Misfit]:
    before = int(np.count_nonzero(beats.seconds < -_usual_gap(beats)))
    beyond = 0 if seconds is None else int(np.count_nonzero(beats.seconds > seconds + _usual_gap(beats)))
    if not beyond and not before:
        return []
    place = f"after the recording's end at {time_of(seconds or 0)}" if beyond else "before the beginning"
    words = f"{beyond or before} of {len(beats)} beats come {place}; see whether they belong to another recording"
    return [_misfit("beyond the end" if beyond else "before the start", words, 2 * (beyond + before) > len(beats))]


def _usual_gap(beats: Beats) -> float:
    return float(np.median(np.diff(beats.seconds))) if len(beats) > 1 else 1.0


def _tempo(beats: Beats) -> list[Misfit]:
    if len(beats) < _FEWEST_FOR_TEMPO:
        return []
    gaps = np.diff(beats.seconds)
    bpm = 60 / float(np.median(gaps))
    if not _SLOWEST_BPM <= bpm <= _FASTEST_BPM:
        words = f"the beats come {bpm:.3g} times a minute, which nobody taps; see whether their times are in seconds"
        return [_misfit("implausible tempo", words)]
    uneven = np.abs(np.diff(np.log2(gaps))) > 0.5
    if len(uneven) >= timing.FEWEST_BEATS and uneven.mean() > _MOST_UNEVEN:
        words = f"{uneven.mean():.0%} of the beats are 1.4 times longer or shorter than the one before; tap them again"
        return [_misfit("uneven", words)]
    return []


def _gaps(beats: Beats) -> list[Misfit]:
    """Where beats are missing in the middle."""
    gaps = np.diff(beats.seconds)
    if len(gaps) < timing.FEWEST_BEATS:
        return []
    wide = gaps > _GAP_BEATS * np.median(gaps)
    if not wide.any():
        return []
    place = time_of(float(beats.seconds[:-1][wide][0]))
    missing = gaps[wide].sum() / gaps.sum()
    words = (
        f"beats are missing in {np.count_nonzero(wide)} places, first at {place}, {missing:.0%} of their span in all"
    )
    return [_misfit("gaps", f"{words}; add them", bool(missing > _LEAST_COVERED))]


def _covered(beats: Beats, seconds: float) -> list[Misfit]:
    covered = float(beats.seconds[-1] - beats.seconds[0] + _usual_gap(beats)) / seconds if seconds > 0 else 1.0
    if len(beats) < _FEWEST_FOR_TEMPO or covered >= _LEAST_COVERED:
        return []
    words = f"the beats cover {covered:.0%} of the recording; add the others, or see whether they belong to it"
    return [_misfit("wrong length", words, blocks=False)]


def _positions(beats: Beats) -> list[Misfit]:
    if beats.positions.any() and not (beats.positions == 1).any() and len(beats) >= timing.FEWEST_BEATS:
        words = "no beat has position 1, so that no bar is known; write 1 beside each downbeat"
        return [_misfit("no downbeats", words, blocks=False)]
    return []


def _against(labels: Labels, heard: Heard | None) -> list[Misfit]:
    """The pulse of the beats against that of the recording, or of the notes where there is none."""
    assert labels.beats is not None
    if heard is not None:
        if not timing.has_onsets(heard.onset_strength):
            return []
        return _by_parts(timing.salience(heard.onset_strength), labels.beats.seconds, "recording")
    if labels.notes is None or not len(labels.notes):
        return []
    onsets = np.unique(labels.notes.table["onset_seconds"])
    return _by_parts(timing.salience_of(onsets, labels.notes.seconds), labels.beats.seconds, "notes")


def _by_parts(heard: NDArray[np.float64], beats: NDArray[np.float64], what: str) -> list[Misfit]:
    """All beats, and where nothing is wrong with all, each half: something may have been cut out or put in."""
    beats = beats[(beats >= 0) & (beats * ONSET_FRAMES_A_SECOND < len(heard))]
    pulse, half = timing.pulse(heard, beats), len(beats) // 2
    if pulse is None or pulse.clarity < _CLEAR:
        return []
    whole = _judge(pulse, timing.phase(heard, beats), len(beats), f"the {what}")
    if whole or half < _FEWEST_OF_A_HALF:
        return whole
    second = _shift(timing.phase(heard, beats[half:]), f"the second half of the {what}")
    return second or _shift(timing.phase(heard, beats[:half]), f"the first half of the {what}")


def _judge(pulse: timing.Pulse, phase: timing.Phase, beats: int, what: str) -> list[Misfit]:
    if beats >= _FEWEST_FOR_PULSE:
        if _drifts(pulse):
            words = (
                f"the beats run {abs(pulse.speed - 1):.1%} {'slower' if pulse.speed > 1 else 'faster'} than {what}, "
                f"{pulse.drift_seconds:.1f} s in all; find the beats of this version"
            )
            return [_misfit("drifting", words)]
        if pulse.clarity >= _VERY_CLEAR and pulse.fit < _LEAST_FIT and phase.match.here < _LEAST_OTHER_SCORE:
            words = f"the beats keep another pulse than {what}; find those that belong to it"
            return [_misfit("another song", words)]
    return _shift(phase, what)


def _shift(phase: timing.Phase, what: str) -> list[Misfit]:
    """Clearly beside the onsets; half a beat beside is no proof where something sounds on the beat as well."""
    off_beat = abs(abs(phase.match.late_seconds) - phase.beat_seconds / 2) < _OFF_BEAT_SECONDS
    bare = phase.match.here < _BARE_SCORE and phase.match.best >= _LEAST_OFF_BEAT_SCORE
    beside = phase.match.share < (_LEAST_SHARE_OF_A_PEAK if phase.near else _LEAST_SHARE)
    if (off_beat and not bare) or not beside or phase.match.best < _LEAST_SHIFT_SCORE:
        return []
    words = f"the beats come about {lateness(phase.match.late_seconds)} against {what}; move them, or tap again"
    return [_misfit("shifted", words)]


def _drifts(pulse: timing.Pulse) -> bool:
    """Fits clearly better at another speed, by more than careful tapping wanders."""
    moves = pulse.drift_seconds >= _LEAST_DRIFT_SECONDS and abs(pulse.speed - 1) >= _LEAST_DRIFT
    return moves and pulse.gain >= _LEAST_GAIN and pulse.speed_fit >= _LEAST_SPEED_FIT
