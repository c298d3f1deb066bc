"""The agent that ships with agentcave: no account, no network (agentcave/demo_agent.py)."""

import sys
from collections.abc import Sequence

from agentcave.agents import command
from agentcave.agents.base import Answer, Events, Evidence, Launch, Start
from agentcave.agents.reading import fields, normal, word
from agentcave.model.spec import ScreenRule, StopKey
from agentcave.model.status import Activity, Claim, Dialog

# -P: the workspace may hold a folder called agentcave, ours even; it must not be imported.
PROGRAM: tuple[str, ...] = (sys.executable, "-P", "-m", "agentcave.demo_agent")
INSTALL = "it comes with agentcave: reinstall agentcave"
SEEN: tuple[str, ...] = ()
CONVERSES = False
NAMES = False
REPORTS = True
QUEUES = False
PROVES = True
COMMANDS: tuple[str, ...] = ()
TYPES_PROMPT = False
SERVES = False
DRAWS = False
STOP_KEYS: tuple[StopKey, ...] = ()
STOP_SIGNAL = "TERM"
EVENTS: tuple[str, ...] = ("status", "prompt")
SCREEN: tuple[ScreenRule, ...] = ()
INPUT = ""
DIALOG = ""
UNRESUMABLE = ""

transcript = command.transcript
trust_file = command.trust_file
with_trust = command.with_trust
live_file = command.live_file
asks = command.asks
conversation = command.conversation
typed = command.typed
draft = command.draft
is_shown = command.is_shown


def launch(start: Start) -> Launch:
    prompt = () if start.prompt is None else ("--", start.prompt)
    return Launch((*(start.spec.command or PROGRAM), *start.spec.args, *prompt))


def claims(evidence: Evidence) -> Sequence[Claim]:
    said = command.reported(evidence)
    return said or [Claim("process", Activity.STARTING, "it has not told anything yet")]


def proof(events: Events, text: str, since: float) -> bool:
    seen = events.get("prompt")
    if seen is None or seen.at < since:
        return False
    return normal(word(fields(seen.data), "prompt")) == normal(text)


def keys(answer: Answer, dialog: Dialog, text: str) -> Sequence[StopKey] | None:
    said = {"approve": "y", "deny": "n", "answer": text}[answer]
    return (StopKey(said, literal=True), StopKey("Enter"))
