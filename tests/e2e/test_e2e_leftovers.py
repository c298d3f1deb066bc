"""What a dead server or a killed pass leaves behind is gone before anything new starts."""

import os
import signal

from caving import ONE_CAVE, Cave, alive, eventually

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


def test_an_agent_that_outlives_its_server_is_shown_until_up_ends_it(cave: Cave) -> None:
    stays = "command: [sh, -c, \"trap '' HUP; exec sleep infinity\"]"
    cave.declare(ONE_CAVE.replace("command: [sleep, infinity]", stays))
    cave.up()
    agent = cave.agents()["shop/api/shell"].pid
    server = int(cave.tmux("display-message", "-p", "#{pid}"))
    os.kill(server, signal.SIGKILL)
    eventually(lambda: not alive(server))
    row = cave.ps()["api/shell"]
    assert alive(agent)
    assert row["phase"] == "pending"
    assert f"process {agent} of it lives on without a terminal" in row["reason"]

    cave.up()
    assert not alive(agent)
    assert "lives on" not in cave.ps()["api/shell"]["reason"]


def test_orphans_without_a_mark_in_their_environment_do_not_outlive_a_dead_server(
    cave: Cave,
) -> None:
    """They went to init; the descriptor that they inherited is all that tells whose they were."""
    cave.declare(STUBBORN.replace("ignore HUP; spawn stubborn 2", "ignore HUP"))
    cave.up()
    cave.run("send", "-f", "caves.yaml", "api", "spawn orphan")
    eventually(lambda: "* spawned orphan: " in cave.screen("shop/api/demo"))
    said = cave.screen("shop/api/demo").partition("* spawned orphan: ")[2].split()[0]
    server = int(cave.tmux("display-message", "-p", "#{pid}"))
    os.kill(server, signal.SIGKILL)
    eventually(lambda: not alive(server))
    assert alive(int(said))

    cave.up()
    assert not alive(int(said))
    assert len(cave.agents()) == 1


def test_what_belongs_to_no_session_is_shown_and_ended_by_down(cave: Cave) -> None:
    cave.declare(STUBBORN.replace("ignore HUP; spawn stubborn 2", ""))
    cave.up()
    cave.run("send", "-f", "caves.yaml", "api", "spawn stray")
    eventually(lambda: "* spawned stray: " in cave.screen("shop/api/demo"))
    pid = int(cave.screen("shop/api/demo").partition("* spawned stray: ")[2].split()[0])
    seen = cave.run("ps", "-f", "caves.yaml", "--json").json["strays"]
    assert [one["pid"] for one in seen] == [pid]
    assert f"process {pid} (" in cave.run("ps", "-f", "caves.yaml").err

    cave.run("down", "-f", "caves.yaml")
    assert not alive(pid)


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
