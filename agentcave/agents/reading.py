"""What adapters share for reading what agents say. Pure, and never surprised by anything."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

from agentcave.model.hashing import sha256_hex
from agentcave.model.spec import ScreenRule
from agentcave.model.status import Activity, Claim, Dialog

Said = Literal["approval", "question", "startup"]
PATIENCE = 0.25
"""Seconds for a regular expression of a caves file."""
SHOWN = 200
"""Characters of what is asked that are shown."""


def fields(data: bytes) -> dict[str, Any]:
    """The members of a JSON object, as far as they are whole: the data may have been cut off."""
    text = data.decode("utf-8", "replace")
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return _members(text)
    return whole if isinstance(whole, dict) else {}


def _members(text: str) -> dict[str, Any]:
    decoder, found = json.JSONDecoder(), {}
    position = _skip(text, 0, "\ufeff")
    try:
        while text[position : position + 1] in ("{", ","):
            name, position = decoder.raw_decode(text, _skip(text, position + 1))
            value, position = decoder.raw_decode(text, _skip(text, position, ":"))
            position = _skip(text, position)
            if text[position : position + 1] in (",", "}"):  # else a number may have been cut off
                found[str(name)] = value
    except (ValueError, RecursionError):
        pass  # here it was cut off
    return found


def _skip(text: str, position: int, mark: str = "") -> int:
    while position < len(text) and text[position] in mark + " \t\r\n":
        position += 1
    return position


def word(values: Mapping[str, Any], name: str) -> str:
    """A member that is text, else ""."""
    value = values.get(name)
    return value if isinstance(value, str) else ""


def inner(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A member that is an object, else an empty one."""
    value = values.get(name)
    return value if isinstance(value, dict) else {}


def members(values: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects of a list."""
    value = values.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def seconds(values: Mapping[str, Any], name: str, scale: float = 1.0) -> float | None:
    """A time since the epoch, written in units of ``1 / scale`` seconds; None for anything else."""
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e15:
        return None
    return value / scale


def brief(text: str) -> str:
    """One line, not too long."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


def labelled(*parts: str) -> str:
    """One line of what is not empty: ``Bash: ls``."""
    return brief(": ".join(filter(None, parts)))


class Found(Protocol):
    """A match of a regular expression."""

    def groups(self) -> tuple[Any, ...]: ...
    def __getitem__(self, group: Literal[0], /) -> Any: ...


Search = Callable[[str, str], Found | None]


def search(pattern: str, text: str) -> Found | None:
    return re.search(pattern, text, re.MULTILINE)


def patient_search(pattern: str, text: str) -> Found | None:
    """Find what a caves file looks for; what takes too long, as ``(a+)+$`` does, finds nothing."""
    import regex  # it has a time-out, and is loaded only where somebody declares an expression

    try:
        return regex.search(pattern, text, regex.MULTILINE, timeout=PATIENCE)
    except TimeoutError:
        return None


def screen_claims(
    rules: Sequence[ScreenRule], screen: str | None, find: Search = search
) -> list[Claim]:
    """What the first rule that matches says. Its reason is the rule's own, or its first group."""
    for rule in rules if screen is not None else ():
        if match := find(rule.match, screen or ""):
            return [_screen_claim(rule, match)]
    return []


def _screen_claim(rule: ScreenRule, match: Found) -> Claim:
    group = next((text for text in match.groups() if text), "")
    reason = labelled(rule.reason, group)
    activity = Activity(rule.activity)
    dialog = None
    if activity in KINDS:
        kind: Said = "startup" if rule.startup else KINDS[activity]
        dialog = Dialog(kind, reason or match[0].strip(), sha256_hex(match[0].encode())[:12])
    return Claim("screen", activity, f"screen rule {rule.match!r}", reason, dialog=dialog)


KINDS: Mapping[Activity, Said] = {Activity.APPROVAL: "approval", Activity.QUESTION: "question"}


def unpadded(screen: str | None) -> str:
    """Without the blanks at the ends of lines."""
    return "\n".join(map(str.rstrip, (screen or "").splitlines()))


def newest(claims: Iterable[Claim]) -> Claim | None:
    return max(claims, key=lambda claim: claim.at or 0.0, default=None)


def for_glob(path: str) -> str:
    """A path as a glob pattern that means nothing but itself."""
    return re.sub(r"[*?[]", r"[\g<0>]", path)


def chosen(options: Sequence[str], text: str) -> int | None:
    """The number, from 1, of the option that a text means: by its label, or its number."""
    labels = [label.casefold() for label in options]
    if text.casefold() in labels:
        return labels.index(text.casefold()) + 1
    return int(text) if text.isdecimal() and 1 <= int(text) <= len(options) else None


def normal(text: str) -> str:
    """A prompt without what terminals and agents change of it: the ends of lines, outer space."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ").strip()


def told(title: str, meanings: Sequence[tuple[str, Activity]]) -> list[Claim]:
    """What the terminal's title says, by the first pattern that it begins with."""
    for pattern, activity in meanings:
        if re.match(pattern, title):
            return [Claim("title", activity, f"title {brief(title)!r}")]
    return []


def undimmed(line: str) -> str:
    """What a line shows, without its escape sequences and without what is dim.

    A cursor (reverse) on the first letter of dim text belongs to it.
    """
    dim = reverse = False
    shown: list[str] = []
    lit = ""
    for style, text in _ESCAPED.findall(line):
        if style:
            codes = _COLOUR.sub("39", style[2:-1]).split(";")
            dim = "2" in codes or (dim and not {"", "0", "22"} & set(codes))
            reverse = "7" in codes or (reverse and not {"", "0", "27"} & set(codes))
        elif text:
            if dim and lit:
                shown.pop()
            elif not dim:
                shown.append(text)
            lit = text if reverse and not dim else ""
    return "".join(shown)


_ESCAPED = re.compile(r"(\x1b\[[\d;:]*m)|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|([^\x1b]+)")
_COLOUR = re.compile(r"[345]8;(?:5;\d+|2;\d+;\d+;\d+)")  # numbers in it are no styles
