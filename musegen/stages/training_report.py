"""What a finished training says of itself, and a training under way."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from musegen.training import Progress, TrainingResult, journal


@dataclass(frozen=True)
class Pace:
    """What a training took over all its starts: seconds, tokens a second, share of the time spent waiting for data."""

    seconds: float
    tokens_per_second: float
    data_wait_share: float


def pace_of(path: Path) -> Pace:
    """The pace that a journal tells; the time between a kill and the next start does not count."""
    words = journal.read(path)[0]
    spans = [
        ((after.milliseconds - before.milliseconds) / 1000, after)
        for before, after in pairwise(words)
        if not after.resumed and after.step > before.step  # back without a word: killed before the first checkpoint
    ]
    seconds = sum(span for span, _ in spans)
    tokens = sum(span * word.tokens_per_second for span, word in spans)
    waited = sum(span * word.data_wait_share for span, word in spans)
    return Pace(round(seconds, 3), tokens / max(seconds, 1e-9), waited / max(seconds, 1e-9))


@dataclass(frozen=True)
class Fitted:
    """A finished training: what came out, its run in MLflow, and the data it learnt from.

    `run_id` is None where MLflow was away all the time; `waiting` points are still to be told to it, and `trouble` is
    what it said last. `samples` are the pieces made on the way, by their place in the MLflow run; `unheard` says why
    some could not be made.
    """

    result: TrainingResult
    run: str
    run_id: str | None
    data_sha256: str
    pace: Pace
    samples: tuple[str, ...] = ()
    waiting: int = 0
    trouble: str = ""
    unheard: str = ""

    def to_markdown(self) -> str:
        """What a reader of the flow run wants to know of it."""
        result, pace = self.result, self.pace
        best = result.best_valid_nll_per_note
        judged = f"{best:.3f} nats a note on `valid`" if best is not None else "nothing to judge it by in `valid`"
        lines = [
            f"{self._resumed}{result.steps} steps{', stopped early' if result.stopped_early else ''}; the best at step "
            f"{result.best_step} with {judged}.",
            "",
            f"{pace.seconds:.0f} s of training, {pace.tokens_per_second:,.0f} tokens/s, "
            f"{pace.data_wait_share:.1%} of the time waiting for data.",
            "",
            f"{self._in_mlflow}, data `{self.data_sha256[:12]}`.",
            "",
            *self._heard,
            "| step | train, nats a token | valid, nats a note |",
            "|---|---|---|",
        ]
        lines += [
            f"| {point.step} | {point.train_nll_per_token:.3f} | {point.valid_nll_per_note:.3f} |"
            for point in result.history
            if point.valid_nll_per_note is not None
        ]
        return "\n".join(lines) + "\n"

    @property
    def _resumed(self) -> str:
        result = self.result
        if result.resumed_from_step is None:
            return ""
        loss = f", loss {result.resumed_nll:.2f}" if result.resumed_nll is not None else ""
        return f"Resumed at step {result.resumed_from_step}{loss}; "

    @property
    def _in_mlflow(self) -> str:
        where = f"MLflow run `{self.run_id}` (`{self.run}`)" if self.run_id else f"Run `{self.run}`, not yet in MLflow"
        if not self.waiting and not self.trouble:
            return where
        why = f"MLflow was away ({self.trouble})" if self.trouble else "not all is told yet"
        return f"{where}; {why}, {self.waiting} points wait for the next training or deployment"

    @property
    def _heard(self) -> list[str]:
        lines = []
        if self.samples:
            names = ", ".join(f"`{name}`" for name in self.samples)
            lines += [f"Pieces made on the way, with the MLflow run: {names}.", ""]
        if self.unheard:
            lines += [f"Pieces on the way could not be made ({self.unheard}).", ""]
        return lines


def words_of(progress: Progress) -> str:
    """How a training stands, for a line beside the bar."""
    if progress.resumed:
        return f"resumed at step {progress.step}, loss {progress.train_nll_per_token:.2f}"
    words = f"loss {progress.train_nll_per_token:.2f}, {progress.tokens_per_second:,.0f} tokens/s"
    return words if progress.valid_nll_per_note is None else f"{words}, valid {progress.valid_nll_per_note:.2f} a note"
