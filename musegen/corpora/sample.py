"""A corpus made on the spot: public-domain music that music21 carries, performed and rendered as a creator's folder.

<folder>/<style>/<Title>.flac    the recording
<folder>/<style>/<Title>.mid     every note of it, its tempo and meter, a named track a voice
<folder>/<style>/<Title>.beats   lines of `seconds<TAB>position in the bar`, 1 = downbeat
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from musegen import audio, midi
from musegen.corpora import scores
from musegen.corpora.journal import Journal, Outcome, write_whole
from musegen.corpora.performance import choose_cast, perform
from musegen.corpora.scores import Source
from musegen.errors import BadInput, BadParams
from musegen.labels import Beats, Notes
from musegen.synth import render

STYLES = ("chorale", "reel", "jig", "hornpipe", "slip_jig", "strathspey")
"""What `make` takes by default; `scores.STYLES` has one more."""

RATE = 32_000

_README = """\
A sample corpus, made by `musegen sample`
=========================================

{tracks} pieces, {hours:.2f} hours: {styles}.

The music is in the public domain: chorales harmonised by Johann Sebastian Bach (1685-1750); dances from Ryan's
Mammoth Collection (Boston 1883) and O'Neill's Music of Ireland (Chicago 1903). The encodings of the scores come with
music21 (https://www.music21.org), whose corpus distributes them with the permission of their encoders; see its
corpus/license.txt. The performances and recordings are synthetic and made by musegen; do with them what you like.

style/Title.flac   the recording, {rate} Hz stereo
style/Title.mid    its notes, tempo and meter
style/Title.beats  its beats: seconds, tab, position in the bar (1 = downbeat)

Repeats are played once. Pieces left out, with the reason, are listed in .sample.json.
"""


@dataclass(frozen=True)
class Skipped:
    """A piece of the source that is not in the corpus, and why."""

    source: str
    style: str
    reason: str


@dataclass(frozen=True)
class SampleSummary:
    """What a call of `make` left in `folder`: tracks a style, their whole length, and how many it had to make anew."""

    folder: Path
    styles: Mapping[str, int]
    seconds: float
    made: int
    skipped: tuple[Skipped, ...]

    @property
    def tracks(self) -> int:
        """How many pieces there are."""
        return sum(self.styles.values())


def make(
    folder: Path,
    *,
    tracks: int,
    styles: Sequence[str] | None = None,
    seed: int = 0,
    workers: int = 2,
    on_progress: Callable[[int, int], None] | None = None,
) -> SampleSummary:
    """Fill `folder` with `tracks` pieces, as equally many a style as there are.

    The same `tracks`, `styles` and `seed` give the same bytes with any number of `workers` (processes). What is there
    already is kept, so an interrupted call goes on and a repeated one does nothing; files of an earlier call that do
    not belong are removed, other files are left alone. Pieces that can't be used are replaced by others of their style
    and named in the summary. `on_progress(done, total)` follows each piece made. Raises `BadParams` for unknown styles.
    """
    chosen = _known(STYLES if styles is None else styles)
    if tracks < 1 or workers < 1:
        raise BadParams(f"tracks {tracks}, workers {workers}: both must be at least 1")
    folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(folder, seed)
    candidates = _candidates(chosen, seed)
    made = 0
    with journal, _Crew(workers) as crew:
        while True:
            wanted = _selection(candidates, journal.outcomes, tracks)
            missing = [source for source in wanted if not journal.has(source)]
            if not missing:
                break
            done = len(wanted) - len(missing)
            for source, outcome in crew.work(missing, folder, seed):
                journal.add(source, outcome)
                if outcome.reason:
                    continue
                made, done = made + 1, done + 1
                if on_progress:
                    on_progress(done, tracks)
        tried = _tried(candidates, wanted)
        journal.keep_only(tried)
    return _summarise(folder, journal, tried, made)


def _known(styles: Sequence[str]) -> tuple[str, ...]:
    unknown = sorted(set(styles) - set(scores.STYLES))
    if unknown or not styles:
        raise BadParams(f"styles {unknown}: unknown; choose from {', '.join(scores.STYLES)}")
    return tuple(dict.fromkeys(styles))


def _candidates(styles: Sequence[str], seed: int) -> dict[str, list[Source]]:
    """The sources of each style in the order in which they are tried: by lot, the same however many are wanted."""
    out: dict[str, list[Source]] = {style: [] for style in styles}
    for source in scores.sources():
        if source.style in out:
            out[source.style].append(source)
    for sources in out.values():
        sources.sort(key=lambda source: hashlib.sha256(f"{seed}/{source.name}".encode()).digest())
    return out


def _selection(candidates: Mapping[str, list[Source]], outcomes: Mapping[str, Outcome], tracks: int) -> list[Source]:
    """The first sources of each style that are not known to be unusable, as equally many a style as there are."""
    unusable = {name for name, outcome in outcomes.items() if outcome.reason}
    usable = {
        style: [source for source in sources if source.name not in unusable] for style, sources in candidates.items()
    }
    shares = dict.fromkeys(usable, 0)
    for _ in range(min(tracks, sum(map(len, usable.values())))):
        behind = min((style for style in usable if shares[style] < len(usable[style])), key=lambda style: shares[style])
        shares[behind] += 1
    return [source for style, sources in usable.items() for source in sources[: shares[style]]]


def _tried(candidates: Mapping[str, list[Source]], wanted: Sequence[Source]) -> list[Source]:
    """`wanted` and the unusable ones that were passed over on the way to them."""
    last = {source.style: source for source in wanted}
    return [
        source
        for style, sources in candidates.items()
        if style in last
        for source in sources[: sources.index(last[style]) + 1]
    ]


class _Crew:
    """Processes that make pieces, started when there is work; one worker works in this process."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "_Crew":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def work(self, sources: Sequence[Source], folder: Path, seed: int) -> Iterator[tuple[Source, Outcome]]:
        """Make `sources`, in whatever order they are finished."""
        if self._workers == 1 or len(sources) == 1:
            yield from ((source, _make_piece(source, folder, seed)) for source in sources)
            return
        if self._pool is None:
            self._pool = ProcessPoolExecutor(self._workers, mp_context=get_context("spawn"))
        futures: dict[Future[Outcome], Source] = {
            self._pool.submit(_make_piece, source, folder, seed): source for source in sources
        }
        for future in as_completed(futures):
            yield futures[future], future.result()


def _make_piece(source: Source, folder: Path, seed: int) -> Outcome:
    """Parse, perform, render and write one source; what it does depends on its arguments alone."""
    try:
        piece = scores.read(source)
    except BadInput as error:
        return Outcome(source.style, source.title, reason=str(error))
    own_seed = int.from_bytes(hashlib.sha256(f"{seed}/{source.name}".encode()).digest()[:6], "big")
    cast = choose_cast(source.style, own_seed)
    score = perform(piece, source.style, cast, own_seed)
    labels = score.to_labels()
    sound = render(labels.notes or Notes(), rate=RATE, seed=own_seed, room=cast.room, engine="own")
    outcome = Outcome(source.style, source.title, seconds=round(sound.seconds, 3))
    paths = outcome.paths(folder)
    writers: tuple[Callable[[Path], object], ...] = (
        lambda path: audio.write(path, sound),
        lambda path: path.write_text(_beat_lines(labels.beats or Beats()), encoding="utf-8"),
        lambda path: midi.write(path, score, dict(enumerate(cast.names))),
    )
    for path, write in zip(paths, writers, strict=True):
        write_whole(path, write)
    return replace(outcome, sizes=tuple(path.stat().st_size for path in paths))


def _beat_lines(beats: Beats) -> str:
    pairs = zip(beats.seconds, beats.positions, strict=True)
    return "".join(f"{seconds:.6f}\t{position}\n" for seconds, position in pairs)


def _summarise(folder: Path, journal: Journal, tried: Sequence[Source], made: int) -> SampleSummary:
    outcomes = [(source, journal.outcomes[source.name]) for source in tried]
    used = [outcome for _, outcome in outcomes if not outcome.reason]
    counts = {style: sum(outcome.style == style for outcome in used) for style in scores.STYLES}
    summary = SampleSummary(
        folder=folder,
        styles={style: count for style, count in counts.items() if count},
        seconds=sum(outcome.seconds for outcome in used),
        made=made,
        skipped=tuple(Skipped(source.name, source.style, o.reason) for source, o in outcomes if o.reason),
    )
    named = ", ".join(f"{count} {style}" for style, count in summary.styles.items())
    text = _README.format(tracks=summary.tracks, hours=summary.seconds / 3_600.0, styles=named, rate=RATE)
    readme = folder / "README.txt"
    if not readme.is_file() or readme.read_text(encoding="utf-8") != text:
        write_whole(readme, lambda path: path.write_text(text, encoding="utf-8"))
    return summary
