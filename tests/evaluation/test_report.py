import json
import math

import numpy as np
import pytest

from musegen.errors import BadInput
from musegen.evaluation.gate import GateSettings, judge
from musegen.evaluation.music import Distance, measure
from musegen.evaluation.report import Report
from musegen.score import SCORE_NOTE, Score
from musegen.theory import Meter

FAMILIES = {"pitch": {"precision": 0.5, "recall": 0.4, "f1": 0.4444, "support": 900}}


def likelihood(nats, families=FAMILIES):
    per_piece = {f"piece {number}": nats for number in range(5)}
    return {"nll_per_note": nats, "accuracy": 0.61, "families": families, "notes": 18234, "per_piece": per_piece}


def full(**changes):
    note = Score.steady(np.array([(0, 480, 60, 80, 0, 0)], SCORE_NOTE), Meter(6, 8), 110.0)
    style = {"accuracy": 0.75, "macro_recall": 0.7, "macro_f1": 0.72, "n": 8, "note": ""}
    values = {
        "model": {"name": "musegen-generator", "version": 3, "parameters": 2812345},
        "data_sha256": "ab12" * 16,
        "figures": likelihood(2.0),
        "baseline": likelihood(2.6),
        "champion": likelihood(2.1),
        "by_style": {"slip_jig": {"pieces": 4, "nll_per_note": 2.2}},
        "style": {"generated": style, "human": style | {"accuracy": 0.9, "note": "only one style"}},
        "as_asked": {"bars_as_asked": 1.0},
        "pieces": [{"name": "01.mid", "asked": {"style": "jig", "bpm": 110, "bars": 1}, "measured": measure(note)}],
        "distances": {"polyphony": Distance(0.2, 0.1, 0.4, 0.3, 1.0, 1.1)},
        "pictures": {"Learning": "learning curve.png"},
    }
    report = Report(**values | changes)
    verdict = judge(report.for_gate(), report.champion, GateSettings(), report.baseline)
    return Report(**values | {"verdict": verdict} | changes)


def test_first_line_is_the_verdict_and_why():
    first = full().to_markdown().splitlines()[0]
    assert first.startswith(
        "**Promoted: NLL per note 2 is 0.6 below the count model's 2.6; 0.1 nats a note better than"
    )
    assert full(verdict=None).to_markdown().startswith("**Not judged.**")


def test_model_count_model_and_champion_stand_side_by_side():
    text = full().to_markdown()
    assert "|  | model | count model | champion |" in text
    assert "| NLL per note (nats) ↓ | 2.000 | 2.600 | 2.100 |" in text
    assert "| test notes | 18,234 | 18,234 | 18,234 |" in text


def test_families_styles_pieces_and_pictures_are_told():
    text = full().to_markdown()
    assert "| pitch | 900 | 0.500 | 0.400 | 0.444 | 0.500 | 0.400 | 0.444 |" in text
    assert "| slip jig | 4 | 2.200 |" in text
    assert "Note: only one style." in text
    assert "bars as asked 100%" in text
    assert "| 01.mid | jig, 110 bpm, 1 bars | 1 |" in text
    assert "| polyphony | 1.000 | 1.100 | 0.200 | 0.100 | 0.400 | 0.300 |" in text
    assert "![Learning](learning%20curve.png)" in text


def test_every_table_has_as_many_cells_as_its_head():
    blocks = [block.splitlines() for block in full().to_markdown().split("\n\n") if block.startswith("|")]
    assert len(blocks) >= 6
    for lines in blocks:
        assert len({line.count("|") for line in lines}) == 1, lines[0]


def test_a_word_with_a_bar_in_it_does_not_break_a_table():
    assert "| a\\|b | 1 |" in full(by_style={"a|b": {"pieces": 1}}).to_markdown()


def test_a_report_of_the_least_still_reads():
    text = Report(model={}, data_sha256="", figures={}).to_markdown()
    assert "**Not judged.**" in text
    assert "# Model" in text
    assert "None" not in text


def test_report_survives_json():
    report = full()
    assert Report.from_json(json.loads(json.dumps(report.to_json(), allow_nan=False))) == report


def test_numbers_that_are_not_finite_are_written_as_nothing():
    report = full(figures={"nll_per_note": math.nan, "accuracy": np.float32(0.5), "counts": np.arange(3)})
    assert report.figures == {"nll_per_note": None, "accuracy": 0.5, "counts": [0, 1, 2]}
    assert not judge(report.for_gate(), None, GateSettings(), report.baseline).passed


def test_the_gate_is_given_likelihood_promises_and_style():
    report = full(style={"generated": {"accuracy": 0.75}, "generated_without_meter": {"accuracy": 0.5}})
    given = report.for_gate()
    assert (given["nll_per_note"], given["bars_as_asked"]) == (2.0, 1.0)
    assert (given["style_accuracy"], given["style_accuracy_without_meter"]) == (0.75, 0.5)
    assert "style_accuracy" not in full(style={}).for_gate()


def test_the_judges_own_recall_on_human_pieces_is_the_measure_of_the_generated_ones():
    heard = {"generated": {"macro_recall": 0.4}, "human_test": {"macro_recall": 0.5}}
    assert full(style=heard).for_gate()["style_recall_beside_human"] == 0.8
    deaf = {**heard, "human_test": {"macro_recall": 0.0}}
    assert "style_recall_beside_human" not in full(style=deaf).for_gate()


def test_written_files_are_whole_and_replace_older_ones(tmp_path):
    for report in (full(), full(data_sha256="cd34" * 16)):
        paths = report.write(tmp_path / "reports")
        assert Report.from_json(json.loads(paths[0].read_text())) == report
        assert paths[1].read_text() == report.to_markdown()
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == ["report.json", "report.md"]


def test_a_failed_write_leaves_the_older_report(tmp_path, monkeypatch):
    report = full()
    report.write(tmp_path)

    def full_disk(_):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="no space"):
        full(data_sha256="cd34" * 16).write(tmp_path)
    assert Report.from_json(json.loads((tmp_path / "report.json").read_text())) == report
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.json", "report.md"]


def test_what_no_report_wrote_is_refused():
    with pytest.raises(BadInput, match="no report"):
        Report.from_json({"model": {}, "nonsense": 1})
