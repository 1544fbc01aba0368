"""What making a dataset came to, in words."""

from musegen.cluster.shards import Dataset
from musegen.verdicts import in_markdown

_MOST_REJECTS = 20


def to_text(name: str, made: Dataset) -> str:
    """A few lines for a terminal: what there is, what was made, where the time went, and what was left out."""
    return "\n".join([_standing(name, made), *_costs(made), *(f"  left out: {words}" for words in _rejects(made))])


def to_markdown(name: str, made: Dataset) -> str:
    """The same for an artifact."""
    lines = [f"**{_standing(name, made)}**", *_costs(made)]
    rejects = [f"- {in_markdown(words)}" for words in _rejects(made)]
    return "\n\n".join(lines) + ("\n\nLeft out:\n\n" + "\n".join(rejects) if rejects else "") + "\n"


def _standing(name: str, made: Dataset) -> str:
    manifest = made.manifest
    megabytes = sum(shard.size_bytes for shard in manifest.shards) / 1e6
    tracks, rows = (sum(getattr(shard, count) for shard in manifest.shards) for count in ("tracks", "rows"))
    hours = f"{manifest.totals['seconds'] / 3600:.1f} hours, " if manifest.totals.get("seconds") else ""
    return (
        f"{name}: {tracks:,} tracks, {rows:,} rows, {hours}{megabytes:,.1f} MB in {len(manifest.shards)} shards, "
        f"{made.shards_made} made now; data {manifest.data_sha256[:12]}"
    )


def _costs(made: Dataset) -> list[str]:
    costs = made.costs
    if not made.shards_made:
        return []
    total = sum(costs.seconds.values())
    steps = sorted(costs.seconds.items(), key=lambda step: -step[1])
    return [
        f"  {costs.tracks_made:,} tracks made, {costs.rows_reused:,} of {costs.rows:,} rows taken over, "
        f"{costs.bytes_written / 1e6:,.1f} MB written in {made.wall_seconds:.1f} s",
        f"  {total:.1f} processor seconds: " + ", ".join(f"{step} {seconds:.1f}" for step, seconds in steps),
    ]


def _rejects(made: Dataset) -> list[str]:
    rejects = made.manifest.rejects
    words = [f"{reject.name} ({reject.reason}): {reject.detail}" for reject in rejects[:_MOST_REJECTS]]
    return [*words, f"and {len(rejects) - _MOST_REJECTS} more"] if len(rejects) > _MOST_REJECTS else words
