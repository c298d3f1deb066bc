"""What is started for each type of agent, word for word."""

import json
import sys
from typing import Any

import pytest
from plan_world import agent

from agentcave.agents import TYPES, Launch, Start, adapter_of
from agentcave.errors import SpecError
from agentcave.model.spec import AgentSpec


def start(spec: AgentSpec, **fields: Any) -> Start:
    defaults: dict[str, Any] = {
        "workdir": "/home/me/shop/.agentcave/caves/api_2",
        "environment": {"HOME": "/home/me"},
        "folder": "/s/1",
    }
    return Start(spec, **{**defaults, **fields})


OWN = ("--settings", "/s/1/settings.json", "--append-system-prompt-file", "/s/1/briefing.md")


@pytest.mark.parametrize(
    ("spec", "fields", "argv"),
    [
        ({}, {}, ("claude", *OWN)),
        ({}, {"conversation": "c-1"}, ("claude", "--session-id", "c-1", *OWN)),
        ({}, {"conversation": "c-1", "resume": True}, ("claude", "--resume", "c-1", *OWN)),
        ({"model": "opus"}, {}, ("claude", "--model", "opus", *OWN)),
        ({"permission_mode": "plan"}, {}, ("claude", "--permission-mode", "plan", *OWN)),
        ({"command": ("npx", "claude")}, {}, ("npx", "claude", *OWN)),
        ({}, {"prompt": "-p; $(id)\n--x"}, ("claude", *OWN, "--", "-p; $(id)\n--x")),
        (
            {"command": ("npx", "c"), "model": "m", "permission_mode": "p", "args": ("-v", "x")},
            {"conversation": "c-1", "prompt": "Go."},
            (
                *("npx", "c", "--session-id", "c-1", "--model", "m"),
                *("--permission-mode", "p", *OWN, "-v", "x", "--", "Go."),
            ),
        ),
    ],
)
def test_claude(spec: dict[str, Any], fields: dict[str, Any], argv: tuple[str, ...]) -> None:
    launched = adapter_of("claude").launch(start(agent(type="claude", **spec), **fields))
    assert launched.argv == argv
    assert launched.environment == {}


def test_claude_gets_its_hooks_and_its_briefing_as_files_of_the_session() -> None:
    launched = adapter_of("claude").launch(start(agent(type="claude"), briefing="Read the plan. ü"))
    assert launched.files["briefing.md"].decode() == "Read the plan. ü"
    hooks = json.loads(launched.files["settings.json"])["hooks"]
    assert set(hooks) == set(adapter_of("claude").EVENTS)
    for event, (matcher,) in hooks.items():
        (one,) = matcher["hooks"]
        assert one["type"] == "command"
        assert f"{event}.event" in one["command"]


def test_the_demo_agent_is_ours_whatever_lies_in_the_workspace() -> None:
    ours = (sys.executable, "-P", "-m", "agentcave.demo_agent")
    demo = adapter_of("demo")
    scripted = demo.launch(start(agent(args=("--script", "work 1s"))))
    assert scripted == Launch((*ours, "--script", "work 1s"))
    assert demo.launch(start(agent(), prompt="-x")).argv == (*ours, "--", "-x")


def test_a_command_is_taken_word_for_word_and_gets_no_prompt() -> None:
    spec = agent(type="command", command=("make", "watch it"), args=("-j",), prompt="unused")
    launched = adapter_of("command").launch(start(spec, prompt="unused", conversation="c-1"))
    assert launched == Launch(("make", "watch it", "-j"))


@pytest.mark.parametrize(
    ("environment", "path"),
    [
        ({"HOME": "/home/me"}, "/home/me/.claude/projects/-w-api-2-x-/c-1.jsonl"),
        ({"HOME": "/h", "CLAUDE_CONFIG_DIR": "/c"}, "/c/projects/-w-api-2-x-/c-1.jsonl"),
        ({"HOME": "/h", "CLAUDE_CONFIG_DIR": ""}, "/h/.claude/projects/-w-api-2-x-/c-1.jsonl"),
        ({}, None),
    ],
)
def test_a_conversation_of_claude_lies_in_its_own_configuration(
    environment: dict[str, str], path: str | None
) -> None:
    one = start(
        agent(type="claude"), workdir="/w/api_2.xü", environment=environment, conversation="c-1"
    )
    assert adapter_of("claude").transcript(one) == path
    assert adapter_of("claude").transcript(one._replace(conversation=None)) is None


def test_other_types_keep_no_conversations() -> None:
    for kind in ("demo", "command"):
        assert not adapter_of(kind).CONVERSES
        assert adapter_of(kind).transcript(start(agent(), conversation="c-1")) is None


def test_an_unknown_type_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(SpecError, match=r"agent type emacs .*claude, .*command, .*demo"):
        adapter_of("emacs")


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_says_how_to_install_and_how_to_end_it(kind: str) -> None:
    adapter = adapter_of(kind)
    assert adapter.INSTALL
    assert adapter.STOP_SIGNAL
    assert adapter.launch(start(agent(type=kind, command=("given",)))).argv[0] == "given"
