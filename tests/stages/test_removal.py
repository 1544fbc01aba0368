"""A removal names everything that descends from a track, and says what it cannot know."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from musegen import catalogue, removal
from musegen.catalogue import CatalogueRow
from musegen.errors import BadInput, BadParams
from musegen.evaluation.gate import Verdict
from musegen.evaluation.report import Report
from musegen.params import Params
from musegen.registry import GENERATOR, GENERATOR_EXPERIMENT, Registry, Runs
from musegen.shards import manifest, writer
from musegen.shards.manifest import Manifest
from musegen.shards.schema import Example
from musegen.stages import lineage
from musegen.stages.deploy import deploy_generator
from musegen.stages.descent import Descent, Unknown
from musegen.stages.generator import training_facts
from musegen.stages.removal import descent, remove, restore
from musegen.workspace import Workspace


def identity(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def row(name: str, group: str = "", **known: Any) -> CatalogueRow:
    plain: dict[str, Any] = {
        **dict.fromkeys(field for field in CatalogueRow.__dataclass_fields__), "track": identity(name), "name": name,
        "layout": "folder", "group": group or name, "grouped_by": "", "split": "train", "audio": f"{name}.wav",
        "seconds": 1.0, "files": json.dumps({"midi": f"{name}.mid"}), "labels_sha256": "1" * 64, "sources": "{}",
        "composes": "", "misfits": "[]", "files_sha256": "", "warnings": "[]",
    }  # fmt: skip
    return CatalogueRow(**{**plain, **known})


def examples(name: str, split: str, variants: int) -> list[Example]:
    tokens = np.arange(9, dtype=np.uint16)
    said = {field.name: None for field in fields(Example) if field.name.endswith(("_origin", "_confidence"))}
    return [
        Example(
            track=identity(name), name=name, variant=variant, group=name, split=split, style=None, bpm=120.0, key="D",
            meter="4/4", bars=8, notes=20, semitones=variant, speed=1.0, fingerprint="f" * 64, tokens=tokens, **said,
        )
        for variant in range(variants)
    ]  # fmt: skip


def dataset(workspace: Workspace, shards: dict[str, dict[str, int]]) -> str:
    """Commits a dataset of `shards` (`"train/0"` → track → variants); returns its hash."""
    entries = []
    for place, tracks in sorted(shards.items()):
        split, index = place.split("/")
        rows = [one for name, variants in tracks.items() for one in examples(name, split, variants)]
        entries.append(writer.write(workspace.composing, writer.shard_path(split, int(index), 2), rows, place))
    made = Manifest(tuple(sorted(entries, key=lambda entry: entry.path)))
    manifest.commit(workspace.composing, made)
    return made.data_sha256


def trained(workspace: Workspace, data_sha256: str) -> None:
    """A judged generator in the workspace, with one sample piece."""
    run = Runs(workspace).open(GENERATOR_EXPERIMENT, f"run on {data_sha256}", {}, {})
    workspace.generator.mkdir(parents=True, exist_ok=True)
    facts = {"run_id": run, "data_sha256": data_sha256}
    (workspace.generator / "training.json").write_text(json.dumps(facts))
    pieces = workspace.reports / "generator" / "pieces"
    pieces.mkdir(parents=True, exist_ok=True)
    (pieces / "jig.mid").write_bytes(b"")
    receipt(pieces / "jig.json", 0, data_sha256)


def deployed(workspace: Workspace, passed: bool = True) -> int:
    now = Registry(workspace).find(GENERATOR)
    champion = {"version": now.number} if now else None
    verdict = Verdict(passed, "promoted", (), "words")
    facts = training_facts(workspace.generator)
    model, data_sha256 = {"run_id": facts["run_id"]}, facts["data_sha256"]
    report = Report(model, data_sha256, {"nll_per_note": 1.0}, champion=champion, verdict=verdict)
    return deploy_generator(workspace, Params(), report, {}).version.number


def receipt(path: Path, version: int, data_sha256: str | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    model = {"name": GENERATOR, "version": version}
    path.write_text(json.dumps({"seed": 1, "model": model, "data_sha256": data_sha256}))


@pytest.fixture(scope="module")
def house(shared_workspace: Workspace) -> tuple[Workspace, dict[str, str]]:
    """Three versions: the first keeps no list, the second learnt from jig/a, the third from other data."""
    workspace = shared_workspace
    hashes = {}
    catalogue.write(workspace.data, [row("jig/a", licence="CC0"), row("jig/b"), row("jig/a (live)", "jig/a")], [])
    hashes["old"] = dataset(workspace, {"train/0": {"jig/z": 1}})
    trained(workspace, "data that are gone")
    assert deployed(workspace) == 1
    hashes["a"] = dataset(workspace, {"train/0": {"jig/a": 3, "jig/b": 2}, "valid/1": {"jig/c": 1}})
    trained(workspace, hashes["a"])
    assert deployed(workspace) == 2
    hashes["b"] = dataset(workspace, {"train/0": {"jig/b": 2}, "test/1": {"jig/a": 1}})
    trained(workspace, hashes["b"])
    assert deployed(workspace, passed=False) == 3
    receipt(workspace.root / "out" / "by two.json", 2, hashes["a"])
    receipt(workspace.root / "out" / "deep" / "two, no hash.json", 2, None)
    receipt(workspace.root / "out" / "by one.json", 1, None)
    (workspace.root / "out" / "other.json").write_text("[1]")
    (workspace.root / "out" / "broken.json").write_text("{")
    return workspace, hashes


@pytest.fixture
def small(workspace: Workspace) -> Workspace:
    """A workspace that was surveyed and no more, its corpus beside it."""
    corpus = workspace.root / "corpus"
    rows = []
    for name in ("jig/a", "jig/b"):
        (corpus / name).parent.mkdir(parents=True, exist_ok=True)
        (corpus / f"{name}.wav").write_bytes(name.encode())
        (corpus / f"{name}.mid").write_bytes(b"notes of " + name.encode())
        rows.append(row(name))
    catalogue.write(workspace.data, rows, [])
    return workspace


def of_a(house: tuple[Workspace, dict[str, str]], names: Sequence[str] = ("jig/a",)) -> Descent:
    return descent(house[0], names).descent


def test_a_version_keeps_the_list_of_the_tracks_it_learnt_from(house: tuple[Workspace, dict[str, str]]) -> None:
    workspace, _ = house
    registry = Registry(workspace)
    kept = {number: lineage.read(registry.fetch(registry.version(GENERATOR, number))) for number in "123"}
    assert kept["1"] is None
    assert {(one.name, one.split, one.group, one.licence) for one in kept["2"] or ()} == {
        ("jig/a", "train", "jig/a", "CC0"), ("jig/b", "train", "jig/b", ""), ("jig/c", "valid", "jig/c", ""),
    }  # fmt: skip
    assert {one.track for one in kept["3"] or ()} == {identity("jig/a"), identity("jig/b")}


def test_every_descendant_is_found(house: tuple[Workspace, dict[str, str]]) -> None:
    found, hashes = of_a(house), house[1]
    assert [(shard.path, shard.rows) for shard in found.shards] == [
        ("composing/split=test/shard-00001-of-00002.parquet", 1)
    ]
    a = identity("jig/a")
    assert [(str(version), version.seen[a]) for version in found.versions] == [
        ("models/generator", "test"), ("musegen-generator 2 (champion)", "train"),
        ("musegen-generator 3 (challenger)", "test"),
    ]  # fmt: skip
    assert found.versions[1].sample_pieces == ("report/pieces/jig.mid",)
    assert found.datasets == {
        hashes["b"]: ("the present composing dataset", "models/generator", "musegen-generator 3 (challenger)"),
        hashes["a"]: ("musegen-generator 2 (champion)",),
    }
    assert {(piece.receipt, piece.made_by) for piece in found.pieces} == {
        ("out/by two.json", "musegen-generator 2"), ("out/deep/two, no hash.json", "musegen-generator 2"),
        ("reports/generator/pieces/jig.json", "musegen-generator"),
    }  # fmt: skip
    assert [str(track) for track in found.same_piece] == [f"jig/a (live) ({identity('jig/a (live)')[:8]})"]
    assert found.unknown == (
        Unknown("musegen-generator 1 (previous)", "it keeps no list of its tracks"),
        Unknown("1 pieces", "nothing lists the tracks that their models learnt from"),
    )


def test_what_is_found_is_told_in_words_with_what_remains(house: tuple[Workspace, dict[str, str]]) -> None:
    text = descent(house[0], ["jig/a"]).to_text()
    for words in (
        "shard     data/composing/split=test/shard-00001-of-00002.parquet: 1 rows of jig/a",
        "model     musegen-generator 2 (champion) learnt from jig/a; it keeps 1 sample pieces",
        "model     musegen-generator 3 (challenger) was judged on jig/a",
        "piece     out/by two.{mid,wav,png,json} by musegen-generator 2",
        "unknown   musegen-generator 1 (previous): it keeps no list of its tracks",
        "remains   nothing is removed yet: `musegen remove jig/a",
    ):
        assert words in text
    assert "removed by" not in text and removal.read(house[0].removed) == {}


def test_a_track_that_only_models_remember_is_found_by_name_and_id(house: tuple[Workspace, dict[str, str]]) -> None:
    for name in ("jig/c", identity("jig/c")[:8]):
        found = of_a(house, [name])
        assert [version.number for version in found.versions] == [2] and not found.shards


def test_a_track_without_descendants_has_none(house: tuple[Workspace, dict[str, str]]) -> None:
    found = of_a(house, ["jig/a (live)"])
    assert (found.shards, found.versions, found.pieces, found.datasets) == ((), (), (), {})
    assert [track.name for track in found.same_piece] == ["jig/a"]


def test_a_removal_says_what_remains_to_be_done_and_can_be_undone(house: tuple[Workspace, dict[str, str]]) -> None:
    workspace, _ = house
    done = remove(workspace, ["jig/a"], "the heirs object")
    assert removal.read(workspace.removed).keys() == {identity("jig/a")}
    assert [stone.why for stone in done.tombstones] == ["the heirs object"] and done.descent == of_a(house)
    text = done.to_text()
    assert text.startswith(f"removed   jig/a ({identity('jig/a')[:8]}), the heirs object\n")
    for words in ("`musegen remove 'jig/a (live)'`", "`musegen retrain`", "version 2 serves until", "version 2, 3 and",
                  "dvc gc --workspace --cloud", "musegen remove --list jig/a"):  # fmt: skip
        assert words in text
    plain = json.loads(json.dumps(done.to_json()))
    assert plain["tombstones"][0]["why"] == "the heirs object" and len(plain["descent"]["versions"]) == 3
    again = remove(workspace, ["jig/a"], "another reason")
    assert (again.tombstones, [stone.why for stone in again.before]) == ((), ["the heirs object"])
    assert restore(workspace, ["jig/a"]).to_text().startswith("restored  jig/a")
    assert removal.read(workspace.removed) == {}


def test_without_mlflow_the_tombstone_stands_and_the_question_can_be_asked_again(
    small: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = small.root / "mlflow.db"
    database.write_text("this is no database")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
    done = remove(small, ["jig/a", "jig/b"])
    assert removal.read(small.removed).keys() == {identity("jig/a"), identity("jig/b")}
    assert re.search(r"unknown   the registered versions: MLflow at sqlite.*try again", done.to_text())
    assert "ask again with `musegen remove --list jig/a jig/b`" in done.to_text()


@pytest.mark.parametrize(
    "name",
    ["jig/a", "jig/a.wav", "jig/a.mid", identity("jig/a"), identity("jig/a")[:8].upper(), f"t:{identity('jig/a')}"],
)
def test_a_track_is_named_by_id_name_or_file(small: Workspace, name: str) -> None:
    assert [stone.name for stone in remove(small, [name]).tombstones] == ["jig/a"]


def test_a_file_is_known_by_its_place_or_by_its_content(small: Workspace, tmp_path: Path) -> None:
    corpus = small.root / "corpus"
    (tmp_path / "claim.wav").write_bytes(b"jig/b")
    catalogue.write(small.data, [row("jig/a"), row("jig/b", track=hashlib.sha256(b"jig/b").hexdigest()[:32])], [])
    done = remove(small, [str(corpus / "jig" / "a.wav"), str(tmp_path / "claim.wav")], corpus=corpus)
    assert {stone.name for stone in done.tombstones} == {"jig/a", "jig/b", "jig/a (midi)", "jig/b (midi)"}


def test_the_notes_beside_a_recording_go_with_it_and_come_back_with_it(small: Workspace) -> None:
    corpus = small.root / "corpus"
    remove(small, ["jig/a"], corpus=corpus)
    notes = hashlib.sha256((corpus / "jig" / "a.mid").read_bytes()).hexdigest()[:32]
    assert removal.read(small.removed).keys() == {identity("jig/a"), notes}
    assert descent(small, ["jig/a"]).before[0].track == identity("jig/a")
    restore(small, ["jig/a"])
    assert removal.read(small.removed) == {}


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["jig/a", "jig/aa"], r"track 'jig/aa': .*did you mean .*jig/a"), (["nothing like it"], "labels.csv"),
        ([identity("jig/a")[:7]], "8 digits or more"), ([], "no track is named"), (["t:"], "no name"),
    ],
)  # fmt: skip
def test_where_a_name_is_unknown_nothing_is_removed(small: Workspace, names: list[str], told: str) -> None:
    for use in (remove, descent):
        with pytest.raises(BadParams, match=told):
            use(small, names)
    assert not small.removed.exists()


def test_a_name_that_may_be_two_tracks_is_ambiguous(small: Workspace) -> None:
    twins = [row("jig/a", track="12345678" + "0" * 24), row("jig/b", track="12345678" + "1" * 24)]
    catalogue.write(small.data, twins, [])
    with pytest.raises(BadParams, match=r"it may be jig/a \(12345678\) or jig/b"):
        remove(small, ["12345678"])


def test_only_what_was_removed_can_be_restored(small: Workspace) -> None:
    remove(small, ["jig/a"])
    with pytest.raises(BadParams, match="did you mean jig/a"):
        restore(small, ["jig/b"])
    assert len(removal.read(small.removed)) == 1


def test_damaged_tombstones_stop_everything(small: Workspace) -> None:
    remove(small, ["jig/a"])
    small.removed.write_bytes(small.removed.read_bytes()[:-20])
    for use in (remove, descent, restore):
        with pytest.raises(BadInput, match=r"removed\.csv"):
            use(small, ["jig/b"])


def test_a_damaged_dataset_is_told_of_and_hinders_no_removal(small: Workspace) -> None:
    dataset(small, {"train/0": {"jig/a": 1}})
    shard = next(small.composing.glob("split=*/*"))
    shard.write_bytes(shard.read_bytes()[:40])
    done = remove(small, ["jig/a"])
    assert done.descent.unknown[0].what == "the present composing dataset" and len(removal.read(small.removed)) == 1


def test_nothing_can_be_removed_before_a_survey(workspace: Workspace) -> None:
    with pytest.raises(BadParams, match="jig/a"):
        remove(workspace, ["jig/a"])
