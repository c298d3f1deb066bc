"""Trust: a file that was found runs nothing that its reader has not agreed to."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest
from caving import AGENTCAVE, ONE_CAVE, Cave, Terminal, eventually

Opener = Callable[..., Terminal]


def test_a_file_found_by_search_runs_nothing_until_it_is_trusted(cave: Cave) -> None:
    done = cave.run("up", code=77)
    assert cave.panes() == []
    assert not cave.workspace().exists()
    assert "agentcave trust" in done.err
    cave.run("trust")
    cave.run("up")
    assert list(cave.agents()) == ["shop/api/shell"]


@pytest.mark.parametrize("words", [("start",), ("restart",), ("exec", "api", "--", "true")])
def test_nothing_else_runs_an_untrusted_file_either(cave: Cave, words: tuple[str, ...]) -> None:
    cave.run(*words, code=77)
    assert cave.panes() == []
    assert not cave.workspace().exists()


def test_reading_an_untrusted_file_needs_no_trust(cave: Cave) -> None:
    for words in (("plan",), ("ps",), ("config",), ("down",)):
        cave.run(*words)
    assert cave.panes() == []


def test_a_changed_file_has_to_be_trusted_again_and_its_diff_is_shown(cave: Cave) -> None:
    cave.run("trust")
    cave.declare(ONE_CAVE.replace("sleep, infinity", "evil, infinity"))
    cave.run("up", code=77)
    assert cave.panes() == []
    shown = cave.run("trust").err
    removed = [line for line in shown.splitlines() if line.startswith("-") and "sleep" in line]
    added = [line for line in shown.splitlines() if line.startswith("+") and "evil" in line]
    assert removed
    assert added


def test_a_changed_env_file_has_to_be_trusted_again(cave: Cave) -> None:
    cave.write(".env.caves", "LD_PRELOAD=\n")
    cave.declare(ONE_CAVE.replace("name: shop\n", "name: shop\nenv_file: [{path: .env.caves}]\n"))
    cave.run("trust")
    cave.run("up", "--timeout", "30s")
    cave.write(".env.caves", "LD_PRELOAD=/evil.so\n")
    cave.run("up", code=77)


ENV_FILE = ONE_CAVE.replace("name: shop\n", "name: shop\nenv_file: [{path: .env.caves}]\n")


def history(cave: Cave) -> bytes:
    """All that lies in the folder of the project's history."""
    return b"".join(path.read_bytes() for path in cave.state().iterdir() if path.is_file())


def test_trust_names_the_variables_of_an_env_file_and_shows_and_keeps_no_value(cave: Cave) -> None:
    cave.declare(ENV_FILE)
    cave.write(".env.caves", "# was hush-before\nDB_URL=hush-first\nMODE=plain-mode\n")
    shown = [cave.run("trust", "--yes").err]
    cave.write(".env.caves", "DB_URL='hush-second\nhush-third'\nMODE=plain-mode\n")
    shown.append(cave.run("up", code=77).err)
    shown.append(cave.run("trust", "--yes").err)
    assert "+DB_URL=[" in shown[0]
    changed = [line for line in shown[2].splitlines() if line.startswith(("-DB", "+DB"))]
    assert len(changed) == 2
    assert not [line for line in shown[2].splitlines() if line.startswith(("-MODE", "+MODE"))]
    assert not [text for text in shown if "hush" in text or "plain-mode" in text]
    assert b"hush" not in history(cave)
    assert b"plain-mode" not in history(cave)


def test_an_env_file_that_changed_beside_its_values_is_trusted_again(cave: Cave) -> None:
    cave.declare(ENV_FILE)
    cave.write(".env.caves", "A=b\n")
    cave.run("trust")
    cave.write(".env.caves", "A=b\nnot understood\n")
    assert cave.run("trust").out == f"trusted {cave.root / 'caves.yaml'}\n"
    cave.write(".env.caves", "# only a word\nA=b\n")
    cave.run("up", code=77)
    cave.run("trust")
    cave.run("up", "--timeout", "30s")


@pytest.fixture
def older(cave: Cave) -> Cave:
    """A history of before, with the text of an env_file and of one that is gone meanwhile."""
    cave.declare(ENV_FILE)
    cave.write(".env.caves", "DB_URL=hush-first\n")
    cave.run("trust")
    texts = {
        str(cave.root / "caves.yaml"): ENV_FILE.replace("sleep", "slept"),
        str(cave.root / ".env.caves"): "DB_URL=hush-older\n",
        str(cave.root / ".env.gone"): "GONE=hush-gone\n",
    }
    with closing(sqlite3.connect(cave.state() / "state.db")) as db, db:
        db.execute("DELETE FROM meta WHERE name = 'trusted_files'")
        db.execute("REPLACE INTO meta VALUES ('trusted_texts', ?)", (json.dumps(texts),))
    assert b"hush-older" in history(cave)
    return cave


def test_a_history_that_holds_values_is_read_without_showing_them(older: Cave) -> None:
    older.write(".env.caves", "DB_URL=hush-second\n")
    shown = older.run("trust").err
    for line in (
        "-      shell: {type: command, command: [slept",
        "-DB_URL=[",
        "+DB_URL=[",
        "-GONE=",
    ):
        assert line in shown
    assert "hush" not in shown
    assert b"hush" not in history(older)


@pytest.mark.parametrize("words", [("up",), ("up", "-f", "caves.yaml"), ("restart",), ("untrust",)])
def test_a_history_that_holds_values_loses_them_at_the_next_write(
    older: Cave, words: tuple[str, ...]
) -> None:
    older.run(*words)
    assert b"hush" not in history(older)


def test_taken_back_trust_is_gone(cave: Cave) -> None:
    cave.run("trust")
    cave.run("untrust")
    cave.run("up", code=77)
    assert cave.panes() == []


def test_up_asks_on_a_terminal_and_starts_after_a_yes(cave: Cave, on_terminal: Opener) -> None:
    terminal = on_terminal(*AGENTCAVE, "up")
    eventually(lambda: terminal.reads("[y/N]"))
    assert cave.panes() == []
    assert "sleep, infinity" in terminal.seen
    terminal.type("y\n")
    eventually(terminal.ended)
    assert terminal.code == 0
    assert list(cave.agents()) == ["shop/api/shell"]


def test_any_other_answer_means_no(cave: Cave, on_terminal: Opener) -> None:
    terminal = on_terminal(*AGENTCAVE, "up")
    eventually(lambda: terminal.reads("[y/N]"))
    terminal.type("\n")
    eventually(terminal.ended)
    assert terminal.code == 77
    assert cave.panes() == []


def test_a_file_cannot_hide_what_it_does_from_the_one_who_is_asked(
    cave: Cave, on_terminal: Opener
) -> None:
    cave.declare(ONE_CAVE + "# \u202e\u2066 nothing to see\n")
    terminal = on_terminal(*AGENTCAVE, "up")
    eventually(lambda: terminal.reads("[y/N]"))
    assert " nothing to see" in terminal.seen
    assert "\u202e" not in terminal.seen
    assert "\u2066" not in terminal.seen


def test_inside_a_cave_nothing_is_changed_without_the_name_of_the_file(cave: Cave) -> None:
    cave.git("add", "caves.yaml")
    cave.git("commit", "-qm", "caves")
    cave.up()
    before = cave.panes()
    inside = cave.workspace()
    assert (inside / "caves.yaml").exists()
    for verb in ("up", "down", "stop", "trust"):
        done = cave.run(verb, code=64, cwd=inside)
        assert f"-f {cave.root / 'caves.yaml'}" in done.err
    assert cave.panes() == before
    assert cave.run("ps", "-q", cwd=inside).out == "api/shell\n"
