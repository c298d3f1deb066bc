"""What Codex shows: what its screens mean, its input box, its dialogs and their keys."""

import re
from collections.abc import Sequence

from agentcave.agents import dialogs
from agentcave.agents.base import Answer
from agentcave.agents.dialogs import gate
from agentcave.agents.reading import undimmed
from agentcave.model.spec import ScreenRule, StopKey
from agentcave.model.status import Dialog

DIALOG = "^ +(Press enter to |.* [|] enter to submit|enter (confirm|continue) )"
MARK = "\u203a"
GATE = rf"(?![\s\S]*^{MARK} (?!\d[.] ))"
"""It stands where the input box will be: nothing that follows is marked but its own choices."""
LAST = rf"(?![\s\S]*^{MARK} [\s\S]*^{MARK} )"
"""Nothing was said since: what follows holds no prompt but the input box itself."""
FAILED = rf"^■ ((?:.+\n)*?.*(?:%s).*(?:\n.+)*){LAST}"
"""A message of an error: lines up to an empty one; Codex breaks them itself."""
SCREEN: tuple[ScreenRule, ...] = (
    gate(rf"^ +Welcome to Codex, OpenAI's{GATE}", "log in"),
    gate(rf"^ +Trust this folder\?{GATE}", "trust this folder?"),
    gate(rf"^ +Hooks need review\n +(.+){GATE}", "review hooks"),
    gate(rf"^ +Working directory · resume{GATE}", "go on in which directory?"),
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
        "idle", rf"^■ (?!Conversation interrupted)(.+(?:\n.+)*){LAST}", "the last turn failed"
    ),
)


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
    return dialogs.shows(screen, dialogs.asked(dialog) or dialog.text, r"(?:\$|Destination:) ")


def keys(answer: Answer, dialog: Dialog, text: str) -> Sequence[StopKey] | None:
    """Words of one's own are a note to the choice behind the options, "none of the above"."""
    line = (*[StopKey("Down")] * len(dialog.options or ()), StopKey("Tab"))
    return dialogs.keys(answer, dialog, text, StopKey("y", literal=True), line)
