"""In what a running agent is not as declared."""

from agentcave.model.desired import Desired, DesiredAgent
from agentcave.model.observed import History, Observed, ObservedSession
from agentcave.plan.digest import DigestKey, changed_fields, declared_fields, same

NO_HISTORY = History()


def drift(
    desired: Desired,
    agent: DesiredAgent,
    session: ObservedSession,
    observed: Observed,
    key: DigestKey | None,
) -> tuple[str, ...]:
    """What changed since the agent's last start, as far as that is known; () for nothing."""
    lost = ("workspace",) if session.uprooted else ()
    if agent.digest is None or same(agent.digest, session.stamp.digest):
        return lost
    cave = desired.caves[agent.cave].spec
    past = observed.history.get(agent.key, NO_HISTORY)
    fields = declared_fields(cave, agent.spec, desired.env)
    changed = changed_fields(past.fields, fields, key) if key else ()
    return lost + (changed or ("the declaration",))


def drift_text(session: ObservedSession, changed: tuple[str, ...]) -> str:
    return "its workspace was deleted" if session.uprooted else f"{', '.join(changed)} changed"
