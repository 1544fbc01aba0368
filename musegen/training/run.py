"""One training run: step after step, what it judges and tells on the way, how it is kept and goes on."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from musegen.errors import BadParams
from musegen.training import checkpoint
from musegen.training.feed import Feed
from musegen.training.learner import Learner
from musegen.training.machine import Machine
from musegen.training.optimizer import share
from musegen.training.order import Order, Position
from musegen.training.progress import Pace, Progress, TrainingResult
from musegen.training.saving import Saver, Snapshot
from musegen.training.settings import TrainingSettings
from musegen.training.validation import Validation
from musegen.training.world import World

_REPORT_EVERY = 10

Passage = tuple[int, int, int, int]
"""Epoch, index of the piece in the source, start and stop in tokens: what was learnt from."""


@dataclass(frozen=True)
class Fingerprint:
    """What a run is made with: hashes that its checkpoints are held against."""

    settings: str
    data: str


@dataclass(frozen=True)
class Listeners:
    """Who is told of each word and of the passages of each step, and who says when to stop."""

    on_progress: Callable[[Progress], None]
    stop: Callable[[], bool]
    on_windows: Callable[[int, list[Passage]], None] | None


@dataclass
class Standing:
    """What a run knows besides tensors; saved with every checkpoint."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    train_nll: float = 0.0
    best_step: int = 0
    best_valid: float | None = None
    disappointments: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def position(self) -> Position:
        """Where the next step begins in the data."""
        return Position(self.epoch, self.batch)


class Run:
    """One worker's side of a run in `folder`."""

    def __init__(
        self,
        settings: TrainingSettings,
        fingerprint: Fingerprint,
        order: Order,
        learner: Learner,
        validation: Validation,
        world: World,
        folder: Path,
    ) -> None:
        self._settings, self._fingerprint, self._order = settings, fingerprint, order
        self._learner, self._validation, self._world, self._folder = learner, validation, world, folder
        self._pace, self._machine = Pace(world), Machine(world)
        self._new_best: dict[str, Tensor] | None = None
        self.standing = Standing()

    def resume(self) -> int | None:
        """Go back to the newest whole checkpoint; returns its step, None where there is none.

        Raises `BadParams` where it was made with other settings or data.
        """
        found = checkpoint.newest_valid(self._folder) if self._world.rank == 0 else None
        agreed = self._world.agreed(str(found) if found else None)
        if agreed is None:
            return None
        tensors, state = checkpoint.load(Path(agreed))
        for name, now in asdict(self._fingerprint).items():
            if state.get(name) != now:
                raise BadParams(f"{agreed}: was made with other {name}; train in another folder or restore them")
        self._learner.restore(tensors)
        self.standing = Standing(**state["standing"])
        self._mend(Path(agreed))
        return self.standing.step

    def go(self, feed: Feed, saver: Saver | None, listeners: Listeners, resumed: int | None) -> TrainingResult:
        """Step until the steps are done, patience ends or somebody says stop; `saver` is the first worker's."""
        standing, settings, interrupted = self.standing, self._settings, False
        self._pace, resumed_nll = Pace(self._world), None
        if resumed is not None:
            resumed_nll = standing.train_nll
            listeners.on_progress(replace(self._word(feed, None), train_nll_per_token=resumed_nll, resumed=True))
        while not self._is_over and not interrupted:
            self._step(feed, listeners)
            judging = standing.step == settings.steps or standing.step % settings.eval_every == 0
            valid = self._judge() if judging else None
            interrupted = standing.step % self._world.steps_a_vote == 0 and self._is_unwanted(listeners)
            ending = self._is_over or interrupted
            saving = ending or standing.step % settings.checkpoint_every == 0
            if saving or judging or standing.step % _REPORT_EVERY == 0:
                word = self._word(feed, valid)
                if saving:
                    self._save(saver)
                saved = saver.newly_saved(wait=ending) if saver else None
                listeners.on_progress(replace(word, checkpoint=saved))
        return self._result(saver, resumed, resumed_nll, interrupted)

    def _mend(self, resumed: Path) -> None:
        """Away with broken checkpoints; have the best weights back, or begin to look for them anew."""
        is_there = False
        if self._world.rank == 0:
            checkpoint.discard_broken(resumed)
            is_there = checkpoint.mend_best(resumed)
        if self._world.total(float(is_there))[0]:
            return
        standing = self.standing
        if standing.best_step == standing.step:  # they are what the checkpoint has as the average
            self._new_best = self._averaged()
        else:
            standing.best_step, standing.best_valid, standing.disappointments = 0, None, 0

    def _averaged(self) -> dict[str, Tensor]:
        return {name: tensor.clone() for name, tensor in self._learner.average.items()}

    def _is_unwanted(self, listeners: Listeners) -> bool:
        """True where any worker is told to stop; all have to ask at once."""
        return bool(self._world.total(float(listeners.stop()))[0])

    @property
    def _is_out_of_patience(self) -> bool:
        return self.standing.disappointments >= self._settings.patience

    @property
    def _is_over(self) -> bool:
        return self.standing.step >= self._settings.steps or self._is_out_of_patience

    def _step(self, feed: Feed, listeners: Listeners) -> None:
        standing, passages = self.standing, list[Passage]()
        for each in feed.step():
            self._pace.lose(self._learner.learn(standing.step, each))
            if listeners.on_windows:
                passages += self._order.passages(each.position.epoch, each.windows)
        self._learner.move(standing.step)
        self._pace.count(each.targets)
        following = self._order.after(each.position)
        standing.step, standing.epoch, standing.batch = standing.step + 1, following.epoch, following.batch
        if listeners.on_windows:
            listeners.on_windows(standing.step, passages)

    def _judge(self) -> float:
        """Nats a note on the validation pieces; remembers the best weights."""
        standing, valid = self.standing, self._validation.nll_per_note(self._learner)
        if standing.best_valid is None or self._validation.is_empty or valid < standing.best_valid:
            standing.best_valid, standing.best_step, standing.disappointments = valid, standing.step, 0
            self._new_best = self._averaged()
        else:
            standing.disappointments += 1
        return valid

    def _word(self, feed: Feed, valid: float | None) -> Progress:
        standing, settings, reading = self.standing, self._settings, self._pace.read(feed.waited_seconds)
        word = Progress(
            step=standing.step,
            steps=settings.steps,
            epoch=standing.epoch + standing.batch / self._order.batches,
            train_nll_per_token=reading.nll,
            learning_rate=settings.learning_rate * share(standing.step - 1, settings),
            tokens_per_second=reading.tokens_per_second,
            valid_nll_per_note=valid,
            data_wait_share=reading.data_wait_share,
            system=self._machine.read(),
        )
        standing.train_nll = word.train_nll_per_token
        if valid is not None:
            standing.history.append(word.to_json())
        return word

    def _save(self, saver: Saver | None) -> None:
        """Hand the saver a copy of everything; all workers give their parts."""
        state = {**asdict(self._fingerprint), "standing": asdict(self.standing)}
        new_best = None if self._new_best is None else self._learner.gathered(self._new_best)
        snapshot = Snapshot(self.standing.step, self._learner.state(), state, self.standing.best_step, new_best)
        self._new_best = None
        if saver:
            saver.save(snapshot)

    def _result(self, saver: Saver | None, resumed: int | None, nll: float | None, interrupted: bool) -> TrainingResult:
        standing = self.standing
        best = checkpoint.best_path(self._folder, standing.best_step or standing.step)
        # Interrupted before the first evaluation: what there is. The best that a finished run had lost: those.
        unsaved = self._new_best if standing.best_step else self._learner.average
        if unsaved is not None:
            weights = self._learner.gathered(unsaved)
            if saver:
                saver.save_best(standing.best_step or standing.step, weights)
        self._world.total(0.0)  # nobody leaves before it is written
        return TrainingResult(
            steps=standing.step,
            best=best,
            best_step=standing.best_step,
            best_valid_nll_per_note=None if self._validation.is_empty else standing.best_valid,
            resumed_from_step=resumed,
            stopped_early=self._is_out_of_patience,
            interrupted=interrupted,
            history=tuple(Progress.of_json(entry) for entry in standing.history),
            resumed_nll=nll,
        )
