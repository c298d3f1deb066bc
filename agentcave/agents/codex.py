"""Codex. Flags, hooks, titles and screens as seen in 0.169.0 (docs/agents.md).

- Everything is given per run, by ``-c``: hooks with the hash by which Codex trusts exactly them,
  the trust of the workspace, the title. Nothing is written into the user's own files.
- A prompt that is entered while it works steers the running turn: the stream is cut, and the same
  turn goes on with it.
"""

import json
import re
from collections.abc import Mapping

from agentcave.agents import codex_screen, codex_status, command, events
from agentcave.agents.base import Events, Launch, Start
from agentcave.agents.events import taken
from agentcave.agents.hooks import hook
from agentcave.agents.reading import for_glob, normal
from agentcave.model.hashing import sha256_hex
from agentcave.model.spec import StopKey

PROGRAM: tuple[str, ...] = ("codex",)
INSTALL = "npm install -g @openai/codex"
SEEN: tuple[str, ...] = ("0.169.0",)
CONVERSES = True
NAMES = False
REPORTS = True
QUEUES = True
PROVES = True
COMMANDS: tuple[str, ...] = ()  # a blank in front makes `/` and `!` part of a prompt
TYPES_PROMPT = False
SERVES = False
DRAWS = False
STOP_KEYS: tuple[StopKey, ...] = ()
STOP_SIGNAL = "TERM"  # ends within 0.1 s, also while busy, and keeps the conversation
EVENTS: tuple[str, ...] = (*codex_status.TURNS, "PermissionRequest")
LIMITS = {"UserPromptSubmit": 4 << 20}
"""Bytes to keep of an event; of a prompt all, for that it was taken is proven by its text."""
HOOK_TIMEOUT = 3
"""Seconds; Codex allows no more for ``Interrupt``."""
TITLE = ("activity", "run-state", "project-name")
INPUT = ""  # the lines around the input box are the user's to configure
SCREEN = codex_screen.SCREEN
DIALOG = codex_screen.DIALOG
UNRESUMABLE = r"No saved session found with ID [0-9a-f-]+"


def launch(start: Start) -> Launch:
    """Options may follow ``resume ID``; ``-C`` spares the question in which directory to go on."""
    spec = start.spec
    argv = [*(spec.command or PROGRAM)]
    if start.resume and start.conversation is not None:
        argv += ["resume", start.conversation, "-C", start.workdir]
    argv += ["--no-daemon"]
    for setting in _settings(start):
        argv += ["-c", setting]
    if spec.model is not None:
        argv += ["-m", spec.model]
    if spec.permission_mode is not None:
        argv += ["-a", spec.permission_mode]
    argv += spec.args
    if start.prompt is not None:
        # `!` would run it as a command; only of what is typed are blanks taken away again
        shell = start.prompt.startswith("!")
        argv += ["--", " " * shell + start.prompt]
    return Launch(tuple(argv), files={"briefing.md": start.briefing.encode()})


def _settings(start: Start) -> list[str]:
    """Tables are given whole: Codex cuts the left side at its dots, quoted or not."""
    found = ["features.daemon_auto_start=false", "check_for_update_on_startup=false"]
    found.append(f"tui.terminal_title=[{', '.join(map(_toml, TITLE))}]")
    if start.spec.trust_workspace:
        found.append(f'projects={{{_toml(start.workdir)}={{trust_level="trusted"}}}}')
    commands = {event: _command(event) for event in EVENTS}
    found += [f"hooks.{event}=[{{hooks=[{_hook(line)}]}}]" for event, line in commands.items()]
    trusted = ",".join(_trust(event, line) for event, line in commands.items())
    return [*found, f"hooks.state={{{trusted}}}"]


def _command(event: str) -> str:
    """Codex runs it by the user's own shell, whichever that is."""
    told = "briefing.md" if event == "SessionStart" else ""
    return f"/bin/sh -c '{hook(event, LIMITS.get(event), told)}'"


def _hook(line: str) -> str:
    return f'{{type="command",command={_toml(line)},timeout={HOOK_TIMEOUT}}}'


def _trust(event: str, line: str) -> str:
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", event).lower()
    one = {"async": False, "command": line, "timeout": HOOK_TIMEOUT, "type": "command"}
    key = _toml(f"/<session-flags>/config.toml:{snake}:0:0")
    return f'{key}={{trusted_hash="sha256:{reviewed_hash(snake, one)}"}}'


def reviewed_hash(event: str, one: Mapping[str, object]) -> str:
    """What Codex writes for a hook that a person has reviewed; ``timeout`` is 600 if not given."""
    reviewed = {"event_name": event, "hooks": [one]}
    text = json.dumps(reviewed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256_hex(text.encode())


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def transcript(start: Start) -> str | None:
    """It appears with the first prompt; without it ``resume`` fails."""
    home = start.environment.get("CODEX_HOME")
    if not home and "HOME" in start.environment:
        home = f"{start.environment['HOME']}/.codex"
    if not home or start.conversation is None:
        return None
    return f"{for_glob(home)}/sessions/*/*/*/rollout-*-{start.conversation}.jsonl"


trust_file = command.trust_file  # trust is given with the launch
with_trust = command.with_trust
live_file = command.live_file
asks = command.asks
claims = codex_status.claims
conversation = events.conversation
draft = codex_screen.draft
is_shown = codex_screen.is_shown
keys = codex_screen.keys


def proof(events: Events, text: str, since: float) -> bool:
    return taken(events, "UserPromptSubmit", since) == normal(text)


def typed(text: str) -> str:
    """Codex takes the blanks away again.

    The first keeps `/` and `!` from being commands, the last keeps Enter from completing `@name`.
    """
    return f" {text.strip()} "
