"""A project lives on one tmux server at a time, and what cannot be seen is not taken for gone."""

import os
import shutil
import signal

import pytest
from caving import Cave, alive, environment_of, eventually

TWO = """
version: 1
name: shop
caves:
  a:
    workspace: {type: directory, path: .}
    agents: {shell: {type: command, command: [sleep, inf]}}
  b:
    workspace: {type: directory, path: b}
    agents: {shell: {type: command, command: [sleep, inf]}}
"""


SLEEPS = "{type: command, command: [sleep, inf]}"


def live(cave: Cave) -> list[int]:
    (cave.root / "b").mkdir(exist_ok=True)
    cave.declare(TWO)
    cave.up()
    pids = [pane.pid for pane in cave.agents().values()]
    assert len(pids) == 2
    return pids


def test_another_socket_neither_kills_nor_doubles_what_lives(cave: Cave) -> None:
    pids = live(cave)
    other = str(cave.home / "other")
    for words in (("up", "b"), ("up",), ("down",), ("stop", "a"), ("restart", "b")):
        done = cave.run(*words, "-f", "caves.yaml", "--socket", other, code=1)
        assert f"--socket {cave.socket}" in done.err
        assert all(map(alive, pids))
    rows = cave.run("ps", "-f", "caves.yaml", "--json", "--socket", other).json["sessions"]
    assert all(
        row["reason"].endswith(f"another tmux socket: --socket {cave.socket}") for row in rows
    )
    cave.up()
    assert {pane.pid for pane in cave.agents().values()} == set(pids), "a refused stop was kept"
    cave.run("down", "-f", "caves.yaml")
    assert not any(map(alive, pids))
    cave.run("up", "-f", "caves.yaml", "--socket", other)
    cave.run("down", "-f", "caves.yaml", "--socket", other)


@pytest.mark.parametrize("lost", [False, True])
def test_neither_do_another_socket_and_another_history_or_none(cave: Cave, lost: bool) -> None:
    pids, other = live(cave), ("--socket", str(cave.home / "other"))
    state = None if lost else str(cave.home / "other-state")
    if lost:
        shutil.rmtree(cave.state())
    elsewhere = {} if state is None else {"XDG_STATE_HOME": state}
    cave.declare(
        f"{TWO}  c: {{workspace: {{type: directory, path: c}}, agents: {{s: {SLEEPS}}}}}\n"
    )
    (cave.root / "c").mkdir()
    done = cave.run("up", "-f", "caves.yaml", *other, code=1, **elsewhere)
    assert done.err.count("runs already behind the tmux socket") == 2
    assert f"go on there (--socket {cave.socket})" in done.err
    assert all(map(alive, pids))
    rows = cave.run("ps", "-f", "caves.yaml", "--json", *other, **elsewhere).json["sessions"]
    assert [row["cave"] for row in rows if row["phase"] == "running"] == ["c"]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(map(alive, pids)))
    cave.run("up", "-f", "caves.yaml", *other, **elsewhere)
    cave.run("down", "-f", "caves.yaml", *other, **elsewhere)


def test_a_socket_that_was_deleted_is_made_again_and_the_agents_behind_it_live_on(
    cave: Cave,
) -> None:
    pids = live(cave)
    os.unlink(cave.socket)
    for words in (("ps",), ("plan",)):
        done = cave.run(*words, "-f", "caves.yaml", code=69)
        assert f"its socket {cave.socket} is gone" in done.err
        assert not os.path.exists(cave.socket)
    assert cave.up().out == "shop: 2 unchanged\n"
    assert [pane.pid for pane in cave.agents().values()] == pids


def test_a_server_behind_the_socket_of_another_is_left_alone(cave: Cave) -> None:
    pids = live(cave)
    server = int(cave.tmux("display-message", "-p", "#{pid}"))
    os.unlink(cave.socket)
    cave.tmux("new-session", "-d", "sleep", "infinity")
    done = cave.up(code=1)
    assert f"kill -USR1 {server}" in done.err
    assert all(map(alive, pids))
    cave.tmux("kill-server")
    assert cave.up().out == "shop: 2 unchanged\n"
    assert [pane.pid for pane in cave.agents().values()] == pids


def test_down_ends_what_an_agent_left_when_it_had_ended_by_itself(cave: Cave) -> None:
    script = "nohup setsid sleep 4242 >/dev/null 2>&1 & sleep 0.3; exit 0"
    cave.declare(
        "version: 1\nname: shop\ncaves:\n  a:\n    workspace: {type: directory, path: .}\n"
        f"    agents: {{shell: {{type: command, command: [sh, -c, '{script}']}}}}\n"
    )
    cave.up()
    eventually(lambda: cave.agents() == {})

    def children() -> list[int]:
        return [pid for pid in cave.processes() if b"4242" in command_line(pid)]

    assert children()
    cave.run("down", "-f", "caves.yaml")
    assert not any(alive(pid) for pid in children())


def test_an_untrusted_file_does_not_say_how_agents_end(cave: Cave) -> None:
    cave.declare(TWO)
    (cave.root / "b").mkdir()
    cave.run("trust", "--yes")
    cave.run("up")
    mark = cave.root / "typed"
    keys = f"{{keys: [{{text: 'touch {mark}'}}, Enter], grace: 2s}}"
    cave.declare(TWO.replace("command: [sleep, inf]", f"command: [bash], stop: {keys}"))
    done = cave.run("down")
    assert "not trusted" in done.err
    assert cave.agents() == {}
    assert not mark.exists()


def test_quiet_does_not_silence_errors(cave: Cave) -> None:
    cave.declare(
        "version: 1\nname: shop\ncaves:\n  a:\n    workspace: {type: directory, path: .}\n"
        "    setup: [[sh, -c, 'echo why; exit 3']]\n    agents: {demo: {}}\n"
    )
    done = cave.up("--quiet", code=1)
    assert "exit status 3" in done.err
    assert "why" in done.err


def command_line(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


def test_a_relative_socket_lies_where_it_was_named(cave: Cave) -> None:
    path = cave.root / "here.sock"
    cave.run("up", "-f", "caves.yaml", AGENTCAVE_SOCKET="./here.sock")
    assert path.is_socket()
    seen = cave.run("ps", "-f", "caves.yaml", "--json", AGENTCAVE_SOCKET=str(path)).json
    assert [row["phase"] for row in seen["sessions"]] == ["running"]
    cave.run("down", "-f", "caves.yaml", "--socket", "./here.sock")
    eventually(lambda: cave.processes() == [])


def test_with_a_tmpdir_of_tmux_agents_and_controllers_find_the_same_server(cave: Cave) -> None:
    cave.environ |= {"TMUX_TMPDIR": str(cave.home)}
    del cave.environ["AGENTCAVE_SOCKET"]
    cave.socket = str(cave.home / f"tmux-{os.getuid()}" / "agentcave")
    cave.run("up", "-f", "caves.yaml", "--watch", "--detach")
    eventually(lambda: cave.agents())
    before = cave.agents()["shop/api/shell"].pid
    assert f"AGENTCAVE_SOCKET={cave.socket}".encode() in environment_of(before).split(b"\0")
    os.kill(before, signal.SIGKILL)
    eventually(lambda: {pane.pid for pane in cave.agents().values()} - {before})
    cave.run("down", "-f", "caves.yaml")
    assert cave.agents() == {}
