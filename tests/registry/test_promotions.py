"""The log of promotions decides who serves: in a race, after a kill at any point, and for every reader alike."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from musegen.errors import BadParams, Overtaken
from musegen.registry import CHAMPION, PREVIOUS, ModelVersion, Promotion, Registry, promotions
from musegen.registry.promotions import BY_HAND, FROM_BEFORE, replay
from musegen.workspace import Workspace

ROOT = Path(__file__).parent.parent.parent


class Killed(BaseException):
    """What a SIGKILL is to a process: nothing after it runs."""


class Faulty:
    """A client whose calls may fail: `before` or `after` they were carried out."""

    def __init__(self, client: MlflowClient, fail: Callable[[str, bool], None]) -> None:
        self._client, self._fail = client, fail

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self._fail(name, False)
            done = method(*arguments, **named)
            self._fail(name, True)
            return done

        return call


WRITES = ("set_", "delete_", "create_")


@pytest.fixture(scope="module")
def registry(shared_workspace: Workspace) -> Registry:
    return Registry(shared_workspace)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Every test has a model of its own."""
    return str(request.node.name)[:80].replace("/", " ")


@pytest.fixture
def client(registry: Registry) -> MlflowClient:
    """What a person has who works in MLflow itself."""
    return registry._client


@pytest.fixture
def models(client: MlflowClient, name: str) -> list[ModelVersion]:
    """Four versions without files: for who serves these do not matter."""
    return make_models(client, name, 4)


def make_models(client: MlflowClient, name: str, count: int) -> list[ModelVersion]:
    client.create_registered_model(name)
    for _ in range(count):
        client.create_model_version(name, "nowhere:/at-all", await_creation_for=0)
    return [ModelVersion(name, number, "", (), {}) for number in range(1, count + 1)]


def aliases(client: MlflowClient, name: str) -> dict[str, int]:
    return {alias: int(number) for alias, number in client.get_registered_model(name).aliases.items()}


def notes(client: MlflowClient, name: str) -> list[str]:
    return list(client.get_registered_model(name).tags)


def told(registry: Registry, name: str) -> list[tuple[int | None, int | None, bool]]:
    return [(entry.version, entry.instead_of, entry.accepted) for entry in registry.history(name)]


def faulty(workspace: Workspace, fail: Callable[[str, bool], None]) -> Registry:
    registry = Registry(workspace)
    client = Faulty(registry._client, fail)
    registry._client = registry._connection.client = client  # type: ignore[assignment]
    return registry


@given(st.lists(st.tuples(st.integers(1, 3) | st.none(), st.integers(1, 3) | st.none())))
def test_replayed_entries_form_one_chain(pairs: list[tuple[int | None, int | None]]) -> None:
    log = [Promotion(n, new, old, "", "", "") for n, (new, old) in enumerate(pairs, 1)]
    decided, states = replay(log)
    champion = None
    for entry in decided:
        assert entry.accepted == (entry.instead_of == champion)
        assert entry.version != champion
        champion = entry.version if entry.accepted else champion
    assert states[-1].champion == champion and len(states) == len(log) + 1
    assert all(state.previous != state.champion or state.champion is None for state in states)


def test_the_history_tells_who_promoted_what_and_why(
    registry: Registry, models: list[ModelVersion], name: str, client: MlflowClient
) -> None:
    registry.promote(models[0], None, "the first", "ada")
    registry.promote(models[1], 1, "better", "ben")
    with pytest.raises(Overtaken, match="version 2 is the champion by now"):
        registry.promote(models[2], 1, "it came late", "cy")
    registry.rollback(name, "it sounded worse", "dee")
    assert [(entry.who, entry.version, entry.instead_of, entry.accepted) for entry in registry.history(name)] == [
        ("ada", 1, None, True), ("ben", 2, 1, True), ("cy", 3, 1, False), ("dee", 1, 2, True),
    ]  # fmt: skip
    words = str(registry.history(name)[2])
    assert "version 3 instead of 1 (refused: another was champion by then)  cy: it came late" in words
    assert aliases(client, name) == {CHAMPION: 1, PREVIOUS: 2} and notes(client, name) == []


def test_rolled_back_twice_is_as_before(registry: Registry, models: list[ModelVersion], name: str) -> None:
    registry.promote(models[0], None, "the first")
    with pytest.raises(BadParams, match="nothing served before"):
        registry.rollback(name, "there is nothing")
    registry.promote(models[1], 1, "better")
    assert [registry.rollback(name, "again").number for _ in range(3)] == [1, 2, 1]
    assert all("@" in entry.who for entry in registry.history(name))


def test_a_promotion_that_was_made_is_not_made_again(registry: Registry, models: list[ModelVersion], name: str) -> None:
    registry.promote(models[0], None, "the first")
    registry.promote(models[1], 1, "better")
    registry.promote(models[1], 1, "the same, by a retry that does not know")
    registry.promote(models[1], models[1], "the champion")
    assert told(registry, name) == [(1, None, True), (2, 1, True)]


def test_an_older_run_that_finishes_later_displaces_nobody(
    registry: Registry, models: list[ModelVersion], name: str, client: MlflowClient
) -> None:
    registry.promote(models[0], None, "the first")
    registry.promote(models[2], 1, "started later, finished first")
    with pytest.raises(Overtaken):
        registry.promote(models[1], 1, "started first")
    assert aliases(client, name) == {CHAMPION: 3, PREVIOUS: 1}


def test_rollback_goes_back_to_the_newest_version_that_is_still_there(
    registry: Registry, models: list[ModelVersion], name: str, client: MlflowClient
) -> None:
    for version, before in zip(models, (None, 1, 2, 3), strict=True):
        registry.promote(version, before, "better")
    client.delete_model_version(name, "3")
    assert registry.version(name, PREVIOUS).number == 2
    client.delete_model_version(name, "4")
    assert registry.find(name) is None
    assert registry.rollback(name, "somebody deleted the champion").number == 2
    assert aliases(client, name) == {CHAMPION: 2, PREVIOUS: 1}
    client.delete_model_version(name, "1")
    with pytest.raises(BadParams, match="nothing served before"):
        registry.rollback(name, "there is nobody left")


def test_versions_that_are_gone_cost_no_lock(
    registry: Registry, models: list[ModelVersion], name: str, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.promote(models[0], None, "the first")
    registry.promote(models[1], 1, "better")
    client.delete_model_version(name, "1")
    monkeypatch.setattr(promotions.PromotionLog, "_turn", lambda log: pytest.fail("the lock was taken"))
    assert registry.version(name).number == 2
    assert registry.find(name, PREVIOUS) is None


def test_a_champion_that_was_moved_by_hand_is_adopted(
    registry: Registry, models: list[ModelVersion], name: str, client: MlflowClient
) -> None:
    registry.promote(models[0], None, "the first")
    registry.promote(models[1], 1, "better")
    for number, before in ((3, 2), (1, 3)):
        client.set_registered_model_alias(name, CHAMPION, str(number))
        assert registry.version(name).number == number
        entry = registry.history(name)[-1]
        assert (entry.version, entry.instead_of, entry.who, entry.why) == (number, before, "MLflow", BY_HAND)
        assert aliases(client, name) == {CHAMPION: number, PREVIOUS: before}
    with pytest.raises(Overtaken):
        registry.promote(models[3], 2, "judged against the one before")


def test_a_champion_that_is_taken_away_by_hand_serves_no_more(
    registry: Registry, models: list[ModelVersion], name: str, client: MlflowClient
) -> None:
    registry.promote(models[0], None, "the first")
    client.delete_registered_model_alias(name, CHAMPION)
    assert registry.find(name) is None
    registry.promote(models[1], None, "the next")
    client.delete_model_version(name, "2")
    assert registry.find(name) is None
    assert told(registry, name) == [(1, None, True), (None, 1, True), (2, None, True), (None, 2, True)]


def test_previous_follows_the_log_whatever_is_done_to_it(
    registry: Registry, models: list[ModelVersion], name: str, client: MlflowClient
) -> None:
    registry.promote(models[0], None, "the first")
    registry.promote(models[1], 1, "better")
    client.set_registered_model_alias(name, PREVIOUS, "4")
    assert registry.version(name, PREVIOUS).number == 1
    client.delete_model_version(name, "1")
    assert registry.version(name).number == 2 and len(registry.history(name)) == 2


@pytest.mark.parametrize("previous", [True, False])
def test_a_registry_from_before_is_adopted_as_it_is(
    registry: Registry, models: list[ModelVersion], name: str, client: MlflowClient, previous: bool
) -> None:
    client.set_registered_model_alias(name, CHAMPION, "2")
    if previous:
        client.set_registered_model_alias(name, PREVIOUS, "1")
    assert registry.version(name).number == 2
    assert told(registry, name) == ([(1, None, True), (2, 1, True)] if previous else [(2, None, True)])
    assert {entry.why for entry in registry.history(name)} == {FROM_BEFORE}
    registry.promote(models[2], 2, "better")
    assert aliases(client, name) == {CHAMPION: 3, PREVIOUS: 2}


def test_what_a_person_adds_to_the_log_is_no_entry(
    registry: Registry, models: list[ModelVersion], name: str, client: MlflowClient
) -> None:
    registry.promote(models[0], None, "the first")
    client.create_model_version(f"{name}-history", "nowhere:/at-all", await_creation_for=0)
    registry.promote(models[1], 1, "better")
    assert told(registry, name) == [(1, None, True), (2, 1, True)]


def test_a_kill_at_any_point_leaves_one_champion_and_no_lie(shared_workspace: Workspace, name: str) -> None:
    """Each call to MLflow in turn is the last that a promoter makes: not done, or done and no more known of it."""
    registry, left = Registry(shared_workspace), [0]
    client = registry._client
    models = make_models(client, name, 2)
    registry.promote(models[0], None, "the first")
    promoted, points = 1, 0
    for after in (False, True):

        def fail(call: str, done: bool, after: bool = after) -> None:
            if call.startswith(WRITES) and done == after:
                left[0] -= 1
                if left[0] < 0:
                    raise Killed

        for calls in range(99):
            old, new = registry.version(name), models[promoted % 2]
            registry.challenge(new)
            left[0] = calls
            try:
                faulty(shared_workspace, fail).promote(new, old, "better")
                promoted += 1
                break
            except Killed:
                points += 1
            champion, history = registry.version(name), registry.history(name)
            assert champion.number in (old.number, new.number)
            assert {entry.why for entry in history} <= {"the first", "better"}
            assert all(entry.accepted for entry in history)
            assert len(history) == promoted + (champion.number == new.number)
            assert aliases(client, name)[CHAMPION] == champion.number
            registry.promote(new, old, "better")
            promoted += 1
            assert aliases(client, name) == {CHAMPION: new.number, PREVIOUS: old.number}
            assert len(registry.history(name)) == promoted
    assert points == 2 * 6  # a note, the entry, three aliases, the note


def test_lost_replies_make_no_second_entry(shared_workspace: Workspace, name: str) -> None:
    lost: set[str] = set()

    def fail(call: str, done: bool) -> None:
        if done and call.startswith(WRITES) and call not in lost:
            lost.add(call)
            raise MlflowException("the reply was lost")

    registry = faulty(shared_workspace, fail)
    models = make_models(Registry(shared_workspace)._client, name, 3)
    for version, before in ((0, None), (1, 1), (2, 2)):
        registry.promote(models[version], before, "better")
    assert len(lost) >= 4
    assert told(registry, name) == [(1, None, True), (2, 1, True), (3, 2, True)]
    assert aliases(registry._client, name) == {CHAMPION: 3, PREVIOUS: 2}


def test_a_busy_database_is_tried_again(shared_workspace: Workspace, name: str) -> None:
    times = [0]

    def fail(call: str, done: bool) -> None:
        if not done and call == "create_model_version":
            times[0] += 1
            if times[0] % 5:
                raise MlflowException("database is locked")

    registry = Registry(shared_workspace)
    models = make_models(registry._client, name, 2)
    registry.promote(models[0], None, "the first")
    faulty(shared_workspace, fail).promote(models[1], 1, "better")
    assert times == [5]


def test_a_promoter_who_was_stopped_in_the_middle_does_no_harm_when_it_goes_on(
    shared_workspace: Workspace, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is about to set the alias to its version when it is stopped; by then it is not the champion any more."""
    monkeypatch.setattr(promotions, "_TURN_SECONDS", 0.2)
    registry, stopped, goes_on = Registry(shared_workspace), threading.Event(), threading.Event()
    models = make_models(registry._client, name, 3)
    registry.promote(models[0], None, "the first")

    def fail(call: str, done: bool) -> None:
        if call == "set_registered_model_alias" and not done and not stopped.is_set():
            stopped.set()
            goes_on.wait(30)

    slow = threading.Thread(target=lambda: faulty(shared_workspace, fail).promote(models[1], 1, "slow"))
    slow.start()
    assert stopped.wait(30)
    assert registry.version(name).number == 2
    registry.promote(models[2], 2, "meanwhile")
    goes_on.set()
    slow.join(30)
    assert registry.version(name).number == 3
    assert aliases(registry._client, name) == {CHAMPION: 3, PREVIOUS: 2}
    assert told(registry, name) == [(1, None, True), (2, 1, True), (3, 2, True)]


def test_a_stale_alias_of_a_killed_promoter_is_no_rollback_by_hand(
    shared_workspace: Workspace, name: str, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, late = Registry(shared_workspace), []
    models = make_models(client, name, 3)
    registry.promote(models[0], None, "the first")

    def fail(call: str, done: bool) -> None:
        if call == "set_registered_model_alias" and not late:
            late.append(call)
            registry.promote(models[2], 2, "meanwhile")
        elif call == "set_registered_model_alias" and done:
            raise Killed

    monkeypatch.setattr(promotions, "_TURN_SECONDS", 0.05)
    with pytest.raises(Killed):
        faulty(shared_workspace, fail).promote(models[1], 1, "killed just after it has set a stale alias")
    assert aliases(client, name)[CHAMPION] == 2
    assert registry.version(name).number == 3
    assert BY_HAND not in {entry.why for entry in registry.history(name)}
    assert len(notes(client, name)) == 1
    monkeypatch.setattr(promotions, "_NOTE_SECONDS", -5.0)
    registry.promote(models[0], 3, "an hour later")
    assert notes(client, name) == []


RACER = """
import sys
from pathlib import Path
from musegen.workspace import Workspace, set_environment
workspace = Workspace(Path(sys.argv[1]))
set_environment(workspace)
from musegen.errors import Overtaken
from musegen.registry import Registry
registry, name, mine, won = Registry(workspace), sys.argv[2], int(sys.argv[3]), 0
print("ready", flush=True)
sys.stdin.readline()
while won < int(sys.argv[4]):
    champion = registry.find(name)
    own = 2 * mine + 1
    other = own + 1 if champion and champion.number == own else own
    try:
        registry.promote(registry.version(name, str(other)), champion, "faster", f"racer {mine}")
        won += 1
    except Overtaken:
        pass
"""


@contextmanager
def serving_mlflow(folder: Path) -> Iterator[str]:
    """An MLflow server of our own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stores = ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", str(folder / "kept")]
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1", *stores],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@pytest.mark.slow
@pytest.mark.timeout(600)  # the hundred take less than a minute where nobody else wants the processors
@pytest.mark.parametrize(
    ("beside", "each"),
    [("one workspace", 25), pytest.param("a server, workspaces of their own", 5, marks=pytest.mark.soak)],
)
def test_four_processes_promote_a_hundred_times_and_the_log_is_one_chain(
    shared_workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: str, each: int
) -> None:
    name, places = f"race beside {beside}", [shared_workspace.root] * 4
    with ExitStack() as stack:
        if "server" in beside:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", stack.enter_context(serving_mlflow(tmp_path)))
            places = [tmp_path / str(number) for number in range(4)]
        registry = Registry(shared_workspace)
        make_models(registry._client, name, 8)
        racers: list[subprocess.Popen[str]] = [
            subprocess.Popen(
                [sys.executable, "-c", RACER, str(place), name, str(index), str(each)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            )
            for index, place in enumerate(places)
        ]  # fmt: skip
        for racer in racers:
            stack.callback(racer.kill)
        for racer in racers:
            assert racer.stdout is not None and racer.stdout.readline() == "ready\n"
        start = time.monotonic()
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("go\n")
            racer.stdin.flush()
        for racer in racers:
            racer.communicate()
        seconds = time.monotonic() - start
        assert [racer.returncode for racer in racers] == [0] * 4
        history = registry.history(name)
        accepted = [entry for entry in history if entry.accepted]
        print(f"{beside}: {len(accepted)} accepted, {len(history) - len(accepted)} refused, {seconds:.1f} s")
        assert Counter(entry.who for entry in accepted) == {f"racer {index}": each for index in range(4)}
        assert [entry.instead_of for entry in accepted] == [None, *(entry.version for entry in accepted[:-1])]
        last = accepted[-1]
        assert aliases(registry._client, name) == {CHAMPION: last.version, PREVIOUS: last.instead_of}
        assert notes(registry._client, name) == []
