"""What descends from removed tracks, and what remains to be done about it, in words."""

import shlex
from collections.abc import Sequence
from pathlib import PurePosixPath

from musegen.stages.descent import Descent, Version

_MOST_LISTED = 12
_PLAYED = {"train": "learnt from", "valid": "was chosen by", "test": "was judged on"}


def line(label: str, words: str) -> str:
    """One line of a report."""
    return f"{label:<10}{words}"


def words_of(descent: Descent) -> list[str]:
    """Every kind of descendant, a line each."""
    names = {track.track: track.name for track in descent.tracks}
    listed = {
        "alike": [str(track) for track in descent.same_piece],
        "shard": [
            f"data/{shard.path}: {shard.rows} rows of {names[shard.track]}"
            + (f", which sounds beneath {shard.beneath} rows of others" if shard.beneath else "")
            for shard in descent.shards
        ],
        "dataset": [f"{data[:12]}: {', '.join(where)}" for data, where in descent.datasets.items()],
        "model": [_words_of_version(version, names) for version in descent.versions],
        "piece": [
            f"{PurePosixPath(piece.receipt).with_suffix('')}.{{mid,wav,png,json}} by {piece.made_by}"
            for piece in descent.pieces
        ],
        "unknown": [f"{item.what}: {item.why}" for item in descent.unknown],
    }
    lines = [line(label, words) for label, found in listed.items() for words in _shortened(found)]
    return lines if lines else [line("descent", "nothing that is known descends from them")]


def remains(descent: Descent, removed: bool) -> list[str]:
    """What a person has still to do, in its order; `removed` is False for a mere list."""
    names = shlex.join(track.name for track in descent.tracks)
    if not removed:
        return [f"nothing is removed yet: `musegen remove {names} --why …` does it"]
    todo = []
    if descent.same_piece:
        others = shlex.join(track.name for track in descent.same_piece)
        todo.append(f"versions of the same piece stay: `musegen remove {others}` if they are meant too")
    if descent.shards or descent.versions:
        todo.append("`musegen retrain` makes catalogue, datasets and model without them")
    else:
        todo.append("`musegen survey` makes the catalogue without them")
    if descent.serving is not None:
        todo.append(f"version {descent.serving.number} serves until a version without them is promoted")
    numbers = [str(version.number) for version in descent.versions if version.number is not None]
    if numbers:
        todo.append(
            f"then delete version {', '.join(numbers)} and their runs in MLflow, and what .musegen/fetched holds"
        )
    if descent.datasets or descent.shards:
        todo.append(
            "the DVC cache and remote keep old shards and models: `dvc gc --workspace --cloud` deletes all that the "
            "workspace no longer uses; .musegen/runs keeps checkpoints"
        )
    if descent.pieces:
        todo.append("decide which of the pieces above may stay")
    if descent.unknown:
        todo.append(f"what is unknown above may descend too: ask again with `musegen remove --list {names}`")
    return [*todo, "your recordings stay where they are; delete them yourself if they must go"]


def _words_of_version(version: Version, names: dict[str, str]) -> str:
    parts = [f"{_PLAYED.get(split, 'has seen')} {names[track]}" for track, split in version.seen.items()]
    samples = f"; it keeps {len(version.sample_pieces)} sample pieces" if version.sample_pieces else ""
    return f"{version} {', '.join(parts)}{samples}"


def _shortened(found: Sequence[str]) -> list[str]:
    more = len(found) - _MOST_LISTED
    return [*found[:_MOST_LISTED], *([f"and {more} more; --json lists them"] if more > 0 else [])]
