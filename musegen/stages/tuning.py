"""Tuning: other settings than those that the gate refused, judged on `valid` alone, and the best of them kept.

A search is known by the data, the `generator` section as the person wrote it, and the `tuning` section: asked again it
is read, not repeated; cut short, it goes on with what is left. The test split is never read here.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Self

from musegen import tuned
from musegen.cluster.train import learn
from musegen.cluster.trials import Candidate, Learner, Trial
from musegen.cluster.tune import run_trials
from musegen.errors import BadParams, Unavailable
from musegen.outcome import trials_table
from musegen.params import Params
from musegen.registry import GENERATOR_EXPERIMENT, Runs
from musegen.registry.runs import KIND
from musegen.shards import elsewhere, manifest
from musegen.stages import tracking
from musegen.stages.generator import job_of, parameters_of, training_facts
from musegen.stages.training_data import learnt_from
from musegen.stages.training_spool import FAILED, FINISHED, KILLED
from musegen.workspace import Workspace

_SEARCH = "search.json"
_ENDS = {"finished": FINISHED, "failed": FAILED}
_CONSISTENT = ("finished", "stopped early")


@dataclass(frozen=True)
class Search:
    """What was tried; trial 0 is what the gate refused."""

    trials: tuple[Trial, ...]
    seconds: float

    @property
    def base(self) -> float | None:
        """Nats a note on `valid` of the settings that were refused; None where they could not be trained."""
        return next((trial.valid_nll_per_note for trial in self.trials if trial.number == 0), None)

    @property
    def best(self) -> Trial | None:
        """The trial with the fewest nats a note on `valid`; None where all failed."""
        measured = [trial for trial in self.trials if trial.valid_nll_per_note is not None]
        return min(measured, key=lambda trial: (trial.valid_nll_per_note, trial.number), default=None)

    @property
    def better(self) -> Trial | None:
        """The best, if it is not what was refused."""
        return self.best if self.best is not None and self.best.number != 0 else None

    @property
    def tried(self) -> int:
        """How many other settings were begun."""
        return sum(trial.number != 0 and (trial.steps > 0 or trial.state != "out of time") for trial in self.trials)

    @property
    def words(self) -> str:
        """In one sentence."""
        others = [trial.state for trial in self.trials if trial.number]
        counts = ", ".join(f"{others.count(state)} {state}" for state in dict.fromkeys(others))
        head = f"{self.tried} other settings were tried in {self.seconds:.0f} s ({counts})"
        if self.better is None:
            return f"{head}; none was better on `valid` than the {_nats(self.base)} there was"
        values = ", ".join(f"{path} {value}" for path, value in sorted(self.better.values.items()))
        found = f"{_nats(self.better.valid_nll_per_note)} on `valid`, before {_nats(self.base)}"
        return f"{head}; the best has {found}: {values}"

    def to_json(self) -> dict[str, Any]:
        """Plain values, with what is read off them."""
        return {
            "trials": [asdict(trial) | {"valid_nll_per_note": trial.valid_nll_per_note} for trial in self.trials],
            "seconds": self.seconds,
            "tried": self.tried,
            "base": self.base,
            "best": self.better.valid_nll_per_note if self.better else self.base,
            "values": dict(self.better.values) if self.better else {},
            "words": self.words,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(tuple(_trial(each) for each in values["trials"]), values["seconds"])

    def to_markdown(self) -> str:
        """A sentence and a table, the best first."""
        return f"{self.words}.\n\n{trials_table(self.to_json()['trials'])}\n"


def search(
    workspace: Workspace,
    params: Params,
    written: Params,
    tags: Mapping[str, str],
    on_over: Callable[[int, int, str], None] = lambda done, total, words: None,
    learner: Learner = learn,
) -> Search:
    """Try settings from `tuning.space` around `params`; `written` is params.yaml without what tuning found before.

    Every trial trains by `learner` in the run folder that a whole training with its settings has. `on_over` hears how
    many trials are over. Raises `BadParams` where params.yaml asks for none.
    """
    if not params.tuning.trials or not params.tuning.space:
        raise BadParams("tuning: there is nothing to try; raise tuning.trials and name ranges in tuning.space")
    found = finished(workspace, params, written)
    if found is not None:
        return found
    data_sha256, place = _data_of(workspace), _place(workspace, params, written)
    place.mkdir(parents=True, exist_ok=True)
    candidates = _candidates(workspace, params, data_sha256, place)
    sent = _Sent(workspace, params, place.name, {**tags, "data.sha256": data_sha256})
    over: list[Trial] = []

    def tell(trial: Trial) -> None:
        over.append(trial)
        if trial.state in _CONSISTENT:
            run = next(each.job.run for each in candidates if each.number == trial.number)
            _write(_record(place, trial.number), {"run": run.name, **asdict(trial)})
        sent.send(trial, candidates)
        on_over(len(over), len(candidates), f"trial {trial.number}: {trial.state}, {_nats(trial.valid_nll_per_note)}")

    start = monotonic()
    trials = run_trials(candidates, params.tuning, params.generator.cpu_workers, place / "ray", tell, learner)
    made = Search(tuple(trials), round(monotonic() - start, 1))
    if any(trial.state in _CONSISTENT for trial in trials if trial.number):
        # Else nothing was learnt of the space, as in a night of dead workers: the next search asks again.
        _write(place / _SEARCH, made.to_json())
    sent.close(made)
    return made


def finished(workspace: Workspace, params: Params, written: Params) -> Search | None:
    """The search for this data and these settings, if there was one and it came to its end."""
    try:
        return Search.from_json(json.loads((_place(workspace, params, written) / _SEARCH).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_due(workspace: Workspace, params: Params, written: Params) -> bool:
    """Whether a refusal should lead to a search: none was made for this data and these settings, or what one found is
    not in use yet."""
    if not params.tuning.trials or not params.tuning.space:
        return False
    found = finished(workspace, params, written)
    if found is None:
        return True
    return found.better is not None and not _uses(params, found)


def in_use(workspace: Workspace, params: Params, written: Params) -> Search | None:
    """The search whose best settings are the present ones, on the present data."""
    found = finished(workspace, params, written)
    return found if found is not None and found.better is not None and _uses(params, found) else None


def _uses(params: Params, found: Search) -> bool:
    return found.better is not None and params.generator.with_values(found.better.values) == params.generator


def keep(workspace: Workspace, written: Params, found: Search) -> Path | None:
    """Write what the search found into `tuned.yaml`; None, and nothing is written, where nothing was better."""
    if found.better is None:
        return None
    made_for = written.generator.learnt_fingerprint()
    before = tuned.read(workspace.root)
    values = {**(before.values if before.made_for == made_for else {}), **found.better.values}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    data = _data_of(workspace)[:12]
    return tuned.write(workspace.root, made_for, values, (f"{now}, data {data}: {found.words}.",))


def _candidates(workspace: Workspace, params: Params, data_sha256: str, place: Path) -> list[Candidate]:
    """The settings as they are, and those that were drawn, each once."""
    found: dict[Path, Candidate] = {}
    base = job_of(workspace, params, data_sha256)
    for number, values in enumerate([{}, *params.tuning.drawn()]):
        try:
            changed = params.model_copy(update={"generator": params.generator.with_values(values)})
        except BadParams as error:
            impossible = Trial(number, values, "failed", why=str(error))
            found[_record(place, number)] = Candidate(number, values, base, impossible)
            continue
        job = job_of(workspace, changed, data_sha256)
        known = _read(_record(place, number), job.run)
        if known is None and number == 0:
            known = _known(workspace, job.run, data_sha256)
        found.setdefault(job.run, Candidate(number, values, job, known))
    return list(found.values())


def _known(workspace: Workspace, run: Path, data_sha256: str) -> Trial | None:
    """How the training went that made the model of the workspace, if it is this run."""
    try:
        facts = training_facts(workspace.generator)
    except (OSError, ValueError):
        return None
    if facts.get("run") != run.name or facts.get("data_sha256") != data_sha256:
        return None
    curve = tuple(
        (int(point["step"]), float(point["valid_nll_per_note"]))
        for point in facts["history"]
        if point["valid_nll_per_note"] is not None
    )
    return Trial(0, {}, "finished", curve)


class _Sent:
    """The trials as MLflow runs, nested in one of the search; a search goes on where MLflow is away."""

    def __init__(self, workspace: Workspace, params: Params, name: str, tags: Mapping[str, str]) -> None:
        self._params, self._tags, self._parent, self._composing = params, tags, None, workspace.composing
        self._runs: Runs | None = None
        with suppress(Unavailable):
            self._runs = Runs(workspace)
            parameters = params.tuning.model_dump(mode="json", exclude_none=True)
            self._parent = self._runs.open(GENERATOR_EXPERIMENT, f"tuning-{name}", parameters, {**tags, KIND: "search"})

    def send(self, trial: Trial, candidates: Sequence[Candidate]) -> None:
        """Its curve, from its journal; the settings as they were have a run already."""
        if trial.number == 0 or not trial.steps or self._runs is None:
            return
        run = next(each.job.run for each in candidates if each.number == trial.number)
        changed = self._params.model_copy(update={"generator": self._params.generator.with_values(trial.values)})
        marks = {"tuning.trial": str(trial.number), "tuning.state": trial.state, "tuning.why": trial.why}
        parameters = parameters_of(changed, learnt_from(self._composing, self._tags["data.sha256"]))
        tracking.send(self._runs, run, run.name, parameters, {**self._tags, **marks, KIND: "trial"}, self._parent)
        tracking.conclude(run, _ENDS.get(trial.state, KILLED), trial.steps)
        tracking.send(self._runs, run, run.name, parameters, {**self._tags, **marks, KIND: "trial"}, self._parent)

    def close(self, made: Search) -> None:
        """The figures of the search."""
        if self._runs is None or self._parent is None:
            return
        figures = {"trials": made.tried, "valid_nll_per_note": made.best.valid_nll_per_note if made.best else None}
        with suppress(Unavailable):
            self._runs.log_values(self._parent, {key: float(v) for key, v in figures.items() if v is not None})
            self._runs.end(self._parent, FINISHED)


def _data_of(workspace: Workspace) -> str:
    return manifest.load(elsewhere.place_of(workspace.composing)).data_sha256


def _place(workspace: Workspace, params: Params, written: Params) -> Path:
    data_sha256 = _data_of(workspace)
    parts = (params.tuning.fingerprint(), params.composing.tokens.fingerprint(), written.generator.learnt_fingerprint())
    key = hashlib.sha256(" ".join([data_sha256, *parts]).encode()).hexdigest()[:16]
    return workspace.hidden / "tuning" / key


def _record(place: Path, number: int) -> Path:
    return place / f"trial-{number:03}.json"


def _read(path: Path, run: Path) -> Trial | None:
    """A trial that is over, if it trained in this run folder."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return _trial(content) if content["run"] == run.name else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _trial(values: Mapping[str, Any]) -> Trial:
    names = ("number", "values", "state", "seconds", "why")
    curve = tuple((int(step), float(valid)) for step, valid in values["curve"])
    return Trial(**{name: values[name] for name in names}, curve=curve)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def _nats(valid: float | None) -> str:
    return "no figure" if valid is None else f"{valid:.3f} nats a note"
