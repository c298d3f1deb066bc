"""What Codex does and asks, by its hooks, its title and its screen.

Hooks give the reason and the time, the title the present: no hook tells of an API error or of an
approved command that runs, and none at all fires before the first prompt.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from agentcave.agents import dialogs
from agentcave.agents.base import Events, Evidence, Seen
from agentcave.agents.reading import (
    KINDS,
    fields,
    inner,
    labelled,
    members,
    newest,
    screen_claims,
    told,
    unpadded,
    word,
)
from agentcave.model.spec import ScreenRule
from agentcave.model.status import Activity, Claim, Dialog

TITLES: Sequence[tuple[str, Activity]] = (
    (r"\[ . \] Action Required\b", Activity.APPROVAL),
    (r"([\u2800-\u28ff] )?Starting \|", Activity.STARTING),
    (r"[\u2800-\u28ff] |(Working|Thinking|Waiting|Undoing) \|", Activity.WORKING),
    (r"Ready \|", Activity.IDLE),
)
"""Most dialogs of the start stand there before any of these, that of the hooks after ``Ready``."""
GRACE = 2.0
"""Seconds in which a title may lag behind a hook (measured: 0.6 s)."""
WORKS = ("SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse")
ENDS = ("Stop", "Interrupt")
TURNS = {**dict.fromkeys(WORKS, Activity.WORKING), **dict.fromkeys(ENDS, Activity.IDLE)}
REASONS = {"Interrupt": "the last turn was interrupted"}


def claims(evidence: Evidence) -> Sequence[Claim]:
    """A hook that is contradicted by the title for longer than it may lag has been overtaken."""
    titled = told(evidence.title, TITLES)
    title = titled[0].activity if titled else None
    hooks = _hooks(evidence.events, title)
    last = newest(hooks)
    if last is not None and title is not None and not _agree(last.activity, title):
        hooks = hooks if evidence.now - (last.at or 0.0) <= GRACE else []
    hooks = [one if one is last else one._replace(reason="") for one in hooks]
    shown = _shown(evidence, title)
    return [*hooks, *(shown or _titled(titled, hooks, evidence.title))] or [
        Claim("process", Activity.STARTING, "no hook and no title yet", "it has said nothing")
    ]


def _agree(one: Activity, other: Activity) -> bool:
    return one is other or (one in KINDS and other in KINDS)


def _titled(titled: list[Claim], hooks: Sequence[Claim], title: str) -> list[Claim]:
    """What is asked, the title does not say."""
    if not titled or titled[0].activity not in KINDS:
        return titled
    asked = newest(one for one in hooks if one.activity in KINDS)
    return [titled[0]._replace(activity=asked.activity) if asked else dialogs.unsaid(title)]


def _shown(evidence: Evidence, title: Activity | None) -> list[Claim]:
    rules = [rule for rule in evidence.rules if _fits(rule, title, evidence.events)]
    return screen_claims(rules, unpadded(evidence.screen))


def _fits(rule: ScreenRule, title: Activity | None, events: Events) -> bool:
    """The title says which kind of screen it can be: what scrolls there may look alike.

    A resumed conversation shows its old failures again.
    """
    if rule.startup or title is None:
        return title in (None, Activity.STARTING, Activity.IDLE)
    asks = rule.activity in KINDS
    if title in KINDS:
        return asks
    return title is Activity.IDLE and not asks and "UserPromptSubmit" in events


def _hooks(events: Events, title: Activity | None) -> list[Claim]:
    found = (_hook(name, seen, title) for name, seen in events.items())
    return [claim for claim in found if claim is not None]


def _hook(name: str, seen: Seen, title: Activity | None) -> Claim | None:
    match name:
        case "PermissionRequest":
            return _request(fields(seen.data), seen.at)
        case "PreToolUse" if title in KINDS:
            # of several tools at once, another one may begin while one waits for approval
            return _question(fields(seen.data), seen.at)
        case _ if name in TURNS:
            return Claim("hook", TURNS[name], f"hook {name}", REASONS.get(name, ""), seen.at)
    return None


def _request(said: Mapping[str, Any], at: float) -> Claim:
    values = inner(said, "tool_input")
    what = word(values, "command") or word(values, "description")
    if changed := re.search(r"^\*\*\* (?:Add|Update|Delete) File: (.+)", what, re.MULTILINE):
        what = changed[1]
    dialog = Dialog("approval", labelled(word(said, "tool_name"), what), f"{at:f}")
    return _asked("hook PermissionRequest", dialog, at)


def _question(said: Mapping[str, Any], at: float) -> Claim | None:
    tool, asked = word(said, "tool_name"), members(inner(said, "tool_input"), "questions")
    if tool != "request_user_input" or not asked:
        return None
    return _asked(f"hook PreToolUse {tool}", dialogs.question(asked, f"{at:f}"), at)


def _asked(rule: str, dialog: Dialog, at: float) -> Claim:
    return Claim("hook", Activity(dialog.kind), rule, dialog.text, at, dialog=dialog)
