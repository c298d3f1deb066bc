"""A secret reaches its agent, and nothing else in the world."""

from pathlib import Path

import pytest
from caving import Cave, command_line_of, environment_of, eventually, finish, pids

SECRETS = {"A": "hush-env-1f0c", "B": "hush-file-2e1d", "C": "hush-command-3d2e"}
FILE = """\
version: 1
name: shop
caves:
  api:
    secrets:
      A: {env: FROM_ENV}
      B: {file: ../b.txt}
      C: {command: [cat, ../../../../c.txt]}
    agents: {shell: {type: command, command: [sleep, infinity]}}
"""


@pytest.fixture
def running(cave: Cave) -> Cave:
    (cave.home / "b.txt").write_text(SECRETS["B"] + "\n")
    (cave.home / "c.txt").write_text(SECRETS["C"])
    cave.declare(FILE.replace("../../../../c.txt", str(cave.home / "c.txt")))
    cave.up(FROM_ENV=SECRETS["A"])
    return cave


def test_secrets_reach_the_agent_in_its_environment(running: Cave) -> None:
    found = environment_of(running.agents()["shop/api/shell"].pid).split(b"\0")
    assert {f"{name}={value}".encode() for name, value in SECRETS.items()} <= set(found)


def test_no_secret_stays_in_any_file(running: Cave) -> None:
    ours = {running.home / "b.txt", running.home / "c.txt"}
    found = [p for p in running.home.rglob("*") if p.is_file() and p not in ours and holds(p)]
    assert found == []


def test_no_secret_is_known_to_tmux(running: Cave) -> None:
    running.run("restart", "-f", "caves.yaml", FROM_ENV=SECRETS["A"])
    for words in (
        ("show-environment", "-g"),
        ("show-environment", "-t", "=shop/api/shell"),
        ("show-options", "-A"),
        ("list-panes", "-a", "-F", "#{pane_start_command} #{pane_title}"),
        ("list-buffers",),
    ):
        assert "hush-" not in running.tmux(*words)


def test_no_secret_is_in_the_arguments_of_a_process(running: Cave) -> None:
    assert not [pid for pid in pids() if b"hush-" in command_line_of(pid)]


def test_no_secret_is_printed_by_any_command(running: Cave) -> None:
    running.environ["FROM_ENV"] = SECRETS["A"]
    for words in (
        ("ps", "--json"),
        ("plan", "--json"),
        ("config", "--resolve"),
        ("config",),
        ("doctor",),
        ("up", "-v"),
        ("restart", "-v"),
        ("logs",),
    ):
        named = () if words[0] == "logs" else ("-f", "caves.yaml")
        done = running.run(words[0], *named, *words[1:])
        assert "hush-" not in done.out + done.err, words


def test_a_changed_value_of_a_secret_restarts_nobody(running: Cave) -> None:
    assert running.up(FROM_ENV="hush-other").out == "shop: 1 unchanged\n"


def test_a_secret_that_cannot_be_had_fails_its_own_agent_only(cave: Cave) -> None:
    web = "  web:\n    agents: {shell: {type: command, command: [sleep, infinity]}}\n"
    cave.declare(FILE.replace("../../../../c.txt", "/nonexistent") + web)
    done = cave.up(code=1)
    assert list(cave.agents()) == ["shop/web/shell"]
    assert "FROM_ENV" in done.err


def test_exec_sees_secrets_only_when_it_is_asked_to(running: Cave) -> None:
    words = ("-f", "caves.yaml", "api", "--", "sh", "-c", "echo ${A-none}")
    assert running.run("exec", *words, FROM_ENV=SECRETS["A"]).out == "none\n"
    assert running.run("exec", "--secrets", *words, FROM_ENV=SECRETS["A"]).out == "hush-env-1f0c\n"


def test_the_last_screen_of_a_stopped_agent_is_all_that_is_kept_of_it(running: Cave) -> None:
    running.run("down", "-f", "caves.yaml")
    eventually(lambda: running.processes() == [])
    folders = [p.name for p in running.state().iterdir() if p.is_dir()]
    assert [p for name in folders for p in (running.state() / name).rglob("*")] == []


TELLING = """\
version: 1
name: shop
env_file: [{path: .env.caves}]
caves:
  api:
    secrets:
      A: {env: FROM_ENV}
      B: {file: ../b.txt}
      C: {command: [cat, HOME/c.txt]}
    setup: [["true"], [HOME/bin/tell]]
    agents: {shell: {type: command, command: [HOME/bin/tell], restart: {policy: never}}}
"""
TELL = """\
echo "I have $A and $B"
echo "I have $C and $D" >&2
echo "last of all $C"
"""
"""A program that prints all its secrets, in its own words."""


@pytest.fixture
def telling(cave: Cave) -> Cave:
    """Nothing runs yet; the last line of each program tells how it goes on."""
    (cave.home / "b.txt").write_text("-----BEGIN-----\nhush-file-2e1d\nhush-line-two\n")
    (cave.home / "c.txt").write_text(SECRETS["C"])
    cave.write(".env.caves", "D=hush-env-file-4c3f\n")
    cave.environ["FROM_ENV"] = SECRETS["A"]
    cave.declare(TELLING.replace("HOME", str(cave.home)))
    return cave


def leaks(cave: Cave) -> list[Path]:
    """The files of the history that hold a secret."""
    return [path for path in cave.state().rglob("*") if path.is_file() and holds(path)]


def test_what_a_failing_setup_prints_is_kept_and_shown_without_secrets(telling: Cave) -> None:
    telling.program("tell", f"{TELL}exit 3")
    done = telling.up("-v", code=1)
    log = (telling.state() / "setup-api.log").read_text()
    for text in (done.err, log):
        assert "I have [redacted] and [redacted]" in text
        assert "last of all [redacted]" in text
    for words in (("ps",), ("ps", "--json"), ("events",), ("events", "--json"), ("plan",)):
        shown = telling.try_run(*words, "--file", "caves.yaml")
        assert "hush" not in shown.out + shown.err, words
    assert "hush" not in done.out + done.err
    assert "-----BEGIN" not in done.err
    assert leaks(telling) == []


def test_an_agent_that_ends_at_once_is_told_of_without_its_secrets(telling: Cave) -> None:
    telling.program("tell", f'{TELL}[ -n "$TMUX" ] && exit 3; exit 0')
    done = telling.up("--timeout", "30s", code=1)
    assert "ended at once: exit 3" in done.err
    assert "hush" not in done.out + done.err


def test_logs_show_no_secret_of_an_agent_neither_now_nor_later(telling: Cave) -> None:
    telling.program("tell", f'{TELL}[ -n "$TMUX" ] && exec sleep infinity; exit 0')
    telling.up()
    eventually(lambda: "last of all" in telling.screen("shop/api/shell"))
    now = telling.run("logs", "--file", "caves.yaml").out
    telling.run("down", "-f", "caves.yaml")
    later = telling.run("logs", "--file", "caves.yaml").out
    for text in (now, later):
        assert "I have [redacted] and [redacted]" in text
        assert "hush" not in text
    assert leaks(telling) == []


def test_a_git_hook_tells_no_secret_either(telling: Cave) -> None:
    telling.program("tell", "exit 0")
    said = '#!/bin/sh\necho "I have $FROM_ENV" >&2\nexit 3\n'
    telling.write(".git/hooks/post-checkout", said, executable=True)
    done = telling.up("-v", code=1)
    assert "[redacted]" in done.err
    assert "hush" not in done.out + done.err
    assert leaks(telling) == []


def holds(path: Path) -> bool:
    return b"hush-" in path.read_bytes()


def test_logs_that_are_followed_show_no_secret(telling: Cave) -> None:
    says = (
        'while ! [ -e $HOME/go ]; do sleep 0.02; done\nwhile :; do echo "now $C"; sleep 0.02; done'
    )
    telling.program("tell", f'[ -n "$TMUX" ] || exit 0\necho begun\n{says}')
    telling.up()
    eventually(lambda: "begun" in telling.screen("shop/api/shell"))
    following = telling.popen("logs", "-f", "--file", "caves.yaml")
    assert following.stdout is not None
    assert following.stdout.readline() == "begun\n"
    (telling.home / "go").touch()
    assert following.stdout.readline() == "now [redacted]\n"
    following.terminate()
    finish(following)
