"""Commands for models: train, retrain, promote, reproduce. Heavy libraries are imported by whatever needs them."""

from pathlib import Path
from typing import Annotated

import typer

from musegen.cli.app import AsJson, answer, app, escaped, open_workspace, say
from musegen.errors import GateNotMet
from musegen.workspace import Workspace


@app.command()
def train() -> None:
    """Train the generator on the prepared dataset; goes on where an interrupted training stands."""
    open_workspace()
    from flows.train import train_model

    say.print(train_model().to_markdown())


@app.command()
def retrain(as_json: AsJson = False) -> None:
    """All of it, as far as something is new: prepare, train, evaluate, register, promote if the gate is met."""
    open_workspace()
    from flows.retrain import retrain as run

    outcome = run()
    answer(outcome.to_json(), outcome.to_text(), as_json)
    if outcome.gate_failed:
        raise GateNotMet(outcome.reason)


@app.command()
def status(as_json: AsJson = False) -> None:
    """The versions of the generator, who serves, and what the last retrain did."""
    from musegen.commands import describe_status

    content, words = describe_status(Workspace.current().checked())
    answer(content, words, as_json)


@app.command()
def promote(
    version: Annotated[int, typer.Argument(help="The number of a registered version.")],
    why: Annotated[str, typer.Option("--why", help="For the history.")] = "promoted by hand",
    anyway: Annotated[bool, typer.Option("--anyway", help="Though the gate refused it; the history says so.")] = False,
) -> None:
    """Make a version the champion; the old one becomes `previous`."""
    from musegen.stages.deploy import promote_version

    say.print(escaped(promote_version(Workspace.current().checked(), str(version), why, anyway)))


@app.command()
def rollback(why: Annotated[str, typer.Option("--why", help="For the history.")] = "rolled back by hand") -> None:
    """Make the version that served before the champion again; done twice, it is as it was."""
    from musegen.stages.deploy import roll_back

    say.print(escaped(roll_back(Workspace.current().checked(), why)))


@app.command()
def history(as_json: AsJson = False) -> None:
    """Who made which version the champion, when and why; attempts that were refused, too."""
    from musegen.commands import describe_history

    content, words = describe_history(Workspace.current().checked())
    answer(content, words, as_json)


@app.command()
def reproduce(
    version: Annotated[str, typer.Argument(help="The number of a registered version, or champion.")],
    folder: Annotated[
        Path | None, typer.Option("--output", "-o", help="A new folder for it; by default reproduced-VERSION.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Bring back a version's settings and data, judge it again, and compare every figure with its report.

    Exit 1 where a figure differs by more than a millionth, or where there is none to compare.
    """
    from musegen.commands import reproduce_version

    done = reproduce_version(Workspace.current().checked(), version, folder or Path(f"reproduced-{version}"))
    answer(done.to_json(), done.to_text(), as_json)
    if not done.same:
        raise typer.Exit(1)


@app.command()
def tune(as_json: AsJson = False) -> None:
    """Try other settings on `valid`; the best go to tuned.yaml, where the next training finds them."""
    open_workspace()
    from flows.tune import tune_model

    found = tune_model()
    answer(found.to_json(), found.to_markdown(), as_json)
