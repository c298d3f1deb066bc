"""Starting agents: their environment, their conversation, their session."""

import contextlib
import os
import socket
import uuid
from collections.abc import Iterable
from functools import cached_property
from secrets import token_urlsafe

import anyio

from agentcave.agents import Before, Start, adapter_of, known_adapter
from agentcave.agents.reading import brief
from agentcave.apply.environment import compose
from agentcave.apply.secrets import Secrets
from agentcave.apply.tools import Tools
from agentcave.apply.trust import record_trust
from agentcave.context import briefing
from agentcave.errors import CaveError
from agentcave.model.desired import DesiredAgent
from agentcave.model.masking import masked
from agentcave.model.observed import History, ObservedSession
from agentcave.model.spec import AgentSpec, CaveSpec, StopSpec, secrets_of
from agentcave.plan.digest import declared_fields, environment_of, pack_fields
from agentcave.plan.drift import NO_HISTORY
from agentcave.plan.runs import size_text
from agentcave.sessions import Session, SessionOptions
from agentcave.sessions.base import fresh_id

PREPARING = 60.0
"""Seconds for what runs before an agent."""


class Launches:
    """Everything that the starts of one pass share."""

    def __init__(self, tools: Tools, secrets: Secrets) -> None:
        self._tools, self._secrets = tools, secrets
        self._trusting = anyio.Lock()  # agents share the files that they keep it in
        self._packed: dict[tuple[int, ...], str] = {}

    def announce(self, agent: DesiredAgent, fresh: bool, streak: int | None = None) -> History:
        """What is remembered of a start before it happens: above all, the conversation's id.

        ``streak``: of an automatic restart; any other start clears what was counted.
        """
        cave = self._cave(agent)
        past = self._tools.observed.history.get(agent.key, NO_HISTORY)
        adapter = adapter_of(agent.spec.type)
        conversation = past.conversation if adapter.CONVERSES and not fresh else None
        resumed = conversation is not None
        if conversation is None and adapter.NAMES:
            conversation = str(uuid.uuid4())
        new = fresh or (adapter.CONVERSES and not resumed)
        return History(
            intent="running",
            digest=agent.digest,
            fields=self._fields(cave, agent.spec),
            size=size_text(agent.spec.size),
            conversation=conversation,
            prompted=(past.prompted or self._unrecorded(agent, past)) and not new,
            restarts=0 if streak is None else past.restarts + 1,
            started=int(self._tools.clock()),
            resumed=resumed,
            streak=0 if streak is None else streak + 1,
        )

    def _unrecorded(self, agent: DesiredAgent, past: History) -> bool:
        """Whether a pass that was killed has started it, and so has given it its prompt."""
        if past.session is not None or past.started is None or agent.spec.prompt is None:
            return False
        seen = self._tools.observed.sessions.get(agent.key, ())
        return bool(seen) and seen[-1].stamp.started >= past.started

    async def start(
        self, agent: DesiredAgent, announced: History, replaced: ObservedSession | None
    ) -> Session:
        """Start an agent, in the pane of the incarnation that it replaces if there is one."""
        cave = self._cave(agent)
        environment = await self.environment(cave, agent.spec)
        session_id = fresh_id()
        desired = self._tools.desired
        start = Start(
            agent.spec,
            self.workdir(cave, agent.spec),
            environment,
            announced.conversation,
            announced.resumed,
            None if announced.prompted else agent.spec.prompt,
            os.path.join(self._tools.state.folder, "sessions", session_id),
            briefing(desired.project, cave.name, environment["AGENTCAVE_CONTEXT"]),
        )
        adapter = adapter_of(agent.spec.type)
        if adapter.SERVES:
            start = start._replace(port=free_port(), password=token_urlsafe(24))
        if agent.spec.trust_workspace:
            async with self._trusting:
                await record_trust(adapter, start, f"{cave.name}/{agent.spec.name}")
        launch = adapter.launch(start)
        environment = {**environment, **launch.environment}
        if launch.before is not None:
            await self._prepare(launch.before, start.workdir, environment, cave.name)
        session = await self._tools.sessions.create_session(
            SessionOptions(
                project=desired.project,
                cave=agent.cave,
                agent=agent.spec.name,
                argv=launch.argv,
                cwd=start.workdir,
                environment=environment,
                size=agent.spec.size,
                uid=desired.uid,
                file=desired.file,
                type=agent.spec.type,
                digest=agent.digest or "",
                stop=stop_of(agent.spec),
                workspace=cave.workspace.path,
                place=replaced.pane if replaced is not None else None,
                replaces=replaced.stamp.session if replaced is not None else None,
                id=session_id,
                files=launch.files,
                overlays=launch.overlays,
            )
        )
        try:
            await session.start()
        except CaveError:
            with contextlib.suppress(CaveError):
                await self._tools.sessions.remove_session(session.id)
            raise
        return session

    async def _prepare(
        self, before: Before, cwd: str, environment: dict[str, str], cave: str
    ) -> None:
        """Raises CaveError with what the command said last when it fails."""
        done = await self._tools.host.run(
            before.argv, cwd=cwd, environment=environment, stdin=before.stdin, timeout=PREPARING
        )
        if done.returncode != 0:
            said = (done.stderr or done.stdout).decode(errors="replace")
            told = brief(self.heard(said, cave))
            words = " ".join(before.argv[:2])
            raise CaveError(f"`{words} …` failed with exit status {done.returncode}: {told}")

    async def check(self, agent: DesiredAgent) -> None:
        """Raises CaveError for what would let a start fail: better before the old one is ended."""
        self.workdir(self._cave(agent), agent.spec)
        await self.environment(self._cave(agent), agent.spec)

    async def environment(self, cave: CaveSpec, agent: AgentSpec | None) -> dict[str, str]:
        """The whole environment of an agent, or (None) of the cave for setup and ``exec``."""
        secrets = {one.name: one for one in (*cave.secrets, *(agent.secrets if agent else ()))}
        values = await self._secrets.values(secrets.values())
        declared: dict[str, str | None] = {**self._tools.desired.env, **cave.environment}
        if agent is not None:
            declared = environment_of(cave, agent, self._tools.desired.env)
        return compose(self._tools.environ, cave, declared, values)

    def masked(self, text: str, cave: str) -> str:
        """A text of ours without the values of secrets, whoever brought them in."""
        return masked(text, self._values(cave))

    def heard(self, text: str, cave: str, values: Iterable[str] = ()) -> str:
        """What a child has said, without all that it was given: secrets and env_files.

        ``values``: what else it knows.
        """
        env = self._tools.desired.env.values()
        return masked(text, (*self._values(cave), *env, *values))

    def _values(self, cave: str) -> set[str]:
        desired = self._tools.desired.caves.get(cave)
        own = self._secrets.known(secrets_of(desired.spec)) if desired else set()
        return own | self._variables

    @cached_property
    def _variables(self) -> set[str]:
        """Secrets that every child of ours inherits, git and its hooks as well."""
        caves = self._tools.desired.caves.values()
        secrets = (one for cave in caves for one in secrets_of(cave.spec) if one.kind == "env")
        return self._secrets.known(secrets)

    def workdir(self, cave: CaveSpec, agent: AgentSpec) -> str:
        """Where an agent starts. Raises CaveError when that is not inside its workspace."""
        root = os.path.realpath(cave.workspace.path)
        place = os.path.realpath(os.path.join(root, agent.working_dir))
        if place != root and not place.startswith(root + os.sep):
            raise CaveError(f"{cave.name}/{agent.name}: working_dir leads out of its workspace")
        return place

    def _fields(self, cave: CaveSpec, agent: AgentSpec) -> str:
        shared = tuple(map(id, (agent, cave.environment, cave.secrets, cave.inherit_environment)))
        if shared not in self._packed:
            fields = declared_fields(cave, agent, self._tools.desired.env)
            self._packed[shared] = pack_fields(fields, self._tools.key)
        return self._packed[shared]

    def _cave(self, agent: DesiredAgent) -> CaveSpec:
        return self._tools.desired.caves[agent.cave].spec


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def stop_of(agent: AgentSpec) -> StopSpec:
    """How an agent is ended: as declared, else as its adapter knows."""
    return default_stop(agent.type, agent.stop)


NO_STOP = StopSpec()


def default_stop(kind: str, stop: StopSpec = NO_STOP) -> StopSpec:
    adapter = known_adapter(kind)
    keys = adapter.STOP_KEYS if stop.keys is None else stop.keys
    return stop._replace(keys=keys, signal=stop.signal or adapter.STOP_SIGNAL)
