"""Starts a tmux server that every orphan below it becomes a child of, then talks to it.

A script for a Python of its own, ``subreaper.py SOCKET BEFORE N TMUX ARGUMENT…``, with commands on
stdin. The first N words, from TMUX on, begin the server; all of them are the client. BEFORE is the
socket's ``identity`` when nobody listened there.
The server must be this very process: what ``prctl`` sets is kept across exec and lost across
fork, so it may not be set by a parent, and tmux may not fork either (``-D``). It is set here and
not in a fork of the caller, which may have threads.

``tmux -D`` takes tmux's own lock like any other server that starts, and ends when another one was
quicker. It reads its configuration when its first client comes (3.3a) and does not end before,
without sessions as it is: so that client follows at once, whatever becomes of the caller. A second
``tmux -D`` would be such a client, and the server would end with it: so one at a time tries, and
none where another has made the socket meanwhile. Where none comes to be, the client is left to
start one by itself; else it may not (-N), for that one would inherit what the client has open. A
client that may not start a server does not wait for one either that is about to listen: so the
lock is waited for that the server holds until then.
"""

import ctypes
import fcntl
import os
import resource
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
IGNORED_BY_PYTHON = (13, 25)
"""SIGPIPE and SIGXFSZ; tmux would hand the second on to all panes. Module signal costs 10 ms."""
DEADLINE = 5.0
DESCRIPTORS = 1 << 16
SOFT_LIMIT = b"AGENTCAVE_NOFILE"
"""The launch file of an agent gives it this limit back, and takes the variable away."""


def main(socket: str, before: str, count: str, *client: str) -> None:
    environment, first, rest = handed(), client[: int(count)], client[int(count) :]
    take_turn(os.path.dirname(socket), os.O_DIRECTORY)
    if identity(socket) == before:
        child = os.fork()
        if not child:
            become_server(first, environment)
        wait_for_change(socket, before, child)
    if identity(socket) == before:
        close_inherited()
    else:
        take_turn(f"{socket}.lock")
        first = (*first, "-N")
    os.execvpe(first[0], [*first, *rest], environment)


def handed() -> dict[bytes, bytes]:
    """The environment as it was given: Python adds LC_CTYPE to it under the C locale (PEP 538)."""
    with open("/proc/self/environ", "rb") as file:
        entries = file.read().split(b"\0")
    return dict(entry.split(b"=", 1) for entry in entries if b"=" in entry)


def take_turn(path: str, kind: int = 0) -> None:
    """Until this process becomes the client, if this is there and can be locked."""
    deadline = time.monotonic() + DEADLINE
    try:
        descriptor = os.open(path, os.O_RDONLY | kind | os.O_CLOEXEC)
        while not locked(descriptor) and time.monotonic() < deadline:
            time.sleep(0.0005)
    except OSError:
        return


def locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def identity(socket: str) -> str:
    """Which file a socket is; "" for none."""
    try:
        status = os.stat(socket)
    except OSError:
        return ""
    return f"{status.st_ino}:{status.st_ctime_ns}"


def become_server(begins: tuple[str, ...], environment: dict[bytes, bytes]) -> None:
    try:
        os.setsid()
        os.chdir("/")
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        close_inherited()
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        for number in IGNORED_BY_PYTHON:
            libc.signal(number, None)
        os.execvpe(begins[0], [*begins, "-D"], {**environment, **raised_limit()})
    finally:
        os._exit(127)


def raised_limit() -> dict[bytes, bytes]:
    """Raise the soft limit of descriptors, and what tells the panes which it was.

    The server needs one for each session; at its limit it turns in circles instead of failing.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return {}
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return {SOFT_LIMIT: b"%d" % soft}


def close_inherited() -> None:
    """What whoever began us left open; a server would hold it, a lock say, as long as it runs."""
    os.closerange(3, 1 + max(map(int, os.listdir("/proc/self/fd"))))


def wait_for_change(socket: str, before: str, child: int) -> None:
    """Until some server has made its socket; it holds tmux's lock until it listens there.

    Not by connecting: a server before its configuration reads it only for its very first client.
    """
    deadline = time.monotonic() + DEADLINE
    while identity(socket) == before and time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG) != (0, 0):
            return
        time.sleep(0.0005)


if __name__ == "__main__":
    main(*sys.argv[1:])
