"""Which things hang together, link by link."""

from collections.abc import Iterable


class Components:
    """Connected components of the things 0..count-1, each named by its least member (union-find, path halving)."""

    def __init__(self, count: int, links: Iterable[tuple[int, int]] = ()) -> None:
        self._parents = list(range(count))
        for one, other in links:
            self.join(one, other)

    def of(self, thing: int) -> int:
        """The least thing that it hangs together with, itself if no other."""
        parents = self._parents
        while parents[thing] != thing:
            parents[thing] = parents[parents[thing]]
            thing = parents[thing]
        return thing

    def join(self, one: int, other: int) -> None:
        """Link two things."""
        low, high = sorted((self.of(one), self.of(other)))
        self._parents[high] = low

    def all(self) -> list[int]:
        """The component of each thing."""
        return [self.of(thing) for thing in range(len(self._parents))]
