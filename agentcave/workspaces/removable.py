"""Why a workspace may not be removed: everything in it that exists nowhere else, by name."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator

from agentcave.errors import CaveError
from agentcave.hosts.base import Host
from agentcave.model.observed import WorkspaceRecord
from agentcave.workspaces.git import Git, GitFailed
from agentcave.workspaces.only_here import of_clone, of_worktree
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


def obstacles(host: Host, record: WorkspaceRecord, *, context: Collection[str]) -> tuple[str, ...]:
    """Why the workspace at ``record.path`` is not removable; () when nothing would be lost.

    ``context`` holds relative paths that do not count. A ``directory`` is never removable.
    """
    path = record.path
    if record.type == "directory":
        return ("it is a directory of yours, which agentcave did not make",)
    if os.path.islink(path):
        return (f"{path} is a symlink",)
    if not os.path.lexists(path):
        return ()
    if not os.path.lexists(os.path.join(path, ".git")):
        return (f"{path} is not a {record.type} any more",)
    try:
        return tuple(_found(host, record, context))
    except (GitFailed, OSError) as exc:
        return (f"it cannot be examined: {exc}",)
    except (ValueError, IndexError) as exc:
        return (f"it cannot be examined: what git printed is not understood ({exc})",)


def _found(host: Host, record: WorkspaceRecord, context: Collection[str]) -> list[str]:
    path, git = record.path, Git(host, record.path)
    if beyond := list(_out_of_reach(path)):
        return beyond
    status = read_status(host, path, ignored=True)
    status = status._replace(modified=tuple(dict.fromkeys((*status.modified, *_edited(git)))))
    excuse = _Excuse(path, record, frozenset(context))
    found = [
        *_tracked(status),
        *_named("untracked", _counted(path, status.untracked, excuse.untracked)),
        *_named("ignored", _counted(path, status.ignored, excuse.ignored)),
        *_nested(path, (*status.untracked, *status.ignored)),
        *_head(git, status),
        *_index(git),
    ]
    return [*found, *(of_clone(git) if record.type == "clone" else of_worktree(git, status.branch))]


def _edited(git: Git) -> Iterator[str]:
    """Tracked files whose content differs, read and not told from their size and times.

    Those can be the same as before: within one second, or where a repository says that they need
    not be looked at (core.checkStat, core.trustctime).
    """
    from tempfile import TemporaryDirectory

    entries = git.observe("ls-files", "-s", "-z")
    with TemporaryDirectory(prefix="agentcave-") as folder:
        aside = {"GIT_INDEX_FILE": os.path.join(folder, "index")}
        git.observe("update-index", "-z", "--index-info", stdin=entries, variables=aside)
        refresh = ("update-index", "-q", "--really-refresh", "--ignore-submodules")
        git.observe(*refresh, accept=(0, 1), variables=aside)
        told = git.observe(
            *("diff-files", "--name-only", "-z", "--ignore-submodules=all"), variables=aside
        )
    yield from filter(None, os.fsdecode(told).split("\0"))


def _out_of_reach(root: str) -> Iterator[str]:
    """Directories that cannot be looked into (git would keep silent) and those of other devices."""
    device, closed, mounted = os.lstat(root).st_dev, [], []
    for folder, folders, _ in os.walk(root, onerror=lambda exc: closed.append(str(exc.filename))):
        for name in folders:
            path = os.path.join(folder, name)
            if not os.path.islink(path) and os.lstat(path).st_dev != device:
                mounted.append(path)
    if closed:
        yield f"{_listed(os.path.relpath(path, root) for path in closed)} cannot be read"
    if mounted:
        yield f"{_listed(os.path.relpath(path, root) for path in mounted)} is a mount point"


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


def _counted(root: str, entries: Iterable[str], excuse: Callable[[str], bool]) -> list[str]:
    """The files below some entries of a status that are not excused."""
    below = (path for entry in entries for path in files_below(root, entry.rstrip("/")))
    return [path for path in below if not excuse(path)]


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
