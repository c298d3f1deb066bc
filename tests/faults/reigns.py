"""What a controller is doing when a fault meets it, and what must be afterwards."""

import signal
from collections.abc import Callable
from typing import NamedTuple

from calls import wrap
from caving import Cave, eventually
from invariants import Promise
from scenarios import AFTER, living, nothing_yet
from watching import Watcher, crash, pid_of

HARMS = ("before", "meanwhile", "late", "after")
SIGNALS = {"KILL": signal.SIGKILL, "TERM": signal.SIGTERM}
CODES = {
    "KILL": {-signal.SIGKILL},
    "TERM": {128 + signal.SIGTERM, -signal.SIGTERM},
}
"""How it ends; by the signal itself when a second one meets it on its last steps."""


class Reign(NamedTuple):
    """``prepare``: the world before there is a controller. ``provoke``: what it answers to.

    ``provoke`` returns what is promised from then on. ``calls``: what the answer needs at most.
    """

    prepare: Callable[[Cave], Promise]
    provoke: Callable[[Cave, Promise], Promise]
    calls: int


class Fault(NamedTuple):
    """The controller gets the signal at one of its calls, counted since it was provoked."""

    reign: str
    signal: str
    harm: str
    number: int

    def __str__(self) -> str:
        return "-".join(map(str, self))


def nothing_more(cave: Cave, promise: Promise) -> Promise:
    return promise


def a_crash(cave: Cave, promise: Promise) -> Promise:
    crash(cave)
    return promise


def an_edit(cave: Cave, promise: Promise) -> Promise:
    """One cave is new, one gone, one gets another environment, and a context to seed."""
    cave.declare(AFTER)
    return promise._replace(agents=["api/shell", "lib/shell", "docs/shell", "new/shell"])


def a_dead_server(cave: Cave, promise: Promise) -> Promise:
    cave.tmux("kill-server")
    return promise


REIGNS = {
    "beginning": Reign(nothing_yet, nothing_more, 70),
    "replacing": Reign(living, a_crash, 12),
    "editing": Reign(living, an_edit, 76),
    "raising": Reign(living, a_dead_server, 16),
}


def faults_of(name: str) -> list[Fault]:
    return [
        Fault(name, sent, harm, number)
        for sent in SIGNALS
        for harm in HARMS
        for number in range(1, REIGNS[name].calls + 1)
    ]


class Answer(NamedTuple):
    """``calls``: what the controller called since it was provoked."""

    promise: Promise
    code: int
    calls: list[str]


def met(cave: Cave, fault: Fault) -> Answer:
    """A controller that ends by the fault, or by the same signal once all is as declared."""
    reign, aim = REIGNS[fault.reign], cave.home / "aim"
    promise = reign.prepare(cave)
    calls = wrap(cave, f'[ "$n" = "$(cat {aim})" ]', fault.harm, fault.signal)
    aim.write_text(str(fault.number) if reign.provoke is nothing_more else "none")
    before, made = pid_of(cave), 0
    watcher = Watcher(cave, PATH=calls.path)
    try:
        if reign.provoke is not nothing_more:
            watcher.settles()
            made = len(calls.made())
            aim.write_text(str(made + fault.number))
        promise = reign.provoke(cave, promise)
        eventually(lambda: has_ended(watcher) or is_as_promised(cave, promise, before), 40)
        watcher.rests()
    finally:
        done = watcher.end(SIGNALS[fault.signal])
    return Answer(promise, done.code, calls.made()[made:])


def is_as_promised(cave: Cave, promise: Promise, before: int | None) -> bool:
    """All agents live, and the first of them is another process than before."""
    live = {name.removeprefix("shop/") for name in cave.agents()}
    return live == {*promise.agents} and pid_of(cave) != before


def has_ended(watcher: Watcher) -> bool:
    return watcher.process.poll() is not None
