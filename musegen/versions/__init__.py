"""The only door to DVC: is a stage stale, record it, push and pull its outputs, check the remote.

Flows run in process and DVC records: after a recorded run `dvc status` is clean and `dvc repro` has nothing to do.

project.py  start, changes, record, recorded, code_revision
session.py  one visit to DVC: waits for locks, clears what killed commands left, explains errors
leftovers.py  what a killed DVC command leaves in its file of locks
objects.py  which objects dvc.lock names, and whether a copy of one is right
remote.py   push and check_remote: what the remote holds is read back
datasets.py  refuses to push a dataset that is not what its manifest says
checked.py  remembers which objects of the remote were read back
pulling.py  pull and check_workspace: what lies in the workspace is what dvc.lock says
beside.py   bring: recorded data into another workspace
"""

from musegen.versions.beside import bring
from musegen.versions.project import changes, code_revision, record, recorded, start
from musegen.versions.pulling import check_workspace, pull
from musegen.versions.remote import Pushed, check_remote, push

__all__ = [
    "Pushed", "bring", "changes", "check_remote", "check_workspace", "code_revision", "pull", "push", "record",
    "recorded", "start",
]  # fmt: skip
