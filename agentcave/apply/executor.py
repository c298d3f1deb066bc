"""The walk over a plan: every step in a task of its own, waiting for the ones before it."""

import time
from collections.abc import Callable
from typing import Protocol

import anyio

from agentcave.apply.bugs import reason
from agentcave.apply.events import Event, Result
from agentcave.errors import CaveError, DeadlineExceeded
from agentcave.plan.actions import SeedContext
from agentcave.plan.plan import Plan, Step

AT_ONCE = 384
FEW = 16
"""Seeds at once: they wait for nothing but the disk, and would all come before any start."""


class Performer(Protocol):
    """Who does a step. Both raise CaveError when it cannot be done."""

    async def conditions(self, step: Step) -> None:
        """Wait for what the step needs beyond the steps before it."""
        ...

    async def perform(self, step: Step) -> tuple[str, ...]:
        """Do it; the context files that stay as the agent has just made them."""
        ...

    def is_done(self, step: Step) -> bool:
        """Whether others have done it meanwhile. Raises CaveError when they want it otherwise."""
        ...

    def masked(self, text: str, cave: str) -> str:
        """The text without any secret that it knows of."""
        ...


class Turn(Protocol):
    """Who may change the project: we, or others while nothing is done but waiting."""

    def rest(self) -> None: ...
    async def resume(self) -> bool:
        """Whether others have worked since the beginning. Raises CaveError."""
        ...


class Always:
    """Nobody else has a turn."""

    def rest(self) -> None:
        pass

    async def resume(self) -> bool:
        return False


ALWAYS = Always()


class Executor:
    """Carries out one plan, once. ``late`` tells whether a wait reached its deadline.

    ``folder``: where tracebacks of bugs are kept; a bug fails its own step alone.
    """

    def __init__(
        self,
        plan: Plan,
        performer: Performer,
        emit: Callable[[Event], None],
        folder: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._plan, self._performer, self._emit, self._clock = plan, performer, emit, clock
        self._folder = folder
        self._ended = {step.id: anyio.Event() for step in plan.steps}
        self._places = anyio.CapacityLimiter(AT_ONCE)
        self._few = anyio.CapacityLimiter(FEW)
        self._open = {step.id: step for step in plan.steps}
        self._waiting: set[int] = set()
        self._at_work = 0
        self.turn: Turn = ALWAYS
        self.results: dict[int, Event] = {}
        self.late = False

    async def run(self) -> list[Event]:
        """Do every planned step; returns one last event for each step of the plan.

        Steps that fail do not stop unrelated ones. Cancelled, ``results`` holds what was done.
        """
        async with anyio.create_task_group() as tasks:
            for step in self._plan.steps:
                tasks.start_soon(self._step, step)
        return self.events()

    def events(self) -> list[Event]:
        return [self.results[step.id] for step in self._plan.steps]

    async def _step(self, step: Step) -> None:
        try:
            if step.outcome != "planned":
                self._report(step, step.outcome, step.error)
                return
            for number in step.after:
                await self._ended[number].wait()
            blocker = next((n for n in step.after if self.results[n].result != "done"), None)
            if blocker is not None:
                self._report(step, "skipped", self._since(self.results[blocker]))
                return
            await self._attempt(step)
        finally:
            self._ended[step.id].set()
            del self._open[step.id]
            self._rest()

    def _rest(self) -> None:
        """Let others work, if nothing is left to do but what waits, or comes after that."""
        if self._waiting and not self._at_work and not any(map(self._is_next, self._open.values())):
            self.turn.rest()

    def _is_next(self, step: Step) -> bool:
        return step.id not in self._waiting and not any(one in self._open for one in step.after)

    async def _wait(self, step: Step) -> None:
        if step.conditions:
            what = " and ".join(f"{cave} to be {state}" for cave, state in step.conditions)
            self._emit(Event(self._clock(), step, "waiting", f"for {what}"))
            self._waiting.add(step.id)
            self._rest()
            try:
                await self._performer.conditions(step)
            finally:
                self._waiting.remove(step.id)

    async def _perform(self, step: Step) -> tuple[str, ...]:
        self._at_work += 1
        try:
            if await self.turn.resume() and self._performer.is_done(step):
                return ()
            return await self._performer.perform(step)
        finally:
            self._at_work -= 1

    @staticmethod
    def _since(before: Event) -> str:
        if before.result == "skipped":
            return before.error or ""
        reason = (before.error or "").partition("\n")[0]
        return f"since {before.step.name} {before.result}: {reason}"

    async def _attempt(self, step: Step) -> None:
        began = time.monotonic()
        try:
            await self._wait(step)
            async with self._few if isinstance(step.action, SeedContext) else self._places:
                self._emit(Event(self._clock(), step, "started"))
                began = time.monotonic()
                kept = await self._perform(step)
        except CaveError as exc:
            self.late = self.late or isinstance(exc, DeadlineExceeded)
            why = self._performer.masked(str(exc), step.cave)
            self._report(step, "failed", why, time.monotonic() - began)
        except Exception as exc:
            self._report(step, "failed", reason(exc, self._folder), time.monotonic() - began)
        else:
            self._report(step, "done", None, time.monotonic() - began, kept)

    def _report(
        self,
        step: Step,
        result: Result,
        error: str | None,
        seconds: float = 0.0,
        kept: tuple[str, ...] = (),
    ) -> None:
        event = self.results[step.id] = Event(self._clock(), step, result, error, seconds, kept)
        self._emit(event)
