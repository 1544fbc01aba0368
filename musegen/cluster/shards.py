"""Making the shards of a dataset on the cluster: one task a shard, the commit at the end."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ray

from musegen import prepare
from musegen.cluster.connect import cluster_cpus, connected
from musegen.errors import BadInput, Unavailable
from musegen.prepare import ComposingSettings, ShardPlan
from musegen.shards import manifest
from musegen.shards.manifest import Manifest, ShardEntry

_TASKS_PER_CPU = 2


def make_dataset(
    plans: Sequence[ShardPlan],
    root: Path,
    settings: ComposingSettings,
    folder: Path,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Manifest, int]:
    """Bring the dataset in `folder` to what `plans` ask for; returns its manifest and how many shards were made.

    Only stale shards are made; with none and nothing to drop, nothing is written and Ray is not started.
    """
    try:
        before = manifest.load(folder)
    except BadInput:
        before = None  # there is none, or it is damaged: all is made anew
    todo = prepare.stale(plans, before, folder)
    kept = {shard.path: shard for shard in before.shards} if before else {}
    wanted = {plan.path for plan in plans}
    if before is not None and not todo and set(kept) == wanted:
        manifest.discard_staged(folder)
        return before, 0
    made = _map(todo, root, settings, folder, on_progress) if todo else []
    entries = {path: shard for path, shard in kept.items() if path in wanted}
    entries.update({shard.path: shard for shard in made})
    after = Manifest(tuple(entries[path] for path in sorted(entries)))
    manifest.commit(folder, after)
    return after, len(made)


def _map(
    plans: Sequence[ShardPlan],
    root: Path,
    settings: ComposingSettings,
    folder: Path,
    on_progress: Callable[[int, int], None],
) -> list[ShardEntry]:
    """All shards, at most two tasks a processor under way at a time; the first that fails ends the others."""
    with connected():
        remote: Any = ray.remote(prepare.make_shard)
        task = remote.options(num_cpus=1, max_retries=3, retry_exceptions=[OSError, Unavailable])
        most = cluster_cpus() * _TASKS_PER_CPU
        waiting, made = list(reversed(plans)), list[ShardEntry]()
        running: list[Any] = []
        try:
            while waiting or running:
                while waiting and len(running) < most:
                    running.append(task.remote(waiting.pop(), root, settings, folder))
                done, running = ray.wait(running)
                made += [_result(reference) for reference in done]
                on_progress(len(made), len(plans))
        finally:
            for reference in running:
                ray.cancel(reference)
    return made


def _result(reference: Any) -> ShardEntry:
    try:
        entry: ShardEntry = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, Exception) else error from None
    except ray.exceptions.RayError as error:
        raise Unavailable(f"Ray: a worker died again and again ({error}); see to its memory, then run again") from error
    return entry
