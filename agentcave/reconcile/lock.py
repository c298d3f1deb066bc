"""One writer per project: an flock that dies with its holder and is inherited by nobody."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator

from agentcave.errors import Busy, CaveError


@contextlib.contextmanager
def project_lock(
    folder: str, command: str, timeout: float, waiting: Callable[[str], None]
) -> Iterator[None]:
    """Hold the project's lock. ``waiting`` is told once who holds it.

    Raises Busy, naming the holder, when it is not free within ``timeout`` seconds.
    """
    path = os.path.join(folder, "lock")
    try:
        # O_CLOEXEC: an inherited descriptor would keep the lock after our death.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise CaveError(f"cannot lock the project in {folder}: {exc.strerror}") from exc
    try:
        _acquire(descriptor, timeout, waiting)
        _sign(descriptor, path, command)
        yield
    finally:
        os.close(descriptor)


def _sign(descriptor: int, path: str, command: str) -> None:
    try:
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"agentcave {command} (pid {os.getpid()})\n".encode(), 0)
    except OSError as exc:
        raise CaveError(
            f"cannot write the project's history, {path}: {exc.strerror}",
            "free some space, then run the same command again",
        ) from exc


def _acquire(descriptor: int, timeout: float, waiting: Callable[[str], None]) -> None:
    deadline, pause, told = time.monotonic() + timeout, 0.01, False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another one"
        if time.monotonic() >= deadline:
            raise Busy(
                f"{holder} works on this project, and did not end within {timeout:g} s",
                "wait for it, or give a longer --timeout",
            )
        if not told:
            waiting(holder)
            told = True
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)
