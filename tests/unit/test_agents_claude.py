"""Claude Code as recorded: its screens (2.1.330, at two sizes), its hooks and its status file."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentcave.agents import Evidence, Seen, claude
from agentcave.agents.reading import screen_claims
from agentcave.model.spec import StopKey
from agentcave.model.status import Activity, Claim, Dialog
from agentcave.plan.activity import judge

RECORDED = Path(__file__).parent / "screens" / "claude"
SIZES = ("200x50", "80x24")
IDLE, WORKING = Activity.IDLE, Activity.WORKING
APPROVAL, QUESTION, LIMITED = Activity.APPROVAL, Activity.QUESTION, Activity.LIMITED
AT = 1_795_381_311.5


def screen(name: str, size: str) -> str:
    """With its escape sequences, as a capture of the pane has them."""
    return (RECORDED / f"{name}-{size}.ansi").read_text()


def plain(name: str, size: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", screen(name, size))


def dialog_of(name: str, size: str) -> str:
    """Only what is drawn below the conversation: that scrolls away."""
    text = plain(name, size)
    return text[max(text.rfind(mark) for mark in ("\n Bash", "\n Create", "\n ☐", "\n←", "▔\n")) :]


def told(name: str, at: float = AT, **changes: Any) -> dict[str, Seen]:
    """One recorded event, by its kind."""
    said = json.loads((RECORDED / "told" / f"{name}.json").read_bytes()) | changes
    return {name.partition("-")[0]: Seen(at, json.dumps(said).encode())}


def live(status: str, ticks: int | None = 1245346, **changes: Any) -> Evidence:
    said = json.loads((RECORDED / "told" / "live-idle.json").read_bytes())
    data = json.dumps(said | {"status": status, **changes}).encode()
    return Evidence(30483, AT - 100, ticks, live=Seen(AT, data))


def claims(events: dict[str, Seen] | None = None, **fields: Any) -> list[Claim]:
    return list(claude.claims(Evidence(30483, AT - 100, events=events or {}, **fields)))


def request(name: str) -> Dialog:
    (claim,) = claims(told(f"PermissionRequest-{name}"))
    assert claim.dialog is not None
    return claim.dialog


def now(status: str, events: dict[str, Seen], late: float) -> Activity:
    """The judgement some seconds after the last event, beside a status file that is much older."""
    evidence = live(status, statusUpdatedAt=(AT - 60) * 1000)._replace(events=events, now=AT + late)
    return judge(claude.claims(evidence), AT + late).activity


@pytest.mark.parametrize(
    ("status", "late", "activity"),
    [
        ("busy", 1.0, IDLE),  # the file lags behind the hook
        ("busy", 3.0, WORKING),  # a subagent, or a Stop hook of the user's
        ("idle", 3.0, IDLE),
    ],
)
def test_a_turn_that_ended_goes_on_while_the_file_says_so(
    status: str, late: float, activity: Activity
) -> None:
    assert now(status, told("Stop"), late) is activity


def test_a_dialog_behind_the_one_that_was_answered_is_not_idle() -> None:
    evidence = live("waiting", waitingFor="permission prompt", statusUpdatedAt=(AT - 60) * 1000)
    said = claude.claims(evidence._replace(events=told("Stop"), now=AT + 3))
    assert judge(said, AT + 3).activity is APPROVAL


def test_a_prompt_that_was_just_taken_is_work_whatever_the_file_says() -> None:
    assert now("idle", told("UserPromptSubmit"), 3.0) is WORKING


@pytest.mark.parametrize(
    ("tasks", "activity"),
    [
        ([{"type": "subagent", "status": "running"}], WORKING),
        ([{"type": "local_agent", "status": "running"}, {"type": "shell"}], WORKING),
        ([{"type": "subagent", "status": "completed"}], IDLE),
        ([{"type": "shell", "status": "running"}], IDLE),
        ("nonsense", IDLE),
    ],
)
def test_the_end_of_a_turn_tells_of_subagents_that_go_on(tasks: Any, activity: Activity) -> None:
    (claim,) = claims(told("Stop", background_tasks=tasks))
    assert claim.activity is activity


# What the screen shows.


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("name", "draft"),
    [
        ("idle-fresh", ""),
        ("idle-after-turn", ""),
        ("idle-after-deny", ""),
        ("idle-interrupted", ""),
        ("error-400", ""),  # a placeholder: Once fixed, resend your message
        ("error-529", ""),  # Resend your message to try again
        ("working", ""),
        ("working-tool", ""),
        ("working-queued", ""),  # Press up to edit queued messages
        ("limited-retrying", ""),
        ("limited-subscription-end", ""),
        ("slash-unknown", ""),
        ("gate-login", ""),
        ("bang", ""),
        ("draft-oneline", "draft text here"),
        ("draft-paste-3-lines", "l1 l2 l3"),
        ("draft-paste-101-lines", "[Pasted text #1 +100 lines]"),
        ("gate-trust", None),
        ("gate-apikey", None),
        ("gate-bypass", None),
        ("approval-bash", None),
        ("approval-write", None),
        ("approval-plan", None),
        ("question-single", None),
        ("question-freetext", None),
        ("question-multi", None),
        ("question-multi-submit", None),
        ("slash-help", None),
        ("ended-resume-unknown", None),
    ],
)
def test_the_draft_in_the_input_box_is_read(name: str, draft: str | None, size: str) -> None:
    assert claude.draft(screen(name, size)) == draft
    shows_a_box = re.search(claude.INPUT, plain(name, size), re.MULTILINE) is not None
    assert shows_a_box is (draft is not None)


def test_a_command_of_the_shell_is_a_draft_too() -> None:
    assert claude.draft("❯ earlier prompt\n!\u00a0make test\x1b[7m \x1b[0m") == "make test"


def test_a_coloured_draft_is_no_placeholder() -> None:
    line = "\x1b[39m❯\u00a0\x1b[38;2;177;185;249m/review\x1b[39m\x1b[7m \x1b[0m"
    assert claude.draft(line) == "/review"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gate-trust", "trust this folder?"),
        ("gate-apikey", "use this API key?"),
        ("gate-bypass", "accept the bypass mode?"),
    ],
)
def test_a_dialog_before_the_start_is_known_by_its_screen(
    name: str, reason: str, size: str
) -> None:
    (claim,) = claims(rules=claude.SCREEN, screen=plain(name, size))
    assert (claim.activity, claim.reason) == (QUESTION, reason)
    assert claim.dialog is not None
    assert claim.dialog.kind == "startup"
    for answer in ("approve", "deny", "answer"):
        assert claude.keys(answer, claim.dialog, "x") is None


def recorded() -> Iterator[str]:
    return (path.stem for path in sorted(RECORDED.glob("*.ansi")))


@pytest.mark.parametrize("name", [name for name in recorded() if not name.startswith("gate-")])
def test_no_other_screen_is_taken_for_such_a_dialog(name: str) -> None:
    assert screen_claims(claude.SCREEN, plain(*name.rsplit("-", 1))) == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("question-single", request("AskUserQuestion")),
        ("question-freetext", request("AskUserQuestion")),
        ("question-multi", request("AskUserQuestion-several")),
        ("approval-plan", request("ExitPlanMode-empty")),
    ],
)
def test_a_dialog_is_known_on_the_screen_that_shows_it(name: str, asked: Dialog, size: str) -> None:
    assert claude.is_shown(asked, dialog_of(name, size))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("approval-bash", Dialog("approval", "Bash: rm -rf build")),
        ("approval-bash", request("Write")),
        ("approval-bash", request("AskUserQuestion")),
        ("question-single", Dialog("approval", "Bash: touch x1.txt; echo hello")),
        ("idle-fresh", request("Bash")),
        ("idle-after-deny", Dialog("approval", "Bash: touch")),
        ("working", request("AskUserQuestion")),
        ("slash-help", request("AskUserQuestion")),
    ],
)
def test_another_dialog_or_none_is_not_taken_for_it(name: str, asked: Dialog, size: str) -> None:
    assert not claude.is_shown(asked, plain(name, size))


@pytest.mark.parametrize("size", SIZES)
def test_it_says_when_a_conversation_cannot_go_on(size: str) -> None:
    match = re.search(claude.UNRESUMABLE, plain("ended-resume-unknown", size))
    assert match is not None
    assert match[0].startswith("No conversation found with session ID: ")


# What its hooks tell.


@pytest.mark.parametrize(
    ("name", "activity"),
    [
        ("SessionStart-startup", IDLE),
        ("SessionStart-resume", IDLE),
        ("SessionStart-clear", IDLE),
        ("UserPromptSubmit", WORKING),
        ("UserPromptSubmit-pasted", WORKING),
        ("Stop", IDLE),
        ("PermissionRequest-Bash", APPROVAL),
        ("PermissionRequest-Write", APPROVAL),
        ("PermissionRequest-ExitPlanMode", APPROVAL),
        ("PermissionRequest-AskUserQuestion", QUESTION),
        ("StopFailure-rate_limit", LIMITED),
        ("StopFailure-server_error", LIMITED),
        ("StopFailure-authentication_failed", LIMITED),
        ("StopFailure-billing_error", LIMITED),
        ("StopFailure-invalid_request", IDLE),
    ],
)
def test_an_event_says_what_it_does_since_when(name: str, activity: Activity) -> None:
    (claim,) = claims(told(name))
    assert (claim.source, claim.activity, claim.at) == ("hook", activity, AT)
    assert claim.rule.startswith(f"hook {name.partition('-')[0]}")


@pytest.mark.parametrize("name", ["SessionStart-compact", "StopFailure-invalid_request-subagent"])
def test_an_event_in_the_middle_of_a_turn_says_nothing(name: str) -> None:
    assert [claim.source for claim in claims(told(name))] == ["process"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("rate_limit", r"the last turn failed: rate or usage limit \(API Error: .*429.*\)"),
        ("server_error", r"the last turn failed: the API is overloaded \(API Error: 529 .*"),
        ("authentication_failed", r"the last turn failed: not logged in, or .*"),
        ("billing_error", r"the last turn failed: the account cannot pay \(Credit balance.*\)"),
        ("invalid_request", r"the last turn failed: invalid_request \(.*\)"),
    ],
)
def test_a_turn_that_failed_says_why(name: str, reason: str) -> None:
    (claim,) = claims(told(f"StopFailure-{name}"))
    assert re.fullmatch(reason, claim.reason)


def test_an_approval_says_of_what() -> None:
    assert request("Bash").text == "Bash: touch h1.txt"
    assert request("Write").text.startswith("Write: ")
    assert request("Write").text.endswith("new.txt")
    assert request("Bash").kind == "approval"


def test_a_question_says_what_can_be_answered() -> None:
    assert request("AskUserQuestion")[:2] == ("question", "Which colour? (Red, Blue)")
    assert request("AskUserQuestion").options == ("Red", "Blue")


def test_several_questions_can_not_be_answered_from_outside() -> None:
    several = request("AskUserQuestion-several")
    assert several.text == "Which colour? (Red, Blue) / Which fruits? (Apple, Pear)"
    assert several.options is None
    assert claude.keys("answer", several, "Red") is None


def test_many_answers_at_once_can_not_be_given_from_outside() -> None:
    both = json.loads((RECORDED / "told" / "PermissionRequest-AskUserQuestion.json").read_bytes())
    both["tool_input"]["questions"][0]["multiSelect"] = True
    seen = Seen(AT, json.dumps(both).encode())
    (claim,) = claims({"PermissionRequest": seen})
    assert claim.dialog is not None
    assert claim.dialog.options is None


def test_another_request_for_the_same_is_another_dialog() -> None:
    first, second = (
        claims(told("PermissionRequest-Bash", at))[0].dialog for at in (AT, AT + 0.001)
    )
    assert first is not None
    assert second is not None
    assert first.text == second.text
    assert first.id != second.id


RUBBISH = [
    b"",
    b"null",
    b"[]",
    b"{",
    b"\xff\xfe\x00",
    b'{"tool_name": 3, "tool_input": [1]}',
    b'{"tool_name": "AskUserQuestion", "tool_input": {"questions": [{"options": [1, {}]}, 2]}}',
    b'{"tool_name": "AskUserQuestion", "tool_input": "x"}',
    b'{"tool_name": null, "tool_input": {"a": {"b": []}}}',
    b'{"error": ["x"], "last_assistant_message": {}, "source": 5}',
    b'{"status": ["busy"], "statusUpdatedAt": "now", "procStart": [], "waitingFor": {}}',
]


@pytest.mark.parametrize("data", RUBBISH)
def test_rubbish_in_its_files_is_no_surprise(data: bytes) -> None:
    events = {name: Seen(AT, data) for name in claude.EVENTS}
    found = claude.claims(Evidence(1, 1.0, 7, events=events, live=Seen(AT, data)))
    assert [claim for claim in found if claim.source == "live"] == []
    assert judge(found, AT).activity in Activity
    assert claude.conversation(events) is None
    assert not claude.proof(events, "x", 0.0)


@pytest.mark.parametrize("name", sorted(path.stem for path in (RECORDED / "told").glob("*.json")))
def test_an_event_that_is_cut_off_anywhere_is_no_surprise(name: str) -> None:
    data = (RECORDED / "told" / f"{name}.json").read_bytes()
    for length in range(len(data)):
        seen = Seen(AT, data[:length])
        found = {name.partition("-")[0]: seen}
        claude.claims(Evidence(1, 1.0, 1245346, events=found, live=seen))
        claude.conversation(found)
        claude.proof(found, "x", 0.0)


# What its status file tells.


@pytest.mark.parametrize(
    ("status", "waiting", "activity"),
    [
        ("idle", None, IDLE),
        ("busy", None, WORKING),
        ("shell", None, WORKING),
        ("waiting", "permission prompt", APPROVAL),
        ("waiting", "input needed", QUESTION),
        ("waiting", "dialog open", QUESTION),
    ],
)
def test_the_status_file_tells_what_it_does(
    status: str, waiting: str | None, activity: Activity
) -> None:
    changes: dict[str, Any] = {} if waiting is None else {"waitingFor": waiting}
    (claim,) = claude.claims(live(status, **changes))
    assert (claim.source, claim.activity) == ("live", activity)
    assert claim.at == 1795381311.409
    assert (claim.dialog is not None) is (waiting is not None)


@pytest.mark.parametrize("ticks", [None, 0, 1245345, 12453460])
def test_a_status_file_of_another_process_is_not_believed(ticks: int | None) -> None:
    assert [claim.source for claim in claude.claims(live("busy", ticks))] == ["process"]


def test_a_status_that_is_not_known_says_nothing() -> None:
    for status in ("", "dreaming"):
        assert [claim.source for claim in claude.claims(live(status))] == ["process"]


def test_a_request_gives_the_reason_for_what_the_status_file_says_then() -> None:
    waiting = live("waiting", waitingFor="permission prompt")
    asked = told("PermissionRequest-Bash", 1795381311.35)
    judgement = judge(claude.claims(waiting._replace(events=asked)), AT)
    assert (judgement.activity, judgement.reason) == (APPROVAL, "Bash: touch h1.txt")
    assert judgement.dialog == judgement.claims[1].dialog


def test_an_answer_to_a_request_is_seen_in_the_status_file() -> None:
    asked = told("PermissionRequest-Bash", 1795381311.0)
    for status, activity in (("idle", IDLE), ("busy", WORKING)):
        judgement = judge(claude.claims(live(status)._replace(events=asked)), AT)
        assert (judgement.activity, judgement.dialog) == (activity, None)


def test_a_limit_stays_told_when_the_status_file_says_idle_a_moment_later() -> None:
    failed = told("StopFailure-rate_limit", 1795381311.3)
    assert judge(claude.claims(live("idle")._replace(events=failed)), AT).activity is LIMITED


def test_before_it_says_anything_it_is_starting() -> None:
    (claim,) = claims()
    assert (claim.source, claim.activity) == ("process", Activity.STARTING)


# Prompts, conversations, answers.


@pytest.mark.parametrize(
    ("name", "text", "taken"),
    [
        ("UserPromptSubmit-pasted", "a\nb\nc\nd", True),
        ("UserPromptSubmit-pasted", "a\r\nb\r\nc\r\nd\r\n", True),
        ("UserPromptSubmit-pasted", "a\nb\nc", False),
        ("UserPromptSubmit-pasted", "", False),
        ("UserPromptSubmit-pasted", '<pasted_content id="7928">', False),
    ],
)
def test_a_prompt_is_proven_by_its_text_without_the_frame_of_a_paste(
    name: str, text: str, taken: bool
) -> None:
    assert claude.proof(told(name), text, AT) is taken


@pytest.mark.parametrize(
    "prompt",
    [
        "one line",
        "  indented\tand a tab",
        "tail\n",
        "x" * 800,
        '<pasted_content id="1">\nquoted\n</pasted_content id="2">',
        "-- -x; $(id) #{pane_id} 🦊",
    ],
)
def test_a_prompt_is_proven_by_its_text(prompt: str) -> None:
    assert claude.proof(told("UserPromptSubmit", prompt=prompt), prompt, AT)
    framed = f'before\n\n<pasted_content id="ab12">\n{prompt}\n</pasted_content id="ab12">\n'
    assert claude.proof(told("UserPromptSubmit", prompt=framed), f"before{prompt}", AT)


def test_an_earlier_prompt_is_no_proof() -> None:
    events = told("UserPromptSubmit", prompt="again")
    assert claude.proof(events, "again", AT)
    assert not claude.proof(events, "again", AT + 0.01)
    assert not claude.proof({}, "again", AT)


def test_a_backslash_at_the_end_is_no_line_break() -> None:
    assert claude.typed("path C:\\") == "path C:\\ "
    assert claude.typed("plain") == "plain"


def test_the_conversation_is_the_one_it_says_it_began() -> None:
    for kind in ("startup", "resume", "clear", "compact"):
        events = told(f"SessionStart-{kind}")
        assert claude.conversation(events) == json.loads(events["SessionStart"].data)["session_id"]
    assert claude.conversation({}) is None
    assert claude.conversation(told("SessionStart-startup", session_id=3)) is None


def test_an_approval_is_given_by_its_number_and_refused_by_escape() -> None:
    assert claude.keys("approve", request("Bash"), "") == (StopKey("1", literal=True),)
    assert claude.keys("deny", request("Bash"), "") == (StopKey("Escape"),)
    assert claude.keys("deny", request("AskUserQuestion"), "") == (StopKey("Escape"),)


def test_to_approve_a_plan_does_not_switch_to_another_mode() -> None:
    screen_ = plain("approval-plan", "80x24")
    assert "1. Yes, and use auto mode" in screen_
    keys = claude.keys("approve", request("ExitPlanMode"), "")
    assert keys != (StopKey("1", literal=True),)


@pytest.mark.parametrize(
    ("text", "pressed"),
    [
        ("Red", ["1"]),
        ("blue", ["2"]),
        ("2", ["2"]),
        ("3", ["3", "3", "Enter"]),
        ("Green, really", ["3", "Green, really", "Enter"]),
    ],
)
def test_a_question_is_answered_by_an_option_its_number_or_in_words(
    text: str, pressed: list[str]
) -> None:
    keys = claude.keys("answer", request("AskUserQuestion"), text)
    assert keys is not None
    assert [key.value for key in keys] == pressed
    assert [key.literal for key in keys] == [value != "Enter" for value in pressed]


def test_what_does_not_fit_a_dialog_has_no_keys() -> None:
    assert claude.keys("approve", request("AskUserQuestion"), "") is None
    assert claude.keys("answer", request("Bash"), "yes") is None
    many = Dialog("question", "?", "1", tuple("abcdefghi"))
    assert claude.keys("answer", many, "a") is None
