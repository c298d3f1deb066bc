"""Many at once, and sudden ends: the next ``up`` converges, with one agent for each declared."""

import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from caving import SLEEPER, Cave, command_line_of, eventually, finish, pids

FOUR = "version: 1\nname: shop\ncaves:\n" + "".join(
    f"  {name}:\n    context: {{plan.md: {{text: {name}}}}}\n    agents: {{shell: {SLEEPER}}}\n"
    for name in ("a", "b", "c", "d")
)
ALL = [f"shop/{name}/shell" for name in "abcd"]


def test_twenty_times_up_at_once_starts_each_agent_once(cave: Cave) -> None:
    cave.declare(FOUR)
    begun = [cave.popen("up", "-f", "caves.yaml") for _ in range(20)]
    done = [finish(process) for process in begun]
    assert sorted(pane.session for pane in cave.panes()) == ALL
    assert {one.code for one in done} <= {0, 75}, done
    assert sum("4 started" in one.out for one in done) == 1


def test_up_and_down_at_once_end_in_one_of_both(cave: Cave) -> None:
    cave.declare(FOUR)
    begun = [cave.popen(verb, "-f", "caves.yaml") for verb in ("up", "down") * 4]
    done = [finish(process) for process in begun]
    assert {one.code for one in done} == {0}, done
    assert sorted(cave.agents()) in ([], ALL)
    cave.run("down", "-f", "caves.yaml")
    eventually(lambda: cave.processes() == [])


@pytest.mark.parametrize("seed", range(3))
def test_after_kill_9_of_up_the_next_one_converges(cave: Cave, seed: int) -> None:
    cave.declare(FOUR)
    chance = random.Random(seed)
    for _ in range(3):
        begun = cave.popen("up", "-f", "caves.yaml")
        kill_within(begun, chance.uniform(0.15, 1.0))
    cave.up()
    assert Counter(pane.session for pane in cave.panes()) == Counter(ALL)
    for name in "abcd":
        assert (cave.workspace(name) / ".cave" / "plan.md").read_text().strip() == name
    assert cave.up().out == "shop: 4 unchanged\n"
    assert list((cave.state() / "launch").iterdir()) == []


@pytest.mark.parametrize("seed", range(2))
def test_after_kill_9_of_down_the_next_one_ends_the_rest(cave: Cave, seed: int) -> None:
    cave.declare(FOUR)
    cave.up()
    (cave.workspace("a") / "work.txt").write_text("not committed")
    begun = cave.popen("down", "-f", "caves.yaml", "--remove-workspaces")
    kill_within(begun, random.Random(seed).uniform(0.15, 0.8))
    cave.run("down", "-f", "caves.yaml", "--remove-workspaces", code=1)
    assert (cave.workspace("a") / "work.txt").read_text() == "not committed"
    assert not any(cave.workspace(name).exists() for name in "bcd")
    eventually(lambda: cave.processes() == [])


@pytest.mark.parametrize("seed", range(2))
def test_after_kill_9_of_restart_every_agent_is_there_once(cave: Cave, seed: int) -> None:
    cave.declare(FOUR)
    cave.up()
    begun = cave.popen("restart", "-f", "caves.yaml")
    kill_within(begun, random.Random(seed).uniform(0.2, 0.8))
    cave.up()
    assert sorted(cave.agents()) == ALL
    assert Counter(pane.session for pane in cave.panes()) == Counter(ALL)


def test_a_killed_up_leaves_no_lock_behind(cave: Cave) -> None:
    cave.declare(FOUR)
    begun = cave.popen("up", "-f", "caves.yaml")
    eventually(cave.agents)
    begun.kill()
    begun.communicate()
    began = time.monotonic()
    cave.up("--timeout", "5s")
    assert time.monotonic() - began < 5


def test_nobody_inherits_the_lock_of_a_project(cave: Cave) -> None:
    cave.up()
    (lock,) = cave.state().glob("lock")
    for pid in cave.processes():
        opened = [link.resolve() for link in Path(f"/proc/{pid}/fd").iterdir()]
        assert lock not in opened


def test_a_whole_life_leaves_nothing_running(cave: Cave) -> None:
    cave.declare(FOUR)
    for words in (("up",), ("restart",), ("stop", "a"), ("start",), ("down",)):
        cave.run(words[0], "-f", "caves.yaml", *words[1:])
    eventually(lambda: cave.processes() == [])
    assert [pid for pid in pids() if str(cave.home).encode() in command_line_of(pid)] == []


def kill_within(process: "subprocess.Popen[str]", seconds: float) -> None:
    """Kill a command after that time, unless it has ended."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.communicate()
