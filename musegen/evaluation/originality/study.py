"""Whether a model borrows more than people do."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.evaluation.bootstrap import interval
from musegen.evaluation.originality.people import HALF, People, Shared, values_of

_DRAWS = 2000
_FIGURES = ("covered_by_all", "covered", "longest_notes", "longest_quarters")


def compared(generated: Sequence[Shared], people: People, copied: Sequence[bool]) -> dict[str, Any]:
    """Means of generated pieces and of people's of the same styles, with 95 % bootstrap intervals of the difference.

    Every generated piece stands against the mean of its style's people, so that a mixture of styles makes no
    difference; versions of training pieces (`People.strangers`) are no people. `copied_share`: pieces that are copies;
    0 without pieces. `borrowed_beyond_people`: the lower end of the interval of the difference in `covered_by_all`;
    above 0 the model surely borrows more than people do; None where no piece has people to stand beside.
    """
    random = np.random.default_rng(0)
    beside = [piece for piece in generated if people.strangers(piece.style, piece.drums)]
    mine: dict[str, float] = {}
    theirs: dict[str, float] = {}
    intervals: dict[str, list[float] | None] = {}
    for name in _FIGURES:
        if beside:
            ours, human, differences = _drawn(beside, people, name, random)
            mine[name], theirs[name] = float(ours), float(human)
            intervals[name] = interval(differences)
        elif generated:
            mine[name] = float(values_of(generated, name).mean())
    borrowed = intervals.get("covered_by_all")
    if copied:
        shares = random.choice(np.asarray(copied, float), (_DRAWS, len(copied))).mean(axis=1)
        intervals["copied_share"] = interval(shares)
    versions = sum(piece.covered >= HALF for piece in people.pieces)
    return {
        "copied_share": float(np.mean(copied)) if copied else 0.0,
        "borrowed_beyond_people": borrowed[0] if borrowed else None,
        "generated": {**mine, "pieces": len(generated)},
        "people": {**theirs, "pieces": len(people.pieces) - versions, "versions": versions},
        "intervals": intervals,
    }


def _drawn(
    generated: Sequence[Shared], people: People, name: str, random: np.random.Generator
) -> tuple[np.float64, np.float64, NDArray[np.float64]]:
    """Both means, and drawn differences of them; both sides are drawn style by style."""
    ours, human = np.zeros(_DRAWS), np.zeros(_DRAWS)
    plain_ours = plain_human = np.float64(0.0)
    for style, drums in sorted({(piece.style, piece.drums) for piece in generated}, key=str):
        mine = values_of([piece for piece in generated if (piece.style, piece.drums) == (style, drums)], name)
        theirs = values_of(people.strangers(style, drums), name)
        weight = len(mine) / len(generated)
        ours += weight * random.choice(mine, (_DRAWS, len(mine))).mean(axis=1)
        human += weight * random.choice(theirs, (_DRAWS, len(theirs))).mean(axis=1)
        plain_ours += weight * mine.mean()
        plain_human += weight * theirs.mean()
    return plain_ours, plain_human, ours - human
