"""What goes with a checkout although no file of it shows: commits, refs, stashes, own hooks."""

import os
from collections.abc import Iterator

from agentcave.errors import CaveError
from agentcave.workspaces.git import Git
from agentcave.workspaces.survey import common_of
from agentcave.workspaces.trees import fingerprint

REMOTE_TIMEOUT = 20.0


def of_worktree(git: Git, branch: str | None) -> Iterator[str]:
    """What git keeps for this worktree alone, and deletes with it."""
    own = git.observe("for-each-ref", "--format=%(refname)", "refs/worktree", "refs/bisect").split()
    if own:
        yield f"{os.fsdecode(own[0])} is a ref of this worktree alone"
    been = git.observe("reflog", "show", "--format=%H", "HEAD", accept=(0, 128))
    kept = git.observe("reflog", "show", "--format=^%H", f"refs/heads/{branch}", accept=(0, 128))
    if count := _commits(git, been + kept, "--not", "--all"):
        yield f"{count} commit{_s(count)} on no branch, which a detached HEAD had"
    yield from modules_of(_directory(git))


def of_clone(git: Git) -> Iterator[str]:
    """What neither the main checkout nor the clone's origin has."""
    directory = _directory(git)
    main = _main(git)
    stashes = git.observe("stash", "list", "--format=%gd").split()
    if stashes:
        yield f"{len(stashes)} stash{'es' if len(stashes) > 1 else ''}"
    known = main.observe("for-each-ref", "--format=^%(objectname)") if main else b""
    every = ("--reflog", "--exclude=refs/remotes/*", "--exclude=refs/stash", "--all")
    if main and _commits(git, known, *every):
        known += _of_origin(main)
    if count := _commits(git, known, *every):
        yield f"{count} unpushed commit{_s(count)}"
    tags = git.observe("for-each-ref", "--format=%(objectname) %(refname:short)", "refs/tags")
    if lone := [tag for tag in tags.splitlines() if tag.split(b" ", 1)[0] not in known]:
        yield f"tag {os.fsdecode(lone[0].split(b' ', 1)[1])} is nowhere else"
    if len(git.observe("worktree", "list", "--porcelain").split(b"worktree ")) > 2:
        yield "it has worktrees of its own"
    yield from modules_of(directory)
    yield from _files(directory, main, "lfs/objects", "large file")
    yield from _files(directory, main, "hooks", "hook")


def _commits(git: Git, stdin: bytes, *revisions: str) -> int:
    words = ("rev-list", "--count", "--ignore-missing", "--stdin", *revisions)
    return int(git.observe(*words, stdin=stdin))


def _of_origin(main: Git) -> bytes:
    """What the remote has now; a tracking ref only tells what it once had.

    The main checkout is asked: in a clone's own configuration an agent may name what git runs.
    """
    try:
        told = main.observe("ls-remote", "--quiet", "origin", timeout=REMOTE_TIMEOUT)
    except CaveError:  # there is none, or it is out of reach: then nothing counts as pushed
        return b""
    return b"".join(b"^%s\n" % line.split()[0] for line in told.splitlines())


def _main(git: Git) -> Git | None:
    path = git.observe("config", "--get", "remote.local.url", accept=(0, 1)).removesuffix(b"\n")
    return Git(git.host, os.fsdecode(path)) if path and os.path.isdir(path) else None


def _directory(git: Git) -> str:
    return os.fsdecode(git.observe("rev-parse", "--absolute-git-dir").removesuffix(b"\n"))


def modules_of(directory: str) -> Iterator[str]:
    """Repositories of submodules stay here when they are deinitialised, with all their commits."""
    folder = os.path.join(directory, "modules")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    if names:
        yield f"submodule {names[0]} has its repository in this one"


def _files(directory: str, main: Git | None, folder: str, what: str) -> Iterator[str]:
    """Files of a clone's own directory that the main checkout's has not."""
    theirs = os.path.join(common_of(main), folder) if main else ""
    count = 0
    for place, _, names in os.walk(os.path.join(directory, folder)):
        for name in names:
            path = os.path.join(place, name)
            other = os.path.join(theirs, os.path.relpath(path, os.path.join(directory, folder)))
            same = theirs and os.path.exists(other) and fingerprint(other) == fingerprint(path)
            count += not (same or name.endswith(".sample"))
    if count:
        yield f"{count} {what}{_s(count)} of its own"


def _s(count: int) -> str:
    return "s" if count > 1 else ""
