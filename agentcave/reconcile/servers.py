"""The tmux servers that a project has lived on: it lives on one at a time.

What is looked at is one socket. An agent that lives behind another one (another --socket or
TMUX_TMPDIR, a socket file that was deleted) is not seen there, and must be taken neither for
missing nor for a leftover.
"""

import json
import os
from typing import NamedTuple

from agentcave.errors import CaveError
from agentcave.hosts import Host
from agentcave.hosts.processes import ProcessId, identify
from agentcave.sessions.panes import Reading
from agentcave.state import State
from agentcave.tmux import Server, scrubbed

KEY = "servers"


class Home(NamedTuple):
    """A server by its process; ``socket`` is the path that it was made with."""

    socket: str
    pid: int
    start: int


def remember(state: State, server: Server, pid: int) -> None:
    """Write down that sessions of the project were started on this server."""
    process = identify(pid)
    if process is None:
        return
    home = Home(os.path.abspath(server.socket_path(os.environ)), *process)
    known = _known(state)
    if home not in known:
        alive = [one for one in known if _is_alive(one)]
        state.set_meta(**{KEY: json.dumps([*alive, home])})


def refuse_elsewhere(host: Host, state: State, uid: str, pid: int | None) -> None:
    """Raises CaveError when sessions of the project may live on another server than ``pid``."""
    for home in _known(state):
        if home.pid == pid or not _is_alive(home):
            continue
        server = Server(home.socket)
        asked = server.argv("display-message", "-p", "#{pid}")
        answer = host.read(asked, environment=scrubbed(os.environ), timeout=5.0)
        if answer.stdout.strip() != str(home.pid).encode():
            raise CaveError(
                f"the tmux server {home.pid} that this project lives on cannot be reached: its "
                f"socket {home.socket} is gone",
                f"`kill -USR1 {home.pid}` makes it again; then run the same command once more",
            )
        names = [one.name for one in Reading(host, server).sessions() if one.stamp.uid == uid]
        if names:
            raise CaveError(
                f"this project lives on another tmux server, {home.socket}: {', '.join(names[:5])}",
                f"use --socket {home.socket}, or take it down there first",
            )


def _known(state: State) -> list[Home]:
    return [Home(*home) for home in json.loads(state.text(KEY) or "[]")]


def _is_alive(home: Home) -> bool:
    return identify(home.pid) == ProcessId(home.pid, home.start)
