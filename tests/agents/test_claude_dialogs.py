"""What Claude Code asks, seen and answered from outside."""

import pytest
from caving import eventually
from claude_code import Claude
from fakes.directives import tool

QUESTION = {
    "question": "Which colour?",
    "header": "Colour",
    "multiSelect": False,
    "options": [
        {"label": "Red", "description": "like a fox"},
        {"label": "Blue", "description": "like the sea"},
    ],
}
ASK = tool("AskUserQuestion", {"questions": [QUESTION]})
TOUCH = tool("Bash", {"command": "touch made.txt", "description": "make a file"})


@pytest.fixture
def asking(claude: Claude) -> Claude:
    """It wants to run a command."""
    claude.declare(prompt=TOUCH)
    claude.up()
    claude.becomes("approval")
    return claude


def test_approval_is_seen_with_what_it_is_for_and_nothing_else_answers_it(asking: Claude) -> None:
    row = asking.row()
    assert (row["phase"], row["reason"]) == ("running", "Bash: touch made.txt")
    refused = asking.send("as you like", code=1)
    asking.tell("approve", "--dialog", "of-yesterday", "api", code=1)
    asking.tell("answer", "api", "Blue", code=1)
    assert asking.row() == row
    assert "as you like" not in asking.screen()
    assert not asking.file("made.txt").exists()
    assert "waits for approval: Bash: touch made.txt" in refused.err


def test_approve_lets_it_run_and_the_turn_go_on(asking: Claude) -> None:
    done = asking.tell("approve", "api")
    eventually(asking.file("made.txt").exists)
    asking.becomes("idle")
    assert len(asking.api.turns()) == 2
    assert done.out == "approved api/claude: Bash: touch made.txt\n"


def test_deny_keeps_it_from_running_and_it_is_idle_soon(asking: Claude) -> None:
    asking.tell("deny", "api")
    asking.becomes("idle", within="5s")
    assert not asking.file("made.txt").exists()
    assert len(asking.api.turns()) == 1
    asking.send("what now?")
    eventually(lambda: asking.asked("what now?"))
    assert not asking.file("made.txt").exists()


def test_there_is_nothing_to_approve_while_it_is_idle(claude: Claude) -> None:
    claude.declare()
    claude.idle()
    for verb, *text in (["approve"], ["deny"], ["answer", "Blue"]):
        claude.tell(verb, "api", *text, code=1)
    assert claude.typed() == ""


def test_a_file_that_it_wants_to_write_is_approved_by_name(claude: Claude) -> None:
    claude.declare()
    claude.idle()
    given = {"file_path": str(claude.file("new.txt")), "content": "made by a model\n"}
    claude.send(tool("Write", given))
    claude.becomes("approval")
    assert claude.row()["reason"] == f"Write: {claude.file('new.txt')}"
    claude.tell("approve", "api")
    claude.becomes("idle")
    assert claude.file("new.txt").read_text() == "made by a model\n"


def test_a_question_is_answered_by_its_options_their_numbers_and_in_words(claude: Claude) -> None:
    claude.declare()
    claude.idle()
    for said, meant in (("Blue", "Blue"), ("1", "Red"), ("a shade of green", "a shade of green")):
        claude.send(ASK)
        claude.becomes("question")
        assert claude.row()["reason"] == "Which colour? (Red, Blue)"
        before = len(claude.last_turn().results)
        claude.tell("answer", "api", said)
        claude.becomes("idle")
        assert len(claude.last_turn().results) == before + 1
        assert meant in claude.last_turn().results[-1]


def test_a_prompt_is_not_taken_for_the_answer_to_a_question(claude: Claude) -> None:
    claude.declare(prompt=ASK)
    claude.up()
    claude.becomes("question")
    refused = claude.send("2", code=1)
    assert claude.row()["activity"] == "question"
    assert "asks: Which colour?" in refused.err
    claude.tell("deny", "api")
    claude.becomes("idle", within="5s")
    assert len(claude.api.turns()) == 1


def subagent(which: str) -> str:
    """One that wants to run a command; Claude Code lets it work in the background."""
    wish = tool("Bash", {"command": f"touch {which}", "description": f"make {which}"})
    given = {"description": which, "prompt": wish, "subagent_type": "general-purpose"}
    return tool("Agent", given)


def test_of_two_that_ask_the_one_on_the_screen_is_named_and_answered(claude: Claude) -> None:
    claude.declare()
    claude.idle()
    names = ["git-push-origin-feature-a-force", "git-push-origin-feature-b"]
    claude.send(" ".join(map(subagent, names)))
    for _ in range(2):
        claude.becomes("approval")
        eventually(lambda: claude.row()["dialog"] and "Do you want" in claude.screen())
        dialog = claude.row()["dialog"]
        asked = dialog["text"].removeprefix("Bash: touch ")
        assert f"\n touch {asked} " in claude.screen()
        claude.declare(args=["--verbose"])
        assert "mid-turn (approval)" in claude.up(code=1).err  # nothing is restarted over it
        claude.tell("approve", "--dialog", dialog["id"], "api")
        eventually(claude.file(asked).exists)
        names.remove(asked)
        assert not any(claude.file(other).exists() for other in names)
    claude.becomes("idle")


def test_without_hooks_what_is_asked_is_read_off_the_screen(claude: Claude) -> None:
    (claude.config / "settings.json").write_text('{"disableAllHooks": true}')
    claude.declare(prompt=TOUCH)
    claude.up()
    claude.becomes("approval")
    eventually(lambda: claude.row()["reason"] == "Bash: touch made.txt")
    claude.tell("approve", "api")
    eventually(claude.file("made.txt").exists)


def test_what_is_longer_than_its_screen_is_not_approved(claude: Claude) -> None:
    claude.declare()
    claude.idle()
    many = "\n".join(f"touch file-{number}.txt" for number in range(70))
    claude.send(tool("Bash", {"command": many, "description": "make many"}))
    claude.becomes("approval")
    refused = claude.tell("approve", "api", code=1)
    assert "is not whole on the screen" in refused.err
    assert "attach" in refused.err
    assert not claude.file("file-0.txt").exists()
