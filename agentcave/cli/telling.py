"""What a controller shows: a live table on a terminal, else a line of JSON for each event."""

import argparse
import json
import os
import sys
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from agentcave.cli.terminal import colored
from agentcave.errors import CaveError
from agentcave.reconcile.attend import attend, rules_of
from agentcave.reconcile.flights import Setting
from agentcave.reconcile.live import observe_sessions
from agentcave.reconcile.loop import Loop
from agentcave.report.events import event_text
from agentcave.report.sessions import Row, render_rows, rows_of
from agentcave.report.text import one_line, paint, plain
from agentcave.sessions.panes import Reading

KEPT = 6
REFRESH = 1.0


class Lines:
    """JSON lines; nobody may be there to read them any more."""

    refresh: float | None = None

    def take(self, event: Mapping[str, Any]) -> None:
        try:
            print(json.dumps(event), flush=True)
        except BrokenPipeError:
            raise
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the terminal has gone

    def show(self, loop: Loop, setting: Setting) -> None:
        pass


class Table:
    """The rows of `ps`, why things are not as declared, and what was done last."""

    refresh: float | None = REFRESH

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._events: deque[str] = deque(maxlen=KEPT)

    def take(self, event: Mapping[str, Any]) -> None:
        self._events.append(event_text(event))

    def show(self, loop: Loop, setting: Setting) -> None:
        if loop.seen is None:
            return
        desired, color = loop.seen.desired, colored(self._args)
        head = f"{desired.project}: kept as in {desired.file}; Ctrl-C ends that, the agents go on"
        try:
            rows, problem = _rows(loop, setting), loop.problem
        except CaveError as exc:
            rows, problem = [], str(exc)
        lines = [one_line(head), ""]
        if rows:
            lines += [render_rows(rows, int(time.time()), color, git=False), ""]
        if problem is not None:
            lines.append(paint(plain(problem), "31", color))
        sys.stdout.write("\x1b[H\x1b[2J" + "\n".join([*lines, *self._events]) + "\n")
        sys.stdout.flush()


def _rows(loop: Loop, setting: Setting) -> list[Row]:
    """Read anew. Raises CaveError."""
    reading, state = Reading(setting.host, setting.server), setting.state
    observed = observe_sessions(reading.sessions(), loop.spec.uid, state.histories())
    rules = rules_of(loop.spec.caves)
    observed = attend(setting.host, setting.server, state.folder, observed, rules)
    return rows_of(loop.spec, observed, setting.key, watched_at=setting.clock())
