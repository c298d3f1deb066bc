"""A secret reaches its agent, and nothing else in the world."""

from pathlib import Path

import pytest
from caving import Cave, command_line_of, environment_of, eventually, pids

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
    leaks = [p for p in running.home.rglob("*") if p.is_file() and p not in ours and holds(p)]
    assert leaks == []


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


def holds(path: Path) -> bool:
    return b"hush-" in path.read_bytes()
