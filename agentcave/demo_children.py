"""Children that outlive an agent: what the demo agent starts, so that stopping can be seen."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

SPAWNS: dict[str, Sequence[signal.Signals]] = {
    "nohup": (signal.SIGHUP,),
    "setsid": (),
    "double-fork": (),
    "clean-env": (signal.SIGHUP,),
    "stubborn": (signal.SIGTERM, signal.SIGHUP, signal.SIGINT),
    "orphan": (),
    "stray": (),
}
"""The ways to outlive an agent, and the signals that each ignores."""
TWICE_FORKED = {"double-fork": "setsid", "orphan": "clean-env", "stray": "daemon"}
"""``stray`` also leaves its directory and closes what it inherited: nothing tells whose it is."""


def fork_apart(work: Callable[[], object]) -> int:
    """A child without our terminal and signal handlers; its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        work()
    finally:
        os._exit(127)


def spawn(how: str) -> int:
    """Start one process that sleeps for ever; its pid."""
    if how not in TWICE_FORKED:
        return fork_apart(lambda: sleep(how))
    readable, writable = os.pipe()
    middle = fork_apart(lambda: os.write(writable, b"%d" % spawn(TWICE_FORKED[how])))
    os.close(writable)
    pid = os.read(readable, 32)
    os.close(readable)
    os.waitpid(middle, 0)
    return int(pid)


def sleep(how: str) -> NoReturn:
    for number in SPAWNS.get(how, ()):
        signal.signal(number, signal.SIG_IGN)
    if how in ("setsid", "clean-env", "daemon"):
        os.setsid()
    if how == "daemon":
        os.chdir("/")
        os.closerange(3, 256)
    environment = {} if how in ("clean-env", "daemon") else dict(os.environ)
    os.execvpe("sleep", ["sleep", "infinity"], environment)


def storm(generations: int) -> None:
    """Each process forks the next; every other one ends, the others stay and heed no TERM."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    for generation in range(generations):
        if os.fork():
            if generation % 2:
                os._exit(0)
            signal.pause()
        time.sleep(0.002)
