"""aider. Flags, files and screens as seen in 0.86.2 (docs/agents.md).

- Its terminal is the only interface: what it does, the screen tells, by its last lines. A first
  prompt is typed, for with ``--message`` it would end after the answer.
- A conversation is a file in the Working Context, so that it outlives the session; aider reads it
  again, and of a long one has a summary made. Files that were added to the chat are not restored.
- Its files are kept out of the repository, and with them the map of it, for that has a cache
  there: ``args: [--map-tokens, "1024"]`` turns it on again.
- ``permission_mode`` is a ``--chat-mode`` (ask, architect, code). It still commits what it edits.
- Declared read-only files hold what other agents are told by their system prompt.
"""

import re
from collections.abc import Mapping, Sequence

from agentcave.agents import command
from agentcave.agents.base import Answer, Events, Evidence, Launch, Start
from agentcave.agents.reading import for_glob, normal, screen_claims, undimmed
from agentcave.model.spec import ScreenRule, StopKey
from agentcave.model.status import Activity, Claim, Dialog

PROGRAM: tuple[str, ...] = ("aider",)
INSTALL = "python -m pip install aider-install && aider-install"
SEEN: tuple[str, ...] = ("0.86.2",)
CONVERSES = True
NAMES = True
REPORTS = True
QUEUES = False  # of a prompt typed meanwhile each line would become one
PROVES = True
COMMANDS: tuple[str, ...] = ("/", "!")
TYPES_PROMPT = True
SERVES = False
DRAWS = False
STOP_KEYS: tuple[StopKey, ...] = ()
STOP_SIGNAL = "TERM"  # ends with 143 at once, also while busy, and keeps the conversation
EVENTS: tuple[str, ...] = ()
UNRESUMABLE = ""
QUIET = (
    "--no-gitignore",
    "--no-check-update",
    "--no-show-release-notes",
    "--no-show-model-warnings",
    "--no-browser",
    "--no-analytics",
    "--map-tokens=0",
)

MARK = r"(?:[a-z][a-z-]*(?: multi)?)?>"
INPUT = "^([a-z][a-z-]*( multi)?)?>( |$)"
DIALOG = "[(]Y[)]es/[(]N[)]o.* .(Yes|No).. *$"
CHOICES = r" \(Y\)es/\(N\)o.*\[(?:Yes|No)\]:.*\Z"
"""It asks in the last line; in those above stands about what."""
OTHER = rf"(?:(?!{MARK}).*\n)"
ABOVE = rf"(?:─{{20,}}\n{OTHER}*|\A(?:(?:Readonly|Editable):.*\n{OTHER}{{0,5}})*)"
BOX = rf"{ABOVE}{MARK}.*(?:\n{MARK}.*)*\Z"
"""A rule, the files in the chat, and the input box; each of its lines has the mark.

A long text in it pushes the rule off the screen.
"""
ERROR = r"^.*?(litellm\.%s.*)\n(?:(?!─|Retrying in |" + MARK + r").*\n)*(?:─{20,}\n)*?" + BOX
"""The last of a turn; behind one that it tried again after comes another one, or an answer."""
LIMIT = "(?:RateLimitError|ServiceUnavailableError|InternalServerError)"
SCREEN: tuple[ScreenRule, ...] = (
    ScreenRule("question", rf"^(Login to OpenRouter .+\?){CHOICES}", "log in", startup=True),
    ScreenRule("question", rf"^(Add \.aider\* .+\?){CHOICES}", "", startup=True),
    ScreenRule("question", rf"^(.*git repo.*\?){CHOICES}", "", startup=True),
    ScreenRule("approval", rf"^(.*)\nRun shell command\?{CHOICES}", "shell"),
    ScreenRule("approval", rf"^(.*)\nCreate new file\?{CHOICES}", "new file"),
    ScreenRule("approval", rf"^(.*)\nAllow edits to file .+\?{CHOICES}", "edit"),
    ScreenRule("question", rf"^(.*\n.+\?){CHOICES}"),
    ScreenRule("limited", rf"(litellm\.{LIMIT}.*)\n(?:.*\n)?Retrying in .*(?:\n.*Waiting .*)?\Z"),
    ScreenRule("limited", ERROR % LIMIT, "the last turn failed"),
    ScreenRule("limited", ERROR % "AuthenticationError", "the last turn failed"),
    ScreenRule("idle", ERROR % "[A-Za-z]+Error", "the last turn failed"),
    ScreenRule("idle", BOX),
)


def launch(start: Start) -> Launch:
    """The last of two flags counts, so those of the file may say otherwise."""
    spec, context = start.spec, start.environment.get("AGENTCAVE_CONTEXT", ".cave")
    argv = [*(spec.command or PROGRAM), *QUIET]
    argv += ["--input-history-file", f"{start.folder}/input.history"]
    environment = {}
    if start.conversation is not None:
        environment["AGENTCAVE_CONVERSATION"] = start.conversation
        argv += ["--chat-history-file", _talk(context, spec.name, start.conversation)]
        argv += ["--restore-chat-history"] if start.resume else []
    argv += ["--read", f"{start.folder}/briefing.md"]
    argv += ["--read", f"{context}/background.md"]
    if spec.model is not None:
        argv += ["--model", spec.model]
    if spec.permission_mode is not None:
        argv += ["--chat-mode", spec.permission_mode]
    files = {"briefing.md": start.briefing.encode()}
    return Launch((*argv, *spec.args), environment, files)


def _talk(context: str, agent: str, conversation: str) -> str:
    return f"{context}/{agent}-{conversation}.md"


def transcript(start: Start) -> str | None:
    context = start.environment.get("AGENTCAVE_CONTEXT")
    if not context or start.conversation is None:
        return None
    plain = for_glob(context)
    return _talk(plain, start.spec.name, start.conversation)


trust_file = command.trust_file  # it trusts every folder, and does not ask
with_trust = command.with_trust
asks = command.asks


def live_file(environment: Mapping[str, str], pid: int) -> str | None:
    """The conversation: prompts are in it as soon as they are taken, answers when complete."""
    names = ("AGENTCAVE_CONTEXT", "AGENTCAVE_AGENT", "AGENTCAVE_CONVERSATION")
    known = [environment.get(name) for name in names]
    return _talk(*(one or "" for one in known)) if all(known) else None


def claims(evidence: Evidence) -> Sequence[Claim]:
    """Where the screen shows neither its input box nor a dialog, it works, or has yet to begin."""
    if evidence.screen is None:
        return [Claim("process", Activity.STARTING, "the screen was not looked at")]
    screen = "\n".join(line.rstrip() for line in evidence.screen.rstrip().splitlines())
    if found := screen_claims(evidence.rules, screen):
        return found
    prompted = re.search(rf"^─{{20,}}\n{OTHER}*{MARK} .", screen, re.MULTILINE)
    if prompted or evidence.now - evidence.born > BEGUN:
        return [Claim("screen", Activity.WORKING, "neither an input box nor a dialog")]
    return [Claim("process", Activity.STARTING, "no input box yet", "it has not asked for input")]


BEGUN = 60.0
"""Seconds of life after which it works when the screen does not say what it does."""


def conversation(events: Events) -> str | None:
    return None  # it is ours; what makes another one of it keeps the file


def proof(events: Events, text: str, since: float) -> bool:
    """Of a prompt, ``live_file`` holds each line behind ``####``; the same prompt twice, too."""
    seen = events.get("live")
    if seen is None or seen.at < since:
        return False
    said = re.findall(r"(?:^#### .*\n?)+", seen.data.decode("utf-8", "replace"), re.MULTILINE)
    taken = [re.sub("^#### ", "", one, flags=re.MULTILINE) for one in said[-LATEST:]]
    return any(_plain(one) == _plain(text) for one in taken)


LATEST = 5
"""An answer may have headings that look like prompts."""


def _plain(text: str) -> str:
    """It puts blanks at the ends of lines."""
    return "\n".join(line.rstrip() for line in normal(text).splitlines())


def typed(text: str) -> str:
    """A brace at the beginning could open a prompt of many lines, ended by another one."""
    return f" {text}" if text.startswith("{") else text


def draft(screen: str) -> str | None:
    """Behind the marks of the last lines, if they are an input box."""
    lines = [undimmed(line).rstrip() for line in screen.rstrip().splitlines()]
    box = re.search(BOX, "\n".join(lines).rstrip())
    if box is None:
        return None
    return "\n".join(re.findall(rf"^{MARK} ?(.*)", box[0], re.MULTILINE)).strip()


def is_shown(dialog: Dialog, screen: str) -> bool:
    return True  # what is known of it is what the screen shows


def keys(answer: Answer, dialog: Dialog, text: str) -> Sequence[StopKey] | None:
    """One letter and Enter, as one: behind a letter, the dialog looks like one answered before."""
    said = {"approve": "y", "deny": "n", "answer": text.strip().casefold()}[answer]
    letter = next((one for one in LETTERS if said and one.startswith(said)), None)
    return None if letter is None else (StopKey(f"{letter[0]}\r", literal=True),)


LETTERS = ("yes", "no", "don't ask again", "all", "skip all")
