"""How well music is foretold: the same figures for a generator and for the count model."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from musegen.errors import BadInput
from musegen.evaluation.counts import CountModel
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
    """Nats a note, bar and token (all tokens of music and the end, none of the prefix, over all pieces together).

    `accuracy` is the share of tokens that were held likeliest; precision, recall and F1 are means over the
    families that occur, each weighing the same. `by_piece` are nats a note, in the order of the pieces.
    """

    nll_per_note: float
    nll_per_bar: float
    nll_per_token: float
    accuracy: float
    precision: float
    recall: float
    f1: float
    families: dict[str, Family]
    by_style: dict[str, float]
    by_piece: tuple[float, ...]
    notes: int
    tokens: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def judge(scorer: Scorer, pieces: Sequence[Piece], vocabulary: Vocabulary) -> Likelihood:
    """All figures over `pieces`; raises `BadInput` where they have no notes."""
    notes = np.array([piece.notes for piece in pieces])
    if not notes.sum():
        raise BadInput("there are no notes to judge by; add music", "no pieces")
    scored = scorer(pieces)
    nats = np.array([foretold.nats.sum() for foretold in scored])
    targets = np.concatenate([np.append(piece.tokens.astype(np.int64), vocabulary.end) for piece in pieces])
    guesses = np.concatenate([foretold.guesses for foretold in scored])
    families = _families(targets, guesses, vocabulary)
    styles = np.array([piece.conditions.style or "" for piece in pieces])
    return Likelihood(
        nll_per_note=float(nats.sum() / notes.sum()),
        nll_per_bar=float(nats.sum() / sum(piece.conditions.bars for piece in pieces)),
        nll_per_token=float(nats.sum() / len(targets)),
        accuracy=float((targets == guesses).mean()),
        precision=float(np.mean([family.precision for family in families.values()])),
        recall=float(np.mean([family.recall for family in families.values()])),
        f1=float(np.mean([family.f1 for family in families.values()])),
        families=families,
        by_style={
            str(style): float(nats[styles == style].sum() / max(notes[styles == style].sum(), 1))
            for style in np.unique(styles)
        },
        by_piece=tuple((nats / np.maximum(notes, 1)).tolist()),
        notes=int(notes.sum()),
        tokens=len(targets),
    )


def _families(targets: NDArray[np.int64], guesses: NDArray[np.int64], vocabulary: Vocabulary) -> dict[str, Family]:
    """By family of `tokens.FAMILIES` (the end is a condition); a guess is right only if it is the very token."""
    right = targets == guesses
    found = {}
    for index, name in enumerate(FAMILIES):
        meant, guessed = vocabulary.families[targets] == index, vocabulary.families[guesses] == index
        if meant.any():
            hits = int((right & meant).sum())
            precision, recall = hits / max(int(guessed.sum()), 1), hits / int(meant.sum())
            f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
            found[name] = Family(precision, recall, f1, int(meant.sum()))
    return found


def counting(model: CountModel) -> Scorer:
    """The count model as a scorer."""

    def score(pieces: Sequence[Piece]) -> list[Foretold]:
        scored = []
        for piece in pieces:
            probabilities = model.probabilities(piece)
            targets = np.append(piece.tokens.astype(np.int64), model.vocabulary.end)
            nats = -np.log(probabilities[np.arange(len(targets)), targets])
            scored.append(Foretold(nats, probabilities.argmax(axis=1)))
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
