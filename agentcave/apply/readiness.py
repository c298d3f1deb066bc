"""When an agent counts as started, ready or completed; each wait has a deadline."""

import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import anyio

from agentcave.agents import adapter_of
from agentcave.agents.reading import patient_search, screen_claims
from agentcave.errors import CaveError, DeadlineExceeded
from agentcave.hosts import Host
from agentcave.model.desired import DesiredAgent
from agentcave.model.spec import ReadySpec
from agentcave.model.status import Phase
from agentcave.plan.activity import judge, past_start
from agentcave.plan.status import end_text, is_complete
from agentcave.sessions import Session, SessionStatus

INTERVAL = 0.1


class Probe(NamedTuple):
    """What readiness is judged from. ``environment`` is resolved only for ``command``."""

    host: Host
    agent: DesiredAgent
    session: Session
    workdir: str
    environment: Callable[[], Awaitable[dict[str, str]]]


async def reach(probe: Probe, condition: str, timeout: float) -> None:
    """Return once the agent is ``started``, ``ready`` or ``completed``.

    Raises DeadlineExceeded, and CaveError as soon as it can no longer get there.
    """
    cave, name = probe.agent.key
    began = time.monotonic()
    limit = probe.agent.spec.ready.timeout if condition == "ready" else timeout
    status = SessionStatus(Phase.PENDING)
    with anyio.move_on_after(limit):
        while True:
            status = await probe.session.status()
            if await _reached(probe, status, condition, time.monotonic() - began):
                return
            await anyio.sleep(INTERVAL)
    told = status.judgement
    why = f": {told.reason or told.activity}" if told is not None else ""
    raise DeadlineExceeded(f"{cave}/{name} was not {condition} within {limit:g} s{why}")


async def is_ready(probe: Probe, ran: float) -> bool:
    """Whether an agent that has run for ``ran`` seconds is ready at this moment."""
    status = await probe.session.status()
    return status.phase is Phase.RUNNING and await _ready(probe, status, ran)


async def _reached(probe: Probe, status: SessionStatus, condition: str, waited: float) -> bool:
    cave, name = probe.agent.key
    if status.phase is Phase.RUNNING:
        ready = condition == "ready" and await _ready(probe, status, waited)
        return condition == "started" or ready
    if is_complete(probe.agent, status.exit_status):
        return True
    how = end_text(status.exit_status, status.signal)
    raise CaveError(f"{cave}/{name} cannot become {condition}: {how}")


async def _ready(probe: Probe, status: SessionStatus, waited: float) -> bool:
    """Of an agent that does not report its status, a running process is all that is known."""
    match probe.agent.spec.ready:
        case ReadySpec("output", str(pattern)):
            return patient_search(pattern, await probe.session.get_output()) is not None
        case ReadySpec("delay", float(seconds)):
            return waited >= seconds
        case ReadySpec("command", tuple(argv)):
            environment = await probe.environment()
            done = await probe.host.run(
                argv, cwd=probe.workdir, environment=environment, timeout=30.0
            )
            return done.returncode == 0
        case ReadySpec("status"):
            told = status.judgement
            if told is None or told.winner is None:  # then the screen, by the file's own rules
                screen = await probe.session.get_output()
                seen = screen_claims(probe.agent.spec.screen, screen, patient_search)
                told = judge(seen, time.time())
            return told.winner is not None and past_start(told)
        case _:
            adapter = adapter_of(probe.agent.spec.type)
            return not adapter.REPORTS or past_start(status.judgement)
