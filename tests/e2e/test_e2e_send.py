"""``send``: whole, once, never into a dialog, and a verdict that is true."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from caving import AGENTCAVE, Cave, Terminal, eventually

CAVES = """
version: 1
name: shop
caves:
  api:
    agents:
      demo: {}
      cat: {type: command, command: [cat]}
"""
Opener = Callable[..., Terminal]


@pytest.fixture
def demo(cave: Cave) -> Cave:
    cave.declare(CAVES)
    cave.up()
    eventually(lambda: activity(cave) == "idle")
    return cave


def folder(cave: Cave, agent: str = "demo") -> Path:
    """The agent's own folder."""
    (found,) = (
        path.parent for path in cave.state().glob("sessions/*/status.event") if agent == "demo"
    )
    return found


def told(cave: Cave, kind: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((folder(cave) / f"{kind}.event").read_text())
    return found


def activity(cave: Cave) -> str:
    found = list(cave.state().glob("sessions/*/status.event"))
    return told(cave, "status")["activity"] if found else ""


def send(cave: Cave, *words: str, code: int = 0, stdin: str = "") -> str:
    done = cave.run("send", "-f", "caves.yaml", *words, code=code, stdin=stdin)
    return done.out or done.err


def heard(cave: Cave) -> list[str]:
    """Every prompt that the agent has taken, as it wrote them down."""
    log = (cave.workspace() / ".cave" / "working-log.md").read_text()
    return [line.partition(" prompt: ")[2] for line in log.splitlines() if " prompt: " in line]


def test_what_an_agent_proves_is_delivered_and_what_it_cannot_is_sent(demo: Cave) -> None:
    assert send(demo, "api/demo", "hello there") == "delivered to api/demo\n"
    assert heard(demo) == ["hello there"]
    assert send(demo, "api/cat", "hello there") == "sent to api/cat\n"
    eventually(lambda: demo.screen("shop/api/cat").count("hello there") == 2)


NASTY = [
    "; kill-server ;",
    "-n -t x --",
    "#{pane_id} #(id) #[fg=red]",
    "🦊 é 日本語\u202e",
    "one\r\ntwo\r\n\r\nthree",
    "\ttab 'single' \"double\" `id` $(id) \\",
    "Enter C-c \\033[A ~",
]


def test_every_text_arrives_as_it_is(demo: Cave) -> None:
    for text in NASTY:
        assert send(demo, "--wait", "api/demo", "-", stdin=text) == "delivered to api/demo\n"
        assert told(demo, "prompt")["prompt"] == text.replace("\r\n", "\n")
    assert len(heard(demo)) == len(NASTY)
    assert send(demo, "--wait", "api/demo", "--", "-x") == "delivered to api/demo\n"
    assert told(demo, "prompt")["prompt"] == "-x"


def test_a_megabyte_arrives_whole(demo: Cave) -> None:
    text = "".join(f"echo {number:07} é 🦊\n" for number in range(50_000))
    assert len(text.encode()) > 1 << 20
    assert send(demo, "api/demo", "-", stdin=text) == "delivered to api/demo\n"
    assert told(demo, "prompt")["prompt"] == text.rstrip("\n")
    assert len(list(folder(demo).glob("*.event"))) == 2


SENDER = """
import os, sys, anyio
from agentcave import TmuxSessionManager
from agentcave.sessions import delivery

delivery.SETTLE = 0.01  # the demo agent needs no time to draw

async def main(name, session_id):
    async with TmuxSessionManager(os.environ["AGENTCAVE_SOCKET"]) as manager:
        line = await manager.line(session_id)
        for number in range(50):
            text = f"echo {name} {number} " + name * 300
            done = await delivery.deliver(line, text, delivery.Wish(idle=True))
            assert done.verdict == "delivered", done

anyio.run(main, *sys.argv[1:])
"""


def test_two_senders_at_once_do_not_mix(demo: Cave) -> None:
    session = folder(demo).name
    senders = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", SENDER, name, session],
            env=demo.environ,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in "ab"
    ]
    assert [each.communicate()[1] for each in senders] == ["", ""]
    expected = {f"echo {name} {number} " + name * 300 for name in "ab" for number in range(50)}
    assert len(heard(demo)) == 100
    assert set(heard(demo)) == expected


# The gate.


def test_what_works_and_cannot_queue_is_not_sent_to_unless_it_is_waited_for(demo: Cave) -> None:
    send(demo, "api/demo", "work 8s")
    refused = send(demo, "api/demo", "at once", code=1)
    assert "not-delivered: shop/api/demo works, and takes no prompts meanwhile" in refused
    assert send(demo, "--wait", "api/demo", "echo later") == "delivered to api/demo\n"
    assert heard(demo) == ["work 8s", "echo later"]


def test_who_never_becomes_idle_is_not_sent_to(demo: Cave) -> None:
    send(demo, "api/demo", "work 60s")
    refused = send(demo, "--wait", "--timeout", "300ms", "api/demo", "x", code=1)
    assert "not-delivered: shop/api/demo did not become idle" in refused
    assert heard(demo) == ["work 60s"]


def test_nothing_is_typed_into_a_dialog(demo: Cave) -> None:
    send(demo, "api/demo", "approve delete everything")
    for words in (["api/demo", "y"], ["--answer", "api/demo", "y"]):
        refused = send(demo, *words, code=1)
        assert "not-delivered: shop/api/demo waits for approval: delete everything" in refused
    assert activity(demo) == "approval"
    assert "approve [y/n]: y" not in demo.screen("shop/api/demo")


def test_a_question_is_typed_into_only_when_that_is_meant(demo: Cave) -> None:
    send(demo, "api/demo", "ask Which colour?")
    refused = send(demo, "api/demo", "red", code=1)
    assert "not-delivered: shop/api/demo asks: Which colour?" in refused
    assert activity(demo) == "question"
    done = send(demo, "--answer", "api/demo", "red")
    eventually(lambda: "* answered: red" in demo.screen("shop/api/demo"))
    assert done == "delivered to api/demo (it answers the question)\n"


MODES = ("copy-mode", "clock-mode", "choose-tree", "choose-buffer", "customize-mode")


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_of_tmux_that_nobody_watches_is_left(demo: Cave, mode: str) -> None:
    demo.tmux("set-buffer", "of a person")
    demo.tmux(mode, "-t", "=shop/api/demo:")
    assert send(demo, "api/demo", "echo hello") == "delivered to api/demo\n"
    assert demo.tmux("display-message", "-p", "-t", "=shop/api/demo:", "#{pane_in_mode}") == "0"
    assert heard(demo) == ["echo hello"]


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_in_which_somebody_is_stays(demo: Cave, on_terminal: Opener, mode: str) -> None:
    send(demo, "api/demo", "approve git push")
    eventually(lambda: activity(demo) == "approval")
    demo.tmux("set-buffer", "of a person")
    on_terminal(*AGENTCAVE, "attach", "-f", "caves.yaml", "api/demo")
    eventually(lambda: demo.tmux("list-clients"))
    demo.tmux(mode, "-t", "=shop/api/demo:")
    for refused in (
        send(demo, "api/demo", "echo hello", code=1),
        demo.run("approve", "-f", "caves.yaml", "api/demo", code=1).err,
    ):
        assert "shop/api/demo takes no keys: somebody scrolls in it" in refused
        assert "press q where it is attached" in refused
    assert demo.tmux("display-message", "-p", "-t", "=shop/api/demo:", "#{pane_in_mode}") == "1"


def test_an_approval_leaves_a_mode_that_nobody_watches(demo: Cave) -> None:
    send(demo, "api/demo", "approve git push")
    eventually(lambda: activity(demo) == "approval")
    demo.tmux("clock-mode", "-t", "=shop/api/demo:")
    demo.run("approve", "-f", "caves.yaml", "api/demo")
    eventually(lambda: "approved" in demo.screen("shop/api/demo"))


def test_what_has_ended_is_not_sent_to(demo: Cave) -> None:
    send(demo, "api/demo", "exit 3")
    eventually(lambda: "shop/api/demo" not in demo.agents())
    refused = send(demo, "api/demo", "hello", code=1)
    assert "not-delivered: shop/api/demo has ended" in refused
    assert "`agentcave up` starts it again" in refused
