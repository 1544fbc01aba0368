"""A model that learns: its weights, their running average, what the optimizers remember, and one step of it all."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from musegen.models import Generator, RecurrentSettings, Sizes, TransformerSettings, build
from musegen.training.batches import Batch, company, negative_log_likelihood
from musegen.training.feed import MicroBatch
from musegen.training.optimizer import load_state, optimizers, set_learning_rates, share, state_of
from musegen.training.settings import TrainingSettings
from musegen.training.sharded import local, part, whole
from musegen.training.world import World, accumulating, computes_bfloat16
from musegen.vocabulary import Vocabulary


class Learner:
    """One worker's model; all workers do the same with theirs, at the same time.

    `parameters` and `average` are tensors by the parameters' names, of parts where the model is in parts.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        model_settings: TransformerSettings | RecurrentSettings,
        vocabulary: Vocabulary,
        world: World,
    ) -> None:
        self._settings, self._world = settings, world
        self._is_bfloat16 = computes_bfloat16(settings, world)
        torch.manual_seed(settings.seed)
        self.model: Generator = build(model_settings, Sizes.of(vocabulary))
        self._joined: nn.Module = world.joined(self.model)
        self._active = optimizers(self.model, settings)
        self.parameters: dict[str, nn.Parameter] = dict(self.model.named_parameters())
        self.average = {name: local(parameter).clone() for name, parameter in self.parameters.items()}
        self._warm_up(company(vocabulary))

    def learn(self, step: int, part: MicroBatch) -> Tensor:
        """Gather the gradients of a part of a step; returns its loss, in nats a target of the global batch."""
        self.model.train()
        # A seed of its own for every part of every step: what dropout draws depends on nothing else.
        torch.manual_seed(hash((self._settings.seed, step, part.number)))
        return self._backward(part.batch.to(self._world.device), part.targets, part.is_last)

    def move(self, step: int) -> None:
        """Take the step along what was gathered."""
        settings = self._settings
        set_learning_rates(self._active, share(step, settings))
        torch.nn.utils.clip_grad_norm_(self.parameters.values(), settings.clip, foreach=True)
        for optimizer in self._active:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        decay = min(settings.ema, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.average.values()), self._own(), 1 - decay)

    def logits(self, batch: Batch) -> Tensor:
        """What the model says to a batch on its device; where it is in parts, all workers have to ask at once."""
        with self._autocast():
            logits: Tensor = self.model(batch.ids, batch.contexts)
        return logits

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The model holds the averaged weights inside, its own again afterwards."""
        own = self._own()
        kept = [tensor.clone() for tensor in own]
        torch._foreach_copy_(own, list(self.average.values()))
        self.model.eval()
        try:
            yield
        finally:
            torch._foreach_copy_(own, kept)

    def gathered(self, parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Whole tensors in memory of their own, on the first worker (the others get none, but all have to ask)."""
        found = {}
        for name, tensor in parts.items():
            gathered = whole(tensor, self.parameters.get(name))
            if self._world.rank == 0:
                found[name] = gathered.to("cpu", copy=True, memory_format=torch.contiguous_format)
        return found

    def state(self) -> dict[str, dict[str, Tensor]]:
        """All that the next step depends on, whole, as `gathered`."""
        return {
            "weights": self.gathered(self.parameters),
            "average": self.gathered(self.average),
            "optimizer": self.gathered(state_of(self._active)),
        }

    @torch.no_grad()
    def restore(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Be as the learner was that gave this `state`."""
        for kind, into in (("weights", self.parameters), ("average", self.average)):
            for name, tensor in into.items():
                local(tensor).copy_(part(state[kind][name], self.parameters[name]))
        load_state(self._active, dict(state.get("optimizer", {})))

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._world.device.type, torch.bfloat16, enabled=self._is_bfloat16)

    def _own(self) -> list[Tensor]:
        return [local(parameter) for parameter in self.parameters.values()]

    def _backward(self, batch: Batch, targets: int, is_last: bool) -> Tensor:
        with accumulating(self._joined, is_last):
            with self._autocast():
                logits = self._joined(batch.ids, batch.contexts)
            loss = negative_log_likelihood(logits, batch).sum() / targets
            # Gradients are averaged over workers where the sum is meant.
            torch.autograd.backward(loss * self._world.size)
        return loss.detach()

    def _warm_up(self, batch: Batch) -> None:
        """After its first backward pass DDP lays gradients out anew, and a sum over three workers depends on how.

        So the first step of a run that goes on is as any other.
        """
        if self._world.size > 1:
            self._backward(batch.to(self._world.device), 1, is_last=True)
            self.model.zero_grad(set_to_none=True)
