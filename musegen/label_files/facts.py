"""What is said of a recording in words: the JSON object beside it, or its row in a table.

One list of column names serves every table and every JSON file (`_NAMES`, the best name first). Case, spaces, `_` and
`-` in them do not matter. Of a list, and of `rock/halftime` or `Rock; Pop` in a style, the first is taken. Rights are
read strictly: a consent that is no plain yes is a no, and a copyright notice is no licence.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from musegen.errors import BadInput, MusegenError
from musegen.label_files import licences, text
from musegen.labels import Style, Tempo
from musegen.theory import Key, Meter
from musegen.track import Said

SUFFIXES = frozenset({".json"})
SOURCE = ".json"

_NAMES = {
    "style": ("style", "stylemain", "genre", "genres", "genretop", "maingenre", "label", "class"),
    "title": ("title", "canonicaltitle", "tracktitle", "trackname", "songtitle", "songname", "song", "name"),
    "artist": ("artist", "artists", "artistname", "performer", "band", "composer", "canonicalcomposer", "author",
               "creator", "drummer"),
    "licence": ("licence", "license", "licencename", "licensename", "licenceurl", "licenseurl", "rights", "copyright"),
    "split": ("split", "partition", "subset"),
    "bpm": ("bpm", "tempo", "tempobpm", "beatsperminute"),
    "key": ("key", "musicalkey", "initialkey", "tonality", "keysignature"),
    "meter": ("meter", "metre", "timesignature", "timesig"),
}  # fmt: skip
_CONSENT = frozenset({"consent", "consentgiven", "hasconsent"})
# They hold notices more often than licences.
_NOTICES = frozenset({"rights", "copyright"})
# What spreadsheets and data frames write where nothing is known.
_NOTHING = frozenset({"", "nan", "null", "none", "n/a", "na", "-", "--", "?", "unknown"})
_MODES = {"M": "major", "dur": "major", "Dur": "major", "moll": "minor", "Moll": "minor"}
_YES = frozenset({"yes", "y", "true", "t", "1", "1.0", "ja", "wahr", "oui", "vrai", "sí", "si", "verdadero", "vero"})
_NO = frozenset({"no", "n", "false", "f", "0", "0.0", "nein", "falsch", "non", "faux", "falso"})
# What programs write into a cell that nobody filled, and people where nobody was asked.
_NOT_ASKED = frozenset({"", "nan", "na", "null", "-", "--", "—"})
_LONGEST_WORDS = 500


def read(path: Path) -> tuple[Said, tuple[str, ...]]:
    """What a JSON object says of its recording (AudioCraft's keys and their synonyms), and warnings as `said_from`.

    Raises `BadInput`: "empty", "not text", "bad facts" (no JSON, or no object).
    """
    return said_from(json_object(path, "bad facts"), SOURCE)


def json_object(path: Path, reason: str) -> dict[str, Any]:
    """The JSON object that a file holds; raises `BadInput` with `reason` where it is none, or as `text.read` does."""
    words = text.read(path)
    try:
        found = json.loads(words)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"it is not JSON ({str(error)[:100]}); export it again", reason) from error
    if not isinstance(found, dict):
        raise BadInput("it is JSON, but not an object in braces; write {\"style\": …}", reason)  # fmt: skip
    return found


def said_from(facts: Mapping[str, Any], source: str) -> tuple[Said, tuple[str, ...]]:
    """What columns say, with a warning for each value that can't be used (and is left out).

    `style`, `title`, `artist`, `licence` and `split` are as written, on one line; `key` and `meter` as `theory` spells
    them. Empty cells, `nan`, `n/a`, `unknown` and the like say nothing. A licence that is denied ("All rights
    reserved") is `""`. Any other word than yes in any column of consent is a no.
    """
    cells = {_plain(str(name)): value for name, value in facts.items()}
    consent, warnings = _consent([value for name, value in facts.items() if _plain(str(name)) in _CONSENT], source)
    known: dict[str, Any] = {"consent": consent}
    for field, names in _NAMES.items():
        found = [(name, words) for name in names if (words := _words(cells.get(name)))]
        if field == "licence":
            known[field], denied = _licence(found, source)
            warnings += denied
        elif found:
            name, words = found[0]
            try:
                known[field] = _MEANINGS.get(field, _as_written)(words)
            except (MusegenError, ValueError):
                warnings.append(f"{name} {words[:40]!r} in {source} is {_EXPECTED[field]}; it is left out")
    return Said(source, **known), tuple(warnings)


def _consent(cells: Iterable[Any], source: str) -> tuple[bool | None, list[str]]:
    """True if all that is said is yes, None if nothing is; a warning for each word that is neither yes nor no."""
    values = [value for cell in cells for value in (cell if isinstance(cell, list | tuple) else [cell])]
    words = [_one_line(str(value)) for value in values if value is not None and value != {}]
    said = [word for word in words if word.lower() not in _NOT_ASKED]
    strange = [word for word in said if word.lower() not in _YES | _NO]
    warnings = [
        f'consent {word[:40]!r} in {source} is neither yes nor no; it is taken for "no": write yes or no'
        for word in strange
    ]
    return all(word.lower() in _YES for word in said) if said else None, warnings


def _licence(found: list[tuple[str, str]], source: str) -> tuple[str | None, list[str]]:
    """The first of (column, words) that states a licence; `""` and a warning where one denies that there is any."""
    denied = next((words for name, words in found if name not in _NOTICES and licences.denies(words)), None)
    if denied is not None:
        return "", [f"licence {denied[:40]!r} in {source} is no licence; write the name of one (CC BY 4.0, …)"]
    said = (licences.name_of(words) if name in _NOTICES else licences.stated(words) for name, words in found)
    return next((licence for licence in said if licence), None), []


def key_of(words: str) -> Key:
    """A key in any usual spelling: `Eb:major`, `F# Minor`, `B-flat minor`, `Am`, or a Camelot number (`8A`).

    Raises `BadParams` for others, church modes among them.
    """
    camelot = re.fullmatch(r"(1[0-2]|0?[1-9])([ABab])", words.strip())
    if camelot:
        major = Key((int(camelot[1]) - 8) * 7 % 12)
        return Key((major.tonic - 3) % 12, True) if camelot[2] in "Aa" else major
    spelled = re.sub(r"[\s:_]+", " ", words.replace("-flat", "b").replace("-sharp", "#").replace(" flat", "b")
                     .replace(" sharp", "#")).strip()  # fmt: skip
    found = re.fullmatch(r"(\S[#b♯♭]?)\s*(.*)", spelled)
    tonic, mode = found.groups() if found else ("", "")
    return Key.parse(f"{tonic} {_MODES.get(mode, mode.lower())}")


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


def _words(value: Any) -> str:
    """A cell as one line of text; empty where it says nothing."""
    if isinstance(value, list | tuple):
        value = next(iter(value), None)
    if value is None or isinstance(value, Mapping | list) or (isinstance(value, float) and math.isnan(value)):
        return ""
    words = _one_line(str(value))
    return "" if words.lower() in _NOTHING else words


def _one_line(words: str) -> str:
    """Without half a surrogate pair, which JSON may hold and no table can store."""
    return " ".join(words.encode("utf-8", "replace").decode("utf-8").split())[:_LONGEST_WORDS]


def _as_written(words: str) -> str:
    return words


def _style(words: str) -> str:
    first = re.split(r"[;|,/]", words)[0].strip()
    Style.named(first)
    return first


def _bpm(words: str) -> float:
    found = text.number(re.sub(r"\s*bpm$", "", words, flags=re.IGNORECASE))
    if found is None:
        raise ValueError(words)
    return Tempo.stated(found).bpm


def _key(words: str) -> str:
    return str(key_of(words))


def _meter(words: str) -> str:
    """`4/4`, Groove's `4-4`, `C`, or a number of quarters."""
    common = {"C": "4/4", "C|": "2/2"}.get(words, words)
    if re.fullmatch(r"\d+(\.0)?", common):
        common = f"{int(float(common))}/4"
    return str(Meter.parse(re.sub(r"[-:_]", "/", common)))


_MEANINGS: dict[str, Callable[[str], Any]] = {
    "style": _style, "bpm": _bpm, "key": _key, "meter": _meter,
}  # fmt: skip
_EXPECTED = {
    "style": "no word",
    "bpm": "no tempo from 10 to 1000",
    "key": "no key such as D, F#m or Bb major",
    "meter": "no time signature such as 6/8",
}
