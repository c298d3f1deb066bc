"""Secrets beside a controller: known to their agent, and nowhere else at any moment."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from caving import Cave, command_line_of, environment_of, eventually
from keeping import Witness, controller, runs, watch_log

CANARY = "hush-"
WANTED = {
    "A": "hush-env-1f0c",
    "B": "hush-file-2e1d",
    "C": "hush-command-3d2e",
    "D": "hush-env-file-4c3f",
    "E": "hush-inherited-5b40",
    "F": "hush 'env-of-agent' $6a51\n\"",
}
FILE = """\
version: 1
name: shop
env_file: [{path: .env.caves}]
caves:
  api:
    secrets:
      A: {env: FROM_ENV}
      B: {file: HOME/b.txt}
      C: {command: [cat, HOME/c.txt]}
    environment: {GENERATION: "1"}
    setup: [["sh", "-c", "exit 0"]]
    agents:
      shell:
        type: command
        command: [sleep, infinity]
        secrets: {F: {file: HOME/f.txt}}
        ready: {command: ["true"]}
        restart: {policy: always, initial: 10ms}
  broken:
    secrets: {A: {env: FROM_ENV}, X: {command: [sh, -c, "cat HOME/c.txt >&2; exit 3"]}}
    agents: {shell: {type: command, command: [sleep, infinity]}}
"""


@pytest.fixture
def kept(cave: Cave) -> Iterator[tuple[Cave, Witness]]:
    for name, key in (("b", "B"), ("c", "C"), ("f", "F")):
        (cave.home / f"{name}.txt").write_text(WANTED[key] + "\n")
    cave.write(".env.caves", f"D={WANTED['D']}\n")
    cave.declare(FILE.replace("HOME", str(cave.home)))
    hidden = {"FROM_ENV": WANTED["A"], "E": WANTED["E"]}
    cave.environ.update(hidden)
    with Witness(CANARY.encode()) as witness, controller(cave):
        runs(cave, "shop/api/shell")
        yield cave, witness


def pid(cave: Cave) -> int:
    """Zero between two lives."""
    agents = cave.agents()
    return agents["shop/api/shell"].pid if agents else 0


def live_a_life(cave: Cave) -> None:
    """A crash, drift, a vanished session and a broken file: each is put right."""
    first = pid(cave)
    os.kill(first, 9)
    eventually(lambda: pid(cave) not in (0, first))
    second = pid(cave)
    cave.declare((cave.root / "caves.yaml").read_text().replace('"1"', '"2"'))
    eventually(lambda: pid(cave) not in (0, second), 40)
    cave.tmux("kill-session", "-t", "=shop/api/shell")
    runs(cave, "shop/api/shell")
    good = (cave.root / "caves.yaml").read_text()
    cave.declare(good + "  wrong: ${UNSET_ONE}\n")
    eventually(lambda: '"reload"' in watch_log(cave) and '"failed"' in watch_log(cave))
    cave.declare(good)


def test_a_life_beside_a_controller_shows_no_secret(kept: tuple[Cave, Witness]) -> None:
    cave, witness = kept
    live_a_life(cave)
    eventually(lambda: b"sleep" in command_line_of(pid(cave)))
    found = environment_of(pid(cave)).split(b"\0")
    assert {f"{name}={value}".encode() for name, value in WANTED.items()} <= set(found)
    assert witness.looks > 10
    assert witness.seen == []
    assert leaks(cave) == []
    assert "broken" in watch_log(cave)


def test_tmux_knows_no_secret_beside_a_controller(kept: tuple[Cave, Witness]) -> None:
    cave, _ = kept
    live_a_life(cave)
    for words in (
        ("show-environment", "-g"),
        ("show-environment", "-t", "=shop/api/shell"),
        ("show-options", "-A"),
        ("show-options", "-g"),
        ("show-options", "-s"),
        ("show-options", "-p", "-t", "=shop/api/shell:"),
        ("list-panes", "-a", "-F", "#{pane_start_command} #{pane_title} #{pane_path}"),
        ("list-sessions", "-F", "#{session_name} #{session_path} #{session_group}"),
        ("list-buffers",),
        ("show-hooks", "-g"),
    ):
        assert CANARY not in cave.tmux(*words)
    assert CANARY not in cave.screen("shop/api/shell")


def test_what_is_said_beside_a_controller_holds_no_secret(kept: tuple[Cave, Witness]) -> None:
    cave, _ = kept
    live_a_life(cave)
    for words in (
        ("ps", "--json"),
        ("ps", "--workspaces"),
        ("plan", "--json"),
        ("config", "--resolve", "--json"),
        ("events", "--file", "caves.yaml"),
        ("logs", "--file", "caves.yaml"),
        ("status", "api", "--explain"),
        ("context", "api"),
        ("doctor",),
        ("restart", "-v", "api"),
        ("up", "-v"),
        ("stop", "-v"),
    ):
        named = () if "--file" in words else ("-f", "caves.yaml")
        done = cave.try_run(*words, *named)
        assert not any(canary(text) for text in (done.out, done.err)), words
    assert CANARY not in watch_log(cave)


def canary(text: str) -> bool:
    """``config --resolve`` shows no value of env_file or of the environment either."""
    return CANARY in text


def leaks(cave: Cave) -> list[Path]:
    """The files that hold a secret and are not where the user wrote it."""
    ours = {cave.home / f"{name}.txt" for name in "bcf"} | {cave.root / ".env.caves"}
    files = [path for path in cave.home.rglob("*") if path.is_file() and path not in ours]
    return [path for path in files if CANARY.encode() in path.read_bytes()]
