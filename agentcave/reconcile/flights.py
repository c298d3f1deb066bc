"""Passes on their way. They may overlap, but never in one cave."""

import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from functools import partial
from typing import Any, NamedTuple

import anyio
from anyio.abc import TaskGroup

from agentcave.apply.bugs import reason_to_tell
from agentcave.apply.events import PASSING, Event
from agentcave.apply.tools import Tools
from agentcave.errors import CaveError
from agentcave.hosts import Host
from agentcave.plan.digest import DigestKey
from agentcave.plan.plan import Step
from agentcave.reconcile.delays import Delays
from agentcave.reconcile.lock import lock_of_clients
from agentcave.reconcile.observe import View
from agentcave.reconcile.once import Pass, Work, missing_programs
from agentcave.sessions import TmuxSessionManager
from agentcave.sessions.elsewhere import elsewhere
from agentcave.state import State
from agentcave.tmux import Server, lent_names

GATHER = 0.02
"""Seconds in which caves that are done with are gathered: writing them down costs an fsync."""


class Setting(NamedTuple):
    """What every pass of a controller works with. ``clock``: seconds since the epoch.

    ``lent``: the variables that tmux servers, by their pids, lend to every pane.
    """

    host: Host
    server: Server
    state: State
    environ: Mapping[str, str]
    key: DigestKey
    clock: Callable[[], float]
    lent: dict[int, tuple[str, ...]]

    @property
    def socket(self) -> str:
        """The path of the tmux socket."""
        return self.server.socket_path(self.environ)

    @contextlib.asynccontextmanager
    async def sessions(self, view: View) -> AsyncGenerator[TmuxSessionManager, None]:
        pid = view.sight.server_pid
        names = self.lent.get(pid) if pid is not None else lent_names(self.environ)
        with lock_of_clients(self.state.folder) as clients:
            async with TmuxSessionManager(
                self.server.socket,
                host=self.host,
                environ=self.environ,
                server_names=names,
                checked=pid in self.lent,
                keep=(clients.descriptor,),
            ) as sessions:
                if pid is not None and pid not in self.lent:
                    self.lent.clear()
                    self.lent[pid] = sessions.server_names
                yield sessions

    def tools(self, view: View, sessions: TmuxSessionManager) -> Tools:
        sight = view.sight
        return Tools(
            self.host,
            sessions,
            self.state,
            self.environ,
            view.desired,
            sight.observed,
            sight.seeds,
            self.key,
            clock=self.clock,
            elsewhere=partial(elsewhere, self.socket),
        )


class Flights:
    """``tell`` gets every event; ``landed`` is called when caves are done with."""

    def __init__(
        self,
        setting: Setting,
        tell: Callable[[Mapping[str, Any]], None],
        landed: Callable[[], None],
    ) -> None:
        self._setting, self._tell, self._landed = setting, tell, landed
        self._steps: Counter[str] = Counter()
        self.delays = Delays()

    @property
    def busy(self) -> Collection[str]:
        return self._steps.keys()

    def launch(self, tasks: TaskGroup, seen: Pass) -> None:
        """Begin what is planned, but for caves that are busy or have just failed."""
        steps = [step for step in seen.plan.planned if self._is_free(step)]
        if not steps:
            return
        self._steps.update(step.cave for step in steps)
        tasks.start_soon(self._fly, _about(_only(seen, steps), {step.cave for step in steps}))

    def _is_free(self, step: Step) -> bool:
        return step.cave not in self._steps and not self.delays.is_waiting(step.cave)

    async def _fly(self, seen: Pass) -> None:
        flight = _Flight(self, {step.cave for step in seen.plan.steps})
        try:
            await self._carry_out(self._installed(flight, seen), flight)
        except Exception as exc:
            why = reason_to_tell(exc, self._setting.state.folder)
            self._fail(flight, seen, dict.fromkeys(flight.flying, why))
        finally:
            self.free(flight.flying, flight.failed)

    def _installed(self, flight: "_Flight", seen: Pass) -> Pass:
        """The same without the caves whose agents are not installed, which fail at once."""
        programs = missing_programs(self._setting.host, seen, self._setting.environ)
        missing = {cave: why for (cave, _), why in programs}
        self._fail(flight, seen, missing)
        return _only(seen, [step for step in seen.plan.steps if step.cave not in missing])

    async def _carry_out(self, seen: Pass, flight: "_Flight") -> None:
        setting, view = self._setting, View(seen.desired, seen.sight)
        if not seen.plan.steps:
            return
        async with setting.sessions(view) as sessions:
            work = Work(setting.tools(view, sessions), sessions, seen, flight.take)
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(flight.land, work)
                    try:
                        await work.run()
                    except CaveError as exc:
                        flight.error = exc
                    tasks.cancel_scope.cancel()
            finally:
                work.flush()
        if flight.error is not None:
            raise flight.error

    def _fail(self, flight: "_Flight", seen: Pass, why: Mapping[str, str]) -> None:
        """What cannot begin, or go on, with the reason for each cave."""
        at = self._setting.clock()
        left = [step for step in seen.plan.steps if step.cave in why and step.id not in flight.told]
        events = [Event(at, step, "failed", why[step.cave]).record() for step in left]
        flight.failed.update(why)
        flight.told.update(step.id for step in left)
        for event in events:
            self._tell(event)
        with contextlib.suppress(CaveError):  # that is what has been told, as likely as not
            self._setting.state.add_events(events)

    def took(self, event: Event) -> bool:
        """Tell of an event; whether it was the last of its cave."""
        if event.result in PASSING:
            return False
        self._tell(event.record())
        self._steps[event.step.cave] -= 1
        return not self._steps[event.step.cave]

    def free(self, caves: Collection[str], failed: Collection[str]) -> None:
        """These are done with; what they have become is to be looked at."""
        for cave in caves:
            del self._steps[cave]
            (self.delays.failed if cave in failed else self.delays.succeeded)(cave)
        self._landed()


def _only(seen: Pass, steps: Collection[Step]) -> Pass:
    """The same with these steps, which wait for no others."""
    ids = {step.id for step in steps}
    alone = tuple(step._replace(after=tuple(ids.intersection(step.after))) for step in steps)
    return seen._replace(plan=seen.plan._replace(steps=alone))


def _about(seen: Pass, caves: set[str]) -> Pass:
    """What a flight needs of a pass: it is kept while others come, and a thousand caves are heavy.

    All sessions stay: whose an orphan is can be told only when all are known.
    """
    observed, desired = seen.sight.observed, seen.desired
    observed = observed._replace(
        workspaces={name: observed.workspaces[name] for name in caves & observed.workspaces.keys()},
        contexts={},
        history={key: past for key, past in observed.history.items() if key[0] in caves},
        judged={},
    )
    sight = seen.sight._replace(
        observed=observed,
        seeds={name: seen.sight.seeds[name] for name in caves & seen.sight.seeds.keys()},
        learned={},
    )
    kept = {name: desired.caves[name] for name in caves & desired.caves.keys()}
    return Pass(desired._replace(caves=kept), sight, seen.plan)


class _Flight:
    """One pass on its way: the caves that fly, those that have failed, the steps told of."""

    def __init__(self, flights: Flights, caves: set[str]) -> None:
        self._flights = flights
        self.flying = caves
        self.failed: set[str] = set()
        self.told: set[int] = set()
        self.error: CaveError | None = None
        self._over: set[str] = set()
        self._some_over = anyio.Event()

    def take(self, event: Event) -> None:
        if event.result not in PASSING:
            self.told.add(event.step.id)
        if event.result == "failed":
            self.failed.add(event.step.cave)
        if self._flights.took(event):
            self._over.add(event.step.cave)
            self._some_over.set()

    async def land(self, work: Work) -> None:
        """Write down what is over, and free it, while the rest flies on."""
        while True:
            await self._some_over.wait()
            await anyio.sleep(GATHER)
            self._some_over = anyio.Event()
            try:
                work.flush()
            except CaveError as exc:  # it is tried again, at the latest at the end
                self.error = exc
            over, self._over = self._over, set()
            self.flying -= over
            self._flights.free(over, self.failed)
