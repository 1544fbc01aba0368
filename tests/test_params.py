from pathlib import Path

import pytest

from musegen import params, tuned
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
        ("comparisons: {nll_per_note: 0.02}", "tolerance: 0.02", "report.gate.tolerance"),
        ("comparisons: {nll_per_note: 0.02}", "comparisons: {f1: 0.02}", "report.gate"),
        ("choice: [0.0, 0.01, 0.1]", "choice: []", "tuning.space.training.weight_decay"),
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
    assert (tmp_path / "new" / ".dvcignore").read_text() == (TEMPLATE.parent / ".dvcignore").read_text()


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


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "    training.learning_rate: {",
            "    training.learning_rat: {",
            "generator.training.learning_rat: there is no",
        ),
        ("    training.learning_rate: {", "    learning_rate: {", "learning_rate changes nothing that is learnt"),
        ("    training.learning_rate: {", "    cpu_workers: {", "cpu_workers changes nothing that is learnt"),
        ("choice: [0.0, 0.1, 0.2]", "choice: [0.0, 1.5]", "generator.model.dropout"),
    ],
)
def test_a_space_that_leads_out_of_what_is_allowed_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(BadParams) as caught:
        params.load(changed(tmp_path, old, new))
    assert words in str(caught.value)


def test_trials_are_drawn_from_the_space_the_same_for_fewer_and_more() -> None:
    asked = params.load(TEMPLATE).tuning
    drawn = asked.drawn()
    assert len(drawn) == asked.trials and drawn == asked.drawn()
    assert asked.model_copy(update={"trials": 3}).drawn() == drawn[:3]
    assert asked.model_copy(update={"seed": 1}).drawn() != drawn
    assert asked.model_copy(update={"trials": 0}).drawn() == []
    for values in asked.model_copy(update={"trials": 200}).drawn():
        for path, value in values.items():
            range_ = asked.space[path]
            if range_.choice:
                assert value in range_.choice
            else:
                least, most = range_.samples[0], range_.samples[-1]
                assert least <= value <= most


def tuned_workspace(tmp_path: Path) -> Path:
    params.write_template(tmp_path, "demo")
    written = params.load(tmp_path / "params.yaml", as_written=True)
    values = {"training.learning_rate": 0.02, "model.dropout": 0.1}
    tuned.write(tmp_path, written.generator.learnt_fingerprint(), values, ["found on a\nTuesday"])
    return tmp_path / "params.yaml"


def test_what_tuning_found_is_put_in_until_the_person_changes_the_section(tmp_path: Path) -> None:
    path = tuned_workspace(tmp_path)
    found = params.load(path).generator
    assert (found.training.learning_rate, found.model.dropout, found.training.steps) == (0.02, 0.1, 400)
    assert params.load(path, as_written=True).generator.training.learning_rate == 0.012
    text = path.read_text()
    path.write_text(text.replace("cpu_workers: 2", "cpu_workers: 1"))
    assert params.load(path).generator.training.learning_rate == 0.02
    path.write_text(text.replace("steps: 400", "steps: 500"))
    assert params.load(path) == params.load(path, as_written=True)
    path.write_text(text)
    assert params.load(path).generator == found


def test_a_workspace_starts_with_nothing_tuned(tmp_path: Path) -> None:
    params.write_template(tmp_path, "demo")
    assert (tmp_path / "tuned.yaml").read_text() == (TEMPLATE.parent / "tuned.yaml").read_text()
    (tmp_path / "tuned.yaml").unlink()
    assert params.load(tmp_path / "params.yaml") == params.load(tmp_path / "params.yaml", as_written=True)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "training.learning_rate:",
            "training.learning_rat:",
            "values: training.learning_rat: there is no such parameter",
        ),
        ("dropout: 0.1", "dropout: 7", "values: model.dropout"),
        ("training.learning_rate:", "learning.rate:", "values"),
        ("values:", "valyes:", "valyes"),
        ("for:", "[for:", "not YAML"),
    ],
)
def test_a_spoilt_tuned_file_is_refused_by_its_path(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tuned_workspace(tmp_path)
    overlay = tmp_path / "tuned.yaml"
    overlay.write_text(overlay.read_text().replace(old, new))
    with pytest.raises(BadParams) as caught:
        params.load(path)
    assert str(caught.value).startswith(f"{overlay}: ") and words in str(caught.value)
