"""A worktree that somebody moved looks deleted from where it was, and goes on living elsewhere."""

import os
from collections.abc import Iterator

from agentcave.errors import CaveError
from agentcave.hosts.processes import working_directory
from agentcave.workspaces.checkouts import leads_to, place_of
from agentcave.workspaces.removal import EMPTY, LEAVING

NEAR = 4
"""How many of the folders around its old place are looked through."""


def moved_to(admin: str) -> str | None:
    """Where the worktree of ``admin`` is instead of where that says; None when none is found.

    It is found near its old place and wherever a process works in it. One that was moved far away
    and left alone cannot be told from a deleted one: nothing in git's folder knows the new place.
    """
    path = place_of(admin)
    places = _places(path) if path else ()
    return next((place for place in places if leads_to(place, admin)), None)


def require_not_moved(admin: str) -> None:
    """Raises CaveError with the way back."""
    if place := moved_to(admin):
        raise CaveError(
            f"its worktree was moved to {place}",
            f"move it back to {place_of(admin)}, or `git worktree repair` it and declare its path",
        )


def _places(path: str) -> Iterator[str]:
    """No folder twice, and none that a removal of ours has moved aside: the pass finishes those."""
    seen = {path}
    for place in (*_worked_in(), *_near(path)):
        name = os.path.basename(place)
        if place not in seen and LEAVING not in name and EMPTY not in name:
            seen.add(place)
            yield place


def _worked_in() -> Iterator[str]:
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    for directory in {working_directory(pid) or "" for pid in pids}:
        yield from _around(directory)


def _around(directory: str) -> Iterator[str]:
    while directory not in ("", "/"):
        yield directory
        directory = os.path.dirname(directory)


def _near(path: str) -> Iterator[str]:
    folder = path
    for _ in range(NEAR):
        folder = os.path.dirname(folder)
        try:
            yield from (os.path.join(folder, name) for name in os.listdir(folder))
        except OSError:  # it cannot be looked into: then nobody moved anything there
            continue
