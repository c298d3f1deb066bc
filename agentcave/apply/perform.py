"""The hands: one call of a room with I/O for each kind of step."""

import contextlib
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, assert_never

import anyio
import anyio.to_thread

from agentcave import context, workspaces
from agentcave.agents import adapter_of
from agentcave.apply.launches import Launches, default_stop, stop_of
from agentcave.apply.readiness import Probe, is_ready, reach
from agentcave.apply.secrets import Secrets, handed
from agentcave.apply.tools import Tools
from agentcave.config.private import make_private
from agentcave.errors import CaveError, DeadlineExceeded
from agentcave.model.desired import DesiredAgent, DesiredCave
from agentcave.model.names import SETUP
from agentcave.model.observed import (
    History,
    Intent,
    Key,
    ObservedSession,
    SeedChange,
    SeedRecord,
    WorkspaceRecord,
)
from agentcave.model.spec import CaveSpec, secrets_of
from agentcave.plan.actions import (
    CreateWorkspace,
    RemoveWorkspace,
    ResizeSession,
    RestartSession,
    RunSetup,
    SeedContext,
    StartSession,
    StopSession,
)
from agentcave.plan.drift import NO_HISTORY
from agentcave.plan.places import setup_fingerprint
from agentcave.plan.plan import Plan, Step
from agentcave.plan.runs import size_text
from agentcave.sessions import Session, SessionGone
from agentcave.sessions.delivery import Unconfirmed
from agentcave.sessions.elsewhere import Elsewhere, Seat, refuse_taken

SETUP_TIMEOUT = 3600.0
SHOWN_LINES = 20
UP_AGAIN = "`agentcave up` starts it"


class Hands:
    """A ``Performer``; what it did is written to the history by ``record``."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._making = anyio.CapacityLimiter(workspaces.CONCURRENCY)
        secrets = Secrets(tools.host, tools.environ, tools.desired.directory)
        self._launches = Launches(tools, secrets)
        self._live: dict[Key, Session] = {}
        self._announced: dict[Key, History] = {}
        self._histories: dict[Key, History] = {}
        self._seeds: dict[str, dict[str, SeedRecord]] = {}
        self._screens: dict[Key, str] = {}
        self._looking = anyio.Lock()
        self._taken: Mapping[Seat, Elsewhere] | None = None

    def announce(self, plan: Plan) -> None:
        """Write down what is about to begin, so that a killed pass is taken up where it was."""
        records: dict[str, WorkspaceRecord] = {}
        for step in plan.planned:
            match step.action:
                case CreateWorkspace(cave) if cave.spec.workspace.type != "directory":
                    records[step.cave] = _record(cave, ready=False)
                case StartSession(agent, _, fresh, streak):
                    self._announced[agent.key] = self._launches.announce(agent, fresh, streak)
                case RestartSession(agent, _, fresh):
                    self._announced[agent.key] = self._launches.announce(agent, fresh)
                case _:
                    pass
        if records:
            self._tools.state.put_workspaces(records)
        if self._announced:
            self._tools.state.put_histories(self._announced)

    def record(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Write down what was done since the last time, and these events."""
        if self._seeds:
            self._tools.state.put_seeds(self._seeds)
        if self._histories or events:
            self._tools.state.put_histories(self._histories, events)
        if self._screens:
            self._tools.state.put_screens(self._screens)
        self._seeds, self._histories, self._screens = {}, {}, {}

    def masked(self, text: str, cave: str) -> str:
        return self._launches.masked(text, cave)

    def heard(self, text: str, cave: str) -> str:
        """What a child has said, as it may be shown and kept."""
        return self._launches.heard(text, cave)

    async def conditions(self, step: Step) -> None:
        for cave, condition in step.conditions:
            for agent in self._tools.desired.caves[cave].agents:
                try:
                    await self.reach(agent, condition)
                except DeadlineExceeded as exc:
                    raise DeadlineExceeded(
                        f"{step.name} waits for {cave}: {exc.message}",
                        "run the same command again to go on",
                    ) from exc
                except CaveError as exc:
                    raise CaveError(f"{step.name} waits for {cave}: {exc.message}") from exc

    async def reach(self, agent: DesiredAgent, condition: str) -> None:
        """Wait until an agent is started, ready or completed (apply/readiness.py)."""
        session = await self._session(agent.key)
        if session is None:
            past = self._tools.observed.history.get(agent.key, NO_HISTORY)
            if past.ended == "completed":
                return
            raise CaveError(f"{agent.cave}/{agent.spec.name} does not run")
        await reach(self._probe(agent, session), condition, self._tools.timeout)

    async def is_ready(self, agent: DesiredAgent) -> bool:
        """Whether an agent that runs is ready now; nothing is waited for."""
        session = await self._session(agent.key)
        if session is None:
            return False
        past = self._tools.observed.history.get(agent.key, NO_HISTORY)
        now = self._tools.clock()
        return await is_ready(self._probe(agent, session), now - (past.started or now))

    def _probe(self, agent: DesiredAgent, session: Session) -> Probe:
        spec = self._tools.desired.caves[agent.cave].spec

        async def environment() -> dict[str, str]:
            return await self._launches.environment(spec, agent.spec)

        workdir = self._launches.workdir(spec, agent.spec)
        return Probe(self._tools.host, agent, session, workdir, environment)

    async def perform(self, step: Step) -> tuple[str, ...]:
        match step.action:
            case CreateWorkspace(cave):
                await self._create(cave)
            case RunSetup(cave):
                await self._setup(cave)
            case SeedContext(cave, changes):
                return self._seed(cave, changes)
            case StartSession(agent, dead):
                await self._start(agent, dead)
            case RestartSession(agent, running, _):
                session = await self._tools.sessions.get_session(running.stamp.session)
                await self._refuse_taken(agent)
                await self._launches.check(agent)
                await session.stop(stop_of(agent.spec))
                await self._start(agent, running)
            case StopSession(seen, sticky):
                await self._stop(seen, sticky)
            case ResizeSession(agent, seen):
                session = await self._tools.sessions.get_session(seen.stamp.session)
                await session.resize(agent.spec.size)
                past = self._tools.observed.history[agent.key]
                self._histories[agent.key] = past._replace(size=size_text(agent.spec.size))
            case RemoveWorkspace(name, record):
                await self._remove(name, record)
            case _:
                assert_never(step.action)
        return ()

    def _seed(self, cave: DesiredCave, changes: Sequence[SeedChange]) -> tuple[str, ...]:
        name, path = cave.spec.name, cave.spec.workspace.path
        known = self._tools.seeds.get(name, {})
        written = context.write(path, cave.spec, changes, known)
        self._seeds[name] = {**known, **written}
        return tuple(change.name for change in changes if change.name not in written)

    def is_done(self, step: Step) -> bool:
        """Of what waits for others, only starts come after a wait."""
        match step.action:
            case StartSession(agent) | RestartSession(agent):
                pass
            case _:
                raise CaveError("another command has worked on the project meanwhile", UP_AGAIN)
        past = self._tools.state.histories().get(agent.key, NO_HISTORY)
        if past.intent != "running":
            verb = "stop" if past.intent == "stopped" else "down"
            raise CaveError(f"`agentcave {verb}` came in between", UP_AGAIN)
        if past.digest != agent.digest:
            raise CaveError("it has been declared otherwise meanwhile", UP_AGAIN)
        return past.session is not None  # ours is announced without

    async def _create(self, cave: DesiredCave) -> None:
        spec, desired = cave.spec, self._tools.desired
        async with self._making, self._in_time(f"the workspace {spec.workspace.path}"):
            made = await workspaces.create(
                self._tools.host,
                desired.directory,
                desired.uid,
                spec.name,
                spec.workspace,
                self._tools.observed.workspaces[spec.name],
            )
        kept = made._replace(
            setup=None if spec.setup else setup_fingerprint(()),
            disposable=spec.workspace.disposable,
            on_remove=spec.workspace.on_remove,
        )
        self._tools.state.put_workspaces({spec.name: kept})

    @contextlib.asynccontextmanager
    async def _in_time(self, what: str) -> AsyncIterator[None]:
        with anyio.move_on_after(self._tools.timeout) as scope:
            yield
        if scope.cancelled_caught:
            raise DeadlineExceeded(
                f"{what} was not made within {self._tools.timeout:g} s: git, a hook or a filter of "
                "it took longer and was ended",
                "mend that or give a longer --timeout, and run the same command again to go on",
            )

    async def _setup(self, cave: DesiredCave) -> None:
        """Run the argv lists of ``setup`` in turn; their output is kept in the state."""
        spec = cave.spec
        mark = os.path.join(self._tools.state.folder, "sessions", f"{SETUP}{spec.name}")
        environment = await self._launches.environment(spec, None)
        make_private(mark)  # what is left there, the next pass ends
        try:
            await self._run_setup(spec, {**environment, "AGENTCAVE_SESSION_DIR": mark})
        finally:
            os.rmdir(mark)
        records = self._tools.state.workspaces()
        record = records.get(spec.name) or _record(cave, ready=True)
        finished = record._replace(setup=setup_fingerprint(spec.setup))
        self._tools.state.put_workspaces({spec.name: finished})

    async def _run_setup(self, spec: CaveSpec, environment: Mapping[str, str]) -> None:
        host = self._tools.host
        path = os.path.join(self._tools.state.folder, f"setup-{spec.name}.log")
        output = ""
        for argv in spec.setup:
            done = await host.run(
                argv, cwd=spec.workspace.path, environment=environment, timeout=SETUP_TIMEOUT
            )
            said = os.fsdecode(done.stdout + done.stderr)
            # It has come through a pipe: no file ever holds what is masked here.
            output += self.heard(f"$ {' '.join(argv)}\n{said}", spec.name)
            host.write_file(path, os.fsencode(output))
            if done.returncode != 0:
                tail = _printable(output).splitlines()[-SHOWN_LINES:]
                shown = "\n".join(f"    {line}" for line in tail)
                raise CaveError(
                    f"setup: `{argv[0]}` failed with exit status {done.returncode}\n{shown}",
                    f"all of its output: {path}",
                )

    async def _start(self, agent: DesiredAgent, replaced: ObservedSession | None) -> None:
        await self._refuse_taken(agent)
        announced = self._announced[agent.key]
        session = await self._launches.start(agent, announced, replaced)
        self._live[agent.key] = session
        typed = adapter_of(agent.spec.type).TYPES_PROMPT
        due = None if announced.prompted else agent.spec.prompt
        prompted = announced.prompted or (due is not None and not typed)
        history = announced._replace(session=session.id, prompted=prompted)
        self._histories[agent.key] = history
        if due is not None and typed:
            await self._prompt(agent, session, due)
            self._histories[agent.key] = history._replace(prompted=True)

    async def _refuse_taken(self, agent: DesiredAgent) -> None:
        """Others are looked for once: who begins there later sees what we have begun."""
        async with self._looking:
            if self._taken is None:
                self._taken = await anyio.to_thread.run_sync(self._tools.elsewhere)
        workspace = self._tools.desired.caves[agent.cave].spec.workspace.path
        refuse_taken(self._taken, agent.cave, agent.spec.name, workspace)

    async def _prompt(self, agent: DesiredAgent, session: Session, prompt: str) -> None:
        """Type the first prompt; what is not delivered now is due again at the next start."""
        try:
            await session.send_input(prompt, timeout=agent.spec.ready.timeout)
        except Unconfirmed:
            past = self._histories[agent.key]
            self._histories[agent.key] = past._replace(prompted=True)
            raise

    async def _stop(self, seen: ObservedSession, sticky: bool) -> None:
        """End a session and take it away; what its screen showed last is kept in the state."""
        key = seen.stamp.key
        with contextlib.suppress(SessionGone):
            await self._end(seen)
        if seen != self._tools.observed.sessions[key][-1]:
            return  # history is about the newest session of an agent
        past = self._tools.observed.history.get(key, NO_HISTORY)
        declared = key[1] in self._tools.desired.declared.get(key[0], ())
        unsticky: Intent = "down" if declared else "running"
        self._histories[key] = past._replace(
            intent="stopped" if sticky else unsticky,
            ended="stopped" if sticky else None,
            exit_status=None,
            signal=None,
            restarts=0,
            streak=0,
            ended_at=None,
        )

    async def _end(self, seen: ObservedSession) -> None:
        key = seen.stamp.key
        session = await self._tools.sessions.get_session(seen.stamp.session)
        desired = self._tools.desired.caves.get(seen.stamp.cave)
        declared = [a for a in desired.agents if a.key == key] if desired else []
        values = handed(seen.pid, secrets_of(desired.spec)) if desired else ()
        await session.stop(stop_of(declared[0].spec) if declared else default_stop(seen.stamp.type))
        self._screens[key] = self._launches.heard(await session.get_output(), key[0], values)
        await self._tools.sessions.remove_session(session.id)

    async def _remove(self, cave: str, record: WorkspaceRecord) -> None:
        """Remove a workspace that holds nothing to lose; edited context files are kept first."""
        known = self._tools.seeds.get(cave, {})
        archive = os.path.join(self._tools.state.folder, "contexts", cave)
        if os.path.isdir(record.path):
            safe = context.archive(record.path, archive, known)
            async with self._making:
                await workspaces.remove(
                    self._tools.host,
                    self._tools.desired.directory,
                    self._tools.desired.uid,
                    cave,
                    record,
                    context=safe | context.unedited_paths(record.path, known),
                )
        self._tools.state.forget_workspace(cave)

    async def _session(self, key: Key) -> Session | None:
        if key not in self._live:
            seen = self._tools.observed.sessions.get(key)
            if not seen:
                return None
            self._live[key] = await self._tools.sessions.get_session(seen[-1].stamp.session)
        return self._live[key]


def _printable(text: str) -> str:
    return os.fsencode(text).decode(errors="replace")


def _record(cave: DesiredCave, ready: bool) -> WorkspaceRecord:
    spec = cave.spec.workspace
    return WorkspaceRecord(
        spec.type,
        spec.path,
        spec.branch,
        ready,
        disposable=spec.disposable,
        on_remove=spec.on_remove,
    )
