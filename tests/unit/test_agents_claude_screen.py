"""The approvals that Claude Code draws, as recorded (2.1.330): what is named is what is shown."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from agentcave.agents import Evidence, Seen, claude
from agentcave.agents.claude_screen import Shown, dialog_on
from agentcave.model.status import Activity, Dialog
from agentcave.plan.activity import judge

RECORDED = Path(__file__).parent / "screens" / "claude"
AT = 1_795_381_311.5
WORKS_IN = "/home/dev/projects/sh/w"
LONG = " ".join(["touch", *(f"some-file-name-{number}.txt" for number in range(40))])
SEVERAL = "touch a.txt\n  touch b.txt\n\ttouch 'c d.txt'"
FIRST, SECOND = (f"touch git-push-origin-feature-{which}" for which in ("a-force", "b"))


def screen(name: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", (RECORDED / f"{name}.ansi").read_text())


def request(tool: str, **given: Any) -> dict[str, Seen]:
    said = {"tool_name": tool, "tool_input": given, "cwd": WORKS_IN}
    return {"PermissionRequest": Seen(AT, json.dumps(said).encode())}


def waiting(events: dict[str, Seen], shown: str | None) -> Dialog:
    """What is said to be asked while the status file says that something is."""
    said = json.loads((RECORDED / "told" / "live-idle.json").read_bytes())
    said |= {"status": "waiting", "waitingFor": "permission prompt"}
    seen = Seen(AT, json.dumps(said | {"statusUpdatedAt": (AT + 0.1) * 1000}).encode())
    evidence = Evidence(30483, AT - 100, 1245346, events=events, live=seen, now=AT + 60)
    judged = judge(claude.claims(evidence._replace(screen=shown)), AT + 60)
    assert judged.activity in (Activity.APPROVAL, Activity.QUESTION)
    assert judged.dialog is not None
    assert judged.reason == judged.dialog.text
    return judged.dialog


ALIKE = [
    ("approval-bash-80x24", "Bash", {"command": "touch x1.txt; echo hello"}),
    ("approval-bash-200x50", "Bash", {"command": "touch x1.txt; echo hello"}),
    ("approval-wrapped-200x50", "Bash", {"command": LONG}),
    ("approval-multiline-beside-a-panel-200x50", "Bash", {"command": SEVERAL}),
    ("approval-1-of-2-200x50", "Bash", {"command": FIRST}),
    ("approval-write-80x24", "Write", {"file_path": f"{WORKS_IN}/new.txt", "content": "x"}),
    ("approval-edit-200x50", "Edit", {"file_path": f"{WORKS_IN}/old.txt", "old_string": "x"}),
    ("approval-outside-200x50", "Write", {"file_path": "/scr/elsewhere.txt", "content": "x"}),
    ("approval-fetch-200x50", "WebFetch", {"url": "http://127.0.0.1:9/x?a=b", "prompt": "?"}),
]


@pytest.mark.parametrize(("name", "tool", "given"), ALIKE)
def test_a_request_that_is_shown_is_named_as_it_was_made(
    name: str, tool: str, given: dict[str, Any]
) -> None:
    told = waiting(request(tool, **given), screen(name))
    assert told.text.startswith(f"{tool}: ")
    assert told.id.startswith(f"{AT:f}")
    assert claude.is_shown(told, screen(name))
    assert claude.keys("approve", told, "") is not None


OTHERS = [
    *((name, "Bash", {"command": f"{SECOND} --force"}) for name, _, _ in ALIKE),
    *((name, "Write", {"file_path": f"{WORKS_IN}/other/new.txt"}) for name, _, _ in ALIKE),
    ("approval-bash-80x24", "Bash", {"command": "touch x1.txt"}),
    ("approval-bash-80x24", "Bash", {"command": "touch x1.txt; echo hello world"}),
    ("approval-bash-80x24", "Bash", {"command": "touch x1.txt; echohello"}),
    ("approval-1-of-2-200x50", "Bash", {"command": SECOND}),
    ("approval-edit-200x50", "Edit", {"file_path": f"{WORKS_IN}/sub/old.txt"}),
    ("approval-fetch-200x50", "WebFetch", {"url": "http://127.0.0.1:9/x"}),
    ("approval-bash-80x24", "AskUserQuestion", {"questions": [{"question": "Which?"}]}),
    ("approval-bash-80x24", "ExitPlanMode", {"plan": "touch"}),
]


@pytest.mark.parametrize(("name", "tool", "given"), OTHERS)
def test_another_one_is_named_as_the_screen_shows_it(
    name: str, tool: str, given: dict[str, Any]
) -> None:
    told, shown = waiting(request(tool, **given), screen(name)), dialog_on(screen(name))
    assert shown is not None
    assert (told.kind, told.text, told.id) == ("approval", shown.text, shown.ident)
    assert claude.is_shown(told, screen(name))
    assert claude.keys("approve", told, "") is not None


def test_without_hooks_the_screen_says_what_it_is() -> None:
    assert waiting({}, screen("approval-1-of-2-200x50")).text == f"Bash: {FIRST}"
    assert waiting({}, screen("approval-outside-200x50")).text.startswith("Create file: ../")


def test_what_is_asked_and_not_known_cannot_be_approved() -> None:
    for shown in (None, "", screen("idle-fresh-80x24")):
        told = waiting({}, shown)
        assert told.text == "permission prompt"
        assert claude.keys("approve", told, "") is None
        assert claude.keys("deny", told, "") is None


def test_what_came_between_does_not_hide_what_is_open() -> None:
    stop = Seen(AT + 30, (RECORDED / "told" / "Stop.json").read_bytes())
    prompt = Seen(AT + 59, b'{"prompt": "of a subagent that is done"}')
    events = {**request("Bash", command=FIRST), "Stop": stop, "UserPromptSubmit": prompt}
    assert waiting(events, screen("approval-1-of-2-200x50")).text == f"Bash: {FIRST}"


def test_of_several_each_is_another_dialog() -> None:
    twice = request("Bash", command=SECOND)
    once = screen("approval-2-of-2-200x50").replace("2 of 2", "1 of 2")
    first, second = waiting(twice, once), waiting(twice, screen("approval-2-of-2-200x50"))
    assert first.text == second.text
    assert first.id != second.id
    assert not claude.is_shown(first, screen("approval-2-of-2-200x50"))


def test_what_is_not_whole_on_the_screen_is_not_shown() -> None:
    whole = screen("approval-wrapped-200x50")
    told = waiting(request("Bash", command=LONG), whole)
    for cut in (whole[whole.index("make many files") :], whole[: whole.index("1. Yes")]):
        assert dialog_on(cut) is None
        assert not claude.is_shown(told, cut)
        assert not claude.is_shown(waiting(request("Bash", command=LONG), cut), cut)


def test_what_a_command_prints_or_says_is_no_frame() -> None:
    frame = f"{'─' * 80}\n Bash command\n{'╌' * 80}\n ls\n{'╌' * 80}\n Do you want to proceed?\n"
    asks = f"{frame} ❯ 1. Yes\n   2. No\n"
    body = "".join(f" │ {line}\n" for line in (*asks.splitlines(), "rm -rf x"))
    shown = dialog_on(asks.replace(" ls\n", body))
    assert shown is not None
    assert shown.body[-1] == "rm -rf x"
    assert shown.body[0] == "─" * 80


def test_a_panel_is_no_part_of_it() -> None:
    shown = dialog_on(screen("approval-multiline-beside-a-panel-200x50"))
    assert shown == Shown(
        "Bash command", "", "several", ("touch a.txt", "  touch b.txt", "        touch 'c d.txt'")
    )


def test_wide_characters_beside_a_panel_are_kept() -> None:
    line = "─" * 20 + "│\n Bash command      │\n" + "╌" * 20 + "│x\n"
    wide = (
        f"{line} echo 日本語       │ of the panel\n{line.splitlines()[2]}\n ❯ 1. Yes            │\n"
    )
    shown = dialog_on(wide)
    assert shown is not None
    assert shown.body == ("echo 日本語",)
