"""When an agent counts as started, ready or completed."""

import time
from pathlib import Path
from typing import Any

import pytest
from apply_world import anyio_backend as anyio_backend
from plan_world import agent

from agentcave.apply.readiness import Probe, reach
from agentcave.errors import CaveError, DeadlineExceeded
from agentcave.hosts import LocalHost
from agentcave.model.desired import DesiredAgent
from agentcave.model.spec import ReadySpec, RestartSpec
from agentcave.model.status import Activity, Claim, Dialog, Judgement, Phase
from agentcave.sessions.base import SessionOptions, SessionStatus
from agentcave.sessions.fake import FakeSession, FakeSessionManager


async def probe(tmp_path: Path, ready: ReadySpec, **fields: Any) -> tuple[Probe, FakeSession]:
    spec = agent(ready=ready, **{"type": "command", **fields})
    environment = {"PATH": "/usr/bin:/bin", "MARK": "yes"}
    options = SessionOptions("shop", "api", spec.name, ("sh",), str(tmp_path), environment)
    session = await FakeSessionManager().create_session(options)
    await session.start()
    assert isinstance(session, FakeSession)

    async def resolved() -> dict[str, str]:
        return environment

    desired = DesiredAgent("api", spec, None, "running")
    return Probe(LocalHost(), desired, session, str(tmp_path), resolved), session


@pytest.mark.parametrize("condition", ["started", "ready"])
async def test_a_running_process_is_started_and_by_default_ready(
    tmp_path: Path, condition: str
) -> None:
    one, _ = await probe(tmp_path, ReadySpec())
    await reach(one, condition, 5)


ASKS = Dialog("startup", "trust this folder?")


@pytest.mark.parametrize(
    ("activity", "dialog", "ready"),
    [
        (Activity.STARTING, None, False),
        (Activity.QUESTION, ASKS, False),
        (Activity.QUESTION, ASKS._replace(kind="question"), True),
        (Activity.IDLE, None, True),
        (Activity.WORKING, None, True),
        (Activity.UNKNOWN, None, True),
    ],
)
async def test_an_agent_that_reports_is_ready_once_it_is_past_its_start(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    activity: Activity,
    dialog: Dialog | None,
    ready: bool,
) -> None:
    one, session = await probe(tmp_path, ReadySpec("status", timeout=0.05), type="claude")
    winner = Claim("screen", activity, "", dialog=dialog)

    async def status() -> SessionStatus:
        return SessionStatus(Phase.RUNNING, 1, judgement=Judgement(activity, "why", winner))

    monkeypatch.setattr(session, "status", status)
    if ready:
        await reach(one, "ready", 5)
    else:
        with pytest.raises(DeadlineExceeded, match=r"not ready within 0\.05 s: why"):
            await reach(one, "ready", 5)


async def test_output_must_match_on_some_line(tmp_path: Path) -> None:
    ready = ReadySpec("output", r"^You said: up \d+$", timeout=0.2)
    one, session = await probe(tmp_path, ready)
    with pytest.raises(DeadlineExceeded, match=r"api/claude was not ready within 0\.2 s"):
        await reach(one, "ready", 5)
    await session.send_input("up 1\nand more")
    await reach(one, "ready", 5)


async def test_a_delay_has_to_pass(tmp_path: Path) -> None:
    one, _ = await probe(tmp_path, ReadySpec("delay", 0.3))
    began = time.monotonic()
    await reach(one, "ready", 5)
    assert time.monotonic() - began >= 0.3


async def test_a_command_must_succeed_in_the_place_and_environment_of_the_agent(
    tmp_path: Path,
) -> None:
    argv = ("sh", "-c", '[ "$MARK" = yes ] && [ -e here ]')
    one, _ = await probe(tmp_path, ReadySpec("command", argv, timeout=0.3))
    with pytest.raises(DeadlineExceeded):
        await reach(one, "ready", 5)
    (tmp_path / "here").touch()
    await reach(one, "ready", 5)


@pytest.mark.parametrize("condition", ["started", "ready", "completed"])
async def test_exit_0_is_enough_for_every_condition(tmp_path: Path, condition: str) -> None:
    one, session = await probe(tmp_path, ReadySpec("output", "never"))
    await session.send_input("exit 0")
    await reach(one, condition, 5)


@pytest.mark.parametrize("condition", ["started", "ready", "completed"])
async def test_a_failure_is_told_at_once(tmp_path: Path, condition: str) -> None:
    one, session = await probe(tmp_path, ReadySpec("output", "never"))
    await session.send_input("exit 3")
    with pytest.raises(CaveError, match=f"api/claude cannot become {condition}: exit 3"):
        await reach(one, condition, 600)


async def test_what_is_to_run_always_is_never_completed(tmp_path: Path) -> None:
    one, session = await probe(tmp_path, ReadySpec(), restart=RestartSpec("always"))
    await session.send_input("exit 0")
    with pytest.raises(CaveError, match="cannot become completed: exit 0"):
        await reach(one, "completed", 600)


async def test_completion_is_waited_for_as_long_as_the_command_line_says(tmp_path: Path) -> None:
    one, _ = await probe(tmp_path, ReadySpec(timeout=600))
    with pytest.raises(DeadlineExceeded, match=r"not completed within 0\.1 s"):
        await reach(one, "completed", 0.1)
