"""One session on tmux: a stamped pane, or the promise of one."""

import contextlib
import os
from typing import TYPE_CHECKING

import anyio

from agentcave.config.private import make_private
from agentcave.errors import CaveError, DeadlineExceeded
from agentcave.model.names import session_name
from agentcave.model.observed import ObservedSession, Stamp
from agentcave.model.spec import StopSpec
from agentcave.model.status import Phase
from agentcave.sessions import launch
from agentcave.sessions.base import SessionGone, SessionOptions, SessionStatus
from agentcave.sessions.delivery import Delivery, Wish, deliver
from agentcave.sessions.line import TmuxLine
from agentcave.sessions.overlays import lay
from agentcave.sessions.screen import SCROLLED_BY_NOTE, screen_text
from agentcave.sessions.stamp import VARIABLE, encode
from agentcave.tmux import CommandFailed, commands
from agentcave.tmux.commands import Command

if TYPE_CHECKING:
    from agentcave.sessions.tmux import TmuxSessionManager

START_TIMEOUT = 30.0
LOOK = 1.0
"""Seconds after which tmux is asked whether what is waited for still lives."""
INTERRUPTED = 1.0
"""Seconds that an interrupted start has to be read by its shell."""


class TmuxSession:
    """One stamped pane, or the promise of one."""

    def __init__(
        self, manager: "TmuxSessionManager", stamp: Stamp, options: SessionOptions | None = None
    ) -> None:
        self.manager = manager
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
        seen = (await self.manager.panes()).get(self.id)
        if seen is None:
            return SessionStatus(Phase.PENDING if self._options else Phase.STOPPED)
        if seen.unread:
            return SessionStatus(Phase.UNREACHABLE)
        if not seen.dead:
            judgement = (await TmuxLine(self).judge(seen)).judgement
            return SessionStatus(
                Phase.RUNNING, seen.pid, attached=seen.attached, judgement=judgement
            )
        phase = Phase.COMPLETED if seen.exit_status == 0 else Phase.FAILED
        return SessionStatus(phase, None, seen.exit_status, seen.signal, seen.attached)

    async def start(self) -> None:
        if self._options is None:
            why = "has been started before, or removed"
            raise CaveError(f"session {self.id} {why}", "create a new one")
        options = self._options
        folder = os.path.join(self.manager.folder(self.stamp), "sessions", self.id)
        path = self._write_launch(options, folder)
        argv = ("/usr/bin/env", f"{VARIABLE}={encode(self.stamp)}", "/bin/sh", path)
        try:
            await self._open(options, argv)
            await self._taken(path)
            self._keep_process_id(path)
        except anyio.get_cancelled_exc_class():
            # The pane may have come to be; without its file it would be born dead.
            with anyio.move_on_after(INTERRUPTED, shield=True):
                await self._taken(path)
            raise
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        self.cancel()
        self.manager.started(self.id)

    async def stop(self, how: StopSpec | None = None) -> None:
        seen = (await self.manager.panes()).get(self.id)
        if seen is None:
            return
        self._refuse_unread(seen)
        how = how or self._stop
        marker = os.fsencode(f"AGENTCAVE_SESSION_DIR={self.session_folder}")
        if seen.dead:  # what it started may live on; its own pid may be somebody else's by now
            await self.manager.endings.end(self.id, None, marker, how)
            return
        for key in how.keys or ():
            send = commands.send_text if key.literal else commands.send_keys
            await self.tell(send(self.manager.facts.version, seen.pane, key.value))
        await self.manager.endings.end(self.id, seen.pid, marker, how, asked=bool(how.keys))

    async def resize(self, size: tuple[int, int]) -> None:
        seen = await self.pane()
        await self.tell(commands.resize(seen.pane, size))

    async def send_input(self, text: str, *, enter: bool = True, timeout: float = 60.0) -> Delivery:
        return await self.deliver(text, Wish(enter=enter, timeout=timeout))

    async def deliver(self, text: str, wish: Wish) -> Delivery:
        """As ``send_input``, with more to wish for. Raises NotDelivered and Unconfirmed."""
        return await deliver(TmuxLine(self), text, wish)

    async def get_output(self) -> str:
        seen = await self.pane()
        above = -SCROLLED_BY_NOTE if seen.dead else None
        lines = await self.tell(commands.capture_pane(seen.pane, above))
        return screen_text(b"\n".join(lines).decode(errors="replace"), dead=seen.dead)

    def cancel(self) -> None:
        """It can not be started, or not again."""
        self._options = None

    async def tell(self, command: Command) -> list[bytes]:
        """One tmux command about this session. Raises CaveError when it is refused."""
        try:
            return await self.manager.tmux(command)
        except CommandFailed as exc:
            raise CaveError(f"{self.name}: {exc}") from exc

    @property
    def session_folder(self) -> str:
        return os.path.join(self.manager.folder(self.stamp), "sessions", self.id)

    @property
    def name(self) -> str:
        return session_name(self.stamp.project, *self.stamp.key)

    async def pane(self) -> ObservedSession:
        seen = (await self.manager.panes()).get(self.id)
        if seen is None:
            raise SessionGone(f"{self.name} is not there any more", "`agentcave ps` shows what is")
        self._refuse_unread(seen)
        return seen

    def _refuse_unread(self, seen: ObservedSession) -> None:
        if seen.unread:
            raise CaveError(f"{self.name}: {seen.unread}")

    def _write_launch(self, options: SessionOptions, folder: str) -> str:
        path = os.path.join(self.manager.folder(self.stamp), "launch", self.id)
        environment = {
            **options.environment,
            "AGENTCAVE_PROJECT": options.project,
            "AGENTCAVE_CAVE": options.cave,
            "AGENTCAVE_AGENT": options.agent,
            "AGENTCAVE_SESSION_DIR": folder,
            "AGENTCAVE_SOCKET": self.manager.server.handed(self.manager.environ),
        }
        program = options.argv[0]
        if "/" not in program:
            found = self.manager.host.which(program, environment.get("PATH", os.defpath))
            if found is None:
                raise CaveError(f"{self.name}: {program} is not installed, or not in its PATH")
            program = found
        cwd = os.path.realpath(options.cwd)
        argv = (program, *options.argv[1:])
        text = launch.script(argv, cwd, environment, self.manager.server_names)
        try:
            make_private(folder)
            make_private(os.path.dirname(path))
            for overlay in options.overlays:
                lay(overlay, folder, self.manager.host)
            for name, data in options.files.items():
                self.manager.host.write_file(os.path.join(folder, name), data)
            self.manager.host.write_file(path, text)
        except OSError as exc:
            raise CaveError(f"cannot prepare {self.name} in {folder}: {exc.strerror}") from exc
        return path

    def _keep_process_id(self, path: str) -> None:
        """Nothing but a move: a second file for each session would cost as much as the first.

        The agent runs by now, and what the file is for may never be needed.
        """
        folder = os.path.join(self.manager.folder(self.stamp), launch.PIDS)
        with contextlib.suppress(OSError):
            if not os.path.lexists(folder):
                make_private(folder)
            if os.path.islink(folder):
                return
            os.replace(path, os.path.join(folder, self.id))

    async def _open(self, options: SessionOptions, argv: tuple[str, ...]) -> None:
        manager, name = self.manager, self.name
        where = os.path.realpath(options.cwd)  # for what people open beside the agent
        try:
            if options.place is not None:
                await self._take_over(options.place, options.replaces, argv)
                return
            try:
                await manager.tmux(commands.new_session(name, options.size, argv, where))
            except CommandFailed as exc:
                if "duplicate session" not in exc.message:
                    raise
                name = f"{name}~{self.stamp.uid[:6]}"
                await manager.tmux(commands.new_session(name, options.size, argv, where))
            if not manager.facts.owned:
                await manager.tmux(commands.keep_when_dead(name, f"{argv[0]} {argv[1]}"))
        except CommandFailed as exc:
            manager.forget(self.id)
            raise CaveError(f"tmux does not start {name}: {exc.message}") from exc

    async def _take_over(self, pane: str, ended: str | None, argv: tuple[str, ...]) -> None:
        """Start in the pane of an ended session; nothing of that one stays, its title least."""
        manager = self.manager
        await manager.tmux_all(commands.clear_title(pane), commands.respawn_pane(pane, argv))
        if ended is not None:
            manager.forget(ended)

    async def _taken(self, path: str) -> None:
        """Wait until the pane's shell has read its launch file, which it overwrites first.

        Raises CaveError when the shell is gone, by its own death or its server's.
        """
        for _ in range(int(START_TIMEOUT / LOOK)):
            if await self._begun(path):
                return
            seen = (await self.manager.panes()).get(self.id)
            if (seen is None or seen.dead) and not launch.is_taken(path):
                raise CaveError(f"{self.name} was ended from outside before it ran")
        raise DeadlineExceeded(f"{self.name} did not start within {START_TIMEOUT:g} s")

    async def _begun(self, path: str) -> bool:
        pause = 0.001
        with anyio.move_on_after(LOOK):
            while not launch.is_taken(path):
                await anyio.sleep(pause)
                pause = min(pause * 2, 0.05)
            return True
        return False
