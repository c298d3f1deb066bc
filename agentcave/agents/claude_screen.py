"""The approvals that Claude Code draws, read off its screen (2.1.197 to 2.1.330). Pure."""

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from agentcave.agents.reading import inner, labelled, word
from agentcave.model.hashing import sha256_hex

_RULE = re.compile(r"─{20,}")
_DASHES = re.compile(r"╌{20,}")
_FIRST_CHOICE = re.compile(r" ❯? +1[.] ")
_TITLE = re.compile(r" (\S.*?)(?: {2,}(\d+) of \d+)?")
_TIP = re.compile(r" ?Tip: .*? below(?= |$)")
_GUTTER = " │ "
PATHS = ("file_path", "notebook_path")


class Shown(NamedTuple):
    """A dialog that is drawn whole. ``number``: of several that are open it is this one, or "".

    ``about`` stands below the title; ``body`` is what would be done, line by line.
    """

    title: str
    number: str
    about: str
    body: tuple[str, ...]

    @property
    def text(self) -> str:
        """What is asked, in one line."""
        if self.title.startswith("Bash command"):
            return labelled("Bash", " ".join(self.body))
        what = "" if self.title.endswith(" file") else " ".join(self.body)
        return labelled(self.title, " ".join(filter(None, (self.about, what))))

    @property
    def ident(self) -> str:
        return sha256_hex("\0".join((self.title, self.number, self.about, *self.body)).encode())[
            :12
        ]


def dialog_on(screen: str) -> Shown | None:
    """The approval that the screen shows; None for none, and for one of which a part is cut off."""
    lines = _beside_no_panel(screen.splitlines())
    rules = [at for at, line in enumerate(lines) if _RULE.match(line)]
    if not rules:
        return None
    block = lines[rules[-1] + 1 :]
    title = _TITLE.fullmatch(block[0]) if block else None
    choice = next((at for at, line in enumerate(block) if _FIRST_CHOICE.match(line)), None)
    if title is None or choice is None:
        return None
    dashes = [at for at, line in enumerate(block[:choice]) if _DASHES.match(line)]
    if len(dashes) != 2:
        return None
    about = _TIP.sub("", _joined(block[1 : dashes[0]])).strip()
    return Shown(title[1], title[2] or "", about, _without_gutter(block[dashes[0] + 1 : dashes[1]]))


def fits(said: Mapping[str, Any], shown: Shown) -> bool:
    """Whether this is the request that is shown, all of which is compared that tells them apart."""
    given = inner(said, "tool_input")
    if word(said, "tool_name") == "Bash":
        return shown.title.startswith("Bash command") and _alike(
            word(given, "command"), " ".join(shown.body)
        )
    for name in PATHS:
        if path := word(given, name):
            return shown.title.endswith(" file") and _alike(_seen_from(said, path), shown.about)
    return any(
        isinstance(value, str) and (_alike(value, line) or _alike(f"{name}: {value}", line))
        for name, value in given.items()
        for line in shown.body
    )


def _seen_from(said: Mapping[str, Any], path: str) -> str:
    """Claude tells a path as it is from where it works."""
    place = word(said, "cwd")
    both = posixpath.isabs(place) and posixpath.isabs(path)
    return posixpath.relpath(path, place) if both else path


def _beside_no_panel(lines: Sequence[str]) -> list[str]:
    """Without the panel that may stand at the right; it begins where the rule ends."""
    ends = [len(match[0]) for line in lines if (match := _RULE.match(line)) and match[0] != line]
    if not ends or not any(line[ends[-1] :].startswith("│") for line in lines):
        return [line.rstrip() for line in lines]
    width = ends[-1]
    return [_cut(line, width).rstrip() for line in lines]


def _cut(line: str, width: int) -> str:
    """A wide character takes two columns and is one character: then the panel begins earlier."""
    if len(line) <= width or line[width] == "│":
        return line[:width]
    return line[:width].rpartition("│")[0] or line[:width]


def _without_gutter(lines: Sequence[str]) -> tuple[str, ...]:
    gutter = _GUTTER if all(f"{line}   ".startswith(_GUTTER) for line in lines) else " "
    return tuple(line.removeprefix(gutter).rstrip() for line in lines)


def _joined(lines: Sequence[str]) -> str:
    return " ".join(map(str.strip, lines))


def _alike(one: str, other: str) -> bool:
    """Where a terminal breaks lines between words, and what it makes of tabs, does not matter."""
    return bool(one.strip()) and one.split() == other.split()
