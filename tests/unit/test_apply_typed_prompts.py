"""First prompts that are typed, and what runs before an agent starts."""

import json
from pathlib import Path

import pytest
from apply_world import UP, Bench, talker
from apply_world import anyio_backend as anyio_backend
from apply_world import bench as bench
from plan_world import agent

from agentcave.model.spec import AgentSpec
from agentcave.sessions.delivery import NotDelivered, Unconfirmed
from agentcave.sessions.fake import FakeSession


def program(root: Path, script: str) -> str:
    path = root / "agent"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def aider(bench: Bench, **fields: object) -> AgentSpec:
    path = program(bench.root, "exit 0")
    return agent(type="aider", command=(path,), prompt="echo hello", **fields)


async def test_a_prompt_that_the_launch_cannot_take_is_typed_once(bench: Bench) -> None:
    cave = bench.cave("api", aider(bench))
    await bench.apply(cave)
    assert bench.process("api").lines[0] == "> echo hello"
    past = bench.state.histories()["api", "claude"]
    assert past.prompted
    said = Path(cave.workspace.path, ".cave", f"claude-{past.conversation}.md")
    said.parent.mkdir()
    said.write_text("#### echo hello\n")
    bench.process("api").end("KILL")
    await bench.apply(cave, request=UP)
    assert bench.process("api").lines == []


async def test_a_prompt_that_the_launch_takes_is_not_typed(bench: Bench) -> None:
    await bench.apply(bench.cave("api", talker(prompt="echo hello")))
    assert bench.session("api").options.argv[-1] == "echo hello"
    assert bench.process("api").lines == []
    assert bench.state.histories()["api", "claude"].prompted


@pytest.mark.parametrize(("trouble", "prompted"), [(NotDelivered, False), (Unconfirmed, True)])
async def test_what_was_not_delivered_is_due_again_what_may_have_been_is_not(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    trouble: type[NotDelivered | Unconfirmed],
    prompted: bool,
) -> None:
    async def refuse(self: FakeSession, text: str, **how: object) -> None:
        raise trouble("it asks something")

    monkeypatch.setattr(FakeSession, "send_input", refuse)
    (*_, event) = await bench.apply(bench.cave("api", aider(bench)))
    assert bench.session("api").process is not None
    past = bench.state.histories()["api", "claude"]
    assert past.session == bench.session("api").id
    assert bool(past.prompted) is prompted
    assert event.result == "failed"
    assert event.error is not None
    assert "it asks something" in event.error


async def test_what_runs_before_a_start_has_its_directory_and_environment(bench: Bench) -> None:
    script = (
        f'[ "$2" = import ] || [ "$1" = import ] || exit 3\n{{ pwd; env; cat; }} >{bench.root}/ran'
    )
    spec = agent(type="opencode", command=(program(bench.root, script),))
    await bench.apply(bench.cave("api", spec))
    text = (bench.root / "ran").read_text()
    assert text.startswith(f"{bench.root}/api\n")
    options = bench.session("api").options
    assert f"\nAGENTCAVE_PORT={options.environment['AGENTCAVE_PORT']}\n" in text
    assert options.argv[2] == options.environment["AGENTCAVE_PORT"]
    said = json.loads(text.splitlines()[-1])
    assert said["info"]["id"] == options.environment["AGENTCAVE_CONVERSATION"]


async def test_every_start_has_a_password_of_its_own(bench: Bench) -> None:
    path = program(bench.root, "exit 0")
    caves = [bench.cave(name, agent(type="opencode", command=(path,))) for name in ("a", "b")]
    await bench.apply(*caves)
    found = [bench.session(name).options for name in ("a", "b")]
    passwords = {one.environment["OPENCODE_SERVER_PASSWORD"] for one in found}
    assert len(passwords) == 2
    assert all(len(one) >= 32 for one in passwords)
    assert not any(one in " ".join(options.argv) for one in passwords for options in found)
    kept = [path for path in (bench.root / "state").rglob("*") if path.is_file()]
    assert not any(one.encode() in path.read_bytes() for one in passwords for path in kept)


async def test_nothing_starts_when_what_runs_before_it_fails(bench: Bench) -> None:
    path = program(bench.root, "echo the database is locked >&2; exit 7")
    (*_, event) = await bench.apply(bench.cave("api", agent(type="opencode", command=(path,))))
    assert not await bench.sessions.panes()
    assert event.result == "failed"
    assert event.error is not None
    assert "failed with exit status 7: the database is locked" in event.error
