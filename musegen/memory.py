"""What a workspace knows besides the corpus: what people said of tracks, what was removed, who stood in which split."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from musegen.catalogue import Reject
from musegen.inspection import Facts
from musegen.label_table import Edits
from musegen.opening import Inspected
from musegen.removal import Tombstone
from musegen.verdicts import relative


@dataclass(frozen=True)
class Memory:
    """`edits` of the table of labels, tombstones of `removed` tracks and the `splits` of the last survey, by track."""

    edits: Edits = field(default_factory=Edits)
    removed: Mapping[str, Tombstone] = field(default_factory=dict)
    splits: Mapping[str, str] = field(default_factory=dict)

    def says(self, item: Inspected) -> dict[str, Any]:
        """The best that is said of a track in words, people first."""
        return (item.facts or Facts()).said | self.edits.of(item.id)

    def bars(self, item: Inspected, root: Path, require_licence: bool) -> Reject | None:
        """Why a sound track must not be used all the same: somebody's rights."""
        path = relative(item.track.content, root)
        said = self.says(item)
        if item.id in self.removed:
            why = self.removed[item.id].why or "no reason was given"
            words = f"it was removed for good ({why}); `musegen remove --undo` takes it back"
            return Reject(path, "rights", "removed", words)
        if said.get("consent") is False:
            return Reject(path, "rights", "no consent", "its owner does not consent; leave it out, or ask again")
        if require_licence and not said.get("licence"):
            words = "nothing names its licence; write it into data/labels.csv, a table, a tag or a file beside it"
            return Reject(path, "rights", "no licence", words)
        return None
