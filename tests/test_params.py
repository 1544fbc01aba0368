from pathlib import Path

import pytest

from musegen import params
from musegen.errors import BadParams

TEMPLATE = Path(__file__).parent.parent / "params.yaml"


def changed(tmp_path: Path, old: str, new: str) -> Path:
    text = TEMPLATE.read_text()
    assert old in text
    path = tmp_path / "params.yaml"
    path.write_text(text.replace(old, new))
    return path


def test_the_file_in_the_repository_is_valid_and_complete() -> None:
    from ruamel.yaml import YAML

    written = YAML(typ="safe", pure=True).load(TEMPLATE.read_text())
    loaded = params.load(TEMPLATE).model_dump(mode="json")
    assert set(written) == set(loaded)
    assert set(written["generator"]["training"]) == set(loaded["generator"]["training"])
    assert set(written["generator"]["model"]) == set(loaded["generator"]["model"])


def test_an_unknown_key_is_refused_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(BadParams, match=r"generator\.model\.widht: there is no such parameter"):
        params.load(changed(tmp_path, "    width:", "    widht:"))


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("  shards: 8", "  shards: many", "composing.shards"),
        ("kind: transpose", "kind: transpoze", "composing.augmentations.0"),
        ("highest: 2", "highest: -9", "composing.augmentations.0"),
        ("valid_share: 0.1", "valid_share: 0.9", "survey"),
        ("layout: auto", "layout: shelf", "survey.layout"),
        ("kind: transformer", "kind: perceptron", "generator.model"),
        ("top_p: 0.95", "top_p: 2", "report.sampling.top_p"),
    ],
)
def test_a_wrong_value_is_refused_by_its_path(tmp_path: Path, old: str, new: str, place: str) -> None:
    with pytest.raises(BadParams) as caught:
        params.load(changed(tmp_path, old, new))
    assert f"  {place}" in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "survey: {corpus: [", "\xff\xfe"])
def test_what_is_no_parameter_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadParams, match=r"params\.yaml"):
        params.load(path)


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(BadParams, match="musegen init"):
        params.load(tmp_path / "params.yaml")


@pytest.mark.parametrize("preset", params.PRESETS)
def test_every_preset_makes_a_valid_workspace_with_its_comments(tmp_path: Path, preset: str) -> None:
    params.write_template(tmp_path / "new", preset, corpus="/music", layout="pop909")
    loaded = params.load(tmp_path / "new" / "params.yaml")
    assert (loaded.survey.corpus, loaded.survey.layout) == ("/music", "pop909")
    assert "# Every number" in (tmp_path / "new" / "params.yaml").read_text()
    assert (tmp_path / "new" / "dvc.yaml").exists()


def test_presets_grow() -> None:
    def width(preset: str, folder: Path) -> int:
        params.write_template(folder / preset, preset)
        model = params.load(folder / preset / "params.yaml").generator.model
        return model.width * model.layers

    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        sizes = [width(preset, Path(folder)) for preset in ("demo", "small", "base", "large")]
    assert sizes == sorted(sizes) and len(set(sizes)) == 4


def test_init_leaves_a_params_file_that_is_there_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("mine")
    with pytest.raises(BadParams, match="there already"):
        params.write_template(tmp_path, "demo")
    assert (tmp_path / "params.yaml").read_text() == "mine"


def test_a_floor_that_nothing_measures_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(BadParams, match="style_acuracy"):
        params.load(changed(tmp_path, "      share_in_key:", "      style_acuracy:"))


def test_an_unknown_preset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadParams, match="demo, small, base, large"):
        params.write_template(tmp_path, "huge")
