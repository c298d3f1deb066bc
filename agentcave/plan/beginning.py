"""Whether an agent that does not run is to start: now, later, or not at all."""

from typing import NamedTuple

from agentcave.model.desired import DesiredAgent, Request
from agentcave.model.observed import History, ObservedSession
from agentcave.plan.digest import same
from agentcave.plan.restart import next_restart
from agentcave.plan.status import end_text, is_complete


class Beginning(NamedTuple):
    """``at``: not before then, in seconds since the epoch. ``streak``: see ``StartSession``."""

    cause: str
    at: float | None = None
    streak: int | None = None


def beginning(
    agent: DesiredAgent, dead: ObservedSession | None, past: History, request: Request
) -> Beginning | None:
    """``dead``: the pane of its last incarnation. None: it stays as it is."""
    if agent.key in request.restart:
        return Beginning(request.cause)
    if dead is None and past.ended in (None, "stopped"):
        return _put_back(agent, past, request)
    exit_status, signal = (
        (past.exit_status, past.signal) if dead is None else (dead.exit_status, dead.signal)
    )
    changed = not same(agent.digest or "", past.digest if dead is None else dead.stamp.digest)
    if is_complete(agent, exit_status) and agent.key not in request.revive:
        return Beginning("changed since it completed") if changed else None
    how = end_text(exit_status, signal)
    if request.now is None or request.anew or changed:
        return Beginning(how)
    return _automatic(agent, past, request.now, how, exited=True)


def _put_back(agent: DesiredAgent, past: History, request: Request) -> Beginning | None:
    """Its session is not there, and it did not end by itself as far as is known."""
    if request.now is None or request.anew or past.ended_at is None or past.session is None:
        return Beginning("missing")
    return _automatic(agent, past, request.now, "missing", exited=False)


def _automatic(
    agent: DesiredAgent, past: History, now: float, how: str, *, exited: bool
) -> Beginning | None:
    verdict = next_restart(agent.spec.restart, past, exited=exited)
    if verdict.due is None:
        return None
    at = verdict.due if verdict.due > now else None
    return Beginning(f"{how}, {verdict.why}", at, verdict.streak)
