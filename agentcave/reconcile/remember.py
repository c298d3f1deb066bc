"""Bookkeeping of what a pass has seen: how agents ended, what was adopted, what was learned."""

from collections.abc import Collection, Iterator
from typing import Any, Literal

from agentcave.hosts import Host
from agentcave.model.desired import DesiredAgent
from agentcave.model.observed import History, Key
from agentcave.plan.drift import NO_HISTORY
from agentcave.plan.restart import settled
from agentcave.plan.status import end_text, is_complete
from agentcave.reconcile.observe import View
from agentcave.reconcile.servers import refuse_elsewhere
from agentcave.state import ENDED, State
from agentcave.workspaces import ensure_ignored


def settle(
    host: Host, state: State, seen: View, now: float, busy: Collection[str] = ()
) -> tuple[View, list[dict[str, Any]]]:
    """What comes between looking and deciding; see ``remember``.

    Raises CaveError when the project may live on another tmux server: then nothing is written.
    """
    refuse_elsewhere(host, state, seen.desired.uid, seen.sight.server_pid)
    if seen.sight.exposed:
        ensure_ignored(seen.desired.directory)
    return remember(state, seen, now, busy)


def remember(
    state: State, seen: View, now: float, busy: Collection[str] = ()
) -> tuple[View, list[dict[str, Any]]]:
    """Write it down; the view with the history as it is now, and the ends that are new as events.

    ``now``: seconds since the epoch. ``busy``: caves that are being worked on, about which those
    who do it write.
    """
    sight = seen.sight
    if sight.refreshed:
        state.put_seeds(sight.refreshed)
    if sight.adopted:
        state.put_workspaces(sight.adopted)
    ends = {key: past for key, past in _ends(seen, now) if key[0] not in busy}
    changed = {**sight.learned, **ends}
    if not changed:
        return seen, []
    known = sight.observed.history
    new = {k: past for k, past in ends.items() if known.get(k, NO_HISTORY).ended_at is None}
    events = [_event(key, past, now) for key, past in new.items()]
    state.put_histories(changed, events)
    observed = sight.observed._replace(history={**known, **changed})
    return seen._replace(sight=sight._replace(observed=observed)), events


def _ends(seen: View, now: float) -> Iterator[tuple[Key, History]]:
    agents = {a.key: a for cave in seen.desired.caves.values() for a in cave.agents}
    sessions = seen.sight.observed.sessions
    for key, known in seen.sight.observed.history.items():
        past = settled(known, now)
        told = past.session is None or past.ended is not None or past.ended_at is not None
        if key not in sessions and not told and past.intent != "down":
            past = past._replace(ended_at=now)
        if past is not known:
            yield key, past
    for key, many in sessions.items():
        last, past = many[-1], seen.sight.observed.history.get(key, NO_HISTORY)
        if last.dead and past.ended is None:
            yield (
                key,
                past._replace(
                    ended=_how(agents.get(key), last.exit_status),
                    exit_status=last.exit_status,
                    signal=last.signal,
                    ended_at=now,
                ),
            )


def _how(agent: DesiredAgent | None, exit_status: int | None) -> Literal["completed", "failed"]:
    return "completed" if is_complete(agent, exit_status) else "failed"


def _event(key: Key, past: History, now: float) -> dict[str, Any]:
    how = "gone" if past.ended is None else end_text(past.exit_status, past.signal)
    return {
        "at": round(now, 3),
        "action": ENDED,
        "cave": key[0],
        "agent": key[1],
        "cause": how,
        "outcome": past.ended or "failed",
        "error": None,
        "duration_ms": round((now - (past.started or now)) * 1000),
    }
