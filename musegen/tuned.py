"""`tuned.yaml`: better settings of the `generator` section, found by tuning and written by a machine.

It lies beside params.yaml, which stays as the person wrote it. It holds for the section that it was found for and no
other: once the person changes what the section says of model or training, it is ignored until the next search. DVC
records it beside the section, so the file is there from the start, empty.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from ruamel.yaml import YAML, YAMLError

from musegen.errors import BadParams
from musegen.settings import Settings
from musegen.space import Value
from musegen.workspace import Workspace

TUNED = "tuned.yaml"
_HEAD = (
    "Written by tuning, not by hand: what it found better than what params.yaml says of the generator.",
    "Once you change generator.model or generator.training there, it is ignored.",
)


class Tuned(Settings):
    """`values` by their paths below `generator`; `for` is the fingerprint of the section that they are better than."""

    made_for: str = Field("", alias="for")
    values: Mapping[str, Value] = Field(default_factory=dict)


def read(folder: Path) -> Tuned:
    """What `folder/tuned.yaml` holds; nothing where there is none. Raises `BadParams` for what no tuning wrote."""
    path = folder / TUNED
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")) or {}
        return Tuned.model_validate(content)
    except FileNotFoundError:
        return Tuned()
    except OSError as error:
        raise BadParams(f"{path}: it can't be read ({error.strerror}); see to it, or delete it") from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise BadParams(f"{path}: it is not YAML ({error}); delete it") from error
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"])) or "content"
        raise BadParams(f"{path}: {place}: {problem['msg']}, not {problem['input']!r}; delete the file") from error


def write(folder: Path, made_for: str, values: Mapping[str, Any], words: Sequence[str]) -> Path:
    """Replace `folder/tuned.yaml`, whole or not at all; `words` become its comments."""
    path = folder / TUNED
    temporary = path.with_name(f".{TUNED}.{os.getpid()}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.writelines(f"# {line}\n" for text in (*_HEAD, *words) for line in text.splitlines())
        if values:
            YAML().dump({"for": made_for, "values": dict(values)}, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return path


def start(workspace: Workspace) -> None:
    """An empty `tuned.yaml` where there is none; raises `BadParams` where dvc.yaml does not depend on it.

    A dvc.yaml of an earlier musegen would not see that what tuning found makes the generator stale.
    """
    if TUNED not in workspace.pipeline.read_text(encoding="utf-8"):
        raise BadParams(
            f"{workspace.pipeline}: the params of its stage `generator` lack {TUNED}; make a fresh workspace with "
            "`musegen init` in another folder, and copy its dvc.yaml here"
        )
    if not (workspace.root / TUNED).exists():
        write(workspace.root, "", {}, ())
