"""What is there, seen without agentcave's own eyes: panes, stamps, markers, strangers."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from caving import Cave, alive, command_line_of, environment_of, pids

from agentcave.sessions.stamp import decode

MARKER = b"AGENTCAVE_SESSION_DIR="


class Seen(NamedTuple):
    """A stamped pane; ``key`` is cave/agent, ``id`` the session's."""

    key: str
    id: str
    pane: str
    pid: int
    dead: bool


class Sighting(NamedTuple):
    """``carriers``: living processes by the session whose marker they carry.

    ``strangers``: living processes of this world that are neither the tmux server, nor of a
    session, nor of a pane of the user's; with their command lines.
    """

    sessions: list[Seen]
    carriers: dict[str, list[int]]
    strangers: dict[int, str]

    def live(self, key: str) -> list[Seen]:
        return [one for one in self.sessions if one.key == key and not one.dead]


def look(cave: Cave) -> Sighting:
    sessions = list(_sessions(cave))
    carriers: dict[str, list[int]] = {}
    for pid, session in carriers_of(cave):
        carriers.setdefault(session, []).append(pid)
    known = {pid for members in carriers.values() for pid in members}
    known |= {pane.pid for pane in cave.panes()} | {server_pid(cave)}
    others = [pid for pid in cave.processes() if pid not in known and alive(pid)]
    strangers = {pid: _words(pid) for pid in others if not known & set(ancestors(pid))}
    return Sighting(sessions, carriers, strangers)


def carriers_of(cave: Cave) -> Iterator[tuple[int, str]]:
    """Living processes that carry the marker of a session of this world, and that session."""
    mark = MARKER + os.fsencode(f"{cave.home}/state/agentcave/")
    for pid in pids():
        for entry in environment_of(pid).split(b"\0"):
            if entry.startswith(mark) and alive(pid):
                yield pid, os.fsdecode(entry.rsplit(b"/", 1)[1])


def working_directory(pid: int) -> str:
    """ "" for a process that has just ended; one that was deleted says so at its end."""
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""


def server_pid(cave: Cave) -> int:
    """0 when there is none."""
    return int(cave.try_tmux("display-message", "-p", "#{pid}").stdout or 0)


def ancestors(pid: int) -> Iterator[int]:
    """The parents of a process, without the init that takes in orphans."""
    while pid > 1:
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                pid = int(file.read().rpartition(b")")[2].split()[1])
        except OSError:
            return
        yield pid


def _sessions(cave: Cave) -> Iterator[Seen]:
    for pane in cave.panes():
        if pane.stamped:
            word = pane.command.split("AGENTCAVE_STAMP=", 1)[1].split()[0].strip("'\"")
            stamp = decode(word)
            assert stamp is not None, pane.command
            key = f"{stamp.cave}/{stamp.agent}"
            yield Seen(key, stamp.session, pane.id, pane.pid, pane.dead)


def _words(pid: int) -> str:
    return command_line_of(pid).replace(b"\0", b" ").decode(errors="replace")
