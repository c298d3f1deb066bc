"""A controller, seen from the commands that meet it."""

import contextlib
import os
import signal

from agentcave.errors import CaveError
from agentcave.hosts import LocalHost
from agentcave.hosts.ending import send
from agentcave.hosts.processes import ProcessId, ends_within, identify
from agentcave.reconcile.controllers import controller_of
from agentcave.sessions.panes import Reading
from agentcave.tmux import Server, scrubbed

PATIENCE = 10.0
"""Seconds that a controller has to end; one that does nothing ends at once."""


def end_controller(server: Server, folder: str, uid: str) -> None:
    """End the controller of a project, if there is one, and take its session away.

    Call it under the project's lock: it does nothing meanwhile. Raises CaveError.
    """
    controller = controller_of(folder)
    if controller is not None and not _ended(controller.process, signal.SIGTERM):
        _ended(controller.process, signal.SIGKILL)
    if controller is not None and identify(controller.pid) == controller.process:
        raise CaveError(f"the controller (pid {controller.pid}) does not end", "end it by hand")
    host = LocalHost()
    for one in Reading(host, server).sessions():
        if one.stamp.uid == uid and one.is_controller:
            host.read(server.argv("kill-pane", "-t", one.pane), environment=scrubbed(os.environ))


def _ended(process: ProcessId, number: int) -> bool:
    """Signal a process, and wait for its end."""
    with contextlib.suppress(ProcessLookupError):
        send(process, number)
        return ends_within(process.pid, PATIENCE)
    return True
