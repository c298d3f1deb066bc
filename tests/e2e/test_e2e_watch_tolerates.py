"""What people do to sessions by hand beside a controller, and how quiet it is."""

import os
import shutil
import signal
from collections.abc import Callable

from caving import ONE_CAVE, SLEEPER, Cave, Terminal, alive, eventually
from watching import API, Watcher, comes_back, crash, watching

Opener = Callable[..., Terminal]
TWO = f"{ONE_CAVE}  web:\n    agents:\n      shell: {SLEEPER}\n"
TICKS = "for i in 1 2 3 4 5 6; do echo tick $i; sleep 0.5; done; exec sleep infinity"


def only_pid(cave: Cave) -> int:
    (pane,) = cave.agents().values()
    return pane.pid


def is_untouched(cave: Cave, watcher: Watcher, before: int) -> bool:
    """Whether the agent still is the same one after the controller has looked again."""
    watcher.looks_again()
    return only_pid(cave) == before and len(watcher.saw("start-session")) == 1


def test_a_session_may_be_renamed_and_comes_back_in_its_place(cave: Cave) -> None:
    with watching(cave) as watcher:
        before = only_pid(cave)
        cave.tmux("rename-session", "-t", f"={API}", "mine")
        assert is_untouched(cave, watcher, before)
        os.kill(before, signal.SIGKILL)
        eventually(lambda: len(watcher.saw("start-session")) == 2)
        assert len(cave.agents()) == 1
        assert cave.ps()["api/shell"]["phase"] == "running"


def test_other_panes_and_windows_are_the_users(cave: Cave) -> None:
    with watching(cave) as watcher:
        before = only_pid(cave)
        cave.tmux("split-window", "-d", "-t", f"={API}:", "sleep infinity")
        cave.tmux("new-window", "-d", "-t", f"={API}:", "sleep infinity")
        theirs = [pane for pane in cave.panes() if not pane.stamped]
        assert len(theirs) == 2
        assert is_untouched(cave, watcher, before)
        os.kill(before, signal.SIGKILL)
        eventually(lambda: len(watcher.saw("start-session")) == 2)
        assert [pane for pane in cave.panes() if not pane.stamped] == theirs
        assert all(alive(pane.pid) for pane in theirs)


def test_options_and_layout_are_the_users(cave: Cave) -> None:
    with watching(cave) as watcher:
        before = only_pid(cave)
        cave.tmux("set-option", "-g", "status", "off")
        cave.tmux("set-option", "-t", f"={API}:", "@mine", "1")
        cave.tmux("resize-window", "-t", f"={API}:", "-x", "90", "-y", "20")
        assert is_untouched(cave, watcher, before)
        assert cave.tmux("show-options", "-gv", "status") == "off"


def test_somebody_may_be_attached(cave: Cave, on_terminal: Opener) -> None:
    with watching(cave) as watcher:
        before = only_pid(cave)
        on_terminal("tmux", "-S", cave.socket, "attach", "-t", f"={API}")
        eventually(lambda: cave.ps()["api/shell"]["attached"])
        assert is_untouched(cave, watcher, before)


def test_what_crashes_is_replaced_under_the_eyes_of_who_is_attached(
    cave: Cave, on_terminal: Opener
) -> None:
    with watching(cave) as watcher:
        terminal = on_terminal("tmux", "-S", cave.socket, "attach", "-t", f"={API}")
        eventually(lambda: cave.ps()["api/shell"]["attached"])
        os.kill(only_pid(cave), signal.SIGKILL)
        eventually(lambda: len(watcher.saw("start-session")) == 2)
        assert cave.ps()["api/shell"]["attached"]
        assert not terminal.ended()


def test_a_killed_session_comes_back(cave: Cave) -> None:
    with watching(cave) as watcher:
        before = only_pid(cave)
        cave.tmux("kill-session", "-t", f"={API}")
        comes_back(cave, before)
        watcher.rests()
        assert not alive(before)
        assert [pane.session for pane in cave.panes()] == [API]


def test_a_workspace_that_was_deleted_is_made_again_and_its_agent_moves_in(cave: Cave) -> None:
    with watching(cave) as watcher:
        before = only_pid(cave)
        shutil.rmtree(cave.workspace())
        comes_back(cave, before)
        watcher.rests()
        assert os.readlink(f"/proc/{only_pid(cave)}/cwd") == str(cave.workspace())


def test_a_socket_that_was_deleted_is_made_again(cave: Cave) -> None:
    with watching(cave):
        server = cave.tmux("display-message", "-p", "#{pid}")
        before = crash(cave)
        os.unlink(cave.socket)
        comes_back(cave, before)
        assert cave.tmux("display-message", "-p", "#{pid}") == server


def test_after_the_server_has_died_everything_comes_back_in_a_new_one(cave: Cave) -> None:
    cave.declare(TWO)
    with watching(cave) as watcher:
        before = {pane.pid for pane in cave.agents().values()}
        server = int(cave.tmux("display-message", "-p", "#{pid}"))
        cave.tmux("kill-server")
        eventually(lambda: len(cave.agents()) == 2)
        watcher.rests()
        assert int(cave.tmux("display-message", "-p", "#{pid}")) != server
        assert not any(map(alive, before))
        assert len([pane for pane in cave.panes() if pane.stamped]) == 2
        assert {row["phase"] for row in cave.ps().values()} == {"running"}


def test_a_killed_server_is_replaced_too_and_what_survived_it_goes_first(cave: Cave) -> None:
    stubborn = '{type: command, command: [sh, -c, "trap : HUP TERM; while :; do sleep 1; done"]}'
    cave.declare(ONE_CAVE.replace(SLEEPER, stubborn))
    with watching(cave) as watcher:
        before = only_pid(cave)
        os.kill(int(cave.tmux("display-message", "-p", "#{pid}")), signal.SIGKILL)
        comes_back(cave, before)
        watcher.rests()
        assert not alive(before)
        assert len(watcher.saw("start-session")) == 2


def test_when_nothing_happens_it_asks_tmux_nothing(cave: Cave) -> None:
    calls = cave.home / "calls"
    path = cave.program("tmux", f'echo "$*" >>{calls}; exec {shutil.which("tmux")} "$@"')
    cave.declare(ONE_CAVE.replace("sleep, infinity", f'sh, -c, "{TICKS}"'))
    with watching(cave, PATH=path) as watcher:
        cave.tmux("kill-session", "-t", f"={API}")
        eventually(lambda: len(watcher.saw("start-session")) == 2)
        watcher.looks_again()
        eventually(lambda: "tick 2" in cave.screen(API))
        before = calls.read_text().splitlines()
        eventually(lambda: "tick 6" in cave.screen(API))
        assert calls.read_text().splitlines() == before
        watcher.looks_again()
        assert len(calls.read_text().splitlines()) == len(before) + 1


def test_a_history_that_is_deleted_is_begun_anew(cave: Cave) -> None:
    """Its locks went with it, and two holders of one name must not come to be."""
    with watching(cave) as watcher:
        before = cave.agents()
        shutil.rmtree(cave.state())
        watcher.settles()
        assert cave.agents() == before
        comes_back(cave, crash(cave))
        cave.run("up", "-f", "caves.yaml", "--watch", code=75)
