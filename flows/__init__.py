"""The order of things: Prefect flows over the tasks. Importing any of them sets the environment first."""

from musegen.workspace import Workspace, set_environment

set_environment(Workspace.current())
