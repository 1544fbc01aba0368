"""What a retrain came to, for machines and for people, and the history of all of them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from musegen.workspace import Workspace

Decision = Literal["promoted", "kept champion", "not promoted", "nothing new", "skipped", "failed", "interrupted"]
_ASIDE = ("skipped", "failed", "interrupted")


@dataclass(frozen=True)
class Outcome:
    """`decision` and its `reason` in words, then the evidence; what does not apply is None or empty.

    `first`: version and words of the model that was refused before tuning. `tuning`: what `Search.to_json` gives.
    `attempts`: models that were judged on these test pieces so far, over all retrains.
    """

    decision: Decision
    reason: str
    tracks: int = 0
    hours: float = 0.0
    rejects: int = 0
    shards: int = 0
    shards_made: int = 0
    listening_shards: int = 0
    listening_shards_made: int = 0
    data_sha256: str = ""
    why_trained: tuple[str, ...] = ()
    nll_per_note: float | None = None
    baseline_nll_per_note: float | None = None
    version: int | None = None
    champion: int | None = None
    first: Mapping[str, Any] = field(default_factory=dict)
    tuning: Mapping[str, Any] = field(default_factory=dict)
    attempts: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def gate_failed(self) -> bool:
        """True if a model was judged and refused."""
        return self.decision in ("kept champion", "not promoted")

    @property
    def trials(self) -> int:
        """How many other settings were tried."""
        return int(self.tuning.get("tried", 0))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"trials": self.trials}

    def to_text(self) -> str:
        """A few lines for the terminal."""
        lines = [f"{title:<9} {words}" for title, words in self._story()]
        return "\n".join([*lines, f"outcome   {self.decision}: {self.reason}"])

    def to_markdown(self) -> str:
        """The whole story in the order in which it happened, as an artifact."""
        parts = [f"**{self.decision.capitalize()}**: {self.reason}"]
        parts += ["\n".join(f"- **{title}**: {words}" for title, words in self._story())]
        trials = trials_table(self.tuning.get("trials", ()))
        parts += ["## What tuning tried\n\n" + trials] if trials else []
        steps = "\n".join(f"| {name} | {seconds:.1f} |" for name, seconds in self.seconds.items())
        parts += ["## Where the time went\n\n| step | seconds |\n|---|---:|\n" + steps] if steps else []
        return "\n\n".join(part for part in parts if part) + "\n"

    def _story(self) -> list[tuple[str, str]]:
        """Titles and words of what happened, first things first."""
        told = []
        if self.tracks:
            told = [
                ("corpus", f"{self.tracks} tracks, {self.hours:.1f} hours, {self.rejects} rejects"),
                ("listening", f"{self.listening_shards} shards, {self.listening_shards_made} made now"),
                ("composing", f"{self.shards} shards, {self.shards_made} made now, data {self.data_sha256[:12]}"),
            ]
        if self.why_trained:
            told.append(("trained", f"because {', '.join(self.why_trained)}"))
        if self.first:
            told.append(("at first", f"version {self.first['version']}: {self.first['words']}"))
        if self.tuning:
            told.append(("tuning", str(self.tuning["words"])))
        if self.nll_per_note is not None and self.baseline_nll_per_note is not None:
            gain = 1 - self.nll_per_note / self.baseline_nll_per_note
            words = (
                f"{self.nll_per_note:.3f} nats a note on the test split; the count model needs "
                f"{self.baseline_nll_per_note:.3f} (ours is {abs(gain):.1%} {'worse' if gain < 0 else 'better'})"
            )
            told.append(("quality", words))
        if self.attempts:
            models = "model was" if self.attempts == 1 else "models were"
            told.append(("attempts", f"{self.attempts} {models} judged on these test pieces so far"))
        if self.version is not None:
            told.append(("version", f"{self.version}, champion is {self.champion if self.champion else 'nobody'}"))
        return told

    def write(self, workspace: Workspace) -> Path:
        """Append to the history of retrains and write the latest report; returns the report's path."""
        folder = workspace.hidden / "retrains"
        folder.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with (folder / "history.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"at": now, **self.to_json()}) + "\n")
        path = folder / (f"{self.decision}.md" if self.decision in _ASIDE else "latest.md")
        path.write_text(f"# Retrain of {now}\n\n{self.to_markdown()}", encoding="utf-8")
        return path


def history(workspace: Workspace, last: int = 7) -> list[dict[str, Any]]:
    """The last retrains, oldest first; a line that a kill cut short is passed over."""
    path = workspace.hidden / "retrains" / "history.jsonl"
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines()[-last:]:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def count_attempt(workspace: Workspace, test_split: str, model: str) -> int:
    """Note that `model` (its run) is judged on the test pieces `test_split` (their hash); returns how many were so far,
    each counted once. It is counted before it is judged, so that a kill hides no attempt."""
    path = workspace.hidden / "retrains" / "attempts.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    entry = json.dumps([test_split, model])
    entries = set(path.read_text(encoding="utf-8").splitlines()) if path.exists() else set()
    if entry not in entries:
        with path.open("a", encoding="utf-8") as file:
            file.write(entry + "\n")
    return sum(line.startswith(json.dumps([test_split])[:-1]) for line in entries | {entry})


def trials_table(trials: Any) -> str:
    """A row a trial (plain values, as `Search.to_json` gives them), the best first."""
    paths = sorted({path for trial in trials for path in trial["values"]})
    head = ["trial", *paths, "steps", "valid, nats a note", "state", "seconds"]
    ranked = sorted(trials, key=lambda trial: (trial["valid_nll_per_note"] is None, trial["valid_nll_per_note"]))
    rows = [
        [
            str(trial["number"]) if trial["number"] else "as it was",
            *(str(trial["values"].get(path, "")) for path in paths),
            str(trial["curve"][-1][0] if trial["curve"] else 0),
            "–" if trial["valid_nll_per_note"] is None else f"{trial['valid_nll_per_note']:.3f}",
            f"{trial['state']}: {trial['why']}".replace("|", "\\|") if trial["why"] else trial["state"],
            f"{trial['seconds']:.0f}",
        ]
        for trial in ranked
    ]
    table = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in table) if rows else ""
