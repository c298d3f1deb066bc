"""Where workspaces lie, and which of them cannot be together."""

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from .anchor import written
from .files import contains
from .problems import Flaw


class Placed(NamedTuple):
    """The workspace of one cave; ``path`` is absolute, ``branch`` None for a directory."""

    cave: str
    type: str
    path: str
    branch: str | None


def written_path(cave: str, workspace: Mapping[str, Any]) -> str:
    path: str = workspace.get("path") or f".agentcave/caves/{cave}"
    return path


def written_branch(cave: str, workspace: Mapping[str, Any]) -> str:
    branch: str = workspace.get("branch") or f"cave/{cave}"
    return branch


def place_problem(entry: Placed, path: str, directory: str) -> str | None:
    """Why a workspace, written as ``path``, must not lie where it would: created ones lie under
    the caves file's directory or beside it.
    """
    if entry.type == "directory":
        return None
    if written(path).startswith(("/", "~")):
        return "must be relative to the caves file"
    if contains(entry.path, directory):
        return "must not be the directory of the caves file, or hold it"
    if not contains(os.path.dirname(directory), entry.path):
        return "must lie under the directory of the caves file, or beside it"
    return "must not lie in .git" if ".git" in entry.path.split("/") else None


def conflicts(workspaces: Sequence[Placed]) -> Iterator[Flaw]:
    """Created workspaces that overlap, directories shared by two caves, branches used twice."""
    yield from _overlaps([w for w in workspaces if w.type != "directory"])
    yield from _twice([(w.path, w.cave) for w in workspaces if w.type == "directory"], "path")
    yield from _twice([(w.branch, w.cave) for w in workspaces if w.branch], "branch")


def _overlaps(created: list[Placed]) -> Iterator[Flaw]:
    ordered = sorted(created, key=lambda w: w.path.split("/"))
    for outer, inner in pairwise(ordered):
        if contains(outer.path, inner.path):
            message = f"the workspaces of {outer.cave} and {inner.cave} overlap"
            hint = "give each a directory of its own, side by side"
            yield Flaw(("caves", inner.cave, "workspace", "path"), message, hint)


def _twice(values: list[tuple[str, str]], key: str) -> Iterator[Flaw]:
    first: dict[str, str] = {}
    for value, cave in values:
        other = first.setdefault(value, cave)
        if other != cave:
            what = "directory" if key == "path" else "branch"
            message = f"the caves {other} and {cave} would work on one {what}"
            yield Flaw(("caves", cave, "workspace", key), message, f"give each its own {key}")
