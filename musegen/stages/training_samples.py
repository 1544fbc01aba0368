"""Pictures and pieces that are made while a training goes on, to be looked at and heard in MLflow."""

import os
import shutil
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from musegen import pieces
from musegen.cluster.train import PROGRESS
from musegen.evaluation import pictures
from musegen.generate import Composed, Composer, Habits, Request
from musegen.models import RecurrentSettings, Sizes, TransformerSettings, build
from musegen.params import SampleSettings
from musegen.registry import GENERATOR
from musegen.stages.training_spool import Spool
from musegen.training import Progress, journal
from musegen.vocabulary import Vocabulary

AVERAGE = "average.safetensors"
"""The averaged weights in a checkpoint."""

_LAST_SECONDS = 15.0
_NICEST = 19
_SHARE = 0.03


class Artist:
    """Draws the learning curve after an evaluation, and composes a piece of each style when epochs are over.

    One thread of low priority, in the driver, where nothing else uses torch: of what comes while it is busy, the last
    is made. Pieces take three hundredths of the time at most: where epochs are short, some go without. What
    is made goes into the outbox of the run; what went wrong last is `trouble`, and never an exception.
    """

    def __init__(
        self,
        run: Path,
        settings: SampleSettings,
        model: TransformerSettings | RecurrentSettings,
        vocabulary: Vocabulary,
        habits: Mapping[str, Habits],
        data_sha256: str,
    ) -> None:
        self._run, self._settings, self._model = run, settings, model
        self._vocabulary, self._habits = vocabulary, dict(habits)
        self._facts = {"name": GENERATOR, "version": 0, "data_sha256": data_sha256}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._heard_until: float | None = None
        self._curve = False
        self._piece: Progress | None = None
        self._rests_until = 0.0
        self.pieces: list[str] = []
        self.trouble = ""

    def hear(self, progress: Progress) -> None:
        """Begin what this word gives reason for, and return."""
        if self._heard_until is None:
            self._heard_until = progress.epoch if progress.resumed else 0.0
        due = self._epochs(progress.epoch) > self._epochs(self._heard_until)
        with self._lock:
            self._curve |= progress.valid_nll_per_note is not None
            if progress.checkpoint is not None and due and time.monotonic() >= self._rests_until:
                self._piece = progress
            if self._thread is None and (self._curve or self._piece):
                self._thread = threading.Thread(target=self._work, daemon=True, name="samples")
                self._thread.start()

    def finish(self) -> None:
        """Wait for what is under way, some seconds, and draw the whole curve."""
        thread = self._thread
        if thread is not None:
            thread.join(_LAST_SECONDS)
        with suppress(Exception):
            draw_curve(self._run)

    def _epochs(self, epoch: float) -> float:
        """The last epoch up to this one that asks for pieces."""
        every = self._settings.every_epochs
        return epoch // every * every if every else 0.0

    def _work(self) -> None:
        with suppress(OSError, AttributeError):  # of this thread alone, on Linux
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICEST)
        while True:
            with self._lock:
                curve, piece, self._curve, self._piece = self._curve, self._piece, False, None
                if not curve and piece is None:
                    self._thread = None
                    return
            try:
                if piece is not None:
                    self._compose(piece)
                if curve:
                    draw_curve(self._run)
            except Exception as error:  # whatever it is, the training goes on
                self.trouble = f"{type(error).__name__}: {error}"

    def _compose(self, progress: Progress) -> None:
        checkpoint = progress.checkpoint
        if checkpoint is None or self._epochs(progress.epoch) <= self._epochs(self._heard_until or 0.0):
            return
        began = time.monotonic()
        composed = compose(checkpoint, self._model, self._vocabulary, self._habits, self._settings.bars)
        if composed:
            self._heard_until = progress.epoch
            self._keep(composed, f"epoch-{self._epochs(progress.epoch):06.2f}".removesuffix(".00"))
            self._rests_until = time.monotonic() + (time.monotonic() - began) / _SHARE

    def _keep(self, composed: list[Composed], name: str) -> None:
        making = self._run / "making" / name
        shutil.rmtree(making, ignore_errors=True)
        written = pieces.write(composed, making, self._facts)
        Spool(self._run).put(making, f"samples/{name}")
        shutil.rmtree(making, ignore_errors=True)
        self.pieces += [f"samples/{name}/{piece.midi.name}" for piece in written]


def compose(
    checkpoint: Path,
    model: TransformerSettings | RecurrentSettings,
    vocabulary: Vocabulary,
    habits: Mapping[str, Habits],
    bars: int,
) -> list[Composed]:
    """One piece of each style by the averaged weights of a checkpoint, always from the same seed.

    No piece where the checkpoint is gone by now.
    """
    network = build(model, Sizes.of(vocabulary))
    try:
        average = load_file(checkpoint / AVERAGE)
    except (OSError, SafetensorError):
        return []
    network.load_state_dict(average)
    composer = Composer(network, vocabulary, dict(habits))
    return composer.compose([Request(style=style, bars=bars, seed=0) for style in composer.styles or (None,)])


def draw_curve(run: Path) -> None:
    """The validation loss by step, as the journal has it, into the outbox."""
    words = journal.read(run / PROGRESS)[0]
    valid = {word.step: word.valid_nll_per_note for word in words if word.valid_nll_per_note is not None}
    if valid:
        rows = [{"step": step, "valid": nll} for step, nll in sorted(valid.items())]
        Spool(run).put(pictures.learning_curve(rows, None, run / "making" / "learning.png"), "plots")
