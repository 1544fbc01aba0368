"""No removal is ever forgotten silently."""

import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen import removal
from musegen.errors import BadInput, Unavailable
from musegen.removal import Tombstone

A = Tombstone("1234e567" + "0" * 24, "jig/a", "2026-11-22", 'The heirs object; "all of it"', "ann")
B = Tombstone("b" * 32, "jig/b", "2026-11-23")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "removed.csv"


def test_without_a_file_nothing_is_removed(path: Path) -> None:
    assert removal.read(path) == {}


def test_what_is_removed_stays_removed_until_it_is_restored(path: Path) -> None:
    removal.add(path, [B])
    removal.add(path, [A])
    assert removal.read(path) == {A.track: A, B.track: B} and list(removal.read(path)) == [A.track, B.track]
    removal.drop(path, {B.track})
    assert removal.read(path) == {A.track: A}
    removal.drop(path, {A.track})
    assert removal.read(path) == {} and path.exists()


def test_who_is_removed_already_keeps_the_first_tombstone(path: Path) -> None:
    removal.add(path, [A])
    removal.add(path, [Tombstone(A.track, "another name", "2027-01-01"), B])
    assert removal.read(path) == {A.track: A, B.track: B}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_however_a_spreadsheet_saves_it_the_removals_stay(path: Path, delimiter: str, encoding: str) -> None:
    removal.add(path, [A, B])
    lines = path.read_text("utf-8-sig").replace('"The heirs object; ""all of it"""', "X").splitlines()
    saved = [lines[0], *reversed(lines[1:]), ",,,,"]
    path.write_bytes("\n".join(saved).replace(",", delimiter).encode(encoding))
    assert removal.read(path).keys() == {A.track, B.track}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("t:bbbb", "bbbb", None), ("2026-11-23", "23.11.26", None), ("end", "END", None),
        (f"t:{B.track},jig/b,'2026-11-23,,\r\n", "", "it has 1 removed, but its last row says 2 removed"),
        ("end,2 removed,,,\r\n", "", "its last row says nothing"), ("2 removed", "3 removed", "says 3 removed"),
        ("t:bbbb", "t:xxxx", "row 3, column track"), (f"t:{B.track}", "1E+31", "made a number of it"),
        (f"t:{B.track}", f"t:{A.track}", "row 3: this track is in the table already"), ("track", "trakc", "no column"),
    ],
)  # fmt: skip
def test_a_table_that_has_lost_or_gained_a_row_is_refused(path: Path, old: str, new: str, told: str | None) -> None:
    removal.add(path, [A, B])
    text = path.read_bytes().decode("utf-8-sig")
    assert old in text
    path.write_bytes(text.replace(old, new).encode())
    if told is None:
        assert removal.read(path).keys() == {A.track, B.track}
        return
    for use in (removal.read, lambda path: removal.add(path, [A]), lambda path: removal.drop(path, [A.track])):
        before = path.read_bytes()
        with pytest.raises(BadInput, match=f"removed.csv: .*{told}"):
            use(path)
        assert path.read_bytes() == before


def test_wherever_it_is_cut_it_is_whole_or_refused(path: Path) -> None:
    removal.add(path, [A, B])
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        try:
            assert removal.read(path).keys() == {A.track, B.track}
        except BadInput:
            continue
        assert length >= len(content) - 2  # only the last line end is gone


@settings(max_examples=60)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), max_size=9), min_size=4, max_size=4))
def test_a_tombstone_is_read_back_unchanged(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    path = tmp_path_factory.getbasetemp() / "tombstones.csv"
    path.unlink(missing_ok=True)
    stone = Tombstone(A.track, *words)
    removal.add(path, [stone])
    assert removal.read(path) == {A.track: stone}


def test_a_file_that_another_process_holds_is_unavailable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "_LOCK_SECONDS", 0.1)
    removal.add(path, [A])
    with FileLock(path.with_name(".removed.csv.lock")), pytest.raises(Unavailable, match="another process"):
        removal.add(path, [B])
    assert removal.read(path) == {A.track: A}


def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(Unavailable, match=r"it can.t be written"):
        removal.add(tmp_path / "data" / "removed.csv", [A])


REMOVER = """
import sys
from pathlib import Path
from musegen.removal import Tombstone, add
for index in range(5):
    add(Path(sys.argv[1]), [Tombstone(f"{int(sys.argv[2]):016x}{index:016x}", "x", "2026-11-22")])
"""


def test_of_two_who_remove_at_once_nothing_is_lost(path: Path) -> None:
    command = [sys.executable, "-c", REMOVER, str(path)]
    racers = [subprocess.Popen([*command, str(index)], cwd=Path(__file__).parent.parent) for index in range(2)]
    assert [racer.wait(60) for racer in racers] == [0, 0]
    assert len(removal.read(path)) == 10
