"""Any program: nothing is known of it but its argv."""

from agentcave.agents.base import Start
from agentcave.model.spec import StopKey

PROGRAM: tuple[str, ...] = ()
INSTALL = "install it, or correct `command`"
CONVERSES = False
STOP_KEYS: tuple[StopKey, ...] = ()
STOP_SIGNAL = "TERM"


def launch(start: Start) -> tuple[str, ...]:
    return (*(start.spec.command or PROGRAM), *start.spec.args)


def transcript(start: Start) -> str | None:
    return None
