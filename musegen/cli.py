"""The front door: `musegen COMMAND`. Heavy libraries are imported by the command that needs them."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from musegen.errors import BadInput, BadParams, GateNotMet, MusegenError
from musegen.workspace import VARIABLE, Workspace, set_environment

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, help=__doc__)
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
say = Console(stderr=True, highlight=False, soft_wrap=True)


def main() -> None:
    """Run a command: exit 0 ok, 1 failed, 2 usage or parameters, 3 gate not met."""
    try:
        app()
    except MusegenError as error:
        say.print(f"[red]error:[/] {_escaped(str(error))}")
        sys.exit(2 if isinstance(error, BadParams) else 3 if isinstance(error, GateNotMet) else 1)
    except OSError as error:
        say.print(f"[red]error:[/] {_escaped(str(error))}; give another path, or free space")
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


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="The workspace to make.")],
    preset: Annotated[str, typer.Option(help="demo, small, base or large.")] = "demo",
    corpus: Annotated[Path | None, typer.Option(help="Your folder of recordings or MIDI files.")] = None,
    layout: Annotated[str | None, typer.Option(help="How it is laid out; found out by default.")] = None,
) -> None:
    """Make a workspace: params.yaml with a preset's numbers, and dvc.yaml. Files that are there stay."""
    from musegen import params

    params.write_template(folder, preset, str(corpus.resolve()) if corpus else None, layout)
    say.print(f"{folder}: ready. Next: musegen --workspace {folder} retrain")


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(help="Where to put the corpus.")],
    tracks: Annotated[int, typer.Option(min=4, help="How many tracks, spread over the styles.")] = 360,
    seed: Annotated[int, typer.Option(help="Chooses pieces, instruments and tempi.")] = 0,
) -> None:
    """Make a sample corpus of public-domain music: recordings with notes, beats and styles."""
    from musegen.commands import make_sample

    say.print(make_sample(folder, tracks, seed))


@app.command()
def survey(
    folder: Annotated[Path | None, typer.Argument(help="Any folder; by default the corpus of params.yaml.")] = None,
    layout: Annotated[str, typer.Option(help="How a FOLDER given here is laid out; found out by default.")] = "auto",
    require_licence: Annotated[
        bool, typer.Option("--require-licence", help="Put aside what nothing names a licence of.")
    ] = False,
    rehash: Annotated[
        bool, typer.Option("--rehash", help="Read every file again, whatever its size and time.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Look at every file of a corpus: what can be used, what can't and why."""
    from musegen import survey_report
    from musegen.commands import survey_folder

    found = survey_folder(Workspace.current(), folder, layout, require_licence, rehash)
    if as_json:
        content = {"layout": found.layout, "counts": found.counts, "warnings": found.warnings, "files": found.files}
        _answer(content, "", as_json)
    else:
        survey_report.show(found, Console(highlight=False))
    if found.nothing:
        raise BadInput(found.nothing, "empty")


@app.command()
def prepare(
    mend: Annotated[
        bool, typer.Option("--mend", help="Make damaged shards again, and try again what was left out.")
    ] = False,
) -> None:
    """Corpus to catalogue to Parquet shards, recorded by DVC."""
    _open_workspace()
    from flows.prepare import prepare_corpus
    from musegen.stages import dataset_report

    done = prepare_corpus(mend=mend)
    say.print(f"{len(done.survey.rows)} tracks")
    for name, dataset in (("listening", done.listening), ("composing", done.composing)):
        say.print(_escaped(dataset_report.to_text(name, dataset)))


@app.command()
def train() -> None:
    """Train the generator on the prepared dataset; goes on where an interrupted training stands."""
    _open_workspace()
    from flows.train import train_model

    say.print(train_model().to_markdown())


@app.command()
def evaluate(as_json: AsJson = False) -> None:
    """Judge the trained generator on the test split, beside the count model and the champion."""
    _open_workspace()
    from flows.evaluate import evaluate_model

    report = evaluate_model()
    _answer(report.to_json(), report.to_markdown(), as_json)
    if report.verdict is not None and not report.verdict.passed:
        raise GateNotMet(report.verdict.words)


@app.command()
def retrain(as_json: AsJson = False) -> None:
    """All of it, as far as something is new: prepare, train, evaluate, register, promote if the gate is met."""
    _open_workspace()
    from flows.retrain import retrain as run

    outcome = run()
    _answer(outcome.to_json(), outcome.to_text(), as_json)
    if outcome.gate_failed:
        raise GateNotMet(outcome.reason)


@app.command()
def demo(
    tracks: Annotated[int, typer.Option(min=4, help="Size of the sample corpus.")] = 360,
    out: Annotated[Path, typer.Option(help="Where the new pieces go.")] = Path("out"),
) -> None:
    """The whole chain on a sample corpus: from nothing to new pieces."""
    from musegen import commands, params

    workspace = Workspace.current()
    if not workspace.params.exists():
        params.write_template(workspace.root, "demo")
    corpus = params.load(workspace.checked().params).survey.corpus
    if corpus != "sample":
        raise BadParams(f"survey.corpus: {corpus} is your own; run `musegen retrain`, or the demo in an empty folder")
    say.print(commands.make_sample(workspace.corpus(corpus), tracks, seed=0))
    _open_workspace()
    from flows.retrain import retrain as run

    outcome = run()
    typer.echo(outcome.to_text())
    composer, version = commands.fetched_composer(workspace, "challenger" if outcome.champion is None else "champion")
    files = commands.write_pieces(composer, version, commands.demo_requests(composer), out)
    typer.echo("\n".join(f"piece     {piece.midi.with_suffix('.{mid,wav,png,json}')}" for piece in files))
    if outcome.gate_failed:
        raise GateNotMet(outcome.reason)


@app.command()
def generate(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the pieces.")] = Path("out"),
    style: Annotated[str | None, typer.Option(help="A style the model has learnt; any if left out.")] = None,
    bpm: Annotated[float | None, typer.Option(help="Quarter notes a minute.")] = None,
    key: Annotated[str | None, typer.Option(help="As D, F#m or Bb.")] = None,
    meter: Annotated[str | None, typer.Option(help="As 4/4 or 6/8.")] = None,
    bars: Annotated[int, typer.Option(help="Length of the whole piece.")] = 16,
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=256, help="How many pieces.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The first piece's; the next ones count up.")] = 0,
    temperature: Annotated[float, typer.Option(help="Above 1 bolder, below 1 safer.")] = 0.95,
    top_p: Annotated[float, typer.Option(help="Share of the likely notes that are drawn from.")] = 0.95,
    accidentals: Annotated[float, typer.Option(help="Share of notes that may leave the key's scale.")] = 0.05,
    prompt: Annotated[Path | None, typer.Option("--continue", help="A MIDI file to continue.")] = None,
    model: Annotated[str, typer.Option(help="An alias or a version number.")] = "champion",
    as_json: AsJson = False,
) -> None:
    """Make new pieces: .mid, .wav, .png and a .json receipt each."""
    from musegen.commands import generate_pieces

    asked = {
        "style": style, "bpm": bpm, "key": key, "meter": meter, "bars": bars, "seed": seed, "prompt": prompt,
        "temperature": temperature, "top_p": top_p, "accidentals": accidentals,
    }  # fmt: skip
    files = generate_pieces(Workspace.current().checked(), asked, count, model, out)
    listed = [{"midi": str(piece.midi), "measured": piece.measured, "asked": piece.asked} for piece in files]
    words = "\n".join(str(piece.midi.with_suffix(".{mid,wav,png,json}")) for piece in files)
    _answer({"pieces": listed}, words, as_json)


@app.command()
def status(as_json: AsJson = False) -> None:
    """The versions of the generator, who serves, and what the last retrain did."""
    from musegen.commands import describe_status

    content, words = describe_status(Workspace.current().checked())
    _answer(content, words, as_json)


@app.command()
def promote(version: Annotated[int, typer.Argument(help="The number of a registered version.")]) -> None:
    """Make a version the champion; the old one becomes `previous`."""
    from musegen.stages.deploy import promote_version

    say.print(promote_version(Workspace.current().checked(), str(version), "promoted by hand"))


@app.command()
def rollback() -> None:
    """Make the previous champion the champion again."""
    from musegen.stages.deploy import promote_version

    say.print(promote_version(Workspace.current().checked(), "previous", "rolled back by hand"))


@app.command()
def remove(
    tracks: Annotated[list[str], typer.Argument(help="Ids, names or files of tracks.")],
    why: Annotated[str, typer.Option(help="Kept with the tombstone.")] = "",
    only_list: Annotated[bool, typer.Option("--list", help="Remove nothing; say what descends from them.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take removed tracks back.")] = False,
    as_json: AsJson = False,
) -> None:
    """Leave tracks out for good, and list the shards, models and pieces that descend from them."""
    from musegen.commands import remove_tracks

    content, words = remove_tracks(Workspace.current().checked(), tracks, why, only_list, undo)
    _answer(content, words, as_json)


@app.command()
def pull(as_json: AsJson = False) -> None:
    """Bring the recorded data and model back from the DVC remote, and check them."""
    from musegen import versions

    versions.pull(Workspace.current().checked())
    verify(as_json=as_json)


@app.command()
def push() -> None:
    """Send recorded data and models to the DVC remote, and read back what was sent."""
    from musegen import versions

    pushed = versions.push(Workspace.current().checked())
    mended = f", mended {', '.join(pushed.repaired)}" if pushed.repaired else ""
    say.print(_escaped(f"{pushed.sent} objects sent, {pushed.checked} read back{mended}"))


@app.command()
def verify(
    remote: Annotated[bool, typer.Option("--remote", help="Read all of the DVC remote as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check every shard, what DVC has recorded and the champion's files against their hashes."""
    from musegen.commands import verify_workspace

    problems, words = verify_workspace(Workspace.current(), remote)
    _answer({"problems": problems}, words, as_json)
    if problems:
        raise MusegenError(f"{len(problems)} problems: " + "; ".join(problems[:5]))


def _answer(content: Any, words: str, as_json: bool) -> None:
    """One JSON object for machines, or words for people, on stdout."""
    if as_json:
        typer.echo(json.dumps(content, default=_plain, ensure_ascii=False))
    else:
        typer.echo(words)


def _plain(value: Any) -> Any:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")


def _open_workspace() -> None:
    """See that there is a workspace before anything starts; Prefect keeps its lines, the terminal is ours."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    set_environment(Workspace.current().checked())
