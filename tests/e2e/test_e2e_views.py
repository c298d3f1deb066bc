"""Several views of one session, as people open them to watch on two screens."""

from collections.abc import Callable

import pytest
from caving import SLEEPER, Cave, Terminal, eventually

TWO = f"""\
version: 1
name: shop
caves:
  api: {{agents: {{shell: {SLEEPER}}}}}
  web: {{agents: {{shell: {SLEEPER}}}}}
"""


def group(cave: Cave) -> None:
    cave.tmux("new-session", "-d", "-t", "=shop/api/shell", "-s", "a-second-screen")


def link(cave: Cave) -> None:
    cave.tmux("link-window", "-s", "=shop/api/shell:", "-t", "=mine:7")


@pytest.mark.parametrize("view", [group, link])
def test_a_second_view_is_no_second_session(cave: Cave, view: Callable[[Cave], None]) -> None:
    cave.declare(TWO)
    cave.up("web")
    cave.tmux("new-session", "-d", "-s", "mine", "--", "sleep", "600")
    cave.up()
    view(cave)
    before = {pane.id: pane.pid for pane in cave.panes()}
    assert cave.up().out == "shop: 2 unchanged\n"
    assert cave.ps()["api/shell"]["name"] == "shop/api/shell"
    assert {pane.id: pane.pid for pane in cave.panes()} == before
    cave.run("restart", "-f", "caves.yaml", "api")
    after = {pane.id: pane.pid for pane in cave.panes() if not pane.dead}
    assert len(after) == len(before)
    assert cave.up().out == "shop: 2 unchanged\n"
    cave.run("down", "-f", "caves.yaml")
    assert [pane.session for pane in cave.panes()] == ["mine"]


@pytest.mark.parametrize("view", [group, link])
def test_whoever_looks_from_another_view_is_attached(
    cave: Cave, view: Callable[[Cave], None], on_terminal: Callable[..., Terminal]
) -> None:
    cave.up()
    cave.tmux("new-session", "-d", "-s", "mine", "--", "sleep", "600")
    view(cave)
    looking = "a-second-screen" if view is group else "mine"
    on_terminal("tmux", "-S", cave.socket, "attach", "-t", f"={looking}")
    eventually(lambda: cave.tmux("list-clients"))
    assert cave.ps()["api/shell"]["attached"] is True
    before = cave.agents()
    cave.declare(TWO.replace("{shell: {", "{shell: {environment: {LEVEL: debug}, ", 1))
    assert "attached" in cave.up("api", code=1).err
    assert cave.agents().keys() == before.keys()


def test_a_session_whose_own_view_was_closed_lives_in_the_other(cave: Cave) -> None:
    cave.up()
    group(cave)
    before = next(pane.pid for pane in cave.panes())
    cave.tmux("kill-session", "-t", "=shop/api/shell")
    assert cave.ps()["api/shell"]["name"] == "a-second-screen"
    assert cave.up().out == "shop: 1 unchanged\n"
    cave.declare(TWO.replace("{shell: {", "{shell: {size: {columns: 90, rows: 30}, ", 1))
    cave.up("api")
    assert before in {pane.pid for pane in cave.panes()}
    shape = cave.tmux("display-message", "-p", "-t", "=a-second-screen:", "#{window_width}")
    assert shape == "90"
    cave.run("down", "-f", "caves.yaml")
    assert cave.agents() == {}


def test_another_window_that_is_looked_at_keeps_its_size(cave: Cave) -> None:
    cave.up()
    cave.tmux("new-window", "-t", "=shop/api/shell:", "-n", "aside", "--", "sleep", "600")
    cave.declare(TWO.replace("{shell: {", "{shell: {size: {columns: 90, rows: 30}, ", 1))
    cave.up("api")
    sizes = cave.tmux(
        "list-windows", "-t", "=shop/api/shell", "-F", "#{window_index} #{window_width}"
    )
    assert "0 90" in sizes.splitlines()
