"""This machine. The blocking half needs neither an event loop nor ``subprocess``."""

import contextlib
import os
import signal
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING

from agentcave.errors import CaveError, Unavailable
from agentcave.hosts.base import Completed, Stream
from agentcave.hosts.blocking import BlockingProcess, cannot_start, too_slow
from agentcave.hosts.files import regular

if TYPE_CHECKING:
    from anyio.abc import ByteReceiveStream, ByteSendStream, Process

CHUNK = 1 << 16


class LocalHost:
    """Processes and files of this machine; every process gets a process group of its own."""

    def which(self, program: str, path: str | None = None) -> str | None:
        if "/" in program:
            return program if _is_executable(program) else None
        for folder in (os.environ.get("PATH", os.defpath) if path is None else path).split(":"):
            candidate = os.path.join(folder or ".", program)
            if _is_executable(candidate):
                return candidate
        return None

    def begin(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        timeout: float = 30.0,
    ) -> "BlockingProcess":
        found = self._resolve(argv, cwd, environment)
        return BlockingProcess(found, environment, stdin, timeout, argv[0])

    def read(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        timeout: float = 30.0,
    ) -> Completed:
        begun = self.begin(argv, cwd=cwd, environment=environment, stdin=stdin, timeout=timeout)
        return begun.result()

    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        timeout: float = 30.0,
        keep: Sequence[int] = (),
    ) -> Completed:
        import anyio

        output = {"out": b"", "err": b""}

        async def drain(name: str, stream: "ByteReceiveStream") -> None:
            async for chunk in stream:
                output[name] += chunk

        async with self._process(argv, cwd, environment, stdin is not None, False, keep) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            with anyio.move_on_after(timeout) as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(drain, "out", process.stdout)
                    tasks.start_soon(drain, "err", process.stderr)
                    if process.stdin is not None:
                        await _feed(process.stdin, stdin or b"")
                await process.wait()
            if scope.cancelled_caught:
                raise too_slow(argv[0], timeout)
            assert process.returncode is not None
            return Completed(tuple(argv), process.returncode, output["out"], output["err"])

    @contextlib.asynccontextmanager
    async def stream(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[Stream, None]:
        async with self._process(argv, cwd, environment, True, True) as process:
            yield LocalStream(process)

    def read_file(self, path: str, limit: int) -> bytes:
        try:
            with open(path, "rb", opener=regular) as file:
                return file.read(limit)
        except OSError as exc:
            raise CaveError(f"cannot read {path}: {exc.strerror}") from exc

    def write_file(self, path: str, data: bytes, mode: int = 0o600) -> None:
        temporary = f"{path}.{os.getpid()}.tmp"
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(temporary, flags, mode)
            try:
                with open(descriptor, "wb") as file:
                    file.write(data)
                os.replace(temporary, path)
            except BaseException:
                os.unlink(temporary)
                raise
        except OSError as exc:
            raise CaveError(f"cannot write {path}: {exc.strerror}") from exc

    def _resolve(
        self, argv: Sequence[str], cwd: str | None, environment: Mapping[str, str] | None
    ) -> list[str]:
        """The argv to spawn. Raises Unavailable without its program or its directory."""
        path = (os.environ if environment is None else environment).get("PATH", os.defpath)
        program = self.which(argv[0] if cwd is None else _seen_from(cwd, argv[0]), path)
        if program is None:
            raise Unavailable(f"{argv[0]} is not installed, or not in PATH")
        if cwd is not None and not os.path.isdir(cwd):
            raise Unavailable(f"cannot start {argv[0]}: {cwd} is not a directory")
        if cwd is None:
            return [program, *argv[1:]]
        return ["/bin/sh", "-c", 'cd -- "$1" && shift && exec "$@"', "sh", cwd, program, *argv[1:]]

    @contextlib.asynccontextmanager
    async def _process(
        self,
        argv: Sequence[str],
        cwd: str | None,
        environment: Mapping[str, str] | None,
        talk: bool,
        merge: bool,
        keep: Sequence[int] = (),
    ) -> "AsyncGenerator[Process, None]":
        import subprocess

        import anyio

        self._resolve(argv, cwd, environment)
        try:
            # Cancelled while it begins, it would be killed without what it has started already.
            with anyio.CancelScope(shield=True):
                process = await anyio.open_process(
                    argv,
                    stdin=subprocess.PIPE if talk else subprocess.DEVNULL,
                    stderr=subprocess.STDOUT if merge else subprocess.PIPE,
                    cwd=cwd,
                    env=environment,
                    start_new_session=True,
                    pass_fds=keep,
                )
        except OSError as exc:
            raise cannot_start(argv[0], exc) from exc
        try:
            yield process
        finally:
            with anyio.move_on_after(10, shield=True):
                await _end(process, gently=merge)
                await process.aclose()


class LocalStream:
    """A process of this machine to talk to."""

    def __init__(self, process: "Process") -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    async def send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        await self._process.stdin.send(data)

    async def receive(self) -> bytes:
        import anyio

        assert self._process.stdout is not None
        try:
            return await self._process.stdout.receive(CHUNK)
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            return b""

    async def wait(self) -> int:
        return await self._process.wait()


def _seen_from(directory: str, program: str) -> str:
    """A relative path of a program is relative to where it is started; a bare name stays."""
    return os.path.join(directory, program) if "/" in program else program


def _is_executable(path: str) -> bool:
    return os.access(path, os.X_OK) and os.path.isfile(path)


async def _feed(stdin: "ByteSendStream", data: bytes) -> None:
    import anyio

    with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        await stdin.send(data)
        await stdin.aclose()


async def _end(process: "Process", gently: bool) -> None:
    """End what still runs: closing stdin is enough for a gentle one, the group is killed last."""
    import anyio

    if gently and process.stdin is not None:
        await process.stdin.aclose()
        with anyio.move_on_after(2):
            await process.wait()
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
