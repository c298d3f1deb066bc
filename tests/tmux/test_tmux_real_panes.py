import os
import shlex
import stat

import anyio
import pytest

from agentcave.tmux import CommandFailed, deaths_unknown
from agentcave.tmux.client import Client, connect
from agentcave.tmux.commands import (
    PANE_IS_DEAD,
    capture_pane,
    keep_when_dead,
    kill_session,
    load_buffer,
    new_session,
    paste,
    resize,
    respawn_pane,
    send_keys,
    send_text,
)
from agentcave.tmux.versions import Version
from tests.tmux.conftest import STAMPED, World, eventually, read, sigchld, write

SIZE = (100, 40)


async def start(client: Client, name: str, script: str, directory: str | None = None) -> str:
    """The pane id of a new stamped session that runs a script."""
    argv = (*STAMPED, "-c", script)
    (line,) = await client.run(*new_session(name, SIZE, argv, directory))
    return line.decode().split()[1]


def version_of(client: Client) -> Version:
    assert client.facts is not None
    return client.facts.version


def all_known(world: World) -> bool:
    rows = world.rows()
    if deaths_unknown(rows):
        sigchld(rows)
        return False
    return True


async def test_every_death_becomes_known(world: World) -> None:
    ways = {f"exit-{i}": f"exit {i}" for i in range(20)}
    ways |= {f"signal-{n}": f"kill -{n} $$" for n in (1, 2, 3, 6, 9, 10, 11, 12, 13, 15) * 2}
    ways |= {f"again-{n}": f"kill -{n} $$" for n in (1, 2, 3, 6, 9, 10, 11, 12, 13, 15)}
    async with connect(world.server, world.host.run, environ=world.environ) as client:
        for name, script in ways.items():
            await start(client, name, f"ulimit -c 0; {script}")

        def ended() -> list[tuple[str, int | None, int | None]]:
            rows = [row for row in world.rows() if row.stamp and row.dead]
            return [(row.session_name, row.dead_status, row.dead_signal) for row in rows]

        eventually(lambda: len(ended()) == len(ways) >= 40)
        eventually(lambda: all_known(world))
        for name, status, number in ended():
            how, _, value = name.partition("-")
            assert (status, number) == (
                (int(value), None) if how == "exit" else (None, int(value))
            ), name


async def test_a_persons_finished_panes_close_while_ours_remain(world: World) -> None:
    async with connect(world.server, world.host.run, environ=world.environ) as client:
        pane = await start(client, "a/b/c", "exit 3")
        hostile = "#{?1,},} AGENTCAVE_STAMP=x"
        world.tmux("new-session", "-d", "-s", "own", "--", "/bin/sh", "-c", "exit 0")
        world.tmux("new-session", "-d", "-s", "keep", "--", "sleep", "300")
        world.tmux("split-window", "-d", "-t", pane, "--", "/bin/sh", "-c", "exit 0", hostile)
        world.tmux("split-window", "-d", "-t", pane, f"exit 0 # {' '.join(STAMPED)}")
        world.tmux("new-window", "-d", "-t", "=keep:", "--", "/bin/sh", "-c", "exit 0")
        ours = ["a/b/c", "keep"]
        eventually(lambda: [r.session_name for r in world.rows() if r.attached == 0] == ours)
        assert world.row("a/b/c").dead


async def test_our_pane_remains_on_a_server_that_others_started(world: World) -> None:
    foreign = world.server._replace(config="/dev/null")
    world.host.read(foreign.argv("new-session", "-d", "-s", "mine", "--", "sleep", "300"))
    begin = "/usr/bin/env AGENTCAVE_STAMP=abc "
    async with connect(world.server, world.host.run, environ=world.environ) as client:
        await start(client, "a/b/c", "sleep 0.2; exit 3")
        await client.choose(keep_when_dead("a/b/c", begin))
        await client.choose(keep_when_dead("mine", begin))
        eventually(lambda: world.row("a/b/c").dead)
        assert world.tmux("show-options", "-p", "-t", "=mine:") == ""
        assert world.tmux("show-options", "-pv", "-t", "=a/b/c:", "remain-on-exit") == "on"


async def test_a_paste_arrives_whole_and_never_in_a_dead_pane(world: World) -> None:
    payload = (
        "naïve 漢字 'quotes' \"$HOME\" #{pid} ;\n".encode() + bytes(range(1, 32)) + b"\x7f end"
    )
    text, got = f"{world.home}/text", f"{world.home}/got"
    write(text, payload)
    async with connect(world.server, world.host.run, environ=world.environ) as client:
        script = f"stty raw -echo; : > {got}; exec head -c {len(payload)} >> {got}"
        pane = await start(client, "a/b/c", script)
        version = version_of(client)
        eventually(lambda: os.path.exists(got))
        await client.run(*load_buffer("agentcave-1", text))
        assert await client.choose(paste(version, pane, "agentcave-1")) == []
        eventually(lambda: os.stat(got).st_size == len(payload))
        assert read(got) == payload
        eventually(lambda: world.row("a/b/c").dead)
        await client.run(*load_buffer("agentcave-2", text))
        assert await client.choose(paste(version, pane, "agentcave-2")) == [PANE_IS_DEAD]
        with pytest.raises(CommandFailed, match="can't find pane"):
            await client.choose(paste(version, "%999", "agentcave-2"))
        await client.run(*send_keys(version, pane, "Enter"))
        assert world.row("a/b/c").dead


async def test_keys_and_text_are_typed_and_the_screen_is_read(world: World) -> None:
    async with connect(world.server, world.host.run, environ=world.environ) as client:
        pane = await start(client, "a/b/c", "exec cat")
        version = version_of(client)
        await client.run(*send_text(version, pane, "-n ~ $HOME #{pid} ; é;"))
        await client.run(*send_keys(version, pane, "Enter"))
        wanted = "-n ~ $HOME #{pid} ; é;".encode()
        with anyio.fail_after(10):
            while (await client.run(*capture_pane(pane)))[:2] != [wanted, wanted]:
                await anyio.sleep(0.01)
        assert (await client.run(*capture_pane(pane, -100, escapes=True)))[0] == wanted


@pytest.mark.parametrize(
    "text", ["#(touch {home}/pwned)", "#{{pid}}", "##(touch {home}/pwned)", "a;b", "%H#,}}", "#[x"]
)
async def test_names_and_directories_are_never_run(world: World, text: str) -> None:
    text = text.format(home=world.home.lstrip("/"))
    directory = f"{world.home}/{text}"
    os.makedirs(directory)
    async with connect(world.server, world.host.run, environ=world.environ) as client:
        await start(client, text.replace(".", "-"), "exec sleep 300", directory)
        (row,) = [row for row in world.rows() if row.stamp]
        assert (
            world.tmux("display-message", "-p", "-t", row.pane_id, "#{session_path}") == directory
        )
        eventually(lambda: os.readlink(f"/proc/{row.pane_pid}/cwd") == directory)
    found = [name for _, names, files in os.walk(world.home) for name in (*names, *files)]
    assert "pwned" not in found


async def test_a_stamp_is_read_back_and_a_mention_of_one_is_not(world: World) -> None:
    launch = f"{world.home}/la un'ch é"
    write(launch, b"exec sleep 300")
    async with connect(world.server, world.host.run, environ=world.environ) as client:
        argv = ("/usr/bin/env", "AGENTCAVE_STAMP=eyJh-_xfQ==", "/bin/sh", launch)
        await client.run(*new_session("a/b/c", SIZE, argv))
        mention = shlex.join(argv)
        world.tmux("new-session", "-d", "-s", "x", mention)
        world.tmux("new-session", "-d", "-s", "y", "--", "sh", "-c", f"{mention}; true")
        stamps = {row.session_name: row.stamp for row in world.rows() if row.attached == 0}
    assert stamps == {"a/b/c": "eyJh-_xfQ==", "x": None, "y": None}


async def test_a_dead_pane_is_started_again_and_sizes_change(world: World) -> None:
    async with connect(world.server, world.host.run, environ=world.environ) as client:
        pane = await start(client, "a/b/c", "exit 0")
        eventually(lambda: world.row("a/b/c").dead)
        await client.run(*respawn_pane(pane, (*STAMPED, "-c", "exec sleep 300")))
        assert not world.row("a/b/c").dead
        with pytest.raises(CommandFailed, match="still active"):
            await client.run(*respawn_pane(pane, (*STAMPED, "-c", "exec sleep 300")))
        session = world.row("a/b/c").session_id
        shape = ("display-message", "-p", "-t", pane, "#{window_width}x#{window_height}")
        assert await client.run(*shape) == [b"100x40"]
        await client.run(*resize(pane, (90, 30)))
        assert await client.run(*shape) == [b"90x30"]
        await client.run(*kill_session(session))
        assert [row for row in world.rows() if row.stamp] == []


def test_the_blocking_read_needs_no_event_loop(world: World) -> None:
    assert world.rows() == []
    world.tmux("new-session", "-d", "-s", "x", "--", "sleep", "300")
    assert [row.session_name for row in world.rows()] == ["x"]
    assert stat.S_ISSOCK(os.stat(world.server.socket).st_mode)
