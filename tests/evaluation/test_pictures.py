import struct
import subprocess
import sys
import threading
import zlib

import numpy as np
import pytest

from musegen.evaluation import charts, pictures
from musegen.score import SCORE_NOTE, Score
from musegen.theory import Meter


def piece(bars=4, program=0, part=0, pitch=60):
    rows = [(place * 480, 480, pitch + place % 5, 40 + 8 * (place % 10), program, part) for place in range(bars * 4)]
    return np.array(rows, SCORE_NOTE)


def steady(notes, **options):
    return Score.steady(notes, Meter(4, 4), 100.0, **options)


def chunks(path):
    """Names of the chunks of a PNG file."""
    data, place, names = path.read_bytes(), 8, []
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    while place < len(data):
        length, name = struct.unpack(">I4s", data[place : place + 8])
        names.append(name.decode())
        place += 12 + length
    return names


def pixels(path):
    from matplotlib.image import imread

    return np.round(imread(path)[:, :, :3] * 255).astype(int)


def shows(path, colour, tolerance=3):
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return bool((np.abs(pixels(path) - (red, green, blue)).max(axis=2) <= tolerance).any())


def test_equal_input_gives_equal_bytes_without_date_or_software(tmp_path):
    first = pictures.piano_roll(steady(piece()), tmp_path / "one.png", "A tune")
    pictures.learning_curve([{"step": 1, "train": 3.0}], 2.0, tmp_path / "between.png")
    second = pictures.piano_roll(steady(piece()), tmp_path / "deeper" / "two.png", "A tune")
    assert first.read_bytes() == second.read_bytes()
    assert not {"tEXt", "tIME", "iTXt", "zTXt"} & set(chunks(first))


def test_a_persons_own_matplotlib_settings_are_left_aside_and_left_alone(tmp_path):
    import matplotlib

    plain = pictures.piano_roll(steady(piece()), tmp_path / "plain.png", "A tune").read_bytes()
    with matplotlib.rc_context({"font.size": 30.0, "axes.facecolor": "red"}):
        again = pictures.piano_roll(steady(piece()), tmp_path / "again.png", "A tune").read_bytes()
        assert matplotlib.rcParams["font.size"] == 30.0
    assert again == plain


def test_a_louder_note_is_stronger_and_every_part_has_its_colour(tmp_path):
    notes = np.concatenate([piece(), piece(part=3, pitch=48)])
    notes["velocity"] = 127
    path = pictures.piano_roll(steady(notes), tmp_path / "two.png", "Two parts")
    assert shows(path, "#0072B2")
    assert shows(path, "#D55E00")
    notes["velocity"] = 1
    soft = pixels(pictures.piano_roll(steady(notes), tmp_path / "soft.png", "Two parts"))
    assert soft[150:].mean() > pixels(path)[150:].mean()


@pytest.mark.parametrize(
    "score",
    [
        steady(piece(0), bars=4),
        Score(np.empty(0, SCORE_NOTE), (), None),
        steady(piece(program=128, pitch=35)),
        steady(np.concatenate([piece(), piece(program=128, part=1, pitch=35)])),
        steady(piece(90)),
        steady(piece(1, pitch=0)),
        steady(piece(1, pitch=123)),
    ],
    ids=["silence", "nothing", "drums", "band", "90 bars", "lowest", "highest"],
)
def test_any_score_can_be_drawn(score, tmp_path):
    path = pictures.piano_roll(score, tmp_path / "roll.png", "A title")
    assert path.stat().st_size > 1000


def test_a_title_in_any_script_or_with_signs_is_drawn_without_a_warning(tmp_path):
    pictures.piano_roll(steady(piece()), tmp_path / "roll.png", "木头人 $x_1 ^ \\frac\n🎵")
    charts.confusion([[1]], ["民歌"], tmp_path / "matrix.png")


def test_long_pieces_are_broken_into_rows_of_like_length():
    lengths = {count: [len(row) for row in pictures._rows(steady(piece(count)).bars)] for count in (1, 20, 33, 61)}
    assert lengths == {1: [1], 20: [20], 33: [17, 16], 61: [16, 16, 16, 13]}
    assert len(pictures._rows(steady(piece(500)).bars)) == 6


def test_curves_show_train_valid_and_the_count_model(tmp_path):
    history = [{"step": step, "train": 4 - step / 50, "valid": 4.1 - step / 60} for step in range(0, 100, 10)]
    path = pictures.learning_curve(history, 3.0, tmp_path / "curve.png")
    assert all(shows(path, colour) for colour in ("#0072B2", "#B8BDC4", "#D55E00"))
    pictures.learning_curve([], None, tmp_path / "empty.png")
    pictures.learning_curve([{"step": 0, "valid": float("nan")}, {"step": 1}], float("nan"), tmp_path / "gaps.png")


def test_threads_may_draw_at_once(tmp_path):
    alone = pictures.piano_roll(steady(piece()), tmp_path / "alone.png", "A tune").read_bytes()
    paths = [tmp_path / f"{number}.png" for number in range(2)]
    threads = [threading.Thread(target=pictures.piano_roll, args=(steady(piece()), path, "A tune")) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {zlib.crc32(path.read_bytes()) for path in paths} == {zlib.crc32(alone)}


def test_matplotlib_is_not_loaded_before_a_picture_is_drawn():
    code = "import sys, musegen.evaluation.pictures; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
