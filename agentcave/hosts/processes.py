"""Who belongs to whom among the processes of this machine, read from /proc in single passes.

A process is known by its pid and its start (field 22 of /proc/PID/stat): pids are used again.
Facts: proc(5).
"""

import os
import select
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)

INIT = 1
PF_EXITING = 4


class ProcessId(NamedTuple):
    """``start`` is in clock ticks since boot."""

    pid: int
    start: int


class Process(NamedTuple):
    """One line of /proc/PID/stat; ``terminal`` is 0 for none."""

    pid: int
    start: int
    parent: int
    group: int
    session: int
    state: str
    threads: int
    command: str
    terminal: int = 0
    flags: int = 0

    @property
    def id(self) -> ProcessId:
        return ProcessId(self.pid, self.start)

    @property
    def is_gone(self) -> bool:
        """Whether it has ended; a zombie whose other threads still run has not."""
        return self.state in "ZXx" and self.threads <= 1

    @property
    def is_leaving(self) -> bool:
        """Whether it is about to have ended: its files, directory and terminal are gone."""
        return bool(self.flags & PF_EXITING) and self.threads <= 1

    @property
    def is_stopped(self) -> bool:
        return self.state in "Tt"


def snapshot() -> dict[int, Process]:
    """Every process that can be seen, by pid; one pass over /proc."""
    found = (look(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {process.pid: process for process in found if process is not None}


def look(pid: int) -> Process | None:
    """One process; None when there is none of this pid."""
    data = _read(f"/proc/{pid}/stat")
    return parse(data) if data else None


def environment_of(pid: int, having: bytes = b"") -> dict[str, str]:
    """The environment that a process began with; {} for one that is gone, or not ours to read.

    ``having``: {} also for one that does not hold these bytes.
    """
    environ = _read(f"/proc/{pid}/environ")
    entries = os.fsdecode(environ).split("\0") if having in environ else []
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def parse(stat: bytes) -> Process:
    """A line of /proc/PID/stat; the command may hold spaces, newlines and parentheses."""
    opening, closing = stat.index(b"("), stat.rindex(b")")
    fields = stat[closing + 2 :].split()
    return Process(
        pid=int(stat[:opening]),
        start=int(fields[19]),
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        state=fields[0].decode(),
        threads=int(fields[17]),
        command=stat[opening + 1 : closing].decode(errors="replace"),
        terminal=int(fields[4]),
        flags=int(fields[6]),
    )


def has_ended(pid: int) -> bool:
    """Whether there is no process of this id, or one that is only waited for; cheap."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        stat = os.read(descriptor, 512)
    except ProcessLookupError:
        return True
    finally:
        os.close(descriptor)
    state = stat[stat.rfind(b")") + 2 :][:1]
    return state in (b"X", b"x") or (state == b"Z" and identify(pid) is None)


def working_directory(pid: int) -> str | None:
    """Where a process is; None when it has ended, or is another user's. Half of ``has_ended``.

    A directory that was deleted ends in `` (deleted)`` (proc(5)).
    """
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return None


def ends_within(pid: int, seconds: float) -> bool:
    """Whether a process has ended, or does before so many seconds have passed."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


def identify(pid: int) -> ProcessId | None:
    """The lasting identity of a live process; None when it has ended."""
    process = look(pid)
    return None if process is None or process.is_gone else process.id


def marked(markers: Mapping[bytes, K], among: Iterable[Process]) -> dict[ProcessId, K]:
    """Whose environment at its start held exactly one of the entries ``NAME=value``.

    An environment that may not be read (of another user) holds none.
    """
    owners: dict[ProcessId, K] = {}
    for process in among:
        environ = _read(f"/proc/{process.pid}/environ")
        for entry in environ.split(b"\0"):
            if entry in markers:
                owners[process.id] = markers[entry]
    return owners


def carried(variable: str, start: str) -> set[str]:
    """Paths below ``start`` that a variable of some process holds, as what follows it.

    As far as environments may be read, and of processes for which the path leads to where it leads
    for us: in a container, or any other mount namespace, the same path may be another's.
    """
    found: set[str] = set()
    begin = os.fsencode(f"{variable}={start}")
    for name in os.listdir("/proc"):
        if name.isdigit() and begin in (environ := _read(f"/proc/{name}/environ")):
            entries = [entry for entry in environ.split(b"\0") if entry.startswith(begin)]
            rests = [os.fsdecode(entry[len(begin) :]) for entry in entries]
            found.update(rest for rest in rests if leads_there(name, start + rest))
    return found


def leads_there(pid: int | str, path: str) -> bool:
    """Whether a path, or as much of it as still exists, is the same place for a process."""
    while path != "/":
        try:
            ours = os.stat(path)
        except OSError:
            path = os.path.dirname(path)
            continue
        try:
            return os.path.samestat(ours, os.stat(f"/proc/{pid}/root{path}"))
        except OSError:
            return False
    return True


def children(pid: int) -> set[int] | None:
    """Of the main thread, which for a process of one thread is all; None where that is not told."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return {int(word) for word in file.read().split()}
    except OSError:
        return None


def protected(processes: Mapping[int, Process], spare: Collection[int] = ()) -> frozenset[int]:
    """The pids that are never ended: init, ourselves, our ancestors and ``spare``."""
    line = {INIT, *spare}
    pid = os.getpid()
    while pid in processes and pid not in line:
        line.add(pid)
        pid = processes[pid].parent
    return frozenset(line)


Claims = Callable[[Mapping[int, Process]], Mapping[ProcessId, K]]
"""Whose the processes are that show it by something else than their parents and environment."""


def no_claims(processes: Mapping[int, Process]) -> Mapping[ProcessId, K]:
    return {}


class Families(Generic[K]):
    """Whole process trees, followed from one snapshot to the next.

    What was once found in a family stays in it, also when its parent has ended: a child that
    cleaned its environment can be found only while its parent or its session leader lives, or by
    the ``claims``, as far as they are for one of the ``roots``.
    """

    def __init__(
        self,
        roots: Mapping[K, ProcessId | None],
        markers: Mapping[bytes, K],
        claims: Claims[K] = no_claims,
    ) -> None:
        self._keys = frozenset(roots)
        self._claims = claims
        self._markers = dict(markers)
        self._owner = {root: key for key, root in roots.items() if root is not None}
        self._sessions: dict[int, K] = {}

    def follow(
        self, processes: Mapping[int, Process], spare: Collection[int], *, environments: bool
    ) -> None:
        """Take in who belongs to a family now; ``environments``: look beyond kinship too."""
        safe = protected(processes, spare)
        free = {process.id for process in processes.values() if process.pid not in safe}
        if environments and self._markers:
            unknown = [p for p in processes.values() if p.id in free and p.id not in self._owner]
            self._owner.update(marked(self._markers, unknown))
        if environments:
            for member, key in self._claims(processes).items():
                if key in self._keys and member in free:
                    self._owner.setdefault(member, key)
        self._spread(processes, free)

    def living(self, processes: Mapping[int, Process]) -> dict[ProcessId, K]:
        """The members that have not ended."""
        return {
            member: key
            for member, key in self._owner.items()
            if (process := processes.get(member.pid)) is not None
            and process.start == member.start
            and not process.is_gone
        }

    def _spread(self, processes: Mapping[int, Process], free: set[ProcessId]) -> None:
        children, sessions = defaultdict(list), defaultdict(list)
        for process in processes.values():
            children[process.parent].append(process)
            sessions[process.session].append(process)
        self._forget_reused_sessions(processes, sessions)
        found = [
            processes[member.pid]
            for member in self._owner
            if member in free and processes[member.pid].start == member.start
        ]
        for session, key in self._sessions.items():
            found += self._claim(sessions[session], key, free)
        while found:
            process = found.pop()
            key = self._owner[process.id]
            kin = [child for child in children[process.pid] if child.start >= process.start]
            if process.session == process.pid:
                self._sessions[process.pid] = key
                kin += sessions[process.pid]
            found += self._claim(kin, key, free)

    def _claim(self, candidates: Iterable[Process], key: K, free: set[ProcessId]) -> list[Process]:
        claimed = [p for p in candidates if p.id in free and p.id not in self._owner]
        self._owner.update((process.id, key) for process in claimed)
        return claimed

    def _forget_reused_sessions(
        self, processes: Mapping[int, Process], sessions: Mapping[int, list[Process]]
    ) -> None:
        # The kernel gives a pid away again only after the last member of its session has gone.
        for session in list(self._sessions):
            leader = processes.get(session)
            if session not in sessions or (leader and leader.id not in self._owner):
                del self._sessions[session]


def family(
    root: ProcessId | None,
    processes: Mapping[int, Process],
    markers: Collection[bytes] = (),
    spare: Collection[int] = (),
) -> set[ProcessId]:
    """The living members of one tree: descendants, members of its sessions, holders of a marker."""
    families = Families({"": root}, dict.fromkeys(markers, ""))
    families.follow(processes, spare, environments=True)
    safe = protected(processes, spare)
    return {member for member in families.living(processes) if member.pid not in safe}


def _read(path: str) -> bytes:
    """A file of /proc; b"" when its process has ended or is not ours to look into."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
    try:
        chunks = []
        while chunk := os.read(descriptor, 1 << 12):
            chunks.append(chunk)
        return b"".join(chunks)
    except (ProcessLookupError, PermissionError):
        return b""
    finally:
        os.close(descriptor)
