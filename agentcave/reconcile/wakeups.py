"""What can make the world differ from what was seen, as one thing to wait for.

Ends of processes by pidfd, changes of files by inotify, both behind one epoll: nothing is polled.
Facts: a pidfd becomes readable when its process ends, before anybody has waited for it
(pidfd_open(2)); it tells of 30 ends out of 30 where tmux 3.3a tells of 28.
"""

import contextlib
import errno
import os
import select
from collections.abc import Collection

import anyio
from inotify_simple import INotify, flags

CHANGED = flags.CLOSE_WRITE | flags.MOVED_TO | flags.MOVED_FROM | flags.CREATE | flags.DELETE

GONE = flags.MOVED_FROM | flags.DELETE


class Wakeups:
    """``files`` are watched through their folders, since editors replace files.

    ``signal_file`` is closed after writing by whoever did something, and never by us. ``blind``
    says why changes of files are not noticed; then whoever waits has to look by itself.
    """

    def __init__(self, signal_file: str) -> None:
        self._epoll = select.epoll()
        self._inotify, self.blind = _begin_inotify()
        if self._inotify is not None:
            self._epoll.register(self._inotify.fileno(), select.EPOLLIN)
        self._processes: dict[int, int] = {}
        self._ended: set[int] = set()
        self._folders: dict[str, int] = {}
        self._files: frozenset[str] = frozenset()
        self._signal_file = signal_file
        self._called = anyio.Event()
        self._places: frozenset[str] = frozenset()
        self.watch_files(())

    def close(self) -> None:
        for descriptor in self._processes.values():
            os.close(descriptor)
        if self._inotify is not None:
            self._inotify.close()
        self._epoll.close()

    def follow(self, pids: Collection[int]) -> bool:
        """Wait for the ends of these processes and of no others; whether all can be waited for."""
        for pid in self._processes.keys() - set(pids):
            self._forget(pid)
        self._ended &= set(pids)
        for pid in set(pids) - self._processes.keys() - self._ended:
            try:
                descriptor = os.pidfd_open(pid)
            except OSError as exc:
                if exc.errno not in (errno.ESRCH, errno.EMFILE, errno.ENFILE, errno.ENOSYS):
                    raise
                self._ended.add(pid)  # or unknown: then it is looked at from time to time
                continue
            self._processes[pid] = descriptor
            self._epoll.register(descriptor, select.EPOLLIN)
        return not self._ended

    def watch_files(self, files: Collection[str], places: Collection[str] = ()) -> None:
        """Wait for changes of these, which need not exist, instead of the ones before.

        Of ``places``, which are folders, only that they go away is of interest.
        """
        self._files, self._places = frozenset(files), frozenset(places)
        if self._inotify is None:
            return
        self.blind = None
        folders = {os.path.dirname(path) for path in (*files, *places, self._signal_file)}
        for folder in self._folders.keys() - folders:
            with contextlib.suppress(OSError):  # it went with its folder
                self._inotify.rm_watch(self._folders[folder])
            del self._folders[folder]
        for folder in folders:
            try:
                self._folders[folder] = self._inotify.add_watch(folder, CHANGED)
            except OSError as exc:  # a folder that is not there, or one too many
                if exc.errno == errno.ENOSPC:
                    self.blind = _why_blind(exc, "max_user_watches")

    def call(self) -> None:
        """Wake whoever waits."""
        self._called.set()

    async def wait(self, timeout: float) -> bool:
        """Whether something happened within ``timeout`` seconds."""
        with anyio.move_on_after(timeout) as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._until_called, tasks.cancel_scope)
                while not self._take():
                    await anyio.wait_readable(self._epoll.fileno())
                tasks.cancel_scope.cancel()
        called, self._called = self._called.is_set(), anyio.Event()
        return called or not scope.cancelled_caught

    async def _until_called(self, scope: anyio.CancelScope) -> None:
        await self._called.wait()
        scope.cancel()

    def _take(self) -> bool:
        """Take what has happened; whether it means anything."""
        happened, pids = False, {descriptor: pid for pid, descriptor in self._processes.items()}
        for descriptor, _ in self._epoll.poll(0):
            if descriptor in pids:
                pid = pids[descriptor]
                self._forget(pid)
                self._ended.add(pid)
                happened = True
            elif self._inotify is not None:
                happened |= self._take_changes(self._inotify)
        return happened

    def _take_changes(self, inotify: INotify) -> bool:
        names = {watch: folder for folder, watch in self._folders.items()}
        happened = False
        for event in inotify.read(timeout=0):
            path = os.path.join(names.get(event.wd, ""), event.name)
            happened |= bool(event.mask & flags.Q_OVERFLOW)
            happened |= bool(event.mask & GONE) and path in self._places
            happened |= path in self._files or path == self._signal_file
        return happened

    def _forget(self, pid: int) -> None:
        descriptor = self._processes.pop(pid)
        self._epoll.unregister(descriptor)
        os.close(descriptor)


def _begin_inotify() -> tuple[INotify | None, str | None]:
    """One, or why there is none: each user may have so many, and other programs use them too."""
    try:
        return INotify(nonblocking=True), None
    except OSError as exc:
        return None, _why_blind(exc, "max_user_instances")


def _why_blind(exc: OSError, limit: str) -> str:
    return (
        f"changes of files are not noticed at once, but looked for every second: {exc.strerror} "
        f"(raise /proc/sys/fs/inotify/{limit}, and start the controller again)"
    )
