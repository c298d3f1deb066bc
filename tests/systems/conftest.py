"""Other versions of tmux, run from the roots of other systems with the libraries they came with."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from caving import Cave
from worlds import cave, world

__all__ = ["cave", "world"]

ROOTS = {Path(path).name: Path(path) for path in os.environ["AGENTCAVE_TEST_ROOTS"].split()}
"""Made by scripts/roots; scripts/test names them."""

PathTo = Callable[[str], str]


@pytest.fixture
def path_to(cave: Cave) -> PathTo:
    """A PATH on which tmux is the one of a root; that of "" is this machine's."""

    def path(root: str) -> str:
        if not root:
            return os.environ["PATH"]
        folder = cave.home / f"bin-{root}"
        if not folder.exists():
            folder.mkdir()
            (folder / "tmux").write_text(f'#!/bin/sh\nexec {_beginning(ROOTS[root])} "$@"\n')
            (folder / "tmux").chmod(0o755)
        return f"{folder}:{os.environ['PATH']}"

    return path


def _beginning(root: Path) -> str:
    """The words that begin a root's tmux outside of it."""
    (libraries,) = (path.parent for path in root.glob("usr/lib/*/libc.so.6"))
    loader = next(libraries.glob("ld-linux*.so.*")).resolve()
    return f"{loader} --library-path {libraries} {root}/usr/bin/tmux"
