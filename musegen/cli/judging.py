"""Commands that judge models. Heavy libraries are imported by the command that needs them."""

from pathlib import Path
from typing import Annotated

import typer

from musegen.cli.app import AsJson, answer, app, open_workspace
from musegen.errors import BadParams, GateNotMet
from musegen.workspace import Workspace


@app.command()
def evaluate(
    version: Annotated[
        str | None, typer.Argument(help="With --on: a registered version, by number or alias; champion by default.")
    ] = None,
    on: Annotated[
        Path | None, typer.Option("--on", help="A folder of music with notes and beats that the model is judged on.")
    ] = None,
    layout: Annotated[str, typer.Option(help="How that folder is laid out; found out by default.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Judge the trained generator on the test split, beside two baselines and the champion, and hold it to the gate.

    With --on FOLDER: judge a registered version on any labelled music; the gate is not asked.
    """
    if on is not None:
        _examine(version or "champion", on, layout, as_json)
        return
    if version is not None:
        raise BadParams(f"version {version}: say on which music it is to be judged, with --on FOLDER")
    open_workspace()
    from flows.evaluate import evaluate_model

    report = evaluate_model()
    answer(report.to_json(), report.to_markdown(), as_json)
    if report.verdict is not None and not report.verdict.passed:
        raise GateNotMet(report.verdict.words)


def _examine(version: str, folder: Path, layout: str, as_json: bool) -> None:
    open_workspace()
    from musegen import params, terminal
    from musegen.stages.examination import examine

    workspace = Workspace.current()
    settings = params.load(workspace.params)
    with terminal.bar("evaluate", "steps") as tell:
        found = examine(workspace, settings, version, folder, layout, tell)
    answer(found.to_json(), found.to_text(), as_json)
