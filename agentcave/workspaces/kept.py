"""Commits that only git's registration of a deleted worktree names: kept before that is dropped.

A detached HEAD and a rebase leave them nowhere else: not in a branch, and not in its reflog.
"""

import os
import re
import stat
from collections.abc import Iterator

from agentcave.errors import CaveError
from agentcave.workspaces.checkouts import registrations, unborn
from agentcave.workspaces.git import Git
from agentcave.workspaces.only_here import modules_of
from agentcave.workspaces.trees import files_below

FOLDER = "refs/agentcave/kept"
SHORT = 12
NAMING_NONE = ("index", "FETCH_HEAD")
"""Files that hold no commits, or others' that can be fetched again."""
ID = re.compile(rb"\b(?:[0-9a-f]{40}|[0-9a-f]{64})\b")


def doomed(common: str, path: str, reason: str) -> list[str]:
    """The administrative directories that are in the way of a new worktree at a real ``path``."""
    return [*unborn(common, reason), *registrations(common, path)]


def keepable(main: Git, reason: str, admin: str) -> dict[str, str]:
    """For each line of commits that only ``admin`` names, a ref that would keep it, and its tip.

    Any file of git's may name them, so all are read. Raises CaveError for repositories of
    submodules: no ref of this one can keep what is in them.
    """
    if module := next(modules_of(admin), None):
        raise CaveError(f"{module}, {admin}", "move that elsewhere to keep it")
    named = b"\n".join(sorted(set(_ids(admin))))
    if not named:
        return {}
    # its own HEAD and reflogs are not to count as a place where they are safe
    words = ("--parents", "--ignore-missing", "--single-worktree")
    listed = main.observe("rev-list", *words, "--stdin", "--not", "--all", "--reflog", stdin=named)
    lost = [line.decode().split() for line in listed.splitlines()]
    inner = {parent for _, *parents in lost for parent in parents}
    folder = f"{FOLDER}/{reason.split()[-1]}"
    return {f"{folder}/{commit[:SHORT]}": commit for commit, *_ in lost if commit not in inner}


async def keep(main: Git, reason: str, admin: str) -> None:
    """Make these refs; none that is there is ever moved."""
    for ref, commit in keepable(main, reason, admin).items():
        await main.run("update-ref", ref, commit, "0" * len(commit), timeout=60.0)


def _ids(admin: str) -> Iterator[bytes]:
    for relative in files_below(admin, "."):
        path = os.path.join(admin, relative)
        if stat.S_ISREG(os.lstat(path).st_mode) and os.path.basename(path) not in NAMING_NONE:
            with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                yield from (found for found in ID.findall(file.read()) if found.strip(b"0"))
