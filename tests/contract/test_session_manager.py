"""What sessions/base.py promises, kept by every place where sessions live."""

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import anyio
import pytest

from agentcave.errors import CaveError
from agentcave.hosts import LocalHost
from agentcave.hosts.processes import identify
from agentcave.model.spec import StopKey, StopSpec
from agentcave.model.status import Activity, Phase
from agentcave.sessions.base import Session, SessionGone, SessionOptions
from agentcave.sessions.delivery import Delivery
from agentcave.sessions.fake import FakeSession, FakeSessionManager
from agentcave.sessions.tmux import TmuxSessionManager
from agentcave.tmux import CommandFailed
from agentcave.tmux.commands import Command

AGENT = (sys.executable, "-P", "-m", "agentcave.demo_agent")
ROOT = str(Path(__file__).resolve().parents[2])
Size = tuple[int, int]


class Place(NamedTuple):
    """Where sessions live in one test; ``size`` looks at a terminal from outside."""

    manager: FakeSessionManager | TmuxSessionManager
    home: str
    environment: dict[str, str]
    size: Callable[[Session], Awaitable[Size]]

    def options(self, agent: str = "demo", **others: Any) -> SessionOptions:
        defaults = SessionOptions("shop", "api", agent, AGENT, self.home, self.environment)
        return defaults._replace(**others)

    async def started(self, agent: str = "demo", **others: Any) -> Session:
        session = await self.manager.create_session(self.options(agent, **others))
        await session.start()
        return session

    async def ended(self, how: str = "exit 0") -> Session:
        session = await self.started()
        await session.send_input(how)
        await until(lambda: has_ended(session))
        return session

    async def pane(self, session: Session) -> str:
        return (await self.manager.panes())[session.id].pane


async def fake_size(session: Session) -> Size:
    assert isinstance(session, FakeSession)
    return session.size


def environment_in(home: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": home,
        "LANG": "C.UTF-8",
        "PYTHONPATH": ROOT,
        "XDG_STATE_HOME": f"{home}/state",
        "XDG_CACHE_HOME": f"{home}/cache",
        "XDG_CONFIG_HOME": f"{home}/config",
    }


async def tmux_place(home: str) -> AsyncIterator[Place]:
    environment = environment_in(home)
    manager = TmuxSessionManager(f"{home}/s", environ=environment)

    async def size(session: Session) -> Size:
        pane = (await manager.panes())[session.id].pane
        words = ("display-message", "-p", "-t", pane, "#{pane_width} #{pane_height}")
        columns, rows = (await manager.tmux(words))[0].split()
        return int(columns), int(rows)

    async with manager:
        yield Place(manager, home, environment, size)
    LocalHost().read(manager.server.argv("kill-server"), environment=environment)


@pytest.fixture(params=["fake", "tmux"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    with TemporaryDirectory(prefix="acv-") as home:
        if request.param == "fake":
            yield Place(FakeSessionManager(), home, environment_in(home), fake_size)
        else:
            async for each in tmux_place(home):
                yield each


@pytest.fixture
async def real() -> AsyncIterator[Place]:
    with TemporaryDirectory(prefix="acv-") as home:
        async for each in tmux_place(home):
            yield each


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    with anyio.fail_after(20):
        while not await condition():
            await anyio.sleep(0.02)


async def has_ended(session: Session) -> bool:
    return (await session.status()).phase in (Phase.COMPLETED, Phase.FAILED)


async def shows(session: Session, text: str) -> None:
    async def seen() -> bool:
        return text in await session.get_output()

    await until(seen)


async def test_a_session_that_was_created_has_not_been_started(place: Place) -> None:
    session = await place.manager.create_session(place.options())
    assert await place.manager.panes() == {}
    assert (await session.status()).phase is Phase.PENDING
    assert (await session.status()).pid is None


async def test_a_created_session_can_be_found_by_its_id(place: Place) -> None:
    session = await place.manager.create_session(place.options())
    found = await place.manager.get_session(session.id)
    listed = await place.manager.list_sessions()
    assert found.id == session.id
    assert [one.id for one in listed] == [session.id]


async def test_a_session_knows_its_workspace(place: Place) -> None:
    session = await place.manager.create_session(place.options())
    assert session.workspace_id == "shop/api"


async def test_a_started_session_runs_and_has_a_process(place: Place) -> None:
    session = await place.started()
    status = await session.status()
    assert status.phase is Phase.RUNNING
    assert status.pid is not None
    assert (status.exit_status, status.signal, status.attached) == (None, None, False)


async def test_every_start_gets_an_id_of_its_own(place: Place) -> None:
    ids = {(await place.started(name)).id for name in ("one", "two", "three")}
    assert len(ids) == 3


async def test_starting_twice_is_refused_and_starts_nothing(place: Place) -> None:
    session = await place.started()
    with pytest.raises(CaveError, match="started before"):
        await session.start()
    assert len(await place.manager.panes()) == 1


async def test_the_stamp_says_who_the_session_is(place: Place) -> None:
    session = await place.started(uid="f00d", file="/p/caves.yaml", type="demo", digest="k:d")
    stamp = (await place.manager.panes())[session.id].stamp
    assert stamp.key == ("api", "demo")
    assert stamp[:4] == ("f00d", "shop", "/p/caves.yaml", "api")
    assert (stamp.type, stamp.digest, stamp.session) == ("demo", "k:d", session.id)
    assert stamp.workspace == os.path.realpath(place.home)


async def test_a_project_without_uid_gets_the_same_one_every_time(place: Place) -> None:
    one, two = await place.started("one"), await place.started("two")
    panes = await place.manager.panes()
    assert panes[one.id].stamp.uid == panes[two.id].stamp.uid != ""


async def test_a_missing_program_is_an_error_and_nothing_is_left(place: Place) -> None:
    session = await place.manager.create_session(place.options(argv=("no-such-program",)))
    with pytest.raises(CaveError, match="no-such-program"):
        await session.start()
    assert await place.manager.panes() == {}
    assert (await session.status()).phase is Phase.PENDING


async def test_the_program_is_looked_up_in_the_path_of_the_session(place: Place) -> None:
    program = Path(place.home, "bin", "only-here")
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {" ".join(AGENT)} "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}:{place.environment['PATH']}"
    session = await place.started(
        argv=("only-here",), environment={**place.environment, "PATH": path}
    )
    await session.send_input("echo found")
    await shows(session, "You said: found")


async def test_a_directory_that_is_gone_ends_the_session_with_the_reason(place: Place) -> None:
    session = await place.started(cwd=f"{place.home}/gone")
    await until(lambda: has_ended(session))
    assert (await session.status()).exit_status == 126
    assert f"cannot enter {place.home}/gone" in await session.get_output()


@pytest.mark.parametrize(
    ("last_words", "phase", "exit_status", "signal"),
    [
        ("exit 0", Phase.COMPLETED, 0, None),
        ("exit 7", Phase.FAILED, 7, None),
        ("crash", Phase.FAILED, None, 11),
    ],
)
async def test_the_end_of_a_process_is_told_exactly(
    place: Place, last_words: str, phase: Phase, exit_status: int | None, signal: int | None
) -> None:
    session = await place.ended(last_words)
    assert await session.status() == (phase, None, exit_status, signal, False, None)


async def test_stopping_ends_the_process_and_keeps_the_screen(place: Place) -> None:
    session = await place.started()
    await session.send_input("echo remember me")
    await shows(session, "You said: remember me")
    screen = await session.get_output()
    await session.stop()
    assert (await session.status())[:3] == (Phase.FAILED, None, 143)
    assert screen in await session.get_output()
    await place.manager.remove_session(session.id)
    with pytest.raises(SessionGone):
        await session.get_output()


async def test_stopping_twice_is_no_error(place: Place) -> None:
    session = await place.started()
    await session.stop()
    before = await session.status()
    await session.stop()
    assert await session.status() == before


async def test_stopping_what_never_started_is_no_error(place: Place) -> None:
    session = await place.manager.create_session(place.options())
    await session.stop()
    assert (await session.status()).phase is Phase.PENDING


async def test_polite_keys_come_before_the_signal(place: Place) -> None:
    session = await place.started()
    await shows(session, "")
    keys = (StopKey("exit 5", literal=True), StopKey("Enter"))
    await session.stop(StopSpec(keys=keys, grace=20))
    assert (await session.status()).exit_status == 5


async def test_how_to_stop_is_taken_from_the_options(place: Place) -> None:
    keys = (StopKey("exit 6", literal=True), StopKey("Enter"))
    session = await place.started(stop=StopSpec(keys=keys, grace=20))
    await session.stop()
    assert (await session.status()).exit_status == 6


async def test_the_signal_can_be_chosen(place: Place) -> None:
    session = await place.started()
    await session.send_input("echo up")
    await shows(session, "You said: up")
    await session.stop(StopSpec(signal="HUP", grace=20))
    assert (await session.status()).exit_status == 129


async def test_the_stubborn_are_ended_by_force(place: Place) -> None:
    session = await place.started()
    await session.send_input("ignore TERM HUP")
    await session.send_input("echo ready")
    await shows(session, "You said: ready")
    await session.stop(StopSpec(grace=0.1))
    assert (await session.status())[2:4] == (None, 9)


async def test_a_stubborn_one_keeps_no_other_waiting(place: Place) -> None:
    stubborn, quick = [await place.started(name) for name in ("stubborn", "quick")]
    await stubborn.send_input("ignore TERM HUP")
    await stubborn.send_input("echo ready")
    await shows(stubborn, "You said: ready")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stubborn.stop, StopSpec(grace=300))
        with anyio.fail_after(30):
            await quick.stop()
        assert (await quick.status()).phase is not Phase.RUNNING
        assert (await stubborn.status()).phase is Phase.RUNNING
        tasks.cancel_scope.cancel()


async def test_an_unknown_session_is_gone(place: Place) -> None:
    with pytest.raises(SessionGone):
        await place.manager.get_session("0" * 16)


async def test_removing_a_session_ends_it_and_leaves_nothing(place: Place) -> None:
    session = await place.started()
    await place.manager.remove_session(session.id)
    assert await place.manager.panes() == {}
    assert await place.manager.list_sessions() == []
    with pytest.raises(SessionGone):
        await place.manager.get_session(session.id)
    assert (await session.status()).phase is Phase.STOPPED


async def test_removing_twice_or_what_never_was_is_no_error(place: Place) -> None:
    session = await place.started()
    await place.manager.remove_session(session.id)
    await place.manager.remove_session(session.id)
    await place.manager.remove_session("0" * 16)
    assert await place.manager.panes() == {}


async def test_a_reserved_session_can_be_removed_and_does_not_start_then(place: Place) -> None:
    session = await place.manager.create_session(place.options())
    await place.manager.remove_session(session.id)
    assert await place.manager.list_sessions() == []
    with pytest.raises(CaveError):
        await session.start()
    assert await place.manager.panes() == {}


async def test_calls_on_a_removed_session_say_that_it_is_gone(place: Place) -> None:
    session = await place.started()
    await place.manager.remove_session(session.id)
    await session.stop()
    for call in (session.get_output(), session.resize((90, 30)), session.send_input("hello")):
        with pytest.raises(SessionGone):
            await call


@pytest.mark.parametrize(
    "text",
    [
        "echo one",
        "-rf --help -t",
        "echo a; kill-server ; echo b",
        "echo #{pane_id} #[fg=red] #(id) #",
        "echo $HOME `id` $(id) \\ \"double\" 'single' ~ * %1 !",
        "echo grüße 日本語 🦊",
        "echo " + "long " * 30 + "end",
    ],
)
async def test_input_arrives_whole_and_literally(place: Place, text: str) -> None:
    session = await place.started()
    await session.send_input(text)
    await shows(session, f"You said: {text.removeprefix('echo ')}")


async def test_every_line_of_an_input_arrives(place: Place) -> None:
    session = await place.started()
    await session.send_input("echo first\necho second\n\necho third\n")
    await shows(session, "third")
    said = (await session.get_output()).partition("You said: ")[2]
    assert [word for word in ("first", "second", "third") if word in said] == [
        *("first", "second", "third")
    ]


async def test_without_enter_the_line_stays_open(place: Place) -> None:
    session = await place.started()
    await session.send_input("echo half", enter=False)
    await session.send_input(" and half")
    await shows(session, "You said: half and half")


async def test_no_text_but_enter_ends_an_open_line(place: Place) -> None:
    session = await place.started()
    await session.send_input("echo open", enter=False)
    await session.send_input("")
    await shows(session, "You said: open")


@pytest.mark.parametrize("text", ["\x1b[201~exit 0", "a\x00b", "a\x03", "a\x9bm"])
async def test_control_characters_are_refused_and_nothing_is_typed(place: Place, text: str) -> None:
    session = await place.started()
    with pytest.raises(CaveError, match="not-delivered"):
        await session.send_input(text)
    await session.send_input("echo clean")
    await shows(session, "You said: clean")


async def test_input_for_an_ended_session_is_refused(place: Place) -> None:
    session = await place.ended()
    before = await session.get_output()
    with pytest.raises(CaveError, match="not-delivered"):
        await session.send_input("echo late")
    assert await session.get_output() == before


async def test_a_terminal_has_the_size_that_was_asked_for(place: Place) -> None:
    session = await place.started(size=(133, 41))
    assert await place.size(session) == (133, 41)
    await session.resize((90, 30))
    assert await place.size(session) == (90, 30)


async def test_a_session_takes_over_the_pane_of_an_ended_one(place: Place) -> None:
    old = await place.ended("exit 3")
    pane = await place.pane(old)
    new = await place.started(place=pane)
    assert await place.pane(new) == pane
    assert list(await place.manager.panes()) == [new.id]
    assert (await new.status()).phase is Phase.RUNNING
    with pytest.raises(SessionGone):
        await place.manager.get_session(old.id)


async def test_a_pane_in_which_a_process_runs_is_not_taken_over(place: Place) -> None:
    old = await place.started()
    with pytest.raises(CaveError):
        await place.started(place=await place.pane(old))
    assert list(await place.manager.panes()) == [old.id]
    assert (await old.status()).phase is Phase.RUNNING


async def test_two_sessions_of_one_agent_live_side_by_side(place: Place) -> None:
    one, two = await place.started(), await place.started()
    assert set(await place.manager.panes()) == {one.id, two.id}
    await place.manager.remove_session(one.id)
    assert list(await place.manager.panes()) == [two.id]


async def test_all_sessions_are_listed(place: Place) -> None:
    reserved = await place.manager.create_session(place.options("reserved"))
    running, ended = await place.started("running"), await place.ended()
    listed = {session.id for session in await place.manager.list_sessions()}
    assert listed == {reserved.id, running.id, ended.id}


async def test_twenty_sessions_start_and_end_at_once(place: Place) -> None:
    sessions: list[Session] = []

    async def one(number: int) -> None:
        sessions.append(await place.started(f"agent-{number}"))

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(one, number)
    assert {seen.stamp.agent for seen in (await place.manager.panes()).values()} == {
        f"agent-{number}" for number in range(20)
    }
    async with anyio.create_task_group() as tasks:
        for session in sessions:
            tasks.start_soon(place.manager.remove_session, session.id)
    assert await place.manager.panes() == {}


# What only a terminal can promise.


async def test_a_text_of_several_lines_is_one_prompt_and_is_proven(real: Place) -> None:
    session = await real.started(type="demo")
    done = await session.send_input("echo one\necho two\n")
    assert done == Delivery("delivered")
    await shows(session, "You said: one\\necho two")
    assert (await session.get_output()).count("You said") == 1


async def test_the_status_of_a_live_session_says_what_its_agent_does(real: Place) -> None:
    session = await real.started(type="demo")

    async def is_(activity: Activity) -> bool:
        judgement = (await session.status()).judgement
        return judgement is not None and judgement.activity is activity

    await until(lambda: is_(Activity.IDLE))
    await session.send_input("approve delete it")
    await until(lambda: is_(Activity.APPROVAL))


async def test_two_sessions_of_one_name_get_different_names_in_tmux(real: Place) -> None:
    one = await real.started(uid="0123456789abcdef")
    two = await real.started(uid="fedcba9876543210")
    panes = await real.manager.panes()
    assert panes[one.id].name == "shop/api/demo"
    assert panes[two.id].name == "shop/api/demo~fedcba"


async def test_another_manager_finds_a_session_and_keeps_the_same_promises(real: Place) -> None:
    session = await real.started()
    assert isinstance(real.manager, TmuxSessionManager)
    async with TmuxSessionManager(real.manager.server.socket, environ=real.environment) as other:
        found = await other.get_session(session.id)
        await found.send_input("echo through another door")
        await shows(found, "You said: through another door")
        await other.remove_session(session.id)
    assert await real.manager.panes() == {}
    assert await real.manager.list_sessions() == []
    with pytest.raises(SessionGone):
        await real.manager.get_session(session.id)


async def test_nothing_of_a_session_is_left_in_the_state(real: Place) -> None:
    old = await real.started()
    await old.stop()
    new = await real.started(place=await real.pane(old))
    assert isinstance(real.manager, TmuxSessionManager)
    async with TmuxSessionManager(real.manager.server.socket, environ=real.environment) as other:
        await other.remove_session(old.id)
        await other.remove_session(new.id)
    left = [path for path in Path(real.home, "state").rglob("*") if not path.is_dir()]
    folders = list(Path(real.home, "state").glob("agentcave/*/sessions/*"))
    assert (left, folders) == ([], [])


async def test_the_whole_tree_of_a_session_is_ended(real: Place) -> None:
    session = await real.started()
    await session.send_input("spawn setsid 2")
    await shows(session, "* spawned setsid:")
    screen = await session.get_output()
    line = next(line for line in screen.splitlines() if "* spawned" in line)
    pids = [int(word) for word in line.partition(":")[2].split()]
    assert len(pids) == 2
    await session.stop(StopSpec(grace=1))
    assert [pid for pid in pids if identify(pid) is not None] == []


async def test_a_failed_start_leaves_no_launch_file(real: Place) -> None:
    with pytest.raises(CaveError):
        await real.started(place="%999")
    assert list(Path(real.home, "state").glob("agentcave/*/launch/*")) == []
    assert list(Path(real.home, "state").glob("agentcave/*/sessions/*")) == []


async def test_a_server_that_does_not_tell_its_panes_is_not_taken_for_an_empty_one(
    real: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await real.started()

    async def refuse(command: Command) -> list[bytes]:
        raise CommandFailed("list-panes", "not today")

    monkeypatch.setattr(real.manager, "tmux", refuse)
    with pytest.raises(CaveError, match="not today"):
        await real.manager.list_sessions()


class Murderous(LocalHost):
    """Puts another script where the launch file belongs."""

    def __init__(self, script: bytes) -> None:
        self.script = script

    def write_file(self, path: str, data: bytes, mode: int = 0o600) -> None:
        super().write_file(path, self.script if "/launch/" in path else data, mode)


@pytest.mark.parametrize("victim", ["$$", "$PPID"])
async def test_a_start_whose_shell_or_server_is_killed_is_not_waited_for(
    real: Place, victim: str
) -> None:
    host = Murderous(f"kill -9 {victim}\n".encode())
    socket = real.manager.server.socket
    async with TmuxSessionManager(socket, host=host, environ=real.environment) as manager:
        session = await manager.create_session(real.options())
        with pytest.raises(CaveError, match="was ended from outside before it ran"):
            await session.start()
    assert list(Path(real.home, "state").glob("agentcave/*/launch/*")) == []


async def test_what_tmux_refuses_is_a_cave_error(real: Place) -> None:
    session = await real.started()
    with pytest.raises(CaveError):
        await session.resize((100_000, 100_000))
    assert (await session.status()).phase is Phase.RUNNING
