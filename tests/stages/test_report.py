"""A model is judged beside baselines and champion, and all of it lies in the workspace afterwards."""

import json
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from musegen.evaluation import originality
from musegen.evaluation.counts import CountSettings
from musegen.evaluation.likelihood import Foretold
from musegen.models import Sizes, TransformerSettings, build, save_model
from musegen.params import Params
from musegen.registry import ModelVersion
from musegen.score import Score
from musegen.shards import manifest, writer
from musegen.shards.manifest import Manifest
from musegen.shards.schema import Example
from musegen.stages import lineage, report_files
from musegen.stages import report as stage
from musegen.stages.exam import Exam, duel, stronger_count_model
from musegen.stages.report import judge_generator, read_report
from musegen.theory import Meter
from musegen.tokens import TokenizerSettings
from musegen.training import Piece
from musegen.vocabulary import Vocabulary
from musegen.workspace import Workspace

SETTINGS = TransformerSettings(layers=1, width=16, heads=1, window=64)
VOCABULARY = Vocabulary.create(TokenizerSettings(), ("jig", "reel"))
COUNTS = {"train": 8, "valid": 2, "test": 4}
PARAMS = Params.model_validate(
    {"report": {"pieces_per_style": 1, "bars": 2, "counts": {"order": 3}, "gate": {"floors": {"bars_as_asked": 1.0}}}}
)


def example(score: Score, style: str, seed: int, split: str) -> Example:
    said = {field.name: None for field in fields(Example) if field.name.endswith(("_origin", "_confidence"))}
    return Example(
        track=f"{seed:032x}", name=f"{style}/{seed}", variant=0, group=f"{seed}", split=split, style=style,
        bpm=score.bpm, key="D", meter=str(score.meter), bars=4, notes=len(score.notes), semitones=0, speed=1.0,
        fingerprint="f" * 64, tokens=VOCABULARY.tokenizer.encode(score), **said,
    )  # fmt: skip


def rows(tune: Callable[..., Score], split: str, first: int, count: int) -> list[Example]:
    meters = {"jig": Meter(6, 8), "reel": Meter(4, 4)}
    styles = [("jig", "reel")[seed % 2] for seed in range(first, first + count)]
    return [
        example(tune(seed, bars=4, meter=meters[style]), style, seed, split)
        for seed, style in enumerate(styles, start=first)
    ]


def save(folder: Path, vocabulary: Vocabulary = VOCABULARY) -> None:
    """A generator with fresh weights."""
    torch.manual_seed(0)
    save_model(folder, build(SETTINGS, Sizes.of(vocabulary)), SETTINGS, vocabulary)
    usual = {"bpm": 100.0, "meter": "4/4", "keys": ["D"]}
    (folder / "habits.json").write_text(json.dumps(dict.fromkeys(vocabulary.styles, usual)))
    history = [{"step": 20, "valid_nll_per_note": 5.0}]
    facts = {"run": "r", "run_id": None, "data_sha256": "ab" * 32, "steps": 20, "history": history}
    (folder / "training.json").write_text(json.dumps(facts))


@pytest.fixture(scope="module")
def judged(shared_workspace: Workspace, tune: Callable[..., Score], tmp_path_factory: pytest.TempPathFactory):
    """The report of a fresh model, beside a champion that has learnt no reels."""
    first, entries = 0, []
    for split, count in COUNTS.items():
        path = writer.shard_path(split, 0, 1)
        entries.append(writer.write(shared_workspace.composing, path, rows(tune, split, first, count), split))
        first += count
    manifest.commit(shared_workspace.composing, Manifest(tuple(sorted(entries, key=lambda entry: entry.path))))
    save(shared_workspace.generator)
    bundle = tmp_path_factory.mktemp("champion")
    save(bundle / "generator", Vocabulary.create(TokenizerSettings(), ("jig",)))

    class One:
        def __init__(self, workspace: Workspace) -> None:
            pass

        def find(self, name: str, which: str) -> ModelVersion:
            return ModelVersion(name, 7, "run", (which,), {})

        def fetch(self, version: ModelVersion) -> Path:
            return bundle

    # The champion comes from a dataset that split otherwise: the first test piece of today is one that it learnt from.
    learnt = [
        lineage.Ancestor(f"{number:032x}", f"{number}", split, "g") for number, split in ((10, "train"), (11, "test"))
    ]
    people = {"pieces": 0, "versions": 0}
    study = {"copied_share": 0.5, "borrowed_beyond_people": None, "people": people, "intervals": {}}
    study["pieces"] = [{"verdict": "copy"}]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "Registry", One)
        patch.setattr(lineage, "read", lambda folder: learnt if folder == bundle else None)
        patch.setattr(originality, "load", lambda folder: SimpleNamespace(study=lambda scores, styles: study))
        said: list[str] = []
        found = judge_generator(
            shared_workspace, PARAMS, lambda done, total, words: said.append(words), {"words": "Tried twice"}
        )
    assert len(said) == 7
    return found


def test_model_baselines_and_champion_are_judged_on_the_same_pieces(judged) -> None:
    assert judged.champion["version"] == 7
    sides = (judged.figures, judged.baseline, judged.copy_last, judged.champion)
    assert all(side["per_piece"].keys() == judged.figures["per_piece"].keys() for side in sides[:3])
    assert {side["notes"] for side in sides} == {judged.figures["notes"]}
    assert all(side["words"] for side in sides[1:])
    for side in sides[1:3]:
        difference = judged.figures["nll_per_note"] - side["nll_per_note"]
        assert side["beside"]["nll_per_note"]["difference"] == pytest.approx(difference)
    # Fresh weights hold every token alike, whichever tokens there are.
    assert judged.champion["nll_per_token"] == pytest.approx(np.log(len(VOCABULARY) - 1), rel=1e-6)


def test_the_gate_hears_of_originality_and_the_verdict_is_in_the_report(judged) -> None:
    assert judged.for_gate()["copied_share"] == 0.5
    assert {"nll_per_note", "nll_per_beat", "accuracy", "f1"} <= judged.for_gate()["intervals"].keys()
    assert judged.verdict is not None
    assert judged.attempts == {"words": "Tried twice"}


def test_the_report_lies_in_the_workspace_with_pictures_pieces_and_a_page_of_its_own(shared_workspace, judged) -> None:
    folder = shared_workspace.reports / "generator"
    assert read_report(shared_workspace) == judged
    for path in judged.pictures.values():
        assert (folder / path).is_file()
    files = [path for piece in judged.pieces for path in piece.get("files", {}).values()]
    assert len(files) == 6
    assert all((folder / path).is_file() for path in files)
    page = (folder / "report.html").read_text()
    assert page.count("data:image/png;base64,") == len(judged.pictures)
    assert "Tried twice" in page
    metrics = json.loads((shared_workspace.reports / "figures.json").read_text())
    assert metrics["copied_share"] == 0.5
    assert metrics["count_model_nll_per_note"] == pytest.approx(judged.baseline["nll_per_note"], abs=1e-5)


def test_the_stronger_count_model_is_chosen_on_valid(tune: Callable[..., Score]) -> None:
    train = rows(tune, "train", 0, 6)
    moved = [replace(row, tokens=VOCABULARY.tokenizer.transposed(row.tokens, 5)) for row in train]
    settings = CountSettings(order=3, transpose=6)
    in_other_keys, words = stronger_count_model(train, moved, VOCABULARY, settings)
    assert (in_other_keys.semitones, "up to 6 semitones: on valid" in words) == (6, True)
    in_the_same, words = stronger_count_model(train, train, VOCABULARY, settings)
    assert in_the_same.semitones == 0
    assert "against" in words


def test_a_model_with_the_same_tokens_gets_the_same_arrays_and_an_unknown_style_is_left_open(
    tune: Callable[..., Score],
) -> None:
    exam = Exam.of(rows(tune, "test", 0, 2), VOCABULARY)
    known = exam.known_to(Vocabulary.create(TokenizerSettings(), ("jig",)))
    assert [piece.conditions.style for piece in known.pieces] == ["jig", None]
    assert all(ours.tokens is theirs.tokens for ours, theirs in zip(exam.pieces, known.pieces, strict=True))


def test_what_the_champion_has_learnt_from_is_no_piece_to_compare_by(judged) -> None:
    assert judged.champion["per_piece"].keys() == judged.figures["per_piece"].keys() - {"jig/10"}
    assert judged.champion["left_out"] == 1
    assert "1 test piece that it has learnt from is left out" in judged.champion["words"]
    compared = [check for check in judged.verdict.checks if "champion" in check.name]
    assert compared
    assert all("over 3 pieces" in check.words for check in compared)
    assert all("champion" not in row for row in judged.by_style.values())


def test_borrowing_beyond_people_is_asked_only_where_people_were_held_out(judged) -> None:
    floors = {"borrowed_beyond_people": {"at_most": 0.0}, "copied_share": {"at_most": 0.1}}
    asking = Params.model_validate({"report": {"gate": {"floors": floors}}})
    assert stage._gate_for(judged, asking).floors.keys() == {"copied_share"}
    for people in ({"pieces": 1, "versions": 0}, {"pieces": 0, "versions": 1}):
        held_out = replace(judged, originality={**judged.originality, "people": people})
        assert stage._gate_for(held_out, asking).floors.keys() == floors.keys()


def test_loudness_that_was_made_up_for_one_of_two_models_counts_for_neither(tune: Callable[..., Score]) -> None:
    exam = Exam.of(rows(tune, "test", 0, 3), VOCABULARY)
    loud = Vocabulary.create(TokenizerSettings(velocity_bins=8), ("jig", "reel"))

    def chance(pieces: Sequence[Piece]) -> list[Foretold]:
        lengths = [len(piece.tokens) + 1 for piece in pieces]
        return [Foretold(np.ones(length), np.zeros(length, np.int64)) for length in lengths]

    ours, theirs = exam.judge(chance), exam.known_to(loud).judge(chance)
    assert theirs.nll_per_note == pytest.approx(ours.nll_per_note + 1)
    for found in (duel(exam, ours, theirs, loud, ()), duel(exam, theirs, ours, loud, ())):
        assert found.ours == found.theirs
        assert found.beside["nll_per_note"]["difference"] == pytest.approx(0)
        assert "velocity tokens" in found.words
    alike = duel(exam, ours, ours, VOCABULARY, ())
    assert (alike.whole, alike.ours["per_piece"]) == (True, dict(zip(exam.names, ours.by_piece, strict=True)))


def test_a_report_takes_the_place_of_the_older_one_whole_and_clears_what_a_kill_left(
    shared_workspace: Workspace, judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = shared_workspace.hidden / "report-killed" / "pieces"
    left.mkdir(parents=True)
    plain = replace(judged, pieces=[], pictures={})
    monkeypatch.setattr(report_files, "_with_charts", lambda report, history, folder: report)
    changed = replace(plain, data_sha256="cd" * 32)
    report_files.publish(shared_workspace, changed, [], [])
    assert read_report(shared_workspace).data_sha256 == "cd" * 32

    def killed(fresh: Path, target: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(report_files, "swap_in", killed)
        with pytest.raises(KeyboardInterrupt):
            report_files.publish(shared_workspace, plain, [], [])
    assert read_report(shared_workspace).data_sha256 == "cd" * 32
    report_files.publish(shared_workspace, plain, [], [])
    assert read_report(shared_workspace) == plain
    assert list(shared_workspace.hidden.glob("report-*")) == []
