"""Other versions of tmux, run from the roots of other systems with the libraries they came with."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from caving import Cave
from worlds import cave, world

__all__ = ["cave", "world"]

SCRIPT = Path(__file__).parents[2] / "scripts" / "roots"
PathTo = Callable[[str], str]


def pytest_report_header() -> str:
    return "other systems: " + ("from scripts/roots" if os.getuid() == 0 else "only as root")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without the right to make roots, these tests are left out, as if -k had been given."""
    others = [item for item in items if item.path.parent == Path(__file__).parent]
    if os.getuid() != 0 and others:
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]


@pytest.fixture
def path_to(cave: Cave) -> PathTo:
    """A PATH on which tmux is the one of a root; that of "" is this machine's."""

    def path(root: str) -> str:
        if not root:
            return os.environ["PATH"]
        folder = cave.home / f"bin-{root}"
        if not folder.exists():
            made = subprocess.run([SCRIPT, root], stdout=subprocess.PIPE, text=True, check=True)
            folder.mkdir()
            (folder / "tmux").write_text(
                f'#!/bin/sh\nexec {_begin(Path(made.stdout.strip()))} "$@"\n'
            )
            (folder / "tmux").chmod(0o755)
        return f"{folder}:{os.environ['PATH']}"

    return path


def _begin(root: Path) -> str:
    """The words that begin a root's tmux outside of it."""
    (libraries,) = (path.parent for path in root.glob("usr/lib/*/libc.so.6"))
    loader = next(libraries.glob("ld-linux*.so.*")).resolve()
    return f"{loader} --library-path {libraries} {root}/usr/bin/tmux"
