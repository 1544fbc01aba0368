"""Training a generator: a plain loop that any launcher can run, alone or as one of several workers.

Loses nothing: a checkpoint holds all that the next step depends on, and a run that was killed and resumed ends with the
same weights, bit for bit, on the same machine with the same number of workers; with another number, it differs by the
order in which numbers are added.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from torch import Tensor

from musegen.errors import BadInput
from musegen.models import RecurrentSettings, TransformerSettings, save_weights
from musegen.training.batches import Piece, negative_log_likelihood, room_of
from musegen.training.feed import Feed
from musegen.training.learner import Learner
from musegen.training.order import Order
from musegen.training.progress import Progress, TrainingResult
from musegen.training.run import Fingerprint, Listeners, Passage, Run
from musegen.training.saving import Saver
from musegen.training.settings import TrainingSettings
from musegen.training.source import InMemory, Source
from musegen.training.validation import Validation
from musegen.training.world import World, keep_freed_memory
from musegen.vocabulary import Vocabulary

__all__ = ["negative_log_likelihood", "train"]


def train(
    settings: TrainingSettings,
    model_settings: TransformerSettings | RecurrentSettings,
    vocabulary: Vocabulary,
    source: Source | Sequence[Piece],
    valid_pieces: Sequence[Piece],
    folder: Path,
    world: World | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    stop: Callable[[], bool] = lambda: False,
    on_windows: Callable[[int, list[Passage]], None] | None = None,
) -> TrainingResult:
    """Train until the steps are done, patience ends or `stop()` says so, from the newest whole checkpoint in `folder`.

    Every worker calls this with the same arguments but `world`. `on_windows` is told after each step what this worker
    has computed of it. Raises `BadInput` where there is nothing to train on or a shard is damaged, `BadParams` where
    the checkpoint was made with other settings or data, `Unavailable` where a checkpoint can't be written.
    """
    source = InMemory(source) if isinstance(source, Sequence) else source
    if not any(len(lengths) for lengths in source.lengths):
        raise BadInput("the training split has no pieces; add music", "no pieces")
    keep_freed_memory()
    world, window = world or World(), model_settings.window
    order = Order(source.lengths, room_of(window, vocabulary), settings)
    made_with = "-".join(part.fingerprint() for part in (settings, model_settings, vocabulary))
    fingerprint = Fingerprint(made_with, order.data_fingerprint())
    learner = Learner(settings, model_settings, vocabulary, world)
    validation = Validation(valid_pieces, settings.valid_pieces, vocabulary, window, world)
    run = Run(settings, fingerprint, order, learner, validation, world, folder)
    resumed = run.resume()

    def write_best(draft: Path, weights: Mapping[str, Tensor]) -> None:
        save_weights(draft, weights, model_settings, vocabulary)

    with ExitStack() as stack:
        feed = stack.enter_context(Feed(source, order, vocabulary, world, run.standing.position))
        saver = Saver(folder, settings.keep_checkpoints, write_best) if world.rank == 0 else None
        if saver:
            stack.enter_context(saver)
        return run.go(feed, saver, Listeners(on_progress, stop, on_windows), resumed)
