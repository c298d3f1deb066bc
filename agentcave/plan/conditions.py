"""What a cave waits for, judged from a snapshot: for controllers, which never wait in a pass."""

from collections.abc import Iterator

from agentcave.model.desired import Desired, DesiredAgent, DesiredCave
from agentcave.model.observed import Observed
from agentcave.plan.drift import NO_HISTORY
from agentcave.plan.status import is_complete


def unmet(cave: DesiredCave, desired: Desired, observed: Observed) -> Iterator[str]:
    """Each dependency that is not there yet, as in "db to be ready"."""
    for name, condition in cave.waits:
        agents = desired.caves[name].agents
        if not all(_reached(agent, condition, observed) for agent in agents):
            yield f"{name} to be {condition}"


def asked_ready(desired: Desired, observed: Observed) -> Iterator[DesiredAgent]:
    """Running agents that a cave which is to start needs to be ready."""
    named = {
        name
        for cave in desired.caves.values()
        if not all(_reached(agent, "started", observed) for agent in cave.agents)
        for name, condition in cave.waits
        if condition == "ready"
    }
    for name in sorted(named):
        for agent in desired.caves[name].agents:
            last = observed.sessions.get(agent.key, ())[-1:]
            if last and not last[0].dead:
                yield agent


def _reached(agent: DesiredAgent, condition: str, observed: Observed) -> bool:
    past = observed.history.get(agent.key, NO_HISTORY)
    last = observed.sessions.get(agent.key, ())[-1:]
    if last and not last[0].dead:
        return condition == "started" or (condition == "ready" and agent.key in observed.ready)
    exit_status = last[0].exit_status if last else past.exit_status
    ended = bool(last) or past.ended == "completed"
    return ended and is_complete(agent, exit_status)
