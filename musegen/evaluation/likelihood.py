"""How well music is foretold: the same figures for a generator and for the count model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from musegen.errors import BadInput
from musegen.evaluation.copy_last import CopyLast
from musegen.evaluation.counts import CountModel
from musegen.evaluation.tally import Tally, tally
from musegen.models import Generator
from musegen.tokens import FAMILIES
from musegen.training.batches import Piece, Windows, scoring_batches
from musegen.training.loop import negative_log_likelihood
from musegen.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Foretold:
    """One piece as a model saw it: nats of every token of music and end (n + 1,), and the token it held likeliest."""

    nats: NDArray[np.float64]
    guesses: NDArray[np.int64]


Scorer = Callable[[Sequence[Piece]], list[Foretold]]
"""What can be judged."""


@dataclass(frozen=True)
class Family:
    """Of one family: share of its guesses that are right, share of its tokens guessed, their harmonic mean."""

    precision: float
    recall: float
    f1: float
    tokens: int


@dataclass(frozen=True)
class Likelihood:
    """Nats a note, beat, bar and token (all tokens of music and the end, none of the prefix, over all pieces together).

    `accuracy` is the share of tokens that were held likeliest; precision, recall and F1 are means over the
    families that occur, each weighing the same. `intervals`: name of a figure (`families.pitch.f1` too) → ends of its
    95% bootstrap interval over pieces. `by_piece` (nats a note) and `accuracy_by_piece` are in the order of the pieces;
    `tally` holds the sums that all this comes from.
    """

    nll_per_note: float
    nll_per_beat: float
    nll_per_bar: float
    nll_per_token: float
    accuracy: float
    precision: float
    recall: float
    f1: float
    families: dict[str, Family]
    intervals: dict[str, list[float]]
    by_piece: tuple[float, ...]
    accuracy_by_piece: tuple[float, ...]
    notes: int
    beats: int
    tokens: int
    tally: Tally

    def to_report(self, names: Sequence[str]) -> dict[str, Any]:
        """Plain values in the form of a `Report`; `names` are those of the pieces, in order."""
        plain = ("by_piece", "accuracy_by_piece", "families", "tally")
        found = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in plain}
        families = {
            name: {"precision": row.precision, "recall": row.recall, "f1": row.f1, "support": row.tokens}
            for name, row in self.families.items()
        }
        return {
            **found,
            "pieces": len(self.by_piece),
            "families": families,
            "per_piece": dict(zip(names, self.by_piece, strict=True)),
            "per_piece_accuracy": dict(zip(names, self.accuracy_by_piece, strict=True)),
        }


def judge(scorer: Scorer, pieces: Sequence[Piece], vocabulary: Vocabulary) -> Likelihood:
    """All figures over `pieces`; raises `BadInput` where they have no notes."""
    if not sum(piece.notes for piece in pieces):
        raise BadInput("there are no notes to judge by; add music", "no pieces")
    scored = scorer(pieces)
    found = tally([each.nats for each in scored], [each.guesses for each in scored], pieces, vocabulary)
    values = found.values()
    families = {
        name: Family(
            precision=values[f"families.{name}.precision"],
            recall=values[f"families.{name}.recall"],
            f1=values[f"families.{name}.f1"],
            tokens=int(tokens),
        )
        for name, tokens in zip(FAMILIES, found.meant.sum(axis=0), strict=True)
        if tokens
    }
    by_piece = found.by_piece()
    return Likelihood(
        **{name: value for name, value in values.items() if not name.startswith("families.")},
        families=families,
        intervals=found.intervals(),
        by_piece=tuple(by_piece["per_piece"].tolist()),
        accuracy_by_piece=tuple(by_piece["per_piece_accuracy"].tolist()),
        notes=int(found.notes.sum()),
        beats=int(found.beats.sum()),
        tokens=int(found.tokens.sum()),
        tally=found,
    )


def counting(model: CountModel) -> Scorer:
    """The count model as a scorer."""
    return _stating(model.probabilities, model.vocabulary)


def copying(model: CopyLast) -> Scorer:
    """Who says again what was said a bar or more before, as a scorer."""
    return _stating(model.probabilities, model.vocabulary)


def _stating(probabilities: Callable[[Piece], NDArray[np.float64]], vocabulary: Vocabulary) -> Scorer:
    """A scorer from the probabilities (n + 1, vocabulary) of every token of a piece and its end."""

    def score(pieces: Sequence[Piece]) -> list[Foretold]:
        scored = []
        for piece in pieces:
            shares = probabilities(piece)
            targets = np.append(piece.tokens.astype(np.int64), vocabulary.end)
            nats = -np.log(shares[np.arange(len(targets)), targets])
            scored.append(Foretold(nats, shares.argmax(axis=1)))
        return scored

    return score


def generating(model: Generator, vocabulary: Vocabulary, window: int, batch_size: int = 32) -> Scorer:
    """A generator as a scorer, on the device of its weights; each token is foretold from half a window or more."""

    @torch.no_grad()
    def score(pieces: Sequence[Piece]) -> list[Foretold]:
        device = next(model.parameters()).device
        windows = Windows(pieces, vocabulary, window)
        scored = [Foretold(np.zeros(length), np.zeros(length, np.int64)) for length in windows.lengths]
        for group, batch in scoring_batches(windows, batch_size):
            placed = batch.to(device)
            logits = model(placed.ids, placed.contexts)
            nats = negative_log_likelihood(logits, placed).cpu().numpy()
            guesses = logits.argmax(dim=-1).cpu().numpy()
            for row, cut in enumerate(group):
                offset = vocabulary.prefix_length - 1 - cut.start
                inside = slice(cut.scored + offset, cut.stop + offset)
                scored[cut.piece].nats[cut.scored : cut.stop] = nats[row, inside]
                scored[cut.piece].guesses[cut.scored : cut.stop] = guesses[row, inside]
        return scored

    return score
