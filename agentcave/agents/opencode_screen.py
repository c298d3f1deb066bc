"""The screens of opencode: what they mean, what stands in its input box, and what its keys do."""

import re
from collections.abc import Sequence

from agentcave.agents import dialogs
from agentcave.agents.base import Answer
from agentcave.agents.reading import undimmed
from agentcave.model.spec import ScreenRule, StopKey
from agentcave.model.status import Dialog

INPUT = "^ *╹▀▀▀▀▀▀▀▀▀▀"
DIALOG = "^ *┃ +Allow once +Allow always|^ *┃ .*esc dismiss"
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
PLACEHOLDERS = ('Ask anything… "', 'Ask anything... "')


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


def is_shown(dialog: Dialog, screen: str) -> bool:
    """Of files, it often shows only the name."""
    drawn = re.search(DIALOG, screen, re.MULTILINE) is not None
    asked = dialogs.asked(dialog)
    if dialog.text.startswith("edit: "):
        asked = asked.rpartition("/")[2]
    rows = re.findall(r"^ *┃ *(.*?)(?: {3,}.*)?$", screen, re.MULTILINE)
    return drawn and dialogs.shows("\n".join(rows), asked, "(?:[$-]|→ Edit) ")


def keys(answer: Answer, dialog: Dialog, text: str) -> Sequence[StopKey] | None:
    """Enter allows once: that is the choice which is marked when the dialog opens."""
    return dialogs.keys(answer, dialog, text, StopKey("Enter"))
