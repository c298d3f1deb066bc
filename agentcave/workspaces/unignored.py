"""``copy`` and ``link`` entries that git would take for work: one `git add -A`, and they are in it.

An ignore line like ``node_modules/`` is for directories alone, so a link of that name is not
ignored; committed and merged, it takes the place of the very directory that it leads to.
"""

import os
import re
from collections.abc import Iterator

from agentcave.errors import CaveError
from agentcave.model.spec import WorkspaceSpec
from agentcave.workspaces.git import Git
from agentcave.workspaces.place import source_of
from agentcave.workspaces.survey import common_of
from agentcave.workspaces.trees import files_below

SPECIAL = re.compile(r"[\\*?\[ ]")


def keep_out(git: Git, main: str, spec: WorkspaceSpec) -> None:
    """See to it that git ignores what will be placed in the workspace that ``git`` is in.

    A clone has an exclude file of its own; that of a worktree is the repository's, and so is the
    user's to write. Raises CaveError with the line that is missing there.
    """
    asked = [*_copied(main, spec), *_linked(main, spec)]
    lines = [_line(path) for path in _unignored(git, asked)]
    if not lines:
        return
    exclude = os.path.join(common_of(git), "info", "exclude")
    if spec.type == "clone":
        _append(exclude, lines)
        return
    names = ", ".join(lines[:3]) + (", …" if len(lines) > 3 else "")
    raise CaveError(
        f"cannot copy or link into {spec.path} what git does not ignore there, or only as a "
        f"directory: {names}",
        f"write it like this, with no slash at its end, into .gitignore or {exclude}",
    )


def _linked(main: str, spec: WorkspaceSpec) -> Iterator[str]:
    for relative in spec.link:
        source_of(main, spec.path, relative)
        yield from _absent(spec.path, relative)


def _copied(main: str, spec: WorkspaceSpec) -> Iterator[str]:
    for relative in spec.copy:
        source = source_of(main, spec.path, relative)
        for _ in _absent(spec.path, relative):
            below = files_below(source, ".")
            yield from (os.path.normpath(os.path.join(relative, inner)) for inner in below)


def _absent(workspace: str, relative: str) -> Iterator[str]:
    """The entry when it is yet to be placed; not below a symlink, where nothing will be."""
    path = os.path.join(os.path.realpath(workspace), os.path.normpath(relative))
    if not os.path.lexists(path) and os.path.realpath(path) == path:
        yield os.path.normpath(relative)


def _unignored(git: Git, paths: list[str]) -> list[str]:
    if not paths:
        return []
    told = os.fsencode("".join(f"./{path}\0" for path in paths))
    # it takes paths, no patterns, and refuses to be told so
    words = ("--no-literal-pathspecs", "check-ignore", "-z", "--stdin")
    ignored = frozenset(os.fsdecode(git.observe(*words, stdin=told, accept=(0, 1))).split("\0"))
    return [path for path in paths if f"./{path}" not in ignored]


def _line(path: str) -> str:
    """The line of an ignore file that is for this path alone (gitignore(5))."""
    return "/" + SPECIAL.sub(r"\\\g<0>", path)


def _append(exclude: str, lines: list[str]) -> None:
    os.makedirs(os.path.dirname(exclude), exist_ok=True)
    with open(exclude, "ab") as file:
        file.write(os.fsencode("".join(f"\n{line}" for line in lines) + "\n"))
