"""MIDI files beside the training pieces of a registered version; receipts that say what a piece shares."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from musegen import midi, pieces
from musegen.cli import music  # noqa: F401  the commands register themselves
from musegen.cli.app import app
from musegen.errors import BadInput
from musegen.evaluation.originality import Originality
from musegen.evaluation.originality.files import save
from musegen.generate import Composed, Request
from musegen.stages import originality
from musegen.workspace import Workspace


@dataclass(frozen=True)
class Version:
    number: int = 3


class OneVersion:
    """A registry that holds one version, its files in the workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._root = workspace.root

    def version(self, name: str, which: str) -> Version:
        return Version()

    def fetch(self, version: Version) -> Path:
        return self._root


@pytest.fixture
def learnt(tune) -> Originality:
    return Originality.of([f"jig/{seed}" for seed in range(4)], list("abcd"), [tune(seed) for seed in range(4)])


@pytest.fixture
def workspace(tmp_path: Path, learnt: Originality, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    save(tmp_path / "generator", learnt)
    (tmp_path / "params.yaml").write_text("")
    monkeypatch.setattr(originality, "Registry", OneVersion)
    return Workspace(tmp_path)


def test_files_and_folders_are_looked_up_and_a_broken_one_says_why(workspace: Workspace, tune, tmp_path: Path) -> None:
    midi.write(tmp_path / "in" / "copy.mid", tune(2).transposed(2))
    midi.write(tmp_path / "in" / "deeper" / "own.mid", tune(50))
    (tmp_path / "in" / "broken.mid").write_bytes(b"MThd nonsense")
    told: list[tuple[int, int]] = []
    found = originality.look_up(
        workspace, [tmp_path / "in", tmp_path / "none.mid"], on_progress=lambda done, total: told.append((done, total))
    )
    rows = {Path(row["file"]).name: row for row in found.to_json()["files"]}
    assert list(rows) == ["broken.mid", "copy.mid", "own.mid", "none.mid"]
    assert (rows["copy.mid"]["verdict"], rows["copy.mid"]["track"]) == ("copy", "jig/2")
    assert rows["own.mid"]["verdict"] == "original"
    assert (rows["none.mid"]["reason"], "error" in rows["broken.mid"]) == ("no file", True)
    assert (found.broken, told[-1]) == (2, (4, 4))
    assert "2 semitones higher" in found.to_text()


def test_a_folder_without_midi_and_a_version_without_data_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="no MIDI file"):
        originality.look_up(workspace, [tmp_path / "empty"])
    for file in (tmp_path / "generator").iterdir():
        file.unlink()
    with pytest.raises(BadInput, match="carries no training pieces"):
        originality.look_up(workspace, [tmp_path / "any.mid"])


def test_the_command_answers_with_json_and_exits_1_where_a_file_is_broken(
    workspace: Workspace, tune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Workspace, "current", lambda: workspace)
    monkeypatch.setattr(Workspace, "checked", lambda self: self)
    midi.write(tmp_path / "copy.mid", tune(1))
    good = CliRunner().invoke(app, ["originality", str(tmp_path / "copy.mid"), "--json"])
    bad = CliRunner().invoke(app, ["originality", str(tmp_path / "copy.mid"), str(tmp_path / "no.mid"), "--json"])
    assert (good.exit_code, bad.exit_code) == (0, 1)
    (row,) = json.loads(good.stdout)["files"]
    assert {"file", "score", "verdict", "track", "bars", "track_bars", "covered", "longest_notes"} <= set(row)
    assert len(json.loads(bad.stdout)["files"]) == 2


def test_a_receipt_says_what_the_piece_shares_or_that_nothing_is_known(
    learnt: Originality, tune, tmp_path: Path
) -> None:
    composed = [Composed(Request(style="jig", bpm=120.0, seed=9), tune(3))]
    (known,) = pieces.write(composed, tmp_path / "known", {"version": 3}, originality=learnt)
    (older,) = pieces.write(composed, tmp_path / "older", {"version": 2})
    receipt = json.loads(known.receipt.read_text())["originality"]
    assert (receipt["verdict"], receipt["track"], receipt["track_id"]) == ("copy", "jig/3", "d")
    assert known.originality is not None and known.originality.to_json() == receipt
    assert older.originality is None
    assert json.loads(older.receipt.read_text())["originality"] is None
