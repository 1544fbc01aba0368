"""Pushing, and what the remote truly holds.

DVC believes its index of the remote and a folder's list: an object that was lost, cut short or flipped there stays so,
push after push, and is missed when somebody pulls. So all that dvc.lock names is looked up, what has never been read
back is read, and what is wrong is sent again.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dvc.data_cloud import get_index
from dvc.exceptions import DvcException
from dvc.fs import localfs
from dvc.repo import Repo

from musegen.errors import MusegenError, Unavailable
from musegen.versions.checked import Checked, stamp
from musegen.versions.datasets import refuse_damaged
from musegen.versions.objects import Recorded, contents, is_right, lies_right, named, outputs, several
from musegen.versions.session import visit
from musegen.workspace import Workspace

_AT_ONCE = 32  # objects that are read between two notes of what is known
_MISSING, _WRONG = "the remote lacks it", "its content in the remote is not what dvc.lock records"


@dataclass(frozen=True)
class Pushed:
    """What a push did: objects that DVC sent, objects that were read back, and the names of those sent again."""

    sent: int
    checked: int
    repaired: tuple[str, ...]


def push(workspace: Workspace) -> Pushed:
    """Send what the remote lacks; afterwards every object that dvc.lock names is in the remote, and is right.

    Raises `Unavailable`, naming the files, where that is not so and nothing here is fit to be sent again; and, with
    nothing sent, where a recorded dataset is not what its own manifest says.
    """
    return visit(workspace, partial(_push, workspace))


def check_remote(workspace: Workspace, read_all: bool) -> list[str]:
    """Every way in which the remote is not what dvc.lock says, in words; empty when all is well.

    `read_all`: read every object, else those that have changed or were never read.
    """

    def work(repo: Repo) -> list[str]:
        holding = _Holding(workspace, repo)
        wrong = holding.wrong(holding.named(), read_all)
        return [f"{item}: {words}; run `musegen push`" for item, words in wrong.items()]

    return visit(workspace, work)


def _push(workspace: Workspace, repo: Repo) -> Pushed:
    holding = _Holding(workspace, repo)
    holding.ready_lists()
    refuse_damaged(workspace, repo, _mend_cache)
    sent = int(repo.push())
    named_here = holding.named()
    wrong = holding.wrong(named_here)
    for item in wrong:
        holding.send_again(item)
    still = holding.wrong(list(wrong))
    if still:
        raise Unavailable(
            f"{named(still)}: not whole in the remote ({holding.place}), and no whole copy could be sent from here; "
            "push from where they are whole, or see that the remote takes data, or make them again with "
            "`musegen prepare`"
        )
    return Pushed(sent, holding.read, tuple(str(item) for item in wrong))


class _Holding:
    """What the default remote holds of what dvc.lock names."""

    def __init__(self, workspace: Workspace, repo: Repo) -> None:
        self._repo = repo
        self._remote = repo.cloud.get_remote_odb()
        self.place = str(self._remote.fs.unstrip_protocol(self._remote.path))
        self._known = Checked(workspace, self._remote)
        self.read = 0
        self._named: list[Recorded] = []

    def named(self) -> list[Recorded]:
        """All objects, each once."""
        with _answering(self.place):
            found = contents(outputs(self._repo), self._repo.cache.local, self._remote)
        self._named = list({item.oid: item for item in found}.values())
        return self._named

    def wrong(self, items: Sequence[Recorded], read_all: bool = False) -> dict[Recorded, str]:
        """The objects that are missing or harmed, and which of it in words."""
        with _answering(self.place):
            self._remote.fs.fs.invalidate_cache()  # a bucket's listing from before the push tells nothing
            stamps = dict(zip(items, several(partial(stamp, self._remote), items), strict=True))
            unread = [
                item
                for item, mark in stamps.items()
                if mark is not None and (read_all or not self._known.is_known(item, mark))
            ]
            harmed = set()
            for first in range(0, len(unread), _AT_ONCE):
                some = unread[first : first + _AT_ONCE]
                for item, right in zip(some, several(partial(is_right, self._remote), some), strict=True):
                    mark = stamps[item]
                    if right and mark is not None:
                        self._known.learn(item, mark)
                    else:
                        harmed.add(item)
                if self._named:
                    self._known.keep(self._named)
        self.read += len(unread)
        return {
            item: _WRONG if item in harmed else _MISSING
            for item, mark in stamps.items()
            if mark is None or item in harmed
        }

    def ready_lists(self) -> None:
        """Mend the lists of folders here, and drop harmed ones there: DVC can push over neither."""
        lists = [item for item in outputs(self._repo) if item.is_list]
        for item in lists:
            _mend_cache(self._repo, item)
        for item, words in self.wrong(lists).items():
            if words == _WRONG:
                self._drop(item)

    def send_again(self, item: Recorded) -> None:
        """Put a right copy, where there is one here, in the place of what the remote holds, past DVC's index."""
        cache = self._repo.cache.local
        if not _mend_cache(self._repo, item):
            return
        self._drop(item)
        with _answering(self.place):
            self._remote.add(cache.oid_to_path(item.oid), cache.fs, item.oid, check_exists=False, verify=False)

    def _drop(self, item: Recorded) -> None:
        """Take it out of the remote, and make DVC forget that it was there."""
        with _answering(self.place):
            with closing(get_index(self._remote)) as index:
                index.clear()
            with suppress(FileNotFoundError):
                self._remote.delete(item.oid)


def _mend_cache(repo: Repo, item: Recorded) -> bool:
    """Whether the cache has the object right, a harmed one being replaced from the workspace where that is right."""
    cache = repo.cache.local
    if is_right(cache, item):
        return True
    with suppress(FileNotFoundError):
        cache.delete(item.oid)
    if item.is_list:
        _list_again(repo, item)
    elif lies_right(repo, item):
        cache.add(str(Path(repo.root_dir) / item.path), localfs, item.oid, check_exists=False, verify=False)
    return is_right(cache, item)


def _list_again(repo: Repo, folder: Recorded) -> None:
    """Make the list of a folder's files anew, if the folder in the workspace is the recorded one."""
    for out in repo.index.outs:
        if out.hash_info and out.hash_info.value == folder.oid and not out.workspace_status():
            out.commit(relink=False)


@contextmanager
def _answering(place: str) -> Iterator[None]:
    try:
        yield
    except (MusegenError, DvcException):
        raise
    except Exception as error:  # every kind of remote has exceptions of its own
        raise Unavailable(
            f"{place}: the remote does not answer as it ought to ({error}); see to it, then run again"
        ) from error
