"""What a retrain came to, for machines and for people."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from musegen.workspace import Workspace

Decision = Literal["promoted", "kept champion", "not promoted", "nothing new", "skipped"]


@dataclass(frozen=True)
class Outcome:
    """`decision` and its `reason` in words, then the evidence; what does not apply is None."""

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
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def gate_failed(self) -> bool:
        """True if a model was judged and refused."""
        return self.decision in ("kept champion", "not promoted")

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def to_text(self) -> str:
        """A few lines for the terminal."""
        lines = []
        if self.tracks:
            lines.append(
                f"corpus    {self.tracks} tracks, {self.hours:.1f} hours, {self.rejects} rejects\n"
                f"listening {self.listening_shards} shards, {self.listening_shards_made} made now\n"
                f"composing {self.shards} shards, {self.shards_made} made now, data {self.data_sha256[:12]}"
            )
        if self.nll_per_note is not None and self.baseline_nll_per_note is not None:
            gain = 1 - self.nll_per_note / self.baseline_nll_per_note
            lines.append(
                f"quality   {self.nll_per_note:.3f} nats a note on the test split; the count model needs "
                f"{self.baseline_nll_per_note:.3f} (ours is {abs(gain):.1%} {'worse' if gain < 0 else 'better'})"
            )
        if self.version is not None:
            lines.append(f"version   {self.version}, champion is {self.champion if self.champion else 'nobody'}")
        lines.append(f"outcome   {self.decision}: {self.reason}")
        return "\n".join(lines)

    def to_markdown(self) -> str:
        """The same with the time each step took, as an artifact."""
        steps = "\n".join(f"| {name} | {seconds:.1f} |" for name, seconds in self.seconds.items())
        told = f"**{self.decision}**: {self.reason}\n\n```\n{self.to_text()}\n```\n"
        return f"{told}\n| step | seconds |\n|---|---|\n{steps}\n"

    def write(self, workspace: Workspace) -> Path:
        """Append to the history of retrains and write the latest report; returns the report's path."""
        folder = workspace.hidden / "retrains"
        folder.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with (folder / "history.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"at": now, **self.to_json()}) + "\n")
        path = folder / ("skipped.md" if self.decision == "skipped" else "latest.md")
        path.write_text(f"# Retrain of {now}\n\n{self.to_markdown()}", encoding="utf-8")
        return path


def history(workspace: Workspace, last: int = 7) -> list[dict[str, Any]]:
    """The last retrains, oldest first."""
    path = workspace.hidden / "retrains" / "history.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[-last:]]
