"""opencode. Flags, API and screens as seen in 1.18.33 (docs/agents.md).

- Its API tells what it does. It listens on a port of its own, behind a password of this very
  session, which its tools inherit: a model that may run commands could approve its own requests.
- A conversation is imported before the start, empty: so its id is ours. Imported again it keeps
  all that was said, and goes on in the directory that is declared now.
- ``permission_mode``: ``ask``, ``allow`` or ``deny`` for commands, edits and fetches; anything
  else is an agent's name (``plan``). Without it opencode asks only outside of its directory.
- A resumed conversation stays with the model of its last turn, whatever is declared.
- Where no provider is configured, prompts go to a public service; only the screen tells.
- The prompts ``exit``, ``quit`` and ``:q`` end it.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from agentcave.agents import command, opencode_api, opencode_screen
from agentcave.agents.base import Before, Evidence, Launch, Start
from agentcave.agents.reading import for_glob, screen_claims
from agentcave.errors import CaveError
from agentcave.model.spec import StopKey
from agentcave.model.status import Activity, Claim

PROGRAM: tuple[str, ...] = ("opencode",)
INSTALL = "npm install -g opencode-ai"
SEEN: tuple[str, ...] = ("1.18.33",)
CONVERSES = True
NAMES = True
REPORTS = True
QUEUES = True
PROVES = True
COMMANDS: tuple[str, ...] = ("/",)
TYPES_PROMPT = True  # with ``--session`` it ignores ``--prompt``
SERVES = True
DRAWS = False
STOP_KEYS: tuple[StopKey, ...] = ()
STOP_SIGNAL = "TERM"  # ends with 0 within 1.5 s, also while busy, and keeps the conversation
EVENTS: tuple[str, ...] = ()
INPUT = opencode_screen.INPUT
DIALOG = opencode_screen.DIALOG
SCREEN = opencode_screen.SCREEN
UNRESUMABLE = r"Session not found[^\n]*"
DRAWN = "O(penCode|C [|] )"
"""What the title begins with from about a second before the input box is drawn."""
SETTLED = 60.0
"""Seconds of life after which a title is enough to believe that it is."""
ASKED = ("ask", "allow", "deny")
ASKABLE = ("bash", "edit", "webfetch")
UNNAMED = "New session - 1970-01-01T00:00:00.000Z"
"""A title that opencode takes for none, so that it finds one itself."""


def launch(start: Start) -> Launch:
    spec = start.spec
    program = (*(spec.command or PROGRAM),)
    argv = [*program, "--port", str(start.port), "--hostname", "127.0.0.1"]
    if spec.permission_mode is not None and spec.permission_mode not in ASKED:
        argv += ["--agent", spec.permission_mode]
    environment = {
        "AGENTCAVE_PORT": str(start.port),
        "OPENCODE_SERVER_PASSWORD": start.password,
        "OPENCODE_CONFIG_CONTENT": json.dumps(_config(start)),
    }
    before = None
    if start.conversation is not None:
        talk = opencode_api.talk_of(start.conversation)
        argv += ["--session", talk]
        environment["AGENTCAVE_CONVERSATION"] = talk
        before = Before((*program, "import", "/dev/stdin"), _empty(talk, start.workdir))
    files = {"briefing.md": start.briefing.encode()}
    return Launch((*argv, *spec.args), environment, files, before=before)


def _empty(talk: str, workdir: str) -> bytes:
    """What ``opencode export`` would print of a conversation that nobody has said a word in."""
    time = {"created": 0, "updated": 0}
    info = {"id": talk, "slug": "agentcave", "projectID": "global", "directory": workdir}
    about = {**info, "title": UNNAMED, "version": "1", "time": time}
    return json.dumps({"info": about, "messages": []}).encode()


def _config(start: Start) -> dict[str, Any]:
    """Over what the user's own environment says; opencode lays it over the user's files."""
    ours: dict[str, Any] = {"instructions": [f"{start.folder}/briefing.md"]}
    if start.spec.model is not None:
        ours["model"] = start.spec.model
    if start.spec.permission_mode in ASKED:
        ours["permission"] = dict.fromkeys(ASKABLE, start.spec.permission_mode)
    theirs = _theirs(start.environment.get("OPENCODE_CONFIG_CONTENT", ""))
    for name, value in theirs.items():
        if isinstance(value, list) and isinstance(ours.get(name), list):
            ours[name] = [*value, *ours[name]]
        elif isinstance(value, dict) and isinstance(ours.get(name), dict):
            ours[name] = {**value, **ours[name]}
        else:
            ours.setdefault(name, value)
    return ours


def _theirs(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise CaveError(
            "OPENCODE_CONFIG_CONTENT is no JSON object, so nothing can be added to it",
            "correct it, or unset it with `environment: {OPENCODE_CONFIG_CONTENT: null}`",
        )
    return said


def transcript(start: Start) -> str | None:
    """All conversations lie in one database."""
    env = start.environment
    data = env.get("XDG_DATA_HOME") or (f"{env['HOME']}/.local/share" if "HOME" in env else "")
    path = env.get("OPENCODE_DB") or (data and f"{data}/opencode/opencode.db")
    return for_glob(path) if path.startswith("/") else None


trust_file = command.trust_file  # it trusts every folder, and does not ask
with_trust = command.with_trust
live_file = command.live_file
asks = opencode_api.asks
conversation = opencode_api.conversation
proof = opencode_api.proof
draft = opencode_screen.draft
is_shown = opencode_screen.is_shown
keys = opencode_screen.keys


def claims(evidence: Evidence) -> Sequence[Claim]:
    """The API answers before there is an input box; then only the screen tells of that."""
    said = opencode_api.claim(evidence.api)
    settled = re.match(DRAWN, evidence.title) and evidence.now - evidence.born > SETTLED
    if said is not None and (settled or said.activity is not Activity.IDLE):
        return [said]
    silent = "its API does not answer" if said is None else "no input box yet"
    return screen_claims(evidence.rules, evidence.screen) or [
        Claim("process", Activity.STARTING, silent, "it has not drawn its input box")
    ]


def typed(text: str) -> str:
    """A blank at the end closes the list of what ``@word`` may mean; Enter would choose of it."""
    return f"{text} " if re.search(r"(^|\s)@\S*$", text) else text
