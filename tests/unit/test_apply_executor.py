"""The walk over a plan, with a performer that only takes notes."""

import errno
import re
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from apply_world import anyio_backend as anyio_backend
from plan_world import session

from agentcave.apply.events import Event
from agentcave.apply.executor import AT_ONCE, Executor
from agentcave.errors import CaveError, DeadlineExceeded
from agentcave.plan.actions import StopSession
from agentcave.plan.plan import Outcome, Plan, Step


class Notes:
    """Performs steps by name: some fail, some wait."""

    def __init__(
        self,
        failing: dict[str, Exception] | None = None,
        waiting: dict[str, anyio.Event] | None = None,
    ) -> None:
        self.failing, self.waiting = failing or {}, waiting or {}
        self.order: list[str] = []
        self.now = self.most = 0

    def masked(self, text: str, cave: str) -> str:
        return text.replace("hush", "[redacted]")

    def is_done(self, step: Step) -> bool:
        raise AssertionError("nobody else has a turn")

    async def conditions(self, step: Step) -> None:
        if isinstance(error := self.failing.get(f"before {step.cave}"), Exception):
            raise error

    async def perform(self, step: Step) -> tuple[str, ...]:
        self.now += 1
        self.most = max(self.most, self.now)
        await anyio.lowlevel.checkpoint()
        if step.cave in self.waiting:
            await self.waiting[step.cave].wait()
        self.now -= 1
        if step.cave in self.failing:
            raise self.failing[step.cave]
        self.order.append(step.cave)
        return ()


def step(
    number: int, cave: str, *after: int, outcome: Outcome = "planned", error: str | None = None
) -> Step:
    action = StopSession(session(cave))
    return Step(number, action, cave, "claude", "down", after, (), outcome, error)


def waits(one: Step) -> Step:
    return one._replace(conditions=(("other", "ready"),))


def plan(*steps: Step) -> Plan:
    return Plan("shop", "u1", "/p/caves.yaml", tuple(one.cave for one in steps), steps)


def executor(one: Plan, notes: Notes, emit: Callable[[Event], None] = lambda _: None) -> Executor:
    return Executor(one, notes, emit, "/nonexistent")


def results(events: list[Event]) -> list[tuple[str, str, str | None]]:
    return [(event.step.cave, event.result, event.error) for event in events]


async def test_steps_wait_for_the_ones_before_them_whatever_their_numbers() -> None:
    notes = Notes()
    await executor(plan(step(1, "last", 2), step(2, "middle", 3), step(3, "first")), notes).run()
    assert notes.order == ["first", "middle", "last"]


async def test_unrelated_steps_are_done_at_one_time() -> None:
    gate = anyio.Event()
    notes = Notes(waiting={"slow": gate})
    seen: list[str] = []

    def emit(event: Event) -> None:
        seen.append(f"{event.step.cave} {event.result}")
        if event.step.cave == "fast" and event.result == "done":
            gate.set()

    with anyio.fail_after(5):
        await executor(plan(step(1, "slow"), step(2, "fast")), notes, emit).run()
    assert seen == ["slow started", "fast started", "fast done", "slow done"]


async def test_what_waited_for_a_failure_is_skipped_with_the_reason_and_the_rest_is_done() -> None:
    notes = Notes({"db": CaveError("no space", "free some")})
    steps = plan(step(1, "db"), step(2, "web", 1), step(3, "top", 2), step(4, "docs"))
    assert results(await executor(steps, notes).run()) == [
        ("db", "failed", "no space (free some)"),
        ("web", "skipped", "since db/claude failed: no space (free some)"),
        ("top", "skipped", "since db/claude failed: no space (free some)"),
        ("docs", "done", None),
    ]
    assert notes.order == ["docs"]


@pytest.mark.parametrize("outcome", ["refused", "held"])
async def test_what_the_plan_blocks_is_never_performed(outcome: Outcome) -> None:
    notes = Notes()
    steps = plan(step(1, "db", outcome=outcome, error="why"), step(2, "web", 1))
    assert results(await executor(steps, notes).run()) == [
        ("db", outcome, "why"),
        ("web", "skipped", f"since db/claude {outcome}: why"),
    ]
    assert notes.order == []


@pytest.mark.parametrize(
    ("error", "late"), [(CaveError("it failed"), False), (DeadlineExceeded("too slow"), True)]
)
async def test_a_condition_that_is_not_reached_fails_its_step(error: Exception, late: bool) -> None:
    notes = Notes({"before web": error})
    one = executor(plan(waits(step(1, "web"))), notes)
    assert [event.result for event in await one.run()] == ["failed"]
    assert one.late is late
    assert notes.order == []


async def test_cancelled_it_tells_what_was_done() -> None:
    notes = Notes(waiting={"web": anyio.Event()})
    one = executor(plan(step(1, "db"), step(2, "web", 1), step(3, "top", 2)), notes)
    with anyio.move_on_after(5) as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one.run)
            while notes.now == 0 or "db" not in notes.order:
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
    assert not scope.cancelled_caught
    assert {number: event.result for number, event in one.results.items()} == {1: "done"}


async def test_a_bug_fails_its_own_step_and_its_traceback_is_kept(tmp_path: Path) -> None:
    bugs = ExceptionGroup("in a task", [ZeroDivisionError("a secret")])
    notes = Notes({"db": bugs, "before web": KeyError("a secret")})
    steps = plan(step(1, "db"), step(2, "top", 1), waits(step(3, "web")), step(4, "docs"))
    db, top, web, docs = await Executor(steps, notes, lambda _: None, str(tmp_path)).run()
    assert [one.result for one in (db, top, web, docs)] == ["failed", "skipped", "failed", "done"]
    assert (db.error or "").startswith("bug: ExceptionGroup (")
    assert (web.error or "").startswith("bug: KeyError (")
    assert "a secret" not in f"{db.error} {top.error} {web.error}"
    kept = {str(path): path.read_text() for path in tmp_path.iterdir()}
    assert sorted(kept) == sorted(re.findall(r"/\S+\.txt", f"{db.error} {web.error}"))
    assert "ZeroDivisionError" in next(kept[path] for path in kept if path in (db.error or ""))


async def test_the_same_bug_is_kept_once(tmp_path: Path) -> None:
    for _ in range(2):
        notes = Notes({"db": ZeroDivisionError("a bug")})
        await Executor(plan(step(1, "db")), notes, lambda _: None, str(tmp_path)).run()
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "memory is used up (`ulimit -v` is "),
        (ExceptionGroup("in a task", [MemoryError()]), "memory is used up (`ulimit -v` is "),
        (OSError(errno.EAGAIN, "again"), "no more processes can be started (`ulimit -u` is "),
        (RuntimeError("can't start new thread"), "no more processes can be started"),
        (OSError(errno.ENOSPC, "No space left", "/f"), "/f: No space left"),
    ],
)
async def test_what_the_machine_has_no_more_of_is_no_bug(
    tmp_path: Path, error: Exception, said: str
) -> None:
    notes = Notes({"db": error})
    (event,) = await Executor(plan(step(1, "db")), notes, lambda _: None, str(tmp_path)).run()
    assert (event.error or "").startswith(said)
    assert list(tmp_path.iterdir()) == []


async def test_not_everything_is_done_at_once() -> None:
    gate = anyio.Event()
    count = AT_ONCE + 20
    notes = Notes(waiting={f"c{number}": gate for number in range(count)})
    steps = plan(*(step(number + 1, f"c{number}") for number in range(count)))
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(executor(steps, notes).run)
            while notes.now < AT_ONCE:
                await anyio.lowlevel.checkpoint()
            gate.set()
    assert len(notes.order) == count
    assert notes.most == AT_ONCE


def test_the_record_of_an_event_has_constant_keys() -> None:
    record = Event(1.23456, step(1, "db"), "done", None, 0.25).record()
    assert record == {
        "at": 1.235,
        "action": "stop-session",
        "cave": "db",
        "agent": "claude",
        "cause": "down",
        "outcome": "done",
        "error": None,
        "duration_ms": 250,
    }


async def test_no_secret_is_in_what_is_told_of_a_failure() -> None:
    notes = Notes({"db": CaveError("it said hush", "or hush"), "before top": CaveError("hush!")})
    steps = plan(step(1, "db"), step(2, "web", 1), waits(step(3, "top")))
    events = await executor(steps, notes).run()
    assert [event.error for event in events] == [
        "it said [redacted] (or [redacted])",
        "since db/claude failed: it said [redacted] (or [redacted])",
        "[redacted]!",
    ]
