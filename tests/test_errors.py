import pickle
from pathlib import Path

import pytest

from musegen.errors import BadInput, BadParams, GateNotMet, MusegenError, Unavailable, about


def test_all_families_are_musegen_errors() -> None:
    assert all(issubclass(kind, MusegenError) for kind in (BadInput, BadParams, GateNotMet, Unavailable))


def test_about_names_the_file_once() -> None:
    with pytest.raises(BadInput) as caught, about(Path("outer/b.mid")), about(Path("inner/a.mid")):
        raise BadInput("it is empty; remove it", "empty")
    assert str(caught.value) == "a.mid: it is empty; remove it"
    assert caught.value.file == Path("inner/a.mid")
    assert caught.value.reason == "empty"


def test_a_bad_input_survives_the_way_back_from_a_worker() -> None:
    sent = BadInput("it is empty", "empty", Path("a.mid"))
    arrived = pickle.loads(pickle.dumps(sent))
    assert (str(arrived), arrived.reason, arrived.file) == ("it is empty", "empty", Path("a.mid"))
