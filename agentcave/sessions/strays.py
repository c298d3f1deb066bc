"""Orphans that a tmux server holds, and which session each of them came from.

A server that agentcave started becomes the parent of every orphan below it (``tmux.subreaper``),
also of one that forked twice, led a kernel session of its own and cleaned its environment. Any
other server holds none.
"""

import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from agentcave.hosts.processes import (
    Process,
    ProcessId,
    children,
    environment_of,
    leads_there,
    protected,
    snapshot,
)
from agentcave.model.observed import ObservedSession
from agentcave.sessions.launch import HELD

GRACE = 5.0
UNKNOWN = ""
PERSON = "a person"
"""Whose a process is that began in a window or popup which is no agent's."""
OUR_SERVER = b"/agentcave/tmux/defaults.conf\0-D\0"


class Stray(NamedTuple):
    """A process that can be attributed to no session. ``since``: seconds since the epoch."""

    id: ProcessId
    command: str
    since: float


def strays(
    server: int, sessions: Iterable[ObservedSession], spare: Collection[int] = ()
) -> tuple[Stray, ...]:
    """What a server holds and no live session accounts for, the oldest first; blocking.

    One pass over /proc; more is read of the orphans alone, and usually there are none. We
    ourselves, our ancestors and ``spare`` are no strays.
    """
    live = tuple(sessions)
    ids = {one.stamp.session for one in live}
    processes = snapshot()
    safe = protected(processes, spare)
    age = time.clock_gettime(time.CLOCK_BOOTTIME)
    found = [
        Stray(orphan, processes[orphan.pid].command, time.time() - age + _seconds(orphan.start))
        for orphan, whose in attributed(server, live, processes).items()
        if whose != PERSON and whose not in ids and orphan.pid not in safe
    ]
    return tuple(sorted(found, key=lambda stray: stray.id.start))


def may_hold(server: int, panes: Collection[int]) -> bool:
    """Whether a server may hold orphans: it has children that are none of its ``panes``.

    One small read, for whoever would only like to know.
    """
    held = children(server)
    return held is None or not held <= set(panes)


async def end_strays(
    server: int, sessions: Iterable[ObservedSession], uid: str, spare: Collection[int] = ()
) -> Mapping[ProcessId, str]:
    """End them, if every session on the server is of the project ``uid``; why some could not be.

    To be called before the last session ends: the server ends with it, and lets go of them.
    """
    from agentcave.hosts.ending import Family, end_families

    live = tuple(sessions)
    if any(one.stamp.uid != uid for one in live):
        return {}
    families = {
        stray.id: Family(stray.id, (), signal.SIGTERM, GRACE)
        for stray in strays(server, live, spare)
    }
    ended = await end_families(families, spare=(server, *spare))
    return {member: why for one in ended.values() for member, why in one.left.items()}


def claims(
    server: int, sessions: Iterable[ObservedSession]
) -> Callable[[Mapping[int, Process]], Mapping[ProcessId, str]]:
    """For ``end_families`` by the ids of sessions, those without a pane included."""
    live = tuple(sessions)
    return lambda processes: attributed(server, live, processes)


def holders(folder: str) -> Callable[[Mapping[int, Process]], Mapping[ProcessId, str]]:
    """For ``end_families``: who holds the folder of a session of the project with this history.

    The launch file opens it, and children inherit that whatever becomes of their environment. It
    tells of survivors of a server that is no more; one link is read of each process.
    """
    start = os.path.join(os.path.realpath(folder), "sessions", "")

    def look(processes: Mapping[int, Process]) -> dict[ProcessId, str]:
        links = {
            process.id: _link(f"/proc/{process.pid}/fd/{HELD}") for process in processes.values()
        }
        return {
            one: link[len(start) :].removesuffix(" (deleted)")
            for one, link in links.items()
            if link.startswith(start) and leads_there(one.pid, link.removesuffix(" (deleted)"))
        }

    return look


def attributed(
    server: int, sessions: Collection[ObservedSession], processes: Mapping[int, Process]
) -> dict[ProcessId, str]:
    """The orphans of a server, each with the id of its session, PERSON or UNKNOWN."""
    found = orphans(server, processes)
    origin = _Origin(server, sessions, processes)
    whose = {orphan.id: origin.of(orphan) for orphan in found}
    kin = defaultdict(set)
    for orphan in found:
        kin[orphan.session].add(whose[orphan.id])
    for orphan in found:
        relatives = kin[orphan.session] - {UNKNOWN}
        if not whose[orphan.id] and len(relatives) == 1:
            (whose[orphan.id],) = relatives
    return whose


def orphans(server: int, processes: Mapping[int, Process]) -> list[Process]:
    """Children of a server that it did not start itself. Pure, but for what a server looks like.

    Panes and popups lead a kernel session with a terminal, which they do not have yet before they
    become a program, nor any more when they end; jobs (``#()``, run-shell) stay in the server's
    own (tmux 3.3a). A server of agentcave that was started in a pane has other sessions.
    """
    home = processes.get(server)
    if home is None:
        return []
    return [
        process
        for process in processes.values()
        if process.parent == server
        and not (process.is_gone or process.is_leaving)
        and process.session != home.session
        and not _has_terminal(process)
        and not _is_tmux_server(process, home)
    ]


class _Origin:
    """What is known of the sessions that an orphan may have come from."""

    def __init__(
        self, server: int, sessions: Collection[ObservedSession], processes: Mapping[int, Process]
    ) -> None:
        self._server, self._processes = server, processes
        self._panes = {one.pane: one.stamp.session for one in sessions}
        self._leaders: dict[int, set[str]] = defaultdict(set)
        self._places: dict[str, set[str]] = defaultdict(set)
        for one in sessions:
            if one.pid is not None:
                self._leaders[one.pid].add(one.stamp.session)
            self._places[one.stamp.workspace].add(one.stamp.session)
        self._visited = any(
            one.parent == server and _has_terminal(one) and one.pid not in self._leaders
            for one in processes.values()
        )

    def of(self, orphan: Process) -> str:
        shown, told = self._by_terminal(orphan), self._by_environment(orphan.pid)
        if told == PERSON:  # the number of a process is used again, and is kept in a file
            return PERSON
        return shown or told or _by_descriptor(orphan.pid) or self._by_directory(orphan.pid)

    def _by_terminal(self, orphan: Process) -> str:
        """By the pane whose kernel session it is in, or in which the leader of its own lives."""
        leader = self._processes.get(orphan.session)
        if leader is None or leader.is_gone:
            return _only(self._leaders.get(orphan.session, ()))
        above = leader
        while above.parent != self._server and above.parent in self._processes:
            above = self._processes[above.parent]
        if above.parent != self._server or not _has_terminal(above):
            return UNKNOWN
        return _only(self._leaders.get(above.pid, ())) or PERSON

    def _by_environment(self, pid: int) -> str:
        environment = environment_of(pid)
        if folder := environment.get("AGENTCAVE_SESSION_DIR"):
            return os.path.basename(folder)
        _, _, rest = environment.get("TMUX", "").rpartition(f",{self._server},")
        if not rest:
            return UNKNOWN
        return self._panes.get(environment.get("TMUX_PANE", ""), PERSON)

    def _by_directory(self, pid: int) -> str:
        """By the workspace that it works in, if that of one session alone.

        A person with a window on this server may have begun it there as well: then it is nobody's.
        """
        if self._visited:
            return UNKNOWN
        place = _link(f"/proc/{pid}/cwd").removesuffix(" (deleted)")
        around = [each for each in self._places if f"{place}/".startswith(f"{each}/")]
        return _only(self._places[max(around, key=len)]) if around else UNKNOWN


def _by_descriptor(pid: int) -> str:
    """By the folder of its session, which the launch file opens and children inherit."""
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except OSError:
        return UNKNOWN
    for name in names:
        parent, _, last = _link(f"{folder}/{name}").removesuffix(" (deleted)").rpartition("/")
        if parent.endswith("/sessions") and "/agentcave/" in parent:
            return last
    return UNKNOWN


def _has_terminal(process: Process) -> bool:
    return process.session == process.pid and process.terminal != 0


def _is_tmux_server(process: Process, home: Process) -> bool:
    """Another server of agentcave, or a pane of this one that is still a copy of it."""
    if process.command != home.command:
        return False
    words = _words(process.pid)
    return words.endswith(OUR_SERVER) or words == _words(home.pid)


def _words(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


def _only(keys: Collection[str]) -> str:
    return next(iter(keys)) if len(keys) == 1 else UNKNOWN


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _seconds(ticks: int) -> float:
    return ticks / os.sysconf("SC_CLK_TCK")
