"""Starting agents: their environment, their conversation, their session."""

import contextlib
import os
import time
import uuid

from agentcave.agents import ADAPTERS, Start, adapter_of, command
from agentcave.apply.environment import compose
from agentcave.apply.secrets import Secrets
from agentcave.apply.tools import Tools
from agentcave.errors import CaveError
from agentcave.model.desired import DesiredAgent
from agentcave.model.observed import History, ObservedSession
from agentcave.model.spec import AgentSpec, CaveSpec, StopSpec
from agentcave.plan.diff import size_text
from agentcave.plan.digest import declared_fields, environment_of, pack_fields
from agentcave.plan.drift import NO_HISTORY
from agentcave.sessions import Session, SessionOptions


class Launches:
    """Everything that the starts of one pass share."""

    def __init__(self, tools: Tools, secrets: Secrets) -> None:
        self._tools, self._secrets = tools, secrets
        self._packed: dict[tuple[int, ...], str] = {}

    def announce(self, agent: DesiredAgent, fresh: bool) -> History:
        """What is remembered of a start before it happens: above all, the conversation's id."""
        cave = self._cave(agent)
        past = self._tools.observed.history.get(agent.key, NO_HISTORY)
        new = fresh or agent.spec.resume == "never" or not self._goes_on(agent, past)
        conversation = past.conversation
        if not adapter_of(agent.spec.type).CONVERSES:
            conversation = None
        elif new or conversation is None:
            conversation = str(uuid.uuid4())
        return History(
            intent="running",
            digest=agent.digest,
            fields=self._fields(cave, agent.spec),
            size=size_text(agent.spec.size),
            conversation=conversation,
            prompted=(past.prompted or self._unrecorded(agent, past)) and not new,
            restarts=past.restarts,
            started=int(time.time()),
        )

    def _goes_on(self, agent: DesiredAgent, past: History) -> bool:
        """Whether the last conversation can go on; where that cannot be told, it is not given up.

        The start itself fails then, and says why.
        """
        if not adapter_of(agent.spec.type).CONVERSES:
            return True
        try:
            return self._resumable(agent, self._start(agent, past.conversation, {}))
        except CaveError:
            return past.conversation is not None

    def _unrecorded(self, agent: DesiredAgent, past: History) -> bool:
        """Whether a pass that was killed has started it, and so has given it its prompt."""
        if past.session is not None or past.started is None or agent.spec.prompt is None:
            return False
        seen = self._tools.observed.sessions.get(agent.key, ())
        return bool(seen) and seen[-1].stamp.started >= past.started

    def _resumable(self, agent: DesiredAgent, start: Start) -> bool:
        """Whether the agent kept a transcript of the conversation, in its own configuration."""
        declared = environment_of(self._cave(agent), agent.spec, self._tools.desired.env)
        environment = compose(self._tools.environ, self._cave(agent), declared, {})
        path = adapter_of(agent.spec.type).transcript(start._replace(environment=environment))
        return path is not None and os.path.exists(path)

    async def start(
        self, agent: DesiredAgent, announced: History, replaced: ObservedSession | None
    ) -> Session:
        """Start an agent, in the pane of the incarnation that it replaces if there is one."""
        cave = self._cave(agent)
        environment = await self.environment(cave, agent.spec)
        start = self._start(agent, announced.conversation, environment)
        adapter = adapter_of(agent.spec.type)
        start = start._replace(
            resume=self._resumable(agent, start),
            prompt=None if announced.prompted else agent.spec.prompt,
        )
        session = await self._tools.sessions.create_session(
            SessionOptions(
                project=self._tools.desired.project,
                cave=agent.cave,
                agent=agent.spec.name,
                argv=adapter.launch(start),
                cwd=start.workdir,
                environment=environment,
                size=agent.spec.size,
                uid=self._tools.desired.uid,
                file=self._tools.desired.file,
                type=agent.spec.type,
                digest=agent.digest or "",
                stop=stop_of(agent.spec),
                workspace=cave.workspace.path,
                place=replaced.pane if replaced is not None else None,
            )
        )
        try:
            await session.start()
        except CaveError:
            with contextlib.suppress(CaveError):
                await self._tools.sessions.remove_session(session.id)
            raise
        return session

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

    def workdir(self, cave: CaveSpec, agent: AgentSpec) -> str:
        """Where an agent starts. Raises CaveError when that is not inside its workspace."""
        root = os.path.realpath(cave.workspace.path)
        place = os.path.realpath(os.path.join(root, agent.working_dir))
        if place != root and not place.startswith(root + os.sep):
            raise CaveError(f"{cave.name}/{agent.name}: working_dir leads out of its workspace")
        return place

    def _start(
        self, agent: DesiredAgent, conversation: str | None, environment: dict[str, str]
    ) -> Start:
        cave = self._cave(agent)
        return Start(
            agent.spec,
            self.workdir(cave, agent.spec),
            environment,
            conversation if adapter_of(agent.spec.type).CONVERSES else None,
        )

    def _fields(self, cave: CaveSpec, agent: AgentSpec) -> str:
        shared = tuple(map(id, (agent, cave.environment, cave.secrets, cave.inherit_environment)))
        if shared not in self._packed:
            fields = declared_fields(cave, agent, self._tools.desired.env)
            self._packed[shared] = pack_fields(fields, self._tools.key)
        return self._packed[shared]

    def _cave(self, agent: DesiredAgent) -> CaveSpec:
        return self._tools.desired.caves[agent.cave].spec


def stop_of(agent: AgentSpec) -> StopSpec:
    """How an agent is ended: as declared, else as its adapter knows."""
    return default_stop(agent.type, agent.stop)


NO_STOP = StopSpec()


def default_stop(kind: str, stop: StopSpec = NO_STOP) -> StopSpec:
    adapter = ADAPTERS.get(kind, command)  # another version's kind of agent is ended as any program
    keys = adapter.STOP_KEYS if stop.keys is None else stop.keys
    return stop._replace(keys=keys, signal=stop.signal or adapter.STOP_SIGNAL)
