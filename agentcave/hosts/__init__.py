"""Where processes are started and files of a cave live; this machine is the only one so far."""

from agentcave.hosts.base import Completed, Host, Pending, Stream
from agentcave.hosts.folders import cache_folder, existing_folder, project_folder, state_root
from agentcave.hosts.local import LocalHost
from agentcave.hosts.processes import environment_of, look

__all__ = [
    "Completed",
    "Host",
    "LocalHost",
    "Pending",
    "Stream",
    "cache_folder",
    "environment_of",
    "existing_folder",
    "look",
    "project_folder",
    "state_root",
]
