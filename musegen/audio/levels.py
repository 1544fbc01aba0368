"""What is wrong with the samples themselves: measured block by block, judged at the end."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musegen.audio.sound import polarity
from musegen.errors import BadInput

SILENT_PEAK = 1e-4
"""-80 dB of full scale: what stays below is silence."""

ABSURD_PEAK = 8.0
"""+18 dB: no recording, but numbers of another scale."""

ABSURD_CODED_PEAK = 4.0
"""+12 dB: lossy encoders are given full scale and overshoot by a few dB."""

_OVER_PEAK = 1.05
_FULL_SCALE = 0.99
_CLIPPED_SHARE = 0.001
_DC_OFFSET, _DC_SECONDS = 0.01, 0.2
_QUIET_PEAK, _QUIET_SHARE = 1e-3, 0.8
_WINDOW_SECONDS = 0.1


@dataclass(frozen=True)
class Judgement:
    """`peak`: the largest absolute value; `dc_offset`: the mean of each channel; `warnings` for the owner."""

    peak: float
    dc_offset: tuple[float, ...]
    warnings: tuple[str, ...]


class Levels:
    """Listens to blocks of float32 (channels, frames); its memory does not grow."""

    def __init__(self, rate: int, channels: int, absurd_peak: float = ABSURD_PEAK) -> None:
        self._absurd_peak = absurd_peak
        self._rate, self._window = rate, max(1, round(_WINDOW_SECONDS * rate))
        self._frames = self._clipped = self._windows = self._quiet = 0
        self._lowest, self._highest = np.full(channels, np.inf), np.full(channels, -np.inf)
        self._sum, self._products = np.zeros(channels), np.zeros((channels, channels))

    def hear(self, block: NDArray[np.float32]) -> None:
        """The next block; raises `BadInput`: not finite, absurd samples."""
        windows = np.arange(0, block.shape[1], self._window)
        lows, highs = np.minimum.reduceat(block, windows, axis=1), np.maximum.reduceat(block, windows, axis=1)
        low, high = lows.min(axis=1), highs.max(axis=1)
        peak = max(-float(low.min()), float(high.max()))
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise BadInput("it holds samples that are no numbers; export it again", "not finite")
        if peak > self._absurd_peak:
            raise BadInput(f"its samples reach {peak:.3g} times full scale; normalise it", "absurd samples")
        np.minimum(self._lowest, low, out=self._lowest)
        np.maximum(self._highest, high, out=self._highest)
        self._frames += block.shape[1]
        self._sum += block.sum(axis=1)
        self._products += block @ block.T
        self._windows += len(windows)
        self._quiet += int(np.count_nonzero((highs - lows).max(axis=0) < 2 * _QUIET_PEAK))
        if peak >= _FULL_SCALE:
            self._clipped += _flat_tops(block)

    def judge(self) -> Judgement:
        """The verdict on all blocks; raises `BadInput` (silent)."""
        spread = (self._highest - self._lowest) / 2
        if float(spread.max(initial=0.0)) < SILENT_PEAK:
            raise BadInput("it is silent throughout; remove or replace it", "silent")
        mean = self._sum / self._frames
        peak = float(max(self._highest.max(), -self._lowest.min()))
        return Judgement(peak, tuple(float(value) for value in mean), tuple(self._warnings(peak, mean, spread)))

    def _warnings(self, peak: float, mean: NDArray[np.float64], spread: NDArray[np.float64]) -> list[str]:
        found = []
        clipped, quiet = self._clipped / (self._frames * len(mean)), self._quiet / self._windows
        offset = float(np.abs(mean[dc_channels(mean, self._frames, self._rate)]).max(initial=0.0))
        if clipped >= _CLIPPED_SHARE:
            found.append(f"clipped: {100 * clipped:.2g} % of the samples")
        if peak > _OVER_PEAK:
            found.append(f"peaks {20 * np.log10(peak):.1f} dB above full scale")
        if offset:
            found.append(f"DC offset: {100 * offset:.2g} % of full scale, taken off when it is read")
        if len(spread) > 1 and (silent := np.flatnonzero(spread < SILENT_PEAK)).size:
            found.append(f"silent channel: {', '.join(str(number + 1) for number in silent)}")
        if (polarity(self._products - self._frames * np.outer(mean, mean)) < 0).any():
            found.append("opposite phase: its channels cancel, one is turned round for mono")
        if quiet >= _QUIET_SHARE:
            found.append(f"mostly silent: {100 * quiet:.0f} % of its time")
        return found


def dc_channels(mean: NDArray[np.float64], frames: int, rate: int) -> NDArray[np.bool_]:
    """Which channels have a DC offset: a mean beyond 1 % of full scale over 0.2 s or more; shorter sounds swing."""
    return np.asarray((np.abs(mean) > _DC_OFFSET) & (frames >= _DC_SECONDS * rate))


def _flat_tops(block: NDArray[np.float32]) -> int:
    """Samples at full scale in runs of three or more equal ones, but for the first two of each run."""
    flat = (block[:, 1:] == block[:, :-1]) & (np.abs(block[:, 1:]) >= _FULL_SCALE)
    return int(np.count_nonzero(flat[:, 1:] & flat[:, :-1]))
