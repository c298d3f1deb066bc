"""A history that somebody has damaged, or keeps locked: it is said, with a way out that holds."""

import os
import sqlite3
from contextlib import closing

import pytest
from caving import ONE_CAVE, Cave

DAMAGE = [
    "UPDATE agents SET restarts = 'many'",
    "UPDATE agents SET intent = 'other'",
    "UPDATE agents SET ended = x'00ff'",
    "UPDATE agents SET ended_at = 9e999",
    "UPDATE agents SET session = 3",
    "UPDATE workspaces SET body = '{'",
    "UPDATE workspaces SET body = '[]'",
    "UPDATE workspaces SET body = x'00ff'",
    """UPDATE workspaces SET body = '{"type": 1, "path": 2, "branch": 3, "ready": 4}'""",
    "UPDATE workspaces SET body = json_set(body, '$.disposable', 7)",
    "UPDATE workspaces SET body = json_set(body, '$.other', 7)",
    "UPDATE contexts SET body = '[1]'",
    "UPDATE contexts SET body = '{}],[{}'",
    "UPDATE contexts SET body = NULL",
    """UPDATE contexts SET body = '{"plan.md": [1, 2]}'""",
    "UPDATE meta SET value = x'ff' WHERE name = 'key_id'",
    "UPDATE meta SET value = '{{' WHERE name = 'servers'",
    "UPDATE meta SET value = '[3]' WHERE name = 'servers'",
    "UPDATE meta SET value = x'ff' WHERE name = 'file'",
]
"""Each in a file that SQLite finds nothing wrong with."""
HARMLESS = [
    "UPDATE agents SET fields = 'nonsense'",
    """UPDATE agents SET fields = '["k"]'""",
    "UPDATE agents SET fields = '[1, 2]'",
    "UPDATE agents SET streak = 1 << 62, restarts = 1 << 62",
    "UPDATE screens SET text = 7",
]
OF_EVENTS = [
    "UPDATE events SET body = 'nonsense'",
    "UPDATE events SET body = '[1]'",
    "UPDATE events SET body = '{}'",
]
VERBS = (("ps", "--json"), ("plan",), ("up",), ("events",), ("down",))


def change(cave: Cave, statement: str) -> None:
    with closing(sqlite3.connect(cave.state() / "state.db")) as history:
        history.execute(statement)
        history.commit()


@pytest.mark.parametrize("statement", DAMAGE)
def test_what_is_damaged_is_said_and_moving_it_away_loses_no_agent(
    cave: Cave, statement: str
) -> None:
    cave.up()
    before = cave.agents()
    change(cave, statement)
    said = [cave.try_run(verb, "--file", "caves.yaml", *rest) for verb, *rest in VERBS[:4]]
    assert {done.code for done in said} <= {0, 1}, said
    assert any("state.db away" in done.err for done in said), said
    assert cave.agents() == before
    (cave.state() / "state.db").rename(cave.home / "state.db")
    assert cave.up().out == "shop: 1 unchanged\n"
    assert cave.agents() == before
    cave.run("down", "-f", "caves.yaml", "--remove-workspaces")
    assert not cave.workspace().exists()


@pytest.mark.parametrize("statement", HARMLESS)
def test_what_cannot_mislead_is_put_up_with(cave: Cave, statement: str) -> None:
    cave.up()
    change(cave, statement)
    cave.declare(f"{ONE_CAVE}    environment: {{LEVEL: debug}}\n")
    for verb, *rest in VERBS:
        cave.run(verb, "--file", "caves.yaml", *rest)


@pytest.mark.parametrize("statement", OF_EVENTS)
def test_damaged_events_are_no_bug(cave: Cave, statement: str) -> None:
    cave.up()
    cave.run("down", "-f", "caves.yaml")
    change(cave, statement)
    change(cave, "DELETE FROM agents")
    for verb, *rest in VERBS:
        assert cave.try_run(verb, "--file", "caves.yaml", *rest).code in (0, 1)


@pytest.mark.parametrize("verb", ["ps", "up"])
def test_who_keeps_it_locked_is_named_and_it_is_not_to_be_moved(cave: Cave, verb: str) -> None:
    cave.up()
    with closing(sqlite3.connect(cave.state() / "state.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        done = cave.run(verb, "-f", "caves.yaml", code=1)
    assert f"process {os.getpid()} has kept it locked" in done.err
    assert "run the same command again" in done.err
    assert "away" not in done.err
    cave.run(verb, "-f", "caves.yaml")
