"""Training under Ray: what is told, what goes wrong in words, and a cluster that is kept."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import ray
from filelock import FileLock

from musegen.cluster import train
from musegen.cluster.connect import connected, kept_open
from musegen.cluster.train import LOCK, PROGRESS, train_on_cluster
from musegen.errors import BadParams, Unavailable
from musegen.training import Progress, journal
from musegen.workspace import Workspace

if TYPE_CHECKING:
    from tests.cluster.conftest import JobFor

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def cluster(shared_workspace: Workspace) -> Iterator[None]:
    with kept_open():
        with connected(2):
            pass
        yield
    assert not ray.is_initialized()


def test_a_cluster_that_is_kept_open_is_used_again() -> None:
    assert ray.is_initialized()
    with connected():
        job = ray.get_runtime_context().get_job_id()
    with kept_open(), connected():
        assert ray.get_runtime_context().get_job_id() == job


def test_every_word_is_handed_over_and_what_a_worker_says_of_itself_ends_it_at_once(job_for: "JobFor") -> None:
    job = job_for("words", steps=60)
    words: list[Progress] = []
    result = train_on_cluster(job, words.append)
    assert words == journal.read(job.run / PROGRESS)[0]
    assert (words[-1].step, result.steps) == (60, 60)
    with pytest.raises(BadParams, match="other settings"):
        train_on_cluster(replace(job, training=job.training.model_copy(update={"learning_rate": 0.5})))


def test_a_listener_that_fails_is_said_once_and_costs_nothing(
    job_for: "JobFor", caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Progress] = []

    def fail(progress: Progress) -> None:
        heard.append(progress)
        raise ConnectionError("the artifact was refused")

    assert train_on_cluster(job_for("deaf", steps=60), fail).steps == 60
    assert len(heard) > 1 and caplog.text.count("the artifact was refused") == 1


def test_a_second_training_of_a_run_is_refused(job_for: "JobFor", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "_PATIENCE_SECONDS", 0.1)
    job = job_for("taken")
    with FileLock(job.run / LOCK), pytest.raises(Unavailable, match="another training"):
        train_on_cluster(job)


def test_a_cluster_whose_places_are_taken_is_not_waited_for_without_end(
    job_for: "JobFor", monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(train, "_SAID_SECONDS", 0.5)
    monkeypatch.setattr(train, "_PLACES_SECONDS", 4.0)
    other = ray.remote(num_cpus=2)(_Other).remote()
    ray.get(other.here.remote())
    with pytest.raises(Unavailable, match=r"asks for 2 workers, 0 of 2 processors are free; wait until"):
        train_on_cluster(job_for("waiting"))
    assert "it waits up to 4 s for them" in caplog.text
    ray.kill(other)


class _Other:
    """Who takes all places."""

    def here(self) -> bool:
        return True
