"""What is to end: sessions that are not wanted, and workspaces that may go."""

from collections.abc import Iterable

from agentcave.model.desired import DesiredCave
from agentcave.model.observed import WorkspaceRecord
from agentcave.plan.actions import RemoveWorkspace
from agentcave.plan.draft import Blocked, Draft
from agentcave.plan.order import dependents


class Ends:
    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._dependents = dependents(draft.desired.caves)
        self._stops: dict[str, list[int]] = {}

    def cave(self, cave: DesiredCave) -> None:
        """Stops, dependents first: they have to be asked for before."""
        draft, name = self._draft, cave.spec.name
        waiting = self._dependents.get(name, ())
        after = [number for other in waiting for number in self._stops.get(other, ())]
        for agent in cave.agents:
            if agent.wanted == "running" or not draft.concerns(agent.key):
                continue
            for session in draft.observed.sessions.get(agent.key, ()):
                sticky = agent.wanted == "stopped"
                number = draft.stop(session, draft.request.cause, after, sticky=sticky)
                self._stops.setdefault(name, []).append(number)

    def orphans(self) -> list[str]:
        """Sessions that carry our stamp and are not declared; their workspaces stay.

        Returns the caves that are in no file any more.
        """
        draft = self._draft
        gone: dict[str, list[int]] = {}
        for (cave, agent), sessions in sorted(draft.observed.sessions.items()):
            if agent in draft.desired.declared.get(cave, ()):
                continue
            for session in sessions:
                why, held = "not in caves.yaml, workspace kept", draft.held(session)
                gone.setdefault(cave, []).append(draft.stop(session, why, blocked=held))
        for name, record in self._undeclared():
            asked = draft.request.remove_workspaces
            if asked or record.on_remove == "remove-if-clean":
                why = "--remove-workspaces" if asked else "on_remove: remove-if-clean"
                cause = f"not in caves.yaml, {why}"
                self._remove(name, record, cause, gone.setdefault(name, []))
        return [name for name in gone if name not in draft.desired.caves]

    def workspaces(self) -> None:
        """Those of the declared caves, once their sessions have ended."""
        for name in self._draft.desired.caves:
            seen = self._draft.observed.workspaces.get(name)
            if seen is not None and seen.record is not None and seen.record.type != "directory":
                self._remove(name, seen.record, "--remove-workspaces", self._stops.get(name, ()))

    def _undeclared(self) -> list[tuple[str, WorkspaceRecord]]:
        draft = self._draft
        return [
            (name, seen.record)
            for name, seen in sorted(draft.observed.workspaces.items())
            if seen.record is not None and name not in draft.desired.declared
        ]

    def _remove(self, name: str, record: WorkspaceRecord, cause: str, after: Iterable[int]) -> None:
        obstacles = self._draft.observed.obstacles.get(name, ())
        blocked: Blocked | None = None
        if obstacles:
            blocked = ("refused", f"{record.path} holds {', '.join(obstacles)}")
        self._draft.add(RemoveWorkspace(name, record), name, cause, after=after, blocked=blocked)
