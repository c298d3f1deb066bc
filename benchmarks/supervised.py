"""supervisord with agents of its own: the peer of a controller, without terminals."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from program import Program
from sandbox import AGENT, Sandbox, program_of
from timing import wait_until

CONFIGURATION = """\
[supervisord]
nodaemon=true
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid

[program:agent]
command={command}
process_name=%(process_num)03d
numprocs={count}
autorestart=true
startsecs=0
"""


class Supervisor:
    """Made by ``supervising``."""

    def __init__(self, pid: int) -> None:
        self._children = Path(f"/proc/{pid}/task/{pid}/children")

    def agents(self) -> list[int]:
        pids = map(int, self._children.read_text().split())
        return [pid for pid in pids if program_of(pid) == AGENT[0]]

    def crash(self, number: int) -> float:
        """Kill one agent; the seconds until there are as many as before."""
        before = self.agents()
        began = time.time()
        os.kill(before[number % len(before)], signal.SIGKILL)
        wait_until(lambda: len({*self.agents()} - {*before}) == 1, "an agent is replaced")
        return time.time() - began


@contextlib.contextmanager
def supervising(place: Sandbox, program: Program, count: int) -> Iterator[Supervisor]:
    """supervisord, with ``count`` agents that run; all are gone afterwards."""
    path = place.folder / "supervisord.conf"
    path.write_text(CONFIGURATION.format(folder=place.folder, command=" ".join(AGENT), count=count))
    process = subprocess.Popen(
        [program.rival("supervisord"), "-c", path],
        cwd=place.folder,
        env=place.environ,
        stdout=subprocess.DEVNULL,
    )
    supervisor = Supervisor(process.pid)
    try:
        wait_until(lambda: len(supervisor.agents()) == count, "supervisord's agents run")
        yield supervisor
    finally:
        process.terminate()
        process.wait(60)
