"""What is wanted against what is seen: the only place that decides."""

from agentcave.model.desired import Desired, Request
from agentcave.model.observed import Observed
from agentcave.plan.digest import DigestKey
from agentcave.plan.draft import Draft
from agentcave.plan.ends import Ends
from agentcave.plan.order import dependencies_first
from agentcave.plan.plan import Plan
from agentcave.plan.runs import Runs


def diff(desired: Desired, observed: Observed, request: Request, key: DigestKey | None) -> Plan:
    """The steps from ``observed`` to ``desired``; same input, same plan.

    Nothing is planned from what could not be read: with tmux unreachable the plan is empty and
    the caller reports why.
    """
    if observed.unreachable is not None:
        return Plan(desired.project, desired.uid, desired.file, tuple(desired.caves))
    draft = Draft(desired, observed, request)
    ends, runs = Ends(draft), Runs(draft, key)
    ordered = dependencies_first(desired.caves)
    for cave in reversed(ordered):
        ends.cave(cave)
    for cave in ordered:
        runs.cave(cave)
    caves = list(desired.caves)
    if request.orphans:
        caves += ends.orphans()
    if request.remove_workspaces:
        ends.workspaces()
    return draft.finished(caves)
