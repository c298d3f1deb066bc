"""Which conversations can go on, and which ended agents were in."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from caving import eventually
from plan_world import agent, cave, dead, running, wanted, world

from agentcave.agents import claude
from agentcave.hosts import LocalHost
from agentcave.model.observed import History, Observed, ObservedSession
from agentcave.model.spec import CaveSpec, ScreenRule, WorkspaceSpec
from agentcave.model.status import Activity
from agentcave.reconcile.attend import attend, rules_of
from agentcave.reconcile.talks import remember_talks
from agentcave.tmux import Server

KEY = ("api", "claude")
TALK, OTHER = (f"0f0f0f0f-0000-4000-8000-00000000000{number}" for number in (1, 2))
NO_SERVER = Server("/nonexistent/s")


def spoken(folder: Path, **fields: Any) -> CaveSpec:
    """A cave whose claude keeps its conversations below ``folder``."""
    workspace = WorkspaceSpec("directory", str(folder))
    environment = {"CLAUDE_CONFIG_DIR": str(folder / "config")}
    one = agent(type="claude", environment=environment, **fields)
    return cave("api", one, workspace=workspace)


def transcript(folder: Path, conversation: str, text: str = "{}") -> Path:
    slug = "".join(c if c.isalnum() else "-" for c in os.path.realpath(folder))
    path = folder / "config" / "projects" / slug / f"{conversation}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def remembered(
    folder: Path, *sessions: ObservedSession, server: Server = NO_SERVER, **past: Any
) -> Observed:
    one = spoken(folder)
    history = {KEY: History(**{"session": "s1", "conversation": TALK, **past})}
    observed = world(wanted(one), *sessions, history=history)
    return remember_talks(LocalHost(), server, str(folder), wanted(one), observed, {})


def test_a_conversation_with_a_transcript_can_go_on(tmp_path: Path) -> None:
    transcript(tmp_path, TALK)
    assert remembered(tmp_path).unresumable == {}


@pytest.mark.parametrize("text", [None, ""])
def test_one_without_a_transcript_or_with_an_empty_one_cannot(
    tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        transcript(tmp_path, TALK, text)
    transcript(tmp_path, OTHER)
    assert remembered(tmp_path).unresumable == {KEY: "the transcript of the last one is gone"}


def test_an_adapter_that_fails_on_what_it_is_told_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(claude, "conversation", broken)
    transcript(tmp_path, TALK)
    why = "bug in agentcave.agents.claude: ZeroDivisionError('a bug')"
    assert remembered(tmp_path).unresumable == {KEY: why}


def test_where_there_was_none_nothing_is_lost(tmp_path: Path) -> None:
    assert remembered(tmp_path, conversation=None).unresumable == {}


def test_an_ended_agent_was_in_the_conversation_that_it_told_of_last(tmp_path: Path) -> None:
    own = tmp_path / "sessions" / "s1"
    own.mkdir(parents=True)
    (own / "SessionStart.event").write_text(json.dumps({"session_id": OTHER}))
    transcript(tmp_path, OTHER)
    seen = remembered(tmp_path)
    assert seen.history[KEY].conversation == OTHER
    assert seen.unresumable == {}


def test_another_incarnation_tells_nothing_of_this_one(tmp_path: Path) -> None:
    own = tmp_path / "sessions" / "s0"
    own.mkdir(parents=True)
    (own / "SessionStart.event").write_text(json.dumps({"session_id": OTHER}))
    assert remembered(tmp_path).history[KEY].conversation == TALK


def test_a_live_agent_tells_which_conversation_it_is_in_and_what_it_does(tmp_path: Path) -> None:
    one = spoken(tmp_path)
    live = running(one)._replace(pid=os.getpid())
    live = live._replace(stamp=live.stamp._replace(type="claude"))
    own = tmp_path / "sessions" / "s1"
    own.mkdir(parents=True)
    (own / "SessionStart.event").write_text(json.dumps({"session_id": OTHER}))
    for session, conversation in (("s1", OTHER), ("s2", TALK)):
        history = {KEY: History(session=session, conversation=TALK)}
        observed = world(wanted(one), live, history=history)
        seen = attend(LocalHost(), NO_SERVER, str(tmp_path), observed, {})
        assert seen.history[KEY].conversation == conversation
        assert seen.judged["s1"].activity is Activity.IDLE


def test_without_a_history_nobody_is_asked(tmp_path: Path) -> None:
    observed = world(wanted(spoken(tmp_path)), running(spoken(tmp_path)))
    assert attend(LocalHost(), NO_SERVER, "", observed, {}) is observed


def test_rules_are_those_that_the_file_declares() -> None:
    rule = ScreenRule("idle", "^> $")
    caves = [cave("api", agent("shell", type="command", screen=(rule,))), cave("web")]
    assert rules_of(caves) == {("api", "shell"): (rule,)}


@pytest.fixture
def ended() -> Iterator[tuple[Server, str]]:
    """A server with a pane that has ended after it said that there is no such conversation."""
    with TemporaryDirectory(prefix="acv-") as home:
        server, host = Server(f"{home}/s"), LocalHost()
        environ = {"PATH": os.environ["PATH"], "HOME": home, "LANG": "C.UTF-8"}
        script = "echo 'No conversation found with session ID: x'; exit 1"
        ours = ("/usr/bin/env", "AGENTCAVE_STAMP=x")  # other panes go when they end
        words = ("new-session", "-d", "-P", "-F", "#{pane_id}", *ours, "sh", "-c", script)
        pane = host.read(server.argv(*words), environment=environ).stdout.decode().strip()
        dead = server.argv("display-message", "-p", "-t", pane, "#{pane_dead}")
        eventually(lambda: host.read(dead, environment=environ).stdout == b"1\n")
        yield server, pane
        host.read(server.argv("kill-server"), environment=environ)


@pytest.mark.parametrize(
    ("past", "why"),
    [
        ({"resumed": True}, "resuming failed (No conversation found with session ID: x)"),
        ({"resumed": False}, None),
        ({"resumed": True, "session": "s0"}, None),
    ],
)
def test_a_resume_that_failed_is_not_tried_again(
    tmp_path: Path, ended: tuple[Server, str], past: dict[str, Any], why: str | None
) -> None:
    transcript(tmp_path, TALK)
    server, pane = ended
    one = dead(spoken(tmp_path), 1)._replace(pane=pane)
    one = one._replace(stamp=one.stamp._replace(type="claude"))
    seen = remembered(tmp_path, one, server=server, **past)
    assert seen.unresumable.get(KEY) == why
