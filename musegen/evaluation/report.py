"""What was found out about one model, for machines (`report.json`) and for people (`report.md`)."""

import json
import math
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Self

from musegen.errors import BadInput
from musegen.evaluation.gate import Verdict

_ROWS = {
    "nll_per_note": "NLL per note (nats) ↓",
    "nll_per_bar": "NLL per bar (nats) ↓",
    "nll_per_token": "NLL per token (nats) ↓",
    "accuracy": "next token right ↑",
    "notes": "test notes",
    "pieces": "test pieces",
}
FOR_GATE = (
    "nll_per_note", "nll_per_bar", "nll_per_token", "accuracy", "precision", "recall", "f1", "families", "notes",
    "pieces", "tokens", "bpm_as_asked", "meter_as_asked", "bars_as_asked", "key_as_asked", "share_in_key",
    "style_accuracy", "style_macro_recall", "style_macro_f1", "style_accuracy_without_meter",
    "style_macro_recall_without_meter", "style_macro_f1_without_meter", "style_recall_beside_human",
)  # fmt: skip
"""The figures that a gate may ask for; dots lead inside, as in `families.pitch.f1`."""
_PIECE_FACTS = ("style", "key", "meter", "bpm", "bars")
_DEFINITIONS = {
    "NLL": "mean negative log-likelihood of music the model has not seen, in nats: one less, and each note was held "
    "2.7 times as probable. Models compare per note and per bar; per token only with the same tokenizer.",
    "count model": "how often each token followed the few before it in the training pieces: what counting achieves.",
    "next token right": "share of test tokens that the model held the most probable. By family, precision: of the "
    "times it said so, how often rightly; recall: of the times it was so, how often said; F1: their harmonic mean.",
    "independent judge": "trees on interval, rhythm and form statistics of the human training pieces; it knows nothing "
    "of the model. Its word on generated pieces is worth what it scores on human test pieces. “Without meter” hides "
    "the time signature and the places in the bar, which generation keeps by construction.",
    "as asked": "share of generated pieces with the very tempo, meter or bars asked for; a key is kept where at least "
    "nine in ten notes are in its scale.",
    "distance": "Wasserstein distance of generated from human pieces over the mean difference of two human pieces: 0 "
    "is the same. Up to “chance”, as many human pieces might lie as far off.",
    "not worse than champion": "mean difference in nats per note over the same test pieces; the upper end of its "
    "bootstrap interval must not exceed the tolerance.",
}


@dataclass(frozen=True)
class Report:
    """One model on one test split. All values are plain: numbers, words, lists and dicts of them.

    - `model`: what it is (`name`, `version`, `kind`, `parameters`, …); `data_sha256`: of the dataset that made it.
    - `figures`, `baseline`, `champion`: likelihood figures on the same test pieces (`nll_per_note`, `nll_per_bar`,
      `nll_per_token`, `accuracy`, `families` → `precision`, `recall`, `f1`, `support`; `notes`, `pieces`, `per_piece`).
    - `by_style`: style → figures by name, shown as a table. `style`: whose pieces (`human`, `generated`,
      `generated_without_meter`, …) → the fields of `StyleFigures`.
    - `as_asked`: shares of generated pieces that are what was asked. `pieces`: one mapping each, with `name`, `asked`,
      `measured` and, if drawn, `picture`. `distances`: measure → the fields of `Distance`.
    - `pictures`: caption → file name beside the report.
    Dataclasses given as values are turned into dicts, numbers that are not finite into None.
    """

    model: Mapping[str, Any]
    data_sha256: str
    figures: Mapping[str, Any]
    baseline: Mapping[str, Any] | None = None
    champion: Mapping[str, Any] | None = None
    by_style: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    style: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    as_asked: Mapping[str, float] = field(default_factory=dict)
    pieces: Sequence[Mapping[str, Any]] = ()
    distances: Mapping[str, Any] = field(default_factory=dict)
    verdict: Verdict | None = None
    pictures: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for each in fields(self):
            if each.name != "verdict":
                object.__setattr__(self, each.name, _plain(getattr(self, each.name)))

    def for_gate(self) -> dict[str, Any]:
        """The figures a gate may ask for: likelihood, `as_asked`, and `style_accuracy`, `style_macro_recall`, ….

        The last are what `style` says of `"generated"`; of `"generated_without_meter"`, `style_accuracy_without_meter`.
        `style_recall_beside_human` is how often an asked style is heard, over how often the same judge hears it in
        human test pieces: what a style that can't be told apart costs both sides.
        """
        found = {**self.figures, **self.as_asked}
        for suffix in ("", "_without_meter"):
            for name in ("accuracy", "macro_recall", "macro_f1"):
                value = self.style.get(f"generated{suffix}", {}).get(name)
                found |= {f"style_{name}{suffix}": value} if value is not None else {}
        human = self.style.get("human_test", {}).get("macro_recall")
        if human and "style_macro_recall" in found:
            found["style_recall_beside_human"] = found["style_macro_recall"] / human
        return found

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

    def to_markdown(self) -> str:
        """The report for somebody who was not there: the verdict and why, then the evidence."""
        parts = [
            *_heading(self),
            *_comparison(self),
            *_families(self),
            *_styles(self),
            *_generated(self),
            *_pictures(self.pictures),
            "## What the words mean",
            "\n".join(f"- **{word}**: {meaning}" for word, meaning in _DEFINITIONS.items()),
        ]
        return "\n\n".join(part for part in parts if part) + "\n"

    def write(self, folder: Path) -> tuple[Path, Path]:
        """`report.json` and `report.md` in `folder`; each appears whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
        written = (folder / "report.md", self.to_markdown()), (folder / "report.json", text + "\n")
        for path, content in written:
            _write_whole(path, content)
        return folder / "report.json", folder / "report.md"


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


def _heading(report: Report) -> Iterable[str]:
    yield f"**{report.verdict.words}**" if report.verdict else "**Not judged.**"
    name = " ".join(str(report.model[key]) for key in ("name", "version") if report.model.get(key) is not None)
    facts = [f"{key} {_shown(value)}" for key, value in report.model.items() if key not in ("name", "version")]
    yield f"# {name or 'Model'}"
    yield ", ".join([*facts, f"data `{report.data_sha256[:12]}`"])
    if report.verdict and report.verdict.checks:
        rows = [
            ["✓" if check.passed else "✗", _spoken(check.name), check.value, check.needed, check.margin]
            for check in report.verdict.checks
        ]
        yield _table(["", "the gate asks", "found", "needed", "margin"], rows)


def _comparison(report: Report) -> Iterable[str]:
    sides = {"model": report.figures, "count model": report.baseline, "champion": report.champion}
    known = {name: side for name, side in sides.items() if side}
    rows = [
        [label, *(side.get(key) for side in known.values())]
        for key, label in _ROWS.items()
        if any(side.get(key) is not None for side in known.values())
    ]
    if rows:
        yield "## On the test pieces"
        yield _table(["", *known], rows)


def _families(report: Report) -> Iterable[str]:
    ours = report.figures.get("families") or {}
    theirs = (report.baseline or {}).get("families") or {}
    measures = ("precision", "recall", "f1")
    rows = [
        [family, values.get("support"), *(values.get(measure) for measure in measures)]
        + ([theirs.get(family, {}).get(measure) for measure in measures] if theirs else [])
        for family, values in sorted(ours.items(), key=lambda item: -(item[1].get("support") or 0))
    ]
    if rows:
        head = ["family", "tokens", "precision", "recall", "F1"]
        yield "## The next token, by family"
        yield _table(head + ([f"{name} (count model)" for name in head[2:]] if theirs else []), rows)


def _styles(report: Report) -> Iterable[str]:
    if report.by_style:
        columns = list(dict.fromkeys(name for row in report.by_style.values() for name in row))
        rows = [[_spoken(style), *(row.get(name) for name in columns)] for style, row in report.by_style.items()]
        yield "## By style"
        yield _table(["style", *map(_spoken, columns)], rows)
    if report.style:
        measures = ("n", "accuracy", "majority", "macro_recall", "macro_precision", "macro_f1")
        rows = [[_spoken(whose), *(row.get(name) for name in measures)] for whose, row in report.style.items()]
        yield "## What an independent judge hears"
        yield _table(["pieces", "number", "as asked", "by always guessing one", *map(_spoken, measures[3:])], rows)
        notes = dict.fromkeys(row["note"] for row in report.style.values() if row.get("note"))
        yield "\n".join(f"Note: {note}." for note in notes)


def _generated(report: Report) -> Iterable[str]:
    if report.as_asked or report.pieces:
        yield "## The pieces it made"
    if report.as_asked:
        yield ", ".join(f"{_spoken(name)} {value:.0%}" for name, value in report.as_asked.items() if value is not None)
    if report.pieces:
        head = ["piece", "asked", "notes", "a bar", "in key", "polyphony", "bars repeated"]
        yield _table(head, [_piece_row(piece) for piece in report.pieces])
    if report.distances:
        names = ("generated_mean", "human_mean", "distance", "low", "high", "chance")
        rows = [[_spoken(measure), *(row.get(name) for name in names)] for measure, row in report.distances.items()]
        yield "### Beside human pieces"
        yield _table(["measure", "generated", "human", "distance", "from", "to", "chance"], rows)


def _piece_row(piece: Mapping[str, Any]) -> list[Any]:
    asked, measured = piece.get("asked") or {}, piece.get("measured") or {}
    facts = [
        f"{_shown(asked[name])} {name}" if name in ("bpm", "bars") else str(asked[name])
        for name in _PIECE_FACTS
        if asked.get(name) is not None
    ]
    names = ("notes", "notes_per_bar", "share_in_key", "polyphony", "repeated_bar_share")
    return [piece.get("name", ""), ", ".join(facts), *(measured.get(name) for name in names)]


def _pictures(pictures: Mapping[str, str]) -> Iterable[str]:
    if pictures:
        yield "## Pictures"
        yield "\n\n".join(f"![{caption}]({name.replace(' ', '%20')})" for caption, name in pictures.items())


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(_shown(cell) for cell in line) + " |" for line in lines)


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}" if abs(value) >= 10 else f"{value:.3f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def _spoken(name: str) -> str:
    return name.replace("_", " ").replace("nll", "NLL").replace("f1", "F1")


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
