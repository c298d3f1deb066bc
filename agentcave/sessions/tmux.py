"""Sessions as panes of a tmux server."""

import contextlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import anyio
import anyio.to_thread

from agentcave.errors import CaveError
from agentcave.hosts import Host, LocalHost, Pending, project_folder, state_root
from agentcave.model.hashing import sha256_hex
from agentcave.model.names import SESSION_ID
from agentcave.model.observed import ObservedSession, Stamp
from agentcave.model.spec import ScreenRule
from agentcave.sessions.base import Session, SessionGone, SessionOptions, fresh_id
from agentcave.sessions.ending import Endings
from agentcave.sessions.launch import PIDS
from agentcave.sessions.line import TmuxLine
from agentcave.sessions.pane import TmuxSession
from agentcave.sessions.panes import NUDGES, stamped, translated
from agentcave.sessions.strays import claims
from agentcave.tmux import (
    CommandFailed,
    Garbage,
    Server,
    TmuxError,
    check_version,
    commands,
    deaths_unknown,
    scrubbed,
)
from agentcave.tmux.client import Client, ServerFacts, connect
from agentcave.tmux.commands import Choice, Command
from agentcave.tmux.formats import ROW, parse_rows

VERSION_TIMEOUT = START_TIMEOUT = 10.0


class TmuxSessionManager:
    """A ``SessionManager`` on one tmux server, which is started when it does not run.

    ``socket`` is a name, or a path when it holds a slash. Use it as an async context manager;
    what tmux cannot do is raised as ``CaveError``. ``server_names``: the variables that the
    server lends to every pane, when they are known; else it is asked. ``checked``: this program
    has been found to be good enough before. ``keep``: see ``connect``.
    """

    def __init__(
        self,
        socket: str = "agentcave",
        *,
        host: Host | None = None,
        environ: Mapping[str, str] | None = None,
        server_names: tuple[str, ...] | None = None,
        checked: bool = False,
        keep: Sequence[int] = (),
    ) -> None:
        self.host: Host = host or LocalHost()
        self.server = Server(os.path.abspath(socket) if "/" in socket else socket)
        self.environ = os.environ if environ is None else environ
        self.endings = Endings(
            lambda: (self.facts.pid,), lambda: claims(self.facts.pid, self._seen.values())
        )
        self._reserved: dict[str, TmuxSession] = {}
        self._stack = contextlib.AsyncExitStack()
        self._client: Client | None = None
        self._ahead: Pending | None = None
        self._names, self._checked, self._keep = server_names, checked, keep
        self._reading = anyio.Lock()
        self._reads = 0
        self._seen: dict[str, ObservedSession] = {}

    async def __aenter__(self) -> Self:
        try:
            if not self._checked:
                check_version(
                    self.host.read(
                        self.server.version_argv(),
                        environment=scrubbed(self.environ),
                        timeout=VERSION_TIMEOUT,
                    )
                )
            connection = connect(self.server, self.host.run, environ=self.environ, keep=self._keep)
            self._client = await self._stack.enter_async_context(connection)
            await self._stack.enter_async_context(self.endings)
            if self._names is None:
                lines = await self._client.run(*commands.show_environment())
                self._names = tuple(line.decode().partition("=")[0] for line in lines)
        except BaseException as exc:  # a cancelled start, too, must not leave its tasks behind
            await self._stack.aclose()
            if isinstance(exc, TmuxError):
                raise translated(exc) from exc
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._ahead is not None:
            await self._let_go(self._ahead)
        await self._stack.aclose()

    def start_ahead(self) -> None:
        """Begin to start the server, which does not run and which the first session will need.

        It takes some 30 ms, which pass beside what is done until then. Its first client waits on
        our pipe: should we be killed, the server ends with it.
        """
        argv, environment = self.server.start_argv(self.environ), scrubbed(self.environ)
        self._ahead = self.host.begin(argv, environment=environment, timeout=START_TIMEOUT)

    async def create_session(self, options: SessionOptions) -> Session:
        uid = options.uid or sha256_hex(options.project.encode())[:16]
        stamp = Stamp(
            uid,
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
        session = TmuxSession(self, stamp, options)
        self._reserved[session.id] = session
        return session

    async def get_session(self, session_id: str) -> Session:
        if session_id in self._reserved:
            return self._reserved[session_id]
        seen = (await self.panes()).get(session_id)
        if seen is None:
            raise SessionGone(f"there is no session {session_id} on {self.server.socket}")
        return TmuxSession(self, seen.stamp)

    async def line(self, session_id: str, rules: tuple[ScreenRule, ...] = ()) -> TmuxLine:
        """The terminal of a session. Raises SessionGone; ``rules`` are those of the caves file."""
        session = await self.get_session(session_id)
        assert isinstance(session, TmuxSession)
        return TmuxLine(session, rules)

    async def list_sessions(self) -> list[Session]:
        found = await self.panes()
        live: list[Session] = [TmuxSession(self, seen.stamp) for seen in found.values()]
        return live + [one for key, one in self._reserved.items() if key not in found]

    async def remove_session(self, session_id: str) -> None:
        if reserved := self._reserved.pop(session_id, None):
            reserved.cancel()
        seen = (await self.panes()).get(session_id)
        if seen is not None:
            await TmuxSession(self, seen.stamp).stop()
            with contextlib.suppress(CommandFailed):  # it may be gone by now, as it should be
                await self.tmux(commands.kill_pane(seen.pane))
        self.forget(session_id)

    async def tmux(self, command: Command) -> list[bytes]:
        """One tmux command. Raises CommandFailed when refused, CaveError for all else."""
        assert self._client is not None, "use it inside `async with`"
        try:
            if isinstance(command, Choice):
                return await self._client.choose(command)
            return await self._client.run(*command)
        except CommandFailed:
            raise
        except TmuxError as exc:
            raise translated(exc) from exc
        finally:
            if self._ahead is not None:
                await self._let_go(self._ahead)

    async def tmux_all(self, *given: Command) -> None:
        """Several in a row, in one batch; raises as ``tmux`` does for the first that is refused."""
        errors: dict[int, CaveError | CommandFailed] = {}

        async def one(number: int, command: Command) -> None:
            try:
                await self.tmux(command)
            except (CaveError, CommandFailed) as exc:
                errors[number] = exc

        async with anyio.create_task_group() as tasks:
            for number, command in enumerate(given):
                tasks.start_soon(one, number, command)
        if errors:
            raise errors[min(errors)]

    async def _let_go(self, ahead: Pending) -> None:
        """End the first client: the server lives by its sessions from now on, or ends."""
        self._ahead = None
        with contextlib.suppress(CaveError), anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(ahead.result)

    @property
    def facts(self) -> ServerFacts:
        assert self._client is not None, "use it inside `async with`"
        assert self._client.facts is not None, "entering it has asked the server"
        return self._client.facts

    @property
    def server_pid(self) -> int | None:
        """The server's process; None as long as it was never spoken to."""
        return self._client.facts.pid if self._client and self._client.facts else None

    @property
    def server_names(self) -> tuple[str, ...]:
        """The variables that the server lends to every pane."""
        assert self._names is not None, "use it inside `async with`"
        return self._names

    async def panes(self) -> dict[str, ObservedSession]:
        """Every stamped pane by session id; callers that come at one time share one read.

        Whoever calls gets a read that began after the call.
        """
        wanted = self._reads + 1
        async with self._reading:
            if self._reads < wanted:
                self._reads += 1
                self._seen = {seen.stamp.session: seen for seen in await self._read()}
            return self._seen

    async def _read(self) -> list[ObservedSession]:
        attempt = 0
        while True:
            try:
                lines = await self.tmux(commands.list_panes(ROW))
            except CommandFailed as exc:
                if "no current target" in exc.message:  # a server without a single session
                    return []
                raise translated(exc) from exc
            try:
                rows = parse_rows(b"\n".join(lines).decode(errors="surrogateescape"))
            except Garbage as exc:
                raise translated(exc.said_by(str(self.facts.version))) from exc
            if attempt == NUDGES or not deaths_unknown(rows):
                return stamped(rows, self.environ, lambda: str(self.facts.version))
            attempt += 1
            os.kill(self.facts.pid, signal.SIGCHLD)
            await anyio.sleep(0.002 * attempt)

    def folder(self, stamp: Stamp) -> str:
        return project_folder(state_root(self.environ), stamp.project, stamp.uid)

    def started(self, session_id: str) -> None:
        """From now on tmux alone knows whether there is such a session."""
        self._reserved.pop(session_id, None)

    def forget(self, session_id: str) -> None:
        """Delete the session's own folder; its pane, which told the project, may be gone."""
        import shutil

        root = state_root(self.environ)
        if SESSION_ID.fullmatch(session_id) and os.path.isdir(root):
            for project in os.listdir(root):
                folder = os.path.join(root, project, "sessions", session_id)
                shutil.rmtree(folder, ignore_errors=True)
                # It is a convenience, and may be anything by now.
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(root, project, PIDS, session_id))
