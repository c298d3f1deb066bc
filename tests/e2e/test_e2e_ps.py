"""What ``ps`` tells of agents that are not as declared, and from where it is asked."""

from caving import ONE_CAVE, Cave, eventually

BROKEN = "version: 1\nname: shop\ncaves: {api: {agents: {shell: {nope: 1}}}}\n"


def test_inside_a_cave_the_server_of_the_cave_is_asked(cave: Cave) -> None:
    cave.declare(ONE_CAVE.replace("{type: command, command: [sleep, infinity]}", "{type: demo}"))
    cave.up()
    (pane,) = cave.agents().values()
    with open(f"/proc/{pane.pid}/environ", "rb") as file:
        environ = file.read().split(b"\0")
    assert f"AGENTCAVE_SOCKET={cave.socket}".encode() in environ
    shown = cave.run("exec", "-f", "caves.yaml", "api", "--", "sh", "-c", "echo $AGENTCAVE_SOCKET")
    assert shown.out.strip() == cave.socket


def test_a_broken_file_makes_no_drift(cave: Cave) -> None:
    cave.declare(ONE_CAVE)
    cave.up()
    cave.declare(BROKEN)
    done = cave.run("ps", "-f", "caves.yaml", "--json")
    assert "going by what runs" in done.err
    (row,) = done.json["sessions"]
    assert (row["phase"], row["drift"], row["reason"]) == ("running", [], "")


def test_why_an_agent_did_not_start_is_told(cave: Cave) -> None:
    cave.declare(ONE_CAVE.replace("    agents:", "    setup: [[sh, -c, 'exit 3']]\n    agents:"))
    cave.up(code=1)
    row = cave.ps()["api/shell"]
    assert row["phase"] == "pending"
    assert "exit status 3" in row["reason"]
    cave.declare(ONE_CAVE)
    cave.up()
    eventually(lambda: cave.ps()["api/shell"]["phase"] == "running")
    cave.run("down", "-f", "caves.yaml")
    assert "not started" in cave.ps()["api/shell"]["reason"]
