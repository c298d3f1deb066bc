"""Who keeps a project as declared, if anybody does."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from agentcave.errors import Busy, CaveError
from agentcave.hosts.files import regular
from agentcave.hosts.processes import ProcessId, identify
from agentcave.reconcile.lock import Lock

NAME = "controller"
BOUND = 1 << 20
"""Bytes of a controller's file that are read: it may name ten thousand caves."""


class Controller(NamedTuple):
    """``detached``: it has a tmux session for itself. ``watching``: once its first pass is done.

    ``since`` is in seconds since the epoch, ``epoch`` what its clock adds to the boot-time clock.
    ``keeps``: only these caves; None for all of the project. ``problem``: why it cannot.
    """

    pid: int
    start: int
    detached: bool
    since: int
    watching: bool = False
    epoch: float | None = None
    keeps: Sequence[str] | None = None
    problem: str | None = None

    @property
    def process(self) -> ProcessId:
        return ProcessId(self.pid, self.start)

    def clock(self) -> float:
        """Seconds since the epoch, as they were when it began plus what has passed.

        Somebody may set the clock back or forth: that is neither a crash loop nor a long night.
        """
        if self.epoch is None:
            return time.time()
        return self.epoch + time.clock_gettime(time.CLOCK_BOOTTIME)


def controller_of(folder: str) -> Controller | None:
    """The live controller of the project whose history lies in ``folder``."""
    try:
        with open(os.path.join(folder, NAME), encoding="utf-8", opener=regular) as file:
            known = Controller(**json.JSONDecoder().raw_decode(file.read(BOUND))[0])
    except (OSError, ValueError, TypeError):
        return None
    return known if identify(known.pid) == known.process else None


def clock_of(folder: str) -> Callable[[], float]:
    """The one by which the history that lies in ``folder`` is written: its controller's, if any."""
    controller = controller_of(folder)
    return time.time if controller is None else controller.clock


class Identity:
    """Ours, while we are the controller."""

    def __init__(self, lock: Lock, detached: bool) -> None:
        process = identify(os.getpid())
        assert process is not None, "we live"
        self._lock = lock
        now = time.time()
        epoch = now - time.clock_gettime(time.CLOCK_BOOTTIME)
        self._sign(Controller(*process, detached, int(now), epoch=epoch))

    @property
    def clock(self) -> Callable[[], float]:
        return self._ours.clock

    @property
    def watching(self) -> bool:
        return self._ours.watching

    def is_watching(self) -> None:
        """The first pass is done."""
        self._sign(self._ours._replace(watching=True))

    def keeps(self, caves: Sequence[str] | None, problem: str | None) -> None:
        """The other caves of the project are left alone; None: there are no others.

        ``problem``: why these are not kept as declared now.
        """
        if (caves, problem) != (self._ours.keeps, self._ours.problem):
            self._sign(self._ours._replace(keeps=caves, problem=problem))

    def _sign(self, ours: Controller) -> None:
        self._lock.sign(json.dumps(ours._asdict()).encode())
        self._ours = ours


@contextlib.contextmanager
def being_controller(folder: str, *, detached: bool) -> Iterator[Identity]:
    """Be the one controller of a project. Raises Busy when there is another."""
    with Lock(os.path.join(folder, NAME)) as lock:
        if not lock.take():
            other = controller_of(folder)
            who = f"agentcave up --watch (pid {other.pid})" if other else "another controller"
            raise Busy(f"{who} keeps this project as declared", "`agentcave down` ends it")
        try:
            yield Identity(lock, detached)
        finally:
            with contextlib.suppress(CaveError):
                lock.sign(b"")
