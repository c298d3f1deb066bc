"""``logs -f``: lines as they become complete, read out of the scrollback as it grows.

One read of tmux a tick tells where every cursor is; only what moved is captured. When the
scrollback is full, tmux drops its oldest tenth at once, and lines printed in that very moment may
be missed.
"""

import os
import sys
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import anyio

from agentcave.hosts import LocalHost
from agentcave.model.masking import masked
from agentcave.report.text import plain
from agentcave.sessions.panes import translated
from agentcave.tmux import CommandFailed, NoServer, Server, TmuxError, commands
from agentcave.tmux.client import Client, connect

TICK = 0.25
POSITIONS = "#{pane_id} #{history_size} #{cursor_y} #{pane_dead}"


class Position(NamedTuple):
    """``line``: the cursor's, counted from the oldest line of the scrollback."""

    history: int
    line: int
    dead: bool


class Followed(NamedTuple):
    """What stands before each line of a pane, and what is not shown of it."""

    prefix: str
    values: Collection[str]


async def follow(server: Server, panes: Mapping[str, Followed], raw: bool) -> None:
    """Print what the panes show from now on, until all of them have ended."""
    try:
        async with connect(server, LocalHost().run, environ=os.environ) as client:
            seen = await _positions(client, panes)
            while seen and not all(position.dead for position in seen.values()):
                await anyio.sleep(TICK)
                seen = await _advance(client, panes, seen, raw)
    except NoServer:
        return  # the last session ended, and the server with it
    except TmuxError as exc:
        raise translated(exc) from exc


async def _advance(
    client: Client, panes: Mapping[str, Followed], before: dict[str, Position], raw: bool
) -> dict[str, Position]:
    now = await _positions(client, before)
    for pane, position in now.items():
        dropped = max(0, before[pane].history - position.history)
        start = max(0, before[pane].line - dropped)
        if position.line > start or (position.dead and not before[pane].dead):
            for line in await _lines(client, pane, start, position, raw):
                print(f"{panes[pane].prefix}{masked(line, panes[pane].values)}")
    sys.stdout.flush()
    return now


async def _positions(client: Client, panes: Iterable[str]) -> dict[str, Position]:
    wanted = set(panes)
    found: dict[str, Position] = {}
    try:
        lines = await client.run(*commands.list_panes(POSITIONS))
    except CommandFailed:
        return found  # the server refuses this only when it has no session left
    for line in lines:
        pane, history, cursor, dead = line.decode().split()
        if pane in wanted:
            found[pane] = Position(int(history), int(history) + int(cursor), dead == "1")
    return found


async def _lines(client: Client, pane: str, start: int, position: Position, raw: bool) -> list[str]:
    """The complete lines from ``start`` on; the one that the cursor is in, once it is dead."""
    words = commands.capture_pane(pane, start - position.history, escapes=raw)
    try:
        captured = await client.run(*words)
    except CommandFailed:
        return []  # it went away in between
    count = position.line - start + (1 if position.dead else 0)
    text = [line.decode(errors="replace") for line in captured[:count]]
    return text if raw else [plain(line) for line in text]
