"""What is registered is what is fetched, and there is one champion whoever promotes."""

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from musegen.errors import BadInput, BadParams, Unavailable
from musegen.registry import CHALLENGER, CHAMPION, FILES, PREVIOUS, ModelVersion, Registry, Runs
from musegen.registry.files import digest, write_hashes
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
    count = itertools.count()

    def version(**tags: str) -> ModelVersion:
        run = Runs(registry._connection.workspace).open("musegen/generator", f"{name} {next(count)}", {}, {})
        (bundle / "run").write_text(run)
        return registry.register(name, run, bundle, tags, "in words")

    return version


def serving(registry: Registry, name: str) -> dict[str, int | None]:
    found = {alias: registry.find(name, alias) for alias in (CHAMPION, PREVIOUS, CHALLENGER)}
    return {alias: version.number if version else None for alias, version in found.items()}


def test_a_run_is_registered_once(registry: Registry, bundle: Path, name: str) -> None:
    run = Runs(registry._connection.workspace).open("musegen/generator", name, {}, {})
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
    arriving.mkdir()
    (arriving / "half").write_text("of an earlier download")
    assert registry.fetch(version) == folder and (folder / FILES).exists()


def test_damage_in_the_store_is_noticed_after_the_download(registry: Registry, make: Make) -> None:
    version = make()
    place = Path(registry._client.get_run(version.run_id).info.artifact_uri.removeprefix("file://"))
    (place / version.tags["files.place"] / "params.yaml").write_text("a: 2\n")
    with pytest.raises(BadInput, match=r"params\.yaml"):
        registry.fetch(version)


def test_promotion_keeps_the_former_champion_as_previous(registry: Registry, make: Make, name: str) -> None:
    first, second = make(), make()
    registry.challenge(first)
    first = registry.promote(registry.version(name, CHALLENGER), None, "the first")
    assert first.aliases == (CHAMPION,) and registry.history(name)[0].run == first.run_id
    assert serving(registry, name) == {CHAMPION: 1, PREVIOUS: None, CHALLENGER: None}
    registry.challenge(second)
    registry.promote(second, first, "better")
    assert serving(registry, name) == {CHAMPION: 2, PREVIOUS: 1, CHALLENGER: None}


def test_another_challenger_stays_one(registry: Registry, make: Make, name: str) -> None:
    first = make()
    registry.challenge(first)
    stale = registry.version(name, "1")
    registry.challenge(make())
    registry.promote(stale, None, "it was the challenger when it was read")
    assert serving(registry, name) == {CHAMPION: 1, PREVIOUS: None, CHALLENGER: 2}


def test_what_is_not_there_is_not_promoted(registry: Registry, make: Make, name: str) -> None:
    first = make()
    for stranger in (replace(first, name="no such model"), replace(first, number=7)):
        with pytest.raises(BadParams, match="no such version"):
            registry.promote(stranger, None, "")
    assert registry.history(name) == registry.history("no such model") == []


def losing_replies(registry: Registry, calls: set[str], error: Exception) -> Registry:
    """The registry of somebody to whom MLflow's reply to each of `calls` is lost once, after it did what was asked."""
    client = registry._client

    class Lossy:
        def __getattr__(self, name: str) -> Any:
            def call(*words: Any, **named: Any) -> Any:
                done = getattr(client, name)(*words, **named)
                if name in calls:
                    calls.remove(name)
                    raise error
                return done

            return call

    registry._client = registry._connection.client = Lossy()
    return registry


@pytest.mark.parametrize("error", [MlflowException("lost"), ConnectionError("reset")], ids=["MLflow", "the network"])
def test_a_lost_reply_makes_no_second_version(
    registry: Registry, shared_workspace: Workspace, bundle: Path, name: str, error: Exception
) -> None:
    run = Runs(shared_workspace).open("musegen/generator", name, {}, {})
    calls = {"create_registered_model", "create_model_version", "log_artifacts", "set_model_version_tag"}
    lossy = losing_replies(Registry(shared_workspace), calls, error)
    with pytest.raises(Unavailable):  # of the upload; a task tries again
        lossy.register(name, run, bundle, {"a": "1"}, "words")
    made = lossy.register(name, run, bundle, {"a": "1"}, "words")
    assert lossy.register(name, run, bundle, {"a": "2"}, "words").number == made.number == 1
    assert calls == set()
    assert [version.tags["a"] for version in registry.versions(name)] == ["2"]
    assert (registry.fetch(made) / "params.yaml").exists()


def test_two_who_register_a_run_at_once_make_one_version(
    registry: Registry, shared_workspace: Workspace, bundle: Path, name: str
) -> None:
    run = Runs(shared_workspace).open("musegen/generator", name, {}, {})
    other, racing = Registry(shared_workspace), Registry(shared_workspace)
    made: list[ModelVersion] = []
    upload = racing._client.log_artifacts

    class Racing:
        def __getattr__(self, name: str) -> Any:
            return getattr(other._client, name)

        def log_artifacts(self, *words: Any) -> None:
            upload(*words)
            made.append(other.register(name, run, bundle, {}, "the other"))

    racing._client = Racing()
    assert racing.register(name, run, bundle, {}, "words") == made[0]
    assert registry.versions(name) == made


def test_an_upload_that_was_cut_short_leaves_nothing_in_the_next(
    registry: Registry, shared_workspace: Workspace, bundle: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Runs(shared_workspace).open("musegen/generator", name, {}, {})
    (bundle / "a piece of the first report").write_text("")
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "_make", lambda *_: exit("killed"))
        with pytest.raises(SystemExit):
            registry.register(name, run, bundle, {}, "words")
    (bundle / "a piece of the first report").rename(bundle / "a piece of the second")
    folder = registry.fetch(registry.register(name, run, bundle, {}, "words"))
    assert [path.name for path in folder.glob("a piece*")] == ["a piece of the second"]


def test_a_version_of_an_earlier_musegen_is_fetched_too(registry: Registry, bundle: Path, name: str) -> None:
    run = Runs(registry._connection.workspace).open("musegen/generator", name, {}, {})
    client, pinned = registry._client, digest(write_hashes(bundle))
    client.create_registered_model(name)
    client.log_artifacts(run, str(bundle), "model")
    client.create_model_version(name, "runs:/", run, tags={"files.sha256": pinned})
    assert (registry.fetch(registry.version(name, "1")) / "params.yaml").exists()


def test_a_registry_that_does_not_answer_is_unavailable(
    shared_workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mlflow.db").write_text("this is no database")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    with pytest.raises(Unavailable, match="MLflow at sqlite"):
        Registry(shared_workspace).versions("any")
