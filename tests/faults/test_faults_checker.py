"""The checker itself: it sees each kind of broken world, and none in a sound one."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest
from calls import is_reading
from caving import Cave, alive, eventually
from invariants import Promise, check
from scenarios import caves_file
from sightings import look
from treasure import bury, record

Start = Callable[..., int]
Break = Callable[[Cave, Start], None]


@pytest.fixture
def sound(cave: Cave) -> Promise:
    """A world in which everything is as promised."""
    cave.up()
    bury(cave, "api")
    return Promise(["api/shell"], record(cave, "api"))


@pytest.fixture
def start(cave: Cave) -> Iterator[Start]:
    """Start processes that belong to nobody, with these variables; they end with the test."""
    begun: list[subprocess.Popen[bytes]] = []

    def sleeper(**environ: str) -> int:
        environment = {**cave.environ, **environ}
        begun.append(subprocess.Popen(["sleep", "infinity"], env=environment))
        return begun[-1].pid

    yield sleeper
    for process in begun:
        process.kill()
        process.wait()


def marker(cave: Cave, session: str) -> dict[str, str]:
    return {"AGENTCAVE_SESSION_DIR": f"{cave.state()}/sessions/{session}"}


def a_second_process(cave: Cave, start: Start) -> None:
    start(**marker(cave, look(cave).sessions[0].id))


def a_process_of_the_past(cave: Cave, start: Start) -> None:
    start(**marker(cave, "0123456789abcdef"))


def a_stray_process(cave: Cave, start: Start) -> None:
    start()


def a_dead_agent(cave: Cave, start: Start) -> None:
    (agent,) = cave.agents().values()
    os.kill(agent.pid, signal.SIGKILL)
    eventually(lambda: not alive(agent.pid) and not cave.agents())


def an_agent_nobody_declared(cave: Cave, start: Start) -> None:
    cave.declare(caves_file(api="", web=""))
    cave.up()


def a_stamp_used_twice(cave: Cave, start: Start) -> None:
    (agent,) = cave.agents().values()
    word = agent.command.split("AGENTCAVE_STAMP=", 1)[1].split()[0]
    cave.tmux("new-session", "-d", "env", f"AGENTCAVE_STAMP={word}", "sleep", "infinity")


def an_ignored_file_deleted(cave: Cave, start: Start) -> None:
    (cave.workspace() / "secret.log").unlink()


def an_edit_undone(cave: Cave, start: Start) -> None:
    cave.git("checkout", "--", "README.md", cwd=cave.workspace())


def a_stash_dropped(cave: Cave, start: Start) -> None:
    cave.git("stash", "drop")


def a_branch_moved(cave: Cave, start: Start) -> None:
    cave.git("update-ref", "refs/heads/cave/api", "main")


def a_workspace_deleted(cave: Cave, start: Start) -> None:
    shutil.rmtree(cave.workspace())


def a_workspace_replaced(cave: Cave, start: Start) -> None:
    place, copy = cave.workspace(), cave.home / "copy"
    shutil.copytree(place, copy, symlinks=True)
    shutil.rmtree(place)
    shutil.move(copy, place)


def launch_material(cave: Cave, start: Start) -> None:
    (cave.state() / "launch" / "0123456789abcdef").write_text("export TOKEN=secret")


def a_session_folder(cave: Cave, start: Start) -> None:
    (cave.state() / "sessions" / "0123456789abcdef").mkdir()


def a_lock_of_git(cave: Cave, start: Start) -> None:
    (cave.root / ".git" / "index.lock").touch()


def half_a_worktree(cave: Cave, start: Start) -> None:
    cave.git("worktree", "add", "-q", "../beside")
    shutil.rmtree(cave.root / ".." / "beside")


def something_to_do(cave: Cave, start: Start) -> None:
    cave.declare(caves_file(api="context: {plan.md: {text: changed}}"))


def a_terminal_to_resize(cave: Cave, start: Start) -> None:
    wide = "{type: command, command: [sleep, infinity], size: {columns: 100, rows: 30}}"
    cave.declare(f"version: 1\nname: shop\ncaves: {{api: {{agents: {{shell: {wide}}}}}}}\n")


BROKEN: dict[Break, str] = {
    a_second_process: "one_process_tree_per_agent: api/shell has the processes",
    a_dead_agent: "one_process_tree_per_agent: api/shell has 0 live sessions",
    an_agent_nobody_declared: "one_process_tree_per_agent: web/shell has 1 live sessions",
    a_stamp_used_twice: "one_session_per_stamp",
    a_process_of_the_past: "no_marker_that_is_not_current",
    an_ignored_file_deleted: "secret.log is gone",
    an_edit_undone: "README.md is changed",
    a_stash_dropped: "nothing_lost: .* stash",
    a_branch_moved: "nothing_lost: .*refs/heads/cave/api was",
    a_workspace_deleted: "new.txt is gone",
    a_workspace_replaced: "in_its_workspace: api/shell works in",
    launch_material: "no_launch_material",
    a_session_folder: "no_folder_of_the_past",
    a_stray_process: "nothing_else_runs: [0-9]+ runs: sleep infinity",
    a_lock_of_git: "nothing_half_made: .*index.lock",
    half_a_worktree: "nothing_half_made: half a worktree",
    something_to_do: r"(?s)plan: exit 2.*up did something.*plan.md was touched",
    a_terminal_to_resize: r"it called tmux .* source-file -",
}


def test_a_sound_world_is_found_sound(cave: Cave, sound: Promise) -> None:
    check(cave, sound, patience=0)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_the_checker_complains_of(cave: Cave, sound: Promise, start: Start, broken: Break) -> None:
    broken(cave, start)
    with pytest.raises(AssertionError, match=BROKEN[broken]):
        check(cave, sound, patience=0)


def test_calls_that_change_something_are_told_from_those_that_look() -> None:
    assert is_reading("tmux -S s list-panes -a -F x")
    assert is_reading("git --no-optional-locks status")
    assert not is_reading("tmux -S s start-server ; source-file -")
    assert not is_reading("tmux -S s kill-server")
    assert not is_reading("git status")
    assert not is_reading("git worktree add x")
