"""Originality as files of a model folder: the notes of the training pieces, and what people share with them.

They are the customer's own music inside the customer's own model: whoever gets the model gets those notes.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from musegen.errors import BadInput
from musegen.evaluation.originality.collection import Collection
from musegen.evaluation.originality.people import People
from musegen.evaluation.originality.search import Originality
from musegen.score import Score
from musegen.shards.schema import Example
from musegen.tokens import Tokenizer

NOTES, FACTS = "originality.safetensors", "originality.json"
"""The files: notes and bars of the training pieces; their names, their ids, and what people share with them."""

MOST_HELD_OUT = 512
"""So many held-out pieces tell what people do; of more, those with the lowest ids, which are hashes, are taken."""

_FORMAT = 1


def write(folder: Path, train: Sequence[Example], held_out: Sequence[Example], tokenizer: Tokenizer) -> None:
    """Write the notes of the training pieces into `folder`, and measure what the held-out people share with them.

    Only pieces as they are (variant 0) count: whatever was transposed or played faster is found all the same. The
    splits never share a group, so that a held-out piece is no copy. The folder carries all notes of the training
    pieces from then on.
    """
    pieces = [example for example in train if example.variant == 0]
    people = sorted((example for example in held_out if example.variant == 0), key=lambda example: example.track)

    def score_of(example: Example) -> Score:
        return tokenizer.decode(example.tokens, example.bpm)

    learnt = Originality.of(
        [example.name for example in pieces],
        [example.track for example in pieces],
        [score_of(example) for example in pieces],
        [(score_of(example), example.style) for example in people[:MOST_HELD_OUT]],
    )
    save(folder, learnt)


def save(folder: Path, originality: Originality) -> None:
    """Write both files; the facts, written last, name the hash of the notes."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(originality.collection.arrays(), folder / NOTES)
    facts = {
        "format": _FORMAT,
        "notes_sha256": _sha256(folder / NOTES),
        "names": originality.collection.names,
        "ids": originality.collection.ids,
        "people": originality.people.to_json(),
    }
    (folder / FACTS).write_text(json.dumps(facts, ensure_ascii=False) + "\n", encoding="utf-8")


def load(folder: Path) -> Originality | None:
    """What `write` left in a model folder, None where there is nothing; raises `BadInput` for damaged files."""
    if not (folder / FACTS).exists() and not (folder / NOTES).exists():
        return None
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        if facts["format"] != _FORMAT or facts["notes_sha256"] != _sha256(folder / NOTES):
            raise BadInput("the notes are not those that were written", "bad model")
        return Originality(_collection(facts, load_file(folder / NOTES)), People.from_json(facts["people"]))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError, BadInput) as error:
        raise BadInput(f"{folder}: its originality data are damaged ({error}); fetch it again", "bad model") from error


def _collection(facts: dict[str, Any], arrays: dict[str, np.ndarray[Any, Any]]) -> Collection:
    collection = Collection(tuple(facts["names"]), tuple(facts["ids"]), **arrays)
    collection.check()
    return collection


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
