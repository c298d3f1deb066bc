"""Passes on their way: never two in one cave, and what fails is tried again later."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import plan_world
import pytest

from agentcave.apply.events import Event
from agentcave.errors import CaveError
from agentcave.hosts import LocalHost
from agentcave.model.spec import CaveSpec, Dependency
from agentcave.plan.plan import Plan, Step
from agentcave.reconcile import flights as module
from agentcave.reconcile.flights import Flights, Setting
from agentcave.reconcile.observe import Sight
from agentcave.reconcile.once import Pass
from agentcave.state.store import State, open_state
from agentcave.tmux import Server


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    made = open_state(str(tmp_path))
    yield made
    made.close()


class Work:
    """Stands for a pass: each of its steps ends when a test says so."""

    made: list["Work"]
    _error: Exception | None

    def __init__(self, tools: Any, sessions: Any, seen: Any, emit: Any) -> None:
        self.steps: tuple[Step, ...] = getattr(seen, "plan", seen).steps
        self.flushed = 0
        self._emit = emit
        self._over, self._error = anyio.Event(), None
        Work.made.append(self)

    async def run(self) -> None:
        await self._over.wait()
        if self._error is not None:
            raise self._error

    def end(self, cave: str, error: str | None = None, agent: str | None = None) -> None:
        """Every step of a cave is over, or that of one agent."""
        for step in self.steps:
            if step.cave == cave and agent in (None, step.agent):
                self._emit(Event(time.time(), step, "started"))
                self._emit(Event(time.time(), step, "failed" if error else "done", error))

    def finish(self, error: Exception | None = None) -> None:
        self._error = error
        self._over.set()

    def flush(self) -> None:
        self.flushed += 1


class Hangar:
    """Flights whose passes are in a test's hands."""

    def __init__(self, state: State) -> None:
        self.told: list[Mapping[str, Any]] = []
        self.landed = 0
        host, server = LocalHost(), Server(str(Path(state.folder) / "s"))
        environ = {"PATH": "/usr/bin:/bin"}
        setting = Setting(host, server, state, environ, plan_world.KEY, time.time, {})
        self.flights = Flights(setting, self.told.append, self._land)

    def _land(self) -> None:
        self.landed += 1

    def outcomes(self) -> list[tuple[str, str]]:
        return [(event["cave"], event["outcome"]) for event in self.told]


@pytest.fixture
def hangar(state: State, monkeypatch: pytest.MonkeyPatch) -> Hangar:
    Work.made = []
    monkeypatch.setattr(module, "Work", Work)
    return Hangar(state)


def seen(*caves: CaveSpec) -> Pass:
    """A look at caves of which nothing is there yet."""
    desired = plan_world.wanted(*caves)
    observed = plan_world.world(desired)
    sight = Sight(observed, {}, {}, {}, exposed=False, server_pid=None, learned={})
    return Pass(desired, sight, plan_world.plan(desired))


def cave(name: str, *programs: str) -> CaveSpec:
    agents = [
        plan_world.agent(f"a{number}", type="command", command=(program,))
        for number, program in enumerate(programs or ("sh",))
    ]
    return plan_world.cave(name, *agents)


async def has(count: int) -> None:
    with anyio.fail_after(10):
        while len(Work.made) < count:
            await anyio.sleep(0.005)


async def frees(hangar: Hangar, *busy: str) -> None:
    with anyio.fail_after(10):
        while set(hangar.flights.busy) != set(busy):
            await anyio.sleep(0.005)


def plan_of(work: Work) -> str:
    return Plan("", "", "", (), work.steps).steps_text()


async def test_a_cave_is_busy_until_all_its_steps_are_over(hangar: Hangar) -> None:
    async with anyio.create_task_group() as tasks:
        hangar.flights.launch(tasks, seen(cave("api", "sh", "sh")))
        assert set(hangar.flights.busy) == {"api"}
        await has(1)
        Work.made[0].end("api")
        await frees(hangar)
        Work.made[0].finish()
    assert hangar.outcomes() == [("api", "done"), ("api", "done")]
    assert hangar.landed >= 1
    assert Work.made[0].flushed >= 1


async def test_what_is_busy_is_left_alone_and_the_others_start(hangar: Hangar) -> None:
    both = seen(cave("api"), cave("web"))
    async with anyio.create_task_group() as tasks:
        hangar.flights.launch(tasks, seen(cave("api")))
        hangar.flights.launch(tasks, both)
        hangar.flights.launch(tasks, both)
        await has(2)
        assert [plan_of(work) for work in Work.made] == [
            "[] -> #1 start-session api/a0, missing",
            "[] -> #2 start-session web/a0, missing",
        ]
        for work in Work.made:
            work.end("api")
            work.end("web")
            work.finish()
    assert set(hangar.flights.busy) == set()


async def test_a_cave_that_is_over_is_free_while_its_pass_flies_on(hangar: Hangar) -> None:
    async with anyio.create_task_group() as tasks:
        hangar.flights.launch(tasks, seen(cave("api"), cave("web")))
        await has(1)
        Work.made[0].end("api")
        await frees(hangar, "web")
        assert hangar.landed == 1
        hangar.flights.launch(tasks, seen(cave("api")))
        await has(2)
        assert set(hangar.flights.busy) == {"api", "web"}
        for work in Work.made:
            work.end("api" if work is Work.made[1] else "web")
            work.finish()
    assert set(hangar.flights.busy) == set()


async def test_a_cave_that_failed_waits_and_the_others_do_not(hangar: Hangar) -> None:
    both = seen(cave("api"), cave("web"))
    async with anyio.create_task_group() as tasks:
        hangar.flights.launch(tasks, both)
        await has(1)
        Work.made[0].end("api", "no such thing")
        Work.made[0].end("web")
        Work.made[0].finish()
    assert hangar.flights.delays.is_waiting("api")
    assert not hangar.flights.delays.is_waiting("web")
    assert hangar.outcomes() == [("api", "failed"), ("web", "done")]
    async with anyio.create_task_group() as tasks:
        hangar.flights.launch(tasks, both)
        await has(2)
        assert plan_of(Work.made[1]) == "[] -> #2 start-session web/a0, missing"
        Work.made[1].end("web")
        Work.made[1].finish()


async def test_what_waits_for_a_step_of_another_pass_waits_for_it_no_more(hangar: Hangar) -> None:
    both = seen(cave("db"), cave("api")._replace(depends_on=(Dependency("db"),)))
    assert both.plan.steps[1].after == (1,)
    async with anyio.create_task_group() as tasks:
        hangar.flights.launch(tasks, seen(cave("db")))
        hangar.flights.launch(tasks, both)
        await has(2)
        assert plan_of(Work.made[1]) == "[] -> #2 start-session api/a0, missing"
        for work, name in zip(Work.made, ("db", "api"), strict=True):
            work.end(name)
            work.finish()


async def test_when_the_file_has_changed_what_failed_is_tried_at_once(hangar: Hangar) -> None:
    hangar.flights.delays.failed("api")
    hangar.flights.delays.forget()
    async with anyio.create_task_group() as tasks:
        hangar.flights.launch(tasks, seen(cave("api")))
        await has(1)
        Work.made[0].end("api")
        Work.made[0].finish()
    assert hangar.outcomes() == [("api", "done")]


async def test_nothing_to_do_begins_nothing(hangar: Hangar) -> None:
    async with anyio.create_task_group() as tasks:
        hangar.flights.launch(tasks, seen())
        tasks.cancel_scope.cancel()
    assert (Work.made, set(hangar.flights.busy), hangar.landed) == ([], set(), 0)


async def test_a_pass_that_cannot_begin_fails_all_of_it(
    hangar: Hangar, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(setting: Setting, view: Any) -> None:
        raise CaveError("tmux is gone")

    monkeypatch.setattr(Setting, "sessions", broken)
    async with anyio.create_task_group() as tasks:
        hangar.flights.launch(tasks, seen(cave("api"), cave("web")))
    assert hangar.outcomes() == [("api", "failed"), ("web", "failed")]
    assert set(hangar.flights.busy) == set()
    assert hangar.flights.delays.is_waiting("web")
    assert hangar.landed >= 1


async def test_a_pass_that_breaks_off_fails_what_it_has_not_done(hangar: Hangar) -> None:
    async with anyio.create_task_group() as tasks:
        hangar.flights.launch(tasks, seen(cave("api", "sh", "sh"), cave("bad", "no-such-program")))
        await has(1)
        Work.made[0].end("api", agent="a0")
        Work.made[0].finish(CaveError("the disk is full"))
    assert [f"{one['cave']}/{one['agent']} {one['outcome']}" for one in hangar.told] == [
        "bad/a0 failed",
        "api/a0 done",
        "api/a1 failed",
    ]
    assert hangar.told[-1]["error"] == "the disk is full"


async def test_a_bug_in_a_pass_fails_what_it_has_not_done_and_nothing_else(
    hangar: Hangar,
) -> None:
    async with anyio.create_task_group() as tasks:
        hangar.flights.launch(tasks, seen(cave("api")))
        hangar.flights.launch(tasks, seen(cave("web")))
        await has(2)
        Work.made[0].finish(ZeroDivisionError("a bug"))
        await frees(hangar, "web")
        Work.made[1].end("web")
        Work.made[1].finish()
    assert hangar.outcomes() == [("api", "failed"), ("web", "done")]
    assert hangar.told[0]["error"].startswith("bug: ")
    assert hangar.flights.delays.is_waiting("api")


async def test_when_the_controller_is_told_to_end_a_pass_writes_down_what_it_did(
    hangar: Hangar,
) -> None:
    async with anyio.create_task_group() as tasks:
        hangar.flights.launch(tasks, seen(cave("api"), cave("web")))
        await has(1)
        Work.made[0].end("api")
        tasks.cancel_scope.cancel()
    assert Work.made[0].flushed >= 1
    assert set(hangar.flights.busy) == set()
