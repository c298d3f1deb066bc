"""The conversations of Claude Code outlive its process, its terminal and its folder."""

import os
import signal
from functools import partial

import pytest
from caving import alive, eventually
from claude_code import Claude


@pytest.fixture
def talking(claude: Claude) -> Claude:
    """It has had its first prompt, and has answered."""
    claude.declare(prompt="Begin")
    claude.up()
    eventually(lambda: claude.asked("Begin"))
    claude.becomes("idle")
    return claude


def goes_on(claude: Claude, *, said: tuple[str, ...] = ("Begin",)) -> None:
    """It knows what was said, and what it is told of its Working Context; and is one."""
    claude.becomes("idle")
    asked = len(claude.api.turns())
    claude.send("Go on")
    eventually(lambda: claude.asked("Go on"))
    assert claude.last_turn().said == (*said, "Go on")
    assert len(claude.api.turns()) == asked + 1
    assert str(claude.file(".cave")) in claude.last_turn().system
    assert len(claude.cave.agents()) == 1


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not alive(pid))


def has_ended(claude: Claude) -> bool:
    return bool(claude.row()["phase"] == "failed")


def test_after_kill_9_it_goes_on_and_its_prompt_is_not_sent_again(talking: Claude) -> None:
    conversation = talking.row()["conversation"]
    kill(talking.pid())
    eventually(partial(has_ended, talking))
    talking.up()
    assert talking.row()["conversation"] == conversation
    goes_on(talking)


def test_it_goes_on_when_it_was_killed_in_the_middle_of_a_turn(claude: Claude) -> None:
    claude.declare(prompt="@@slow 60@@")
    claude.up()
    eventually(lambda: any("@@slow" in path.read_text() for path in claude.transcripts()))
    kill(claude.pid())
    eventually(partial(has_ended, claude))
    claude.api.hurry()
    claude.up()
    claude.becomes("idle")
    claude.send("Go on")
    eventually(lambda: claude.asked("Go on"))
    assert claude.heard("@@slow 60@@") == 1


def test_after_the_end_of_the_tmux_server_it_goes_on(talking: Claude) -> None:
    agent = talking.pid()
    kill(int(talking.cave.tmux("display-message", "-p", "#{pid}")))
    talking.up()
    assert not alive(agent)
    goes_on(talking)


def test_after_down_and_up_it_goes_on(talking: Claude) -> None:
    conversation = talking.row()["conversation"]
    talking.tell("down")
    talking.up("--wait")
    assert talking.row()["conversation"] == conversation
    goes_on(talking)


def test_it_goes_on_when_the_state_has_moved_to_another_folder(talking: Claude) -> None:
    talking.tell("down")
    moved = talking.cave.home / "moved"
    (talking.cave.home / "state").rename(moved)
    talking.cave.environ["XDG_STATE_HOME"] = str(moved)
    talking.up()
    goes_on(talking)


def test_without_its_transcript_a_new_conversation_begins_and_that_is_said(
    talking: Claude,
) -> None:
    before = talking.row()["conversation"]
    talking.tell("down")
    for transcript in talking.transcripts():
        transcript.unlink()
    planned = talking.tell("plan")
    done = talking.up()
    talking.becomes("idle")
    assert talking.row()["conversation"] != before
    eventually(lambda: len(talking.api.turns()) == 2)
    assert talking.last_turn().said == ("Begin",)
    for said in (planned.out, done.out + done.err):
        assert "new conversation: the transcript of the last one is gone" in said


def test_a_transcript_that_cannot_be_resumed_ends_in_a_new_conversation_and_in_no_loop(
    talking: Claude,
) -> None:
    before = talking.row()["conversation"]
    talking.tell("down")
    (transcript,) = talking.transcripts()
    transcript.write_text('{"type":"mode","mode":"normal"}\n' * 3)
    talking.up()
    eventually(partial(has_ended, talking))
    done = talking.up()
    talking.becomes("idle")
    assert talking.row()["conversation"] != before
    eventually(lambda: len(talking.api.turns()) == 2)
    assert "new conversation: resuming failed (No conversation found" in done.out + done.err
    assert talking.up().out == "shop: 1 unchanged\n"


def test_with_resume_never_each_start_is_a_new_conversation(claude: Claude) -> None:
    claude.declare(prompt="Begin", resume="never")
    claude.up()
    eventually(lambda: claude.asked("Begin"))
    before = claude.row()["conversation"]
    claude.tell("down")
    claude.up()
    eventually(lambda: len(claude.api.turns()) == 2)
    assert claude.last_turn().said == ("Begin",)
    assert claude.row()["conversation"] != before


def test_the_conversation_that_it_was_led_into_is_the_one_that_goes_on(talking: Claude) -> None:
    before = talking.row()["conversation"]
    assert talking.send("/clear").out.startswith("sent to api/claude")
    eventually(lambda: talking.row()["conversation"] != before)
    talking.send("Another matter")
    eventually(lambda: talking.asked("Another matter"))
    talking.becomes("idle")
    assert talking.last_turn().said[-1] == "Another matter"
    assert talking.heard("Begin") == 0
    cleared, said = talking.row()["conversation"], talking.last_turn().said
    talking.tell("restart", "api")
    assert talking.row()["conversation"] == cleared
    goes_on(talking, said=said)
