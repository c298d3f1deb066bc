"""A server whose start begins while there is something else to do."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest

from agentcave.hosts.processes import look, snapshot
from agentcave.sessions import TmuxSessionManager
from agentcave.sessions.base import SessionOptions
from agentcave.tmux import lent_names
from tests.contract.test_session_manager import ROOT, environment_in

KILLED = """
import os, signal, sys, time
import anyio
from agentcave.sessions import TmuxSessionManager

async def main(home, environ):
    async with TmuxSessionManager(f"{home}/s", environ=environ, server_names=()) as manager:
        manager.start_ahead()
        while not os.path.exists(f"{home}/s"):
            time.sleep(0.005)
        time.sleep(float(sys.argv[2]))
        os.kill(os.getpid(), signal.SIGKILL)

anyio.run(main, sys.argv[1], dict(os.environ))
"""


@pytest.fixture
def home() -> Iterator[str]:
    with TemporaryDirectory(prefix="acv-") as folder:
        yield folder


def manager_in(home: str) -> TmuxSessionManager:
    environ = environment_in(home)
    return TmuxSessionManager(f"{home}/s", environ=environ, server_names=lent_names(environ))


def of_this_world(home: str) -> list[str]:
    """Command lines of clients and servers on the socket."""
    found = []
    for pid in snapshot():
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if f"{home}/s\0" in line and "tmux" in line:
            found.append(line.replace("\0", " "))
    return found


async def all_gone(home: str) -> None:
    with anyio.fail_after(20):
        while of_this_world(home):
            await anyio.sleep(0.02)


@pytest.mark.parametrize("pause", [0.0, 0.3])
async def test_the_first_session_lives_on_the_server_that_was_started_ahead(
    home: str, pause: float
) -> None:
    async with manager_in(home) as manager:
        manager.start_ahead()
        await anyio.sleep(pause)
        argv = ("/bin/sh", "-c", "exec sleep 300")
        options = SessionOptions("shop", "api", "a", argv, home, environment_in(home))
        session = await manager.create_session(options)
        await session.start()
        assert manager.facts.owned
        with anyio.fail_after(20):
            while len(left := of_this_world(home)) != 1:
                await anyio.sleep(0.02)
        assert left[0].endswith(" -D ")
        pid = (await session.status()).pid
        assert pid is not None
        process = look(pid)
        assert process is not None
        assert process.parent == manager.facts.pid
        await manager.remove_session(session.id)
    await all_gone(home)


async def test_a_server_that_nothing_came_to_need_ends(home: str) -> None:
    async with manager_in(home) as manager:
        manager.start_ahead()
    await all_gone(home)


@pytest.mark.parametrize("pause", ["0", "0.3"])
async def test_killed_it_leaves_no_server(home: str, pause: str) -> None:
    environ = environment_in(home)
    argv = [sys.executable, "-P", "-c", KILLED, home, pause]
    done = await anyio.to_thread.run_sync(
        lambda: subprocess.run(argv, env=environ, cwd=ROOT, check=False)
    )
    assert done.returncode == -9
    await all_gone(home)
