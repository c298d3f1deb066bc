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
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from agentcave.agents import command
from agentcave.agents.base import Answer, Ask, Before, Events, Evidence, Launch, Seen, Start
from agentcave.agents.reading import (
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
from agentcave.errors import CaveError
from agentcave.model.spec import ScreenRule, StopKey
from agentcave.model.status import Activity, Claim, Dialog

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
STOP_KEYS: tuple[StopKey, ...] = ()
STOP_SIGNAL = "TERM"  # ends with 0 within 1.5 s, also while busy, and keeps the conversation
EVENTS: tuple[str, ...] = ()
INPUT = "^ *╹▀▀▀▀▀▀▀▀▀▀"
DIALOG = "^ *┃ +Allow once +Allow always|^ *┃ .*esc dismiss"
UNRESUMABLE = r"Session not found[^\n]*"
OPEN = r"(?![\s\S]*^ *╹▀{10})"
"""Where a dialog is open there is no input box below it."""
SCREEN: tuple[ScreenRule, ...] = (
    ScreenRule("approval", rf"^ *┃ +△ Permission required *.*\n *┃ +(.+?)(?: {{3,}}.*)?${OPEN}"),
    ScreenRule("question", rf"^ *┃ .*\besc dismiss\b{OPEN}", "it does not say what"),
    ScreenRule("limited", r"^ *╹▀{10}.*\n +[⬝■]+ +(.+ \[retrying .+?\])"),
    ScreenRule("working", r"^ *╹▀{10}.*\n +[⬝■]+ +.*esc (?:again to )?interrupt"),
    ScreenRule(
        "idle",
        r"^ *┃ .* OpenCode Zen\b.*\n *╹▀{10}",
        "no provider of yours: prompts go to OpenCode Zen",
    ),
    ScreenRule("idle", r"^ *╹▀{10}"),
)
DRAWN = "O(penCode|C [|] )"
"""What the title begins with from about a second before the input box is drawn."""
SETTLED = 60.0
"""Seconds of life after which a title is enough to believe that it is."""
PATHS = {"status": "/session/status", "permission": "/permission", "question": "/question"}
TALK = re.compile("ses_[0-9A-Za-z]+")
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
        talk = _talk(start.conversation)
        argv += ["--session", talk]
        environment["AGENTCAVE_CONVERSATION"] = talk
        before = Before((*program, "import", "/dev/stdin"), _empty(talk, start.workdir))
    files = {"briefing.md": start.briefing.encode()}
    return Launch((*argv, *spec.args), environment, files, before=before)


def _talk(conversation: str) -> str:
    """Ids of opencode begin with a word."""
    return conversation if TALK.fullmatch(conversation) else f"ses_{conversation.replace('-', '')}"


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


def claims(evidence: Evidence) -> Sequence[Claim]:
    """The API answers before there is an input box; then only the screen tells of that."""
    said = _api(evidence)
    settled = re.match(DRAWN, evidence.title) and evidence.now - evidence.born > SETTLED
    if said is not None and (settled or said.activity is not Activity.IDLE):
        return [said]
    silent = "its API does not answer" if said is None else "no input box yet"
    return screen_claims(evidence.rules, evidence.screen) or [
        Claim("process", Activity.STARTING, silent, "it has not drawn its input box")
    ]


def _api(evidence: Evidence) -> Claim | None:
    """Of any conversation: this server has one terminal, and subagents have their own ones."""
    if not set(PATHS) <= set(evidence.api):
        return None
    now = max(seen.at for seen in evidence.api.values())
    for found in _objects(evidence.api["permission"]):
        dialog = _permission(found)
        return Claim("live", Activity.APPROVAL, "GET /permission", dialog.text, now, dialog=dialog)
    for found in _objects(evidence.api["question"]):
        dialog = _question(found)
        return Claim("live", Activity.QUESTION, "GET /question", dialog.text, now, dialog=dialog)
    states = [one for one in fields(evidence.api["status"].data).values() if isinstance(one, dict)]
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
    given, patterns = found.get("metadata"), found.get("patterns")
    values = given if isinstance(given, dict) else {}
    listed = patterns if isinstance(patterns, list) else []
    what = word(values, "command") or word(values, "filepath") or " ".join(map(str, listed))
    text = brief(": ".join(filter(None, (word(found, "permission"), what))))
    return Dialog("approval", text, word(found, "id"))


def _question(found: Mapping[str, Any]) -> Dialog:
    """One single choice can be answered from outside; several, or many at once, cannot."""
    asked = members(found, "questions")
    texts = [word(one, "question") for one in asked]
    options = [[word(option, "label") for option in members(one, "options")] for one in asked]
    shown = [f"{text} ({', '.join(labels)})" for text, labels in zip(texts, options, strict=True)]
    single = len(asked) == 1 and asked[0].get("multiple") is not True
    return Dialog(
        "question",
        brief(" / ".join(shown)),
        word(found, "id"),
        tuple(options[0]) if single else None,
    )


def conversation(events: Events) -> str | None:
    """The one that is at work alone; subagents work beside the one that waits for them.

    A person may have led into another one than we began.
    """
    states = fields(events["status"].data) if "status" in events else {}
    talks = [talk for talk in states if TALK.fullmatch(talk)]
    return OURS.sub(r"\1-\2-\3-\4-\5", talks[0]) if len(talks) == len(states) == 1 else None


OURS = re.compile("ses_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})")
"""A ``uuid4`` as ``_talk`` wrote it; ids that opencode makes are shorter."""


def proof(events: Events, text: str, since: float) -> bool:
    said = _objects(events["messages"]) if "messages" in events else []
    return any(_is_prompt(one, text, since) for one in said)


def _is_prompt(message: Mapping[str, Any], text: str, since: float) -> bool:
    about = message.get("info")
    info = about if isinstance(about, dict) else {}
    time = info.get("time")
    at = seconds(time, "created", 1000.0) if isinstance(time, dict) else None
    if word(info, "role") != "user" or at is None or at < since:
        return False
    return any(normal(word(part, "text")) == normal(text) for part in members(message, "parts"))


def typed(text: str) -> str:
    """A blank at the end closes the list of what ``@word`` may mean; Enter would choose of it."""
    return f"{text} " if re.search(r"(^|\s)@\S*$", text) else text


def draft(screen: str) -> str | None:
    """The box ends above its lower edge; its last line names the model. Beside it are notes."""
    lines = [undimmed(line) for line in screen.splitlines()]
    edges = [at for at, line in enumerate(lines) if re.match(INPUT, line)]
    if not edges:
        return None
    width = len(lines[edges[-1]].partition("▀ ")[0]) + 1
    box: list[str] = []
    for line in reversed(lines[: edges[-1]]):
        if not line.lstrip().startswith("┃"):
            break
        box.insert(0, line[:width].lstrip().removeprefix("┃").strip())
    text = "\n".join(box[:-1]).strip()
    return "" if text.startswith(PLACEHOLDERS) else text


PLACEHOLDERS = ('Ask anything… "', 'Ask anything... "')


def is_shown(dialog: Dialog, screen: str) -> bool:
    """Of what is asked for, the screen shows the beginning; of files, often only the name."""
    drawn = re.search(DIALOG, screen, re.MULTILINE) is not None
    kind, _, what = dialog.text.partition(": ")
    asked = what if dialog.kind == "approval" else dialog.text.split(" (")[0]
    if kind == "edit":
        asked = asked.rpartition("/")[2]
    rows = re.findall(r"^ *┃ *(.*?)(?: {3,}.*)?$", screen, re.MULTILINE)
    return drawn and "".join(asked.split())[:20] in "".join("".join(rows).split())


def keys(answer: Answer, dialog: Dialog, text: str) -> Sequence[StopKey] | None:
    """Enter allows once, digits choose at once. A denial ends the turn, as it does by hand."""
    match answer, dialog.kind:
        case "approve", "approval":
            return (StopKey("Enter"),)
        case "deny", "approval" | "question":
            return (StopKey("Escape"),)
        case "answer", "question" if dialog.options is not None and len(dialog.options) < 9:
            return _choice(dialog.options, text)
        case _:
            return None


def _choice(options: tuple[str, ...], text: str) -> Sequence[StopKey]:
    """The number of an option; anything else goes into the line behind the last one."""
    if number := chosen(options, text):
        return (StopKey(str(number), literal=True),)
    free = StopKey(str(len(options) + 1), literal=True)
    return (free, StopKey(text, literal=True), StopKey("Enter"))
