"""Looking into the tracks of a corpus on the cluster: one task a batch, each with a guarded child of its own."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import ray

from musegen import inspection, opening
from musegen.cluster.connect import cluster_cpus, connected
from musegen.errors import Unavailable
from musegen.guard import Guard
from musegen.opening import Inspected
from musegen.survey_cache import Learnt, SurveyCache
from musegen.track import Track

_TASKS_PER_CPU = 2
_FEWEST, _MOST = 4, 256


class RayOpeners:
    """Every processor of the cluster opens files; the corpus lies where all nodes see it under the same path."""

    def open(self, tracks: Sequence[Track], root: Path, layout: str, cache: SurveyCache) -> Iterator[Inspected]:
        """Each track looked into, in the order in which batches are done."""
        with connected():
            most = cluster_cpus() * _TASKS_PER_CPU
            size = min(max(len(tracks) // (2 * most), _FEWEST), _MOST)
            remote: Any = ray.remote(open_batch)
            task = remote.options(num_cpus=1, max_retries=3, retry_exceptions=[OSError, Unavailable])
            waiting = [tracks[start : start + size] for start in reversed(range(0, len(tracks), size))]
            running: list[Any] = []
            try:
                while waiting or running:
                    while waiting and len(running) < most:
                        batch = waiting.pop()
                        files = [path for track in batch for path in (track.audio, *track.files.values()) if path]
                        running.append(task.remote(batch, root, layout, cache.hashes_of(files)))
                    done, running = ray.wait(running)
                    for reference in done:
                        inspected, learnt = _result(reference)
                        cache.take(learnt)
                        yield from inspected
            finally:
                for reference in running:
                    ray.cancel(reference)


def open_batch(
    tracks: Sequence[Track], root: Path, layout: str, hashes: tuple[tuple[str, str, str], ...]
) -> tuple[list[Inspected], Learnt]:
    """Look into some tracks, `hashes` being what is known of their files; returns what was learnt as well."""
    cache = SurveyCache()
    try:
        cache.take(Learnt(hashes, ()))
        with Guard(inspection.TARGET) as guard:
            inspected = [opening.inspect(track, root, layout, cache, guard) for track in tracks]
        return inspected, cache.learnt()
    finally:
        cache.close()


def _result(reference: Any) -> tuple[list[Inspected], Learnt]:
    try:
        result: tuple[list[Inspected], Learnt] = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, Exception) else error from None
    except ray.exceptions.RayError as error:
        raise Unavailable(f"Ray: a worker died again and again ({error}); see to its memory, then run again") from error
    return result
