"""What sessions that are no more have left: their folders, and processes that outlived them.

A tmux server that was killed takes its panes along, but not what ignores SIGHUP; a pass that was
killed leaves launch files. Both are known by the session's id, and go before anything starts.
"""

import contextlib
import os
import signal
import time
from collections.abc import Collection

from agentcave.errors import CaveError
from agentcave.hosts.processes import Claims, carried, no_claims, snapshot
from agentcave.model.names import SESSION_ID, SETUP
from agentcave.sessions.launch import PIDS, is_taken
from agentcave.sessions.strays import holders

GRACE = 5.0
FRESH = 60.0
"""Seconds in which a launch file of a live session may still be read by its shell."""


def sweep_launches(folder: str, live: Collection[str]) -> None:
    """Delete launch files that a killed pass has left, and what became of those of the past."""
    for name in _names(os.path.join(folder, "launch")):
        path = os.path.join(folder, "launch", name)
        if name not in live or _is_spent(path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
    kept = os.path.join(folder, PIDS)
    with contextlib.suppress(OSError):  # they are a convenience, and stop nothing
        for name in () if os.path.islink(kept) else os.listdir(kept):
            if name not in live and SESSION_ID.fullmatch(name):
                os.unlink(os.path.join(kept, name))


def leftovers(folder: str, live: Collection[str]) -> tuple[str, ...]:
    """Ids of sessions that have a folder and no pane."""
    return tuple(name for name in _names(os.path.join(folder, "sessions")) if name not in live)


def survivors(folder: str, live: Collection[str]) -> set[str]:
    """Ids of sessions that have processes and no pane: nothing may be started beside them.

    It looks into every process, so it is for passes that start something.
    """
    marked = carried("AGENTCAVE_SESSION_DIR", f"{folder}/sessions/")
    holding = holders(folder)(snapshot()).values()
    found = {*marked, *holding}.difference(live)
    return {name for name in found if not name.startswith(SETUP)}  # it may have begun a daemon


async def reap(
    folder: str,
    ids: Collection[str],
    claims: Claims[str] = no_claims,
    spare: tuple[int, ...] = (),
) -> None:
    """End every process of these sessions, and delete their folders.

    ``claims`` and ``spare``: see ``end_families``.

    Raises CaveError, naming them, for processes that could not be ended: nothing may be started
    beside them.
    """
    if not ids:
        return
    import shutil

    from agentcave.hosts.ending import Family, end_families

    places = {one: os.path.join(folder, "sessions", one) for one in ids}
    families = {
        one: Family(None, (os.fsencode(f"AGENTCAVE_SESSION_DIR={place}"),), signal.SIGTERM, GRACE)
        for one, place in places.items()
    }
    held = holders(folder)
    ended = await end_families(
        families, claims=lambda seen: {**claims(seen), **held(seen)}, spare=spare
    )
    left = [f"{one.pid} ({why})" for end in ended.values() for one, why in end.left.items()]
    if left:
        raise CaveError(
            f"processes of earlier sessions could not be ended: {', '.join(left)}",
            "end them by hand, then run the same command again",
        )
    for one, place in places.items():
        shutil.rmtree(place, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(folder, PIDS, one))


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise CaveError(f"cannot read {folder}: {exc.strerror}") from exc


def _is_spent(path: str) -> bool:
    try:
        return is_taken(path) or time.time() - os.stat(path).st_mtime > FRESH
    except FileNotFoundError:
        return False
