"""From a folder of recordings to both datasets in a workspace: what changes is made, and what can't be is told."""

import json
from collections.abc import Callable

import pyarrow as pa
import pytest
import soundfile
from filelock import FileLock

from musegen import midi, params
from musegen.errors import BadParams, Unavailable
from musegen.params import Params
from musegen.score import Score
from musegen.shards import elsewhere, reader
from musegen.shards.listening import Passage, from_table
from musegen.stages import corpus, dataset_report, lineage, removal
from musegen.synth import render
from musegen.workspace import Workspace

pytestmark = pytest.mark.slow

RATE = 16_000


@pytest.fixture
def recordings(workspace: Workspace, tune: Callable[..., Score]) -> Params:
    """Eight tunes of four seconds with their notes."""
    folder = workspace.root / "corpus"
    for seed in range(8):
        score = tune(seed, bars=2)
        midi.write(folder / "jig" / f"{seed}.mid", score)
        notes = score.to_labels().notes
        assert notes is not None
        soundfile.write(folder / "jig" / f"{seed}.flac", render(notes, rate=RATE, room=None).samples.T, RATE)
    params.write_template(workspace.root, "demo", str(folder))
    return params.load(workspace.params)


def rows(workspace: Workspace) -> list[Passage]:
    batches = [batch for split in reader.SPLITS for batch in reader.stream(workspace.listening, split)]
    return [row for batch in batches for row in from_table(pa.Table.from_batches([batch]))]


def test_one_more_recording_is_all_that_is_made_anew_and_what_is_gone_leaves(
    workspace: Workspace, recordings: Params, tune: Callable[..., Score]
) -> None:
    told: list[tuple[int, int]] = []
    corpus.survey_corpus(workspace, recordings)
    first = corpus.make_listening(workspace, recordings, lambda done, total: told.append((done, total)))
    assert told[-1] == (8, 8) and first.costs.tracks_made == 8
    assert {row.name for row in rows(workspace)} == {f"jig/{seed}" for seed in range(8)}
    assert all(row.labels.notes and row.labels.beats and row.labels.style for row in rows(workspace))
    again = corpus.make_listening(workspace, recordings)
    assert (again.shards_made, again.manifest) == (0, first.manifest)
    sound = render(tune(50, bars=2).to_labels().notes, rate=RATE, room=None)  # type: ignore[arg-type]
    soundfile.write(workspace.root / "corpus" / "jig" / "new.flac", sound.samples.T, RATE)
    (workspace.root / "corpus" / "jig" / "7.flac").unlink()
    corpus.survey_corpus(workspace, recordings)
    second = corpus.make_listening(workspace, recordings)
    assert second.costs.tracks_made == 1 and second.shards_made <= 2
    assert {row.name for row in rows(workspace)} == {"jig/new"} | {f"jig/{seed}" for seed in range(7)}
    assert reader.verify(workspace.listening) == []
    words = dataset_report.to_text("listening", second)
    assert "1 tracks made" in words and "features" in words
    assert dataset_report.to_markdown("listening", second).startswith("**listening: 8 tracks")


def test_a_removal_names_the_rows_beneath_which_a_track_sounds(workspace: Workspace, recordings: Params) -> None:
    chain = "augmentations:\n    - {kind: mix, least_decibels: 10, most_decibels: 10}\n"
    head, _, rest = workspace.params.read_text().partition("  augmentations: # also")
    workspace.params.write_text(head + "  " + chain + "  render_stretch" + rest.partition("  render_stretch")[2])
    chosen = params.load(workspace.params)
    found = corpus.survey_corpus(workspace, chosen)
    corpus.make_listening(workspace, chosen)
    beneath = dict.fromkeys((row.track for row in found.rows), 0)
    for row in rows(workspace):
        for effect in json.loads(row.effects):
            beneath[effect["name"].removeprefix("track:")] += 1
    assert sum(beneath.values()) > 0
    for one in lineage.shares(workspace.listening):
        assert one.beneath == beneath[one.ancestor.track]
    track = max(beneath, key=lambda each: beneath[each])
    told = removal.remove(workspace, [track], "asked", workspace.root / "corpus", [])
    assert f"sounds beneath {beneath[track]} rows of others" in told.to_text()
    assert "dvc gc" in told.to_text()


def test_without_recordings_the_listening_dataset_is_empty_and_without_notes_nothing_composes(
    workspace: Workspace, recordings: Params
) -> None:
    for path in (workspace.root / "corpus" / "jig").glob("*.flac"):
        path.unlink()
    corpus.survey_corpus(workspace, recordings)
    made = corpus.make_listening(workspace, recordings)
    assert (made.manifest.shards, reader.verify(workspace.listening), rows(workspace)) == ((), [], [])
    for path in (workspace.root / "corpus" / "jig").glob("*.mid"):
        path.unlink()
    soundfile.write(workspace.root / "corpus" / "tone.wav", [0.1, -0.1] * RATE, RATE)
    corpus.survey_corpus(workspace, recordings)
    assert corpus.make_composing(workspace, recordings).manifest.shards == ()


def test_shards_in_a_bucket_leave_a_pointer_in_the_workspace(
    workspace: Workspace, recordings: Params, bucket: str, tune: Callable[..., Score]
) -> None:
    corpus.survey_corpus(workspace, recordings)
    here = corpus.make_listening(workspace, recordings)
    text = workspace.params.read_text().replace('place: ""', f"place: {bucket}/heard")
    workspace.params.write_text(text)
    there = corpus.make_listening(workspace, params.load(workspace.params))
    assert there.manifest == here.manifest and there.costs.tracks_made == 8
    assert [path.name for path in workspace.listening.iterdir()] == ["elsewhere.json"]
    place = elsewhere.place_of(workspace.listening)
    assert (place.path, reader.verify(place), elsewhere.moved_on(workspace.listening)) == (f"{bucket}/heard", [], [])
    assert {share.ancestor.name for share in lineage.shares(workspace.listening)} == {f"jig/{n}" for n in range(8)}
    assert corpus.make_listening(workspace, params.load(workspace.params)).shards_made == 0
    place.write_bytes("manifest.json", place.read_bytes("manifest.json").replace(b"shard-", b"shart-"))
    assert "does not fit" in reader.verify(place)[0] and elsewhere.moved_on(workspace.listening)
    workspace.params.write_text(text.replace(f"place: {bucket}/heard", 'place: ""'))
    back = corpus.make_listening(workspace, params.load(workspace.params))
    assert back.manifest == here.manifest and not (workspace.listening / "elsewhere.json").exists()


def test_what_is_damaged_is_mended_when_asked(workspace: Workspace, recordings: Params) -> None:
    corpus.survey_corpus(workspace, recordings)
    made = corpus.make_listening(workspace, recordings).manifest
    shard = workspace.listening / made.shards[0].path
    content = shard.read_bytes()
    shard.write_bytes(content[:500] + bytes([content[500] ^ 1]) + content[501:])
    assert "not what was committed" in reader.verify(workspace.listening)[0]
    mended = corpus.make_listening(workspace, recordings, mend=True)
    assert (mended.shards_made, mended.manifest, reader.verify(workspace.listening)) == (1, made, [])
    shard.write_bytes(content[:500])
    assert corpus.make_listening(workspace, recordings).shards_made == 1, "what is cut short is seen at once"


def test_two_runs_do_not_make_one_dataset_at_a_time(workspace: Workspace, recordings: Params) -> None:
    corpus.survey_corpus(workspace, recordings)
    workspace.hidden.mkdir(exist_ok=True)
    with FileLock(str(workspace.hidden / "listening.lock")), pytest.raises(Unavailable, match="another run"):
        corpus.make_listening(workspace, recordings)


def test_a_noise_that_can_not_be_used_is_told_before_any_work(workspace: Workspace, recordings: Params) -> None:
    text = workspace.params.read_text().replace("colours: [white, pink]", "colours: [], files: noises")
    workspace.params.write_text(text)
    (workspace.root / "noises").mkdir()
    (workspace.root / "noises" / "rain.wav").write_bytes(b"RIFF....WAVE")
    corpus.survey_corpus(workspace, recordings)
    with pytest.raises(BadParams, match="rain"):
        corpus.make_listening(workspace, params.load(workspace.params))
    assert not workspace.listening.exists()
