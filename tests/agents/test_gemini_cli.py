"""Gemini CLI from its start to its end: prompts, approvals, trust, and conversations that go on."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import programs
import pytest
from caving import Cave, alive, eventually
from fakes.gemini import GeminiApi
from gemini_cli import MODEL, SETTINGS, Gemini

LINES = "First line; -x $(no) 'quoted'\n# second: 日本 🦊\n" + "a line of many\n" * 40 + "the end"
TOUCH = "[[bash touch made.txt]]"


@pytest.fixture
def gemini(cave: Cave) -> Iterator[Gemini]:
    """Gemini CLI as somebody uses it who has begun, and who trusts the project."""
    with GeminiApi() as api:
        made = Gemini(cave, api, programs.program("gemini"))
        made.seed(trusted=True)
        yield made


def test_the_first_prompt_is_answered_once_with_the_working_context_and_down_leaves_nothing(
    gemini: Gemini,
) -> None:
    gemini.declare(prompt="Begin")
    gemini.up()
    eventually(lambda: gemini.asked("Begin"))
    gemini.becomes("idle")
    assert [turn.said for turn in gemini.api.turns()] == [("Begin",)]
    told = gemini.last_turn().system
    for known in (str(gemini.file(".cave")), "working-log.md", "results-summary.md"):
        assert known in told
    assert gemini.settings.read_text() == SETTINGS
    assert gemini.cave.git("status", "--porcelain", cwd=gemini.cave.workspace()) == ""
    gemini.tell("down")
    eventually(lambda: gemini.cave.processes() == [])
    assert [*(gemini.cave.state() / "sessions").iterdir()] == []


def test_what_is_sent_while_it_is_idle_arrives_whole_and_once(gemini: Gemini) -> None:
    gemini.declare()
    gemini.up("--wait")
    assert gemini.row()["activity"] == "idle"
    done = gemini.send(LINES)
    eventually(lambda: gemini.asked(LINES))
    gemini.becomes("idle")
    assert [turn.said for turn in gemini.api.turns()] == [(LINES,)]
    assert done.out == "delivered to api/gemini\n"


def test_a_command_runs_when_it_is_approved_and_not_for_a_prompt_or_when_denied(
    gemini: Gemini,
) -> None:
    gemini.declare(prompt=TOUCH)
    gemini.up()
    gemini.becomes("approval")
    row = gemini.row()
    assert (row["phase"], row["reason"]) == ("running", "Shell: touch made.txt")
    refused = gemini.send("as you like", code=1)
    assert gemini.row() == row
    assert "as you like" not in gemini.screen()
    assert not gemini.file("made.txt").exists()
    assert "waits for approval: Shell: touch made.txt" in refused.err

    gemini.tell("deny", "api")
    gemini.becomes("idle", within="5s")
    assert not gemini.file("made.txt").exists()
    assert len(gemini.api.turns()) == 1

    gemini.send(TOUCH)
    gemini.becomes("approval")
    done = gemini.tell("approve", "api")
    eventually(gemini.file("made.txt").exists)
    eventually(lambda: len(gemini.last_turn().results) == 1)
    gemini.becomes("idle")
    assert "as you like" not in gemini.last_turn().said
    assert done.out == "approved api/gemini: Shell: touch made.txt\n"


def test_after_kill_9_it_goes_on_and_again_and_its_prompt_is_not_sent_again(
    gemini: Gemini,
) -> None:
    gemini.declare(prompt="Begin")
    gemini.up()
    eventually(lambda: gemini.asked("Begin"))
    gemini.becomes("idle")
    conversation, said = gemini.row()["conversation"], ["Begin"]
    for text in ("Go on", "Go on again"):
        kill(gemini)
        make_older(gemini.transcripts())
        gemini.up()
        gemini.becomes("idle")
        gemini.send(text)
        eventually(lambda sent=text: gemini.asked(sent))
        gemini.becomes("idle")
        said.append(text)
        assert gemini.last_turn().said == tuple(said)
        assert gemini.row()["conversation"] == conversation
    assert len(gemini.api.turns()) == 3
    assert str(gemini.file(".cave")) in gemini.last_turn().system


def test_a_second_one_in_the_workspace_does_not_delete_the_conversation_that_was_resumed(
    gemini: Gemini,
) -> None:
    gemini.declare(prompt="Begin")
    gemini.up()
    eventually(lambda: gemini.asked("Begin"))
    gemini.becomes("idle")
    kill(gemini)
    make_older(gemini.transcripts())
    gemini.up()
    gemini.becomes("idle")
    eventually(lambda: len(gemini.transcripts()) == 2)

    one = {"type": "gemini", "command": [gemini.program], "model": MODEL}
    agents = {"gemini": {**one, "prompt": "Begin"}, "second": {**one, "prompt": "Hello"}}
    caves = {"version": 1, "name": "shop", "caves": {"api": {"agents": agents}}}
    gemini.cave.declare(json.dumps(caves))
    gemini.up()
    eventually(lambda: gemini.asked("Hello"))
    gemini.becomes("idle")
    assert any("Begin" in path.read_text() for path in gemini.transcripts())


def kill(gemini: Gemini) -> None:
    pid = int(gemini.row()["pid"])
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not alive(pid))
    eventually(lambda: gemini.row()["phase"] == "failed")


def make_older(transcripts: list[Path]) -> None:
    """As if an hour had gone by: the next start writes a file of its own beside the first one."""
    for path in sorted(transcripts):
        _, year, month, rest = path.name.split("-", 3)
        path.rename(path.with_name(f"session-{int(year) - 1}-{month}-{rest}"))


def test_only_a_person_or_the_caves_file_says_that_a_folder_is_trusted(gemini: Gemini) -> None:
    gemini.seed(trusted=False)
    gemini.declare()
    gemini.up()
    gemini.becomes("question")
    assert gemini.row()["reason"] == "trust this folder?"
    refused = gemini.send("hello", code=1)
    gemini.tell("approve", "api", code=1)
    assert gemini.row()["activity"] == "question"
    assert "hello" not in gemini.screen()
    assert gemini.api.requests() == []
    assert "not-delivered: shop/api/gemini has not started: trust this folder?" in refused.err

    gemini.tell("down")
    gemini.declare(prompt="Begin", trust_workspace=True)
    gemini.up()
    eventually(lambda: gemini.asked("Begin"))
    gemini.becomes("idle")
    assert len(gemini.api.turns()) == 1
    assert gemini.trusted.read_text() == "{}"


def test_settings_with_a_mistake_are_reported_by_place_and_nothing_is_started(
    gemini: Gemini,
) -> None:
    broken = SETTINGS.replace('"gemini-api-key"', '"gemini-api-key"]')
    gemini.settings.write_text(broken)
    gemini.declare(prompt="Begin")
    done = gemini.cave.try_run("up", "-f", "caves.yaml")
    assert done.code != 0
    assert gemini.cave.agents() == {}
    assert gemini.api.requests() == []
    assert gemini.settings.read_text() == broken
    assert f"{gemini.settings}:4:46: " in done.out + done.err
