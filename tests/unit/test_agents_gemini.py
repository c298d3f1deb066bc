"""Gemini CLI as recorded: 0.61.0 against a local model API, on screens of 200x50 and 80x24."""

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from plan_world import agent

from agentcave.agents import Adapter, Evidence, Seen, Start, gemini, gemini_screen
from agentcave.model.spec import StopKey
from agentcave.model.status import Activity, Claim, Dialog, Judgement
from agentcave.plan.activity import is_silent, judge, past_start

SCREENS = Path(__file__).parent / "screens" / "gemini"
ID = "45d5805e-ff3c-4323-8cbb-2fd4e687b327"
NOW = 1_800_000_000.0
READY, WORKING = "◇  Ready (shop)", "✦  Working… (shop)"
REQUIRED = "✋  Action Required (shop)"
HOST = "vm"
adapter: Adapter = gemini


def raw(name: str) -> str:
    return (SCREENS / name).read_text(encoding="utf-8")


def screen(name: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", raw(name))


def event(ago: float, **said: Any) -> Seen:
    return Seen(NOW - ago, json.dumps({"session_id": ID, **said}).encode())


def evidence(title: str, shown: str | None = None, age: float = 60, **events: Seen) -> Evidence:
    return Evidence(
        1,
        NOW - age,
        title=title.ljust(80),
        events=events,
        screen=screen(shown) if shown else None,
        rules=adapter.SCREEN,
        now=NOW,
    )


def judged(title: str, shown: str | None = None, age: float = 60, **events: Seen) -> Judgement:
    return judge(adapter.claims(evidence(title, shown, age, **events)), NOW)


def start(**fields: Any) -> Start:
    spec = agent(type="gemini", **fields.pop("spec", {}))
    defaults = {
        "workdir": "/home/dev/shop",
        "environment": {"HOME": "/home/dev"},
        "folder": "/state/one",
        "briefing": "Read the plan.\n",
    }
    return Start(spec, **{**defaults, **fields})


BEGUN = {"SessionStart": event(59, source="startup"), "BeforeAgent": event(30, prompt="x")}
REFUSED = {**BEGUN, "AfterAgent": event(20, prompt_response="[no response text]")}


def test_a_start_names_its_conversation_and_gives_its_prompt_as_one_word() -> None:
    spec = {"model": "pro", "permission_mode": "yolo", "args": ("-d",), "trust_workspace": True}
    launched = adapter.launch(start(spec=spec, conversation=ID, prompt="-x\n; $(id)"))
    assert launched.argv == (
        *("gemini", "--skip-trust", "--session-id", ID, "--model", "pro"),
        *("--approval-mode", "yolo", "-d", "--prompt-interactive=-x\n; $(id)"),
    )


def test_a_conversation_goes_on_by_its_id() -> None:
    resumed = start(spec={"command": ("npx", "gemini")}, conversation=ID, resume=True)
    assert adapter.launch(resumed).argv == ("npx", "gemini", "--resume", ID)
    assert adapter.launch(start()).argv == ("gemini",)


def test_a_session_has_a_home_of_its_own_over_that_of_the_user() -> None:
    launched = adapter.launch(start())
    assert launched.environment == {
        "GEMINI_CLI_NO_RELAUNCH": "1",
        "GEMINI_CLI_HOME": "/state/one/home",
        "GEMINI_CLI_TRUSTED_FOLDERS_PATH": "/home/dev/.gemini/trustedFolders.json",
    }
    beside, own = launched.overlays
    assert (beside.place, beside.source, beside.file) == ("home", "/home/dev", "")
    assert beside.only == (".agents", ".env")
    assert (own.place, own.source) == ("home/.gemini", "/home/dev/.gemini")
    assert own.file == "settings.json"
    assert "tmp" in own.folders
    assert "oauth_creds.json" in own.names
    assert own.merge["general"]["sessionRetention"] == {"enabled": False}
    assert launched.files == {"home/.gemini/.agentcave-briefing.md": b"Read the plan.\n"}


def test_the_working_context_is_added_to_the_names_that_the_user_has_chosen() -> None:
    own = adapter.launch(start()).overlays[1]
    assert own.defaults == {"context": {"fileName": ["GEMINI.md"]}}
    assert own.merge["context"] == {"fileName": [".cave/background.md", ".agentcave-briefing.md"]}


@pytest.mark.parametrize(
    ("environment", "source"),
    [
        ({"HOME": "/h", "GEMINI_CLI_HOME": "/other"}, "/other/.gemini"),
        ({"HOME": "/h", "GEMINI_CLI_HOME": "own"}, "/home/dev/shop/own/.gemini"),
        ({"HOME": "/h", "GEMINI_CLI_HOME": ""}, "/h/.gemini"),
    ],
)
def test_the_users_home_may_have_been_moved(environment: dict[str, str], source: str) -> None:
    launched = adapter.launch(start(environment=environment))
    assert launched.overlays[1].source == source
    pattern = adapter.transcript(start(environment=environment, conversation=ID))
    assert pattern == f"{source}/tmp/*/chats/session-*-45d5805e.jsonl"


def test_without_a_home_there_is_nothing_to_lay_over() -> None:
    launched = adapter.launch(start(environment={}, prompt="x"))
    assert (launched.overlays, launched.files) == ((), {})
    assert "GEMINI_CLI_HOME" not in launched.environment
    assert adapter.transcript(start(environment={}, conversation=ID)) is None


def test_a_transcript_is_looked_for_in_places_with_any_name() -> None:
    odd = start(environment={"HOME": "/h [1]*?"}, conversation=ID)
    pattern = "/h [[]1][*][?]/.gemini/tmp/*/chats/session-*-45d5805e.jsonl"
    assert adapter.transcript(odd) == pattern
    assert adapter.transcript(start()) is None


def test_a_hook_never_vetoes_and_says_nothing(tmp_path: Path) -> None:
    hooks = adapter.launch(start()).overlays[1].merge["hooks"]
    assert set(hooks) == set(adapter.EVENTS) - {"FirstPrompt"}
    assert hooks["BeforeTool"][0]["matcher"] == "^ask_user$"
    for folder in (tmp_path, tmp_path / "gone"):
        for name, [group] in hooks.items():
            [one] = group["hooks"]
            done = subprocess.run(
                ["/bin/bash", "-c", one["command"]],
                input='{"a": 1}',
                env={"PATH": "/usr/bin:/bin", "AGENTCAVE_SESSION_DIR": str(folder)},
                cwd="/",
                capture_output=True,
                text=True,
                timeout=10,
                check=True,
            )
            assert (done.stdout, done.stderr) == ("", "")
            assert (tmp_path / f"{name}.event").read_text() == '{"a": 1}'


@pytest.mark.parametrize("said", ["", "--yolo", "../../x", f"{ID}\n", "*", 5])
def test_what_is_no_id_is_no_conversation(said: object) -> None:
    assert adapter.conversation({"SessionStart": event(1, session_id=said)}) is None


def test_the_conversation_is_the_one_of_the_newest_event() -> None:
    other = "242095af-1fcf-4d93-89b9-edbcab8a447b"
    began = event(9, source="startup")
    assert adapter.conversation({}) is None
    assert adapter.conversation({"SessionStart": began}) == ID
    later = event(1, session_id=other)
    assert adapter.conversation({"SessionStart": began, "BeforeAgent": later}) == other


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gate-trust.200x50.txt", "trust this folder?"),
        ("gate-trust.80x24.txt", "trust this folder?"),
        ("gate-login.200x50.txt", gemini_screen.LOG_IN),
        ("gate-login.80x24.txt", gemini_screen.LOG_IN),
        ("gate-apikey.80x24.txt", gemini_screen.LOG_IN),
    ],
)
def test_a_dialog_of_the_start_is_named_though_the_title_says_ready(name: str, reason: str) -> None:
    for events in ({}, {"SessionStart": event(50, source="startup")}):
        assert is_silent(adapter.claims(evidence(READY, **events)), NOW)
        told = judged(READY, name, **events)
        assert (told.activity, told.reason) == (Activity.QUESTION, reason)
        assert told.dialog is not None
        assert told.dialog.kind == "startup"


def test_talk_about_a_dialog_of_the_start_is_none() -> None:
    talk = "│ Do you trust the files in this folder?\n" + screen("idle.80x24.txt")
    began = event(50, source="startup")
    seen = evidence(READY, SessionStart=began)._replace(screen=talk)
    assert judge(adapter.claims(seen), NOW).activity is Activity.IDLE


def test_a_start_is_over_when_the_input_box_is_there_to_stay() -> None:
    began = event(1, source="startup")
    assert judged(HOST, None, 2).activity is Activity.STARTING
    assert judged(READY, "idle.200x50.txt", 2).activity is Activity.STARTING
    assert judged(READY, None, 2, SessionStart=began).activity is Activity.STARTING
    told = judged(READY, "idle.200x50.txt", 2, SessionStart=began)
    assert told.activity is Activity.IDLE
    assert past_start(told)


def test_the_box_that_a_resumed_start_shows_first_is_not_the_one_to_type_into() -> None:
    began = event(0.1, source="resume")
    first = "\n".join(screen("idle.80x24.txt").splitlines()[-6:])
    seen = evidence(READY, age=3, SessionStart=began)._replace(screen=first)
    assert judge(adapter.claims(seen), NOW).activity is Activity.STARTING
    told = judged(READY, "resuming.200x50.txt", 3, SessionStart=began)
    assert told.activity is Activity.STARTING
    told = judged(READY, "idle-resumed.200x50.txt", 3, SessionStart=began)
    assert told.activity is Activity.IDLE
    long_ago = seen._replace(events={"SessionStart": event(9, source="resume")})
    assert judge(adapter.claims(long_ago), NOW).activity is Activity.IDLE


def test_a_first_prompt_is_not_overtaken() -> None:
    began, given = event(1, source="startup"), Seen(NOW - 4, b"")
    assert "FirstPrompt.event" in adapter.launch(start(prompt="x")).files
    waiting = {"SessionStart": began, "FirstPrompt": given}
    assert judged(READY, "idle.80x24.txt", 4, **waiting).activity is Activity.STARTING
    begun = {**waiting, "BeforeAgent": event(0.5)}
    assert judged(READY, None, 5, **begun).activity is Activity.WORKING
    assert judged(READY, "idle.80x24.txt", 60, **waiting).activity is Activity.IDLE


@pytest.mark.parametrize("title", [READY, WORKING, REQUIRED])
def test_the_title_that_the_program_before_has_left_says_nothing(title: str) -> None:
    assert judged(title, None, 2).activity is Activity.STARTING
    given = Seen(NOW - 2, b"")
    assert judged(title, None, 2, FirstPrompt=given).activity is Activity.STARTING


def test_where_no_hook_fires_the_title_and_the_box_are_enough() -> None:
    assert judged(READY, "idle-yolo.80x24.txt").activity is Activity.IDLE
    assert judged(WORKING, "working.80x24.txt").activity is Activity.WORKING
    told = judged(REQUIRED, "approval-write.80x24.txt")
    assert (told.activity, told.reason) == (
        Activity.APPROVAL,
        "WriteFile Writing to new.txt",
    )


def test_a_hook_wins_until_the_title_could_have_followed() -> None:
    began = event(59, source="startup")
    assert judged(READY, SessionStart=began, BeforeAgent=event(1)).activity is Activity.WORKING
    assert judged(READY, SessionStart=began, BeforeAgent=event(3)).activity is Activity.IDLE
    ended = {**BEGUN, "AfterAgent": event(1)}
    assert judged(WORKING, **ended).activity is Activity.IDLE
    assert judged(WORKING, **{**BEGUN, "AfterAgent": event(3)}).activity is Activity.WORKING


def test_a_denial_is_idle_though_no_hook_tells_of_it() -> None:
    denied = {**BEGUN, "Notification": event(9, notification_type="ToolPermission")}
    assert judged(READY, "interrupted.80x24.txt", **denied).activity is Activity.IDLE


def test_an_approved_command_is_working_though_no_hook_tells_of_it() -> None:
    asked = {**BEGUN, "Notification": event(9, notification_type="ToolPermission")}
    assert judged(WORKING, "working-tool.80x24.txt", **asked).activity is Activity.WORKING


@pytest.mark.parametrize(
    "name",
    ["limited-quota.200x50.txt", "limited-quota-auto.80x24.txt", "limited-quota-fixed.80x24.txt"],
)
def test_an_exhausted_quota_is_seen_behind_a_title_that_says_working(name: str) -> None:
    assert not is_silent(adapter.claims(evidence(WORKING, BeforeAgent=event(1))), NOW)
    earlier = {**BEGUN, "AfterAgent": event(40)}
    assert is_silent(adapter.claims(evidence(WORKING, **earlier)), NOW)
    told = judged(WORKING, name, **earlier)
    assert told.activity is Activity.LIMITED
    assert told.reason == "Usage limit reached for all Pro models."


@pytest.mark.parametrize(
    "name", ["limited-retrying.80x24.txt", "working.80x24.txt", "working-queued.80x24.txt"]
)
def test_requests_that_are_tried_again_look_like_any_work(name: str) -> None:
    assert judged(WORKING, name, **BEGUN).activity is Activity.WORKING


@pytest.mark.parametrize(
    ("name", "activity", "reason"),
    [
        ("error-401.200x50.txt", "limited", "not logged in, or the key is not valid"),
        ("error-401.80x24.txt", "limited", "not logged in, or the key is not valid"),
        ("error-quota.200x50.txt", "limited", "rate or usage limit"),
        ("error-400.200x50.txt", "idle", "the last turn failed"),
        ("interrupted.80x24.txt", "idle", "the last turn ended without an answer"),
    ],
)
def test_a_failed_turn_says_why(name: str, activity: str, reason: str) -> None:
    assert is_silent(adapter.claims(evidence(READY, **REFUSED)), NOW)
    told = judged(READY, name, **REFUSED)
    assert (told.activity, told.reason) == (activity, reason)


def test_a_failure_that_was_followed_by_a_prompt_is_an_old_one() -> None:
    assert judged(READY, "idle-after-error.200x50.txt", **BEGUN).activity is Activity.IDLE
    answered = {**BEGUN, "AfterAgent": event(5, prompt_response="RECOVERED")}
    told = judged(READY, "error-quota.200x50.txt", **answered)
    assert (told.activity, told.reason) == (Activity.IDLE, "")
    resumed = event(9, source="resume")
    assert judged(READY, "error-quota.200x50.txt", SessionStart=resumed).reason == ""


ASKED = [
    ("approval-shell.200x50.txt", "Shell: echo hi > out.txt; ls"),
    ("approval-shell.80x24.txt", "Shell: echo hi > out.txt; ls"),
    ("approval-shell-second.200x50.txt", "Shell: touch b2"),
    ("approval-write.200x50.txt", "WriteFile Writing to new.txt"),
    ("approval-replace.80x24.txt", "Edit f.txt: old => NEW"),
    (
        "approval-web-fetch.200x50.txt",
        "WebFetch Processing URLs and instructions from prompt: "
        '"Fetch http://127.0.0.1:1/x please"',
    ),
]


@pytest.mark.parametrize(("name", "reason"), ASKED)
def test_an_approval_is_of_what_the_screen_shows(name: str, reason: str) -> None:
    asked = {**BEGUN, "Notification": event(9, notification_type="ToolPermission")}
    assert is_silent(adapter.claims(evidence(REQUIRED, **asked)), NOW)
    told = judged(REQUIRED, name, **asked)
    assert (told.activity, told.reason, told.doubts) == (Activity.APPROVAL, reason, ())
    assert told.winner is not None
    assert told.winner.at == NOW - 9
    assert told.dialog is not None
    assert adapter.is_shown(told.dialog, screen(name))
    assert re.search(adapter.DIALOG, screen(name).replace(" \n", "\n"), re.MULTILINE)


def test_of_a_command_the_text_is_told_not_what_the_model_calls_it() -> None:
    for name in ("approval-shell-described.200x50.txt", "approval-shell-tall.80x24.txt"):
        assert "? Shell  d " in screen(name)
        told = judged(REQUIRED, name, **BEGUN)
        assert told.reason.startswith("Shell: echo long argument number one two three long")
        assert told.dialog is not None
        assert adapter.is_shown(told.dialog, screen(name))


def test_a_prompt_that_names_a_command_does_not_pass_for_its_dialog() -> None:
    other = Dialog("approval", "Shell: touch b1", "1")
    assert "touch b1" in screen("approval-shell-second.200x50.txt")
    assert not adapter.is_shown(other, screen("approval-shell-second.200x50.txt"))


def test_the_same_command_asked_for_twice_is_asked_by_two_dialogs() -> None:
    one = screen("approval-shell-second.200x50.txt")
    head, asked = one.split("│ ? Shell  touch b2")
    done = "│ o  Shell touch b2\n│\n│ ? Shell  touch b2"
    told = [
        judge(adapter.claims(evidence(REQUIRED, **BEGUN)._replace(screen=text)), NOW).dialog
        for text in (one, f"{head}{done}{asked}")
    ]
    assert told[0] is not None
    assert told[1] is not None
    assert told[0].text == told[1].text
    assert told[0].id != told[1].id


def test_a_dialog_is_the_same_one_as_long_as_it_is_open() -> None:
    first = judged(REQUIRED, "approval-write.80x24.txt", **BEGUN).dialog
    asked = event(1, notification_type="ToolPermission")
    assert judged(REQUIRED, "approval-write.80x24.txt", Notification=asked, **BEGUN).dialog == first


def question(**fields: Any) -> Seen:
    one = {
        "question": "Which color?",
        "type": "choice",
        "options": [{"label": "Red"}, {"label": "Blue"}],
        **fields,
    }
    return event(9, tool_name="ask_user", tool_input={"questions": [one]})


def test_a_question_offers_what_the_agent_offers() -> None:
    for name in ("question.200x50.txt", "question.80x24.txt"):
        told = judged(REQUIRED, name, **BEGUN, BeforeTool=question())
        assert (told.activity, told.reason) == (Activity.QUESTION, "Which color? (Red, Blue)")
        assert told.dialog is not None
        assert told.dialog.options == ("Red", "Blue")
        assert adapter.is_shown(told.dialog, screen(name))


def test_a_question_that_no_hook_has_told_of_is_read_from_the_screen() -> None:
    other = question(question="Who?")
    for events in (BEGUN, {**BEGUN, "BeforeTool": other}):
        told = judged(REQUIRED, "question.80x24.txt", **events)
        assert (told.activity, told.reason) == (Activity.QUESTION, "Which color?")
        assert told.dialog is not None
        assert told.dialog.options is None


def test_several_questions_at_once_offer_nothing_to_answer() -> None:
    both = [{"question": "Name?", "type": "text"}, {"question": "Sure?", "type": "yesno"}]
    asked = event(9, tool_name="ask_user", tool_input={"questions": both})
    told = judged(REQUIRED, "question-text.80x24.txt", **BEGUN, BeforeTool=asked)
    assert told.reason == "Name? / Sure? (Yes, No)"
    assert told.dialog is not None
    assert adapter.keys("answer", told.dialog, "x") is None
    assert adapter.keys("deny", told.dialog, "") == (StopKey("Escape"),)


def test_what_is_asked_but_not_understood_cannot_be_answered() -> None:
    told = judged(REQUIRED, "idle.80x24.txt", **BEGUN)
    assert told.activity is Activity.APPROVAL
    assert told.dialog is not None
    assert adapter.keys("approve", told.dialog, "") is None


def test_digits_approve_and_escape_denies() -> None:
    asked = Dialog("approval", "Shell: ls", "1")
    assert adapter.keys("approve", asked, "") == (StopKey("1", literal=True),)
    assert adapter.keys("deny", asked, "") == (StopKey("Escape"),)
    assert adapter.keys("answer", asked, "x") is None


@pytest.mark.parametrize(
    ("options", "text", "pressed"),
    [
        (("Red", "Blue"), "blue", ["2"]),
        (("Red", "Blue"), "1", ["1"]),
        (("Red", "Blue"), "3", ["3", "3", "Enter"]),
        (("Red", "Blue"), "mauve", ["3", "mauve", "Enter"]),
        ((), "a name", ["a name", "Enter"]),
    ],
)
def test_an_answer_is_an_option_or_free_text(
    options: tuple[str, ...], text: str, pressed: list[str]
) -> None:
    keys = adapter.keys("answer", Dialog("question", "Which?", "1", options), text)
    assert keys is not None
    assert [key.value for key in keys] == pressed
    assert all(key.literal for key in keys if key.value != "Enter")


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"[]", b"\xff{", b"[" * 9999, b'{"tool_input": 5, "prompt": []}'),
        b'{"notification_type": "ToolPermission", "details": 5, "prompt_response": {}}',
        b'{"tool_input": {"questions": [{"options": 5, "question": 1}, 1]}}',
    ],
)
def test_nothing_in_the_events_surprises(data: bytes) -> None:
    events = {name: Seen(NOW, data) for name in adapter.EVENTS}
    for title in (READY, WORKING, REQUIRED, HOST):
        for shown in (None, "question.80x24.txt", "idle.80x24.txt"):
            seen = evidence(title, shown)._replace(events=events)
            assert all(isinstance(one, Claim) for one in adapter.claims(seen))
    assert adapter.conversation(events) is None
    assert not adapter.proof(events, "x", NOW)


HOSTILE = {
    "errors": "✕ [API Error: " + "x" * 180 + "\n",
    "errors and prompts": "✕ [API Error: \n >  \n",
    "headers": "│ ?" + " " * 190 + "x\n",
    "questions": "│ Answer Questions\n│\n│ ←\n",
    "gates": "│ ? Get started\n │ Do you trust the files in this folder?\n",
    "quotas": "│ Usage limit reached" + " " * 170 + "x\n",
}


@pytest.mark.parametrize("line", HOSTILE.values(), ids=HOSTILE)
def test_no_screen_is_costly_to_read(line: str) -> None:
    text = (line * 60)[:12_000] + " > x"
    begun = time.perf_counter()
    for title in (READY, WORKING, REQUIRED):
        for events in ({}, BEGUN, REFUSED):
            adapter.claims(evidence(title, **events)._replace(screen=text))
    assert time.perf_counter() - begun < 2


@pytest.mark.parametrize(
    ("sent", "said", "taken"),
    [
        ("x", "x", True),
        ("  x \n", "x", True),
        ("x\r\n\ty", "x\n\ty", True),
        ("xy", "x", False),
        ("", "x", False),
        ("look at @readme", "look at @readme_long.md\n--- Content from referenced files ---", True),
        ("look at @readme please", "look at @readme_long.md please\n--- Content from …", True),
        ("mail a@b.c @d", "mail a@b.c @d", True),
        ("look at @readme", "look at that", False),
        ("look at @readme please", "look at @readme_long.md\n--- Content from", False),
        ("@a and @b", "@a and", False),
    ],
)
def test_a_prompt_is_proven_by_its_text_around_names_of_files(
    sent: str, said: str, taken: bool
) -> None:
    events = {"BeforeAgent": event(1, prompt=said)}
    assert adapter.proof(events, sent, NOW - 2) is taken
    assert not adapter.proof(events, sent, NOW)


@pytest.mark.parametrize("text", ["see @readme", "back\\", " x\n", "plain"])
def test_enter_can_neither_complete_nor_break_what_is_typed(text: str) -> None:
    assert adapter.typed(text) == f"{text.rstrip()} "


@pytest.mark.parametrize(
    ("name", "box"),
    [
        ("empty.200x50.ansi", ""),
        ("idle.80x24.txt", ""),
        ("idle-yolo.80x24.txt", ""),
        ("working.80x24.txt", ""),
        ("draft.80x24.txt", "draft kept"),
        ("draft-multiline.80x24.txt", "line1\nline2 more\nline3"),
        ("draft-large-paste.80x24.txt", "[Pasted Text: 101 lines]"),
        ("draft-at-popup.80x24.txt", "look at @readme"),
        ("draft-completion.200x50.ansi", "a draft @f.txt"),
        ("resuming.200x50.txt", None),
        ("approval-shell.200x50.txt", None),
        ("question.80x24.txt", None),
        ("question-text.80x24.txt", None),
        ("gate-trust.80x24.txt", None),
        ("gate-apikey.80x24.txt", None),
        ("limited-quota.200x50.txt", None),
    ],
)
def test_the_input_box_is_told_from_what_was_sent(name: str, box: str | None) -> None:
    assert adapter.draft(raw(name)) == box


def test_a_conversation_that_is_not_there_is_named_as_the_reason() -> None:
    said = 'Error resuming session: Invalid session identifier "x".'
    assert re.search(adapter.UNRESUMABLE, f"\n{said}\n") is not None
