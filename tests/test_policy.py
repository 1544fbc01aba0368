"""The rules of the house, read off the source: who may import whom, one door a library, sizes, names."""

import ast
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(path for top in ("flows", "tasks", "musegen") for path in (ROOT / top).rglob("*.py"))

# Each line may use the lines before it and its own.
ORDER = [
    {"errors", "settings", "workspace", "terminal", "guard", "clock", "space"},
    {"theory", "change", "audio"},
    {"features"},
    {"labels"},
    {"track", "instruments", "ear"},
    {"score"},
    {"midi", "midi_events", "synth"},
    {"label_files"},
    {"corpora", "augment", "tokens", "fingerprint", "grouping", "alignment"},
    {"vocabulary", "context", "grammar", "code"},
    {"survey_cache", "catalogue", "spreadsheet", "label_table", "removal", "splits", "inspection"},
    {"opening"},
    {"verdicts", "copies"},
    {"memory"},
    {"survey"},
    {"survey_report"},
    {"shards"},
    {"prepare"},
    {"models"},
    {"training"},
    {"evaluation"},
    {"generate"},
    {"tuned"},
    {"pieces", "params"},
    {"registry", "versions", "outcome"},
    {"cluster"},
    {"stages"},
    {"commands"},
    {"cli", "__main__"},
]
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}
DOORS = {
    "prefect": ("flows/", "tasks/"),
    "ray": ("musegen/cluster/",),
    "mlflow": ("musegen/registry/",),
    "tinytag": ("musegen/corpora/tags.py",),
    "mirdata": ("musegen/corpora/mirdata.py",),
    "dvc": ("musegen/versions/",),
    "librosa": ("musegen/features.py",),
}
LONGEST_FILE, LONGEST_FUNCTION, LONGEST_INIT = 300, 40, 25
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "core"}


def imports(path: Path) -> list[tuple[str, bool]]:
    """Modules that a file imports, and whether at its top level."""
    tree = ast.parse(path.read_text())
    found = []
    for node in ast.walk(tree):
        top = node in tree.body
        if isinstance(node, ast.Import):
            found += [(alias.name, top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.module, top))
            if node.module in ("musegen", "tasks", "flows"):
                found += [(f"{node.module}.{alias.name}", top) for alias in node.names]
    return found


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_go_down_only(path: Path) -> None:
    top, *rest = path.relative_to(ROOT).with_suffix("").parts
    for module, _ in imports(path):
        target = module.split(".")
        if top == "musegen" and rest[:1] != ["cli"]:
            assert target[0] not in ("flows", "tasks"), f"{module} is above the library"
        if top == "tasks":
            assert target[0] != "flows", f"{module} is above the tasks"
        if top == "flows" and rest != ["retrain"]:
            assert target[0] != "flows", f"flows do not import each other: {module}"
        if top == "musegen" and rest != ["__init__"] and target[0] == "musegen" and len(target) > 1:
            assert target[1] in RANK, f"{target[1]} has no place in the order"
            assert RANK[target[1]] <= RANK[rest[0]], f"{rest[0]} may not use {target[1]}"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_every_library_has_one_door(path: Path) -> None:
    for module, _ in imports(path):
        doors = DOORS.get(module.split(".")[0])
        assert doors is None or name_of(path).startswith(doors), f"{module} is for {', '.join(doors or ())}"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    lines = text.count("\n")
    assert lines <= (LONGEST_INIT if path.name == "__init__.py" else LONGEST_FILE)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < LONGEST_FUNCTION, f"{node.name} is too long"


def test_only_flows_and_the_front_door_read_params_yaml() -> None:
    readers = {
        name_of(path)
        for path in SOURCES
        if "load(workspace.params" in path.read_text() or "params.load(" in path.read_text()
    }
    allowed = {"musegen/commands.py"} | {f"musegen/cli/{name}.py" for name in ("data", "judging", "models", "music")}
    assert {reader for reader in readers if not reader.startswith("flows/")} <= allowed


def test_names_say_what_a_file_holds() -> None:
    assert not [name_of(path) for path in SOURCES if path.stem in VAGUE]


def test_every_python_package_that_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = " ".join([*project["dependencies"], *chain(*project["optional-dependencies"].values())]).lower()
    known_by_another_name = {
        "sklearn": "scikit-learn",
        "python_stretch": "python-stretch",
        "ruamel": "ruamel.yaml",
        "fluidsynth": "pyfluidsynth",
    }
    # scipy and threadpoolctl are scikit-learn's own, dvc_objects is dvc's.
    comes_with = {"flows", "tasks", "musegen", "scipy", "threadpoolctl", "dvc_objects"}
    for path in SOURCES:
        for module, _ in imports(path):
            top = module.split(".")[0]
            if top not in sys.stdlib_module_names and top not in comes_with:
                assert known_by_another_name.get(top, top) in declared, f"{name_of(path)} imports {module}"


def test_the_workspace_template_is_the_demo_preset() -> None:
    from musegen import params

    assert params.PRESETS["demo"] == {}
    assert params.load(ROOT / "params.yaml") == params.Params.model_validate(
        params.load(ROOT / "params.yaml").model_dump()
    )
