"""What Gemini CLI shows: what its screens mean, its input box, its dialogs and their keys."""

import re
from collections.abc import Sequence

from agentcave.agents import dialogs
from agentcave.agents.base import Answer, Events, Seen
from agentcave.agents.dialogs import gate
from agentcave.agents.reading import brief, fields, inner, members, undimmed, word
from agentcave.model.hashing import sha256_hex
from agentcave.model.spec import ScreenRule, StopKey
from agentcave.model.status import Activity, Dialog

DIALOG = "^ ?│ +(● +[0-9]+[.] |> Enter your|Enter to s|[(]Press Enter to ).*│$"
MARK = "^ [>*!] "
"""In front of the input box, and of every prompt that was sent."""
SENT = re.compile(MARK, re.MULTILINE)
GATE = rf"(?![\s\S]*{MARK})"
"""The dialogs of a start stand where the input box will be."""
LAST = rf"(?![\s\S]*{MARK}[\s\S]*{MARK})"
"""Nothing was said since: what follows holds no prompt but the input box itself."""
NEWEST = r"(?![\s\S]*^│ (?:\? |Answer Q))"
"""Parts of older dialogs stay on the screen when the terminal gets another size."""
FAILURE = r"^✕ \[API Error: "
FAILED = rf"{FAILURE}{LAST}[\s\S]{{0,400}}?(?:%s)"
LOG_IN = "log in (kept only when done by gemini outside of agentcave)"
SCREEN: tuple[ScreenRule, ...] = (
    gate(rf"^ ?│ Do you trust the f(?:iles in this|ollowing) folder{GATE}", "trust this folder?"),
    gate(rf"^ ?│ \? Get started{GATE}", LOG_IN),
    gate(rf"^ ?│ Enter Gemini API Key{GATE}", LOG_IN),
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
    ScreenRule("idle", MARK),
)
BOX = SCREEN[-1]
"""The input box."""


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


EDGE = "[▀─]{8}"
ABOVE = r"[^\s▀]| ?[│╭]"
"""What stands above the box or in its place; the edges of old ones stay when a terminal shrinks."""
PLACEHOLDER = r"  (Type your |Press '(Esc|i)' for )"


def _asked(screen: str) -> str:
    """What the dialog on the screen asks: of a command the text itself, not what it is called."""
    lines = _frame(screen)
    if not lines:
        return ""
    if lines[0].startswith("Answer"):
        return next((line for line in lines[1:] if line and not line.startswith("←")), "")
    title = " ".join(lines[0].removeprefix("?").split())
    framed = [line.strip("│ ") for line in lines if line.startswith("│")]
    return f"Shell: {' '.join(framed)}" if title.startswith("Shell") and framed else title


def _frame(screen: str) -> list[str]:
    """The lines of the last dialog on the screen, from what it asks on, without their frame."""
    lines = screen.splitlines()
    heads = [at for at, line in enumerate(lines) if re.match(r"│ (\? |Answer Questions)", line)]
    last = lines[heads[-1] :] if heads else []
    return [line.strip()[1:].removesuffix("│").strip() for line in last if line.startswith("│")]


def dialog_on(screen: str, activity: Activity, events: Events) -> Dialog:
    """Its id is another one for the same question, asked again in the same turn or another."""
    begun, text = events.get("BeforeAgent"), _asked(screen)
    tools = len(re.findall(TOOL, SENT.split(screen)[-1]))
    ident = f"{begun.at if begun else 0:f}-{tools}-{sha256_hex(text.encode())[:12]}"
    if activity is Activity.APPROVAL:
        return Dialog("approval", brief(text), ident)
    question = _question(events.get("BeforeTool"), ident)
    known = question.text and is_shown(question, screen)
    return question if known else Dialog("question", brief(text), ident)


TOOL = r"(?m)^│ \S  "


def _question(tool: Seen | None, ident: str) -> Dialog:
    given = inner(fields(tool.data), "tool_input") if tool is not None else {}
    questions = [
        {**one, "options": YESNO} if word(one, "type") == "yesno" else one
        for one in members(given, "questions")
    ]
    return dialogs.question(questions, ident)


YESNO = [{"label": "Yes"}, {"label": "No"}]


def is_shown(dialog: Dialog, screen: str) -> bool:
    shown = _asked(screen)
    if dialog.kind == "approval":
        return brief(shown) == dialog.text
    return bool(shown) and dialogs.shows("\n".join(_frame(screen)), dialogs.asked(dialog))


def keys(answer: Answer, dialog: Dialog, text: str) -> Sequence[StopKey] | None:
    """The digit that denies varies; words of one's own need no digit where nothing is offered."""
    line = None if dialog.options else ()
    return dialogs.keys(answer, dialog, text, dialogs.digit(1), line)
