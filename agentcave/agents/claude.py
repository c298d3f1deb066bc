"""Claude Code. Flags, files, hooks and screens as seen in 2.1.197 and 2.1.330 (docs/agents.md)."""

import json
import re
from collections.abc import Mapping
from itertools import takewhile

from agentcave.agents import claude_status, command, events
from agentcave.agents.base import Events, Launch, Start, TrustFile
from agentcave.agents.events import taken
from agentcave.agents.hooks import hook
from agentcave.agents.jsontext import put
from agentcave.agents.reading import for_glob, normal, undimmed
from agentcave.model.spec import StopKey

PROGRAM: tuple[str, ...] = ("claude",)
INSTALL = "npm install -g @anthropic-ai/claude-code"
SEEN: tuple[str, ...] = ("2.1.197", "2.1.330")
CONVERSES = True
NAMES = True
REPORTS = True
QUEUES = True
PROVES = True
COMMANDS: tuple[str, ...] = ("/", "!")
TYPES_PROMPT = False
SERVES = False
DRAWS = True
STOP_KEYS: tuple[StopKey, ...] = ()
STOP_SIGNAL = "TERM"  # exits 143 within 0.1 s, also while busy, and keeps the transcript
EVENTS: tuple[str, ...] = (*claude_status.TURNS, "PermissionRequest", "StopFailure")
PROMPT_BYTES = 4 << 20
"""Of a prompt, all is kept: that it was taken is proven by its text."""
INPUT = "^[❯!]\u00a0"  # in the history a prompt follows an ordinary space
UNRESUMABLE = r"No conversation found[^\n]*"
SCREEN = claude_status.SCREEN
DIALOG = claude_status.DIALOG

asks = command.asks
claims = claude_status.claims
conversation = events.conversation
is_shown = claude_status.is_shown
keys = claude_status.keys


def launch(start: Start) -> Launch:
    """The first prompt is positional: typed text can be lost in the first second after start."""
    spec = start.spec
    argv = [*(spec.command or PROGRAM)]
    if start.conversation is not None:
        argv += ["--resume" if start.resume else "--session-id", start.conversation]
    if spec.model is not None:
        argv += ["--model", spec.model]
    if spec.permission_mode is not None:
        argv += ["--permission-mode", spec.permission_mode]
    argv += ["--settings", f"{start.folder}/settings.json"]
    argv += ["--append-system-prompt-file", f"{start.folder}/briefing.md"]
    argv += spec.args
    if start.prompt is not None:
        argv += ["--", start.prompt]  # variadic flags would eat it without the dashes
    files = {"settings.json": _settings(), "briefing.md": start.briefing.encode()}
    return Launch(tuple(argv), files=files)


def _settings() -> bytes:
    """Hooks for this session alone; Claude adds those of the user's own files to them."""
    limits = {"UserPromptSubmit": PROMPT_BYTES}
    hooks = {
        name: [{"hooks": [{"type": "command", "command": hook(name, limits.get(name))}]}]
        for name in EVENTS
    }
    return json.dumps({"hooks": hooks}, indent=1).encode()


def transcript(start: Start) -> str | None:
    """``<config>/projects/<working directory, each non-alphanumeric a dash>/<id>.jsonl``."""
    config = _config(start.environment)
    if config is None or start.conversation is None:
        return None
    slug = re.sub(r"[^A-Za-z0-9]", "-", start.workdir)
    return f"{for_glob(config)}/projects/{slug}/{start.conversation}.jsonl"


def trust_file(environment: Mapping[str, str]) -> TrustFile | None:
    """``.claude.json`` lies beside ``.claude``, but inside of CLAUDE_CONFIG_DIR."""
    folder = environment.get("CLAUDE_CONFIG_DIR") or environment.get("HOME")
    path = f"{folder}/.claude.json"
    return TrustFile(path, f"{path}.lock") if folder else None


def with_trust(text: str, places: tuple[str, ...]) -> str | None:
    projects = json.loads(text).get("projects") if text.strip() else None
    known = projects if isinstance(projects, dict) else {}
    entries = [known.get(place) for place in places]
    if any(isinstance(one, dict) and one.get(ACCEPTED) is True for one in entries):
        return None
    return put(text, ("projects", places[0], ACCEPTED), True)


ACCEPTED = "hasTrustDialogAccepted"


def live_file(environment: Mapping[str, str], pid: int) -> str | None:
    config = _config(environment)
    return f"{config}/sessions/{pid}.json" if config else None


def _config(environment: Mapping[str, str]) -> str | None:
    if configured := environment.get("CLAUDE_CONFIG_DIR"):
        return configured
    return f"{environment['HOME']}/.claude" if "HOME" in environment else None


PASTED = re.compile(
    r'\n*<pasted_content id="(\w+)">\n(.*)\n</pasted_content id="\1">\n*', re.DOTALL
)


def proof(events: Events, text: str, since: float) -> bool:
    """Pastes of more than 3 lines or 800 characters come with a frame around them (2.1.330)."""
    said, wanted = taken(events, "UserPromptSubmit", since), normal(text)
    return said is not None and wanted in (said, normal(PASTED.sub(lambda one: one[2], said)))


def typed(text: str) -> str:
    """A backslash at the end would make Enter a line break."""
    return f"{text} " if text.endswith("\\") else text


def draft(screen: str) -> str | None:
    """The live input line has a no-break space behind its mark; placeholders are dim."""
    lines = list(map(undimmed, screen.splitlines()))
    live = [number for number, line in enumerate(lines) if line[:2] in LIVE_MARKS]
    if not live:
        return None
    box = takewhile(lambda line: not line.startswith("─"), lines[live[-1] :])
    return " ".join(" ".join(box)[2:].split())


LIVE_MARKS = ("❯\u00a0", "!\u00a0")
