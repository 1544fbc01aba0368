"""How often the test pieces were looked at, and where a training that was interrupted stands."""

import hashlib
from typing import Any

from musegen.cluster.train import PROGRESS
from musegen.outcome import count_attempt
from musegen.shards import elsewhere, manifest
from musegen.stages.generator import training_facts
from musegen.stages.tuning import Search
from musegen.training import journal
from musegen.workspace import Workspace


def counted(workspace: Workspace, found: Search | None) -> dict[str, Any]:
    """What the report of the trained generator shall tell of the way to it: how many models were judged on these test
    pieces, this one among them, and the trials before it."""
    shards = manifest.load(elsewhere.place_of(workspace.composing)).shards
    hashes = sorted(shard.sha256 for shard in shards if shard.split == "test")
    test_split = hashlib.sha256(" ".join(hashes).encode()).hexdigest()[:16]
    judged = count_attempt(workspace, test_split, str(training_facts(workspace.generator)["run"]))
    models = "model was" if judged == 1 else "models were"
    words = f"{judged} {models} judged on these test pieces so far, this one among them"
    if found is None:
        return {"words": f"{words}.", "judged": judged}
    told = [{**trial, "steps": trial["curve"][-1][0] if trial["curve"] else 0} for trial in found.to_json()["trials"]]
    columns = ("number", "values", "steps", "valid_nll_per_note", "state", "why", "seconds")
    return {
        "words": f"{words}. Before it, {found.words}.",
        "judged": judged,
        "trials": [{name: trial[name] for name in columns} for trial in told],
    }


def where_training_stands(workspace: Workspace, since: float) -> str:
    """The step that the training came to which was at work after `since` (seconds since 1970), in words."""
    journals = [path for path in workspace.runs.glob(f"*/{PROGRESS}") if path.stat().st_mtime >= since]
    newest = max(journals, key=lambda path: path.stat().st_mtime, default=None)
    words = journal.read(newest)[0] if newest else []
    return f"stopped at step {words[-1].step} of {words[-1].steps}" if words else "stopped before training"
