"""MLflow gets every point once: with lost replies, with outages, with drivers that die, with steps done again."""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen.cluster.train import PROGRESS
from musegen.errors import Unavailable
from musegen.registry import GENERATOR_EXPERIMENT, Point, Runs
from musegen.stages import tracking
from musegen.stages.tracking import Tracker, catch_up, conclude, deliver, send
from musegen.stages.training_spool import OUTBOX, Spool, Story
from musegen.training import Progress, journal
from musegen.workspace import Workspace

CURVES = {"train_nll_per_token", "learning_rate", "epoch", "tokens_per_second", "data_wait_share"}


def word(step: int, clock: int = 0, loss: float | None = None, **named: Any) -> Progress:
    """What a training says at a step: the losses depend on the step alone, the time and the speed on the clock."""
    told: dict[str, Any] = {
        "step": step,
        "steps": 100,
        "epoch": step / 10,
        "train_nll_per_token": 5.0 / (1 + step) if loss is None else loss,
        "learning_rate": 0.01,
        "tokens_per_second": 1000.0 + clock,
        "data_wait_share": clock / 1e6,
        "milliseconds": 1_700_000_000_000 + clock,
        "valid_nll_per_note": 9.0 / (1 + step) if step % 4 == 0 else None,
    }
    return Progress(**{**told, **named})


class Store:
    """An MLflow in memory; `plan` says of each request whether it fails before or after it did its work."""

    def __init__(self) -> None:
        self.address = "memory"
        self.plan: list[str] = []
        self.names: dict[str, str] = {}
        self.points: dict[str, list[Point]] = {}
        self.files: list[str] = []
        self.status: dict[str, str] = {}

    def _ask(self, work: Callable[[], Any]) -> Any:
        fate = self.plan.pop(0) if self.plan else "fine"
        if fate == "before":
            raise Unavailable("MLflow is away")
        done = work()
        if fate == "after":
            raise Unavailable("the reply was lost")
        return done

    def open(self, experiment: str, name: str, *_: Any) -> str:
        return self._ask(lambda: self.names.setdefault(name, f"run {len(self.names)}"))

    def knows(self, run_id: str) -> bool:
        return run_id in self.names.values()

    def log_points(self, run_id: str, points: list[Point]) -> None:
        kept = self.points.setdefault(run_id, [])
        self._ask(lambda: kept.extend(point for point in points if point not in kept))

    def log_files(self, run_id: str, path: Path, place: str) -> None:
        self._ask(lambda: self.files.append(f"{place}/{path.name}"))

    def end(self, run_id: str, status: str, milliseconds: int) -> None:
        self._ask(lambda: self.status.update({run_id: status}))

    def reopen(self, run_id: str) -> None:
        self._ask(lambda: self.status.update({run_id: "RUNNING"}))


def told(store: Store, name: str) -> list[Point]:
    return [point for point in store.points.get("run 0", []) if point.name == name]


def tell(store: Any, run: Path) -> str | None:
    return send(store, run, run.name, {"a": 1}, {"git.sha": "s"})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "generator-1"
    folder.mkdir()
    return folder


def say(run: Path, *words: Progress) -> None:
    for each in words:
        journal.append(run / PROGRESS, each)


events = st.lists(
    st.one_of(
        st.tuples(st.just("train"), st.integers(1, 5)),
        st.tuples(st.just("killed"), st.integers(1, 6)),
        st.tuples(st.just("send"), st.lists(st.sampled_from(["fine", "before", "after"]), max_size=4)),
    ),
    max_size=14,
)


@given(events)
@settings(max_examples=40, deadline=None)
def test_every_point_arrives_once_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory, happening: list[tuple[str, Any]]
) -> None:
    run, store = tmp_path_factory.mktemp("runs") / "generator-1", Store()
    run.mkdir()
    clock, step, reached = 0, 0, 0
    for event, more in happening:
        clock += 1000
        if event == "train":
            for _ in range(more):
                step, clock = step + 1, clock + 1
                say(run, word(step, clock))
            reached = max(reached, step)
        elif event == "killed" and step:
            step = max(0, step - more)
            if step:
                say(run, word(step, clock, resumed=True, tokens_per_second=0.0))
        elif event == "send":
            store.plan = list(more)
            tell(store, run)
    store.plan = []
    assert tell(store, run) == "run 0" or reached == 0
    for name in CURVES:
        assert Counter(point.step for point in told(store, f"training/{name}")) == dict.fromkeys(
            range(1, reached + 1), 1
        )
    evaluated = [step for step in range(1, reached + 1) if step % 4 == 0]
    best = {point.step: point.value for point in told(store, "valid.nll_per_note")}
    assert best == {step: 9.0 / (1 + step) for step in evaluated}
    assert Spool(run).waiting() == 0


def test_a_step_that_comes_out_otherwise_is_told_again(run: Path) -> None:
    store = Store()
    say(run, word(1), word(2))
    tell(store, run)
    say(run, word(1, 10, resumed=True), word(2, 20, loss=1.5), word(3, 30))
    tell(store, run)
    losses = [(point.step, point.value) for point in told(store, "training/train_nll_per_token")]
    assert losses == [(1, 2.5), (2, 5 / 3), (2, 1.5), (3, 1.25)]
    assert [point.step for point in told(store, "training/tokens_per_second")] == [1, 2, 3]
    assert [point.value for point in told(store, "training/resumed_at_step")] == [1.0]


def test_the_validation_loss_that_runs_are_compared_by_is_the_best_so_far(run: Path) -> None:
    store = Store()
    say(run, *(word(step, valid_nll_per_note=nll) for step, nll in ((4, 3.0), (8, 2.0))))
    tell(store, run)
    say(run, *(word(step, valid_nll_per_note=nll) for step, nll in ((12, 2.5), (16, 1.0), (20, float("nan")))))
    tell(store, run)
    assert [point.value for point in told(store, "valid.nll_per_note")][:4] == [3.0, 2.0, 2.0, 1.0]
    assert [point.value for point in told(store, "training/valid_nll_per_note")] == [3.0, 2.0, 2.5, 1.0]


def test_what_is_said_of_the_machine_comes_under_its_own_names(run: Path) -> None:
    store = Store()
    say(run, word(1, system={"system/cpu_utilization_percentage": 91.0}))
    tell(store, run)
    assert [point.value for point in told(store, "system/cpu_utilization_percentage")] == [91.0]


def test_an_outage_from_the_beginning_loses_nothing(run: Path) -> None:
    store = Store()
    store.plan = ["before"]
    say(run, word(1))
    assert tell(store, run) is None and Spool(run).waiting() == len(CURVES)
    say(run, word(2))
    assert tell(store, run) == "run 0" and Spool(run).waiting() == 0
    assert [point.step for point in told(store, "training/epoch")] == [1, 2]


def test_a_long_outage_is_made_up_for_in_pieces_that_are_not_sent_twice(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "_POINTS_AT_ONCE", 7)
    store, sizes = Store(), []
    log = store.log_points
    monkeypatch.setattr(store, "log_points", lambda run_id, points: (sizes.append(len(points)), log(run_id, points)))
    say(run, *(word(step) for step in (1, 2, 3, 5)))
    store.plan = ["fine", "fine", "before"]
    tell(store, run)
    tell(store, run)
    assert sizes == [7, 7, 7, 6] and len(store.points["run 0"]) == 20


def test_how_it_ended_and_its_figures_arrive_though_mlflow_was_away_at_the_end(run: Path) -> None:
    store = Store()
    say(run, word(1))
    tell(store, run)
    conclude(run, "FINISHED", 1, {"training.steps": 1.0})
    store.plan = ["fine", "after"]
    tell(store, run)
    tell(store, run)
    tell(store, run)
    assert store.status == {"run 0": "FINISHED"}
    assert [point.value for point in told(store, "training.steps")] == [1.0]


def test_a_run_that_goes_on_is_opened_again_in_mlflow(run: Path) -> None:
    store = Store()
    tell(store, run)
    conclude(run, "KILLED")
    tell(store, run)
    spool = Spool(run)
    story = spool.story
    assert story is not None and store.status == {"run 0": "KILLED"}
    spool.tell(replace(story, status="RUNNING"))
    tell(store, run)
    assert store.status == {"run 0": "RUNNING"}


def test_files_wait_in_the_outbox_and_leave_it_once_they_have_arrived(run: Path) -> None:
    store = Store()
    made = run / "making"
    made.mkdir()
    (made / "a.mid").write_text("a")
    Spool(run).put(made, "samples/epoch-001")
    (run / "top.png").write_text("b")
    Spool(run).put(run / "top.png", "")
    store.plan = ["fine", "fine", "before"]
    tell(store, run)
    assert sorted(store.files) == ["samples/epoch-001/a.mid"] or store.files == ["/top.png"]
    tell(store, run)
    assert sorted(store.files) == ["/top.png", "samples/epoch-001/a.mid"]
    assert not [path for path in (run / OUTBOX).rglob("*") if path.is_file()]


def test_a_run_that_somebody_deleted_in_mlflow_is_told_from_the_beginning(run: Path) -> None:
    store = Store()
    say(run, word(1))
    tell(store, run)
    store.names, store.points = {"another": "another"}, {}
    say(run, word(2))
    store.plan = ["before"]
    assert tell(store, run) == "run 1"
    assert [point.step for point in store.points["run 1"] if point.name == "training/epoch"] == [1, 2]


def test_a_lost_note_of_what_was_sent_makes_no_double_points(run: Path) -> None:
    store = Store()
    say(run, word(1), word(2), word(1, 50, resumed=True), word(2, 60), word(3, 70))
    tell(store, run)
    (run / "sent.json").write_text("{ torn")
    assert tell(store, run) == "run 0"
    assert Counter(point.step for point in told(store, "training/tokens_per_second")) == {1: 1, 2: 1, 3: 1}


def test_two_who_tell_at_once_do_not_get_into_each_others_way(run: Path) -> None:
    store = Store()
    say(run, word(1))
    with FileLock(str(run / "sent.lock")):
        assert tell(store, run) is None
    assert tell(store, run) == "run 0"


@pytest.fixture
def house(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Workspace, Store]]:
    """A workspace whose MLflow is in memory."""
    store = Store()
    store.address = os.environ["MLFLOW_TRACKING_URI"]
    monkeypatch.setattr(tracking, "Runs", lambda _: store)
    monkeypatch.setattr(tracking, "_SECONDS", 0.02)
    yield workspace, store


def folder_of(workspace: Workspace, name: str = "generator-1") -> Path:
    folder = workspace.runs / name
    folder.mkdir(parents=True)
    return folder


def test_the_tracker_tells_while_the_training_goes_on_and_how_it_ended(house: tuple[Workspace, Store]) -> None:
    workspace, store = house
    run = folder_of(workspace)
    with Tracker(workspace, run, Story("generator-1", {}, {})) as tracker:
        say(run, word(1))
        deadline = time.monotonic() + 5
        while not told(store, "training/epoch") and time.monotonic() < deadline:
            time.sleep(0.01)
        assert told(store, "training/epoch")
        say(run, word(2))
        tracker.finish(2, {"training.steps": 2.0})
    assert (tracker.run_id, tracker.waiting, tracker.trouble) == ("run 0", 0, "")
    assert [point.step for point in told(store, "training/epoch")] == [1, 2]
    assert store.status == {"run 0": "FINISHED"} and told(store, "training.steps")


@pytest.mark.parametrize(("raised", "status"), [(RuntimeError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_the_tracker_says_that_a_training_failed_or_was_stopped(
    house: tuple[Workspace, Store], raised: type[BaseException], status: str
) -> None:
    workspace, store = house
    with pytest.raises(raised), Tracker(workspace, folder_of(workspace), Story("generator-1", {}, {})):
        raise raised
    assert store.status == {"run 0": status}


def test_an_mlflow_that_is_away_or_hangs_costs_a_training_no_error_and_hardly_time(
    house: tuple[Workspace, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, store = house
    monkeypatch.setattr(tracking, "_LAST_SECONDS", 0.3)
    run = folder_of(workspace)
    store.plan = ["before"] * 10_000
    with Tracker(workspace, run, Story("generator-1", {}, {})) as tracker:
        say(run, word(1))
        time.sleep(0.1)
        tracker.finish(1, {})
    assert (tracker.run_id, tracker.waiting) == (None, len(CURVES)) and "away" in tracker.trouble

    monkeypatch.setattr(store, "open", lambda *_: time.sleep(3))
    began = time.monotonic()
    with Tracker(workspace, folder_of(workspace, "generator-2"), Story("generator-2", {}, {})) as tracker:
        time.sleep(0.1)
        tracker.finish(0, {})
    assert time.monotonic() - began < 2 and tracker.run_id is None


def test_what_an_outage_left_is_told_by_the_next_who_asks(house: tuple[Workspace, Store]) -> None:
    workspace, store = house
    runs = [folder_of(workspace, f"generator-{number}") for number in range(3)]
    for run in runs:
        say(run, word(1), word(2))
    store.plan = ["before"] * 3
    for run in runs:
        tell(store, run)
    store.plan = ["before"]
    assert catch_up(workspace, without=runs[1]) == ["generator-0"]
    assert catch_up(workspace) == []
    assert {run_id: len(points) for run_id, points in store.points.items()} == dict.fromkeys(store.names.values(), 10)
    asked: list[str] = []
    store.open = lambda *_: asked.append("open")  # type: ignore[method-assign]
    store.log_points = lambda *_: asked.append("points")  # type: ignore[method-assign]
    assert catch_up(workspace) == [] and not asked


def test_an_mlflow_that_is_away_is_waited_for_once_and_not_for_every_run(
    house: tuple[Workspace, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, store = house
    for number in range(4):
        Spool(folder_of(workspace, f"generator-{number}")).tell(Story(f"generator-{number}", {}, {}))
    asked: list[str] = []

    def time_out(experiment: str, name: str, *_: Any) -> str:
        asked.append(name)
        time.sleep(0.05)
        raise Unavailable("nobody answers")

    monkeypatch.setattr(tracking, "_PROMPT_SECONDS", 0.01)
    monkeypatch.setattr(store, "open", time_out)
    assert catch_up(workspace) == [f"generator-{number}" for number in range(4)] and asked == ["generator-0"]
    monkeypatch.setattr(tracking, "_PROMPT_SECONDS", 10)  # it said no to that one run, at once
    assert len(catch_up(workspace)) == 4 and len(asked) == 5
    assert len(catch_up(workspace, stop=lambda: len(asked) > 5)) == 4 and len(asked) == 6


def test_the_run_that_is_under_way_is_told_before_those_that_wait(house: tuple[Workspace, Store]) -> None:
    workspace, store = house
    Spool(folder_of(workspace, "generator-0")).tell(Story("generator-0", {}, {}))
    with Tracker(workspace, folder_of(workspace), Story("generator-1", {}, {})) as tracker:
        deadline = time.monotonic() + 5
        while len(store.names) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        tracker.finish(0, {})
    assert list(store.names) == ["generator-1", "generator-0"]


def test_runs_that_another_mlflow_knows_are_left_to_it_but_for_the_one_that_is_named(
    house: tuple[Workspace, Store],
) -> None:
    workspace, store = house
    elsewhere, run = Store(), folder_of(workspace)
    say(run, word(1))
    tell(elsewhere, run)
    say(run, word(2))
    assert catch_up(workspace) == [] and not store.points
    assert catch_up(workspace, also="generator-1") == []
    assert [point.step for point in told(store, "training/epoch")] == [1, 2]


def test_a_training_that_is_gone_without_a_word_is_closed(
    house: tuple[Workspace, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, store = house
    run = folder_of(workspace)
    say(run, word(1))
    tell(store, run)
    catch_up(workspace)
    assert store.status == {}
    monkeypatch.setattr(tracking, "_SILENT_SECONDS", 0.0)
    with FileLock(str(run / "training.lock")):
        catch_up(workspace)
    assert store.status == {}
    catch_up(workspace)
    assert store.status == {"run 0": "KILLED"}


def test_mlflow_itself_stores_the_points_of_a_lost_reply_once(
    workspace: Workspace, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = Runs(workspace)
    client = runs._connection.client
    log, lost = client.log_batch, [True, True]

    def lossy(*words: Any, **named: Any) -> None:
        log(*words, **named)
        if named.get("metrics") and lost:
            lost.pop()
            raise ConnectionError("the reply was lost")

    monkeypatch.setattr(client, "log_batch", lossy)
    say(run, *(word(step, step) for step in range(1, 40)))
    assert tell(runs, run) is None
    say(run, word(20, 100, resumed=True), *(word(step, 100 + step) for step in range(21, 60)))
    assert tell(runs, run) is None
    run_id = tell(runs, run)
    assert run_id == runs.find(GENERATOR_EXPERIMENT, run.name)
    for name in CURVES:
        stored = client.get_metric_history(run_id, f"training/{name}")
        assert [point.step for point in stored] == list(range(1, 60)), name
    assert json.loads((run / "sent.json").read_text())["attempt"] == []
    assert deliver(runs, run) == run_id
