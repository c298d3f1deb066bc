"""Pure: what is wanted against what is, and the steps between. No I/O, no clock, no chance."""

from agentcave.plan.actions import (
    Action,
    CreateWorkspace,
    RemoveWorkspace,
    ResizeSession,
    RestartSession,
    RunSetup,
    SeedContext,
    StartSession,
    StopSession,
)
from agentcave.plan.desire import desire
from agentcave.plan.diff import diff
from agentcave.plan.plan import Plan, Step
from agentcave.plan.status import status_of

__all__ = [
    "Action",
    "CreateWorkspace",
    "Plan",
    "RemoveWorkspace",
    "ResizeSession",
    "RestartSession",
    "RunSetup",
    "SeedContext",
    "StartSession",
    "Step",
    "StopSession",
    "desire",
    "diff",
    "status_of",
]
