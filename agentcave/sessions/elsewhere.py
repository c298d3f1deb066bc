"""Agents that run behind another tmux socket, whatever history knows of them.

Two agents of one name must not work in one directory, also where both the history and the socket
are others (a service and a shell with another XDG_STATE_HOME), or the history is lost. What both
have in common is the directory, by device and inode, and that tmux tells its socket to each pane.
"""

import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from agentcave.errors import CaveError
from agentcave.hosts.processes import environment_of, look

MARKER = b"AGENTCAVE_SESSION_DIR="


class Seat(NamedTuple):
    """Of one agent: its name, and the directory of its workspace."""

    cave: str
    agent: str
    device: int
    inode: int


class Elsewhere(NamedTuple):
    """``folder`` is the session's own."""

    pid: int
    socket: str
    folder: str


def elsewhere(socket: str) -> dict[Seat, Elsewhere]:
    """Every agent behind another socket than this path; blocking, one pass over /proc.

    As far as environments may be read: those of the same user, and in the same pid namespace.
    """
    return {seat: one for seat, one in _all() if not _same(one.socket, socket)}


def folders(socket: str, root: str) -> set[str]:
    """The names of the sessions whose folders lie in ``root`` and whose panes do so elsewhere."""
    begin = f"{root}/"
    return {
        one.folder.removeprefix(begin)
        for one in elsewhere(socket).values()
        if one.folder.startswith(begin)
    }


def refuse_taken(taken: Mapping[Seat, Elsewhere], cave: str, agent: str, workspace: str) -> None:
    """Raises CaveError when this agent runs elsewhere in the same workspace."""
    if not taken:
        return
    about = os.stat(workspace)
    other = taken.get(Seat(cave, agent, about.st_dev, about.st_ino))
    if other is not None:
        raise CaveError(
            f"{cave}/{agent} runs already behind the tmux socket {other.socket} (process "
            f"{other.pid}), of another history: two would work in {workspace}",
            f"go on there (--socket {other.socket}), or end that one first",
        )


def _all() -> Iterator[tuple[Seat, Elsewhere]]:
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        environment = environment_of(int(name), MARKER)
        folder, cave = environment.get("AGENTCAVE_SESSION_DIR"), environment.get("AGENTCAVE_CAVE")
        socket, server, *_ = [*environment.get("TMUX", "").split(","), ""]
        if not (folder and cave and server) or not _is_root(int(name), server):
            continue
        try:
            place = os.stat(f"/proc/{name}/root{environment.get('AGENTCAVE_WORKSPACE')}")
        except OSError:
            continue
        seat = Seat(cave, environment.get("AGENTCAVE_AGENT", ""), place.st_dev, place.st_ino)
        yield seat, Elsewhere(int(name), socket, folder)


def _is_root(pid: int, server: str) -> bool:
    """Whether a process is what a live tmux server began in a pane."""
    process = look(pid)
    return (
        process is not None
        and not process.is_gone
        and process.session == pid
        and str(process.parent) == server
    )


def _same(one: str, other: str) -> bool:
    try:
        return one == other or os.path.samefile(one, other)
    except OSError:
        return False
