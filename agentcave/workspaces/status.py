"""``git status`` as values, and what ``ps --workspaces`` shows of it."""

import os
from typing import NamedTuple

from agentcave.hosts.base import Host
from agentcave.workspaces.git import Git, GitFailed, without_filters


class Status(NamedTuple):
    """Paths relative to the workspace; a directory of ``untracked`` or ``ignored`` ends in ``/``.

    ``branch`` is None when HEAD is detached, ``ahead`` None when there is no upstream.
    """

    branch: str | None = None
    ahead: int | None = None
    staged: tuple[str, ...] = ()
    modified: tuple[str, ...] = ()
    conflicted: tuple[str, ...] = ()
    submodules: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


class GitState(NamedTuple):
    """``dirty`` counts changed and untracked paths; ``ahead`` is None when nobody can say."""

    branch: str | None
    dirty: int
    ahead: int | None


FIELDS_BEFORE_PATH = {"1": 8, "2": 9, "u": 10}
"""How many words stand before the path in each kind of entry, see git-status(1)."""


def read_status(host: Host, path: str, *, ignored: bool, runs: bool = True) -> Status:
    """Raises GitFailed when ``path`` is no checkout. Unless it ``runs`` filters, none is run:

    then a file that one would change back may count as modified, and a submodule is as clean as
    its commit, for git asks the inner repository, which has filters of its own.
    """
    output = Git(host, path).observe(
        "status",
        "--porcelain=v2",
        "--branch",
        "-z",
        "--no-renames",
        "--untracked-files=normal",
        f"--ignore-submodules={'none' if runs else 'dirty'}",
        f"--ignored={'matching' if ignored else 'no'}",
        variables={} if runs else without_filters(host, path),
    )
    return parse_status(output)


def parse_status(output: bytes) -> Status:
    """The answer of ``git status --porcelain=v2 --branch -z --no-renames``."""
    branch: str | None = None
    ahead: int | None = None
    paths: dict[str, list[str]] = {name: [] for name in Status._fields[2:]}
    for entry in filter(None, os.fsdecode(output).split("\0")):
        kind, _, rest = entry.partition(" ")
        if rest.startswith("branch.head "):
            named = rest.removeprefix("branch.head ")
            branch = None if named == "(detached)" else named
        elif rest.startswith("branch.ab "):
            ahead = int(rest.split()[1])
        elif kind in "?!":
            paths["untracked" if kind == "?" else "ignored"].append(rest)
        elif kind in FIELDS_BEFORE_PATH:
            _sort(entry, kind, paths)
    return Status(branch, ahead, **{name: tuple(found) for name, found in paths.items()})


def _sort(entry: str, kind: str, paths: dict[str, list[str]]) -> None:
    *words, path = entry.split(" ", FIELDS_BEFORE_PATH[kind])
    staged, modified = words[1][0], words[1][1]
    if kind == "u":
        paths["conflicted"].append(path)
        return
    if words[2].startswith("S") and words[2] != "S...":
        paths["submodules"].append(path)
    elif modified != ".":
        paths["modified"].append(path)
    if staged != ".":
        paths["staged"].append(path)


def git_state(host: Host, path: str, base: str | None = None) -> GitState:
    """For ``ps --workspaces``: ahead of the upstream, else of ``base``, the commit it began at.

    Raises GitFailed when ``path`` is no checkout.
    """
    seen = read_status(host, path, ignored=False, runs=False)
    dirty = {*seen.staged, *seen.modified, *seen.conflicted, *seen.submodules, *seen.untracked}
    ahead = seen.ahead if seen.ahead is not None else _ahead_of(host, path, base)
    return GitState(seen.branch, len(dirty), ahead)


def _ahead_of(host: Host, path: str, base: str | None) -> int | None:
    if base is None:
        return None
    try:
        counted = Git(host, path).observe("rev-list", "--count", f"{base}..HEAD", "--")
    except GitFailed:  # the commit is gone, or HEAD is unborn: nobody can say
        return None
    return int(counted)
