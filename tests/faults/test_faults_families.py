"""What an agent leaves behind on purpose: a storm that outruns a look, and what has no marker."""

import os
import re
import signal
import sys
from collections.abc import Iterator

import pytest
from caving import ONE_CAVE, Cave, alive, command_line_of, eventually, pids
from invariants import Promise, heal
from sightings import carriers_of
from storm import SLOTS, STORM

NAME = "shop/api/demo"
KINDS = ("clean-env", "orphan", "stray")
FAMILY = (
    "version: 1\nname: shop\ncaves:\n  api:\n    agents:\n"
    '      demo: {{type: demo, args: [--script, "{script}"], stop: {{grace: 1s}}}}\n'
)


@pytest.fixture
def storm(cave: Cave) -> Iterator[Cave]:
    """An agent that is a storm of processes by now."""
    script, on = cave.home / "storm.py", cave.home / "on"
    script.write_text(STORM)
    on.touch()
    agent = f"{{type: command, command: ['{sys.executable}', '{script}', '{on}']"
    cave.declare(
        "version: 1\nname: shop\ncaves:\n  api:\n    agents:\n"
        f"      shell: {agent}, stop: {{grace: 1s}}}}\n"
    )
    try:
        cave.up()
        eventually(lambda: len(list(carriers_of(cave))) > SLOTS // 2)
        yield cave
    finally:
        on.unlink()
        eventually(lambda: not any(str(script).encode() in command_line_of(pid) for pid in pids()))


@pytest.fixture
def hidden(cave: Cave) -> Iterator[dict[str, int]]:
    """Children that their environment does not give away, by their kind; none outlives the test."""
    cave.declare(FAMILY.format(script="; ".join(f"spawn {kind}" for kind in KINDS)))
    cave.up()
    found = spawned(cave)
    yield found
    for pid in {*found.values(), *spawned(cave).values()}:
        if command_line_of(pid) == b"sleep\0infinity\0":
            os.kill(pid, signal.SIGKILL)


def test_a_storm_that_outruns_a_look_ends_with_its_session(storm: Cave) -> None:
    storm.run("down", "-f", "caves.yaml")
    assert list(carriers_of(storm)) == []
    storm.declare(ONE_CAVE)
    heal(storm, Promise(["api/shell"]))


def test_children_without_a_marker_end_with_the_project(cave: Cave, hidden: dict[str, int]) -> None:
    cave.run("down", "-f", "caves.yaml")
    assert [kind for kind, pid in hidden.items() if alive(pid)] == []
    cave.declare(ONE_CAVE)
    heal(cave, Promise(["api/shell"]))


def test_children_without_a_marker_do_not_live_beside_the_next_session(
    cave: Cave, hidden: dict[str, int]
) -> None:
    """The one that hides entirely is nobody's; it is shown, and ends with the project."""
    cave.run("restart", "-f", "caves.yaml")
    assert [kind for kind, pid in hidden.items() if alive(pid)] == ["stray"]
    after = spawned(cave)
    assert all(map(alive, after.values()))
    heal(cave, Promise(["api/demo"]))
    cave.run("down", "-f", "caves.yaml")
    assert [pid for pid in (*hidden.values(), *after.values()) if alive(pid)] == []


def spawned(cave: Cave) -> dict[str, int]:
    """What the agent that lives now says that it has started."""
    if NAME not in cave.agents():
        return {}
    eventually(lambda: cave.screen(NAME).count("* spawned") == len(KINDS))
    return {kind: int(pid) for kind, pid in re.findall(r"spawned (\S+): (\d+)", cave.screen(NAME))}
