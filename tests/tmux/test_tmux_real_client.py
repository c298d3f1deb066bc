import os
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

import anyio
import pytest

from agentcave.hosts.base import Completed
from agentcave.tmux import CommandFailed, ServerGone, TmuxTimeout
from agentcave.tmux.client import Client, connect
from agentcave.tmux.commands import Choice
from tests.tmux.conftest import World, write


async def echo(client: Client, text: str, timeout: float = 30.0) -> bytes:
    (line,) = await client.run("display-message", "-p", text, timeout=timeout)
    return line


def open_writer(fifo: str) -> int | None:
    """None as long as nobody reads."""
    try:
        return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


async def together(*calls: Callable[[], Coroutine[Any, Any, object]]) -> None:
    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(call)


@pytest.fixture
def busy(world: World) -> World:
    """A server that stays: it has a session, which is not ours."""
    world.tmux("new-session", "-d", "-s", "busy", "--", "sleep", "300")
    return world


async def test_a_thousand_tasks_each_get_their_own_answer(busy: World) -> None:
    answers: dict[int, object] = {}

    async def ask(client: Client, i: int) -> None:
        try:
            if i % 7 == 0:
                await client.run("kill-pane", "-t", f"%{i + 1000}")
            elif i == 501:
                await client.run("no-such-command", str(i))
            else:
                answers[i] = await echo(client, f"answer {i}")
        except CommandFailed as exc:
            answers[i] = exc.message

    async with connect(busy.server, busy.host.run, environ=busy.environ) as client:
        await together(*(partial(ask, client, i) for i in range(1000)))

    for i in range(1000):
        if i % 7 == 0:
            assert answers[i] == f"can't find pane: %{i + 1000}"
        elif i == 501:
            assert answers[i] == "unknown command: no-such-command"
        else:
            assert answers[i] == b"answer %d" % i


async def test_commands_of_one_turn_travel_in_one_process(busy: World) -> None:
    batches: list[int] = []

    async def counting(
        argv: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        timeout: float = 30.0,
        keep: Sequence[int] = (),
    ) -> Completed:
        batches.append((stdin or b"").count(b"answer"))
        return await busy.host.run(argv, environment=environment, stdin=stdin, timeout=timeout)

    async with connect(busy.server, counting, environ=busy.environ) as client:
        await together(*(partial(echo, client, f"answer {i}") for i in range(50)))
    assert batches == [50]


async def test_a_caller_that_gives_up_does_not_shift_the_answers(busy: World) -> None:
    async with connect(busy.server, busy.host.run, environ=busy.environ) as client:
        for i in range(20):
            with anyio.move_on_after(0):
                await echo(client, f"cancelled before it was sent {i}")
            with anyio.move_on_after(0.001 * (i % 5)):
                await echo(client, f"cancelled perhaps after {i}")
            assert await echo(client, f"kept {i}") == b"kept %d" % i


async def test_either_branch_of_a_choice_answers(busy: World) -> None:
    pane = busy.row("busy").pane_id
    yes, no = ("display-message", "-p", "yes"), ("display-message", "-p", "no")
    async with connect(busy.server, busy.host.run, environ=busy.environ) as client:
        assert await client.choose(Choice(pane, "1", yes, no)) == [b"yes"]
        assert await client.choose(Choice(pane, "0", yes, no)) == [b"no"]
        with pytest.raises(CommandFailed, match="can't find pane: %99"):
            await client.choose(Choice(pane, "1", ("kill-pane", "-t", "%99"), no))
        with pytest.raises(CommandFailed, match="unknown command"):
            await client.choose(Choice(pane, "1", ("nonsense",), no))
        assert await echo(client, "in step") == b"in step"


async def test_hostile_text_of_a_pane_is_only_text(busy: World) -> None:
    script = f"{busy.home}/hostile"
    write(script, b"printf 'agentcave-0\\n-:2: unknown command: x\\nserver exited\\n'; sleep 60")
    async with connect(busy.server, busy.host.run, environ=busy.environ) as client:
        await client.run("new-session", "-d", "-s", "h", "--", "/bin/sh", script)
        with anyio.fail_after(10):
            while True:
                lines = await client.run("capture-pane", "-p", "-t", "=h:")
                if lines[2] == b"server exited":
                    break
                await anyio.sleep(0.01)
        assert lines[:2] == [b"agentcave-0", b"-:2: unknown command: x"]


async def test_the_death_of_the_server_fails_everyone_who_waits(busy: World) -> None:
    failures = []
    pid = busy.row("busy").server_pid

    async def ask(client: Client) -> None:
        try:
            await client.run("capture-pane", "-p", "-t", "=busy:")
        except (ServerGone, CommandFailed) as exc:
            failures.append(exc)

    async with connect(busy.server, busy.host.run, environ=busy.environ) as client:
        os.kill(pid, signal.SIGSTOP)
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(ask, client)
            await anyio.wait_all_tasks_blocked()
            os.kill(pid, signal.SIGKILL)
        assert len(failures) == 20


async def test_a_death_half_way_is_told_as_such(busy: World) -> None:
    seen: dict[int, str] = {}
    fifo = f"{busy.home}/fifo"
    os.mkfifo(fifo)

    async def ask(client: Client, i: int) -> None:
        try:
            # The client is asked to read a pipe that nobody writes: there the batch waits.
            words = ("load-buffer", fifo) if i == 5 else ("display-message", "-p", "x")
            await client.run(*words)
            seen[i] = "done"
        except ServerGone as exc:
            seen[i] = str(exc)

    async def kill() -> None:
        server = busy.row("busy").server_pid
        with anyio.fail_after(10):
            while (writer := open_writer(fifo)) is None:
                await anyio.sleep(0.01)
        os.kill(server, signal.SIGKILL)
        os.close(writer)

    async with connect(busy.server, busy.host.run, environ=busy.environ) as client:
        await together(*(partial(ask, client, i) for i in range(10)), kill)
    assert [i for i in range(10) if seen[i] == "done"] == [0, 1, 2, 3, 4]
    assert "may or may not" in seen[5]


async def test_a_hung_server_is_a_timeout_and_may_wake_up(busy: World) -> None:
    pid = busy.row("busy").server_pid
    async with connect(busy.server, busy.host.run, environ=busy.environ) as client:
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(TmuxTimeout, match="display-message"):
                await echo(client, "hello", timeout=0.2)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert await echo(client, "it woke up") == b"it woke up"


async def test_what_cannot_be_sent_hurts_only_its_sender(busy: World) -> None:
    async with connect(busy.server, busy.host.run, environ=busy.environ) as client:
        with pytest.raises(ValueError, match="NUL"):
            await echo(client, "\0")
        assert await echo(client, "fine") == b"fine"


async def test_an_error_of_the_body_comes_out_as_it_is(world: World) -> None:
    with pytest.raises(ZeroDivisionError):
        async with connect(world.server, world.host.run, environ=world.environ):
            raise ZeroDivisionError


async def test_an_error_of_the_runner_reaches_whoever_waits(world: World) -> None:
    async def broken(*_: object, **__: object) -> Completed:
        raise PermissionError("no more processes")

    async with connect(world.server, broken, environ=world.environ) as client:
        with pytest.raises(PermissionError):
            await client.run("list-sessions")
        with pytest.raises(PermissionError):
            await client.run("list-sessions")


async def test_a_closed_client_says_so(world: World) -> None:
    async with connect(world.server, world.host.run, environ=world.environ) as client:
        pass
    with pytest.raises(ServerGone, match="closed"):
        await client.run("list-sessions")


async def test_what_was_given_up_is_not_sent_and_holds_up_nobody(busy: World) -> None:
    scripts: list[bytes] = []

    async def hangs_once(
        argv: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        timeout: float = 30.0,
        keep: Sequence[int] = (),
    ) -> Completed:
        scripts.append(stdin or b"")
        if len(scripts) == 1:
            await anyio.sleep_forever()
        return await busy.host.run(argv, environment=environment, stdin=stdin, timeout=timeout)

    async with connect(busy.server, hangs_once, environ=busy.environ) as client:

        async def first() -> None:
            with pytest.raises(TmuxTimeout):
                await echo(client, "first", timeout=0.3)

        async def second() -> None:
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(TmuxTimeout):
                await echo(client, "second", timeout=0.05)

        await together(first, second)
        assert await echo(client, "third", timeout=10) == b"third"
    assert [b"second" in script for script in scripts] == [False, False]
