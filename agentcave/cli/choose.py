"""CAVE and CAVE/AGENT on the command line."""

from collections.abc import Iterable, Mapping, Sequence

from agentcave.errors import UsageError
from agentcave.model.observed import Key
from agentcave.model.spec import ProjectSpec

Declared = Mapping[str, Sequence[str]]


def keys_of(
    words: Iterable[str], declared: Declared, groups: Mapping[str, Sequence[str]]
) -> list[Key]:
    """All agents that the words mean; a cave alone means all of its agents.

    ``groups``: caves with replicas. Raises UsageError for an unknown one, before anything is done.
    """
    found: dict[Key, None] = {}
    for word in words:
        cave, slash, agent = word.partition("/")
        for name in groups.get(cave, (cave,)):
            if name not in declared:
                raise UsageError(f"there is no cave {name}", _near(name, [*declared, *groups]))
            agents = declared[name]
            if slash and agent not in agents:
                raise UsageError(f"cave {name} has no agent {agent}", _near(agent, agents))
            found.update(((name, one), None) for one in ([agent] if slash else agents))
    return list(found)


def groups_of(spec: ProjectSpec) -> dict[str, list[str]]:
    """Caves by the key that they have in the file, which is another one for replicas."""
    groups: dict[str, list[str]] = {}
    for cave in spec.caves:
        groups.setdefault(cave.group, []).append(cave.name)
    return groups


def only_agent(word: str, declared: Declared, groups: Mapping[str, Sequence[str]]) -> Key:
    """The one agent that CAVE or CAVE/AGENT means. Raises UsageError when it is not one."""
    keys = keys_of([word], declared, groups)
    if len(keys) != 1:
        names = ", ".join("/".join(key) for key in keys)
        raise UsageError(f"{word} means several agents", f"say which: {names}")
    return keys[0]


def _near(word: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, known, 1)
    if near:
        return f"did you mean {near[0]}?"
    return f"there are: {', '.join(list(dict.fromkeys(known))[:10])}" if known else "there is none"
