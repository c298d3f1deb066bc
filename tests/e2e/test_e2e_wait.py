"""``wait``: until agents are what they are waited for to be, or can no longer become it."""

import time

import pytest
from caving import Cave, eventually, finish

CAVES = """
version: 1
name: shop
caves:
  api: {agents: {demo: {}}}
  web: {agents: {demo: {}}}
"""


@pytest.fixture
def two(cave: Cave) -> Cave:
    cave.declare(CAVES)
    cave.up("--wait")
    return cave


def send(cave: Cave, name: str, text: str) -> None:
    cave.run("send", "-f", "caves.yaml", "--wait", name, text)


def test_all_are_waited_for_and_told(two: Cave) -> None:
    assert two.run("wait", "-f", "caves.yaml", "--for", "ready").out.count("\n") == 2
    send(two, "api", "work 1s")
    assert two.ps()["api/demo"]["activity"] == "working"
    done = two.run("wait", "-f", "caves.yaml")  # for idle
    assert {one["activity"] for one in two.ps().values()} == {"idle"}
    assert done.out == "api/demo idle\nweb/demo idle\n"
    assert two.run("wait", "-f", "caves.yaml", "--quiet").out == ""


def test_for_attention_the_first_is_enough(two: Cave) -> None:
    waiting = two.popen("wait", "-f", "caves.yaml", "--for", "attention")
    send(two, "web", "approve push")
    done = finish(waiting)
    assert (done.code, done.out) == (0, "web/demo approval: push\n")


def test_a_failure_needs_attention_too_and_can_not_become_idle(two: Cave) -> None:
    send(two, "api", "exit 3")
    eventually(lambda: two.ps()["api/demo"]["phase"] == "failed")
    assert two.run("wait", "-f", "caves.yaml", "--for", "attention").out.startswith("api/demo fail")
    for goal in ("idle", "ready", "completed", "stopped"):
        done = two.run("wait", "-f", "caves.yaml", "--for", goal, code=1)
        assert done.out.startswith("api/demo failed: exit 3")


def test_completed_is_enough_for_all_but_attention(two: Cave) -> None:
    send(two, "api", "finish")
    eventually(lambda: two.ps()["api/demo"]["phase"] == "completed")
    for goal in ("idle", "ready", "completed", "stopped"):
        assert two.run("wait", "-f", "caves.yaml", "--for", goal, "api").out == (
            "api/demo completed: exit 0\n"
        )
    assert two.run("wait", "-f", "caves.yaml", "--for", "attention", "api", code=1).out != ""


def test_what_was_stopped_is_stopped_and_will_not_become_idle(two: Cave) -> None:
    waiting = two.popen("wait", "-f", "caves.yaml", "--for", "stopped", "api")
    two.run("stop", "-f", "caves.yaml", "api")
    done = finish(waiting)
    assert (done.code, done.out[:16]) == (0, "api/demo stopped")
    assert two.run("wait", "-f", "caves.yaml", "--for", "idle", "api", code=1).out != ""


def test_a_wait_has_an_end(two: Cave) -> None:
    send(two, "api", "work 60s")
    began = time.monotonic()
    done = two.run("wait", "-f", "caves.yaml", "--for", "idle", "--timeout", "300ms", code=124)
    assert time.monotonic() - began < 15
    assert "not idle within 300ms: api/demo (working)" in done.err
    assert "web/demo" not in done.err


def test_what_is_not_there_is_an_error_before_anything_is_waited_for(cave: Cave) -> None:
    assert "nope" in cave.run("wait", "-f", "caves.yaml", "nope", code=64).err
    assert "--for" in cave.run("wait", "-f", "caves.yaml", "--for", "tea", code=64).err
    done = cave.run("wait", "-f", "caves.yaml", "--for", "idle", code=1)
    assert done.out.startswith("api/shell pending")
