"""How well a learner foretells pieces that it does not learn from, the work shared by all workers."""

import math
from collections.abc import Sequence

import torch

from musegen.training.batches import Piece, Windows, company, negative_log_likelihood, scoring_batches
from musegen.training.learner import Learner
from musegen.training.world import World
from musegen.vocabulary import Vocabulary

_BATCH = 32


class Validation:
    """Pieces to judge by, at most `most` of them, evenly chosen.

    The batches are made once, and are the same for any number of workers, each of which computes as many as any other,
    as models in parts demand.
    """

    def __init__(self, pieces: Sequence[Piece], most: int, vocabulary: Vocabulary, window: int, world: World) -> None:
        chosen = pieces[:: max(1, -(-len(pieces) // most))]
        self._world, self._notes = world, sum(piece.notes for piece in chosen)
        batches = [batch for _, batch in scoring_batches(Windows(chosen, vocabulary, window), _BATCH)]
        mine = batches[world.rank :: world.size]
        rounds = -(-len(batches) // world.size)
        self._batches = mine + [company(vocabulary)] * (rounds - len(mine))

    @property
    def is_empty(self) -> bool:
        """True where there is no note to judge by."""
        return not self._notes

    @torch.no_grad()
    def nll_per_note(self, learner: Learner) -> float:
        """Nats a note of the averaged weights, NaN without any notes."""
        nll = 0.0
        with learner.averaged():
            for batch in self._batches:
                placed = batch.to(self._world.device)
                nll += float(negative_log_likelihood(learner.logits(placed), placed).double().sum())
        total = self._world.total(nll)[0]
        return math.nan if self.is_empty else total / self._notes
