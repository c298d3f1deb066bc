"""The one read of a server: all its panes as typed rows. Pure.

Fields are separated by a blank. Numbers and ids hold none; in text, the modifier ``q`` of tmux puts
a backslash before each blank and each backslash, and what tmux itself escapes when it prints (from
3.4 on: control characters, as ``\\037``) begins with a single one. So every row can be read back
whatever is in it, by every version: see docs/internals/tmux.md.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from agentcave.tmux.errors import Garbage

STAMP = "/usr/bin/env AGENTCAVE_STAMP="
END = "agentcave: that is all"
"""What is printed after the last pane; no row can look like it."""
MOST_DIGITS = 18
SEPARATOR = " "
NUMBERS = (
    *("session_id", "pane_id", "pane_pid", "pane_dead", "pane_dead_status", "pane_dead_signal"),
    *("session_attached", "pid", "pane_in_mode"),
)
TEXTS = ("session_name", "pane_start_command", "pane_title")
ROW = SEPARATOR.join([f"#{{{name}}}" for name in NUMBERS] + [f"#{{q:{name}}}" for name in TEXTS])

_BEGINNING = re.compile(r"^(?=\$\d+ %\d+ )", re.MULTILINE)
_TEXT = r"([^\\ ]*(?:\\.[^\\ ]*)*)"
_ALL_TEXTS = re.compile(" ".join([_TEXT] * len(TEXTS)), re.DOTALL)
_ESCAPED = re.compile(r"\\([0-7]{3}|.)", re.DOTALL)
_LETTERS = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "a": "\a",
    "b": "\b",
    "v": "\v",
    "f": "\f",
    "0": "\0",
    "s": " ",
    "E": "\x1b",
}


class PaneRow(NamedTuple):
    """One pane. A dead one whose status and signal are both None: see ``deaths_unknown``.

    ``pane_pid`` is None for a dead pane from tmux 3.8 on. ``problem`` names the fields that were
    not understood, which then hold defaults; such a pane may live.
    """

    session_id: str
    pane_id: str
    pane_pid: int | None
    dead: bool
    dead_status: int | None
    dead_signal: int | None
    attached: int
    server_pid: int
    in_mode: bool
    session_name: str
    start_command: str
    title: str
    problem: str = ""

    @property
    def stamp(self) -> str | None:
        return stamp_word(self.start_command)


def parse_rows(output: str) -> list[PaneRow]:
    """Every pane that ``list-panes -F ROW`` told of. Raises ``Garbage`` for any other output."""
    greeting, *rows = _BEGINNING.split(output)
    if greeting:
        raise Garbage(f"instead of panes it printed {greeting[:200]!r}")
    return [parse_row(row.removesuffix("\n")) for row in rows]


def parse_row(row: str) -> PaneRow:
    """One pane. Raises ``Garbage`` when it cannot even be seen whose it is."""
    words = row.split(SEPARATOR, len(NUMBERS))
    texts = _ALL_TEXTS.fullmatch(words.pop()) if len(words) > len(NUMBERS) else None
    if texts is None:
        return _unread(row)
    session, pane, pid, dead, status, signal, attached, server, mode = words
    wrong: list[str] = []

    def number(name: str, text: str) -> int:
        if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS:
            return int(text)
        wrong.append(f"{name} is {text[:40]!r}")
        return 0

    has_ended = dead == "1"
    if not has_ended and dead != "0":
        wrong.append(f"pane_dead is {dead[:40]!r}")
    found = PaneRow(
        session,
        pane,
        None if has_ended and not pid else number("pane_pid", pid),
        has_ended,
        number("pane_dead_status", status) if status else None,
        number("pane_dead_signal", signal) if signal else None,
        number("session_attached", attached),
        number("pid", server),
        mode not in ("", "0"),
        *map(unquote, texts.groups()),
    )
    return found._replace(problem=", ".join(wrong), dead=False, pane_pid=None) if wrong else found


def _unread(row: str) -> PaneRow:
    """Whose it is may still be seen; raises ``Garbage`` when not, for it may be anybody's."""
    session, pane, *_ = row.split(SEPARATOR)
    _, stamp, rest = unquote(row).partition(STAMP)
    problem, start = f"of a pane it tells {row[:200]!r}", stamp + rest
    if stamp_word(start) is None:
        raise Garbage(problem)
    return PaneRow(session, pane, None, False, None, None, 0, 0, False, "", start, "", problem)


def unquote(text: str) -> str:
    """What stood in a field before ``q`` and tmux itself escaped it."""
    return _ESCAPED.sub(_plain, text) if "\\" in text else text


def _plain(match: re.Match[str]) -> str:
    escaped = match[1]
    if len(escaped) == 1:
        return _LETTERS.get(escaped, escaped)
    number = int(escaped, 8) & 0xFF
    return chr(number) if number < 0x80 else chr(0xDC00 + number)  # as surrogateescape has it


def stamp_word(start_command: str) -> str | None:
    """Who we said this pane is, if we started it; to mention a stamp is not enough.

    tmux quotes each word that needs it, and a command given as one string as a whole: so only
    what was started as separate words begins like this.
    """
    if not start_command.startswith(STAMP):
        return None
    word, _, rest = start_command[len(STAMP) :].partition(" ")
    plain = word.replace("-", "").replace("_", "").rstrip("=")
    return word if rest.startswith("/bin/sh ") and plain.isascii() and plain.isalnum() else None


def deaths_unknown(rows: Iterable[PaneRow]) -> bool:
    """Whether tmux missed how a pane ended; SIGCHLD to ``server_pid`` makes it look again.

    Distributions that link tmux before 3.6 with libutempter lose such signals.
    """
    return any(row.dead and row.dead_status is None and row.dead_signal is None for row in rows)
