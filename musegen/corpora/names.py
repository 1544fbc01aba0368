"""What the name of a file says: which part it plays for the track of its stem, or why none."""

import re
import unicodedata
from functools import cache

from musegen import audio, midi
from musegen.label_files import chords, facts, jams, scores, tempo

LOSSY = frozenset({".mp3", ".ogg", ".opus", ".m4a", ".aac", ".mp4", ".wma", ".webm"})

AUDIO = "audio"
_ROLES = {
    **dict.fromkeys(sorted(audio.SUFFIXES), AUDIO),
    **dict.fromkeys(sorted(midi.SUFFIXES), "midi"),
    **dict.fromkeys(sorted(scores.SUFFIXES), "score"),
    **dict.fromkeys(sorted(chords.SUFFIXES), "chords"),
    **dict.fromkeys(sorted(jams.SUFFIXES), "jams"),
    **dict.fromkeys(sorted(tempo.SUFFIXES), "tempo"),
    **dict.fromkeys(sorted(facts.SUFFIXES), "facts"),
    ".beats": "beats",
}
# A bare .txt or .csv beside a recording could be anything; with these endings it says what it is.
_ENDINGS = {
    ".licence.txt": "licence", ".license.txt": "licence", ".beats.txt": "beats", ".beats.csv": "beats",
    ".beats.tsv": "beats",
}  # fmt: skip
_BARE = frozenset({".txt", ".csv", ".tsv"})

_JUNK_NAMES = {
    "thumbs.db": "a system file of Windows", "desktop.ini": "a system file of Windows",
    "ehthumbs.db": "a system file of Windows", "icon\r": "a system file of macOS",
}  # fmt: skip
_JUNK_FOLDERS = {
    "__macosx": "in __MACOSX, which macOS adds to archives", "@eadir": "in @eaDir, an index of a Synology disk",
    "#recycle": "in a recycle bin", "$recycle.bin": "in a recycle bin",
    "system volume information": "in a system folder of Windows",
}  # fmt: skip
_UNFINISHED = frozenset({".part", ".partial", ".crdownload", ".download", ".tmp", ".temp", ".!ut", ".!qb"})
_REASONS = {
    "an analysis file of a DAW": (".asd", ".reapeaks", ".pkf", ".sfk", ".sfl", ".ovw", ".peak", ".mepa"),
    "a project of a DAW; export it as audio or MIDI": (
        ".als", ".flp", ".cpr", ".rpp", ".ptx", ".logicx", ".aup", ".aup3", ".band", ".bwproject",
    ),
    "an archive; unpack it": (".zip", ".tar", ".gz", ".bz2", ".xz", ".7z", ".rar"),
    "a spreadsheet; export it as CSV": (".xlsx", ".xls", ".ods", ".numbers"),
    "a picture": (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".svg", ".heic"),
    "a table, which this layout does not read; the layout `table` does": (".csv", ".tsv", ".jsonl"),
    "a playlist or index of other files": (".m3u", ".m3u8", ".pls", ".cue", ".xspf", ".sfv", ".md5", ".sha256"),
}  # fmt: skip
_REASON_BY_SUFFIX = {suffix: reason for reason, suffixes in _REASONS.items() for suffix in suffixes}

_NUMBERED = (
    "disc|disk|cd|vol|volume|part|side|session|take|folder|batch|chunk|shard|fold|track|album|set|split|group|"
    "drummer|player|performer|singer|speaker|musician|artist|composer|user|subject|annotator"
)
_SAYS_NOTHING = re.compile(
    rf"[\W\d_]*|(?:{_NUMBERED})s?(?:[\W_]*\d+|[\W_]+[a-z])?|"
    r"audios?|wavs?|flacs?|mp3s?|oggs?|aiffs?|midis?|mids?|abc|musicxml|scores?|sounds?|data|dataset|corpus|"
    r"train|training|test|testing|valid|validation|val|dev|eval|songs?|music|tunes?|pieces?|recordings?|clips?|"
    r"samples?|stems?|mixes|masters?|files?|new folder|untitled folder|input|output|export|exports|bounces?",
)


def part_of(name: str) -> tuple[str, str] | None:
    """(stem, role) of a file by its name; None where the name says nothing to a corpus."""
    dot = name.rfind(".")
    if dot <= 0:
        return None
    suffix = name[dot:].lower()
    role = _ROLES.get(suffix)
    if role is not None:
        return name[:dot], role
    if suffix in _BARE:
        ending = name[name.rfind(".", 0, dot) :].lower()
        if ending in _ENDINGS and len(name) > len(ending):
            return name[: -len(ending)], _ENDINGS[ending]
    return None


def without_suffix(name: str) -> str:
    """The stem of a name as a table has it: known suffixes are taken off, other dots belong to the name."""
    found = part_of(name)
    return found[0] if found else name


def folded(name: str) -> str:
    """The same text for names that differ by case or Unicode form only."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def junk(name: str) -> str | None:
    """Why nobody means this file, whatever it holds; None where its name is an ordinary one."""
    if name.startswith("._"):
        return "an AppleDouble file, which macOS writes beside the real one"
    if name == ".DS_Store":
        return "a system file of macOS"
    if name.startswith("."):
        return "hidden or system file"
    lower = name.lower()
    if lower in _JUNK_NAMES:
        return _JUNK_NAMES[lower]
    if lower.endswith("~") or lower.startswith("~$"):
        return "a backup that an editor left"
    return "an unfinished copy or download" if lower[lower.rfind(".") :] in _UNFINISHED else None


def junk_folder(name: str) -> str | None:
    """Why nothing in a folder of this name is looked at; None where it is an ordinary one."""
    return "in a hidden folder" if name.startswith(".") else _JUNK_FOLDERS.get(name.lower())


def why_ignored(name: str) -> str:
    """Why a file that plays no part for any track is none of the corpus's business."""
    reason = _REASON_BY_SUFFIX.get(name[name.rfind(".") :].lower())
    return reason or "neither audio nor a label file"


@cache
def style_of(folder: str) -> str | None:
    """The style that a folder names (`"rock/disc 1"` → rock): its last part that says anything; None where none does.

    `folder` is relative to the corpus, with `/`. Folders named for what every corpus has (audio, train, disc 2, 1999)
    say nothing.
    """
    for part in reversed(folder.split("/")):
        name = part.strip("-_ ")
        if name and not _SAYS_NOTHING.fullmatch(folded(name)):
            return name
    return None


def shown(name: str) -> str:
    """A name on one line: bytes that are no UTF-8 as `\\xff`, line breaks as `\\n`."""
    text = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
