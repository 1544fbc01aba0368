"""The other baseline: music repeats itself, so say again what stood at this place some bars before.

At every token it looks at what followed the same place 1, 2, 4, 8 and 16 bars before in the piece itself (`context`'s
echoes) and says that, or else what usually follows a token of this kind. How far each is trusted is learnt from the
training pieces: the weights of the mixture by expectation maximisation (Dempster, Laird and Rubin, 1977). Whoever
scores little more than this has learnt little more than to repeat.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musegen.context import ECHO_BARS, contexts, echo_columns
from musegen.errors import BadInput
from musegen.tokens import FAMILIES
from musegen.training.batches import Piece
from musegen.vocabulary import Vocabulary

_ROUNDS = 30
_MOST_TOKENS = 2_000_000


@dataclass(frozen=True, eq=False)
class CopyLast:
    """The mixture: `weights` (1 + lags,) of what usually follows and of each echo; the first also takes the share of
    echoes that are not there. `usual` (families, vocabulary): what follows a token of this family.
    """

    vocabulary: Vocabulary
    weights: NDArray[np.float64]
    usual: NDArray[np.float64]

    @classmethod
    def fit(cls, pieces: Sequence[Piece], vocabulary: Vocabulary) -> "CopyLast":
        """Learn both from the first two million tokens of `pieces`; raises `BadInput` without any."""
        if not pieces:
            raise BadInput("the training split has no pieces; add music", "no pieces")
        counts = np.full((len(FAMILIES), len(vocabulary)), 0.01)
        seen, hits, known = 0, [], []
        for piece in pieces:
            if seen > _MOST_TOKENS:
                break
            targets, families, echoes = _places(piece, vocabulary)
            np.add.at(counts, (families, targets), 1)
            hits.append(np.column_stack([families, targets, echoes == targets[:, None]]))
            known.append(echoes > 0)
            seen += len(targets)
        usual = counts / counts.sum(axis=1, keepdims=True)
        table = np.concatenate(hits)
        background = usual[table[:, 0], table[:, 1]]
        return cls(vocabulary, _weights(background, table[:, 2:].astype(bool), np.concatenate(known)), usual)

    def probabilities(self, piece: Piece) -> NDArray[np.float64]:
        """Shape (n + 1, vocabulary): what it expects at every token of the music and at its end."""
        targets, families, echoes = _places(piece, self.vocabulary)
        known = echoes > 0
        result = self.usual[families] * (1 - known @ self.weights[1:])[:, None]
        rows = np.arange(len(targets))
        for lag, weight in enumerate(self.weights[1:]):
            result[rows[known[:, lag]], echoes[known[:, lag], lag]] += weight
        return result

    @property
    def words(self) -> str:
        """What it trusts most, for a person."""
        lag = int(self.weights[1:].argmax())
        bars = f"{ECHO_BARS[lag]} bar{'s' * (ECHO_BARS[lag] > 1)}"
        return f"most of all it repeats what stood {bars} before (weight {self.weights[1 + lag]:.2f})"


def _places(piece: Piece, vocabulary: Vocabulary) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Every token of music and end (n,), the family of the one before, and the echoes there (n, lags), 0 for none."""
    prefix = vocabulary.prefix_length
    sequence = vocabulary.sequence(piece.tokens, piece.conditions).astype(np.int64)
    echoes = contexts(vocabulary, sequence, piece.conditions.bars)[prefix - 1 : -1, echo_columns(vocabulary)]
    return sequence[prefix:], vocabulary.families[sequence[prefix - 1 : -1]].astype(np.int64), echoes.astype(np.int64)


def _weights(background: NDArray[np.float64], hits: NDArray[np.bool_], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights (1 + lags,) under which the tokens are likeliest, given what each part says of them (EM)."""
    # What a part says of the token that came: an echo that is not there says what usually follows.
    said = np.column_stack([background, np.where(known, hits, background[:, None])])
    weights = np.full(said.shape[1], 1 / said.shape[1])
    for _ in range(_ROUNDS):
        shares = said * weights
        weights = (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)
    return weights
