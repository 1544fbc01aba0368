"""One set of pieces on which every model is judged, whichever tokens it speaks, and the baselines beside it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from musegen.evaluation import likelihood
from musegen.evaluation.copy_last import CopyLast
from musegen.evaluation.counts import CountModel, CountSettings
from musegen.evaluation.likelihood import Likelihood, Scorer
from musegen.shards.schema import Example
from musegen.training.batches import Piece
from musegen.training.dataset import pieces_of
from musegen.vocabulary import Vocabulary

_LOUDNESS = "velocity"


@dataclass(frozen=True)
class Exam:
    """Pieces with their names and the ids of their tracks, in the tokens of `vocabulary`."""

    pieces: Sequence[Piece]
    names: Sequence[str]
    tracks: Sequence[str]
    vocabulary: Vocabulary

    @classmethod
    def of(cls, examples: Sequence[Example], vocabulary: Vocabulary) -> "Exam":
        """The pieces of a dataset that was made with the tokens of `vocabulary`."""
        names, tracks = [example.name for example in examples], [example.track for example in examples]
        return cls(pieces_of(examples), names, tracks, vocabulary)

    def judge(self, scorer: Scorer) -> Likelihood:
        """Likelihood figures of any model that speaks these tokens."""
        return likelihood.judge(scorer, self.pieces, self.vocabulary)

    def told(self, found: Likelihood, beside: Likelihood | None = None) -> dict[str, Any]:
        """Figures as a `Report` has them; with `beside`, how far that model is from this one on the same pieces."""
        told = found.to_report(self.names)
        return told if beside is None else {**told, "beside": beside.tally.beside(found.tally)}

    def known_to(self, theirs: Vocabulary) -> "Exam":
        """The same pieces in another model's tokens; a style that it has not learnt is left open.

        Nothing is decoded where the tokens mean the same.
        """
        return replace(
            self, pieces=[_as_known(piece, self.vocabulary, theirs) for piece in self.pieces], vocabulary=theirs
        )


@dataclass(frozen=True)
class Duel:
    """Two models on what is fair to both: `ours` and `theirs` by piece as the gate reads them, ours `beside` theirs.

    `left_out`: how many pieces one of them has learnt from; `unlike`: the family of tokens that one of them does not
    foretell, empty where they foretell the same. Neither counts on either side.
    """

    ours: dict[str, dict[str, float]]
    theirs: dict[str, dict[str, float]]
    beside: dict[str, dict[str, float]]
    left_out: int
    unlike: str

    @property
    def words(self) -> str:
        """What is not compared, and why; empty where all of it is."""
        told = [f"what the model with {self.unlike} tokens spends on them is left out"] if self.unlike else []
        if self.left_out:
            pieces = "1 test piece that it has" if self.left_out == 1 else f"{self.left_out} test pieces that it has"
            told.append(f"{pieces} learnt from {'is' if self.left_out == 1 else 'are'} left out")
        return f"compared with the model by piece, {' and '.join(told)}" if told else ""

    @property
    def whole(self) -> bool:
        """Nothing had to be left out."""
        return not self.words


def duel(exam: Exam, ours: Likelihood, theirs: Likelihood, spoken: Vocabulary, learnt: Collection[str]) -> Duel:
    """Our model beside one that speaks `spoken` and has learnt from the tracks `learnt`, both judged on `exam`.

    Where only one of them foretells velocities, the others would be made up for it: velocity counts on neither side.
    """
    fair = np.array([track not in learnt for track in exam.tracks], bool)
    names = [name for name, chosen in zip(exam.names, fair, strict=True) if chosen]
    bins = {words.tokenizer.settings.velocity_bins for words in (exam.vocabulary, spoken)}
    unlike = _LOUDNESS if len(bins) > 1 else ""
    mine, other = (side.tally.without(unlike) if unlike else side.tally for side in (ours, theirs))
    mine, other = mine.only(fair), other.only(fair)
    by_name = [
        {key: dict(zip(names, values.tolist(), strict=True)) for key, values in side.by_piece().items()}
        for side in (mine, other)
    ]
    return Duel(
        ours=by_name[0],
        theirs=by_name[1],
        beside=mine.beside(other),
        left_out=int((~fair).sum()),
        unlike=unlike,
    )


def stronger_count_model(
    train: Sequence[Example], valid: Sequence[Example], vocabulary: Vocabulary, settings: CountSettings
) -> tuple[CountModel, str]:
    """The one of two count models that foretells `valid` better, and that choice in words.

    One counts the rows as they are, drawn variants too; the other counts every track once, in all the transpositions
    of `settings`. Raises `BadInput` without rows.
    """
    exam = Exam.of(valid, vocabulary)
    as_drawn = CountModel.fit(pieces_of(train), vocabulary, settings.model_copy(update={"transpose": 0}))
    originals = [example for example in train if example.variant == 0]
    if not settings.transpose or not originals:
        return as_drawn, as_drawn.words
    found = [
        (exam.judge(likelihood.counting(model)).nll_per_note, model)
        for model in (as_drawn, CountModel.fit(pieces_of(originals), vocabulary, settings))
    ]
    (best, chosen), (worse, other) = sorted(found, key=lambda row: row[0])
    return chosen, f"{chosen.words}: on valid {best:.3f} nats a note, against {worse:.3f} {other.words}"


def copy_last_model(train: Sequence[Example], vocabulary: Vocabulary) -> CopyLast:
    """The one that repeats, its weights learnt from the tracks as they are; raises `BadInput` without rows."""
    return CopyLast.fit(pieces_of([row for row in train if row.variant == 0] or train), vocabulary)


def _as_known(piece: Piece, ours: Vocabulary, theirs: Vocabulary) -> Piece:
    conditions = piece.conditions
    if conditions.style not in theirs.styles:
        conditions = replace(conditions, style=None)
    tokens = piece.tokens
    if theirs.tokenizer.names != ours.tokenizer.names:
        tokens = theirs.tokenizer.encode(ours.tokenizer.decode(tokens, conditions.bpm))
    return replace(piece, tokens=tokens, conditions=conditions)
