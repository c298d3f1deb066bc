"""End whole process trees: politely first, then for certain.

Any number of families at once cost one pass over /proc for each look. A member is collected
before its parent is told to end; a fork storm is stopped (SIGSTOP) before it is killed.
"""

import contextlib
import errno
import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Generic, NamedTuple, TypeVar

import anyio
import anyio.to_thread

from agentcave.hosts.processes import (
    Claims,
    Families,
    Process,
    ProcessId,
    look,
    no_claims,
    protected,
    snapshot,
)

K = TypeVar("K", bound=Hashable)

ROUNDS = 40
"""How often what is left is stopped and killed before it is given up."""
STOP_LOOKS = 20
"""How often in a round a storm is looked at for new processes before the killing begins."""
FIRST_PAUSE, LONGEST_PAUSE = 0.005, 0.25


class Family(NamedTuple):
    """What is to end. ``root`` gets the signal and has ``grace`` seconds; it may be gone already.

    ``markers`` are environment entries ``NAME=value`` that only its members carry.
    """

    root: ProcessId | None
    markers: tuple[bytes, ...] = ()
    signal: int = signal.SIGTERM
    grace: float = 15.0


class Ended(NamedTuple):
    """What became of one family: ended in its grace, ended by KILL, and what could not be ended."""

    ended: frozenset[ProcessId] = frozenset()
    killed: frozenset[ProcessId] = frozenset()
    left: Mapping[ProcessId, str] = {}


async def end_family(
    root: ProcessId | None,
    *,
    markers: Collection[bytes] = (),
    signal: int = signal.SIGTERM,
    grace: float = 15.0,
    spare: Collection[int] = (),
) -> Ended:
    """End one tree; see ``end_families``."""
    family = Family(root, tuple(markers), signal, grace)
    return (await end_families({"": family}, spare=spare))[""]


async def end_families(
    families: Mapping[K, Family],
    *,
    spare: Collection[int] = (),
    claims: Claims[K] = no_claims,
    over: Callable[[K, Ended], None] = lambda key, ended: None,
) -> dict[K, Ended]:
    """End every process of these trees; when this returns, what is not in ``left`` is gone.

    ``over`` is told of a family that has ended while others take their time.

    Never ended: init, ourselves, our ancestors and the pids in ``spare`` (the tmux server). When
    its root has gone, the rest of a family gets TERM, and what outlives the grace gets KILL.
    ``claims`` tells of members that neither kinship nor a marker gives away.
    """
    ending = _Ending(families, spare, claims, over)
    await ending.run()
    return ending.results()


def send(target: ProcessId, number: int) -> str | None:
    """Signal exactly this process; what went wrong, None when it got it or has ended already."""
    try:
        _send(target, number)
    except ProcessLookupError:
        return None
    except OSError as exc:
        return exc.strerror or str(exc)
    return None


def _send(target: ProcessId, number: int) -> None:
    try:
        descriptor = os.pidfd_open(target.pid)
    except OSError as exc:
        if exc.errno != errno.ENOSYS:
            raise
        # A kernel before 5.3: the pid could be used again between these two lines.
        if _is_still(target):
            os.kill(target.pid, number)
        return
    try:
        # Only now that the descriptor holds the pid: what is verified is what is signalled.
        if _is_still(target):
            signal.pidfd_send_signal(descriptor, number)
    finally:
        os.close(descriptor)


def _is_still(target: ProcessId) -> bool:
    process = look(target.pid)
    return process is not None and process.id == target


def _is_stopped_in(group: int, member: ProcessId) -> bool:
    process = look(member.pid)
    if process is None or process.id != member:
        return False
    return process.is_stopped and process.group == group


class _Ending(Generic[K]):
    """The families that are being ended, and what has been done to them."""

    def __init__(
        self,
        families: Mapping[K, Family],
        spare: Collection[int],
        claims: Claims[K],
        over: Callable[[K, Ended], None],
    ) -> None:
        self._wanted, self._over = families, over
        self._spare = spare
        self._families = Families(
            {key: family.root for key, family in families.items()},
            {marker: key for key, family in families.items() for marker in family.markers},
            claims,
        )
        self._begun = time.monotonic()
        self._untold, self._tell_at = set(families), self._begun + LONGEST_PAUSE
        self._processes: dict[int, Process] = {}
        self._living: dict[ProcessId, K] = {}
        self._seen: dict[ProcessId, K] = {}
        self._asked: set[ProcessId] = set()
        self._stopped: set[ProcessId] = set()
        self._killed: set[ProcessId] = set()
        self._failed: dict[ProcessId, str] = {}
        self._rounds: dict[K, int] = dict.fromkeys(families, 0)

    async def run(self) -> None:
        await self._look(environments=True)
        for family in self._wanted.values():
            if family.root in self._living:
                self._ask(family.root, family.signal)
        pause = FIRST_PAUSE
        while self._living:
            self._ask_orphans()
            await anyio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE)
            pause = max(pause, 4 * await self._look(environments=False))
            if due := self._overdue():
                await self._kill(due)
            await self._tell()
            if not self._living:
                # Only their environment tells of those that were born and orphaned meanwhile.
                await self._look(environments=True)

    async def _tell(self) -> None:
        """Not at every look: to be sure of an end costs a pass over all environments."""
        ended = self._untold.difference(self._living.values())
        if not ended or not self._living or time.monotonic() < self._tell_at:
            return
        await self._look(environments=True)
        self._tell_at = time.monotonic() + LONGEST_PAUSE
        results = self.results()
        for key in ended.difference(self._living.values()):
            self._untold.remove(key)
            self._over(key, results[key])

    def results(self) -> dict[K, Ended]:
        alive = self._families.living(self._processes)
        left: dict[K, dict[ProcessId, str]] = defaultdict(dict)
        done: dict[K, set[ProcessId]] = defaultdict(set)
        for member, key in self._seen.items():
            if member in alive:
                left[key][member] = self._failed.get(member, "it is still there")
            else:
                done[key].add(member)
        return {
            key: Ended(
                frozenset(done[key] - self._killed), frozenset(done[key] & self._killed), left[key]
            )
            for key in self._wanted
        }

    async def _look(self, *, environments: bool) -> float:
        """See who is left; the seconds that it took."""
        begun = time.monotonic()
        await anyio.to_thread.run_sync(self._scan, environments)
        return time.monotonic() - begun

    def _scan(self, environments: bool) -> None:
        self._processes = snapshot()
        self._families.follow(self._processes, self._spare, environments=environments)
        safe = protected(self._processes, self._spare)
        living = self._families.living(self._processes)
        self._seen.update(living)
        for member, key in living.items():
            if member.pid in safe:
                self._failed[member] = "it is agentcave itself, or something it depends on"
            elif self._rounds[key] >= ROUNDS:
                state = self._processes[member.pid].state
                self._failed.setdefault(member, f"outlived {ROUNDS} SIGKILLs (state {state})")
        self._living = {m: key for m, key in living.items() if m not in self._failed}

    def _ask(self, member: ProcessId, number: int) -> None:
        self._asked.add(member)
        send(member, number)
        if self._processes[member.pid].is_stopped:
            send(member, signal.SIGCONT)

    def _ask_orphans(self) -> None:
        for member, key in self._living.items():
            if self._wanted[key].root not in self._living and member not in self._asked:
                self._ask(member, signal.SIGTERM)

    def _overdue(self) -> set[K]:
        passed = time.monotonic() - self._begun
        return {key for key in self._living.values() if passed >= self._wanted[key].grace}

    async def _kill(self, due: set[K]) -> None:
        # Shielded: cancelled here, it would leave processes that are stopped for ever.
        with anyio.CancelScope(shield=True):
            for _ in range(STOP_LOOKS):
                fresh = self._members(due) - self._stopped
                if not fresh:
                    break
                for member in fresh:
                    self._force(member, signal.SIGSTOP)
                self._stop_groups(fresh)
                self._stopped |= fresh
                await self._look(environments=True)
            for member in self._members(due):
                self._force(member, signal.SIGKILL)
                self._killed.add(member)
            for key in due:
                self._rounds[key] += 1
            await self._look(environments=False)

    def _stop_groups(self, members: Collection[ProcessId]) -> None:
        """Stop whole process groups: what a storm forks faster than anybody looks is in them.

        Only groups without a stranger; a stopped member keeps the number from being used again.
        """
        others = {
            process.group
            for process in self._processes.values()
            if process.id not in self._living and not process.is_gone
        }
        stopped: set[int] = set()
        for member in members:
            group = self._processes[member.pid].group
            if group not in others | stopped and _is_stopped_in(group, member):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(group, signal.SIGSTOP)
                stopped.add(group)

    def _members(self, keys: Collection[K]) -> set[ProcessId]:
        return {
            member
            for member, key in self._living.items()
            if key in keys and member not in self._failed
        }

    def _force(self, member: ProcessId, number: int) -> None:
        if problem := send(member, number):
            self._failed[member] = f"cannot send {signal.Signals(number).name}: {problem}"
