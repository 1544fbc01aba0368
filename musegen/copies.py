"""Files of the same content: one stands for all, with the best that is said of any of them."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from musegen.inspection import Facts
from musegen.opening import Inspected
from musegen.track import SAID_FIELDS

_COUNTED = ("notes", "beats", "chords")


@dataclass(frozen=True)
class Distinct:
    """`items`: one of each content, in order of their names; `originals`: the name of each other → that of its one."""

    items: list[Inspected]
    originals: dict[str, str]


def distinct(inspected: Sequence[Inspected]) -> Distinct:
    """Of equal tracks the one with the most labels stands for all.

    What it does not say in words its copies may say; consent that one of them denies is denied. Where they say
    different things, or their labels differ, is a warning.
    """
    families: dict[str, list[Inspected]] = {}
    for item in sorted(inspected, key=lambda item: (-len(item.track.files), item.track.name)):
        if item.facts is not None:
            families.setdefault(item.id, []).append(item)
    items = sorted((_together(family) for family in families.values()), key=lambda item: item.track.name)
    originals = {copy.track.name: first.track.name for first, *copies in families.values() for copy in copies}
    return Distinct(items, originals)


def _together(family: Sequence[Inspected]) -> Inspected:
    first, *copies = family
    if not copies or first.facts is None:
        return first
    facts, warnings = first.facts, list(first.facts.warnings)
    said, sources = dict(facts.said), dict(facts.sources)
    for copy in copies:
        other = copy.facts or Facts()
        for name in SAID_FIELDS:
            if name in other.said and said.get(name) != other.said[name]:
                warnings += _told(name, said.get(name), other.said[name], copy)
                if name not in said or (name == "consent" and other.said[name] is False):
                    said[name], sources[name] = other.said[name], f"{copy.track.name}: {other.sources.get(name, '')}"
        warnings += [
            f"{kind}: its copy {copy.track.name} has others; those of {first.track.name} are used"
            for kind in _COUNTED
            if None not in (getattr(facts, kind), getattr(other, kind)) and getattr(facts, kind) != getattr(other, kind)
        ]
    if said == facts.said:
        return replace(first, facts=replace(facts, warnings=tuple(warnings)))
    words = f"{first.labels_sha256} {json.dumps(said, sort_keys=True)}"
    together = replace(facts, said=said, sources=sources, warnings=tuple(warnings))
    return replace(first, facts=together, labels_sha256=hashlib.sha256(words.encode()).hexdigest())


def _told(name: str, mine: Any, other: Any, copy: Inspected) -> list[str]:
    """The warning that a copy says something else; it may say more without one."""
    if mine is None and name != "consent":
        return []
    used = other if mine is None or (name == "consent" and other is False) else mine
    return [f"{name}: its copy {copy.track.name} says {_shown(other)}; {_shown(used)} is used"]


def _shown(value: Any) -> str:
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
