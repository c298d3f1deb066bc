"""Which declared fields of a running agent have changed."""

from agentcave.model.desired import Desired, DesiredAgent
from agentcave.model.observed import History, Observed
from agentcave.plan.digest import DigestKey, changed_fields, declared_fields

NO_HISTORY = History()


def drift(
    desired: Desired, agent: DesiredAgent, observed: Observed, key: DigestKey | None
) -> tuple[str, ...]:
    """The declared fields that changed since the agent's last start, as far as that is known."""
    cave = desired.caves[agent.cave].spec
    past = observed.history.get(agent.key, NO_HISTORY)
    fields = declared_fields(cave, agent.spec, desired.env)
    return (changed_fields(past.fields, fields, key) if key else ()) or ("the declaration",)
