"""What a run of Claude Code leaves, and what it does not."""

import shutil
from pathlib import Path

from caving import command_line_of, environment_of, eventually, pids
from claude_code import Claude
from fakes.directives import tool

CANARY = "canary-7c1f0b52-of-a-secret"


def test_stop_ends_it_and_all_that_it_started(claude: Claude) -> None:
    claude.declare(prompt=tool("Bash", {"command": "python3 -c 'import time; time.sleep(300)'"}))
    claude.up()
    claude.becomes("approval")
    claude.tell("approve", "api")
    eventually(lambda: len(of_the_session(claude)) > 2)
    claude.tell("stop", "api")
    assert of_the_session(claude) == []
    assert claude.row()["phase"] == "stopped"
    claude.tell("down")
    eventually(lambda: claude.cave.processes() == [])


def of_the_session(claude: Claude) -> list[int]:
    found = claude.cave.processes()
    return [pid for pid in found if b"AGENTCAVE_SESSION_DIR=" in environment_of(pid)]


def test_nothing_lies_in_the_workspace_that_git_sees(claude: Claude) -> None:
    claude.declare(prompt="Begin")
    claude.up()
    eventually(lambda: claude.asked("Begin"))
    claude.becomes("idle")
    claude.tell("down")
    assert claude.cave.git("status", "--porcelain", cwd=claude.cave.workspace()) == ""
    assert [path.name for path in (claude.cave.state() / "sessions").iterdir()] == []


def test_hooks_that_find_no_folder_harm_nothing(claude: Claude) -> None:
    claude.declare()
    claude.idle()
    for folder in (claude.cave.state() / "sessions").iterdir():
        shutil.rmtree(folder)
    claude.press("-l", "typed by a person")
    eventually(lambda: "typed by a person" in claude.screen())
    claude.press("Enter")
    eventually(lambda: claude.asked("typed by a person"))
    eventually(lambda: "ECHO" in claude.screen())
    claude.becomes("idle")
    assert "hook" not in claude.screen()


def test_a_secret_is_in_the_environment_of_the_agent_and_nowhere_else(claude: Claude) -> None:
    inherited = [*claude.cave.environ]
    secrets = {"TOKEN": {"env": "CANARY"}}
    claude.declare(cave={"secrets": secrets, "inherit_environment": inherited})
    claude.up("-v", CANARY=CANARY)
    claude.becomes("idle")
    claude.send(tool("Bash", {"command": "touch made.txt"}))
    claude.becomes("approval")
    held = {pid for pid in claude.cave.processes() if CANARY.encode() in environment_of(pid)}
    assert held == {claude.pid()}
    assert [pid for pid in pids() if CANARY.encode() in command_line_of(pid)] == []
    claude.tell("deny", "api")
    claude.becomes("idle")
    assert CANARY not in told_by_tmux(claude) + claude.tell("ps", "--json").out
    assert holding(claude.cave.home) == []
    assert CANARY not in str([request.body for request in claude.api.requests()])


def told_by_tmux(claude: Claude) -> str:
    asked = (
        ("show-environment", "-g"),
        ("show-environment", "-t", "=shop/api/claude"),
        ("show-options", "-A"),
        ("list-panes", "-a", "-F", "#{pane_start_command} #{pane_title}"),
        ("list-buffers",),
    )
    return "".join(claude.cave.tmux(*words) for words in asked)


def holding(root: Path) -> list[Path]:
    files = (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    return [path for path in files if CANARY.encode() in path.read_bytes()]
