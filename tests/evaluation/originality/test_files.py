"""What a model folder carries of its training pieces, and what happens where it is damaged."""

import json
from pathlib import Path

import pytest

from musegen.errors import BadInput
from musegen.evaluation.originality import load, write
from musegen.evaluation.originality.files import FACTS, NOTES
from musegen.score import Score
from musegen.shards.schema import SCHEMA, Example
from musegen.tokens import Tokenizer, TokenizerSettings


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.create(TokenizerSettings())


def example(score: Score, name: str, tokenizer: Tokenizer, variant: int = 0) -> Example:
    columns: dict[str, object] = dict.fromkeys(SCHEMA.names)
    columns |= {"track": f"id of {name}", "name": name, "variant": variant, "style": "jig", "bpm": score.bpm}
    return Example(**{**columns, "tokens": tokenizer.encode(score)})  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path, tune, tokenizer: Tokenizer) -> Path:
    train = [example(tune(seed), f"jig/{seed}", tokenizer) for seed in range(6)]
    variants = [example(tune(seed).transposed(1), f"jig/{seed}", tokenizer, 1) for seed in range(6)]
    held_out = [example(tune(seed), f"jig/{seed}", tokenizer) for seed in range(6, 9)]
    write(tmp_path, train + variants, held_out, tokenizer)
    return tmp_path


def test_what_was_written_finds_the_training_pieces_again(folder: Path, tune) -> None:
    learnt = load(folder)
    assert learnt is not None
    assert learnt.collection.names == tuple(f"jig/{seed}" for seed in range(6))
    assert [piece.style for piece in learnt.people.pieces] == ["jig"] * 3
    found = learnt.borrowing(tune(4).transposed(3), "jig")
    assert (found.verdict, found.track, found.track_id, found.semitones) == ("copy", "jig/4", "id of jig/4", 3)
    json.dumps(found.to_json())


def test_a_study_tells_copies_from_music_of_ones_own(folder: Path, tune) -> None:
    learnt = load(folder)
    assert learnt is not None
    copies = learnt.study([tune(seed) for seed in range(6)], ["jig"] * 6)
    own = learnt.study([tune(seed) for seed in range(20, 26)], ["jig"] * 6)
    assert (copies["copied_share"], own["copied_share"]) == (1.0, 0.0)
    assert copies["borrowed_beyond_people"] > 0.5 > 0.0 >= own["borrowed_beyond_people"]
    assert [piece["track"] for piece in copies["pieces"]] == [f"jig/{seed}" for seed in range(6)]
    json.dumps(copies)


def test_the_same_pieces_give_the_same_bytes(folder: Path, tune, tokenizer: Tokenizer) -> None:
    before = {name: (folder / name).read_bytes() for name in (NOTES, FACTS)}
    train = [example(tune(seed), f"jig/{seed}", tokenizer) for seed in range(6)]
    held_out = [example(tune(seed), f"jig/{seed}", tokenizer) for seed in range(6, 9)]
    write(folder, train, held_out[::-1], tokenizer)
    assert {name: (folder / name).read_bytes() for name in (NOTES, FACTS)} == before


def test_an_older_model_carries_nothing(tmp_path: Path) -> None:
    assert load(tmp_path) is None


@pytest.mark.parametrize("name", [NOTES, FACTS])
@pytest.mark.parametrize("harm", ["cut", "flipped", "gone"])
def test_damaged_files_are_refused(folder: Path, name: str, harm: str) -> None:
    path = folder / name
    content = bytearray(path.read_bytes())
    if harm == "gone":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        place = content.index(b"sha256") if name == FACTS else len(content) - 9
        content[place] ^= 4
        path.write_bytes(content)
    with pytest.raises(BadInput, match="damaged"):
        load(folder)


def test_columns_that_do_not_fit_each_other_are_refused(folder: Path) -> None:
    facts = json.loads((folder / FACTS).read_text())
    (folder / FACTS).write_text(json.dumps({**facts, "names": facts["names"][:-1]}))
    with pytest.raises(BadInput, match="fit"):
        load(folder)


def test_nothing_to_learn_from_is_written_and_read_all_the_same(tmp_path: Path, tokenizer: Tokenizer, tune) -> None:
    write(tmp_path, [], [], tokenizer)
    learnt = load(tmp_path)
    assert learnt is not None
    assert learnt.borrowing(tune(1)).verdict == "original"


def test_notes_are_hashed_without_being_read_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path.name} is read whole"))
    assert load(folder) is not None
