"""One judgement of one agent, from what is wanted, what is seen and what is remembered."""

import signal as signals
from typing import NamedTuple

from agentcave.model.desired import DesiredAgent
from agentcave.model.observed import History, ObservedSession
from agentcave.model.status import Activity, Judgement, Phase, Status
from agentcave.plan.restart import Verdict, next_restart

RETRY = "`agentcave up` starts it again, `agentcave up --watch` whenever it ends"
AGAIN = "`agentcave up` starts it again"


class Watch(NamedTuple):
    """A controller keeps the project. ``now`` in seconds since the epoch.

    ``unmet``: what the agent's cave waits for.
    """

    now: float
    unmet: str = ""


def status_of(
    agent: DesiredAgent | None,
    session: ObservedSession | None,
    history: History,
    unreachable: str | None = None,
    judgement: Judgement | None = None,
    watch: Watch | None = None,
) -> Status:
    """``agent`` None: it is not declared (an orphan). ``session``: its newest stamped pane."""
    if unreachable is not None:
        return Status(Phase.UNREACHABLE, None, unreachable)
    if session is not None and session.unread:
        return Status(Phase.UNREACHABLE, None, session.unread)
    if session is not None and not session.dead:
        judgement = judgement or Judgement(Activity.UNKNOWN)
        reason = "not in caves.yaml" if agent is None else told(judgement)
        return Status(Phase.RUNNING, judgement.activity, reason, judgement)
    if history.intent == "stopped" or history.ended == "stopped":  # its pane goes in a moment
        return Status(Phase.STOPPED, None, "stopped by hand; `agentcave start` starts it")
    if session is not None and history.intent != "down":
        return _ended(agent, session.exit_status, session.signal, history, watch)
    if history.ended is not None:
        return _ended(agent, history.exit_status, history.signal, history, watch)
    if agent is not None and watch is not None and history.intent != "down":
        if watch.unmet:
            return Status(Phase.WAITING, None, f"waits for {watch.unmet}")
        if history.session is not None and history.ended_at is not None:
            back = next_restart(agent.spec.restart, history, exited=False)
            return _due("its session was taken away", back, watch)
    return Status(Phase.PENDING, None, "not started; `agentcave up` starts it")


def is_complete(agent: DesiredAgent | None, exit_status: int | None) -> bool:
    """Exit 0 completes an agent, unless its policy is to be there always."""
    return exit_status == 0 and not (agent is not None and agent.spec.restart.policy == "always")


def end_text(exit_status: int | None, signal: int | None) -> str:
    if signal:
        return f"ended by {signal_name(signal)}"
    return "ended, exit status unknown" if exit_status is None else f"exit {exit_status}"


def signal_name(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"


def told(judgement: Judgement) -> str:
    """What an agent does, in one line; other sources that say otherwise are named."""
    doubts = [f"its {one.source} says {one.activity}" for one in judgement.doubts]
    return "; ".join(filter(None, (judgement.reason, *doubts)))


def _ended(
    agent: DesiredAgent | None,
    exit_status: int | None,
    signal: int | None,
    history: History,
    watch: Watch | None,
) -> Status:
    how = end_text(exit_status, signal)
    if is_complete(agent, exit_status):
        return Status(Phase.COMPLETED, None, how)
    if watch is None or agent is None:
        return Status(Phase.FAILED, None, f"{how}; {RETRY}")
    return _due(how, next_restart(agent.spec.restart, history), watch)


def _due(how: str, verdict: Verdict, watch: Watch) -> Status:
    """How an agent ended, and when a controller starts it again."""
    if verdict.due is None:
        return Status(Phase.FAILED, None, f"{how}; {verdict.why}; {AGAIN}")
    left = max(0.0, verdict.due - watch.now)
    return Status(Phase.BACKOFF, None, f"{how}; {verdict.why} in {left:.0f} s", due=verdict.due)
