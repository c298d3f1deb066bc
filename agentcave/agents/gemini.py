"""Gemini CLI. Flags, hooks, titles and screens as seen in 0.61.0 (docs/agents.md).

- It takes settings from files of the user's home and the workspace alone, so each session gets an
  overlay of ``~/.gemini``. One of its settings is vital: a start without
  ``general.sessionRetention.enabled=false`` deletes conversations that were resumed before.
- The title shows the present, a second late at most, but not since when, and ``Ready`` in front
  of the dialogs of a start. Hooks give time and reason; a denial fires none.
- A request that is refused with 429 or 5xx is tried again for ever, and nothing shows it but the
  dialog for an exhausted quota: all else of it stays ``working``.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from agentcave.agents import command
from agentcave.agents.base import Answer, Events, Evidence, Launch, Overlay, Seen, Start
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
STOP_KEYS: tuple[StopKey, ...] = ()
STOP_SIGNAL = "TERM"  # ends with 0 within 0.3 s, also while busy, and keeps the conversation
HOOKS: tuple[str, ...] = (
    "SessionStart",
    "BeforeAgent",
    "BeforeTool",
    "Notification",
    "AfterAgent",
)
FIRST = "FirstPrompt"
"""An event of our own: the start has a prompt, which a prompt that is typed would overtake."""
EVENTS: tuple[str, ...] = (*HOOKS, FIRST)
PROMPT_BYTES = 4 << 20
"""Of a prompt, all is kept: that it was taken is proven by its text."""
LIMITS = {"BeforeAgent": PROMPT_BYTES, "AfterAgent": PROMPT_BYTES}
HOOK_TIMEOUT = 5000
"""Milliseconds; the agent waits for its hooks."""
INPUT = ""  # prompts that were sent look like the box that they were typed into
DIALOG = "^ ?│ +(● +[0-9]+[.] |> Enter your|Enter to s|[(]Press Enter to ).*│$"
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

GATE = r"(?![\s\S]*^ [>*!] )"
"""The dialogs of a start stand where the input box will be."""
LAST = r"(?![\s\S]*^ [>*!] [\s\S]*^ [>*!] )"
"""Nothing was said since: what follows holds no prompt but the input box itself."""
NEWEST = r"(?![\s\S]*^│ (?:\? |Answer Q))"
"""Parts of older dialogs stay on the screen when the terminal gets another size."""
FAILED = rf"^✕ \[API Error: {LAST}[\s\S]{{0,400}}?(?:%s)"
LOG_IN = "log in (kept only when done by gemini outside of agentcave)"
SCREEN: tuple[ScreenRule, ...] = (
    ScreenRule(
        "question",
        rf"^ ?│ Do you trust the f(?:iles in this|ollowing) folder{GATE}",
        "trust this folder?",
        startup=True,
    ),
    ScreenRule("question", rf"^ ?│ \? Get started{GATE}", LOG_IN, startup=True),
    ScreenRule("question", rf"^ ?│ Enter Gemini API Key{GATE}", LOG_IN, startup=True),
    ScreenRule("limited", rf"^ ?│ (Usage limit reached.*?) *│?${GATE}"),
    ScreenRule("approval", rf"^│ \? {NEWEST} *(\S.*?) *│?$(?=[\s\S]*^│ +● +\d[.] )"),
    ScreenRule("question", rf"^│ Answer Q{NEWEST}.*\n(?:│ *│?\n|│ ←.*\n)*│ (.+?) *│?$"),
    ScreenRule(
        "limited",
        FAILED % r'"code":429|RESOURCE_EXHAUSTED|exhausted your|[Qq]uota',
        "rate or usage limit",
    ),
    ScreenRule("limited", FAILED % r'"code":5\d\d', "the API is overloaded"),
    ScreenRule(
        "limited",
        FAILED % r'"code":40[13]|API_KEY_INVALID|API key not valid',
        "not logged in, or the key is not valid",
    ),
    ScreenRule("idle", FAILED % r".", "the last turn failed"),
    ScreenRule("idle", r"^ [>*!] "),
)
BOX = SCREEN[-1]
"""The input box."""
ASKING = (Activity.APPROVAL, Activity.QUESTION)
TITLES: Sequence[tuple[str, Activity]] = (
    ("◇", Activity.IDLE),
    ("✦", Activity.WORKING),
    ("⏲", Activity.WORKING),
    ("✋", Activity.APPROVAL),
)
GRACE = 2.0
"""Seconds in which a title may lag behind a hook."""
UNSEEN = 5.0
"""Seconds of work after which the screen is looked at: no hook tells of an exhausted quota."""
REDRAWN = 3.0
"""Seconds after which the box of a resumed start is the last one (seen: 0.1, then it goes)."""
HOOKLESS = 20.0
"""Seconds after which a start is over, whether or not a hook has told of it."""
SILENT_END = "[no response text]"


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


def claims(evidence: Evidence) -> Sequence[Claim]:
    title = _title(evidence)
    if _asks(title, evidence.events):
        return _asking(evidence)
    hooks, shown = _trusted(evidence, title), _shown(evidence, title)
    if shown:
        found = [*(one for one in hooks if one.at is not None), *shown]
    else:
        found = [*hooks, *_told(evidence, title)]
    return found or [
        Claim("process", Activity.STARTING, "no input box and no prompt yet", "it is not ready yet")
    ]


def _title(evidence: Evidence) -> Activity | None:
    """Until a hook has fired, it may be what the program before has left on the terminal."""
    if not set(HOOKS) & set(evidence.events) and not _is_hookless(evidence):
        return None
    return next((meant for mark, meant in TITLES if evidence.title.startswith(mark)), None)


def _is_hookless(evidence: Evidence) -> bool:
    """In a folder that is not trusted no hook fires."""
    return evidence.now - evidence.born > HOOKLESS


def _asks(title: Activity | None, events: Events) -> bool:
    newest = max(events, key=lambda name: events[name].at, default="")
    return title is Activity.APPROVAL or (title is None and newest == "Notification")


def _trusted(evidence: Evidence, title: Activity | None) -> list[Claim]:
    """What hooks say, unless the title says otherwise for longer than it may lag behind them."""
    hooks = _hooks(evidence.events)
    last = max(hooks, key=_time, default=None)
    if last is None or _overtaken(last, title, evidence.now):
        return []
    return _failed(evidence.events, last, title) or hooks


def _overtaken(last: Claim, title: Activity | None, now: float) -> bool:
    """Whether the title, and the screen, know better by now than the last hook."""
    age = now - _time(last)
    if title is last.activity:
        return title is Activity.WORKING and age > UNSEEN
    return title is not None and age > GRACE


def _hooks(events: Events) -> list[Claim]:
    """``SessionStart`` claims nothing: it fires behind the dialog for logging in."""
    found = []
    if seen := events.get("BeforeAgent"):
        found.append(Claim("hook", Activity.WORKING, "hook BeforeAgent", "", seen.at))
    if seen := events.get("AfterAgent"):
        found.append(Claim("hook", Activity.IDLE, "hook AfterAgent", "", seen.at))
    return found


def _asking(evidence: Evidence) -> list[Claim]:
    """What is asked only the screen knows: of several tools at once, all are told of at first."""
    rule = f"title {brief(evidence.title)!r}"
    told = Claim("title", Activity.APPROVAL, rule, UNSAID, dialog=Dialog("approval", UNSAID))
    shown = _shown(evidence, Activity.APPROVAL)
    if not shown:
        return [told]
    dialog = _dialog(shown[0].activity, evidence)
    at = max((seen.at for seen in evidence.events.values()), default=None)
    return [shown[0]._replace(reason=dialog.text, dialog=dialog, at=at)]


UNSAID = "it does not say what"


def _dialog(activity: Activity, evidence: Evidence) -> Dialog:
    """Its id is another one for the same question, asked again in the same turn or another."""
    screen = evidence.screen or ""
    begun = evidence.events.get("BeforeAgent")
    tools = len(re.findall(TOOL, re.split(SENT, screen)[-1]))
    text = _asked(screen)
    ident = f"{begun.at if begun else 0:f}-{tools}-{sha256_hex(text.encode())[:12]}"
    if activity is Activity.APPROVAL:
        return Dialog("approval", brief(text), ident)
    question = _question(evidence.events.get("BeforeTool"), ident)
    return question if is_shown(question, screen) else Dialog("question", brief(text), ident)


SENT = r"(?m)^ [>*!] "
TOOL = r"(?m)^│ \S  "


def _asked(screen: str) -> str:
    """What the dialog on the screen asks: of a command the text itself, not what it is called."""
    lines = _frame(screen)
    if not lines:
        return ""
    if lines[0].startswith("Answer"):
        return next((line for line in lines[1:] if line and not line.startswith("←")), "")
    title = " ".join(lines[0].removeprefix("?").split())
    inner = [line.strip("│ ") for line in lines if line.startswith("│")]
    return f"Shell: {' '.join(inner)}" if title.startswith("Shell") and inner else title


def _frame(screen: str) -> list[str]:
    """The lines of the last dialog on the screen, from what it asks on, without their frame."""
    lines = screen.splitlines()
    heads = [at for at, line in enumerate(lines) if re.match(r"│ (\? |Answer Questions)", line)]
    last = lines[heads[-1] :] if heads else []
    return [line.strip()[1:].removesuffix("│").strip() for line in last if line.startswith("│")]


def _question(tool: Seen | None, ident: str) -> Dialog:
    """One question with a single answer can be answered from outside; several cannot."""
    given = fields(tool.data).get("tool_input") if tool is not None else None
    asked = members(given, "questions") if isinstance(given, dict) else []
    texts = [word(one, "question") for one in asked]
    options = [_options(one) for one in asked]
    shown = [
        f"{text} ({', '.join(labels)})" if labels else text
        for text, labels in zip(texts, options, strict=True)
    ]
    single = len(asked) == 1 and asked[0].get("multiSelect") is not True
    return Dialog(
        "question", brief(" / ".join(shown)) or UNSAID, ident, options[0] if single else None
    )


def _options(asked: Mapping[str, Any]) -> tuple[str, ...]:
    if word(asked, "type") == "yesno":
        return ("Yes", "No")
    return tuple(word(option, "label") for option in members(asked, "options"))


def _failed(events: Events, last: Claim, title: Activity | None) -> list[Claim]:
    """A turn that ended without an answer. Why, only the screen tells: hence no time."""
    if not (last.activity is title is Activity.IDLE):
        return []
    if word(fields(events["AfterAgent"].data), "prompt_response") != SILENT_END:
        return []
    return [last._replace(at=None, reason="the last turn ended without an answer")]


def _shown(evidence: Evidence, title: Activity | None) -> list[Claim]:
    rules = [rule for rule in evidence.rules if _fits(rule, title, evidence)]
    lines = [line.rstrip() for line in (evidence.screen or "").splitlines()]
    return screen_claims(rules, "\n".join(lines))


def _fits(rule: ScreenRule, title: Activity | None, evidence: Evidence) -> bool:
    """The title says which kind of screen it can be: what scrolls there may look alike.

    A resumed conversation shows its old failures again.
    """
    begun, ready = "BeforeAgent" in evidence.events, title in (None, Activity.IDLE)
    if rule is BOX:
        return ready and not begun and _is_open(evidence)
    if rule.startup:
        return ready and not begun
    if rule.activity in ASKING:
        return title in ASKING
    if rule.match.startswith("^✕"):
        return begun and title is Activity.IDLE
    return title is Activity.WORKING


def _is_open(evidence: Evidence) -> bool:
    """Whether the input box is there to stay.

    It is shown for a moment, and thrown away with what stands in it, before ``SessionStart``, and
    once more until a conversation to go on with is drawn. A first prompt comes only after that.
    """
    screen, seen = evidence.screen or "", evidence.events.get("SessionStart")
    if draft(screen) is None:
        return False
    if seen is None or FIRST in evidence.events:
        return _is_hookless(evidence)
    drawn = len(re.findall(SENT, screen)) > 1
    fresh = word(fields(seen.data), "source") != "resume"
    return fresh or drawn or evidence.now - seen.at > REDRAWN


def _told(evidence: Evidence, title: Activity | None) -> list[Claim]:
    """Before the first prompt, ``Ready`` says nothing."""
    if title is None or (title is Activity.IDLE and "BeforeAgent" not in evidence.events):
        return []
    return [Claim("title", title, f"title {brief(evidence.title)!r}")]


def _time(claim: Claim) -> float:
    return claim.at or 0.0


def conversation(events: Events) -> str | None:
    """``/clear`` and ``/resume`` lead into another one. Anything but an id is not believed."""
    seen = [events[name] for name in ("SessionStart", "BeforeAgent") if name in events]
    last = max(seen, key=lambda one: one.at, default=None)
    said = word(fields(last.data), "session_id") if last is not None else ""
    return said if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", said) else None


def proof(events: Events, text: str, since: float) -> bool:
    """``@name`` may have become the path of a file, whose content then stands at the end."""
    seen = events.get("BeforeAgent")
    if seen is None or seen.at < since:
        return False
    said, wanted = normal(word(fields(seen.data), "prompt")), normal(text)
    return said == wanted or ("@" in wanted and _resolved(said, wanted))


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


def draft(screen: str) -> str | None:
    """Between the last line with a mark and the lower edge of the box, if that is the end of it.

    Behind prompts that were sent follows what was said to them, at the beginning of a line.
    """
    lines = [undimmed(line).rstrip() for line in screen.splitlines()]
    marked = [at for at, line in enumerate(lines) if re.match(MARK, f"{line} ")]
    if not marked:
        return None
    box = lines[marked[-1] :]
    edge = next((at for at, line in enumerate(box) if re.match(EDGE, line)), None)
    if edge is None or any(re.match(ABOVE, line) for line in box[edge + 1 :]):
        return None
    text = "\n".join(line[3:] for line in box[:edge])
    return "" if re.match(PLACEHOLDER, text) else text.strip()


MARK = " [>*!] "
EDGE = "[▀─]{8}"
ABOVE = r"[^\s▀]| ?[│╭]"
"""What stands above the box or in its place; the edges of old ones stay when a terminal shrinks."""
PLACEHOLDER = r"  (Type your |Press '(Esc|i)' for )"


def is_shown(dialog: Dialog, screen: str) -> bool:
    """Of what is asked for, the screen shows the beginning."""
    shown = _asked(screen)
    if dialog.kind == "approval":
        return brief(shown) == dialog.text
    asked = re.split(r" \(| / ", dialog.text)[0]  # options and further questions follow
    plain = "".join("".join(_frame(screen)).split())
    return bool(shown) and "".join(asked.split())[:20] in plain


def keys(answer: Answer, dialog: Dialog, text: str) -> Sequence[StopKey] | None:
    """Digits act at once. Only Escape always denies, and ends the turn: its digit varies."""
    if not dialog.id:
        return None
    match answer, dialog.kind:
        case "approve", "approval":
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
    free = (StopKey(str(len(options) + 1), literal=True),) if options else ()
    return (*free, StopKey(text, literal=True), StopKey("Enter"))
