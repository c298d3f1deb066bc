"""The snapshot: one read of tmux, stats for the rest. Blocking code, no event loop."""

import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from agentcave import context, workspaces
from agentcave.hosts import Host
from agentcave.model.desired import Desired, DesiredCave, Request
from agentcave.model.observed import (
    History,
    Key,
    Observed,
    ObservedContext,
    ObservedSession,
    ObservedWorkspace,
    SeedRecord,
    WorkspaceRecord,
)
from agentcave.reconcile.attend import attend, rules_of
from agentcave.reconcile.live import observe_sessions
from agentcave.reconcile.talks import remember_talks
from agentcave.sessions.panes import Reading
from agentcave.state import State

Seeds = Mapping[str, Mapping[str, SeedRecord]]


class Sight(NamedTuple):
    """What was seen. ``refreshed``: context records to bring up to date, bookkeeping only.

    ``adopted``: workspaces of ours that the history had forgotten. ``exposed``: git sees the
    folder of our workspaces, since its ``.gitignore`` is gone. ``server_pid``: the tmux server's.
    ``learned``: what agents told that the history does not know yet.
    """

    observed: Observed
    seeds: Seeds
    refreshed: dict[str, dict[str, SeedRecord]]
    adopted: dict[str, WorkspaceRecord]
    exposed: bool
    server_pid: int | None
    learned: dict[Key, History]


class View(NamedTuple):
    """What is wanted, and what is there."""

    desired: Desired
    sight: Sight


def observe(
    host: Host,
    reading: Reading,
    desired: Desired,
    request: Request,
    state: State,
    history: Mapping[Key, History],
) -> Sight:
    """Everything that ``diff`` compares. Raises Unavailable when tmux cannot be read."""
    observed = observe_sessions(reading.sessions(certain=True), desired.uid, history)
    observed = attend(
        host,
        reading.server,
        state.folder,
        observed,
        rules_of(c.spec for c in desired.caves.values()),
    )
    observed = remember_talks(host, reading.server, state.folder, desired, observed, os.environ)
    records, seeds = state.workspaces(), state.seeds()
    caves = [cave for cave in desired.caves.values() if _begins(cave, request)]
    wanted = {cave.spec.name: cave.spec.workspace for cave in caves}
    spaces = workspaces.observe(host, desired.directory, desired.uid, wanted, records)
    contexts: dict[str, ObservedContext] = {}
    refreshed: dict[str, dict[str, SeedRecord]] = {}
    for cave in caves:
        name = cave.spec.name
        known = seeds.get(name, {})
        contexts[name], fresh = context.observe(spaces[name].path, cave.spec, known)
        if fresh:
            refreshed[name] = {**known, **fresh}
    leaving = _leaving(desired, request, records, wanted)
    seen = Observed(
        sessions=observed.sessions,
        others=observed.others,
        workspaces={**leaving, **_occupied(spaces, observed.others)},
        contexts=contexts,
        history=observed.history,
        obstacles=_obstacles(host, leaving, seeds),
        judged=observed.judged,
        unresumable=observed.unresumable,
        controllers=observed.controllers,
    )
    adopted = {
        name: space.record
        for name, space in spaces.items()
        if space.record is not None and name not in records
    }
    within = os.path.join(desired.directory, ".agentcave")
    ours = any(space.exists and space.path.startswith(within) for space in spaces.values())
    exposed = ours and not workspaces.is_ignored(desired.directory)
    learned = {k: past for k, past in observed.history.items() if past is not history.get(k)}
    return Sight(seen, seeds, refreshed, adopted, exposed, reading.server_pid, learned)


def _begins(cave: DesiredCave, request: Request) -> bool:
    return any(
        agent.wanted == "running" and (request.only is None or agent.key in request.only)
        for agent in cave.agents
    )


def _leaving(
    desired: Desired,
    request: Request,
    records: Mapping[str, WorkspaceRecord],
    wanted: Mapping[str, object],
) -> dict[str, ObservedWorkspace]:
    """Workspaces that may go: of caves that left the file, or all that `down` is to remove."""
    return {
        name: ObservedWorkspace(record.path, os.path.isdir(record.path), record)
        for name, record in records.items()
        if (request.orphans and name not in desired.declared)
        or (request.remove_workspaces and name in desired.caves and name not in wanted)
    }


def _obstacles(
    host: Host, leaving: Mapping[str, ObservedWorkspace], seeds: Seeds
) -> dict[str, tuple[str, ...]]:
    obstacles = {}
    for name, seen in leaving.items():
        assert seen.record is not None
        if seen.exists:
            known = seeds.get(name, {})
            harmless = context.unedited_paths(seen.path, known) | context.archivable_paths(
                seen.path, known
            )
            obstacles[name] = workspaces.obstacles(host, seen.record, context=harmless)
    return obstacles


def _occupied(
    spaces: Mapping[str, ObservedWorkspace], others: Iterable[ObservedSession]
) -> dict[str, ObservedWorkspace]:
    """A workspace in which a session of another project works is refused, by name."""
    workers = {other.stamp.workspace: other for other in others if not other.dead}
    if not workers:
        return dict(spaces)

    def judged(seen: ObservedWorkspace) -> ObservedWorkspace:
        other = workers.get(os.path.realpath(seen.path))
        if other is None or seen.problem is not None:
            return seen
        return seen._replace(problem=f"{other.name} of {other.stamp.file} works in {seen.path}")

    return {name: judged(seen) for name, seen in spaces.items()}
