"""A controller in a tmux session of its own."""

import os
import signal
from collections.abc import Callable, Iterator

import pytest
from caving import AGENTCAVE, ONE_CAVE, Cave, Pane, Terminal, alive, eventually
from watching import API, Told, comes_back, controller, crash, history, pid_of

Opener = Callable[..., Terminal]
DETACH = ("up", "-f", "caves.yaml", "--watch", "--detach")


@pytest.fixture(autouse=True)
def ended(cave: Cave) -> Iterator[None]:
    """No controller outlives its test: it would bring back what is being cleared away."""
    yield
    cave.declare(ONE_CAVE)
    cave.run("down", "-f", "caves.yaml")


def ours(cave: Cave) -> Told:
    found = controller(cave)
    assert found is not None
    return found


def its_pane(cave: Cave) -> Pane:
    """Where it runs: the pane of its process."""
    (pane,) = [pane for pane in cave.panes() if pane.pid == ours(cave)["pid"]]
    return pane


def starts(cave: Cave) -> list[Told]:
    return [event for event in history(cave) if event["action"] == "start-session"]


def test_it_returns_once_the_agents_are_on_their_way_and_ps_names_it(cave: Cave) -> None:
    done = cave.run(*DETACH)
    eventually(lambda: pid_of(cave))
    seen = ours(cave)
    assert seen["detached"]
    assert alive(seen["pid"])
    assert its_pane(cave).session == "shop/controller"
    assert list(cave.ps()) == ["api/shell"]
    assert "agentcave ps" in done.err
    assert done.out == ""


def test_it_keeps_things_as_declared(cave: Cave) -> None:
    cave.run(*DETACH)
    eventually(lambda: pid_of(cave))
    comes_back(cave, crash(cave))
    eventually(lambda: len(starts(cave)) == 2)
    assert starts(cave)[-1]["cause"] == "ended by SIGKILL, restart 1 of 5"


def test_it_outlives_the_terminal_that_it_was_started_from(cave: Cave, on_terminal: Opener) -> None:
    terminal = on_terminal("bash", "-i")
    terminal.type(" ".join((*AGENTCAVE, *DETACH)) + "; echo code=$?\n")
    eventually(lambda: terminal.reads("code=0"))
    before = ours(cave)
    os.close(terminal.descriptor)  # the terminal hangs up
    terminal.descriptor = os.open(os.devnull, os.O_RDWR)
    eventually(terminal.ended)
    eventually(lambda: pid_of(cave))
    comes_back(cave, crash(cave))
    assert ours(cave) == before


def test_a_second_one_is_refused_and_told_who_is_there(cave: Cave) -> None:
    cave.run(*DETACH)
    before = ours(cave)
    for words in (DETACH, DETACH[:-1]):
        refused = cave.run(*words, code=75)
        assert f"pid {before['pid']}" in refused.err
    assert ours(cave) == before


def test_down_ends_it_and_leaves_neither_pane_nor_process(cave: Cave) -> None:
    cave.run(*DETACH)
    eventually(lambda: pid_of(cave))
    pid = ours(cave)["pid"]
    cave.run("down", "-f", "caves.yaml")
    assert cave.panes() == []
    assert not alive(pid)
    assert controller(cave) is None
    assert cave.processes() == []


def test_down_of_a_cave_leaves_it_alone(cave: Cave) -> None:
    cave.run(*DETACH)
    eventually(lambda: pid_of(cave))
    before = ours(cave)
    cave.run("down", "-f", "caves.yaml", "api")
    assert API not in cave.agents()
    assert ours(cave) == before


def test_with_a_server_that_dies_it_comes_back_by_itself_and_so_do_the_agents(cave: Cave) -> None:
    cave.run(*DETACH)
    eventually(lambda: pid_of(cave))
    first, agent = ours(cave)["pid"], pid_of(cave)
    server = cave.tmux("display-message", "-p", "#{pid}")
    cave.tmux("kill-server")
    eventually(lambda: (controller(cave) or {"pid": first})["pid"] != first, 40)
    comes_back(cave, agent)
    assert cave.tmux("display-message", "-p", "#{pid}") != server
    assert not alive(first)
    assert ours(cave)["detached"]
    assert sorted(pane.session for pane in cave.panes()) == [API, "shop/controller"]
    comes_back(cave, crash(cave))


def test_a_server_may_take_its_time_to_end(cave: Cave) -> None:
    cave.run(*DETACH)
    eventually(lambda: pid_of(cave))
    first, agent = ours(cave)["pid"], pid_of(cave)
    server = int(cave.tmux("display-message", "-p", "#{pid}"))
    os.kill(first, signal.SIGHUP)
    eventually(lambda: not (cave.state() / "controller").read_text())
    os.kill(server, signal.SIGKILL)
    eventually(lambda: (controller(cave) or {"pid": first})["pid"] != first, 40)
    comes_back(cave, agent)


def test_somebody_who_kills_its_session_means_it(cave: Cave) -> None:
    cave.run(*DETACH)
    eventually(lambda: pid_of(cave))
    seen, agent = ours(cave), pid_of(cave)
    cave.tmux("kill-session", "-t", "=shop/controller")
    eventually(lambda: not alive(seen["pid"]))
    assert controller(cave) is None
    assert pid_of(cave) == agent
    crash(cave)
    eventually(lambda: cave.ps()["api/shell"]["phase"] == "failed")
    assert "`agentcave up` starts it again" in cave.ps()["api/shell"]["reason"]
    assert [pane.session for pane in cave.panes()] == [API]


def test_after_one_that_was_killed_another_takes_over(cave: Cave) -> None:
    cave.run(*DETACH)
    eventually(lambda: pid_of(cave))
    first, agent = ours(cave)["pid"], pid_of(cave)
    os.kill(first, signal.SIGKILL)
    eventually(lambda: controller(cave) is None)
    cave.run(*DETACH)
    assert ours(cave)["pid"] != first
    assert pid_of(cave) == agent
    comes_back(cave, crash(cave))
    cave.run("down", "-f", "caves.yaml")
    assert cave.panes() == []


def test_what_is_wrong_is_said_before_anything_starts(cave: Cave) -> None:
    cave.declare(ONE_CAVE.replace("agents:", "agent:"))
    done = cave.run(*DETACH, code=78)
    assert "did you mean agents?" in done.err
    cave.declare(ONE_CAVE)
    cave.run("up", "--watch", "--detach", code=77)
    assert cave.panes() == []
