"""Why a workspace may not be removed: everything in it that exists nowhere else, by name."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple

from agentcave.errors import CaveError
from agentcave.hosts.base import Host
from agentcave.model.observed import WorkspaceRecord
from agentcave.workspaces.git import Git, GitFailed
from agentcave.workspaces.status import Status, read_status
from agentcave.workspaces.trees import files_below, fingerprint

OPERATIONS = {
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase or git am",
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "sequencer": "a cherry-pick or revert",
    "BISECT_LOG": "a bisect",
}
OWN_IGNORE = ".cave/.gitignore"
SHOWN = 3


class Contents(NamedTuple):
    """What there is beside the commit. ``excused`` may go with the workspace: see ``obstacles``."""

    obstacles: tuple[str, ...]
    excused: tuple[str, ...] = ()


def obstacles(host: Host, record: WorkspaceRecord, *, context: Collection[str]) -> tuple[str, ...]:
    """Why the workspace at ``record.path`` is not removable; () when nothing would be lost.

    ``context`` holds relative paths that do not count. A ``directory`` is never removable.
    """
    return examine(host, record, context).obstacles


def examine(host: Host, record: WorkspaceRecord, context: Collection[str]) -> Contents:
    """The obstacles, and the paths that do not count as one."""
    path = record.path
    if record.type == "directory":
        return Contents(("it is a directory of yours, which agentcave did not make",))
    if os.path.islink(path):
        return Contents((f"{path} is a symlink",))
    if not os.path.lexists(path):
        return Contents(())
    if not os.path.lexists(os.path.join(path, ".git")):
        return Contents((f"{path} is not a {record.type} any more",))
    try:
        return _examine(host, record, context)
    except (GitFailed, OSError) as exc:
        return Contents((f"it cannot be examined: {exc}",))


def _examine(host: Host, record: WorkspaceRecord, context: Collection[str]) -> Contents:
    path, git = record.path, Git(host, record.path)
    status = read_status(host, path, ignored=True)
    excuse = _Excuse(path, record, frozenset(context))
    untracked = _Sorted(path, status.untracked, excuse.untracked)
    ignored = _Sorted(path, status.ignored, excuse.ignored)
    found = [
        *_tracked(status),
        *_named("untracked", untracked.counted),
        *_named("ignored", ignored.counted),
        *_nested(path, (*status.untracked, *status.ignored)),
        *_head(git, status),
        *_index(git),
    ]
    if record.type == "clone":
        found += _only_here(git, record)
    return Contents(tuple(found), (*untracked.excused, *ignored.excused))


def _tracked(status: Status) -> Iterator[str]:
    yield from _named("modified", status.modified)
    yield from _named("staged", status.staged)
    yield from _named("conflicted", status.conflicted)
    if status.submodules:
        yield f"changes in submodule {_listed(status.submodules)}"


def _named(what: str, paths: Collection[str]) -> Iterator[str]:
    if paths:
        yield f"{len(paths)} {what} file{'s' if len(paths) > 1 else ''}: {_listed(paths)}"


def _listed(paths: Iterable[str]) -> str:
    names = [name if name.isprintable() else ascii(name) for name in paths]
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")


class _Excuse:
    """Which paths that the commit does not know may go without a loss."""

    def __init__(self, root: str, record: WorkspaceRecord, context: frozenset[str]) -> None:
        self._disposable = tuple(os.path.normpath(entry) for entry in record.disposable)
        self._context = context | {OWN_IGNORE}
        self._unmodified = tuple(
            entry for entry, print_ in record.placed.items() if _is_as_placed(root, entry, print_)
        )

    def untracked(self, path: str) -> bool:
        return path in self._context or _is_in(path, self._unmodified)

    def ignored(self, path: str) -> bool:
        return self.untracked(path) or _is_in(path, self._disposable)


def _is_in(path: str, entries: Iterable[str]) -> bool:
    return any(path == entry or path.startswith(f"{entry}/") for entry in entries)


def _is_as_placed(root: str, entry: str, expected: str) -> bool:
    try:
        return fingerprint(os.path.join(root, entry)) == expected
    except (OSError, CaveError):  # gone, unreadable or of another kind: not as placed
        return False


class _Sorted:
    """The files below some entries of a status, counted or excused."""

    def __init__(self, root: str, entries: Iterable[str], excuse: Callable[[str], bool]) -> None:
        self.counted: list[str] = []
        self.excused: list[str] = []
        for entry in entries:
            for path in files_below(root, entry.rstrip("/")):
                (self.excused if excuse(path) else self.counted).append(path)


def _nested(root: str, entries: Iterable[str]) -> Iterator[str]:
    """A repository in an untracked or ignored directory, a disposable one too."""
    for entry in entries:
        for folder, _, _ in os.walk(os.path.join(root, entry)):
            if os.path.lexists(os.path.join(folder, ".git")):
                yield f"nested repository {_listed([os.path.relpath(folder, root)])}"


def _head(git: Git, status: Status) -> Iterator[str]:
    if status.branch is None:
        yield "HEAD is detached: its commits may be on no branch"
    directory = os.fsdecode(git.observe("rev-parse", "--absolute-git-dir").removesuffix(b"\n"))
    for marker, operation in OPERATIONS.items():
        if os.path.lexists(os.path.join(directory, marker)):
            yield f"{operation} is in progress"


def _index(git: Git) -> Iterator[str]:
    """Submodules, whose commits live below this workspace, and files that status overlooks."""
    hidden, modules = [], []
    for entry in filter(None, os.fsdecode(git.observe("ls-files", "-v", "-s", "-z")).split("\0")):
        head, _, path = entry.partition("\t")
        tag, mode, *_ = head.split()
        there = os.path.join(git.directory, path)
        if mode == "160000" and os.path.lexists(os.path.join(there, ".git")):
            modules.append(path)
        elif tag.islower() or (tag == "S" and os.path.lexists(there)):
            hidden.append(path)
    if modules:
        yield f"submodule {_listed(modules)} is checked out, with commits of its own"
    yield from _named("assume-unchanged or skip-worktree", hidden)


def _only_here(git: Git, record: WorkspaceRecord) -> Iterator[str]:
    """Stashes of a clone, and commits that neither its origin nor the main checkout has."""
    stashes = git.observe("stash", "list", "--format=%gd").split()
    if stashes:
        yield f"{len(stashes)} stash{'es' if len(stashes) > 1 else ''}"
    known = git.observe("for-each-ref", "--format=^%(objectname)", "refs/remotes/origin")
    main = git.observe("config", "--get", "remote.local.url", accept=(0, 1)).removesuffix(b"\n")
    if main and os.path.isdir(main):
        kept = ("refs/heads", "refs/tags", "refs/remotes")
        known += Git(git.host, os.fsdecode(main)).observe(
            "for-each-ref", "--format=^%(objectname)", *kept
        )
    counted = git.observe(
        *("rev-list", "--count", "--ignore-missing", "--branches", "--tags", "HEAD", "--stdin"),
        stdin=known,
    )
    if count := int(counted):
        yield f"{count} unpushed commit{'s' if count > 1 else ''}"
