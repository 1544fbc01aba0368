"""What was found and made is found and made anew when the code that decides it changes, and only then."""

import ast
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from musegen import code

HOME = Path(code.__file__).parent
FINGERPRINTS = {"inspection": code.of_facts, "prepare": code.of_rows}
# They carry no decision about what is found in a file: words, paths, processes, progress.
NEUTRAL = {"errors", "settings", "workspace", "terminal", "guard", "code", "catalogue", "vocabulary", "shards/manifest",
           "shards/reader", "shards/__init__", "prepare"}  # fmt: skip


def modules_used_by(name: str) -> set[str]:
    """Every module of the package that `name` imports, directly or not, as paths without suffix."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        module = waiting.pop()
        path = HOME / f"{module}.py"
        if module in found or not path.exists():
            continue
        found.add(module)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("musegen"):
                base = (node.module or "").replace(".", "/").removeprefix("musegen").removeprefix("/")
                names = [f"{base}/{alias.name}".removeprefix("/") for alias in node.names]
                waiting += [base, f"{base}/__init__", *names, *(f"{each}/__init__" for each in names)]
    return found


@pytest.fixture
def copied_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    home = tmp_path / "musegen"
    shutil.copytree(HOME, home, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "__file__", str(home / "code.py"))
    yield home


@pytest.mark.parametrize("module", sorted(FINGERPRINTS))
def test_every_module_that_decides_is_in_the_fingerprint(copied_package: Path, module: str) -> None:
    fingerprint: Callable[[], str] = FINGERPRINTS[module].__wrapped__
    unchanged = fingerprint()
    used = modules_used_by(module) - NEUTRAL
    if module == "prepare":
        used = {name for name in used if not name.startswith("audio/")}  # rows are made of labels alone
    assert {"labels/notes", "corpora/folder", "label_files/beats", "midi"} <= used
    for name in used:
        source = copied_package / f"{name}.py"
        text = source.read_text()
        source.write_text(text + "# another\n")
        assert fingerprint() != unchanged, name
        source.write_text(text)
    for name in ("registry.py", "generate.py", "synth/mix.py", "corpora/sample.py"):
        (copied_package / name).write_text("something else")
    assert fingerprint() == unchanged


@pytest.mark.parametrize("module", sorted(FINGERPRINTS))
def test_a_library_of_another_version_has_another_fingerprint(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    fingerprint: Callable[[], str] = FINGERPRINTS[module].__wrapped__
    before = fingerprint()
    monkeypatch.setattr(code, "version", lambda library: "another")
    assert fingerprint() != before
