"""Codex. Flags, hooks, titles and screens as seen in 0.169.0 (docs/agents.md).

- Everything is given per run, by ``-c``: hooks with the hash by which Codex trusts exactly them,
  the trust of the workspace, the title. Nothing is written into the user's own files.
- Hooks give the reason and the time, the title the present: no hook tells of an API error or of
  an approved command that runs, and none at all fires before the first prompt.
- A prompt that is entered while it works steers the running turn: the stream is cut, and the same
  turn goes on with it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from agentcave.agents import command
from agentcave.agents.base import Answer, Events, Evidence, Launch, Seen, Start
from agentcave.agents.hooks import hook
from agentcave.agents.reading import (
    brief,
    chosen,
    fields,
    for_glob,
    members,
    normal,
    screen_claims,
    undimmed,
    word,
)
from agentcave.model.hashing import sha256_hex
from agentcave.model.spec import ScreenRule, StopKey
from agentcave.model.status import Activity, Claim, Dialog

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
STOP_KEYS: tuple[StopKey, ...] = ()
STOP_SIGNAL = "TERM"  # ends within 0.1 s, also while busy, and keeps the conversation
EVENTS: tuple[str, ...] = (
    "SessionStart",
    "UserPromptSubmit",
    "PreToolUse",
    "PermissionRequest",
    "PostToolUse",
    "Stop",
    "Interrupt",
)
LIMITS = {"UserPromptSubmit": 4 << 20}
"""Bytes to keep of an event; of a prompt all, for that it was taken is proven by its text."""
HOOK_TIMEOUT = 3
"""Seconds; Codex allows no more for ``Interrupt``."""
TITLE = ("activity", "run-state", "project-name")
INPUT = ""  # the lines around the input box are the user's to configure
DIALOG = "^ +(Press enter to |.* [|] enter to submit|enter (confirm|continue) )"
asks = command.asks
UNRESUMABLE = r"No saved session found with ID [0-9a-f-]+"

MARK = "\u203a"
GATE = rf"(?![\s\S]*^{MARK} (?!\d[.] ))"
"""It stands where the input box will be: nothing that follows is marked but its own choices."""
LAST = rf"(?![\s\S]*^{MARK} [\s\S]*^{MARK} )"
"""Nothing was said since: what follows holds no prompt but the input box itself."""
FAILED = rf"^■ ((?:.+\n)*?.*(?:%s).*(?:\n.+)*){LAST}"
"""A message of an error: lines up to an empty one; Codex breaks them itself."""
SCREEN: tuple[ScreenRule, ...] = (
    ScreenRule("question", rf"^ +Welcome to Codex, OpenAI's{GATE}", "log in", startup=True),
    ScreenRule("question", rf"^ +Trust this folder\?{GATE}", "trust this folder?", startup=True),
    ScreenRule(
        "question",
        rf"^ +Hooks need review\n +(.+){GATE}",
        "review hooks",
        startup=True,
    ),
    ScreenRule(
        "question",
        rf"^ +Working directory · resume{GATE}",
        "go on in which directory?",
        startup=True,
    ),
    ScreenRule(
        "approval", r"^ +Would you like to run the following command\?[\s\S]*?^ +\$ (.+)", "Bash"
    ),
    ScreenRule(
        "approval",
        r"^ +Would you like to make the following edits\?[\s\S]*?^ +Destination: (.+)",
        "apply_patch",
    ),
    ScreenRule("approval", r"^ +(Would you like to .+\?)"),
    ScreenRule("question", r"^ +Question \d+/\d+ .*\n +(.+)"),
    ScreenRule("limited", FAILED % "429|usage limit|[Qq]uota", "rate or usage limit"),
    ScreenRule("limited", FAILED % "status 5[0-9][0-9]", "the API is overloaded"),
    ScreenRule(
        "limited",
        FAILED % "status 40[13]|Missing environment variable",
        "not logged in, or the key is not valid",
    ),
    ScreenRule(
        "idle",
        rf"^■ (?!Conversation interrupted)(.+(?:\n.+)*){LAST}",
        "the last turn failed",
    ),
)
ASKING = (Activity.APPROVAL, Activity.QUESTION)
TITLES: Sequence[tuple[str, Activity]] = (
    (r"\[ . \] Action Required\b", Activity.APPROVAL),
    (r"([\u2800-\u28ff] )?Starting \|", Activity.STARTING),
    (r"[\u2800-\u28ff] |(Working|Thinking|Waiting|Undoing) \|", Activity.WORKING),
    (r"Ready \|", Activity.IDLE),
)
"""Most dialogs of the start stand there before any of these, that of the hooks after ``Ready``."""
GRACE = 2.0
"""Seconds in which a title may lag behind a hook (measured: 0.6 s)."""


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
        shell = start.prompt.startswith("!")  # it would run as a command; `/` does not
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


def live_file(environment: Mapping[str, str], pid: int) -> str | None:
    return None


def claims(evidence: Evidence) -> Sequence[Claim]:
    """A hook that is contradicted by the title for longer than it may lag has been overtaken."""
    title = _title(evidence.title)
    hooks = _hooks(evidence.events, title)
    last = max(hooks, key=_time, default=None)
    if last is not None and title is not None and not _agree(last.activity, title):
        hooks = hooks if evidence.now - _time(last) <= GRACE else []
    hooks = [one if one is last else one._replace(reason="") for one in hooks]
    shown = _shown(evidence, title)
    told = [] if title is None or shown else [_told(evidence.title, title, hooks)]
    return [*hooks, *told, *shown] or [
        Claim("process", Activity.STARTING, "no hook and no title yet", "it has said nothing")
    ]


def _title(title: str) -> Activity | None:
    return next((meant for pattern, meant in TITLES if re.match(pattern, title)), None)


def _agree(one: Activity, other: Activity) -> bool:
    return one is other or (one in ASKING and other in ASKING)


def _shown(evidence: Evidence, title: Activity | None) -> list[Claim]:
    rules = [rule for rule in evidence.rules if _fits(rule, title, evidence.events)]
    lines = [line.rstrip() for line in (evidence.screen or "").splitlines()]
    return screen_claims(rules, "\n".join(lines))


def _fits(rule: ScreenRule, title: Activity | None, events: Events) -> bool:
    """The title says which kind of screen it can be: what scrolls there may look alike.

    A resumed conversation shows its old failures again.
    """
    if rule.startup or title is None:
        return title in (None, Activity.STARTING, Activity.IDLE)
    asks = rule.activity in ASKING
    if title in ASKING:
        return asks
    return title is Activity.IDLE and not asks and "UserPromptSubmit" in events


def _told(title: str, activity: Activity, hooks: Sequence[Claim]) -> Claim:
    """What is asked, the title does not say: a dialog without id cannot be answered."""
    asked = max((one for one in hooks if one.activity in ASKING), key=_time, default=None)
    rule = f"title {brief(title)!r}"
    if activity not in ASKING:
        return Claim("title", activity, rule)
    if asked is not None:
        return Claim("title", asked.activity, rule)
    return Claim("title", activity, rule, UNSAID, dialog=Dialog("approval", UNSAID))


UNSAID = "it does not say what"


def _time(claim: Claim) -> float:
    return claim.at or 0.0


def _hooks(events: Events, title: Activity | None) -> list[Claim]:
    found = (_hook_claim(name, seen, title) for name, seen in events.items())
    return [claim for claim in found if claim is not None]


def _hook_claim(name: str, seen: Seen, title: Activity | None) -> Claim | None:
    rule = f"hook {name}"
    match name:
        case "PermissionRequest":
            return _request(fields(seen.data), seen.at)
        case "PreToolUse" if title in ASKING:
            # of several tools at once, another one may begin while one waits for approval
            return _question(fields(seen.data), seen.at)
        case "SessionStart" | "UserPromptSubmit" | "PreToolUse" | "PostToolUse":
            return Claim("hook", Activity.WORKING, rule, "", seen.at)
        case "Stop":
            return Claim("hook", Activity.IDLE, rule, "", seen.at)
        case "Interrupt":
            return Claim("hook", Activity.IDLE, rule, "the last turn was interrupted", seen.at)
        case _:
            return None


def _request(said: Mapping[str, Any], at: float) -> Claim:
    tool, given = word(said, "tool_name"), said.get("tool_input")
    values = given if isinstance(given, dict) else {}
    what = word(values, "command") or word(values, "description")
    if changed := re.search(r"^\*\*\* (?:Add|Update|Delete) File: (.+)", what, re.MULTILINE):
        what = changed[1]
    text = brief(": ".join(filter(None, (tool, what))))
    dialog = Dialog("approval", text, f"{at:f}")
    return Claim("hook", Activity.APPROVAL, "hook PermissionRequest", text, at, dialog=dialog)


def _question(said: Mapping[str, Any], at: float) -> Claim | None:
    """One single choice can be answered from outside; several questions cannot."""
    given = said.get("tool_input")
    if word(said, "tool_name") != "request_user_input" or not isinstance(given, dict):
        return None
    asked = members(given, "questions")
    texts = [word(one, "question") for one in asked]
    options = [[word(option, "label") for option in members(one, "options")] for one in asked]
    shown = [f"{text} ({', '.join(labels)})" for text, labels in zip(texts, options, strict=True)]
    offered = tuple(options[0]) if len(asked) == 1 else None
    text = brief(" / ".join(shown))
    dialog = Dialog("question", text, f"{at:f}", offered)
    rule = "hook PreToolUse request_user_input"
    return Claim("hook", Activity.QUESTION, rule, text, at, dialog=dialog)


def conversation(events: Events) -> str | None:
    """``/new`` and ``/resume`` lead into another one. Anything but an id is not believed."""
    seen = [events[name] for name in ("SessionStart", "UserPromptSubmit") if name in events]
    last = max(seen, key=lambda one: one.at, default=None)
    said = word(fields(last.data), "session_id") if last is not None else ""
    return said if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", said) else None


def proof(events: Events, text: str, since: float) -> bool:
    seen = events.get("UserPromptSubmit")
    if seen is None or seen.at < since:
        return False
    return normal(word(fields(seen.data), "prompt")) == normal(text)


def typed(text: str) -> str:
    """Codex takes the blanks away again.

    The first keeps `/` and `!` from being commands, the last keeps Enter from completing `@name`.
    """
    return f" {text.strip()} "


def draft(screen: str) -> str | None:
    """The last marked line; below one of a dialog stands what to press. Placeholders are dim."""
    lines = screen.splitlines()
    marked = [at for at, line in enumerate(lines) if re.match(rf"{MARK} |!", _plain(line))]
    if not marked or any(re.search(DIALOG, _plain(line)) for line in lines[marked[-1] :]):
        return None
    return undimmed(lines[marked[-1]]).removeprefix(MARK).strip()


def _plain(line: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", line)


def is_shown(dialog: Dialog, screen: str) -> bool:
    """Of what is asked for, the screen shows the beginning."""
    if dialog.kind == "approval":
        asked = dialog.text.partition(": ")[2] or dialog.text
    else:
        asked = dialog.text.split(" (")[0]  # what follows are the options
    return "".join(asked.split())[:20] in "".join(screen.split())


def keys(answer: Answer, dialog: Dialog, text: str) -> Sequence[StopKey] | None:
    """Letters and digits act at once. A denial ends the turn, as it does by hand."""
    if not dialog.id:
        return None
    match answer, dialog.kind:
        case "approve", "approval":
            return (StopKey("y", literal=True),)
        case "deny", "approval" | "question":
            return (StopKey("Escape"),)
        case "answer", "question" if dialog.options is not None and len(dialog.options) < 10:
            return choice(dialog.options, text)
        case _:
            return None


def choice(options: tuple[str, ...], text: str) -> Sequence[StopKey]:
    """The number of an option; anything else is a note to the last one, "none of the above"."""
    if number := chosen(options, text):
        return (StopKey(str(number), literal=True),)
    down = [StopKey("Down")] * len(options)
    return (*down, StopKey("Tab"), StopKey(text, literal=True), StopKey("Enter"))
