"""What was found and made is found and made anew when the code that decides it changes, and only then."""

import ast
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest

from musegen import code
from musegen.augment import AnySound

HOME = Path(code.__file__).parent
SOUND = get_args(get_args(AnySound)[0])
NOISE, STRETCH = "musegen.augment.noise", "musegen.augment.stretch"
FINGERPRINTS: dict[str, Callable[[], str]] = {
    "inspection": code.of_facts.__wrapped__,
    "prepare/composing": code.of_composing_rows.__wrapped__,
    "prepare/listening": lambda: code.of_listening_rows.__wrapped__(frozenset({NOISE, STRETCH})),
}
# They carry no decision about what is found in a file: words, paths, processes, progress, lists of what there is.
NEUTRAL = {"errors", "settings", "workspace", "terminal", "guard", "code", "catalogue", "vocabulary", "clock",
           "augment/__init__", "augment/kinds", "prepare/__init__", "prepare/plan", "prepare/recipe", "shards/manifest",
           "shards/reader", "shards/store", "shards/__init__"}  # fmt: skip


def modules_used_by(name: str) -> set[str]:
    """Every module of the package that `name` imports, directly or not, as paths without suffix."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        module = waiting.pop()
        path = HOME / f"{module}.py"
        if module in found or module in NEUTRAL or not path.exists():
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
    fingerprint = FINGERPRINTS[module]
    unchanged = fingerprint()
    used = modules_used_by(module)
    if module == "prepare/composing":
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


@pytest.mark.parametrize("kind", sorted({Path(each.__module__.replace(".", "/")).name for each in SOUND}))
def test_what_an_augmentation_leans_on_is_in_the_fingerprint(copied_package: Path, kind: str) -> None:
    chosen = frozenset({f"musegen.augment.{kind}"})
    unchanged = code.of_listening_rows.__wrapped__(chosen)
    for name in modules_used_by(f"augment/{kind}"):
        source = copied_package / f"{name}.py"
        text = source.read_text()
        source.write_text(text + "# another\n")
        assert code.of_listening_rows.__wrapped__(chosen) != unchanged, name
        source.write_text(text)


def test_an_augmentation_that_is_not_used_makes_no_row_anew(copied_package: Path) -> None:
    fingerprint = FINGERPRINTS["prepare/listening"]
    unchanged = fingerprint()
    (copied_package / "augment" / "reverb.py").write_text("something else")
    assert fingerprint() == unchanged
    (copied_package / "augment" / "noise.py").write_text("something else")
    assert fingerprint() != unchanged


@pytest.mark.parametrize("module", sorted(FINGERPRINTS))
def test_a_library_of_another_version_has_another_fingerprint(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    fingerprint = FINGERPRINTS[module]
    before = fingerprint()
    monkeypatch.setattr(code, "version", lambda library: "another")
    assert fingerprint() != before
