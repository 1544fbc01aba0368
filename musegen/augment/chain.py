"""A chain of augmentations: drawn and done one after the other, and done again from what was stored."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from pydantic import TypeAdapter

from musegen.audio import Audio
from musegen.augment.base import Effect, SoundAugmentation, Sounds
from musegen.augment.kinds import AnyEffect
from musegen.augment.stretch import Stretched
from musegen.change import Change
from musegen.labels import Labels


@dataclass(frozen=True, eq=False)
class Performed:
    """The sound after a chain, what that did to time and pitch, and the effects that did it.

    `folded` is what is left to whoever analyses the sound: to hear it that much faster and higher. `change` holds it
    already.
    """

    audio: Audio
    change: Change
    effects: tuple[Effect, ...]
    folded: Change = field(default_factory=Change)


def perform(
    augmentations: Sequence[SoundAugmentation],
    audio: Audio,
    labels: Labels,
    sounds: Sounds,
    random: np.random.Generator,
    folding: bool = False,
) -> Performed:
    """Each augmentation drawn in order, for the sound and the labels as those before have left them, and done.

    With `folding` a stretch that comes last is not made audible, but handed on as `Performed.folded`.
    """
    done = Performed(audio, Change(), ())
    for augmentation in augmentations:
        # Every one takes its numbers whether it is chosen or not: so another share alters no other draw of the row.
        chosen, own = random.random() < augmentation.share, np.random.default_rng(random.integers(2**63))
        if not chosen:
            continue
        done = _rendered(done, sounds)
        effect = augmentation.draw(done.audio, labels.follow(done.change), sounds, own)
        if effect is not None:
            done = _after(done, _unrendered(effect) if folding else effect, sounds)
    return done


def replay(effects: Sequence[Effect], audio: Audio, sounds: Sounds) -> Performed:
    """Do again what was drawn."""
    done = Performed(audio, Change(), ())
    for effect in effects:
        done = _after(done, effect, sounds)
    return done


def _after(done: Performed, effect: Effect, sounds: Sounds) -> Performed:
    if isinstance(effect, Stretched) and not effect.rendered:
        change = done.change.then(effect.change)
        return Performed(done.audio, change, (*done.effects, effect), effect.change)
    audio, change = effect.apply(done.audio, sounds)
    return Performed(audio, done.change.then(change), (*done.effects, effect))


def _unrendered(effect: Effect) -> Effect:
    return effect.model_copy(update={"rendered": False}) if isinstance(effect, Stretched) else effect


def _rendered(done: Performed, sounds: Sounds) -> Performed:
    """Make audible what was to be folded, since something comes after it."""
    if done.folded == Change():
        return done
    stretched = done.effects[-1].model_copy(update={"rendered": True})
    audio, _ = stretched.apply(done.audio, sounds)
    return Performed(audio, done.change, (*done.effects[:-1], stretched))


def to_json(effects: Sequence[Effect]) -> str:
    """Effects as a row stores them."""
    return json.dumps([effect.model_dump(mode="json") for effect in effects], separators=(",", ":"))


def from_json(text: str) -> tuple[Effect, ...]:
    """The effects that gave `text`; raises pydantic's `ValidationError` where it is none."""
    return tuple(_effects().validate_json(text))


@cache
def _effects() -> TypeAdapter[list[AnyEffect]]:
    return TypeAdapter(list[AnyEffect])
