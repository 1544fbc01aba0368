"""What people say of tracks in a workspace is heeded, and costs what it changes."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from musegen import catalogue, params
from musegen.params import Params
from musegen.prepare import ComposingRecipe, plan
from musegen.stages import corpus, removal
from musegen.survey import Survey
from musegen.workspace import Workspace


@pytest.fixture
def chosen(workspace: Workspace, write_tunes: Callable[..., Path]) -> Params:
    write_tunes(workspace.root / "corpus", 12)
    params.write_template(workspace.root, "demo", str(workspace.root / "corpus"))
    return params.load(workspace.params)


def shards(workspace: Workspace, chosen: Params) -> dict[str, str]:
    recipe = ComposingRecipe(chosen.composing, workspace.root / "corpus")
    plans = plan(catalogue.read(workspace.data), recipe)
    return {shard.path: shard.fingerprint for shard in plans}


def edit(path: Path, name: str, column: str, value: str) -> None:
    """Change a cell as a spreadsheet would."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        records = list(csv.DictReader(file))
    for record in records:
        if record["name"] == name:
            record[column] = value
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)


def named(found: Survey, name: str) -> catalogue.CatalogueRow:
    return next(row for row in found.rows if row.name == name)


def test_a_corrected_cell_is_a_persons_word_and_its_shard_alone_is_stale(workspace: Workspace, chosen: Params) -> None:
    first = corpus.survey_corpus(workspace, chosen)
    before = shards(workspace, chosen)
    edit(workspace.labels, "jig/4", "style", "Slip Jig")
    second = corpus.survey_corpus(workspace, chosen)
    after = shards(workspace, chosen)
    assert (named(second, "jig/4").style, named(second, "jig/4").origin("style")) == ("slip_jig", "human")
    assert len({path for path in before if before[path] != after.get(path)}) == 1
    assert corpus.survey_corpus(workspace, chosen).rows == second.rows, "the word stays"
    edit(workspace.labels, "jig/4", "style", "")
    assert corpus.survey_corpus(workspace, chosen).rows == first.rows, "an emptied cell is the file's again"


def test_a_licence_written_into_the_table_lets_a_track_in(workspace: Workspace, chosen: Params) -> None:
    strict = chosen.model_copy(update={"survey": chosen.survey.model_copy(update={"require_licence": True})})
    corpus.survey_corpus(workspace, chosen)
    edit(workspace.labels, "reel/1", "licence", "CC0")
    assert [row.name for row in corpus.survey_corpus(workspace, strict).rows] == ["reel/1"]
    edit(workspace.labels, "jig/0", "licence", "CC BY 4.0")
    assert [row.name for row in corpus.survey_corpus(workspace, strict).rows] == ["jig/0", "reel/1"]


def test_a_removed_track_is_out_until_it_is_taken_back(workspace: Workspace, chosen: Params) -> None:
    first = corpus.survey_corpus(workspace, chosen)
    removal.remove(workspace, ["jig/2"], "the composer asked")
    second = corpus.survey_corpus(workspace, chosen)
    assert {row.name for row in first.rows} - {row.name for row in second.rows} == {"jig/2"}
    assert [(reject.path, reject.reason) for reject in second.rejects] == [("jig/2.mid", "removed")]
    removal.restore(workspace, ["jig/2"])
    assert corpus.survey_corpus(workspace, chosen).rows == first.rows


def test_who_is_tested_stays_tested_when_versions_arrive(
    workspace: Workspace, chosen: Params, tune: Callable[..., object]
) -> None:
    from musegen import midi

    first = corpus.survey_corpus(workspace, chosen)
    for seed in range(12):
        midi.write(workspace.root / "corpus" / f"higher {seed}.mid", tune(seed).transposed(3))  # type: ignore[attr-defined]
    second = corpus.survey_corpus(workspace, chosen)
    for row in first.rows:
        version = named(second, f"higher {row.name.rpartition('/')[2]}")
        assert named(second, row.name).split == row.split == version.split
