"""``ps``: one row for each agent, declared or not."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from agentcave.model.desired import Desired, DesiredAgent, DesiredCave
from agentcave.model.observed import History, Key, Observed, ObservedSession
from agentcave.model.spec import ProjectSpec, WorkspaceSpec
from agentcave.model.status import ATTENTION, Judgement, Phase, Status
from agentcave.plan.conditions import unmet
from agentcave.plan.desire import desire
from agentcave.plan.digest import DigestKey
from agentcave.plan.drift import NO_HISTORY, drift, drift_text
from agentcave.plan.status import Watch, status_of
from agentcave.report.json import dumps
from agentcave.report.text import one_line, paint, table

if TYPE_CHECKING:
    from agentcave.reconcile.controllers import Controller
    from agentcave.sessions.strays import Stray
    from agentcave.workspaces import GitState

PHASE_COLORS = {Phase.RUNNING: "32", Phase.FAILED: "31", Phase.UNREACHABLE: "31"}


class Row(NamedTuple):
    """``wanted`` is the desired state; an agent that is not declared is wanted absent."""

    key: Key
    type: str
    name: str
    wanted: str
    status: Status
    session: ObservedSession | None
    history: History
    drift: tuple[str, ...]
    workspace: WorkspaceSpec | None
    project: str | None = None
    git: "GitState | None" = None

    @property
    def path(self) -> str:
        if self.workspace is not None:
            return self.workspace.path
        return self.session.stamp.workspace if self.session is not None else ""


def rows_of(
    spec: ProjectSpec,
    observed: Observed,
    key: DigestKey | None,
    project: str | None = None,
    watched_at: float | None = None,
    kept: Collection[str] | None = None,
) -> list[Row]:
    """Declared agents in file order, then the ones that left the file.

    ``watched_at``: now, in seconds since the epoch, if a controller keeps the project;
    ``kept``: the caves that it keeps, if not all.
    """
    desired = desire(spec, observed.history, key)
    rows = [
        _row(
            desired,
            cave,
            agent,
            observed,
            key,
            project,
            _watch(cave, desired, observed, watched_at, kept),
        )
        for cave in desired.caves.values()
        for agent in cave.agents
    ]
    orphans = [
        session
        for (cave, agent), sessions in sorted(observed.sessions.items())
        if agent not in spec.declared.get(cave, ())
        for session in sessions
    ]
    return rows + [_orphan(session, observed, project) for session in orphans]


def with_failures(rows: Sequence[Row], failures: Callable[[], Mapping[str, str]]) -> list[Row]:
    """Pending agents with the reason why the last pass did not get their cave to run.

    ``failures`` is asked only where there are such.
    """
    pending = [row.key[0] for row in rows if row.status.phase is Phase.PENDING]
    reasons = failures() if pending else {}
    return [
        row._replace(status=row.status._replace(reason=one_line(reasons[row.key[0]])))
        if row.status.phase is Phase.PENDING and row.key[0] in reasons
        else row
        for row in rows
    ]


def with_survivors(
    rows: Sequence[Row], survivor: Callable[[str], int | None], other: Callable[[], str | None]
) -> list[Row]:
    """Pending agents whose last process lives on: behind another socket, or its server was killed.

    ``survivor``: that process, by the id of the session. ``other``: that socket.
    """
    return [_surviving(row, survivor, other) for row in rows]


def _surviving(
    row: Row, survivor: Callable[[str], int | None], other: Callable[[], str | None]
) -> Row:
    last = row.history.session
    if row.status.phase is not Phase.PENDING or last is None or (pid := survivor(last)) is None:
        return row
    where = "on without a terminal; `agentcave up` ends it, and starts it again"
    if socket := other():
        where = f"behind another tmux socket: --socket {socket}"
    reason = f"process {pid} of it lives {where}"
    return row._replace(status=row.status._replace(reason=reason))


def _watch(
    cave: DesiredCave,
    desired: Desired,
    observed: Observed,
    now: float | None,
    kept: Collection[str] | None,
) -> Watch | None:
    if now is None or (kept is not None and cave.spec.name not in kept):
        return None
    return Watch(now, ", ".join(unmet(cave, desired, observed)))


def _row(
    desired: Desired,
    cave: DesiredCave,
    agent: DesiredAgent,
    observed: Observed,
    key: DigestKey | None,
    project: str | None,
    watch: Watch | None,
) -> Row:
    sessions = observed.sessions.get(agent.key)
    session = sessions[-1] if sessions else None
    history = observed.history.get(agent.key, NO_HISTORY)
    changed: tuple[str, ...] = ()
    if session is not None:
        changed = drift(desired, agent, session, observed, key)
    judgement = observed.judged.get(session.stamp.session) if session is not None else None
    status = status_of(agent, session, history, observed.unreachable, judgement, watch)
    if session is not None and changed and status.phase is Phase.RUNNING:
        when = "restarted when it is idle and detached" if watch else "`agentcave up` restarts it"
        reason = f"{drift_text(session, changed)}; {when}"
        status = status._replace(reason=reason)
    return Row(
        agent.key,
        agent.spec.type,
        session.name if session is not None else "/".join((desired.project, *agent.key)),
        agent.wanted,
        status,
        session,
        history,
        changed,
        cave.spec.workspace,
        project,
    )


def _orphan(session: ObservedSession, observed: Observed, project: str | None) -> Row:
    key = session.stamp.key
    history = observed.history.get(key, NO_HISTORY)
    judgement = observed.judged.get(session.stamp.session)
    status = status_of(None, session, history, judgement=judgement)
    return Row(
        key, session.stamp.type, session.name, "absent", status, session, history, (), None, project
    )


def render_rows(rows: Sequence[Row], now: int, color: bool, git: bool) -> str:
    if not rows:
        return "nothing is declared, and nothing runs"
    header = ["SESSION", "TYPE", "PHASE", "ACTIVITY", "AGE", "REASON"]
    if git:
        header[5:5] = ["BRANCH", "DIRTY", "AHEAD"]
    lines = table([_cells(row, now, git) for row in rows], header).split("\n")
    if color:
        lines[1:] = [
            paint(line, _color(row.status), color)
            for line, row in zip(lines[1:], rows, strict=True)
        ]
    return "\n".join(lines)


def _color(status: Status) -> str:
    """Yellow where a person is needed."""
    return "33" if status.activity in ATTENTION else PHASE_COLORS.get(status.phase, "0")


def _cells(row: Row, now: int, git: bool) -> list[str]:
    name = one_line("/".join(row.key if row.project is None else (row.project, *row.key)))
    activity = row.status.activity
    age = ""
    if row.session is not None and not row.session.dead:
        age = duration(now - row.session.stamp.started)
    reason = one_line(row.status.reason)
    if row.session is not None and row.session.attached:
        reason = f"attached; {reason}" if reason else "attached"
    cells = [
        name,
        one_line(row.type),
        row.status.phase.value,
        activity.value if activity else "",
        age,
    ]
    if git:
        state = row.git
        ahead = "" if state is None or state.ahead is None else str(state.ahead)
        cells += ["", "", ""] if state is None else [state.branch or "-", str(state.dirty), ahead]
    return [*cells, reason]


def duration(seconds: int) -> str:
    """Short, as in `ps`: the two largest units at most."""
    seconds = max(0, seconds)
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days}d{hours}h"
    if hours:
        return f"{hours}h{minutes}m"
    return f"{minutes}m{seconds % 60}s" if minutes else f"{seconds}s"


def rows_json(
    project: str | None,
    uid: str | None,
    file: str | None,
    rows: Sequence[Row],
    controller: Mapping[str, Any] | None = None,
    strays: Sequence["Stray"] = (),
) -> str:
    sessions = [
        row_object(row) for row in rows if row.wanted != "absent" or row.project is not None
    ]
    orphans = [row_object(row) for row in rows if row.wanted == "absent" and row.project is None]
    return dumps(
        {
            "project": project,
            "uid": uid,
            "file": file,
            "controller": controller,
            "sessions": sessions,
            "orphans": orphans,
            "strays": [_stray_object(stray) for stray in strays],
        }
    )


def controller_object(controller: "Controller") -> dict[str, Any]:
    since = _utc(controller.since)
    return {
        "pid": controller.pid,
        "detached": controller.detached,
        "started_at": since,
        "problem": controller.problem,
    }


def controller_text(controller: "Controller") -> str:
    if controller.problem is None:
        return f"kept as declared by a controller, pid {controller.pid}"
    return f"not kept as declared by its controller, pid {controller.pid}: {controller.problem}"


def _stray_object(stray: "Stray") -> dict[str, Any]:
    return {"pid": stray.id.pid, "command": stray.command, "started_at": _utc(int(stray.since))}


def stray_text(stray: "Stray") -> str:
    name = one_line(stray.command)
    return f"process {stray.id.pid} ({name}) belongs to no session; `agentcave down` ends it"


def row_object(row: Row) -> dict[str, Any]:
    live = row.session
    running = live is not None and not live.dead
    exit_status = live.exit_status if live is not None else row.history.exit_status
    signal = live.signal if live is not None else row.history.signal
    found: dict[str, Any] = {} if row.project is None else {"project": row.project}
    return found | {
        "cave": row.key[0],
        "agent": row.key[1],
        "type": row.type,
        "name": row.name,
        "desired": row.wanted,
        "phase": row.status.phase.value,
        "activity": row.status.activity.value if row.status.activity else None,
        "reason": row.status.reason,
        "dialog": _dialog(row.status.judgement),
        "pid": live.pid if live is not None and running else None,
        "pane": live.pane if live is not None else None,
        "exit_status": exit_status,
        "signal": signal,
        "restarts": row.history.restarts,
        "started_at": _utc(live.stamp.started) if live is not None else None,
        "next_restart_at": _utc(int(row.status.due)) if row.status.due is not None else None,
        "drift": list(row.drift),
        "attached": live is not None and live.attached,
        "conversation": row.history.conversation,
        "workspace": {
            "path": row.path,
            "type": row.workspace.type if row.workspace is not None else None,
            "branch": _branch(row),
            "dirty": row.git.dirty if row.git is not None else None,
            "ahead": row.git.ahead if row.git is not None else None,
        },
    }


def _dialog(judgement: Judgement | None) -> dict[str, Any] | None:
    if judgement is None or judgement.dialog is None:
        return None
    asked = judgement.dialog
    return {"kind": asked.kind, "text": asked.text, "id": asked.id, "options": asked.options}


def _branch(row: Row) -> str | None:
    if row.git is not None:
        return row.git.branch
    return row.workspace.branch if row.workspace is not None else None


def _utc(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
