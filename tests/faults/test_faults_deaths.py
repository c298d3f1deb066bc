"""Sudden ends of agents, of the server, of the shell that starts an agent; stubborn children."""

import os
import signal
from pathlib import Path

import pytest
from calls import wrap
from caving import SLEEPER, Cave, alive, eventually, finish
from invariants import Promise, check, heal
from scenarios import living
from sightings import carriers_of, server_pid

KINDS = ["nohup", "setsid", "double-fork", "stubborn"]
FAMILY = (
    "version: 1\nname: shop\ncaves:\n  api:\n    agents:\n"
    '      demo: {{type: demo, args: [--script, "{script}"], stop: {{grace: 1s}}}}\n'
)


@pytest.fixture
def stubborn(cave: Cave) -> Promise:
    """An agent that heeds neither HUP nor TERM, with every kind of child."""
    script = "; ".join(["ignore HUP TERM", *(f"spawn {kind}" for kind in KINDS), "fork-storm 20"])
    cave.declare(FAMILY.format(script=script))
    cave.up()
    eventually(lambda: len(family(cave)) >= 2 + len(KINDS) + 8)
    return Promise(["api/demo"], families=True)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_agents_that_die_are_replaced_by_one_each(cave: Cave, number: signal.Signals) -> None:
    promise = living(cave)
    for agent in cave.agents().values():
        os.kill(agent.pid, number)
    eventually(lambda: not cave.agents())
    heal(cave, promise)


def test_a_server_that_is_killed_costs_nothing_but_the_terminals(cave: Cave) -> None:
    promise = living(cave)
    kill(server_pid(cave))
    heal(cave, promise)


def test_a_server_and_its_socket_that_are_gone_are_made_again(cave: Cave) -> None:
    promise = living(cave)
    kill(server_pid(cave))
    Path(cave.socket).unlink()
    heal(cave, promise)


def test_a_server_that_is_killed_in_the_middle_of_a_pass(cave: Cave) -> None:
    promise = living(cave)
    calls = wrap(cave)
    restarting = cave.popen("restart", "-f", "caves.yaml", PATH=calls.path)
    eventually(lambda: len(calls.made()) >= 6)
    kill(server_pid(cave))
    assert finish(restarting).code in (0, 1, 69)
    heal(cave, promise)


def test_a_launch_shell_that_is_killed_leaves_no_secret_and_is_replaced(cave: Cave) -> None:
    """The directory of the agent is entered late: its shell is met before it is the agent."""
    promise = living(cave)
    cave.program("slow", "kill -9 $$")
    cave.declare(
        f"version: 1\nname: shop\ncaves:\n  api:\n    agents: {{shell: {{type: command, "
        f"command: [{cave.home}/bin/slow]}}}}\n"
    )
    assert cave.try_run("up", "-f", "caves.yaml").code == 1
    cave.declare(f"version: 1\nname: shop\ncaves: {{api: {{agents: {{shell: {SLEEPER}}}}}}}\n")
    heal(cave, promise._replace(agents=["api/shell"]))


@pytest.mark.parametrize("verb", ["down", "restart"])
def test_stubborn_children_end_with_their_session(cave: Cave, stubborn: Promise, verb: str) -> None:
    before = family(cave)
    cave.run(verb, "-f", "caves.yaml")
    assert [pid for pid in before if alive(pid)] == []
    heal(cave, stubborn)


def test_stopped_children_end_with_their_session(cave: Cave, stubborn: Promise) -> None:
    before = family(cave)
    for pid in before:
        os.kill(pid, signal.SIGSTOP)
    cave.run("down", "-f", "caves.yaml")
    assert [pid for pid in before if alive(pid)] == []
    heal(cave, stubborn)


def test_stubborn_survivors_of_a_server_are_ended_before_anything_starts(
    cave: Cave, stubborn: Promise
) -> None:
    before = family(cave)
    kill(server_pid(cave))
    assert any(map(alive, before))
    cave.up()
    assert [pid for pid in before if alive(pid)] == []
    check(cave, stubborn)


def family(cave: Cave) -> list[int]:
    return [pid for pid, _ in carriers_of(cave)]


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not alive(pid))
