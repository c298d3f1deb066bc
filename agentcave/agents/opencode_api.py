"""What opencode tells by its API on 127.0.0.1, and which conversation it is in."""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from agentcave.agents import dialogs
from agentcave.agents.base import Ask, Events, Seen
from agentcave.agents.reading import brief, fields, inner, labelled, members, normal, seconds, word
from agentcave.model.status import Activity, Claim, Dialog

PATHS = {"status": "/session/status", "permission": "/permission", "question": "/question"}
TALK = re.compile("ses_[0-9A-Za-z]+")
OURS = re.compile("ses_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})")
"""A ``uuid4`` as ``talk_of`` wrote it; ids that opencode makes are shorter."""


def talk_of(conversation: str) -> str:
    """Ids of opencode begin with a word."""
    return conversation if TALK.fullmatch(conversation) else f"ses_{conversation.replace('-', '')}"


def asks(environment: Mapping[str, str]) -> Sequence[Ask]:
    port = environment.get("AGENTCAVE_PORT", "")
    if not re.fullmatch("[1-9][0-9]{0,4}", port):
        return ()
    user = environment.get("OPENCODE_SERVER_USERNAME") or "opencode"
    login = f"{user}:{environment.get('OPENCODE_SERVER_PASSWORD', '')}"
    headers = {"Authorization": f"Basic {b64encode(login.encode()).decode()}"}
    found = [Ask(name, int(port), path, headers) for name, path in PATHS.items()]
    talk = environment.get("AGENTCAVE_CONVERSATION", "")
    if TALK.fullmatch(talk):
        path = f"/session/{talk}/message?limit=5"
        found.append(Ask("messages", int(port), path, headers, proves=True))
    return found


def claim(api: Events) -> Claim | None:
    """Of any conversation: this server has one terminal, and subagents have their own ones."""
    if not set(PATHS) <= set(api):
        return None
    now = max(seen.at for seen in api.values())
    for found in _objects(api["permission"]):
        dialog = _permission(found)
        return Claim("live", Activity.APPROVAL, "GET /permission", dialog.text, now, dialog=dialog)
    for found in _objects(api["question"]):
        dialog = dialogs.question(members(found, "questions"), word(found, "id"), "multiple")
        return Claim("live", Activity.QUESTION, "GET /question", dialog.text, now, dialog=dialog)
    states = [one for one in fields(api["status"].data).values() if isinstance(one, dict)]
    for state in states:
        if word(state, "type") == "retry":
            return _limited(state, now)
    activity = Activity.WORKING if states else Activity.IDLE
    return Claim("live", activity, f"GET /session/status: {len(states)} busy", "", now)


def _objects(seen: Seen) -> list[dict[str, Any]]:
    return members(fields(b'{"all": ' + seen.data + b"}"), "all")


def _limited(state: Mapping[str, Any], now: float) -> Claim:
    """It tries again for ever, whatever the provider said."""
    until = seconds(state, "next", 1000.0)
    reason = brief(word(state, "message"))
    rule = f"GET /session/status: retry, attempt {state.get('attempt')}"
    return Claim("live", Activity.LIMITED, rule, reason, now, until=until)


def _permission(found: Mapping[str, Any]) -> Dialog:
    values, patterns = inner(found, "metadata"), found.get("patterns")
    listed = patterns if isinstance(patterns, list) else []
    what = word(values, "command") or word(values, "filepath") or " ".join(map(str, listed))
    return Dialog("approval", labelled(word(found, "permission"), what), word(found, "id"))


def conversation(events: Events) -> str | None:
    """The one that is at work alone; subagents work beside the one that waits for them.

    A person may have led into another one than we began.
    """
    states = fields(events["status"].data) if "status" in events else {}
    talks = [talk for talk in states if TALK.fullmatch(talk)]
    return OURS.sub(r"\1-\2-\3-\4-\5", talks[0]) if len(talks) == len(states) == 1 else None


def proof(events: Events, text: str, since: float) -> bool:
    said = _objects(events["messages"]) if "messages" in events else []
    return any(_is_prompt(one, text, since) for one in said)


def _is_prompt(message: Mapping[str, Any], text: str, since: float) -> bool:
    info = inner(message, "info")
    at = seconds(inner(info, "time"), "created", 1000.0)
    if word(info, "role") != "user" or at is None or at < since:
        return False
    return any(normal(word(part, "text")) == normal(text) for part in members(message, "parts"))
