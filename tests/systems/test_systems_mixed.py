"""A tmux server and programs of other versions, as an upgrade beside running agents leaves them."""

import os
import signal

import pytest
from caving import Cave, command_line_of, eventually, finish
from conftest import PathTo

AGENTS = """\
version: 1
name: shop
caves:
  api: {agents: {demo: {}}}
  web: {agents: {shell: {type: command, command: [sleep, infinity]}}}
"""
pytestmark = pytest.mark.timeout(900)  # the roots are made when they are first needed
OLD, NEW, NEWEST, ANCIENT = "bookworm", "bookworm-backports", "sid", "bullseye"


def is_idle(cave: Cave, path: str) -> bool:
    rows = cave.run("ps", "-f", "caves.yaml", "--json", PATH=path).json["sessions"]
    return {row["activity"] for row in rows if row["agent"] == "demo"} == {"idle"}


def servers(cave: Cave) -> list[int]:
    """Every tmux server of this world."""
    return [pid for pid in cave.processes() if b"\0-D\0" in command_line_of(pid)]


@pytest.mark.parametrize(
    ("began", "now"), [(OLD, NEW), (OLD, NEWEST), (NEW, NEWEST), (NEW, OLD), ("", NEWEST)]
)
def test_what_one_version_began_another_goes_on_with(
    cave: Cave, path_to: PathTo, began: str, now: str
) -> None:
    cave.declare(AGENTS)
    cave.up(PATH=path_to(began))
    (server,) = servers(cave)
    path = path_to(now)
    eventually(lambda: is_idle(cave, path))
    assert cave.up(PATH=path).out.endswith("unchanged\n")
    assert cave.run("send", "-f", "caves.yaml", "api", "Hello;", PATH=path).out == (
        "delivered to api/demo\n"
    )
    eventually(lambda: is_idle(cave, path))
    assert "Hello;" in cave.run("logs", "--file", "caves.yaml", "api", PATH=path).out
    cave.run("stop", "-f", "caves.yaml", "web", PATH=path)
    cave.run("restart", "-f", "caves.yaml", "api", PATH=path)
    found = cave.run("doctor", "--json", PATH=path).json
    told = [one["text"] for one in found if one["what"] == "server"]
    assert any(text.startswith("it runs tmux 3.") for text in told)
    assert servers(cave) == [server]
    cave.run("down", "-f", "caves.yaml", PATH=path)
    eventually(lambda: cave.processes() == [])


@pytest.mark.parametrize("program", [OLD, NEW])
def test_a_server_that_refuses_an_older_program_is_told_with_the_way_out(
    cave: Cave, path_to: PathTo, program: str
) -> None:
    cave.declare(AGENTS)
    cave.up(PATH=path_to(NEWEST))
    (server,) = servers(cave)
    before = sorted(cave.processes())
    for verb in ("up", "ps", "stop", "restart", "down"):
        done = cave.run(verb, "-f", "caves.yaml", code=69, PATH=path_to(program))
        assert f"The tmux server {server}" in done.err
        assert "different versions" in done.err
        assert f"{NEWEST}/usr/lib" in done.err
        assert f"`kill {server}`" in done.err
    assert sorted(cave.processes()) == before
    cave.run("down", "-f", "caves.yaml", PATH=path_to(NEWEST))
    eventually(lambda: cave.processes() == [])


def test_what_the_way_out_says_works(cave: Cave, path_to: PathTo) -> None:
    cave.declare(AGENTS)
    cave.up(PATH=path_to(NEWEST))
    (server,) = servers(cave)
    os.kill(server, signal.SIGTERM)
    eventually(lambda: not servers(cave))
    cave.up(PATH=path_to(OLD))
    assert len(cave.agents()) == 2


def test_a_controller_goes_on_when_tmux_is_upgraded_under_it(cave: Cave, path_to: PathTo) -> None:
    cave.declare(AGENTS)
    folder = path_to(NEW).partition(":")[0]
    kept = cave.popen("up", "-f", "caves.yaml", "--watch", PATH=path_to(NEW))
    eventually(lambda: servers(cave) and is_idle(cave, path_to(NEW)))
    newest = path_to(NEWEST).partition(":")[0]
    os.replace(f"{newest}/tmux", f"{folder}/tmux")
    agents = cave.run("ps", "-f", "caves.yaml", "--json", PATH=path_to(NEW)).json["sessions"]
    victim = next(row["pid"] for row in agents if row["agent"] == "demo")
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: is_idle(cave, path_to(NEW)))
    again = cave.run("ps", "-f", "caves.yaml", "--json", PATH=path_to(NEW)).json["sessions"]
    assert victim not in {row["pid"] for row in again}
    kept.send_signal(signal.SIGTERM)
    assert finish(kept).code == 143


def test_a_program_before_3_2a_is_refused_by_name(cave: Cave, path_to: PathTo) -> None:
    for words in (("up", "-f", "caves.yaml"), ("doctor",)):
        done = cave.run(*words, code=69, PATH=path_to(ANCIENT))
        assert "This is tmux 3.1c; 3.2a or newer is needed" in done.err + done.out
    assert cave.processes() == []
