import json

import numpy as np
import pytest

from musegen.errors import BadInput, BadParams
from musegen.theory import Key, Meter
from musegen.tokens import FAMILIES, TokenizerSettings
from musegen.vocabulary import Conditions, Vocabulary

VOCABULARY = Vocabulary.create(TokenizerSettings(), ("reel", "jig"))
ASKED = Conditions("jig", 110.0, Key.parse("D"), Meter(6, 8), 18)


def names(conditions):
    return [VOCABULARY.names[index] for index in VOCABULARY.prefix(conditions)]


def test_the_styles_move_no_id_of_the_music():
    other = Vocabulary.create(TokenizerSettings(), ("a", "b", "c"))
    assert other.names[: len(other.tokenizer)] == VOCABULARY.names[: len(VOCABULARY.tokenizer)]
    assert other.fingerprint() != VOCABULARY.fingerprint()


def test_conditions_stand_in_front_and_the_end_behind():
    assert names(ASKED)[:2] == ["Begin", "Style_jig"]
    assert names(ASKED)[3:] == ["Key_D", "Meter_6/8", "Bars_16"]
    sequence = VOCABULARY.sequence(np.array([1, 2]), ASKED)
    assert len(sequence) == VOCABULARY.prefix_length + 3
    assert sequence[-1] == VOCABULARY.end


def test_open_conditions_are_unknown():
    assert names(Conditions(None, None, None, Meter(4, 4), 1))[1:4] == ["Unknown"] * 3


def test_faster_music_has_no_lower_tempo_and_beyond_the_bins_stands_the_outermost():
    tempi = [names(Conditions("jig", bpm, None, Meter(4, 4), 1))[2] for bpm in (1, 40, 120, 121, 240, 999)]
    bins = [int(name.split("_")[1]) for name in tempi]
    assert bins == sorted(bins)
    assert bins[0] == 0
    assert bins[2] == bins[3] < bins[4]


@pytest.mark.parametrize(
    ("conditions", "what"),
    [
        (Conditions("polka", None, None, Meter(4, 4), 1), "style 'polka'.*jig, reel"),
        (Conditions("jig", None, None, Meter(15, 16), 1), "meter 15/16"),
        (Conditions("jig", None, None, Meter(4, 4), 0), "bars 0"),
    ],
)
def test_what_cannot_be_said_is_refused_with_the_choice_there_is(conditions, what):
    with pytest.raises(BadParams, match=what):
        VOCABULARY.prefix(conditions)


def test_every_id_has_a_family():
    assert {VOCABULARY.family(index) for index in range(len(VOCABULARY))} == set(FAMILIES) - {"velocity"}
    assert VOCABULARY.family(VOCABULARY.names.index("PitchDrum_36")) == "pitch"
    assert VOCABULARY.family(VOCABULARY.end) == "condition"


def test_it_comes_back_from_its_file(tmp_path):
    VOCABULARY.save(tmp_path / "vocabulary.json")
    assert Vocabulary.load(tmp_path / "vocabulary.json") == VOCABULARY


@pytest.mark.parametrize("change", ["styles", "music", "settings"])
def test_a_changed_file_is_refused(tmp_path, change):
    path = tmp_path / "vocabulary.json"
    VOCABULARY.save(path)
    content = json.loads(path.read_text())
    content[change] = {"styles": ["reel", "jig"], "music": content["music"][:-1], "settings": {"bins": 1}}[change]
    path.write_text(json.dumps(content))
    with pytest.raises(BadInput, match="vocabulary"):
        Vocabulary.load(path)
