"""A server that agentcave starts holds every orphan below it."""

import contextlib
import os
import signal
from collections.abc import Callable

import anyio
import pytest

from agentcave.hosts.processes import Process, look, snapshot
from agentcave.tmux.client import ServerFacts, connect
from agentcave.tmux.commands import new_session
from agentcave.tmux.subreaper import identity, wait_for_change
from tests.tmux.conftest import STAMPED, World, alive, eventually, read, write

SLEEP = (*STAMPED, "-c", "exec sleep 300")
DAEMON = "env -i setsid -f sh -c 'echo $$ >pid; exec sleep 300'; "


async def start(
    world: World, argv: tuple[str, ...] = SLEEP, name: str = "a/b/c", keep: tuple[int, ...] = ()
) -> ServerFacts:
    async with connect(world.server, world.host.run, environ=world.environ, keep=keep) as client:
        await client.run(*new_session(name, (80, 24), argv, world.home))
        assert client.facts is not None
        return client.facts


def children(pid: int) -> list[Process]:
    return [each for each in snapshot().values() if each.parent == pid and not each.is_gone]


def daemon(world: World) -> int:
    path = f"{world.home}/pid"
    eventually(lambda: os.path.exists(path) and read(path).endswith(b"\n"))
    return int(read(path))


async def test_what_forked_twice_and_cleaned_its_environment_is_a_child_of_the_server(
    world: World,
) -> None:
    facts = await start(world, (*STAMPED, "-c", f"{DAEMON} exec sleep 300"))
    orphan = daemon(world)
    eventually(lambda: orphan in {each.pid for each in children(facts.pid)})
    world.tmux("kill-session", "-t", "=a/b/c")
    eventually(lambda: not alive(facts.pid))
    assert alive(orphan), "tmux itself ends no orphan"
    os.kill(orphan, signal.SIGKILL)


async def test_an_orphan_that_ends_leaves_no_zombie(world: World) -> None:
    facts = await start(world, (*STAMPED, "-c", f"{DAEMON} exec sleep 300"))
    orphan = daemon(world)
    eventually(lambda: orphan in {each.pid for each in children(facts.pid)})
    os.kill(orphan, signal.SIGKILL)
    eventually(lambda: look(orphan) is None)
    assert world.row("a/b/c").server_pid == facts.pid


async def test_every_end_of_a_pane_is_known_beside_orphans(world: World) -> None:
    await start(world)
    for number in range(20):
        await start(world, (*STAMPED, "-c", f"(env -i sleep 0.1 &); exit {number}"), f"s{number}")

    def statuses() -> list[int | None]:
        rows = [row for row in world.rows() if row.session_name.startswith("s")]
        if any(row.dead and row.dead_status is None for row in rows):  # tmux issue 4559
            os.kill(rows[0].server_pid, signal.SIGCHLD)
        return [row.dead_status for row in rows]

    eventually(lambda: sorted(s for s in statuses() if s is not None) == list(range(20)))


async def test_the_server_is_apart_from_whoever_started_it(world: World) -> None:
    facts = await start(world)
    process = look(facts.pid)
    assert process is not None
    assert (process.session, process.group, process.terminal) == (facts.pid, facts.pid, 0)
    for descriptor in (0, 1, 2):
        assert os.readlink(f"/proc/{facts.pid}/fd/{descriptor}") == os.devnull
    assert os.readlink(f"/proc/{facts.pid}/cwd") == "/"
    assert world.tmux("show-options", "-sv", "exit-empty") == "on"


async def test_the_server_lends_what_was_handed_over_and_no_more(world: World) -> None:
    del world.environ["LANG"]  # under the C locale, Python adds LC_CTYPE to its environment
    facts = await start(world)
    lent = {e.partition(b"=")[0] for e in read(f"/proc/{facts.pid}/environ").split(b"\0") if e}
    assert lent == {b"PATH", b"HOME", b"TERM"}


async def test_panes_ignore_no_signal_that_others_do_not(world: World) -> None:
    await start(world)
    pid = world.row("a/b/c").pane_pid

    def ignores_none() -> bool:  # before it becomes the program, it ignores what the server does
        status = read(f"/proc/{pid}/status").decode()
        ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
        return not ignored & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1)

    eventually(ignores_none)


async def test_twenty_clients_at_once_start_one_server_with_our_configuration(world: World) -> None:
    facts = []

    async def join(name: str) -> None:
        facts.append(await start(world, name=name))

    for turn in range(3):
        facts.clear()
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(join, f"{turn}-{number}")
        assert len({each.pid for each in facts}) == 1
        assert all(each.owned for each in facts)
        assert len(world.rows()) == 20
        eventually(lambda: not os.path.exists(f"{world.server.socket}.lock"))
        world.tmux("kill-server")
        eventually(lambda: not alive(facts[0].pid))


async def test_a_server_of_others_stays_what_it_is(world: World) -> None:
    world.tmux("new-session", "-d", "-s", "mine", "--", "sleep", "300")
    server = world.row("mine").server_pid
    facts = await start(world, (*STAMPED, "-c", f"{DAEMON} exec sleep 300"))
    orphan = daemon(world)
    assert facts.pid == server
    assert orphan not in {each.pid for each in children(server)}
    os.kill(orphan, signal.SIGKILL)


def never_in_the_foreground(world: World) -> World:
    path = f"{world.home}/tmux"
    script = (
        f'#!/bin/sh\ncase " $* " in *" -D "*) exit 1;; esac\nexec {world.server.program} "$@"\n'
    )
    write(path, script.encode())
    os.chmod(path, 0o755)
    return world._replace(server=world.server._replace(program=path))


async def test_a_server_that_cannot_stay_in_the_foreground_is_started_all_the_same(
    world: World,
) -> None:
    facts = await start(never_in_the_foreground(world))
    assert facts.owned
    assert [row.session_name for row in world.rows()] == ["a/b/c"]


@pytest.mark.parametrize("change", [lambda world: world, never_in_the_foreground])
async def test_what_a_client_inherits_is_open_in_it_and_not_in_the_server(
    world: World, change: Callable[[World], World]
) -> None:
    path = f"{world.home}/lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    facts = await start(change(world), keep=(descriptor,))
    assert not holds(facts.pid, path)
    async with (
        connect(world.server, world.host.run, environ=world.environ, keep=(descriptor,)) as client,
        anyio.create_task_group() as tasks,
    ):
        os.kill(facts.pid, signal.SIGSTOP)
        tasks.start_soon(client.run, "display-message", "-p", "hello")
        try:
            with anyio.fail_after(20):
                while not any(holds(pid, path) for pid in clients()):
                    await anyio.sleep(0.01)
        finally:
            os.kill(facts.pid, signal.SIGCONT)
    os.close(descriptor)


def clients() -> list[int]:
    return [one.pid for one in snapshot().values() if one.command == "tmux: client"]


def holds(pid: int, path: str) -> bool:
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(OSError):
        return any(os.readlink(f"{folder}/{name}") == path for name in os.listdir(folder))
    return False


async def test_a_caller_that_is_killed_leaves_no_idle_server(world: World) -> None:
    argv = world.server.start_argv(world.environ)
    begun = world.host.begin(argv, environment=world.environ, stdin=b"")
    assert begun.result().returncode == 0

    def servers() -> list[int]:
        return [p.pid for p in snapshot().values() if p.command == "tmux: server" and ours(p.pid)]

    def ours(pid: int) -> bool:
        return world.server.socket.encode() in read(f"/proc/{pid}/cmdline")

    eventually(lambda: servers() == [])


def test_the_wait_for_a_socket_ends_with_the_server_that_does_not_make_it(world: World) -> None:
    child = os.posix_spawn("/bin/false", ["false"], {})
    wait_for_change(f"{world.home}/never", identity(f"{world.home}/never"), child)
    with pytest.raises(ChildProcessError):
        os.waitpid(child, os.WNOHANG)
