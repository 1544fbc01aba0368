"""Where the lines of a flow run go."""

import logging

import prefect  # noqa: F401 (its import sets up the handlers that are silenced here)


def keep_out_of_the_terminal() -> None:
    """Prefect and the services below it stop printing; Prefect's database still gets every line."""
    for name in ("prefect", "prefect.flow_runs", "prefect.task_runs"):
        for handler in logging.getLogger(name).handlers:
            if "Console" in type(handler).__name__:
                handler.setLevel(logging.CRITICAL)
