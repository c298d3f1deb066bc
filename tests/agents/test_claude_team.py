"""A team as a person runs it: seen, answered, told more, killed, and going on."""

import os
import signal
from functools import partial
from pathlib import Path

from caving import Cave, alive, eventually
from claude_code import Claude

EXAMPLE = Path(__file__).parents[2] / "examples" / "claude-team.yaml"
RESEARCHER, WRITER, REVIEWER = "team-researcher", "team-writer", "team-reviewer"
PROMPT = "Read .cave/background.md, then follow .cave/plan.md."
COMMAND = "python3 -c \"open('made.txt', 'w')\""


def test_the_team_of_the_examples_works_asks_is_answered_and_survives(claude: Claude) -> None:
    cave = claude.cave
    cave.environ["PATH"] = cave.program("claude", f'exec {claude.program} "$@"')
    claude.seed(trusted=False)
    cave.declare(EXAMPLE.read_text())

    claude.up("--wait")
    eventually(lambda: len(claude.api.turns()) == 3)
    claude.becomes("idle", RESEARCHER, WRITER, REVIEWER)
    assert [turn.said for turn in claude.api.turns()] == [(PROMPT,)] * 3

    claude.send("@@slow 60@@", RESEARCHER)
    claude.send(f"@@bash {COMMAND}@@", WRITER)
    claude.becomes("working", RESEARCHER)
    claude.becomes("approval", WRITER)
    assert claude.row(WRITER)["reason"] == f"Bash: {COMMAND}"
    assert claude.row(REVIEWER)["activity"] == "idle"

    claude.tell("approve", WRITER)
    eventually(claude.file("made.txt", WRITER).exists)
    claude.send("One thing more", REVIEWER)
    eventually(lambda: claude.asked("One thing more"))
    claude.becomes("idle", WRITER, REVIEWER)

    before = {name: row["conversation"] for name, row in cave.ps().items()}
    kill_everything(cave)
    claude.api.hurry()
    claude.up("--wait")
    assert {name: row["conversation"] for name, row in cave.ps().items()} == before
    for name in (RESEARCHER, WRITER, REVIEWER):
        claude.send(f"Go on, {name}", name)
        eventually(partial(claude.asked, f"Go on, {name}"))
    histories = {turn.said[-1]: turn.said for turn in claude.api.turns()}
    assert histories[f"Go on, {RESEARCHER}"][:2] == (PROMPT, "@@slow 60@@")
    assert histories[f"Go on, {WRITER}"] == (PROMPT, f"@@bash {COMMAND}@@", f"Go on, {WRITER}")
    assert histories[f"Go on, {REVIEWER}"] == (PROMPT, "One thing more", f"Go on, {REVIEWER}")


def kill_everything(cave: Cave) -> None:
    """Everything of this world; the processes are known by their environment."""
    killed = cave.processes()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(map(alive, killed)))
