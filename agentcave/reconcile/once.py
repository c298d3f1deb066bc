"""One pass, for every verb that changes something: ``up`` and ``down`` differ in what is wanted."""

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from agentcave.agents import adapter_of
from agentcave.agents.reading import brief
from agentcave.errors import CaveError, DeadlineExceeded, Unavailable
from agentcave.hosts import Host
from agentcave.hosts.limits import descriptors_of
from agentcave.model.desired import Desired, DesiredAgent, Request, Wanted
from agentcave.model.observed import Key, Observed, ObservedSession
from agentcave.model.spec import ProjectSpec
from agentcave.plan.actions import RestartSession, StartSession
from agentcave.plan.desire import desire
from agentcave.plan.diff import diff
from agentcave.plan.digest import DigestKey, environment_of
from agentcave.plan.drift import NO_HISTORY
from agentcave.plan.plan import Plan, Step
from agentcave.plan.status import end_text
from agentcave.reconcile.lock import ProjectLock, Turn, lock_of_clients
from agentcave.reconcile.observe import Sight, View, observe
from agentcave.reconcile.servers import SocketGone, refuse_lost, reopen
from agentcave.reconcile.servers import remember as remember_server
from agentcave.reconcile.sweep import leftovers, reap, survivors, sweep_launches
from agentcave.sessions.elsewhere import elsewhere, folders
from agentcave.sessions.panes import Reading
from agentcave.sessions.strays import claims, end_strays
from agentcave.state import State
from agentcave.tmux import Server, lent_names
from agentcave.workspaces import finish_removals

if TYPE_CHECKING:
    from agentcave.apply.events import Event
    from agentcave.apply.perform import Hands
    from agentcave.apply.tools import Tools
    from agentcave.sessions import TmuxSessionManager

SPARE = 20
"""Descriptors of a tmux server that are for no session: six (3.3a), and those of its clients."""
Emit = Callable[["Event"], None]


class Pass(NamedTuple):
    """What was wanted, seen and decided."""

    desired: Desired
    sight: Sight
    plan: Plan


class Outcome(NamedTuple):
    """``events``: the last one of each step. ``troubles``: what did not become as declared."""

    events: tuple["Event", ...] = ()
    troubles: tuple[str, ...] = ()
    late: bool = False


def look(
    host: Host,
    reading: Reading,
    spec: ProjectSpec,
    request: Request,
    state: State,
    key: DigestKey | None,
    wanted: Wanted = "running",
) -> Pass:
    """Read the world and compare; blocking, and it changes nothing."""
    view = see(host, reading, spec, request, state, key, wanted)
    return decide_for(host, os.environ, view, request, key)


def see(
    host: Host,
    reading: Reading,
    spec: ProjectSpec,
    request: Request,
    state: State,
    key: DigestKey | None,
    wanted: Wanted = "running",
    *,
    mend: bool = False,
) -> View:
    """Read the world. ``mend``: have tmux make a socket again behind which the project lives.

    Raises SocketGone when that is not asked for, or does not help.
    """
    history = state.histories()
    heeds_down = request.now is not None
    desired = desire(spec, history, key, wanted, request.revive, heeds_down=heeds_down)
    sight = observe(host, reading, desired, request, state, history)
    if sight.server_pid is None:
        try:
            refuse_lost(state)
        except SocketGone:
            if not mend or not reopen(state):
                raise
            again = Reading(host, reading.server)
            return see(host, again, spec, request, state, key, wanted)
    return View(desired, sight)


def decide(view: View, request: Request, key: DigestKey | None) -> Pass:
    return Pass(*view, diff(view.desired, view.sight.observed, request, key))


def decide_for(
    host: Host, environ: Mapping[str, str], view: View, request: Request, key: DigestKey | None
) -> Pass:
    """The same, where caves whose agents are not installed are refused."""
    seen = decide(view, request, key)
    missing = dict(missing_programs(host, seen, environ))
    if not missing:
        return seen
    observed = view.sight.observed._replace(missing=missing)
    sight = view.sight._replace(observed=observed)
    return decide(view._replace(sight=sight), request, key)


def check_programs(seen: Pass) -> None:
    """Raises Unavailable when nothing can be done for want of programs."""
    missing = seen.sight.observed.missing
    if missing and not seen.plan.planned:
        lines = "\n".join(f"  {line}" for line in missing.values())
        raise Unavailable(f"not installed, or not in PATH; nothing was touched:\n{lines}")


def missing_programs(
    host: Host, seen: Pass, environ: Mapping[str, str]
) -> Iterator[tuple[Key, str]]:
    """Programs that the plan starts and that are not installed: whose, and what to do."""
    for agent in _starting(seen.plan):
        adapter = adapter_of(agent.spec.type)
        program = (agent.spec.command or adapter.PROGRAM)[0]
        declared = environment_of(seen.desired.caves[agent.cave].spec, agent.spec, seen.desired.env)
        path = declared.get("PATH", environ.get("PATH", os.defpath))
        if ("/" not in program or program.startswith("/")) and not host.which(program, path):
            yield agent.key, f"{agent.cave}/{agent.spec.name} needs {program}: {adapter.INSTALL}"


def check_room(seen: Pass) -> None:
    """Raises Unavailable when the tmux server cannot hold what is to live on it.

    It needs a descriptor for each session, and at its limit it spins instead of failing.
    """
    server, observed = seen.sight.server_pid, seen.sight.observed
    starts = sum(isinstance(step.action, StartSession) for step in seen.plan.planned)
    wanted = SPARE + starts + sum(not one.dead for one in observed.stamped)
    room = descriptors_of(server)
    if starts and wanted > room:
        who = f"the tmux server {server}" if server else "a tmux server"
        raise Unavailable(
            f"{who} may have {room} descriptors open, and {starts} more sessions take it to "
            f"{wanted}",
            "raise the limit (`ulimit -H -n`); a server that runs has to be ended first",
        )


async def act(
    host: Host,
    socket: str,
    seen: Pass,
    state: State,
    key: DigestKey,
    environ: Mapping[str, str],
    emit: Emit,
    timeout: float = 600.0,
    wait_for: str | None = None,
    strays: bool = False,
    clock: Callable[[], float] = time.time,
    lock: ProjectLock | None = None,
) -> Outcome:
    """Carry out the plan of a pass. ``wait_for``: then wait until all agents are that.

    ``lock``: the project's, which is given to others while nothing is done but waiting.
    ``strays``: end what belongs to no session too, if only this project lives on the server.
    """
    from agentcave.apply.tools import Tools
    from agentcave.sessions import TmuxSessionManager

    path = Server(socket).socket_path(environ)
    await end_remains(state, seen.sight, remains(seen, state, path))
    names = None if seen.sight.server_pid else lent_names(environ)
    async with contextlib.AsyncExitStack() as stack:
        clients = stack.enter_context(lock_of_clients(state.folder))
        sessions = await stack.enter_async_context(
            TmuxSessionManager(
                socket,
                host=host,
                environ=environ,
                server_names=names,
                keep=(clients.descriptor,),
            )
        )
        observed, seeds = seen.sight.observed, seen.sight.seeds
        tools = Tools(
            host,
            sessions,
            state,
            environ,
            seen.desired,
            observed,
            seeds,
            key,
            timeout,
            clock,
            partial(elsewhere, path),
        )
        if names is not None and _starting(seen.plan):
            sessions.start_ahead()
        work = Work(tools, sessions, seen, emit)
        if lock is not None:
            work.executor.turn = Turn(lock, clients, work.flush, timeout)
        return await _carry_out(work, sessions, seen, wait_for, strays)


async def _carry_out(
    work: "Work",
    sessions: "TmuxSessionManager",
    seen: Pass,
    wait_for: str | None,
    strays: bool,
) -> Outcome:
    try:
        lost = await _end_strays(seen) if strays else ()
        await work.run()
        troubles = (*lost, *await _stillborn(sessions, seen, work.hands))
        work.executor.turn.rest()
        waited = await _wait(work.hands, seen, wait_for) if wait_for else ()
    finally:
        work.flush()
    late = work.executor.late or any(isinstance(why, DeadlineExceeded) for _, why in waited)
    told = (work.hands.masked(str(why), cave) for cave, why in waited)
    return Outcome(tuple(work.executor.events()), (*troubles, *told), late)


class Work:
    """A plan that is carried out; ``flush`` writes down what was done since the last time."""

    def __init__(
        self, tools: "Tools", sessions: "TmuxSessionManager", seen: Pass, emit: Emit
    ) -> None:
        from agentcave.apply.executor import Executor
        from agentcave.apply.perform import Hands

        self._state, self._sessions, self._seen = tools.state, sessions, seen
        self._unwritten: list[Event] = []
        self.hands = Hands(tools)
        self.executor = Executor(
            seen.plan,
            self.hands,
            partial(_take, self._unwritten, emit),
            tools.state.folder,
            tools.clock,
        )

    async def run(self) -> None:
        """Call ``flush`` afterwards, however it ends."""
        replaced = _replaced(self._seen.plan, self._seen.sight.observed)
        await end_remains(self._state, self._seen.sight, replaced)
        self.hands.announce(self._seen.plan)
        await self.executor.run()
        pid = self._sessions.server_pid
        if _starting(self._seen.plan) and pid is not None:
            remember_server(self._state, self._sessions.server, pid)

    def flush(self) -> None:
        self.hands.record([event.record() for event in self._unwritten])
        self._unwritten.clear()


def _take(unwritten: list["Event"], emit: Emit, event: "Event") -> None:
    """No method: the executor would keep the work, and with it a whole snapshot, in a cycle."""
    if event.result != "started":
        unwritten.append(event)
    emit(event)


def remains(seen: Pass, state: State, socket: str) -> set[str]:
    """Sessions that are no more, and of which something is left; not those of another socket.

    Every process is looked into before a start where nothing is known of what was there before.
    """
    left = set(left_over(seen, state))
    starts = [step.action for step in seen.plan.planned if isinstance(step.action, StartSession)]
    if any(start.dead is None for start in starts):
        left |= survivors(state.folder, _live(seen))
    return left - folders(socket, f"{state.folder}/sessions") if left else left


async def end_remains(state: State, sight: Sight, ids: Collection[str]) -> None:
    """End what is left of sessions, also what the tmux server has become the parent of."""
    server = sight.server_pid
    if server is None:
        await reap(state.folder, ids)
    else:
        await reap(state.folder, ids, claims(server, sight.observed.stamped), (server,))


def left_over(seen: View | Pass, state: State) -> tuple[str, ...]:
    """Sessions that are no more, and left something behind."""
    return leftovers(state.folder, _live(seen))


def sweep(seen: View | Pass, state: State) -> None:
    """Finish what a killed pass has left: launch files, and workspaces on their way out."""
    sweep_launches(state.folder, _live(seen))
    paths = (record.path for record in state.workspaces().values())
    finish_removals(seen.desired.uid, paths)


def _live(seen: View | Pass) -> set[str]:
    observed = seen.sight.observed
    lives = (*observed.sessions.values(), observed.controllers)
    return {one.stamp.session for many in lives for one in many}


def _replaced(plan: Plan, observed: Observed) -> set[str]:
    """Sessions whose place is taken: what they started must not live on beside the new."""
    starts = [step.action for step in plan.planned if isinstance(step.action, StartSession)]
    last = (observed.history.get(start.agent.key, NO_HISTORY).session for start in starts)
    dead = (start.dead.stamp.session for start in starts if start.dead is not None)
    return {session for session in (*last, *dead) if session is not None}


async def _end_strays(seen: Pass) -> tuple[str, ...]:
    """Before the last session ends: the tmux server ends with it, and lets go of them."""
    server = seen.sight.server_pid
    if server is None:
        return ()
    left = await end_strays(server, seen.sight.observed.stamped, seen.desired.uid)
    return tuple(f"process {one.pid}, of no session, is left: {why}" for one, why in left.items())


async def _stillborn(sessions: "TmuxSessionManager", seen: Pass, hands: "Hands") -> tuple[str, ...]:
    """Agents that were just started and have ended already, otherwise than completed."""
    started = {agent.key for agent in _starting(seen.plan)}
    if not started:
        return ()
    ended = []
    for pane in (await sessions.panes()).values():
        ours = pane.stamp.uid == seen.desired.uid and pane.stamp.key in started
        if ours and pane.dead and pane.exit_status != 0:
            ended.append(await _last_words(sessions, pane, hands))
    return tuple(sorted(ended))


async def _last_words(sessions: "TmuxSessionManager", pane: ObservedSession, hands: "Hands") -> str:
    """How an agent ended, and the last line that it printed."""
    name = "/".join(pane.stamp.key)
    said = await (await sessions.get_session(pane.stamp.session)).get_output()
    lines = reversed(hands.heard(said, pane.stamp.cave).splitlines())
    line = next((line.strip() for line in lines if line.strip()), "")
    how = ": ".join(filter(None, (end_text(pane.exit_status, pane.signal), brief(line))))
    return f"{name} ended at once: {how} (`agentcave logs {name}` shows why)"


async def _wait(hands: "Hands", seen: Pass, condition: str) -> Sequence[tuple[str, CaveError]]:
    """The caves that did not get there, and why."""
    import anyio

    troubles: list[tuple[str, CaveError]] = []

    async def one(agent: DesiredAgent) -> None:
        try:
            await hands.reach(agent, condition)
        except CaveError as exc:
            troubles.append((agent.cave, exc))

    async with anyio.create_task_group() as tasks:
        for cave in seen.desired.caves.values():
            for agent in cave.agents:
                if agent.wanted == "running":
                    tasks.start_soon(one, agent)
    return troubles


def _starting(plan: Plan) -> list[DesiredAgent]:
    return [agent for step in plan.planned if (agent := _started_by(step)) is not None]


def _started_by(step: Step) -> DesiredAgent | None:
    match step.action:
        case StartSession(agent) | RestartSession(agent):
            return agent
        case _:
            return None
