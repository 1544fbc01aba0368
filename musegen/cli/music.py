"""Commands that make music. Heavy libraries are imported by the command that needs them."""

from pathlib import Path
from typing import Annotated

import typer

from musegen.cli.app import AsJson, answer, app, open_workspace, say
from musegen.errors import BadParams, GateNotMet
from musegen.workspace import Workspace


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
    open_workspace()
    from flows.retrain import retrain as run

    outcome = run()
    typer.echo(outcome.to_text())
    which = "challenger" if outcome.champion is None else "champion"
    composer, version, learnt = commands.fetched_composer(workspace, which)
    files = commands.write_pieces(composer, version, commands.demo_requests(composer), out, learnt)
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
    listed = [
        {"midi": str(piece.midi), "measured": piece.measured, "asked": piece.asked, "originality": piece.originality}
        for piece in files
    ]
    words = "\n".join(
        str(piece.midi.with_suffix(".{mid,wav,png,json}"))
        + (f"\n    {piece.originality.to_text()}" if piece.originality else "")
        for piece in files
    )
    answer({"pieces": listed}, words, as_json)


@app.command()
def originality(
    files: Annotated[list[Path], typer.Argument(help="MIDI files, or folders of them.")],
    style: Annotated[str | None, typer.Option(help="Whose people are the measure; of all styles if left out.")] = None,
    model: Annotated[str, typer.Option(help="An alias or a version number: whose training pieces.")] = "champion",
    as_json: AsJson = False,
) -> None:
    """What pieces share with the training pieces: original, close or a copy, of which track and bars."""
    from musegen import terminal
    from musegen.stages.originality import look_up

    with terminal.bar("look up", "files") as tell:
        found = look_up(Workspace.current().checked(), files, style, model, tell)
    answer(found.to_json(), found.to_text(), as_json)
    if found.broken:
        raise typer.Exit(1)
