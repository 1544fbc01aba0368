import numpy as np
import pytest

from musegen.evaluation import charts

DISTANCE = {"distance": 0.2, "low": 0.1, "high": 0.4, "chance": 0.3, "generated_mean": 1.0, "human_mean": 1.1}


def pixels(path):
    from matplotlib.image import imread

    return np.round(imread(path)[:, :, :3] * 255).astype(int)


def count(path, colour):
    return int((np.abs(pixels(path) - colour).max(axis=2) <= 3).sum())


BLUE, ORANGE = (0, 0x72, 0xB2), (0xD5, 0x5E, 0)


def test_family_bars_grow_with_the_figure(tmp_path):
    def blue(value):
        figures = {"pitch": {"precision": value, "recall": value, "f1": value, "support": 3}}
        return count(charts.family_f1({"model": figures}, tmp_path / "family.png"), BLUE)

    assert 1.5 < blue(0.9) / blue(0.45) < 2.1
    charts.family_f1({}, tmp_path / "none.png")


def test_a_matrix_that_does_not_fit_its_labels_is_refused(tmp_path):
    for matrix, labels in (([[1, 2]], ["a", "b"]), ([], []), ([[1]], ["a", "b"])):
        with pytest.raises(ValueError, match="does not fit"):
            charts.confusion(matrix, labels, tmp_path / "matrix.png")
    assert not list(tmp_path.iterdir())


def test_a_distance_beyond_chance_has_another_colour(tmp_path):
    near = charts.distances({"polyphony": DISTANCE}, {}, tmp_path / "near.png")
    far = charts.distances({"polyphony": DISTANCE | {"distance": 0.35}}, {"polyphony": "voices"}, tmp_path / "far.png")
    assert count(near, BLUE) > 50 > count(near, ORANGE)
    assert count(far, ORANGE) > 50 > count(far, BLUE)
    charts.distances({}, {}, tmp_path / "none.png")


def test_styles_are_drawn_with_or_without_an_interval_and_other_models(tmp_path):
    rows = {
        "jig": {"pieces": 2, "ours": 2.0, "low": 1.5, "high": 2.5, "theirs": 3.0},
        "民歌": {"pieces": 1, "ours": 1.0},
    }
    path = charts.nats_by_style(rows, {"ours": "model", "theirs": "count model"}, tmp_path / "styles.png")
    assert count(path, BLUE) > 50
    assert count(path, ORANGE) > 20
    charts.nats_by_style({}, {"ours": "model"}, tmp_path / "none.png")
