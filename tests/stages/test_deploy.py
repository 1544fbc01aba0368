"""What is still to be done with a trained model is read off the registry, whatever killed the run before."""

import json

import pytest

from musegen.evaluation.gate import Verdict
from musegen.evaluation.report import Report
from musegen.registry import GENERATOR, GENERATOR_EXPERIMENT, Registry
from musegen.stages.deploy import standing_of
from musegen.workspace import Workspace


def report(passed: bool, champion: int | None = None) -> Report:
    verdict = Verdict(passed, "promoted" if passed else "not promoted", (), "words")
    return Report(
        {}, "data", {"nll_per_note": 1.0}, champion={"version": champion} if champion else None, verdict=verdict
    )


@pytest.fixture(scope="module")
def registry(shared_workspace: Workspace) -> Registry:
    return Registry(shared_workspace)


def train(workspace: Workspace, registry: Registry) -> str:
    """A trained generator in the workspace: its run, and the facts that name it."""
    run = registry.start_run(GENERATOR_EXPERIMENT, "run", {}, {})
    workspace.generator.mkdir(parents=True, exist_ok=True)
    (workspace.generator / "training.json").write_text(json.dumps({"run_id": run}))
    return run


def test_a_model_is_settled_once_registered_and_promoted_where_it_passed(
    shared_workspace: Workspace, registry: Registry
) -> None:
    first = train(shared_workspace, registry)
    assert not standing_of(shared_workspace, report(passed=True)).settled
    version = registry.register(GENERATOR, first, shared_workspace.generator, {}, "")
    assert standing_of(shared_workspace, report(passed=False)).settled
    killed_before_promotion = standing_of(shared_workspace, report(passed=True))
    assert (killed_before_promotion.settled, killed_before_promotion.serves) == (False, False)
    registry.promote(version, None, "passed")
    promoted = standing_of(shared_workspace, report(passed=True))
    assert (promoted.settled, promoted.serves, promoted.fairly_judged) == (True, True, True)

    second = train(shared_workspace, registry)
    assert not standing_of(shared_workspace, report(passed=True)).fairly_judged
    assert standing_of(shared_workspace, report(passed=True, champion=version.number)).fairly_judged
    better = registry.register(GENERATOR, second, shared_workspace.generator, {}, "")
    registry.promote(better, registry.version(GENERATOR), "passed")
    registry.promote(registry.version(GENERATOR, "previous"), registry.version(GENERATOR), "rolled back by hand")
    rolled_back = standing_of(shared_workspace, report(passed=True, champion=version.number))
    assert (rolled_back.settled, rolled_back.serves) == (True, False)
