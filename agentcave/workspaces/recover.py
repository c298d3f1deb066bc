"""Is a half-made worktree safe to finish: nobody at work in it, and nothing in it is new."""

import contextlib
import os
import time
from collections.abc import Iterator

from agentcave.errors import Busy, CaveError
from agentcave.hosts.base import Host
from agentcave.hosts.files import regular
from agentcave.workspaces.git import Git

QUIET_SECONDS = 60.0
ABANDONED_SECONDS = 1.0
"""git holds the lock of a branch for milliseconds."""


async def wait_until_quiet(path: str) -> None:
    """Wait for a git that outlived the agentcave which started it. Raises Busy after a minute."""
    import anyio

    real = os.path.realpath(path)
    with anyio.move_on_after(QUIET_SECONDS):
        while any(_gits_at_work(real, path)):
            await anyio.sleep(0.05)
        return
    pid = next(_gits_at_work(real, path), None)
    raise Busy(f"git (process {pid}) is still at work in {path}", "run again when it has ended")


def _gits_at_work(real: str, path: str) -> Iterator[int]:
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                words = [os.fsdecode(word) for word in file.read().split(b"\0")]
            if not os.path.basename(words[0]).startswith("git"):
                continue
            where = os.readlink(f"/proc/{entry}/cwd")
            if path in words or real in words or f"{where}/".startswith(f"{real}/"):
                yield int(entry)


def drop_abandoned(lock: str) -> bool:
    """Remove a lock file of git that is old, for git, and that no process has open any more."""
    try:
        age = time.time() - os.lstat(lock).st_mtime
        if age < ABANDONED_SECONDS or _is_open(os.path.realpath(lock)):
            return False
        os.unlink(lock)
    except FileNotFoundError:
        return True
    return True


def _is_open(path: str) -> bool:
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            folder = f"/proc/{entry}/fd"
            if any(os.readlink(f"{folder}/{number}") == path for number in os.listdir(folder)):
                return True
    return False


def require_nothing_foreign(host: Host, path: str, admin: str) -> None:
    """Raise CaveError unless all that differs from the commit is missing, or was cut off there.

    Files that the commit does not know are left alone by what follows. git writes the files of a
    commit in its own order: a kill cuts one off, which then holds the beginning of what the commit
    has, and none that comes after it is there. Any other one was shortened by somebody.
    """
    index = os.path.join(admin, "index.agentcave")
    git = Git(host, path)
    aside = {"GIT_INDEX_FILE": index}
    try:
        git.observe("read-tree", "HEAD", variables=aside)
        git.observe(*("update-index", "-q", "--really-refresh"), accept=(0, 1), variables=aside)
        output = git.observe(
            "diff-files", "--name-only", "-z", "--ignore-submodules=all", variables=aside
        )
        names = [name for name in os.fsdecode(output).split("\0") if name]
        changed = [name for name in names if not _is_absent(path, name)]
        tracked = os.fsdecode(git.observe("ls-files", "-z", variables=aside)).split("\0")
        there = (name for name in reversed(tracked) if name and not _is_absent(path, name))
        last = next(there, None)
        foreign = [name for name in changed if name != last or not _is_cut_off(git, name, aside)]
    finally:
        for leftover in (index, f"{index}.lock"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(leftover)
    if foreign:
        raise CaveError(
            f"cannot finish the half-made worktree {path}: {', '.join(foreign[:5])} is not what "
            "the commit has",
            "move what you want to keep elsewhere and remove the worktree",
        )


def _is_absent(root: str, relative: str) -> bool:
    """Nothing is there, and no file or symlink stands where one of its directories must be."""
    folder = root
    *parents, name = relative.split("/")
    for parent in parents:
        folder = os.path.join(folder, parent)
        if not os.path.lexists(folder):
            return True
        if os.path.islink(folder) or not os.path.isdir(folder):
            return False
    return not os.path.lexists(os.path.join(folder, name))


def _is_cut_off(git: Git, name: str, aside: dict[str, str]) -> bool:
    path = os.path.join(git.directory, name)
    if os.path.islink(path) or not os.path.isfile(path):
        return False
    with open(path, "rb", opener=regular) as file:
        content = file.read()
    whole = git.observe("cat-file", "--filters", f"HEAD:{name}", variables=aside)
    return whole.startswith(content)
