"""Passes over sessions in memory: real history, real files, no terminal."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import plan_world
import pytest

from agentcave.apply.events import Event
from agentcave.apply.executor import Executor
from agentcave.apply.perform import Hands
from agentcave.apply.tools import Tools
from agentcave.hosts import LocalHost
from agentcave.model.desired import Desired, Request, Wanted
from agentcave.model.observed import (
    Observed,
    ObservedContext,
    ObservedSession,
    ObservedWorkspace,
    SeedRecord,
)
from agentcave.model.spec import AgentSpec, CaveSpec, WorkspaceSpec
from agentcave.plan.desire import desire
from agentcave.plan.diff import diff
from agentcave.reconcile.talks import remember_talks
from agentcave.sessions.fake import FakeProcess, FakeSession, FakeSessionManager
from agentcave.state.store import State, open_state
from agentcave.tmux import Server

UP = Request(orphans=True, cause="up")


class Bench(NamedTuple):
    """One project and the place where its agents live."""

    root: Path
    sessions: FakeSessionManager
    state: State
    environ: dict[str, str]

    def cave(self, name: str, *agents: AgentSpec, **fields: Any) -> CaveSpec:
        path = self.root / name
        path.mkdir(exist_ok=True)
        workspace = WorkspaceSpec("directory", str(path))
        return plan_world.cave(name, *agents, **{"workspace": workspace, **fields})

    def desired(self, *caves: CaveSpec, wanted: Wanted = "running", **fields: Any) -> Desired:
        spec = plan_world.project(*caves, directory=str(self.root), **fields)
        return desire(spec, self.state.histories(), plan_world.KEY, wanted)

    async def seen(self, desired: Desired) -> Observed:
        found: dict[tuple[str, str], tuple[ObservedSession, ...]] = {}
        for one in (await self.sessions.panes()).values():
            found[one.stamp.key] = (*found.get(one.stamp.key, ()), one)
        spaces = {
            name: ObservedWorkspace(cave.spec.workspace.path, True)
            for name, cave in desired.caves.items()
        }
        contexts = dict.fromkeys(desired.caves, ObservedContext())
        observed = Observed(
            sessions=found,
            workspaces=spaces,
            contexts=contexts,
            history=self.state.histories(),
        )
        server = Server(str(self.root / "no-server"))
        folder = self.state.folder
        return remember_talks(LocalHost(), server, folder, desired, observed, self.environ)

    async def hands(
        self,
        desired: Desired,
        timeout: float = 10.0,
        seeds: Mapping[str, Mapping[str, SeedRecord]] | None = None,
    ) -> Hands:
        observed = await self.seen(desired)
        host, key = LocalHost(), plan_world.KEY
        return Hands(
            Tools(
                host,
                self.sessions,
                self.state,
                self.environ,
                desired,
                observed,
                seeds or {},
                key,
                timeout,
            )
        )

    async def apply(
        self, *caves: CaveSpec, request: Request = UP, wanted: Wanted = "running", **fields: Any
    ) -> list[Event]:
        """One pass, as reconcile/once.py does it."""
        desired = self.desired(*caves, wanted=wanted, **fields)
        plan = diff(desired, await self.seen(desired), request, plan_world.KEY)
        hands = await self.hands(desired)
        hands.announce(plan)
        try:
            return await Executor(plan, hands, lambda _: None, self.state.folder).run()
        finally:
            hands.record(())

    def session(self, cave: str, agent: str = "claude") -> FakeSession:
        found = [s for s in self.sessions.sessions.values() if s.stamp.key == (cave, agent)]
        assert len(found) == 1, found
        return found[0]

    def process(self, cave: str, agent: str = "claude") -> FakeProcess:
        process = self.session(cave, agent).process
        assert process is not None
        return process


def make_bench(root: Path) -> Iterator[Bench]:
    (root / "state").mkdir()
    state = open_state(str(root / "state"))
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(root),
        "CLAUDE_CONFIG_DIR": str(root / "claude"),
    }
    yield Bench(root, FakeSessionManager(), state, environ)
    state.close()


def talker(**fields: Any) -> AgentSpec:
    """A claude whose program is one that every machine has."""
    return plan_world.agent(**{"type": "claude", "command": (sys.executable,), **fields})


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield from make_bench(tmp_path)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
