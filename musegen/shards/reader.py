"""Reading a committed dataset, and checking that it is what its manifest says."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from musegen.errors import BadInput
from musegen.shards.manifest import ShardEntry, load
from musegen.shards.schema import Example, from_table
from musegen.shards.writer import sha256

SPLITS = ("train", "valid", "test")


def read(folder: Path, split: str) -> list[Example]:
    """All examples of a split in the order of its shards; every shard's hash is checked first."""
    return [example for shard in load(folder).of(split) for example in read_shard(folder, shard)]


def read_shard(folder: Path, shard: ShardEntry) -> list[Example]:
    """The examples of one shard; raises `BadInput` where it is missing or not what was committed."""
    problem = _problem(folder, shard)
    if problem:
        raise BadInput(f"{folder / shard.path}: {problem}; run `dvc checkout` or `musegen prepare`", "damaged")
    try:
        return from_table(pq.read_table(folder / shard.path, partitioning=None, page_checksum_verification=True))
    except (OSError, pa.ArrowException) as error:
        raise BadInput(f"{folder / shard.path}: it can't be read ({error}); run `dvc checkout`", "damaged") from error


def verify(folder: Path) -> list[str]:
    """Every way in which the dataset is not what its manifest says; empty when all is well."""
    try:
        manifest = load(folder)
    except BadInput as error:
        return [str(error)]
    problems = [f"{shard.path}: {words}" for shard in manifest.shards if (words := _problem(folder, shard))]
    named = {shard.path for shard in manifest.shards}
    strangers = {path.relative_to(folder).as_posix() for path in folder.glob("split=*/*")} - named
    return problems + [f"{path}: it is not in the manifest" for path in sorted(strangers)]


def _problem(folder: Path, shard: ShardEntry) -> str:
    file = folder / shard.path
    if not file.exists():
        return "it is missing"
    if file.stat().st_size != shard.size_bytes:
        return f"it has {file.stat().st_size} bytes, not {shard.size_bytes}"
    return "" if sha256(file) == shard.sha256 else "its content is not what was committed"
