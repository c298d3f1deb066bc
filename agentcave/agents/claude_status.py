"""What Claude Code does and asks, by its status file, its hooks and its screen."""

import re
from collections.abc import Mapping, Sequence

from agentcave.agents import claude_screen, dialogs
from agentcave.agents.base import Answer, Events, Evidence, Seen
from agentcave.agents.claude_screen import Shown
from agentcave.agents.reading import (
    KINDS,
    brief,
    fields,
    inner,
    labelled,
    members,
    screen_claims,
    seconds,
    word,
)
from agentcave.model.spec import ScreenRule, StopKey
from agentcave.model.status import Activity, Claim, Dialog

DIALOG = "(Esc to cancel|Enter to confirm|[12][.] (Submit answers|Yes))"
SCREEN: tuple[ScreenRule, ...] = (
    dialogs.gate(r"Quick safety check", "trust this folder?"),
    dialogs.gate(r"use this API key\?", "use this API key?"),
    dialogs.gate(r"running in Bypass Permissions mode", "accept the bypass mode?"),
    dialogs.gate(r"Select login method|Paste code here", "log in"),
    dialogs.gate(r"Choose the text style", "first start: choose a theme"),
)
APPROVALS = ("permission prompt", "worker request", "sandbox request")
LIVE = {"idle": Activity.IDLE, "busy": Activity.WORKING, "shell": Activity.WORKING}
TURNS = {"SessionStart": Activity.IDLE, "UserPromptSubmit": Activity.WORKING, "Stop": Activity.IDLE}
REFUSALS = {
    "rate_limit": "rate or usage limit",
    "server_error": "the API is overloaded",
    "authentication_failed": "not logged in, or the key is not valid",
    "billing_error": "the account cannot pay",
}


PLAN = r"^ +Ready to code\?"
LAG = 2.0
"""Seconds in which the status file may lag behind a hook (measured: 0.2 s; seconds under load)."""


def claims(evidence: Evidence) -> Sequence[Claim]:
    """The status file is a level and a hook an edge: the file has the last word about the end of a
    turn, which a background subagent or a Stop hook of the user's goes on with (2.1.332)."""
    live, hooks = _live(evidence), _hooks(evidence.events)
    if live and live[0].dialog is not None:  # it stays so as long as any dialog is open
        hooks = [hook for hook in hooks if hook.activity in KINDS]
    elif live and live[0].activity is not Activity.IDLE:
        hooks = [hook for hook in hooks if not _has_ended(hook) or not _is_old(hook, evidence.now)]
    shown = claude_screen.dialog_on(evidence.screen or "")
    found = [_seen(claim, shown, evidence.events) for claim in (*live, *hooks)]
    return [*found, *screen_claims(evidence.rules, evidence.screen)] or [
        Claim("process", Activity.STARTING, "no hook and no status file yet", "it has said nothing")
    ]


def _seen(claim: Claim, shown: Shown | None, events: Events) -> Claim:
    """The same of what the screen shows: of several dialogs that are open, hooks tell the last."""
    if shown is None or claim.dialog is None or claim.dialog.kind == "startup":
        return claim
    request = events.get("PermissionRequest")
    if request is not None and claude_screen.fits(fields(request.data), shown):
        known = _request(fields(request.data), request.at).dialog
        assert known is not None, "a request asks"
        dialog = known._replace(id=":".join(filter(None, (known.id, shown.number))))
    else:
        dialog = Dialog("approval", shown.text, shown.ident)
    dialog = dialog._replace(drawn=shown.ident)
    return claim._replace(activity=Activity.APPROVAL, reason=dialog.text, dialog=dialog)


def _live(evidence: Evidence) -> list[Claim]:
    """``sessions/<pid>.json``: left behind by kill -9, so it is good only for this very process."""
    if evidence.live is None:
        return []
    said = fields(evidence.live.data)
    status, waiting = word(said, "status"), word(said, "waitingFor")
    if evidence.ticks is None or str(said.get("procStart")) != str(evidence.ticks):
        return []
    at = seconds(said, "statusUpdatedAt", 1000.0) or evidence.live.at
    rule = " ".join(filter(None, ("sessions/<pid>.json", status, waiting)))
    if status == "waiting":
        activity = Activity.APPROVAL if waiting in APPROVALS else Activity.QUESTION
        dialog = Dialog(KINDS[activity], waiting)  # of what, is not known: it has no id
        return [Claim("live", activity, rule, waiting, at, dialog=dialog)]
    if status not in LIVE:
        return []
    return [Claim("live", LIVE[status], rule, "", at)]


def _has_ended(hook: Claim) -> bool:
    return hook.activity is Activity.IDLE


def _is_old(hook: Claim, now: float) -> bool:
    return hook.at is not None and hook.at < now - LAG


def _hooks(events: Events) -> list[Claim]:
    found = (_hook(name, seen) for name, seen in events.items())
    return [claim for claim in found if claim is not None]


def _hook(name: str, seen: Seen) -> Claim | None:
    said = fields(seen.data)
    match name:
        case "StopFailure":
            return _failure(said, seen.at)
        case "PermissionRequest":
            return _request(said, seen.at)
        case "SessionStart" if word(said, "source") == "compact":
            return None  # the turn goes on
        case "Stop" if tasks := _agents_at_work(said):
            why = f"{tasks} in the background"
            return Claim("hook", Activity.WORKING, f"hook {name}", why, seen.at)
    return Claim("hook", TURNS[name], f"hook {name}", "", seen.at) if name in TURNS else None


def _agents_at_work(said: Mapping[str, object]) -> str:
    """Subagents that go on when the main agent has ended its turn; a shell may do so for ever."""
    tasks = [
        task
        for task in members(said, "background_tasks")
        if "agent" in word(task, "type") and word(task, "status") in ("running", "pending")
    ]
    return f"{len(tasks)} subagent{'s' if len(tasks) > 1 else ''}" if tasks else ""


def _failure(said: Mapping[str, object], at: float) -> Claim | None:
    if "agent_id" in said:
        return None  # of a subagent; the turn goes on
    error, told = word(said, "error"), word(said, "last_assistant_message")
    reason = brief(f"the last turn failed: {REFUSALS.get(error, error or 'unknown')}")
    if told:
        reason = brief(f"{reason} ({told})")
    activity = Activity.LIMITED if error in REFUSALS else Activity.IDLE
    return Claim(
        "hook", activity, f"hook StopFailure {error}", reason, at, refines=(Activity.IDLE,)
    )


def _request(said: Mapping[str, object], at: float) -> Claim:
    tool, values = word(said, "tool_name"), inner(said, "tool_input")
    if tool == "AskUserQuestion":
        dialog = dialogs.question(members(values, "questions"), f"{at:f}")
    else:
        what = next((text for text in values.values() if isinstance(text, str) and text), "")
        dialog = Dialog("approval", labelled(tool, what), f"{at:f}")
    activity, rule = Activity(dialog.kind), f"hook PermissionRequest {tool}"
    return Claim("hook", activity, rule, dialog.text, at, refines=(*KINDS,), dialog=dialog)


def is_shown(dialog: Dialog, screen: str) -> bool:
    """A dialog is drawn a moment after it is asked for."""
    if dialog.kind != "approval":
        asked = dialogs.asked(dialog)
        return re.search(DIALOG, screen) is not None and dialogs.shows(screen, asked)
    if dialog.text.startswith("ExitPlanMode"):
        return re.search(PLAN, screen, re.MULTILINE) is not None
    shown = claude_screen.dialog_on(screen)
    return shown is not None and shown.ident == dialog.drawn


def keys(answer: Answer, dialog: Dialog, text: str) -> Sequence[StopKey] | None:
    """What ``3`` and ``4`` mean varies.

    To approve a plan is to choose another mode as well, so it is left to a person.
    """
    if answer == "approve" and dialog.text.startswith("ExitPlanMode"):
        return None
    return dialogs.keys(answer, dialog, text, dialogs.digit(1))
