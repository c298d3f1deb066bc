"""What goes wrong under a controller: it tells, goes on with the rest, and tries again."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest
from caving import AGENTCAVE, ONE_CAVE, SLEEPER, Cave, Terminal, eventually
from watching import (
    API,
    WATCH,
    Told,
    Watcher,
    comes_back,
    controller,
    crash,
    pid_of,
    watching,
)

Opener = Callable[..., Terminal]
ONE_IS_MISSING = f"""\
{ONE_CAVE}  bad:
    agents: {{tool: {{type: command, command: [no-such-program]}}}}
"""
CHAIN = """\
version: 1
name: shop
caves:
  api:
    agents: {{shell: {{type: command, command: [{program}, infinity]}}}}
  web:
    depends_on: {{api: {{condition: started}}}}
    environment: {{LEVEL: {level}}}
    agents: {{shell: {sleeper}}}
"""
FULL = "CREATE TRIGGER full BEFORE INSERT ON {} BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
NO_INOTIFY = """\
import errno

import inotify_simple


def used_up(*words, **options):
    raise OSError(errno.{number}, "used up")


inotify_simple.INotify.{call} = used_up
"""
TMUX = 'if test -e "$HOME/broken"; then echo lost >&2; exit 1; fi; exec {} "$@"'


def change_history(cave: Cave, statement: str) -> None:
    with closing(sqlite3.connect(cave.state() / "state.db")) as history:
        history.execute(statement)
        history.commit()


def troubles(watcher: Watcher) -> list[Told]:
    return watcher.saw("look", "failed") + watcher.saw("start-session", "failed")


def test_an_agent_that_is_not_installed_stops_no_other(cave: Cave) -> None:
    cave.declare(ONE_IS_MISSING)
    with watching(cave) as watcher:
        eventually(lambda: watcher.saw("start-session", "failed", "bad"))
        assert list(cave.agents()) == [API]
        comes_back(cave, crash(cave))
        row = cave.ps()["bad/tool"]
        assert (row["phase"], "no-such-program" in row["reason"]) == ("pending", True)


def test_a_restart_that_comes_after_one_that_cannot_be_is_done_all_the_same(cave: Cave) -> None:
    cave.declare(CHAIN.format(program="sleep", level="info", sleeper=SLEEPER))
    with watching(cave) as watcher:
        api, web = pid_of(cave), pid_of(cave, "shop/web/shell")
        cave.declare(CHAIN.format(program="no-such-program", level="debug", sleeper=SLEEPER))
        comes_back(cave, web, "shop/web/shell")
        eventually(lambda: watcher.saw("restart-session", "failed", "api"))
        assert pid_of(cave) == api


@pytest.mark.parametrize("table", ["agents", "events"])
def test_a_history_that_takes_nothing_is_told_and_does_not_end_it(cave: Cave, table: str) -> None:
    with watching(cave) as watcher:
        change_history(cave, FULL.format(table))
        before = crash(cave)
        eventually(lambda: troubles(watcher))
        change_history(cave, "DROP TRIGGER full")
        comes_back(cave, before)
        assert any("disk is full" in event["error"] for event in troubles(watcher))


@pytest.mark.parametrize(
    ("call", "number", "limit"),
    [("__init__", "EMFILE", "max_user_instances"), ("add_watch", "ENOSPC", "max_user_watches")],
)
def test_without_inotify_it_looks_by_itself_and_names_the_limit_once(
    cave: Cave, call: str, number: str, limit: str
) -> None:
    cave.change_python(NO_INOTIFY.format(call=call, number=number))
    with watching(cave) as watcher:
        comes_back(cave, crash(cave))
        cave.declare(ONE_CAVE + "  web:\n    agents: {shell: " + SLEEPER + "}\n")
        eventually(lambda: "shop/web/shell" in cave.agents())
        cave.run("stop", "-f", "caves.yaml", "web")
        eventually(lambda: list(cave.agents()) == [API])
        (told,) = watcher.saw("watch", "failed")
        assert limit in told["error"]


def test_the_live_table_outlasts_a_tmux_that_fails_for_a_while(
    cave: Cave, on_terminal: Opener
) -> None:
    real = cave.shell("command -v tmux").out.strip()
    path = cave.program("tmux", TMUX.format(real))
    words = (*AGENTCAVE, *WATCH[:-1])
    table = on_terminal(*words, PATH=path, AGENTCAVE_SOCKET=cave.socket)
    eventually(lambda: table.reads("running"))
    (cave.home / "broken").touch()
    eventually(lambda: table.reads("lost"))
    (cave.home / "broken").unlink()
    crash(cave)
    eventually(lambda: table.reads("restart 1 of 5"))
    table.type("\x03")
    eventually(table.ended)
    assert table.code == 130


def test_a_reader_that_has_seen_enough_ends_it_without_a_word(cave: Cave) -> None:
    done = cave.shell("$agentcave up -f caves.yaml --watch --json | head -n 1")
    assert done.out.count("\n") == 1
    assert done.err == ""


def test_a_controller_that_cannot_keep_anything_is_told_of_and_not_taken_for_one_that_does(
    cave: Cave,
) -> None:
    with watching(cave) as watcher:
        good = (cave.root / "caves.yaml").read_text()
        cave.write("caves.yaml", "caves: {}: no\n")
        eventually(lambda: b'problem": "caves.yaml' in (cave.state() / "controller").read_bytes())
        cave.write("caves.yaml", good)
        eventually(lambda: (controller(cave) or {}).get("problem", "") is None)
        said = cave.run("ps", "-f", "caves.yaml").err
        assert f"kept as declared by a controller, pid {watcher.pid}" in said


def test_who_detaches_one_hears_of_its_first_look_that_fails(cave: Cave) -> None:
    real = shutil.which("tmux")
    ours = 'tr "\\0" "\\n" <"/proc/$PPID/environ" | grep -q ^AGENTCAVE_AGENT=controller$'
    broken = f"case $* in *list-panes*) {ours} && {{ echo no >&2; exit 1; }} ;; esac"
    path = cave.program("tmux", f'{broken}\nexec {real} "$@"')
    done = cave.run(*WATCH[:-1], "--detach", "--timeout", "60s", code=1, PATH=path)
    assert "runs, and cannot keep shop as declared: " in done.err
    assert "it tries again by itself" in done.err
    told = cave.run("ps", "-f", "caves.yaml").err
    assert "not kept as declared by its controller, pid " in told
    cave.run("down", "-f", "caves.yaml")
