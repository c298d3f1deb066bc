"""Claude Code. Flags, files, hooks and screens as seen in 2.1.197 and 2.1.330 (docs/agents.md)."""

import json
import re
from collections.abc import Mapping, Sequence
from itertools import takewhile

from agentcave.agents import command
from agentcave.agents.base import Answer, Events, Evidence, Launch, Seen, Start, TrustFile
from agentcave.agents.hooks import hook
from agentcave.agents.jsontext import put
from agentcave.agents.reading import (
    Said,
    brief,
    chosen,
    fields,
    for_glob,
    members,
    normal,
    screen_claims,
    seconds,
    undimmed,
    word,
)
from agentcave.model.spec import ScreenRule, StopKey
from agentcave.model.status import Activity, Claim, Dialog

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
STOP_KEYS: tuple[StopKey, ...] = ()
STOP_SIGNAL = "TERM"  # exits 143 within 0.1 s, also while busy, and keeps the transcript
EVENTS: tuple[str, ...] = (
    "SessionStart",
    "UserPromptSubmit",
    "PermissionRequest",
    "Stop",
    "StopFailure",
)
PROMPT_BYTES = 4 << 20
"""Of a prompt, all is kept: that it was taken is proven by its text."""
INPUT = "^[❯!]\u00a0"  # in the history a prompt follows an ordinary space
DIALOG = "(Esc to cancel|Enter to confirm|[12][.] (Submit answers|Yes))"
asks = command.asks
UNRESUMABLE = r"No conversation found[^\n]*"
SCREEN: tuple[ScreenRule, ...] = (
    ScreenRule("question", r"Quick safety check", "trust this folder?", startup=True),
    ScreenRule("question", r"use this API key\?", "use this API key?", startup=True),
    ScreenRule(
        "question", r"running in Bypass Permissions mode", "accept the bypass mode?", startup=True
    ),
    ScreenRule("question", r"Select login method|Paste code here", "log in", startup=True),
    ScreenRule("question", r"Choose the text style", "first start: choose a theme", startup=True),
)
WAITING: Mapping[str, Activity] = {
    "permission prompt": Activity.APPROVAL,
    "worker request": Activity.APPROVAL,
    "sandbox request": Activity.APPROVAL,
}
LIVE: Mapping[str, Activity] = {
    "idle": Activity.IDLE,
    "busy": Activity.WORKING,
    "shell": Activity.WORKING,
}
REFUSALS = {
    "rate_limit": "rate or usage limit",
    "server_error": "the API is overloaded",
    "authentication_failed": "not logged in, or the key is not valid",
    "billing_error": "the account cannot pay",
}


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


def claims(evidence: Evidence) -> Sequence[Claim]:
    found = [*_live(evidence), *_hooks(evidence.events)]
    return [*found, *screen_claims(evidence.rules, evidence.screen)] or [
        Claim("process", Activity.STARTING, "no hook and no status file yet", "it has said nothing")
    ]


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
        activity = WAITING.get(waiting, Activity.QUESTION)
        kind: Said = "approval" if activity is Activity.APPROVAL else "question"
        return [Claim("live", activity, rule, waiting, at, dialog=Dialog(kind, waiting, f"{at}"))]
    if status not in LIVE:
        return []
    return [Claim("live", LIVE[status], rule, "", at)]


def _hooks(events: Events) -> list[Claim]:
    found = (_hook(name, seen) for name, seen in events.items())
    return [claim for claim in found if claim is not None]


def _hook(name: str, seen: Seen) -> Claim | None:
    said = fields(seen.data)
    rule = f"hook {name}"
    match name:
        case "SessionStart" if word(said, "source") != "compact":
            return Claim("hook", Activity.IDLE, rule, "", seen.at)
        case "UserPromptSubmit":
            return Claim("hook", Activity.WORKING, rule, "", seen.at)
        case "Stop":
            return Claim("hook", Activity.IDLE, rule, "", seen.at)
        case "StopFailure":
            return _failure(said, seen.at)
        case "PermissionRequest":
            return _request(said, seen.at)
        case _:
            return None


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
    tool, given = word(said, "tool_name"), said.get("tool_input")
    values = given if isinstance(given, dict) else {}
    if tool == "AskUserQuestion":
        dialog, activity = _question(values, f"{at:f}"), Activity.QUESTION
    else:
        what = next((text for text in values.values() if isinstance(text, str) and text), "")
        text = brief(": ".join(filter(None, (tool, what))))
        dialog, activity = Dialog("approval", text, f"{at:f}"), Activity.APPROVAL
    rule = f"hook PermissionRequest {tool}"
    refined = (Activity.APPROVAL, Activity.QUESTION)
    return Claim("hook", activity, rule, dialog.text, at, refines=refined, dialog=dialog)


def _question(values: Mapping[str, object], ident: str) -> Dialog:
    """One single choice can be answered from outside; several, or many at once, cannot."""
    asked = members(values, "questions")
    texts = [word(one, "question") for one in asked]
    options = [[word(option, "label") for option in members(one, "options")] for one in asked]
    shown = [f"{text} ({', '.join(labels)})" for text, labels in zip(texts, options, strict=True)]
    single = len(asked) == 1 and asked[0].get("multiSelect") is not True
    offered = tuple(options[0]) if single else None
    return Dialog("question", brief(" / ".join(shown)), ident, offered)


def conversation(events: Events) -> str | None:
    """``/clear`` and ``/resume`` lead into another one than we began."""
    seen = events.get("SessionStart")
    told = word(fields(seen.data), "session_id") if seen is not None else ""
    return told if UUID.fullmatch(told) else None


UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PASTED = re.compile(
    r'\n*<pasted_content id="(\w+)">\n(.*)\n</pasted_content id="\1">\n*', re.DOTALL
)


def proof(events: Events, text: str, since: float) -> bool:
    """Pastes of more than 3 lines or 800 characters come with a frame around them (2.1.330)."""
    seen = events.get("UserPromptSubmit")
    if seen is None or seen.at < since:
        return False
    said = word(fields(seen.data), "prompt")
    return normal(text) in (normal(said), normal(PASTED.sub(lambda framed: framed[2], said)))


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


def is_shown(dialog: Dialog, screen: str) -> bool:
    """A dialog is drawn a moment after it is asked for; the screen shows how that begins."""
    drawn = re.search(DIALOG, screen) is not None
    return drawn and "".join(_drawn(dialog).split())[:20] in "".join(screen.split())


def _drawn(dialog: Dialog) -> str:
    """Of what is asked, what the screen shows: no options behind a question, no whole paths."""
    if dialog.kind != "approval":
        return dialog.text.partition(" (")[0]
    asked = dialog.text.partition(": ")[2]
    return asked.rpartition("/")[2] if re.fullmatch(r"/\S+", asked) else asked


def keys(answer: Answer, dialog: Dialog, text: str) -> Sequence[StopKey] | None:
    """Digits act at once. Only Escape always denies: what ``3`` and ``4`` mean varies.

    To approve a plan is to choose another mode as well, so it is left to a person.
    """
    match answer, dialog.kind:
        case "approve", "approval" if not dialog.text.startswith("ExitPlanMode"):
            return (StopKey("1", literal=True),)
        case "deny", "approval" | "question":
            return (StopKey("Escape"),)
        case "answer", "question" if dialog.options is not None and len(dialog.options) < 9:
            return choice(dialog.options, text)
        case _:
            return None


def choice(options: tuple[str, ...], text: str) -> Sequence[StopKey]:
    """The number of an option; anything else goes into the line behind the last one."""
    if number := chosen(options, text):
        return (StopKey(str(number), literal=True),)
    free = StopKey(str(len(options) + 1), literal=True)
    return (free, StopKey(text, literal=True), StopKey("Enter"))
