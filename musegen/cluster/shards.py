"""Making the shards of a dataset on the cluster: one task a shard, the commit at the end."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import ray

from musegen.cluster.connect import cluster_cpus, connected
from musegen.errors import BadInput, Unavailable
from musegen.prepare import making
from musegen.prepare.making import Costs, Lasting, Made
from musegen.prepare.plan import ShardPlan, stale
from musegen.prepare.recipe import Recipe
from musegen.shards import manifest, reader
from musegen.shards.ledger import Ledger, Standing, ledger_path
from musegen.shards.manifest import STAGING, Manifest
from musegen.shards.store import Place, Store

STALL_SECONDS = 1800.0
"""A worker that has told no progress for so long is ended; the track that it has under way is to blame."""
_TASKS_PER_CPU = 2
_TRIES = 3
_WAIT_SECONDS = 0.5
_LOOK_SECONDS = 1.0
_SHARE_OF_LOOKING = 0.1
_GRACE_SECONDS = 3.0

Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Dataset:
    """A committed dataset: how many of its shards this run made, what they took, and how long all took."""

    manifest: Manifest
    shards_made: int
    costs: Costs
    wall_seconds: float


def make_dataset(
    plans: Sequence[ShardPlan],
    recipe: Recipe,
    place: Place,
    on_progress: Tell = lambda done, total: None,
    stall_seconds: float = STALL_SECONDS,
    on_start: Callable[[], None] = lambda: None,
    mend: bool = False,
) -> Dataset:
    """Bring the dataset at `place` to what `plans` ask for; `on_progress` hears of tracks, done and in all,
    `on_start` is called before any is made.

    Only stale shards are made; with none and nothing to drop, nothing is written and Ray is not started. The first
    error ends the run, and the old dataset stays. A worker that dies costs time alone, one that dies of a track again
    and again makes a reject of it. With `mend` every shard is read, what is damaged is made again, and rejects, else
    tried again when their track changes, are tried. Raises what `make_shard` raises, `Unavailable` where workers die of
    nothing known.
    """
    start = time.monotonic()
    store = Store.at(place)
    try:
        before = manifest.load(store)
    except BadInput:
        before = None  # there is none, or it is damaged: all is made anew
    todo = _todo(plans, store, before, mend)
    kept = {shard.path: shard for shard in before.shards} if before else {}
    wanted = {plan.path for plan in plans}
    if before is not None and not todo and set(kept) == wanted:
        manifest.discard_staged(store)
        return Dataset(before, 0, Costs(), time.monotonic() - start)
    if todo:
        on_start()
    made = _made(todo, recipe, store, before, on_progress, stall_seconds, mend) if todo else []
    entries = {path: shard for path, shard in kept.items() if path in wanted}
    entries.update({each.entry.path: each.entry for each in made})
    after = Manifest(tuple(entries[path] for path in sorted(entries)))
    manifest.commit(store, after)
    return Dataset(after, len(made), sum((each.costs for each in made), Costs()), time.monotonic() - start)


def _todo(plans: Sequence[ShardPlan], store: Store, before: Manifest | None, mend: bool) -> list[ShardPlan]:
    """The shards that are to be made; with `mend` those that are damaged or have rejects as well."""
    if before is None or not mend:
        return stale(plans, before, store)
    unsound = {*reader.damaged(store), *(shard.path for shard in before.shards if shard.rejects)}
    return stale(plans, before, store, unsound)


def _made(
    plans: Sequence[ShardPlan],
    recipe: Recipe,
    store: Store,
    before: Manifest | None,
    on_progress: Tell,
    stall_seconds: float,
    mend: bool,
) -> list[Made]:
    """All shards, staged."""
    _pardon(plans, store, mend)
    with connected():
        run = _Run(plans, recipe, store, before, on_progress, stall_seconds, mend)
        try:
            while run.goes_on:
                run.submit()
                run.collect()
        finally:
            run.end()
    return run.made


def _pardon(plans: Sequence[ShardPlan], store: Store, mend: bool) -> None:
    """A run that ended as a whole did not die of a track; with `mend`, nothing is held against any."""
    there = set(store.list(STAGING))
    for plan in plans:
        path = ledger_path(plan.path)
        if path in there and mend:
            store.delete(path)
        elif path in there:
            Ledger(store, plan.path, plan.fingerprint).pardon()


@dataclass
class _Shard:
    """A shard that is to be made; `submitted` and `standing` are what its ledger said at first and said last."""

    plan: ShardPlan
    ledger: Ledger
    submitted: Standing = field(default_factory=Standing)
    standing: Standing = field(default_factory=Standing)
    told_at: float = 0.0
    stalled: bool = False
    deaths_of_nothing: int = 0
    failures: int = 0

    @property
    def begun(self) -> bool:
        """Whether a worker has opened the ledger since the shard was submitted."""
        return self.standing.attempt > self.submitted.attempt

    @property
    def tracks_done(self) -> int:
        return self.standing.done if self.begun else 0

    def look(self) -> None:
        """Read the ledger again."""
        with suppress(Unavailable):  # the next look may succeed
            standing = self.ledger.look()
            if standing != self.standing:
                self.standing, self.told_at = standing, time.monotonic()


class _Run:
    """The shards of one run: at most two tasks a processor are under way, and the largest begin first.

    Ray itself repeats nothing, so that every death of a worker is seen here. Rows do not come by: a task is given a
    plan, the recipe and the old manifest lie in the object store once, and what comes back is an entry of the manifest.
    """

    def __init__(
        self,
        plans: Sequence[ShardPlan],
        recipe: Recipe,
        store: Store,
        before: Manifest | None,
        on_progress: Tell,
        stall_seconds: float,
        mend: bool,
    ) -> None:
        self.made: list[Made] = []
        self._store, self._on_progress, self._stall_seconds = store, on_progress, stall_seconds
        self._task: Any = ray.remote(num_cpus=1, max_retries=0, retry_exceptions=False)(making.make_shard)
        self._recipe, self._before, self._mend = ray.put(recipe), ray.put(before), mend
        self._waiting = [
            _Shard(plan, Ledger(store, plan.path, plan.fingerprint))
            for plan in sorted(plans, key=lambda plan: plan.expected_bytes)
        ]
        self._running: dict[Any, _Shard] = {}
        self._tracks = sum(len(plan.tracks) for plan in plans)
        self._tracks_done, self._told, self._look_at = 0, -1, 0.0

    @property
    def goes_on(self) -> bool:
        """Whether there is a shard that isn't made."""
        return bool(self._waiting or self._running)

    def submit(self) -> None:
        """Give the cluster what it has room for."""
        most = max(1, cluster_cpus()) * _TASKS_PER_CPU
        while self._waiting and len(self._running) < most:
            shard = self._waiting.pop()
            shard.submitted = shard.standing = shard.ledger.look()
            shard.stalled = False
            task = self._task.remote(shard.plan, self._recipe, self._store, self._before, self._mend)
            self._running[task] = shard

    def collect(self) -> None:
        """Take what is done, or what became of it, and tell the progress."""
        ready, _ = ray.wait(list(self._running), timeout=max(0.0, self._look_at - time.monotonic()))
        for reference in ready:
            self._take(reference, self._running.pop(reference))
        if time.monotonic() >= self._look_at:
            self._look()
        tracks_done = self._tracks_done + sum(shard.tracks_done for shard in self._running.values())
        if tracks_done > self._told:
            self._told = tracks_done
            self._on_progress(tracks_done, self._tracks)

    def end(self) -> None:
        """End what is still under way, which then is no track's fault."""
        running = list(self._running)
        for force in (False, True):
            for reference in running:
                ray.cancel(reference, force=force)
            if running:
                _, running = ray.wait(running, num_returns=len(running), timeout=_GRACE_SECONDS)
        for shard in self._running.values():
            with suppress(Unavailable):
                shard.ledger.pardon()

    def _take(self, reference: Any, shard: _Shard) -> None:
        try:
            self.made.append(ray.get(reference))
            self._tracks_done += len(shard.plan.tracks)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause if isinstance(error.cause, Exception) else error
            shard.failures += 1
            passing = isinstance(cause, OSError | Unavailable) and not isinstance(cause, Lasting)
            if not passing or shard.failures > _TRIES:
                raise cause from None
            time.sleep(_WAIT_SECONDS * 2**shard.failures)
            self._waiting.append(shard)
        except ray.exceptions.RayError as error:
            if shard.stalled:
                with suppress(Unavailable):  # it is to blame in any case
                    shard.ledger.stalled()
            shard.look()
            if not shard.begun or shard.standing.under_way is None:
                shard.deaths_of_nothing += 1
            if shard.deaths_of_nothing >= _TRIES:
                words = f"Ray: a worker died again and again ({error}); see to its memory, then run again"
                raise Unavailable(words) from error
            self._waiting.append(shard)

    def _look(self) -> None:
        """Read all ledgers, which may take a tenth of the time, and end workers that have told nothing for long."""
        start = time.monotonic()
        for reference, shard in self._running.items():
            shard.look()
            if shard.begun and time.monotonic() - shard.told_at > self._stall_seconds:
                shard.stalled = True
                ray.cancel(reference, force=True)
        now = time.monotonic()
        self._look_at = now + max(_LOOK_SECONDS, (now - start) / _SHARE_OF_LOOKING)
