"""Machines, repositories and neighbours that are not as one would wish."""

import json
import os
import re
import shutil
import time
from pathlib import Path

import pytest
from caving import (
    ONE_CAVE,
    SLEEPER,
    Cave,
    command_line_of,
    environment_of,
    eventually,
    make_project,
    snapshot,
)

HOSTILE = "set -g default-command 'exit 1'\nset -g base-index 7\nset -g pane-base-index 3\n"
HOSTILE += (
    "set -g remain-on-exit off\nset -g destroy-unattached on\nset -g default-shell /bin/false\n"
)
HOSTILE += "set-hook -g session-created 'kill-server'\n"
NAMES = [
    "-dash with space",
    "quote'\"s back\\slash",
    "#(touch pwned)",
    "#{pane_id};$(touch pwned)%h",
    "new\nline\ttab",
    "fox 🦊 日本 {a,b}*?[x]",
]


def path_without(cave: Cave, *programs: str) -> str:
    """A PATH with the programs of this machine but for some."""
    folder = cave.home / "few"
    folder.mkdir()
    for program in ("sh", "env", "sleep", "git", "tmux", "cat"):
        if program not in programs:
            found = next(
                Path(p, program) for p in os.defpath.split(":") if Path(p, program).exists()
            )
            (folder / program).symlink_to(found)
    return str(folder)


def nothing_was_made(cave: Cave) -> bool:
    return not (cave.root / ".agentcave").exists() and not cave.git("branch", "--list", "cave/*")


def test_without_tmux_it_is_69_and_nothing_is_made(cave: Cave) -> None:
    path = path_without(cave, "tmux")
    for verb in ("up", "plan", "down"):
        done = cave.run(verb, "-f", "caves.yaml", code=69, PATH=path)
        assert "tmux" in done.err
    assert nothing_was_made(cave)


def test_without_tmux_ps_shows_agents_as_unreachable(cave: Cave) -> None:
    done = cave.run("ps", "-f", "caves.yaml", "--json", code=69, PATH=path_without(cave, "tmux"))
    assert [row["phase"] for row in done.json["sessions"]] == ["unreachable"]


def test_without_tmux_doctor_says_what_to_install(cave: Cave) -> None:
    done = cave.run("doctor", code=69, PATH=path_without(cave, "tmux"))
    assert "install tmux 3.2a or newer" in done.out


def test_doctor_tells_of_a_git_that_cannot_start(cave: Cave) -> None:
    folder = cave.home / "broken"
    folder.mkdir()
    script = "#!/bin/sh\necho 'git: error while loading shared libraries: libz.so' >&2\nexit 127\n"
    (folder / "git").write_text(script)
    (folder / "git").chmod(0o755)
    done = cave.run("doctor", code=69, PATH=f"{folder}:{os.environ['PATH']}")
    assert re.search(r"^fail  git +git cannot start: git: error while loading", done.out, re.M)


def test_doctor_tells_of_a_history_that_cannot_be_made(cave: Cave) -> None:
    (cave.home / "file").touch()
    done = cave.run("doctor", code=69, XDG_STATE_HOME=f"{cave.home}/file/below")
    assert f"{cave.home}/file is no directory" in done.out


def test_without_git_a_worktree_is_69_and_a_directory_is_fine(cave: Cave) -> None:
    path = path_without(cave, "git")
    done = cave.up(code=69, PATH=path)
    assert "git" in done.err
    assert nothing_was_made(cave)
    cave.declare(ONE_CAVE + "    workspace: {type: directory, path: .}\n")
    cave.up(PATH=path)
    assert list(cave.agents()) == ["shop/api/shell"]


@pytest.mark.parametrize(
    "script",
    [
        "echo garbage; exit 0",
        "head -c 100000 /dev/urandom; exit 0",
        "exit 1",
        "echo 'usage: tmux' >&2; exit 1",
        "kill -SEGV $$",
    ],
)
def test_a_tmux_that_talks_garbage_is_69_and_nothing_is_made(cave: Cave, script: str) -> None:
    done = cave.up(code=69, PATH=cave.program("tmux", script))
    assert "tmux" in done.err
    assert nothing_was_made(cave)


def test_a_tmux_that_hangs_is_given_up_and_nothing_is_made(cave: Cave) -> None:
    began = time.monotonic()
    done = cave.try_run("up", "-f", "caves.yaml", PATH=cave.program("tmux", "exec sleep 600"))
    assert time.monotonic() - began < 30
    assert done.code in (69, 124)
    assert "tmux" in done.err
    assert nothing_was_made(cave)


def test_a_git_that_fails_makes_the_cave_refused_with_its_reason(cave: Cave) -> None:
    path = cave.program("git", "echo 'fatal: the disk is on fire' >&2; exit 128")
    done = cave.try_run("up", "-f", "caves.yaml", PATH=path)
    assert done.code in (1, 69)
    assert "git" in done.err
    assert cave.agents() == {}
    assert not cave.workspace().exists()


def descriptors(pid: int) -> tuple[int, int]:
    """The soft and the hard limit of a process."""
    text = Path(f"/proc/{pid}/limits").read_text()
    (soft, hard) = re.findall(r"^Max open files +(\d+) +(\d+)", text, re.M)[0]
    return int(soft), int(hard)


def test_more_sessions_than_the_server_can_hold_are_refused_by_name(cave: Cave) -> None:
    few = f"version: 1\nname: shop\ncaves:\n  api: {{agents: {{shell: {SLEEPER}}}}}\n"
    many = few + f"  web: {{replicas: 30, agents: {{shell: {SLEEPER}}}}}\n"
    cave.declare(many)
    up = "ulimit -n 40; $agentcave up -f caves.yaml"
    done = cave.shell(up)
    assert done.code == 69
    assert (
        "a tmux server may have 40 descriptors open, and 31 more sessions take it to 51" in done.err
    )
    assert cave.panes() == []
    cave.declare(few)
    assert cave.shell(up).code == 0
    server = cave.tmux("display-message", "-p", "#{pid}")
    cave.declare(many)
    done = cave.up(code=69)  # its limit is the server's
    assert f"the tmux server {server} may have 40 descriptors open" in done.err
    assert list(cave.agents()) == ["shop/api/shell"]
    assert cave.run("plan", "-f", "caves.yaml").code == 0


def test_the_server_has_descriptors_for_many_sessions_and_agents_keep_their_limit(
    cave: Cave,
) -> None:
    assert cave.shell("ulimit -S -n 100; ulimit -H -n 4000; $agentcave up -f caves.yaml").code == 0
    server = int(cave.tmux("display-message", "-p", "#{pid}"))
    (pane,) = cave.agents().values()
    assert descriptors(server) == (4000, 4000)
    assert descriptors(pane.pid) == (100, 4000)
    assert b"AGENTCAVE_NOFILE" not in environment_of(pane.pid)
    cave.run("restart", "-f", "caves.yaml")
    (again,) = cave.agents().values()
    assert descriptors(again.pid) == (100, 4000)


@pytest.mark.parametrize("kibibytes", [60_000, 80_000, 160_000, 320_000])
def test_too_little_memory_is_named_and_is_no_bug(cave: Cave, kibibytes: int) -> None:
    cave.up()
    for verb in ("ps", "up"):
        done = cave.shell(f"ulimit -v {kibibytes}; $agentcave {verb} -f caves.yaml")
        assert done.code in (0, 1, 69), done
        assert done.code == 0 or "ulimit -v" in done.err or "tmux" in done.err, done
    assert list(cave.agents()) == ["shop/api/shell"]


def test_what_a_cache_kept_is_read_with_little_memory(cave: Cave) -> None:
    """It may hold 256 MiB; that much is not taken for what holds little."""
    cave.run("ps", "-f", "caves.yaml")
    assert cave.shell("ulimit -v 200000; $agentcave ps -f caves.yaml").code == 0


@pytest.mark.parametrize("kind", ["worktree", "clone"])
def test_a_hook_that_hangs_is_given_up_in_time_and_the_workspace_finished_later(
    cave: Cave, kind: str
) -> None:
    hook = cave.write("hooks/post-checkout", "#!/bin/sh\nexec sleep 600\n", executable=True)
    cave.git("config", "--global", "core.hooksPath", str(hook.parent))
    cave.declare(ONE_CAVE + f"    workspace: {{type: {kind}}}\n")
    done = cave.up("--timeout", "2s", code=124)
    assert "was not made within 2 s" in done.err
    assert not [pid for pid in cave.processes() if b"600" in command_line_of(pid)]
    hook.unlink()
    cave.up()
    assert (cave.workspace() / "README.md").exists()
    assert list(cave.agents()) == ["shop/api/shell"]


def test_a_socket_that_nobody_listens_on_is_replaced(cave: Cave) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(cave.socket)
    cave.up()
    assert list(cave.agents()) == ["shop/api/shell"]


def test_a_socket_path_that_is_a_file_is_said_and_kept(cave: Cave) -> None:
    Path(cave.socket).write_text("mine")
    done = cave.try_run("up", "-f", "caves.yaml")
    assert Path(cave.socket).read_text() == "mine"
    assert done.code == 69
    assert "is not a socket" in done.err


def test_a_socket_path_that_is_too_long_is_69(cave: Cave) -> None:
    long = "/tmp/" + "x" * 120
    done = cave.up(code=69, AGENTCAVE_SOCKET=long)
    assert "longer than 107 bytes" in done.err
    assert nothing_was_made(cave)


def test_a_socket_in_a_missing_folder_is_69(cave: Cave) -> None:
    done = cave.up(code=69, AGENTCAVE_SOCKET=f"{cave.home}/none/s")
    assert f"{cave.home}/none" in done.err


def test_a_repository_without_a_commit_is_refused_with_a_remedy(world: Path) -> None:
    cave = Cave(world, world / "empty")
    cave.root.mkdir()
    cave.git("init", "-q")
    cave.declare(ONE_CAVE)
    done = cave.up(code=1)
    assert cave.panes() == []
    assert not cave.workspace().exists()
    assert "commit" in done.err


def test_a_directory_without_a_repository_is_refused_with_a_remedy(world: Path) -> None:
    cave = Cave(world, world / "plain")
    cave.root.mkdir()
    cave.declare(ONE_CAVE)
    done = cave.up(code=1)
    assert cave.panes() == []
    assert not cave.workspace().exists()
    assert "repository" in done.err


def test_a_bare_repository_is_refused_or_served_without_a_traceback(world: Path) -> None:
    make_project(world, world / "origin")
    cave = Cave(world, world / "bare")
    cave.git("clone", "-q", "--bare", str(world / "origin"), str(cave.root), cwd=world)
    cave.declare(ONE_CAVE)
    done = cave.try_run("up", "-f", "caves.yaml")
    assert done.code == (0 if cave.agents() else 1)
    assert done.code == 0 or "bare" in done.err


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_repository_is_served(world: Path, name: str) -> None:
    cave = make_project(world, world / name)
    cave.declare(ONE_CAVE + "    environment: {HERE: x}\n    context: {plan.md: {text: one}}\n")
    cave.up()
    (pane,) = cave.agents().values()
    assert os.readlink(f"/proc/{pane.pid}/cwd") == str(cave.workspace())
    assert cave.up().out == "shop: 1 unchanged\n"
    for words in (("ps",), ("plan",), ("config",), ("down", "--remove-workspaces")):
        cave.run(*words, "-f", "caves.yaml")
    assert cave.panes() == []
    assert not cave.workspace().exists()
    assert list(world.rglob("pwned*")) == []


def test_a_path_that_is_not_utf_8_is_64_and_nothing_is_made(world: Path) -> None:
    cave = make_project(world, world / os.fsdecode(b"caf\xe9"))
    for verb in ("up", "ps", "plan", "config", "down"):
        assert "caf\\xe9" in cave.run(verb, "-f", "caves.yaml", code=64).err
    assert cave.panes() == []
    assert nothing_was_made(cave)


@pytest.mark.parametrize(
    "locale", [{"LANG": "C"}, {"LC_ALL": "C"}, {"LANG": ""}, {"PYTHONIOENCODING": "ascii"}]
)
def test_any_locale_will_do(world: Path, locale: dict[str, str]) -> None:
    cave = make_project(world, world / "café 🦊")
    cave.environ.update(locale)
    cave.declare(ONE_CAVE + "    description: größer 🦊\n")
    cave.up()
    for words in (("ps",), ("config",), ("ps", "--json"), ("context", "api")):
        cave.run(words[0], "-f", "caves.yaml", *words[1:])
    assert list(cave.agents()) == ["shop/api/shell"]


def test_a_working_directory_that_is_gone_is_64(cave: Cave) -> None:
    gone = "mkdir $HOME/gone; cd $HOME/gone; rmdir $HOME/gone; "
    for words in ("up", "ps", "init", "doctor", "trust"):
        done = cave.shell(f"rm -rf $HOME/gone; {gone} $agentcave {words}")
        assert "bug" not in done.err, words
        assert done.code in (64, 69), words
    assert "bug" not in cave.shell(f"rm -rf $HOME/gone; {gone} $agentcave ps -f caves.yaml").err
    done = cave.shell(f"rm -rf $HOME/gone; {gone} $agentcave up -f {cave.root}/caves.yaml")
    assert done.code == 0, done.err
    assert list(cave.agents()) == ["shop/api/shell"]


def test_a_state_folder_that_cannot_be_made_is_said_before_anything_is_touched(cave: Cave) -> None:
    (cave.home / "file").write_text("")
    for place in ("/proc/nothing", str(cave.home / "file" / "below")):
        done = cave.up(code=1, XDG_STATE_HOME=place)
        assert "XDG_STATE_HOME" in done.err
    assert nothing_was_made(cave)
    assert cave.panes() == []
    cave.run("plan", "-f", "caves.yaml", XDG_STATE_HOME="/proc/nothing")
    cave.run("ps", "-f", "caves.yaml", XDG_STATE_HOME="/proc/nothing")


def test_where_nothing_can_be_written_nothing_is_started(cave: Cave) -> None:
    done = cave.shell("ulimit -f 0; $agentcave up -f caves.yaml")
    assert done.code == 1
    assert "history" in done.err
    assert cave.panes() == []
    assert nothing_was_made(cave)
    cave.up()
    assert list(cave.agents()) == ["shop/api/shell"]


def test_a_relative_state_folder_does_not_count(cave: Cave) -> None:
    cave.up(XDG_STATE_HOME="relative")
    assert list(cave.agents()) == ["shop/api/shell"]
    assert not (cave.root / "relative").exists()
    cave.run("doctor", XDG_STATE_HOME="relative")


def test_without_a_home_the_one_of_the_user_counts(cave: Cave) -> None:
    cave.run("plan", "-f", "caves.yaml", HOME=None, XDG_STATE_HOME=None, XDG_CACHE_HOME=None)


def test_a_damaged_history_costs_no_work_and_says_what_to_do(cave: Cave) -> None:
    cave.up()
    before = cave.agents()
    (cave.state() / "state.db").write_bytes(b"not a database at all" * 100)
    done = cave.up(code=1)
    assert cave.agents() == before
    assert "state.db away" in done.err
    (cave.state() / "state.db").unlink()
    cave.up()
    assert cave.agents() == before


def test_a_lost_state_costs_no_work_and_no_second_agent(cave: Cave) -> None:
    import shutil

    cave.up()
    (cave.workspace() / "work.txt").write_text("here")
    before = cave.agents()
    shutil.rmtree(cave.home / "state")
    cave.up()
    assert cave.agents() == before
    assert (cave.workspace() / "work.txt").read_text() == "here"


def test_a_hostile_tmux_configuration_of_the_user_is_not_read(cave: Cave) -> None:
    (cave.home / ".tmux.conf").write_text(HOSTILE)
    (cave.home / "config" / "tmux").mkdir(parents=True)
    (cave.home / "config" / "tmux" / "tmux.conf").write_text(HOSTILE)
    cave.up()
    assert list(cave.agents()) == ["shop/api/shell"]
    assert cave.up().out == "shop: 1 unchanged\n"


def test_a_server_with_hostile_settings_of_its_own_is_used_as_it_is(cave: Cave) -> None:
    settings = HOSTILE.replace("set-hook -g session-created 'kill-server'\n", "")
    (cave.home / "hostile.conf").write_text(
        settings.replace("destroy-unattached on", "history-limit 5")
    )
    cave.tmux("new-session", "-d", "-s", "mine", "sleep", "infinity")
    cave.tmux("source-file", str(cave.home / "hostile.conf"))
    options = cave.tmux("show-options", "-g")
    cave.up()
    assert "shop/api/shell" in cave.agents()
    assert cave.tmux("show-options", "-g") == options
    cave.run("down", "-f", "caves.yaml")
    assert [pane.session for pane in cave.panes()] == ["mine"]


def test_a_foreign_session_with_our_name_is_left_alone(cave: Cave) -> None:
    for name in ("shop/api/shell", "shop", "shop/api/shell~", "shop/web/shell"):
        cave.tmux("new-session", "-d", "-s", name, "sleep infinity")
    foreign = cave.panes()
    cave.up()
    (name,) = cave.agents()
    assert name.startswith("shop/api/shell~")
    cave.run("down", "-f", "caves.yaml")
    assert cave.panes() == foreign


def test_a_session_that_was_killed_is_started_again(cave: Cave) -> None:
    cave.up()
    cave.tmux("kill-session", "-t", "=shop/api/shell")
    eventually(lambda: cave.panes() == [])
    cave.up()
    assert list(cave.agents()) == ["shop/api/shell"]


def test_a_server_that_was_killed_is_started_again(cave: Cave) -> None:
    cave.up()
    cave.tmux("kill-server")
    cave.up()
    assert list(cave.agents()) == ["shop/api/shell"]


def test_a_session_that_was_renamed_is_still_known(cave: Cave) -> None:
    cave.up()
    cave.tmux("rename-session", "-t", "=shop/api/shell", "mine now")
    before = cave.panes()
    assert cave.up().out == "shop: 1 unchanged\n"
    assert cave.panes() == before
    cave.run("down", "-f", "caves.yaml")
    assert cave.panes() == []


def test_panes_and_windows_that_the_user_adds_are_the_users(cave: Cave) -> None:
    cave.up()
    cave.tmux("split-window", "-t", "=shop/api/shell:", "sleep infinity")
    cave.tmux("new-window", "-t", "=shop/api/shell:", "sleep infinity")
    theirs = [pane for pane in cave.panes() if not pane.stamped]
    assert len(theirs) == 2
    assert cave.up().out == "shop: 1 unchanged\n"
    cave.run("restart", "-f", "caves.yaml")
    cave.run("down", "-f", "caves.yaml")
    assert cave.panes() == theirs


def test_a_pane_that_was_moved_to_another_session_is_still_the_agent(cave: Cave) -> None:
    cave.tmux("new-session", "-d", "-s", "mine", "sleep infinity")
    cave.up()
    pane = cave.agents()["shop/api/shell"]
    cave.tmux("join-pane", "-s", pane.id, "-t", "=mine:")
    assert cave.up().out == "shop: 1 unchanged\n"
    cave.run("down", "-f", "caves.yaml")
    assert [pane.session for pane in cave.panes()] == ["mine"]


def test_an_inherited_tmux_variable_does_not_lead_astray(cave: Cave) -> None:
    other = f"{cave.home}/other"
    cave.up(TMUX=f"{other},1,0", TMUX_PANE="%99", AGENTCAVE_CAVE="elsewhere")
    assert list(cave.agents()) == ["shop/api/shell"]
    assert not Path(other).exists()


def test_a_workspace_that_is_somebody_elses_directory_is_refused_and_kept(cave: Cave) -> None:
    cave.workspace().mkdir(parents=True)
    (cave.workspace() / "theirs.txt").write_text("theirs")
    before = snapshot(cave.workspace())
    done = cave.up(code=1)
    assert snapshot(cave.workspace()) == before
    assert cave.panes() == []
    assert "refused" in done.err


def test_a_branch_that_is_checked_out_elsewhere_is_refused(cave: Cave) -> None:
    cave.git("checkout", "-qb", "cave/api")
    done = cave.up(code=1)
    assert cave.panes() == []
    assert not cave.workspace().exists()
    assert "cave/api" in done.err


def test_a_workspace_that_was_deleted_by_hand_comes_back_on_its_branch(cave: Cave) -> None:
    import shutil

    cave.up()
    (cave.workspace() / "new.txt").write_text("work")
    cave.git("add", "-A", cwd=cave.workspace())
    cave.git("commit", "-qm", "work", cwd=cave.workspace())
    cave.run("down", "-f", "caves.yaml")
    shutil.rmtree(cave.workspace())
    cave.up()
    assert (cave.workspace() / "new.txt").read_text() == "work"


def test_one_cave_that_is_refused_does_not_hold_up_the_others(cave: Cave) -> None:
    cave.workspace().mkdir(parents=True)
    (cave.workspace() / "theirs.txt").write_text("theirs")
    cave.declare(ONE_CAVE + f"  web:\n    agents: {{shell: {SLEEPER}}}\n")
    cave.up(code=1)
    assert list(cave.agents()) == ["shop/web/shell"]


def test_a_setup_that_fails_shows_its_output_and_starts_nothing(cave: Cave) -> None:
    setup = "    setup: [[sh, -c, 'echo broken pipe dream; exit 3']]\n"
    cave.declare(ONE_CAVE + setup)
    done = cave.up(code=1)
    assert cave.agents() == {}
    assert "broken pipe dream" in done.err
    cave.declare(ONE_CAVE + setup.replace("exit 3", "exit 0"))
    cave.up()
    assert list(cave.agents()) == ["shop/api/shell"]


def test_an_older_tmux_is_refused_by_name_and_nothing_is_made(cave: Cave) -> None:
    real = shutil.which("tmux")
    script = f'[ "$1" = -V ] && echo "tmux 3.1c" && exit; exec {real} "$@"'
    done = cave.up(code=69, PATH=cave.program("tmux", script))
    assert "3.1c" in done.err
    assert "3.2a or newer" in done.err
    assert cave.panes() == []
    assert nothing_was_made(cave)


def test_doctor_warns_of_descriptors_only_where_the_server_cannot_have_more(cave: Cave) -> None:
    for limits, verdict in (("ulimit -S -n 100", "ok"), ("ulimit -n 100", "warn")):
        found = json.loads(cave.shell(f"{limits}; $agentcave doctor --json").out)
        said = [(one["verdict"], one["text"]) for one in found if one["what"] == "descriptors"]
        assert [(one[0], "100 a process" in one[1]) for one in said] == [(verdict, True)]
