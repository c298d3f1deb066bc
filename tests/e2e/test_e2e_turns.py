"""Who only waits keeps nobody waiting."""

import json
import subprocess

from caving import Cave, alive, eventually, finish

CAVES = """
version: 1
name: shop
caves:
  db:
    agents:
      server:
        type: command
        command: [sh, -c, 'until [ -e ../go ]; do sleep 0.05; done; echo up; exec sleep inf']
        ready: {output: '^up', timeout: 5m}
  web:
    depends_on: {db: {condition: ready}}
    agents: {page: {type: command, command: [sleep, inf]}}
  other:
    agents: {page: {type: command, command: [sleep, inf]}}
"""


def beginning(cave: Cave, *words: str) -> "subprocess.Popen[str]":
    """An up that waits for the database."""
    cave.declare(CAVES)
    up = cave.popen("up", "-f", "caves.yaml", *words)
    eventually(lambda: set(cave.agents()) == {"shop/db/server", "shop/other/page"})
    return up


def go(cave: Cave) -> None:
    (cave.workspace("db").parent / "go").touch()


def test_stop_comes_in_between_and_holds(cave: Cave) -> None:
    up = beginning(cave)
    for name in ("other", "web"):
        cave.run("stop", "-f", "caves.yaml", name, "--timeout", "20s")
    assert set(cave.agents()) == {"shop/db/server"}
    assert up.poll() is None
    told = [json.loads(line) for line in cave.run("events").out.splitlines()]
    assert ["web", "waiting", "for db to be ready"] in [
        [event["cave"], event["outcome"], event["error"]] for event in told
    ]
    go(cave)
    done = finish(up)
    assert done.code == 1
    assert "web: start page failed: `agentcave stop` came in between" in done.err
    assert set(cave.agents()) == {"shop/db/server"}
    rows = {name: row["desired"] for name, row in cave.ps().items()}
    assert rows == {"db/server": "running", "web/page": "stopped", "other/page": "stopped"}


def test_down_comes_in_between_and_nothing_comes_back(cave: Cave) -> None:
    up = beginning(cave)
    cave.run("down", "-f", "caves.yaml", "--timeout", "20s")
    assert finish(up).code == 1
    eventually(lambda: cave.processes() == [])


def test_a_second_up_starts_what_the_first_waits_for_once(cave: Cave) -> None:
    first = beginning(cave)
    second = cave.popen("up", "-f", "caves.yaml")
    cave.run("restart", "-f", "caves.yaml", "other", "--timeout", "20s")
    go(cave)
    for up in (first, second):
        assert finish(up).code == 0
    assert sorted(cave.agents()) == ["shop/db/server", "shop/other/page", "shop/web/page"]
    assert cave.up().out == "shop: 3 unchanged\n"


def test_waiting_to_be_ready_is_waiting_too(cave: Cave) -> None:
    cave.declare(CAVES.replace("    depends_on: {db: {condition: ready}}\n", ""))
    up = cave.popen("up", "-f", "caves.yaml", "--wait")
    eventually(lambda: len(cave.agents()) == 3)
    page = cave.agents()["shop/other/page"].pid
    cave.run("stop", "-f", "caves.yaml", "other", "--timeout", "20s")
    assert not alive(page)
    assert up.poll() is None
    go(cave)
    finish(up)
    assert cave.ps()["other/page"]["desired"] == "stopped"


def test_a_killed_up_that_waited_leaves_nothing_behind(cave: Cave) -> None:
    up = beginning(cave)
    up.kill()
    finish(up)
    go(cave)
    cave.up()
    assert len(cave.agents()) == 3
