"""The one read of a server: all its panes as typed rows. Pure, and strict: no half-read world."""

from collections.abc import Iterable
from typing import NamedTuple

from agentcave.tmux.errors import Garbage

SEPARATOR = "\x1f"
STAMP = "/usr/bin/env AGENTCAVE_STAMP="

ROW = SEPARATOR.join(
    f"#{{{name}}}"
    for name in (
        "session_id",
        "pane_id",
        "pane_pid",
        "pane_dead",
        "pane_dead_status",
        "pane_dead_signal",
        "session_attached",
        "pid",
        "pane_in_mode",
        "session_name",
        # Last what others choose: nothing in it can shift another field. A title holds no
        # control characters: tmux refuses them (3.3a, also from `select-pane -T`).
        "pane_start_command",
        "pane_title",
    )
)


class PaneRow(NamedTuple):
    """One pane. A dead one whose status and signal are both None: see ``deaths_unknown``."""

    session_id: str
    pane_id: str
    pane_pid: int
    dead: bool
    dead_status: int | None
    dead_signal: int | None
    attached: int
    server_pid: int
    in_mode: bool
    session_name: str
    start_command: str
    title: str

    @property
    def stamp(self) -> str | None:
        return stamp_word(self.start_command)


def parse_rows(lines: Iterable[str]) -> list[PaneRow]:
    """Raises ``Garbage`` for a line that does not fit."""
    return [parse_row(line) for line in lines]


def parse_row(line: str) -> PaneRow:
    try:
        session, pane, pid, dead, status, signal, attached, server, mode, name, last = line.split(
            SEPARATOR, 10
        )
        start, title = last.rsplit(SEPARATOR, 1)
        if session[0] != "$" or pane[0] != "%" or dead not in ("0", "1"):
            raise ValueError(line)
        return PaneRow(
            session,
            pane,
            int(pid),
            dead == "1",
            int(status) if status else None,
            int(signal) if signal else None,
            int(attached),
            int(server),
            mode not in ("", "0"),
            name,
            start,
            title,
        )
    except (ValueError, IndexError) as exc:
        raise Garbage(f"a pane is described by {line[:200]!r}") from exc


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
