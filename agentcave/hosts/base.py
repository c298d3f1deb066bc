"""The promise of a host: every external process and every file of a cave goes through one."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol


class Completed(NamedTuple):
    """A process that has ended; ``returncode`` is negative for a signal, as in subprocess."""

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes


class Stream(Protocol):
    """A running process with piped stdin and stdout (stderr goes with stdout)."""

    @property
    def pid(self) -> int: ...
    async def send(self, data: bytes) -> None: ...
    async def receive(self) -> bytes:
        """The next bytes, or b"" at the end."""
        ...

    async def wait(self) -> int: ...


class Pending(Protocol):
    """A blocking process that was started and not yet waited for."""

    def result(self) -> Completed:
        """Wait for its end, at most until its deadline. Raises as ``Host.read`` does."""
        ...


class Host(Protocol):
    """A place with processes and files. No call here needs a shell.

    ``environment`` is the whole environment of the process (None: ours). Every process has a
    deadline in seconds and no stdin unless ``stdin`` is given. Raises ``Unavailable`` when the
    program does not exist, ``DeadlineExceeded`` when it was killed at its deadline.
    """

    def which(self, program: str, path: str | None = None) -> str | None:
        """The absolute path of a program, looked up in ``path`` (default: ours)."""
        ...

    def begin(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        timeout: float = 30.0,
    ) -> Pending:
        """Start a process without an event loop, to be waited for later.

        Its stdin ends when it is waited for, or with us.
        """
        ...

    def read(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        timeout: float = 30.0,
    ) -> Completed:
        """Run a process to its end without an event loop: for observing."""
        ...

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
        """Run a process to its end; cancelled, its whole process group is killed first.

        ``keep``: descriptors of ours that it inherits.
        """
        ...

    def stream(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> AbstractAsyncContextManager[Stream]:
        """A process to talk to; at the end of the context it is gone."""
        ...

    def read_file(self, path: str, limit: int) -> bytes:
        """At most ``limit`` bytes of a regular file; a symlink at its end is not followed."""
        ...

    def write_file(self, path: str, data: bytes, mode: int = 0o600) -> None:
        """Replace a file atomically (rename, no fsync); a symlink is replaced, not followed."""
        ...
