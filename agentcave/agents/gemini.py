"""Gemini CLI. Flags, hooks, titles and screens as seen in 0.61.0 (docs/agents.md).

- It takes settings from files of the user's home and the workspace alone, so each session gets an
  overlay of ``~/.gemini``. One of its settings is vital: a start without
  ``general.sessionRetention.enabled=false`` deletes conversations that were resumed before.
"""

import re
from collections.abc import Mapping
from typing import Any

from agentcave.agents import command, events, gemini_screen, gemini_status
from agentcave.agents.base import Events, Launch, Overlay, Start
from agentcave.agents.events import taken
from agentcave.agents.gemini_status import FIRST, HOOKS
from agentcave.agents.hooks import hook
from agentcave.agents.reading import for_glob, normal
from agentcave.model.spec import StopKey

PROGRAM: tuple[str, ...] = ("gemini",)
INSTALL = "npm install -g @google/gemini-cli"
SEEN: tuple[str, ...] = ("0.61.0",)
CONVERSES = True
NAMES = True
REPORTS = True
QUEUES = False  # it does, but makes one prompt of all that wait: none is proven to be taken whole
PROVES = True
COMMANDS: tuple[str, ...] = ("/",)
TYPES_PROMPT = False
SERVES = False
DRAWS = False
STOP_KEYS: tuple[StopKey, ...] = ()
STOP_SIGNAL = "TERM"  # ends with 0 within 0.3 s, also while busy, and keeps the conversation
EVENTS: tuple[str, ...] = (*HOOKS, FIRST)
PROMPT_BYTES = 4 << 20
"""Of a prompt, all is kept: that it was taken is proven by its text."""
LIMITS = {"BeforeAgent": PROMPT_BYTES, "AfterAgent": PROMPT_BYTES}
HOOK_TIMEOUT = 5000
"""Milliseconds; the agent waits for its hooks."""
SCREEN = gemini_screen.SCREEN
DIALOG = gemini_screen.DIALOG
INPUT = ""  # prompts that were sent look like the box that they were typed into
UNRESUMABLE = r"Error (?:resuming|starting) session: [^\n]*"

BRIEFING = ".agentcave-briefing.md"
KEPT_FOLDERS = ("tmp", "history", "policies")
KEPT_FILES = (
    "GEMINI.md",
    "gemini-credentials.json",
    "google_accounts.json",
    "installation_id",
    "oauth_creds.json",
    "state.json",
    "trusted_hooks.json",
)
"""Written in place by the agent, as against what it replaces by rename: ``projects.json``."""


def launch(start: Start) -> Launch:
    """``-i`` would take a prompt that begins with a dash for a flag."""
    spec = start.spec
    argv = [*(spec.command or PROGRAM)]
    if spec.trust_workspace:
        argv += ["--skip-trust"]  # for this session alone
    if start.conversation is not None:
        argv += ["--resume" if start.resume else "--session-id", start.conversation]
    if spec.model is not None:
        argv += ["--model", spec.model]
    if spec.permission_mode is not None:
        argv += ["--approval-mode", spec.permission_mode]
    argv += spec.args
    if start.prompt is not None:
        argv += [f"--prompt-interactive={start.prompt}"]
    return _over_home(tuple(argv), start)


def _over_home(argv: tuple[str, ...], start: Start) -> Launch:
    """One process instead of a pair, of which the parent ignores signals; and an own home."""
    environment = {"GEMINI_CLI_NO_RELAUNCH": "1"}
    home = _home(start)
    if home is None:
        return Launch(argv, environment)
    own, source = "home/.gemini", f"{home}/.gemini"
    environment["GEMINI_CLI_HOME"] = f"{start.folder}/home"
    trust = "GEMINI_CLI_TRUSTED_FOLDERS_PATH"  # replaced by rename, so a link would not hold
    environment[trust] = start.environment.get(trust) or f"{source}/trustedFolders.json"
    overlays = (
        Overlay("home", home, only=(".agents", ".env")),
        Overlay(own, source, "settings.json", _settings(), DEFAULTS, KEPT_FOLDERS, KEPT_FILES),
    )
    files = {f"{own}/{BRIEFING}": start.briefing.encode()}
    if start.prompt is not None:
        files[f"{FIRST}.event"] = b""
    return Launch(argv, environment, files, overlays)


def _home(start: Start) -> str | None:
    home = start.environment.get("GEMINI_CLI_HOME") or start.environment.get("HOME")
    return f"{start.workdir}/{home}" if home and not home.startswith("/") else home or None


DEFAULTS: Mapping[str, Any] = {"context": {"fileName": ["GEMINI.md"]}}
"""What holds where the user's own file says nothing, but no more once a list is appended to."""


def _settings() -> dict[str, Any]:
    """An update in the background would be ended half done, with the session."""
    return {
        "general": {"sessionRetention": {"enabled": False}, "enableAutoUpdate": False},
        "ui": {"hideWindowTitle": False, "dynamicWindowTitle": True},
        "context": {"fileName": [".cave/background.md", BRIEFING]},
        "hooks": {event: [_hook(event)] for event in HOOKS},
    }


def _hook(event: str) -> dict[str, Any]:
    """Of tools, only the question is told of: the agent waits for every hook."""
    line = hook(event, LIMITS.get(event))
    one = {"type": "command", "name": "agentcave", "command": line, "timeout": HOOK_TIMEOUT}
    matcher = {"matcher": "^ask_user$"} if event == "BeforeTool" else {}
    return {**matcher, "hooks": [one]}


def transcript(start: Start) -> str | None:
    """``.gemini/tmp/<project>/chats/session-<time>-<first 8 of the id>.jsonl``.

    What the folder of a project is called, only a file of the agent's own tells.
    """
    home = _home(start)
    if home is None or start.conversation is None:
        return None
    plain = for_glob(home)
    return f"{plain}/.gemini/tmp/*/chats/session-*-{start.conversation[:8]}.jsonl"


trust_file = command.trust_file  # trust is given with the launch
with_trust = command.with_trust
live_file = command.live_file
asks = command.asks
claims = gemini_status.claims
conversation = events.conversation
draft = gemini_screen.draft
is_shown = gemini_screen.is_shown
keys = gemini_screen.keys


def proof(events: Events, text: str, since: float) -> bool:
    """``@name`` may have become the path of a file, whose content then stands at the end."""
    said, wanted = taken(events, "BeforeAgent", since), normal(text)
    return said == wanted or (said is not None and "@" in wanted and _resolved(said, wanted))


def _resolved(said: str, wanted: str) -> bool:
    """Whether it is the same around each ``@``, as far as names that became longer let it be."""
    first, *others = re.split(r"@\S*", wanted)
    position = len(first) if said.startswith(first) else len(said)
    for part in others:
        found = said.find(part, position + 1)
        if said[position : position + 1] != "@" or found < 0:
            return False
        position = found + len(part)
    return True


def typed(text: str) -> str:
    """A blank at the end, which is taken away again.

    Enter would complete an ``@name`` there, or break the line behind a backslash.
    """
    return f"{text.rstrip()} "
