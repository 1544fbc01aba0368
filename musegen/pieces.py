"""A finished piece as files: MIDI for the workstation, sound, a piano roll, and a receipt."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from musegen import audio, midi, synth
from musegen.evaluation import music, pictures
from musegen.evaluation.music import Measured
from musegen.evaluation.originality import Borrowing, Originality
from musegen.generate import Composed

SAMPLE_RATE = 44_100


@dataclass(frozen=True)
class PieceFiles:
    """Where the files of one piece are, what was measured on it, and what was asked.

    `originality` is what it shares with the training pieces, None where the model carries none to compare with.
    """

    midi: Path
    sound: Path
    picture: Path
    receipt: Path
    measured: Measured
    asked: Mapping[str, Any]
    originality: Borrowing | None = None


def asked_of(composed: Composed) -> dict[str, Any]:
    """What was asked of a piece, open conditions settled, in plain values."""
    request = composed.request
    return {
        "style": request.style,
        "bpm": request.bpm,
        "key": str(request.key) if request.key else None,
        "meter": str(request.meter) if request.meter else None,
        "bars": request.bars,
        "continues_bars": len(request.prompt.bars) if request.prompt else 0,
        **request.sampling.model_dump(),
    }


def stem_of(composed: Composed, version: int) -> str:
    """`<style>_<bpm>bpm_<key>_seed<seed>_v<version>`, safe as a file name."""
    request = composed.request
    bpm = f"{request.bpm:g}" if request.bpm else "free"
    name = f"{request.style or 'piece'}_{bpm}bpm_{request.key}_seed{request.seed}_v{version}"
    return re.sub(r"[^\w#.+-]", "-", name)


def write(
    pieces: Sequence[Composed],
    folder: Path,
    model: Mapping[str, Any],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    originality: Originality | None = None,
) -> list[PieceFiles]:
    """Write every piece into `folder`; `model` (name, version, data_sha256, …) goes into the receipts.

    So does what each piece shares with the training pieces, where `originality` knows them.
    The receipt is written last: where it is, the piece is complete.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for piece in pieces:
        written.append(_write(piece, folder, model, originality))
        on_progress(len(written), len(pieces))
    return written


def _write(piece: Composed, folder: Path, model: Mapping[str, Any], originality: Originality | None) -> PieceFiles:
    stem = stem_of(piece, int(model.get("version") or 0))
    paths = {suffix: folder / f"{stem}.{suffix}" for suffix in ("mid", "wav", "png", "json")}
    score = piece.score
    midi.write(paths["mid"], score)
    notes = score.to_labels().notes
    if notes is not None:
        audio.write(paths["wav"], synth.render(notes, rate=SAMPLE_RATE, seed=piece.request.seed))
    style = (piece.request.style or "piece").replace("_", " ").capitalize()
    pictures.piano_roll(score, paths["png"], f"{style}, seed {piece.request.seed}")
    measured, asked = music.measure(score, piece.request.key), asked_of(piece)
    borrowing = originality.borrowing(score, piece.request.style) if originality else None
    receipt = {
        "asked": asked,
        "measured": asdict(measured),
        "as_asked": music.as_asked(measured, asked),
        "seed": piece.request.seed,
        "model": {name: model.get(name) for name in ("name", "version", "files_sha256")},
        "data_sha256": model.get("data_sha256"),
        "originality": borrowing.to_json() if borrowing else None,
    }
    temporary = paths["json"].with_suffix(".tmp")
    temporary.write_text(json.dumps(receipt, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(paths["json"])
    return PieceFiles(paths["mid"], paths["wav"], paths["png"], paths["json"], measured, asked, borrowing)
