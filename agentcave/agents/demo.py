"""The agent that ships with agentcave: no account, no network (agentcave/demo_agent.py)."""

import sys

from agentcave.agents.base import Start
from agentcave.agents.command import transcript as transcript
from agentcave.model.spec import StopKey

# -P: the workspace may hold a folder called agentcave, ours even; it must not be imported.
PROGRAM: tuple[str, ...] = (sys.executable, "-P", "-m", "agentcave.demo_agent")
INSTALL = "it comes with agentcave: reinstall agentcave"
CONVERSES = False
STOP_KEYS: tuple[StopKey, ...] = ()
STOP_SIGNAL = "TERM"


def launch(start: Start) -> tuple[str, ...]:
    prompt = () if start.prompt is None else ("--", start.prompt)
    return (*(start.spec.command or PROGRAM), *start.spec.args, *prompt)
