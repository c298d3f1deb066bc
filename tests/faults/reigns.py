"""What a controller is doing when it is met by a fault, and what must be afterwards."""

import os
import shlex
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from calls import Calls, wrap
from caving import SLEEPER, Cave, eventually
from invariants import Promise
from scenarios import AFTER, edited, living, nothing_yet
from sightings import look, server_pid
from watching import Watcher, crash

Prepare = Callable[[Cave], Promise]


class Reign(NamedTuple):
    """``prepare``: the world before there is a controller. ``provoke``: what it then answers to.

    ``calls``: what the answer needs at most.
    """

    prepare: Prepare
    provoke: Callable[[Cave], object] | None
    calls: int


class Fault(NamedTuple):
    """The call of a reign, counted since it was provoked, at which the controller is signalled."""

    reign: str
    signal: str
    harm: str
    number: int

    def __str__(self) -> str:
        return "-".join(map(str, self))


def edit(cave: Cave) -> None:
    cave.declare(AFTER)


def kill_the_server(cave: Cave) -> None:
    cave.tmux("kill-server")


REIGNS = {
    "beginning": Reign(nothing_yet, None, 60),
    "replacing": Reign(living, crash, 24),
    "editing": Reign(living, edit, 60),
    "raising": Reign(living, kill_the_server, 30),
}
