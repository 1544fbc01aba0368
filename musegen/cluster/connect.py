"""A Ray cluster for as long as it is needed: the one `RAY_ADDRESS` names, else a private one on this machine."""

import atexit
import logging
import os
import secrets
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

import ray

from musegen.errors import Unavailable

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_TEMPORARY, _CURRENT = "RAY_TMPDIR", "ray_current_cluster"
# Below it lie sockets, whose paths may have 103 bytes; Ray and the session take 85.
_LONGEST_FOLDER = 18
_kept: ExitStack | None = None


@contextmanager
def kept_open() -> Iterator[None]:
    """Inside, the first `connected` starts Ray, and it stays until the end of this block."""
    global _kept
    if _kept is not None or ray.is_initialized():
        yield
        return
    with ExitStack() as _kept:
        try:
            yield
        finally:
            _kept = None


@contextmanager
def connected(cpus: int | None = None) -> Iterator[None]:
    """Be connected inside the block; an outer connection is used as it is.

    `cpus` is how many a private cluster offers, by default all of the machine. Raises `Unavailable` where
    `RAY_ADDRESS` names a cluster that does not answer.
    """
    if ray.is_initialized():
        yield
    elif _kept is not None:
        _kept.enter_context(_cluster(cpus))
        yield
    else:
        with _cluster(cpus):
            yield


@contextmanager
def _cluster(cpus: int | None) -> Iterator[None]:
    address = os.environ.get("RAY_ADDRESS")
    _write_token()
    with nullcontext() if address else _new_folder() as folder:
        try:
            with _own_signals(), _temporary_files(folder):
                ray.init(
                    address=address or "local",
                    num_cpus=None if address else cpus,
                    include_dashboard=None if address else False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    runtime_env={"env_vars": _variables_for_workers()},
                )
        except (ConnectionError, TimeoutError, RuntimeError) as error:
            raise Unavailable(f"Ray at {address or 'this machine'}: no cluster answers ({error}); start it") from error
        try:
            if folder:
                (folder / "ray" / _CURRENT).write_text(ray.get_runtime_context().gcs_address)
            yield
        finally:
            ray.shutdown()


@contextmanager
def _new_folder() -> Iterator[Path]:
    """A folder for the files of one private cluster, gone after the block.

    In a shared one, Ray's processes may take another cluster of this machine for theirs, the one noted there: a Train
    run then asks that one whether its controller lives, hears that there is none, and takes its workers' places away.
    """
    wanted = os.environ.get(_TEMPORARY) or tempfile.gettempdir()
    folder = Path(tempfile.mkdtemp(prefix="musegen-", dir=wanted if len(wanted) <= _LONGEST_FOLDER else "/tmp"))
    # Once more at the exit: Ray's processes may still write for a moment after they were told to go.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _temporary_files(folder: Path | None) -> Iterator[None]:
    """Ray's processes that are started inside find their files in `folder`; other children of this process do not."""
    before = os.environ.get(_TEMPORARY)
    if folder:
        os.environ[_TEMPORARY] = str(folder)
    try:
        yield
    finally:
        if before is not None:
            os.environ[_TEMPORARY] = before
        else:
            os.environ.pop(_TEMPORARY, None)


@contextmanager
def _own_signals() -> Iterator[None]:
    """What this process was told to do on SIGTERM stays as it was; where it was told nothing, it exits as Ray has it.

    Set again, because what Ray puts before Python's handler aborts the process three seconds after the signal.
    """
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        handler = before if callable(before) else signal.getsignal(signal.SIGTERM)
        if callable(handler) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


def cluster_cpus() -> int:
    """Processors that the connected cluster offers."""
    return _resource("CPU")


def cluster_gpus() -> int:
    """Accelerators that the connected cluster offers."""
    return _resource("GPU")


def free_cpus() -> int:
    """Processors of the connected cluster that nobody has taken."""
    return _free("CPU")


def free_gpus() -> int:
    """Accelerators of the connected cluster that nobody has taken."""
    return _free("GPU")


def _resource(name: str) -> int:
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return int(resources.get(name, 0))


def _free(name: str) -> int:
    resources: dict[str, float] = ray.available_resources()  # type: ignore[no-untyped-call]
    return int(resources.get(name, 0))


def _write_token() -> None:
    """A token for the private cluster, so that Ray does not put one into the home folder."""
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH", ""))
    if "RAY_AUTH_TOKEN" in os.environ or not path.name or path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(32), encoding="utf-8")


def _variables_for_workers() -> dict[str, str]:
    # No keys: what is handed over can be read in the records of the cluster.
    names = (
        "MUSEGEN_WORKSPACE", "NUMBA_CACHE_DIR", "MPLCONFIGDIR", "MLFLOW_TRACKING_URI", "AWS_ENDPOINT_URL", "AWS_REGION",
        "AWS_DEFAULT_REGION", "TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S",
    )  # fmt: skip
    handed = {name: os.environ[name] for name in names if name in os.environ}
    # One thread a task: Ray would give a task of several processors as many.
    return handed | {name: os.environ.get(name, "1") for name in _THREADS}
