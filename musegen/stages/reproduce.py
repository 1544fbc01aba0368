"""A version once more: its settings and its very data in a workspace of their own, judged again, figure by figure.

Whatever the version was registered with is brought back: params.yaml, tuned.yaml, dvc.yaml and dvc.lock from its
files, the dataset by that dvc.lock from cache or remote, its weights. The workspace it came from stays as it is.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from musegen import versions
from musegen.errors import BadInput, BadParams, Unavailable
from musegen.params import Params
from musegen.registry import CHAMPION, GENERATOR, ModelVersion, Registry
from musegen.shards import elsewhere, manifest
from musegen.stages import environment
from musegen.stages.report import judge_generator
from musegen.workspace import Workspace, set_environment

RELATIVE, ABSOLUTE = 1e-6, 1e-9
"""Figures are equal that differ by no more than this share of the larger, or by this much."""
_NEEDED = ("params.yaml", "dvc.lock", "report/report.json", "generator")
_KEPT = ("params.yaml", "tuned.yaml", "dvc.yaml", "dvc.lock")
_SECTIONS = (
    "figures", "baseline", "copy_last", "by_style", "style", "as_asked", "pieces", "distances", "originality",
)  # fmt: skip
_DETAILS = ("per_piece", "intervals", "confusion", "families", "pieces", "support", "beside")
_MOST_ROWS = 60
_SERVICES = ("MLFLOW_TRACKING_URI", "MUSEGEN_WORKSPACE")


@dataclass(frozen=True)
class Restored:
    """A version in a workspace of its own: `then` is what its report says, `made_with` its libraries."""

    version: ModelVersion
    workspace: Workspace
    then: Mapping[str, Any]
    made_with: Mapping[str, str]
    code_now: str


@dataclass(frozen=True)
class Compared:
    """A figure of the report then and now; None where it was not measured."""

    name: str
    then: float | None
    now: float | None

    @property
    def same(self) -> bool:
        """A figure that nobody measured then is no difference."""
        if self.then is None or self.now is None:
            return self.then is None
        most = max(ABSOLUTE, RELATIVE * max(abs(self.then), abs(self.now)))
        return abs(self.now - self.then) <= most


@dataclass(frozen=True)
class Reproduction:
    """What came out: all figures, and what differs of code and libraries (name → then, now)."""

    version: int
    folder: Path
    data_sha256: str
    figures: tuple[Compared, ...]
    changed: Mapping[str, tuple[str, str]]

    @property
    def compared(self) -> tuple[Compared, ...]:
        """The figures that the report of then has."""
        return tuple(figure for figure in self.figures if figure.then is not None)

    @property
    def same(self) -> bool:
        """Whether there was something to compare, and all of it is the same."""
        return bool(self.compared) and not self.different

    @property
    def different(self) -> tuple[Compared, ...]:
        """The figures that are not the same."""
        return tuple(figure for figure in self.figures if not figure.same)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        rows = [{**asdict(figure), "same": figure.same} for figure in self.figures]
        return {
            "version": self.version,
            "folder": str(self.folder),
            "data_sha256": self.data_sha256,
            "same": self.same,
            "tolerance": {"relative": RELATIVE, "absolute": ABSOLUTE},
            "figures": rows,
            "different": [figure.name for figure in self.different],
            "changed": {name: {"then": then, "now": now} for name, (then, now) in self.changed.items()},
        }

    def to_text(self) -> str:
        """The main figures and all that differ, as a table, and whether the version is reproduced."""
        main = [figure for figure in self.compared if not {*figure.name.split(".")} & {*_DETAILS}]
        shown = list(dict.fromkeys([*self.different, *main]))[:_MOST_ROWS]
        width = max((len(figure.name) for figure in shown), default=6)
        lines = [f"{'figure':<{width}} {'then':>14} {'now':>14} {'difference':>11}"]
        lines += [_row(figure, width) for figure in shown]
        compared = len(self.compared)
        lines.append(f"{compared} figures compared, {compared - len(shown)} of them not shown")
        lines += [f"{name}: {then} then, {now} now" for name, (then, now) in self.changed.items()]
        verdict = f"version {self.version}: all figures are the same within {RELATIVE:g} of their size"
        if self.different:
            names = ", ".join(figure.name for figure in self.different[:5])
            more = len(self.different) - 5
            verdict = f"version {self.version}: {len(self.different)} figures differ: {names}"
            verdict += f" and {more} more" if more > 0 else ""
        elif not self.compared:
            verdict = f"version {self.version}: nothing was compared, its report has none of the figures of today"
        return "\n".join([*lines, f"{verdict}; data {self.data_sha256[:12]}, all of it in {self.folder}"])


def restore(workspace: Workspace, which: str, folder: Path) -> Restored:
    """Make `folder` a workspace as the version (number or alias) had it, the dataset checked by its hash.

    It is made beside the folder, which stays as it was where this fails. Raises `BadParams` where the folder holds
    something, `BadInput` where the version lacks what is needed for it, and `Unavailable`, naming what is missing,
    where nobody has its data any more.
    """
    folder = folder.resolve()
    if folder.exists() and any(folder.iterdir()):
        raise BadParams(f"{folder}: it holds files already; name an empty or a new folder")
    registry = Registry(workspace)
    version = registry.version(GENERATOR, which)
    kept = registry.fetch(version)
    missing = [name for name in _NEEDED if not (kept / name).exists()]
    if missing:
        raise BadInput(f"version {version.number}: it keeps no {', '.join(missing)}; it can't be reproduced", "no file")
    then = json.loads((kept / "report" / "report.json").read_text(encoding="utf-8"))
    fresh = Workspace(folder.with_name(f".{folder.name}.arriving"))
    shutil.rmtree(fresh.root, ignore_errors=True)  # of one that was killed
    fresh.root.mkdir(parents=True)
    try:
        _fill(fresh, workspace, version, kept)
        fresh.root.replace(folder)
    finally:
        shutil.rmtree(fresh.root, ignore_errors=True)
    return Restored(version, Workspace(folder), then, environment.read(kept), versions.code_revision(workspace))


def _fill(fresh: Workspace, workspace: Workspace, version: ModelVersion, kept: Path) -> None:
    """Bring everything into `fresh` that `kept` and the remotes of `workspace` have of the version."""
    shutil.copy(workspace.pipeline, fresh.pipeline)  # versions of an earlier musegen keep none
    for name in _KEPT:
        if (kept / name).exists():
            shutil.copy(kept / name, fresh.root / name)
    _bring_data(fresh, workspace, version)
    shutil.copytree(kept / "generator", fresh.generator)


def compare(
    restored: Restored, params: Params, on_progress: Callable[[int, int, str], None] = lambda done, total, words: None
) -> Reproduction:
    """Judge the restored version by its own `report` section, without a champion, and compare with its report."""
    with _alone_in(restored.workspace):
        now = judge_generator(restored.workspace, params, on_progress).to_json()
    then_values, now_values = (dict(_values(report)) for report in (restored.then, now))
    names = dict.fromkeys([*then_values, *now_values])
    version, here = restored.version, environment.present()
    changed = {name: (then, here.get(name, "none")) for name, then in restored.made_with.items()}
    changed["code"] = (version.tags.get("git.sha", "none"), restored.code_now)
    return Reproduction(
        version=version.number,
        folder=restored.workspace.root,
        data_sha256=version.tags["data.sha256"],
        figures=tuple(Compared(name, then_values.get(name), now_values.get(name)) for name in names),
        changed={name: (then, now) for name, (then, now) in changed.items() if then != now},
    )


def _bring_data(fresh: Workspace, owner: Workspace, version: ModelVersion) -> None:
    expected = version.tags["data.sha256"]
    try:
        versions.bring(fresh, owner, ["composing"])
    except Unavailable as error:
        words = f"version {version.number}: its data {expected[:12]} can't be had, neither here nor from the remote"
        raise Unavailable(f"{words}: {error}") from error
    gone = elsewhere.moved_on(fresh.composing)
    if gone:
        raise Unavailable(f"version {version.number}: its data {expected[:12]} are gone: {'; '.join(gone)}")
    found = manifest.load(elsewhere.place_of(fresh.composing)).data_sha256
    if found != expected:
        words = f"version {version.number}: it learnt from data {expected[:12]}, its dvc.lock names {found[:12]}"
        raise BadInput(f"{words}; it was registered after its data had changed, and can't be reproduced", "other data")


@contextmanager
def _alone_in(workspace: Workspace) -> Iterator[None]:
    """With a registry of its own, in which nobody is champion."""
    before = {name: os.environ.pop(name, None) for name in _SERVICES}
    set_environment(workspace)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _values(report: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Every number of the sections that tell of the model alone, by its path."""
    for section in _SECTIONS:
        yield from _numbers(report.get(section), section)


def _numbers(value: Any, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for key, inside in value.items():
            if key != CHAMPION:
                yield from _numbers(inside, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inside in enumerate(value):
            yield from _numbers(inside, f"{path}.{index}")
    elif isinstance(value, (int, float)):
        yield path, float(value)


def _row(figure: Compared, width: int) -> str:
    shown = ["not measured" if value is None else f"{value:.9g}" for value in (figure.then, figure.now)]
    both = figure.then is not None and figure.now is not None
    difference = f"{(figure.now or 0) - (figure.then or 0):+.2g}" if both else ""
    return f"{figure.name:<{width}} {shown[0]:>14} {shown[1]:>14} {difference:>11}{'' if figure.same else '  DIFFERS'}"
