"""What agents ask: put into words, known again on the screen, answered by keys. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from agentcave.agents.base import Answer
from agentcave.agents.reading import brief, chosen, members, word
from agentcave.model.spec import ScreenRule, StopKey
from agentcave.model.status import Activity, Claim, Dialog

UNSAID = "it does not say what"
DIGITS = 9
"""Choices that one key can name."""


def gate(match: str, reason: str) -> ScreenRule:
    """A dialog in front of the first prompt."""
    return ScreenRule("question", match, reason, startup=True)


def unsaid(title: str) -> Claim:
    """What a title says that does not tell what is asked: without id, it cannot be answered."""
    asked = Dialog("approval", UNSAID)
    return Claim("title", Activity.APPROVAL, f"title {brief(title)!r}", UNSAID, dialog=asked)


def question(
    questions: Sequence[Mapping[str, Any]], ident: str, several: str = "multiSelect"
) -> Dialog:
    """One single choice can be answered from outside; more, or ``several`` at once, cannot."""
    options = [tuple(word(one, "label") for one in members(each, "options")) for each in questions]
    shown = [
        f"{word(each, 'question')} ({', '.join(labels)})" if labels else word(each, "question")
        for each, labels in zip(questions, options, strict=True)
    ]
    single = len(questions) == 1 and questions[0].get(several) is not True
    return Dialog("question", brief(" / ".join(shown)), ident, options[0] if single else None)


def asked(dialog: Dialog) -> str:
    """Without what agents do not show so: a tool in front, options and more questions behind."""
    if dialog.kind == "approval":
        return dialog.text.partition(": ")[2]
    return re.split(r" \(| / ", dialog.text)[0]


def shows(screen: str, text: str, lead: str = "") -> bool:
    """Whether whole lines of a screen are this text, wherever it is broken.

    ``lead``: an expression for what may stand before it. Of a text that ends in "…", as ``brief``
    makes it, what is behind that is not compared.
    """
    lines = [re.sub(f"^(?:{lead})", "", line.strip()) for line in screen.splitlines()]
    return any(_begins(lines[at:], text) for at, line in enumerate(lines) if line)


def _begins(lines: Sequence[str], text: str) -> bool:
    if lines[0].split() == text.split():
        return True
    whole = text.removesuffix("…")
    wanted, shown = "".join(whole.split()), ""
    for line in lines:
        shown += "".join(line.split())
        if not wanted.startswith(shown):
            return whole != text and shown.startswith(wanted)
        if shown == wanted:
            return lines[0] is not line
    return False


def keys(
    answer: Answer,
    dialog: Dialog,
    text: str,
    approve: StopKey,
    line: Sequence[StopKey] | None = None,
) -> Sequence[StopKey] | None:
    """Digits act at once. Escape always denies, and ends the turn as it does by hand.

    ``line`` leads to where words of one's own go; else that is the choice behind the options.
    """
    match answer, dialog.kind if dialog.id else "":
        case "approve", "approval":
            return (approve,)
        case "deny", "approval" | "question":
            return (StopKey("Escape"),)
        case "answer", "question" if dialog.options is not None and len(dialog.options) < DIGITS:
            return _choice(dialog.options, text, line)
        case _:
            return None


def _choice(options: Sequence[str], text: str, line: Sequence[StopKey] | None) -> Sequence[StopKey]:
    if number := chosen(options, text):
        return (digit(number),)
    words = (digit(len(options) + 1),) if line is None else line
    return (*words, StopKey(text, literal=True), StopKey("Enter"))


def digit(number: int) -> StopKey:
    return StopKey(str(number), literal=True)
