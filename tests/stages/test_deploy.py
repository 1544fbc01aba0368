"""What is still to be done with a trained model is read off the registry, whatever killed the run before."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from musegen.commands import describe_history, describe_status
from musegen.errors import BadParams, Overtaken
from musegen.evaluation.gate import Verdict
from musegen.evaluation.report import Report
from musegen.params import Params
from musegen.registry import CHALLENGER, CHAMPION, GENERATOR, GENERATOR_EXPERIMENT, PREVIOUS, Registry, Runs
from musegen.stages.deploy import deploy_generator, promote_version, roll_back, standing_of
from musegen.stages.generator import training_facts
from musegen.stages.training_spool import FINISHED, Spool, Story
from musegen.workspace import Workspace

KEPT = {"params.yaml": "survey: {}\n", "tuned.yaml": "", "dvc.yaml": "stages: {}\n", "dvc.lock": "schema: '2.0'\n"}


def report(workspace: Workspace, passed: bool, champion: int | None = None) -> Report:
    model = {"run": training_facts(workspace.generator)["run"]}
    verdict = Verdict(passed, "promoted" if passed else "kept champion", (), "words" if passed else "too many nats")
    figures = {"nll_per_note": 1.0, "accuracy": 0.5}
    return Report(model, "data", figures, champion={"version": champion} if champion else None, verdict=verdict)


def train(workspace: Workspace, name: str, run_id: str | None = "known") -> str:
    """A trained and judged generator in the workspace; returns its run in MLflow."""
    run = Runs(workspace).open(GENERATOR_EXPERIMENT, name, {}, {}) if run_id else ""
    facts = {"run": name, "run_id": run or None, "data_sha256": "data"}
    for folder, file, content in (
        (workspace.generator, "training.json", json.dumps(facts)),
        (workspace.reports / "generator", "report.md", name),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(content)
    for file, content in KEPT.items():
        (workspace.root / file).write_text(content)
    return run


def deploy(workspace: Workspace, passed: bool = True, champion: int | None = None) -> int:
    return deploy_generator(workspace, Params(), report(workspace, passed, champion), {"git.sha": "s"}).version.number


def roles(workspace: Workspace) -> list[int | None]:
    status: dict[str, Any] = describe_status(workspace)[0]
    return [status[alias] for alias in (CHAMPION, CHALLENGER, PREVIOUS)]


@pytest.fixture(scope="module")
def registry(shared_workspace: Workspace) -> Registry:
    return Registry(shared_workspace)


@pytest.fixture(autouse=True)
def nobody_serves(registry: Registry) -> Iterator[None]:
    """Every test begins with a model that nothing is known of."""
    yield
    for name in (GENERATOR, f"{GENERATOR}-history"):
        if registry._client.search_registered_models(f"name='{name}'"):
            registry._client.delete_registered_model(name)


def test_a_model_is_settled_once_all_is_done_with_its_report(shared_workspace: Workspace) -> None:
    registry, workspace = Registry(shared_workspace), shared_workspace
    first = train(workspace, "first")
    passed, refused = report(workspace, passed=True), report(workspace, passed=False)
    assert not standing_of(workspace, passed).settled
    version = registry.register(GENERATOR, first, workspace.generator, {}, "")
    for judged in (passed, refused):
        killed_after_register = standing_of(workspace, judged)
        assert (killed_after_register.settled, killed_after_register.serves) == (False, False)
    registry.promote(version, None, "passed")
    assert not standing_of(workspace, passed).settled  # killed before its run was told
    deploy(workspace)
    promoted = standing_of(workspace, passed)
    assert (promoted.settled, promoted.serves, promoted.has_served, promoted.fairly_judged) == (True, True, True, True)
    assert not standing_of(workspace, refused).settled

    train(workspace, "second")
    assert not standing_of(workspace, report(workspace, passed=True)).fairly_judged
    assert standing_of(workspace, report(workspace, passed=True, champion=1)).fairly_judged


def test_what_a_kill_prevented_is_made_up_for_with_a_refused_model_too(
    shared_workspace: Workspace, registry: Registry
) -> None:
    train(shared_workspace, "good")
    deploy(shared_workspace)
    run = train(shared_workspace, "bad")
    registry.register(GENERATOR, run, shared_workspace.generator, {}, "")
    refused = report(shared_workspace, passed=False, champion=1)
    assert not standing_of(shared_workspace, refused).settled
    deploy(shared_workspace, passed=False, champion=1)
    assert standing_of(shared_workspace, refused).settled
    assert registry._client.get_run(run).data.tags["gate.result"] == "failed"
    assert roles(shared_workspace) == [1, 2, None]


@pytest.mark.parametrize("how", ["rolled back", "another promoted by hand"])
def test_a_version_that_was_replaced_by_hand_is_promoted_by_hand_only(shared_workspace: Workspace, how: str) -> None:
    for name, champion in (("first", None), ("second", 1)):
        train(shared_workspace, name)
        deploy(shared_workspace, champion=champion)
    deploy(shared_workspace, champion=2)  # judged beside itself
    if how == "rolled back":
        roll_back(shared_workspace, "it sounded worse")
    else:
        promote_version(shared_workspace, "1", "it sounded better")
    judged = report(shared_workspace, passed=True, champion=2)
    standing = standing_of(shared_workspace, judged)
    assert (standing.settled, standing.serves, standing.has_served) == (True, False, True)
    assert (standing.replaced_by_hand, standing.fairly_judged) == (True, True)
    again = deploy_generator(shared_workspace, Params(), report(shared_workspace, True, 1), {})
    assert (again.promoted, again.decision, again.champion_before) == (False, "nothing new", 1)
    assert again.words == "version 2 served before and was replaced by hand; `musegen promote 2` makes it serve again"
    assert roles(shared_workspace) == [1, 2, 2]
    assert standing_of(shared_workspace, report(shared_workspace, True, 1)).settled
    promote_version(shared_workspace, "2", "as it said")
    assert roles(shared_workspace) == [2, None, 1]


def test_a_version_that_the_gate_replaced_may_be_promoted_by_the_gate_again(shared_workspace: Workspace) -> None:
    for name, champion in (("first", None), ("second", 1)):
        train(shared_workspace, name)
        deploy(shared_workspace, champion=champion)
    train(shared_workspace, "first")  # its settings are back
    assert not standing_of(shared_workspace, report(shared_workspace, passed=True)).fairly_judged
    deploy(shared_workspace, champion=2)
    assert roles(shared_workspace) == [1, None, 2]
    assert [entry["by"] for entry in describe_history(shared_workspace)[0]["promotions"]] == ["gate"] * 3


def test_the_report_of_another_model_is_refused(shared_workspace: Workspace) -> None:
    train(shared_workspace, "first")
    first = report(shared_workspace, passed=True)
    train(shared_workspace, "second")
    for strange in (first, replace(report(shared_workspace, passed=True), data_sha256="other data")):
        with pytest.raises(BadParams, match="the report is of another model; run `musegen evaluate`"):
            deploy_generator(shared_workspace, Params(), strange, {})
    assert roles(shared_workspace) == [None, None, None]


def test_judging_the_champion_again_promotes_nothing(shared_workspace: Workspace) -> None:
    train(shared_workspace, "only one")
    deploy(shared_workspace)
    beside_itself = report(shared_workspace, passed=True, champion=1)
    again = deploy_generator(shared_workspace, Params(), beside_itself, {})
    assert (again.promoted, again.champion_before, again.decision) == (False, 1, "nothing new")
    assert again.words == "version 1 is the champion already: words"
    refused = deploy_generator(shared_workspace, Params(), report(shared_workspace, passed=False, champion=1), {})
    assert (refused.promoted, refused.champion_before, refused.decision) == (False, 1, "kept champion")
    assert roles(shared_workspace) == [1, None, None]


def test_a_version_that_is_judged_again_says_where_the_newer_report_lies(
    shared_workspace: Workspace, registry: Registry
) -> None:
    run = train(shared_workspace, "judged twice")
    deploy(shared_workspace, passed=False)
    (shared_workspace.reports / "generator" / "report.md").write_text("the second")
    deploy(shared_workspace)
    version = registry.version(GENERATOR)
    assert (version.tags["gate.result"], version.tags["report.place"]) == ("passed", f"runs:/{run}/report")
    assert registry._client.get_model_version(GENERATOR, "1").description == "words"
    newer = registry._client.download_artifacts(run, "report/report.md", str(shared_workspace.hidden))
    assert Path(newer).read_text() == "the second"
    assert (registry.fetch(version) / "report" / "report.md").read_text() == "judged twice"
    assert registry.history(GENERATOR)[0].why == f"words Its report: runs:/{run}/report"


def test_a_version_keeps_all_that_made_it_and_its_run_says_what_came_of_it(
    shared_workspace: Workspace, registry: Registry
) -> None:
    run = train(shared_workspace, "all of it")
    deployed = deploy_generator(shared_workspace, Params(), report(shared_workspace, passed=True), {"git.sha": "s"})
    assert (deployed.version.number, deployed.promoted, deployed.champion_before) == (1, True, None)
    assert deployed.version.aliases == (CHAMPION,)
    folder = registry.fetch(deployed.version)
    assert {name: (folder / name).read_text() for name in KEPT} == KEPT
    assert (folder / "report" / "report.md").read_text() == "all of it"
    assert {"python", "torch", "numpy"} <= json.loads((folder / "environment.json").read_text()).keys()
    kept = registry._client.get_run(run).data
    assert (kept.metrics["test.nll_per_note"], kept.metrics["test.accuracy"]) == (1.0, 0.5)
    assert kept.tags["gate.result"] == "passed"
    assert [file.path for file in registry._client.list_artifacts(run, "report")] == ["report/report.md"]


def test_a_refused_model_is_registered_and_challenges(shared_workspace: Workspace) -> None:
    train(shared_workspace, "good")
    deploy(shared_workspace)
    train(shared_workspace, "bad")
    assert deploy(shared_workspace, passed=False, champion=1) == 2
    assert roles(shared_workspace) == [1, 2, None]


def test_a_model_judged_against_a_former_champion_is_overtaken(shared_workspace: Workspace) -> None:
    for name, champion in (("first", None), ("second", 1)):
        train(shared_workspace, name)
        deploy(shared_workspace, champion=champion)
    run = train(shared_workspace, "started before the second, done after it")
    with pytest.raises(Overtaken, match="version 2 is the champion by now"):
        deploy(shared_workspace, champion=1)
    assert roles(shared_workspace) == [2, 3, 1]
    assert not standing_of(shared_workspace, report(shared_workspace, passed=True, champion=1)).settled
    assert deploy(shared_workspace, champion=2) == 3  # judged again
    assert roles(shared_workspace) == [3, None, 2]
    assert Registry(shared_workspace).version(GENERATOR).run_id == run
    told, words = describe_history(shared_workspace)
    assert [entry["accepted"] for entry in told["promotions"]] == [True, True, False, True]
    assert "version 3 instead of 1 (refused" in words


def test_deploying_again_changes_nothing(shared_workspace: Workspace) -> None:
    train(shared_workspace, "only one")
    assert [deploy(shared_workspace) for _ in range(2)] == [1, 1]
    assert len(describe_history(shared_workspace)[0]["promotions"]) == 1


def test_a_run_that_mlflow_was_not_told_of_is_told_before_it_is_deployed(shared_workspace: Workspace) -> None:
    train(shared_workspace, "while MLflow was away", run_id=None)
    with pytest.raises(BadParams, match="MLflow knows nothing of the training"):
        deploy(shared_workspace)
    run = shared_workspace.runs / "while MLflow was away"
    run.mkdir(parents=True)
    Spool(run).tell(Story(run.name, {"layers": 2}, {}, status=FINISHED))
    assert not standing_of(shared_workspace, report(shared_workspace, passed=True)).settled
    assert deploy(shared_workspace) == 1
    assert standing_of(shared_workspace, report(shared_workspace, passed=True)).settled
    registry = Registry(shared_workspace)
    assert registry._client.get_run(registry.version(GENERATOR).run_id).data.params["layers"] == "2"


def test_one_command_rolls_back_and_the_same_again_returns(shared_workspace: Workspace) -> None:
    for name, champion in (("first", None), ("second", 1)):
        train(shared_workspace, name)
        deploy(shared_workspace, champion=champion)
    assert roll_back(shared_workspace, "worse") == "version 1 is the champion now, version 2 was"
    assert roll_back(shared_workspace, "better after all") == "version 2 is the champion now, version 1 was"
    assert [entry["why"] for entry in describe_status(shared_workspace)[0]["promotions"]][-2:] == [
        "worse", "better after all",
    ]  # fmt: skip


def test_what_the_gate_refused_is_promoted_only_on_purpose_and_the_history_says_so(
    shared_workspace: Workspace,
) -> None:
    train(shared_workspace, "good")
    deploy(shared_workspace)
    train(shared_workspace, "bad")
    deploy(shared_workspace, passed=False, champion=1)
    with pytest.raises(BadParams, match=r"too many nats.*--anyway"):
        promote_version(shared_workspace, "2", "I like it")
    assert "version 2 is the champion now" in promote_version(shared_workspace, "2", "I like it", anyway=True)
    assert "I like it [although the gate refused it: too many nats]" in describe_history(shared_workspace)[1]
    assert promote_version(shared_workspace, "2", "again", anyway=True) == "version 2 is the champion already"
    assert roles(shared_workspace) == [2, None, 1]


def test_without_any_version_the_commands_say_what_to_do(shared_workspace: Workspace) -> None:
    assert "musegen retrain" in describe_status(shared_workspace)[1]
    assert "musegen retrain" in describe_history(shared_workspace)[1]
    with pytest.raises(BadParams, match="nothing served before"):
        roll_back(shared_workspace, "")
