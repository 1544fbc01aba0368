import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from musegen.errors import BadInput
from musegen.evaluation.distance import Distance
from musegen.evaluation.gate import GateSettings, judge
from musegen.evaluation.music import measure
from musegen.evaluation.report import FOR_GATE, Report
from musegen.evaluation.style_figures import compare
from musegen.score import SCORE_NOTE, Score
from musegen.theory import Meter

FAMILIES = {"pitch": {"precision": 0.5, "recall": 0.4, "f1": 0.4444, "support": 900}}

BESIDE = {"nll_per_note": {"difference": -0.6, "low": -0.7, "high": -0.5}}
BORROWED = {
    "copied_share": 0.25,
    "borrowed_beyond_people": -0.01,
    "generated": {"covered": 0.2, "pieces": 1},
    "people": {"covered": 0.3, "pieces": 4},
    "intervals": {"covered": [-0.2, 0.05], "copied_share": [0.0, 0.5]},
    "pieces": [{"verdict": "close", "covered": 0.4, "track": "jig/a.mid", "bars": [1, 4], "track_bars": [9, 12]}],
}


def likelihood(nats, families=FAMILIES):
    per_piece = {f"piece {number}": nats for number in range(5)}
    return {"nll_per_note": nats, "accuracy": 0.61, "families": families, "notes": 18234, "per_piece": per_piece}


def judged_of(asked, heard):
    """What a judge said of pieces that were asked in these styles."""
    return compare(heard, asked, heard).to_json()


def full(**changes):
    note = Score.steady(np.array([(0, 480, 60, 80, 0, 0)], SCORE_NOTE), Meter(6, 8), 110.0)
    style = {"accuracy": 0.75, "macro_recall": 0.7, "macro_f1": 0.72, "n": 8, "note": ""}
    values = {
        "model": {"name": "musegen-generator", "version": 3, "parameters": 2812345},
        "data_sha256": "ab12" * 16,
        "figures": likelihood(2.0) | {"intervals": {"nll_per_note": [1.9, 2.2], "families.pitch.f1": [0.3, 0.5]}},
        "baseline": likelihood(2.6) | {"beside": BESIDE, "words": "counted in 3 pieces"},
        "copy_last": likelihood(3.0),
        "champion": likelihood(2.1),
        "by_style": {"slip_jig": {"pieces": 4, "nll_per_note": 2.2}},
        "style": {"generated": style, "human": style | {"accuracy": 0.9, "note": "only one style"}},
        "as_asked": {"bars_as_asked": 1.0},
        "pieces": [{"name": "01.mid", "asked": {"style": "jig", "bpm": 110, "bars": 1}, "measured": measure(note)}],
        "distances": {"polyphony": Distance(0.2, 0.1, 0.4, 0.3, 1.0, 1.1)},
        "originality": BORROWED,
        "attempts": {"words": "Refused once", "trials": [{"values": {"rate": 0.1}, "nats": 2.5}, {"values": {}}]},
        "pictures": {"Learning": "learning curve.png"},
    }
    report = Report(**values | changes)
    verdict = judge(report.for_gate(), report.champion, GateSettings(), report.baseline)
    return Report(**values | {"verdict": verdict} | changes)


def test_first_line_is_the_verdict_and_why():
    first = full().to_markdown().splitlines()[0]
    assert first.startswith("**Promoted: NLL per note 2")
    assert full(verdict=None).to_markdown().startswith("**Not judged.**")


def test_model_count_model_and_champion_stand_side_by_side():
    text = full().to_markdown()
    assert "|  | model | count model | copy-last | champion |" in text
    assert "| NLL per note (nats) ↓ | 2.000 (1.900 to 2.200) | 2.600 | 3.000 | 2.100 |" in text
    assert "| test notes | 18,234 | 18,234 | 18,234 | 18,234 |" in text
    assert "| minus count model | -0.600 (-0.700 to -0.500) | – | – | – |" in text
    assert "Count model: counted in 3 pieces." in text


def test_families_styles_pieces_and_pictures_are_told():
    text = full().to_markdown()
    assert "| pitch | 900 | 0.500 | 0.400 | 0.444 (0.300 to 0.500) | 0.444 | 0.444 | 0.444 |" in text
    assert "| slip jig | 4 | 2.200 |" in text
    assert "Note: only one style." in text
    assert "bars as asked 100%" in text
    assert "| 01.mid | jig, 110 bpm, 1 bars | 1 |" in text
    assert (
        "| polyphony | 1.000 | 1.100 | 0.200 (0.100 to 0.400) | 0.300 | like people's | notes that sound at once |"
        in text
    )
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
    heard = {"generated": judged_of(["jig"] * 5, ["jig", "jig", "reel", "reel", "reel"])}
    heard["human_test"] = judged_of(["jig"] * 4, ["jig", "jig", "reel", "reel"])
    assert full(style=heard).for_gate()["style_recall_beside_human"] == pytest.approx(0.8)
    deaf = {**heard, "human_test": judged_of(["jig"] * 4, ["reel"] * 4)}
    assert "style_recall_beside_human" not in full(style=deaf).for_gate()


def test_a_style_that_was_asked_of_one_side_only_does_not_weigh_in_the_recall_beside_human():
    generated = judged_of(["jig"] * 4 + ["waltz"] * 4, ["jig"] * 4 + ["jig"] * 4)
    human = judged_of(["jig"] * 4 + ["reel"] * 4, ["jig", "jig", "jig", "reel"] + ["jig"] * 4)
    given = full(style={"generated": generated, "human_test": human}).for_gate()
    assert given["style_recall_beside_human"] == pytest.approx(1 / 0.75)
    low, high = given["intervals"]["style_recall_beside_human"]
    assert low == 1.0 <= high
    apart = full(style={"generated": generated, "human_test": judged_of(["reel"] * 4, ["reel"] * 4)}).for_gate()
    assert "style_recall_beside_human" not in apart
    assert "style_recall_beside_human" not in apart["intervals"]


def test_written_files_are_whole_and_replace_older_ones(tmp_path):
    for report in (full(), full(data_sha256="cd34" * 16)):
        paths = report.write(tmp_path / "reports")
        assert Report.from_json(json.loads(paths[0].read_text())) == report
        assert paths[1].read_text() == report.to_markdown()
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == ["report.html", "report.json", "report.md"]


def test_a_failed_write_leaves_the_older_report(tmp_path, monkeypatch):
    report = full()
    report.write(tmp_path)

    def full_disk(_):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="no space"):
        full(data_sha256="cd34" * 16).write(tmp_path)
    assert Report.from_json(json.loads((tmp_path / "report.json").read_text())) == report
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json", "report.md"]


def test_what_no_report_wrote_is_refused():
    with pytest.raises(BadInput, match="no report"):
        Report.from_json({"model": {}, "nonsense": 1})


def test_the_gate_is_given_originality_and_every_interval_by_the_name_of_its_figure():
    sure = {"accuracy": 0.75, "labels": ["jig", "reel"], "confusion": [[3, 1], [0, 4]]}
    sure |= {"intervals": {"accuracy": [0.6, 0.9]}}
    given = full(style={"generated": sure, "human_test": sure}).for_gate()
    assert (given["copied_share"], given["borrowed_beyond_people"]) == (0.25, -0.01)
    assert given["intervals"]["copied_share"] == [0.0, 0.5]
    assert given["intervals"]["style_accuracy"] == [0.6, 0.9]
    low, high = given["intervals"]["style_recall_beside_human"]
    assert low < given["style_recall_beside_human"] < high
    assert {name.split(".")[0] for name in given["intervals"]} <= set(FOR_GATE)


def test_originality_and_attempts_are_told():
    text = full().to_markdown()
    assert "copied share 0.250 (0.000 to 0.500)" in text
    assert "| covered | 0.200 | 0.300 | -0.100 (-0.200 to 0.050) |" in text
    assert "| 01.mid | close | 0.400 | 1–4 | jig/a.mid | 9–12 | – | – |" in text
    assert "Refused once" in text
    assert "| 0.100 | 2.500 |" in text
    assert "Attempts" not in full(attempts={}).to_markdown()


def test_where_no_files_lie_beside_it_the_report_names_none():
    text = full().to_markdown(with_files=False)
    assert "learning" not in text
    assert full().decision().startswith("**Promoted")


class Sources(HTMLParser):
    """Everything a page would fetch, and the words that it shows."""

    def __init__(self):
        super().__init__()
        self.addresses, self.words, self.tags = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]

    def handle_data(self, data):
        self.words.append(data)


def read(text):
    page = Sources()
    page.feed(text)
    return page


def test_the_page_fetches_nothing_and_holds_its_pictures(tmp_path):
    (tmp_path / "learning curve.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(8) + (1600).to_bytes(4, "big"))
    piece = {"name": "01.mid", "files": {"MIDI": "pieces/a b.mid", "sound": "pieces/a#.wav"}}
    full(pieces=[piece]).write(tmp_path)
    text = (tmp_path / "report.html").read_text()
    page = read(text)
    assert 'width="960"' in text
    pictures = [address for address in page.addresses if address.startswith("data:image/png;base64,")]
    assert len(pictures) == 1
    assert set(page.addresses) - set(pictures) == {"pieces/a%20b.mid", "pieces/a%23.wav"}
    assert not re.search(r"https?:|@import|url\(|<script|<link", text)


def test_names_of_files_and_styles_are_words_on_the_page_never_markup():
    bad = '<script>alert("x")</script>&amp;'
    report = full(
        by_style={bad: {"pieces": 1}},
        model={"name": bad},
        pieces=[{"name": bad, "files": {bad: 'a".mid'}}],
        originality=BORROWED | {"pieces": [{"track": bad, "covered": 0.1}]},
        pictures={bad: 'x" onerror="alert(1).png'},
        attempts={bad: bad, "trials": [{bad: bad}]},
    )
    page = read(report.to_html())
    assert "script" not in page.tags
    assert "".join(page.words).count(bad) >= 6
    assert "<script" not in report.to_markdown()
    assert " onerror=" not in report.to_html()


def test_the_page_reads_in_the_dark_and_on_a_phone():
    text = full().to_html()
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text
    assert text.count('<div class="table">') == text.count("<table>") >= 8
