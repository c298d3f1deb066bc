"""Codex as recorded: 0.169.0 against a local model API, on screens of 200x50 and 80x24."""

import hashlib
import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from plan_world import agent

from agentcave.agents import Adapter, Evidence, Seen, Start, codex
from agentcave.agents.hooks import hook
from agentcave.model.spec import StopKey
from agentcave.model.status import Activity, Claim, Dialog, Judgement
from agentcave.plan.activity import is_silent, judge

SCREENS = Path(__file__).parent / "screens" / "codex"
ID = "01a20503-c784-70c1-830a-5613d087908d"
NOW = 1_800_000_000.0
READY, WORKING = "Ready | shop", "⠙ Working | shop"
REQUIRED = "[ ! ] Action Required | shop"
HOST = "vm"
adapter: Adapter = codex


def raw(name: str) -> str:
    return (SCREENS / name).read_text(encoding="utf-8")


def screen(name: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", raw(name))


def event(ago: float, **said: Any) -> Seen:
    return Seen(NOW - ago, json.dumps({"session_id": ID, **said}).encode())


def evidence(title: str, shown: str | None = None, **events: Seen) -> Evidence:
    return Evidence(
        1,
        NOW - 60,
        title=title,
        events=events,
        screen=screen(shown) if shown else None,
        rules=adapter.SCREEN,
        now=NOW,
    )


def judged(title: str, shown: str | None = None, **events: Seen) -> Judgement:
    return judge(adapter.claims(evidence(title, shown, **events)), NOW)


def start(**fields: Any) -> Start:
    spec = agent(type="codex", **fields.pop("spec", {}))
    environment = {"HOME": "/home/dev"}
    return Start(spec, **{"workdir": "/home/dev/shop.d", "environment": environment, **fields})


def settings(launched: tuple[str, ...]) -> dict[str, Any]:
    """What ``-c`` says, by the name on its left side, which Codex cuts at its dots."""
    given = [launched[at + 1] for at, word in enumerate(launched) if word == "-c"]
    return {
        name: tomllib.loads(f"x = {value}")["x"]
        for name, _, value in (g.partition("=") for g in given)
    }


APPROVAL = {"tool_name": "Bash", "tool_input": {"command": "rm -r x", "description": "why"}}
ASKED = {
    "tool_name": "request_user_input",
    "tool_input": {
        "questions": [
            {"question": "Which: a or b?", "options": [{"label": "Red"}, {"label": "Blue"}]}
        ]
    },
}


def test_a_fresh_start_sets_everything_for_this_run_alone() -> None:
    launched = adapter.launch(
        start(spec={"model": "m", "permission_mode": "never", "args": ("-s", "read-only")})
    )
    assert launched.argv[:2] == ("codex", "--no-daemon")
    assert launched.argv[-6:] == ("-m", "m", "-a", "never", "-s", "read-only")
    given = settings(launched.argv)
    assert given["features.daemon_auto_start"] is False
    assert given["check_for_update_on_startup"] is False
    assert "projects" not in given


def test_trust_is_given_with_the_launch_when_it_is_declared() -> None:
    quoted = start(spec={"trust_workspace": True}, workdir='/home/dev/a.b "c"\\\x7f')
    given = settings(adapter.launch(quoted).argv)
    assert given["projects"] == {'/home/dev/a.b "c"\\\x7f': {"trust_level": "trusted"}}
    assert adapter.trust_file({"HOME": "/home/dev"}) is None


def test_each_hook_is_trusted_by_the_hash_that_codex_would_write() -> None:
    given = settings(adapter.launch(start()).argv)
    assert set(given["hooks.state"]) == {
        f"/<session-flags>/config.toml:{name}:0:0"
        for name in (
            *("session_start", "user_prompt_submit", "pre_tool_use", "permission_request"),
            *("post_tool_use", "stop", "interrupt"),
        )
    }
    for event_name in adapter.EVENTS:
        [group] = given[f"hooks.{event_name}"]
        [one] = group["hooks"]
        snake = re.sub(r"([a-z])([A-Z])", r"\1_\2", event_name).lower()
        reviewed = {"event_name": snake, "hooks": [{**one, "async": False}]}
        text = json.dumps(reviewed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        expected = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        trusted = given["hooks.state"][f"/<session-flags>/config.toml:{snake}:0:0"]
        assert trusted == {"trusted_hash": expected}


def test_the_hash_is_the_one_that_codex_wrote_when_a_person_trusted_a_hook() -> None:
    # ~/.codex/config.toml after `Trust all` for a Stop hook that runs `true`, timeout not given
    written = "2ba34c7a02841fada06b868a093d041fd3d9de81883c789a321916b0aa118851"
    stop = {"type": "command", "timeout": 600, "command": "true", "async": False}
    assert codex.reviewed_hash("stop", stop) == written


def run_hook(line: str, folder: Path, said: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin"}
    if folder.name != "unset":
        environment["AGENTCAVE_SESSION_DIR"] = str(folder)
    return subprocess.run(
        ["/bin/sh", "-c", line],
        input=said,
        env=environment,
        cwd=folder.parent,
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )


def test_only_the_start_of_a_session_prints_the_briefing(tmp_path: Path) -> None:
    folder = tmp_path / "own folder"
    folder.mkdir()
    launched = adapter.launch(start(briefing="Read the plan.\n"))
    folder.joinpath("briefing.md").write_bytes(launched.files["briefing.md"])
    given = settings(launched.argv)
    for name in adapter.EVENTS:
        line = given[f"hooks.{name}"][0]["hooks"][0]["command"]
        done = run_hook(line, folder, '{"a": 1}')
        assert (folder / f"{name}.event").read_text() == '{"a": 1}'
        assert (done.stdout, done.stderr) == ("Read the plan.\n" * (name == "SessionStart"), "")


def test_a_hook_without_its_folder_is_silent_and_writes_nowhere(tmp_path: Path) -> None:
    for folder in (tmp_path / "gone", tmp_path / "unset"):
        done = run_hook(hook("SessionStart", told="briefing.md"), folder, "{}")
        assert (done.stdout, done.stderr) == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_a_conversation_goes_on_in_the_directory_that_is_declared() -> None:
    resumed = start(conversation=ID, resume=True, prompt="-x", spec={"command": ("npx", "codex")})
    argv = adapter.launch(resumed).argv
    assert argv[:6] == ("npx", "codex", "resume", ID, "-C", "/home/dev/shop.d")
    assert argv[-2:] == ("--", "-x")
    assert "resume" not in adapter.launch(start(conversation=ID)).argv


def test_a_first_prompt_is_never_a_shell_command() -> None:
    assert adapter.launch(start(prompt="!rm x")).argv[-1] == " !rm x"
    assert adapter.launch(start(prompt="/x\n y")).argv[-1] == "/x\n y"


@pytest.mark.parametrize(
    ("environment", "home"),
    [
        ({"HOME": "/home/dev"}, "/home/dev/.codex"),
        ({"HOME": "/home/dev", "CODEX_HOME": ""}, "/home/dev/.codex"),
        ({"HOME": "/home/dev", "CODEX_HOME": "/c [1]*?"}, "/c [[]1][*][?]"),
        ({}, None),
    ],
)
def test_a_transcript_lies_below_the_home_of_codex(
    environment: dict[str, str], home: str | None
) -> None:
    pattern = f"{home}/sessions/*/*/*/rollout-*-{ID}.jsonl" if home else None
    assert adapter.transcript(start(environment=environment, conversation=ID)) == pattern
    assert adapter.transcript(start(environment=environment)) is None


def test_the_conversation_is_the_one_of_the_newest_prompt() -> None:
    other = "01a20536-56fc-7cd2-9007-61e622e339da"
    began = event(9, source="startup")
    assert adapter.conversation({}) is None
    assert adapter.conversation({"SessionStart": began}) == ID
    later = event(1, session_id=other)
    assert adapter.conversation({"SessionStart": began, "UserPromptSubmit": later}) == other


@pytest.mark.parametrize("said", ["", "--yolo", "../../x", f"{ID}\n", "*", 5])
def test_what_is_no_id_is_no_conversation(said: object) -> None:
    assert adapter.conversation({"SessionStart": event(1, session_id=said)}) is None


@pytest.mark.parametrize(
    ("title", "activity"),
    [
        (READY, Activity.IDLE),
        (WORKING, Activity.WORKING),
        ("⠋ Thinking | shop", Activity.WORKING),
        ("Thinking | shop", Activity.WORKING),  # with tui.animations = false
        ("⠋ Starting | shop", Activity.STARTING),
        ("[ . ] Action Required | shop", Activity.APPROVAL),
        ("[ ! ] Action Required | shop", Activity.APPROVAL),
        (HOST, Activity.STARTING),
        ("", Activity.STARTING),
        ("Ready", Activity.STARTING),
    ],
)
def test_before_the_first_prompt_only_the_title_speaks(title: str, activity: Activity) -> None:
    assert judged(title).activity is activity
    assert is_silent(adapter.claims(evidence(title)), NOW)


@pytest.mark.parametrize(
    ("name", "title", "reason"),
    [
        ("gate-login.200x50.txt", HOST, "log in"),
        ("gate-login.80x24.txt", HOST, "log in"),
        ("gate-trust.200x50.txt", HOST, "trust this folder?"),
        ("gate-trust.80x24.txt", HOST, "trust this folder?"),
        ("gate-hooks.80x24.txt", HOST, "review hooks: 8 hooks are new or changed."),
        ("gate-hooks.80x24.txt", READY, "review hooks: 8 hooks are new or changed."),
        ("gate-resume-other-cwd.80x24.txt", HOST, "go on in which directory?"),
    ],
)
def test_a_dialog_of_the_start_is_named(name: str, title: str, reason: str) -> None:
    told = judged(title, name)
    assert (told.activity, told.reason) == (Activity.QUESTION, reason)
    assert told.dialog is not None
    assert told.dialog.kind == "startup"


def test_talk_about_a_dialog_of_the_start_is_none() -> None:
    talk = screen("idle-after-steer.80x24.txt").replace("word0", "x\n  Trust this folder?\n")
    assert "  Trust this folder?" in talk
    seen = evidence(READY)._replace(screen=talk)
    assert judge(adapter.claims(seen), NOW).activity is Activity.IDLE


FAILURES = [
    ("limited-429.200x50.txt", "limited", "rate or usage limit: exceeded retry limit, last s"),
    ("limited-429.80x24.ansi", "limited", "rate or usage limit: exceeded retry limit, last s"),
    ("limited-usage.200x50.txt", "limited", "rate or usage limit: You"),
    ("limited-usage.80x24.txt", "limited", "rate or usage limit: You"),
    ("error-401.200x50.txt", "limited", "not logged in, or the key is not valid: unexpec"),
    ("error-401.80x24.txt", "limited", "not logged in, or the key is not valid: unexpec"),
    ("error-no-key.80x24.ansi", "limited", "not logged in, or the key is not valid: Missing"),
    ("error-529.200x50.txt", "limited", "the API is overloaded: unexpected status 529"),
    ("error-stream.80x24.txt", "idle", "the last turn failed: stream disconnected before"),
    ("interrupted.80x24.txt", "idle", ""),
    ("idle-after-steer.80x24.txt", "idle", ""),
    ("idle-after-error.80x24.ansi", "idle", ""),
]


@pytest.mark.parametrize(("name", "activity", "reason"), FAILURES)
def test_a_failed_turn_is_seen_though_no_hook_tells_of_it(
    name: str, activity: str, reason: str
) -> None:
    submitted = event(5, prompt="x")
    assert is_silent(adapter.claims(evidence(READY, UserPromptSubmit=submitted)), NOW)
    told = judged(READY, name, UserPromptSubmit=submitted)
    assert told.activity == activity
    assert told.reason.startswith(reason)
    assert bool(told.reason) == bool(reason)


def test_until_when_a_limit_lasts_is_told_on_narrow_screens_too() -> None:
    told = judged(READY, "limited-usage.80x24.txt", UserPromptSubmit=event(5))
    assert told.reason.endswith("or try again at 9:54 PM.")


def test_a_failure_that_a_resumed_conversation_shows_again_is_an_old_one() -> None:
    assert judged(READY, "limited-429.80x24.ansi").activity is Activity.IDLE


def test_a_hook_wins_until_the_title_could_have_followed() -> None:
    assert judged(READY, UserPromptSubmit=event(1)).activity is Activity.WORKING
    assert judged(READY, UserPromptSubmit=event(3)).activity is Activity.IDLE
    assert judged(WORKING, Stop=event(1)).activity is Activity.IDLE
    assert judged(WORKING, Stop=event(3)).activity is Activity.WORKING


def test_a_turn_of_an_hour_is_still_working() -> None:
    told = judged(WORKING, UserPromptSubmit=event(3600), PostToolUse=event(3000))
    assert told.activity is Activity.WORKING
    assert told.winner is not None
    assert told.winner.source == "hook"


def test_an_interrupted_turn_is_idle_and_says_so_until_the_next_one() -> None:
    interrupted = event(60)
    told = judged(READY, UserPromptSubmit=event(70), Interrupt=interrupted)
    assert (told.activity, told.reason) == (Activity.IDLE, "the last turn was interrupted")
    told = judged(READY, Interrupt=interrupted, UserPromptSubmit=event(9), Stop=event(8))
    assert (told.activity, told.reason) == (Activity.IDLE, "")


def test_an_approval_is_of_what_the_hook_names() -> None:
    asked, begun = event(7, **APPROVAL), event(8, tool_name="Bash")
    told = judged(REQUIRED, UserPromptSubmit=event(9), PreToolUse=begun, PermissionRequest=asked)
    assert (told.activity, told.reason) == (Activity.APPROVAL, "Bash: rm -r x")
    assert told.dialog is not None
    assert told.dialog.kind == "approval"
    assert told.doubts == ()


def test_an_approval_of_edits_names_the_first_file() -> None:
    patch = "*** Begin Patch\n*** Update File: src/a b.py\n@@\n-x\n*** Add File: c\n*** End Patch"
    asked = event(1, tool_name="apply_patch", tool_input={"command": patch})
    assert judged(REQUIRED, PermissionRequest=asked).reason == "apply_patch: src/a b.py"


def test_another_tool_that_begins_meanwhile_does_not_hide_an_approval() -> None:
    asked, other = event(5, **APPROVAL), event(4, tool_name="Bash", tool_input={"command": "ls"})
    assert judged(REQUIRED, PermissionRequest=asked, PreToolUse=other).reason == "Bash: rm -r x"


def test_an_approved_command_that_runs_long_is_working() -> None:
    asked = event(3, **APPROVAL)
    assert judged(WORKING, PermissionRequest=asked).activity is Activity.WORKING
    assert judged(REQUIRED, PermissionRequest=asked).activity is Activity.APPROVAL


def test_a_question_is_one_only_while_the_title_says_that_somebody_is_asked() -> None:
    asked = event(30, **ASKED)
    told = judged(REQUIRED, UserPromptSubmit=event(31), PreToolUse=asked)
    assert (told.activity, told.reason) == (Activity.QUESTION, "Which: a or b? (Red, Blue)")
    assert told.doubts == ()
    assert told.dialog is not None
    assert told.dialog.options == ("Red", "Blue")
    assert judged(WORKING, PreToolUse=event(1, **ASKED)).activity is Activity.WORKING


def test_several_questions_at_once_offer_nothing_to_answer() -> None:
    [one] = ASKED["tool_input"]["questions"]  # type: ignore[index]  # it is a list there
    asked = event(1, tool_name="request_user_input", tool_input={"questions": [one, one]})
    dialog = judged(REQUIRED, PreToolUse=asked).dialog
    assert dialog is not None
    assert dialog.options is None
    assert adapter.keys("answer", dialog, "Red") is None


@pytest.mark.parametrize(
    ("name", "activity", "reason"),
    [
        ("approval-shell.200x50.txt", "approval", "Bash: touch /home/dev/o1"),
        ("approval-shell.80x24.ansi", "approval", "Bash: touch /home/dev/shop/o1"),
        ("approval-edit.200x50.txt", "approval", "apply_patch: /home/dev/other/out.txt"),
        ("approval-edit.80x24.txt", "approval", "apply_patch: /home/dev/other/out.txt"),
        ("question.200x50.txt", "question", "Which colour?"),
        ("question.80x24.ansi", "question", "Which colour: light?"),
    ],
)
def test_without_a_hook_the_screen_tells_what_is_asked(
    name: str, activity: str, reason: str
) -> None:
    told = judged(REQUIRED, name, UserPromptSubmit=event(30))
    assert (told.activity, told.reason) == (activity, reason)
    assert told.dialog is not None
    assert adapter.is_shown(told.dialog, screen(name))
    assert re.search(adapter.DIALOG, screen(name), re.MULTILINE)


def test_what_is_asked_but_not_understood_cannot_be_answered() -> None:
    told = judged(REQUIRED, "idle.80x24.ansi", UserPromptSubmit=event(30))
    assert told.activity is Activity.APPROVAL
    assert told.dialog is not None
    assert adapter.keys("approve", told.dialog, "") is None


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"[]", b"\xff{", b"[" * 9999, b'{"tool_input": 5, "prompt": []}'),
        b'{"tool_name": "request_user_input", "tool_input": 5}',
        b'{"tool_name": "request_user_input", "tool_input": {"questions": [{"options": 5}, 1]}}',
    ],
)
def test_nothing_in_the_events_surprises(data: bytes) -> None:
    events = {name: Seen(NOW, data) for name in adapter.EVENTS}
    for title in (READY, WORKING, REQUIRED, HOST):
        assert all(
            isinstance(one, Claim)
            for one in adapter.claims(evidence(title)._replace(events=events))
        )
    assert adapter.conversation(events) is None
    assert not adapter.proof(events, "x", NOW)


@pytest.mark.parametrize(
    ("sent", "taken"),
    [("x", True), ("  x \n", True), ("x\r\ny", True), ("xy", False), ("", False)],
)
def test_a_prompt_is_proven_by_its_whole_text(sent: str, taken: bool) -> None:
    prompt = sent.replace("\r\n", "\n").strip() if taken else "x"
    events = {"UserPromptSubmit": event(1, prompt=prompt)}
    assert adapter.proof(events, sent, NOW - 2) is taken
    assert not adapter.proof(events, sent, NOW)


@pytest.mark.parametrize("text", ["!ls", "/quit", "see @readme", " x\n"])
def test_what_is_typed_is_neither_a_command_nor_completed(text: str) -> None:
    assert adapter.typed(text) == f" {text.strip()} "


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("idle.80x24.ansi", ""),
        ("working.80x24.ansi", ""),
        ("limited-429.80x24.ansi", ""),
        ("draft.80x24.ansi", "a draft text"),
        ("draft-shell.80x24.ansi", "! ls"),
        ("draft-multiline.80x24.txt", "line1"),
        ("draft-big-paste.200x50.txt", "[Pasted Content 3201 chars]"),
        ("approval-shell.80x24.ansi", None),
        ("approval-edit.80x24.txt", None),
        ("question.80x24.ansi", None),
        ("question-notes.80x24.ansi", None),
        ("gate-trust.80x24.txt", None),
        ("gate-login.80x24.txt", None),
        ("gate-hooks.80x24.txt", None),
    ],
)
def test_a_draft_is_told_from_the_placeholder_and_from_dialogs(
    name: str, shown: str | None
) -> None:
    assert adapter.draft(raw(name)) == shown


@pytest.mark.parametrize("name", sorted(path.name for path in SCREENS.iterdir()))
def test_enter_is_held_back_exactly_where_a_dialog_is_open(name: str) -> None:
    is_open = name.startswith(("gate-", "approval-", "question"))
    assert bool(re.search(adapter.DIALOG, screen(name), re.MULTILINE)) is is_open


def test_the_expression_for_dialogs_fits_into_a_format_of_tmux() -> None:
    assert not set(adapter.DIALOG) & set("#{},")


def test_another_dialog_than_the_one_asked_about_is_noticed() -> None:
    shown = screen("approval-shell.200x50.txt")
    assert not adapter.is_shown(Dialog("approval", "Bash: rm -r x", "1"), shown)
    colour = Dialog("question", "Which colour? (Red, Blue)", "1", ("Red", "Blue"))
    assert not adapter.is_shown(colour, shown)
    assert adapter.is_shown(colour, screen("question.200x50.txt"))


LITERAL = {"y": StopKey("y", literal=True), "2": StopKey("2", literal=True)}
CHOICE = Dialog("question", "?", "1", ("Red", "Blue"))


@pytest.mark.parametrize(
    ("answer", "dialog", "text", "keys"),
    [
        ("approve", Dialog("approval", "x", "1"), "", (LITERAL["y"],)),
        ("deny", Dialog("approval", "x", "1"), "", (StopKey("Escape"),)),
        ("deny", CHOICE, "", (StopKey("Escape"),)),
        ("answer", CHOICE, "BLUE", (LITERAL["2"],)),
        ("answer", CHOICE, "2", (LITERAL["2"],)),
        (
            "answer",
            CHOICE,
            "green",
            (
                *(StopKey("Down"), StopKey("Down"), StopKey("Tab")),
                *(StopKey("green", literal=True), StopKey("Enter")),
            ),
        ),
        ("approve", CHOICE, "", None),
        ("answer", Dialog("approval", "x", "1"), "y", None),
        ("approve", Dialog("startup", "trust?", "1"), "", None),
    ],
)
def test_an_answer_is_given_by_the_keys_of_the_dialog(
    answer: Any, dialog: Dialog, text: str, keys: tuple[StopKey, ...] | None
) -> None:
    assert adapter.keys(answer, dialog, text) == keys


def test_that_a_conversation_is_not_known_any_more_is_understood() -> None:
    found = re.search(adapter.UNRESUMABLE, screen("resume-unknown.200x50.txt"))
    assert found is not None
    assert found[0] == "No saved session found with ID 01a20503-c784-70c1-830a-000000000000"
