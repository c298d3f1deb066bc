"""A private tmux server, home and environment for each test; all are gone afterwards."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from agentcave.hosts.base import Completed
from agentcave.hosts.local import LocalHost
from agentcave.tmux import PaneRow, Server, parse_panes, scrubbed

PROGRAM = os.environ.get("AGENTCAVE_TEST_TMUX", "tmux")
STAMPED = ("/usr/bin/env", "AGENTCAVE_STAMP=abc", "/bin/sh")


class World(NamedTuple):
    """One server, the home of its user, and the environment of the one who asks."""

    server: Server
    home: str
    environ: dict[str, str]
    host: LocalHost

    def try_tmux(self, *words: str) -> Completed:
        return self.host.read(self.server.argv(*words), environment=scrubbed(self.environ))

    def tmux(self, *words: str) -> str:
        done = self.try_tmux(*words)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().rstrip("\n")

    def rows(self) -> list[PaneRow]:
        argv = self.server.list_panes_argv()
        done = self.host.read(argv, environment=scrubbed(self.environ))
        return parse_panes(self.server, done, self.environ)

    def row(self, session: str) -> PaneRow:
        (row,) = [row for row in self.rows() if row.session_name == session]
        return row


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


def make_world() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="acv-") as home:
        environ = {"PATH": os.environ["PATH"], "HOME": home, "LANG": "C.UTF-8"}
        world = World(Server(f"{home}/s", program=PROGRAM), home, environ, LocalHost())
        yield world
        world.try_tmux("kill-server")
        shutil.rmtree(home, ignore_errors=True)
        os.makedirs(home)


@pytest.fixture
def world() -> Iterator[World]:
    yield from make_world()


@pytest.fixture(scope="module")
def shared_world() -> Iterator[World]:
    yield from make_world()


def eventually(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for the world to change; fails with the condition's last value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"still {value!r} after {seconds} s"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be reaped does not."""
    try:
        return b") Z" not in read(f"/proc/{pid}/stat")
    except FileNotFoundError:
        return False


def write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def sigchld(rows: list[PaneRow]) -> None:
    os.kill(rows[0].server_pid, signal.SIGCHLD)
