import json

import pytest
import torch

from musegen.errors import BadInput, BadParams
from musegen.models import Sizes, TransformerSettings, build, save_model
from musegen.params import Params
from musegen.registry import ModelVersion
from musegen.stages import examination
from musegen.stages.examination import examine
from musegen.tokens import TokenizerSettings
from musegen.vocabulary import Vocabulary

SETTINGS = TransformerSettings(layers=1, width=16, heads=1, window=64)
FIGURES = ("nll_per_note", "nll_per_beat", "accuracy", "families", "intervals")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A version's files: a model with fresh weights that knows jigs only."""
    folder = tmp_path_factory.mktemp("version")
    vocabulary = Vocabulary.create(TokenizerSettings(), ("jig",))
    torch.manual_seed(0)
    save_model(folder / "generator", build(SETTINGS, Sizes.of(vocabulary)), SETTINGS, vocabulary)
    return folder


@pytest.fixture(scope="module")
def registered(bundle):
    """A registry with that one version."""

    class One:
        def __init__(self, workspace):
            pass

        def version(self, name, which):
            if which not in ("1", "champion"):
                raise BadParams(f"model {name}@{which}: there is no such version; run `musegen retrain`")
            return ModelVersion(name, 1, "run", ("champion",), {"data.sha256": "theirs"})

        def fetch(self, version):
            return bundle

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examination, "Registry", One)
        yield


@pytest.fixture(scope="module")
def music(tmp_path_factory, write_tunes):
    folder = write_tunes(tmp_path_factory.mktemp("music"), count=4)
    (folder / "reel" / "broken.mid").write_bytes(b"MThd")
    return folder


@pytest.fixture(scope="module")
def found(shared_workspace, registered, music):
    return examine(shared_workspace, Params(), "champion", music)


def test_any_folder_is_judged_and_what_could_not_be_is_named(found):
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert (told["model"], told["version"], told["pieces"]) == ("musegen-generator", 1, 4)
    assert set(FIGURES) <= told.keys()
    assert {track["name"]: track["style"] for track in told["tracks"]} == {
        "jig/0": "jig", "jig/2": "jig", "reel/1": None, "reel/3": None,
    }  # fmt: skip
    assert [(reject["path"], bool(reject["detail"])) for reject in told["rejects"]] == [("reel/broken.mid", True)]
    low, high = told["intervals"]["nll_per_note"]
    assert low <= told["nll_per_note"] <= high
    notes = sum(track["notes"] for track in told["tracks"])
    assert sum(track["nll_per_note"] * track["notes"] for track in told["tracks"]) == pytest.approx(
        told["nll_per_note"] * notes
    )


def test_the_workspace_is_left_as_it_is(shared_workspace, found):
    assert {path.name for path in shared_workspace.root.iterdir()} <= {".musegen"}


def test_without_the_data_that_it_learnt_from_the_baselines_say_why_not(found):
    for side in (found.baseline, found.copy_last):
        assert side.keys() == {"kind", "why_not"}
    assert "count model  not judged" in found.to_text()
    assert "1 file left out" in found.to_text()


def test_a_folder_without_music_a_version_that_is_not_there_and_a_layout_nobody_knows_are_refused(
    shared_workspace, registered, music, tmp_path
):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="nothing in this folder"):
        examine(shared_workspace, Params(), "1", tmp_path / "empty")
    with pytest.raises(BadParams, match="no such version"):
        examine(shared_workspace, Params(), "7", music)
    with pytest.raises(BadParams, match="layout"):
        examine(shared_workspace, Params(), "1", music, layout="nonsense")
