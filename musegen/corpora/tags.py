"""Tags inside recordings (ID3, Vorbis comments, MP4, RIFF INFO), which say who, what and how fast."""

from pathlib import Path

from tinytag import TinyTag

from musegen.label_files import facts, licences
from musegen.track import Said

SOURCE = "tags"

# What tinytag calls them, whatever the container; of several the first that says something.
_KEYS = {
    "style": ("genre", "style"),
    "title": ("title",),
    "artist": ("artist", "albumartist", "composer"),
    "bpm": ("bpm", "tempo"),
    "key": ("initial_key",),
}
# What taggers write where a field must not stay empty.
_SAYS_NOTHING = {"style": {"other", "misc", "miscellaneous"}, "bpm": {"0", "0.0"}, "title": {"track", "audio track"}}


def read(path: Path) -> Said:
    """What the tags of a recording say; nothing where it has none, they are damaged, or their form is not known."""
    try:
        found = TinyTag.get(path, duration=False).as_dict()
        known = {field: _first(found, field, keys) for field, keys in _KEYS.items()}
        return facts.said_from({**known, **_rights(found)}, SOURCE)[0]
    except Exception:  # damaged tags raise whatever a parser meets; they are never worth a recording
        return Said(SOURCE)


def _texts(found: dict[str, str | float | list[str]], key: str) -> list[str]:
    value = found.get(key, [])
    texts = value if isinstance(value, list) else [str(value)]
    return [text.strip("\0 \t\r\n") for text in texts]


def _first(found: dict[str, str | float | list[str]], field: str, keys: tuple[str, ...]) -> str | None:
    texts = [text for key in keys for text in _texts(found, key)]
    return next((text for text in texts if text and text.lower() not in _SAYS_NOTHING.get(field, ())), None)


def _rights(found: dict[str, str | float | list[str]]) -> dict[str, str | None]:
    """A licence by the name that is usual for it, and of the notices of copyright the one that names a licence."""
    stated = next((text for text in _texts(found, "license") if text), "")
    notice = next((text for text in _texts(found, "copyright") if licences.name_of(text)), None)
    return {"licence": licences.name_of(stated) or stated, "copyright": notice}
