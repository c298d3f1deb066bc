"""``agentcave up --watch``: stay, and keep the world as declared."""

import argparse
import contextlib
import gc
import os
import signal
from contextlib import closing
from functools import partial
from types import FrameType

import anyio

from agentcave.cli import project as projects
from agentcave.cli.choose import keys_of
from agentcave.cli.converge import change_intents, taken_down
from agentcave.cli.declared import Declared
from agentcave.cli.detaching import detach, is_detached
from agentcave.cli.locking import locked
from agentcave.cli.telling import Lines, Table
from agentcave.cli.terminal import say
from agentcave.cli.trusting import check_trust
from agentcave.errors import CaveError, UsageError
from agentcave.hosts import LocalHost
from agentcave.hosts.processes import ends_within
from agentcave.reconcile.controllers import Identity, being_controller
from agentcave.reconcile.flights import Setting
from agentcave.reconcile.lock import ProjectLock
from agentcave.reconcile.loop import HistoryGone, Loop
from agentcave.reconcile.notify import notify
from agentcave.state import State

LEAVING = 3.0
"""Seconds for a tmux server to end after it has told its panes (tmux 3.3a: 40 ms with 3 agents)."""


def run(args: argparse.Namespace, located: projects.Located) -> int:
    if not args.watch:
        raise UsageError("--detach goes with --watch", "agentcave up --watch --detach")
    if args.wait or args.wait_for:
        raise UsageError("--watch does not wait", "`agentcave wait` does, beside it")
    while True:
        try:
            return _watch(args, located)
        except HistoryGone as exc:
            say(args, f"{exc}; beginning anew")


def _watch(args: argparse.Namespace, located: projects.Located) -> int:
    document = projects.load(located)
    state = projects.state_for_writing(document.name, document.uid, document.file)
    with closing(state):
        check_trust(args, located, document, state)
        if args.detach:
            return detach(args, located, document, state.folder)
        try:
            _keep(args, located, state)
        except KeyboardInterrupt:
            if not _server_took_us_along():
                raise
    return detach(args, located, document, state.folder)


def _keep(args: argparse.Namespace, located: projects.Located, state: State) -> None:
    """Be the controller until interrupted; a tmux server that ends tells by SIGHUP."""
    if is_detached():
        signal.signal(signal.SIGHUP, _hung_up_once)
    socket = projects.server(args)
    environ = dict(os.environ)
    with being_controller(state.folder, detached=is_detached()) as identity:
        source = Declared(args, located, state)
        spec = source.read()
        named = keys_of(args.caves, spec.declared, {})
        with locked(args, state.folder):
            gone = taken_down(state, [cave.name for cave in spec.caves])
            change_intents(state, [*named, *gone], "running")
        key = state.ensure_key()
        setting = Setting(LocalHost(), socket, state, environ, key, identity.clock, {})
        live = os.isatty(1) and environ.get("TERM", "dumb") != "dumb" and not args.json
        shown = Table(args) if live else Lines()
        _tidy_regularly()
        with ProjectLock(state.folder) as lock:
            loop = Loop(
                setting,
                lock,
                source,
                shown.take,
                whole=not args.caves,
                force=args.force,
                revive=frozenset(named),
                refresh=shown.refresh,
            )
            try:
                anyio.run(loop.run, partial(_looked, loop, setting, identity, shown))
            except BaseExceptionGroup as group:
                raise _only(group) from group


def _tidy_regularly() -> None:
    """Commands end before cycles matter, and look for none (cli/main.py); this one stays."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(1_000, 10, 5)


def _only(error: BaseException) -> BaseException:
    """What a task group has wrapped, where that is one single thing: `main` knows those."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _looked(loop: Loop, setting: Setting, identity: Identity, shown: Lines | Table) -> None:
    with contextlib.suppress(CaveError):  # a full disk: it is tried at the next look
        kept = [cave.name for cave in loop.spec.caves]
        whole = len(kept) == len(loop.spec.declared)
        identity.keeps(None if whole else kept, loop.problem)
        if loop.is_resting and not identity.watching:
            identity.is_watching()
    if loop.looks == 1:  # a long setup is no reason for a service manager to give up
        notify(setting.environ, "READY=1")
    notify(setting.environ, f"STATUS={loop.problem or 'as declared'}")
    shown.show(loop, setting)


def _hung_up_once(number: int, frame: FrameType | None) -> None:
    """A server tells its panes that it ends, and the end of their terminals tells them again."""
    signal.signal(signal.SIGHUP, lambda *_: None)
    interrupt = signal.getsignal(signal.SIGINT)
    assert callable(interrupt), "Python's own, or the event loop's"
    interrupt(signal.SIGINT, frame)


def _server_took_us_along() -> bool:
    """Whether the tmux server of our pane ends: TMUX is its socket, its pid and a number."""
    words = os.environ.get("TMUX", "").split(",")
    return is_detached() and len(words) == 3 and ends_within(int(words[1]), LEAVING)
