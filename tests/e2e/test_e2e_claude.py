"""Claude Code as far as its command line goes: conversation, first prompt, resume."""

import json
import os
from pathlib import Path
from typing import Any

from caving import SLEEPER, Cave, eventually

CLAUDE = """
version: 1
name: shop
caves:
  api:
    workspace: {type: directory, path: .}
    agents:
      claude: {model: opus, permission_mode: acceptEdits, args: [--verbose], prompt: "Say $$5; -x"}
"""
OWN = ("--settings", "--append-system-prompt-file")
# Writes down how it was called, keeps a transcript as Claude Code does, and stays.
STAND_IN = r"""
python3 - "$@" <<'PY'
import json, os, re, sys
calls = os.path.join(os.environ["HOME"], "calls")
with open(calls, "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\n")
flag, conversation = sys.argv[1:3]
slug = re.sub(r"[^A-Za-z0-9]", "-", os.getcwd())
folder = os.path.join(os.environ["CLAUDE_CONFIG_DIR"], "projects", slug)
os.makedirs(folder, exist_ok=True)
open(os.path.join(folder, conversation + ".jsonl"), "a").write("{}\n")
PY
exec sleep infinity
"""


def calls(cave: Cave, number: int) -> list[list[str]]:
    path = cave.home / "calls"

    def made() -> bool:
        return path.exists() and len(path.read_text().splitlines()) >= number

    eventually(made)
    return [json.loads(line) for line in path.read_text().splitlines()]


def settings(cave: Cave) -> dict[str, Any]:
    cave.declare(CLAUDE)
    return {
        "PATH": cave.program("claude", STAND_IN),
        "CLAUDE_CONFIG_DIR": str(cave.home / "claude"),
    }


def test_a_conversation_goes_on_after_down_and_up_and_its_prompt_is_sent_once(cave: Cave) -> None:
    environ = settings(cave)
    cave.up(**environ)
    (first,) = calls(cave, 1)
    conversation = first[1]
    head = ["--session-id", conversation, "--model", "opus", "--permission-mode", "acceptEdits"]
    (folder,) = {os.path.dirname(first[first.index(flag) + 1]) for flag in OWN}
    own = ["--settings", f"{folder}/settings.json"]
    own += ["--append-system-prompt-file", f"{folder}/briefing.md"]
    assert first == [*head, *own, "--verbose", "--", "Say $5; -x"]
    assert folder.startswith(f"{cave.state()}/sessions/")
    assert str(cave.root / ".cave") in Path(folder, "briefing.md").read_text()
    eventually(lambda: list((cave.home / "claude").rglob(f"{conversation}.jsonl")) != [])
    assert cave.ps()["api/claude"]["conversation"] == conversation

    cave.run("down", "-f", "caves.yaml")
    cave.up(**environ)
    second = calls(cave, 2)[1]
    assert second[:2] == ["--resume", conversation]
    assert "--" not in second


def test_a_conversation_without_a_transcript_is_begun_anew(cave: Cave) -> None:
    environ = settings(cave)
    cave.up(**environ)
    (first,) = calls(cave, 1)
    eventually(lambda: list((cave.home / "claude").rglob("*.jsonl")) != [])
    cave.run("down", "-f", "caves.yaml")
    for transcript in (cave.home / "claude").rglob("*.jsonl"):
        transcript.unlink()
    cave.up(**environ)
    second = calls(cave, 2)[1]
    assert second[0] == "--session-id"
    assert second[1] != first[1]
    assert second[-1] == "Say $5; -x"


def test_restart_fresh_begins_a_new_conversation(cave: Cave) -> None:
    environ = settings(cave)
    cave.up(**environ)
    (first,) = calls(cave, 1)
    eventually(lambda: list((cave.home / "claude").rglob("*.jsonl")) != [])
    cave.run("restart", "-f", "caves.yaml", "--fresh", "api", **environ)
    second = calls(cave, 2)[1]
    assert second[0] == "--session-id"
    assert second[1] != first[1]
    assert second[-1] == "Say $5; -x"


def test_a_missing_program_is_said_before_anything_is_created(cave: Cave) -> None:
    cave.declare(CLAUDE)
    folder = cave.home / "only"
    folder.mkdir()
    for name in ("tmux", "git", "sh", "env"):
        (folder / name).symlink_to(f"/usr/bin/{name}")
    done = cave.up(code=69, PATH=str(folder))
    assert "npm install -g @anthropic-ai/claude-code" in done.err
    assert cave.panes() == []
    assert not (cave.root / ".cave").exists()


def test_a_program_that_is_missing_is_a_trouble_of_its_own_cave(cave: Cave) -> None:
    gone = "{type: command, command: [no-such-agent]}"
    cave.declare(
        "version: 1\nname: shop\ncaves:\n  api: {agents: {shell: "
        f"{SLEEPER}}}}}\n  web: {{agents: {{page: {gone}, shell: {SLEEPER}}}}}\n"
        f"  doc: {{depends_on: {{web: {{}}}}, agents: {{shell: {SLEEPER}}}}}\n"
    )
    plan = cave.run("plan", "-f", "caves.yaml").out
    done = cave.up(code=1)
    for told in (plan, done.err):
        assert "web/page needs no-such-agent" in told
        assert "it depends on web, which is refused" in told
    assert list(cave.agents()) == ["shop/api/shell"]
    assert not cave.workspace("web").exists()
    program = cave.program("no-such-agent", "exec sleep inf")
    cave.up(PATH=program)
    assert len(cave.agents()) == 4
    assert "web/page needs" in cave.run("restart", "-f", "caves.yaml", "web", code=69).err
    assert len(cave.agents()) == 4
