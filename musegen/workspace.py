"""Where a project keeps its things, and the environment in which its libraries run.

A workspace is a folder with `params.yaml` and `dvc.yaml`: the folder one stands in, or `MUSEGEN_WORKSPACE`. What is
not tracked by DVC lies in its `.musegen/`, nothing in the home folder. The usual variables (`PREFECT_API_URL`,
`MLFLOW_TRACKING_URI`, `RAY_ADDRESS`) switch from the embedded services to real ones.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from musegen.errors import BadParams

VARIABLE = "MUSEGEN_WORKSPACE"


@dataclass(frozen=True)
class Workspace:
    """The paths of a project below its `root`."""

    root: Path

    @classmethod
    def current(cls) -> "Workspace":
        """The workspace that the environment names, else the folder one stands in."""
        return cls(Path(os.environ.get(VARIABLE) or Path.cwd()).resolve())

    def checked(self) -> "Workspace":
        """Itself, if it has the two files that make it one; raises `BadParams` otherwise."""
        for file in (self.params, self.pipeline):
            if not file.exists():
                raise BadParams(f"{self.root}: it has no {file.name}; run `musegen init {self.root}` first")
        return self

    @property
    def params(self) -> Path:
        """Every number a person may turn."""
        return self.root / "params.yaml"

    @property
    def pipeline(self) -> Path:
        """DVC's stages."""
        return self.root / "dvc.yaml"

    @property
    def data(self) -> Path:
        """Catalogue, rejects and datasets."""
        return self.root / "data"

    @property
    def labels(self) -> Path:
        """The table of labels that people correct."""
        return self.data / "labels.csv"

    @property
    def removed(self) -> Path:
        """The tracks that were removed for good."""
        return self.data / "removed.csv"

    @property
    def composing(self) -> Path:
        """The composing dataset."""
        return self.data / "composing"

    @property
    def listening(self) -> Path:
        """The listening dataset."""
        return self.data / "listening"

    @property
    def datasets(self) -> tuple[Path, ...]:
        """Both datasets, there or not."""
        return self.composing, self.listening

    @property
    def generator(self) -> Path:
        """The trained generator."""
        return self.root / "models" / "generator"

    @property
    def reports(self) -> Path:
        """Reports with their pictures and pieces."""
        return self.root / "reports"

    @property
    def hidden(self) -> Path:
        """What is embedded: databases, caches, runs, the local DVC remote."""
        return self.root / ".musegen"

    @property
    def runs(self) -> Path:
        """Checkpoints and progress of training runs."""
        return self.hidden / "runs"

    def corpus(self, name: str) -> Path:
        """The folder of recordings that params.yaml names, relative to the workspace."""
        return (self.root / name).resolve()


def set_environment(workspace: Workspace) -> None:
    """Set what is not set: homes of the embedded services, no telemetry, sane thread counts.

    Call it before prefect, ray, mlflow, dvc or librosa are imported; they read their environment on import.
    """
    hidden = workspace.hidden
    python = f"{sys.version_info.major}{sys.version_info.minor}"
    defaults = {
        VARIABLE: str(workspace.root),
        "PREFECT_HOME": str(hidden / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "DVC_SITE_CACHE_DIR": str(hidden / "dvc"),
        "DO_NOT_TRACK": "true",  # MLflow accepts only the word
        "MLFLOW_TRACKING_URI": f"sqlite:///{hidden / 'mlflow.db'}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ENABLE_AI_GATEWAY": "false",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds: an outage costs seconds, not the minutes of its own defaults
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
        # A frozen worker does not answer the farewell, and holds up its replacement for so long.
        "TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S": "2",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(hidden / "ray" / "auth_token"),
        "RAY_DEDUP_LOGS": "1",
        "NUMBA_CACHE_DIR": str(hidden / "numba" / f"py{python}"),
        "MPLCONFIGDIR": str(hidden / "matplotlib"),
        "OMP_NUM_THREADS": "1",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    if workspace.params.exists():
        # Prefect's server opens its database there without making the folder.
        Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)
