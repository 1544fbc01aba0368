"""What all tasks have in common."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State

from musegen.errors import Unavailable

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def step(name: str) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """A task of that name: retried where a service was unavailable; never cached, content hashes and DVC decide."""

    def decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        wrap: Any = task(
            name=name,
            cache_policy=NO_CACHE,
            retries=3,
            retry_delay_seconds=[1, 5, 30],
            retry_condition_fn=_is_unavailable,
        )
        wrapped: Callable[Parameters, Result] = wrap(function)
        return wrapped

    return decorate


def _is_unavailable(task: Any, run: Any, state: State[Any]) -> bool:
    return isinstance(state.result(raise_on_failure=False), Unavailable)
