import numpy as np
import pytest

from musegen.errors import BadParams
from musegen.theory import ALL_KEYS, Key, Meter


@pytest.mark.parametrize(
    ("text", "beats", "ticks"), [("4/4", 4, 1920), ("6/8", 2, 1440), ("9/8", 3, 2160), ("3/8", 3, 720)]
)
def test_a_meter_knows_its_beats_and_length(text: str, beats: int, ticks: int) -> None:
    meter = Meter.parse(text)
    assert (str(meter), meter.beats, meter.ticks) == (text, beats, ticks)


@pytest.mark.parametrize("text", ["", "4", "0/4", "4/3", "x/4"])
def test_what_is_no_meter_is_refused(text: str) -> None:
    with pytest.raises(BadParams, match="time signature"):
        Meter.parse(text)


@pytest.mark.parametrize(
    ("text", "name"), [("D", "D"), ("f#m", "F#m"), ("Bb minor", "Bbm"), ("a min", "Am"), ("Db", "C#"), ("E major", "E")]
)
def test_keys_are_read_in_the_usual_spellings(text: str, name: str) -> None:
    assert str(Key.parse(text)) == name


@pytest.mark.parametrize("key", ALL_KEYS, ids=str)
def test_every_key_reads_back_from_its_name(key: Key) -> None:
    assert Key.parse(str(key)) == key


@pytest.mark.parametrize("text", ["", "H", "Dx", "m"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(BadParams, match="not a key"):
        Key.parse(text)


@pytest.mark.parametrize("key", ALL_KEYS, ids=str)
def test_a_scale_with_a_strong_tonic_triad_is_heard_in_its_key(key: Key) -> None:
    scale = sorted(key.scale)
    third = 3 if key.minor else 4
    triad = [key.tonic, (key.tonic + third) % 12, (key.tonic + 7) % 12]
    assert Key.of(np.array(scale + triad), np.array([1.0] * len(scale) + [4.0, 2.0, 3.0])) == key


def test_silence_has_no_key() -> None:
    assert Key.of(np.array([], int), np.array([])) is None
