"""The environment of an agent, in the order of CONTRACT §3. Pure."""

from collections.abc import Mapping

from agentcave.model.spec import CaveSpec

DROPPED = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR"}
    | {"CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_SESSION_ID"}
    | {"LINES", "COLUMNS", "PWD", "OLDPWD", "SHLVL", "_"}
)
DROPPED_PREFIXES = ("TMUX", "AGENTCAVE_")


def inherited(environ: Mapping[str, str], names: tuple[str, ...] | None) -> dict[str, str]:
    """What passes from whoever starts the agent; ``names`` None is all."""
    return {
        name: value
        for name, value in environ.items()
        if name not in DROPPED
        and not name.startswith(DROPPED_PREFIXES)
        and (names is None or name in names)
    }


def compose(
    environ: Mapping[str, str],
    cave: CaveSpec,
    declared: Mapping[str, str | None],
    secrets: Mapping[str, str],
) -> dict[str, str]:
    """The whole environment but for the terminal's and the session's own variables.

    ``declared``: plan/digest.py, ``environment_of``; None takes a variable away.
    """
    composed: dict[str, str | None] = {**inherited(environ, cave.inherit_environment), **declared}
    composed.update(secrets)
    composed["AGENTCAVE_WORKSPACE"] = cave.workspace.path
    composed["AGENTCAVE_CONTEXT"] = f"{cave.workspace.path}/.cave"
    return {name: value for name, value in composed.items() if value is not None}
