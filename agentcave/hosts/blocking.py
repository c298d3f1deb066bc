"""A process without an event loop and without ``subprocess``, which cost ``ps`` too much."""

import contextlib
import os
import select
import signal
import time
from collections.abc import Mapping

from agentcave.errors import DeadlineExceeded, Unavailable
from agentcave.hosts.base import Completed
from agentcave.hosts.limits import shortage

CHUNK = 1 << 16


class BlockingProcess:
    """A process started by ``posix_spawn``, read to its end by ``result``."""

    def __init__(
        self,
        argv: list[str],
        environment: Mapping[str, str] | None,
        stdin: bytes | None,
        timeout: float,
        program: str,
    ) -> None:
        """``program``: what messages call it."""
        self._argv, self._program = argv, program
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._stdin = memoryview(stdin or b"")
        self._buffers: dict[int, list[bytes]] = {}
        out, theirs_out = os.pipe()
        err, theirs_err = os.pipe()
        theirs_in, self._in = os.pipe()
        self._out, self._err = out, err
        self._open = {out, err, self._in}
        try:
            self._pid = os.posix_spawn(
                argv[0],
                argv,
                dict(os.environ) if environment is None else dict(environment),
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, theirs_in, 0),
                    (os.POSIX_SPAWN_DUP2, theirs_out, 1),
                    (os.POSIX_SPAWN_DUP2, theirs_err, 2),
                ],
                setpgroup=0,
                setsigdef=[signal.SIGPIPE, signal.SIGINT],
            )
        except OSError as exc:
            for descriptor in tuple(self._open):
                self._close(descriptor)
            raise cannot_start(argv[0], exc) from exc
        finally:
            for descriptor in (theirs_in, theirs_out, theirs_err):
                os.close(descriptor)

    def result(self) -> Completed:
        """Wait for the end. Raises DeadlineExceeded, its process group killed, when it is late."""
        try:
            self._converse()
            status = self._wait()
        except BaseException:
            self._kill()
            raise
        code = os.waitstatus_to_exitcode(status)
        out, err = (b"".join(self._buffers[d]) for d in (self._out, self._err))
        return Completed(tuple(self._argv), code, out, err)

    def _converse(self) -> None:
        poll = select.poll()
        self._buffers = {self._out: [], self._err: []}
        waiting = {self._out, self._err}
        for descriptor in waiting:
            poll.register(descriptor, select.POLLIN)
        if self._stdin:
            os.set_blocking(self._in, False)
            poll.register(self._in, select.POLLOUT)
        else:
            self._close(self._in)
        while waiting:
            left = self._deadline - time.monotonic()
            ready = poll.poll(max(0.0, left) * 1000)
            if not ready and left <= 0:
                raise too_slow(self._program, self._timeout)
            for descriptor, _ in ready:
                if descriptor == self._in:
                    self._feed(poll)
                elif chunk := os.read(descriptor, CHUNK):
                    self._buffers[descriptor].append(chunk)
                else:
                    poll.unregister(descriptor)
                    waiting.discard(descriptor)
                    self._close(descriptor)
        self._close(self._in)

    def _wait(self) -> int:
        """The status of a process that has nothing more to say, and usually has ended."""
        pause = 0.0002
        while True:
            ended, status = os.waitpid(self._pid, os.WNOHANG)
            if ended:
                return status
            if time.monotonic() >= self._deadline:
                raise too_slow(self._program, self._timeout)
            time.sleep(pause)
            pause = min(pause * 2, 0.01)

    def _feed(self, poll: select.poll) -> None:
        try:
            self._stdin = self._stdin[os.write(self._in, self._stdin[:CHUNK]) :]
        except BrokenPipeError:
            self._stdin = memoryview(b"")
        if not self._stdin:
            poll.unregister(self._in)
            self._close(self._in)

    def _close(self, descriptor: int) -> None:
        if descriptor in self._open:
            self._open.discard(descriptor)
            os.close(descriptor)

    def _kill(self) -> None:
        for descriptor in tuple(self._open):
            self._close(descriptor)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):  # it was waited for already
            os.waitpid(self._pid, 0)


def cannot_start(program: str, exc: OSError) -> Unavailable:
    if (short := shortage(exc)) is not None:
        return Unavailable(f"cannot start {program}: {short}", "raise that, or end something first")
    return Unavailable(f"cannot start {program}: {exc.strerror}")


def too_slow(program: str, timeout: float) -> DeadlineExceeded:
    """Nothing of its arguments is told: they may hold anything that a file was filled in with."""
    return DeadlineExceeded(f"`{program} …` gave no answer within {timeout:g} s and was ended")
