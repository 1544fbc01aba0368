"""The front door's frame: the app, how it answers, and which exit code says what."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from musegen.errors import BadParams, GateNotMet, MusegenError
from musegen.workspace import VARIABLE, Workspace, set_environment

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, help="The front door: musegen COMMAND."
)
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
say = Console(stderr=True, highlight=False, soft_wrap=True)


def main() -> None:
    """Run a command: exit 0 ok, 1 failed, 2 usage or parameters, 3 gate not met."""
    try:
        app()
    except MusegenError as error:
        say.print(f"[red]error:[/] {escaped(str(error))}")
        sys.exit(2 if isinstance(error, BadParams) else 3 if isinstance(error, GateNotMet) else 1)
    except OSError as error:
        say.print(f"[red]error:[/] {escaped(str(error))}; give another path, or free space")
        sys.exit(1)


@app.callback()
def workspace_option(
    workspace: Annotated[
        Path | None, typer.Option("--workspace", "-w", help="Folder with params.yaml; by default the one you are in.")
    ] = None,
) -> None:
    """A folder of recordings in; a versioned dataset, a gated model and new music out."""
    if workspace is not None:
        os.environ[VARIABLE] = str(workspace.resolve())
    set_environment(Workspace.current())


def answer(content: Any, words: str, as_json: bool) -> None:
    """One JSON object for machines, or words for people, on stdout."""
    if as_json:
        typer.echo(json.dumps(content, default=_plain, ensure_ascii=False))
    else:
        typer.echo(words)


def escaped(text: str) -> str:
    """Text in which rich sees no markup."""
    return text.replace("[", r"\[")


def open_workspace() -> None:
    """See that there is a workspace before anything starts; Prefect keeps its lines, the terminal is ours."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    set_environment(Workspace.current().checked())


def _plain(value: Any) -> Any:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}
