"""Training a generator: a plain loop that any launcher can run, alone or as one of several workers.

Loses nothing: a checkpoint holds all that the next step depends on, and a run that was killed and resumed ends with the
same weights, bit for bit, on the same machine with the same number of workers.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from musegen.errors import BadInput, BadParams
from musegen.models import RecurrentSettings, Sizes, TransformerSettings, build, save_model
from musegen.training import checkpoint
from musegen.training.batches import IGNORED, Batch, Order, Piece, Windows, scoring_batches, training_batches
from musegen.training.optimizer import load_state, optimizers, set_learning_rates, share, state_of
from musegen.training.progress import Pace, Progress, TrainingResult
from musegen.training.settings import TrainingSettings
from musegen.training.world import World, autocast, keep_freed_memory
from musegen.vocabulary import Vocabulary

BEST = "best"
"""The folder of the best weights, a `load_model` folder."""

_REPORT_EVERY = 10
_SCORING_BATCH = 32


@dataclass
class _Standing:
    """What a run knows besides tensors; saved with every checkpoint."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    best_step: int = 0
    best_valid: float | None = None
    disappointments: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


def train(
    settings: TrainingSettings,
    model_settings: TransformerSettings | RecurrentSettings,
    vocabulary: Vocabulary,
    train_pieces: Sequence[Piece],
    valid_pieces: Sequence[Piece],
    folder: Path,
    world: World | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    stop: Callable[[], bool] = lambda: False,
) -> TrainingResult:
    """Train until the steps are done, patience ends or `stop()` says so, from the newest whole checkpoint in `folder`.

    Every worker calls this with the same arguments but `world`. Raises `BadInput` where there is nothing to train on,
    `BadParams` where the checkpoint was made with other settings.
    """
    if not train_pieces:
        raise BadInput("the training split has no pieces; add music", "no pieces")
    keep_freed_memory()
    run = _Run(settings, model_settings, vocabulary, train_pieces, valid_pieces, folder, world or World())
    resumed = run.resume()
    return run.run(on_progress, stop, resumed)


class _Run:
    def __init__(
        self,
        settings: TrainingSettings,
        model_settings: TransformerSettings | RecurrentSettings,
        vocabulary: Vocabulary,
        train_pieces: Sequence[Piece],
        valid_pieces: Sequence[Piece],
        folder: Path,
        world: World,
    ) -> None:
        self.settings, self.model_settings, self.vocabulary = settings, model_settings, vocabulary
        self.folder, self.world = folder, world
        self.fingerprint = "-".join(part.fingerprint() for part in (settings, model_settings, vocabulary))
        torch.manual_seed(settings.seed)
        self.model = build(model_settings, Sizes.of(vocabulary)).to(world.device)
        self.wrapped = world.wrap(self.model)
        self.parameters: list[Tensor] = list(self.model.parameters())
        self.active = optimizers(self.model, settings)
        self.average = [parameter.detach().clone() for parameter in self.parameters]
        self.best = [parameter.clone() for parameter in self.average]
        self.train_windows = Windows(train_pieces, vocabulary, model_settings.window)
        chosen = valid_pieces[:: max(1, -(-len(valid_pieces) // settings.valid_pieces))]
        self.valid_windows = Windows(chosen, vocabulary, model_settings.window)
        self.windows_an_epoch = sum(-(-length // self.train_windows.room) for length in self.train_windows.lengths)
        self.standing = _Standing()

    def run(
        self, on_progress: Callable[[Progress], None], stop: Callable[[], bool], resumed: int | None
    ) -> TrainingResult:
        settings, standing, world = self.settings, self.standing, self.world
        batches = training_batches(
            self.train_windows,
            settings.seed,
            settings.global_batch,
            settings.forget,
            world.rank,
            world.size,
            Order(standing.epoch, standing.batch),
        )
        pace, interrupted = Pace(world), False
        while standing.step < settings.steps and not self.out_of_patience and not interrupted:
            following, batch, targets = next(batches)
            pace.count(self.update(batch.to(world.device), targets), targets)
            standing.step, standing.epoch, standing.batch = standing.step + 1, following.epoch, following.batch
            last = standing.step == settings.steps
            valid = self.evaluate() if last or standing.step % settings.eval_every == 0 else None
            progress = self.progress(pace, valid) if valid is not None or standing.step % _REPORT_EVERY == 0 else None
            if progress and valid is not None:
                standing.history.append(asdict(progress))
            interrupted = bool(world.total(float(stop()))[0])
            saving = last or interrupted or standing.step % settings.checkpoint_every == 0
            if progress or saving:
                saved = self.save() if saving else None
                on_progress(replace(progress or self.progress(pace, None), checkpoint=saved))
        return self.finish(resumed, interrupted)

    @property
    def out_of_patience(self) -> bool:
        return self.standing.disappointments >= self.settings.patience

    @property
    def unjudged(self) -> bool:
        """True where there is no validation piece to judge by: the latest weights are then the best."""
        return not self.valid_windows.pieces

    def update(self, batch: Batch, targets: int) -> float:
        """Do one step; returns this worker's part of the loss, in nats a target of the global batch."""
        step = self.standing.step
        # A seed of its own for every step and worker: what dropout draws depends on nothing that came before.
        torch.manual_seed(hash((self.settings.seed, step, self.world.rank)))
        set_learning_rates(self.active, share(step, self.settings))
        self.model.train()
        with autocast(self.settings, self.world.device):
            logits = self.wrapped(batch.ids, batch.contexts)
        loss = negative_log_likelihood(logits, batch).sum() / targets
        # DDP averages gradients over workers where the sum is meant.
        torch.autograd.backward(loss * self.world.size)
        torch.nn.utils.clip_grad_norm_(self.parameters, self.settings.clip, foreach=True)
        for optimizer in self.active:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            decay = min(self.settings.ema, (1 + step) / (10 + step))
            torch._foreach_lerp_(self.average, self.parameters, 1 - decay)
        return float(loss.detach())

    @torch.no_grad()
    def evaluate(self) -> float:
        """NLL per note of the averaged weights on the validation pieces (NaN without any); remembers the best."""
        nll = 0.0
        with self.averaged():
            for index, (_, batch) in enumerate(scoring_batches(self.valid_windows, _SCORING_BATCH)):
                if index % self.world.size == self.world.rank:
                    placed = batch.to(self.world.device)
                    with autocast(self.settings, self.world.device):
                        logits = self.model(placed.ids, placed.contexts)
                    nll += float(negative_log_likelihood(logits, placed).sum())
        notes = sum(piece.notes for piece in self.valid_windows.pieces)
        valid = self.world.total(nll)[0] / notes if notes else math.nan
        standing = self.standing
        if standing.best_valid is None or self.unjudged or valid < standing.best_valid:
            standing.best_valid, standing.best_step, standing.disappointments = valid, standing.step, 0
            torch._foreach_copy_(self.best, self.average)
        else:
            standing.disappointments += 1
        return valid

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The model holds the averaged weights inside, its own again afterwards."""
        own = [parameter.detach().clone() for parameter in self.parameters]
        torch._foreach_copy_([parameter.data for parameter in self.parameters], self.average)
        self.model.eval()
        try:
            yield
        finally:
            torch._foreach_copy_([parameter.data for parameter in self.parameters], own)

    def progress(self, pace: "Pace", valid: float | None) -> Progress:
        nll, speed = pace.read()
        rate = self.settings.learning_rate * share(self.standing.step - 1, self.settings)
        epoch = self.standing.epoch + self.standing.batch * self.settings.global_batch / self.windows_an_epoch
        return Progress(self.standing.step, self.settings.steps, epoch, nll, rate, speed, valid)

    def save(self) -> Path | None:
        """Write a checkpoint, on the first worker."""
        if self.world.rank:
            return None
        tensors = {
            "weights": _numbered([parameter.detach() for parameter in self.parameters]),
            "average": _numbered(self.average),
            "best": _numbered(self.best),
            "optimizer": state_of(self.active),
        }
        state = {"made_with": self.fingerprint, "standing": asdict(self.standing)}
        return checkpoint.save(self.folder, self.standing.step, tensors, state)

    def resume(self) -> int | None:
        """Go back to the newest whole checkpoint; returns its step, None where there is none.

        Raises `BadParams` where it was made with other settings.
        """
        found = checkpoint.newest_valid(self.folder) if self.world.rank == 0 else None
        agreed = self.world.agreed(str(found) if found else None)
        if agreed is None:
            return None
        tensors, state = checkpoint.load(Path(agreed))
        if state["made_with"] != self.fingerprint:
            raise BadParams(f"{agreed}: was made with other settings; train in another folder or restore them")
        with torch.no_grad():
            for name, into in (("weights", self.parameters), ("average", self.average), ("best", self.best)):
                for index, tensor in enumerate(into):
                    tensor.copy_(tensors[name][str(index)])
        load_state(self.active, tensors.get("optimizer", {}))
        self.standing = _Standing(**state["standing"])
        return self.standing.step

    def finish(self, resumed: int | None, interrupted: bool) -> TrainingResult:
        """Write the best weights as a model of its own."""
        standing = self.standing
        folder = self.folder / BEST
        with torch.no_grad():
            torch._foreach_copy_(self.parameters, self.average if standing.best_valid is None else self.best)
        if self.world.rank == 0:
            save_model(folder, self.model, self.model_settings, self.vocabulary)
        self.world.total(0.0)  # nobody leaves before it is written
        return TrainingResult(
            steps=standing.step,
            best=folder,
            best_step=standing.best_step,
            best_valid_nll_per_note=None if self.unjudged else standing.best_valid,
            resumed_from_step=resumed,
            stopped_early=self.out_of_patience,
            interrupted=interrupted,
            history=tuple(Progress(**entry) for entry in standing.history),
        )


def negative_log_likelihood(logits: Tensor, batch: Batch) -> Tensor:
    """Nats of every target (windows, time); 0 where there is none."""
    flat = F.cross_entropy(
        logits.flatten(0, 1).float(), batch.targets.flatten(), ignore_index=IGNORED, reduction="none"
    )
    return flat.view(batch.targets.shape)


def _numbered(tensors: Sequence[Tensor]) -> dict[str, Tensor]:
    return {str(index): tensor for index, tensor in enumerate(tensors)}
