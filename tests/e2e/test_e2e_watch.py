"""A controller: what it keeps, who may be one, and how it ends."""

import re
import signal
import socket
import subprocess
from collections.abc import Callable

import pytest
from caving import AGENTCAVE, DEADLINE, ONE_CAVE, SLEEPER, Cave, Terminal, eventually, finish
from watching import API, WATCH, Watcher, comes_back, controller, crash, watching

Opener = Callable[..., Terminal]
TWO = f"{ONE_CAVE}  web:\n    agents:\n      shell: {SLEEPER}\n"
WEB = "shop/web/shell"
NEEDS_DB = f"""\
version: 1
name: shop
caves:
  db:
    agents: {{shell: {{type: command, command: [sh]}}}}
  api:
    depends_on: {{db: {{condition: completed}}}}
    agents: {{shell: {SLEEPER}}}
"""


def pids_of(cave: Cave) -> dict[str, int]:
    return {name: pane.pid for name, pane in cave.agents().items()}


def test_it_starts_what_is_declared_and_ps_names_it(cave: Cave) -> None:
    cave.declare(TWO)
    with watching(cave) as watcher:
        assert sorted(cave.agents()) == [API, WEB]
        seen = controller(cave)
        assert seen is not None
        assert (seen["pid"], seen["detached"]) == (watcher.pid, False)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", seen["started_at"])
        assert f"a controller, pid {watcher.pid}" in cave.run("ps", "-f", "caves.yaml").err
    assert controller(cave) is None


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_and_the_agents_go_on(cave: Cave, number: int, code: int) -> None:
    with watching(cave) as watcher:
        before = pids_of(cave)
        done = watcher.end(number)
        assert done.code == code
        assert pids_of(cave) == before
        assert controller(cave) is None


def test_a_second_one_is_refused_and_told_who_is_there(cave: Cave) -> None:
    with watching(cave) as watcher:
        before = pids_of(cave)
        second = cave.run(*WATCH, code=75)
        detached = cave.run(*WATCH[:-1], "--detach", code=75)
        assert pids_of(cave) == before
        assert f"pid {watcher.pid}" in second.err
        assert f"pid {watcher.pid}" in detached.err
        assert watcher.process.poll() is None


def test_one_that_was_killed_is_replaced_without_a_word_to_the_agents(cave: Cave) -> None:
    cave.declare(TWO)
    with watching(cave) as first:
        before = pids_of(cave)
        first.kill()
        assert controller(cave) is None
    with watching(cave) as second:
        assert pids_of(cave) == before
        assert second.events == []
        comes_back(cave, crash(cave))
        assert pids_of(cave)[WEB] == before[WEB]


def test_it_takes_over_what_a_plain_up_has_started(cave: Cave) -> None:
    cave.up()
    before = pids_of(cave)
    with watching(cave) as watcher:
        assert pids_of(cave) == before
        assert watcher.events == []


def test_a_cave_waits_for_what_it_depends_on_and_ps_says_for_what(cave: Cave) -> None:
    cave.declare(NEEDS_DB)
    with watching(cave):
        row = cave.ps()["api/shell"]
        assert (row["phase"], row["reason"]) == ("waiting", "waits for db to be completed")
        cave.tmux("send-keys", "-t", cave.agents()["shop/db/shell"].id, "exit 0", "Enter")
        eventually(lambda: API in cave.agents())
        assert cave.ps()["db/shell"]["phase"] == "completed"


def test_one_cave_that_is_slow_to_set_up_does_not_hold_up_another(cave: Cave) -> None:
    slow = '    setup: [[sh, -c, "until test -e $HOME/go; do sleep 0.05; done"]]\n'
    cave.declare(TWO.replace("  web:\n", f"  web:\n{slow}"))
    watcher = Watcher(cave)
    try:
        eventually(lambda: API in cave.agents())
        for _ in range(2):
            comes_back(cave, crash(cave))
        assert WEB not in cave.agents()
        (cave.home / "go").touch()
        eventually(lambda: WEB in cave.agents())
    finally:
        (cave.home / "go").touch()
        watcher.end()


def test_a_service_manager_is_told_when_it_is_ready(cave: Cave) -> None:
    path = str(cave.home / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
        service.bind(path)
        service.settimeout(20)
        with watching(cave, NOTIFY_SOCKET=path):
            assert service.recv(4096) == b"READY=1"
            assert service.recv(4096) == b"STATUS=as declared"
            cave.declare("version: 1\ncaves: {\n")
            while b"caves.yaml:" not in (told := service.recv(4096)):
                assert told == b"STATUS=as declared"
            assert told.startswith(b"STATUS=")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_that_a_script_began_in_the_background_ends_as_any_other(
    cave: Cave, number: int, code: int
) -> None:
    """What is begun with & by a script ignores SIGINT."""
    begun = subprocess.Popen(
        ["bash", "-c", "trap '' INT; exec $agentcave up -f caves.yaml --watch --json"],
        cwd=cave.root,
        env={**cave.environ, "agentcave": " ".join(AGENTCAVE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    eventually(lambda: cave.agents())
    begun.send_signal(number)
    out, err = begun.communicate(timeout=DEADLINE)
    assert (begun.returncode, "bug" in err) == (code, False), out + err


def test_a_table_is_shown_on_a_terminal(cave: Cave, on_terminal: Opener) -> None:
    terminal = on_terminal(*AGENTCAVE, *WATCH[:-1])
    eventually(lambda: terminal.reads("running"))
    crash(cave)
    eventually(lambda: terminal.reads("ended by SIGKILL, restart 1 of 5"))
    for text in ("SESSION", "api/shell", "Ctrl-C ends that, the agents go on", "start-session"):
        assert text in terminal.seen
    terminal.type("\x03")
    eventually(terminal.ended)
    assert terminal.code == 130
    assert "Traceback" not in terminal.seen
    eventually(lambda: list(cave.agents()) == [API])


@pytest.mark.parametrize("words", [("--detach",), ("--watch", "--wait")])
def test_words_that_do_not_go_together_are_64(cave: Cave, words: tuple[str, ...]) -> None:
    cave.up(*words, code=64)
    assert cave.panes() == []


def test_a_wrong_file_begins_no_controller(cave: Cave) -> None:
    cave.declare(ONE_CAVE.replace("agents:", "agent:"))
    done = finish(cave.popen(*WATCH))
    assert done.code == 78
    assert "did you mean agents?" in done.err
    assert cave.panes() == []
