"""opencode from its start to its end: what it does and asks, seen and answered from outside."""

import os
import signal
from collections.abc import Iterator

import programs
import pytest
from caving import Cave, alive, eventually
from fakes.chat import ChatApi
from fakes.directives import tool
from opencode_cli import OpenCode

pytestmark = pytest.mark.timeout(300)

PROMPT = "First line; -x $(no) 'quoted'\n# second\n" + "a line of many\n" * 40 + "the end"
LONG = (
    "".join(f"{number:03}: 'a' \"b\" `c` $(d) #{{e}} -f \\g; 日本 🦊\n" for number in range(120))
    + "end"
)
QUESTION = {
    "question": "Which colour?",
    "header": "Colour",
    "options": [
        {"label": "Red", "description": "like a fox"},
        {"label": "Blue", "description": "like the sea"},
    ],
}


@pytest.fixture
def opencode(cave: Cave) -> Iterator[OpenCode]:
    """opencode as somebody uses it who has a provider."""
    with ChatApi() as api:
        yield OpenCode(cave, api, programs.program("opencode"))


@pytest.fixture
def talking(opencode: OpenCode) -> OpenCode:
    """It has had its first prompt, and has answered; it asks before it runs a command."""
    opencode.declare(prompt=PROMPT.replace("$", "$$"), permission_mode="ask")
    opencode.up("--wait")
    opencode.is_asked(PROMPT)
    opencode.becomes("idle")
    return opencode


def test_it_goes_on_after_kill_9_and_after_down_and_nothing_is_left(talking: OpenCode) -> None:
    assert len(talking.api.turns()) == 1
    assert talking.last_turn().said == (PROMPT,)
    conversation = talking.row()["conversation"]
    pid = talking.pid()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: talking.row()["phase"] == "failed")
    assert not alive(pid)
    talking.up("--wait")
    goes_on(talking, "Go on", said=(PROMPT,))
    assert talking.row()["conversation"] == conversation
    talking.tell("down")
    eventually(lambda: talking.cave.processes() == [])
    assert talking.cave.git("status", "--porcelain", cwd=talking.cave.workspace()) == ""
    assert [*(talking.cave.state() / "sessions").iterdir()] == []
    talking.up("--wait")
    goes_on(talking, "And on", said=(PROMPT, "Go on"))
    assert talking.row()["conversation"] == conversation


def goes_on(opencode: OpenCode, text: str, *, said: tuple[str, ...]) -> None:
    """It knows what was said, and what it is told of its Working Context; and is one."""
    opencode.becomes("idle")
    opencode.send(text)
    opencode.is_asked(text)
    opencode.becomes("idle")
    assert opencode.last_turn().said == (*said, text)
    assert len(opencode.api.turns()) == len(said) + 1
    told = opencode.last_turn().told
    assert str(opencode.file(".cave")) in told
    assert "working-log.md" in told
    assert "results-summary.md" in told
    assert len(opencode.cave.agents()) == 1


def test_a_command_runs_once_it_is_approved_and_not_when_it_is_denied(talking: OpenCode) -> None:
    talking.send("@@bash touch made.txt@@")
    talking.becomes("approval")
    row = talking.row()
    assert (row["phase"], row["reason"]) == ("running", "bash: touch made.txt")
    refused = talking.send("as you like", code=1)
    talking.tell("approve", "--dialog", "of-yesterday", "api", code=1)
    assert talking.row()["reason"] == row["reason"]
    assert not talking.file("made.txt").exists()
    talking.tell("approve", "api")
    eventually(talking.file("made.txt").exists)
    talking.becomes("idle")
    talking.send("@@bash touch denied.txt@@")
    talking.becomes("approval")
    talking.tell("deny", "api")
    talking.becomes("idle")
    assert not talking.file("denied.txt").exists()
    assert len(talking.api.turns()) == 4
    assert talking.heard("as you like") == 0
    assert "waits for approval: bash: touch made.txt" in refused.err


def test_a_question_is_answered_by_an_option_and_in_words(talking: OpenCode) -> None:
    for said in ("Blue", "a shade of green"):
        talking.send(tool("question", {"questions": [QUESTION]}))
        talking.becomes("question")
        assert talking.row()["reason"] == "Which colour? (Red, Blue)"
        before = len(talking.last_turn().results)
        talking.tell("answer", "api", said)
        talking.becomes("idle")
        assert len(talking.last_turn().results) == before + 1
        assert said in talking.last_turn().results[-1]


def test_prompts_arrive_whole_and_once_while_it_is_idle_and_while_it_works(
    talking: OpenCode,
) -> None:
    assert len(LONG.encode()) > 5000
    idle = talking.send(LONG)
    talking.is_asked(LONG)
    talking.becomes("idle")
    talking.send("@@slow 60@@")
    talking.is_asked("@@slow 60@@")
    talking.becomes("working")
    busy = talking.send("meanwhile\nand more")
    assert not talking.asked("meanwhile\nand more")
    talking.api.hurry()
    talking.is_asked("meanwhile\nand more")
    talking.becomes("idle")
    assert talking.last_turn().said == (PROMPT, LONG, "@@slow 60@@", "meanwhile\nand more")
    assert idle.out == "delivered to api/opencode\n"
    assert busy.out.startswith("delivered to api/opencode")


def test_a_rate_limit_is_shown_while_it_tries_again(opencode: OpenCode) -> None:
    opencode.api.refuse(429, times=50, message="enough for now")
    opencode.declare(prompt="Begin")
    opencode.up()
    opencode.becomes("limited")
    assert "enough for now" in opencode.row()["reason"]
    opencode.api.accept()
    opencode.becomes("idle")
    assert opencode.heard("Begin") == 1
