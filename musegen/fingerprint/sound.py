"""The fingerprint of a sound: a sample of its landmarks in groups of four, that survives what copies go through.

A group of four landmarks is known by its shape: the intervals above its lowest one, and when each comes as a share of
the time from the first to the last. Both are the same after a transposition and a change of tempo, and level, channels
and most of the spectrum do not matter at all. Of all shapes of a recording those with the smallest hashes are kept, so
that copies keep the same ones (min-hash), however long they are.

References: J. Six, M. Leman, *Panako: a scalable acoustic fingerprinting system handling time-scale and pitch
modification* (ISMIR 2014); R. Sonnleitner, G. Widmer, *Quad-based audio fingerprinting robust to time and frequency
scaling* (DAFx 2014); A. Broder, *On the resemblance and containment of documents* (1997).
"""

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.ear import LANDMARK_FRAMES_A_SECOND, Heard
from musegen.fingerprint.hashing import chained

SOUND = np.dtype([("frame", "<u4"), ("delays", "u1", 3), ("pitches", "u1", 4)])
"""Four landmarks in order of time, 11 bytes: the first one's frame of 20 ms, by how many frames the others follow, and
their pitches in quarter semitones above MIDI pitch 48."""

MOST_GROUPS = 768
STEPS_A_SEMITONE = 4

_LOWEST_PITCH = 48
_STRONGEST_A_SECOND = 6
_NEXT_LANDMARKS = 10
_LEAST_FRAMES, _MOST_FRAMES = 15, 150
_WIDEST_SEMITONES = 36
_LEVELS = 12
# Weaker beginnings than this share of the strongest are noise, or the beating of a lasting tone.
_WEAKEST = 0.05
_SHORTEST_SECONDS = 2.0
_FEWEST_LANDMARKS, _FEWEST_GROUPS = 20, 60
_ANCHORS_AT_ONCE = 1024
_CHOICES = np.array([(0, *rest) for rest in itertools.combinations(range(1, _NEXT_LANDMARKS + 1), 3)])


def sound(heard: Heard) -> NDArray[Any]:
    """At most 768 groups of landmarks in the order of their hashes, dtype `SOUND`.

    Empty where nothing can be told for sure: silence, lasting tones, noises shorter than two seconds.
    """
    landmarks = _strongest(heard.landmarks)
    if len(landmarks) < _FEWEST_LANDMARKS or landmarks[-1, 0] - landmarks[0, 0] < _SHORTEST_SECONDS:
        return np.empty(0, SOUND)
    frames = np.rint(landmarks[:, 0].astype(np.float64) * LANDMARK_FRAMES_A_SECOND).astype(np.int64)
    pitches = np.clip(np.rint((landmarks[:, 1] - _LOWEST_PITCH) * STEPS_A_SEMITONE), 0, 255).astype(np.int64)
    kept, hashes = np.empty(0, SOUND), np.empty(0, np.uint64)
    for start in range(0, len(frames) - _NEXT_LANDMARKS, _ANCHORS_AT_ONCE):
        part = slice(start, start + _ANCHORS_AT_ONCE + _NEXT_LANDMARKS)
        found = _groups_of_four(frames[part], pitches[part])
        hashes = np.concatenate([hashes, hashes_of(found)])
        _, first = np.unique(hashes, return_index=True)
        first = first[:MOST_GROUPS]
        kept, hashes = np.concatenate([kept, found])[first], hashes[first]
    return kept if len(kept) >= _FEWEST_GROUPS else np.empty(0, SOUND)


def hashes_of(groups: NDArray[Any]) -> NDArray[np.uint64]:
    """A hash of the shape of each group: equal in any key and at any tempo."""
    times, pitches = times_of(groups), groups["pitches"].astype(np.int64)
    levels = (2 * _LEVELS * times + times[:, 3:]) // (2 * times[:, 3:])
    intervals = (pitches - pitches.min(axis=1, keepdims=True) + STEPS_A_SEMITONE // 2) // STEPS_A_SEMITONE
    # Landmarks that begin together come in either order.
    points = np.sort(levels * 64 + intervals, axis=1).astype(np.uint64)
    return chained(list(points.T))


def times_of(groups: NDArray[Any]) -> NDArray[np.int64]:
    """When the four landmarks come, in frames after the first: (n, 4)."""
    return np.concatenate([np.zeros((len(groups), 1), np.int64), groups["delays"].astype(np.int64)], axis=1)


def _strongest(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """About so many a second, ranked among those within a second on either side."""
    if not len(landmarks):
        return landmarks
    landmarks = landmarks[landmarks[:, 2] >= _WEAKEST * landmarks[:, 2].max()]
    seconds, strength = landmarks[:, 0], landmarks[:, 2]
    stronger = np.zeros(len(landmarks), np.int64)
    for distance in range(1, len(landmarks)):
        near = seconds[distance:] - seconds[:-distance] <= 1.0
        if not near.any():
            break
        rising = strength[distance:] > strength[:-distance]
        stronger[:-distance] += near & rising
        stronger[distance:] += near & ~rising
    return landmarks[stronger < 2 * _STRONGEST_A_SECOND]


def _groups_of_four(frames: NDArray[np.int64], pitches: NDArray[np.int64]) -> NDArray[Any]:
    """Each landmark with any three of the ten that follow it, unless they lie too near together or too far apart."""
    members = np.arange(max(0, len(frames) - _NEXT_LANDMARKS))[:, None, None] + _CHOICES
    members = members.reshape(-1, 4)
    times, heights = frames[members], pitches[members]
    span = times[:, 3] - times[:, 0]
    width = heights.max(axis=1) - heights.min(axis=1)
    fit = (span >= _LEAST_FRAMES) & (span <= _MOST_FRAMES) & (width <= _WIDEST_SEMITONES * STEPS_A_SEMITONE)
    groups = np.empty(int(fit.sum()), SOUND)
    groups["frame"], groups["delays"] = times[fit, 0], times[fit, 1:] - times[fit, :1]
    groups["pitches"] = heights[fit]
    return groups
