"""The environment of an agent: what is inherited, declared and ours, in that order."""

import pytest
from plan_world import agent, cave

from agentcave.apply.environment import compose, inherited
from agentcave.plan.digest import environment_of

OURS = {
    "AGENTCAVE_WORKSPACE": "/p/.agentcave/caves/api",
    "AGENTCAVE_CONTEXT": "/p/.agentcave/caves/api/.cave",
}


@pytest.mark.parametrize(
    "name",
    [
        *("TMUX", "TMUX_PANE", "TMUX_TMPDIR", "AGENTCAVE_CAVE", "AGENTCAVE_SOCKET"),
        *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR"),
        *("CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_SESSION_ID"),
        *("LINES", "COLUMNS", "PWD", "OLDPWD", "SHLVL", "_"),
    ],
)
def test_what_belongs_to_the_starter_alone_is_not_inherited(name: str) -> None:
    assert inherited({name: "x", "KEPT": "y"}, None) == {"KEPT": "y"}
    assert inherited({name: "x"}, (name,)) == {}


def test_names_that_only_look_like_it_are_inherited() -> None:
    environ = {"GIT_AUTHOR_NAME": "me", "CLAUDE_CONFIG_DIR": "/c", "MY_TMUX": "1", "PATH": "/bin"}
    assert inherited(environ, None) == environ


def test_only_the_names_that_are_listed_pass() -> None:
    environ = {"PATH": "/bin", "HOME": "/home/me", "LANG": "C"}
    assert inherited(environ, ("PATH", "NOWHERE")) == {"PATH": "/bin"}
    assert inherited(environ, ()) == {}


def test_each_source_wins_over_the_ones_before_it() -> None:
    one = cave(
        "api",
        agent(environment={"D": "agent", "E": "agent"}),
        environment={"C": "cave", "D": "cave", "E": "cave"},
    )
    env_file = dict.fromkeys("BCDE", "file")
    environ = dict.fromkeys("ABCDE", "shell")
    declared = environment_of(one, one.agents[0], env_file)
    secrets = {"E": "secret"}
    assert compose(environ, one, declared, secrets) == {
        "A": "shell",
        "B": "file",
        "C": "cave",
        "D": "agent",
        "E": "secret",
        **OURS,
    }


def test_null_takes_a_variable_away_wherever_it_came_from() -> None:
    one = cave("api", agent(environment={"A": None, "C": None}), environment={"B": None, "C": "x"})
    declared = environment_of(one, one.agents[0], {"A": "file"})
    assert compose({"A": "1", "B": "2", "KEPT": "3"}, one, declared, {}) == {"KEPT": "3", **OURS}


def test_nobody_can_pretend_to_be_us() -> None:
    one = cave("api", environment={"AGENTCAVE_WORKSPACE": "/etc", "AGENTCAVE_CONTEXT": "/etc"})
    declared = environment_of(one, one.agents[0], {})
    assert compose({}, one, declared, {"AGENTCAVE_CONTEXT": "/x"}) == OURS
