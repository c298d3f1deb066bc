"""Codex from its start to its end: status, prompts, approvals, limits, resume, trust."""

import os
import signal
import tomllib
from collections.abc import Iterator
from pathlib import Path

import programs
import pytest
from caving import Cave, alive, eventually
from codex_cli import Codex, private_home, run
from fakes.directives import tool
from fakes.responses import ResponsesApi

PROMPT = "!touch made.txt; -x $(no) 'quoted'\n# second\n" + "a line of many\n" * 40 + "the end"
SLOW = "@@slow 60@@"
LONG = (
    "".join(f"{number:03}: 'a' \"b\" `c` $(d) #{{e}} -f \\g; 日本 🦊\n" for number in range(120))
    + "end"
)


@pytest.fixture
def home() -> Iterator[Path]:
    """Set up before the world, so that nothing uses it any more when it is removed."""
    with private_home() as folder:
        yield folder


@pytest.fixture
def codex(home: Path, cave: Cave) -> Iterator[Codex]:
    with ResponsesApi() as api:
        yield Codex(cave, home, api, programs.program("codex"))


@pytest.fixture
def asking(codex: Codex) -> Codex:
    """It wants to run a command."""
    codex.declare(prompt=run("touch made.txt"))
    codex.cave.up()
    codex.becomes("approval")
    return codex


def test_its_first_prompt_is_answered_once_and_with_its_working_context(codex: Codex) -> None:
    codex.begin(PROMPT)
    assert codex.row()["activity"] == "idle"
    assert [turn.said for turn in codex.api.turns()] == [(PROMPT,)]
    assert not codex.file("made.txt").exists()
    told = codex.last_turn().told
    assert any(str(codex.file(".cave")) in text for text in told)
    assert any("results-summary.md" in text for text in told)
    assert codex.cave.git("status", "--porcelain", cwd=codex.cave.workspace()) == ""


def test_what_is_sent_while_it_works_steers_the_turn_and_arrives_once(codex: Codex) -> None:
    codex.declare(prompt=SLOW)
    codex.cave.up()
    eventually(lambda: codex.row()["activity"] == "working")
    eventually(lambda: "word3" in codex.screen())
    done = codex.send("another way")
    eventually(lambda: codex.asked("another way"))
    codex.becomes("idle")
    assert codex.last_turn().said == (SLOW, "another way")
    assert done.out == "delivered to api/codex\n"


def test_a_command_is_approved_from_outside_and_nothing_else_lets_it_run(asking: Codex) -> None:
    row = asking.row()
    assert (row["phase"], row["reason"]) == ("running", "Bash: touch made.txt")
    refused = asking.send("y", code=1)
    assert asking.row() == row
    assert not asking.file("made.txt").exists()
    done = asking.tell("approve", "api")
    eventually(asking.file("made.txt").exists)
    asking.becomes("idle")
    assert len(asking.last_turn().results) == 1
    assert not asking.asked("y")
    assert "waits for approval: Bash: touch made.txt" in refused.err
    assert done.out == "approved api/codex: Bash: touch made.txt\n"


def test_a_command_that_is_denied_does_not_run_and_the_turn_is_over(asking: Codex) -> None:
    asking.tell("deny", "api")
    asking.becomes("idle")
    assert asking.row()["reason"] == "the last turn was interrupted"
    assert len(asking.api.turns()) == 1
    asking.send("what now?")
    eventually(lambda: asking.asked("what now?"))
    assert not asking.file("made.txt").exists()


def test_a_long_prompt_arrives_whole_and_once(codex: Codex) -> None:
    assert len(LONG.encode()) > 5000
    codex.declare()
    codex.cave.up("--wait")
    assert codex.row()["activity"] == "idle"
    done = codex.send(LONG)
    eventually(lambda: codex.asked(LONG))
    codex.becomes("idle")
    assert [turn.said for turn in codex.api.turns()] == [(LONG,)]
    assert done.out == "delivered to api/codex\n"


def test_a_rate_limit_is_shown_and_a_later_prompt_goes_through(codex: Codex) -> None:
    codex.api.refuse(429, times=20, message="enough for now")
    codex.declare(prompt="Begin")
    codex.cave.up()
    codex.becomes("limited")
    reason = codex.row()["reason"]
    codex.api.accept()
    codex.send("go on")
    eventually(lambda: "go on" in codex.last_turn().said)
    codex.becomes("idle")
    assert "rate or usage limit" in reason
    assert "429" in reason


def test_after_kill_9_it_goes_on_and_its_prompt_is_not_sent_again(codex: Codex) -> None:
    codex.begin("Begin")
    before, killed = codex.row(), codex.processes()
    os.kill(before["pid"], signal.SIGKILL)
    eventually(lambda: codex.row()["phase"] == "failed")
    codex.cave.up("--wait")
    after = codex.row()
    assert (after["activity"], after["conversation"]) == ("idle", before["conversation"])
    assert not any(map(alive, killed))
    codex.send("Go on")
    eventually(lambda: codex.asked("Go on"))
    assert [turn.said for turn in codex.api.turns()] == [("Begin",), ("Begin", "Go on")]
    assert str(codex.file(".cave")) in codex.last_turn().told[-1]


def test_down_leaves_no_process_not_even_of_a_command_that_runs(codex: Codex) -> None:
    command = "touch made.txt; exec python3 -c 'import time; time.sleep(300)'"
    unguarded = {"permission_mode": "never", "args": ["-s", "danger-full-access"]}
    codex.declare(prompt=tool("exec_command", {"cmd": command}), **unguarded)
    codex.cave.up()
    eventually(codex.file("made.txt").exists)
    eventually(lambda: len(codex.processes()) > 2)
    codex.tell("down")
    assert codex.processes() == []
    eventually(lambda: codex.cave.processes() == [])


def test_only_a_person_answers_whether_a_folder_is_trusted(codex: Codex) -> None:
    codex.declare(prompt="Begin", trust_workspace=False)
    codex.cave.up()
    codex.becomes("question")
    row = codex.row()
    assert row["reason"] == "trust this folder?"
    refused = codex.send("hello", code=1)
    codex.tell("approve", "api", code=1)
    assert codex.row() == row
    assert codex.api.turns() == []
    assert "has not started: trust this folder?" in refused.err


def test_declared_trust_writes_nothing_of_ours_into_its_configuration(codex: Codex) -> None:
    before = tomllib.loads(codex.config.read_text())
    codex.begin("Begin")
    after = tomllib.loads(codex.config.read_text())
    after.pop("tui", None)  # what Codex keeps for itself
    assert after == before


def test_a_command_that_runs_on_is_approved_as_soon_as_it_is_asked_for(codex: Codex) -> None:
    """Codex tells of the dialog until the command ends."""
    codex.declare(prompt=run("touch made.txt; exec python3 -c 'import time; time.sleep(300)'"))
    codex.cave.up()
    codex.becomes("approval")
    done = codex.tell("approve", "api")
    eventually(codex.file("made.txt").exists)
    assert done.out.startswith("approved api/codex: Bash: touch made.txt")
