"""What goes on, while it goes on: on a terminal a bar that appears after half a second."""

import argparse
import sys
import time
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
        self._began = time.monotonic()
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, event: "Event") -> None:
        self._done += event.result not in ("started", "refused", "held")
        if self._lines:
            self._log(event)
        elif self._wanted and time.monotonic() - self._began > QUIET_SECONDS:
            self._show(event)

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

    def _show(self, event: "Event") -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task("", total=self._total)
        assert self._task is not None
        self._bar.update(
            self._task, completed=self._done, description=f"{event.step.verb} {event.step.name}"
        )
