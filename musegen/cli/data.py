"""Commands for corpus and datasets. Heavy libraries are imported by the command that needs them."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from musegen.cli.app import AsJson, answer, app, escaped, open_workspace, say
from musegen.errors import BadInput, MusegenError
from musegen.workspace import Workspace


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
        answer(content, "", as_json)
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
    open_workspace()
    from flows.prepare import prepare_corpus
    from musegen.stages import dataset_report

    done = prepare_corpus(mend=mend)
    say.print(f"{len(done.survey.rows)} tracks")
    for name, dataset in (("listening", done.listening), ("composing", done.composing)):
        say.print(escaped(dataset_report.to_text(name, dataset)))


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
    answer(content, words, as_json)


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
    say.print(escaped(f"{pushed.sent} objects sent, {pushed.checked} read back{mended}"))


@app.command()
def verify(
    remote: Annotated[bool, typer.Option("--remote", help="Read all of the DVC remote as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check every shard, what DVC has recorded and the champion's files against their hashes."""
    from musegen.commands import verify_workspace

    problems, words = verify_workspace(Workspace.current(), remote)
    answer({"problems": problems}, words, as_json)
    if problems:
        raise MusegenError(f"{len(problems)} problems: " + "; ".join(problems[:5]))
