"""A training leaves one whole generator in the workspace, and says what it took; MLflow hears of all of it."""

import itertools
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from musegen.cluster.train import CHECKPOINTS, PROGRESS, TrainingJob, learn
from musegen.errors import BadInput, MusegenError, Unavailable
from musegen.evaluation import originality
from musegen.generate import Request
from musegen.params import Params
from musegen.registry import GENERATOR_EXPERIMENT, Runs
from musegen.score import Score
from musegen.shards import manifest, writer
from musegen.shards.manifest import Manifest
from musegen.shards.schema import Example
from musegen.stages import generator, tracking, training_folders
from musegen.stages.generator import job_of, load_composer, run_folder, train_generator, training_facts
from musegen.stages.training_data import learnt_from, originals
from musegen.stages.training_report import Fitted, Pace, pace_of, words_of
from musegen.stages.training_samples import Artist
from musegen.stages.training_spool import OUTBOX, Spool, Story
from musegen.theory import Meter
from musegen.tokens import Tokenizer, TokenizerSettings
from musegen.training import Progress, TrainingResult, World, checkpoint, journal
from musegen.vocabulary import Vocabulary
from musegen.workspace import Workspace

COUNTS = {"train": 8, "valid": 2, "test": 2}


def dataset(workspace: Workspace, tune: Callable[..., Score], counts: dict[str, int] | None = None) -> str:
    """Commits jigs and reels; returns the hash of the data."""
    tokenizer, entries, numbers = Tokenizer.create(TokenizerSettings()), [], itertools.count()
    said = {field.name: None for field in fields(Example) if field.name.endswith(("_origin", "_confidence"))}
    for split, count in (counts or COUNTS).items():
        rows = []
        for seed in itertools.islice(numbers, count):
            style, meter = (("jig", Meter(6, 8)), ("reel", Meter(4, 4)))[seed % 2]
            score = tune(seed, bars=4, meter=meter, bpm=90.0 + 30 * (seed % 2))
            rows += [
                Example(
                    track=f"{seed:032x}", name=f"{style}/{seed}", variant=variant, group=f"{seed}", split=split,
                    style=style, bpm=score.bpm, key="D", meter=str(meter), bars=4, notes=len(score.notes),
                    semitones=0, speed=1.0, fingerprint="f" * 64, tokens=tokenizer.encode(score), **said,
                )
                for variant in range(2)
            ]  # fmt: skip
        if rows:
            entries.append(writer.write(workspace.composing, writer.shard_path(split, 0, 1), rows, split))
    made = Manifest(tuple(sorted(entries, key=lambda entry: entry.path)))
    manifest.commit(workspace.composing, made)
    return made.data_sha256


def params(**training: Any) -> Params:
    tiny = {"kind": "transformer", "layers": 1, "width": 16, "heads": 1, "window": 64}
    taught = {"steps": 20, "global_batch": 4, "micro_batch": 4, "eval_every": 4, "checkpoint_every": 4, **training}
    return Params.model_validate({"generator": {"model": tiny, "training": taught, "samples": {"bars": 2}}})


def in_process(job: TrainingJob, on_progress: Callable[[Progress], None]) -> TrainingResult:
    """What the cluster does, here."""

    def tell(progress: Progress) -> None:
        journal.append(job.run / PROGRESS, progress)
        on_progress(progress)

    return learn(job, World(), tell, lambda: (job.run / "stop").exists())


@pytest.fixture(scope="module")
def trained(
    shared_workspace: Workspace, tune: Callable[..., Score]
) -> Iterator[tuple[Workspace, generator.Fitted, list[Progress]]]:
    """A small generator, and all that was heard while it learnt."""
    heard: list[Progress] = []
    dataset(shared_workspace, tune)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generator, "train_on_cluster", in_process)
        fitted = train_generator(shared_workspace, params(), {"git.sha": "s"}, heard.append)
        yield shared_workspace, fitted, heard


Trained = tuple[Workspace, generator.Fitted, list[Progress]]


@pytest.mark.slow
def test_the_generator_lies_in_the_workspace_with_what_explains_it(trained: Trained) -> None:
    workspace, fitted, _ = trained
    facts = training_facts(workspace.generator)
    assert (facts["run"], facts["run_id"], facts["data_sha256"]) == (fitted.run, fitted.run_id, fitted.data_sha256)
    assert (facts["steps"], [point["step"] for point in facts["history"]]) == (20, [4, 8, 12, 16, 20])
    assert facts["settings"]["training"]["steps"] == 20 and facts["seconds"] > 0
    composer = load_composer(workspace.generator)
    assert composer.habits["jig"].meter == "6/8" and composer.habits["reel"].bpm == 120.0
    assert composer.compose([Request(style="reel", bars=1)])
    assert originality.load(workspace.generator) is not None
    assert not (workspace.generator / "manifest.json").exists()
    assert "resumed" not in fitted.to_markdown() and fitted.run_id in fitted.to_markdown()


@pytest.mark.slow
def test_mlflow_has_the_run_with_curves_figures_pieces_and_words(trained: Trained) -> None:
    workspace, fitted, heard = trained
    client = Runs(workspace)._connection.client
    run = client.get_run(Runs(workspace).find(GENERATOR_EXPERIMENT, fitted.run))
    assert (run.info.run_id, run.info.status) == (fitted.run_id, "FINISHED")
    assert run.data.params["model.width"] == "16" and run.data.params["training.steps"] == "20"
    assert run.data.params["data.train_rows"] == "16"
    tags = {"git.sha": "s", "data.sha256": fitted.data_sha256, "musegen.kind": "training"}
    assert tags.items() <= run.data.tags.items() and "transformer of 1 layers" in run.data.tags["mlflow.note.content"]
    assert run.data.metrics["valid.nll_per_note"] == pytest.approx(fitted.result.best_valid_nll_per_note)
    assert run.data.metrics["training.steps"] == 20
    assert {"training.seconds", "training.data_wait_share", "training.tokens_per_second"} <= run.data.metrics.keys()
    stored = client.get_metric_history(fitted.run_id, "training/train_nll_per_token")
    assert [point.step for point in stored] == sorted({word.step for word in heard if not word.resumed})
    assert [each.path for each in client.list_artifacts(fitted.run_id, "plots")] == ["plots/learning.png"]
    assert (fitted.waiting, fitted.trouble) == (0, "")


@pytest.mark.slow
def test_pieces_made_on_the_way_can_be_heard_in_mlflow(trained: Trained) -> None:
    workspace, fitted, _ = trained
    client = Runs(workspace)._connection.client
    epochs = [each.path for each in client.list_artifacts(fitted.run_id, "samples")]
    assert epochs and all(path.startswith("samples/epoch-00") for path in epochs)
    kinds = {Path(each.path).suffix for each in client.list_artifacts(fitted.run_id, epochs[0])}
    assert {".mid", ".wav", ".png", ".json"} <= kinds
    assert fitted.unheard == "" and len(fitted.samples) == 2 * len(epochs) and fitted.samples[0] in fitted.to_markdown()
    assert not [path for path in (workspace.runs / fitted.run / OUTBOX).rglob("*") if path.is_file()]


@pytest.mark.slow
def test_a_training_that_is_done_is_published_again_without_a_step_and_without_mlflow(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, fitted, _ = trained
    before = (workspace.generator / "weights.safetensors").read_bytes()

    def away(*_: Any) -> None:
        raise Unavailable("MLflow at nowhere: refused; see that it runs and try again")

    with monkeypatch.context() as patch:
        patch.setattr(tracking, "Runs", away)
        again = train_generator(workspace, params(), {"git.sha": "s"})
    assert (again.result.steps, again.result.resumed_from_step) == (20, 20)
    assert (workspace.generator / "weights.safetensors").read_bytes() == before
    words = again.to_markdown()
    assert "Resumed at step 20" in words and "MLflow was away (MLflow at nowhere" in words
    assert tracking.catch_up(workspace) == []
    assert Runs(workspace).find(GENERATOR_EXPERIMENT, fitted.run) == fitted.run_id


def test_a_training_that_is_stopped_is_not_published_and_goes_on_later(
    workspace: Workspace, tune: Callable[..., Score], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise Unavailable("MLflow is away")

    monkeypatch.setattr(tracking, "Runs", away)
    monkeypatch.setattr(generator, "train_on_cluster", in_process)
    data = dataset(workspace, tune)
    run = run_folder(workspace, params(), data)

    def stop(progress: Progress) -> None:
        if progress.step == 4:
            (run / "stop").touch()

    with pytest.raises(MusegenError, match=r"stopped at step \d+; run it again"):
        train_generator(workspace, params(), {}, stop)
    story = Spool(run).story
    assert story is not None and story.status == "KILLED" and not workspace.generator.exists()
    (run / "stop").unlink()
    heard: list[Progress] = []
    fitted = train_generator(workspace, params(), {}, heard.append)
    assert fitted.result.resumed_from_step in (4, 5) and fitted.run_id is None and fitted.waiting > 0
    assert heard[0].resumed and words_of(heard[0]).startswith(f"resumed at step {heard[0].step}, loss ")
    assert training_facts(workspace.generator)["run_id"] is None
    assert "not yet in MLflow" in fitted.to_markdown()


@pytest.mark.parametrize("is_trained", [False, True], ids=["before it is read", "before it is published"])
def test_a_dataset_that_changes_during_a_training_is_noticed(
    workspace: Workspace, tune: Callable[..., Score], monkeypatch: pytest.MonkeyPatch, is_trained: bool
) -> None:
    def change(job: TrainingJob, on_progress: Callable[[Progress], None]) -> TrainingResult:
        if is_trained:
            result = in_process(job, on_progress)
        dataset(workspace, tune, {"train": 6, "valid": 2, "test": 2})
        return result if is_trained else in_process(job, on_progress)

    monkeypatch.setattr(generator, "train_on_cluster", change)
    data = dataset(workspace, tune)
    with pytest.raises(BadInput, match="changed while training; run `musegen retrain` again") as caught:
        train_generator(workspace, params(steps=4), {})
    assert caught.value.reason == "changed" and not workspace.generator.exists()
    assert (run_folder(workspace, params(steps=4), data) / PROGRESS).exists() == is_trained


def test_the_settings_as_they_were_written_go_to_mlflow_with_the_run(
    workspace: Workspace, tune: Callable[..., Score], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise Unavailable("away")

    monkeypatch.setattr(tracking, "Runs", away)
    monkeypatch.setattr(generator, "train_on_cluster", away)
    workspace.params.write_text("generator: {}\n")
    data = dataset(workspace, tune)
    with pytest.raises(Unavailable):
        train_generator(workspace, params(), {})
    outbox = run_folder(workspace, params(), data) / OUTBOX
    assert names_in(outbox) == {"params.yaml"} and (outbox / "params.yaml").read_text() == "generator: {}\n"
    assert workspace.params.exists()


def test_a_split_without_pieces_is_told_before_anything_begins(
    workspace: Workspace, tune: Callable[..., Score]
) -> None:
    dataset(workspace, tune, {"train": 4, "valid": 0, "test": 0})
    with pytest.raises(BadInput, match="fell into valid and test; add music"):
        train_generator(workspace, params(), {})


def test_a_run_is_named_by_what_its_weights_depend_on_alone(workspace: Workspace, tune: Callable[..., Score]) -> None:
    data = dataset(workspace, tune)
    base = run_folder(workspace, params(), data)
    changed = params().model_dump()
    changed["generator"].update(cpu_workers=7, failures=1, least_workers=2, samples={"every_epochs": 0.5})
    changed["report"]["bars"] = 4
    assert run_folder(workspace, Params.model_validate(changed), data) == base
    assert run_folder(workspace, params(seed=1), data) != base != run_folder(workspace, params(), "other data")
    job = job_of(workspace, Params.model_validate(changed), data)
    assert (job.run, job.workers.cpu, job.workers.failures, job.workers.least) == (base, 7, 1, 2)
    assert Vocabulary.load(job.vocabulary).styles == ("jig", "reel")
    assert job.data_sha256 == data


def test_the_vocabulary_of_a_run_is_not_written_while_others_read_it(
    workspace: Workspace, tune: Callable[..., Score]
) -> None:
    data = dataset(workspace, tune)
    before = job_of(workspace, params(), data).vocabulary.stat()
    after = job_of(workspace, params(), data).vocabulary
    assert (after.stat().st_ino, after.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    with after.open() as reading:
        whole = after.read_text()
        after.with_name("other").write_text("{}")
        after.with_name("other").replace(after)
        Vocabulary.create(TokenizerSettings(), ("jig", "reel")).save(after)
        assert reading.read() == whole == after.read_text()
    assert names_in(after.parent) == {"vocabulary.json"}


def test_the_habits_of_a_style_are_those_of_its_tracks_as_they_are(
    workspace: Workspace, tune: Callable[..., Score]
) -> None:
    learnt = learnt_from(workspace.composing, dataset(workspace, tune))
    assert learnt.rows == {"train": 16, "valid": 4, "test": 4} and learnt.styles == ("jig", "reel")
    assert (learnt.habits["jig"].bpm, learnt.habits["jig"].keys) == (90.0, ("D",))
    pieces = originals(workspace.composing, "train")
    assert [(piece.track, piece.variant) for piece in pieces] == [(f"{seed:032x}", 0) for seed in range(8)]
    assert all(len(piece.tokens) > 8 for piece in pieces)


def test_the_pace_leaves_out_the_time_between_a_kill_and_the_next_start(tmp_path: Path) -> None:
    plain = Progress(10, 40, 1.0, 2.0, 0.1, 100.0, milliseconds=1_000, data_wait_share=0.5)
    words = [
        plain,
        replace(plain, step=20, milliseconds=3_000, data_wait_share=0.1),
        replace(plain, step=10, milliseconds=900_000, resumed=True),
        replace(plain, step=20, milliseconds=901_000, tokens_per_second=400.0, data_wait_share=0.4),
    ]
    for each in words:
        journal.append(tmp_path / PROGRESS, each)
    pace = pace_of(tmp_path / PROGRESS)
    assert (pace.seconds, pace.tokens_per_second) == (3.0, 200.0) and pace.data_wait_share == pytest.approx(0.2)
    assert pace_of(tmp_path / "none").seconds == 0


def test_the_pace_leaves_out_a_kill_before_the_first_checkpoint(tmp_path: Path) -> None:
    plain = Progress(10, 40, 1.0, 2.0, 0.1, 100.0, milliseconds=1_000)
    for step, milliseconds in ((10, 1_000), (20, 3_000), (10, 900_000), (20, 901_000)):
        journal.append(tmp_path / PROGRESS, replace(plain, step=step, milliseconds=milliseconds))
    assert pace_of(tmp_path / PROGRESS) == Pace(3.0, 100.0, 0.0)


@pytest.mark.parametrize(
    ("trouble", "words"), [("", "not all is told yet, 7 points"), ("refused", "was away (refused)")]
)
def test_mlflow_was_away_only_where_it_was(trouble: str, words: str) -> None:
    result = TrainingResult(20, Path("best"), 20, 1.0, None, False, False, ())
    fitted = Fitted(result, "generator-1", "r", "d", Pace(1.0, 1.0, 0.0), waiting=7, trouble=trouble)
    assert words in fitted.to_markdown() and ("away" in fitted.to_markdown()) == bool(trouble)


def test_a_checkpoint_that_is_gone_by_now_makes_no_piece_and_no_fuss(tmp_path: Path) -> None:
    vocabulary = Vocabulary.create(TokenizerSettings(), ("jig",))
    section = params().generator
    artist = Artist(tmp_path, section.samples, section.model, vocabulary, {}, "data")
    artist.hear(Progress(10, 40, 1.5, 2.0, 0.1, 100.0, checkpoint=tmp_path / "gone"))
    artist.finish()
    assert (artist.pieces, artist.trouble) == ([], "") and not list(tmp_path.rglob("*.mid"))


def test_a_piece_that_cannot_be_made_is_told_and_raises_nothing(tmp_path: Path) -> None:
    vocabulary = Vocabulary.create(TokenizerSettings(), ("jig",))
    section = params().generator
    artist = Artist(tmp_path, section.samples, section.model, vocabulary, {}, "data")
    save_file({"strange": np.zeros(1)}, tmp_path / "average.safetensors")
    artist.hear(Progress(10, 40, 1.5, 2.0, 0.1, 100.0, checkpoint=tmp_path))
    artist.finish()
    assert "strange" in artist.trouble and artist.pieces == []


def folder(path: Path, content: str) -> Path:
    path.mkdir(parents=True)
    (path / "weights").write_text(content)
    (path / content).write_text("")
    return path


def names_in(path: Path) -> set[str]:
    return {each.name for each in path.iterdir()}


@pytest.mark.parametrize("in_one_go", [True, False])
def test_a_fresh_folder_takes_the_place_of_the_old(
    tmp_path: Path, in_one_go: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not in_one_go:
        monkeypatch.setattr(training_folders, "_exchanged", lambda *_: False)
    target = tmp_path / "models" / "generator"
    for content in ("old", "new"):
        training_folders.swap_in(folder(tmp_path / "hidden" / "fresh", content), target)
        assert names_in(target) == {"weights", content}
        assert not list((tmp_path / "hidden").iterdir())


@pytest.mark.parametrize("done", range(4))
def test_a_swap_that_was_killed_is_completed(tmp_path: Path, done: int) -> None:
    fresh, target = tmp_path / "fresh", tmp_path / "generator"
    aside = tmp_path / "fresh.old"
    folder(target, "old")
    folder(fresh, "new")
    moves = [lambda: target.replace(aside), lambda: fresh.replace(target), lambda: (aside / "old").unlink()]
    for move in moves[:done]:
        move()
    training_folders.mend(fresh, target)
    assert names_in(target) == {"weights", "new" if done else "old"}
    assert names_in(tmp_path) == {"generator"}


def test_what_another_is_publishing_is_left_to_it(tmp_path: Path) -> None:
    fresh, target = folder(tmp_path / "fresh", "new"), folder(tmp_path / "generator", "old")
    with training_folders.publishing(fresh):
        training_folders.mend_if_free(fresh, target)
        assert names_in(fresh) == {"weights", "new"}
    training_folders.mend_if_free(fresh, target)
    assert not fresh.exists() and names_in(target) == {"weights", "old"}


def test_two_never_publish_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_folders, "_PUBLISHING_SECONDS", 0.05)
    with (
        training_folders.publishing(tmp_path / "fresh"),
        pytest.raises(Unavailable, match="another process is publishing"),
        training_folders.publishing(tmp_path / "fresh"),
    ):
        pass


def _swap_for_ever(root: Path) -> None:
    number = 0
    while True:
        number += 1
        training_folders.mend(root / "fresh", root / "generator")
        training_folders.swap_in(folder(root / "fresh", f"edition {os.getpid()} {number}"), root / "generator")


def test_the_generator_is_whole_at_every_moment_and_after_every_kill(tmp_path: Path) -> None:
    target = folder(tmp_path / "generator", "edition 0")
    seen = {"edition 0"}
    for kill in range(8):
        process = multiprocessing.get_context("fork").Process(target=_swap_for_ever, args=(tmp_path,))
        process.start()
        swapped = 0.0
        while not swapped or time.monotonic() < swapped + 0.005 * kill:
            handle = os.open(target, os.O_RDONLY)  # never missing
            os.close(handle)
            if not swapped and not names_in(target) & seen:
                swapped = time.monotonic()
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        content = (target / "weights").read_text()
        assert names_in(target) == {"weights", content}
        seen.add(content)
    assert len(seen) == 9


def test_checkpoints_of_old_runs_go_and_their_best_weights_and_journals_stay(tmp_path: Path) -> None:
    for number in range(6):
        run = tmp_path / f"generator-{number}"
        for name in ("step-00000004", "step-00000008", "best-00000004", "best-00000008"):
            (run / CHECKPOINTS / name).mkdir(parents=True)
        (run / PROGRESS).touch()
        kind = "trial" if number == 1 else "training"
        Spool(run).tell(Story(run.name, {}, {"musegen.kind": kind}, status="KILLED" if number == 1 else "FINISHED"))
        if number not in (1, 2):
            (run / training_folders.PUBLISHED).touch()
        for path in run.iterdir():
            os.utime(path, (1000.0 + number, 1000.0 + number))
    pruned = training_folders.prune(tmp_path)
    assert sorted(run.name for run in pruned) == ["generator-0", "generator-1"]
    assert names_in(tmp_path / "generator-0" / CHECKPOINTS) == {"best-00000008"}
    assert (tmp_path / "generator-0" / PROGRESS).exists()
    assert len(names_in(tmp_path / "generator-2" / CHECKPOINTS)) == 4  # never published: it may go on
    assert training_folders.prune(tmp_path) == []


def test_of_runs_that_were_stopped_or_failed_the_newest_may_go_on(tmp_path: Path) -> None:
    for number in range(7):
        run = tmp_path / f"generator-{number}"
        checkpoints = run / CHECKPOINTS
        best = checkpoint.save_best(checkpoints, 4, lambda draft: (draft / "weights").write_text("4"))
        checkpoint.save(checkpoints, 8, {"average": {"a": torch.zeros(1)}}, {}, best)
        checkpoint.save_best(checkpoints, 12, lambda draft: (draft / "weights").write_text("12"))
        status = "RUNNING" if number == 0 else ("FAILED", "KILLED", "FINISHED")[number % 3]
        Spool(run).tell(Story(run.name, {}, {"musegen.kind": "training"}, status=status))
        os.utime(run / "tracking.json", (1000.0 + number, 1000.0 + number))
    assert [run.name for run in training_folders.prune(tmp_path)] == ["generator-1"]
    assert names_in(tmp_path / "generator-1" / CHECKPOINTS) == {"best-00000004"}
    assert len(names_in(tmp_path / "generator-0" / CHECKPOINTS)) == 3


def test_a_folder_without_a_generator_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no generator"):
        load_composer(tmp_path)
    (tmp_path / "training.json").write_text(json.dumps({"run": "r", "run_id": None}))
    assert training_facts(tmp_path)["run_id"] is None
