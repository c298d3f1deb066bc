"""Commands of many tasks, coalesced into batches, each with its own reply.

One short-lived tmux process for each batch: nothing of ours stays connected, so nothing stays
behind when we are killed. See ``protocol`` for why this is not control mode.
"""

import os
import secrets
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, Protocol

import anyio

from agentcave.tmux import protocol
from agentcave.tmux.commands import Choice, Command, line
from agentcave.tmux.errors import (
    CommandFailed,
    Garbage,
    NoServer,
    ServerGone,
    ServerMismatch,
    TmuxMissing,
    TmuxTimeout,
)
from agentcave.tmux.server import (
    MARK,
    Completed,
    Server,
    can_hold_orphans,
    failure,
    refuse_broken,
    scrubbed,
)
from agentcave.tmux.versions import Version, parse_version

ATTEMPTS = 8
AT_ONCE = 128
"""Commands of a batch: while tmux works on one, our side prepares what goes into the next."""
ABOUT = ("#{q:version}", f"#{{==:#{{{MARK}}},1}}", "#{pid}")


class Runner(Protocol):
    """Runs a process to its end; cancelled, the process is killed first."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        timeout: float = 30.0,
        keep: Sequence[int] = (),
    ) -> Awaitable[Completed]: ...


class ServerFacts(NamedTuple):
    """About the server itself, which may be older than the program. ``owned``: we started it."""

    version: Version
    owned: bool
    pid: int


class _Call:
    """One command on its way, and who waits for its reply."""

    __slots__ = ("abandoned", "command", "done", "error", "lines", "name", "timeout")

    def __init__(self, command: Command, timeout: float) -> None:
        line(command, None)  # what cannot be sent fails here, alone
        self.command = command
        self.name = protocol.name(command)
        self.timeout = timeout
        self.lines: list[bytes] = []
        self.error: Exception | None = None
        self.abandoned = False
        self.done = anyio.Event()

    def finish(self, outcome: protocol.Outcome) -> None:
        self.lines = outcome.lines
        if outcome.error is not None:
            self.error = CommandFailed(self.name, outcome.error.rstrip("."))
        self.done.set()

    def fail(self, error: Exception) -> None:
        self.error = error
        self.done.set()


class Client:
    """Made by ``connect``. Any number of tasks may use it at once.

    ``facts`` are those of the last batch, None before the first: they never outlive a server.
    """

    def __init__(
        self, server: Server, run: Runner, environ: Mapping[str, str], keep: Sequence[int]
    ) -> None:
        self.server = server
        self.facts: ServerFacts | None = None
        self._run = run
        self._environ = environ
        self._keep = keep
        self._outbox: list[_Call] = []
        self._wake = anyio.Event()
        self._closed = False

    def __repr__(self) -> str:
        return f"<Client {self.server.socket} {self.facts} {len(self._outbox)} waiting>"

    async def run(self, *words: str, timeout: float = 30.0) -> list[bytes]:
        """The lines that one command prints.

        Raises ``CommandFailed`` when tmux refuses it, ``ServerGone`` when the server died under
        it, ``TmuxTimeout`` after ``timeout`` seconds, and what keeps us from the server at all.
        After ``ServerGone``, ``TmuxTimeout`` and when cancelled it may have been carried out.
        """
        return await self._submit(words, timeout)

    async def choose(self, choice: Choice, *, timeout: float = 30.0) -> list[bytes]:
        """As ``run``, for a command that depends on a condition inside the server."""
        return await self._submit(choice, timeout)

    async def _submit(self, command: Command, timeout: float) -> list[bytes]:
        if self._closed:
            raise ServerGone("this client was closed")
        call = _Call(command, timeout)
        self._outbox.append(call)
        self._wake.set()
        try:
            with anyio.fail_after(timeout):
                await call.done.wait()
        except TimeoutError as exc:
            raise TmuxTimeout(call.name, timeout) from exc
        finally:
            call.abandoned = True
        if call.error is not None:
            raise call.error
        return call.lines

    async def _pump(self) -> None:
        """Carry out what has gathered meanwhile as one batch: the server's cost is by the
        wake-up, not by the command."""
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            while self._outbox:
                batch, self._outbox = self._outbox[:AT_ONCE], self._outbox[AT_ONCE:]
                if batch := [call for call in batch if not call.abandoned]:
                    await self._deliver(batch)

    async def _deliver(self, batch: list[_Call]) -> None:
        """Until it is done; a server that is just leaving did none of it, so it is tried again."""
        seconds = max(call.timeout for call in batch)
        start = False
        with anyio.move_on_after(seconds):
            for attempt in range(ATTEMPTS):
                tried_to_start = start
                try:
                    await self._perform(batch, start)
                except (NoServer, ServerMismatch) as exc:
                    start = isinstance(exc, NoServer)
                    if attempt == ATTEMPTS - 1:
                        _fail(batch, exc)
                except Exception as exc:  # also the runner's own: whoever waits gets it
                    _fail(batch, exc)
                batch = [call for call in batch if not call.done.is_set()]
                if not batch:
                    return
                if tried_to_start or not start:
                    await anyio.sleep(0.01 * 2**attempt)
        _fail(batch, TmuxTimeout(batch[0].name, seconds))

    async def _perform(self, batch: list[_Call], start: bool) -> None:
        token = f"agentcave-{secrets.token_hex(16)}"
        commands = [call.command for call in batch]
        done = await self._execute(protocol.compose(commands, token, ABOUT), start)
        answer = protocol.parse(commands, token, done.stdout, done.stderr)
        if answer.refused is not None:
            batch.pop(answer.refused).finish(answer.outcomes[0])
            if batch:
                await self._perform(batch, start)
            return
        said = done.stderr.decode(errors="replace").strip()
        if answer.about is None:
            if done.returncode == 0 and not said:
                raise Garbage(f"it printed {done.stdout[:80]!r}")
            refuse_broken(self.server, done)
            told = said or done.stdout[:500].decode(errors="replace").strip()
            raise failure(self.server, told, "source-file", self._environ)
        self.facts = _facts(answer.about)
        for call, outcome in zip(batch, answer.outcomes, strict=True):
            if outcome.error is not None and not answer.whole:
                call.fail(ServerGone(f"{call.name!r} may or may not have been carried out"))
            else:
                call.finish(outcome)

    async def _execute(self, script: bytes, start: bool) -> Completed:
        server = self.server
        argv = server.start_argv(self._environ) if start else server.script_argv()
        keep = self._keep if not start or can_hold_orphans() else ()
        try:
            # The batch has a deadline of its own, so this one only bounds what is left over.
            return await self._run(
                argv, environment=self._environ, stdin=script, timeout=3600, keep=keep
            )
        except FileNotFoundError as exc:
            raise TmuxMissing(self.server.program) from exc

    def _close(self) -> None:
        self._closed = True
        for call in self._outbox:
            call.fail(ServerGone("this client was closed"))


def _fail(batch: Sequence[_Call], error: Exception) -> None:
    for call in batch:
        if not call.done.is_set():
            call.fail(error)


def _facts(about: tuple[bytes, ...]) -> ServerFacts:
    try:
        version, owned, pid = (field.decode() for field in about)
        return ServerFacts(parse_version(version), owned == "1", int(pid))
    except ValueError as exc:
        raise Garbage(f"the server describes itself as {about!r}") from exc


@asynccontextmanager
async def connect(
    server: Server,
    run: Runner,
    *,
    environ: Mapping[str, str] | None = None,
    keep: Sequence[int] = (),
) -> AsyncGenerator[Client, None]:
    """A client of a server, which the first command starts when there is none.

    Opens nothing yet, so it cannot fail. ``keep``: descriptors that each of its processes inherits,
    and the server does not.
    """
    client = Client(server, run, scrubbed(os.environ if environ is None else environ), keep)
    error: BaseException | None = None
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client._pump)
            try:
                yield client
            finally:
                client._close()
                tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        error = group.exceptions[0]  # the pump raises nothing, so it is the body's
    if error is not None:
        raise error
