"""Small worlds for plans: caves as they are declared, sessions as they are seen."""

from collections.abc import Iterable, Mapping
from typing import Any

from agentcave.model.desired import Desired, Request, Wanted
from agentcave.model.observed import (
    History,
    Key,
    Observed,
    ObservedContext,
    ObservedSession,
    ObservedWorkspace,
    Stamp,
    WorkspaceRecord,
)
from agentcave.model.spec import AgentSpec, CaveSpec, Dependency, ProjectSpec, WorkspaceSpec
from agentcave.plan.desire import desire
from agentcave.plan.diff import diff
from agentcave.plan.digest import declared_fields, digest, pack_fields
from agentcave.plan.plan import Plan

KEY = ("k1", b"secret")
OLD = "k1:0123"
UP = Request(orphans=True, cause="up")


def agent(name: str = "claude", **fields: Any) -> AgentSpec:
    return AgentSpec(name, **{"type": "demo", **fields})


def cave(name: str, *agents: AgentSpec, needs: Iterable[str] = (), **fields: Any) -> CaveSpec:
    workspace = WorkspaceSpec("worktree", f"/p/.agentcave/caves/{name}", f"cave/{name}")
    defaults = {
        "group": name,
        "workspace": workspace,
        "agents": agents or (agent(),),
        "depends_on": tuple(Dependency(one) for one in needs),
    }
    return CaveSpec(name, **{**defaults, **fields})


def project(*caves: CaveSpec, env: Mapping[str, str] | None = None, **fields: Any) -> ProjectSpec:
    declared = {one.name: tuple(each.name for each in one.agents) for one in caves}
    fields = {"directory": "/p", "declared": declared, "env": env or {}, **fields}
    return ProjectSpec("shop", "u1", "/p/caves.yaml", caves=caves, **fields)


def wanted(
    *caves: CaveSpec, history: Mapping[Key, History] | None = None, state: Wanted = "running"
) -> Desired:
    return desire(project(*caves), history or {}, KEY, state)


def digest_of(one: CaveSpec, which: AgentSpec | None = None) -> str:
    return digest(declared_fields(one, which or one.agents[0], {}), KEY)


def session(
    where: str, what: str = "claude", digest: str = OLD, number: int = 1, **fields: Any
) -> ObservedSession:
    stamp = Stamp(
        "u1", "shop", "/p/caves.yaml", where, what, "demo", "/w", digest, f"s{number}", number
    )
    name = f"shop/{where}/{what}"
    return ObservedSession(stamp, f"%{number}", name, 4000 + number, **fields)


def running(one: CaveSpec, **fields: Any) -> ObservedSession:
    """The first agent of a cave as it is declared now."""
    return session(one.name, one.agents[0].name, digest_of(one), **fields)


def dead(one: CaveSpec, exit_status: int | None, **fields: Any) -> ObservedSession:
    return running(one, dead=True, exit_status=exit_status, **fields)


def there(name: str, **fields: Any) -> ObservedWorkspace:
    path = f"/p/.agentcave/caves/{name}"
    record = WorkspaceRecord("worktree", path, f"cave/{name}", ready=True)
    return ObservedWorkspace(**{"path": path, "exists": True, "record": record, **fields})


def missing(name: str, **fields: Any) -> ObservedWorkspace:
    return there(name, **{"exists": False, "record": None, "origin": "main@3f2c1d", **fields})


def world(desired: Desired, *sessions: ObservedSession, **fields: Any) -> Observed:
    """Workspaces and contexts are as declared, unless ``fields`` says otherwise."""
    found: dict[Key, tuple[ObservedSession, ...]] = {}
    for one in sessions:
        found[one.stamp.key] = (*found.get(one.stamp.key, ()), one)
    workspaces = {name: there(name) for name in desired.caves} | fields.pop("workspaces", {})
    contexts = dict.fromkeys(desired.caves, ObservedContext()) | fields.pop("contexts", {})
    return Observed(sessions=found, workspaces=workspaces, contexts=contexts, **fields)


def plan(
    desired: Desired, *sessions: ObservedSession, request: Request = UP, **fields: Any
) -> Plan:
    return diff(desired, world(desired, *sessions, **fields), request, KEY)


def text(desired: Desired, *sessions: ObservedSession, **fields: Any) -> str:
    return plan(desired, *sessions, **fields).steps_text()


def remembered(one: CaveSpec, **fields: Any) -> dict[Key, History]:
    """History of the first agent as it was last started: as it is declared here."""
    first = one.agents[0]
    packed = pack_fields(declared_fields(one, first, {}), KEY)
    defaults = {"digest": digest_of(one), "fields": packed, "size": "200x50", "session": "s1"}
    return {(one.name, first.name): History(**{**defaults, **fields})}
