"""One writer per project: an flock that dies with its holder and is inherited by nobody.

A tmux client outlives a holder that is killed, and still makes the sessions that it was told to
make. So clients hold a lock of their own, together, and the project is free when that is, too.
"""

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from typing import Self

from agentcave.errors import Busy, CaveError
from agentcave.hosts.files import regular

CLIENTS = "clients"
BETWEEN = 0.05


@contextlib.contextmanager
def project_lock(
    folder: str, command: str, timeout: float, waiting: Callable[[str], None]
) -> Iterator["ProjectLock"]:
    """Hold the project's lock. ``waiting`` is told once who holds it.

    Raises Busy, naming the holder, when it is not free within ``timeout`` seconds.
    """
    with ProjectLock(folder) as lock:
        _acquire(lock, timeout, waiting)
        lock.sign(signature(command))
        yield lock


def signature(command: str) -> bytes:
    return f"agentcave {command} (pid {os.getpid()})\n".encode()


class Lock:
    """A lock file, open; free when it is closed, however that comes."""

    def __init__(self, path: str) -> None:
        """Raises CaveError when the file cannot be opened."""
        self._path = path
        try:
            # Nobody inherits it: such a descriptor would keep the lock after our death.
            self.descriptor = regular(path, os.O_RDWR | os.O_CREAT)
        except OSError as exc:
            away = f"move {path} away, then run the same command again"
            raise CaveError(
                f"cannot lock the project in {os.path.dirname(path)}: {exc.strerror}",
                away if exc.errno == errno.EINVAL else None,
            ) from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def take(self) -> bool:
        """Whether it is ours now. Raises CaveError where nothing can be locked."""
        return self._flock(fcntl.LOCK_EX)

    def share(self) -> bool:
        """Whether it is ours now, beside others that share it. Raises as ``take`` does."""
        return self._flock(fcntl.LOCK_SH)

    def give(self) -> None:
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)

    def _flock(self, kind: int) -> bool:
        try:
            fcntl.flock(self.descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as exc:
            raise CaveError(
                f"cannot lock {self._path}: {exc.strerror}",
                "keep the history on a local file system: set XDG_STATE_HOME to a folder there",
            ) from exc
        return True

    def is_gone(self) -> bool:
        """Whether somebody has deleted the file: then another one may hold a lock of this name."""
        try:
            return not os.path.samestat(os.lstat(self._path), os.fstat(self.descriptor))
        except FileNotFoundError:
            return True

    def holder(self) -> str:
        """What whoever holds it has written."""
        return os.pread(self.descriptor, 4096, 0).decode(errors="replace").strip()

    def sign(self, text: bytes) -> None:
        """Write it in place of what was there; who reads meanwhile may find more behind it."""
        try:
            os.pwrite(self.descriptor, text, 0)
            os.ftruncate(self.descriptor, len(text))
        except OSError as exc:
            raise CaveError(
                f"cannot write the project's history, {self._path}: {exc.strerror}",
                "free some space, then run the same command again",
            ) from exc


class ProjectLock(Lock):
    """Of the project whose history lies in ``folder``."""

    def __init__(self, folder: str) -> None:
        super().__init__(os.path.join(folder, "lock"))
        self._folder = folder

    def take(self) -> bool:
        """Whether it is ours now, and no tmux client of an earlier holder is at work."""
        if not super().take():
            return False
        with Lock(os.path.join(self._folder, CLIENTS)) as clients:
            if clients.take():
                return True
        self.give()
        return False


@contextlib.contextmanager
def lock_of_clients(folder: str) -> Iterator[Lock]:
    """What tmux clients inherit the descriptor of, for whoever holds the project's lock."""
    with Lock(os.path.join(folder, CLIENTS)) as lock:
        lock.share()
        yield lock


class Turn:
    """The project's lock, given to others while nothing is done but waiting.

    ``leave`` is called before: what was done so far is written down. ``timeout``, in seconds,
    bounds how long the lock is waited for.
    """

    def __init__(
        self, lock: ProjectLock, clients: Lock, leave: Callable[[], None], timeout: float
    ) -> None:
        self._lock, self._clients, self._leave, self._timeout = lock, clients, leave, timeout
        self._signature = lock.holder()
        self._held, self._changed = True, False

    def rest(self) -> None:
        """Not while what was done cannot be written down; that is told at the end."""
        if self._held:
            with contextlib.suppress(CaveError):
                self._leave()
                self._clients.give()
                self._lock.give()
                self._held = False

    async def resume(self) -> bool:
        """Hold it again; whether others have held it since. Raises Busy."""
        import anyio

        deadline = time.monotonic() + self._timeout
        while not self._held:
            if self._lock.take():
                self._held = True
                self._changed |= self._lock.holder() != self._signature
                self._lock.sign(self._signature.encode())
                self._clients.share()
            elif time.monotonic() >= deadline:
                raise _busy(self._lock.holder(), self._timeout)
            else:
                await anyio.sleep(BETWEEN)
        return self._changed


def _busy(holder: str, timeout: float) -> Busy:
    return Busy(
        f"{holder} works on this project, and did not end within {timeout:g} s",
        "wait for it, or give a longer --timeout",
    )


def _acquire(lock: Lock, timeout: float, waiting: Callable[[str], None]) -> None:
    deadline, pause, told = time.monotonic() + timeout, 0.01, False
    while not lock.take():
        holder = lock.holder() or "another one"
        if time.monotonic() >= deadline:
            raise _busy(holder, timeout)
        if not told:
            waiting(holder)
            told = True
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)
