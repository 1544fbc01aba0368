"""Sound in memory is mixed to one channel without losing it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen.audio import Audio

NOISE = np.random.default_rng(0).standard_normal((8, 2000)).astype(np.float32)


@given(channels=st.integers(1, 8))
def test_channels_that_do_not_cancel_are_averaged(channels: int) -> None:
    assert np.allclose(Audio(NOISE[:channels], 8000).mono, NOISE[:channels].mean(axis=0), atol=1e-6)


@given(first=st.floats(0.5, 1.0), second=st.floats(-1.0, -0.5))
def test_opposite_channels_never_vanish(first: float, second: float) -> None:
    mono = Audio(np.stack([first * NOISE[0], second * NOISE[0]]), 8000).mono
    assert mono.dtype == np.float32
    assert np.sqrt(np.mean(mono**2)) > 0.15 * np.sqrt(np.mean(NOISE[0] ** 2)) * max(first, -second)


def test_the_loudest_channel_keeps_its_polarity() -> None:
    mono = Audio(np.stack([-0.9 * NOISE[0], NOISE[0]]), 8000).mono
    assert np.allclose(mono, 0.95 * NOISE[0], atol=1e-6)


def test_one_channel_is_itself_and_a_copy() -> None:
    sound = Audio(NOISE[:1].copy(), 8000)
    sound.mono[:] = 0
    assert np.array_equal(sound.samples, NOISE[:1])
    assert sound.seconds == pytest.approx(0.25)
