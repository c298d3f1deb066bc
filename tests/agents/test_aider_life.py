"""aider from its start to its end: what it does and asks, seen and answered from outside."""

import os
import signal
from collections.abc import Iterator

import programs
import pytest
from aider_cli import Aider
from caving import Cave, alive, eventually, finish
from fakes.chat import ChatApi

PROMPT = "First line; -x $(no) 'quoted'\n# second\n" + "a line of many\n" * 40 + "the end"
SLOW = "@@slow 60@@"
TOUCH = "@@bash touch made.txt@@"
LONG = (
    "".join(f"{number:03}: 'a' \"b\" `c` $(d) #{{e}} -f \\g; 日本 🦊\n" for number in range(120))
    + "end"
)


@pytest.fixture
def aider(cave: Cave) -> Iterator[Aider]:
    """aider as somebody uses it who has a key."""
    with ChatApi() as api:
        yield Aider(cave, api, programs.program("aider"))


@pytest.fixture
def talking(aider: Aider) -> Aider:
    """It has had its first prompt, and has answered."""
    aider.begin(PROMPT)
    return aider


def test_the_first_prompt_arrives_whole_and_once_with_the_working_context(talking: Aider) -> None:
    assert len(talking.api.turns()) == 1
    assert talking.heard(PROMPT) == 1
    told = talking.last_turn().told
    assert str(talking.file(".cave")) in told
    assert "working-log.md" in told
    assert "results-summary.md" in told
    assert talking.cave.git("status", "--porcelain", cwd=talking.cave.workspace()) == ""


def test_after_kill_9_it_goes_on_and_its_prompt_is_not_sent_again(talking: Aider) -> None:
    conversation, pid = talking.row()["conversation"], talking.pid()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: talking.row()["phase"] == "failed")
    assert not alive(pid)
    talking.up("--wait")
    talking.becomes("idle")
    assert talking.row()["conversation"] == conversation
    talking.send("Go on")
    eventually(lambda: talking.asked("Go on"))
    assert talking.heard(PROMPT) == 1
    assert talking.last_turn().said[-1] == "Go on"
    assert len(talking.api.turns()) == 2
    assert str(talking.file(".cave")) in talking.last_turn().told
    assert len(talking.cave.agents()) == 1


def test_down_leaves_no_process_and_nothing_that_git_sees(talking: Aider) -> None:
    talking.tell("down")
    eventually(lambda: talking.cave.processes() == [])
    assert talking.cave.git("status", "--porcelain", cwd=talking.cave.workspace()) == ""
    assert [*(talking.cave.state() / "sessions").iterdir()] == []


@pytest.fixture
def asking(aider: Aider) -> Aider:
    """It wants to run a command; only in some of its edit formats it may."""
    aider.declare(prompt=TOUCH, args=["--edit-format", "diff"])
    aider.up()
    aider.becomes("approval")
    return aider


def test_a_command_runs_once_it_is_approved_and_nothing_else_answers(asking: Aider) -> None:
    row = asking.row()
    assert (row["phase"], row["reason"]) == ("running", "shell: touch made.txt")
    refused = asking.send("yes", code=1)
    asking.tell("approve", "--dialog", "of-yesterday", "api", code=1)
    assert asking.row() == row
    assert not asking.file("made.txt").exists()
    asking.tell("approve", "api")
    eventually(asking.file("made.txt").exists)
    asking.becomes("idle")
    assert len(asking.api.turns()) == 1
    assert "waits for approval: shell: touch made.txt" in refused.err


def test_a_command_that_is_denied_does_not_run(asking: Aider) -> None:
    asking.tell("deny", "api")
    asking.becomes("idle")
    asking.send("what now?")
    eventually(lambda: asking.asked("what now?"))
    assert not asking.file("made.txt").exists()


def test_it_asks_before_a_file_that_a_prompt_names_is_added(aider: Aider) -> None:
    aider.declare()
    aider.up("--wait")
    aider.send("What does README.md say?")
    aider.becomes("question")
    assert "README.md Add file to the chat?" in aider.row()["reason"]
    assert aider.api.turns() == []
    aider.tell("answer", "api", "yes")
    eventually(lambda: aider.asked("What does README.md say?"))
    assert "# shop" in aider.last_turn().told


def test_a_long_prompt_arrives_whole_and_once(aider: Aider) -> None:
    assert len(LONG.encode()) > 5000
    aider.declare()
    aider.up("--wait")
    done = aider.send(LONG)
    aider.is_asked(LONG)
    aider.becomes("idle")
    assert len(aider.api.turns()) == 1
    assert aider.heard(LONG) == 1
    assert done.out == "delivered to api/aider\n"


@pytest.fixture
def working(aider: Aider) -> Aider:
    """It works until it is hurried."""
    aider.declare(prompt=SLOW)
    aider.up()
    aider.is_asked(SLOW)
    aider.becomes("working")
    return aider


def test_while_it_works_nothing_is_typed_into_it(working: Aider) -> None:
    refused = working.send("meanwhile\nand more", code=1)
    assert "meanwhile" not in working.screen()
    working.api.hurry()
    working.becomes("idle")
    assert len(working.api.turns()) == 1
    assert "works, and takes no prompts meanwhile" in refused.err


def test_a_prompt_that_waits_until_it_is_idle_arrives_whole_and_once_and_is_answered(
    working: Aider,
) -> None:
    words = ("send", "-f", "caves.yaml", "--wait")
    sender = working.cave.popen(*words, "api", LONG)
    another = (*words, "--timeout", "6s", "api", "another")  # an input box is awaited for 5 s
    eventually(lambda: "another prompt is being" in working.cave.try_run(*another).err)
    assert not working.asked(LONG)
    working.api.hurry()
    done = finish(sender)
    working.is_asked(LONG)
    working.becomes("idle")
    assert len(working.api.turns()) == 2
    assert working.last_turn().said[-2:] == (SLOW, LONG)
    assert f"ECHO {len(LONG)} chars" in working.screen()
    assert (done.code, done.out) == (0, "delivered to api/aider\n")


def test_a_rate_limit_is_shown_while_it_tries_again(aider: Aider) -> None:
    aider.api.refuse(429, times=50, message="enough for now")
    aider.declare(prompt="Begin")
    aider.up()
    aider.becomes("limited")
    assert "enough for now" in aider.row()["reason"]
    aider.api.accept()
    aider.becomes("idle")
    assert aider.heard("Begin") == 1
