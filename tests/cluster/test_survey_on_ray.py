"""A survey on Ray finds what a survey on this machine finds, and learns as much."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from musegen.cluster.connect import connected
from musegen.cluster.survey import RayOpeners
from musegen.opening import LocalOpeners
from musegen.survey import SurveySettings, survey
from musegen.survey_cache import SurveyCache

pytestmark = pytest.mark.slow

SETTINGS = SurveySettings()


@pytest.fixture(scope="module", autouse=True)
def cluster(shared_workspace: Any) -> Iterator[None]:
    with connected(2):
        yield


def test_a_cluster_finds_the_same_and_the_next_survey_opens_nothing(
    tmp_path: Path, write_tunes: Callable[..., Path], write_sound: Callable[..., Path], openers: LocalOpeners
) -> None:
    root = write_tunes(tmp_path / "corpus", 40)
    write_sound(root / "jig" / "0.wav")
    (root / "bad.mid").write_bytes(b"no midi")
    cache = SurveyCache(tmp_path / "survey.db")
    on_ray = survey(root, SETTINGS, cache, RayOpeners())
    cache.close()
    own = SurveyCache()
    assert survey(root, SETTINGS, own, openers) == on_ray
    own.close()

    class Idle:
        def open(self, *_: Any) -> Any:
            pytest.fail(f"files are opened: {_[0]}")

    cache = SurveyCache(tmp_path / "survey.db")
    assert survey(root, SETTINGS, cache, Idle()) == on_ray
    cache.close()
