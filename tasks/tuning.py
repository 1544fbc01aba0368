"""Tuning of the generator's settings."""

from typing import Any

from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run

from musegen import versions
from musegen.params import Params
from musegen.stages import attempts, tuning
from musegen.stages.tuning import Search
from musegen.workspace import Workspace
from tasks.progress import shown
from tasks.step import step


@step("search-settings")
def search(workspace: Workspace, params: Params, written: Params) -> Search:
    """Ray Tune tries settings on `valid`; the table of trials becomes an artifact."""
    tags = {"prefect.flow_run_id": str(flow_run.id or ""), "git.sha": versions.code_revision(workspace)}
    with shown("tune", "trials") as tell:
        found = tuning.search(workspace, params, written, tags, tell)
    create_markdown_artifact(found.to_markdown(), key="tuning-report", description="Which settings were tried")
    return found


@step("keep-tuned")
def keep(workspace: Workspace, written: Params, found: Search) -> bool:
    """Write what was better into tuned.yaml; whether there was any."""
    return tuning.keep(workspace, written, found) is not None


@step("is-tuning-due")
def is_due(workspace: Workspace, params: Params, written: Params) -> bool:
    """Whether a refusal should lead to a search."""
    return tuning.is_due(workspace, params, written)


@step("count-attempt")
def count_attempt(workspace: Workspace, params: Params, written: Params) -> dict[str, Any]:
    """Count the trained model among those judged on these test pieces, and tell of the search that led to it."""
    return attempts.counted(workspace, tuning.in_use(workspace, params, written))


@step("read-search")
def in_use(workspace: Workspace, params: Params, written: Params) -> Search | None:
    """The search that the present settings are of."""
    return tuning.in_use(workspace, params, written)
