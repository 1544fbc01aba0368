"""What was found out about one model: for machines `report.json`, for people `report.md` and `report.html`."""

import json
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Self

from musegen.errors import BadInput
from musegen.evaluation.blocks import Files, Picture, markdown
from musegen.evaluation.gate import Verdict
from musegen.evaluation.page import page
from musegen.evaluation.sections import gate_section, sections
from musegen.evaluation.style_figures import recall_beside

FOR_GATE = (
    "nll_per_note", "nll_per_beat", "nll_per_bar", "nll_per_token", "accuracy", "precision", "recall", "f1", "families",
    "notes", "pieces", "tokens", "bpm_as_asked", "meter_as_asked", "bars_as_asked", "key_as_asked", "share_in_key",
    "style_accuracy", "style_macro_recall", "style_macro_f1", "style_accuracy_without_meter",
    "style_macro_recall_without_meter", "style_macro_f1_without_meter", "style_recall_beside_human",
    "copied_share", "borrowed_beyond_people",
)  # fmt: skip
"""The figures that a gate may ask for; dots lead inside, as in `families.pitch.f1`."""


@dataclass(frozen=True)
class Report:
    """One model on one test split. All values are plain: numbers, words, lists and dicts of them.

    - `model`: what it is (`name`, `version`, `kind`, `parameters`, …); `data_sha256`: of the dataset that made it.
    - `figures`, `baseline` (the count model), `copy_last`, `champion`: likelihood figures on the same test pieces, as
      `Likelihood.to_report` gives them. The last three may have `beside` (what `Tally.beside` says of the model and
      them) and `words` about themselves.
    - `by_style`: style → figures by name, shown as a table. `style`: whose pieces (`human_test`, `generated`,
      `generated_without_meter`, …) → the fields of `StyleFigures`.
    - `as_asked`: shares of generated pieces that are what was asked. `pieces`: one mapping each, with `name`, `asked`,
      `measured` and, where they were written, `files` (kind → path). `distances`: measure → the fields of `Distance`.
    - `originality`: what `Originality.study` found. `attempts`: how tuning went; single values, `words`, and lists of
      mappings, each shown as a table.
    - `pictures`: caption → path from the report.
    Dataclasses given as values are turned into dicts, numbers that are not finite into None.
    """

    model: Mapping[str, Any]
    data_sha256: str
    figures: Mapping[str, Any]
    baseline: Mapping[str, Any] | None = None
    champion: Mapping[str, Any] | None = None
    copy_last: Mapping[str, Any] | None = None
    by_style: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    style: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    as_asked: Mapping[str, float] = field(default_factory=dict)
    pieces: Sequence[Mapping[str, Any]] = ()
    distances: Mapping[str, Any] = field(default_factory=dict)
    originality: Mapping[str, Any] = field(default_factory=dict)
    attempts: Mapping[str, Any] = field(default_factory=dict)
    verdict: Verdict | None = None
    pictures: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for each in fields(self):
            if each.name != "verdict":
                object.__setattr__(self, each.name, _plain(getattr(self, each.name)))

    def for_gate(self) -> dict[str, Any]:
        """The figures a gate may ask for, with their `intervals`: likelihood, `as_asked`, originality, and style.

        `style_accuracy`, `style_macro_recall`, … are what `style` says of `"generated"`; of
        `"generated_without_meter"`, `style_accuracy_without_meter`, ….
        `style_recall_beside_human` is how often an asked style is heard, over how often the same judge hears it in
        human test pieces, over the styles that were asked of both: what a style that can't be told apart costs both.
        """
        found = {**self.figures, **self.as_asked}
        intervals = dict(self.figures.get("intervals") or {})
        for name in ("copied_share", "borrowed_beyond_people"):
            if self.originality.get(name) is not None:
                found[name] = self.originality[name]
                intervals |= _named(name, name, self.originality)
        for suffix in ("", "_without_meter"):
            heard = self.style.get(f"generated{suffix}", {})
            for name in ("accuracy", "macro_recall", "macro_f1"):
                if heard.get(name) is not None:
                    found[f"style_{name}{suffix}"] = heard[name]
                    intervals |= _named(f"style_{name}{suffix}", name, heard)
        ratio, ends = recall_beside(self.style.get("generated", {}), self.style.get("human_test", {}))
        if ratio is not None:
            found["style_recall_beside_human"] = ratio
            intervals |= {"style_recall_beside_human": ends} if ends else {}
        return found | {"intervals": intervals}

    def to_json(self) -> dict[str, Any]:
        """A dict that `json.dumps(allow_nan=False)` takes."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return values | {"verdict": self.verdict.to_json() if self.verdict else None}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`; raises `BadInput` for what no report wrote."""
        try:
            verdict = values.get("verdict")
            return cls(**{**values, "verdict": Verdict.from_json(verdict) if verdict else None})
        except (TypeError, AttributeError) as error:
            raise BadInput(f"it is no report ({error}); evaluate the model again", "bad report") from error

    def to_markdown(self, with_files: bool = True) -> str:
        """The report for somebody who was not there: the verdict and why, then the evidence.

        Without files for where nothing lies beside it: pictures and links are left out.
        """
        blocks = sections(self)
        return markdown([block for block in blocks if with_files or not isinstance(block, (Picture, Files))])

    def decision(self) -> str:
        """The verdict and what the gate asked, as Markdown."""
        return markdown(gate_section(self))

    def to_html(self, folder: Path | None = None) -> str:
        """The same as one page; pictures that lie in `folder` become part of it."""
        return page(sections(self), str(self.model.get("name") or "Model"), folder)

    def write(self, folder: Path) -> tuple[Path, Path]:
        """`report.json`, `report.md` and `report.html` in `folder`, each whole or not at all; returns the first two.

        Draw the pictures first: the page holds those that lie in `folder`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
        written = {"report.html": self.to_html(folder), "report.md": self.to_markdown(), "report.json": text + "\n"}
        for name, content in written.items():
            _write_whole(folder / name, content)
        return folder / "report.json", folder / "report.md"


def _named(name: str, theirs: str, side: Mapping[str, Any]) -> dict[str, Any]:
    """The interval that `side` has of its figure `theirs`, if it has one, under another name."""
    ends = (side.get("intervals") or {}).get(theirs)
    return {name: ends} if ends else {}


def _plain(value: Any) -> Any:
    """Dicts, lists, words and finite numbers of Python; None for a number that is not finite."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _write_whole(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
