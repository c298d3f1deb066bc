"""Orphans that a server of agentcave holds: whose they are, and how they end."""

import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest

from agentcave.hosts import LocalHost
from agentcave.hosts.processes import PF_EXITING, Process, ProcessId, identify, look, snapshot
from agentcave.model.spec import StopSpec
from agentcave.sessions.strays import UNKNOWN, attributed, end_strays, orphans, strays
from agentcave.tmux.commands import new_session
from tests.contract.test_session_manager import AGENT, ROOT, Place, has_ended, tmux_place, until

CLEAN = "exec env -i setsid -f"
SLEEP = "sh -c 'echo $$ >{file}; exec sleep 300'"
STAY = "exec sleep 300"
WAYS = {
    "by the descriptor that it inherited": f"(cd /; {CLEAN} {SLEEP}); {STAY}",
    "by the directory that it works in": f"(exec 9<&-; {CLEAN} {SLEEP}); {STAY}",
    "by the pane that its environment names": (
        f"(cd /; exec 9<&- env -i TMUX=$TMUX TMUX_PANE=$TMUX_PANE setsid -f {SLEEP}); {STAY}"
    ),
    "by the kernel session of a pane that has died": (
        f"trap '' HUP; (cd /; exec 9<&- env -i {SLEEP} &); sleep 0.2; exit 3"
    ),
    "by a relative in its kernel session": (
        f"({CLEAN} sh -c 'sleep 300 & cd /; exec 9<&-; ({SLEEP} &)'); {STAY}".replace(
            "'echo $$ >{file}; exec sleep 300'", '"echo \\$\\$ >{file}; exec sleep 300"'
        )
    ),
}


@pytest.fixture
async def real() -> AsyncIterator[Place]:
    with TemporaryDirectory(prefix="acv-") as home:
        async for each in tmux_place(home):
            yield each


class Daemons:
    """Daemons of one test, by the file that each writes its pid to; none of them outlives it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.known: list[ProcessId] = []

    def script(self, text: str, name: str = "daemon") -> tuple[str, ...]:
        return ("/bin/sh", "-c", text.replace("{file}", str(self.home / name)))

    async def born(self, name: str = "daemon") -> int:
        path = self.home / name
        with anyio.fail_after(20):
            while not (path.exists() and path.read_text().endswith("\n")):
                await anyio.sleep(0.01)
        found = identify(int(path.read_text()))
        assert found is not None
        self.known.append(found)
        return found.pid


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[Daemons]:
    each = Daemons(tmp_path)
    yield each
    for daemon in each.known:
        if identify(daemon.pid) == daemon:
            os.kill(daemon.pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    return identify(pid) is not None


async def held(real: Place, pid: int) -> None:
    """Wait until the server has become its parent."""
    with anyio.fail_after(20):
        while (process := look(pid)) is None or process.parent != real.manager.facts.pid:
            await anyio.sleep(0.01)


async def spawned(real: Place, daemons: Daemons, how: str, **options: object) -> tuple[str, int]:
    """A session of the demo agent and a child of it that is an orphan by now."""
    session = await real.started(f"a{len(daemons.known)}", **options)
    await session.send_input(f"spawn {how}")

    async def said() -> bool:
        return f"spawned {how}: " in await session.get_output()

    await until(said)
    pid = int((await session.get_output()).partition(f"spawned {how}: ")[2].split()[0])
    found = identify(pid)
    assert found is not None
    daemons.known.append(found)
    await held(real, pid)
    return session.id, pid


@pytest.mark.parametrize("how", WAYS)
async def test_an_orphan_without_a_marker_ends_with_its_session(
    real: Place, daemons: Daemons, how: str
) -> None:
    session = await real.started(argv=daemons.script(WAYS[how]))
    orphan = await daemons.born()
    await held(real, orphan)
    if "exit" in WAYS[how]:
        await until(lambda: has_ended(session))
    found = attributed(real.manager.facts.pid, (await real.manager.panes()).values(), snapshot())
    assert found[daemons.known[0]] == session.id
    await real.manager.remove_session(session.id)
    assert not alive(orphan)


async def test_an_orphan_that_ends_nothing_by_itself_is_killed(
    real: Place, daemons: Daemons
) -> None:
    text = f"(trap '' TERM HUP INT; {CLEAN} {SLEEP}); {STAY}"
    stop = StopSpec(grace=0.2)
    session = await real.started(argv=daemons.script(text), stop=stop)
    orphan = await daemons.born()
    await held(real, orphan)
    await session.stop()
    assert not alive(orphan)


async def test_a_stopped_orphan_is_ended(real: Place, daemons: Daemons) -> None:
    session, orphan = await spawned(real, daemons, "orphan")
    os.kill(orphan, signal.SIGSTOP)
    await real.manager.remove_session(session)
    assert not alive(orphan)


async def test_a_storm_of_orphans_is_ended(real: Place, daemons: Daemons) -> None:
    python = f"import sys; sys.path.insert(0, '{ROOT}'); from agentcave import demo_children as d"
    storm = f'{AGENT[0]} -S -c "{python}; d.storm(300)"'
    text = f"({CLEAN} {storm}); {STAY}"
    session = await real.started(argv=daemons.script(text), stop=StopSpec(grace=0.05))
    server = real.manager.facts.pid

    def number() -> int:
        return len(orphans(server, snapshot()))

    with anyio.fail_after(20):
        while number() < 8:
            await anyio.sleep(0.01)
    other = await real.started("other", argv=("/bin/sh", "-c", STAY))
    await real.manager.remove_session(session.id)
    assert number() == 0
    assert (await other.status()).pid is not None


async def test_an_orphan_of_another_session_lives_on(real: Place, daemons: Daemons) -> None:
    first, one = await spawned(real, daemons, "orphan")
    second, other = await spawned(real, daemons, "orphan")
    await real.manager.remove_session(first)
    assert not alive(one)
    assert alive(other)
    await real.manager.remove_session(second)
    assert not alive(other)


async def test_in_a_workspace_of_two_an_orphan_ends_with_the_last(
    real: Place, daemons: Daemons
) -> None:
    text = f"(exec 9<&-; {CLEAN} {SLEEP}); {STAY}"
    one = await real.started("one", argv=daemons.script(text))
    two = await real.started("two", argv=("/bin/sh", "-c", STAY))
    orphan = await daemons.born()
    await held(real, orphan)
    await real.manager.remove_session(one.id)
    assert alive(orphan)
    await real.manager.remove_session(two.id)
    assert not alive(orphan)


async def test_what_a_person_began_in_a_window_of_their_own_is_left_alone(
    real: Place, daemons: Daemons
) -> None:
    session = await real.started()
    window = daemons.script(f"(setsid -f {SLEEP}); sleep 1")
    await real.manager.tmux(new_session("mine", (80, 24), window, real.home))
    daemon = await daemons.born()
    await held(real, daemon)
    assert os.readlink(f"/proc/{daemon}/cwd") == os.path.realpath(real.home)
    panes = (await real.manager.panes()).values()
    assert strays(real.manager.facts.pid, panes) == ()
    assert await end_strays(real.manager.facts.pid, panes, session.stamp.uid) == {}
    await real.manager.remove_session(session.id)
    assert alive(daemon)


async def test_what_only_its_directory_gives_away_may_be_a_persons_who_has_a_window(
    real: Place, daemons: Daemons
) -> None:
    session = await real.started()
    window = daemons.script(f"({CLEAN} {SLEEP}); {STAY}")
    await real.manager.tmux(new_session("mine", (80, 24), window, real.home))
    daemon = await daemons.born()
    await held(real, daemon)
    assert os.readlink(f"/proc/{daemon}/cwd") == os.path.realpath(real.home)
    panes = (await real.manager.panes()).values()
    assert [one.id.pid for one in strays(real.manager.facts.pid, panes)] == [daemon]
    await real.manager.remove_session(session.id)
    assert alive(daemon)


async def test_what_shows_nothing_is_a_stray(real: Place, daemons: Daemons) -> None:
    _, owned = await spawned(real, daemons, "orphan")
    begun = time.time()
    _, lost = await spawned(real, daemons, "stray")
    panes = (await real.manager.panes()).values()
    (stray,) = strays(real.manager.facts.pid, panes)
    assert (stray.id.pid, stray.command) == (lost, "sleep")
    assert abs(stray.since - begun) < 15
    assert owned != lost
    assert strays(real.manager.facts.pid, panes, [lost]) == ()


async def test_strays_are_ended_when_no_other_project_is_there(
    real: Place, daemons: Daemons
) -> None:
    session, lost = await spawned(real, daemons, "stray")
    other = await real.started("other", project="else", argv=("/bin/sh", "-c", STAY))
    server = real.manager.facts.pid
    seen = await real.manager.panes()
    uid = seen[session].stamp.uid
    assert await end_strays(server, seen.values(), uid) == {}
    assert alive(lost)
    await real.manager.remove_session(other.id)
    assert await end_strays(server, (await real.manager.panes()).values(), uid) == {}
    assert not alive(lost)
    assert alive(seen[session].pid)


async def test_jobs_of_tmux_are_no_strays(real: Place) -> None:
    await real.started()
    await real.manager.tmux(("set-option", "-g", "automatic-rename-format", "#(exec sleep 300)"))
    await real.manager.tmux(("display-message", "-p", "#(exec sleep 301)"))
    server = real.manager.facts.pid

    def jobs() -> list[int]:
        return [p.pid for p in snapshot().values() if p.parent == server and p.session == server]

    with anyio.fail_after(20):
        while not jobs():
            await anyio.sleep(0.01)
    assert orphans(server, snapshot()) == []
    assert strays(server, (await real.manager.panes()).values()) == ()


async def test_a_server_of_agentcave_that_began_in_a_session_is_no_stray(
    real: Place, daemons: Daemons
) -> None:
    await real.started()
    inner = real.manager.server._replace(socket=f"{real.home}/inner")
    words = [*inner.start_argv(real.environment)]
    script = daemons.home / "lines"
    script.write_text("new-session -d -s inner sleep 300\ndisplay-message -p '#{pid}'\n")
    await real.manager.tmux(
        new_session(
            "starts",
            (80, 24),
            ("/bin/sh", "-c", f'"$@" <{script} >{daemons.home / "daemon"}', "sh", *words),
        )
    )
    server = await daemons.born()
    await held(real, server)
    assert orphans(real.manager.facts.pid, snapshot()) == []
    assert strays(real.manager.facts.pid, (await real.manager.panes()).values()) == ()
    LocalHost().read(inner.argv("kill-server"), environment=real.environment)


def process(pid: int, parent: int, session: int, terminal: int = 0, state: str = "S") -> Process:
    return Process(pid, 10, parent, session, session, state, 1, f"command {pid}", terminal)


def test_orphans_are_the_children_that_are_no_pane_no_job_and_alive() -> None:
    server, pane, job = process(50, 1, 50), process(60, 50, 60, 9), process(61, 50, 50)
    alone, held_back = process(70, 50, 70), process(71, 50, 60)
    dead, other = process(72, 50, 72, state="Z"), process(73, 60, 73)
    leaving = process(74, 50, 74)._replace(flags=PF_EXITING)
    seen = {p.pid: p for p in (server, pane, job, alone, held_back, dead, other, leaving)}
    assert orphans(50, seen) == [alone, held_back]
    assert orphans(51, seen) == []


COPIED = """
import os, signal
readable, writable = os.pipe()
child = os.fork()  # as tmux does, before the copy gets its terminal and becomes a program
if not child:
    os.setsid()
    os.write(writable, b"x")
    signal.pause()
os.read(readable, 1)
print(child, flush=True)
signal.pause()
"""


def test_a_pane_that_is_still_a_copy_of_its_server_is_no_orphan() -> None:
    argv = [AGENT[0], "-c", COPIED]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        copy = int(server.stdout.readline())
        try:
            seen = snapshot()
            assert seen[copy].session == copy
            assert orphans(server.pid, seen) == []
            changed = {**seen, copy: seen[copy]._replace(command="other")}
            assert [each.pid for each in orphans(server.pid, changed)] == [copy]
        finally:
            os.kill(copy, signal.SIGKILL)
            server.kill()


def test_an_orphan_that_shows_nothing_is_unknown() -> None:
    seen = {p.pid: p for p in (process(50, 1, 50), process(4_000_000, 50, 4_000_000))}
    assert attributed(50, (), seen) == {ProcessId(4_000_000, 10): UNKNOWN}
