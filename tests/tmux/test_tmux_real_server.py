import os
import signal

import anyio
import pytest

from agentcave.tmux import (
    CommandFailed,
    Garbage,
    NoServer,
    TmuxBroken,
    TmuxTooOld,
    Unreachable,
    check_version,
    interpret,
    scrubbed,
)
from agentcave.tmux.client import Client, connect
from agentcave.tmux.commands import new_session
from tests.tmux.conftest import STAMPED, World, alive, eventually, read, write

SLEEP = (*STAMPED, "-c", "exec sleep 300")


async def test_a_server_is_started_by_the_first_command_and_ends_with_its_last_session(
    world: World,
) -> None:
    async with connect(world.server, world.host.run, environ=world.environ) as client:
        assert client.facts is None
        assert world.rows() == []
        reply = await client.run(*new_session("a/b/c", (100, 40), SLEEP))
        assert client.facts is not None
        assert client.facts.owned
    row = world.row("a/b/c")
    assert row.server_pid == client.facts.pid
    assert reply == [f"{row.session_id} {row.pane_id}".encode()]
    world.tmux("kill-session", "-t", "=a/b/c")
    eventually(lambda: not alive(row.server_pid))
    assert world.rows() == []


async def test_a_server_without_sessions_does_not_stay(world: World) -> None:
    async with connect(world.server, world.host.run, environ=world.environ) as client:
        await client.run("show-environment", "-g")
        pid = pid_of(client)
        eventually(lambda: not alive(pid))


async def test_five_clients_start_one_server_between_them(world: World) -> None:
    pids = []

    async def join(name: str) -> None:
        async with connect(world.server, world.host.run, environ=world.environ) as client:
            await client.run(*new_session(name, (80, 24), SLEEP))
            pids.append(pid_of(client))

    for turn in range(4):
        pids.clear()
        async with anyio.create_task_group() as tasks:
            for i in range(5):
                tasks.start_soon(join, f"{turn}-{i}")
        assert len(set(pids)) == 1
        assert [row.session_name for row in world.rows()] == [f"{turn}-{i}" for i in range(5)]
        for i in range(5):
            world.tmux("kill-session", "-t", f"={turn}-{i}")


async def test_a_server_that_is_just_leaving_is_followed_by_a_new_one(world: World) -> None:
    pids = set()
    async with connect(world.server, world.host.run, environ=world.environ) as client:
        for _ in range(15):
            await client.run(*new_session("a", (80, 24), SLEEP))
            pids.add(pid_of(client))
            await client.run("kill-session", "-t", "=a")
    assert len(pids) > 1


async def test_foreign_sessions_are_left_alone(world: World) -> None:
    world.tmux("new-session", "-d", "-s", "mine", "--", "sleep", "300")
    before = world.row("mine")
    options = world.tmux("show-options", "-g"), world.tmux("show-options", "-gw")
    hooks = world.tmux("show-hooks", "-g")
    async with connect(world.server, world.host.run, environ=world.environ) as client:
        await client.run(*new_session("a/b/c", (100, 40), SLEEP))
        world.tmux("kill-session", "-t", "=a/b/c")
    assert world.row("mine") == before
    assert options == (world.tmux("show-options", "-g"), world.tmux("show-options", "-gw"))
    assert hooks == world.tmux("show-hooks", "-g")


async def test_a_server_that_others_started_gets_no_global_option(world: World) -> None:
    foreign = world.server._replace(config="/dev/null")
    world.host.read(foreign.argv("new-session", "-d", "-s", "mine", "--", "sleep", "300"))
    options = world.tmux("show-options", "-g"), world.tmux("show-options", "-gw")
    async with connect(world.server, world.host.run, environ=world.environ) as client:
        await client.run("show-environment", "-g")
        assert client.facts is not None
        assert not client.facts.owned
    assert options == (world.tmux("show-options", "-g"), world.tmux("show-options", "-gw"))


async def test_no_secret_of_ours_reaches_the_server(world: World) -> None:
    secret = "hunter2-" + "x" * 8
    environ = world.environ | {"API_KEY": secret, "TMUX": "/nowhere,1,0", "AGENTCAVE_CAVE": secret}
    dump = f"{world.home}/dump"
    async with connect(world.server, world.host.run, environ=environ) as client:
        argv = (*STAMPED, "-c", f"env > {dump}.part; mv {dump}.part {dump}; exec sleep 300")
        await client.run(*new_session("a/b/c", (100, 40), argv))
        assert b"HOME=" in b"\n".join(await client.run("show-environment", "-g"))
        assert secret.encode() not in b"\n".join(await client.run("show-environment", "-g"))
        eventually(lambda: os.path.exists(dump))
        process = f"/proc/{pid_of(client)}"
        for path in (dump, f"{process}/environ", f"{process}/cmdline"):
            assert secret.encode() not in read(path)


async def test_the_users_own_tmux_conf_is_not_read_but_ours_is(world: World) -> None:
    os.makedirs(f"{world.home}/.config/agentcave")
    write(f"{world.home}/.tmux.conf", b"set -g @hostile 1\nrun-shell 'touch ~/hostile'\n")
    ours = b"set -g history-limit 77\nset -g remain-on-exit off\nset -g mouse off\n"
    write(f"{world.home}/.config/agentcave/tmux.conf", ours)
    async with connect(world.server, world.host.run, environ=world.environ) as client:
        await client.run(*new_session("a/b/c", (100, 40), SLEEP))
        shown = world.tmux("show-options", "-g")
        assert "history-limit 77" in shown
        assert "mouse off" in shown
        assert "@hostile" not in shown
        assert world.tmux("show-options", "-gwv", "remain-on-exit") == "on"
    assert not os.path.exists(f"{world.home}/hostile")


@pytest.mark.parametrize("broken", [b"", b"set -g nonsense 1\n"])
async def test_the_users_configuration_is_found_where_xdg_says(world: World, broken: bytes) -> None:
    place = f"{world.home}/we ird;$HOME"
    os.makedirs(f"{place}/agentcave")
    write(f"{place}/agentcave/tmux.conf", broken + b"set -g history-limit 78\n")
    environ = world.environ | {"XDG_CONFIG_HOME": place}
    async with connect(world.server, world.host.run, environ=environ) as client:
        await client.run(*new_session("a/b/c", (100, 40), SLEEP))
        assert world.tmux("show-options", "-gv", "history-limit") == "78"
        assert client.facts is not None
        assert client.facts.owned


async def test_tmux_in_tmux_is_no_obstacle(world: World) -> None:
    environ = world.environ | {"TMUX": "/nowhere/else,1,0", "TMUX_PANE": "%0"}
    async with connect(world.server, world.host.run, environ=environ) as client:
        await client.run(*new_session("a/b/c", (100, 40), SLEEP))
    assert world.row("a/b/c").stamp == "abc"


def test_a_stale_socket_is_nothing(world: World) -> None:
    world.tmux("new-session", "-d", "--", "sleep", "300")
    os.kill(world.rows()[0].server_pid, signal.SIGKILL)
    eventually(lambda: world.try_tmux("list-panes").returncode)
    assert os.path.exists(world.server.socket)
    assert world.rows() == []


async def test_a_stale_socket_is_replaced(world: World) -> None:
    world.tmux("new-session", "-d", "--", "sleep", "300")
    os.kill(world.rows()[0].server_pid, signal.SIGKILL)
    async with connect(world.server, world.host.run, environ=world.environ) as client:
        await client.run(*new_session("a/b/c", (100, 40), SLEEP))
    assert [row.session_name for row in world.rows()] == ["a/b/c"]


def test_no_server_is_not_the_same_as_out_of_reach(world: World) -> None:
    with pytest.raises(NoServer):
        interpret(world.server, world.try_tmux("list-panes"), "list-panes", world.environ)
    os.symlink("loop", f"{world.home}/loop")
    unreadable = world._replace(server=world.server._replace(socket=f"{world.home}/loop"))
    with pytest.raises(Unreachable, match="Too many levels"):
        unreadable.rows()
    long = world._replace(server=world.server._replace(socket="x" * 110))
    with pytest.raises(Unreachable, match="too long"):
        long.rows()


async def test_a_socket_out_of_reach_is_not_replaced(world: World) -> None:
    os.symlink("loop", f"{world.home}/loop")
    server = world.server._replace(socket=f"{world.home}/loop")
    async with connect(server, world.host.run, environ=world.environ) as client:
        with pytest.raises(Unreachable):
            await client.run(*new_session("a/b/c", (100, 40), SLEEP))


def fake(world: World, script: str) -> World:
    path = f"{world.home}/tmux"
    write(path, b"#!/bin/sh\n" + script.encode())
    os.chmod(path, 0o755)
    return world._replace(server=world.server._replace(program=path))


def test_the_real_tmux_will_do(world: World) -> None:
    done = world.host.read(world.server.version_argv(), environment=scrubbed(world.environ))
    assert check_version(done) >= (3, 2, "a")


def test_an_old_tmux_is_refused(world: World) -> None:
    old = fake(world, "echo tmux 2.9\n")
    with pytest.raises(TmuxTooOld, match=r"2\.9"):
        check_version(old.host.read(old.server.version_argv()))


def test_a_missing_interpreter_is_told(world: World) -> None:
    with pytest.raises(TmuxBroken):
        check_version(world.host.read(fake(world, "exit 127\n").server.version_argv()))


async def test_a_program_that_is_no_tmux_is_told(world: World) -> None:
    for script, error in (
        ("echo hello\n", Garbage),
        ("echo hello; exit 1\n", CommandFailed),
        ("exit 127\n", TmuxBroken),
    ):
        other = fake(world, script)
        async with connect(other.server, other.host.run, environ=world.environ) as client:
            with pytest.raises(error):
                await client.run("list-sessions")
    with pytest.raises(Garbage):
        check_version(world.host.read(fake(world, "echo hello\n").server.version_argv()))


def pid_of(client: Client) -> int:
    assert client.facts is not None
    return client.facts.pid
