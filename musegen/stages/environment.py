"""What a version was made with, beside the data and the settings: Python, the libraries that figures depend on."""

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from musegen.errors import BadInput

FILE = "environment.json"
_LIBRARIES = ("musegen", "torch", "numpy", "scipy", "scikit-learn", "pyarrow", "miditok", "symusic", "safetensors")


def present() -> dict[str, str]:
    """Name → version, here and now; `none` for what is not installed."""
    found = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    return {**found, **{name: _version(name) for name in _LIBRARIES}}


def keep(folder: Path) -> None:
    """Write the present one into `folder`."""
    (folder / FILE).write_text(json.dumps(present(), indent=1) + "\n", encoding="utf-8")


def read(folder: Path) -> dict[str, str]:
    """The one that a version keeps; empty where it keeps none. Raises `BadInput` for a damaged one."""
    path = folder / FILE
    try:
        return {str(name): str(value) for name, value in json.loads(path.read_text(encoding="utf-8")).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        raise BadInput(f"{path}: it is damaged ({error}); delete the folder to fetch it again", "damaged") from error


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
