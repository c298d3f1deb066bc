"""Sessions as panes of a tmux server."""

import contextlib
import os
import re
import secrets
import signal
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import anyio

from agentcave.errors import CaveError, DeadlineExceeded
from agentcave.hosts import Host, LocalHost, project_folder, state_root
from agentcave.model.hashing import sha256_hex
from agentcave.model.names import session_name
from agentcave.model.observed import ObservedSession, Stamp
from agentcave.model.spec import StopSpec
from agentcave.model.status import Phase
from agentcave.sessions import launch
from agentcave.sessions.base import Session, SessionGone, SessionOptions, SessionStatus
from agentcave.sessions.ending import Endings
from agentcave.sessions.panes import NUDGES, stamped, translated
from agentcave.sessions.stamp import VARIABLE, encode
from agentcave.tmux import CommandFailed, Server, TmuxError, commands, deaths_unknown
from agentcave.tmux.client import Client, ServerFacts, connect
from agentcave.tmux.commands import Choice, Command
from agentcave.tmux.formats import ROW, parse_rows

START_TIMEOUT = 30.0
SESSION_ID = re.compile("[0-9a-f]{16}")


class TmuxSessionManager:
    """A ``SessionManager`` on one tmux server, which is started when it does not run.

    ``socket`` is a name, or a path when it holds a slash. Use it as an async context manager;
    what tmux cannot do is raised as ``CaveError``.
    """

    def __init__(
        self,
        socket: str = "agentcave",
        *,
        host: Host | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.host: Host = host or LocalHost()
        self.server = Server(socket)
        self.environ = os.environ if environ is None else environ
        self.endings = Endings(lambda: (self.facts.pid,))
        self._reserved: dict[str, TmuxSession] = {}
        self._stack = contextlib.AsyncExitStack()
        self._client: Client | None = None
        self._names: tuple[str, ...] = ()
        self._reading = anyio.Lock()
        self._reads = 0
        self._seen: dict[str, ObservedSession] = {}

    async def __aenter__(self) -> Self:
        try:
            connection = connect(self.server, self.host.run, environ=self.environ)
            self._client = await self._stack.enter_async_context(connection)
            lines = await self._client.run(*commands.show_environment())
        except TmuxError as exc:
            await self._stack.aclose()
            raise translated(exc) from exc
        self._names = tuple(line.decode().partition("=")[0].lstrip("-") for line in lines)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

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
            secrets.token_hex(8),
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

    @property
    def facts(self) -> ServerFacts:
        assert self._client is not None, "use it inside `async with`"
        assert self._client.facts is not None, "entering it has asked the server"
        return self._client.facts

    @property
    def server_names(self) -> tuple[str, ...]:
        """The variables that the server lends to every pane."""
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
            rows = parse_rows(line.decode(errors="surrogateescape") for line in lines)
            if attempt == NUDGES or not deaths_unknown(rows):
                return stamped(rows)
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


class TmuxSession:
    """One stamped pane, or the promise of one."""

    def __init__(
        self, manager: TmuxSessionManager, stamp: Stamp, options: SessionOptions | None = None
    ) -> None:
        self._manager = manager
        self._options = options
        self._stop = options.stop if options is not None else StopSpec()
        self.stamp = stamp

    def __repr__(self) -> str:
        return f"<TmuxSession {'/'.join((self.stamp.project, *self.stamp.key))} {self.id}>"

    @property
    def id(self) -> str:
        return self.stamp.session

    @property
    def workspace_id(self) -> str:
        return f"{self.stamp.project}/{self.stamp.cave}"

    async def status(self) -> SessionStatus:
        seen = (await self._manager.panes()).get(self.id)
        if seen is None:
            return SessionStatus(Phase.PENDING if self._options else Phase.STOPPED)
        if not seen.dead:
            return SessionStatus(Phase.RUNNING, seen.pid, attached=seen.attached)
        phase = Phase.COMPLETED if seen.exit_status == 0 else Phase.FAILED
        return SessionStatus(phase, None, seen.exit_status, seen.signal, seen.attached)

    async def start(self) -> None:
        if self._options is None:
            why = "has been started before, or removed"
            raise CaveError(f"session {self.id} {why}", "create a new one")
        options = self._options
        folder = os.path.join(self._manager.folder(self.stamp), "sessions", self.id)
        path = self._write_launch(options, folder)
        argv = ("/usr/bin/env", f"{VARIABLE}={encode(self.stamp)}", "/bin/sh", path)
        try:
            await self._open(options, argv)
            await self._taken(path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        self.cancel()
        self._manager.started(self.id)

    async def stop(self, how: StopSpec | None = None) -> None:
        seen = (await self._manager.panes()).get(self.id)
        if seen is None or seen.dead:
            return
        how = how or self._stop
        for key in how.keys or ():
            send = commands.send_text if key.literal else commands.send_keys
            await self._tell(send(seen.pane, key.value))
        marker = f"AGENTCAVE_SESSION_DIR={self._session_folder()}"
        await self._manager.endings.end(
            self.id, seen.pid, os.fsencode(marker), how, asked=bool(how.keys)
        )

    async def resize(self, size: tuple[int, int]) -> None:
        seen = await self._pane()
        await self._tell(commands.resize(seen.tmux_session, size))

    async def send_input(self, text: str, *, enter: bool = True) -> None:
        seen = await self._pane()
        if seen.dead:
            raise CaveError(f"not delivered: {self._name()} has ended")
        if data := pasteable(text):  # tmux keeps no empty buffer
            await self._paste(seen.pane, data)
        if enter:
            await self._tell(commands.send_keys(seen.pane, "Enter"))

    async def get_output(self) -> str:
        seen = await self._pane()
        lines = await self._tell(commands.capture_pane(seen.pane))
        return b"\n".join(lines).decode(errors="replace").rstrip("\n")

    def cancel(self) -> None:
        """It can not be started, or not again."""
        self._options = None

    async def _paste(self, pane: str, data: bytes) -> None:
        buffer = f"agentcave-{secrets.token_hex(8)}"
        loaded = await self._manager.host.run(
            self._manager.server.argv(*commands.load_buffer(buffer, "-")),
            environment=dict(self._manager.environ),
            stdin=data,
        )
        if loaded.returncode != 0:
            raise CaveError(f"not delivered: {loaded.stderr.decode(errors='replace').strip()}")
        raw = self._manager.facts.version.pastes_raw
        if any(await self._tell(commands.paste(pane, buffer, raw=raw))):
            await self._tell(commands.delete_buffer(buffer))
            raise CaveError(f"not delivered: {self._name()} has ended")

    async def _tell(self, command: Command) -> list[bytes]:
        """One tmux command about this session. Raises CaveError when it is refused."""
        try:
            return await self._manager.tmux(command)
        except CommandFailed as exc:
            raise CaveError(f"{self._name()}: {exc}") from exc

    def _session_folder(self) -> str:
        return os.path.join(self._manager.folder(self.stamp), "sessions", self.id)

    def _name(self) -> str:
        return session_name(self.stamp.project, *self.stamp.key)

    async def _pane(self) -> ObservedSession:
        seen = (await self._manager.panes()).get(self.id)
        if seen is None:
            raise SessionGone(
                f"{self._name()} is not there any more", "`agentcave ps` shows what is"
            )
        return seen

    def _write_launch(self, options: SessionOptions, folder: str) -> str:
        path = os.path.join(self._manager.folder(self.stamp), "launch", self.id)
        environment = {
            **options.environment,
            "AGENTCAVE_PROJECT": options.project,
            "AGENTCAVE_CAVE": options.cave,
            "AGENTCAVE_AGENT": options.agent,
            "AGENTCAVE_SESSION_DIR": folder,
        }
        program = options.argv[0]
        if "/" not in program:
            found = self._manager.host.which(program, environment.get("PATH", os.defpath))
            if found is None:
                raise CaveError(f"{self._name()}: {program} is not installed, or not in its PATH")
            program = found
        cwd = os.path.realpath(options.cwd)
        argv = (program, *options.argv[1:])
        text = launch.script(argv, cwd, environment, self._manager.server_names)
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            self._manager.host.write_file(path, text)
        except OSError as exc:
            raise CaveError(f"cannot prepare {self._name()} in {folder}: {exc.strerror}") from exc
        return path

    async def _open(self, options: SessionOptions, argv: tuple[str, ...]) -> None:
        manager, name = self._manager, self._name()
        try:
            if options.place is not None:
                await manager.tmux(commands.respawn_pane(options.place, argv))
                return
            try:
                await manager.tmux(commands.new_session(name, options.size, argv))
            except CommandFailed as exc:
                if "duplicate session" not in exc.message:
                    raise
                name = f"{name}~{self.stamp.uid[:6]}"
                await manager.tmux(commands.new_session(name, options.size, argv))
            if not manager.facts.owned:
                await manager.tmux(commands.keep_when_dead(name, f"{argv[0]} {argv[1]}"))
        except CommandFailed as exc:
            manager.forget(self.id)
            raise CaveError(f"tmux does not start {name}: {exc.message}") from exc

    async def _taken(self, path: str) -> None:
        """Wait until the pane's shell has read its launch file, which it empties first."""
        pause = 0.001
        with anyio.move_on_after(START_TIMEOUT):
            while os.stat(path).st_size:
                await anyio.sleep(pause)
                pause = min(pause * 2, 0.05)
            return
        raise DeadlineExceeded(f"{self._name()} did not start within {START_TIMEOUT:g} s")


def pasteable(text: str) -> bytes:
    """Bytes for a paste buffer. Raises CaveError for control characters, which are no text.

    They would act on the agent's terminal; an embedded end of paste would run what follows it.
    """
    plain = text.replace("\r\n", "\n").rstrip("\n")
    if any((ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160 for c in plain):
        raise CaveError("not delivered: the text holds control characters", "send plain text")
    return plain.encode("utf-8", "surrogateescape")
