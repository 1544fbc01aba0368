"""A dataset that lies elsewhere leaves a pointer in its folder, and nothing else, whenever it is killed."""

from pathlib import Path

import pytest

from musegen.errors import BadInput
from musegen.shards import elsewhere, manifest
from musegen.shards.manifest import MANIFEST, POINTER, STAGING, Manifest
from musegen.shards.store import Store


@pytest.fixture
def there(tmp_path: Path) -> Store:
    place = Store.at(tmp_path / "there")
    manifest.commit(place, Manifest(()))
    return place


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Its dataset still lies in it."""
    inside = tmp_path / "data" / "listening"
    manifest.commit(inside, Manifest(()))
    (inside / "split=train").mkdir()
    (inside / "split=train" / "shard").touch()
    return inside


def files(folder: Path) -> list[str]:
    return list(Store.at(folder).list())


def test_a_pointer_takes_the_place_of_the_dataset(folder: Path, there: Store) -> None:
    assert elsewhere.place_of(folder) == Store.at(folder) and elsewhere.moved_on(folder) == []
    elsewhere.point(folder, there, Manifest(()))
    assert files(folder) == [POINTER] and not (folder / STAGING).exists()
    assert elsewhere.place_of(folder) == there and elsewhere.moved_on(folder) == []


def test_another_dataset_in_the_place_is_told(folder: Path, there: Store) -> None:
    elsewhere.point(folder, there, Manifest(()))
    (folder / POINTER).write_text((folder / POINTER).read_text().replace(Manifest(()).data_sha256, "0" * 64))
    assert "are recorded; prepare again" in elsewhere.moved_on(folder)[0]
    there.delete(MANIFEST)
    assert "there is no dataset" in elsewhere.moved_on(folder)[0]


def test_the_folder_itself_by_another_name_is_not_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    alias = folder.parent / "alias"
    alias.symlink_to(folder)
    for name in (Path("listening"), folder / ".." / "listening", alias):
        (folder / POINTER).touch()
        elsewhere.point(folder, Store.at(name), Manifest(()))
        assert files(folder) == [MANIFEST, "split=train/shard"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"place": "/a"}'])
def test_a_damaged_pointer_is_refused(folder: Path, content: str) -> None:
    (folder / POINTER).write_text(content)
    for ask in (elsewhere.place_of, elsewhere.moved_on):
        with pytest.raises(BadInput, match="it is damaged"):
            ask(folder)


class Killed(BaseException):
    """No `except` of the code under test sees this, as none sees a SIGKILL."""


def test_a_kill_at_any_point_leaves_nothing_that_the_next_run_does_not_remove(
    folder: Path, there: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(20):
        left = step

        def dying(operation):
            def run(*arguments, **options):
                nonlocal left
                left -= 1
                if left < 0:
                    raise Killed
                return operation(*arguments, **options)

            return run

        with monkeypatch.context() as patch:
            for name in ("replace", "unlink", "open"):
                patch.setattr(Path, name, dying(getattr(Path, name)))
            try:
                elsewhere.point(folder, there, Manifest(()))
                break
            except Killed:
                pass
        known = {MANIFEST, POINTER, "split=train/shard"}
        assert {path for path in files(folder) if not path.startswith(f"{STAGING}/")} <= known
    assert 3 < step < 19
    assert files(folder) == [POINTER]
