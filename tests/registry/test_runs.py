"""A run is there once, whatever is repeated, and says what an engineer compares by."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from musegen.errors import Unavailable
from musegen.registry import GENERATOR_EXPERIMENT, Point, Runs
from musegen.workspace import Workspace


@pytest.fixture(scope="module")
def runs(shared_workspace: Workspace) -> Runs:
    return Runs(shared_workspace)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Every test has a run of its own."""
    return str(request.node.name)


def client(runs: Runs) -> Any:
    return runs._connection.client


def all_runs(runs: Runs) -> list[Any]:
    experiment = client(runs).get_experiment_by_name(GENERATOR_EXPERIMENT)
    return list(client(runs).search_runs([experiment.experiment_id], max_results=1000))


def losing_the_reply(call: Callable[..., Any], times: int = 1) -> Callable[..., Any]:
    """The same call, whose first replies are lost after MLflow did what was asked."""
    left = [times]

    def lossy(*words: Any, **named: Any) -> Any:
        done = call(*words, **named)
        if left[0] > 0:
            left[0] -= 1
            raise ConnectionError("connection reset by peer")
        return done

    return lossy


def test_a_run_keeps_its_parameters_and_curves(runs: Runs, name: str) -> None:
    parameters = {"a": {"b": 1, "c": [1, 2]}, "d": "x" * 9000}
    run = runs.open(GENERATOR_EXPERIMENT, name, parameters, {"git.sha": "s"})
    runs.log_points(run, [Point("loss", 1.0 / step, step, 1000 + step) for step in range(1, 1500)])
    runs.end(run)
    kept = client(runs).get_run(run)
    assert kept.data.params["a.b"] == "1" and kept.data.params["a.c"] == "[1, 2]" and len(kept.data.params["d"]) == 6000
    assert kept.data.metrics["loss"] == pytest.approx(1 / 1499)
    assert (kept.info.status, kept.info.run_name) == ("FINISHED", name)
    assert {"git.sha": "s", "musegen.run": name, "musegen.kind": "training"}.items() <= kept.data.tags.items()


def test_a_run_that_is_opened_again_is_the_same_with_what_is_new(runs: Runs, name: str) -> None:
    first = runs.open(GENERATOR_EXPERIMENT, name, {"a": 1}, {"git.sha": "one", "other": "stays"})
    again = runs.open(GENERATOR_EXPERIMENT, name, {"a": 2, "b": 3}, {"git.sha": "two"})
    kept = client(runs).get_run(first).data
    assert again == first == runs.find(GENERATOR_EXPERIMENT, name)
    assert kept.params == {"a": "1", "b": "3"}
    assert (kept.tags["git.sha"], kept.tags["other"]) == ("two", "stays")


@pytest.mark.parametrize("call", ["create_run", "log_batch", "create_experiment"])
def test_a_run_whose_opening_lost_a_reply_is_there_once_and_whole(
    runs: Runs, name: str, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = f"experiment of {name}"
    with monkeypatch.context() as patch:
        patch.setattr(client(runs), call, losing_the_reply(getattr(client(runs), call)))
        with pytest.raises(Unavailable, match="connection reset"):
            runs.open(experiment, name, {"a": 1}, {})
    run = runs.open(experiment, name, {"a": 1}, {})
    found = client(runs).search_runs([client(runs).get_experiment_by_name(experiment).experiment_id])
    assert [(each.info.run_id, each.data.params) for each in found] == [(run, {"a": "1"})]


def test_a_request_that_was_repeated_beneath_us_leaves_one_run(
    runs: Runs, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = client(runs).create_run

    def twice(*words: Any, **named: Any) -> Any:
        create(*words, **named)
        return create(*words, **named)

    monkeypatch.setattr(client(runs), "create_run", twice)
    run = runs.open(GENERATOR_EXPERIMENT, name, {}, {})
    assert [each.info.run_id for each in all_runs(runs) if each.info.run_name == name] == [run]


def test_equal_points_are_stored_once_also_after_a_lost_reply(
    runs: Runs, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.open(GENERATOR_EXPERIMENT, name, {}, {})
    points = [Point("loss", 1.0 / step, step, 1000 + step) for step in range(1, 2200)]
    with monkeypatch.context() as patch:
        patch.setattr(client(runs), "log_batch", losing_the_reply(client(runs).log_batch))
        with pytest.raises(Unavailable):
            runs.log_points(run, points)
    runs.log_points(run, points)
    stored = client(runs).get_metric_history(run, "loss")
    assert sorted((each.step, each.value, each.timestamp) for each in stored) == [
        (point.step, point.value, point.milliseconds) for point in points
    ]


def test_a_trial_lies_below_its_training_named_by_id_or_by_name(runs: Runs, name: str) -> None:
    parent = runs.open(GENERATOR_EXPERIMENT, name, {}, {})
    for index, said in enumerate((parent, name)):
        trial = runs.open(GENERATOR_EXPERIMENT, f"{name} {index}", {}, {"musegen.kind": "trial"}, said)
        tags = client(runs).get_run(trial).data.tags
        assert (tags["mlflow.parentRunId"], tags["musegen.kind"]) == (parent, "trial")


def test_a_trial_that_came_before_its_training_is_put_below_it_later(runs: Runs, name: str) -> None:
    trial = runs.open(GENERATOR_EXPERIMENT, f"{name} 1", {}, {}, name)
    assert "mlflow.parentRunId" not in client(runs).get_run(trial).data.tags
    parent = runs.open(GENERATOR_EXPERIMENT, name, {}, {})
    assert runs.open(GENERATOR_EXPERIMENT, f"{name} 1", {}, {}, name) == trial
    assert client(runs).get_run(trial).data.tags["mlflow.parentRunId"] == parent


def test_figures_are_written_once_and_corrected_where_they_change(runs: Runs, name: str) -> None:
    run = runs.open(GENERATOR_EXPERIMENT, name, {}, {})
    for value in (2.5, 2.5, 2.25):
        runs.log_values(run, {"test.nll_per_note": value})
    assert client(runs).get_run(run).data.metrics == {"test.nll_per_note": 2.25}
    assert [each.value for each in client(runs).get_metric_history(run, "test.nll_per_note")] == [2.5, 2.25]


def test_a_file_and_a_folder_lie_where_they_are_put(runs: Runs, name: str, tmp_path: Path) -> None:
    run = runs.open(GENERATOR_EXPERIMENT, name, {}, {})
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "a.mid").write_text("midi")
    (tmp_path / "params.yaml").write_text("a: 1")
    runs.log_files(run, tmp_path / "samples", "samples/epoch-001")
    runs.log_files(run, tmp_path / "params.yaml")
    assert {each.path for each in client(runs).list_artifacts(run)} == {"samples", "params.yaml"}
    assert [each.path for each in client(runs).list_artifacts(run, "samples/epoch-001")] == ["samples/epoch-001/a.mid"]


def test_a_run_that_somebody_deleted_is_unknown_and_another_is_opened(runs: Runs, name: str) -> None:
    first = runs.open(GENERATOR_EXPERIMENT, name, {}, {})
    assert runs.knows(first) and not runs.knows("0" * 32)
    client(runs).delete_run(first)
    assert not runs.knows(first) and runs.find(GENERATOR_EXPERIMENT, name) is None
    assert runs.open(GENERATOR_EXPERIMENT, name, {}, {}) != first


def test_a_run_that_was_closed_may_go_on(runs: Runs, name: str) -> None:
    run = runs.open(GENERATOR_EXPERIMENT, name, {}, {})
    runs.end(run, "KILLED", 1_700_000_000_000)
    assert client(runs).get_run(run).info.end_time == 1_700_000_000_000
    runs.reopen(run)
    assert client(runs).get_run(run).info.status == "RUNNING"


def test_the_experiment_says_how_to_read_it_and_comes_back_when_it_was_deleted(runs: Runs, name: str) -> None:
    runs.open(GENERATOR_EXPERIMENT, name, {}, {})
    experiment = client(runs).get_experiment_by_name(GENERATOR_EXPERIMENT)
    for word in ("valid.nll_per_note", "test.nll_per_note", "Compare", "gate.result", "samples/"):
        assert word in experiment.tags["mlflow.note.content"]
    client(runs).delete_experiment(experiment.experiment_id)
    run = runs.open(GENERATOR_EXPERIMENT, f"{name} again", {}, {})
    assert client(runs).get_run(run).info.experiment_id == experiment.experiment_id


def test_an_experiment_that_is_not_there_has_no_runs(runs: Runs) -> None:
    assert runs.find("no such experiment", "a run") is None


def test_a_store_for_files_that_does_not_answer_is_unavailable_too(
    runs: Runs, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class EndpointConnectionError(Exception):
        pass

    EndpointConnectionError.__module__ = "botocore.exceptions"

    def fail(*_: Any) -> None:
        raise EndpointConnectionError("no bucket answers")

    run = runs.open(GENERATOR_EXPERIMENT, name, {}, {})
    monkeypatch.setattr(client(runs), "log_artifact", fail)
    (tmp_path / "a").write_text("a")
    with pytest.raises(Unavailable, match="no bucket answers"):
        runs.log_files(run, tmp_path / "a")
    monkeypatch.setattr(client(runs), "log_artifact", lambda *_: {}["a mistake of ours"])
    with pytest.raises(KeyError):
        runs.log_files(run, tmp_path / "a")
