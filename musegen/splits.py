"""Who is trained and who is tested on: whole groups, drawn by content, and never moved for what comes later."""

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from musegen.errors import BadInput

SPLITS = ("train", "valid", "test")
_SPELLINGS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev", "development"), "valid"),
    **dict.fromkeys(("test", "testing", "tst", "eval", "evaluation"), "test"),
}


@dataclass(frozen=True)
class Member:
    """A track as the draw sees it: what group it is in, where a table or a person puts it, where it stood before."""

    track: str
    group: str
    given: str | None = None
    before: str | None = None


@dataclass(frozen=True)
class Drawn:
    """`splits`: track → split. `across`: groups that stand in several splits, since they are given so."""

    splits: Mapping[str, str]
    across: Mapping[str, tuple[str, ...]]


def parse(text: str) -> str:
    """The split that a word means; raises `BadInput`."""
    try:
        return _SPELLINGS[text.strip().lower()]
    except KeyError:
        raise BadInput(f"split {text!r}: unknown; write train, valid or test", "bad split") from None


def draw(members: Sequence[Member], valid_share: float, test_share: float) -> Drawn:
    """A split for every track.

    What is given is kept. The rest of a group follows its given ones, else where it stood before, else the hash of
    the group's name. Where these differ inside a group, the one furthest from training decides: a piece that somebody
    was or will be tested on is not trained on. From three groups on none of the splits is empty.
    """
    groups: dict[str, list[Member]] = {}
    for member in members:
        groups.setdefault(member.group, []).append(member)
    settled = {group: _settled(mine) for group, mine in groups.items()}
    fixed = {group: split for group, split in settled.items() if split is not None}
    drawn = _by_chance([group for group in groups if group not in fixed], fixed, valid_share, test_share)
    mine = _none_empty(fixed | drawn, {member.group for member in members if member.given})
    splits = {member.track: member.given or mine[member.group] for member in members}
    across = {group: tuple(sorted({splits[member.track] for member in mine})) for group, mine in groups.items()}
    return Drawn(splits, {group: names for group, names in across.items() if len(names) > 1})


def _settled(mine: Sequence[Member]) -> str | None:
    for words in ({member.given for member in mine}, {member.before for member in mine}):
        known = [split for split in SPLITS if split in words]
        if known:
            return known[-1]
    return None


def _none_empty(splits: dict[str, str], given: Collection[str]) -> dict[str, str]:
    """Where three groups or more leave a split empty, the nearest group moves there that nobody has given a place."""
    for missing in [split for split in ("test", "valid") if split not in splits.values()]:
        sizes = Counter(splits.values())
        movable = [group for group, split in splits.items() if group not in given and sizes[split] > 1]
        if len(splits) >= len(SPLITS) and movable:
            splits = {**splits, min(movable, key=_chance): missing}
    return splits


def _chance(group: str) -> float:
    return int(hashlib.sha256(group.encode()).hexdigest()[:12], 16) / 16**12


def _by_chance(
    groups: Sequence[str], fixed: Mapping[str, str], valid_share: float, test_share: float
) -> dict[str, str]:
    """Draw a split for each group by its own hash, so that other groups don't matter.

    The groups whose draws are nearest are moved where a split would be empty.
    """
    chance = {group: _chance(group) for group in groups}
    ordered = sorted(groups, key=_chance)
    tests = sum(draw < test_share for draw in chance.values())
    kept = sum(draw < test_share + valid_share for draw in chance.values())
    if len(ordered) + len(set(fixed)) >= 3:
        missing = [split for split in SPLITS if split not in fixed.values()]
        tests = max(tests, int("test" in missing and len(ordered) > 0))
        kept = max(kept, tests + int("valid" in missing and len(ordered) > tests))
        most = len(ordered) - int("train" in missing and len(ordered) > 0)
        kept = min(kept, most)
        tests = min(tests, kept - int("valid" in missing and kept > 1))
    elif not fixed:
        tests = kept = 0
    return {
        group: "test" if place < tests else "valid" if place < kept else "train" for place, group in enumerate(ordered)
    }
