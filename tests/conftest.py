"""What many tests need: tiny corpora made on the spot, and a workspace of one's own."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow.fs as pafs
import pytest
import soundfile
from hypothesis import settings

from musegen import midi
from musegen.score import SCORE_NOTE, Score
from musegen.theory import Meter
from musegen.workspace import Workspace, set_environment

if TYPE_CHECKING:
    from musegen.catalogue import CatalogueRow
    from musegen.opening import LocalOpeners

settings.register_profile("house", deadline=None)  # the machine may be busy
settings.load_profile("house")

_SERVICES = ("PREFECT_", "MLFLOW_", "MUSEGEN_", "DVC_", "NUMBA_CACHE_DIR", "MPLCONFIGDIR")
RATE = 8000
COMMON_TIME = Meter(4, 4)
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_REGION": "us-east-1"}

# Ray and others read their environment when they are imported; so it is a temporary workspace's from the start, and no
# service that the developer's shell names is touched.
_SESSION = tempfile.TemporaryDirectory(prefix="musegen-tests-")
for _name in [name for name in os.environ if name.startswith((*_SERVICES, "RAY_"))]:
    del os.environ[_name]
set_environment(Workspace(Path(_SESSION.name).resolve()))


def pytest_unconfigure() -> None:
    _SESSION.cleanup()


class Tune(Protocol):
    """Makes a tune of its own for every seed."""

    def __call__(
        self, seed: int = 0, *, bars: int = 8, meter: Meter = COMMON_TIME, bpm: float | None = 120.0, program: int = 0
    ) -> Score: ...


@pytest.fixture(scope="session")
def tune() -> Tune:
    """A line of quavers that wanders between C4 and C6, another one for every seed."""

    def make(
        seed: int = 0, *, bars: int = 8, meter: Meter = COMMON_TIME, bpm: float | None = 120.0, program: int = 0
    ) -> Score:
        random = np.random.default_rng(seed)
        starts = np.arange(0, bars * meter.ticks, 240)
        notes = np.zeros(len(starts), SCORE_NOTE)
        notes["start"], notes["ticks"], notes["velocity"], notes["program"] = starts, 240, 80, program
        notes["pitch"] = 60 + np.abs(np.cumsum(random.integers(-4, 5, len(starts))) % 48 - 24)
        return Score.steady(notes, meter, bpm, bars)

    return make


@pytest.fixture(scope="session")
def write_sound() -> Callable[..., Path]:
    """Writes a tone of `hertz` as whatever the path's suffix says; other tones are other content."""

    def write(path: Path, hertz: float = 440.0, seconds: float = 0.5, level: float = 0.5) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, level * np.sin(np.arange(int(seconds * RATE)) / RATE * 2 * np.pi * hertz), RATE)
        return path

    return write


@pytest.fixture(scope="session")
def write_tunes(tune: Tune) -> Callable[..., Path]:
    """Writes `count` tunes of two styles into a folder: `jig/0.mid`, `reel/1.mid`, …"""

    def write(folder: Path, count: int = 8, first: int = 0, bars: int = 8) -> Path:
        for seed in range(first, first + count):
            midi.write(folder / ("jig", "reel")[seed % 2] / f"{seed}.mid", tune(seed, bars=bars))
        return folder

    return write


@pytest.fixture(scope="session")
def openers() -> Iterator["LocalOpeners"]:
    """Two children that open files, for all surveys of the session."""
    from musegen.opening import LocalOpeners

    with LocalOpeners(2) as made:
        yield made


@pytest.fixture(scope="session")
def catalogue_of(openers: "LocalOpeners") -> Callable[[Path], "list[CatalogueRow]"]:
    """Surveys a folder, and returns the rows of its catalogue."""
    from musegen.survey import SurveySettings, survey
    from musegen.survey_cache import SurveyCache

    def run(root: Path) -> "list[CatalogueRow]":
        cache = SurveyCache()
        try:
            return survey(root, SurveySettings(), cache, openers).rows
        finally:
            cache.close()

    return run


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """An S3 service of our own with an empty bucket, found as any other: by the environment."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        address = "http://{}:{}".format(*server.get_host_and_port())
        for name, value in {**_CREDENTIALS, "AWS_ENDPOINT_URL": address}.items():
            patch.setenv(name, value)
        try:
            pafs.S3FileSystem(
                endpoint_override=address.removeprefix("http://"), scheme="http", allow_bucket_creation=True
            ).create_dir("music")
            yield "s3://music"
        finally:
            server.stop()


@contextmanager
def _standing_in(root: Path) -> Iterator[Workspace]:
    """The workspace `root` with its environment, whatever variables were set outside; all is put back afterwards."""
    before = dict(os.environ)
    for name in [name for name in before if name.startswith(_SERVICES)]:
        del os.environ[name]
    root.mkdir(parents=True, exist_ok=True)
    workspace = Workspace(root.resolve())
    set_environment(workspace)
    try:
        yield workspace
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """An empty workspace for one test."""
    with _standing_in(tmp_path / "workspace") as made:
        yield made


@pytest.fixture(scope="module")
def shared_workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """An empty workspace for the tests of one module."""
    with _standing_in(tmp_path_factory.mktemp("workspace")) as made:
        yield made
