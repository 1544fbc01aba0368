"""A Ray cluster for as long as it is needed: the one `RAY_ADDRESS` names, else a private one on this machine."""

import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray

from musegen.errors import Unavailable

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def connected(cpus: int | None = None) -> Iterator[None]:
    """Be connected inside the block; an outer connection is used as it is.

    `cpus` is how many a private cluster offers, by default all of the machine. Raises `Unavailable` where
    `RAY_ADDRESS` names a cluster that does not answer.
    """
    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS")
    _write_token()
    try:
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
        yield
    finally:
        ray.shutdown()


def cluster_cpus() -> int:
    """Processors that the connected cluster offers."""
    return _resource("CPU")


def cluster_gpus() -> int:
    """Accelerators that the connected cluster offers."""
    return _resource("GPU")


def _resource(name: str) -> int:
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
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
        "AWS_DEFAULT_REGION",
    )  # fmt: skip
    handed = {name: os.environ[name] for name in names if name in os.environ}
    # One thread a task: Ray would give a task of several processors as many.
    return handed | {name: os.environ.get(name, "1") for name in _THREADS}
