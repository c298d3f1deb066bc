"""A controller at work, and what it costs."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from program import Program
from sandbox import Sandbox
from timing import CommandFailed, wait_until

TICK = os.sysconf("SC_CLK_TCK")


class Controller:
    """Made by ``controlling``. ``events`` grows; each has ``seen``, when its line was read."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.pid = process.pid
        self.events: list[dict[str, Any]] = []
        self._process = process
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.events.append({**json.loads(line), "seen": time.time()})

    def wait_for(self, fits: Callable[[dict[str, Any]], bool], after: int, what: str) -> Any:
        """The first such event behind the first ``after`` ones."""
        found: list[dict[str, Any]] = []

        def came() -> bool:
            found[:] = [event for event in self.events[after:] if fits(event)]
            return bool(found) or self._process.poll() is not None

        wait_until(came, what, 120)
        if not found:
            raise CommandFailed(f"the controller ended with {self._process.returncode}")
        return found[0]

    @property
    def resident(self) -> float:
        """In MB."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


@contextlib.contextmanager
def controlling(place: Sandbox, program: Program, count: int) -> Iterator[Controller]:
    """A controller whose ``count`` agents run; ended afterwards."""
    process = subprocess.Popen(
        [program.agentcave, "up", "-f", "caves.yaml", "--watch", "--json"],
        cwd=place.folder,
        env=place.environ,
        stdout=subprocess.PIPE,
        text=True,
    )
    controller = Controller(process)
    try:
        wait_until(lambda: started(controller) >= count, "agents are started", 300)
        yield controller
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def started(controller: Controller) -> int:
    return sum(event["action"] == "start-session" for event in list(controller.events))


def cpu(pid: int) -> tuple[float, float]:
    """Seconds of a process, and of the children that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own, children = sum(map(int, fields[11:13])), sum(map(int, fields[13:15]))
    return own / TICK, children / TICK
