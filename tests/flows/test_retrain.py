"""The whole house in real processes: a folder in, a registered model and new music out, and nothing done twice."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from musegen import midi
from musegen.score import SCORE_NOTE, Score
from musegen.theory import Meter

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
STYLES = {"jig": Meter(6, 8), "reel": Meter(4, 4)}
TINY = {
    "    layers: 4": "    layers: 1",
    "    width: 128": "    width: 32",
    "    steps: 400": "    steps: 24",
    "    eval_every: 100": "    eval_every: 8",
    "    checkpoint_every: 100": "    checkpoint_every: 8",
    "  cpu_workers: 2": "  cpu_workers: 1",
    "  shards: 8": "  shards: 4",
    "  variants: 4": "  variants: 1",
    "  pieces_per_style: 4": "  pieces_per_style: 2",
    "  bars: 16": "  bars: 4",
}


def tune(style: str, seed: int) -> Score:
    random = np.random.default_rng([len(style), seed])
    meter = STYLES[style]
    scale = [62, 64, 66, 67, 69, 71, 73, 74]
    place, rows = 0, []
    while place < 8 * meter.ticks:
        length = int(random.choice([240, 480]))
        rows.append((place, length, int(random.choice(scale)), 80, 73, 0))
        place += length
    return Score.steady(np.array(rows, SCORE_NOTE), meter, float(random.integers(90, 140)), bars=8)


def start_musegen(workspace: Path, *words: str) -> "subprocess.Popen[str]":
    """The front door in a process of its own."""
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "MLFLOW_", "RAY_"))
    }
    environment |= {"PYTHONPATH": str(ROOT), "MUSEGEN_WORKSPACE": str(workspace)}
    command = [sys.executable, "-m", "musegen", *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def musegen(workspace: Path, *words: str, code: int = 0) -> Any:
    """Run the front door; what it prints as JSON."""
    return finished(start_musegen(workspace, *words), words, code)


def finished(done: "subprocess.Popen[str]", words: tuple[str, ...], code: int = 0) -> Any:
    try:
        said, told = done.communicate(timeout=280)
    finally:
        done.kill()
    assert done.returncode == code, f"{done.returncode}\n{said[-2000:]}\n{told[-4000:]}"
    return json.loads(said) if "--json" in words else said + told


def dvc(workspace: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *words], cwd=workspace, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def set_param(workspace: Path, old: str, new: str) -> None:
    path = workspace / "params.yaml"
    text = path.read_text()
    assert old in text, old
    path.write_text(text.replace(old, new))


def tiny_workspace(folder: Path, gate: str, tuning: str) -> Path:
    """A workspace with a corpus of 28 tunes, one of them with a recording, and a file that is none."""
    corpus = folder / "corpus"
    for style in STYLES:
        for seed in range(14):
            midi.write(corpus / style / f"Tune {seed}.mid", tune(style, seed))
    soundfile.write(corpus / "jig" / "Tune 3.flac", np.random.default_rng(0).normal(0, 0.1, 22050), 22050)
    (corpus / "reel" / "broken.mid").write_bytes(b"MThd no")
    made = folder / "workspace"
    musegen(folder, "init", str(made), "--corpus", str(corpus))
    for old, new in TINY.items():
        set_param(made, old, new)
    path = made / "params.yaml"
    head, _, _ = path.read_text().partition("    floors:")
    path.write_text(f"{head}    floors: {gate}\ntuning: {tuning}\n")
    return made


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house")
    return tiny_workspace(folder, "{bars_as_asked: 1.0, meter_as_asked: 1.0}", "{trials: 0}")


@pytest.fixture(scope="module")
def first(workspace: Path) -> Any:
    return musegen(workspace, "retrain", "--json")


def test_a_folder_becomes_a_promoted_model(workspace: Path, first: Any) -> None:
    assert first["decision"] == "promoted", first["reason"]
    assert (first["tracks"], first["rejects"], first["version"], first["champion"]) == (28, 1, 1, 1)
    assert first["nll_per_note"] > 0 and first["baseline_nll_per_note"] > 0
    assert (workspace / "reports" / "generator" / "report.md").read_text().startswith("**Promoted")
    assert list((workspace / "reports" / "generator" / "pieces").glob("*.wav"))
    status = musegen(workspace, "status", "--json")
    assert status["versions"][0]["aliases"] == ["champion"]
    assert {"data.sha256", "files.sha256", "git.sha", "prefect.flow_run_id", "gate.result"} <= set(
        status["versions"][0]["tags"]
    )


def test_dvc_has_recorded_it_and_repro_has_nothing_to_do(workspace: Path, first: Any) -> None:
    assert "up to date" in dvc(workspace, "status")
    assert "Running stage" not in dvc(workspace, "repro", "--dry")


def test_nothing_new_is_an_outcome(workspace: Path, first: Any) -> None:
    again = musegen(workspace, "retrain", "--json")
    assert (again["decision"], again["shards_made"]) == ("nothing new", 0)
    assert again["data_sha256"] == first["data_sha256"]


def test_lost_data_come_back_from_the_remote(workspace: Path, first: Any) -> None:
    import shutil

    shutil.rmtree(workspace / "data")
    shutil.rmtree(workspace / ".dvc" / "cache")
    dvc(workspace, "pull")
    assert musegen(workspace, "verify", "--json") == {"problems": []}


def test_the_champion_makes_pieces_as_asked(workspace: Path, first: Any, tmp_path: Path) -> None:
    words = ["generate", "--style", "jig", "--bpm", "110", "--key", "D", "--bars", "4", "-n", "2", "--seed", "7"]
    pieces = musegen(workspace, *words, "-o", str(tmp_path), "--json")["pieces"]
    assert [Path(piece["midi"]).name for piece in pieces] == [f"jig_110bpm_D_seed{seed}_v1.mid" for seed in (7, 8)]
    receipt = json.loads((tmp_path / "jig_110bpm_D_seed7_v1.json").read_text())
    assert receipt["as_asked"] == {"bpm": True, "meter": True, "bars": True, "key": True}
    assert receipt["data_sha256"] == first["data_sha256"]
    labels = midi.read(tmp_path / "jig_110bpm_D_seed7_v1.mid")
    assert labels.beats is not None and labels.beats.bpm == pytest.approx(110)
    more = musegen(workspace, "generate", "--continue", pieces[0]["midi"], "--bars", "6", "-o", str(tmp_path), "--json")
    assert more["pieces"][0]["measured"]["bars"] == 6


def test_what_a_person_gets_wrong_is_told_in_words(workspace: Path, first: Any, tmp_path: Path) -> None:
    assert "this model has learnt jig, reel" in musegen(workspace, "generate", "--style", "polka", code=2)
    assert "musegen init" in musegen(tmp_path, "retrain", code=2)
    set_param(workspace, "    width: 32", "    widht: 32")
    assert "generator.model.widht" in musegen(workspace, "retrain", code=2)
    set_param(workspace, "    widht: 32", "    width: 32")
    last = musegen(workspace, "status", "--json")["retrains"][-1]
    assert last["decision"] == "failed" and "generator.model.widht" in last["reason"]


def test_one_more_tune_rewrites_only_its_shard_and_a_refused_model_keeps_the_champion(
    workspace: Path, first: Any
) -> None:
    midi.write(workspace.parent / "corpus" / "jig" / "One more.mid", tune("jig", 99))
    set_param(workspace, "bars_as_asked: 1.0", "nll_per_note: {at_most: 0.01}")
    before = {path: path.stat().st_mtime_ns for path in (workspace / "data" / "composing").glob("split=*/*")}
    outcome = musegen(workspace, "retrain", "--json", code=3)
    after = {path: path.stat().st_mtime_ns for path in (workspace / "data" / "composing").glob("split=*/*")}
    assert outcome["shards_made"] == 1
    assert len({path for path in after if before.get(path) != after[path]}) == 1
    assert (outcome["decision"], outcome["version"], outcome["champion"]) == ("kept champion", 2, 1)
    assert "the gate refused it" in musegen(workspace, "promote", "2", code=2)
    musegen(workspace, "promote", "2", "--anyway", "--why", "to hear it")
    assert "version 1 is the champion now" in musegen(workspace, "rollback")


@pytest.fixture(scope="module")
def mistuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Learning rates a hundred times too small, and a gate that no such model meets."""
    rates = {"learning_rate": [0.004, 0.03], "muon_learning_rate": [0.03, 0.1]}
    space = {f"training.{name}": {"log_uniform": ends} for name, ends in rates.items()}
    made = tiny_workspace(
        tmp_path_factory.mktemp("mistuned"),
        "{nll_per_note: {at_most: 12}}",
        json.dumps({"trials": 2, "grace": 0.5, "space": space}),
    )
    set_param(made, "    learning_rate: 0.012", "    learning_rate: 0.00012")
    set_param(made, "    muon_learning_rate: 0.07", "    muon_learning_rate: 0.0007")
    return made


@pytest.mark.timeout(600)  # four processes and three trainings, on a machine that may be busy
def test_refused_settings_are_tuned_until_the_gate_lets_a_model_pass(mistuned: Path) -> None:
    written = (mistuned / "params.yaml").read_text()
    beside = start_musegen(mistuned, "retrain", "--json")
    holder = mistuned / ".musegen" / "retrain.holder"
    while not holder.exists():
        assert beside.poll() is None
        time.sleep(0.2)
    second = musegen(mistuned, "retrain", "--json")
    assert second["decision"] == "skipped"
    assert f"process {beside.pid} on " in second["reason"] and ", since 20" in second["reason"]

    outcome = finished(beside, ("--json",))
    assert outcome["decision"] == "promoted", outcome
    assert (outcome["version"], outcome["champion"], outcome["attempts"], outcome["trials"]) == (2, 2, 2, 2)
    assert outcome["first"]["version"] == 1 and "above the ceiling" in outcome["first"]["words"]
    assert outcome["tuning"]["best"] < outcome["tuning"]["base"]
    assert set(outcome["seconds"]) == {"prepare", "train", "evaluate", "deploy", "tune"}
    assert (mistuned / "params.yaml").read_text() == written
    assert "training.muon_learning_rate:" in (mistuned / "tuned.yaml").read_text()
    assert "up to date" in dvc(mistuned, "status") and "Running stage" not in dvc(mistuned, "repro", "--dry")
    told = (mistuned / ".musegen" / "retrains" / "latest.md").read_text()
    story = [
        "**Promoted**",
        "**at first**: version 1",
        "**tuning**: 2 other settings",
        "**attempts**: 2",
        "| as it was |",
    ]
    places = [told.index(words) for words in story]
    assert places == sorted(places)
    assert "2 models were judged on these test pieces" in (mistuned / "reports" / "generator" / "report.md").read_text()

    again = musegen(mistuned, "retrain", "--json")
    assert (again["decision"], again["version"], again["champion"]) == ("nothing new", 2, 2)
    decisions = [entry["decision"] for entry in musegen(mistuned, "status", "--json")["retrains"]]
    assert decisions == ["skipped", "promoted", "nothing new"]
