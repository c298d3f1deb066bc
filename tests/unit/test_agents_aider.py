"""aider as recorded: 0.86.2 against a local model API, on screens of 200x50 and 80x24."""

import re
from pathlib import Path
from typing import Any

import pytest
from plan_world import agent

from agentcave.agents import Adapter, Evidence, Seen, Start, aider
from agentcave.model.spec import StopKey
from agentcave.model.status import Activity, Dialog, Judgement
from agentcave.plan.activity import is_silent, judge, past_start

SCREENS = Path(__file__).parent / "screens" / "aider"
NOW = 1_800_000_000.0
CONTEXT = "/home/dev/shop/.cave"
RULE = "─" * 80
HEADER = f"{RULE}\nReadonly: ../briefing.md .cave/background.md"
WHERE = {
    "AGENTCAVE_CONTEXT": CONTEXT,
    "AGENTCAVE_AGENT": "claude",
    "AGENTCAVE_CONVERSATION": "c-1",
}
adapter: Adapter = aider


def screen(name: str) -> str:
    return (SCREENS / name).read_text(encoding="utf-8").rstrip()


def evidence(shown: str | None, age: float = 30.0) -> Evidence:
    return Evidence(1, NOW - age, screen=shown, rules=adapter.SCREEN, now=NOW)


def judged(shown: str | None, age: float = 30.0) -> Judgement:
    return judge(adapter.claims(evidence(shown, age)), NOW)


def start(**fields: Any) -> Start:
    spec = agent(type="aider", **fields.pop("spec", {}))
    environment = {"HOME": "/home/dev", "AGENTCAVE_CONTEXT": CONTEXT}
    known = {"folder": "/s/1", "briefing": "Read. ü", "environment": environment}
    return Start(spec, "/home/dev/shop", **{**known, **fields})


# -- launching -------------------------------------------------------------------------------------

TALK = ("--chat-history-file", f"{CONTEXT}/claude-c-1.md")
READ = ("--read", "/s/1/briefing.md", "--read", f"{CONTEXT}/background.md")


@pytest.mark.parametrize(
    ("fields", "argv"),
    [
        ({}, READ),
        ({"conversation": "c-1"}, (*TALK, *READ)),
        ({"conversation": "c-1", "resume": True}, (*TALK, "--restore-chat-history", *READ)),
        ({"prompt": "never on the command line"}, READ),
        ({"spec": {"model": "openai/x"}}, (*READ, "--model", "openai/x")),
        ({"spec": {"permission_mode": "ask"}}, (*READ, "--chat-mode", "ask")),
        ({"spec": {"args": ("--map-tokens", "1024")}}, (*READ, "--map-tokens", "1024")),
    ],
)
def test_it_starts_quietly(fields: dict[str, Any], argv: tuple[str, ...]) -> None:
    launched = adapter.launch(start(**fields))
    own = ("--input-history-file", "/s/1/input.history")
    assert launched.argv == ("aider", *aider.QUIET, *own, *argv)
    assert launched.files == {"briefing.md": "Read. ü".encode()}


def test_a_conversation_is_a_file_of_the_working_context() -> None:
    one = start(conversation="c-1")
    launched = adapter.launch(one)
    path = f"{CONTEXT}/claude-c-1.md"
    assert adapter.transcript(one) == path
    assert adapter.transcript(start()) is None
    assert launched.environment == {"AGENTCAVE_CONVERSATION": "c-1"}
    assert adapter.live_file({**WHERE, **launched.environment}, 1) == path
    assert adapter.live_file({}, 1) is None


# -- status ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["200x50", "80x24"])
@pytest.mark.parametrize(
    ("name", "activity", "reason"),
    [
        ("approval-new-file", Activity.APPROVAL, "edit: .*"),
        ("approval-shell", Activity.APPROVAL, "shell: echo SHELLRAN > shell2.txt"),
        ("approval-edit-not-in-chat", Activity.QUESTION, ".*Add file to the chat[?]"),
        ("draft", Activity.IDLE, ""),
        ("draft-multiline", Activity.IDLE, ""),
        ("error-401", Activity.IDLE, "the last turn failed: litellm.BadRequestError: .* fake 401"),
        ("gate-login-no-model", Activity.QUESTION, "log in: Login to OpenRouter .*"),
        ("gate-raw-launch", Activity.QUESTION, "Add .aider[*] to .gitignore .*"),
        ("idle-after-429", Activity.LIMITED, "the last turn failed: litellm.RateLimitError: .*"),
        ("idle-after-shell", Activity.IDLE, ""),
        ("idle-after-turn", Activity.IDLE, ""),
        ("idle-ask-mode", Activity.IDLE, ""),
        ("idle-fresh", Activity.IDLE, ""),
        ("idle-interrupted", Activity.IDLE, ""),
        ("limited-retrying", Activity.LIMITED, "litellm.RateLimitError: .* fake 429"),
        ("question-command-output", Activity.QUESTION, "bangtest Add 0.0k tokens .*"),
        ("working", Activity.WORKING, ""),
    ],
)
def test_the_screen_tells(name: str, size: str, activity: Activity, reason: str) -> None:
    found = judged(screen(f"{name}-{size}.txt"))
    assert found.activity is activity
    assert re.fullmatch(reason, found.reason)
    assert past_start(found) is not name.startswith("gate")


def test_where_it_was_not_looked_the_screen_is_asked_for() -> None:
    assert is_silent(adapter.claims(evidence(None)), NOW)
    assert judged(None).activity is Activity.STARTING


@pytest.mark.parametrize("shown", ["", "Aider v0.86.2\nModel: openai/x", HEADER])
def test_before_its_first_box_it_starts(shown: str) -> None:
    assert judged(shown).activity is Activity.STARTING
    assert judged(shown, age=120.0).activity is Activity.WORKING


@pytest.mark.parametrize(
    "answer",
    [
        "\n░█       Waiting for openai/fake-model",
        "\n> a quotation at the end",
        "\nRun shell command? (Y)es/(N)o [Yes]: y\n\nRunning it",
    ],
)
def test_an_answer_that_looks_like_a_box_is_none(answer: str) -> None:
    shown = f"{HEADER}\n> the prompt\n{answer}"
    assert judged(shown).activity is Activity.WORKING
    assert adapter.draft(shown) is None


REFUSED = (
    "litellm.RateLimitError: OpenAIException - fake 429\nThe API provider has rate limited you."
)


@pytest.mark.parametrize(
    ("then", "activity"),
    [
        ("Retrying in 0.2 seconds...\nThe answer.\n\nTokens: 3.1k sent, 19 received.", "idle"),
        (f"Retrying in 0.2 seconds...\n{REFUSED}", "limited"),
        ("", "limited"),
    ],
)
def test_an_error_that_it_tried_again_after_is_not_how_the_turn_ended(
    then: str, activity: str
) -> None:
    found = judged(f"{HEADER}\n> the prompt\n\n{REFUSED}\n{then}\n{HEADER}\n> ")
    assert found.activity == activity
    assert found.reason.startswith("the last turn failed") is (activity == "limited")


@pytest.mark.parametrize("mark", ["> ", "ask> ", "multi> ", "diff-fenced> ", "code multi> "])
def test_a_box_is_known_in_every_mode(mark: str) -> None:
    for shown in (f"{HEADER}\n{mark}", f"{HEADER}\n{mark.rstrip()}"):
        assert judged(shown).activity is Activity.IDLE
        assert adapter.draft(shown) == ""
    assert adapter.draft(f"{HEADER}\n{mark}one\n{mark}two") == "one\ntwo"


# -- prompts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "draft"),
    [
        (screen("draft-80x24.txt"), "draft text"),
        (screen("draft-multiline-200x50.txt"), "l1\nl2\nl3"),
        (screen("colour-draft-200x50.ansi"), "my draft `x`\ntwo"),
        ("Readonly: ../briefing.md\n" + "\n".join(f"> line {n}" for n in range(40)), "line 0"),
        ("\n".join(f"> line {n}" for n in range(40)), "line 0"),
        (screen("idle-fresh-80x24.txt"), ""),
        (screen("working-80x24.txt"), None),
        (screen("approval-shell-80x24.txt"), None),
    ],
)
def test_a_draft_is_what_stands_in_the_box(shown: str, draft: str | None) -> None:
    found = adapter.draft(shown)
    assert found == draft or (found is not None and draft and found.startswith(f"{draft}\n"))


HISTORY = """
# aider chat started at 2026-11-22 22:07:17

> Aider v0.86.2

#### first  
#### \t
####   
#### second \\  

Sure:

#### A heading

> Tokens: 892 sent, 5 received.  
"""  # noqa: W291 - aider puts blanks there


@pytest.mark.parametrize(
    ("text", "ago", "proven"),
    [
        ("first\n\t\n\nsecond \\", 0.5, True),
        ("first\r\n\t\r\n\r\nsecond \\\n", 0.5, True),
        ("first\n\t\n\nsecond \\", 2.0, False),
        ("first", 0.5, False),
        ("second \\", 0.5, False),
    ],
)
def test_a_prompt_is_proven_by_the_conversation(text: str, ago: float, proven: bool) -> None:
    events = {"live": Seen(NOW - ago, HISTORY.encode())}
    assert adapter.proof(events, text, NOW - 1) is proven


def test_nothing_that_it_says_surprises() -> None:
    assert not adapter.proof({}, "x", NOW)
    assert not adapter.proof({"live": Seen(NOW, b"\xff\n#### ")}, "x", NOW - 1)


@pytest.mark.parametrize(
    ("text", "pasted"), [("{", " {"), ("{tag", " {tag"), ("/add x", "/add x"), ("a {", "a {")]
)
def test_a_brace_does_not_open_a_prompt_of_many_lines(text: str, pasted: str) -> None:
    assert adapter.typed(text) == pasted


# -- dialogs ---------------------------------------------------------------------------------------


def dialog(name: str) -> Dialog:
    found = judged(screen(name)).dialog
    assert found is not None
    return found


def test_another_dialog_has_another_id() -> None:
    shell, edit = dialog("approval-shell-80x24.txt"), dialog("approval-new-file-80x24.txt")
    assert shell.id
    assert shell.id != edit.id
    assert shell == dialog("approval-shell-80x24.txt")


def lines(pattern: str, shown: str) -> bool:
    """As tmux looks: line by line."""
    return any(re.search(pattern, line) for line in shown.splitlines())


def test_a_dialog_that_was_answered_is_not_open() -> None:
    open_one = "Run shell command? (Y)es/(N)o/(D)on't ask again [Yes]: "
    assert lines(adapter.DIALOG, open_one)
    assert not lines(adapter.DIALOG, f"{open_one}y\nRunning echo")


@pytest.mark.parametrize(
    ("answer", "text", "typed"),
    [
        ("approve", "", "y\r"),
        ("deny", "", "n\r"),
        ("answer", "No", "n\r"),
        ("answer", "don't", "d\r"),
        ("answer", "all", "a\r"),
        ("answer", "s", "s\r"),
    ],
)
def test_an_answer_is_one_letter_and_enter(answer: Any, text: str, typed: str) -> None:
    told = dialog("approval-shell-80x24.txt")
    assert adapter.keys(answer, told, text) == (StopKey(typed, literal=True),)


@pytest.mark.parametrize("text", ["", "perhaps", "yes please"])
def test_any_other_answer_cannot_be_given(text: str) -> None:
    assert adapter.keys("answer", dialog("question-command-output-80x24.txt"), text) is None
