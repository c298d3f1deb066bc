"""A private world for each test: home, state, tmux server, repository; all are gone afterwards."""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from caving import Cave, Terminal, alive, eventually, make_project

GITCONFIG = (
    "[user]\nname = t\nemail = t@example.invalid\n[init]\ndefaultBranch = main\n"
    "[maintenance]\nauto = false\n"  # git 2.55 goes on with it in the background
)


@pytest.fixture
def world() -> Iterator[Path]:
    """A home with a short path, since a tmux socket lies in it."""
    home = Path(os.path.realpath(tempfile.mkdtemp(prefix="ace-")))
    (home / ".gitconfig").write_text(GITCONFIG)
    yield home
    end_world(Cave(home, home))
    shutil.rmtree(home)


@pytest.fixture
def cave(world: Path) -> Cave:
    """A repository with one commit, and one cave declared in it."""
    return make_project(world, world / "shop")


@pytest.fixture
def on_terminal(cave: Cave) -> Iterator[Callable[..., Terminal]]:
    """Start commands on pseudo terminals, which are closed afterwards."""
    opened: list[Terminal] = []

    def start(*argv: str, **environ: str | None) -> Terminal:
        opened.append(Terminal(cave, argv, **environ))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


def end_world(cave: Cave) -> None:
    """End the server and what it left: only processes whose environment names this world."""
    cave.try_tmux("kill-server")
    for pid in cave.processes():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    eventually(lambda: not any(map(alive, cave.processes())))
