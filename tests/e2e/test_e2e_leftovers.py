"""What a dead server or a killed pass leaves behind is gone before anything new starts."""

import os
import signal

from caving import Cave, alive, eventually

STUBBORN = """
version: 1
name: shop
caves:
  api:
    workspace: {type: directory, path: .}
    agents:
      demo: {type: demo, args: [--script, "ignore HUP; spawn stubborn 2"]}
"""


def marked(cave: Cave) -> set[int]:
    """Processes that carry the marker of a session of ours."""
    found = set()
    for pid in cave.processes():
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if b"AGENTCAVE_SESSION_DIR=" in file.read():
                    found.add(pid)
        except OSError:
            continue
    return found


def test_survivors_of_a_dead_server_are_ended_before_the_agent_starts_again(cave: Cave) -> None:
    cave.declare(STUBBORN)
    cave.up()
    eventually(lambda: len(marked(cave)) >= 3)
    before = marked(cave)
    server = int(cave.tmux("display-message", "-p", "#{pid}"))
    os.kill(server, signal.SIGKILL)
    eventually(lambda: not alive(server))
    assert any(alive(pid) for pid in before), "nothing survived, so nothing is shown here"

    cave.up()
    assert not any(alive(pid) for pid in before)
    assert len(cave.agents()) == 1


def test_children_of_a_crashed_agent_do_not_live_on_beside_the_new_one(cave: Cave) -> None:
    cave.declare(STUBBORN)
    cave.up()
    eventually(lambda: len(marked(cave)) >= 3)
    before = marked(cave)
    (agent,) = cave.agents().values()
    os.kill(agent.pid, signal.SIGKILL)
    eventually(lambda: cave.agents() == {})
    assert any(alive(pid) for pid in before)

    cave.up()
    assert not any(alive(pid) for pid in before)
    assert len(cave.agents()) == 1


def test_launch_files_and_folders_of_a_killed_pass_go(cave: Cave) -> None:
    cave.up()
    state = cave.state()
    (state / "launch" / "0123456789abcdef").write_text("export TOKEN='left over'")
    (state / "sessions" / "0123456789abcdef").mkdir()
    cave.up()
    assert list((state / "launch").iterdir()) == []
    assert len(list((state / "sessions").iterdir())) == 1


def test_a_restart_leaves_nothing_of_the_session_before(cave: Cave) -> None:
    cave.up()
    (before,) = (cave.state() / "sessions").iterdir()
    (before / "UserPromptSubmit.event").write_text("a prompt")
    cave.tmux("select-pane", "-t", "=shop/api/shell:", "-T", "what it said last")
    cave.run("restart", "-f", "caves.yaml", "api")
    (after,) = (cave.state() / "sessions").iterdir()
    assert after.name != before.name
    assert cave.tmux("list-panes", "-a", "-F", "#{pane_title}") == ""
