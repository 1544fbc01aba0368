"""What is registered is what is fetched, and there is one champion whoever promotes."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from musegen import registry as registry_module
from musegen.errors import BadInput, BadParams, Unavailable
from musegen.registry import CHALLENGER, CHAMPION, FILES, PREVIOUS, ModelVersion, Point, Registry
from musegen.workspace import Workspace

Make = Callable[..., ModelVersion]


@pytest.fixture(scope="module")
def registry(shared_workspace: Workspace) -> Registry:
    return Registry(shared_workspace)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    (folder / "generator").mkdir(parents=True)
    (folder / "generator" / "weights").write_bytes(bytes(range(200)))
    (folder / "generator" / FILES).write_text("a file of the same name as the list")
    (folder / "params.yaml").write_text("a: 1\n")
    return folder


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Every test has a model of its own."""
    return str(request.node.name)[:60].replace("/", " ")


@pytest.fixture
def make(registry: Registry, bundle: Path, name: str) -> Make:
    """Registers the next version."""

    def version(**tags: str) -> ModelVersion:
        run = registry.start_run("musegen/generator", "a run", {}, {})
        (bundle / "run").write_text(run)
        return registry.register(name, run, bundle, tags, "in words")

    return version


def serving(registry: Registry, name: str) -> dict[str, int | None]:
    found = {alias: registry.find(name, alias) for alias in (CHAMPION, PREVIOUS, CHALLENGER)}
    return {alias: version.number if version else None for alias, version in found.items()}


def test_a_run_keeps_its_parameters_and_curves(registry: Registry) -> None:
    run = registry.start_run(
        "musegen/generator", "a run", {"a": {"b": 1, "c": [1, 2]}, "d": "x" * 9000}, {"git.sha": "s"}
    )
    registry.log_points(run, [Point("loss", 1.0 / step, step, 1000 + step) for step in range(1, 1500)])
    registry.end_run(run)
    kept = registry._client.get_run(run)
    assert kept.data.params["a.b"] == "1" and kept.data.params["a.c"] == "[1, 2]" and len(kept.data.params["d"]) == 6000
    assert kept.data.metrics["loss"] == pytest.approx(1 / 1499)
    assert kept.info.status == "FINISHED" and kept.data.tags["git.sha"] == "s"


def test_a_run_is_registered_once(registry: Registry, bundle: Path, name: str) -> None:
    run = registry.start_run("musegen/generator", "a run", {}, {})
    first = registry.register(name, run, bundle, {"data.sha256": "d"}, "words")
    assert registry.register(name, run, bundle, {"data.sha256": "d"}, "words") == first
    assert registry.versions(name) == [first]
    assert (first.number, first.run_id, first.tags["data.sha256"], first.aliases) == (1, run, "d", ())


def test_a_version_is_found_by_number_and_by_alias(registry: Registry, make: Make, name: str) -> None:
    first, second = make(), make()
    registry.challenge(second)
    assert registry.version(name, "1") == first
    assert registry.version(name, CHALLENGER).number == second.number == 2
    assert [version.number for version in registry.versions(name)] == [1, 2]


@pytest.mark.parametrize("which", ["champion", "99"])
def test_a_version_that_is_not_there_is_none_or_refused(registry: Registry, make: Make, which: str) -> None:
    made = make()
    for model in (made.name, "no such model"):
        assert registry.find(model, which) is None
        with pytest.raises(BadParams, match="musegen retrain"):
            registry.version(model, which)
    assert registry.versions("no such model") == []


def test_what_is_fetched_is_what_was_registered(registry: Registry, make: Make, bundle: Path) -> None:
    version = make()
    folder = registry.fetch(version)
    for file in ("generator/weights", f"generator/{FILES}", "params.yaml", "run"):
        assert (folder / file).read_bytes() == (bundle / file).read_bytes()
    assert json.loads((folder / FILES).read_text()).keys() == {
        "generator/weights",
        f"generator/{FILES}",
        "params.yaml",
        "run",
    }
    assert registry.fetch(version) == folder
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("file", ["generator/weights", f"generator/{FILES}", "params.yaml"])
def test_a_flipped_bit_is_named(registry: Registry, make: Make, file: str) -> None:
    folder = registry.fetch(version := make())
    content = bytearray((folder / file).read_bytes())
    content[3] ^= 1
    (folder / file).write_bytes(bytes(content))
    with pytest.raises(BadInput, match=f": {file} is not what was registered"):
        registry.fetch(version)


def test_a_missing_and_a_strange_file_are_named(registry: Registry, make: Make) -> None:
    folder = registry.fetch(version := make())
    (folder / "params.yaml").rename(folder / "stranger")
    with pytest.raises(BadInput, match=r"params\.yaml, stranger is not"):
        registry.fetch(version)
    (folder / FILES).write_text("{")
    with pytest.raises(BadInput, match="stranger"):
        registry.fetch(version)


def test_a_download_that_was_cut_short_is_done_again(registry: Registry, make: Make) -> None:
    folder = registry.fetch(version := make())
    (folder / FILES).unlink()
    arriving = folder.with_name(f".{folder.name}")
    (arriving / "model").mkdir(parents=True)
    (arriving / "model" / "half").write_text("of an earlier download")
    assert registry.fetch(version) == folder and (folder / FILES).exists()


def test_damage_in_the_store_is_noticed_after_the_download(registry: Registry, make: Make) -> None:
    version = make()
    place = Path(registry._client.get_run(version.run_id).info.artifact_uri.removeprefix("file://"))
    (place / "model" / "params.yaml").write_text("a: 2\n")
    with pytest.raises(BadInput, match=r"params\.yaml"):
        registry.fetch(version)


def test_promotion_keeps_the_former_champion_as_previous(registry: Registry, make: Make, name: str) -> None:
    first, second = make(), make()
    registry.challenge(first)
    first = registry.promote(registry.version(name, CHALLENGER), None, "the first")
    assert first.aliases == (CHAMPION,) and first.tags["promoted.why"] == "the first"
    assert serving(registry, name) == {CHAMPION: 1, PREVIOUS: None, CHALLENGER: None}
    registry.challenge(second)
    registry.promote(second, first, "better")
    assert serving(registry, name) == {CHAMPION: 2, PREVIOUS: 1, CHALLENGER: None}


def test_a_rollback_is_the_promotion_of_the_previous(registry: Registry, make: Make, name: str) -> None:
    first, second = make(), make()
    registry.promote(first, None, "the first")
    registry.promote(second, first, "better")
    registry.promote(registry.version(name, PREVIOUS), registry.version(name), "it sounded worse")
    assert serving(registry, name) == {CHAMPION: 1, PREVIOUS: 2, CHALLENGER: None}


def test_a_promotion_is_refused_when_another_was_promoted_meanwhile(registry: Registry, make: Make, name: str) -> None:
    first, second, third = make(), make(), make()
    registry.promote(first, None, "the first")
    registry.promote(second, first, "better")
    for late in (first, None):
        with pytest.raises(BadParams, match="version 2 is the champion by now"):
            registry.promote(third, late, "judged against an older one")
    with pytest.raises(BadParams, match="nobody"):
        registry.promote(ModelVersion("no such model", 1, "", (), {}), first, "")
    assert serving(registry, name) == {CHAMPION: 2, PREVIOUS: 1, CHALLENGER: None}


def test_another_challenger_stays_one(registry: Registry, make: Make, name: str) -> None:
    first = make()
    registry.challenge(first)
    stale = registry.version(name, "1")
    registry.challenge(make())
    registry.promote(stale, None, "it was the challenger when it was read")
    assert serving(registry, name) == {CHAMPION: 1, PREVIOUS: None, CHALLENGER: 2}


def test_to_promote_the_champion_changes_nothing(registry: Registry, make: Make, name: str) -> None:
    first, second = make(), make()
    registry.promote(first, None, "the first")
    second = registry.promote(second, first, "better")
    registry.promote(second, second, "again")
    assert serving(registry, name) == {CHAMPION: 2, PREVIOUS: 1, CHALLENGER: None}


def test_a_held_lock_is_unavailable(
    registry: Registry, make: Make, shared_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_module, "_LOCK_SECONDS", 0.1)
    version = make()
    with FileLock(str(shared_workspace.hidden / "registry.lock")), pytest.raises(Unavailable, match="another process"):
        registry.promote(version, None, "")


RACER = """
import sys
from pathlib import Path
from musegen.workspace import Workspace, set_environment
workspace = Workspace(Path(sys.argv[1]))
set_environment(workspace)
from musegen.errors import BadParams
from musegen.registry import Registry
registry, won = Registry(workspace), 0
for turn in range(5):
    champion = registry.find(sys.argv[2])
    mine = registry.version(sys.argv[2], str(1 + (turn + int(sys.argv[3])) % 4))
    try:
        registry.promote(mine, champion, f"turn {turn} of {sys.argv[3]}")
        won += 1
    except BadParams:
        pass
print(won)
"""


@pytest.mark.slow
def test_four_who_promote_at_once_leave_one_champion(
    registry: Registry, make: Make, name: str, shared_workspace: Workspace
) -> None:
    for _ in range(4):
        make()
    command = [sys.executable, "-c", RACER, str(shared_workspace.root), name]
    racers: list[subprocess.Popen[Any]] = [
        subprocess.Popen([*command, str(index)], stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent)
        for index in range(4)
    ]
    won = [int(racer.communicate()[0]) for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 4
    assert 5 <= sum(won) <= 20
    found = serving(registry, name)
    assert found[CHAMPION] in (1, 2, 3, 4) and found[PREVIOUS] in {1, 2, 3, 4} - {found[CHAMPION]}
    assert "turn" in registry.version(name).tags["promoted.why"]
    aliases = [alias for version in registry.versions(name) for alias in version.aliases]
    assert sorted(aliases) == [CHAMPION, PREVIOUS]


def test_a_registry_that_does_not_answer_is_unavailable(
    shared_workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mlflow.db").write_text("this is no database")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    with pytest.raises(Unavailable, match="MLflow at sqlite"):
        Registry(shared_workspace).versions("any")
