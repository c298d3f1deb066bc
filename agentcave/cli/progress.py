"""What goes on, while it goes on: on a terminal a bar that appears after half a second."""

import argparse
import sys
from threading import Lock, Timer
from types import TracebackType
from typing import TYPE_CHECKING, Self

from agentcave.report.text import one_line

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from agentcave.apply.events import Event

QUIET_SECONDS = 0.5


class Progress:
    """Takes the events of a pass. Not on a terminal it is silent, unless -v asks for lines."""

    def __init__(self, args: argparse.Namespace, total: int) -> None:
        self._lines = args.verbose and not args.quiet
        self._wanted = sys.stderr.isatty() and not args.quiet and not self._lines
        self._total, self._done = total, 0
        self._doing = "…"
        self._lock = Lock()
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._timer = Timer(QUIET_SECONDS, self._start)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        if self._wanted:
            self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._wanted = False
            if self._bar is not None:
                self._bar.stop()

    def __call__(self, event: "Event") -> None:
        self._done += event.result not in ("waiting", "started", "refused", "held")
        if self._lines:
            self._log(event)
        elif self._wanted:
            with self._lock:
                waits = f" waits {event.error}" if event.result == "waiting" else ""
                self._doing = f"{event.step.verb} {event.step.name}{waits}"
                self._show()

    def _log(self, event: "Event") -> None:
        from agentcave.logs import logger

        step = event.step
        logger().info(
            f"step_{event.result}",
            cave=step.cave,
            agent=step.agent,
            action=step.verb,
            cause=one_line(step.cause),
            duration_ms=round(event.seconds * 1000),
            error=event.error and one_line(event.error),
        )

    def _start(self) -> None:
        """Begin to show, from the timer's thread: one long step brings no event for minutes."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
        from rich.progress import Progress as Bar

        columns = (
            SpinnerColumn(),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
        )
        with self._lock:
            if self._wanted:
                self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
                self._task = self._bar.add_task(self._doing, total=self._total)
                self._show()
                self._bar.start()

    def _show(self) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done, description=self._doing)
