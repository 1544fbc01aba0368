"""Making pieces: conditions and a prompt in, scores out; what can be promised is kept by construction.

Meter, number of bars and tempo are exact: the grammar masks every token that would break them. Notes outside the key's
scale are let through only up to the share that is asked.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from musegen.context import Follower
from musegen.errors import BadInput, BadParams
from musegen.grammar import Grammar
from musegen.models import load_model
from musegen.score import Score
from musegen.settings import Settings
from musegen.theory import Key, Meter
from musegen.vocabulary import Conditions, Vocabulary

_TOKENS_PER_BAR = 160
"""Room for music: a batch ends when its pieces have been given this much."""


class SamplingSettings(Settings):
    """How the next token is drawn: `temperature`, nucleus `top_p`, and the share of notes that may leave the scale."""

    temperature: float = Field(0.95, gt=0, le=2)
    top_p: float = Field(0.95, gt=0, le=1)
    accidentals: float = Field(0.05, ge=0, le=1)


@dataclass(frozen=True)
class Habits:
    """What is usual in a style of the corpus: taken where a request leaves a condition open."""

    bpm: float
    meter: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """One piece that is wanted. What is None is chosen from the habits of the style; `prompt` is continued.

    `bars` counts the whole piece, the prompt included; `bpm` is quarters a minute.
    """

    style: str | None = None
    bpm: float | None = None
    key: Key | None = None
    meter: Meter | None = None
    bars: int = 16
    seed: int = 0
    prompt: Score | None = None
    sampling: SamplingSettings = field(default_factory=SamplingSettings)


@dataclass(frozen=True)
class Composed:
    """A finished piece: the request with nothing left open, and the music."""

    request: Request
    score: Score


class Composer:
    """A trained generator that writes pieces."""

    def __init__(self, model: Any, vocabulary: Vocabulary, habits: dict[str, Habits]) -> None:
        self.vocabulary = vocabulary
        self.habits = habits
        self._model = model.eval()

    @classmethod
    def load(cls, folder: Path, habits: dict[str, Habits]) -> Self:
        """The generator in `folder`, on the processor."""
        model, _, vocabulary = load_model(folder)
        return cls(model, vocabulary, habits)

    @property
    def styles(self) -> tuple[str, ...]:
        """The styles it has learnt."""
        return self.vocabulary.styles

    def settled(self, request: Request) -> Request:
        """The request with every open condition chosen, by its seed; raises `BadParams` for what can't be asked."""
        if request.style is not None and request.style not in self.styles:
            known = ", ".join(self.styles) or "none"
            raise BadParams(f"style {request.style!r}: this model has learnt {known}; choose one of them")
        if request.bpm is not None and not 20 <= request.bpm <= 400:
            raise BadParams(f"bpm {request.bpm}: not a tempo; choose 20 to 400")
        if not 1 <= request.bars <= 1024:
            raise BadParams(f"bars {request.bars}: a piece has 1 to 1024; choose a number in between")
        random = np.random.default_rng([request.seed, 1])
        style = request.style or (str(random.choice(sorted(self.habits))) if self.habits else None)
        usual = self.habits.get(style or "", Habits(120.0, "4/4", ("C",)))
        prompt = request.prompt
        return Request(
            style=style,
            bpm=request.bpm or (prompt.bpm if prompt and prompt.bpm else usual.bpm),
            key=request.key or (prompt.key if prompt else None) or Key.parse(str(random.choice(usual.keys))),
            meter=request.meter or (prompt.meter if prompt else Meter.parse(usual.meter)),
            bars=request.bars,
            seed=request.seed,
            prompt=prompt,
            sampling=request.sampling,
        )

    def compose(
        self, requests: Sequence[Request], on_progress: Callable[[int, int], None] = lambda done, total: None
    ) -> list[Composed]:
        """All pieces in one batch where they have no prompts, else one after the other.

        Every piece draws from its own seed, whatever stands beside it. `on_progress` hears of bars.
        """
        settled = [self.settled(request) for request in requests]
        total = sum(request.bars for request in settled)
        batches = [settled] if all(request.prompt is None for request in settled) else [[one] for one in settled]
        finished: list[Composed] = []
        for batch in batches:
            before = sum(piece.request.bars for piece in finished)
            finished += self._compose(batch, partial(_told_after, before, total, on_progress))
        return finished

    @torch.inference_mode()
    def _compose(self, requests: list[Request], on_bars: Callable[[int], None]) -> list[Composed]:
        writers = [_Writer(self.vocabulary, request) for request in requests]
        most = len(writers[0].ids) + max(request.bars for request in requests) * _TOKENS_PER_BAR
        memory, seen = None, 0
        while not all(writer.done for writer in writers) and len(writers[0].ids) < most:
            if memory is None or memory.length >= self._window:
                memory, seen = self._model.memory(len(writers)), 0
            ids = np.array([self._view(writer.ids, seen) for writer in writers])
            contexts = np.array([self._view(writer.contexts, seen) for writer in writers], np.int64)
            logits = self._model.step(torch.from_numpy(ids), torch.from_numpy(contexts), memory).float().numpy()
            seen = len(writers[0].ids)
            for writer, row in zip(writers, logits, strict=True):
                writer.write(row)
            on_bars(sum(writer.bars for writer in writers))
        return [Composed(writer.request, writer.score()) for writer in writers]

    @property
    def _window(self) -> int:
        return int(self._model.settings.window)

    def _view(self, items: list[Any], seen: int) -> list[Any]:
        """What the model reads next: all that it has not seen, or after a full window the prefix and the last half.

        It was trained on just such passages, and the contexts still say where in the piece each token stands.
        """
        prefix = self.vocabulary.prefix_length
        if seen or len(items) < self._window:
            return items[seen:]
        return items[:prefix] + items[-(self._window // 2) :]


def _told_after(before: int, total: int, on_progress: Callable[[int, int], None], bars: int) -> None:
    on_progress(before + bars, total)


class _Writer:
    """One piece on its way: what is written so far, and what may come next."""

    def __init__(self, vocabulary: Vocabulary, request: Request) -> None:
        if request.meter is None:
            raise BadParams("meter: left open; settle the request first")
        conditions = Conditions(request.style, request.bpm, request.key, request.meter, request.bars)
        prefix = vocabulary.prefix(conditions).astype(np.int64)
        self.request = request
        self.bars = 0
        self._vocabulary = vocabulary
        self._random = np.random.default_rng([request.seed, 2])
        self._grammar = Grammar(vocabulary).start(conditions)
        self._follower = Follower(vocabulary, prefix, request.bars)
        self.ids = [int(index) for index in prefix]
        self.contexts = list(self._follower.opening)
        self._bar = int(vocabulary.tokenizer.ids("Bar")[0])
        self._pitches = _Pitches(vocabulary, request)
        if request.prompt is not None:
            self._take_over(request.prompt)

    @property
    def done(self) -> bool:
        """True once the end is written."""
        return bool(self._grammar.done)

    def score(self) -> Score:
        """The music written so far."""
        music = self.ids[self._vocabulary.prefix_length :]
        end = music.index(self._vocabulary.end) if self.done else None
        return self._vocabulary.tokenizer.decode(np.array(music[:end]), self.request.bpm)

    def write(self, logits: NDArray[np.float32]) -> None:
        """Draw the next token from logits (vocabulary,); a finished piece keeps step with padding."""
        if self.done:
            self.ids.append(self._vocabulary.pad)
            self.contexts.append(self.contexts[-1])
            return
        allowed = self._pitches.allowed(self._grammar.mask())
        self._advance(_draw(np.where(allowed, logits, -np.inf), self.request.sampling, self._random))

    def _advance(self, index: int) -> None:
        self._grammar.advance(index)
        self._pitches.count(index)
        self.bars += index == self._bar
        self.ids.append(index)
        self.contexts.append(self._follower.advance(index))

    def _take_over(self, prompt: Score) -> None:
        """Write the prompt's own music and open a new bar; raises `BadParams` where it leaves nothing to compose."""
        if len(prompt.bars) >= self.request.bars:
            raise BadParams(f"bars {self.request.bars}: the prompt has {len(prompt.bars)} itself; ask for more bars")
        try:
            for index in self._vocabulary.tokenizer.encode(prompt):
                self._advance(int(index))
            self._advance(self._bar)
        except BadInput as error:
            raise BadParams(f"prompt: it does not fit what is asked ({error}); ask for its own meter") from error


class _Pitches:
    """Keeps notes in the scale, but for the share of accidentals that is asked."""

    def __init__(self, vocabulary: Vocabulary, request: Request) -> None:
        pitched = vocabulary.tokenizer.ids("Pitch")
        scale = request.key.scale if request.key else frozenset(range(12))
        inside = np.isin(vocabulary.tokenizer.values[pitched] % 12, list(scale))
        self._strange = np.zeros(len(vocabulary), bool)
        self._strange[pitched[~inside]] = True
        self._pitched = np.zeros(len(vocabulary), bool)
        self._pitched[pitched] = True
        self._share = request.sampling.accidentals
        self._notes = self._strangers = 0

    def allowed(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """`mask` without strange pitches where one more would be too many, unless nothing else is left."""
        if self._strangers + 1 <= self._share * (self._notes + 1):
            return mask
        strict = mask & ~self._strange
        return strict if strict.any() else mask

    def count(self, index: int) -> None:
        """Take note of a token that was written."""
        self._notes += bool(self._pitched[index])
        self._strangers += bool(self._strange[index])


def _draw(logits: NDArray[np.float32], sampling: SamplingSettings, random: np.random.Generator) -> int:
    """One index from the smallest set of tokens that holds `top_p` of the probability."""
    scaled = (logits - logits.max()) / sampling.temperature
    weights = np.exp(scaled.astype(np.float64))
    order = np.argsort(-weights, kind="stable")
    cumulated = np.cumsum(weights[order])
    kept = order[: int(np.searchsorted(cumulated, sampling.top_p * cumulated[-1])) + 1]
    chance = np.cumsum(weights[kept])
    return int(kept[min(np.searchsorted(chance, random.random() * chance[-1], side="right"), len(kept) - 1)])
