"""What a model got right on every test piece, added up: any figure over any choice of the pieces comes from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from musegen.evaluation import bootstrap
from musegen.tokens import FAMILIES
from musegen.training.batches import Piece
from musegen.vocabulary import Vocabulary

COMPARED = ("nll_per_note", "nll_per_beat", "nll_per_bar", "accuracy", "precision", "recall", "f1")
"""The figures that two models are compared by."""
_PER = {"nll_per_note": "notes", "nll_per_beat": "beats", "nll_per_bar": "bars", "nll_per_token": "tokens"}


@dataclass(frozen=True, eq=False)
class Tally:
    """Sums over each of n pieces, float64: (n,), and by family of `tokens.FAMILIES` (n, families).

    `right`: tokens that were held likeliest. Of each family `hits` were guessed rightly, `guessed` tokens were said,
    `meant` tokens were there, and these cost `spent` nats.
    """

    nats: NDArray[np.float64]
    notes: NDArray[np.float64]
    beats: NDArray[np.float64]
    bars: NDArray[np.float64]
    tokens: NDArray[np.float64]
    right: NDArray[np.float64]
    hits: NDArray[np.float64]
    guessed: NDArray[np.float64]
    meant: NDArray[np.float64]
    spent: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.nats)

    def only(self, chosen: NDArray[np.bool_]) -> Self:
        """The sums of some of the pieces, a mask (n,)."""
        return type(self)(*(getattr(self, column.name)[chosen] for column in fields(self)))

    def without(self, family: str) -> Self:
        """The sums as if no token of a family of `tokens.FAMILIES` were to be foretold."""
        column = FAMILIES.index(family)
        others = np.arange(len(FAMILIES)) != column
        return replace(
            self,
            nats=self.nats - self.spent[:, column],
            tokens=self.tokens - self.meant[:, column],
            right=self.right - self.hits[:, column],
            **{name: getattr(self, name) * others for name in ("hits", "guessed", "meant", "spent")},
        )

    def by_piece(self) -> dict[str, NDArray[np.float64]]:
        """Of each piece, float64 (n,): nats a note as `per_piece`, the share of its tokens as `per_piece_accuracy`."""
        return {"per_piece": self.nats / np.maximum(self.notes, 1), "per_piece_accuracy": self.right / self.tokens}

    def figures(self, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Every figure, float64 (draws,), where each piece counts as often as `weights` (draws, n) says.

        Ratios of sums: a long piece weighs as its notes do. By family: `families.pitch.f1`, of those that occur in any
        piece; precision, recall and F1 without a family are means over those. NaN where a draw has nothing to ask.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            nats = weights @ self.nats
            found = {name: nats / (weights @ getattr(self, per)) for name, per in _PER.items()}
            found["accuracy"] = (weights @ self.right) / (weights @ self.tokens)
            hits, guessed, meant = (weights @ table for table in (self.hits, self.guessed, self.meant))
            by_family = {
                "precision": hits / np.maximum(guessed, 1),
                "recall": hits / meant,
                "f1": 2 * hits / (guessed + meant),
            }
        occurring = np.flatnonzero(self.meant.sum(axis=0))
        for measure, values in by_family.items():
            values[meant == 0] = np.nan
            known = np.isfinite(values[:, occurring])
            found[measure] = np.where(known, values[:, occurring], 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
            found |= {f"families.{FAMILIES[index]}.{measure}": values[:, index] for index in occurring}
        return found

    def values(self) -> dict[str, float]:
        """Every figure over all pieces."""
        return {name: float(drawn[0]) for name, drawn in self.figures(np.ones((1, len(self)))).items()}

    def intervals(self) -> dict[str, list[float]]:
        """Name of a figure → low and high end of its 95% bootstrap interval over pieces; empty below two pieces."""
        if len(self) < 2:
            return {}
        drawn = self.figures(bootstrap.draw_weights(len(self)))
        found = {name: bootstrap.interval(values) for name, values in drawn.items()}
        return {name: ends for name, ends in found.items() if ends is not None}

    def beside(self, other: "Tally") -> dict[str, dict[str, float]]:
        """This model's figures minus the other's on the same pieces: `difference` with `low` and `high` of its paired
        95% interval, by name; empty below two pieces. Raises ValueError where the pieces are not the same."""
        if len(self) != len(other) or (self.notes != other.notes).any():
            raise ValueError("two models are compared on the same pieces only")
        if len(self) < 2:
            return {}
        weights = bootstrap.draw_weights(len(self))
        ours, theirs, mine, its = self.values(), other.values(), self.figures(weights), other.figures(weights)
        found = {}
        for name in COMPARED:
            ends = bootstrap.interval(mine[name] - its[name])
            if ends is not None:
                found[name] = {"difference": ours[name] - theirs[name], "low": ends[0], "high": ends[1]}
        return found


def tally(
    nats: Sequence[NDArray[np.float64]],
    guesses: Sequence[NDArray[np.int64]],
    pieces: Sequence[Piece],
    vocabulary: Vocabulary,
) -> Tally:
    """Add up nats and guesses (n + 1,) of every piece: a guess is right only if it is the very token."""
    targets = [np.append(piece.tokens.astype(np.int64), vocabulary.end) for piece in pieces]
    right = [said == meant for said, meant in zip(guesses, targets, strict=True)]
    size = len(FAMILIES)
    families = vocabulary.families.astype(np.int64)
    return Tally(
        nats=np.array([values.sum() for values in nats]),
        notes=np.array([piece.notes for piece in pieces], np.float64),
        beats=np.array([beats_in(piece, vocabulary) for piece in pieces], np.float64),
        bars=np.array([piece.conditions.bars for piece in pieces], np.float64),
        tokens=np.array([len(meant) for meant in targets], np.float64),
        right=np.array([hits.sum() for hits in right], np.float64),
        hits=_by_family([families[meant[hit]] for meant, hit in zip(targets, right, strict=True)], size),
        guessed=_by_family([families[said] for said in guesses], size),
        meant=_by_family([families[meant] for meant in targets], size),
        spent=np.array(
            [np.bincount(families[meant], spent, size) for meant, spent in zip(targets, nats, strict=True)]
        ).reshape(-1, size),
    )


def beats_in(piece: Piece, vocabulary: Vocabulary) -> int:
    """The beats of all bars of a piece, as a conductor counts them: two in 6/8."""
    tokenizer, ids = vocabulary.tokenizer, piece.tokens.astype(np.int64)
    beats = np.zeros(len(tokenizer), np.int64)
    for meter, index in tokenizer.meters.items():
        beats[index] = meter.beats
    told = beats[ids[np.minimum(np.flatnonzero(ids == tokenizer.ids("Bar")[0]) + 1, len(ids) - 1)]] if len(ids) else ids
    told = np.concatenate([[piece.conditions.meter.beats], told])
    latest = np.maximum.accumulate(np.where(told > 0, np.arange(len(told)), 0))
    return int(told[latest][1:].sum())


def by_style(sides: Mapping[str, Tally], styles: Sequence[str]) -> dict[str, dict[str, float]]:
    """Of each style its `pieces`, the nats a note of every side by its name, and the first side's interval as `low` and
    `high` (where two pieces or more are of the style)."""
    rows: dict[str, dict[str, float]] = {}
    labels = np.array(styles)
    first = next(iter(sides))
    for style in sorted(set(styles)):
        mine = {side: of.only(labels == style) for side, of in sides.items()}
        row = {"pieces": int((labels == style).sum())}
        rows[style] = row | {side: of.values()["nll_per_note"] for side, of in mine.items()}
        ends = mine[first].intervals().get("nll_per_note")
        rows[style] |= {"low": ends[0], "high": ends[1]} if ends else {}
    return rows


def _by_family(found: Sequence[NDArray[np.int64]], size: int) -> NDArray[np.float64]:
    return np.array([np.bincount(families, minlength=size) for families in found], np.float64).reshape(-1, size)
