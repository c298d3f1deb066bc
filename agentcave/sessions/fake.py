"""Sessions in memory: what ``TmuxSessionManager`` promises, without a terminal (tests/contract)."""

import hashlib
import itertools
import os
import shutil
import signal
import time
from collections.abc import Collection, Iterator

from agentcave.errors import CaveError
from agentcave.model.names import session_name
from agentcave.model.observed import Key, ObservedSession, Stamp
from agentcave.model.spec import StopKey, StopSpec
from agentcave.model.status import Phase
from agentcave.sessions.base import (
    Session,
    SessionGone,
    SessionOptions,
    SessionStatus,
    fresh_id,
)
from agentcave.sessions.delivery import Delivery, NotDelivered, pasteable
from agentcave.sessions.launch import WRONG_DIRECTORY


class FakeProcess:
    """Obeys lines as the demo agent does: ``exit N``, ``crash``, ``ignore TERM``, ``echo TEXT``."""

    def __init__(self, pid: int, *, stubborn: bool = False) -> None:
        self.pid = pid
        self.lines: list[str] = []
        self.exit_status: int | None = None
        self.signal: int | None = None
        self._ignored = {"TERM", "HUP", "INT"} if stubborn else set[str]()
        self._typed = ""

    @property
    def alive(self) -> bool:
        return self.exit_status is None and self.signal is None

    def type(self, text: str) -> None:
        """Characters from the keyboard; each newline ends a line."""
        *lines, self._typed = (self._typed + text).split("\n")
        for line in filter(str.strip, lines):
            self._obey(line.strip())

    def press(self, key: StopKey) -> None:
        match key:
            case StopKey(text, literal=True):
                self.type(text)
            case StopKey("Enter"):
                self.type("\n")
            case StopKey("C-d"):
                self._end(exit_status=0)

    def end(self, name: str) -> None:
        """A signal; what ignores it is ended by force."""
        if name in self._ignored:
            self._end(signal=signal.SIGKILL)
        else:
            self._end(exit_status=128 + getattr(signal, f"SIG{name}"))

    def _obey(self, line: str) -> None:
        if not self.alive:
            return
        self.lines.append(f"> {line}")
        word, _, rest = line.partition(" ")
        match word:
            case "exit":
                self._end(exit_status=int(rest or "0") & 0xFF)
            case "crash":
                self._end(signal=signal.SIGSEGV)
            case "ignore":
                self._ignored |= set(rest.upper().split())
            case _:
                self.lines.append(f"You said: {rest if word == 'echo' else line}")

    def _end(self, exit_status: int | None = None, signal: int | None = None) -> None:
        if self.alive:
            self.exit_status, self.signal = exit_status, signal


class FakeSessionManager:
    """A ``SessionManager`` whose processes are ``FakeProcess``.

    ``unstartable``: agents whose start fails. ``stubborn``: agents that have to be ended by force.
    """

    def __init__(
        self, *, unstartable: Collection[Key] = (), stubborn: Collection[Key] = ()
    ) -> None:
        self.unstartable, self.stubborn = unstartable, stubborn
        self.sessions: dict[str, FakeSession] = {}
        self.numbers: Iterator[int] = itertools.count(1)

    async def create_session(self, options: SessionOptions) -> Session:
        session = FakeSession(self, options)
        self.sessions[session.id] = session
        return session

    async def get_session(self, session_id: str) -> Session:
        try:
            return self.sessions[session_id]
        except KeyError:
            raise SessionGone(f"there is no session {session_id}") from None

    async def list_sessions(self) -> list[Session]:
        return list(self.sessions.values())

    async def remove_session(self, session_id: str) -> None:
        if session := self.sessions.get(session_id):
            await session.stop()
            del self.sessions[session_id]

    async def panes(self) -> dict[str, ObservedSession]:
        """What a read of tmux would show: the sessions that have been started."""
        seen = [session.seen() for session in self.sessions.values() if session.process]
        return {one.stamp.session: one for one in seen}

    def vacate(self, pane: str) -> None:
        """Take the ended session out of a pane that another one takes over."""
        held = [one for one in self.sessions.values() if one.process and one.pane == pane]
        if not held or (held[0].process and held[0].process.alive):
            raise CaveError(f"there is no ended session in pane {pane}")
        del self.sessions[held[0].id]


class FakeSession:
    """``process`` is None until the start; ``pane`` is "" until then."""

    def __init__(self, manager: FakeSessionManager, options: SessionOptions) -> None:
        self._manager, self.options = manager, options
        self.stamp = _stamp(options)
        self.size = options.size
        self.pane = ""
        self.process: FakeProcess | None = None

    @property
    def id(self) -> str:
        return self.stamp.session

    @property
    def workspace_id(self) -> str:
        return f"{self.stamp.project}/{self.stamp.cave}"

    @property
    def name(self) -> str:
        return session_name(self.stamp.project, *self.stamp.key)

    def seen(self) -> ObservedSession:
        process = self._process()
        return ObservedSession(
            self.stamp,
            self.pane,
            self.name,
            process.pid,
            not process.alive,
            process.exit_status,
            process.signal,
        )

    async def status(self) -> SessionStatus:
        if self.id not in self._manager.sessions:
            return SessionStatus(Phase.STOPPED)
        if self.process is None:
            return SessionStatus(Phase.PENDING)
        if self.process.alive:
            return SessionStatus(Phase.RUNNING, self.process.pid)
        phase = Phase.COMPLETED if self.process.exit_status == 0 else Phase.FAILED
        return SessionStatus(phase, None, self.process.exit_status, self.process.signal)

    async def start(self) -> None:
        if self.process is not None:
            raise CaveError(f"session {self.id} has been started before", "create a new one")
        if self.id not in self._manager.sessions:
            raise SessionGone(f"{self.name} has been removed", "create a new one")
        if self.stamp.key in self._manager.unstartable or not self._program():
            raise CaveError(f"{self.name}: {self.options.argv[0]} cannot be started")
        number = next(self._manager.numbers)
        if self.options.place is not None:
            self._manager.vacate(self.options.place)
        self.pane = self.options.place or f"%{number}"
        stubborn = self.stamp.key in self._manager.stubborn
        self.process = FakeProcess(1_000_000 + number, stubborn=stubborn)
        if not os.path.isdir(self.options.cwd):
            self.process.lines.append(f"agentcave: cannot enter {self.options.cwd}")
            self.process.exit_status = WRONG_DIRECTORY

    async def stop(self, how: StopSpec | None = None) -> None:
        if self.process is None or not self.process.alive:
            return
        how = how or self.options.stop
        for key in how.keys or ():
            self.process.press(key)
        self.process.end(how.signal or "TERM")

    async def resize(self, size: tuple[int, int]) -> None:
        self._process()
        self.size = size

    async def send_input(self, text: str, *, enter: bool = True, timeout: float = 60.0) -> Delivery:
        process = self._process()
        if not process.alive:
            raise NotDelivered(f"{self.name} has ended")
        process.type(pasteable(text).decode("utf-8", "surrogateescape") + "\n" * enter)
        return Delivery("sent")

    async def get_output(self) -> str:
        return "\n".join(self._process().lines)

    def _process(self) -> FakeProcess:
        if self.process is None or self.id not in self._manager.sessions:
            raise SessionGone(f"{self.name} is not there")
        return self.process

    def _program(self) -> str | None:
        path = self.options.environment.get("PATH", os.defpath)
        return shutil.which(self.options.argv[0], path=path)


def _stamp(options: SessionOptions) -> Stamp:
    return Stamp(
        options.uid or hashlib.sha256(options.project.encode()).hexdigest()[:16],
        options.project,
        options.file,
        options.cave,
        options.agent,
        options.type,
        os.path.realpath(options.workspace or options.cwd),
        options.digest,
        options.id or fresh_id(),
        int(time.time()),
    )
