"""One contract for every augmentation of sound: what it draws is allowed, does what is said, and can be done again."""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from musegen.audio import Audio
from musegen.augment import AnySound, Effect, SoundAugmentation, from_json, perform, replay, to_json
from musegen.augment.gain import Gain
from musegen.augment.kinds import AnyEffect
from musegen.change import Change
from musegen.labels import Labels

RATE = 16_000
HIGHEST_HERTZ = 0.45 * RATE
KINDS = {kind.model_fields["kind"].default for kind in get_args(get_args(AnySound)[0])}
MOVE_TIME_OR_PITCH = {"varispeed", "stretch", "detune", "excerpt"}


@dataclass(frozen=True)
class Range:
    """Two bounds of an augmentation, what they may be, and which numbers of an effect lie between them."""

    low: str
    high: str
    least: float
    most: float
    drawn: Callable[[Any], Iterable[float]]
    slack: float = 5e-5
    whole: bool = False
    most_drawn: float = math.inf
    most_tried: float = math.inf

    @property
    def tried(self) -> tuple[float, float]:
        low, high = self.least, min(self.most, self.most_tried)
        return (int(low), int(high)) if self.whole else (low, high)

    def bounds(self, low: float, high: float) -> dict[str, Any]:
        return {self.low: low, self.high: high}


@dataclass(frozen=True)
class Case:
    """What a kind is tried with: an example, its ranges, and settings that it must refuse."""

    ranges: tuple[Range, ...]
    example: dict[str, Any] = field(default_factory=dict)
    wrong: tuple[dict[str, Any], ...] = ()


def hertz(least: float) -> Range:
    return Range(
        "lowest_hertz", "highest_hertz", least, 24_000, lambda effect: [effect.hertz], 0.05, most_drawn=HIGHEST_HERTZ
    )


def decibels(least: float, most: float) -> Range:
    return Range("least_decibels", "most_decibels", least, most, lambda effect: [effect.decibels])


def cents(least: int, most: int) -> Range:
    return Range("lowest_cents", "highest_cents", least, most, lambda effect: [effect.cents], whole=True)


CASES = {
    "varispeed": Case((cents(-1200, 1200),)),
    "stretch": Case(
        (
            Range("slowest", "fastest", 0.5, 2.0, lambda effect: [effect.speed]),
            Range(
                "lowest_semitones", "highest_semitones", -12, 12, lambda effect: [effect.cents / 100], whole=True
            ),
        )
    ),
    "detune": Case((cents(-100, 100),)),
    "excerpt": Case(
        (
            Range(
                "shortest_seconds", "longest_seconds", 0.1, 3_600, lambda effect: [effect.seconds], 1 / RATE,
                most_tried=0.6,
            ),
        ),
        {"shortest_seconds": 0.1, "longest_seconds": 0.3},
    ),
    "noise": Case(
        (decibels(-20, 80),),
        {"files": "noises"},
        ({"colours": (), "files": ""}, {"colours": ("blue",)}, {"files": 3}),
    ),
    "gain": Case((decibels(-60, 60),)),
    "equalise": Case(
        (
            Range(
                "lowest_hertz", "highest_hertz", 10, 24_000,
                lambda effect: [band.hertz for band in effect.bands], 0.05, most_drawn=HIGHEST_HERTZ,
            ),
        ),
        {"bands": 4, "most_decibels": 12.0},
        ({"bands": 0}, {"bands": 11}, {"most_decibels": -1.0}, {"most_decibels": 25.0}, {"most_decibels": math.nan}),
    ),
    "low_pass": Case((hertz(200),), {"order": 4}, ({"order": 0}, {"order": 9}, {"order": 1.5})),
    "high_pass": Case((hertz(10),), {"order": 4}, ({"order": 0}, {"order": 9})),
    "reverb": Case(
        (
            Range("shortest_seconds", "longest_seconds", 0.05, 10.0, lambda effect: [effect.seconds]),
            Range("driest", "wettest", 0.0, 1.0, lambda effect: [effect.wet]),
        ),
        {"shortest_seconds": 0.1, "longest_seconds": 0.5},
    ),
    "saturate": Case((decibels(0, 40),), {}, ({"curves": ()}, {"curves": ("round",)})),
    "codec": Case(
        (Range("lowest_quality", "highest_quality", 0.05, 1.0, lambda effect: [effect.quality]),),
        {},
        ({"codecs": ()}, {"codecs": ("aac",)}),
    ),
    "channels": Case(
        (Range("least_width", "most_width", 0.0, 2.0, lambda effect: [effect.width]),),
        {"inverted": ("all",)},
        ({"inverted": ()}, {"inverted": ("up",)}, {"most_balance_decibels": 13.0}, {"most_balance_decibels": -1.0}),
    ),
    "mix": Case((decibels(0, 60),)),
}  # fmt: skip


class Shelf:
    """Two noises, two impulse responses and two other tracks, of a second each."""

    def files(self, folder: str) -> Sequence[str]:
        return (f"{folder}/first.wav", f"{folder}/second.wav")

    def others(self) -> Sequence[str]:
        return ("track:first", "track:second")

    def read(self, name: str, rate: int) -> Audio:
        random = np.random.default_rng(int(self.sha256(name)[:8], 16))
        return Audio(0.3 * random.standard_normal((1, rate), np.float32), rate)

    def sha256(self, name: str) -> str:
        return hashlib.sha256(name.encode()).hexdigest()


SHELF = Shelf()


def music(channels: int = 1, seconds: float = 0.6) -> Audio:
    """A tone with a second above it, another amplitude in every channel, and a little hiss of its own."""
    time = np.arange(round(seconds * RATE)) / RATE
    tone = 0.3 * np.sin(2 * np.pi * 440 * time) + 0.1 * np.sin(2 * np.pi * 1_320 * time)
    hiss = 0.01 * np.random.default_rng(1).standard_normal((channels, len(time)))
    return Audio((tone * np.linspace(1.0, 0.7, channels)[:, np.newaxis] + hiss).astype(np.float32), RATE)


def made(kind: str, **bounds: Any) -> SoundAugmentation:
    return TypeAdapter[SoundAugmentation](AnySound).validate_python({"kind": kind, **CASES[kind].example, **bounds})


def done(kind: str, audio: Audio, seed: int = 1) -> tuple[Audio, Change]:
    return made(kind).apply(audio, np.random.default_rng(seed), Labels(), SHELF)


def drawn(augmentation: SoundAugmentation, audio: Audio, seed: int) -> Effect | None:
    return augmentation.draw(audio, Labels(), SHELF, np.random.default_rng(seed))


@st.composite
def bounded(draw: st.DrawFn) -> SoundAugmentation:
    kind = draw(st.sampled_from(sorted(CASES)))
    bounds: dict[str, Any] = {}
    for range_ in CASES[kind].ranges:
        values = st.integers if range_.whole else st.floats
        bounds |= range_.bounds(*sorted(draw(values(*range_.tried)) for _ in range(2)))
    return made(kind, **bounds)


def beyond(range_: Range) -> list[dict[str, Any]]:
    """Bounds that are reversed, outside of what is allowed, or no numbers."""
    least, most = (int(range_.least), int(range_.most)) if range_.whole else (range_.least, range_.most)
    wrong = [(most, least), (least - 1, most), (least, most + 1)]
    wrong += [(value, most) for value in (math.nan, -math.inf, "a", None)]
    wrong += [(least, value) for value in (math.nan, math.inf, "a", None)]
    if range_.whole:
        wrong += [(least + 0.5, most), (least, most - 0.5)]
    return [range_.bounds(low, high) for low, high in wrong]


WRONG = [(kind, bounds) for kind, case in CASES.items() for range_ in case.ranges for bounds in beyond(range_)]
WRONG += [(kind, bounds) for kind, case in CASES.items() for bounds in case.wrong]
WRONG += [(kind, {"share": share}) for kind in CASES for share in (-0.1, 1.1, math.nan)]
WRONG += [(kind, {"loudness": 1.0}) for kind in CASES]

every_kind = pytest.mark.parametrize("kind", sorted(CASES))


def test_every_augmentation_of_sound_is_under_contract() -> None:
    assert CASES.keys() == KINDS
    assert {kind.model_fields["kind"].default for kind in get_args(get_args(AnyEffect)[0])} == KINDS


@every_kind
@pytest.mark.parametrize("channels", [1, 2])
def test_equal_seeds_make_equal_samples_and_others_make_others(kind: str, channels: int) -> None:
    audio = music(channels)
    first, second = (done(kind, audio, seed=5) for _ in range(2))
    assert first[0].samples.tobytes() == second[0].samples.tobytes() and first[1] == second[1]
    if channels == 2 or kind != "channels":
        assert len({to_json([effect]) for seed in range(10) if (effect := drawn(made(kind), audio, seed))}) > 1


@every_kind
@pytest.mark.parametrize("channels", [1, 2])
def test_what_a_row_stores_makes_its_sound_again_bit_by_bit(kind: str, channels: int) -> None:
    for seed in range(3):
        performed = perform([made(kind)], music(channels), Labels(), SHELF, np.random.default_rng(seed))
        text = to_json(performed.effects)
        assert from_json(text) == performed.effects and to_json(from_json(text)) == text
        again = replay(from_json(text), music(channels), SHELF)
        assert again.audio.samples.tobytes() == performed.audio.samples.tobytes()
        assert again.audio.rate == performed.audio.rate and again.change == performed.change


@every_kind
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("sound", ["music", "silence", "5 ms", "loud"])
def test_what_comes_out_is_sound_of_the_same_form(kind: str, channels: int, sound: str) -> None:
    audio = music(channels, 0.005 if sound == "5 ms" else 0.6)
    audio = Audio(audio.samples * np.float32({"silence": 0.0, "loud": 4.0}.get(sound, 1.0)), RATE)
    before = audio.samples.copy()
    for seed in range(3):
        result, change = done(kind, audio, seed)
        samples = result.samples
        assert np.array_equal(audio.samples, before), "what went in was changed"
        assert samples.dtype == np.float32 and samples.flags.c_contiguous and np.isfinite(samples).all()
        assert result.rate == RATE and len(samples) == channels
        seconds = min(audio.seconds / change.speed + change.offset_seconds, change.end_seconds)
        assert abs(samples.shape[1] - seconds * RATE) <= 1
        if kind not in MOVE_TIME_OR_PITCH:
            assert change == Change() and samples.shape == before.shape
        if sound == "silence":
            assert not samples.any() or kind in ("mix", "codec")


@settings(max_examples=200)
@given(bounded(), st.integers(0, 2**32))
def test_draws_are_within_their_bounds(augmentation: SoundAugmentation, seed: int) -> None:
    effect = drawn(augmentation, music(2), seed)
    if effect is None:
        return
    for range_ in CASES[augmentation.kind].ranges:
        low, high = getattr(augmentation, range_.low), getattr(augmentation, range_.high)
        for value in range_.drawn(effect):
            assert min(low, range_.most_drawn) - range_.slack <= value <= min(high, range_.most_drawn) + range_.slack


@settings(max_examples=200)
@given(bounded(), st.integers(0, 2**32))
def test_equal_seeds_draw_equally_and_draws_are_stored_exactly(augmentation: SoundAugmentation, seed: int) -> None:
    first, second = (drawn(augmentation, music(), seed) for _ in range(2))
    assert first == second
    if first is not None:
        assert from_json(to_json([first])) == (first,)


@every_kind
def test_equal_bounds_leave_no_choice(kind: str) -> None:
    for range_ in CASES[kind].ranges:
        value = sum(range_.tried) // 2 if range_.whole else sum(range_.tried) / 2
        effect = drawn(made(kind, **range_.bounds(value, value)), music(2), seed=2)
        for number in range_.drawn(effect) if effect else ():
            assert number == pytest.approx(min(value, range_.most_drawn), abs=range_.slack)


@pytest.mark.parametrize(("kind", "bounds"), WRONG)
def test_wrong_bounds_and_unknown_keys_are_refused(kind: str, bounds: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        made(kind, **bounds)


def test_an_unknown_kind_is_refused() -> None:
    for wrong in ({"kind": "reverse"}, {}):
        with pytest.raises(ValidationError):
            TypeAdapter(AnySound).validate_python(wrong)


@every_kind
def test_stored_numbers_out_of_range_are_refused(kind: str) -> None:
    effect = next(effect for seed in range(20) if (effect := drawn(made(kind), music(2), seed)))
    stored = effect.model_dump(mode="json")
    wrong = [stored | {"loudness": 1.0}]
    wrong += [
        stored | {name: value}
        for name, number in stored.items()
        for value in (math.nan, math.inf, -1e9)
        if isinstance(number, float)
    ]
    for values in wrong:
        with pytest.raises(ValidationError):
            from_json(json.dumps([values]))


@every_kind
def test_a_share_of_none_does_nothing_and_one_of_all_does_it_always(kind: str) -> None:
    audio = music(2)
    for seed in range(5):
        none = perform([made(kind, share=0.0)], audio, Labels(), SHELF, np.random.default_rng(seed))
        assert none.effects == () and none.change == Change()
        assert np.array_equal(none.audio.samples, audio.samples)
        all_ = perform([made(kind, share=1.0)], audio, Labels(), SHELF, np.random.default_rng(seed))
        assert [effect.kind for effect in all_.effects] in ([kind], [])
    assert any(drawn(made(kind), audio, seed) for seed in range(5))


@every_kind
def test_a_share_is_of_the_variants_and_alters_no_other_draw(kind: str) -> None:
    beside = Gain(least_decibels=-6.0, most_decibels=6.0)
    happened = 0
    for seed in range(8):
        often, seldom, never = (
            perform([beside, made(kind, share=share), beside], music(2), Labels(), SHELF, np.random.default_rng(seed))
            for share in (1.0, 0.5, 0.0)
        )
        assert often.effects[0] == seldom.effects[0] == never.effects[0]
        assert often.effects[-1] == seldom.effects[-1] == never.effects[-1]
        assert seldom.effects in (often.effects, never.effects) and len(never.effects) == 2
        happened += len(seldom.effects) == 3
    assert happened < 8
