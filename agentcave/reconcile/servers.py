"""The tmux servers that a project has lived on: it lives on one at a time.

What is looked at is one socket. An agent that lives behind another one (another --socket or
TMUX_TMPDIR, a socket file that was deleted) is not seen there, and must be taken neither for
missing nor for a leftover.
"""

import json
import os
import signal
import time
from typing import NamedTuple

from agentcave.errors import CaveError, Unavailable
from agentcave.hosts import Host
from agentcave.hosts.processes import ProcessId, ends_within, identify
from agentcave.sessions.panes import Reading
from agentcave.state import State
from agentcave.tmux import Server, scrubbed

KEY = "servers"
PATIENCE = 2.0
"""Seconds for a server that leaves to have ended, and for a socket to be there again (tmux 3.3a:
40 ms, less than one)."""


class SocketGone(Unavailable):
    """A server lives, and nothing leads to it."""


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


def reopen(state: State) -> bool:
    """Whether sockets that somebody had deleted are there again: tmux makes them on SIGUSR1."""
    from agentcave.hosts.ending import send  # `ps` never comes here, and anyio is heavy

    lost = [home for home in _known(state) if _is_lost(home)]
    for home in lost:
        send(ProcessId(home.pid, home.start), signal.SIGUSR1)
    deadline = time.monotonic() + PATIENCE
    while any(map(_is_lost, lost)):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.005)
    return True


def refuse_lost(state: State) -> None:
    """Raises SocketGone when sessions may live on a server whose socket was deleted.

    Call it when no server was found.
    """
    for home in _known(state):
        if _is_lost(home) and not ends_within(home.pid, PATIENCE):
            raise SocketGone(
                f"the tmux server {home.pid} that this project lives on cannot be reached: its "
                f"socket {home.socket} is gone",
                "`agentcave up` has it made again",
            )


def other_home(state: State, pid: int | None) -> str | None:
    """The socket of a live server other than ``pid`` that sessions of the project began on."""
    others = (home for home in _known(state) if home.pid != pid and _is_alive(home))
    return next((home.socket for home in others), None)


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
    text = state.text(KEY) or "[]"
    with state.understanding(f"meta: {KEY}"):
        return [Home(str(socket), int(pid), int(start)) for socket, pid, start in json.loads(text)]


def _is_lost(home: Home) -> bool:
    """Whether the server lives, and nobody listens where its socket was."""
    if not _is_alive(home):
        return False
    import socket  # for `ps`, mostly, there is nothing to look at

    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(home.socket)
        except (FileNotFoundError, ConnectionRefusedError):
            return True
        except OSError:
            return False
    return False


def _is_alive(home: Home) -> bool:
    return identify(home.pid) == ProcessId(home.pid, home.start)
