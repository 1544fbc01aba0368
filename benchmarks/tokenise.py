"""Writing tokens: ours against MidiTok's REMI, whose vocabulary and order we use. `python -m benchmarks.tokenise`."""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from miditok import REMI, TokenizerConfig
from symusic import Score as SymusicScore

from benchmarks.measuring import paired, tell
from musegen import midi
from musegen.score import SCORE_NOTE, Score
from musegen.theory import Meter
from musegen.tokens import Tokenizer, TokenizerSettings


def pieces(folder: Path | None, count: int) -> list[Score]:
    """MIDI files of a folder, or else made-up four-voice pieces of 64 bars."""
    if folder is not None:
        labels = [midi.read(path) for path in sorted(folder.rglob("*.mid"))[:count]]
        return [Score.from_labels(item.notes, item.beats) for item in labels if item.notes and item.beats]
    random = np.random.default_rng(0)
    made = []
    for _ in range(count):
        rows = [
            (index * 240, 240, int(random.integers(40, 90)), 80, 0, voice) for voice in range(4) for index in range(512)
        ]
        made.append(Score.steady(np.array(rows, SCORE_NOTE), Meter(4, 4), 120.0))
    return made


def main() -> None:
    """Both sides start from a parsed score in memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--count", type=int, default=20)
    asked, _ = parser.parse_known_args()
    ours, scores = Tokenizer.create(TokenizerSettings()), pieces(asked.folder, asked.count)
    peer = REMI(
        TokenizerConfig(
            beat_res={(0, 4): 12, (4, 12): 4}, use_velocities=False, use_programs=True, use_time_signatures=True,
            program_changes=True, one_token_stream_for_programs=True, use_pitchdrum_tokens=True,
        )
    )  # fmt: skip
    written = []
    with TemporaryDirectory() as folder:
        for score in scores:
            midi.write(Path(folder) / "piece.mid", score)
            written.append(SymusicScore(Path(folder) / "piece.mid"))
    figures = paired(
        lambda: [ours.encode(score) for score in scores], lambda: [peer.encode(score) for score in written]
    )
    rate = len(scores) / figures["ours_cpu_seconds"]
    tell("tokenise", {f"{len(scores)} pieces, peer MidiTok": {**figures, "pieces_per_cpu_second": rate}})


if __name__ == "__main__":
    main()
