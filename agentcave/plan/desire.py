"""From what is written to what is wanted."""

from collections.abc import Collection, Mapping

from agentcave.model.desired import Desired, DesiredAgent, DesiredCave, Wanted
from agentcave.model.observed import History, Key
from agentcave.model.spec import AgentSpec, CaveSpec, ProjectSpec
from agentcave.plan.digest import DigestKey, declared_fields, digest


def desire(
    spec: ProjectSpec,
    history: Mapping[Key, History],
    key: DigestKey | None,
    wanted: Wanted = "running",
    revive: Collection[Key] = (),
    *,
    heeds_down: bool = False,
) -> Desired:
    """Resolve a spec; ``key`` None (no history yet) leaves digests unknown.

    An agent that was stopped by hand stays wanted as stopped, unless it is in ``revive``;
    ``wanted`` "absent" is ``down``. ``heeds_down``: so is what somebody has taken down by name,
    which is for controllers: `up` brings it back.
    """
    fingerprint = _Fingerprints(spec.env, key)
    selected = {cave.name for cave in spec.caves}
    groups: dict[str, list[str]] = {}
    for cave in spec.caves:
        groups.setdefault(cave.group, []).append(cave.name)

    def agent(cave: CaveSpec, one: AgentSpec) -> DesiredAgent:
        past = history.get((cave.name, one.name))
        meant = wanted
        if past is not None and wanted == "running" and (cave.name, one.name) not in revive:
            if past.intent == "stopped":
                meant = "stopped"
            elif past.intent == "down" and heeds_down:
                meant = "absent"
        return DesiredAgent(cave.name, one, fingerprint(cave, one), meant)

    def waits(cave: CaveSpec) -> tuple[tuple[str, str], ...]:
        return tuple(
            (name, dependency.condition)
            for dependency in cave.depends_on
            for name in groups.get(dependency.cave, (dependency.cave,))
            if name in selected
        )

    caves = {
        cave.name: DesiredCave(
            cave,
            tuple([agent(cave, one) for one in cave.agents]),
            waits(cave) if cave.depends_on else (),
        )
        for cave in spec.caves
    }
    return Desired(spec.name, spec.uid, spec.file, spec.directory, caves, spec.declared, spec.env)


class _Fingerprints:
    """Digests, computed once for agents that share their declaration (same objects in memory)."""

    def __init__(self, env: Mapping[str, str], key: DigestKey | None) -> None:
        self._env = env
        self._key = key
        self._known: dict[tuple[int, ...], str] = {}

    def __call__(self, cave: CaveSpec, agent: AgentSpec) -> str | None:
        if self._key is None:
            return None
        shared = (
            id(agent),
            id(cave.environment),
            id(cave.secrets),
            id(cave.inherit_environment),
        )
        if shared not in self._known:
            self._known[shared] = digest(declared_fields(cave, agent, self._env), self._key)
        return self._known[shared]
