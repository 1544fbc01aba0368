"""What a report says, section by section, for somebody who was not there: the verdict and why, then the evidence."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from musegen.evaluation.blocks import Block, Figure, Files, Heading, Meanings, Picture, Table, Words, shown
from musegen.evaluation.distance import READINGS
from musegen.evaluation.meanings import DEFINITIONS

if TYPE_CHECKING:
    from musegen.evaluation.report import Report

LEARNING, FAMILIES, CONFUSION = "Learning", "Next token by family", "Styles asked and heard"
BY_STYLE, DISTANCES = "Nats a note by style", "Distance from human pieces"
"""Captions of the pictures that stand in a section of their own; others stand with the pieces."""

_ROWS = {
    "nll_per_note": "NLL per note (nats) ↓",
    "nll_per_beat": "NLL per beat (nats) ↓",
    "nll_per_bar": "NLL per bar (nats) ↓",
    "nll_per_token": "NLL per token (nats) ↓",
    "accuracy": "next token right ↑",
    "f1": "F1, mean of the families ↑",
    "notes": "test notes",
    "pieces": "test pieces",
}
_DIFFERENCES = ("nll_per_note", "nll_per_beat", "accuracy", "f1")
_PIECE_FACTS = ("style", "key", "meter", "bpm", "bars")


def sections(report: "Report") -> list[Block]:
    """The whole report as blocks, pictures and files by their paths beside it."""
    parts = (_heading, _attempts, _comparison, _families, _styles, _originality, _generated, _distances)
    blocks = [block for part in parts for block in part(report)]
    return [*blocks, Heading("What the words mean"), Meanings(DEFINITIONS)]


def gate_section(report: "Report") -> list[Block]:
    """The verdict in words, and what the gate asked, found and needed."""
    verdict = report.verdict
    if verdict is None:
        return [Words("Not judged.", "bad")]
    rows = [
        [
            "✓" if check.passed else "✗", spoken(check.name), _with(check.value, check.interval), check.needed,
            check.margin, check.words,
        ]
        for check in verdict.checks
    ]  # fmt: skip
    table = Table(["", "the gate asks", "found", "needed", "margin", "in words"], rows)
    return [Words(verdict.words, "good" if verdict.passed else "bad"), *([table] if rows else [])]


def _heading(report: "Report") -> Iterator[Block]:
    decision, *asked = gate_section(report)
    yield decision
    name = " ".join(str(report.model[key]) for key in ("name", "version") if report.model.get(key) is not None)
    facts = [f"{key} {shown(value)}" for key, value in report.model.items() if key not in ("name", "version")]
    yield Heading(name or "Model", 1)
    yield Words(", ".join([*facts, f"data {report.data_sha256[:12]}"]), "soft")
    yield from asked
    yield from _picture(report, LEARNING)


def _attempts(report: "Report") -> Iterator[Block]:
    """Whatever tuning tells of itself: single values as a sentence, lists of trials as a table."""
    if not report.attempts:
        return
    yield Heading("Attempts")
    if words := report.attempts.get("words"):
        yield Words(str(words))
    single = {name: value for name, value in report.attempts.items() if not isinstance(value, (list, dict))}
    facts = [f"{spoken(name)} {shown(value)}" for name, value in single.items() if name != "words"]
    yield Words(", ".join(facts), "soft")
    for name, rows in report.attempts.items():
        if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
            flat = [_flat(row) for row in rows]
            columns = list(dict.fromkeys(column for row in flat for column in row))
            yield Heading(spoken(name), 3)
            cells = [[row.get(column) for column in columns] for row in flat]
            yield Table([spoken(column) for column in columns], cells)


def _comparison(report: "Report") -> Iterator[Block]:
    known = _sides(report)
    rows = [
        [label, *(_with(side.get(key), (side.get("intervals") or {}).get(key)) for side in known.values())]
        for key, label in _ROWS.items()
        if any(side.get(key) is not None for side in known.values())
    ]
    if not rows:
        return
    yield Heading("On the test pieces")
    yield Table(["", *known], rows)
    beside = {name: side["beside"] for name, side in known.items() if side.get("beside")}
    if beside:
        yield Words("The model minus each of the others, over the same pieces:")
        cells = [
            [f"minus {name}", *(_difference(differences.get(key)) for key in _DIFFERENCES)]
            for name, differences in beside.items()
        ]
        yield Table(["", *(_ROWS[key] for key in _DIFFERENCES)], cells)
    for name, side in known.items():
        if side.get("words"):
            yield Words(f"{name[0].upper()}{name[1:]}: {side['words']}.", "soft")


def _families(report: "Report") -> Iterator[Block]:
    ours = report.figures.get("families") or {}
    if not ours:
        return
    measures, intervals = ("precision", "recall", "f1"), report.figures.get("intervals") or {}
    others = {name: side["families"] for name, side in list(_sides(report).items())[1:] if side.get("families")}
    rows = [
        [_family(name), row.get("support")]
        + [_with(row.get(measure), intervals.get(f"families.{name}.{measure}")) for measure in measures]
        + [side.get(name, {}).get("f1") for side in others.values()]
        for name, row in sorted(ours.items(), key=lambda item: -(item[1].get("support") or 0))
    ]
    yield Heading("The next token, by family")
    yield Table(["family", "tokens", "precision", "recall", "F1", *(f"F1 ({name})" for name in others)], rows)
    yield from _picture(report, FAMILIES)


def _styles(report: "Report") -> Iterator[Block]:
    if report.by_style:
        columns = [name for row in report.by_style.values() for name in row if name not in ("low", "high")]
        columns = list(dict.fromkeys(columns))
        rows = [[spoken(style), *(_styled(row, name) for name in columns)] for style, row in report.by_style.items()]
        yield Heading("By style")
        yield Table(["style", *map(spoken, columns)], rows)
        yield from _picture(report, BY_STYLE)
    if report.style:
        measures = ("accuracy", "majority", "macro_recall", "macro_precision", "macro_f1")
        rows = [
            [spoken(whose), row.get("n")]
            + [_with(row.get(name), (row.get("intervals") or {}).get(name)) for name in measures]
            for whose, row in report.style.items()
        ]
        yield Heading("What an independent judge hears")
        yield Table(["pieces", "number", "as asked", "by always guessing one", *map(spoken, measures[2:])], rows)
        for note in dict.fromkeys(row["note"] for row in report.style.values() if row.get("note")):
            yield Words(f"Note: {note}.", "soft")
        yield from _picture(report, CONFUSION)


def _originality(report: "Report") -> Iterator[Block]:
    found = report.originality
    if not found:
        return
    yield Heading("Originality")
    intervals = found.get("intervals") or {}
    facts = [
        f"{spoken(name)} {_with(found.get(name), intervals.get(name))}"
        for name in ("copied_share", "borrowed_beyond_people")
        if found.get(name) is not None
    ]
    yield Words(", ".join(facts))
    ours, theirs = (found.get(name) or {} for name in ("generated", "people"))
    if ours:
        measured = [
            [spoken(key), value, theirs.get(key), _surplus(value, theirs.get(key), intervals.get(key))]
            for key, value in ours.items()
        ]
        yield Table(["mean of a piece", "generated", "people", "generated minus people"], measured)
    rows = [_borrowed(place, piece, report.pieces) for place, piece in enumerate(found.get("pieces") or ())]
    if rows:
        yield Heading("The nearest training passages", 3)
        head = ["piece", "verdict", "share found", "bars", "nearest track", "its bars", "semitones", "score"]
        yield Table(head, sorted(rows, key=lambda row: -(row[2] or 0)))


def _borrowed(place: int, piece: Mapping[str, Any], pieces: Sequence[Mapping[str, Any]]) -> list[Any]:
    name = pieces[place].get("name") if place < len(pieces) else place + 1
    return [
        name, piece.get("verdict"), piece.get("covered"), _span(piece.get("bars")), piece.get("track"),
        _span(piece.get("track_bars")), piece.get("semitones"), piece.get("score"),
    ]  # fmt: skip


def _generated(report: "Report") -> Iterator[Block]:
    if report.as_asked or report.pieces:
        yield Heading("The pieces it made")
    if report.as_asked:
        kept = {name: value for name, value in report.as_asked.items() if value is not None}
        yield Words(", ".join(f"{spoken(name)} {value:.0%}" for name, value in kept.items()))
    if report.pieces:
        head = ["piece", "asked", "notes", "a bar", "in key", "polyphony", "bars repeated"]
        yield Table(head, [_piece_row(piece) for piece in report.pieces])
    files = {str(piece.get("name", "")): dict(piece["files"]) for piece in report.pieces if piece.get("files")}
    if files:
        yield Files(files)
    placed = (LEARNING, FAMILIES, CONFUSION, BY_STYLE, DISTANCES)
    yield from (Picture(caption, path) for caption, path in report.pictures.items() if caption not in placed)


def _distances(report: "Report") -> Iterator[Block]:
    if not report.distances:
        return
    rows = []
    for measure, row in report.distances.items():
        name, reading = READINGS.get(measure, (spoken(measure), ""))
        ends = [row["low"], row["high"]] if row.get("low") is not None else None
        values = [row.get("generated_mean"), row.get("human_mean"), _with(row.get("distance"), ends), row.get("chance")]
        rows.append([name, *values, _told_apart(row), reading])
    yield Heading("Beside human pieces")
    yield Table(["measure", "generated", "human", "distance", "chance", "so it is", "what it says"], rows)
    yield from _picture(report, DISTANCES)


def _told_apart(row: Mapping[str, Any]) -> str:
    distance, chance = row.get("distance"), row.get("chance")
    if distance is None or chance is None:
        return "–"
    if distance <= chance:
        return "like people's"
    more = (row.get("generated_mean") or 0) > (row.get("human_mean") or 0)
    return "more than people's" if more else "less than people's"


def _piece_row(piece: Mapping[str, Any]) -> list[Any]:
    asked, measured = piece.get("asked") or {}, piece.get("measured") or {}
    facts = [
        f"{shown(asked[name])} {name}" if name in ("bpm", "bars") else str(asked[name])
        for name in _PIECE_FACTS
        if asked.get(name) is not None
    ]
    names = ("notes", "notes_per_bar", "share_in_key", "polyphony", "repeated_bar_share")
    return [piece.get("name", ""), ", ".join(facts), *(measured.get(name) for name in names)]


def _sides(report: "Report") -> dict[str, Mapping[str, Any]]:
    sides = {
        "model": report.figures,
        "count model": report.baseline,
        "copy-last": report.copy_last,
        "champion": report.champion,
    }
    return {name: side for name, side in sides.items() if side}


def _picture(report: "Report", caption: str) -> Iterable[Block]:
    return [Picture(caption, report.pictures[caption])] if caption in report.pictures else []


def _with(value: Any, ends: Sequence[float] | None) -> Any:
    """A figure with its interval."""
    return value if value is None or not ends else Figure(value, ends[0], ends[1])


def _difference(row: Mapping[str, float] | None) -> Any:
    return _with(row["difference"], [row["low"], row["high"]]) if row else None


def _styled(row: Mapping[str, Any], name: str) -> Any:
    ends = [row["low"], row["high"]] if row.get("low") is not None else None
    return _with(row.get(name), ends) if name == "nll_per_note" else row.get(name)


def _span(bars: Any) -> str | None:
    return f"{bars[0]}–{bars[1]}" if isinstance(bars, list) and len(bars) == 2 else None


def _family(name: str) -> str:
    return "the end" if name == "condition" else name


def _surplus(ours: Any, theirs: Any, ends: Sequence[float] | None) -> Any:
    return _with(ours - theirs, ends) if ends and ours is not None and theirs is not None else None


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested mappings as one, names joined by dots; lists of two numbers become words."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= _flat(value, f"{before}{name}.") if isinstance(value, Mapping) else {f"{before}{name}": value}
    return {name: _span(value) if isinstance(value, list) else value for name, value in found.items()}


def spoken(name: str) -> str:
    """The name of a figure as a person says it."""
    return name.replace("_", " ").replace("nll", "NLL").replace("f1", "F1")
