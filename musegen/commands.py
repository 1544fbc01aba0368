"""What the commands do that are no flows."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from musegen import corpora, midi, outcome, params, pieces, terminal
from musegen.corpora import journal, sample
from musegen.errors import BadInput, BadParams, about
from musegen.evaluation import originality
from musegen.evaluation.originality import Originality
from musegen.generate import Composer, Request, SamplingSettings
from musegen.pieces import PieceFiles
from musegen.registry import CHALLENGER, CHAMPION, GENERATOR, PREVIOUS, ModelVersion, Registry
from musegen.score import Score
from musegen.shards import elsewhere, reader
from musegen.stages import corpus
from musegen.stages.generator import load_composer
from musegen.survey import Survey, SurveySettings
from musegen.theory import Key, Meter
from musegen.workspace import Workspace

if TYPE_CHECKING:
    from musegen.stages.reproduce import Reproduction

_LAST_PROMOTIONS, _LONGEST_LINE = 7, 160


def make_sample(folder: Path, tracks: int, seed: int) -> str:
    """Make the sample corpus and say in a line what it holds; raises `BadParams` for somebody's own folder."""
    if folder.exists() and any(folder.iterdir()) and not (folder / journal.MANIFEST).exists():
        raise BadParams(f"{folder}: it holds other files already; name an empty or a new folder for the sample corpus")
    with terminal.bar("sample", "tracks") as tell:
        made = sample.make(folder, tracks=tracks, seed=seed, on_progress=tell)
    styles = ", ".join(f"{count} {style}" for style, count in made.styles.items())
    skipped = f"; {len(made.skipped)} pieces could not be used" if made.skipped else ""
    return f"sample    {folder}: {made.tracks} tracks, {made.seconds / 3600:.1f} hours ({styles}){skipped}"


def survey_folder(
    workspace: Workspace, folder: Path | None, layout: str, require_licence: bool, rehash: bool
) -> Survey:
    """Survey the corpus of the workspace and write its catalogue; any other `folder` is only looked at."""
    with terminal.bar("survey", "tracks") as tell:
        settings = params.load(workspace.checked().params) if folder is None or workspace.params.exists() else None
        if settings and (folder is None or folder.resolve() == workspace.corpus(settings.survey.corpus)):
            strict = settings.survey.require_licence or require_licence
            chosen = settings.survey.model_copy(update={"require_licence": strict})
            return corpus.survey_corpus(workspace, settings.model_copy(update={"survey": chosen}), tell, rehash)
        corpora.loader(layout)
        root = (folder or Path()).resolve()
        looked = SurveySettings(corpus=str(root), layout=layout, require_licence=require_licence)
        return corpus.survey_folder(workspace, root, looked, tell, rehash)


def remove_tracks(
    workspace: Workspace, tracks: list[str], why: str, only_list: bool, undo: bool
) -> tuple[dict[str, Any], str]:
    """Removal, its undoing, or only the list of what descends from tracks; for machines and in words."""
    from musegen.stages import removal

    corpus_root = workspace.corpus(params.load(workspace.params).survey.corpus)
    done: removal.Restored | removal.Removal
    if undo:
        done = removal.restore(workspace, tracks)
    elif only_list:
        done = removal.descent(workspace, tracks, corpus_root, [Path("out")])
    else:
        done = removal.remove(workspace, tracks, why, corpus_root, [Path("out")])
    return done.to_json(), done.to_text()


def fetched_composer(workspace: Workspace, which: str) -> tuple[Composer, ModelVersion, Originality | None]:
    """A registered version, its files checked, ready to compose; and what it learnt from, where it carries that."""
    registry = Registry(workspace)
    version = registry.version(GENERATOR, which)
    folder = registry.fetch(version) / "generator"
    return load_composer(folder), version, originality.load(folder)


def generate_pieces(
    workspace: Workspace, asked: Mapping[str, Any], count: int, which: str, out: Path
) -> list[PieceFiles]:
    """Compose `count` pieces with seeds counting up from the asked one, and write them into `out`."""
    request = request_of(asked)
    composer, version, learnt = fetched_composer(workspace, which)
    numbered = [replace(request, seed=request.seed + index) for index in range(count)]
    return write_pieces(composer, version, numbered, out, learnt)


def write_pieces(
    composer: Composer, version: ModelVersion, requests: list[Request], out: Path, learnt: Originality | None = None
) -> list[PieceFiles]:
    """Compose and write, with progress; the receipts say what each piece shares with what was `learnt`."""
    with terminal.bar("compose", "bars") as tell:
        composed = composer.compose(requests, tell)
    model = {
        "name": version.name,
        "version": version.number,
        "files_sha256": version.tags.get("files.sha256"),
        "data_sha256": version.tags.get("data.sha256"),
    }
    with terminal.bar("play", "pieces") as tell:
        return pieces.write(composed, out, model, tell, learnt)


def request_of(asked: Mapping[str, Any]) -> Request:
    """What was asked on the command line, checked; raises `BadParams` or `BadInput` for what can't be."""
    sampling = {name: asked[name] for name in ("temperature", "top_p", "accidentals")}
    try:
        settings = SamplingSettings.model_validate(sampling)
    except ValidationError as error:
        problem = error.errors()[0]
        raise BadParams(f"{problem['loc'][0]} {problem['input']}: {problem['msg'].lower()}; choose another") from error
    return Request(
        style=asked["style"],
        bpm=asked["bpm"],
        key=Key.parse(asked["key"]) if asked["key"] else None,
        meter=Meter.parse(asked["meter"]) if asked["meter"] else None,
        bars=asked["bars"],
        seed=asked["seed"],
        prompt=_prompt(asked["prompt"]) if asked["prompt"] else None,
        sampling=settings,
    )


def describe_status(workspace: Workspace) -> tuple[dict[str, Any], str]:
    """Who serves, challenges and served before, the versions, and the last promotions and retrains; also in words."""
    registry = Registry(workspace)
    versions, retrains = registry.versions(GENERATOR), outcome.history(workspace)
    promotions = registry.history(GENERATOR)[-_LAST_PROMOTIONS:]
    roles = {alias: _with_alias(versions, alias) for alias in (CHAMPION, CHALLENGER, PREVIOUS)}
    lines = [f"{role:<10} {f'version {number}' if number else 'nobody'}" for role, number in roles.items()]
    lines += [
        f"version {version.number}  {', '.join(version.aliases) or '-':<24} nll_per_note "
        f"{version.tags.get('nll_per_note', '?')}  gate {version.tags.get('gate.result', '?')}  "
        f"data {version.tags.get('data.sha256', '')[:12]}"
        for version in versions
    ] or ["no version yet; run `musegen retrain`"]
    lines += [_short(str(promotion)) for promotion in promotions]
    lines += [_short(f"{retrain['at']}  {retrain['decision']}: {retrain['reason']}") for retrain in retrains]
    content = {
        **roles,
        "versions": [asdict(version) for version in versions],
        "promotions": [promotion.to_json() for promotion in promotions],
        "retrains": retrains,
    }
    return content, "\n".join(lines)


def describe_history(workspace: Workspace) -> tuple[dict[str, Any], str]:
    """Every promotion and every refused attempt, oldest first, as values and as words."""
    promotions = Registry(workspace).history(GENERATOR)
    words = "\n".join(map(str, promotions)) or "nothing was promoted yet; run `musegen retrain`"
    return {"promotions": [promotion.to_json() for promotion in promotions]}, words


def reproduce_version(workspace: Workspace, which: str, folder: Path) -> "Reproduction":
    """Bring a version back into `folder` with its data, judge it again, and compare with its report."""
    from musegen.stages import reproduce

    restored = reproduce.restore(workspace, which, folder)
    with terminal.bar("reproduce", "steps") as tell:
        return reproduce.compare(restored, params.load(restored.workspace.params), tell)


def verify_workspace(workspace: Workspace, remote: bool) -> tuple[list[str], str]:
    """What differs from its recorded hash: in the datasets, in what DVC has recorded, in the champion's files.

    With `remote` all of the DVC remote is read as well.
    """
    from musegen import versions

    problems = []
    for folder in workspace.checked().datasets:
        found = [*reader.verify(elsewhere.place_of(folder)), *elsewhere.moved_on(folder)]
        problems += [f"{folder.name}: {problem}" for problem in found]
    problems += versions.check_workspace(workspace)
    if remote:
        problems += versions.check_remote(workspace, read_all=True)
    registry = Registry(workspace)
    champion = registry.find(GENERATOR, CHAMPION)
    if champion is not None:
        try:
            registry.fetch(champion)
        except BadInput as error:
            problems.append(str(error))
    checked = ["both datasets", "what is recorded"] + (["the remote"] if remote else [])
    checked += [f"version {champion.number}"] if champion else []
    words = f"all hashes of {', '.join(checked[:-1])} and {checked[-1]} are as recorded"
    return problems, "\n".join(problems) or words


def demo_requests(composer: Composer) -> list[Request]:
    """A piece in every style of the model."""
    return [Request(style=style, seed=7) for style in composer.styles]


def _prompt(path: Path) -> Score:
    with about(path):
        if not path.exists():
            raise BadInput("there is no such file; give a MIDI file to continue", "no file")
        labels = midi.read(path)
        if labels.notes is None or labels.beats is None:
            raise BadInput("it has no notes; give a MIDI file with music", "no notes")
        return Score.from_labels(labels.notes, labels.beats)


def _with_alias(versions: list[ModelVersion], alias: str) -> int | None:
    return next((version.number for version in versions if alias in version.aliases), None)


def _short(words: str) -> str:
    return words if len(words) <= _LONGEST_LINE else f"{words[: _LONGEST_LINE - 1]}…"
