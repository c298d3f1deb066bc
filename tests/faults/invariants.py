"""The one checker: what holds of a world after any fault, once ``up`` has run to success."""

import time
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from calls import wrap
from caving import Cave, Done, alive, finish, snapshot
from sightings import Sighting, look, working_directory
from treasure import Treasure, record

from agentcave.sessions.launch import is_taken

PATIENCE = 5.0
"""Seconds in which a git or tmux that outlived its caller may still come to its end."""

NO_TREASURE = Treasure({}, {})
AGENTS_OWN = "/.cave/working-log.md"
"""What an agent that has just begun may still write."""
QUIET = " unchanged\n"


class Promise(NamedTuple):
    """What must be: the live agents, as ``cave/agent``, and the work that was there before.

    ``families``: agents may have children, which carry the same marker.
    """

    agents: Collection[str]
    treasure: Treasure = NO_TREASURE
    families: bool = False


Invariant = Callable[[Cave, Sighting, Promise], Iterator[str]]


def heal(cave: Cave, promise: Promise) -> None:
    """``up`` runs to success, and everything is as promised."""
    cave.up()
    check(cave, promise)


def check(cave: Cave, promise: Promise, patience: float = PATIENCE) -> None:
    """Raises AssertionError that names each broken invariant, with the facts."""
    if found := settled(cave, promise, patience):
        raise AssertionError("broken:\n" + "\n".join(found))
    if found := list(_restless(cave)):
        raise AssertionError("a second up does not stand still:\n" + "\n".join(found))


def settled(cave: Cave, promise: Promise, patience: float) -> list[str]:
    """What is broken, and stays so for a while."""
    deadline = time.monotonic() + patience
    while True:
        seen = look(cave)
        found = [
            f"  {invariant.__name__.strip('_')}: {complaint}"
            for invariant in INVARIANTS
            for complaint in invariant(cave, seen, promise)
        ]
        if not found or time.monotonic() >= deadline:
            return found
        time.sleep(0.05)


def _one_process_tree_per_agent(cave: Cave, seen: Sighting, promise: Promise) -> Iterator[str]:
    live = {key: seen.live(key) for key in {one.key for one in seen.sessions} | {*promise.agents}}
    for key, sessions in sorted(live.items()):
        if len(sessions) != (key in promise.agents):
            yield f"{key} has {len(sessions)} live sessions: {[one.id for one in sessions]}"
        for one in sessions:
            members = seen.carriers.get(one.id, [])
            if one.pid not in members:
                yield f"{key}: its process {one.pid} does not carry the marker of {one.id}"
            if members != [one.pid] and not promise.families:
                yield f"{key} has the processes {members}, declared is one ({one.pid})"


def _in_its_workspace(cave: Cave, seen: Sighting, promise: Promise) -> Iterator[str]:
    """These agents stay where they began."""
    for one in seen.sessions:
        place = "" if one.dead else working_directory(one.pid)
        if place.endswith(" (deleted)"):
            yield f"{one.key} works in {place}"


def _one_session_per_stamp(cave: Cave, seen: Sighting, promise: Promise) -> Iterator[str]:
    for key in sorted({one.key for one in seen.sessions}):
        panes = [one.pane for one in seen.sessions if one.key == key]
        if len(panes) > 1:
            yield f"{key} is stamped on the panes {panes}"
    ids = [one.id for one in seen.sessions]
    yield from (f"{one} is stamped twice" for one in sorted({i for i in ids if ids.count(i) > 1}))


def _no_marker_that_is_not_current(cave: Cave, seen: Sighting, promise: Promise) -> Iterator[str]:
    current = {one.id for one in seen.sessions if not one.dead}
    for session, members in sorted(seen.carriers.items()):
        if session not in current:
            yield f"{members} carry the marker of {session}, which is no live session"


def _nothing_lost(cave: Cave, seen: Sighting, promise: Promise) -> Iterator[str]:
    yield from promise.treasure.lost(cave)


def _no_launch_material(cave: Cave, seen: Sighting, promise: Promise) -> Iterator[str]:
    for path in (cave.state() / "launch").glob("*"):
        if not is_taken(str(path)):
            yield f"{path} holds {path.stat().st_size} bytes"


def _no_folder_of_the_past(cave: Cave, seen: Sighting, promise: Promise) -> Iterator[str]:
    known = {one.id for one in seen.sessions}
    for path in (cave.state() / "sessions").glob("*"):
        if path.name not in known:
            yield f"{path} belongs to no session"


def _nothing_else_runs(cave: Cave, seen: Sighting, promise: Promise) -> Iterator[str]:
    yield from (f"{pid} runs: {words}" for pid, words in seen.strangers.items() if alive(pid))


def _nothing_half_made(cave: Cave, seen: Sighting, promise: Promise) -> Iterator[str]:
    locks = (cave.root / ".git").rglob("*.lock")
    yield from (f"{lock} is left" for lock in locks)
    for entry in cave.git("worktree", "list", "--porcelain").split("\n\n"):
        if "prunable" in entry or "initializing" in entry:
            yield f"half a worktree: {entry.split()}"


INVARIANTS: tuple[Invariant, ...] = (
    _one_process_tree_per_agent,
    _in_its_workspace,
    _one_session_per_stamp,
    _no_marker_that_is_not_current,
    _nothing_lost,
    _no_launch_material,
    _no_folder_of_the_past,
    _nothing_else_runs,
    _nothing_half_made,
)


def _restless(cave: Cave) -> Iterator[str]:
    """What a second ``up`` does although nothing is to do, and what ``plan`` still wants."""
    before = _picture(cave)
    calls = wrap(cave)
    planning = cave.popen("plan", "-f", "caves.yaml", "--detailed-exitcode", PATH=calls.path)
    done = cave.try_run("up", "-f", "caves.yaml", PATH=calls.path)
    planned = finish(planning)
    yield from (
        f"  {what}: {_told(one)}" for what, one in (("up", done), ("plan", planned)) if one.code
    )
    if not done.out.endswith(QUIET):
        yield f"  up did something: {_told(done)}"
    yield from (f"  it called {call}" for call in calls.mutating())
    after = _picture(cave)
    changed = [path for path in before | after if before.get(path) != after.get(path)]
    changed = [path for path in changed if not str(path).endswith(AGENTS_OWN)]
    yield from (f"  {path} was touched" for path in changed)


def _picture(cave: Cave) -> dict[str, object]:
    """Inodes, times and contents below the project, and every pane."""
    picture: dict[str, object] = dict(snapshot(cave.root))
    picture["panes"] = cave.panes()
    return picture


def _told(done: Done) -> str:
    return f"exit {done.code}: {done.out}{done.err}"


__all__ = ["NO_TREASURE", "Promise", "check", "heal", "record", "settled"]
