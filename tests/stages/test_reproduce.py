"""A registered version can be made again from what it keeps: its settings, its data, its figures."""

import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from musegen import catalogue, commands, params, versions
from musegen.cli import app
from musegen.cluster.train import PROGRESS, TrainingJob, learn
from musegen.errors import BadInput, BadParams, Unavailable
from musegen.evaluation.report import Report
from musegen.registry import GENERATOR, Registry
from musegen.score import Score
from musegen.shards import elsewhere, manifest, writer
from musegen.shards.manifest import Manifest
from musegen.shards.schema import Example
from musegen.stages import generator, reproduce
from musegen.stages.deploy import deploy_generator
from musegen.stages.report import judge_generator
from musegen.theory import Meter
from musegen.tokens import Tokenizer, TokenizerSettings
from musegen.training import Progress, TrainingResult, World, journal
from musegen.workspace import Workspace

pytestmark = pytest.mark.slow  # a model is trained and judged

STYLES = (("jig", Meter(6, 8)), ("reel", Meter(4, 4)))
TINY = {
    "    layers: 4": "    layers: 1",
    "    width: 128": "    width: 16",
    "    heads: 2": "    heads: 1",
    "    steps: 400": "    steps: 8",
    "    eval_every: 100": "    eval_every: 4",
    "    checkpoint_every: 100": "    checkpoint_every: 4",
    "  pieces_per_style: 4": "  pieces_per_style: 1",
    "  bars: 16": "  bars: 2",
}


def dataset(workspace: Workspace, tune: Callable[..., Score], first: int = 0) -> str:
    """Commits jigs and reels; returns the hash of the data."""
    tokenizer, entries, seeds = Tokenizer.create(TokenizerSettings()), [], itertools.count(first)
    said = {field.name: None for field in fields(Example) if field.name.endswith(("_origin", "_confidence"))}
    for split, count in {"train": 6, "valid": 2, "test": 2}.items():
        rows = []
        for seed in itertools.islice(seeds, count):
            style, meter = STYLES[seed % 2]
            score = tune(seed, bars=4, meter=meter)
            rows.append(
                Example(
                    track=f"{seed:032x}", name=f"{style}/{seed}", variant=0, group=f"{seed}", split=split, style=style,
                    bpm=score.bpm, key="D", meter=str(meter), bars=4, notes=len(score.notes), semitones=0, speed=1.0,
                    fingerprint="f" * 64, tokens=tokenizer.encode(score), **said,
                )
            )  # fmt: skip
        entries.append(writer.write(workspace.composing, writer.shard_path(split, 0, 1), rows, split))
    made = Manifest(tuple(sorted(entries, key=lambda entry: entry.path)))
    manifest.commit(workspace.composing, made)
    return made.data_sha256


def in_process(job: TrainingJob, on_progress: Callable[[Progress], None]) -> TrainingResult:
    """What the cluster does, here."""

    def tell(progress: Progress) -> None:
        journal.append(job.run / PROGRESS, progress)
        on_progress(progress)

    return learn(job, World(), tell, lambda: False)


def files_of(workspace: Workspace) -> dict[str, str]:
    """What the user sees in the workspace, and the settings of DVC."""
    found = [path for path in workspace.root.rglob("*") if path.is_file() and ".musegen" not in path.parts]
    mine = [path for path in found if ".dvc" not in path.parts or "config" in path.name]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in mine}


@pytest.fixture(scope="module")
def house(shared_workspace: Workspace, tune: Callable[..., Score]) -> Iterator[Workspace]:
    """A workspace with one registered version; since then the user has prepared other data with other settings."""
    workspace = shared_workspace
    params.write_template(workspace.root, "demo")
    original = text = workspace.params.read_text()
    for old, new in TINY.items():
        assert old in text, old
        text = text.replace(old, new)
    workspace.params.write_text(text)
    data_sha256 = dataset(workspace, tune)
    catalogue.write(workspace.data, [], [])
    versions.start(workspace)
    versions.record(workspace, ["survey", "composing"])
    versions.push(workspace)
    settings = params.load(workspace.params)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generator, "train_on_cluster", in_process)
        generator.train_generator(workspace, settings, {})
    deployed = deploy_generator(workspace, settings, judge_generator(workspace, settings), {"git.sha": "then"})
    assert deployed.version.tags["data.sha256"] == data_sha256
    workspace.params.write_text(original)
    dataset(workspace, tune, first=100)
    versions.record(workspace, ["composing"])
    yield workspace


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Report:
    """What the judge says, without its work."""
    said = Report({}, "", {"nll_per_note": 2.0, "per_piece": {"a.b": 1.0}, "accuracy": 0.5}, champion={"n": 1.0})
    monkeypatch.setattr(reproduce, "judge_generator", lambda *_: said)
    return said


@pytest.fixture
def restored(house: Workspace, tmp_path: Path) -> reproduce.Restored:
    return reproduce.restore(house, "1", tmp_path / "again")


def test_a_version_is_reproduced_from_its_own_settings_and_data(
    house: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files_of(house)
    monkeypatch.chdir(tmp_path)
    done = commands.reproduce_version(house, "1", Path("again"))
    assert files_of(house) == before
    assert done.different == () and len(done.figures) > 100
    assert {"figures.nll_per_note", "as_asked.bars_as_asked", "baseline.nll_per_note"} <= {f.name for f in done.figures}
    assert not [figure.name for figure in done.figures if "champion" in figure.name]
    words = done.to_text()
    assert f"version 1: all figures are the same within 1e-06 of their size; data {done.data_sha256[:12]}" in words
    assert "code: then then, none now" in words
    assert Registry(house).version(GENERATOR, "challenger").number == 1

    fresh = Workspace(tmp_path / "again").checked()
    assert params.load(fresh.params).generator.model.width == 16
    assert manifest.load(fresh.composing).data_sha256 == done.data_sha256
    assert (fresh.reports / "generator" / "report.md").exists()
    assert versions.check_remote(fresh, read_all=False) == []  # the remote is that of the workspace it came from


def test_a_figure_that_differs_is_named(restored: reproduce.Restored, judged: Report) -> None:
    said = {**judged.to_json(), "figures": {"nll_per_note": 2.000003, "accuracy": 0.5, "gone": 1.0}}
    done = reproduce.compare(replace(restored, then=said, made_with={"torch": "1.0"}), params.Params())
    assert [figure.name for figure in done.different] == ["figures.nll_per_note", "figures.gone"]
    told = done.to_json()
    assert (told["same"], told["different"]) == (False, ["figures.nll_per_note", "figures.gone"])
    assert told["changed"]["torch"]["then"] == "1.0"
    assert "version 1: 2 figures differ: figures.nll_per_note, figures.gone" in done.to_text()
    same = {**judged.to_json(), "figures": {"nll_per_note": 2.000001, "accuracy": 0.5}}
    assert not reproduce.compare(replace(restored, then=same), params.Params()).different


def test_the_command_says_so_and_fails_where_a_figure_differs(
    house: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = reproduce.Compared("figures.accuracy", 0.5, 0.25)
    done = reproduce.Reproduction(1, Path("again"), "data", (row,), {})
    monkeypatch.setattr(commands, "reproduce_version", lambda *_: done)
    ended = CliRunner().invoke(app, ["-w", str(house.root), "reproduce", "1", "--json"])
    assert ended.exit_code == 1 and json.loads(ended.stdout)["different"] == ["figures.accuracy"]
    for figures, code in (((replace(row, now=0.5),), 0), ((), 1), ((replace(row, then=None),), 1)):
        monkeypatch.setattr(commands, "reproduce_version", lambda *_, figures=figures: replace(done, figures=figures))
        ended = CliRunner().invoke(app, ["-w", str(house.root), "reproduce", "1"])
        assert ended.exit_code == code
        assert ("version 1: nothing was compared" in ended.stdout) == bool(code)


def test_a_folder_that_holds_something_is_left_alone(house: Workspace, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    with pytest.raises(BadParams, match="holds files already"):
        reproduce.restore(house, "1", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.fixture
def keeps(house: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of the version, to be changed."""
    registry = Registry(house)
    kept = shutil.copytree(registry.fetch(registry.version(GENERATOR, "1")), tmp_path / "kept")
    monkeypatch.setattr(Registry, "fetch", lambda *_: kept)
    return kept


def test_a_version_without_what_it_takes_says_what_it_lacks(house: Workspace, keeps: Path, tmp_path: Path) -> None:
    (keeps / "dvc.lock").unlink()
    with pytest.raises(BadInput, match=r"version 1: it keeps no dvc\.lock"):
        reproduce.restore(house, "1", tmp_path / "again")
    (keeps / "dvc.lock").write_text((house.root / "dvc.lock").read_text())
    for _ in range(2):
        with pytest.raises(BadInput, match=r"its dvc\.lock names"):
            reproduce.restore(house, "1", tmp_path / "again")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept"]  # nothing of it is left


def test_data_in_a_bucket_that_holds_others_by_now_are_gone(
    house: Workspace, tmp_path: Path, tune: Callable[..., Score], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, pointed = Workspace(tmp_path / "bucket"), Workspace(tmp_path / "pointed")
    dataset(bucket, tune)
    pointed.composing.mkdir(parents=True)
    elsewhere.point(pointed.composing, elsewhere.place_of(bucket.composing), manifest.load(bucket.composing))
    dataset(bucket, tune, first=50)
    monkeypatch.setattr(versions, "bring", lambda fresh, *_: shutil.copytree(pointed.data, fresh.data))
    with pytest.raises(Unavailable, match=r"version 1: its data .* are gone: .* lie there"):
        reproduce.restore(house, "1", tmp_path / "again")


def test_data_come_from_the_remote_where_the_cache_is_lost_and_are_missed_where_both_are(
    house: Workspace, tmp_path: Path
) -> None:
    shutil.rmtree(house.root / ".dvc" / "cache")
    found = reproduce.restore(house, "1", tmp_path / "from the remote")
    assert manifest.load(found.workspace.composing).data_sha256 == found.version.tags["data.sha256"]
    shutil.rmtree(house.hidden / "remote")
    with pytest.raises(Unavailable, match=r"version 1: its data .* can't be had.*data/composing"):
        reproduce.restore(house, "1", tmp_path / "from nowhere")
