"""Commands beside a controller: they do their own work, and it heeds what they meant."""

import pytest
from caving import ONE_CAVE, SLEEPER, Cave, alive, eventually
from watching import API, Watcher, comes_back, controller, crash, pid_of, watching

TWO = f"{ONE_CAVE}  web:\n    agents:\n      shell: {SLEEPER}\n"
WAITS = f"""\
version: 1
name: shop
caves:
  db:
    agents: {{shell: {{type: command, command: [sh]}}}}
  api:
    depends_on: {{db: {{condition: completed}}}}
    agents: {{shell: {SLEEPER}}}
"""
THREE = f"{TWO}  db:\n    agents:\n      shell: {SLEEPER}\n"
WEB = "shop/web/shell"


@pytest.fixture(autouse=True)
def two_caves(cave: Cave) -> None:
    cave.declare(TWO)


def replaces(cave: Cave, watcher: Watcher, name: str) -> None:
    """Kill an agent, and wait until the controller has replaced it: it has looked at all."""
    comes_back(cave, crash(cave, name), name)
    watcher.rests()


def test_what_is_stopped_stays_stopped_until_it_is_started(cave: Cave) -> None:
    with watching(cave) as watcher:
        cave.run("stop", "-f", "caves.yaml", "api")
        assert list(cave.agents()) == [WEB]
        replaces(cave, watcher, WEB)
        assert list(cave.agents()) == [WEB]
        row = cave.ps()["api/shell"]
        assert (row["desired"], row["phase"]) == ("stopped", "stopped")
        cave.run("start", "-f", "caves.yaml", "api")
        assert sorted(cave.agents()) == [API, WEB]
        replaces(cave, watcher, API)


@pytest.mark.parametrize("verb", ["stop", "down"])
def test_what_was_ended_while_it_waited_does_not_come_with_its_dependency(
    cave: Cave, verb: str
) -> None:
    cave.declare(WAITS)
    with watching(cave) as watcher:
        cave.run(verb, "-f", "caves.yaml", "api")
        cave.tmux("send-keys", "-t", cave.agents()["shop/db/shell"].id, "exit 0", "Enter")
        eventually(lambda: watcher.saw("session-ended", "completed"))
        watcher.looks_again()
        assert API not in cave.agents()


def test_what_is_stopped_stays_stopped_for_the_next_controller_too(cave: Cave) -> None:
    with watching(cave):
        cave.run("stop", "-f", "caves.yaml", "api")
    with watching(cave):
        assert list(cave.agents()) == [WEB]


def test_a_cave_that_is_taken_down_stays_that_until_up(cave: Cave) -> None:
    with watching(cave) as watcher:
        cave.run("down", "-f", "caves.yaml", "api")
        assert list(cave.agents()) == [WEB]
        replaces(cave, watcher, WEB)
        watcher.looks_again()
        assert list(cave.agents()) == [WEB]
        cave.up()
        assert sorted(cave.agents()) == [API, WEB]
        replaces(cave, watcher, API)


def test_a_cave_that_is_taken_down_comes_with_the_next_controller(cave: Cave) -> None:
    with watching(cave):
        cave.run("down", "-f", "caves.yaml", "api")
    with watching(cave):
        assert sorted(cave.agents()) == [API, WEB]


def test_a_restart_gives_one_new_process_and_touches_no_other(cave: Cave) -> None:
    with watching(cave) as watcher:
        before, other = pid_of(cave, API), pid_of(cave, WEB)
        cave.run("restart", "-f", "caves.yaml", "api")
        after = pid_of(cave, API)
        watcher.looks_again()
        assert after not in (None, before)
        assert (pid_of(cave, API), pid_of(cave, WEB)) == (after, other)
        assert len([pane for pane in cave.panes() if pane.stamped]) == 2


def test_up_beside_it_has_nothing_to_do(cave: Cave) -> None:
    with watching(cave):
        before = cave.agents()
        done = cave.up("--json")
        assert done.json["steps"] == []
        assert cave.agents() == before


def test_up_right_after_an_edit_starts_each_agent_once(cave: Cave) -> None:
    with watching(cave) as watcher:
        before = cave.agents()
        cave.declare(THREE)
        cave.up()
        after = cave.agents()
        watcher.looks_again()
        assert sorted(after) == [API, "shop/db/shell", WEB]
        assert {name: after[name] for name in before} == before
        assert cave.agents() == after
        assert len([pane for pane in cave.panes() if pane.stamped]) == 3


def test_down_ends_everything_and_the_controller_and_nothing_comes_back(cave: Cave) -> None:
    with watching(cave) as watcher:
        pids = [pane.pid for pane in cave.agents().values()]
        cave.run("down", "-f", "caves.yaml")
        assert cave.panes() == []
        assert not any(map(alive, pids))
        assert controller(cave) is None
        assert watcher.end().code == 143
        assert len(watcher.saw("start-session")) == 2
    assert cave.agents() == {}
    assert cave.processes() == []


def test_down_without_the_file_ends_the_controller_too(cave: Cave) -> None:
    with watching(cave) as watcher:
        (cave.root / "caves.yaml").unlink()
        cave.run("down", "-f", "caves.yaml")
        assert cave.panes() == []
        assert watcher.end().code == 143


def test_a_command_waits_for_what_the_controller_does(cave: Cave) -> None:
    """`up` beside a cave that is being set up goes on when that is done."""
    slow = '    setup: [[sh, -c, "until test -e $HOME/go; do sleep 0.05; done"]]\n'
    with watching(cave) as watcher:
        cave.declare(THREE.replace("  db:\n", f"  db:\n{slow}"))
        eventually(lambda: watcher.saw("create-workspace", cave="db"))
        late = cave.up("--timeout", "300ms", code=75)
        assert f"agentcave up --watch (pid {watcher.pid})" in late.err
        (cave.home / "go").touch()
        cave.up()
        assert "shop/db/shell" in cave.agents()
        assert len([pane for pane in cave.panes() if pane.stamped]) == 3


def test_what_down_has_ended_is_not_told_again_as_gone(cave: Cave) -> None:
    cave.up()
    cave.run("down", "-f", "caves.yaml")
    with watching(cave) as watcher:
        eventually(lambda: pid_of(cave))
        watcher.rests()
        assert [event for event in watcher.events if event["action"] == "session-ended"] == []
