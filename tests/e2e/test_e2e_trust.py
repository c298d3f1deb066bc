"""Trust: a file that was found runs nothing that its reader has not agreed to."""

from collections.abc import Callable

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
